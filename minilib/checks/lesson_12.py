"""Tasks of lesson 12, distillation."""

from collections.abc import Callable

import numpy as np

from minilib.checks.task import Mistake, Task, agree, same_as

Array = np.ndarray
Rng = np.random.Generator
RTOL = 1e-4


# 12.loss: both parts of the loss from logits alone; a label of -1 says that there is none


def _loss_cases(rng: Rng) -> list[tuple]:
    """Draw cases with all labels, with some and with none, and two with logits of thousands."""
    return [
        _students(rng, n_labelled=7, temperature=rng.uniform(1.7, 2.5)),
        _students(rng, n_labelled=4, temperature=rng.uniform(3, 5)),
        _students(rng, n_labelled=3, temperature=rng.uniform(0.5, 0.65)),
        _students(rng, n_labelled=0, temperature=rng.uniform(1.7, 2.5)),
        _students(rng, n_labelled=4, temperature=rng.uniform(2.3, 3), shape=(5, 3)),
        _extremes(rng),
        _close_calls(rng),
    ]


def _students(
    rng: Rng,
    *,
    n_labelled: int,
    temperature: float,
    shape: tuple[int, int] = (7, 4),
) -> tuple:
    """Draw logits of so many examples and classes, and a label for some of them."""
    logits, taught = rng.uniform(-2, 2, (2, *shape))
    n, n_classes = shape
    labels = rng.permutation([*range(n_classes), *rng.integers(0, n_classes, n - n_classes)])
    labels[rng.permutation(n)[n_labelled:]] = -1
    return logits, taught, labels, float(temperature), _weight(rng)


def _weight(rng: Rng) -> float:
    """Draw a weight that is not near one half, 0 or 1."""
    return float(rng.choice([rng.uniform(0.2, 0.35), rng.uniform(0.65, 0.8)]))


def _extremes(rng: Rng) -> tuple:
    """Draw logits up to 9,000; for one example the student says the opposite of the teacher."""
    labels = rng.integers(0, 4, 7)
    logits, taught = 64.0 * rng.integers(-140, 141, (2, 7, 4))
    taught[0] = rng.permutation([8960.0, -8960.0, 640.0, -640.0])
    logits[0] = -taught[0]
    return logits, taught, labels, float(rng.uniform(0.5, 0.65)), _weight(rng)


def _close_calls(rng: Rng) -> tuple:
    """Draw logits of thousands, of which the largest two are close: the loss is an ordinary one."""
    level = rng.choice([-1, 1], (5, 1)) * rng.integers(2000, 4000, (5, 1))
    far = rng.permuted(np.tile([0, 0, 3000], (5, 1)), axis=1)
    logits, taught = level - far + rng.integers(-32, 33, (2, 5, 3)) / 16
    return logits, taught, far.argmin(axis=1), 2.0, _weight(rng)


def _log_softmax(logits: Array, temperature: float = 1.0) -> Array:
    scaled = logits / temperature
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    return scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))


def _surprise(log_q: Array, labels: Array) -> float:
    """Mean surprise at the labels that there are."""
    known = labels >= 0
    return -log_q[known, labels[known]].mean() if known.any() else 0.0


def _divergences(log_p: Array, log_q: Array) -> Array:
    """Divergence of q from p of each example."""
    return (np.exp(log_p) * (log_p - log_q)).sum(axis=1)


def _loss(
    logits: Array,
    taught: Array,
    labels: Array,
    temperature: float,
    weight: float,
    *,
    power: int = 2,
    hard: Callable[..., float] = lambda logits, labels, T: _surprise(_log_softmax(logits), labels),
    soft: Callable[..., Array] = lambda logits, taught, T: _divergences(
        _log_softmax(taught, T), _log_softmax(logits, T)
    ),
    over: Callable[..., float] = np.mean,
) -> float:
    """Blend the two parts; the options replace a piece by a wrong one."""
    taught_part = over(soft(logits, taught, temperature))
    return (1 - weight) * hard(logits, labels, temperature) + (
        weight * temperature**power * taught_part
    )


def _like(*changes: dict) -> Callable[..., bool]:
    """Recognise a changed loss."""
    return _like_code(*(lambda *case, change=change: _loss(*case, **change) for change in changes))


def _like_code(*functions: Callable[..., float]) -> Callable[..., bool]:
    """Recognise wrong code, which may also overflow, or take a mean of nothing."""

    def recognise(answer: object, *case: object) -> bool:
        if _overflowed(answer, *case) or _nothing_without_labels(answer, *case):
            return True
        return any(agree(answer, f(*case), rtol=RTOL, atol=1e-6) for f in functions)

    return recognise


def _is_large(logits: Array) -> bool:
    return bool(np.abs(logits).max() > 100)


def _overflowed(answer: object, logits: Array, *_: object) -> bool:
    stopped = isinstance(answer, ArithmeticError | ValueError)
    return _is_large(logits) and (stopped or not np.isfinite(float(answer)))


def _cut_off(answer: object, logits: Array, *_: object) -> bool:
    return _is_large(logits) and bool(np.isfinite(float(answer)))


def _softmax(logits: Array, temperature: float = 1.0) -> Array:
    return np.exp(_log_softmax(logits, temperature))


def _twice(logits: Array, temperature: float = 1.0) -> Array:
    """Take the softmax of probabilities."""
    return _log_softmax(_softmax(logits, temperature))


def _twice_of_softened(logits: Array, temperature: float = 1.0) -> Array:
    """Divide the probabilities by the temperature, and take the softmax of that."""
    return _log_softmax(_softmax(logits), temperature)


def _down_the_columns() -> list[dict]:
    """Take the softmax over the examples, in the teacher's part or in both."""

    def down(logits: Array, temperature: float = 1.0) -> Array:
        return _log_softmax(logits.T, temperature).T

    soft = {"soft": lambda logits, taught, T: _divergences(down(taught, T), down(logits, T))}
    hard = {"hard": lambda logits, labels, T: _surprise(down(logits), labels)}
    return [soft, hard, soft | hard]


def _without_class_0(logits: Array, labels: Array, temperature: float) -> float:
    """Take class 0 for no label."""
    return _surprise(_log_softmax(logits), np.where(labels > 0, labels, -1))


def _last_class_for_none(logits: Array, labels: Array, temperature: float) -> float:
    """Let a label of -1 be a place from the end."""
    return -_log_softmax(logits)[np.arange(len(labels)), labels].mean()


def _mean_over_all(logits: Array, labels: Array, temperature: float) -> float:
    return _surprise(_log_softmax(logits), labels) * (labels >= 0).mean()


def _both_means_over_the_labelled(
    logits: Array, taught: Array, labels: Array, temperature: float, weight: float
) -> float:
    known = labels >= 0
    if not known.any():
        return 0.0
    return _loss(logits[known], taught[known], labels[known], temperature, weight)


def _nothing_without_labels(answer: object, *case: object) -> bool:
    labels = case[2]
    empty = not (labels >= 0).any()
    stopped = isinstance(answer, ArithmeticError | ValueError | IndexError)
    return empty and (stopped or not np.isfinite(float(answer)))


LOSS = Task(
    "12.loss",
    _loss_cases,
    _loss,
    (
        Mistake(
            "mean of nothing",
            "where no example has a label your answer is not a number: it is a mean of nothing. "
            "The labels' part is 0 then.",
            _nothing_without_labels,
        ),
        Mistake(
            "overflow",
            "your answer is right until logits are in the thousands; then exp overflows, or a "
            "probability becomes 0 and its logarithm infinite. Compute log softmax directly: z/T "
            "minus its largest entry, minus the logarithm of the sum of the exponentials of that.",
            _overflowed,
        ),
        Mistake(
            "logarithm cut off",
            "your answer is right for small logits and wrong for large ones: a small number added "
            "inside the logarithm, or a lower limit, cuts off what a confident network says. "
            "Compute log softmax directly, then there is no logarithm of 0 to fear.",
            _cut_off,
        ),
        Mistake(
            "no square",
            "your teacher's part lacks the factor T². Without it the gradient fades as 1/T², and "
            "whoever changes the temperature changes the weight as well.",
            _like({"power": 0}),
        ),
        Mistake(
            "T instead of its square",
            "you multiply the teacher's part by T. The slope loses two factors of T, one by the "
            "division of the logits and one because the probabilities become alike: T².",
            _like({"power": 1}),
        ),
        Mistake(
            "divided by the square",
            "you divide the teacher's part by a power of T. It is the gradient that shrinks, so "
            "the loss is multiplied: T².",
            _like({"power": -2}, {"power": -1}),
        ),
        Mistake(
            "square on both parts",
            "you multiply both parts by T². The labels' part is taken at temperature 1 and needs "
            "no factor.",
            _like_code(
                lambda *case: case[3] ** 2 * _loss(*case, power=0),
            ),
        ),
        Mistake(
            "weights swapped",
            "you give the weight to the labels and the rest to the teacher. Here the weight is "
            "the teacher's share.",
            _like_code(lambda *case: _loss(*case[:4], 1 - case[4])),
        ),
        Mistake(
            "divergence swapped",
            "you compute the divergence with student and teacher swapped. The teacher's "
            "probabilities p weigh the logarithms: the sum of p (log p - log q).",
            _like(
                {
                    "soft": lambda logits, taught, T: _divergences(
                        _log_softmax(logits, T), _log_softmax(taught, T)
                    )
                }
            ),
        ),
        Mistake(
            "cross entropy for divergence",
            "your teacher's part is the cross entropy, minus the sum of p log q. Its gradient is "
            "right, but its value is not: it is not 0 for a student that agrees. Add the sum of "
            "p log p.",
            _like(
                {
                    "soft": lambda logits, taught, T: (
                        -(_softmax(taught, T) * _log_softmax(logits, T)).sum(axis=1)
                    )
                }
            ),
        ),
        Mistake(
            "logarithm forgotten",
            "you take q where its logarithm should be: the sum of p (log p - q). F.kl_div expects "
            "log probabilities of the student, and does not notice if they are none.",
            _like(
                {
                    "soft": lambda logits, taught, T: (
                        _softmax(taught, T) * (_log_softmax(taught, T) - _softmax(logits, T))
                    ).sum(axis=1)
                }
            ),
        ),
        Mistake(
            "softmax twice",
            "you take a softmax of probabilities. Logits become probabilities once; a second "
            "softmax makes any answer nearly flat, and nobody notices.",
            _like(
                *(
                    {
                        "soft": lambda logits, taught, T, first=first, second=second: _divergences(
                            first(taught, T), second(logits, T)
                        )
                    }
                    for first in (_log_softmax, _twice, _twice_of_softened)
                    for second in (_log_softmax, _twice, _twice_of_softened)
                    if first is not second or first is not _log_softmax
                ),
                {
                    "soft": lambda logits, taught, T: (
                        -(_softmax(taught, T) * _twice(logits, T)).sum(axis=1)
                    )
                },
                {"hard": lambda logits, labels, T: _surprise(_twice(logits), labels)},
                {
                    "soft": lambda logits, taught, T: _divergences(
                        _log_softmax(taught, T), _twice(logits, T)
                    ),
                    "hard": lambda logits, labels, T: _surprise(_twice(logits), labels),
                },
            ),
        ),
        Mistake(
            "teacher not softened",
            "you divide only the student's logits by the temperature. Both are compared at the "
            "same one, or a student that equals its teacher would not have the loss 0.",
            _like(
                {
                    "soft": lambda logits, taught, T: _divergences(
                        _log_softmax(taught), _log_softmax(logits, T)
                    )
                }
            ),
        ),
        Mistake(
            "student not softened",
            "you divide only the teacher's logits by the temperature. Both are compared at the "
            "same one, or a student that equals its teacher would not have the loss 0.",
            _like(
                {
                    "soft": lambda logits, taught, T: _divergences(
                        _log_softmax(taught, T), _log_softmax(logits)
                    )
                }
            ),
        ),
        Mistake(
            "multiplied by the temperature",
            "you multiply the logits by the temperature. Divide them: a high temperature makes "
            "the probabilities more equal.",
            _like(
                {
                    "soft": lambda logits, taught, T: _divergences(
                        _log_softmax(taught, 1 / T), _log_softmax(logits, 1 / T)
                    )
                }
            ),
        ),
        Mistake(
            "labels softened",
            "you take the labels' part at the temperature, too. The labels are compared with the "
            "student as it will be used: at temperature 1.",
            _like(
                {"hard": lambda logits, labels, T: _surprise(_log_softmax(logits, T), labels)},
            ),
        ),
        Mistake(
            "softmax over the examples",
            "you take a softmax down the columns, over the examples. Each row is one example, and "
            "its probabilities add up to 1: axis=1.",
            _like(*_down_the_columns()),
        ),
        Mistake(
            "mean over classes",
            "you take the mean of the teacher's part over examples and classes, as nn.KLDivLoss() "
            "does. A divergence is a sum over the classes; the mean is over the examples alone.",
            _like(
                {
                    "soft": lambda logits, taught, T: (
                        _divergences(_log_softmax(taught, T), _log_softmax(logits, T))
                        / logits.shape[1]
                    )
                }
            ),
        ),
        Mistake(
            "sum over examples",
            "you add the examples up. Both parts are means, or the step would grow with the "
            "number of examples.",
            _like_code(
                lambda *case: _loss(*case, over=np.sum),
                lambda *case: _loss(
                    *case,
                    over=np.sum,
                    hard=lambda logits, labels, T: (
                        _surprise(_log_softmax(logits), labels) * (labels >= 0).sum()
                    ),
                ),
            ),
        ),
        Mistake(
            "logarithm to base 2",
            "your logarithm is not the natural one. The losses of this course count in natural "
            "logarithms, as torch does: np.log, not np.log2 or np.log10.",
            _like_code(
                *(lambda *case, base=base: _loss(*case) / np.log(base) for base in (2, 10)),
                lambda *case: _loss(*case, over=lambda parts: np.mean(parts) / np.log(2)),
                lambda *case: _loss(
                    *case,
                    hard=lambda logits, labels, T: (
                        _surprise(_log_softmax(logits), labels) / np.log(2)
                    ),
                ),
            ),
        ),
        Mistake(
            "class 0 left out",
            "you ask for labels above 0, and class 0 has the number 0. Only -1 says that there is "
            "no label: labels >= 0.",
            _like({"hard": _without_class_0}),
        ),
        Mistake(
            "-1 as a class",
            "you use the label -1 as a place in the row: in Python that is the last class. "
            "Examples with -1 have no label and take no part in the labels' part.",
            _like({"hard": _last_class_for_none}),
        ),
        Mistake(
            "divided by all",
            "you divide the labels' part by the number of all examples. It is a mean over those "
            "that have a label.",
            _like({"hard": _mean_over_all}),
        ),
        Mistake(
            "teacher for the labelled only",
            "you leave the examples without a label out of the teacher's part as well. The "
            "teacher has an answer to each of them; that is the point of having a teacher.",
            _like_code(_both_means_over_the_labelled),
        ),
    ),
    rtol=RTOL,
    atol=1e-6,
)


# 12.missing: what to add to the logit of a class that was never shown


def _missing_cases(rng: Rng) -> list[tuple]:
    """Draw shares whose count is whole, and others, gaps that are equal, and far lower logits.

    There are four or six classes.
    """
    unit = (2 * rng.integers(300, 700) + 1) / 1024
    return [
        _strangers(rng, _apart(rng, 8, found=1), missing=0, share=0.375),
        _strangers(rng, _apart(rng, 10), missing=2, share=rng.uniform(0.23, 0.27), level=-1024),
        _strangers(
            rng, _apart(rng, 10, unit=64), missing=3, share=rng.uniform(0.33, 0.37), level=-20_000
        ),
        _strangers(
            rng, _apart(rng, 9, found=2), missing=1, share=rng.uniform(0.46, 0.49), n_classes=6
        ),
        _strangers(rng, _apart(rng, 10), missing=4, share=rng.uniform(0.23, 0.27), n_classes=6),
        _strangers(rng, _apart(rng, 8), missing=3, share=0.5, level=-32),
        _strangers(rng, _apart(rng, 9, found=4), missing=1, share=rng.uniform(0.12, 0.2)),
        _strangers(rng, unit * np.array([1, 1, 1, 2, 3, 4]), missing=0, share=0.5),
        _strangers(rng, unit * np.array([0, 0, 1, 2, 3, 4]), missing=2, share=0.3),
    ]


def _apart(rng: Rng, n: int, *, found: int = 0, unit: int = 1024) -> Array:
    """Draw gaps that differ by more than a quarter; as many as `found` are below 0.

    In them are odd numbers of a small part of 1: single precision has room for no smaller one
    where logits are large.
    """
    sizes = np.sort(rng.permutation(np.arange(2, 12 * n, 3))[:n]) / 4
    sizes += (
        2 * rng.integers(0, unit // 8, n) + 1
    ) / unit  # no step of a short decimal number hits it
    return sizes * np.where(np.arange(n) < found, -1, 1)


def _strangers(
    rng: Rng, gaps: Array, *, missing: int, share: float, level: int = 0, n_classes: int = 4
) -> tuple:
    """Draw logits near a level, so that the missing class lacks so much to the best other one.

    Where there are more than four classes, the best other one is the last.
    """
    n = len(gaps)
    others = level + rng.integers(-20, 20, (n, n_classes - 1)) / 4
    others[:, 0] = others.max(axis=1) + 1.25 + rng.integers(0, 8, n) / 4
    others = rng.permuted(others, axis=1) if n_classes == 4 else others[:, ::-1]
    logits = np.insert(others, missing, others.max(axis=1) - rng.permutation(gaps), axis=1)
    return logits, missing, float(share)


def _gaps(logits: Array, missing: int) -> Array:
    return np.delete(logits, missing, axis=1).max(axis=1) - logits[:, missing]


def _nth_smallest(gaps: Array, count: int) -> float:
    return float(np.sort(gaps)[min(max(count, 1), len(gaps)) - 1])


def _missing(logits: Array, missing: int, share: float) -> float:
    return max(0.0, _nth_smallest(_gaps(logits, missing), int(np.ceil(share * len(logits)))))


def _counted(count: Callable[[float], float]) -> Callable[..., float]:
    """Count the rows in another way."""

    def bias(logits: Array, missing: int, share: float) -> float:
        gaps = _gaps(logits, missing)
        return max(0.0, _nth_smallest(gaps, int(count(share * len(gaps)))))

    return bias


def _with_gaps(gaps_of: Callable[[Array, int], Array]) -> Callable[..., float]:
    """Measure the gap in another way."""

    def bias(logits: Array, missing: int, share: float) -> float:
        count = int(np.ceil(share * len(logits)))
        return max(0.0, _nth_smallest(gaps_of(logits, missing), count))

    return bias


def _not_yet_found(logits: Array, missing: int, share: float) -> float:
    """Leave out the rows that are called missing already."""
    gaps = _gaps(logits, missing)
    return _nth_smallest(gaps[gaps > 0], int(np.ceil(share * len(gaps))))


def _of_column(column: Callable[[Array, int], int]) -> Callable[..., float]:
    return lambda logits, missing, share: _missing(logits, column(logits, missing), share)


def _by_quantile(method: str) -> Callable[..., float]:
    return lambda logits, missing, share: max(
        0.0, float(np.quantile(_gaps(logits, missing), share, method=method))
    )


def _gaps_above(floor: float, logits: Array, missing: int) -> Array:
    """Measure the gap to the best other logit, or to a fixed number if that is larger."""
    return np.maximum(np.delete(logits, missing, axis=1).max(axis=1), floor) - logits[:, missing]


def _second_best(logits: Array, missing: int) -> Array:
    others = np.sort(np.delete(logits, missing, axis=1), axis=1)
    return others[:, -2] - logits[:, missing]


MISSING = Task(
    "12.missing",
    _missing_cases,
    _missing,
    (
        Mistake(
            "lowered",
            "you lower the logit where more rows than enough are called the missing class "
            "already. There is nothing to add then: the answer is never below 0.",
            lambda answer, logits, missing, share: (
                _missing(logits, missing, share) == 0
                and agree(
                    answer,
                    _nth_smallest(_gaps(logits, missing), int(np.ceil(share * len(logits)))),
                    rtol=1e-6,
                    atol=1e-9,
                )
            ),
        ),
        Mistake(
            "minus the answer",
            "your number has the wrong sign: it is what the logit lacks, and it is added.",
            same_as(lambda *case: -_missing(*case)),
        ),
        Mistake(
            "a logit for a gap",
            "you look at the logit of the missing class alone. Whether a row is called so depends "
            "on the largest of its other logits: what counts is the gap between the two.",
            same_as(
                _with_gaps(lambda logits, missing: -logits[:, missing]),
                _with_gaps(lambda logits, missing: logits[:, missing]),
            ),
        ),
        Mistake(
            "own logit set to a number",
            "you set the logit of the class to 0, or to another number, and take the largest of "
            "all. Logits may all be far below it, and then it wins: leave the column out.",
            same_as(
                *(
                    _with_gaps(
                        lambda logits, missing, floor=floor: _gaps_above(floor, logits, missing)
                    )
                    for floor in (0, -1, -9, -10, -99, -100, -999, -1000, -9999, -10_000)
                )
            ),
        ),
        Mistake(
            "gap to the mean",
            "you measure the gap to the mean of the other logits. The missing class has to beat "
            "the largest of them.",
            same_as(
                _with_gaps(
                    lambda logits, missing: (
                        np.delete(logits, missing, axis=1).mean(axis=1) - logits[:, missing]
                    )
                ),
                _with_gaps(lambda logits, missing: logits.mean(axis=1) - logits[:, missing]),
            ),
        ),
        Mistake(
            "gap to the second best",
            "you measure the gap to the second largest of the other logits. The missing class has "
            "to beat the largest.",
            same_as(_with_gaps(_second_best)),
        ),
        Mistake(
            "share of the others",
            "you count from the other end: with your number the share of the rows that are *not* "
            "called the missing class is what was asked for the class. Take the smallest gaps.",
            same_as(
                lambda logits, missing, share: max(
                    0.0,
                    _nth_smallest(_gaps(logits, missing), int(np.ceil((1 - share) * len(logits)))),
                ),
                lambda logits, missing, share: max(
                    0.0,
                    -_nth_smallest(-_gaps(logits, missing), int(np.ceil(share * len(logits)))),
                ),
            ),
        ),
        Mistake(
            "rounded down",
            "you round the number of rows down or to the nearest. At least share times n rows "
            "are asked for: round up.",
            same_as(_counted(np.floor), _counted(np.round)),
        ),
        Mistake(
            "one row too many",
            "with a smaller number there would still be enough rows: you take one gap too many. "
            "The k-th smallest of a sorted list stands at place k - 1.",
            same_as(
                _counted(lambda count: np.ceil(count) + 1),
                _counted(lambda count: np.floor(count) + 1),
            ),
        ),
        Mistake(
            "a tie lost",
            "your number is a little larger than needed. Where the logit of the class is as large "
            "as the largest other one, it counts as the answer already; argmax gives a tie to "
            "whichever class comes first, and steps of a fixed size miss it. Take the gap itself.",
            lambda answer, *case: 0 < float(answer) - _missing(*case) <= 0.25,
        ),
        Mistake(
            "one row too few",
            "with your number one row too few is called the missing class. At a tie it wins, so "
            "the k-th smallest gap is enough; but it is needed.",
            same_as(_counted(lambda count: np.ceil(count) - 1)),
        ),
        Mistake(
            "a quantile between two rows",
            "you take a quantile of the gaps, which counts the steps between the rows and may lie "
            "between two of them. Sort the gaps, and take the one at which enough rows are over.",
            same_as(*map(_by_quantile, ("linear", "higher", "lower", "nearest"))),
        ),
        Mistake(
            "those found not counted",
            "you raise the logit until enough *further* rows are called the missing class. Those "
            "that are called so already count as well.",
            same_as(_not_yet_found),
        ),
        Mistake(
            "another class",
            "you work on another column than the one that `missing` names. Classes count from 0.",
            same_as(
                _of_column(lambda logits, missing: missing - 1),
                _of_column(lambda logits, missing: (missing + 1) % logits.shape[1]),
                _of_column(lambda logits, missing: logits.shape[1] - 1),
                _of_column(lambda logits, missing: min(3, logits.shape[1] - 1)),
                _of_column(lambda logits, missing: 0),
            ),
        ),
        Mistake(
            "mean gap",
            "you add the mean gap. How many rows it brings over is left to chance: sort the gaps "
            "and take the one that brings over as many as asked for.",
            same_as(
                lambda logits, missing, share: max(0.0, _gaps(logits, missing).mean()),
                lambda logits, missing, share: float(_gaps(logits, missing).mean()),
                lambda logits, missing, share: max(0.0, float(np.median(_gaps(logits, missing)))),
            ),
        ),
        Mistake(
            "all rows",
            "you add what the last row lacks, so that every row is called the missing class. "
            "Only a share of them is asked for.",
            same_as(lambda logits, missing, share: max(0.0, _gaps(logits, missing).max())),
        ),
    ),
    rtol=0,
    atol=0,
)


# 12.consistency: are two networks right and wrong together more often than chance would have it?


def _consistency_cases(rng: Rng) -> list[tuple]:
    """Draw good pairs, pairs that err on different rows, and those where an edge is reached.

    Where a mean is rounded, the number of rows is a power of 2: single precision is exact.
    """
    k, odd = rng.integers(3, 8), rng.integers(5, 10)
    return [
        _of(32, rng, first=rng.integers(2, 4), second=rng.integers(4, 7), neither=odd),
        _of(64, rng, first=rng.integers(3, 6), second=rng.integers(1, 3), neither=odd + 8),
        _of(32, rng, first=rng.integers(6, 8), second=rng.integers(3, 6), neither=odd - 2),
        _of(32, rng, first=rng.integers(8, 11), second=rng.integers(8, 11), neither=odd // 3),
        _of(32, rng, first=k - 1, second=k - 1, neither=odd),
        _of(64, rng, first=1, second=rng.integers(1, 3), neither=1),
        _of(1024, rng, first=1, second=rng.integers(0, 2), neither=1),
        _answers(rng, both=odd, first=0, second=0, neither=k),
        _answers(rng, both=0, first=k, second=k, neither=0),
        _answers(rng, both=4 * k, first=0, second=0, neither=0),
        _answers(rng, both=0, first=0, second=0, neither=3 * k),
    ]


def _of(n: int, rng: Rng, *, first: int, second: int, neither: int) -> tuple:
    """Draw answers to n rows, of which both are right in those that are left."""
    both = n - first - second - neither
    return _answers(rng, both=both, first=first, second=second, neither=neither)


def _answers(rng: Rng, *, both: int, first: int, second: int, neither: int) -> tuple:
    """Draw answers from 0 to 4: so many rows where both are right, only one is, or neither.

    Of the rows where neither is right, a third get the same wrong answer from both.
    """
    pattern = ((True, True), (True, False), (False, True), (False, False))
    right = np.repeat(pattern, (both, first, second, neither), axis=0)
    n = len(right)
    labels = np.concatenate([np.arange(5), rng.integers(0, 5, n - 5)])
    miss = rng.integers(1, 5, n)
    same = np.arange(n) >= n - neither // 3
    misses = np.column_stack([miss, np.where(same, miss, miss % 4 + 1)])
    answers = np.where(right, labels[:, None], (labels[:, None] + misses) % 5)
    order = rng.permutation(n)
    return answers[order, 0], answers[order, 1], labels[order]


def _beyond(observed: float, expected: float) -> float:
    """Say how much of the way from chance to certainty was made; 0 if chance is certain."""
    return (observed - expected) / (1 - expected) if expected < 1 else 0.0


def _rights(first: Array, second: Array, labels: Array) -> tuple[Array, Array]:
    return first == labels, second == labels


def _expected(first: Array, second: Array, labels: Array) -> float:
    p, q = (right.mean() for right in _rights(first, second, labels))
    return p * q + (1 - p) * (1 - q)


def _observed(first: Array, second: Array, labels: Array) -> float:
    one, other = _rights(first, second, labels)
    return (one == other).mean()


def _consistency(*case: Array) -> float:
    return _beyond(_observed(*case), _expected(*case))


def _same_answers(first: Array, second: Array, labels: Array) -> float:
    return (first == second).mean()


def _both_right_by_chance(first: Array, second: Array, labels: Array) -> float:
    p, q = (right.mean() for right in _rights(first, second, labels))
    return p * q


def _both_right(first: Array, second: Array, labels: Array) -> float:
    one, other = _rights(first, second, labels)
    return (one & other).mean()


def _chance_by_classes(first: Array, second: Array, labels: Array) -> float:
    """Chance of the same answer, from how often each network gives it (Cohen's kappa)."""
    return sum((first == c).mean() * (second == c).mean() for c in np.union1d(first, second))


def _one_in_n_classes(first: Array, second: Array, labels: Array) -> float:
    return 1 / len(np.unique(labels))


def _where_one_errs(first: Array, second: Array, labels: Array) -> Array:
    one, other = _rights(first, second, labels)
    return ~(one & other)


def _nearly(*functions: Callable[..., float]) -> Callable[..., bool]:
    """Recognise a wrong formula; where nothing is ever wrong it may divide by 0."""

    def recognise(answer: object, *case: Array) -> bool:
        if _expected(*case) == 1 and not isinstance(answer, str):
            return True
        return any(agree(answer, f(*case), rtol=1e-5, atol=1e-7) for f in functions)

    return recognise


def _only_certain(answer: object, *case: Array) -> bool:
    return _expected(*case) == 1


def _zero_divided(answer: object, *case: Array) -> bool:
    stopped = isinstance(answer, ZeroDivisionError)
    return _expected(*case) == 1 and (stopped or not np.isfinite(float(answer)))


CONSISTENCY = Task(
    "12.consistency",
    _consistency_cases,
    _consistency,
    (
        Mistake(
            "division by zero",
            "where both are always right, or always wrong, chance alone gives 1, and you divide 0 "
            "by 0. Nothing can be said then: return 0.0.",
            _zero_divided,
        ),
        Mistake(
            "certain by chance",
            "where both are always right, or always wrong, your answer should be 0.0: by chance "
            "alone they are then right or wrong together in every row, and nothing is beyond it.",
            _only_certain,
        ),
        Mistake(
            "cut off at 0",
            "you return 0 where the number is negative. Below 0 means that the two err together "
            "less often than by chance, and that is worth knowing: leave the sign.",
            lambda answer, *case: _consistency(*case) < 0 == float(answer),
        ),
        Mistake(
            "nothing taken off",
            "you return the share of the rows in which both are right or both wrong. Two good "
            "networks reach much of it by being good: take off what chance gives, and divide by "
            "1 minus that.",
            _nearly(_observed),
        ),
        Mistake(
            "share of equal answers",
            "you return the share of equal answers, as minilib's agreement_rate. Here it counts "
            "whether each is right, and what chance gives is taken off.",
            _nearly(_same_answers),
        ),
        Mistake(
            "equal answers",
            "you count equal answers where it should be: both right, or both wrong. Two "
            "different wrong answers count as both wrong.",
            _nearly(lambda *case: _beyond(_same_answers(*case), _expected(*case))),
        ),
        Mistake(
            "chance of equal answers",
            "you compute Cohen's kappa of the answers. Here the two judges say only right or "
            "wrong: compare first == labels with second == labels, also for the chance.",
            _nearly(
                lambda *case: _beyond(_same_answers(*case), _chance_by_classes(*case)),
                lambda *case: _beyond(_observed(*case), _chance_by_classes(*case)),
            ),
        ),
        Mistake(
            "one in so many classes",
            "you take 1 divided by the number of classes for chance. That is for networks that "
            "guess; two that are right with p and q agree by chance on p q + (1 - p)(1 - q).",
            _nearly(
                lambda *case: _beyond(_observed(*case), _one_in_n_classes(*case)),
                lambda *case: _beyond(_same_answers(*case), _one_in_n_classes(*case)),
            ),
        ),
        Mistake(
            "both right only",
            "your chance is p q: both right. By chance they are also wrong together, with "
            "(1 - p)(1 - q), and that counts as well.",
            _nearly(lambda *case: _beyond(_observed(*case), _both_right_by_chance(*case))),
        ),
        Mistake(
            "wrong together forgotten",
            "you count the rows in which both are right. Rows in which both are wrong count, too.",
            _nearly(
                lambda *case: _beyond(_both_right(*case), _expected(*case)),
                lambda *case: _beyond(_both_right(*case), _both_right_by_chance(*case)),
            ),
        ),
        Mistake(
            "not divided",
            "you take chance off and stop there. Divide by 1 minus chance, so that 1 means: always "
            "right and wrong together.",
            _nearly(lambda *case: _observed(*case) - _expected(*case)),
        ),
        Mistake(
            "divided by chance",
            "you divide by what chance gives. Divide by what is left above it: 1 minus chance.",
            _nearly(
                lambda *case: (_observed(*case) - _expected(*case)) / _expected(*case),
                lambda *case: _observed(*case) / _expected(*case),
            ),
        ),
        Mistake(
            "accuracies compared",
            "you compare how often each is right. Two networks with the same accuracy can err on "
            "quite different rows: go through the rows.",
            _nearly(
                lambda *case: 1 - abs(np.subtract(*(r.mean() for r in _rights(*case)))),
            ),
        ),
        Mistake(
            "labels not used",
            "you take the second network's answers for the labels, or leave the labels out. Right "
            "and wrong are judged by the labels, for each network.",
            _nearly(
                lambda first, second, labels: _consistency(first, labels, second),
                lambda first, second, labels: _consistency(second, labels, first),
            ),
        ),
    ),
    rtol=2e-7,
    atol=1.2e-7,
)

TASKS = (LOSS, MISSING, CONSISTENCY)
