"""Tasks of lesson 13, privacy."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minilib.checks.task import Mistake, Task, agree

Array = np.ndarray
Rng = np.random.Generator
Network = list[tuple[Array, Array]]


# 13.user_clip: what a person contributes is the sum of the person's gradients; clip that


def _user_clip_cases(rng: Rng) -> list[tuple]:
    """Draw rounds with all kinds of people, one dominated by one person, and a small one.

    Once the bound is far below 1, once far above 2.
    """
    everybody = [
        *("tiny", "small", "within", "over", "large", "many", "opposite", "cancelling", "zero")
    ]
    pictures = [(2, 1, 2, 2), (2,), (3, 2), (3,), (2, 3), (2,)]
    low, high = rng.uniform(0.4, 0.45), rng.uniform(2.6, 3)
    return [
        _round(rng, everybody, n_absent=3, bound=low),
        _round(rng, [*everybody, "large", "many"], n_absent=0, bound=high, shapes=pictures),
        _round(rng, [*everybody, "dominant"], n_absent=1),
        _round(rng, ["large", "many", "zero"], n_absent=5, shapes=[(5, 2), (5,)]),
        _round(rng, ["dominant"], n_absent=1),
    ]


def _round(
    rng: Rng,
    kinds: list[str],
    *,
    n_absent: int,
    bound: float | None = None,
    shapes: Sequence[tuple[int, ...]] = ((3, 4), (3,), (2, 3), (2,)),
) -> tuple:
    """Draw one round: gradients by layer, whose they are, the bound, and how many were asked."""
    n_numbers = sum(int(np.prod(shape)) for shape in shapes)
    names = np.array([0, *rng.permutation(np.arange(100, 1000))[: len(kinds) - 1]])
    rows = [_gradients_of(rng, kind, n_numbers) for kind in kinds]
    owners = np.repeat(names, [len(one) for one in rows])
    order = _scattered(rng, owners)
    bound = float(bound or rng.uniform(0.4, 3))
    flat = bound * np.concatenate(rows)[order]
    parts = np.split(flat, np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1], axis=1)
    gradients = [part.reshape(-1, *shape) for part, shape in zip(parts, shapes, strict=True)]
    return gradients, owners[order], bound, len(kinds) + n_absent


def _gradients_of(rng: Rng, kind: str, n_numbers: int) -> Array:
    """Draw the gradients of one person, one per row, for a bound of 1."""
    one, other = (_direction(rng, n_numbers) for _ in range(2))
    if kind == "tiny":
        return rng.uniform(0.01, 0.03) * one[None]
    if kind == "small":
        return rng.uniform(0.3, 0.8) * one[None]
    if kind == "within":
        return rng.uniform(0.9, 0.98) * one[None]
    if kind == "over":
        return rng.uniform(1.05, 1.15) * one[None]
    if kind == "large":
        return rng.uniform(2, 5) * one[None]
    if kind == "dominant":
        return rng.uniform(40, 60) * np.stack([one, one + 0.3 * other])
    if kind == "many":
        lengths = rng.uniform(0.4, 0.6, (6, 1))
        return lengths * (one + 0.3 * np.stack([_direction(rng, n_numbers) for _ in range(6)]))
    if kind == "opposite":
        far = rng.uniform(2, 4) * one
        return np.stack([far, rng.uniform(0.2, 0.6) * other - far])
    if kind == "cancelling":
        far = rng.uniform(0.4, 0.8) * one
        return np.stack([far, -far])
    return np.zeros((1, n_numbers))


def _direction(rng: Rng, n_numbers: int) -> Array:
    direction = rng.normal(size=n_numbers)
    return direction / np.linalg.norm(direction)


def _scattered(rng: Rng, owners: Array) -> Array:
    """Order the examples so that one person's come first and last, with others' between them."""
    ids, counts = np.unique(owners, return_counts=True)
    *first, last = np.flatnonzero(owners == ids[counts.argmax()])
    others = np.flatnonzero(owners != ids[counts.argmax()])
    return np.array([*first, *rng.permutation(others), last])


def _flat(gradients: list[Array]) -> Array:
    return np.concatenate([part.reshape(len(part), -1) for part in gradients], axis=1)


def _in_layers(vector: Array, gradients: list[Array]) -> list[Array]:
    ends = np.cumsum([part[0].size for part in gradients])[:-1]
    parts = zip(np.split(vector, ends), gradients, strict=True)
    return [values.reshape(part.shape[1:]) for values, part in parts]


def _by_person(rows: Array, users: Array) -> Array:
    """Sum the rows of each person."""
    return np.array([rows[users == user].sum(axis=0) for user in np.unique(users)])


def _mean_by_person(rows: Array, users: Array) -> Array:
    return np.array([rows[users == user].mean(axis=0) for user in np.unique(users)])


def _by_run(rows: Array, users: Array) -> Array:
    """Sum the rows of each person, as long as they follow each other."""
    starts = np.flatnonzero(np.diff(users, prepend=users[0] - 1))
    return np.add.reduceat(rows, starts, axis=0)


def _first_of_each(rows: Array, users: Array) -> Array:
    return rows[np.unique(users, return_index=True)[1]]


def _last_of_each(rows: Array, users: Array) -> Array:
    """Keep one row per person: the last one, as a dictionary does."""
    return np.array([rows[users == user][-1] for user in np.unique(users)])


def _lengths(rows: Array) -> Array:
    return np.linalg.norm(rows, axis=1, keepdims=True)


def _clipped(
    rows: Array, bound: float, length: Callable[[Array], Array] = _lengths, power: int = 1
) -> Array:
    """Scale rows down to the bound; another measure of length, or a power of it, is a mistake."""
    lengths = length(rows)
    return rows * np.where(lengths**power > bound, bound / np.maximum(lengths, 1e-300) ** power, 1)


def _user_clip(
    gradients: list[Array],
    users: Array,
    bound: float,
    n_users: int,
    *,
    group: Callable[[Array, Array], Array] = _by_person,
    clip: Callable[[Array, float], Array] = _clipped,
) -> list[Array]:
    sums = group(_flat(gradients), users)
    return _in_layers(clip(sums, bound).sum(axis=0) / n_users, gradients)


def _examples_clipped(
    group: Callable[[Array, Array], Array], clip: Callable[[Array, float], Array]
) -> Callable:
    """Clip each example, then perhaps go on as asked."""

    def answer(gradients: list[Array], users: Array, bound: float, n_users: int) -> list[Array]:
        rows = _clipped(_flat(gradients), bound)
        return _in_layers(clip(group(rows, users), bound).sum(axis=0) / n_users, gradients)

    return answer


def _over(count: Callable[[Array, int], float]) -> Callable:
    """Divide by something else."""

    def answer(gradients: list[Array], users: Array, bound: float, n_users: int) -> list[Array]:
        return _user_clip(gradients, users, bound, count(users, n_users))

    return answer


def _as_given(rows: Array, bound: float) -> Array:
    return rows


def _all_in_one(rows: Array, users: Array) -> Array:
    return rows.sum(axis=0, keepdims=True)


def _mean_clipped(count: Callable[[Array, int], float]) -> Callable:
    """Take the mean first, then clip it."""

    def answer(gradients: list[Array], users: Array, bound: float, n_users: int) -> list[Array]:
        mean = _flat(gradients).sum(axis=0, keepdims=True) / count(users, n_users)
        return _in_layers(_clipped(mean, bound)[0], gradients)

    return answer


def _layer_by_layer(share: Callable[[int], float]) -> Callable:
    """Clip the person's sum in each layer, to the bound or to a share of it."""

    def answer(gradients: list[Array], users: Array, bound: float, n_users: int) -> list[Array]:
        own = bound * share(len(gradients))
        return [_user_clip([part], users, own, n_users)[0] for part in gradients]

    return answer


def _length_of(parts: list[Array]) -> float:
    return sum((part**2).sum() for part in parts) ** 0.5


def _with_length(length: Callable[[list[Array]], float]) -> Callable:
    """Scale each person's sum as if this were its length; it is told the person's gradients."""

    def answer(gradients: list[Array], users: Array, bound: float, n_users: int) -> list[Array]:
        total = np.zeros(_flat(gradients).shape[1])
        for user in np.unique(users):
            own = [part[users == user] for part in gradients]
            total += _flat(own).sum(axis=0) * bound / max(bound, length(own))
        return _in_layers(total / n_users, gradients)

    return answer


def _sums(own: list[Array]) -> list[Array]:
    return [part.sum(axis=0) for part in own]


def _norm_of_sizes(power: float) -> Callable[[Array], Array]:
    return lambda rows: (np.abs(rows) ** power).sum(axis=1, keepdims=True) ** (1 / power)


def _largest_number(rows: Array) -> Array:
    return np.abs(rows).max(axis=1, keepdims=True)


def _stretched(rows: Array, bound: float) -> Array:
    """Bring every row to the bound, but leave those that are 0."""
    return rows * bound / np.maximum(_lengths(rows), 1e-300)


def _clipped_at_one(rows: Array, bound: float) -> Array:
    return rows / np.maximum(_lengths(rows), 1)


def _not_a_number(answer: Any, gradients: list[Array], *_: object) -> bool:
    stopped = isinstance(answer, ZeroDivisionError | FloatingPointError)
    return stopped or not all(np.isfinite(np.asarray(part, float)).all() for part in answer)


def _named_from_0(gradients: list[Array], users: Array, bound: float, n_users: int) -> list[Array]:
    """Look for the people 0, 1, 2, ... only."""
    here = users < n_users
    return _user_clip([part[here] for part in gradients], users[here], bound, n_users)


def _numbered(answer: Any, *case: Any) -> bool:
    """Whether people were taken for the places of an array, or are looked for from 0 on."""
    outside = isinstance(answer, IndexError) and "out of bounds" in str(answer)
    return outside or _user_clip_like(_named_from_0)(answer, *case)


def _user_clip_like(*functions: Callable) -> Callable[..., bool]:
    return _close_to(*functions, rtol=1e-4, atol=1e-6)


def _close_to(*functions: Callable, rtol: float, atol: float) -> Callable[..., bool]:
    """Recognise wrong code wherever its answer is wrong, with the tolerances of the task."""

    def recognise(answer: Any, *case: object) -> bool:
        return any(agree(answer, f(*case), rtol=rtol, atol=atol) for f in functions)

    return recognise


USER_CLIP = Task(
    "13.user_clip",
    _user_clip_cases,
    _user_clip,
    (
        Mistake(
            "division by zero",
            "you divide by the length of somebody's sum, and it may be 0. Nobody has to be scaled "
            "up: divide by the larger of the length and the bound, which is above 0.",
            _not_a_number,
        ),
        Mistake(
            "each example",
            "you clip each example. A person with ten examples then moves the sum by up to ten "
            "times the bound. Add up each person's gradients first, then clip the sums.",
            _user_clip_like(
                _examples_clipped(_by_person, _as_given),
                _examples_clipped(_mean_by_person, _as_given),
            ),
        ),
        Mistake(
            "clipped twice",
            "you clip each example and then each person's sum as well. One clipping is enough, "
            "that of the sum, and a person's examples may cancel before it.",
            _user_clip_like(
                _examples_clipped(_by_person, _clipped),
                _examples_clipped(_mean_by_person, _clipped),
            ),
        ),
        Mistake(
            "mean of each person",
            "you clip the mean of a person's gradients, and the sum was asked for. What a person "
            "contributes to the round is the sum of all of them.",
            _user_clip_like(lambda *case: _user_clip(*case, group=_mean_by_person)),
        ),
        Mistake(
            "the mean of all",
            "you clip only after the people have been added up. Then one person can turn the whole "
            "mean, and the bound says nothing about anybody. Clip each person's sum before.",
            _user_clip_like(
                _mean_clipped(lambda users, n_users: n_users),
                _mean_clipped(lambda users, n_users: len(users)),
                _mean_clipped(lambda users, n_users: len(np.unique(users))),
                lambda *case: _user_clip(*case, group=_all_in_one),
            ),
        ),
        Mistake(
            "not clipped",
            "nothing is clipped: the answer is the plain sum over everybody, divided. Scale the "
            "sums down that are longer than the bound.",
            _user_clip_like(lambda *case: _user_clip(*case, clip=_as_given)),
        ),
        Mistake(
            "scaled up",
            "you bring every person's sum to the length of the bound, those that are shorter, "
            "too. Clipping only ever makes shorter: multiply by min(1, bound / length).",
            _user_clip_like(lambda *case: _user_clip(*case, clip=_stretched)),
        ),
        Mistake(
            "dropped",
            "you leave out the people whose sum is too long. They are scaled down to the bound, "
            "and keep their direction.",
            _user_clip_like(
                lambda *case: _user_clip(
                    *case, clip=lambda rows, bound: rows * (_lengths(rows) <= bound)
                )
            ),
        ),
        Mistake(
            "each number",
            "you clip each number to the bound, as np.clip does. That turns the direction, and "
            "the length may still be many times the bound. Scale the whole by one factor.",
            _user_clip_like(
                lambda *case: _user_clip(
                    *case, clip=lambda rows, bound: np.clip(rows, -bound, bound)
                )
            ),
        ),
        Mistake(
            "layer by layer",
            "you compute a length for each layer. A person's sum is one vector through all layers: "
            "its length is the root of the sum of all squares, and one factor holds for all.",
            _user_clip_like(
                _layer_by_layer(lambda n_layers: 1.0),
                _layer_by_layer(lambda n_layers: n_layers**-0.5),
                _layer_by_layer(lambda n_layers: 1 / n_layers),
            ),
        ),
        Mistake(
            "lengths of layers",
            "you put the lengths of the layers together by adding them up, or take the largest. "
            "Squares add up: the length is the root of the sum of all squares, in all layers.",
            _user_clip_like(
                _with_length(lambda own: sum(_length_of([part]) for part in _sums(own))),
                _with_length(lambda own: max(_length_of([part]) for part in _sums(own))),
            ),
        ),
        Mistake(
            "biases left out",
            "you leave the biases out of the length. They are sent, too, and a person can be found "
            "in them: the length is that of all numbers of the sum.",
            _user_clip_like(
                _with_length(lambda own: _length_of([p for p in _sums(own) if p.ndim > 1]))
            ),
        ),
        Mistake(
            "length of the mean",
            "you scale the sum by the length of the mean, or by that of all gradients side by "
            "side. What has to be short is the sum: measure that.",
            _user_clip_like(
                _with_length(lambda own: _length_of([part.mean(axis=0) for part in own])),
                _with_length(_length_of),
            ),
        ),
        Mistake(
            "squared length",
            "you compare or divide by the square of the length. Take the root of the sum of the "
            "squares.",
            _user_clip_like(
                lambda *case: _user_clip(
                    *case, clip=lambda rows, bound: _clipped(rows, bound, power=2)
                ),
                lambda *case: _user_clip(
                    *case,
                    clip=lambda rows, bound: (
                        rows * np.where(_lengths(rows) > bound, bound / _lengths(rows) ** 2, 1)
                    ),
                ),
            ),
        ),
        Mistake(
            "another length",
            "you measure the length as the sum, the mean or the largest of the absolute values. It "
            "is the root of the sum of the squares, or noise of one size would not fit it.",
            _user_clip_like(
                *(
                    lambda *case, length=length: _user_clip(
                        *case, clip=lambda rows, bound: _clipped(rows, bound, length)
                    )
                    for length in (
                        _norm_of_sizes(1),
                        _largest_number,
                        lambda rows: _lengths(rows) / rows.shape[1] ** 0.5,
                    )
                )
            ),
        ),
        Mistake(
            "clipped at 1",
            "you divide by the length where it is above 1, whatever the bound is. Divide by "
            "length / bound where that is above 1.",
            _user_clip_like(lambda *case: _user_clip(*case, clip=_clipped_at_one)),
        ),
        Mistake(
            "names as places",
            "you take the people for the numbers from 0 to n_users - 1. They are names, and may be "
            "any numbers: go through np.unique(users), or use a dictionary.",
            _numbered,
        ),
        Mistake(
            "neighbouring rows only",
            "you take rows together only where they follow each other. The rows of a person may "
            "stand anywhere, and itertools.groupby does not look for them.",
            _user_clip_like(lambda *case: _user_clip(*case, group=_by_run)),
        ),
        Mistake(
            "one example of each",
            "you keep a single example of each person: a dictionary forgets what was there before, "
            "and so does sums[users] += rows, and np.unique gives the first. Add them up.",
            _user_clip_like(
                lambda *case: _user_clip(*case, group=_last_of_each),
                lambda *case: _user_clip(*case, group=_first_of_each),
            ),
        ),
        Mistake(
            "divided by examples",
            "you divide by the number of examples. People are counted here: divide by n_users.",
            _user_clip_like(_over(lambda users, n_users: len(users))),
        ),
        Mistake(
            "divided by those present",
            "you divide by the number of people who sent something. Whoever stays away changes "
            "that number, and so everybody's share: divide by n_users, which is fixed beforehand.",
            _user_clip_like(_over(lambda users, n_users: len(np.unique(users)))),
        ),
        Mistake(
            "not divided",
            "your answer is the sum of the clipped sums. Divide it by n_users.",
            _user_clip_like(_over(lambda users, n_users: 1)),
        ),
    ),
    rtol=1e-4,
    atol=1e-6,
)


# 13.rebuild: the picture and the label of a client who sends back a network after one step

RTOL = ATOL = 1e-4
"""Single precision loses a few digits in a difference of weights."""


def _rebuild_cases(rng: Rng) -> list[tuple]:
    """Draw one step each: networks of two and three layers, a square one, neurons hardly moved.

    One network says the label itself, and hardly learns. Of the output biases, once that of the
    label is the smallest, once the largest. Two classes rise and fall by the same.
    """
    return [
        _step(rng, [9, 6, 4], faint="before", lr=rng.uniform(0.2, 0.4)),
        _step(rng, [10, 7, 6, 5], faint="behind", size=3e4, lr=rng.uniform(0.2, 0.4)),
        _step(rng, [8, 8, 4], lr=0.02, rank="smallest"),
        _step(rng, [12, 6, 5, 4], faint="before", size=3e4, lr=rng.uniform(0.4, 0.6), logit=0.6),
        _step(rng, [11, 7, 3], lr=1.0, logit=-0.8, rank="largest"),
        _step(rng, [10, 7, 2], lr=0.1, lam=rng.uniform(2.5, 3.5), rank="decaying"),
        _step(rng, [9, 6, 5, 3], lr=1.0, logit=9, scale=0.02),
        _step(rng, [9, 7, 6, 4], lr=0.2, lam=rng.uniform(2, 3), rank="decaying", cancelling=True),
        _decaying(rng),
    ]


def _decaying(rng: Rng) -> tuple:
    """Draw a step in which decay is so strong that another logit than the label's rises most."""
    while True:
        case = _step(rng, [10, 7, 4], lr=0.1, lam=rng.uniform(4, 6), rank="decaying")
        if _rise(*case).argmax() != _rebuild(*case)[1]:
            return case


def _step(
    rng: Rng,
    widths: list[int],
    *,
    lr: float,
    lam: float | None = None,
    faint: str = "",
    size: float = 1,
    scale: float = 1,
    logit: float = -6.0,
    rank: str = "",
    cancelling: bool = False,
) -> tuple:
    """Draw a network, and what it is after one step on one picture, with weight decay.

    What neurons and outputs give is drawn first; the biases follow. `faint` says whether neurons
    that hardly move come before or behind the one that moves, `size` how large their weights are,
    `scale` how large those of the first layer are, `rank` how large the last bias of the label is;
    "decaying" is where decay hides the label in the last weights. With `cancelling`, the
    movements of the first biases add up to nothing. Other logits than the label's are near 0.
    """
    x = rng.permutation([0.0, 0.0, 1.5, -1.0, *rng.uniform(-1, 1, widths[0] - 4)])
    label, lam = int(rng.integers(widths[-1])), float(lam or rng.uniform(0.1, 0.3))
    values = [_pre_activation(rng, width, sleepy=not faint) for width in widths[1:-1]]
    values[0] *= scale
    logits = rng.uniform(-0.2, 0.2, widths[-1])
    logits[label] = logit
    slope = np.exp(logits) / np.exp(logits).sum() - np.eye(widths[-1])[label]
    before: Network = []
    after: Network = []
    given, wanted = [x, *(np.maximum(z, 0) for z in values)], [*values, logits]
    awake = np.flatnonzero(given[1])
    place = {"before": -1, "behind": 0, "": len(awake) // 2}[faint]
    mover, others = awake[place], np.delete(awake, place)
    for number in reversed(range(len(given))):
        weight = _weight(rng, slope, given[number], mover=mover if number == 1 else None)
        if rank and number == len(given) - 1:
            weight = _ranked(weight, np.arange(widths[-1]) == label, rank)
        if number == 1 and faint:
            moves = rng.uniform(3e-15, 5e-15, len(others)) * size / lr
            weight[:, others] *= moves / (slope @ weight[:, others])
        if number == 1 and cancelling:
            rest = slope @ weight[:, [mover, *others[1:]]].sum(axis=1)
            weight[:, others[0]] = weight[:, mover] * (2e-14 - rest) / (slope @ weight[:, mover])
        if number == 0:
            weight = weight * scale
            weight[others] *= size
        bias = wanted[number] - weight @ given[number]
        gradient = np.outer(slope, given[number]) + lam * weight
        before.insert(0, (weight, bias))
        after.insert(0, (weight - lr * gradient, bias - lr * slope))
        slope = (weight.T @ slope) * (given[number] > 0)
    after[-1][1][label] -= 1e-13  # of two equal changes, the label's is the smaller one
    return before, after, float(lr), lam


def _ranked(weight: Array, is_label: Array, rank: str) -> Array:
    """Give the last weights signs, and with them the biases an order."""
    if rank == "decaying":
        return np.where(is_label[:, None], 0.3 + 0.3 * np.abs(weight), -0.7 - 0.3 * np.abs(weight))
    signs = np.where(is_label, -1, 1) * (1 if rank == "largest" else -1)
    return np.abs(weight) * signs[:, None]


def _pre_activation(rng: Rng, width: int, *, sleepy: bool) -> Array:
    """Draw what neurons give before their ReLU: at least two are below 0, at least three above.

    With `sleepy`, the first is below 0.
    """
    asleep = rng.permutation(np.arange(width) < rng.integers(2, width - 2))
    if sleepy:
        asleep = np.sort(asleep)[::-1]
    return rng.uniform(0.3, 1.5, width) * np.where(asleep, -1, 1)


def _weight(rng: Rng, slope: Array, given: Array, *, mover: int | None) -> Array:
    """Draw weights of either sign; one neuron may have those that add its slopes up."""
    weight = rng.choice([-1, 1], (len(slope), len(given))) * rng.uniform(0.3, 1, (1, len(given)))
    weight = weight * rng.uniform(0.7, 1, weight.shape)
    if mover is not None:
        weight[:, mover] = np.abs(weight[:, mover]) * np.where(slope < 0, -1, 1)
    return weight


Rows = tuple[Array, Array]
"""Changes of weights, one row per neuron, and what each row is to be divided by."""


def _rows(
    before: Network, after: Network, lr: float, lam: float, *, layer: int = 0, gain: float = 1.0
) -> Rows:
    """Give the change of each row, its decay taken off `gain` times, and that of its bias."""
    (weight, bias), (new_weight, new_bias) = before[layer], after[layer]
    return weight - new_weight - gain * lr * lam * weight, bias - new_bias


def _ratios(rows: Array, divisors: Array) -> Array:
    with np.errstate(all="ignore"):
        return rows / divisors[:, None]


def _sums_over_neurons(rows: Array, divisors: Array) -> list[Array]:
    """Divide sums instead of rows: by least squares, with signs, and just added up."""
    ways = (divisors, np.sign(divisors), np.ones(len(divisors)))
    with np.errstate(all="ignore"):
        return [way @ rows / (way @ divisors) for way in ways]


def _movements(before: Network, after: Network) -> Array:
    """How far each bias of the first layer fell."""
    return before[0][1] - after[0][1]


def _falls(before: Network, after: Network) -> Array:
    """How far each bias of the last layer fell; that of the label rose."""
    return before[-1][1] - after[-1][1]


def _rebuild(before: Network, after: Network, lr: float, lam: float) -> tuple[Array, int]:
    neuron = np.abs(_movements(before, after)).argmax()
    return _ratios(*_rows(before, after, lr, lam))[neuron], int(_falls(before, after).argmin())


def _picture_from(
    *makers: Callable[..., Rows],
    label: Callable[[Array], Any] = np.argmin,
) -> Callable[..., bool]:
    """Recognise a picture from wrong rows; any neuron may be taken, or all together."""

    def recognise(answer: Any, *case: Any) -> bool:
        picture, found = answer
        if int(found) != label(_falls(*case[:2])):
            return False
        made = [make(*case) for make in makers]
        candidates = [one for rows in made for one in (*_ratios(*rows), *_sums_over_neurons(*rows))]
        return any(agree(picture, one, rtol=RTOL, atol=ATOL) for one in candidates)

    return recognise


def _label_from(*labels: Callable[..., Any]) -> Callable[..., bool]:
    """Recognise a right picture with a wrong label."""

    def answer(label: Callable[..., Any], case: tuple) -> tuple[Array, Any]:
        return _rebuild(*case)[0], label(*case)

    return _close_to(
        *(lambda *case, label=label: answer(label, case) for label in labels), rtol=RTOL, atol=ATOL
    )


def _forward(network: Network, x: Array) -> Array:
    for weight, bias in network[:-1]:
        x = np.maximum(weight @ x + bias, 0)
    return network[-1][0] @ x + network[-1][1]


def _rise(before: Network, after: Network, lr: float, lam: float) -> Array:
    """Say how far the logits of the picture have risen."""
    picture, _ = _rebuild(before, after, lr, lam)
    return _forward(after, picture) - _forward(before, picture)


def _step_times(power: int) -> Callable[..., Rows]:
    """Divide by the length of the step in one place only."""

    def make(before: Network, after: Network, lr: float, lam: float) -> Rows:
        rows, divisors = _rows(before, after, lr, lam)
        return rows * lr**power, divisors

    return make


def _decay_without_step(before: Network, after: Network, lr: float, lam: float) -> Rows:
    return _rows(before, after, 1.0, lam)


def _decay_after_division(before: Network, after: Network, lr: float, lam: float) -> Rows:
    """Divide first, and take the decay off the quotient."""
    rows, divisors = _rows(before, after, lr, lam, gain=0)
    return rows - lam * before[0][0] * divisors[:, None], divisors


def _decay_of_the_new(before: Network, after: Network, lr: float, lam: float) -> Rows:
    rows, divisors = _rows(before, after, lr, lam, gain=0)
    return rows - lr * lam * after[0][0], divisors


def _biases_decayed(before: Network, after: Network, lr: float, lam: float) -> Rows:
    rows, divisors = _rows(before, after, lr, lam)
    return rows, divisors - lr * lam * before[0][1]


def _transposed(before: Network, after: Network, lr: float, lam: float) -> Rows:
    rows, divisors = _rows(before, after, lr, lam)
    return rows.T[: len(divisors)], divisors


def _means(ratios: Array, movements: Array) -> Array:
    """Average over all neurons, with zeros for those that did not move."""
    moved = movements != 0
    return ratios[moved].sum(axis=0, keepdims=True) / len(moved)


def _sleeping_in_the_mean(answer: Any, *case: Any) -> bool:
    mean = _means(_ratios(*_rows(*case)), _movements(*case[:2]))[0]
    return agree(answer[0], mean, rtol=0.05, atol=0.05)


def _nothing_moved(answer: Any, *case: Any) -> bool:
    stopped = isinstance(answer, ZeroDivisionError | FloatingPointError)
    return stopped or not np.isfinite(np.asarray(answer[0], float)).all()


def _hardly_moved(answer: Any, *case: Any) -> bool:
    """Whether the picture is as far off as those of neurons that hardly moved, and no farther."""
    picture, label = _rebuild(*case)
    rows, divisors = _rows(*case)
    moved = divisors != 0
    noise = np.abs(_ratios(rows[moved], divisors[moved]) - picture).max()
    return int(answer[1]) == label and agree(answer[0], picture, rtol=0, atol=2 * noise)


def _cancelled(answer: Any, *case: Any) -> bool:
    """Whether the movements of the biases add up to nothing, and only then the answer is wrong."""
    movements = _movements(*case[:2])
    return abs(movements.sum()) < 1e-12 < np.abs(movements).max()


REBUILD = Task(
    "13.rebuild",
    _rebuild_cases,
    _rebuild,
    (
        Mistake(
            "division by zero",
            "your picture is not made of numbers: a neuron that slept has a bias that did not "
            "move, and you divide by 0. Decay moves the weights of such a neuron, so look at "
            "the biases, and take the one that moved most, up or down.",
            _nothing_moved,
        ),
        Mistake(
            "decay left in",
            "you divide the whole change of the weights. A part of it, lr times lam times the old "
            "weight, is decay and knows nothing about the picture: take it off first.",
            _picture_from(lambda *case: _rows(*case, gain=0)),
        ),
        Mistake(
            "decay added",
            "the decay has the wrong sign. The weights before minus those after are lr times "
            "(gradient + lam W): the decay is subtracted from that. With after minus before it "
            "would have to be added.",
            _picture_from(lambda *case: _rows(*case, gain=-1)),
        ),
        Mistake(
            "backwards",
            "you take after minus before for the gradient. A step goes against the gradient: it is "
            "(before - after) / lr. So your decay has the wrong sign, and your label is wrong.",
            _picture_from(lambda *case: _rows(*case, gain=-1), label=np.argmax),
        ),
        Mistake(
            "step size",
            "the length of the step stands in one place and is missing in another. With changes "
            "divided by lr the decay is lam W; without that it is lr lam W; and in the quotient of "
            "two changes lr cancels.",
            _picture_from(
                _decay_without_step, _decay_after_division, _step_times(-1), _step_times(1)
            ),
        ),
        Mistake(
            "decay of the new weights",
            "you take the decay from the weights after the step. The step was made at the weights "
            "before it: lam times those.",
            _picture_from(_decay_of_the_new),
        ),
        Mistake(
            "biases decayed",
            "you take a decay off the biases, too. They do not decay here: their change is lr "
            "times their gradient, and nothing else.",
            _picture_from(_biases_decayed),
        ),
        Mistake(
            "transposed",
            "you divide a column of the weights by a bias. The row of a neuron has one weight for "
            "each pixel, and belongs to the neuron's bias: dW[i] / db[i].",
            _picture_from(_transposed),
        ),
        Mistake(
            "last layer",
            "you divide in the last layer: what comes out is what the last hidden neurons gave. "
            "The picture went into the first layer.",
            _picture_from(
                lambda *case: _rows(*case, layer=-1),
                lambda *case: _rows(*case, layer=-1, gain=0),
            ),
        ),
        Mistake(
            "sleeping ones in the mean",
            "your picture is paler than the right one: you average over all neurons, and put 0 "
            "for those that slept. They know nothing about the picture; leave them out, or take "
            "the single neuron whose bias moved most.",
            _sleeping_in_the_mean,
        ),
        Mistake(
            "hardly moved",
            "your picture is nearly right, and not quite: it comes, at least in part, from a "
            "neuron whose bias moved so little that rounding is all there is to see. Take the "
            "neuron whose bias moved most, up or down.",
            _hardly_moved,
        ),
        Mistake(
            "cancelled",
            "you add up the changes of all neurons before you divide. Some biases rise while "
            "others fall, and here they cancel: take one neuron, or weight each with its change.",
            _cancelled,
        ),
        Mistake(
            "largest change",
            "your picture is right, but for the label you take the bias that changed most, up or "
            "down. Of two classes one rises as far as the other falls: take the one that rose.",
            _label_from(lambda before, after, *_: np.abs(_falls(before, after)).argmax()),
        ),
        Mistake(
            "last weights",
            "your picture is right, but you look for the label in the last weights, or in how what "
            "they say has changed. They move by their decay, too, and it may be the larger part: "
            "look at the last biases.",
            _label_from(
                lambda before, after, *rest: _rise(before, after, *rest).argmax(),
                lambda before, after, *_: (after[-1][0] - before[-1][0]).sum(axis=1).argmax(),
                lambda before, after, *_: _lengths(after[-1][0] - before[-1][0]).argmax(),
                lambda before, after, *_: np.abs(after[-1][0] - before[-1][0]).sum(axis=1).argmax(),
            ),
        ),
        Mistake(
            "bias instead of its change",
            "your picture is right, but for the label you take the largest bias after the step. "
            "Look at how the biases changed: that of the label is the only one that rose.",
            _label_from(lambda before, after, *_: after[-1][1].argmax()),
        ),
        Mistake(
            "what the network says",
            "your picture is right, but you let the network say what it shows. It may be wrong; "
            "the label is what it was told: the only negative gradient among the last biases.",
            _label_from(
                lambda before, *rest: _forward(before, _rebuild(before, *rest)[0]).argmax(),
                lambda before, after, *rest: _forward(
                    after, _rebuild(before, after, *rest)[0]
                ).argmax(),
            ),
        ),
        Mistake(
            "largest gradient",
            "your picture is right, your label is not: you take the largest gradient of the last "
            "biases. It is the probability minus 1 at the label and the probability elsewhere: "
            "the label has the only negative one.",
            _label_from(lambda before, after, *_: int(_falls(before, after).argmax())),
        ),
    ),
    rtol=RTOL,
    atol=ATOL,
)


# 13.fedavg: the mean of the updates, weighted with examples, of those who are there


def _fedavg_cases(rng: Rng) -> list[tuple]:
    """Draw rounds with some, all, one or none there, and one with a client that has nothing.

    In one, a client returns nothing but zeros.
    """
    some = [True, False, True, True, False, True]
    return [
        _returned(rng, some, rate=rng.uniform(0.3, 0.7), n_classes=6),
        _returned(rng, [False, True, True, False, True], rate=rng.uniform(1.3, 1.7)),
        _returned(rng, [True, True, True, True], zeros=2),
        _returned(rng, [True, False, True, True], rate=1.0),
        _returned(rng, [False, False, True]),
        _returned(rng, [False, False, False]),
        _returned(rng, [True, True, False, True], empty=(1,)),
        _returned(rng, [False, True, True], empty=(1, 2)),
    ]


def _returned(
    rng: Rng,
    there: list[bool],
    *,
    rate: float | None = None,
    empty: tuple[int, ...] = (),
    n_classes: int = 4,
    zeros: int | None = None,
) -> tuple:
    """Draw the weights, what each client returns, how many examples of each class, and the rate.

    The classes of the first client who is there are the last ones.
    """
    n_clients = len(there)
    weights = rng.uniform(-2, 2, rng.integers(4, 8))
    shape = (n_clients, len(weights))
    models = weights + rng.uniform(0.2, 1.5, shape) * rng.choice([-1, 1], shape)
    if zeros is not None:
        models[zeros] = 0
    totals = rng.permutation(n_clients) * 110 + rng.integers(20, 90, n_clients)
    counts = np.array([_shares(rng, total, n_classes) for total in totals])
    if any(there):
        counts = counts[:, np.argsort(counts[there.index(True)] > 0)]
    counts[list(empty)] = 0
    returned = [model if here else None for model, here in zip(models, there, strict=True)]
    return weights, returned, counts, rate or float(rng.choice([0.5, 1.5]) + rng.uniform(-0.2, 0.2))


def _shares(rng: Rng, total: int, n_classes: int) -> Array:
    """Deal so many examples to one, two or three of the classes, at least two to each."""
    classes = rng.permutation(n_classes)[: rng.integers(1, 4)]
    dealt = [np.repeat(classes, 2), rng.choice(classes, total - 2 * len(classes))]
    return np.bincount(np.concatenate(dealt), minlength=n_classes)


def _there(returned: list) -> list[int]:
    return [client for client, model in enumerate(returned) if model is not None]


def _fedavg(
    weights: Array,
    returned: list,
    counts: Array,
    rate: float,
    *,
    trust: Callable[[Array], Array] = lambda counts: counts.sum(axis=1),
    over: Callable[[Array, list[int]], float] = lambda trusts, there: trusts[there].sum(),
) -> Array:
    """Step by the mean update; the options replace a client's weight, or the divisor."""
    there, trusts = _there(returned), trust(counts)
    whole = over(trusts, there)
    if whole == 0:
        return weights
    updates = [trusts[client] * (returned[client] - weights) for client in there]
    return weights + rate * np.sum(updates, axis=0) / whole


def _mean_model(weights: Array, returned: list, counts: Array) -> Array | None:
    """Average the models themselves; None if nobody has an example."""
    there = _there(returned)
    if not counts[there].any():
        return None
    return np.average([returned[k] for k in there], axis=0, weights=counts[there].sum(axis=1))


def _of_models(step: Callable[[Array, Array, float], Array]) -> Callable[..., Array]:
    def answer(weights: Array, returned: list, counts: Array, rate: float) -> Array:
        mean = _mean_model(weights, returned, counts)
        return weights if mean is None else step(weights, mean, rate)

    return answer


def _absent_as(vector: Callable[[Array], Array]) -> Callable[..., Array]:
    """Put a vector in the place of what an absent client would have returned."""

    def answer(weights: Array, returned: list, counts: Array, rate: float) -> Array:
        filled = [vector(weights) if model is None else model for model in returned]
        return _fedavg(weights, filled, counts, rate)

    return answer


def _in_turn(weights: Array, returned: list, counts: Array, rate: float) -> Array:
    """Move towards one client after the other."""
    there = _there(returned)
    total, moved = counts[there].sum(), weights
    for client in there if total else []:
        moved = moved + rate * counts[client].sum() / total * (returned[client] - moved)
    return moved


def _shifted(weights: Array, returned: list, counts: Array, rate: float) -> Array:
    """Throw out the absent, but not their counts: each gets the count of another."""
    present = [returned[client] for client in _there(returned)]
    return _fedavg(weights, present, counts[: len(present)], rate)


def _nobody(answer: Any, weights: Array, returned: list, counts: Array, rate: float) -> bool:
    """Whether nobody has an example, and the answer is anything but a vector of numbers."""
    if counts[_there(returned)].any():
        return False
    stopped = isinstance(answer, Exception) or answer is None
    return stopped or np.shape(answer) != weights.shape or not np.isfinite(answer).all()


def _zeros_of_nobody(
    answer: Any, weights: Array, returned: list, counts: Array, rate: float
) -> bool:
    return not counts[_there(returned)].any() and agree(answer, 0 * weights, rtol=0, atol=0)


def _fedavg_like(*functions: Callable[..., Array]) -> Callable[..., bool]:
    """Recognise wrong code; it may also stop, or divide 0 by 0, where nobody has an example."""
    close = _close_to(*functions, rtol=1e-5, atol=1e-6)

    def recognise(answer: Any, *case: Any) -> bool:
        return _nobody(answer, *case) or close(answer, *case)

    return recognise


FEDAVG = Task(
    "13.fedavg",
    _fedavg_cases,
    _fedavg,
    (
        Mistake(
            "nobody there",
            "where nobody is there who has an example, your function stops or divides 0 by 0. "
            "There is nothing to learn from in such a round: return the weights as they are.",
            _nobody,
        ),
        Mistake(
            "zeros from nobody",
            "where nobody is there who has an example, you return zeros. Then all that has been "
            "learned is lost: return the weights as they are.",
            _zeros_of_nobody,
        ),
        Mistake(
            "plain mean",
            "all clients who are there count the same in your mean. A client with ten times as "
            "many examples counts ten times as much.",
            _fedavg_like(
                lambda *case: _fedavg(*case, trust=lambda counts: np.ones(len(counts))),
            ),
        ),
        Mistake(
            "classes counted",
            "you count how many classes a client has. The number of its examples is the sum over "
            "its row of counts.",
            _fedavg_like(
                lambda *case: _fedavg(*case, trust=lambda counts: (counts > 0).sum(axis=1)),
                lambda *case: _fedavg(*case, trust=lambda counts: counts.max(axis=1)),
            ),
        ),
        Mistake(
            "counts of others",
            "you throw out the absent clients, but not their counts: from the first absent one on, "
            "each client is weighted with the count of another. Keep the two together.",
            _fedavg_like(_shifted),
        ),
        Mistake(
            "absent ones in the divisor",
            "you divide by the examples of all clients, also of those who are absent. The weights "
            "of those who are there then add up to less than 1, and the step is too short.",
            _fedavg_like(
                lambda *case: _fedavg(*case, over=lambda trusts, there: trusts.sum()),
            ),
        ),
        Mistake(
            "absent ones as zeros",
            "you put zeros in the place of what an absent client would have returned: its update "
            "is then minus the weights, and pulls towards 0. Leave it out.",
            _fedavg_like(_absent_as(np.zeros_like)),
        ),
        Mistake(
            "models instead of updates",
            "you add the mean of the returned weights to the old ones, or multiply it by the rate. "
            "What is averaged and multiplied is the update: the returned weights minus the old.",
            _fedavg_like(
                _of_models(lambda weights, mean, rate: weights + rate * mean),
                _of_models(lambda weights, mean, rate: rate * mean),
            ),
        ),
        Mistake(
            "rate forgotten",
            "you take the mean of the returned weights as it is, as if the rate were 1. The server "
            "goes rate times as far.",
            _fedavg_like(_of_models(lambda weights, mean, rate: mean)),
        ),
        Mistake(
            "rate for the rest",
            "you give the rate to the old weights and the rest to the new ones. Rate 1 takes the "
            "mean of what came back, rate 0 stays.",
            _fedavg_like(
                _of_models(lambda weights, mean, rate: rate * weights + (1 - rate) * mean)
            ),
        ),
        Mistake(
            "backwards",
            "you go away from what the clients found. An update is the returned weights minus the "
            "old ones, and it is added; only a gradient is subtracted.",
            _fedavg_like(_of_models(lambda weights, mean, rate: weights - rate * (mean - weights))),
        ),
        Mistake(
            "not divided",
            "you add up the updates, each times its number of examples, and do not divide by the "
            "number of all these examples.",
            _fedavg_like(lambda *case: _fedavg(*case, over=lambda trusts, there: 1)),
        ),
        Mistake(
            "divided by clients",
            "you weight the updates with the numbers of examples, but divide by the number of "
            "clients. The weights have to add up to 1: divide by the examples of those there.",
            _fedavg_like(
                lambda *case: _fedavg(*case, over=lambda trusts, there: len(there)),
                lambda *case: _fedavg(*case, over=lambda trusts, there: len(trusts)),
            ),
        ),
        Mistake(
            "one after the other",
            "you move the weights by one client, and measure the update of the next from where "
            "they are now. All clients started from the same weights: keep them until the sum is "
            "complete.",
            _fedavg_like(_in_turn),
        ),
    ),
    rtol=1e-5,
    atol=1e-6,
)

TASKS = (USER_CLIP, REBUILD, FEDAVG)
