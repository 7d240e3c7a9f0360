"""Files: named arrays, or a network of integers, as bytes and back. Nothing is ever unpickled.

Both kinds of file begin and end alike, so a damaged file is refused before it is read::

    bytes 0-3    the letters MINI
    byte  4      the version of the format, 1
    byte  5      A for arrays, N for a network
    bytes 6-9    how many bytes the content has
    bytes 10-    the content
    last 4       CRC-32 of all bytes before

Numbers of several bytes stand with the largest part first.
"""

import zlib
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from math import isqrt, log2, prod

import numpy as np

from minilib.contexts import code_numbers
from minilib.entropy import MOST_BITS, ONE, Decoder, Encoder
from minilib.integers import IntegerLayer, IntegerNetwork

Array = np.ndarray

MAGIC = b"MINI\x01"
"""How each file begins: a name, and the version of the format."""

MOST_WEIGHTS = 300_000
"""Networks with more weights are refused, on the way out and on the way in."""


def encode_arrays(arrays: Mapping[str, Array]) -> bytes:
    """Write named arrays into a file.

    Parameters
    ----------
    arrays : dict of str to array
        Whole numbers or floats of any shape; tensors are taken, too.

    Returns
    -------
    bytes
        For each array: its name and type as text, each after its length (1 byte); the number of
        its dimensions (1), its shape (4 each), and its elements.

    Raises
    ------
    ValueError
        If an array holds anything but numbers, or a name is longer than 255 bytes.
    """
    parts = []
    for name, array in arrays.items():
        array = np.asarray(array)
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{name} holds numbers, got dtype {array.dtype}.")
        label = name.encode()
        if len(label) > 255 or array.ndim > 255:
            raise ValueError(f"a name has at most 255 bytes, got {len(label)}: {name[:20]!r}...")
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        kind = little.dtype.str.encode()
        shape = b"".join(n.to_bytes(4, "big") for n in array.shape)
        head = bytes([len(label)]) + label + bytes([len(kind)]) + kind + bytes([array.ndim])
        parts.append(head + shape + little.tobytes())
    return _seal(b"A", b"".join(parts))


def decode_arrays(data: bytes) -> dict[str, Array]:
    """Read named arrays back: the inverse of `encode_arrays`.

    Parameters
    ----------
    data : bytes
        The file.

    Returns
    -------
    dict of str to array
        In the order in which they were written.

    Raises
    ------
    ValueError
        If the file is damaged, or holds something else.
    """
    rest = _unseal(b"A", data)
    arrays: dict[str, Array] = {}
    while rest:
        label, rest = _take(rest, _first(rest) + 1)
        kind, rest = _take(rest, _first(rest) + 1)
        lengths, rest = _take(rest, 4 * _first(rest) + 1)
        shape = [int.from_bytes(lengths[i : i + 4], "big") for i in range(1, len(lengths), 4)]
        if kind[1:] not in _KINDS:
            raise ValueError(f"the file holds an array of unknown type {kind[1:]!r}.")
        dtype = np.dtype(kind[1:].decode())
        elements, rest = _take(rest, prod(shape) * dtype.itemsize)
        name = label[1:].decode(errors="strict")
        arrays[name] = np.frombuffer(elements, dtype).reshape(shape).copy()
    return arrays


_KINDS = {
    np.dtype(kind).newbyteorder("<").str.encode()
    for kind in ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
}


def encode_network(network: IntegerNetwork) -> bytes:
    """Write a network of integers into a file, as small as this course can make it.

    Parameters
    ----------
    network : minilib.integers.IntegerNetwork
        At most 255 layers of at most 65,535 neurons, and `MOST_WEIGHTS` weights.

    Returns
    -------
    bytes
        The content: the number of layers (1 byte); the number of inputs and of neurons of each
        layer (2 each); the shift of each layer (1 each); 2 if each weight of the first layer serves
        a block of 2 x 2 pixels, else 1 (1); then weights and biases by a range coder.

    Raises
    ------
    ValueError
        If the network is too large, or takes more than `minilib.entropy.MOST_BITS` coded bits.
    """
    head, widths, weights, biases = _parts(network)
    coder = Encoder()
    code_numbers(lambda part: coder, widths, weights, biases)
    return _seal(b"N", head + coder.finish())


def bits_by_part(network: IntegerNetwork) -> dict[str, float]:
    """Say what each part of a network costs in its file.

    Parameters
    ----------
    network : minilib.integers.IntegerNetwork
        As for `encode_network`.

    Returns
    -------
    dict of str to float
        Bits by the name of the part: the map of the pixels; of each layer where its weights are,
        their signs and their sizes; the same of the biases. Their sum is that of the coded bits.

    Raises
    ------
    ValueError
        If the network is too large.
    """
    _, widths, weights, biases = _parts(network)
    meters: defaultdict[str, _Meter] = defaultdict(_Meter)
    code_numbers(meters.__getitem__, widths, weights, biases)
    return {part: meter.bits for part, meter in meters.items()}


class _Meter:
    """Counts what an `Encoder` would write."""

    bits = 0.0

    def code(self, bit: int, chance: int) -> int:
        self.bits += log2(ONE / (chance if bit else ONE - chance))
        return bit


def _parts(network: IntegerNetwork) -> tuple[bytes, list[int], list[Array], list[Array]]:
    """Give the first bytes of the content, and the numbers that are coded after them."""
    layers, widths = network.layers, network.widths
    _check_widths(widths)
    weights = [layer.weight for layer in layers]
    tied = _is_tied(weights[0])
    head = bytes([len(layers)]) + b"".join(n.to_bytes(2, "big") for n in widths)
    head += bytes([layer.shift for layer in layers]) + bytes([2 if tied else 1])
    if tied:
        weights[0] = _every_other(weights[0])
        widths[0] //= 4
    return head, widths, weights, [layer.bias for layer in layers]


def decode_network(data: bytes, *, most_bits: int = MOST_BITS) -> IntegerNetwork:
    """Read a network back: the inverse of `encode_network`.

    Parameters
    ----------
    data : bytes
        The file.
    most_bits : int
        Files with more coded bits are refused; half a million take some seconds.

    Returns
    -------
    minilib.integers.IntegerNetwork
        Bit by bit the one that was written, on every machine.

    Raises
    ------
    ValueError
        If the file is damaged, or holds something else.
    """
    content = _unseal(b"N", data)
    n_layers = _first(content)
    head, body = _take(content, 1 + 2 * (n_layers + 1) + n_layers + 1)
    widths = [int.from_bytes(head[i : i + 2], "big") for i in range(1, 2 * n_layers + 3, 2)]
    shifts, block = head[2 * n_layers + 3 : -1], head[-1]
    _check_widths(widths)
    if block not in (1, 2) or (block == 2 and isqrt(widths[0]) ** 2 % 4):
        raise ValueError(f"the file has blocks of {block} pixels for {widths[0]} inputs.")
    if block == 2:
        widths[0] //= 4
    coder = Decoder(body, most_bits)
    weights, biases = code_numbers(lambda part: coder, widths, None, None)
    coder.finish()
    if block == 2:
        weights[0] = _four_of_each(weights[0])
    return IntegerNetwork(tuple(map(IntegerLayer, weights, biases, shifts)))


def _seal(kind: bytes, content: bytes) -> bytes:
    file = MAGIC + kind + len(content).to_bytes(4, "big") + content
    return file + zlib.crc32(file).to_bytes(4, "big")


def _unseal(kind: bytes, data: bytes) -> bytes:
    """Check how a file begins and ends, and give what stands between."""
    if data[:5] != MAGIC:
        raise ValueError(f"a file of this format begins with {MAGIC!r}, got {bytes(data[:5])!r}.")
    if data[5:6] != kind:
        names = {b"A": "named arrays", b"N": "a network"}
        there = names.get(bytes(data[5:6]), f"something of kind {bytes(data[5:6])!r}")
        raise ValueError(f"the file holds {there}, not {names[kind]}.")
    n = int.from_bytes(data[6:10], "big")
    if len(data) != n + 14:
        raise ValueError(f"the file should have {n + 14} bytes, got {len(data)}: it is cut off.")
    if zlib.crc32(data[:-4]).to_bytes(4, "big") != data[-4:]:
        raise ValueError("the file is damaged: its checksum does not fit its bytes.")
    return bytes(data[10:-4])


def _first(rest: bytes) -> int:
    if not rest:
        raise ValueError("the file ends too early.")
    return rest[0]


def _take(rest: bytes, n: int) -> tuple[bytes, bytes]:
    if n > len(rest):
        raise ValueError(f"the file ends too early: {n} bytes should follow, got {len(rest)}.")
    return rest[:n], rest[n:]


def _check_widths(widths: list[int]) -> None:
    n_weights = sum(n_in * n_out for n_in, n_out in pairwise(widths))
    if not 2 <= len(widths) <= 256 or not 1 <= min(widths) <= max(widths) <= 65_535:
        raise ValueError(f"a network has 1 to 255 layers of 1 to 65,535 neurons, got {widths}.")
    if n_weights > MOST_WEIGHTS:
        raise ValueError(f"a network has at most {MOST_WEIGHTS:,} weights here, got {n_weights:,}.")


def _is_tied(weight: Array) -> bool:
    """Whether the weight is the same for all four pixels of each block of 2 x 2."""
    side = isqrt(weight.shape[1])
    if side**2 != weight.shape[1] or side % 2:
        return False
    quarters = weight.reshape(-1, side // 2, 2, side // 2, 2)
    return bool((quarters == quarters[:, :, :1, :, :1]).all())


def _every_other(weight: Array) -> Array:
    """One weight of each block of 2 x 2."""
    side = isqrt(weight.shape[1])
    return weight.reshape(-1, side, side)[:, ::2, ::2].reshape(len(weight), -1)


def _four_of_each(weight: Array) -> Array:
    """Let each weight serve a block of 2 x 2: the way back of `_every_other`."""
    side = isqrt(weight.shape[1])
    squares = weight.reshape(-1, side, side).repeat(2, axis=1).repeat(2, axis=2)
    return squares.reshape(len(weight), -1)
