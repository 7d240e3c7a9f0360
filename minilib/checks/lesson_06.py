"""Tasks of lesson 06, weight pruning."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from minilib.checks.task import Mistake, Task, same_as

Array = np.ndarray
Network = list[tuple[Array, Array]]
Rounding = Callable[[int, float], int]


def _mask(scores: Array, n_removed: int) -> Array:
    """Mark all but the lowest scores as kept; of equal scores the first is removed first."""
    mask = np.ones(scores.size, dtype=bool)
    mask[np.argsort(scores.ravel(), kind="stable")[: max(n_removed, 0)]] = False
    return mask.reshape(scores.shape)


# 06.row_mask: the same number of weights removed from each neuron


def _row_cases(rng: np.random.Generator) -> list[tuple[Array, float]]:
    """Draw neurons of very different strength, many ties, halves to round, and both ends."""
    strengths = np.array([[0.01], [1.0], [100.0]])
    tall = rng.integers(1, 4, (12, 5)) * rng.choice([-1.0, 1.0], (12, 5))
    one_value = np.array([[0.0], [1.0], [-1.0]]) * np.ones(6)
    return [
        (_tied(rng, 64), 0.45),
        (rng.permutation(strengths) * rng.standard_normal((3, 10)), 0.37),
        (rng.permutation(strengths) * rng.standard_normal((3, 10)), 0.62),
        (rng.permutation(strengths) * rng.standard_normal((3, 10)), 0.76),
        (rng.permutation(strengths) * rng.standard_normal((3, 7)), 0.5),
        (tall, 0.5),
        (rng.integers(1, 4, (12, 7)) * rng.choice([-1.0, 1.0], (12, 7)), 0.5),
        (rng.permutation(one_value), 0.35),
        (rng.standard_normal((4, 3)), 0.0),
        (rng.standard_normal((2, 6)), 1.0),
    ]


def _tied(rng: np.random.Generator, n_in: int) -> Array:
    """Draw rows in which both what is kept and what is removed has the size 2."""
    rows = [
        np.repeat([1.0, 2.0, 3.0], [low, n_in - low - high, high])
        for low, high in rng.integers(n_in // 8, n_in // 4, (3, 2))
    ]
    return rng.permuted(rows, axis=1) * rng.choice([-1.0, 1.0], (3, n_in))


def _by_row(
    n_removed: Callable[[int, float], int], scores: Callable[[Array], Array] = np.abs
) -> Callable[[Array, float], Array]:
    """Remove from each row as many entries as its length and the sparsity say."""
    return lambda weight, sparsity: np.array(
        [_mask(row, n_removed(weight.shape[1], sparsity)) for row in scores(weight)]
    )


def _exactly(n_in: int, sparsity: float) -> int:
    return round(sparsity * n_in)


_row_mask = _by_row(_exactly)


def _last_tie_first(weight: Array, sparsity: float) -> Array:
    return _row_mask(weight[:, ::-1], sparsity)[:, ::-1]


def _inside(function: Callable[[Array, float], Array]) -> Callable[..., bool]:
    """Recognise wrong code where some weights go and some stay; at the ends it may do anything."""

    def recognise(answer: object, weight: Array, sparsity: float) -> bool:
        return sparsity in (0, 1) or same_as(function)(answer, weight, sparsity)

    return recognise


def _above_the_removed(weight: Array, sparsity: float) -> Array:
    size = np.abs(weight)
    return size > np.sort(size)[:, [_exactly(weight.shape[1], sparsity) - 1]]


def _from_the_kept_on(weight: Array, sparsity: float) -> Array:
    size = np.abs(weight)
    return size >= np.sort(size)[:, [_exactly(weight.shape[1], sparsity)]]


def _decided_by_a_threshold(answer: Array, weight: Array, sparsity: float) -> bool:
    """Whether in each row all that is kept is larger than all that is removed, ties included."""
    mask, size = np.asarray(answer), np.abs(weight)
    if not mask.any() and np.any(np.ptp(size, axis=1)):
        return False  # nothing is left to be larger
    smallest_kept = np.where(mask, size, np.inf).min(axis=1)
    largest_removed = np.where(mask, -np.inf, size).max(axis=1)
    return sparsity in (0, 1) or bool(np.all(smallest_kept > largest_removed))


def _other_ties(answer: Array, weight: Array, sparsity: float) -> bool:
    """Whether only the choice among weights of equal size is wrong."""
    mask = np.asarray(answer)
    kept = np.where(mask, np.abs(weight), 0.0)
    right = np.where(_row_mask(weight, sparsity), np.abs(weight), 0.0)
    return np.array_equal(np.sort(kept), np.sort(right)) and np.array_equal(
        np.sum(mask, axis=1), np.sum(_row_mask(weight, sparsity), axis=1)
    )


ROW_MASK = Task(
    "06.row_mask",
    _row_cases,
    _row_mask,
    (
        Mistake(
            "weights returned",
            "you return the pruned weights. Asked for is the mask: True where a weight is kept, "
            "False where it is removed.",
            same_as(lambda weight, sparsity: weight * _row_mask(weight, sparsity)),
        ),
        Mistake(
            "mask turned",
            "your mask is turned round: True where a weight is removed. In this course True is "
            "kept, so that weight * mask is the pruned matrix.",
            same_as(lambda weight, sparsity: ~_row_mask(weight, sparsity)),
        ),
        Mistake(
            "share kept",
            "you keep as many weights as you should remove. Sparsity is the fraction of zeros: at "
            "0.9 nine of ten go.",
            same_as(
                _by_row(lambda n_in, sparsity: n_in - _exactly(n_in, sparsity)),
                _by_row(lambda n_in, sparsity: _exactly(n_in, 1 - sparsity)),
            ),
        ),
        Mistake(
            "largest removed",
            "you remove the largest weights and keep the smallest. Sorted from small to large, the "
            "first ones go.",
            same_as(_by_row(_exactly, lambda weight: -np.abs(weight))),
        ),
        Mistake(
            "signs kept",
            "you compare weights with their signs, so -5 goes before 0.1. What counts is the size: "
            "take the absolute value first.",
            same_as(_by_row(_exactly, lambda weight: weight)),
        ),
        Mistake(
            "all rows together",
            "you remove the smallest weights of the whole matrix, so weak neurons lose all and "
            "strong ones nothing. Every row loses the same number: sort each by itself.",
            same_as(lambda weight, sparsity: _mask(np.abs(weight), round(sparsity * weight.size))),
        ),
        Mistake(
            "by column",
            "you remove the same number from each column. A neuron is a row: weight[i] holds all "
            "that leads into neuron i. Sort along axis=1.",
            same_as(lambda weight, sparsity: _row_mask(weight.T, sparsity).T),
        ),
        Mistake(
            "neurons counted",
            "you remove a share of the number of neurons, not of the number of inputs. A row has "
            "n_in = weight.shape[1] entries; len(weight) is the number of rows.",
            same_as(
                lambda weight, sparsity: _by_row(lambda n_in, s: _exactly(len(weight), s))(
                    weight, sparsity
                )
            ),
        ),
        Mistake(
            "percent",
            "no weight goes, or hardly any, as if the sparsity were a percentage. It is a "
            "fraction: 0.45 removes 45 % of the weights.",
            same_as(
                _by_row(lambda n_in, sparsity: _exactly(n_in, sparsity / 100)),
                *[
                    lambda weight, sparsity, above=above: above(
                        np.abs(weight), np.percentile(np.abs(weight), sparsity, 1, keepdims=True)
                    )
                    for above in (np.greater, np.greater_equal)
                ],
            ),
        ),
        Mistake(
            "sparsity as a threshold",
            "you compare the weights themselves with the sparsity. It does not say how large a "
            "weight has to be, but how many go, whatever their size.",
            same_as(
                lambda weight, sparsity: np.abs(weight) > sparsity,
                lambda weight, sparsity: np.abs(weight) >= sparsity,
            ),
        ),
        Mistake(
            "rounded down",
            "you cut sparsity * n_in off after the point. Round to the nearest whole number, with "
            "Python's round.",
            same_as(_by_row(lambda n_in, sparsity: math.floor(sparsity * n_in))),
        ),
        Mistake(
            "rounded up",
            "you always round up. Round sparsity * n_in to the nearest whole number, with Python's "
            "round.",
            same_as(_by_row(lambda n_in, sparsity: math.ceil(sparsity * n_in))),
        ),
        Mistake(
            "halves rounded up",
            "you round every half up. Python's round takes the even neighbour, so 2.5 gives 2 and "
            "3.5 gives 4: remove round(sparsity * n_in).",
            same_as(_by_row(lambda n_in, sparsity: math.floor(sparsity * n_in + 0.5))),
        ),
        Mistake(
            "halves rounded down",
            "you round every half down. Python's round takes the even neighbour: 2.5 gives 2, but "
            "3.5 gives 4. Remove round(sparsity * n_in).",
            same_as(_by_row(lambda n_in, sparsity: math.ceil(sparsity * n_in - 0.5))),
        ),
        Mistake(
            "kept rounded",
            "you round the number that is kept. Where it lies half between two whole numbers that "
            "gives another mask: round the number that is removed.",
            same_as(_by_row(lambda n_in, sparsity: n_in - round((1 - sparsity) * n_in))),
        ),
        Mistake(
            "last tie first",
            "of equal weights you remove the last one first. Sorting from small to large with "
            "kind='stable' leaves equals in their order; then the first ones of the list go.",
            same_as(_last_tie_first),
        ),
        Mistake(
            "wrong at the ends",
            "your masks are right in between, but at sparsity 0 nothing goes and at 1 everything. "
            "Do not hold k between 1 and n_in - 1, and take [:k] from the front: [-k:] with k = 0 "
            "is the whole list.",
            lambda answer, weight, sparsity: sparsity in (0, 1),
        ),
        Mistake(
            "whole rows",
            "you keep or remove whole rows, as article A does with its norm. Weight pruning looks "
            "at each weight: every row loses the same number of its own.",
            lambda answer, weight, sparsity: bool(
                np.any(np.asarray(answer))
                and np.all(np.asarray(answer) == np.asarray(answer)[:, :1])
            ),
        ),
        Mistake(
            "ties all removed",
            "you keep what is larger than a threshold, so all weights of exactly that size go, too "
            "many. Sort, and remove the first ones by their places, not by their size.",
            _inside(_above_the_removed),
        ),
        Mistake(
            "ties all kept",
            "you remove what is smaller than a threshold, so all weights of exactly that size "
            "stay, too many. Sort, and remove the first ones by their places, not by their size.",
            _inside(_from_the_kept_on),
        ),
        Mistake(
            "threshold",
            "you compare with a threshold, such as a quantile. Then equal weights stay or go "
            "together, and the number is not exact: sort, and remove by places.",
            _decided_by_a_threshold,
        ),
        Mistake(
            "ties in any order",
            "your numbers are right, but of equal weights you do not remove the first ones. "
            "np.argsort shuffles equals unless you write kind='stable'.",
            _other_ties,
        ),
    ),
)


# What the next two tasks share: networks, their errors, and ways to prune them

MaskOf = Callable[[Array, float], Array]
Prune = Callable[[Network, float], Network]
LogitsOf = Callable[[Network, Array], Array]
ErrorOf = Callable[[Network, Array, Array], float]


def _network(rng: np.random.Generator, widths: Sequence[int]) -> Network:
    """Draw layers of different strength, with weights of equal size within and across them.

    Hidden biases are smaller than all weights; the last ones differ, and most are below zero.
    """
    layers = []
    strengths = rng.permutation([2, 3, 4][: len(widths) - 1])
    for strength, (n_in, n_out) in zip(strengths, pairwise(widths), strict=True):
        sizes = strength * rng.integers(2, 9, (n_out, n_in)) / 32
        bias = rng.uniform(0.01, 0.1, n_out) * rng.choice([-1.0, 1.0], n_out)
        layers.append((sizes * rng.choice([-1.0, 1.0], sizes.shape), bias))
    W, b = layers[-1]
    layers[-1] = W, b - strength * rng.uniform(0.05, 0.5, len(b))
    return layers


def _logits_with(hidden: Callable[[Array], Array], last: Callable[[Array], Array]) -> LogitsOf:
    """Make the function that computes logits from what comes after a layer."""

    def logits(network: Network, X: Array) -> Array:
        for W, b in network[:-1]:
            X = hidden(X @ W.T + b)
        W, b = network[-1]
        return last(X @ W.T + b)

    return logits


def _relu(z: Array) -> Array:
    return np.maximum(z, 0)


_logits = _logits_with(_relu, np.positive)


def _error_by(logits: LogitsOf) -> ErrorOf:
    return lambda network, X, y: float(np.mean(logits(network, X).argmax(axis=1) != y))


_logits_without_relu = _logits_with(np.positive, np.positive)
_logits_with_relu_at_the_end = _logits_with(_relu, _relu)


def _logits_without_biases(network: Network, X: Array) -> Array:
    return _logits([(W, 0.0) for W, _ in network], X)


_WRONG_LOGITS = (
    _logits_without_relu,
    _logits_with_relu_at_the_end,
    _logits_without_biases,
)
_error = _error_by(_logits)


def _answers(networks: Sequence[Network], X: Array, logits: LogitsOf = _logits) -> Array:
    return np.array([logits(network, X).argmax(axis=1) for network in networks])


def _clear(networks: Sequence[Network], X: Array) -> Array:
    """Say for which rows all answers are clear enough for single precision."""
    ranked = np.array([np.sort(_logits(network, X), axis=1) for network in networks])
    return np.all(ranked[:, :, -1] - ranked[:, :, -2] > 1e-4, axis=0)


def _smallest(weight: Array, sparsity: float) -> Array:
    return _mask(np.abs(weight), round(sparsity * weight.size))


def _smallest_rounded(rounding: Rounding) -> MaskOf:
    return lambda weight, sparsity: _mask(np.abs(weight), rounding(weight.size, sparsity))


_HALVES_UP: tuple[Rounding, ...] = (
    lambda size, sparsity: math.floor(sparsity * size + 0.5),
    lambda size, sparsity: size - round((1 - sparsity) * size),
)
_WRONG_ROUNDINGS: tuple[Rounding, ...] = (
    lambda size, sparsity: math.floor(sparsity * size),
    lambda size, sparsity: math.ceil(sparsity * size),
    lambda size, sparsity: math.ceil(sparsity * size - 0.5),
    *_HALVES_UP,
)


def _last_ties(weight: Array, sparsity: float) -> Array:
    return _smallest(weight.ravel()[::-1], sparsity)[::-1].reshape(weight.shape)


def _above(weight: Array, sparsity: float) -> Array:
    size = np.abs(weight)
    return size > np.sort(size, axis=None)[round(sparsity * size.size) - 1]


def _from(weight: Array, sparsity: float) -> Array:
    size = np.abs(weight)
    return size >= np.sort(size, axis=None)[round(sparsity * size.size)]


# Wrong ways to choose the weights of one tensor, or of all layers joined, with what to tell.
_WRONG_MASKS: dict[str, tuple[str, tuple[MaskOf, ...]]] = {
    "share kept": (
        "you keep the share that should go. Sparsity is the fraction of zeros: at 0.9 nine of ten "
        "weights are removed.",
        (lambda weight, sparsity: _smallest(weight, 1 - sparsity),),
    ),
    "percent": (
        "no weight goes, or hardly any, as if the sparsity were a percentage. It is a fraction: "
        "0.45 removes 45 % of the weights.",
        (
            lambda weight, sparsity: _smallest(weight, sparsity / 100),
            lambda weight, sparsity: np.abs(weight) > np.percentile(np.abs(weight), sparsity),
            lambda weight, sparsity: np.abs(weight) >= np.percentile(np.abs(weight), sparsity),
        ),
    ),
    "sparsity as a threshold": (
        "you compare the weights themselves with the sparsity. It does not say how large a weight "
        "has to be, but how many go, whatever their size.",
        (
            lambda weight, sparsity: np.abs(weight) > sparsity,
            lambda weight, sparsity: np.abs(weight) >= sparsity,
        ),
    ),
    "largest removed": (
        "you remove the largest weights and keep the smallest. Sorted from small to large, the "
        "first ones go.",
        (lambda weight, sparsity: _mask(-np.abs(weight), round(sparsity * weight.size)),),
    ),
    "signs kept": (
        "you compare weights with their signs, so -5 goes before 0.1. What counts is the size: "
        "take the absolute value first.",
        (lambda weight, sparsity: _mask(weight, round(sparsity * weight.size)),),
    ),
    "threshold": (
        "you compare with a threshold, so all weights of exactly that size stay or go together, "
        "and the number is not exact. Sort, and remove the first ones by their places.",
        (
            _above,
            _from,
            lambda weight, sparsity: np.abs(weight) > np.quantile(np.abs(weight), sparsity),
            lambda weight, sparsity: np.abs(weight) >= np.quantile(np.abs(weight), sparsity),
        ),
    ),
    "last tie first": (
        "of equal weights you do not remove the first ones first. Sort with kind='stable', from "
        "small to large: then equals keep their order, and the first ones of the list go.",
        (_last_ties,),
    ),
    "rounding": (
        "you do not round the number of removed weights as Python's round does, to the nearest "
        "and halves to the even one. Remove exactly round(sparsity * number of weights).",
        tuple(_smallest_rounded(rounding) for rounding in _WRONG_ROUNDINGS),
    ),
}


def _wrongly_chosen(answers: Callable[[MaskOf], Callable[..., object]]) -> tuple[Mistake, ...]:
    """Make the mistakes of choosing the weights; `answers` makes an answer from a choice."""
    return tuple(
        Mistake(name, message, same_as(*[answers(mask_of) for mask_of in masks]))
        for name, (message, masks) in _WRONG_MASKS.items()
    )


# What goes wrong in measuring the error, with what to tell.
_WRONG_ERRORS: dict[str, tuple[str, ErrorOf]] = {
    "no ReLU": (
        "your network has no ReLU between its layers, so it is another function. Replace negative "
        "numbers by 0 after each layer but the last.",
        _error_by(_logits_without_relu),
    ),
    "ReLU at the end": (
        "your network has a ReLU after its last layer, too. Where all logits are negative it makes "
        "them equal, and the largest is lost: leave the last layer as it is.",
        _error_by(_logits_with_relu_at_the_end),
    ),
    "biases not added": (
        "your network adds no biases, so it is another function. Each layer gives W x + b.",
        _error_by(_logits_without_biases),
    ),
    "wrong answers counted": (
        "your error is a count of wrong answers or a percentage, not a share. Divide the count by "
        "the number of rows, and leave it at that.",
        lambda network, X, y: len(y) * _error(network, X, y),
    ),
}


def _wrongly_measured(answers: Callable[[ErrorOf], Callable[..., object]]) -> tuple[Mistake, ...]:
    """Make the mistakes of measuring the error; `answers` makes an answer from a measure."""
    return tuple(
        Mistake(name, message, same_as(answers(error)))
        for name, (message, error) in _WRONG_ERRORS.items()
    )


def _sparsities(
    rng: np.random.Generator, starts: Sequence[float], suits: Callable[[Array], Array]
) -> list[float]:
    """Draw one of the hundredths above each start that suit."""
    windows = [np.arange(round(100 * start), round(100 * start) + 11) / 100 for start in starts]
    return [float(rng.choice(window[suits(window)])) for window in windows]


# 06.restore: prune more and more, go back to the last network that validation accepted

Search = tuple[Network, list[float], Array, Array, float]


def _together(mask_of: MaskOf, *, biases: bool = False) -> Prune:
    """Prune all layers together; the biases stay as they are, or join."""

    def prune(network: Network, sparsity: float) -> Network:
        parts = [part for layer in network for part in layer]
        joined = [part for part in parts if biases or part.ndim == 2]
        kept = mask_of(np.concatenate([part.ravel() for part in joined]), sparsity)
        masks = iter(np.split(kept, np.cumsum([part.size for part in joined])[:-1]))
        parts = [
            part * next(masks).reshape(part.shape) if biases or part.ndim == 2 else part
            for part in parts
        ]
        return list(zip(parts[::2], parts[1::2], strict=True))

    return prune


_prune = _together(_smallest)


def _restore_cases(rng: np.random.Generator) -> list[tuple]:
    """Draw searches that end early, although a later network would be good enough, and others.

    The numbers say how many rows the original and each pruned network get wrong, and how many
    wrong answers are allowed. Two searches start from an original that is not good enough.
    """
    deep, flat, small = (6, 10, 8, 4), (8, 12, 5), (5, 9, 4)

    def drawn(widths: Sequence[int], *, round_up: bool) -> list[float]:
        return _five_sparsities(rng, widths, round_up=round_up)

    return [
        _search(rng, deep, drawn(deep, round_up=True), wrong=(5, 3, 6, 10, 5, 12), allowed=6),
        _search(rng, flat, drawn(flat, round_up=False), wrong=(4, 6, 5, 9, 13, 7), allowed=8),
        _search(rng, deep, drawn(deep, round_up=False), wrong=(3, 4, 6, 5, 7, 8), allowed=8),
        _search(rng, flat, drawn(flat, round_up=True), wrong=(3, 8, 5, 9, 4, 12), allowed=6),
        _search(rng, flat, drawn(flat, round_up=True), wrong=(0, 0, 0, 5, 2, 9), allowed=4),
        _search(rng, small, [0.3, 0.5, 0.6], wrong=(9, 4, 5, 8), allowed=6),  # 40.5 weights
        _search(rng, small, [0.2, 0.4, 1.0], wrong=(3, 5, 4, 9), allowed=10),
        _search(rng, flat, [0.1, 0.2, 0.3], wrong=(8, 7, 5, 4), allowed=6, n_rows=128),
        _patient_search(rng),
        *[_search_misled_by(logits, rng) for logits in _WRONG_LOGITS],
    ]


def _five_sparsities(
    rng: np.random.Generator, widths: Sequence[int], *, round_up: bool
) -> list[float]:
    """Draw sparsities that call for rounding up or down."""
    n_weights = sum(n_in * n_out for n_in, n_out in pairwise(widths))
    low, high = (0.55, 0.95) if round_up else (0.05, 0.45)
    return _sparsities(
        rng,
        (0.1, 0.22, 0.34, 0.46, 0.58),
        lambda values: (low < values * n_weights % 1) & (values * n_weights % 1 < high),
    )


def _drawn_search(
    rng: np.random.Generator, widths: Sequence[int], sparsities: list[float], n_rows: int
) -> tuple[list[Network], Array]:
    """Draw a network and rows; give it as it is and pruned, and the rows with clear answers."""
    network = _network(rng, widths)
    networks = [network, *(_prune(network, sparsity) for sparsity in sparsities)]
    X = rng.standard_normal((n_rows, widths[0]))
    return networks, X[_clear(networks, X)]


def _search(
    rng: np.random.Generator,
    widths: Sequence[int],
    sparsities: list[float],
    wrong: Sequence[int],
    allowed: int,
    n_rows: int = 32,
) -> Search:
    while True:
        networks, X = _drawn_search(rng, widths, sparsities, 6 * n_rows)
        rows, labels = _labels_with(_answers(networks, X), wrong, n_rows)
        if len(rows) == n_rows:
            order = rng.permutation(n_rows)
            return networks[0], sparsities, X[rows][order], labels[order], allowed / n_rows


def _patient_search(rng: np.random.Generator) -> Search:
    """Draw a search in which all networks pass that get anything right; the last does not.

    The others get something wrong. Whichever weights the first step removes, it passes.
    """
    masks = [mask_of for _, masks in _WRONG_MASKS.values() for mask_of in masks]
    while True:
        sparsities = _five_sparsities(rng, (6, 10, 8, 4), round_up=False)
        networks, X = _drawn_search(rng, (6, 10, 8, 4), sparsities, 200)
        answers = _answers(networks, X)
        rows = np.flatnonzero(answers[0] != answers[-1])[:32]
        X, y = X[rows], answers[0, rows]
        first = [_together(mask_of)(networks[0], sparsities[0]) for mask_of in masks]
        if (
            len(y) == 32
            and all(0 < _error(pruned, X, y) < 1 for pruned in networks[1:-1])
            and all(_error(pruned, X, y) < 1 for pruned in first)
        ):
            return networks[0], sparsities, X, y, 31 / 32


def _search_misled_by(logits: LogitsOf, rng: np.random.Generator) -> Search:
    """Draw a search in which another network function ends elsewhere, and not at once.

    Nor does it end where the accuracy in the place of the error would.
    A row's label is what some network says, computed rightly or wrongly.
    """
    while True:
        sparsities = _five_sparsities(rng, (6, 10, 8, 4), round_up=False)
        networks, X = _drawn_search(rng, (6, 10, 8, 4), sparsities, 70)
        if len(X) < 64:
            continue
        X = X[:64]
        said = np.concatenate([_answers(networks, X), _answers(networks, X, logits)])
        y = rng.permuted(said, axis=0)[0]
        right, misled = np.mean(said != y, axis=1).reshape(2, -1)[:, 1:]
        limit = float(np.median([*right, *misled]))
        end, *others = (
            _leading(good) for good in (right <= limit, 1 - right <= limit, 1 - right >= limit)
        )
        if end > 0 and _leading(misled <= limit) not in (0, end, *others):
            return networks[0], sparsities, X, y, limit


def _labels_with(answers: Array, wrong: Sequence[int], n_rows: int) -> tuple[Array, Array]:
    """Choose rows and label them so that each network gets as many wrong as asked for.

    A row with a label is right or wrong for each network: a pattern. Those with many errors are
    used up first; rows that all networks get right fill up. Fewer rows come back if that fails.
    """
    missing, labels = np.array(wrong), {}
    patterns = answers[:, None] != answers  # network, network that gives the label, row
    found, which = np.unique(patterns.reshape(len(answers), -1), axis=1, return_inverse=True)
    for number in np.argsort(-found.sum(axis=0), kind="stable"):
        pattern = found[:, number]
        for place in np.flatnonzero(which.ravel() == number):
            given_by, row = divmod(int(place), answers.shape[1])
            if len(labels) < n_rows and row not in labels and np.all(pattern <= missing):
                missing = missing - pattern
                labels[row] = answers[given_by, row]
    rows = [] if missing.any() else list(labels)
    return np.array(rows, dtype=int), np.array([labels[row] for row in rows])


def _leading(accepted: Array) -> int:
    """Count the networks up to the first that is not accepted."""
    return int(np.argmin([*accepted, False]))


def _search_by(
    choose: Callable[[Array, float, float], int], prune: Prune = _prune, error: ErrorOf = _error
) -> Callable[..., Network]:
    """Make the search from a rule: it takes the errors, the limit and the original's error.

    It gives the number of the network to return, 0 for the original.
    """

    def search(
        network: Network, sparsities: list[float], X: Array, y: Array, limit: float
    ) -> Network:
        networks = [network, *(prune(network, sparsity) for sparsity in sparsities)]
        original, *errors = (error(candidate, X, y) for candidate in networks)
        return networks[choose(np.array(errors), limit, original)]

    return search


def _last_accepted(errors: Array, limit: float, original: float) -> int:
    return _leading(errors <= limit)


def _pruned_by(prune: Prune) -> Callable[..., Network]:
    return _search_by(_last_accepted, prune)


def _of_what_is_left(
    network: Network, sparsities: list[float], X: Array, y: Array, limit: float
) -> Network:
    """Prune the last accepted network by a share of the weights that it still has."""
    n_weights, n_removed = sum(W.size for W, _ in network), 0
    for sparsity in sparsities:
        n_removed += round(sparsity * (n_weights - n_removed))
        candidate = _prune(network, n_removed / n_weights)
        if _error(candidate, X, y) > limit:
            break
        network = candidate
    return network


RESTORE = Task(
    "06.restore",
    _restore_cases,
    _search_by(_last_accepted),
    (
        Mistake(
            "original returned",
            "you return the network you were given, with all its weights, whatever passes. Prune a "
            "copy, and if that passes, make it the accepted one: accepted = candidate.",
            same_as(lambda network, *_: network),
        ),
        Mistake(
            "all or nothing",
            "after a refusal you return the original, as article B proposes. So one step too far "
            "loses all that was won: return the last network that was accepted.",
            same_as(_search_by(lambda errors, limit, _: len(errors) * bool(all(errors <= limit)))),
        ),
        Mistake(
            "refused one returned",
            "you return the network that was refused. Keep a candidate only after its error has "
            "passed; until then the one before is the last accepted.",
            same_as(
                _search_by(lambda errors, limit, _: min(_leading(errors <= limit) + 1, len(errors)))
            ),
        ),
        Mistake(
            "never evaluated",
            "you return the strongest pruning whatever its error, as article B's line "
            "'model = pruned_model' does. Measure each candidate before you accept it.",
            same_as(_search_by(lambda errors, *_: len(errors))),
        ),
        Mistake(
            "goes on after a refusal",
            "you go on after a refusal, and a later network passes by luck. The search ends at the "
            "first error above the limit: write break.",
            same_as(
                _search_by(
                    lambda errors, limit, _: max(np.flatnonzero(errors <= limit), default=-1) + 1
                )
            ),
        ),
        Mistake(
            "equal refused",
            "you refuse a network whose error equals the limit, or your error is a little too "
            "large. Only an error that exceeds the limit is refused: compare with >.",
            same_as(_search_by(lambda errors, limit, _: _leading(errors < limit))),
        ),
        Mistake(
            "accuracy for error",
            "you compare the accuracy with the limit, which is one for the error. The error is the "
            "share of wrong answers, 1 - accuracy.",
            same_as(_search_by(lambda errors, limit, _: _leading(1 - errors <= limit))),
        ),
        Mistake(
            "accuracy above the limit",
            "you accept an accuracy of at least the limit. The limit is one for the error, the "
            "share of wrong answers: accept an error of at most the limit.",
            same_as(_search_by(lambda errors, limit, _: _leading(1 - errors >= limit))),
        ),
        Mistake(
            "limit relative",
            "you measure the limit from the error of the original. It is the largest error itself "
            "that is accepted, whatever the original's was.",
            same_as(
                _search_by(lambda errors, limit, base: _leading(errors <= base + limit)),
                _search_by(lambda errors, limit, base: _leading(errors <= base * (1 + limit))),
            ),
        ),
        Mistake(
            "best returned",
            "you return the accepted network with the lowest error. Wanted is the smallest one: "
            "the last that was accepted.",
            same_as(
                _search_by(
                    lambda errors, limit, _: int(
                        np.argmin([1.0, *errors[: _leading(errors <= limit)]])
                    )
                ),
                _search_by(
                    lambda errors, limit, base: int(
                        np.argmin([base, *errors[: _leading(errors <= limit)]])
                    )
                ),
            ),
        ),
        Mistake(
            "first accepted",
            "you return the first network that is accepted, the mildest. Go on while the errors "
            "pass, and return the last.",
            same_as(
                _search_by(lambda errors, limit, _: min(_leading(errors <= limit), 1)),
                _search_by(
                    lambda errors, limit, _: min(np.flatnonzero(errors <= limit), default=-1) + 1
                ),
            ),
        ),
        Mistake(
            "share of what is left",
            "you remove a share of the weights that are left, so the sparsities add up. Each is a "
            "share of all weights: prune the original.",
            same_as(_of_what_is_left),
        ),
        Mistake(
            "each layer alone",
            "you prune each layer to the same sparsity. Here all weights compete: join them, and "
            "remove the smallest of the whole network.",
            same_as(
                _pruned_by(
                    lambda network, sparsity: [(W * _smallest(W, sparsity), b) for W, b in network]
                )
            ),
        ),
        Mistake(
            "biases pruned",
            "you prune the biases as well, or count them. They are few and shift whole neurons: "
            "join the weights only, and leave each b as it is.",
            same_as(
                _pruned_by(_together(_smallest, biases=True)),
                _pruned_by(
                    lambda network, sparsity: [
                        (W, b)
                        for (W, _), (_, b) in zip(
                            _together(_smallest, biases=True)(network, sparsity),
                            network,
                            strict=True,
                        )
                    ]
                ),
                _pruned_by(
                    lambda network, sparsity: _prune(
                        network,
                        sparsity
                        * sum(W.size + b.size for W, b in network)
                        / sum(W.size for W, _ in network),
                    )
                ),
            ),
        ),
        *_wrongly_chosen(lambda mask_of: _pruned_by(_together(mask_of))),
        *_wrongly_measured(lambda error: _search_by(_last_accepted, error=error)),
    ),
)


# 06.sensitivity: how much the error rises when one layer alone is pruned


def _sensitivity_cases(rng: np.random.Generator) -> list[tuple]:
    return [
        _sensitivity_case(rng, (6, 10, 8, 4), (0.2, 0.4, 0.6, 0.8)),
        _sensitivity_case(rng, (8, 12, 5), (0.3, 0.5, 0.7)),
        _sensitivity_case(rng, (5, 9, 9, 4), (0.25, 0.75), (0.0, 0.5, 1.0)),
    ]


def _sensitivity_case(
    rng: np.random.Generator,
    widths: Sequence[int],
    starts: Sequence[float],
    fixed: Sequence[float] = (),
) -> tuple[Network, list[float], Array, Array]:
    """Draw a network that is sometimes better for having lost weights.

    With fixed sparsities, one whose rises show a half rounded up or a weight too many.
    A row's label is what the network says, or what it says with one layer pruned.
    """
    sizes = np.array([n_in * n_out for n_in, n_out in pairwise(widths)])
    while True:
        network = _network(rng, widths)
        drawn = _sparsities(
            rng,
            starts,
            lambda values: np.all(abs(np.outer(values, sizes) % 1 - 0.5) > 0.05, axis=1),
        )
        sparsities = sorted([*fixed, *drawn])
        candidates = [
            _with_layer_pruned(network, number, sparsity)
            for number in range(len(network))
            for sparsity in sparsities
        ]
        X = rng.standard_normal((160, widths[0]))
        X = X[_clear([network, *candidates], X)][:128]
        answers = _answers([*[network] * len(candidates), *candidates], X)
        y = rng.permuted(answers, axis=0)[0]
        case = network, sparsities, X, y
        if len(X) == 128 and (_tells_roundings(*case) if fixed else _rises(*case).min() < 0):
            return case


def _tells_roundings(*case: object) -> bool:
    rises = _rises(*case)
    return not any(np.array_equal(rises, misrounded(*case)) for misrounded in _MISROUNDED)


def _with_layer_pruned(
    network: Network, number: int, sparsity: float, mask_of: MaskOf = _smallest
) -> Network:
    W, b = network[number]
    return [*network[:number], (W * mask_of(W, sparsity), b), *network[number + 1 :]]


Change = Callable[[Network, int, float], Network]


def _measured(change: Change, error: ErrorOf = _error) -> Callable[..., Array]:
    """Make the table of rises from the network that belongs to a layer and a sparsity."""

    def table(network: Network, sparsities: list[float], X: Array, y: Array) -> Array:
        before = error(network, X, y)
        return np.array(
            [
                [error(change(network, number, sparsity), X, y) - before for sparsity in sparsities]
                for number in range(len(network))
            ]
        )

    return table


_rises = _measured(_with_layer_pruned)


def _never_restored(*, by_layer: bool) -> Callable[..., Array]:
    """Prune one network on and on, layer by layer or sparsity by sparsity."""

    def table(network: Network, sparsities: list[float], X: Array, y: Array) -> Array:
        shape = len(network), len(sparsities)
        places = [(number, k) for number in range(shape[0]) for k in range(shape[1])]
        rises, before = np.zeros(shape), _error(network, X, y)
        for number, k in places if by_layer else sorted(places, key=lambda place: place[1]):
            network = _with_layer_pruned(network, number, sparsities[k])
            rises[number, k] = _error(network, X, y) - before
        return rises

    return table


def _up_to(network: Network, number: int, sparsity: float) -> Network:
    """Prune this layer and all before it."""
    return [
        (W * _smallest(W, sparsity), b) if place <= number else (W, b)
        for place, (W, b) in enumerate(network)
    ]


def _all_but(network: Network, number: int, sparsity: float) -> Network:
    return [
        (W, b) if place == number else (W * _smallest(W, sparsity), b)
        for place, (W, b) in enumerate(network)
    ]


def _by_common_threshold(network: Network, number: int, sparsity: float) -> Network:
    pruned = _prune(network, sparsity)
    return [*network[:number], pruned[number], *network[number + 1 :]]


def _with_bias_pruned(network: Network, number: int, sparsity: float) -> Network:
    pruned = _together(_smallest, biases=True)([network[number]], sparsity)
    return [*network[:number], *pruned, *network[number + 1 :]]


def _by_length(axis: int) -> MaskOf:
    """Remove whole rows (axis 1) or columns (axis 0), the shortest first."""
    return lambda W, sparsity: np.expand_dims(
        _smallest(np.linalg.norm(W, axis=axis), sparsity), axis
    )


def _chosen_by(mask_of: MaskOf) -> Callable[..., Array]:
    return _measured(
        lambda network, number, sparsity: _with_layer_pruned(network, number, sparsity, mask_of)
    )


_MISROUNDED = [
    _chosen_by(_smallest_rounded(rounding))
    for rounding in (
        *_HALVES_UP,
        lambda size, sparsity: max(1, round(sparsity * size)),
        lambda size, sparsity: min(size - 1, round(sparsity * size)),
    )
]

SENSITIVITY = Task(
    "06.sensitivity",
    _sensitivity_cases,
    _rises,
    (
        Mistake(
            "layers stay pruned",
            "your layers stay pruned while the next are measured, so their harm adds up. Start "
            "each measurement from the network you were given.",
            same_as(
                _measured(_up_to), _never_restored(by_layer=True), _never_restored(by_layer=False)
            ),
        ),
        Mistake(
            "error instead of rise",
            "you return errors. Asked for is how much they rise: subtract the error of the network "
            "you were given.",
            same_as(lambda network, *rest: _rises(network, *rest) + _error(network, *rest[1:])),
        ),
        Mistake(
            "transposed",
            "your table is transposed. It has one row for each layer and one column for each "
            "sparsity.",
            same_as(lambda *arguments: _rises(*arguments).T),
        ),
        Mistake(
            "sign turned",
            "your signs are turned round: you return how much the accuracy rises. A rise of the "
            "error is the error of the pruned network minus that of the given one.",
            same_as(lambda *arguments: -_rises(*arguments)),
        ),
        Mistake(
            "never below zero",
            "where the error falls, you say it does not. A network can get better by losing a few "
            "weights: leave such numbers negative.",
            same_as(
                lambda *arguments: np.abs(_rises(*arguments)),
                lambda *arguments: np.maximum(_rises(*arguments), 0),
            ),
        ),
        Mistake(
            "rise in proportion",
            "you divide by the error of the network you were given. Asked for is the difference of "
            "the two shares, not their proportion.",
            same_as(
                lambda network, *rest: _rises(network, *rest) / _error(network, *rest[1:]),
                lambda network, *rest: _rises(network, *rest) / _error(network, *rest[1:]) + 1,
            ),
        ),
        Mistake(
            "percent returned",
            "your numbers are a hundred times too large. An error is a fraction: 0.02, not 2.",
            same_as(lambda *arguments: 100 * _rises(*arguments)),
        ),
        Mistake(
            "all others pruned",
            "you prune all layers but the one that is asked about. It is the other way round: that "
            "one alone loses weights.",
            same_as(_measured(_all_but)),
        ),
        Mistake(
            "all layers pruned",
            "you prune the whole network, so all your rows are the same. Only one layer loses "
            "weights at a time.",
            same_as(
                _measured(lambda network, number, sparsity: _prune(network, sparsity)),
                _measured(
                    lambda network, number, sparsity: _up_to(network, len(network), sparsity)
                ),
            ),
        ),
        Mistake(
            "common threshold",
            "you choose among the weights of all layers, so some layers lose more than the "
            "sparsity and others less. Sort the weights of the one layer by themselves.",
            same_as(_measured(_by_common_threshold)),
        ),
        Mistake(
            "biases pruned",
            "you prune the biases together with the weights. They are few and shift whole neurons: "
            "they stay as they are.",
            same_as(_measured(_with_bias_pruned)),
        ),
        Mistake(
            "whole neurons",
            "you remove whole rows or columns by their length, as article A does with its norms. "
            "Here single weights go: sort the absolute values of all the layer's weights.",
            same_as(_chosen_by(_by_length(1)), _chosen_by(_by_length(0))),
        ),
        Mistake(
            "row by row",
            "you remove the same share from each row. Here all weights of the layer compete: sort "
            "the whole matrix at once.",
            same_as(_chosen_by(_row_mask), _chosen_by(lambda W, s: _row_mask(W.T, s).T)),
        ),
        *_wrongly_chosen(_chosen_by),
        *_wrongly_measured(lambda error: _measured(_with_layer_pruned, error)),
    ),
)

TASKS = (ROW_MASK, RESTORE, SENSITIVITY)
