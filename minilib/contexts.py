"""What is known of a weight before it is read: the less it surprises, the fewer bits it costs.

One program writes and reads: it walks over the weights in a fixed order, and at each of them tells
a `minilib.entropy.Predictor` what it has seen so far. The writer knows the weight and pays for it;
the reader learns it.
"""

from collections.abc import Callable
from itertools import pairwise
from math import isqrt

import numpy as np

from minilib.entropy import ONE, Decoder, Encoder, Predictor

Array = np.ndarray
Numbers = list[list[int]]

CoderFor = Callable[[str], Encoder | Decoder]
"""Takes the name of a part of the network, gives where its bits go to, or come from."""


def code_numbers(
    coder_for: CoderFor, widths: list[int], weights: list[Array] | None, biases: list[Array] | None
) -> tuple[list[Array], list[Array]]:
    """Write all numbers of a network or, if there are none, read them.

    Parameters
    ----------
    coder_for : callable
        Gives the coder for each part; one and the same for all, if it is a file.
    widths : list of int
        Number of inputs, then of neurons in each layer.
    weights, biases : list of integer array, optional
        What to write, layer by layer.

    Returns
    -------
    weights : list of int32 array of shape (n_out, n_in)
    biases : list of int32 array of shape (n_out,)
    """
    known = [None] * (len(widths) - 1) if weights is None else [w.tolist() for w in weights]
    found: list[Numbers] = []
    for number, (n_in, n_out) in enumerate(pairwise(widths)):
        before, part = found[-1] if found else [], f"layer {number + 1}"
        found.append(_code_layer(coder_for, part, n_out, n_in, before, known[number]))
    coder = _NumberCoder(coder_for, "biases", ONE * 7 // 10)
    numbers = []
    for number, n_out in enumerate(widths[1:]):
        values = [None] * n_out if biases is None else biases[number].tolist()
        numbers.append([coder.number(value) if coder.there(value) else 0 for value in values])
    return [np.array(w, dtype=np.int32) for w in found], [np.array(b, np.int32) for b in numbers]


class _NumberCoder:
    """Codes whole numbers: is it 0, its sign, how many bits its size has, and these bits."""

    def __init__(self, coder_for: CoderFor, part: str, start: int) -> None:
        self._there = Predictor(coder_for(f"{part}: places"), start=start)
        self._negative = Predictor(coder_for(f"{part}: signs"), start=ONE // 2)
        self._size = Predictor(coder_for(f"{part}: sizes"), start=ONE * 2 // 5)

    def there(self, value: int | None, *contexts: tuple) -> int:
        """Code whether the number is any but 0."""
        return self._there.code(None if value is None else int(value != 0), *contexts)

    def number(self, value: int | None, signs: tuple = (), sizes: tuple = ((),)) -> int:
        """Code a number that is not 0; its sign is a context of its size."""
        negative = self._negative.code(None if value is None else int(value < 0), *signs)
        size = None if value is None else abs(value)
        n_bits = 1
        while n_bits < 31 and self._digit(size, n_bits, -n_bits, negative, sizes):
            n_bits += 1
        found = 1
        for place in range(n_bits - 2, -1, -1):
            found = 2 * found + self._digit(size, place, found, negative, sizes)
        return -found if negative else found

    def _digit(self, size: int | None, place: int, step: int, negative: int, sizes: tuple) -> int:
        """Code whether there are more bits than `place` (steps below 0), or the bit at `place`."""
        bit = None
        if size is not None:
            bit = int(size >> place > 0) if step < 0 else size >> place & 1
        return self._size.code(bit, *((step, negative, context) for context in sizes))


def _code_layer(
    coder_for: CoderFor, part: str, n_out: int, n_in: int, before: Numbers, known: Numbers | None
) -> Numbers:
    """Code the weights of a layer, each row as a picture: in the first layer they lie in patches.

    First a map of the inputs that any neuron looks at. Then neuron by neuron its weights there.
    What is known of a weight: those around it that are coded already, in three rings of 4, 8 and
    12 places; how far the centre of the neuron's weights is; how many neurons before look at this
    input; how many weights are still to come, if the neuron has as many as the one before; and
    how busy the input is itself.
    """
    side = isqrt(n_in)
    width = side if side**2 == n_in and not before else n_in
    height, stride = n_in // width, width + 6  # a frame of three zeros all around spares tests
    rings = [_ring(distance, stride) for distance in (1, 2, 3)]
    block = [dy * stride + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    places = [((y + 3) * stride + x + 3, y, x) for y in range(height) for x in range(width)]

    used = [None if known is None else int(any(row[i] for row in known)) for i in range(n_in)]
    live = [0] * ((height + 6) * stride)
    mapped = Predictor(coder_for(f"{part}: inputs"), start=ONE // 2)
    for bit, (here, _, _) in zip(used, places, strict=True):
        live[here] = mapped.code(bit, tuple(live[here + step] for step in rings[0]))
    places = [(i, *place) for i, place in enumerate(places) if live[place[0]]]

    coder = _NumberCoder(coder_for, part, ONE // 10)
    busy = [_level(sum(map(bool, row)), 1) for row in before] or [0] * n_in
    seen = [0] * n_in
    expected = len(places)
    rows = []
    for done in range(n_out):
        row, grid = [0] * n_in, [0] * len(live)
        n_here = down = right = 0
        for count, (i, here, y, x) in enumerate(places):
            first, second, third = ([grid[here + step] for step in ring] for ring in rings)
            shape, far = tuple(map(bool, first)), min(4, sum(map(bool, third)))
            away = -1
            if n_here:
                away = isqrt((n_here * y - down) ** 2 + (n_here * x - right) ** 2) // n_here
            away = min(away, 12)
            popular = _level(32 * (2 * seen[i] + 1), 2 * (done + 5))
            to_come = 2 * max(0, expected - n_here) + 1
            left = _level(64 * to_come, 2 * (len(places) - count) + 10)
            value = None if known is None else known[done][i]
            if coder.there(
                value, (popular, left), (sum(shape), away), (far, away), (shape, left), busy[i]
            ):
                inside = sum(live[here + step] for step in block)
                size = max(map(abs, first))
                larger = max(size, *map(abs, second))
                pull = first[0] + first[2] + 2 * (first[1] + first[3])
                signs = tuple(map(_sign, first)), (sum(map(_sign, second)), _sign(pull))
                sizes = min(6, size), (inside // 3, min(6, larger)), x * 10 // width
                row[i] = grid[here] = coder.number(value, signs, sizes)
                seen[i] += 1
                n_here, down, right = n_here + 1, down + y, right + x
        rows.append(row)
        expected = n_here
    return rows


def _ring(distance: int, stride: int) -> list[int]:
    """List the steps to the pixels at this distance that are coded before, row by row."""
    near = range(-distance, distance + 1)
    steps = [(y, x) for y in near for x in near if max(abs(y), abs(x)) == distance]
    return [y * stride + x for y, x in steps if (y, x) < (0, 0)]


def _level(part: int, whole: int) -> int:
    """Count the half octaves between 1 and 1 + part / whole."""
    return ((whole + part) ** 2 // whole**2).bit_length() - 1


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)
