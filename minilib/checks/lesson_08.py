"""Tasks of lesson 08, cropping."""

import math
from collections.abc import Callable
from itertools import chain

import numpy as np

from minilib.checks.task import Mistake, Task, same_as

Array = np.ndarray
Network = list[tuple[Array, Array]]
Likeness = Callable[[Array, Array], float]


# 08.merge_tanh: neurons with equal or opposite (row, bias) become one; W2 tanh(W1 x + b1) + b2


def _merge_cases(rng: np.random.Generator) -> list[tuple]:
    return [_network(rng, n_in, n_out) for n_in, n_out in ((2, 1), (3, 2), (5, 4))]


def _network(rng: np.random.Generator, n_in: int, n_out: int) -> tuple[Network]:
    """Draw neurons with twins near and far, and others that only look like twins."""
    a, b, c, d, e, f, g, h, k, m, n, p, q = _different_neurons(rng, 13, n_in)
    p[0] = q[-1] = 0
    other_bias = np.append(np.zeros(n_in), rng.uniform(0.5, 1))
    same_bias = np.append(-f[:-1], f[-1])
    blocks = [
        [b, b, b],
        [c],
        [2 * c, -0.5 * c],  # tanh knows no factors
        [d, d + other_bias],
        [e, _with_another(e, 0, -1.3)],
        [f, same_bias],  # the row is opposite, the bias is not
        [g, _with_another(g, n_in - 1, -1.3)],
        [h, -h],
        [k, np.append(2 * k[:-1], k[-1])],  # proportional rows, equal biases
        [m, np.append(m[-2::-1], m[-1])],  # the same weights at other inputs
        [n, _with_another(n, n_in // 2, 1.002)],  # nearly a twin
        [p, 0 - p],  # no weight at the first input, and not -0.0
        [q, 0 - q],  # no bias
    ]
    blocks = [blocks[i] for i in rng.permutation(len(blocks))]
    blocks.insert(len(blocks) // 2, [np.abs(a)])
    # The twins of a are apart; a neuron whose row is negative comes before its opposite.
    rows = np.array([-np.abs(a), *chain.from_iterable(blocks), -np.abs(a)])
    outgoing = rng.uniform(0.5, 2, (n_out, len(rows))) * rng.choice([-1.0, 1.0], (n_out, len(rows)))
    places = [int(np.flatnonzero((rows == neuron).all(axis=1))[0]) for neuron in (c, e, g)]
    outgoing[:, places[1]] = outgoing[:, places[0]]  # equal outgoing weights make no twins
    outgoing[:, places[2]] = -outgoing[:, places[0]]
    first = (rows[:, :-1].copy(), rows[:, -1].copy())
    return ([first, (outgoing, rng.uniform(-1, 1, n_out))],)


def _with_another(neuron: Array, place: int, factor: float) -> Array:
    """Copy a neuron, but for one weight."""
    copy = neuron.copy()
    copy[place] *= factor
    return copy


def _different_neurons(rng: np.random.Generator, n: int, n_in: int) -> list[Array]:
    """Draw rows with their biases; no entry is near 0, and no two rows have a common one."""
    sizes = rng.permutation(np.linspace(0.5, 2, n * (n_in + 1))).reshape(n, n_in + 1)
    return list(sizes * rng.choice([-1.0, 1.0], sizes.shape))


def _equal(one: Array, other: Array) -> float:
    return float((one == other).all())


def _equal_or_opposite(one: Array, other: Array) -> float:
    """1 for twins, -1 for opposites, 0 for strangers."""
    return _equal(one, other) - _equal(-one, other)


def _factor(one: Array, other: Array) -> float:
    """How many times the first neuron the second one is; 0 if it is no multiple."""
    factor = float(one @ other / (one @ one))
    return factor if np.allclose(other, factor * one, rtol=1e-9, atol=0) else 0.0


def _leaders(neurons: Array, likeness: Likeness) -> list[tuple[int, float]]:
    """For each neuron the first one that it is like, and how many times that one it is."""
    found: list[tuple[int, float]] = []
    for j, neuron in enumerate(neurons):
        earlier = [(i, likeness(neurons[i], neuron)) for i in range(j) if found[i][0] == i]
        found.append(next(((i, like) for i, like in earlier if like), (j, 1.0)))
    return found


def _merge_by(likeness: Likeness) -> Callable[[Network], Network]:
    def merge(network: Network) -> Network:
        return _put_together(network, _leaders(_neurons(network), likeness))

    return merge


def _neurons(network: Network) -> Array:
    (weight, bias), _ = network
    return np.column_stack([weight, bias])


def _put_together(network: Network, leaders: list[tuple[int, float]]) -> Network:
    (weight, bias), (outgoing, out_bias) = network
    kept = [j for j, (leader, _) in enumerate(leaders) if leader == j]
    total = np.zeros(outgoing.shape)
    for j, (leader, like) in enumerate(leaders):
        total[:, leader] += like * outgoing[:, j]
    return [(weight[kept], bias[kept]), (total[:, kept], out_bias)]


_merge = _merge_by(_equal_or_opposite)


def _kept(network: Network) -> list[int]:
    leaders = _leaders(_neurons(network), _equal_or_opposite)
    return [j for j, (leader, _) in enumerate(leaders) if leader == j]


def _averaged(network: Network) -> Network:
    first, (outgoing, out_bias) = _merge(network)
    leaders = [leader for leader, _ in _leaders(_neurons(network), _equal_or_opposite)]
    counts = np.array([leaders.count(j) for j in _kept(network)])
    return [first, (outgoing / counts, out_bias)]


def _others_dropped(network: Network) -> Network:
    (weight, bias), (outgoing, out_bias) = network
    kept = _kept(network)
    return [(weight[kept], bias[kept]), (outgoing[:, kept], out_bias)]


def _columns_left(network: Network) -> Network:
    return [_merge(network)[0], network[1]]


def _columns_added_and_left(network: Network) -> Network:
    (_, _), (outgoing, out_bias) = network
    total = outgoing.copy()
    total[:, _kept(network)] = _merge(network)[1][0]
    return [_merge(network)[0], (total, out_bias)]


def _silenced(network: Network) -> Network:
    (_, _), (outgoing, out_bias) = network
    total = np.zeros(outgoing.shape)
    total[:, _kept(network)] = _merge(network)[1][0]
    return [network[0], (total, out_bias)]


def _next_layer_compared(likeness: Likeness) -> Callable[[Network], Network]:
    def merge(network: Network) -> Network:
        return _put_together(network, _leaders(network[1][0].T, likeness))

    return merge


def _last_kept(network: Network) -> Network:
    (weight, bias), (outgoing, out_bias) = network
    (weight, bias), (outgoing, _) = _merge(
        [(weight[::-1], bias[::-1]), (outgoing[:, ::-1], out_bias)]
    )
    return [(weight[::-1], bias[::-1]), (outgoing[:, ::-1], out_bias)]


def _neighbours_only(network: Network) -> Network:
    neurons = _neurons(network)
    leaders = [(0, 1.0)]
    for j in range(1, len(neurons)):
        leader, sign = leaders[-1]
        like = _equal_or_opposite(neurons[j - 1], neurons[j])
        leaders.append((leader, sign * like) if like else (j, 1.0))
    return _put_together(network, leaders)


def _one_twin_each(network: Network) -> Network:
    neurons = _neurons(network)
    leaders = [(j, 1.0) for j in range(len(neurons))]
    free = set(range(len(neurons)))
    for i in range(len(neurons)):
        for j in range(i + 1, len(neurons)):
            like = _equal_or_opposite(neurons[i], neurons[j])
            if like and {i, j} <= free:
                leaders[j] = (i, like)
                free -= {i, j}
    return _put_together(network, leaders)


def _rearranged(answer: Network, network: Network) -> bool:
    """Whether the neurons are the right ones, in another order or turned round."""
    right, found = (_in_standard_form(one) for one in (_merge(network), answer))
    return all(
        a.shape == b.shape and np.allclose(a, b, rtol=1e-5, atol=1e-5)
        for a, b in zip(right, found, strict=True)
    )


def _in_standard_form(network: Network) -> tuple[Array, Array]:
    """Turn all neurons so that their first number but 0 is positive, and sort them."""
    (weight, bias), (outgoing, out_bias) = (map(np.asarray, pair) for pair in network)
    neurons = np.column_stack([weight, bias, outgoing.T])
    first = (neurons != 0).argmax(axis=1)[:, None]
    neurons = neurons * np.sign(np.take_along_axis(neurons, first, axis=1))
    return neurons[np.lexsort(np.round(neurons[:, : weight.shape[1] + 1].T, 4))], out_bias


def _in_a_row(network: Network) -> list[Array]:
    return [array for pair in _merge(network) for array in pair]


MERGE_TANH = Task(
    "08.merge_tanh",
    _merge_cases,
    _merge,
    (
        Mistake(
            "averaged",
            "your outgoing weights are the average of those of the twins. Each twin contributed "
            "its own to the next layer, and one neuron has to contribute for all: add them.",
            same_as(_averaged),
        ),
        Mistake(
            "others dropped",
            "you keep the first twin with its own outgoing weights and drop those of the others. "
            "The next layer then misses what they contributed: add their columns of W2 to its own.",
            same_as(_others_dropped),
        ),
        Mistake(
            "opposites not found",
            "you merge equal neurons but leave opposite ones apart. tanh(-z) = -tanh(z): a neuron "
            "with -row and -bias gives minus the same, and joins with minus its outgoing weights.",
            same_as(_merge_by(_equal)),
        ),
        Mistake(
            "sign forgotten",
            "you add the outgoing weights of opposite neurons as they are. Such a neuron gives "
            "-tanh(z), so its outgoing weights come with a minus.",
            same_as(_merge_by(lambda one, other: abs(_equal_or_opposite(one, other)))),
        ),
        Mistake(
            "rule of the relu",
            "you merge neurons that are proportional, as in a network with ReLU. "
            "tanh(2z) is not 2 tanh(z): here only the factors 1 and -1 change nothing.",
            same_as(
                _merge_by(_factor),
                _merge_by(lambda one, other: max(_factor(one, other), 0.0)),
                _merge_by(lambda one, other: np.sign(_factor(one, other))),
                _merge_by(lambda one, other: float(_factor(one, other) > 0)),
            ),
        ),
        Mistake(
            "bias not compared",
            "you compare the rows of W1 and forget the biases. Two neurons with equal rows and "
            "different biases give different numbers for the same input: compare both.",
            same_as(
                _merge_by(lambda one, other: _equal_or_opposite(one[:-1], other[:-1])),
                _merge_by(lambda one, other: _equal(one[:-1], other[:-1])),
            ),
        ),
        Mistake(
            "bias not turned",
            "you take two neurons for opposite if their rows are opposite and their biases equal. "
            "All of w x + b has to change its sign: the bias, too.",
            same_as(
                _merge_by(
                    lambda one, other: (
                        _equal(one, other) - _equal(np.append(-one[:-1], one[-1]), other)
                    )
                ),
                _merge_by(
                    lambda one, other: (
                        _equal_or_opposite(one[:-1], other[:-1])
                        if abs(one[-1]) == abs(other[-1])
                        else 0.0
                    )
                ),
            ),
        ),
        Mistake(
            "next layer compared",
            "you compare the columns of W2, what leads out of the neurons. That says how they are "
            "used, not what they give: compare what leads in, the rows of W1 and the biases.",
            same_as(_next_layer_compared(_equal), _next_layer_compared(_equal_or_opposite)),
        ),
        Mistake(
            "neighbours only",
            "you only find twins that stand next to each other. They may be anywhere in the "
            "layer: compare each neuron with all that are kept so far.",
            same_as(_neighbours_only),
        ),
        Mistake(
            "one twin each",
            "you merge pairs only: of three twins, two are left. Go on through the whole layer "
            "before you leave the first one.",
            same_as(_one_twin_each),
        ),
        Mistake(
            "silenced, not removed",
            "your network computes the right thing and is as large as before: the twins are still "
            "there, with outgoing weights of zero. Take away their rows, biases and columns.",
            same_as(_silenced),
        ),
        Mistake(
            "columns left",
            "your first layer is smaller, but W2 still has a column for each neuron that is gone, "
            "so the shapes do not fit. A neuron has a row in W1 and a column in W2.",
            same_as(_columns_left, _columns_added_and_left),
        ),
        Mistake(
            "last kept",
            "of several twins you keep the last one. The first one should stay where it is and as "
            "it is; the others come to it.",
            same_as(_last_kept),
        ),
        Mistake(
            "rearranged",
            "your network computes the right thing, but the neurons stand in another order, or "
            "some are turned round. The first of each kind stays as it is, in the order in which "
            "they came (np.unique sorts).",
            _rearranged,
        ),
        Mistake(
            "arrays in a row",
            "your numbers are right, but you return them in a row. A network is a list of pairs: "
            "[(W1, b1), (W2, b2)].",
            same_as(_in_a_row),
        ),
    ),
    # Sums of a few numbers of the size of 1, perhaps in single precision.
    rtol=1e-5,
    atol=1e-5,
)


# 08.rank: largest rank whose factors and one bias fit into a share of the layer's numbers


_LAYERS = (  # outputs and inputs, about; part of a rank that is left over, share
    (90, 9, (0.03, 0.10), (0.30, 0.45)),
    (90, 9, (0.25, 0.40), (0.30, 0.45)),
    (90, 9, (0.55, 0.75), (0.30, 0.45)),
    (90, 9, (0.85, 0.95), (0.30, 0.45)),
    (9, 90, (0.10, 0.40), (0.30, 0.45)),
    (60, 60, (0.03, 0.10), (0.80, 0.95)),
    (40, 70, (0.30, 0.90), (0.60, 0.90)),
    (90, 9, (0.10, 0.90), (0.80, 0.90)),
)
"""Between them they show each mistake: a bias matters where it is long, a number per rank where
the rank is high, rounding where nearly nothing or nearly a whole rank is left over. In the last
one more than half of the full rank fits."""


def _rank_cases(rng: np.random.Generator) -> list[tuple]:
    """Draw layers of all kinds, and once more should two rules agree on all of them."""
    while True:
        exact = _fits_exactly(rng)
        small = [_nothing_left(rng), _too_small(rng), _part_of_a_number_missing(rng)]
        others = [*small, *(_layer(rng, *kind) for kind in _LAYERS)]
        answers = {tuple(rule(*case) for case in (exact, *others)) for rule in _RANK_RULES}
        if len(answers) == len(_RANK_RULES) and all(_is_clear(*case) for case in others):
            return [exact, *others]


def _is_clear(n_out: int, n_in: int, share: float) -> bool:
    """Whether no rule's answer hangs on a rounding error."""
    return all(
        rule(n_out, n_in, share * (1 - 1e-9)) == rule(n_out, n_in, share * (1 + 1e-9))
        for rule in _RANK_RULES
    )


Range = tuple[float, float]


def _layer(
    rng: np.random.Generator, n_out: int, n_in: int, left_over: Range, shares: Range
) -> tuple[int, int, float]:
    while True:
        sizes = [int(size * rng.uniform(0.8, 1.25)) for size in (n_out, n_in)]
        share = round(rng.uniform(*shares), 2)
        if left_over[0] < _quotient(*sizes, share) % 1 < left_over[1]:
            return (*sizes, share)


def _nothing_left(rng: np.random.Generator) -> tuple[int, int, float]:
    """Draw a layer whose share does not even hold the bias."""
    n_in = int(rng.integers(3, 6))
    return int(rng.integers(20, 40)), n_in, round(rng.uniform(0.5, 0.8) / (n_in + 1), 3)


def _too_small(rng: np.random.Generator) -> tuple[int, int, float]:
    """Draw a layer whose share holds the bias, and half a rank."""
    n_out, n_in = int(rng.integers(20, 30)), int(rng.integers(20, 30))
    share = (rng.uniform(0.6, 0.8) * (n_out + n_in) + n_out) / (n_out * n_in + n_out)
    return n_out, n_in, round(share, 3)


def _part_of_a_number_missing(rng: np.random.Generator) -> tuple[int, int, float]:
    """Draw a layer where one rank more would fit if the budget were rounded to a whole number."""
    while True:
        n_out, n_in = (int(size) for size in rng.integers(20, 40, 2))
        share = round(rng.uniform(0.3, 0.9), 3)
        missing = (1 - _quotient(n_out, n_in, share) % 1) * (n_out + n_in)
        if 0.1 < missing < 0.45:
            return n_out, n_in, share


def _fits_exactly(rng: np.random.Generator) -> tuple[int, int, float]:
    """Draw a layer for which a quarter or three quarters of the numbers are used up exactly.

    The rank is odd: half of 1 below it, Python rounds away from it.
    """
    while True:
        n_out, n_in = (int(size) for size in rng.integers(10, 80, 2))
        share = float(rng.choice([0.25, 0.75]))  # no rounding error in the product
        rank = _quotient(n_out, n_in, share)
        if n_out != n_in and rank in range(3, 40, 2) and _is_stable(n_out, n_in, share):
            return n_out, n_in, share


def _is_stable(n_out: int, n_in: int, share: float) -> bool:
    """Whether no rounding error falls below the rank, however the quotient is rearranged."""
    total, each = n_out * n_in + n_out, n_out + n_in
    quotients = (
        share * total / each - n_out / each,
        share * (total / each) - n_out / each,
        (share - n_out / total) * total / each,
        (share - 1 / (n_in + 1)) * total / each,
        (share * total - n_out) * (1 / each),
        (share * (n_in + 1) - 1) * (n_out / each),
        (share * (n_in + 1) - 1) / (each / n_out),
        (share * (n_in + 1) - 1) / (1 + n_in / n_out),
    )
    return min(quotients) >= _quotient(n_out, n_in, share)


def _quotient(n_out: int, n_in: int, share: float) -> float:
    return (share * (n_out * n_in + n_out) - n_out) / (n_out + n_in)


def _fitting(budget: float, each: int) -> int:
    """How many times `each` goes into a budget; none if the budget is negative."""
    return max(0, math.floor(budget / each))


def _rank(n_out: int, n_in: int, share: float) -> int:
    return max(0, math.floor(_quotient(n_out, n_in, share)))


def _bias_nowhere(n_out: int, n_in: int, share: float) -> int:
    return _fitting(share * n_out * n_in, n_out + n_in)


def _bias_not_in_the_budget(n_out: int, n_in: int, share: float) -> int:
    return _fitting(share * n_out * n_in - n_out, n_out + n_in)


def _bias_not_in_the_factors(n_out: int, n_in: int, share: float) -> int:
    return _fitting(share * (n_out * n_in + n_out), n_out + n_in)


def _bias_of_inputs(n_out: int, n_in: int, share: float) -> int:
    return _rank(n_in, n_out, share)


def _two_biases(n_out: int, n_in: int, share: float) -> int:
    return _fitting(share * (n_out * n_in + n_out) - 2 * n_out, n_out + n_in)


def _one_more_per_rank(n_out: int, n_in: int, share: float) -> int:
    return _fitting(share * (n_out * n_in + n_out) - n_out, n_out + n_in + 1)


def _share_of_the_rank(n_out: int, n_in: int, share: float) -> int:
    return int(share * min(n_out, n_in))


def _share_of_break_even(n_out: int, n_in: int, share: float) -> int:
    return int(share * ((n_out * n_in - 1) // (n_out + n_in)))


def _as_if_square(n_out: int, n_in: int, share: float) -> int:
    return int(share * min(n_out, n_in) / 2)


def _one_factor_in(n_out: int, n_in: int, share: float) -> int:
    return _fitting(share * (n_out * n_in + n_out) - n_out, n_in)


def _one_factor_out(n_out: int, n_in: int, share: float) -> int:
    return _fitting(share * (n_out * n_in + n_out) - n_out, n_out)


def _share_saved(n_out: int, n_in: int, share: float) -> int:
    return _rank(n_out, n_in, 1 - share)


def _strictly_below(n_out: int, n_in: int, share: float) -> int:
    return max(0, math.ceil(_quotient(n_out, n_in, share)) - 1)


def _rounded_up(n_out: int, n_in: int, share: float) -> int:
    return max(0, math.ceil(_quotient(n_out, n_in, share)))


def _first_too_large(n_out: int, n_in: int, share: float) -> int:
    return max(0, math.floor(_quotient(n_out, n_in, share)) + 1)


def _rounded(n_out: int, n_in: int, share: float) -> int:
    return max(0, round(_quotient(n_out, n_in, share)))


def _not_below_one(n_out: int, n_in: int, share: float) -> int:
    return max(1, _rank(n_out, n_in, share))


def _below_zero(n_out: int, n_in: int, share: float) -> int:
    return math.floor(_quotient(n_out, n_in, share))


_RANK_RULES = (
    _rank,
    _bias_nowhere,
    _bias_not_in_the_budget,
    _bias_not_in_the_factors,
    _bias_of_inputs,
    _two_biases,
    _one_more_per_rank,
    _share_of_the_rank,
    _share_of_break_even,
    _as_if_square,
    _one_factor_in,
    _one_factor_out,
    _share_saved,
    _strictly_below,
    _rounded_up,
    _first_too_large,
    _rounded,
    _not_below_one,
    _below_zero,
)


RANK = Task(
    "08.rank",
    _rank_cases,
    _rank,
    (
        Mistake(
            "share of the rank",
            "you take the share of the full rank. The numbers stored do not follow the rank that "
            "way: half the rank of a square layer saves nothing. Count those of both factors.",
            same_as(_share_of_the_rank),
        ),
        Mistake(
            "share of the break-even rank",
            "you take the share of the rank at which nothing is saved. With the bias, and rounding "
            "at the end only, the count comes out differently: put the budget down, then divide.",
            same_as(_share_of_break_even),
        ),
        Mistake(
            "as if square",
            "your formula is that of a square layer, where the two factors have the same size. "
            "Here one holds rank * n_in numbers and the other n_out * rank.",
            same_as(_as_if_square),
        ),
        Mistake(
            "second factor forgotten",
            "you count the factor at the inputs, rank * n_in numbers, and not the one at the "
            "outputs. Both are stored: add n_out * rank.",
            same_as(_one_factor_in),
        ),
        Mistake(
            "first factor forgotten",
            "you count the factor at the outputs, n_out * rank numbers, and not the one at the "
            "inputs. Both are stored: add rank * n_in.",
            same_as(_one_factor_out),
        ),
        Mistake(
            "bias of the inputs",
            "your bias has n_in numbers. A layer has one bias for each of its outputs: n_out.",
            same_as(_bias_of_inputs),
        ),
        Mistake(
            "bias forgotten",
            "your count knows no bias. It is among the numbers of the layer as given, and it is "
            "kept: n_out numbers on either side.",
            same_as(_bias_nowhere),
        ),
        Mistake(
            "share of the weights",
            "you take the share of the weights only. The layer as given has n_out numbers more, "
            "its bias, and the share is one of all of them.",
            same_as(_bias_not_in_the_budget),
        ),
        Mistake(
            "no room for the bias",
            "you spend the whole budget on the two factors. The bias is kept as it is, and needs "
            "n_out numbers of it.",
            same_as(_bias_not_in_the_factors),
        ),
        Mistake(
            "two biases of the outputs",
            "you count the bias of n_out numbers twice. Only the second of the two thin layers "
            "has it.",
            same_as(_two_biases),
        ),
        Mistake(
            "one number more for each rank",
            "you count one number too many for each rank: a bias in the middle, or the singular "
            "value. The first thin layer has no bias, and singular values are multiplied into "
            "the factors, not stored.",
            same_as(_one_more_per_rank),
        ),
        Mistake(
            "share saved",
            "you take the share for what is to be saved. It is what may be kept: at a share of "
            "0.3 the factors and the bias hold at most three tenths of the numbers.",
            same_as(_share_saved),
        ),
        Mistake(
            "equality refused",
            "you refuse a rank that uses up the share exactly, or a rounding error does it for "
            "you: divide once, at the end. At most includes equal.",
            same_as(_strictly_below),
        ),
        Mistake(
            "rounded up",
            "you round up to a rank that no longer fits into the share. Round down, however near "
            "the next one is.",
            same_as(_rounded_up),
        ),
        Mistake(
            "rounded to the nearest",
            "you round to the nearest rank. Where that is the higher one, it no longer fits into "
            "the share: round down.",
            same_as(_rounded),
        ),
        Mistake(
            "one too many",
            "you return the first rank that no longer fits, one too many. Asked for is the last "
            "one that does.",
            same_as(_first_too_large),
        ),
        Mistake(
            "never zero",
            "you answer rank 1 where not even that fits. Then the answer is 0: this layer cannot "
            "be made so small by two factors.",
            same_as(_not_below_one),
        ),
        Mistake(
            "below zero",
            "you answer a negative rank where the share does not even hold the bias. Then no rank "
            "fits, and the answer is 0.",
            same_as(_below_zero),
        ),
        Mistake(
            "not whole",
            "your rank is no whole number. A matrix has a whole number of rows: round down.",
            same_as(
                _quotient,
                lambda n_out, n_in, share: max(0.0, _quotient(n_out, n_in, share)),
            ),
        ),
    ),
)

TASKS = (MERGE_TANH, RANK)
