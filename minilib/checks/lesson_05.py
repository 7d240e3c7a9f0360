"""Tasks of lesson 05, networks."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from minilib.checks.task import Mistake, Task, agree, same_as

Array = np.ndarray
Network = list[tuple[Array, Array]]


# 05.cost: parameters, bytes, multiplications of one layer, and how often each byte is used


def _cost_cases(rng: np.random.Generator) -> list[tuple]:
    """Draw wide and tall layers whose bits fill whole bytes, or leave few or many over."""
    layers = (
        _layer(rng, bits=3, wide=True, left_over=(1, 2, 3)),
        _layer(rng, bits=5, wide=False, left_over=(5, 6, 7)),
        _layer(rng, bits=12, wide=True, left_over=(4,)),
        _layer(rng, bits=32, wide=False, left_over=(0,)),
        _binary_layer(rng),
    )
    return [tuple(layer) for layer in layers]


class _Layer(NamedTuple):
    """What the learner's function gets, by name."""

    n_in: int
    n_out: int
    batch: int
    bits: int


def _layer(
    rng: np.random.Generator, *, bits: int, wide: bool, left_over: tuple[int, ...]
) -> _Layer:
    while True:
        few, many = int(rng.integers(3, 12)), int(rng.integers(13, 40))
        n_in, n_out = (many, few) if wide else (few, many)
        if n_out * (n_in + 1) * bits % 8 in left_over:
            return _Layer(n_in, n_out, int(rng.integers(2, 65)), bits)


def _binary_layer(rng: np.random.Generator) -> _Layer:
    """Draw weights and biases that share a byte."""
    while True:
        layer = _layer(rng, bits=1, wide=True, left_over=(2, 3, 4))
        if 0 < layer.n_in * layer.n_out % 8 < 8 - layer.n_out % 8 < 8:
            return layer


# Each entry of the answer, from those before it and from the layer.
_ENTRIES: dict[str, Callable[..., float]] = {
    "parameters": lambda own, layer: layer.n_out * (layer.n_in + 1),
    "bytes": lambda own, layer: math.ceil(own["parameters"] * layer.bits / 8),
    "macs": lambda own, layer: layer.batch * layer.n_in * layer.n_out,
    "macs_per_byte": lambda own, layer: own["macs"] / own["bytes"],
}


def _cost(*numbers: int) -> dict[str, float]:
    cost: dict[str, float] = {}
    for name, entry in _ENTRIES.items():
        cost[name] = entry(cost, _Layer(*numbers))
    return cost


def _entry(name: str, *wrong: Callable[..., float]) -> Callable[..., bool]:
    """Recognise a mistake by one entry, taking those that it is made from as they are."""

    def recognise(answer: dict[str, float], *numbers: int) -> bool:
        def is_like(entry: Callable[..., float]) -> bool:
            return agree(answer[name], entry(answer, _Layer(*numbers)), rtol=1e-6, atol=1e-9)

        return not is_like(_ENTRIES[name]) and any(is_like(entry) for entry in wrong)

    return recognise


def _one_byte_more(answer: dict[str, float], *numbers: int) -> bool:
    right = _cost(*numbers)
    fills_whole_bytes = right["parameters"] * _Layer(*numbers).bits % 8 == 0
    return fills_whole_bytes and answer["bytes"] == right["bytes"] + 1


COST = Task(
    "05.cost",
    _cost_cases,
    _cost,
    (
        Mistake(
            "another form",
            "your answer is not a dict with exactly the keys 'parameters', 'bytes', 'macs' and "
            "'macs_per_byte'. Return {'parameters': ..., 'bytes': ..., ...}, letter for letter.",
            lambda answer, *_: (
                isinstance(answer, (dict, list, tuple)) and set(answer) != set(_ENTRIES)
            ),
        ),
        Mistake(
            "biases forgotten",
            "your parameters are the weights alone. Each neuron has a bias, too, and it has to be "
            "stored like the others: one per output.",
            _entry("parameters", lambda own, layer: layer.n_in * layer.n_out),
        ),
        Mistake(
            "a bias per input",
            "you count one bias for each input. A bias belongs to a neuron, to its output: there "
            "are n_out of them.",
            _entry("parameters", lambda own, layer: layer.n_in * (layer.n_out + 1)),
        ),
        Mistake(
            "one bias in all",
            "you count a single bias for the whole layer. Every neuron has its own: there are "
            "n_out of them.",
            _entry("parameters", lambda own, layer: layer.n_in * layer.n_out + 1),
        ),
        Mistake(
            "a bias per weight",
            "you count as many biases as weights. A neuron multiplies each input by a weight, and "
            "adds one bias to the sum: there are n_out of them.",
            _entry("parameters", lambda own, layer: 2 * layer.n_in * layer.n_out),
        ),
        Mistake(
            "bits taken for bytes",
            "your bytes are bits. Eight bits make a byte: divide, and round up to whole bytes.",
            _entry("bytes", lambda own, layer: own["parameters"] * layer.bits),
        ),
        Mistake(
            "bytes of a batch",
            "your bytes grow with the batch. All its examples pass through the same weights, which "
            "are stored once.",
            _entry(
                "bytes",
                lambda own, layer: layer.batch * math.ceil(own["parameters"] * layer.bits / 8),
                lambda own, layer: math.ceil(layer.batch * own["parameters"] * layer.bits / 8),
            ),
        ),
        Mistake(
            "biases not stored",
            "you count the biases among the parameters, but not among the bytes. They have to be "
            "stored as well, with the same bits.",
            _entry(
                "bytes", lambda own, layer: math.ceil(layer.n_in * layer.n_out * layer.bits / 8)
            ),
        ),
        Mistake(
            "four bytes always",
            "you take four bytes for each parameter, whatever bits says. Four bytes are 32 bits; "
            "here a parameter may have 1, 3 or 12.",
            _entry("bytes", lambda own, layer: 4 * own["parameters"]),
        ),
        Mistake(
            "each rounded up",
            "you round each parameter up to whole bytes. Parameters of 3 bits are packed one after "
            "the other: multiply first, and round the whole layer once.",
            _entry(
                "bytes",
                lambda own, layer: own["parameters"] * math.ceil(layer.bits / 8),
            ),
        ),
        Mistake(
            "parts rounded up",
            "you round several parts up, each by itself: the rows, or the weights and the biases. "
            "Here the layer is packed without gaps: add up all bits, and round once.",
            _entry(
                "bytes",
                lambda own, layer: (
                    math.ceil(layer.n_in * layer.n_out * layer.bits / 8)
                    + math.ceil(layer.n_out * layer.bits / 8)
                ),
                lambda own, layer: layer.n_out * math.ceil((layer.n_in + 1) * layer.bits / 8),
            ),
        ),
        Mistake(
            "inputs stored",
            "your bytes include the inputs or the outputs of the batch. Asked for are those of the "
            "parameters, of what is fetched anew for every batch.",
            _entry(
                "bytes",
                *[
                    lambda own, layer, numbers=numbers: math.ceil(
                        (own["parameters"] + layer.batch * numbers(layer)) * layer.bits / 8
                    )
                    for numbers in (
                        lambda layer: layer.n_in + layer.n_out,
                        lambda layer: layer.n_in,
                        lambda layer: layer.n_out,
                    )
                ],
            ),
        ),
        Mistake(
            "one byte more",
            "where the bits fill whole bytes, you count one more. Rounding up leaves whole numbers "
            "as they are: use math.ceil(...), not ... // 8 + 1.",
            _one_byte_more,
        ),
        Mistake(
            "not rounded up",
            "your bytes are not whole, or rounded to the nearest. A file has whole bytes, and the "
            "last bits need one even if there are few of them: round up.",
            _entry(
                "bytes",
                lambda own, layer: own["parameters"] * layer.bits / 8,
                lambda own, layer: round(own["parameters"] * layer.bits / 8),
            ),
        ),
        Mistake(
            "rounded down",
            "you drop the last bits that do not fill a byte, so they are lost. Round up.",
            _entry("bytes", lambda own, layer: own["parameters"] * layer.bits // 8),
        ),
        Mistake(
            "one example",
            "your multiplications are those of one example. The layer does them for every example "
            "of the batch.",
            _entry("macs", lambda own, layer: layer.n_in * layer.n_out),
        ),
        Mistake(
            "biases multiplied",
            "you count the biases among the multiplications. A bias is added and multiplies "
            "nothing: one multiply-accumulate per weight and example.",
            _entry("macs", lambda own, layer: layer.batch * layer.n_out * (layer.n_in + 1)),
        ),
        Mistake(
            "two operations",
            "your macs are twice too many. A multiplication and the addition that takes its result "
            "are one multiply-accumulate, not two.",
            _entry("macs", lambda own, layer: 2 * layer.batch * layer.n_in * layer.n_out),
        ),
        Mistake(
            "ratio upside down",
            "your last number is bytes per multiplication. Asked for are multiplications per byte: "
            "the other way round.",
            _entry(
                "macs_per_byte",
                lambda own, layer: own["bytes"] / own["macs"],
            ),
        ),
        Mistake(
            "one example per byte",
            "your last number leaves out the batch. A byte that has been fetched serves all "
            "examples of the batch, and that is why batches pay: divide all macs by the bytes.",
            _entry(
                "macs_per_byte",
                lambda own, layer: own["macs"] / layer.batch / own["bytes"],
            ),
        ),
        Mistake(
            "per parameter",
            "your last number is multiplications per parameter. Asked for is per byte, and a "
            "parameter may have less than one or more.",
            _entry(
                "macs_per_byte",
                lambda own, layer: own["macs"] / own["parameters"],
            ),
        ),
        Mistake(
            "ratio of broken bytes",
            "your last number divides by bytes that are not rounded up. Divide by the whole bytes "
            "that you return: those are fetched.",
            _entry(
                "macs_per_byte",
                lambda own, layer: own["macs"] / (own["parameters"] * layer.bits / 8),
            ),
        ),
        Mistake(
            "ratio cut",
            "you cut the last number to a whole one. It is an average, and may have decimals: "
            "divide with /, and do not round.",
            _entry(
                "macs_per_byte",
                lambda own, layer: own["macs"] // own["bytes"],
                lambda own, layer: round(own["macs"] / own["bytes"]),
            ),
        ),
    ),
)


# 05.decoupled_decay: one step of Adam, with a weight decay that does not pass through it


class _AdamStep(NamedTuple):
    """What the learner's function gets, by name."""

    w: Array
    gradient: Array
    m: Array
    v: Array
    t: int
    lr: float
    decay: float
    b1: float
    b2: float
    eps: float


Moments = tuple[Array, Array]
Stepped = tuple[Array, Array, Array]


def _adam_cases(rng: np.random.Generator) -> list[tuple]:
    """Draw the first step, an early and a late one, in all of which eps and decay weigh."""
    return [tuple(_adam_step(rng, t)) for t in (1, int(rng.integers(2, 6)), 40)]


def _adam_step(rng: np.random.Generator, t: int) -> _AdamStep:
    """Draw weights without a gradient so far, without one now, with a first, a small, a large."""
    p = 5
    has_moments = np.array([0, 1, 0, 1, 1]) * (t > 1)
    slopes = np.array([0, 0, 1, 0.2, 1]) * rng.uniform(1, 2, p)  # the small one's square is below v
    signs = rng.choice([-1.0, 1.0], (3, p))
    order = rng.permutation(p)
    return _AdamStep(
        w=signs[0] * rng.uniform(0.5, 2, p),
        gradient=signs[1] * slopes[order],
        m=signs[2] * rng.uniform(0.2, 0.6, p) * has_moments[order],
        v=rng.uniform(0.2, 0.5, p) * has_moments[order],
        t=t,
        lr=float(rng.uniform(0.05, 0.2)),
        decay=float(rng.uniform(0.3, 0.8)),
        b1=float(rng.uniform(0.7, 0.85)),
        b2=float(rng.uniform(0.92, 0.97)),
        eps=float(rng.uniform(0.03, 0.1)),
    )


def _moments(s: _AdamStep) -> Moments:
    return s.b1 * s.m + (1 - s.b1) * s.gradient, s.b2 * s.v + (1 - s.b2) * s.gradient**2


def _corrected(s: _AdamStep, m: Array, v: Array) -> Moments:
    return m / (1 - s.b1**s.t), v / (1 - s.b2**s.t)


def _direction(s: _AdamStep, m: Array, v: Array) -> Array:
    m, v = _corrected(s, m, v)
    return m / (np.sqrt(v) + s.eps)


def _adamw(s: _AdamStep) -> Stepped:
    return _along(_direction)(s)


def _along(direction: Callable[[_AdamStep, Array, Array], Array]) -> Callable[..., Stepped]:
    """Make the step along another direction than Adam's."""
    return _to(lambda s, m, v: s.w - s.lr * (direction(s, m, v) + s.decay * s.w))


def _to(weights: Callable[[_AdamStep, Array, Array], Array]) -> Callable[..., Stepped]:
    """Make the step to other weights than AdamW's."""
    return lambda s: (weights(s, *_moments(s)), *_moments(s))


def _with_moments(moments: Callable[[_AdamStep], Moments]) -> Callable[..., Stepped]:
    """Make the step with other moments than Adam's."""

    def step(s: _AdamStep) -> Stepped:
        m, v = moments(s)
        return s.w - s.lr * (_direction(s, m, v) + s.decay * s.w), m, v

    return step


def _decay_in_one_moment(s: _AdamStep) -> Stepped:
    m, _ = _moments(s._replace(gradient=s.gradient + s.decay * s.w))
    _, v = _moments(s)
    return s.w - s.lr * _direction(s, m, v), m, v


def _stepped_by(*steps: Callable[[_AdamStep], object]) -> Callable[..., bool]:
    return same_as(
        *[lambda *arguments, step=step: step(_AdamStep(*arguments)) for step in steps], rtol=1e-4
    )


DECOUPLED_DECAY = Task(
    "05.decoupled_decay",
    _adam_cases,
    lambda *arguments: _adamw(_AdamStep(*arguments)),
    (
        Mistake(
            "L2 in Adam",
            "you add the decay to the gradient, so it passes through the moments and is divided by "
            "sqrt(v) like everything else. That is L2 in Adam. Leave the gradient alone, and take "
            "lr * decay * w off the weights directly.",
            _stepped_by(
                lambda s: _adamw(s._replace(gradient=s.gradient + s.decay * s.w, decay=0.0))
            ),
        ),
        Mistake(
            "decay divided",
            "your decay is divided by sqrt(v) + eps, so weights with large gradients hardly decay. "
            "Only the corrected m is divided; the decay stands beside the fraction.",
            _stepped_by(
                _to(
                    lambda s, m, v: (
                        s.w - s.lr * _direction(s, m + (1 - s.b1**s.t) * s.decay * s.w, v)
                    )
                ),
                _decay_in_one_moment,
            ),
        ),
        Mistake(
            "decay without lr",
            "your decay is not multiplied by lr. The schedule that shortens the steps at the end "
            "has to shorten the decay as well: take lr * decay * w off.",
            _stepped_by(_to(lambda s, m, v: s.w - s.lr * _direction(s, m, v) - s.decay * s.w)),
        ),
        Mistake(
            "decay after the step",
            "you decay the weights after Adam has moved them. Both parts are computed from the "
            "weights you were given.",
            _stepped_by(
                _to(lambda s, m, v: (1 - s.lr * s.decay) * (s.w - s.lr * _direction(s, m, v)))
            ),
        ),
        Mistake(
            "weights grow",
            "your decay makes the weights larger. It pulls them towards 0: the sign of "
            "lr * decay * w is minus.",
            _stepped_by(lambda s: _adamw(s._replace(decay=-s.decay))),
        ),
        Mistake(
            "decay forgotten",
            "this is Adam without any decay. Take lr * decay * w off the weights as well.",
            _stepped_by(lambda s: _adamw(s._replace(decay=0.0))),
        ),
        Mistake(
            "uphill",
            "you add Adam's part, which climbs. The loss falls against the gradient: the sign is "
            "minus.",
            _stepped_by(_along(lambda s, m, v: -_direction(s, m, v))),
        ),
        Mistake(
            "not corrected",
            "you use m and v as they are. Both start at 0 and are too small in the first steps: "
            "divide them by 1 - b1**t and 1 - b2**t.",
            _stepped_by(_along(lambda s, m, v: m / (np.sqrt(v) + s.eps))),
        ),
        Mistake(
            "one not corrected",
            "you correct one of the two moments, not the other. Divide m by 1 - b1**t and v by "
            "1 - b2**t.",
            _stepped_by(
                _along(lambda s, m, v: m / (np.sqrt(_corrected(s, m, v)[1]) + s.eps)),
                _along(lambda s, m, v: _corrected(s, m, v)[0] / (np.sqrt(v) + s.eps)),
            ),
        ),
        Mistake(
            "number of the step",
            "your correction is that of the step before or after. t is the number of this step, "
            "and the first is number 1: use b1**t and b2**t as they are.",
            _stepped_by(
                _along(lambda s, m, v: _direction(s._replace(t=s.t - 1), m, v)),
                _along(lambda s, m, v: _direction(s._replace(t=s.t + 1), m, v)),
            ),
        ),
        Mistake(
            "eps in the root",
            "you add eps below the root, where a small number becomes a large one: the root of "
            "1e-8 is 1e-4. Take the root first, then add.",
            _stepped_by(
                _along(
                    lambda s, m, v: _corrected(s, m, v)[0] / np.sqrt(_corrected(s, m, v)[1] + s.eps)
                )
            ),
        ),
        Mistake(
            "eps before the correction",
            "you add eps to the root of v before v is corrected, so that eps is corrected as well. "
            "Divide v by 1 - b2**t, take the root, then add.",
            _stepped_by(
                _along(
                    lambda s, m, v: (
                        _corrected(s, m, v)[0] * np.sqrt(1 - s.b2**s.t) / (np.sqrt(v) + s.eps)
                    )
                )
            ),
        ),
        Mistake(
            "eps forgotten",
            "eps does not enter your answer. It keeps steps short where gradients are tiny, and a "
            "weight that never had a gradient from becoming 0 / 0.",
            _stepped_by(lambda s: _adamw(s._replace(eps=0.0))),
        ),
        Mistake(
            "root forgotten",
            "you divide by v itself. v is made of squares; its root is of the size of a gradient.",
            _stepped_by(_along(lambda s, m, v: _direction(s, m, v**2 / (1 - s.b2**s.t)))),
        ),
        Mistake(
            "old moments",
            "your step uses a moment as it was before this gradient. Renew m and v first, then "
            "step.",
            _stepped_by(
                _along(lambda s, m, v: _direction(s, s.m, s.v)),
                _along(lambda s, m, v: _direction(s, s.m, v)),
                _along(lambda s, m, v: _direction(s, m, s.v)),
            ),
        ),
        Mistake(
            "betas swapped",
            "you use b1 for v and b2 for m. b1 belongs to m, the mean of the gradients, and b2 to "
            "v, the mean of their squares.",
            _stepped_by(lambda s: _adamw(s._replace(b1=s.b2, b2=s.b1))),
        ),
        Mistake(
            "shares swapped",
            "your moments keep the share 1 - b1 of the old and take b1 of the new. It is the other "
            "way round: they change slowly. The same holds for b2.",
            _stepped_by(
                _with_moments(lambda s: _moments(s._replace(b1=1 - s.b1, b2=1 - s.b2))),
            ),
        ),
        Mistake(
            "sums, not means",
            "your moments take the whole new gradient. A running mean takes a share of it, "
            "1 - b1, beside b1 of the old mean; the same holds for its square and b2.",
            _stepped_by(
                _with_moments(
                    lambda s: (s.b1 * s.m + s.gradient, s.b2 * s.v + s.gradient**2),
                )
            ),
        ),
        Mistake(
            "not squared",
            "your v is a mean of gradients, not of their squares. Square each gradient, sign and "
            "all, before it enters v.",
            _stepped_by(
                *[
                    _with_moments(
                        lambda s, of=of: (
                            _moments(s)[0],
                            s.b2 * s.v + (1 - s.b2) * of(s.gradient),
                        )
                    )
                    for of in (np.abs, np.positive)
                ]
            ),
        ),
        Mistake(
            "moments not renewed",
            "your weights are right, but you return m and v as you were given them. The next step "
            "needs the new ones.",
            _stepped_by(lambda s: (_adamw(s)[0], s.m, s.v)),
        ),
        Mistake(
            "corrected moments returned",
            "your weights are right, but you return the corrected moments. The correction is for "
            "this step only: the next one starts from m and v before it.",
            _stepped_by(lambda s: (_adamw(s)[0], *_corrected(s, *_moments(s)))),
        ),
        Mistake(
            "weights alone",
            "you return the weights alone. Return three things, w, m and v: the next step needs "
            "the moments.",
            _stepped_by(lambda s: _adamw(s)[0]),
        ),
        Mistake(
            "another order",
            "you return the right three things, in another order. First w, then m, then v.",
            _stepped_by(
                lambda s: (_adamw(s)[1], _adamw(s)[2], _adamw(s)[0]),
                lambda s: (_adamw(s)[0], _adamw(s)[2], _adamw(s)[1]),
            ),
        ),
    ),
    # In single precision, 1 - b2**t keeps five digits.
    rtol=1e-4,
    atol=1e-6,
)


# 05.bias_decay: a step of gradient descent in which the weights decay and the biases do not


def _decay_cases(rng: np.random.Generator) -> list[tuple]:
    """Draw networks of one to four layers; the narrow ones have as many weights as biases."""
    widths = ((3, 2), (4, 1, 3), (5, 4, 3, 2), (1, 3, 3, 1, 2))
    return [
        (_drawn(rng, shape), _drawn(rng, shape), *map(float, rng.uniform((0.05, 0.3), (0.3, 0.8))))
        for shape in widths
    ]


def _drawn(rng: np.random.Generator, widths: tuple[int, ...]) -> Network:
    def numbers(*shape: int) -> Array:
        return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 2, shape)

    return [(numbers(n_out, n_in), numbers(n_out)) for n_in, n_out in pairwise(widths)]


def _descent(slopes: Callable[[Network], Network]) -> Callable[..., Network]:
    """Make the step from the slopes of a penalty of strength 1, one pair for each layer."""

    def step(network: Network, gradients: Network, lr: float, lam: float) -> Network:
        return [
            (W - lr * (gW + lam * pW), b - lr * (gb + lam * pb))
            for (W, b), (gW, gb), (pW, pb) in zip(network, gradients, slopes(network), strict=True)
        ]

    return step


def _of_weights(slope: Callable[[Array], Array | float]) -> Callable[[Network], Network]:
    """Slopes of a penalty that looks at each weight matrix, and at no bias."""
    return lambda network: [(slope(W), 0.0) for W, _ in network]


def _of_some_layers(chosen: slice) -> Callable[[Network], Network]:
    """Slopes of the right penalty in some of the layers only."""

    def slopes(network: Network) -> Network:
        penalized = range(len(network))[chosen]
        return [(W * (number in penalized), 0.0) for number, (W, _) in enumerate(network)]

    return slopes


def _unsquared(network: Network, *, first_only: bool = False, biases: bool = False) -> Network:
    """Slopes of one norm of many parameters: each divided by that norm."""
    parts = [part for layer in network for part in (layer if biases else layer[:1])]
    norm = math.sqrt(sum(float(np.sum(part**2)) for part in (parts[:1] if first_only else parts)))
    return [
        (W / norm * (not first_only or number == 0), b / norm * biases)
        for number, (W, b) in enumerate(network)
    ]


def _half_the_squares(network: Network) -> float:
    return sum(float(np.sum(W**2)) for W, _ in network) / 2


_decayed = _descent(_of_weights(lambda W: W))


def _decayed_by(*slopes: Callable[[Network], Network]) -> Callable[..., bool]:
    return same_as(*[_descent(slope) for slope in slopes], rtol=1e-5)


BIAS_DECAY = Task(
    "05.bias_decay",
    _decay_cases,
    _decayed,
    (
        Mistake(
            "biases decay",
            "your biases decay as well. A bias says where a neuron starts to answer; a pull "
            "towards 0 costs accuracy and makes no function smoother. Move it by its gradient "
            "only.",
            _decayed_by(lambda network: network),
        ),
        Mistake(
            "only biases decay",
            "your biases decay and your weights do not. It is the other way round.",
            _decayed_by(lambda network: [(0.0, b) for _, b in network]),
        ),
        Mistake(
            "biases stand still",
            "your biases do not move at all. They do not decay, but they learn: take lr times "
            "their gradient off.",
            same_as(
                lambda network, *rest: [
                    (W, b) for (W, _), (_, b) in zip(_decayed(network, *rest), network, strict=True)
                ],
                rtol=1e-5,
            ),
        ),
        Mistake(
            "last layer free",
            "the weights of your last layer do not decay. The penalty counts every matrix of the "
            "network.",
            _decayed_by(_of_some_layers(slice(None, -1))),
        ),
        Mistake(
            "first layer only",
            "only the weights of your first layer decay. That is article A's penalty, which names "
            "fc1 alone: the others may grow as they like. The penalty counts every matrix.",
            _decayed_by(_of_some_layers(slice(1))),
        ),
        Mistake(
            "norm not squared",
            "your decay is that of the norm, not of its square: W / ||W||, as in article A. Such a "
            "pull does not fade when weights become small. The slope of half the sum of squares is "
            "W itself.",
            _decayed_by(
                _of_weights(lambda W: W / np.linalg.norm(W)),
                _unsquared,
                lambda network: _unsquared(network, first_only=True),
                lambda network: _unsquared(network, biases=True),
            ),
        ),
        Mistake(
            "penalty instead of slope",
            "you take the penalty itself off each weight, one number for all. What moves a weight "
            "is the slope of the penalty along this weight: lam * W.",
            _decayed_by(
                lambda network: [(_half_the_squares(network), 0.0) for _ in network],
                lambda network: [(2 * _half_the_squares(network), 0.0) for _ in network],
                _of_weights(lambda W: np.sum(W**2) / 2),
                _of_weights(lambda W: np.sum(W**2)),
            ),
        ),
        Mistake(
            "weights squared",
            "you take squares of weights off, which pushes negative weights away from 0. The "
            "slope of half the square is the weight itself: lam * W.",
            _decayed_by(_of_weights(lambda W: W**2), _of_weights(lambda W: W**2 / 2)),
        ),
        Mistake(
            "signs only",
            "you pull all weights with the same force, lam * sign(W). That is L1; the slope of "
            "half the square grows with the weight: lam * W.",
            _decayed_by(_of_weights(np.sign)),
        ),
        Mistake(
            "mean of the squares",
            "you divide the decay by the number of weights. The penalty is half the sum of the "
            "squares, not their mean.",
            _decayed_by(
                _of_weights(lambda W: W / W.size),
                _of_weights(lambda W: 2 * W / W.size),
                lambda network: [
                    (W / sum(other.size for other, _ in network), 0.0) for W, _ in network
                ],
            ),
        ),
        Mistake(
            "twice",
            "your weights decay twice as fast. The penalty is half the sum of the squares, and its "
            "slope is W, not 2 W.",
            _decayed_by(_of_weights(lambda W: 2 * W)),
        ),
        Mistake(
            "weights grow",
            "your decay makes the weights larger. It pulls them towards 0: lr * lam * W goes off, "
            "like lr times the gradient.",
            _decayed_by(_of_weights(lambda W: -W)),
        ),
        Mistake(
            "no decay",
            "your weights do not decay at all. Add lam * W to the gradient of each matrix.",
            _decayed_by(_of_weights(lambda W: 0.0)),
        ),
        Mistake(
            "lam forgotten",
            "lam does not enter your answer, so all penalties are equally strong. The slope of the "
            "penalty is lam * W.",
            same_as(
                lambda network, gradients, lr, lam: _decayed(network, gradients, lr, 1.0),
                rtol=1e-5,
            ),
        ),
        Mistake(
            "decay without lr",
            "your decay is not multiplied by lr. In gradient descent the penalty is part of what "
            "is minimised: its slope is multiplied by lr like that of the loss.",
            same_as(
                lambda network, gradients, lr, lam: _decayed(network, gradients, lr, lam / lr),
                rtol=1e-5,
            ),
        ),
        Mistake(
            "decay after the step",
            "you decay the weights after they have moved. Both slopes belong to the weights you "
            "were given: W - lr * (gradient + lam * W).",
            same_as(
                lambda network, gradients, lr, lam: [
                    ((1 - lr * lam) * W, b) for W, b in _decayed(network, gradients, lr, 0.0)
                ],
                rtol=1e-5,
            ),
        ),
        Mistake(
            "uphill",
            "you add the gradient, which climbs. The loss falls against it: the sign is minus.",
            same_as(
                lambda network, gradients, lr, lam: _decayed(network, gradients, -lr, lam),
                lambda network, gradients, lr, lam: _decayed(network, gradients, -lr, -lam),
                rtol=1e-5,
            ),
        ),
    ),
    # For answers in single precision.
    rtol=1e-5,
    atol=1e-6,
)

TASKS = (COST, DECOUPLED_DECAY, BIAS_DECAY)
