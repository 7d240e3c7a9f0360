"""Bytes of the same networks in our files and through the compressors that Python brings.

The compressors get the bare numbers, each array in the smallest type that holds it, without names
or shapes; each is tried with all its settings below, and the best counts. Ours are whole files.
"""

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from math import ceil, log2

import numpy as np
from torch import nn

from benchmarks.table import markdown
from minilib.codec import decode_arrays, decode_network, encode_arrays, encode_network
from minilib.datasets import DATA, load_mnist
from minilib.integers import IntegerLayer, IntegerNetwork
from minilib.models import LENET_300_100, layers_of, mlp, named_weights
from minilib.pruning import apply_masks, keep_zeros, magnitude_masks
from minilib.quantization import symmetric
from minilib.training import Examples, fit

Array = np.ndarray

SPARSITY, BITS = 0.95, 4


def deflated(data: bytes) -> bytes:
    """Compress with zlib, the program behind .zip and .png."""
    strategies = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE)
    coders = [zlib.compressobj(9, memLevel=9, strategy=strategy) for strategy in strategies]
    return min((coder.compress(data) + coder.flush() for coder in coders), key=len)


def with_lzma(data: bytes) -> bytes:
    """Compress with lzma, in the file with the shorter head, for numbers of any width."""
    settings = [
        {"id": lzma.FILTER_LZMA1, "preset": 9 | lzma.PRESET_EXTREME, "lc": lc, "pb": pb}
        for lc, pb in product((0, 3, 4), (0, 2))
    ]
    files = (lzma.compress(data, lzma.FORMAT_ALONE, filters=[setting]) for setting in settings)
    return min(files, key=len)


COMPRESSORS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "zlib": (deflated, zlib.decompress),
    "bz2": (bz2.compress, bz2.decompress),
    "lzma": (with_lzma, lzma.decompress),
}
"""How each goes in, and comes out again."""


def smallest_type(array: Array) -> Array:
    """Store floats in 32 bits, and whole numbers in as few bytes as hold them all."""
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    return array.astype(np.min_scalar_type(min(array.min(), -1 - array.max())))


def row(name: str, arrays: Sequence[Array], ours: bytes) -> list[str]:
    """Write down the bytes of one network, once every compressor has given them back."""
    plain = b"".join(smallest_type(array).tobytes() for array in arrays)
    packed = {kind: pack(plain) for kind, (pack, _) in COMPRESSORS.items()}
    if any(COMPRESSORS[kind][1](data) != plain for kind, data in packed.items()):
        raise RuntimeError(f"a compressor does not give back the numbers of {name}.")
    sizes = [len(plain), len(ours), *map(len, packed.values())]
    return [name, *(f"{size:,}" for size in sizes)]


def integer_row(name: str, network: IntegerNetwork) -> list[str]:
    """Write down the bytes of a network of integers, once our file has given it back."""
    arrays, file = numbers(network), encode_network(network)
    if not same(numbers(decode_network(file)), arrays):
        raise RuntimeError(f"our file does not give back {name}.")
    return row(name, arrays, file)


def float_row(name: str, arrays: Mapping[str, Array]) -> list[str]:
    """Write down the bytes of a network of floats, once our file has given it back."""
    file = encode_arrays(arrays)
    if not same(list(decode_arrays(file).values()), list(arrays.values())):
        raise RuntimeError(f"our file does not give back {name}.")
    return row(name, list(arrays.values()), file)


def numbers(network: IntegerNetwork) -> list[Array]:
    """List all that a network of integers consists of."""
    return [np.asarray(part) for layer in network.layers for part in (layer.weight, layer.bias)] + [
        np.array([layer.shift for layer in network.layers])
    ]


def same(found: Sequence[Array], expected: Sequence[Array]) -> bool:
    """Whether two lists of arrays are equal, element by element."""
    return len(found) == len(expected) and all(map(np.array_equal, found, expected))


def in_integers(model: nn.Sequential) -> IntegerNetwork:
    """Round the weights to `BITS` bits, one step for each layer."""
    layers, unit = [], 1 / 255
    for layer in layers_of(model):
        rounded = symmetric(layer.weight, BITS)
        unit = unit * rounded.scale.item()
        bias = layer.bias.numpy() / unit
        shift = max(0, ceil(log2(np.abs(bias).max() / 127)))
        whole = np.rint(bias / 2**shift).astype(np.int32)
        layers.append(IntegerLayer(rounded.codes.numpy(), whole, shift))
    return IntegerNetwork(tuple(layers))


def sizes(dense: nn.Sequential, pruned: nn.Sequential, readers: Mapping[str, bytes]) -> str:
    """Write the table of bytes."""
    floats = {name: tensor.numpy() for name, tensor in dense.state_dict().items()}
    rows = [
        float_row("LeNet-300-100, float32", floats),
        integer_row(f"LeNet-300-100, {SPARSITY:.0%} zeros, {BITS} bits", in_integers(pruned)),
        *(integer_row(name, decode_network(file)) for name, file in readers.items()),
    ]
    return markdown(["network", "bare numbers", "our file", *COMPRESSORS], rows)


def report() -> str:
    """Train a network, prune it, and give the section of this part."""
    train = Examples.of(load_mnist("train"))
    dense = mlp(LENET_300_100, seed=0)
    fit(dense, train, epochs=4, seed=0)
    masks = magnitude_masks(named_weights(dense), SPARSITY)
    pruned = apply_masks(dense, masks)
    fit(pruned, train, epochs=2, seed=1, after_step=keep_zeros(masks))
    readers = {
        f"`{name}.mini`": (DATA / f"{name}.mini").read_bytes()
        for name in ("digit_reader", "digit_reader_tied")
    }
    return sizes(dense, pruned, readers)
