"""Files as people hand them in: right ones, and wrong ones of all known kinds.

The files in tests/data were trained once; its README says how. All others are made of these.
"""

import base64
import pickle
import struct
import zlib
from dataclasses import replace

import numpy as np

from minilib.codec import decode_network, encode_arrays, encode_network
from minilib.integers import IntegerLayer, IntegerNetwork
from tests.notebooks import ROOT

FILES = {path.stem: path.read_bytes() for path in (ROOT / "tests" / "data").glob("*.mini")}
SMALL = decode_network(FILES["kilobyte"])


def text_of(file):
    return base64.b85encode(file).decode()


def in_lines(file):
    """As a mail program sends it."""
    text = text_of(file)
    return "\n  ".join(["", *(text[i : i + 72] for i in range(0, len(text), 72)), ""])


def sealed(content):
    """A file whose frame is right, whatever is in it."""
    file = b"MINI\x01N" + struct.pack(">I", len(content)) + content
    return file + struct.pack(">I", zlib.crc32(file))


def with_first(**changes):
    """The smallest network, with another first layer."""
    first, *others = SMALL.layers
    return text_of(encode_network(IntegerNetwork((replace(first, **changes), *others))))


def with_rows(order):
    """The smallest network, with the rows of its last layer in another order."""
    *others, last = SMALL.layers
    last = replace(last, weight=last.weight[order], bias=last.bias[order])
    return text_of(encode_network(IntegerNetwork((*others, last))))


def for_negatives():
    """255 - x instead of x: the signs of the weights turn, and their sums go to the biases."""
    first = SMALL.layers[0]
    bias = (first.bias.astype(int) << first.shift) + 255 * first.weight.sum(axis=1)
    shift = first.shift + 5
    return with_first(weight=-first.weight, bias=np.rint(bias / 2**shift).astype(int), shift=shift)


def by_columns():
    squares = SMALL.layers[0].weight.reshape(-1, 28, 28)
    return with_first(weight=squares.transpose(0, 2, 1).reshape(-1, 784))


def without_the_unit():
    """The first unit is the step, not the step / 255: all biases are 255 times too small."""
    layers = []
    for one in SMALL.layers:
        shift = max(0, one.shift - 8)
        bias = np.rint(one.bias * 2.0 ** (one.shift - shift) / 255).astype(int)
        layers.append(replace(one, bias=bias, shift=shift))
    return text_of(encode_network(IntegerNetwork(tuple(layers))))


def on_blocks():
    """196 inputs: the weights of the blocks, not of their pixels."""
    first, *others = SMALL.layers
    blocks = first.weight.reshape(-1, 28, 28)[:, ::2, ::2].reshape(-1, 196)
    return text_of(encode_network(IntegerNetwork((replace(first, weight=blocks), *others))))


def promising_the_largest_numbers():
    """No coded bits at all: a decoder reads ones for ever, 784 * 100 numbers of 31 bits."""
    return text_of(sealed(struct.pack(">B3H2BB", 2, 784, 100, 10, 0, 0, 1)))


def saying_one_thing():
    layer = IntegerLayer(np.zeros((10, 784), int), np.arange(10), 0)
    return text_of(encode_network(IntegerNetwork((layer,))))


RIGHT = {
    "15.kilobyte": [
        text_of(FILES["kilobyte"]),
        in_lines(FILES["kilobyte"]),
        with_first(bias=SMALL.layers[0].bias * 2, shift=SMALL.layers[0].shift - 1),
    ],
    "15.qr_code": [text_of(FILES["qr_code"]), in_lines(FILES["qr_code"])],
    "15.ten_kilobytes": [text_of(FILES["ten_kilobytes"]), in_lines(FILES["ten_kilobytes"])],
}

WRONG_EVERYWHERE = {
    "not base85": repr(FILES["kilobyte"][:200]),
    "arrays": text_of(encode_arrays({"weight": np.arange(9)})),
    "another format": text_of(pickle.dumps([1, 2, 3])),
    "damaged": text_of(FILES["kilobyte"])[:-40],
    "too long to read": promising_the_largest_numbers(),
    "other shapes": on_blocks(),
    "digits": text_of(FILES["digits"]),
    "negatives": for_negatives(),
    "rows and columns": by_columns(),
    "names of classes": with_rows(np.roll(np.arange(10), 1)),
    "scale of the inputs": without_the_unit(),
    "memorised": text_of(FILES["memorised"]),
    "one answer": saying_one_thing(),
}
WRONG = {task: WRONG_EVERYWHERE for task in RIGHT}
