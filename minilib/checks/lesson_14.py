"""Tasks of lesson 14, other models.

In the first two tasks nearly all numbers are short binary fractions, so that sums of products are
exact: what should be equal is equal. Two of the trees have tenths and thirds instead.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minilib.checks.task import Mistake, Task, agree, same_as

Array = np.ndarray
Rng = np.random.Generator
Path = list[tuple[float, int]]


# 14.tree_path: cut the weakest links of a tree; the price of each step, and the leaves left

LEAF = ()
Shape = tuple
"""A leaf, or what the split at a node gains in error, and its two branches."""


def _tree_path_cases(rng: Rng) -> list[tuple]:
    """Draw trees with ties, with splits that gain nothing, without any split, and by chance.

    In two of them equal prices differ by rounding, in two some differ by 1e-9.
    """
    far, near = 10 + rng.integers(0, 6, 3), rng.integers(1, 4)
    twig = (2, LEAF, LEAF)
    late = (5, (1, LEAF, LEAF), LEAF)  # its price rises when the twig below it is cut
    early = (1, (10, LEAF, LEAF), LEAF)  # cut before the twig below it
    idle = (0, (0, LEAF, LEAF), LEAF)
    heavier = (2 + 2**-24, LEAF, LEAF)  # the price of a twig, and 1e-9
    bush = (2 + near, (2, twig, (4, twig, twig)), (4, twig, (2, twig, twig)))
    return [
        _tree(rng, (30 + far[0], (20 + far[1], late, early), (45 + far[2], twig, twig))),
        _tree(rng, (25 + far[0], (10 + far[1], heavier, twig), (20 + far[2], twig, heavier))),
        _tree(rng, (20 + far[1], heavier, (2 + near, twig, (5, twig, heavier)))),
        _tree(rng, (60 + far[0], bush, (35 + far[1], bush, twig)), unit=1 / 10),
        _tree(rng, (70 + far[2], (40 + far[1], twig, bush), bush), unit=1 / 30),
        _tree(rng, (12 + far[0], idle, (3 + near, (0, LEAF, LEAF), (7, twig, LEAF)))),
        _tree(rng, (40 + far[1], (3, (3, LEAF, LEAF), LEAF), (0, (4 + near, LEAF, LEAF), LEAF))),
        _tree(rng, (int(near), LEAF, LEAF)),
        _tree(rng, LEAF),
        *(_tree(rng, _by_chance(rng, n_leaves)) for n_leaves in (6, 9, 14)),
    ]


def _by_chance(rng: Rng, n_leaves: int) -> Shape:
    if n_leaves == 1:
        return LEAF
    n_left = int(rng.integers(1, n_leaves))
    gain = int(rng.integers(0, 9)) + (n_leaves > 4) * int(rng.integers(0, 30))
    return gain, _by_chance(rng, n_left), _by_chance(rng, n_leaves - n_left)


def _tree(rng: Rng, shape: Shape, unit: float = 1 / 64) -> tuple[Array, Array, Array]:
    """Give the nodes numbers, the root 0, and errors that the gains add up to."""
    nodes: list[tuple[int, int, float]] = []

    def place(shape: Shape) -> tuple[int, int]:
        number = len(nodes)
        nodes.append((-1, -1, int(rng.integers(0, 4))))
        if shape:
            gain, *branches = shape
            below = [place(branches[i]) for i in rng.permutation(2)]
            nodes[number] = (below[0][0], below[1][0], gain + below[0][1] + below[1][1])
        return number, nodes[number][2]

    place(shape)
    table = np.array(nodes)
    name = np.concatenate([[0], 1 + rng.permutation(len(nodes) - 1)])
    left, right = (np.empty(len(nodes), int) for _ in range(2))
    errors = np.empty(len(nodes))
    for children, column in ((left, 0), (right, 1)):
        children[name] = np.where(table[:, column] < 0, -1, name[table[:, column].astype(int)])
    errors[name] = table[:, 2]
    return left, right, errors * unit


def _below(left: Array, right: Array, node: int, cut: set[int]) -> Iterator[int]:
    """Walk through a branch, the node first; what has been cut is not entered."""
    yield node
    if left[node] >= 0 and node not in cut:
        yield from _below(left, right, left[node], cut)
        yield from _below(left, right, right[node], cut)


def _leaves(left: Array, right: Array, node: int, cut: set[int]) -> list[int]:
    branch = _below(left, right, node, cut)
    return [one for one in branch if left[one] < 0 or one in cut]


TIE = 1e-12
"""Prices that differ by less are equal."""

Link = Callable[[Array, Array, Array, int, set[int]], float]


def _price(left: Array, right: Array, errors: Array, node: int, cut: set[int]) -> float:
    """Say what the branch at a node saves in error, per leaf that it costs."""
    leaves = _leaves(left, right, node, cut)
    return (errors[node] - errors[leaves].sum()) / (len(leaves) - 1)


def _per_leaf(left: Array, right: Array, errors: Array, node: int, cut: set[int]) -> float:
    leaves = _leaves(left, right, node, cut)
    return (errors[node] - errors[leaves].sum()) / len(leaves)


def _saved(left: Array, right: Array, errors: Array, node: int, cut: set[int]) -> float:
    return errors[node] - errors[_leaves(left, right, node, cut)].sum()


def _by_children(left: Array, right: Array, errors: Array, node: int, cut: set[int]) -> float:
    """Compare a node with its two children instead of its leaves."""
    gain = errors[node] - errors[left[node]] - errors[right[node]]
    return gain / (len(_leaves(left, right, node, cut)) - 1)


def _by_split(left: Array, right: Array, errors: Array, node: int, cut: set[int]) -> float:
    return errors[node] - errors[left[node]] - errors[right[node]]


def _as_it_was(left: Array, right: Array, errors: Array, node: int, cut: set[int]) -> float:
    """Price of a branch in the full tree, whatever has been cut since."""
    return _price(left, right, errors, node, set())


def _inner(left: Array, right: Array, cut: set[int]) -> list[int]:
    """List the nodes that still have branches."""
    return [one for one in _below(left, right, 0, cut) if left[one] >= 0 and one not in cut]


def _last_splits(left: Array, right: Array, cut: set[int]) -> list[int]:
    """List the nodes whose two children are leaves now."""
    inner = _inner(left, right, cut)
    return [one for one in inner if left[one] not in inner and right[one] not in inner]


def _never_cut(left: Array, right: Array, cut: set[int]) -> list[int]:
    """List all nodes that were not cut themselves, also those that went with a branch."""
    return [one for one in range(len(left)) if left[one] >= 0 and one not in cut]


def _tree_path(
    left: Array,
    right: Array,
    errors: Array,
    *,
    link: Link = _price,
    candidates: Callable[[Array, Array, set[int]], list[int]] = _inner,
    pick: Callable[..., float] = min,
    together: bool = True,
    tie: float = TIE,
) -> Path:
    """Cut until the root is a leaf; the options replace a piece by a wrong one."""
    cut: set[int] = set()
    path: Path = [(0.0, len(_leaves(left, right, 0, cut)))]
    while inner := candidates(left, right, cut):
        prices = {one: link(left, right, errors, one, cut) for one in inner}
        price = float(pick(prices.values()))
        weakest = [one for one in inner if abs(prices[one] - price) < tie]
        cut.update(weakest if together else weakest[:1])
        if together and abs(price - path[-1][0]) < tie:
            price, _ = path.pop()
        path.append((price, len(_leaves(left, right, 0, cut))))
    return path


def _with_equal_steps(answer: Any, *case: Any) -> bool:
    """Whether the path is right but for steps at prices that are equal."""
    (price, n), *others = answer
    merged = [(price, n)]
    for price, n in others:
        equal = abs(price - merged[-1][0]) < TIE
        merged[-1:] = [(merged[-1][0], n)] if equal else [merged[-1], (price, n)]
    return agree(merged, _tree_path(*case), rtol=1e-6, atol=1e-9)


def _equal_but_for_rounding(answer: Any, *case: Any) -> bool:
    """Whether prices that differ by rounding, and no others, have steps of their own."""
    prices = [price for price, _ in answer]
    return len(set(prices)) == len(prices) and _with_equal_steps(answer, *case)


def _no_path(answer: Any, left: Array, right: Array, errors: Array) -> bool:
    """Whether there is nothing to cut, and the answer is an empty list or an exception."""
    return left[0] < 0 and (isinstance(answer, Exception) or len(answer) == 0)


def _full_tree_first(left: Array, right: Array, errors: Array) -> Path:
    """Begin with the full tree, and let a cut of price 0 follow as a step of its own."""
    full = (0.0, len(_leaves(left, right, 0, set())))
    path = _tree_path(left, right, errors)
    return path if path[0] == full else [full, *path]


def _full_tree_at_zero(left: Array, right: Array, errors: Array) -> Path:
    """Begin with the full tree, and say nothing of the cut of price 0."""
    return [(0.0, len(_leaves(left, right, 0, set()))), *_tree_path(left, right, errors)[1:]]


def _cuts_only(left: Array, right: Array, errors: Array) -> Path:
    """Give what each cut leaves, and not what was there at the beginning."""
    full = (0.0, len(_leaves(left, right, 0, set())))
    path = _tree_path(left, right, errors)
    return path[1:] if path[0] == full else path


def _root_stays(left: Array, right: Array, errors: Array) -> Path:
    path = _tree_path(left, right, errors)
    return path[:-1] if len(path) > 1 else path


def _counted(count: Callable[[int], int]) -> Callable[..., Path]:
    """Count something that follows from the number of leaves."""
    return lambda *case: [(price, count(n)) for price, n in _tree_path(*case)]


def _one_leaf_less(left: Array, right: Array, errors: Array) -> Path:
    """Take one leaf off for each step, however many went."""
    path = _tree_path(left, right, errors)
    return [(price, path[0][1] - step) for step, (price, _) in enumerate(path)]


def _swapped(left: Array, right: Array, errors: Array) -> list[tuple[int, float]]:
    return [(n, price) for price, n in _tree_path(left, right, errors)]


def _path_like(*functions: Callable[..., Any]) -> Callable[..., bool]:
    """Recognise a wrong path wherever it is wrong."""
    return _close_to(*functions, rtol=1e-6, atol=1e-9)


def _close_to(*functions: Callable[..., Any], rtol: float, atol: float) -> Callable[..., bool]:
    """Recognise wrong code wherever its answer is wrong, with the tolerances of the task."""

    def recognise(answer: Any, *case: Any) -> bool:
        return any(agree(answer, f(*case), rtol=rtol, atol=atol) for f in functions)

    return recognise


TREE_PATH = Task(
    "14.tree_path",
    _tree_path_cases,
    _tree_path,
    (
        Mistake(
            "swapped",
            "your pairs are the wrong way round: the price comes first, then the number of leaves.",
            same_as(_swapped),
        ),
        Mistake(
            "full tree as a step of its own",
            "your path begins with the full tree although some of its splits gain nothing: they "
            "cost a leaf and are cut at any price, so the tree of price 0 is without them.",
            _path_like(_full_tree_first, _full_tree_at_zero),
        ),
        Mistake(
            "nothing to cut",
            "where the root is a leaf from the beginning, your function stops or returns nothing. "
            "The path then has one step, the tree as it is: [(0.0, 1)].",
            _no_path,
        ),
        Mistake(
            "beginning left out",
            "your path begins with the first cut. The tree of price 0 comes first; where nothing "
            "is cut at 0, that is the full tree.",
            _path_like(_cuts_only, lambda *case: _tree_path(*case)[1:]),
        ),
        Mistake(
            "root left standing",
            "your path ends before the root is cut. Its branch is the last one: at a price that "
            "is high enough, a single leaf is best.",
            _path_like(_root_stays),
        ),
        Mistake(
            "divided by all leaves",
            "you divide by the number of leaves of the branch. If the branch goes, its node "
            "becomes a leaf itself: the number of leaves falls by one less.",
            _path_like(lambda *case: _tree_path(*case, link=_per_leaf)),
        ),
        Mistake(
            "not divided",
            "you cut where the least error is saved, however many leaves that takes. The price is "
            "the error saved per leaf: divide by the leaves of the branch minus one.",
            _path_like(lambda *case: _tree_path(*case, link=_saved)),
        ),
        Mistake(
            "children instead of leaves",
            "you compare a node with its two children. What the branch saves is the error of the "
            "node minus that of all leaves of its branch, however deep they are.",
            _path_like(
                lambda *case: _tree_path(*case, link=_by_children),
                lambda *case: _tree_path(*case, link=_by_split),
            ),
        ),
        Mistake(
            "prices of the full tree",
            "you compute all prices once, in the full tree. A cut changes the branches of all "
            "nodes above it: their prices have to be computed again.",
            _path_like(lambda *case: _tree_path(*case, link=_as_it_was)),
        ),
        Mistake(
            "strongest link",
            "you cut where the price is highest. The weakest link is where the branch saves least "
            "per leaf.",
            _path_like(lambda *case: _tree_path(*case, pick=max)),
        ),
        Mistake(
            "last splits only",
            "you look only at nodes whose children are both leaves. A node further up can be the "
            "weakest link, and then its whole branch goes at once.",
            _path_like(lambda *case: _tree_path(*case, candidates=_last_splits)),
        ),
        Mistake(
            "ghosts",
            "your path has steps in which no leaf disappears: nodes that went with a branch are "
            "still looked at. Look only at nodes that can be reached from the root.",
            _path_like(
                lambda *case: _tree_path(*case, candidates=_never_cut),
                lambda *case: _tree_path(*case, candidates=_never_cut, together=False),
            ),
        ),
        Mistake(
            "equal but for rounding",
            "you compare prices with == or <=. In tenths and thirds, equal prices differ by some "
            "1e-16, and each gets a step of its own: add 1e-12 before you compare.",
            _equal_but_for_rounding,
        ),
        Mistake(
            "different, but nearly equal",
            "you take prices for equal that differ by 1e-9. They are different trees: add 1e-12, "
            "not more, before you compare. np.isclose is far more generous than that.",
            _path_like(
                *(lambda *case, tie=tie: _tree_path(*case, tie=tie) for tie in (1e-8, 1e-6, 1e-4))
            ),
        ),
        Mistake(
            "one by one",
            "your path has a price twice. Branches of the same price go in the same step, until "
            "the weakest link left has a higher one.",
            _with_equal_steps,
        ),
        Mistake(
            "nodes counted",
            "you count nodes. A tree with so many leaves has one inner node less; leaves are those "
            "without children, and those at which the tree was cut.",
            _path_like(
                _counted(lambda n: 2 * n - 1), _counted(lambda n: n - 1), _counted(lambda n: n + 1)
            ),
        ),
        Mistake(
            "one leaf less",
            "you take one leaf off for each step. A branch with three leaves leaves one behind, "
            "so two go; and in one step several branches may go.",
            _path_like(_one_leaf_less),
        ),
    ),
)


# 14.embedding: a table whose rows share an exponent each; the best row for each query, from codes

Answer = tuple[Array, Array, Array, int]


def _embedding_cases(rng: Rng) -> list[tuple]:
    """Draw tables of several shapes; what is left of the last byte is up to a half, and more."""
    shapes = [(8, 16, 6), (4, 15, 7), (3, 17, 9), (2, 19, 7), (5, 14, 9)]
    return [_embedding_table(rng, *shape) for shape in shapes]


def _embedding_table(rng: Rng, bits: int, n_rows: int, n_columns: int) -> tuple[Array, Array, int]:
    """Draw rows of many sizes, one of zeros, and some whose largest number is at a limit.

    In the first column the two largest numbers get the same code; the row of zeros is the only
    one that is not negative in the second, where some rows have their largest number.
    """
    last = 2 ** (bits - 1) - 1
    exponents = [-35, *rng.permutation(np.arange(-6, 4))[: n_rows - 10]]
    rows = [2.0**k * _steps(rng, last, n_columns) for k in exponents]
    rows.append(2.0 ** rng.integers(-3, 3) * (last + 0.25) * np.eye(n_columns)[3])
    # log2(limit) - log2(last) is no whole number at -1 for last = 3, at -4 and -3 for last = 127
    # and log(limit / last) / log(2) is none at 29
    highest = 29 if last == 15 else rng.integers(0, 3)
    limits = 2.0 ** np.array([-4, -3, -1, highest]) * rng.choice([-1, 1], 4) * last
    rows += list(limits[:, None] * np.eye(n_columns)[rng.integers(2, n_columns, 4)])
    rows.append(-(2.0 ** rng.integers(-3, 3)) * (last + 1) * np.eye(n_columns)[2])
    table = np.array(rows)
    shares = rng.permutation(np.resize([1, 3 / 8 if last > 1 else 1], len(table)))
    table[:, 1] = -np.abs(table).max(axis=1) * shares
    table = table[rng.permutation(len(table))]
    table = np.insert(table, rng.integers(len(table) + 1), 0, axis=0)
    table = _with_a_tie(rng, table, last)
    queries = rng.integers(-4, 5, (8, n_columns)) / 2
    first, second = np.eye(n_columns)[:2]
    return table, rng.permutation(np.concatenate([[first, second], queries])), bits


def _steps(rng: Rng, last: int, n: int) -> Array:
    """Draw numbers between codes, in quarters; the largest needs this exponent and no other."""
    values = rng.integers(-4 * last, 4 * last + 1, n) / 4
    values[-4:-2] = rng.choice([-1, 1]) * (rng.integers(0, last, 2) + 0.5)
    values[-2] = rng.choice([-1, 1]) * 0.5 * (1 if last == 1 else 3)
    values[-1] = rng.choice([-1, 1]) * (last - 0.25)
    return values


def _with_a_tie(rng: Rng, table: Array, last: int) -> Array:
    """Put in two rows that are largest in the first column, and get the same code there."""
    row = 2.0**6 * _steps(rng, last, table.shape[1])
    row[1] = -(2.0**6) * last
    earlier, later = row.copy(), row.copy()
    earlier[0], later[0] = 2.0**6 * (last - 0.25), 2.0**6 * last
    place = int(rng.integers(1, len(table)))
    return np.concatenate([table[:place], [earlier], table[place:], [later]])


def _ceil_of_log2(values: Array) -> Array:
    """Round the logarithm up, exactly; a 0 gives 0."""
    fraction, exponent = np.frexp(values)
    return np.where(values > 0, exponent - (fraction == 0.5), 0)


def _floor_of_log2(values: Array) -> Array:
    return np.where(values > 0, np.frexp(values)[1] - 1, 0)


def _nearest_to_log2(values: Array) -> Array:
    return np.round(np.log2(np.where(values > 0, values, 1))).astype(int)


def _exponents(
    table: Array,
    bits: int,
    *,
    largest: Callable[[Array], Array] = lambda table: np.abs(table).max(axis=1),
    last: Callable[[int], float] = lambda bits: 2 ** (bits - 1) - 1,
    whole: Callable[[Array], Array] = _ceil_of_log2,
) -> Array:
    return whole(largest(table) / last(bits))


def _exponents_of_two_sides(table: Array, bits: int) -> Array:
    """Use one code more for negative numbers than for positive ones."""
    above, below = table.max(axis=1), -table.min(axis=1)
    return _ceil_of_log2(np.maximum(above / (2 ** (bits - 1) - 1), below / 2 ** (bits - 1)))


def _codes(table: Array, exponents: Array, rounding: Callable[[Array], Array] = np.round) -> Array:
    return rounding(table / 2.0 ** exponents.reshape(-1, 1))


def _best(rows: Array, queries: Array) -> Array:
    """Find the row with the largest inner product; of equal ones the first."""
    return (queries @ rows.T).argmax(axis=1)


def _n_bytes(table: Array, bits: int) -> int:
    return -(-table.size * bits // 8) + len(table)


def _embedding(table: Array, queries: Array, bits: int) -> Answer:
    exponents = _exponents(table, bits)
    codes = _codes(table, exponents)
    decoded = codes * 2.0 ** exponents[:, None]
    return codes, exponents, _best(decoded, queries), _n_bytes(table, bits)


def _coded_by(
    *exponents_of: Callable[[Array, int], Array],
    rounding: Callable[[Array], Array] = np.round,
) -> Callable[..., bool]:
    """Recognise codes and exponents that are wrong; codes may be clipped to the range or not."""

    def recognise(answer: Any, table: Array, queries: Array, bits: int) -> bool:
        last = 2 ** (bits - 1) - 1
        if agree(answer[:2], _embedding(table, queries, bits)[:2], rtol=0, atol=0):
            return False
        for make in exponents_of:
            exponents = make(table, bits)
            codes = _codes(table, exponents, rounding)
            ways = (codes, codes.clip(-last, last), codes.clip(-last - 1, last))
            if any(agree(answer[:2], (one, exponents), rtol=0, atol=0) for one in ways):
                return True
        return False

    return recognise


def _parts_wrong(
    wrong: Callable[[Array, Array, int], Any], place: int, right: tuple[int, ...]
) -> Callable[..., bool]:
    """Recognise one wrong part of the answer, where some other parts are right."""

    def recognise(answer: Any, table: Array, queries: Array, bits: int) -> bool:
        expected = _embedding(table, queries, bits)
        return agree(
            [answer[place], *(answer[i] for i in right)],
            [wrong(table, queries, bits), *(expected[i] for i in right)],
            rtol=0,
            atol=0,
        )

    return recognise


def _best_by(scores: Callable[[Array, Array, Array, Array], Array]) -> Callable[..., bool]:
    """Recognise rows that were found with other scores."""

    def wrong(table: Array, queries: Array, bits: int) -> Array:
        codes, exponents, _, _ = _embedding(table, queries, bits)
        with np.errstate(all="ignore"):
            return scores(table, codes, codes * 2.0 ** exponents[:, None], queries).argmax(axis=1)

    return _parts_wrong(wrong, 2, (0, 1))


def _of_largest_cosine(answer: Any, table: Array, queries: Array, bits: int) -> bool:
    """Whether the rows found have the largest cosine; of equal ones, rounding takes any."""
    codes, exponents, _, _ = _embedding(table, queries, bits)
    decoded = codes * 2.0 ** exponents[:, None]
    lengths = np.linalg.norm(decoded, axis=1)
    cosines = queries @ decoded.T / np.where(lengths > 0, lengths, 1)
    found = cosines[np.arange(len(queries)), np.asarray(answer[2])]
    return agree(answer[:2], (codes, exponents), rtol=0, atol=0) and np.allclose(
        found, cosines.max(axis=1), rtol=1e-6, atol=0
    )


def _minus_distances(rows: Array, queries: Array) -> Array:
    return -((queries[:, None] - rows) ** 2).sum(axis=2)


def _another_of_equals(answer: Any, table: Array, queries: Array, bits: int) -> bool:
    """Whether the rows found are the best, but not always the first of those that are."""
    codes, exponents, best, _ = _embedding(table, queries, bits)
    scores = queries @ (codes * 2.0 ** exponents[:, None]).T
    found = scores[np.arange(len(queries)), np.asarray(answer[2])]
    seen, right = (answer[0], answer[1], found), (codes, exponents, scores.max(axis=1))
    return agree(seen, right, rtol=0, atol=0) and not agree(answer[2], best, rtol=0, atol=0)


def _size_by(size: Callable[[Array, int], float]) -> Callable[..., bool]:
    """Recognise a wrong number of bytes."""
    return _parts_wrong(lambda table, queries, bits: size(table, bits), 3, (0, 1, 2))


def _zero_row(answer: Any, table: Array, queries: Array, bits: int) -> bool:
    """Whether the row of zeros stopped the function, or got another exponent than 0."""
    if isinstance(answer, Exception):
        return isinstance(answer, ArithmeticError | ValueError) and "shape" not in str(answer)
    zeros = ~table.any(axis=1)
    codes, exponents = (np.asarray(part, float) for part in answer[:2])
    expected = _embedding(table, queries, bits)
    others = agree(
        (codes[~zeros], exponents[~zeros]),
        (expected[0][~zeros], expected[1][~zeros]),
        rtol=0,
        atol=0,
    )
    return others and (not np.isfinite(codes).all() or bool(exponents[zeros].any()))


def _above_a_limit(answer: Any, table: Array, queries: Array, bits: int) -> bool:
    """Whether some exponents are one too large, all of them of rows at a limit."""
    right = _exponents(table, bits)
    below = _exponents(table, bits, whole=_floor_of_log2)
    found = np.asarray(answer[1])
    above = (right == below) & table.any(axis=1) & (found == right + 1)
    return bool(above.any()) and agree(
        answer[:2], (_codes(table, right + above), right + above), rtol=0, atol=0
    )


def _away_from_zero(values: Array) -> Array:
    return np.trunc(values + np.copysign(0.5, values))


def _half_up(values: Array) -> Array:
    return np.floor(values + 0.5)


def _inverted(answer: Any, table: Array, queries: Array, bits: int) -> bool:
    codes, exponents, *_ = _embedding(table, queries, bits)
    return agree(answer[:2], (codes, -exponents), rtol=0, atol=0)


def _as_scales(answer: Any, table: Array, queries: Array, bits: int) -> bool:
    codes, exponents, *_ = _embedding(table, queries, bits)
    return agree(answer[:2], (codes, 2.0**exponents), rtol=1e-6, atol=0)


def _codes_multiplied(answer: Any, table: Array, queries: Array, bits: int) -> bool:
    exponents = _exponents(table, bits)
    codes = _codes(table, -exponents)
    last = 2 ** (bits - 1) - 1
    ways = (codes, codes.clip(-last, last), codes.clip(-last - 1, last))
    return any(agree(answer[:2], (one, exponents), rtol=0, atol=0) for one in ways)


EMBEDDING = Task(
    "14.embedding",
    _embedding_cases,
    _embedding,
    (
        Mistake(
            "row of zeros",
            "a row of zeros has no logarithm. Its exponent is 0 by definition, and its codes are "
            "zeros: treat it before you take logarithms or divide.",
            _zero_row,
        ),
        Mistake(
            "one exponent for all",
            "you take one exponent for the whole table. Then small rows become zeros; each row "
            "has an exponent of its own.",
            _coded_by(
                lambda table, bits: _exponents(
                    table, bits, largest=lambda table: np.full(len(table), np.abs(table).max())
                )
            ),
        ),
        Mistake(
            "without absolute value",
            "you look for the largest number of a row, and forget that the one farthest from 0 "
            "may be negative. Take the maximum of the absolute values.",
            _coded_by(
                lambda table, bits: _exponents(
                    table, bits, largest=lambda table: np.maximum(table.max(axis=1), 0)
                ),
                lambda table, bits: _exponents(
                    table, bits, largest=lambda table: np.abs(table.max(axis=1))
                ),
            ),
        ),
        Mistake(
            "rounded down",
            "you round the logarithm down. The largest number of a row then lies beyond the last "
            "code: the exponent has to be large enough, so round up.",
            _coded_by(lambda table, bits: _exponents(table, bits, whole=_floor_of_log2)),
        ),
        Mistake(
            "rounded to the nearest",
            "you round the logarithm to the nearest whole number. Where that is down, the largest "
            "number of a row lies beyond the last code: round up.",
            _coded_by(lambda table, bits: _exponents(table, bits, whole=_nearest_to_log2)),
        ),
        Mistake(
            "one too large",
            "where the largest number of a row is exactly the last code times a power of two, your "
            "exponent is one too large. It fits: the condition is at most, not below.",
            _coded_by(
                lambda table, bits: np.where(
                    table.any(axis=1),
                    _exponents(table, bits, whole=_floor_of_log2) + 1,
                    0,
                )
            ),
        ),
        Mistake(
            "a little beyond the last code",
            "where the largest number of a row is a little beyond the last code, your exponent is "
            "one too small: the number would be rounded down to the code, or cut off. It has to be "
            "at most 2**k times the last code itself, before any rounding.",
            _coded_by(
                lambda table, bits: _exponents(
                    table, bits, last=lambda bits: 2 ** (bits - 1) - 1 + 0.499
                ),
            ),
        ),
        Mistake(
            "two logarithms",
            "where the largest number of a row is exactly the last code times a power of two, your "
            "logarithm is sometimes a little above the whole number. Divide first, then take one "
            "logarithm, np.log2: of a power of two it is exact.",
            _above_a_limit,
        ),
        Mistake(
            "one code too many below",
            "your codes go from -2**(bits - 1). Here they go from -(2**(bits - 1) - 1) to the same "
            "with plus, so that the range is the same on both sides of 0.",
            _coded_by(
                lambda table, bits: _exponents(table, bits, last=lambda bits: 2 ** (bits - 1)),
                _exponents_of_two_sides,
            ),
        ),
        Mistake(
            "sign not counted",
            "you use all bits for the size of a code. One of them says the sign: the largest code "
            "is 2**(bits - 1) - 1.",
            _coded_by(
                *(
                    lambda table, bits, less=less: _exponents(
                        table, bits, last=lambda bits: 2**bits - less
                    )
                    for less in (1, 0)
                )
            ),
        ),
        Mistake(
            "multiplied",
            "you multiply by 2**exponent where you should divide. A number is code times "
            "2**exponent, so a code is the number divided by that.",
            _codes_multiplied,
        ),
        Mistake(
            "exponent with the other sign",
            "your exponents have the wrong sign: the decoded number is code times 2**exponent. "
            "Small rows have negative exponents.",
            _inverted,
        ),
        Mistake(
            "scales instead of exponents",
            "you return the scales, 2**exponent. The exponents themselves are asked for; they are "
            "what a single byte can hold.",
            _as_scales,
        ),
        Mistake(
            "cut off",
            "you cut the codes off instead of rounding them. That loses up to a whole step, and "
            "always to the same side.",
            _coded_by(_exponents, rounding=np.trunc),
        ),
        Mistake(
            "rounded down to a code",
            "you round the codes down. Round to the nearest code: np.round.",
            _coded_by(_exponents, rounding=np.floor),
        ),
        Mistake(
            "halves",
            "a number halfway between two codes goes to the even one, as np.round does it. If "
            "halves always go up, or away from 0, sums of many of them drift.",
            lambda answer, *case: any(
                _coded_by(_exponents, rounding=rounding)(answer, *case)
                for rounding in (_half_up, _away_from_zero)
            ),
        ),
        Mistake(
            "exponents forgotten",
            "you compare inner products with the codes alone. The rows have steps of different "
            "width: multiply each score by the row's 2**exponent before you compare.",
            _best_by(lambda table, codes, decoded, queries: queries @ codes.T),
        ),
        Mistake(
            "original table",
            "you look for the best row in the original table. That one is gone: what answers is "
            "what the codes stand for.",
            _best_by(lambda table, codes, decoded, queries: queries @ table.T),
        ),
        Mistake(
            "lengths divided out",
            "you compare cosines. The inner product is asked for: a longer row may win because it "
            "is longer.",
            _of_largest_cosine,
        ),
        Mistake(
            "nearest",
            "you look for the row at the smallest distance. The largest inner product is asked "
            "for.",
            _best_by(lambda table, codes, decoded, queries: _minus_distances(decoded, queries)),
        ),
        Mistake(
            "last of equals",
            "where rows score the same, you take the last of them, or any. The first one is asked "
            "for, as np.argmax gives it; argsort does not say which of equals comes last.",
            _another_of_equals,
        ),
        Mistake(
            "exponents not stored",
            "your size leaves out the exponents. Nobody can read the codes without them: one byte "
            "for each row.",
            _size_by(lambda table, bits: -(-table.size * bits // 8)),
        ),
        Mistake(
            "floats counted",
            "you count four bytes for each row, as for a float. An exponent takes one.",
            _size_by(lambda table, bits: -(-table.size * bits // 8) + 4 * len(table)),
        ),
        Mistake(
            "a byte for each code",
            "you count a whole byte for each code. Codes are packed: `bits` bits each, without "
            "gaps.",
            _size_by(lambda table, bits: table.size + len(table)),
        ),
        Mistake(
            "bits for bytes",
            "your size is in bits. A byte has eight.",
            _size_by(lambda table, bits: table.size * bits + 8 * len(table)),
        ),
        Mistake(
            "last byte lost",
            "you round the bytes of the codes down, or leave a fraction. Where the last byte is "
            "not full it still has to be written: round up.",
            lambda answer, *case: any(
                _size_by(size)(answer, *case)
                for size in (
                    lambda table, bits: table.size * bits // 8 + len(table),
                    lambda table, bits: table.size * bits / 8 + len(table),
                )
            ),
        ),
        Mistake(
            "each row filled up",
            "you fill up the last byte of each row. The codes of all rows follow each other "
            "without gaps; only the very last byte is filled up.",
            _size_by(lambda table, bits: (-(-table.shape[1] * bits // 8) + 1) * len(table)),
        ),
    ),
)


# 14.fold: batch normalisation between a flattened picture and the layer that follows it


def _fold_cases(rng: Rng) -> list[tuple]:
    """Draw layers of some shapes, two of them square, and channels that hardly vary."""
    return [
        _normalised(rng, n_channels=3, n_places=4, n_out=5, eps=1e-3),
        _normalised(rng, n_channels=4, n_places=1, n_out=4, eps=0.1),
        _normalised(rng, n_channels=3, n_places=6, n_out=18, eps=1e-4),
        _normalised(rng, n_channels=5, n_places=2, n_out=3, eps=1e-2),
    ]


def _normalised(rng: Rng, *, n_channels: int, n_places: int, n_out: int, eps: float) -> tuple:
    n_in = n_channels * n_places
    weight, bias = rng.normal(size=(n_out, n_in)), rng.uniform(0.5, 2, n_out)
    signs = rng.permutation([-1, 1, *rng.choice([-1, 1], n_channels - 2)])
    gamma = signs * rng.uniform(0.3, 0.8, n_channels)
    beta = rng.uniform(0.5, 2, n_channels)
    mean = rng.choice([-1, 1], n_channels) * rng.uniform(0.5, 2, n_channels)
    variance = rng.uniform(2, 5, n_channels)
    variance[rng.permutation(n_channels)[:2]] = 0.0, eps * rng.uniform(0.5, 3)
    return weight, bias, gamma, beta, mean, variance, eps


Folded = tuple[Array, Array]


def _fold(
    weight: Array,
    bias: Array,
    gamma: Array,
    beta: Array,
    mean: Array,
    variance: Array,
    eps: float,
    *,
    scale_of: Callable[..., Array] = lambda gamma, variance, eps: gamma / np.sqrt(variance + eps),
    shift_of: Callable[..., Array] = lambda beta, mean, scale: beta - scale * mean,
    spread: Callable[[Array, int], Array] = np.repeat,
    bias_of: Callable[..., Array] = lambda bias, weight, new_weight, shift: bias + weight @ shift,
) -> Folded:
    """Fold; the options replace a piece by a wrong one."""
    n_places = weight.shape[1] // len(gamma)
    with np.errstate(all="ignore"):
        scale = scale_of(gamma, variance, eps)
        shift = shift_of(beta, mean, scale)
        new_weight = weight * spread(scale, n_places)
        return new_weight, bias_of(bias, weight, new_weight, spread(shift, n_places))


def _behind(
    weight: Array,
    bias: Array,
    gamma: Array,
    beta: Array,
    mean: Array,
    variance: Array,
    eps: float,
) -> Folded:
    """Fold as if the normalisation came behind the layer."""
    scale = gamma / np.sqrt(variance + eps)
    return weight * scale[:, None], (bias - mean) * scale + beta


def _fold_with(**change: Callable[..., Array]) -> Callable[..., bool]:
    return _close_to(lambda *case: _fold(*case, **change), rtol=1e-4, atol=1e-4)


def _fold_with_any(name: str, *changes: Callable[..., Array]) -> Callable[..., bool]:
    functions = [lambda *case, one=one: _fold(*case, **{name: one}) for one in changes]
    return _close_to(*functions, rtol=1e-4, atol=1e-4)


def _eps_forgotten(answer: Any, *case: Any) -> bool:
    """Whether the answer is right where no channel has the variance 0 or nearly 0."""
    new_weight = np.asarray(answer[0], float)
    expected, _ = _fold(*case, scale_of=lambda gamma, variance, eps: gamma / np.sqrt(variance))
    return agree(new_weight, expected, rtol=1e-4, atol=1e-4)


def _turned(answer: Any, *case: Any) -> bool:
    new_weight, _ = _fold(*case)
    return agree(answer[0], new_weight.T, rtol=1e-4, atol=1e-4)


FOLD = Task(
    "14.fold",
    _fold_cases,
    _fold,
    (
        Mistake(
            "eps forgotten",
            "you leave eps out: a channel that never varies then divides by 0, and one that hardly "
            "does gets far too large a factor. It stands under the root, beside the variance.",
            _eps_forgotten,
        ),
        Mistake(
            "eps outside the root",
            "you add eps to the standard deviation. It is added to the variance, before the root "
            "is taken.",
            _fold_with(scale_of=lambda gamma, variance, eps: gamma / (np.sqrt(variance) + eps)),
        ),
        Mistake(
            "another eps",
            "you take an eps of your own, perhaps that of torch. It is given, as the last "
            "argument, and channels that hardly vary show the difference.",
            _fold_with_any(
                "scale_of",
                *(
                    lambda gamma, variance, eps, own=own: gamma / np.sqrt(variance + own)
                    for own in (1e-3, 1e-5, 1e-6, 1e-7, 1e-8, 1e-12)
                ),
            ),
        ),
        Mistake(
            "variance not rooted",
            "you divide by the variance. The normalisation divides by its root, the standard "
            "deviation.",
            _fold_with(scale_of=lambda gamma, variance, eps: gamma / (variance + eps)),
        ),
        Mistake(
            "multiplied by the deviation",
            "you multiply by the standard deviation. The normalisation divides by it.",
            _fold_with(scale_of=lambda gamma, variance, eps: gamma * np.sqrt(variance + eps)),
        ),
        Mistake(
            "gamma forgotten",
            "gamma is missing: after the division each channel is multiplied by its own gamma.",
            _fold_with(scale_of=lambda gamma, variance, eps: 1 / np.sqrt(variance + eps)),
        ),
        Mistake(
            "gamma without its sign",
            "you take the absolute value of gamma. It may be negative, and then turns its channel "
            "round.",
            _fold_with(
                scale_of=lambda gamma, variance, eps: np.abs(gamma) / np.sqrt(variance + eps)
            ),
        ),
        Mistake(
            "turned",
            "your weight is right, but turned: its shape should be that of the weight you got, "
            "one row for each output.",
            _turned,
        ),
        Mistake(
            "tiled",
            "you repeat the whole list of channels, place by place. Flattening writes all places "
            "of the first channel, then all of the second: each factor n_in / C times in a row, "
            "np.repeat and not np.tile.",
            _fold_with(spread=np.tile),
        ),
        Mistake(
            "as if it came behind",
            "you multiply the rows, as if the normalisation came behind the layer. It comes "
            "before it, so its channels are inputs: columns of the weight.",
            same_as(_behind, rtol=1e-4),
        ),
        Mistake(
            "bias as before",
            "your weight is right, your bias is the old one. Each input is moved as well, by "
            "beta - scale * mean, and the layer passes that on: add weight @ that.",
            _fold_with(bias_of=lambda bias, weight, new_weight, shift: bias),
        ),
        Mistake(
            "old bias lost",
            "your weight is right, but your bias holds only what the normalisation adds. The old "
            "bias is still there: add it.",
            _fold_with(bias_of=lambda bias, weight, new_weight, shift: weight @ shift),
        ),
        Mistake(
            "beta forgotten",
            "beta is missing in your bias. Every input is moved by beta - scale * mean.",
            _fold_with(shift_of=lambda beta, mean, scale: -scale * mean),
        ),
        Mistake(
            "mean forgotten",
            "the mean is missing in your bias. Every input is moved by beta - scale * mean.",
            _fold_with(shift_of=lambda beta, mean, scale: beta),
        ),
        Mistake(
            "mean not scaled",
            "you subtract the mean as it is. It is subtracted before the channel is scaled, so it "
            "is scaled, too: beta - scale * mean.",
            _fold_with(shift_of=lambda beta, mean, scale: beta - mean),
        ),
        Mistake(
            "beta scaled",
            "you scale beta, too. It is added after the channel has been scaled: beta - scale * "
            "mean.",
            _fold_with(shift_of=lambda beta, mean, scale: scale * (beta - mean)),
        ),
        Mistake(
            "mean added",
            "you add the mean. The normalisation subtracts it: beta - scale * mean.",
            _fold_with(shift_of=lambda beta, mean, scale: beta + scale * mean),
        ),
        Mistake(
            "scaled twice",
            "you multiply the shift by the new weight. It is scaled already: the old weight takes "
            "it, weight @ (beta - scale * mean).",
            _fold_with(bias_of=lambda bias, weight, new_weight, shift: bias + new_weight @ shift),
        ),
        Mistake(
            "not weighted",
            "you add the shift itself, or its sum, to each bias. What reaches an output is the "
            "shift times its weights: weight @ shift.",
            _fold_with_any(
                "bias_of",
                lambda bias, weight, new_weight, shift: bias + shift.sum(),
                lambda bias, weight, new_weight, shift: bias + shift.mean(),
            ),
        ),
    ),
    rtol=1e-4,
    atol=1e-4,
)

TASKS = (TREE_PATH, EMBEDDING, FOLD)
