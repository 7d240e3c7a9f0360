"""Read handwritten digits with nothing but Python and a file of this course.

``digit_in(picture, network_of(file))``: the picture is 784 bytes of ink, the file is bytes, too.
Written from the description of the format, not from the library: if both agree, the file alone is
the network.
"""

import zlib
from bisect import bisect
from decimal import Decimal
from math import isqrt

ONE = 1 << 22  # what a probability of 1 is
LOGISTIC = [int(ONE / (1 + (Decimal(-x) / 256).exp())) for x in range(-3072, 3073)]


def bits_of(data):
    """Give a function that takes the chance of a 1 and gives the next bit: a range decoder."""
    low, high, place = 0, 0xFFFFFFFF, 4

    def bit(chance):
        nonlocal low, high, place
        middle = low + ((high - low) * chance >> 22)
        one = int.from_bytes(data[place - 4 : place].ljust(4, b"\0"), "big") <= middle
        low, high = (low, middle) if one else (middle + 1, high)
        while (low ^ high) >> 24 == 0:
            low, high, place = low << 8 & 0xFFFFFFFF, high << 8 & 0xFFFFFFFF | 255, place + 1
        return int(one)

    return bit


def predictor(take, start):
    """Give a function from contexts to a bit: a neuron that learns what each context is worth."""
    chances, seen, weights = {}, {}, []

    def bit(*contexts):
        keys = ["always", *enumerate(contexts)]
        known = [chances.setdefault(k, chances.setdefault("always", start)) for k in keys]
        first, *others = (bisect(LOGISTIC, chance) - 3073 for chance in known)
        logits = [first, *(other - first for other in others)]
        weights.extend([] if weights else [65536] + [98304 // len(keys)] * len(others))
        mixed = sum(w * x for w, x in zip(weights, logits)) >> 16
        expected = LOGISTIC[min(max(mixed, -2358), 2358) + 3072]
        found = take(expected)
        weights[:] = [w + ((found * ONE - expected) * x >> 22) for w, x in zip(weights, logits)]
        for k, chance in zip(keys, known):
            seen[k] = min(seen.get(k, 0) + 1, 1023)
            chances[k] = chance + (found * ONE - chance) // (seen[k] + 2)
        return found

    return bit


def numbers(take, start):
    """Give two functions: whether a number is not 0, and, if so, which it is."""
    there, sign, size = (predictor(take, chance) for chance in (start, ONE // 2, ONE * 2 // 5))

    def number(signs=(), sizes=((),)):
        minus, n, found = sign(*signs), 1, 1
        while n < 31 and size(*((-n, minus, context) for context in sizes)):
            n += 1
        for _ in range(n - 1):
            found = 2 * found + size(*((found, minus, context) for context in sizes))
        return -found if minus else found

    return there, number


def level(part, whole):
    """Count the half octaves between 1 and 1 + part / whole."""
    return ((whole + part) ** 2 // whole**2).bit_length() - 1


def layer(take, n_out, n_in, before):
    """Give the weights of a layer, row by row; `before` holds those of the layer before."""
    width = isqrt(n_in) if isqrt(n_in) ** 2 == n_in and not before else n_in
    stride, near = width + 6, range(-3, 4)
    steps = [(max(abs(y), abs(x)), y * stride + x) for y in near for x in near]
    rings = [[step for far, step in steps[:24] if far == distance] for distance in (1, 2, 3)]
    pixels = [((i // width + 3) * stride + i % width + 3, i) for i in range(n_in)]
    live, mapped = [0] * ((n_in // width + 6) * stride), predictor(take, ONE // 2)
    for here, _ in pixels:
        live[here] = mapped(tuple(live[here + step] for step in rings[0]))
    places = [place for place in pixels if live[place[0]]]
    busy = [level(sum(map(bool, row)), 1) for row in before] or [0] * n_in
    (there, number), expected = numbers(take, ONE // 10), len(places)
    grids = [[0] * len(live) for _ in range(n_out)]
    for done, grid in enumerate(grids):
        n = down = right = 0
        for count, (here, i) in enumerate(places):
            y, x = divmod(i, width)
            first, second, third = ([grid[here + step] for step in ring] for ring in rings)
            shape, far = tuple(map(bool, first)), min(4, sum(map(bool, third)))
            away = min(12, isqrt((n * y - down) ** 2 + (n * x - right) ** 2) // n) if n else -1
            popular = level(64 * sum(g[here] != 0 for g in grids) + 32, 2 * done + 10)
            left = level(128 * max(0, expected - n) + 64, 2 * (len(places) - count) + 10)
            if there((popular, left), (sum(shape), away), (far, away), (shape, left), busy[i]):
                ones, twos = ([(v > 0) - (v < 0) for v in ring] for ring in (first, second))
                pull = first[0] + first[2] + 2 * (first[1] + first[3])
                large, larger = (min(6, max(map(abs, ring))) for ring in (first, first + second))
                inside = sum(live[here + step] for far, step in steps if far < 2) // 3
                signs = tuple(ones), (sum(twos), (pull > 0) - (pull < 0))
                grid[here] = number(signs, (large, (inside, larger), x * 10 // width))
                n, down, right = n + 1, down + y, right + x
        expected = n
    return [[grid[here] for here, _ in pixels] for grid in grids]


def network_of(file):
    """Give weights, biases and shift of each layer."""
    if file[:6] != b"MINI\1N" or zlib.crc32(file[:-4]) != int.from_bytes(file[-4:], "big"):
        raise ValueError("this file is damaged, or holds no network")
    n, body = file[10], file[11:-4]
    widths = [256 * body[i] + body[i + 1] for i in range(0, 2 * n + 2, 2)]
    block, take, layers = body[3 * n + 2], bits_of(body[3 * n + 3 :]), [[]]
    for n_in, n_out in zip([widths[0] // block**2, *widths[1:]], widths[1:]):
        layers.append(layer(take, n_out, n_in, layers[-1]))
    there, number = numbers(take, ONE * 7 // 10)
    biases = [[number() if there() else 0 for _ in range(k)] for k in widths[1:]]
    if block == 2:
        side, pixels = isqrt(widths[0]), range(widths[0])
        places = [i // side // 2 * (side // 2) + i % side // 2 for i in pixels]
        layers[1] = [[row[place] for place in places] for row in layers[1]]
    return list(zip(layers[1:], biases, body[2 * n + 2 :]))


def digit_in(picture, network):
    """Give the digit with the largest sum."""
    for weights, biases, shift in network:
        sums = [sum(w * v for w, v in zip(row, picture) if w and v > 0) for row in weights]
        picture = [value + (bias << shift) for value, bias in zip(sums, biases)]
    return picture.index(max(picture))
