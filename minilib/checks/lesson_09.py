"""Tasks of lesson 09, L1, then prune."""

from collections.abc import Callable

import numpy as np

from minilib.checks.task import Mistake, Task, same_as

Array = np.ndarray
Shrunk = tuple[Array, Array, Array]


def _direction(rng: np.random.Generator, size: int) -> Array:
    """Draw a vector of length 1 in which no entry is close to 0."""
    v = rng.uniform(0.5, 1.0, size) * rng.choice([-1.0, 1.0], size)
    return v / np.linalg.norm(v)


# 09.group_prox: prox of threshold * sum of lengths, a group being all that a hidden neuron owns


def _group_prox_cases(rng: np.random.Generator) -> list[tuple]:
    sizes = ((7, 3), (4, 7), (7, 7), (2, 5))
    *others, last = [_neurons_to_shrink(rng, n_in, n_out) for n_in, n_out in (*sizes, (3, 5))]
    return [*others, (*last[:3], 0.0)]


def _neurons_to_shrink(rng: np.random.Generator, n_in: int, n_out: int) -> tuple:
    """Draw seven neurons, for each what its row, its bias and its column share of its length.

    Three survive, though one has no row and one no column; one survives only as a whole; two
    vanish, one of them although its three lengths add up to more; one is zero already.
    """
    threshold = float(rng.uniform(0.5, 2))
    lengths = [
        (4.0, 0.8, 3.0),
        (0.0, 0.8, 1.6),
        (1.5, 0.9, 0.0),
        (0.8, 0.5, 0.8),
        (0.5, 0.5, 0.5),
        (0.2, 0.3, 0.2),
        (0.0, 0.0, 0.0),
    ]
    neurons = [
        np.concatenate(
            [
                row * _direction(rng, n_in),
                bias * _direction(rng, 1),
                column * _direction(rng, n_out),
            ]
        )
        for row, bias, column in rng.permutation(lengths) * rng.uniform(0.95, 1.05, (7, 3))
    ]
    return (*_apart(threshold * np.array(neurons), n_in), threshold)


def _apart(neurons: Array, n_in: int) -> Shrunk:
    """Lay out neurons, one a row, as incoming weights, biases and outgoing weights."""
    return neurons[:, :n_in], neurons[:, n_in], neurons[:, n_in + 1 :].T


def _together(W1: Array, b1: Array, W2: Array) -> Array:
    """Write all that a neuron owns into one row."""
    return np.column_stack([W1, b1, W2.T])


def _kept_share(length: Array, threshold: float) -> Array:
    """Say what is left of each length, as a factor; of a length of 0, nothing."""
    longer = np.asarray(length) > threshold
    return np.where(longer, 1 - threshold / np.where(longer, length, 1), 0)


def _norm(groups: Array) -> Array:
    return np.linalg.norm(groups, axis=1)


def _shrunk_by(factor: Callable[..., Array]) -> Callable[..., Shrunk]:
    """Multiply all that a neuron owns by a factor that W1, b1, W2 and the threshold decide."""

    def shrink(W1: Array, b1: Array, W2: Array, threshold: float) -> Shrunk:
        factors = factor(W1, b1, W2, threshold)
        return factors[:, None] * W1, factors * b1, factors * W2

    return shrink


_group_prox = _shrunk_by(lambda W1, b1, W2, t: _kept_share(_norm(_together(W1, b1, W2)), t))


def _three_groups(W1: Array, b1: Array, W2: Array, threshold: float) -> Shrunk:
    rows, entries, columns = (
        _kept_share(length, threshold) for length in (_norm(W1), np.abs(b1), _norm(W2.T))
    )
    return rows[:, None] * W1, entries * b1, columns * W2


def _entry_by_entry(W1: Array, b1: Array, W2: Array, threshold: float) -> Shrunk:
    return tuple(_kept_share(np.abs(part), threshold) * part for part in (W1, b1, W2))


def _one_group_per_array(W1: Array, b1: Array, W2: Array, threshold: float) -> Shrunk:
    return tuple(_kept_share(np.linalg.norm(part), threshold) * part for part in (W1, b1, W2))


def _one_group(W1: Array, b1: Array, W2: Array, threshold: float) -> Shrunk:
    factor = _kept_share(np.linalg.norm(_together(W1, b1, W2)), threshold)
    return factor * W1, factor * b1, factor * W2


def _incoming_only(
    W1: Array, b1: Array, W2: Array, threshold: float, *, with_bias: bool, scaled: bool
) -> Shrunk:
    """Shrink what leads into a neuron, as ``minilib.regularization.proximal_group_lasso`` does."""
    groups = np.column_stack([W1, b1]) if with_bias else W1
    factor = _kept_share(_norm(groups), threshold * (W1.shape[1] ** 0.5 if scaled else 1))
    return factor[:, None] * W1, factor * b1 if with_bias else b1, W2


def _bias_left_alone(
    W1: Array, b1: Array, W2: Array, threshold: float, *, measured: bool
) -> Shrunk:
    factor = _kept_share(_norm(_together(W1, b1 * measured, W2)), threshold)
    return factor[:, None] * W1, b1, factor * W2


def _scaled(n_weights: Callable[[Array, Array], int]) -> Callable[..., Shrunk]:
    return _shrunk_by(
        lambda W1, b1, W2, t: _kept_share(
            _norm(_together(W1, b1, W2)), t * n_weights(W1, W2) ** 0.5
        )
    )


def _swapped(
    W1: Array, b1: Array, W2: Array, threshold: float, *, measured: str, shrunk: str
) -> Shrunk:
    """Take a column for a row, in the arrays that `measured` and `shrunk` name."""
    heard = W1.T if "1" in measured else W1
    said = W2.T if "2" in measured else W2
    factor = _kept_share(_norm(_together(heard, b1, said)), threshold)
    new_W1 = factor * W1 if "1" in shrunk else factor[:, None] * W1
    new_W2 = factor[:, None] * W2 if "2" in shrunk else factor * W2
    return new_W1, factor * b1, new_W2


def _except_for_zero_neurons(*functions: Callable[..., Shrunk]) -> Callable[..., bool]:
    """Recognise wrong code by the neurons that are not zero; a zero one may have become NaN."""

    def recognise(answer: Shrunk, W1: Array, b1: Array, W2: Array, threshold: float) -> bool:
        alive = _together(W1, b1, W2).any(axis=1)
        mine = _together(*map(np.asarray, answer))[alive]
        return any(
            same_as(lambda f=f: _together(*f(W1, b1, W2, threshold))[alive], rtol=1e-5)(mine)
            for f in functions
        )

    return recognise


def _rows_for_columns(answer: object, W1: Array, b1: Array, W2: Array, threshold: float) -> bool:
    """Recognise swapped code: it stops where the shapes do not fit, so the square arrays tell."""
    square = "1" * (W1.shape[1] == len(b1)) + "2" * (len(W2) == len(b1))
    if isinstance(answer, (ValueError, IndexError, RuntimeError)):
        return square != "12"
    ways = [
        lambda *case, measured=measured, shrunk=shrunk: _swapped(
            *case, measured=measured, shrunk=shrunk
        )
        for measured, shrunk in WAYS_TO_SWAP
        if set(measured + shrunk) <= set(square)
    ]
    return _except_for_zero_neurons(*ways)(answer, W1, b1, W2, threshold)


WAYS_TO_SWAP = [
    (measured, shrunk)
    for measured in ("", "1", "2", "12")
    for shrunk in ("", "1", "2", "12")
    if measured + shrunk
]


def _divided_by_zero(answer: object, W1: Array, b1: Array, W2: Array, threshold: float) -> bool:
    if isinstance(answer, ZeroDivisionError):
        return True
    neurons = _together(*map(np.asarray, answer)).astype(float)
    right = _except_for_zero_neurons(_group_prox)(answer, W1, b1, W2, threshold)
    return not np.isfinite(neurons).all() and right


GROUP_PROX = Task(
    "09.group_prox",
    _group_prox_cases,
    _group_prox,
    (
        Mistake(
            "division by zero",
            "a neuron that is zero already makes you divide by its length, 0. It stays zero: ask "
            "first whether it is longer than the threshold, and divide only then.",
            _divided_by_zero,
        ),
        Mistake(
            "entry by entry",
            "this is the ordinary soft threshold: each number is shrunk by itself, and a neuron "
            "loses some of its weights but stays. Compare the length of all it owns with the "
            "threshold.",
            _except_for_zero_neurons(_entry_by_entry),
        ),
        Mistake(
            "one group per array",
            "you shrink W1, b1 and W2 as a whole, each by its own length. A group is what one "
            "neuron owns: row j of W1, entry j of b1 and column j of W2.",
            _except_for_zero_neurons(_one_group_per_array),
        ),
        Mistake(
            "one group",
            "you shrink all neurons by one common factor. Each neuron is a group with a length of "
            "its own: take norms along an axis.",
            _except_for_zero_neurons(_one_group),
        ),
        Mistake(
            "three groups",
            "you give the row, the bias and the column of a neuron three lengths and three "
            "factors, so one may vanish and the others stay. They are one group: one length over "
            "all of them, one factor for all of them.",
            _except_for_zero_neurons(_three_groups),
        ),
        Mistake(
            "incoming only",
            "you shrink what leads into a neuron and leave what leads out of it. Here the column "
            "of W2 belongs to the group, in the length and in the shrinking, and so does the bias.",
            _except_for_zero_neurons(
                *(
                    lambda *case, with_bias=with_bias, scaled=scaled: _incoming_only(
                        *case, with_bias=with_bias, scaled=scaled
                    )
                    for with_bias in (False, True)
                    for scaled in (False, True)
                )
            ),
        ),
        Mistake(
            "outgoing not measured",
            "you shrink all three parts, but by the length of what leads into the neuron. Its "
            "column of W2 counts in the length, too.",
            _except_for_zero_neurons(
                _shrunk_by(lambda W1, b1, W2, t: _kept_share(_norm(W1), t)),
                _shrunk_by(lambda W1, b1, W2, t: _kept_share(_norm(np.column_stack([W1, b1])), t)),
            ),
        ),
        Mistake(
            "bias not shrunk",
            "your biases stay as they were. Often that is right; here the bias is part of the "
            "group, and shrinks by the same factor as the weights: else a neuron with no weights "
            "left still has one.",
            _except_for_zero_neurons(
                lambda *case: _bias_left_alone(*case, measured=True),
                lambda *case: _bias_left_alone(*case, measured=False),
            ),
        ),
        Mistake(
            "bias not measured",
            "you shrink the bias, but leave it out of the length. It is part of the group: its "
            "square belongs under the root as well.",
            _except_for_zero_neurons(
                _shrunk_by(lambda W1, b1, W2, t: _kept_share(_norm(_together(W1, 0 * b1, W2)), t))
            ),
        ),
        Mistake(
            "sum of lengths",
            "you add the lengths of row, bias and column. The length of the group is one root over "
            "all its squares: sqrt(|row|^2 + bias^2 + |column|^2), which is shorter.",
            _except_for_zero_neurons(
                _shrunk_by(
                    lambda W1, b1, W2, t: _kept_share(_norm(W1) + np.abs(b1) + _norm(W2.T), t)
                )
            ),
        ),
        Mistake(
            "sum of absolute values",
            "you measure a neuron by the sum of its absolute values. The penalty has its length, "
            "the square root of the sum of the squares.",
            _except_for_zero_neurons(
                _shrunk_by(
                    lambda W1, b1, W2, t: _kept_share(np.abs(_together(W1, b1, W2)).sum(axis=1), t)
                )
            ),
        ),
        Mistake(
            "squared length",
            "you compare the threshold with the sum of the squares. The length of a group is the "
            "square root of that sum.",
            _except_for_zero_neurons(
                _shrunk_by(lambda W1, b1, W2, t: _kept_share(_norm(_together(W1, b1, W2)) ** 2, t))
            ),
        ),
        Mistake(
            "scaled by group size",
            "your threshold grows with the square root of the number of weights, or you take the "
            "mean of the squares in place of their sum. The lesson's group lasso does that; this "
            "penalty counts every neuron alike: take the threshold as it comes.",
            _except_for_zero_neurons(
                _scaled(lambda W1, W2: W1.shape[1] + 1 + len(W2)),
                _scaled(lambda W1, W2: W1.shape[1] + len(W2)),
                _scaled(lambda W1, W2: W1.shape[1] + 1),
                _scaled(lambda W1, W2: W1.shape[1]),
            ),
        ),
        Mistake(
            "crosses zero",
            "neurons shorter than the threshold come back with all signs turned. The factor "
            "1 - threshold / length is negative for them: take 0 instead.",
            _except_for_zero_neurons(
                _shrunk_by(lambda W1, b1, W2, t: 1 - t / _norm(_together(W1, b1, W2)))
            ),
        ),
        Mistake(
            "survivors not shrunk",
            "your neurons vanish when they should, but the others keep their full length. What "
            "survives gets shorter by the threshold: multiply by 1 - threshold / length.",
            _except_for_zero_neurons(
                _shrunk_by(lambda W1, b1, W2, t: 1.0 * (_norm(_together(W1, b1, W2)) > t))
            ),
        ),
        Mistake(
            "rows and columns swapped",
            "you take a row for a column somewhere; where the array is not square, it does not "
            "even fit. Neuron j hears through row j of W1 and speaks through column j of W2, and "
            "its factor multiplies these: factor[:, None] * W1, but factor * W2.",
            _rows_for_columns,
        ),
    ),
    rtol=1e-5,
    atol=1e-6,
)


# 09.balance: make what leads into each neuron as long as what leads out of it, outputs unchanged


def _balance_cases(rng: np.random.Generator) -> list[tuple]:
    return [_attacked(rng, *sizes) for sizes in ((8, 3), (4, 8), (8, 8), (2, 5))]


def _attacked(rng: np.random.Generator, n_in: int, n_out: int) -> tuple:
    """Draw eight neurons, two of them stronger where they hear, three where they say.

    One of these hears next to nothing. One has no row, one no column, one has neither.
    """
    lengths = [[8, 0.5], [3, 0.8], [0.4, 6], [0.7, 2], [0.005, 2], [0, 1.5], [1.5, 0], [0, 0]]
    lengths = rng.permutation(lengths) * rng.uniform(0.9, 1.1, (8, 2))
    W1 = np.array([length * _direction(rng, n_in) for length in lengths[:, 0]])
    W2 = np.column_stack([length * _direction(rng, n_out) for length in lengths[:, 1]])
    b1 = rng.choice([-1.0, 1.0], 8) * rng.uniform(0.5, 2, 8)
    b2 = rng.choice([-1.0, 1.0], n_out) * rng.uniform(0.5, 2, n_out)
    return W1, b1, W2, b2


def _rescaled(
    c: Array, W1: Array, b1: Array, W2: Array, b2: Array
) -> tuple[Array, Array, Array, Array]:
    return c[:, None] * W1, c * b1, W2 / c, b2


def _lengths(W1: Array, W2: Array) -> tuple[Array, Array]:
    """Measure what leads into each neuron and what leads out of it."""
    return _norm(W1), _norm(W2.T)


def _factor(heard: Array, said: Array) -> Array:
    """Say by how much each neuron hears too little; one that does not hear or say is left."""
    works = (heard > 0) & (said > 0)
    return np.sqrt(np.where(works, said, 1) / np.where(works, heard, 1))


def _balance(W1: Array, b1: Array, W2: Array, b2: Array) -> tuple[Array, Array, Array, Array]:
    return _rescaled(_factor(*_lengths(W1, W2)), W1, b1, W2, b2)


Balanced = tuple[Array, Array, Array, Array]


def _scaled_by(factor: Callable[[Array, Array, Array], Array]) -> Callable[..., Balanced]:
    """Rescale each neuron by a factor that W1, b1 and W2 decide, in a way that keeps outputs."""

    def rescale(W1: Array, b1: Array, W2: Array, b2: Array) -> Balanced:
        return _rescaled(factor(W1, b1, W2), W1, b1, W2, b2)

    return rescale


def _among_working(*functions: Callable[..., Balanced]) -> Callable[..., bool]:
    """Recognise wrong code by the neurons that hear and say something; others may be NaN."""

    def recognise(answer: Balanced, W1: Array, b1: Array, W2: Array, b2: Array) -> bool:
        works = W1.any(axis=1) & W2.any(axis=0)

        def seen(new_W1: Array, new_b1: Array, new_W2: Array, new_b2: Array) -> tuple:
            neurons = _together(*map(np.asarray, (new_W1, new_b1, new_W2)))
            return neurons[works], np.asarray(new_b2)

        mine = seen(*answer)
        return any(
            same_as(lambda f=f: seen(*f(W1, b1, W2, b2)), rtol=1e-5)(mine) for f in functions
        )

    return recognise


def _idle_changed(answer: Balanced, W1: Array, b1: Array, W2: Array, b2: Array) -> bool:
    """Whether all is right but for the neurons that hear nothing or say nothing."""
    return np.shape(answer[0]) == W1.shape and _among_working(_balance)(answer, W1, b1, W2, b2)


def _idle_not_numbers(answer: Balanced, W1: Array, b1: Array, W2: Array, b2: Array) -> bool:
    if isinstance(answer, ZeroDivisionError):
        return True
    neurons = _together(*map(np.asarray, answer[:3])).astype(float)
    return not np.isfinite(neurons).all() and _idle_changed(answer, W1, b1, W2, b2)


def _last_bias_scaled(answer: Balanced, W1: Array, b1: Array, W2: Array, b2: Array) -> bool:
    """Factors, one for each neuron, fit the last biases only if there are as many outputs."""
    if isinstance(answer, (ValueError, RuntimeError)):
        return len(W2) != W2.shape[1]
    *others, last = answer
    rest = (*others, b2)
    return not np.array_equal(last, b2) and _idle_changed(rest, W1, b1, W2, b2)


def _balance_swapped(answer: object, W1: Array, b1: Array, W2: Array, b2: Array) -> bool:
    square = "1" * (W1.shape[1] == len(b1)) + "2" * (len(W2) == len(b1))
    if isinstance(answer, (ValueError, IndexError, RuntimeError)):
        return square != "12"
    ways = [
        lambda *case, measured=measured, shrunk=shrunk: _swapped_balance(
            *case, measured=measured, shrunk=shrunk
        )
        for measured, shrunk in WAYS_TO_SWAP
        if set(measured + shrunk) <= set(square)
    ]
    return _among_working(*ways)(answer, W1, b1, W2, b2)


def _swapped_balance(
    W1: Array, b1: Array, W2: Array, b2: Array, *, measured: str, shrunk: str
) -> Balanced:
    heard, said = _lengths(W1.T if "1" in measured else W1, W2.T if "2" in measured else W2)
    c = _factor(heard, said)
    new_W1 = c * W1 if "1" in shrunk else c[:, None] * W1
    new_W2 = W2 / c[:, None] if "2" in shrunk else W2 / c
    return new_W1, c * b1, new_W2, b2


def _with_other_lengths(measure: Callable[[Array], Array]) -> Callable[..., Balanced]:
    return _scaled_by(lambda W1, b1, W2: _factor(measure(np.abs(W1)), measure(np.abs(W2.T))))


def _outgoing_by(
    change: Callable[[Array, Array], Array],
) -> Callable[[Array, Array, Array, Array], Balanced]:
    """Scale what leads in as it should be, and what leads out in a way of its own."""

    def rescale(W1: Array, b1: Array, W2: Array, b2: Array) -> Balanced:
        c = _factor(*_lengths(W1, W2))
        return c[:, None] * W1, c * b1, change(W2, c), b2

    return rescale


def _both_normalised(W1: Array, b1: Array, W2: Array, b2: Array) -> Balanced:
    heard, said = _lengths(W1, W2)
    return W1 / heard[:, None], b1 / heard, W2 / said, b2


BALANCE = Task(
    "09.balance",
    _balance_cases,
    _balance,
    (
        Mistake(
            "last bias scaled",
            "you scale b2. It belongs to the outputs, not to the hidden neurons: no ReLU stands "
            "behind it, and the outputs must not change. Leave it as it is.",
            _last_bias_scaled,
        ),
        Mistake(
            "bias not scaled",
            "you scale the incoming weights but not the bias. Then relu(c w x + b) is not "
            "c relu(w x + b): the bias is part of what c multiplies.",
            _among_working(
                lambda W1, b1, W2, b2: (
                    *_balance(W1, b1, W2, b2)[:1],
                    b1,
                    *_balance(W1, b1, W2, b2)[2:],
                )
            ),
        ),
        Mistake(
            "outgoing times c",
            "you multiply the outgoing column by c as well. A neuron that gives c times as much "
            "must be heard with 1/c: divide W2[:, j] by c_j, or the outputs change.",
            _among_working(_outgoing_by(lambda W2, c: W2 * c)),
        ),
        Mistake(
            "outgoing left alone",
            "your W2 is the old one. The neurons now give c times as much: their columns have to "
            "be divided by c, or the outputs change.",
            _among_working(
                _outgoing_by(lambda W2, c: W2),
                lambda W1, b1, W2, b2: (
                    *_rescaled(_factor(*_lengths(W1, W2)) ** 2, W1, b1, W2, b2)[:2],
                    W2,
                    b2,
                ),
            ),
        ),
        Mistake(
            "both normalised",
            "you divide each row by its length and each column by its own. Then the outputs "
            "change: what the row loses the column must gain, so only one number is free for each "
            "neuron.",
            _among_working(_both_normalised),
        ),
        Mistake(
            "length 1",
            "you give one side of each neuron the length 1. That forgets the other side: equal "
            "lengths are asked for, so c times row and column / c have to meet in the middle.",
            _among_working(
                _scaled_by(lambda W1, b1, W2: 1 / _lengths(W1, W2)[0]),
                _scaled_by(lambda W1, b1, W2: _lengths(W1, W2)[1]),
            ),
        ),
        Mistake(
            "root missing",
            "your c is the whole ratio of the lengths, so they have changed places. Both sides "
            "move: c |row| = |column| / c, and solving that for c takes a square root.",
            _among_working(_scaled_by(lambda W1, b1, W2: _factor(*_lengths(W1, W2)) ** 2)),
        ),
        Mistake(
            "upside down",
            "your ratio is upside down: strong rows become stronger. c multiplies the row, so it "
            "has to be small where the row is long: |column| goes above, |row| below.",
            _among_working(
                _scaled_by(lambda W1, b1, W2: 1 / _factor(*_lengths(W1, W2))),
                _scaled_by(lambda W1, b1, W2: 1 / _factor(*_lengths(W1, W2)) ** 2),
            ),
        ),
        Mistake(
            "bias measured",
            "you count the bias in the length of what leads in. Magnitude pruning never looks at "
            "it: scale the bias, but measure the row of W1 alone.",
            _among_working(
                _scaled_by(lambda W1, b1, W2: _factor(*_lengths(np.column_stack([W1, b1]), W2)))
            ),
        ),
        Mistake(
            "other norm",
            "you measure by something else than the length, such as a sum of absolute values, the "
            "largest of them or a mean. The length is the square root of the sum of the squares.",
            _among_working(
                _with_other_lengths(lambda rows: rows.sum(axis=1)),
                _with_other_lengths(lambda rows: rows.max(axis=1)),
                _with_other_lengths(lambda rows: rows.mean(axis=1)),
                _with_other_lengths(lambda rows: np.sqrt((rows**2).mean(axis=1))),
            ),
        ),
        Mistake(
            "one factor",
            "you scale all neurons by one common factor. That balances the two layers, not the "
            "neurons: take a norm for each row of W1 and for each column of W2.",
            _among_working(
                _scaled_by(
                    lambda W1, b1, W2: np.full(
                        len(b1), (np.linalg.norm(W2) / np.linalg.norm(W1)) ** 0.5
                    )
                )
            ),
        ),
        Mistake(
            "rows and columns swapped",
            "you take a row for a column somewhere; where the array is not square, it does not "
            "even fit. Neuron j hears through row j of W1 and speaks through column j of W2: "
            "c[:, None] * W1, but W2 / c.",
            _balance_swapped,
        ),
        Mistake(
            "division by zero",
            "a neuron with a row or a column of zeros makes you divide by 0. No c can balance it: "
            "leave it as it is, with c = 1.",
            _idle_not_numbers,
        ),
        Mistake(
            "idle ones changed",
            "you change a neuron whose row or column is all zeros. No c can balance it: leave it "
            "as it is, with c = 1, its bias included.",
            _idle_changed,
        ),
    ),
    rtol=1e-5,
    atol=1e-6,
)

TASKS = (GROUP_PROX, BALANCE)
