"""Tasks of lesson 01, L2 from scratch."""

from collections.abc import Callable

import numpy as np

from minilib.checks.task import Mistake, SameAs, Task, same_as

Array = np.ndarray


# 01.repair: the article's own objective, mean((y - b - X w)^2) + lam ||w||^2, with a free intercept


FEW = 12


def _repair_cases(rng: np.random.Generator) -> list[tuple]:
    """Draw slopes, column means and intercepts of both signs, and several numbers of columns."""
    cases = []
    for n, p, intercept in ((FEW, 3, 5), (60, 2, -5), (300, 5, 5)):
        X = rng.standard_normal((n, p)) + rng.choice([-1.0, 1.0], p) * rng.uniform(0.5, 1.0, p)
        slopes = rng.permutation(np.resize([1.0, -1.0], p)) * rng.uniform(1, 3, p)
        y = intercept + X @ slopes + 0.1 * rng.standard_normal(n)
        cases.append((X, y, float(rng.uniform(0.2, 0.8))))
    return cases


def _ridge_with_intercept(X: Array, y: Array, lam: float) -> tuple[float, Array]:
    centred = X - X.mean(axis=0)
    w = np.linalg.solve(
        centred.T @ centred / len(X) + lam * np.eye(X.shape[1]), centred.T @ (y - y.mean()) / len(X)
    )
    return float(y.mean() - X.mean(axis=0) @ w), w


def _ridge_with_penalised_intercept(X: Array, y: Array, lam: float) -> tuple[float, Array]:
    ones = np.column_stack([np.ones(len(X)), X])
    w = np.linalg.solve(ones.T @ ones / len(X) + lam * np.eye(ones.shape[1]), ones.T @ y / len(X))
    return float(w[0]), w[1:]


def _ridge_through_the_origin(X: Array, y: Array, lam: float) -> tuple[float, Array]:
    w = np.linalg.solve(X.T @ X / len(X) + lam * np.eye(X.shape[1]), X.T @ y / len(X))
    return 0.0, w


def _ridge_of_standardised_columns(X: Array, y: Array, lam: float) -> tuple[float, Array]:
    _, w = _ridge_with_intercept((X - X.mean(axis=0)) / X.std(axis=0), y, lam)
    return float(y.mean()), w


def _ridge_scaled_back(X: Array, y: Array, lam: float) -> tuple[float, Array]:
    w = _ridge_of_standardised_columns(X, y, lam)[1] / X.std(axis=0)
    return float(y.mean() - X.mean(axis=0) @ w), w


class _Summed(SameAs):
    """Few rows gave the minimum of the sum, many rows that or too long a step.

    A `SameAs`, so that the few rows are asked about even where they are right: then it was means,
    and only the step was too long for the many.
    """

    def __call__(self, answer: tuple, X: Array, y: Array, lam: float) -> bool:
        """Whether this answer could come from sums."""
        return super().__call__(answer, X, y, lam) or (len(X) > FEW and _exploded(answer))


_summed = _Summed((lambda X, y, lam: _ridge_with_intercept(X, y, lam / len(X)),), rtol=1e-3)


def _exploded(answer: tuple, *_: object) -> bool:
    numbers = np.append(np.asarray(answer[1]), answer[0])
    return not (np.abs(numbers) < 1e6).all()


def _on_the_way(answer: tuple, X: Array, y: Array, lam: float) -> bool:
    """Tell whether a descent from zero came by here: it goes farthest where it is steepest."""
    ones = np.column_stack([np.ones(len(X)), X])
    penalty = lam * np.diag(np.append(0, np.ones(X.shape[1])))
    _, directions = np.linalg.eigh(ones.T @ ones / len(X) + penalty)  # the steepest last
    b, w = _ridge_with_intercept(X, y, lam)
    made = directions.T @ np.append(answer[0], answer[1])
    shares = made / (directions.T @ np.append(b, w))
    in_order = (np.diff(shares) > -0.05).all() and (np.abs(shares - 0.5) < 0.55).all()
    # A minimum of another objective, say with more penalty, has residuals of mean zero.
    return in_order and abs((y - ones @ np.append(answer[0], answer[1])).mean()) > 1e-6


REPAIR = Task(
    "01.repair",
    _repair_cases,
    _ridge_with_intercept,
    (
        Mistake(
            "target forgotten",
            "all your weights are (nearly) zero: the target y does not enter your gradient. "
            "The residual is y - b - X w, and the gradient of its mean square needs it.",
            lambda answer, X, y, lam: np.abs(answer[1]).max() < 1e-2,
        ),
        Mistake(
            "sum instead of mean",
            "the objective has the mean of the squares, your gradient their sum. With many rows "
            "the steps become too long and the weights explode; with few, the penalty is n times "
            "too weak. Divide by the number of rows.",
            _summed,
        ),
        Mistake(
            "explodes",
            "your numbers grow without end. Look at the sign of the gradient (descend, do not "
            "climb), at the length of the step, and at whether you took means over the rows.",
            _exploded,
        ),
        Mistake(
            "swapped",
            "your numbers are right but change places: return (b, w), the intercept first.",
            same_as(lambda *case: _ridge_with_intercept(*case)[::-1], rtol=1e-3),
        ),
        Mistake(
            "mean of y as intercept",
            "your w is right, but b is the mean of y. That is the intercept of centred columns; "
            "these have means of their own: b = mean(y) - mean(X) @ w.",
            same_as(
                lambda X, y, lam: (float(y.mean()), _ridge_with_intercept(X, y, lam)[1]), rtol=1e-3
            ),
        ),
        Mistake(
            "columns standardised",
            "you divide the columns by their standard deviations, so the penalty acts on other "
            "weights than the ones asked for. Centre the columns if you like, but leave their "
            "scale alone.",
            same_as(_ridge_of_standardised_columns, _ridge_scaled_back, rtol=1e-3),
        ),
        Mistake(
            "intercept missing",
            "your intercept is 0. Give the model one number b that is added to every prediction; "
            "its gradient is -2 * mean(residual).",
            same_as(_ridge_through_the_origin, rtol=1e-3),
        ),
        Mistake(
            "intercept penalised",
            "your intercept is too close to 0: it pays the penalty as well. Add 2 * lam * w to the "
            "gradient of the weights only.",
            same_as(_ridge_with_penalised_intercept, rtol=1e-3),
        ),
        Mistake(
            "penalty ignored",
            "lam does not enter your answer: these are the weights of plain least squares. The "
            "gradient with respect to w has a second part, 2 * lam * w.",
            same_as(lambda X, y, lam: _ridge_with_intercept(X, y, 0.0), rtol=1e-3),
        ),
        Mistake(
            "half the penalty",
            "your penalty is half as strong as it should be. The derivative of lam * ||w||^2 is "
            "2 * lam * w: this objective has no 1/2 to cancel the 2.",
            same_as(lambda X, y, lam: _ridge_with_intercept(X, y, lam / 2), rtol=1e-3),
        ),
        Mistake(
            "twice the penalty",
            "your penalty is twice as strong as it should be. If the gradient of the penalty is "
            "2 * lam * w, that of the mean square is -2 * X.T @ residual / n, with a 2 as well.",
            same_as(lambda X, y, lam: _ridge_with_intercept(X, y, 2 * lam), rtol=1e-3),
        ),
        Mistake(
            "not there yet",
            "your numbers are on the way to the minimum and stop before it. Article A's 1000 steps "
            "of 0.01 are not enough for four digits; 5000 steps of 0.05 are. (Or did you round?)",
            _on_the_way,
        ),
    ),
    rtol=1e-4,
)


# 01.translate: loss(w) + strength * penalty(w) in somebody's package -> our lam

LOSSES = ("sum", "half sum", "mean", "half mean")
PENALTIES = ("square", "half square", "absolute")


def _translate_cases(rng: np.random.Generator) -> list[tuple]:
    return [
        (float(rng.uniform(0.1, 10)), int(rng.integers(10, 1000)), loss, penalty)
        for loss in LOSSES
        for penalty in PENALTIES
    ]


def _translate(strength: float, n: int, loss: str, penalty: str) -> float:
    """Divide the whole objective by whatever turns its loss into the half mean."""
    factor = {"sum": 1, "half sum": 1 / 2, "mean": 1 / n, "half mean": 1 / (2 * n)}[loss]
    return strength * _half_squares(penalty) / (2 * n * factor)


def _translate_backwards(strength: float, n: int, loss: str, penalty: str) -> float:
    factor = {"sum": 1, "half sum": 1 / 2, "mean": 1 / n, "half mean": 1 / (2 * n)}[loss]
    return strength * _half_squares(penalty) * (2 * n * factor)


def _translate_without_n(strength: float, n: int, loss: str, penalty: str) -> float:
    return strength * _half_squares(penalty) / (1 if "half" in loss else 2)


def _translate_without_halves(strength: float, n: int, loss: str, penalty: str) -> float:
    factor = {"sum": 1, "half sum": 1, "mean": 1 / n, "half mean": 1 / n}[loss]
    return strength * _half_squares(penalty) / (n * factor)


def _half_squares(penalty: str) -> float:
    return 2.0 if penalty == "square" else 1.0


TRANSLATE = Task(
    "01.translate",
    _translate_cases,
    _translate,
    (
        Mistake(
            "backwards",
            "you multiply where you should divide, most likely by n. A sum over n rows is n times "
            "a mean, so beside a sum the same strength is worth n times less.",
            same_as(_translate_backwards),
        ),
        Mistake(
            "n ignored",
            "the number of rows does not enter your answer. A sum over n rows is n times a mean, "
            "so beside a sum the same strength is worth n times less.",
            same_as(_translate_without_n),
        ),
        Mistake(
            "halves of the loss ignored",
            "the halves in front of the loss are missing from your factors. Our loss is the half "
            "mean: divide their whole objective by whatever turns their loss into 1/(2n).",
            same_as(_translate_without_halves),
        ),
        Mistake(
            "square taken for half square",
            "the penalties 'square' and 'half square' get the same lam from you. Ours is the half "
            "square: ||w||^2 is two of ours, so its lam is twice as large.",
            same_as(lambda *case: _translate(*case) / _half_squares(case[-1])),
        ),
        Mistake(
            "square halved",
            "with penalty 'square' your lam should be twice that of 'half square', yours is half "
            "of it. s * ||w||^2 = (2 s) * 1/2 ||w||^2.",
            same_as(lambda *case: _translate(*case) / _half_squares(case[-1]) ** 2),
        ),
    ),
)


# 01.gradient_check: is the candidate the gradient of the logistic objective?


def _logistic_objective(X: Array, y: Array, w: Array, lam: float) -> float:
    return float(np.logaddexp(0, -y * (X @ w)).mean() + lam / 2 * (w @ w))


def _logistic_gradient(X: Array, y: Array, w: Array, lam: float) -> Array:
    return -X.T @ (y / (1 + np.exp(y * (X @ w)))) / len(y) + lam * w


def _gradient_check_cases(rng: np.random.Generator) -> list[tuple]:
    return [case for scale in (1e-4, 1.0) for case in _candidates(rng, scale)]


def _candidates(rng: np.random.Generator, scale: float) -> list[tuple]:
    """Draw data, and beside the gradient ten vectors that resemble it."""
    while True:
        X = scale * rng.standard_normal((40, 5))
        y = np.where(rng.random(40) < 0.5, -1.0, 1.0)
        w = rng.standard_normal(5)
        lam = scale * float(rng.uniform(0.1, 0.5))
        right = _logistic_gradient(X, y, w, lam)
        if np.abs(right).min() > 0.1 * np.abs(right).max():  # errors entry by entry make sense
            break
    large = 0.5 * np.abs(right).max()
    up, down, inside, unknown = (right.copy() for _ in range(4))
    up[-1] += large
    down[-1] -= large
    # Not in the first entry nor in the last, not in the sum of the entries, not in w @ candidate.
    hidden = np.cross(np.ones(3), w[1:4])
    inside[1:4] += large * hidden / np.linalg.norm(hidden)
    unknown[2] = np.nan
    multiples = [factor * right for factor in (1, 1.00003, 1.0003, 1.05, 2, -1)]
    wrong = [right - lam * w, up, down, inside, unknown]
    return [(X, y, w, lam, candidate) for candidate in (*multiples, *wrong)]


def _slope(X: Array, y: Array, w: Array, lam: float, h: float = 1e-5) -> Array:
    return np.array(
        [
            (_logistic_objective(X, y, w + step, lam) - _logistic_objective(X, y, w - step, lam))
            / (2 * h)
            for step in h * np.eye(len(w))
        ]
    )


def _is_gradient(
    X: Array,
    y: Array,
    w: Array,
    lam: float,
    candidate: Array,
    *,
    tolerance: float = 1e-4,
    distance: float = 2.0,
) -> bool:
    slope = _slope(X, y, w, lam) * 2 / distance
    return bool(np.linalg.norm(candidate - slope) < tolerance * np.linalg.norm(slope))


def _below_tolerance(
    difference: Callable[[Array, Array], float], size: Callable[[Array], float]
) -> Callable[..., bool]:
    """Compare some difference of candidate and slope with some size of the slope."""

    def accepts(X: Array, y: Array, w: Array, lam: float, candidate: Array) -> bool:
        slope = _slope(X, y, w, lam)
        return bool(difference(candidate, slope) < 1e-4 * size(slope))

    return accepts


def _isclose_in_length(X: Array, y: Array, w: Array, lam: float, candidate: Array) -> bool:
    slope = _slope(X, y, w, lam)  # np.isclose adds 1e-8 to the tolerance unless told otherwise
    return bool(np.isclose(np.linalg.norm(candidate), np.linalg.norm(slope), rtol=1e-4))


def _largest(v: Array) -> float:
    return float(np.abs(v).max())


GRADIENT_CHECK = Task(
    "01.gradient_check",
    _gradient_check_cases,
    _is_gradient,
    (
        Mistake(
            "too generous",
            "your check accepts a gradient that differs from the slope by more than one part in "
            "ten thousand. A right one agrees to six digits or more, so ask for a relative error "
            "below 1e-4.",
            lambda answer, *case: answer and _is_gradient(*case, tolerance=0.1),
        ),
        Mistake(
            "absolute error",
            "your check accepts wrong gradients when all numbers are tiny. An error of 0.00005 is "
            "small beside a slope of 1 and huge beside a slope of 0.0001: divide by the length of "
            "the measured slope.",
            same_as(
                _below_tolerance(lambda c, slope: np.linalg.norm(c - slope), lambda slope: 1.0),
                _below_tolerance(lambda c, slope: _largest(c - slope), lambda slope: 1.0),
            ),
        ),
        Mistake(
            "lengths compared",
            "your check accepts a gradient with the wrong sign. Compare the vectors, not their "
            "lengths: take the norm of the difference.",
            same_as(
                _below_tolerance(
                    lambda c, slope: abs(np.linalg.norm(c) - np.linalg.norm(slope)), np.linalg.norm
                ),
                _isclose_in_length,
            ),
        ),
        Mistake(
            "sign of the difference kept",
            "your check accepts a gradient with one entry that is far too small, or far too large: "
            "a negative difference is smaller than any tolerance. Take absolute values, or the "
            "norm.",
            same_as(
                *(
                    _below_tolerance(difference, size)
                    for difference in (
                        lambda c, slope: (c - slope).max(),
                        lambda c, slope: (slope - c).max(),
                    )
                    for size in (np.linalg.norm, _largest)
                )
            ),
        ),
        Mistake(
            "one weight only",
            "your check looks at one weight only and misses an error in another. Move each weight "
            "in turn.",
            same_as(
                _below_tolerance(
                    lambda c, slope: abs(c[0] - slope[0]), lambda slope: abs(slope[0])
                ),
                _below_tolerance(
                    lambda c, slope: abs(c[-1] - slope[-1]), lambda slope: abs(slope[-1])
                ),
            ),
        ),
        Mistake(
            "NaN accepted",
            "your check accepts a vector that contains NaN. Every comparison with NaN is False, so "
            "`not error > tolerance` lets it through: write `error < tolerance`.",
            lambda answer, X, y, w, lam, candidate: answer and np.isnan(candidate).any(),
        ),
        Mistake(
            "right ones refused",
            "your check refuses right gradients. Either the slope you measure is not that of "
            "logistic_objective, or the step h is so small that its two values differ only by "
            "rounding (h = 1e-5 is a good one), or you ask for more than a relative error below "
            "1e-4.",
            lambda answer, X, y, w, lam, candidate: (
                not answer and _is_gradient(X, y, w, lam, candidate)
            ),
        ),
        Mistake(
            "divided by h",
            "your measured slopes are twice too large: from w - h to w + h the distance is 2 * h.",
            same_as(lambda *case: _is_gradient(*case, distance=1.0)),
        ),
    ),
)

TASKS = (REPAIR, TRANSLATE, GRADIENT_CHECK)
