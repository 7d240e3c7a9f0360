"""Tasks of lesson 03, choosing lambda."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minilib.checks.task import Mistake, Task, same_as
from minilib.linear import Scaling, ridge

Array = np.ndarray
Folds = list[list[int]]


# 03.leak: validation error of ridge, fold by fold, with nothing learned from the fold


def _leak_cases(rng: np.random.Generator) -> list[tuple]:
    cases = []
    for sizes in ((6, 9, 7), (5, 5, 6, 4, 5), (20, 15)):
        n = sum(sizes)
        drift = np.linspace(-1, 1, n)[:, None]  # so that the folds differ in mean and spread
        X = rng.standard_normal((n, 3)) * (1.5 + drift) + drift
        X = rng.uniform(10, 50, 3) + rng.uniform(0.5, 5, 3) * X
        y = 150 + Scaling.of(X).apply(X) @ rng.uniform(5, 20, 3) + 5 * rng.standard_normal(n)
        order = rng.permutation(n)
        folds = [np.sort(rows).tolist() for rows in np.split(order, np.cumsum(sizes)[:-1])]
        places = np.argsort(order)
        cases.append((X[places], y[places], float(rng.uniform(0.1, 0.4)), folds))
    return cases


def _each_fold(
    *,
    scaling: str = "train",
    centre: str = "train",
    fit: str = "train",
    measure: str = "fold",
    lam_times: Callable[[int, int], float] = lambda n_train, n: 1.0,
) -> Callable[..., list[float]]:
    """Say which rows each part is learned from: of the fold, the rest ("train"), or all."""

    def errors(X: Array, y: Array, lam: float, folds: Folds) -> list[float]:
        everything = np.arange(len(y))
        result = []
        for fold in folds:
            rows = {"all": everything, "train": np.delete(everything, fold), "fold": fold}
            inputs = Scaling.of(X[rows[scaling]]).apply(X)
            targets = y - y[rows[centre]].mean()
            strength = lam * lam_times(len(rows["train"]), len(y))
            w = ridge(inputs[rows[fit]], targets[rows[fit]], strength).w
            residual = targets[rows[measure]] - inputs[rows[measure]] @ w
            result.append(float(np.mean(residual**2)))
        return result

    return errors


def _each_fold_with_its_own(*, scaling: bool, centre: bool) -> Callable[..., list[float]]:
    """Learn from the training rows, then standardise or centre the fold by itself."""

    def errors(X: Array, y: Array, lam: float, folds: Folds) -> list[float]:
        result = []
        for fold in folds:
            train = np.delete(np.arange(len(y)), fold)
            learned, mean = Scaling.of(X[train]), y[train].mean()
            w = ridge(learned.apply(X[train]), y[train] - mean, lam).w
            inputs = (Scaling.of(X[fold]) if scaling else learned).apply(X[fold])
            targets = y[fold] - (y[fold].mean() if centre else mean)
            result.append(float(np.mean((targets - inputs @ w) ** 2)))
        return result

    return errors


def _without_intercept(X: Array, y: Array, lam: float, folds: Folds) -> list[float]:
    result = []
    for fold in folds:
        train = np.delete(np.arange(len(y)), fold)
        scaling = Scaling.of(X[train])
        w = ridge(scaling.apply(X[train]), y[train], lam).w
        result.append(float(np.mean((y[fold] - scaling.apply(X[fold]) @ w) ** 2)))
    return result


def _with_divisor_n_minus_1(X: Array, y: Array, lam: float, folds: Folds) -> list[float]:
    result = []
    for fold in folds:
        train = np.delete(np.arange(len(y)), fold)
        inputs = (X - X[train].mean(axis=0)) / X[train].std(axis=0, ddof=1)
        targets = y - y[train].mean()
        w = ridge(inputs[train], targets[train], lam).w
        result.append(float(np.mean((targets[fold] - inputs[fold] @ w) ** 2)))
    return result


_fold_errors = _each_fold()

LEAK = Task(
    "03.leak",
    _leak_cases,
    _fold_errors,
    (
        Mistake(
            "nothing repaired",
            "these are the numbers of the leaky version: scaling and the mean of y still come from "
            "all rows. Move both lines into the loop and give them the training rows.",
            same_as(_each_fold(scaling="all", centre="all")),
        ),
        Mistake(
            "scaling from all rows",
            "the mean of y is learned inside the fold, the scaling of the columns is not: it has "
            "seen the validation rows. Write Scaling.of(X[train]) inside the loop.",
            same_as(_each_fold(scaling="all")),
        ),
        Mistake(
            "mean of y from all rows",
            "the scaling is learned inside the fold, the mean of y is not: it has seen the "
            "validation rows. Inside the loop, take y[train].mean().",
            same_as(_each_fold(centre="all")),
        ),
        Mistake(
            "fold scaled by itself",
            "you standardise the validation rows by their own mean and deviation. A single new "
            "patient has none: apply the scaling that was learned from the training rows.",
            same_as(
                _each_fold_with_its_own(scaling=True, centre=False),
                _each_fold_with_its_own(scaling=True, centre=True),
            ),
        ),
        Mistake(
            "targets of the fold centred by themselves",
            "you subtract from the validation targets their own mean. The model may not know it: "
            "its intercept is the mean of the training targets.",
            same_as(_each_fold_with_its_own(scaling=False, centre=True)),
        ),
        Mistake(
            "intercept forgotten",
            "your predictions lack the intercept. The weights only say how a patient differs from "
            "the mean of the training targets: add that mean to X w.",
            same_as(_without_intercept),
        ),
        Mistake(
            "error on the training rows",
            "you measure the error on the rows the weights were fitted to. Measure it on the rows "
            "of the fold, which the model has not seen.",
            same_as(_each_fold(measure="train")),
        ),
        Mistake(
            "fitted to all rows",
            "your weights are fitted to all rows, those of the fold as well, so there is nothing "
            "left to validate on. Fit them inside the loop, to the training rows.",
            same_as(
                _each_fold(fit="all"),
                _each_fold(fit="all", scaling="all"),
                _each_fold(fit="all", scaling="all", centre="all"),
            ),
        ),
        Mistake(
            "roles swapped",
            "you fit on the fold and measure on all the others. folds lists the validation rows: "
            "fit on the rows that are not in the fold.",
            same_as(_each_fold(scaling="fold", centre="fold", fit="fold", measure="train")),
        ),
        Mistake(
            "divisor n - 1",
            "your standard deviations divide by n - 1 and ours by n, so your columns are a little "
            "shorter and pay more. Use Scaling.of, or leave ddof at 0.",
            same_as(_with_divisor_n_minus_1),
        ),
        Mistake(
            "lam taken for alpha",
            "your penalty is n times too weak: beside a mean square, lam I stands next to "
            "X.T @ X / n. For scikit-learn's Ridge that means alpha = n * lam.",
            same_as(_each_fold(lam_times=lambda n_train, n: 1 / n_train)),
        ),
        Mistake(
            "lam times n",
            "your penalty is n times too strong. ridge(X, y, lam) already has the mean square; "
            "only scikit-learn's Ridge wants n * lam.",
            same_as(_each_fold(lam_times=lambda n_train, n: n_train)),
        ),
        Mistake(
            "n of all rows",
            "your penalty is a little too strong: the n in it counts all rows. The model is fitted "
            "to the training rows of the fold, so n is how many those are.",
            same_as(_each_fold(lam_times=lambda n_train, n: n / n_train)),
        ),
        Mistake(
            "sum over rows",
            "you add the squares of the rows of each fold. Divide by how many they are: the mean "
            "of a large fold and of a small one can be compared, their sums cannot.",
            same_as(
                lambda X, y, lam, folds: [
                    error * len(fold)
                    for error, fold in zip(_fold_errors(X, y, lam, folds), folds, strict=True)
                ]
            ),
        ),
        Mistake(
            "root taken",
            "you return the root of each error. Asked for is the mean of the squares itself.",
            same_as(lambda *case: np.sqrt(_fold_errors(*case))),
        ),
        Mistake(
            "halved",
            "your errors are half of the right ones. The 1/2 belongs to our objective; the mean "
            "squared error has none.",
            same_as(lambda *case: np.divide(_fold_errors(*case), 2)),
        ),
        Mistake(
            "first fold only",
            "you return the error of the first fold and stop. Does your return stand inside the "
            "loop? Move it one step to the left.",
            same_as(lambda *case: _fold_errors(*case)[:1], lambda *case: _fold_errors(*case)[0]),
        ),
        Mistake(
            "averaged",
            "you return one number. Return the list of the errors, one for each fold: the spread "
            "between them is what the standard error is made of.",
            same_as(lambda *arguments: float(np.mean(_fold_errors(*arguments)))),
        ),
    ),
    rtol=1e-4,
)


# 03.stability: share of repeats that choose the most frequent lam by the one-standard-error rule


def _stability_cases(rng: np.random.Generator) -> list[tuple]:
    # 50 and 83 have no divisor in common: no constant is the right share of both.
    cases = [_draw_errors(rng, *shape) for shape in ((50, 16, 3), (83, 20, 5))]
    return [(errors,) for errors in (*cases, _draw_bumps(rng), _without_spread())]


def _draw_errors(rng: np.random.Generator, n_repeats: int, n_lams: int, n_folds: int) -> Array:
    """Draw valleys, until each way to choose gives a share of its own."""
    while True:
        bottom = rng.normal(0.65, 0.06, (n_repeats, 1)) * n_lams
        valleys = 3000 + 10 * (np.arange(n_lams) - bottom) ** 2
        spreads = rng.uniform(60, 400, (n_repeats, 1)) * np.linspace(3, 0.5, n_lams)
        luck = rng.standard_normal((n_repeats, 1, n_folds))
        luck -= luck.mean(axis=2, keepdims=True)
        luck /= luck.std(axis=2, ddof=1, keepdims=True)
        errors = valleys[:, :, None] + spreads[:, :, None] * luck
        shares = [_agreement(errors), 1.0, *(rule(errors) for rule in _WRONG_SHARES.values())]
        if len(set(shares)) == len(shares):
            return errors


def _draw_bumps(rng: np.random.Generator) -> Array:
    """Put a bump behind the right choice, in about half of the repeats."""
    while True:
        errors = _draw_errors(rng, 37, 16, 4)
        repeats = np.flatnonzero(rng.random(len(errors)) < 0.5)
        behind = _choose(errors)[repeats] + 1
        in_between = behind < errors.mean(axis=2).argmin(axis=1)[repeats]
        errors[repeats[in_between], behind[in_between]] += 2000
        rules = (_agreement, _share_walking_from_best, _share_like_the_first)
        if len({rule(errors) for rule in rules}) == len(rules):
            return errors


def _without_spread() -> Array:
    """Make all folds alike, so that the limit is the best mean itself, which two lams share."""
    means = np.array(5 * [[3.0, 2.0, 1.0, 1.0, 4.0]] + 2 * [[4.0, 1.0, 1.0, 2.0, 3.0]])
    return np.repeat(means[:, :, None], 3, axis=2)


def _share(choices: Array) -> float:
    return float(np.bincount(choices).max() / len(choices))


def _standard_error(errors: Array, ddof: int = 1) -> Array:
    return errors.std(axis=-1, ddof=ddof) / np.sqrt(errors.shape[-1])


def _within(errors: Array, band: Array) -> Array:
    """Say for each repeat and lam whether its mean is within the band of the best one."""
    mean = errors.mean(axis=-1)
    best = mean.argmin(axis=-1, keepdims=True)
    limit = np.take_along_axis(mean, best, axis=-1) + np.take_along_axis(band, best, axis=-1)
    return mean <= limit


def _choose(errors: Array) -> Array:
    """Find the largest lam within one standard error of the best, for each repeat."""
    return _within(errors, _standard_error(errors)).argmax(axis=-1)


def _agreement(errors: Array) -> float:
    return _share(_choose(errors))


def _share_of_weakest(errors: Array) -> float:
    from_the_end = _within(errors, _standard_error(errors))[:, ::-1].argmax(axis=1)
    return _share(errors.shape[1] - 1 - from_the_end)


def _share_with_own_bands(errors: Array) -> float:
    mean = errors.mean(axis=2)
    limits = mean.min(axis=1, keepdims=True) + _standard_error(errors)
    return _share((mean <= limits).argmax(axis=1))


def _share_walking_from_best(errors: Array) -> float:
    within = _within(errors, _standard_error(errors))
    best = errors.mean(axis=2).argmin(axis=1)
    outside = [np.flatnonzero(~row[:place]) for row, place in zip(within, best, strict=True)]
    return _share(np.array([places[-1] + 1 if len(places) else 0 for places in outside]))


def _share_like_the_first(errors: Array) -> float:
    choices = _choose(errors)
    return float(np.mean(choices == choices[0]))


def _share_within_variance(errors: Array, root: float) -> float:
    band = errors.var(axis=2, ddof=1) / errors.shape[2] ** root
    return _share(_within(errors, band).argmax(axis=1))


def _share_with_all_within(errors: Array) -> float:
    """Make the limit boundless wherever there is any spread at all."""
    return _share(_within(errors, 1e9 * errors.std(axis=2)).argmax(axis=1))


_WRONG_SHARES: dict[str, Callable[[Array], float]] = {
    "minimum": lambda errors: _share(errors.mean(axis=2).argmin(axis=1)),
    "standard deviation": lambda errors: _share(
        _within(errors, errors.std(axis=2, ddof=1)).argmax(axis=1)
    ),
    "divisor K": lambda errors: _share(
        _within(errors, _standard_error(errors, ddof=0)).argmax(axis=1)
    ),
    "weakest penalty": _share_of_weakest,
    "a band for each lam": _share_with_own_bands,
    "axes swapped": lambda errors: _agreement(errors.swapaxes(1, 2)),
    "repeats averaged": lambda errors: float(
        np.mean(_choose(errors) == _choose(errors.mean(axis=0)))
    ),
    "count": lambda errors: _agreement(errors) * len(errors),
}


STABILITY = Task(
    "03.stability",
    _stability_cases,
    _agreement,
    (
        Mistake(
            "minimum",
            "each of your repeats takes the lam with the smallest mean. The rule takes the largest "
            "lam whose mean is at most one standard error above that.",
            same_as(_WRONG_SHARES["minimum"]),
        ),
        Mistake(
            "standard deviation",
            "your limit is one standard deviation above the best mean. A mean of K errors is less "
            "uncertain than a single error: divide by the square root of K.",
            same_as(_WRONG_SHARES["standard deviation"]),
        ),
        Mistake(
            "divisor K",
            "your standard deviation divides by K. The spread is measured around a mean that comes "
            "from the same K errors, so divide by K - 1: write ddof=1.",
            same_as(_WRONG_SHARES["divisor K"]),
        ),
        Mistake(
            "weakest penalty",
            "of the lams within the limit you take the smallest. The rule wants the simplest model "
            "that is not clearly worse: the largest lam, which comes first.",
            same_as(_WRONG_SHARES["weakest penalty"]),
        ),
        Mistake(
            "a band for each lam",
            "you compare each lam with a limit of its own. There is one limit for each repeat: the "
            "smallest mean plus the standard error at that same lam.",
            same_as(_WRONG_SHARES["a band for each lam"]),
        ),
        Mistake(
            "axes swapped",
            "you take means over the lams and choose a fold. Axis 1 runs over the lams and axis 2 "
            "over the folds: the means are errors.mean(axis=2).",
            same_as(_WRONG_SHARES["axes swapped"]),
        ),
        Mistake(
            "variance",
            "your limit is the best mean plus a variance. A variance is in squared units, so its "
            "root must be taken before it can be added to a mean: errors.std, not errors.var.",
            same_as(
                lambda errors: _share_within_variance(errors, 0),
                lambda errors: _share_within_variance(errors, 0.5),
                lambda errors: _share_within_variance(errors, 1),
            ),
        ),
        Mistake(
            "repeats averaged",
            "you average over the repeats before you choose, and that hides what we want to know. "
            "Let each repeat choose by itself, then count the choices.",
            same_as(_WRONG_SHARES["repeats averaged"]),
        ),
        Mistake(
            "always the same",
            "every repeat chooses the same lam for you: either you average over the repeats first, "
            "or your limit is so wide that everything lies within it.",
            same_as(lambda errors: 1.0, _share_with_all_within),
        ),
        Mistake(
            "walks from the best",
            "you walk from the best lam towards the larger ones and stop at the first mean above "
            "the limit. A larger lam behind it may be within the limit again: ask all of them, and "
            "take the first.",
            same_as(_share_walking_from_best),
        ),
        Mistake(
            "compared with the first",
            "you count the repeats that choose as the first one does. The first repeat may be an "
            "odd one: count every choice, and take the one that is most frequent.",
            same_as(_share_like_the_first),
        ),
        Mistake(
            "count",
            "you return how many repeats agree. Divide by the number of repeats: with 50 and with "
            "500 of them, the share means the same.",
            same_as(_WRONG_SHARES["count"]),
        ),
        Mistake(
            "limit excluded",
            "you go wrong where all folds give the same error. The limit is then the best mean "
            "itself, and nothing lies below it: the rule says at most the limit, so write <=.",
            lambda answer, errors: not errors.std(axis=2).any(),
        ),
    ),
)

# 03.kink: where the straight line of the path ends


_Line = tuple[Array, Array, Array, Array, Array]  # w and way of the active, c and a of the others


def _kink_cases(rng: np.random.Generator) -> list[tuple]:
    """Draw solutions whose lines end in all the ways that there are."""
    cases = []
    for wanted in _ENDS:
        while not wanted(_end(case := _solution(rng, few=wanted is _nothing))):
            pass
        cases.append(case)
    return cases


def _solution(rng: np.random.Generator, *, few: bool) -> tuple[Array, Array, float, Array]:
    """Draw a table, a lam and weights; q is what makes these weights the solution."""
    p = 2 if few else int(rng.integers(4, 8))
    X = rng.standard_normal((12, p)) + rng.standard_normal((12, 1))
    gram, lam = X.T @ X / 12, float(rng.uniform(0.5, 3))
    w = rng.permutation(np.append(0, rng.standard_normal(p - 1))) * (rng.random(p) < 0.6)
    w[rng.integers(p)] = rng.choice([-1, 1]) * rng.uniform(0.3, 2)
    others = lam * rng.uniform(-0.95, 0.95, p)
    return gram, gram @ w + np.where(w != 0, lam * np.sign(w), others), lam, w + 0.0


def _line(gram: Array, xy: Array, w: Array) -> _Line:
    active = w != 0
    way = np.linalg.solve(gram[active][:, active], np.sign(w[active]))
    return w[active], way, (xy - gram @ w)[~active], gram[~active][:, active] @ way


def _times(gram: Array, xy: Array, lam: float, w: Array) -> dict[str, Array]:
    """When each event would happen, in the past or in the future."""
    w, way, c, a = _line(gram, xy, w)
    return {
        "leaves": -w / way,
        "joins above": (lam - c) / (1 - a),
        "joins below": (lam + c) / (1 + a),
    }


@dataclass(frozen=True)
class _End:
    """What ends a line first; `name` is empty where two events come so close that rounding decides.

    Of the weight that joins, `c` is its correlation in units of lam, `a` how fast that falls, and
    `number` its place among those that are zero.
    """

    name: str
    c: float = 0.0
    a: float = 0.0
    number: int = 0
    smallest: bool = False  # whether it is the smallest weight that leaves
    turned: bool = False  # whether an active weight has another sign than its entry of q
    rest: bool = False  # whether all other events, too, come before lam is 0


def _end(case: tuple) -> _End:
    gram, xy, lam, w = case
    values, _, c, a = _line(gram, xy, w)
    events = sorted(
        (time / lam, name, number)
        for name, times in _times(*case).items()
        for number, time in enumerate(times)
        if time > 0
    )
    if not events:
        return _End("nothing")
    (first, name, number), second = events[0], events[1][0] if len(events) > 1 else 2.0
    if first > 1.05:
        return _End("beyond")
    if not (0.02 < first < 0.9 and second - first > 0.05):
        return _End("")
    turned = bool((np.sign(xy) * np.sign(w) < 0).any())
    rest = 1 < len(events) and events[-1][0] < 0.95
    if name == "leaves":
        smallest = bool(number == np.abs(values).argmin())
        return _End(name, smallest=smallest, turned=turned, rest=rest)
    joins = float(c[number] / lam), float(a[number])
    return _End(name, *joins, number, turned=turned, rest=rest)


def _nothing(end: _End) -> bool:
    return end.name == "nothing"


def _beyond(end: _End) -> bool:
    return end.name == "beyond"


def _leaves(end: _End) -> bool:
    return end.name == "leaves"


def _above(end: _End) -> bool:
    return end.name == "joins above"


def _below(end: _End) -> bool:
    return end.name == "joins below"


_ENDS: tuple[Callable[[_End], bool], ...] = (
    *(_nothing, _beyond, _beyond, _leaves),
    lambda end: _leaves(end) and not end.smallest,
    lambda end: _leaves(end) and end.turned,
    lambda end: bool(end.name) and end.rest,
    lambda end: _above(end) and end.c > 0.1 and end.a < -0.1,
    lambda end: _above(end) and end.c < -0.1 and end.number > 0,
    lambda end: _above(end) and end.a > 0.1,  # it falls, but the limit falls faster
    lambda end: _above(end) and end.a < -1.1,
    lambda end: _above(end) and end.turned,
    lambda end: _below(end) and end.c < -0.1 and end.a > 0.1,
    lambda end: _below(end) and end.c > 0.1,
    lambda end: _below(end) and end.a < -0.1,
    lambda end: _below(end) and end.a > 1.1,
    lambda end: _below(end) and end.turned,
)


def _kink_with(
    events: tuple[str, ...] = ("leaves", "joins above", "joins below"),
    choose: Callable[[Array, float], float] = lambda times, lam: min(times[times > 0], default=lam),
    give: Callable[[float, float], float] = lambda lam, time: max(lam - time, 0.0),
    times_of: Callable[..., dict[str, Array]] = _times,
) -> Callable[..., float]:
    def kink(gram: Array, xy: Array, lam: float, w: Array) -> float:
        times = times_of(gram, xy, lam, w)
        return float(give(lam, choose(np.concatenate([times[name] for name in events]), lam)))

    return kink


def _with_a_still_limit(gram: Array, xy: Array, lam: float, w: Array) -> dict[str, Array]:
    w, way, c, a = _line(gram, xy, w)
    return {"leaves": -w / way, "joins above": -(lam - c) / a, "joins below": (lam + c) / a}


def _with_sizes(gram: Array, xy: Array, lam: float, w: Array) -> dict[str, Array]:
    w, way, c, a = _line(gram, xy, w)
    joins = (lam - np.abs(c)) / (1 - a)
    return {"leaves": -w / way, "joins above": joins, "joins below": joins}


def _with_the_side_of_c(gram: Array, xy: Array, lam: float, w: Array) -> dict[str, Array]:
    w, way, c, a = _line(gram, xy, w)
    joins = (lam - np.abs(c)) / (1 - np.sign(c) * a)
    return {"leaves": -w / way, "joins above": joins, "joins below": joins}


def _with_w_over_u(gram: Array, xy: Array, lam: float, w: Array) -> dict[str, Array]:
    times = _times(gram, xy, lam, w)
    return times | {"leaves": -times["leaves"]}


def _with_the_signs_as_way(gram: Array, xy: Array, lam: float, w: Array) -> dict[str, Array]:
    active, signs = w != 0, np.sign(w[w != 0])
    c, a = (xy - gram @ w)[~active], gram[~active][:, active] @ signs
    joins = {"joins above": (lam - c) / (1 - a), "joins below": (lam + c) / (1 + a)}
    return {"leaves": -w[active] / signs} | joins


def _with_still_correlations(gram: Array, xy: Array, lam: float, w: Array) -> dict[str, Array]:
    w, way, c, _ = _line(gram, xy, w)
    return {"leaves": -w / way, "joins above": lam - c, "joins below": lam + c}


def _with_the_way_back(gram: Array, xy: Array, lam: float, w: Array) -> dict[str, Array]:
    w, way, c, a = _line(gram, xy, w)
    return {
        "leaves": w / way,
        "joins above": (lam - c) / (1 + a),
        "joins below": (lam + c) / (1 - a),
    }


KINK = Task(
    "03.kink",
    _kink_cases,
    _kink_with(),
    (
        Mistake(
            "way returned",
            "you return how far lam goes down. Asked for is where it arrives: lam minus that.",
            same_as(
                _kink_with(give=lambda lam, time: time),
                _kink_with(give=lambda lam, time: min(time, lam)),
            ),
        ),
        Mistake(
            "nobody leaves",
            "you let weights join, but none leave. An active weight may reach zero first: add the "
            "times -w[A] / u.",
            same_as(_kink_with(("joins above", "joins below"))),
        ),
        Mistake(
            "nobody joins",
            "you let active weights reach zero, but nobody join. A weight that is zero leaves it "
            "when its correlation reaches the limit.",
            same_as(_kink_with(("leaves",))),
        ),
        Mistake(
            "upper limit only",
            "you ask when a correlation reaches +lam'. It may reach -lam' before: a weight can "
            "leave zero downwards, too.",
            same_as(_kink_with(("leaves", "joins above"))),
        ),
        Mistake(
            "lower limit only",
            "you ask when a correlation reaches -lam'. It may reach +lam' before: a weight can "
            "leave zero upwards, too.",
            same_as(_kink_with(("leaves", "joins below"))),
        ),
        Mistake(
            "still limit",
            "you keep the limit of the correlations where it is. It falls with lam: after a way t "
            "it is lam - t, so 1 - a and 1 + a stand in the denominators.",
            same_as(_kink_with(times_of=_with_a_still_limit)),
        ),
        Mistake(
            "still correlations",
            "you let the limit fall, but the correlations of the other weights stand still. As the "
            "active weights move, these move by -t times G[j, A] @ u.",
            same_as(_kink_with(times_of=_with_still_correlations)),
        ),
        Mistake(
            "sizes of correlations",
            "you take the size of a correlation, but its movement a keeps its sign. Treat the two "
            "limits one by one: (lam - c) / (1 - a) and (lam + c) / (1 + a).",
            same_as(_kink_with(times_of=_with_sizes)),
        ),
        Mistake(
            "nearer limit only",
            "you look at that limit only on whose side a correlation is now. It may move to the "
            "other one: ask for both, and take what comes first.",
            same_as(_kink_with(times_of=_with_the_side_of_c)),
        ),
        Mistake(
            "w over u",
            "your active weights reach zero at the wrong time: w + t u = 0 means t = -w / u.",
            same_as(_kink_with(times_of=_with_w_over_u)),
        ),
        Mistake(
            "below zero",
            "you return a negative lam. If the first event lies beyond 0, the line goes on to 0: "
            "return max(lam - t, 0).",
            same_as(_kink_with(give=lambda lam, time: lam - time)),
        ),
        Mistake(
            "signs as the way",
            "you move the active weights by their signs. The way is the solution of a system of "
            "equations: u = np.linalg.solve(G[A, A], signs), as each weight pushes the others.",
            same_as(_kink_with(times_of=_with_the_signs_as_way)),
        ),
        Mistake(
            "way turned round",
            "your weights move backwards. As lam falls they grow along +u: w + t u, from "
            "G[A, A] w = q - lam s.",
            same_as(_kink_with(times_of=_with_the_way_back)),
        ),
        Mistake(
            "the past counted",
            "you take events that lie in the past: a negative time means a larger lam. Only "
            "positive times count.",
            same_as(
                _kink_with(choose=lambda times, lam: times.min()),
                _kink_with(choose=lambda times, lam: times[np.abs(times).argmin()]),
                _kink_with(choose=lambda times, lam: np.abs(times).min()),
            ),
        ),
        Mistake(
            "the last kink",
            "you return the last of all events. The line ends at the first: take the smallest "
            "positive time.",
            same_as(_kink_with(choose=lambda times, lam: max(times[times > 0], default=lam))),
        ),
    ),
    rtol=2e-5,  # single precision loses three digits
)

TASKS = (LEAK, STABILITY, KINK)
