"""Tasks of lesson 02, L1 from scratch."""

from collections.abc import Callable

import numpy as np

from minilib.checks.task import Mistake, Task, same_as

Array = np.ndarray
Groups = list[list[int]]


# 02.group: prox of threshold * sum of ||w_g||, the L2 norms of groups of weights


def _group_cases(rng: np.random.Generator) -> list[tuple]:
    return [_one_group(rng), _balanced_group(rng), *(_five_groups(rng) for _ in range(3))]


def _one_group(rng: np.random.Generator) -> tuple[Array, Groups, float]:
    threshold = float(rng.uniform(0.5, 2))
    return rng.uniform(1.5, 2.5) * threshold * _direction(rng, 2), [[0, 1]], threshold


def _balanced_group(rng: np.random.Generator) -> tuple[Array, Groups, float]:
    """Draw a group that survives, although it begins with a zero and its sum is zero."""
    threshold = float(rng.uniform(0.5, 2))
    size = rng.uniform(1.2, 2) * threshold / 2**0.5
    places = rng.permutation(3)
    w = np.zeros(3)
    w[places] = [0.0, size, -size]
    return w, [places.tolist()], threshold


def _five_groups(rng: np.random.Generator) -> tuple[Array, Groups, float]:
    """Draw two groups that survive, one of them with small weights, two that vanish, one zero."""
    threshold = float(rng.uniform(0.5, 2))
    parts = [
        rng.uniform(1.2, 1.6) * threshold * _direction(rng, 4),
        rng.uniform(1.2, 2.0) * threshold * _direction(rng, 1),
        rng.uniform(0.4, 0.8) * threshold * _direction(rng, 2),
        rng.uniform(0.4, 0.8) * threshold * _direction(rng, 1),
        np.zeros(3),
    ]
    places = rng.permutation(11)
    groups = np.split(places, np.cumsum([len(part) for part in parts])[:-1])
    w = np.zeros(11)
    w[places] = np.concatenate(parts)
    return w, [group.tolist() for group in groups], threshold


def _direction(rng: np.random.Generator, size: int) -> Array:
    """Draw a vector of length 1 in which no entry is close to 0."""
    v = rng.uniform(0.5, 1.0, size) * rng.choice([-1.0, 1.0], size)
    return v / np.linalg.norm(v)


def _each_group_times(factor: Callable[[Array, float], float | Array]) -> Callable[..., Array]:
    """Multiply each group by something that depends on its weights and the threshold."""

    def shrink(w: Array, groups: Groups, threshold: float) -> Array:
        result = np.zeros(len(w))
        for group in groups:
            result[group] = factor(w[group], threshold) * w[group]
        return result

    return shrink


def _kept_share(length: float, threshold: float) -> float:
    return 1 - threshold / length if length > threshold else 0.0


_group = _each_group_times(lambda v, t: _kept_share(np.linalg.norm(v), t))


def _except_for_zeros(function: Callable[..., Array]) -> Callable[..., bool]:
    """Recognise wrong code by the weights that are not zero; a zero group may have become NaN."""

    def recognise(answer: Array, w: Array, groups: Groups, threshold: float) -> bool:
        wrong = function(w, groups, threshold)[w != 0]
        return same_as(lambda: wrong)(np.asarray(answer)[w != 0])

    return recognise


def _divided_by_zero(answer: object, w: Array, groups: Groups, threshold: float) -> bool:
    if isinstance(answer, ZeroDivisionError):
        return any(not w[group].any() for group in groups)
    at_zeros = np.asarray(answer, dtype=float)[w == 0]
    return not np.isfinite(at_zeros).all() and _except_for_zeros(_group)(
        answer, w, groups, threshold
    )


def _listed_by_group(answer: object, w: Array, groups: Groups, threshold: float) -> bool:
    listed = _group(w, groups, threshold)[np.concatenate(groups)]
    return same_as(lambda: listed)(np.concatenate([np.ravel(part) for part in answer]))


GROUP = Task(
    "02.group",
    _group_cases,
    _group,
    (
        Mistake(
            "taken for zero",
            "you take a group for zero because one of its weights is, or because they add up to "
            "zero. Measure the whole group: only its length says whether it vanishes.",
            lambda answer, w, groups, threshold: w.any() and w.sum() == 0 and not np.any(answer),
        ),
        Mistake(
            "entry by entry",
            "this is the ordinary soft threshold: each weight is shrunk by itself, so a group can "
            "lose some of its weights and keep others. Compare the length of the whole group with "
            "the threshold.",
            _except_for_zeros(lambda w, groups, t: np.sign(w) * np.maximum(np.abs(w) - t, 0)),
        ),
        Mistake(
            "sign instead of direction",
            "in a surviving group all your weights have the same size. sign(w) keeps the direction "
            "of a single number; the direction of a group is w_g / ||w_g||.",
            _except_for_zeros(
                _each_group_times(lambda v, t: max(np.linalg.norm(v) - t, 0.0) / np.abs(v))
            ),
        ),
        Mistake(
            "squared norm",
            "you compare the threshold with the sum of the squares. The penalty has the norm of "
            "each group, the square root of that sum.",
            _except_for_zeros(_each_group_times(lambda v, t: _kept_share(v @ v, t))),
        ),
        Mistake(
            "sum of absolute values",
            "you measure a group by the sum of its absolute values. The penalty has its L2 norm, "
            "the square root of the sum of the squares.",
            _except_for_zeros(_each_group_times(lambda v, t: _kept_share(np.abs(v).sum(), t))),
        ),
        Mistake(
            "scaled by group size",
            "your threshold grows with the square root of the size of the group. Some packages do "
            "that, to be fair to large groups; this penalty counts every group alike.",
            _except_for_zeros(
                _each_group_times(lambda v, t: _kept_share(np.linalg.norm(v), t * len(v) ** 0.5))
            ),
        ),
        Mistake(
            "groups ignored",
            "you treat all weights as one group. Take the norm of w[group] for one group at a "
            "time, and shrink only these weights by it.",
            _except_for_zeros(lambda w, groups, t: w * _kept_share(np.linalg.norm(w), t)),
        ),
        Mistake(
            "survivors not shrunk",
            "your groups vanish when they should, but the others keep their full length. What "
            "survives gets shorter by the threshold: multiply it by 1 - threshold / ||w_g||.",
            _except_for_zeros(_each_group_times(lambda v, t: float(np.linalg.norm(v) > t))),
        ),
        Mistake(
            "crosses zero",
            "groups shorter than the threshold come back with the opposite sign. The factor "
            "1 - threshold / ||w_g|| is negative for them: take 0 instead.",
            _except_for_zeros(_each_group_times(lambda v, t: 1 - t / np.linalg.norm(v))),
        ),
        Mistake(
            "division by zero",
            "a group whose weights are all zero already makes you divide by its length, 0. Ask "
            "first whether the group is longer than the threshold, and divide only then.",
            _divided_by_zero,
        ),
        Mistake(
            "listed by group",
            "your numbers are right but stand in the order of the groups. Weight j belongs at "
            "place j: write them back with result[group] = ...",
            _listed_by_group,
        ),
    ),
)


# 02.alpha_max: smallest alpha at which scikit-learn's ElasticNet has no weight left


def _alpha_max_cases(rng: np.random.Generator) -> list[tuple]:
    cases = []
    # In two cases the strongest column pulls its weight above zero, in two below.
    sides = rng.permutation([1, 1, -1, -1])
    for (n, p), side in zip(((10, 3), (40, 6), (12, 20), (200, 5)), sides, strict=True):
        X = rng.uniform(0.5, 3.0, p) * rng.standard_normal((n, p)) + rng.uniform(1, 3, p)
        y = (X - X.mean(axis=0)) @ rng.uniform(-2, 2, p) + rng.standard_normal(n)
        pulls = (X - X.mean(axis=0)).T @ y
        strongest = pulls[np.abs(pulls).argmax()]
        y = 10 + side * np.sign(strongest) * y
        cases.append((X, y, float(rng.uniform(0.1, 0.9))))
    return cases


def _pulls(X: Array, y: Array) -> Array:
    """Slope of the loss at w = 0, column by column, with the intercept at its best."""
    return (X - X.mean(axis=0)).T @ (y - y.mean()) / len(y)


def _alpha_max(X: Array, y: Array, l1_ratio: float) -> float:
    return float(np.abs(_pulls(X, y)).max()) / l1_ratio


def _not_absolute(answer: float, X: Array, y: Array, l1_ratio: float) -> bool:
    pulls = _pulls(X, y) / l1_ratio
    ends = (pulls.max(), pulls.min(), -pulls.min(), abs(pulls.max()))
    return any(same_as(lambda value=value: value)(answer) for value in ends)


ALPHA_MAX = Task(
    "02.alpha_max",
    _alpha_max_cases,
    _alpha_max,
    (
        Mistake(
            "not centred",
            "you take X and y as they come. The intercept is free, and with no weights it is the "
            "mean of y, so what the columns can still explain is y - y.mean().",
            same_as(lambda X, y, l1_ratio: np.abs(X.T @ y / len(y)).max() / l1_ratio),
        ),
        Mistake(
            "standardised",
            "you divide the columns by their standard deviation. scikit-learn takes the columns in "
            "the units they come in; subtract means, and leave the scale alone.",
            same_as(lambda X, y, l1_ratio: np.abs(_pulls(X, y) / X.std(axis=0)).max() / l1_ratio),
        ),
        Mistake(
            "sum instead of mean",
            "your alpha is n times too large. scikit-learn divides the squared error by 2n, so the "
            "slope of the loss at zero is X.T @ (y - mean) divided by the number of rows.",
            same_as(lambda X, y, l1_ratio: _alpha_max(X, y, l1_ratio) * len(y)),
        ),
        Mistake(
            "divisor n - 1",
            "your alpha is n / (n - 1) times too large: a covariance, as np.cov computes it, "
            "divides by n - 1. scikit-learn's loss divides by n.",
            same_as(lambda X, y, l1_ratio: _alpha_max(X, y, l1_ratio) * len(y) / (len(y) - 1)),
        ),
        Mistake(
            "half",
            "your alpha is half of the right one. The loss has 1/(2n), but the derivative of a "
            "square brings a 2 that cancels: the slope has 1/n.",
            same_as(lambda X, y, l1_ratio: _alpha_max(X, y, l1_ratio) / 2),
        ),
        Mistake(
            "twice",
            "your alpha is twice the right one. The derivative of a square brings a 2, but the "
            "loss has 1/(2n), which cancels it: the slope has 1/n.",
            same_as(lambda X, y, l1_ratio: _alpha_max(X, y, l1_ratio) * 2),
        ),
        Mistake(
            "sign kept",
            "you take the largest slope or the smallest, but the steepest one has the other sign. "
            "A weight can leave zero in either direction: take the absolute values first, then the "
            "maximum.",
            _not_absolute,
        ),
        Mistake(
            "l1_ratio forgotten",
            "l1_ratio does not enter your answer. Only the L1 part of the penalty holds weights at "
            "zero, and its strength is alpha * l1_ratio.",
            same_as(lambda X, y, l1_ratio: _alpha_max(X, y, l1_ratio) * l1_ratio),
        ),
        Mistake(
            "multiplied by l1_ratio",
            "you multiply by l1_ratio. Weights stay at zero while the steepest slope is at most "
            "alpha * l1_ratio; solve that for alpha.",
            same_as(lambda X, y, l1_ratio: _alpha_max(X, y, l1_ratio) * l1_ratio**2),
        ),
        Mistake(
            "l1_ratio swapped",
            "you divide by 1 - l1_ratio, the share of L2. The L2 part has no slope at w = 0 and "
            "holds nothing there; the share of L1 is l1_ratio.",
            same_as(lambda X, y, l1_ratio: _alpha_max(X, y, l1_ratio) * l1_ratio / (1 - l1_ratio)),
        ),
    ),
    rtol=1e-5,
)


# 02.elastic_prox: prox of step * lam * (elastic net), over weights that are not negative


def _elastic_prox_cases(rng: np.random.Generator) -> list[tuple]:
    cases = []
    for step in (0.05, 0.3, 2.5):
        step, lam = step * float(rng.uniform(0.8, 1.2)), float(rng.uniform(2, 5))
        l1_ratio = float(rng.choice([0.3, 0.7]) + rng.uniform(-0.1, 0.1))
        threshold = step * lam * l1_ratio
        multiples = [*rng.uniform(1.5, 4, 2), rng.uniform(0.2, 0.8), 0, *rng.uniform(-4, -2, 2)]
        cases.append((threshold * rng.permutation(multiples), step, lam, l1_ratio))
    v, *strengths = cases[-1]
    return [*cases, (v.reshape(2, 3), *strengths)]


def _elastic_prox(v: Array, step: float, lam: float, l1_ratio: float) -> Array:
    l1, l2 = step * lam * l1_ratio, step * lam * (1 - l1_ratio)
    return np.maximum(v - l1, 0) / (1 + l2)


def _of_positive_and_negative(v: Array, step: float, lam: float, l1_ratio: float) -> Array:
    return np.sign(v) * _elastic_prox(np.abs(v), step, lam, l1_ratio)


def _with_the_denominator_first(v: Array, step: float, lam: float, l1_ratio: float) -> Array:
    return np.maximum(v / (1 + step * lam * (1 - l1_ratio)) - step * lam * l1_ratio, 0)


ELASTIC_PROX = Task(
    "02.elastic_prox",
    _elastic_prox_cases,
    _elastic_prox,
    (
        Mistake(
            "negative entries kept",
            "this is the prox without the condition w >= 0: where v is below minus the threshold, "
            "your weight is negative. The lowest point allowed there is 0.",
            same_as(_of_positive_and_negative),
        ),
        Mistake(
            "absolute value",
            "negative entries of v give you positive weights. For v = -3 the nearest weight that "
            "is not negative is 0, so such entries become 0; no absolute value is needed.",
            same_as(lambda v, *strengths: _elastic_prox(np.abs(v), *strengths)),
        ),
        Mistake(
            "not clipped",
            "entries below the threshold become negative. Where v - threshold is negative the "
            "lowest point allowed is 0: take the maximum with 0.",
            same_as(
                lambda v, step, lam, l1_ratio: (
                    (v - step * lam * l1_ratio) / (1 + step * lam * (1 - l1_ratio))
                )
            ),
        ),
        Mistake(
            "shrunk before the threshold",
            "you divide first and subtract the threshold afterwards. Set the derivative "
            "w - v + l1 + l2 * w to zero: the threshold is subtracted from v, then all is divided.",
            same_as(_with_the_denominator_first),
        ),
        Mistake(
            "step missing in the denominator",
            "the step is missing from your denominator. It multiplies the whole penalty, the L2 "
            "part as well.",
            same_as(
                lambda v, step, lam, l1_ratio: (
                    np.maximum(v - step * lam * l1_ratio, 0) / (1 + lam * (1 - l1_ratio))
                )
            ),
        ),
        Mistake(
            "step missing",
            "the step does not enter your answer. A short step trusts v more: it multiplies the "
            "penalty, in the threshold and in the denominator.",
            same_as(lambda v, step, lam, l1_ratio: _elastic_prox(v, 1.0, lam, l1_ratio)),
        ),
        Mistake(
            "l1_ratio swapped",
            "you have swapped the two shares. l1_ratio is the share of L1, which is subtracted; "
            "1 - l1_ratio is the share of L2, which divides.",
            same_as(lambda v, step, lam, l1_ratio: _elastic_prox(v, step, lam, 1 - l1_ratio)),
        ),
        Mistake(
            "L2 forgotten",
            "you subtract the threshold, and that is all. The L2 part of the penalty shrinks what "
            "is left by a factor.",
            same_as(lambda v, step, lam, l1_ratio: np.maximum(v - step * lam * l1_ratio, 0)),
        ),
        Mistake(
            "half forgotten",
            "your denominator has twice the L2 part. The penalty is half the square, and its "
            "derivative is w, not 2 w.",
            same_as(
                lambda v, step, lam, l1_ratio: (
                    np.maximum(v - step * lam * l1_ratio, 0) / (1 + 2 * step * lam * (1 - l1_ratio))
                )
            ),
        ),
        Mistake(
            "one row only",
            "you are right where v is a single row of numbers, not where it is a table. Return the "
            "shape of v: NumPy's functions treat all entries at once, whatever the shape.",
            lambda answer, v, *strengths: v.ndim == 2,
        ),
    ),
)

TASKS = (GROUP, ALPHA_MAX, ELASTIC_PROX)
