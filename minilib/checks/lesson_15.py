"""Tasks of lesson 15, the capstone: files with networks that know clothes, on a budget."""

import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from minilib.checks.task import FileTask, Mistake
from minilib.codec import MAGIC, decode_network
from minilib.datasets import Split, load_fashion_mnist, load_mnist
from minilib.integers import IntegerNetwork

Array = np.ndarray
Rng = np.random.Generator

MOST_BITS = 150_000
"""A file with more coded bits is refused: reading so many takes two to three seconds."""

MOST_NEURONS = 2_000
"""A network with a wider layer is refused: a few bytes can ask for layers that fill the memory."""

SHAPES = (
    f"the network needs 784 inputs, 10 classes, and no layer of more than {MOST_NEURONS:,} "
    "neurons. If it reads 14 x 14 blocks, write the weight of each block to all four of its "
    "pixels: the file does not grow."
)


@lru_cache(maxsize=2)
def _clothes(part: str) -> Split:
    """Load the first 10,000 pictures once: unpacking them takes longer than all the rest."""
    split = load_fashion_mnist(part)
    return Split(split.x[:10_000].copy(), split.y[:10_000].copy())


def _draw(rng: Rng) -> tuple[Array, Array]:
    """Give all 10,000 test pictures and their classes: of a file the seed decides nothing.

    A share measured on fewer moves from draw to draw, and files near a gate would pass by luck.
    """
    test = _clothes("test")
    return test.x, test.y


@lru_cache(maxsize=16)
def _read(data: bytes) -> IntegerNetwork:
    """Decode a network, in bounded time: a few forged bytes can promise millions of numbers."""
    return decode_network(data, most_bits=MOST_BITS)


def _is_network(data: object) -> bool:
    return isinstance(data, bytes) and data[:6] == MAGIC + b"N" and len(data) > 14


def _checksum_fits(data: bytes) -> bool:
    return zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "big")


# --- how good a network is -----------------------------------------------------------------------


def _share(network: IntegerNetwork, pictures: Array, labels: Array) -> float:
    """Share of the pictures that are recognised."""
    return float((network.predict(pictures) == labels).mean())


def _has_other_shapes(network: object, *_: object) -> bool:
    return isinstance(network, IntegerNetwork) and (
        network.widths[0] != 784 or network.widths[-1] != 10 or max(network.widths) > MOST_NEURONS
    )


def _below(gate: float) -> Callable[..., str | None]:
    def shortcoming(network: IntegerNetwork, pictures: Array, labels: Array) -> str | None:
        if _has_other_shapes(network):
            return SHAPES
        share = _share(network, pictures, labels)
        if share >= gate:
            return None
        return (
            f"of {len(labels):,} fresh pictures the network recognises {share:.2%}; asked for are "
            f"{gate:.2%}. Train longer, prune while training, round while training; and spend the "
            "bytes that are left in the budget."
        )

    return shortcoming


def _would_help(repair: Callable[..., float]) -> Callable[..., bool]:
    """Recognise a mistake by what its repair is worth: many more right answers."""

    def recognise(network: object, data: bytes, pictures: Array, labels: Array) -> bool:
        some, known = pictures[:1_000], labels[:1_000]
        repaired = repair(network, some, known)
        return repaired > 0.6 and repaired > _share(network, some, known) + 0.08

    return recognise


def _on_negatives(network: IntegerNetwork, pictures: Array, labels: Array) -> float:
    return _share(network, 255 - pictures, labels)


def _on_columns(network: IntegerNetwork, pictures: Array, labels: Array) -> float:
    return _share(network, pictures.transpose(0, 2, 1), labels)


def _with_large_biases(network: IntegerNetwork, pictures: Array, labels: Array) -> float:
    layers = (replace(one, bias=255 * one.bias.astype(np.int64)) for one in network.layers)
    return _share(IntegerNetwork(tuple(layers)), pictures, labels)


def _with_other_names(network: IntegerNetwork, pictures: Array, labels: Array) -> float:
    """Give each class that the network names the true class which it mostly means."""
    answers = network.predict(pictures)
    counts = np.zeros((10, 10))
    np.add.at(counts, (answers, labels), 1)
    meant = counts.argmax(axis=1)
    one_to_one = len(set(meant)) == 10
    return float((meant[answers] == labels).mean()) if one_to_one else 0.0


def _is_memorised(network: IntegerNetwork, data: bytes, pictures: Array, labels: Array) -> bool:
    """Whether the first training pictures are known far better than fresh ones."""
    train = _clothes("train")
    fresh = _share(network, pictures[:1_000], labels[:1_000])
    seen = [_share(network, train.x[:n], train.y[:n]) for n in (100, 300, 1_000, 3_000, 10_000)]
    return max(seen) > max(0.9, fresh + 0.08)


def _reads_digits(network: IntegerNetwork, *_: object) -> bool:
    mnist = load_mnist("test")
    return _share(network, mnist.x[:1_000], mnist.y[:1_000]) > 0.7


def _says_one_thing(network: IntegerNetwork, data: bytes, pictures: Array, labels: Array) -> bool:
    return bool(np.bincount(network.predict(pictures[:1_000])).max() > 600)


# --- the tasks -----------------------------------------------------------------------------------


MISTAKES = (
    Mistake(
        "not base85",
        "this text is not base85. Paste what print(base64.b85encode(data).decode()) prints, "
        "without b'...'; spaces and line breaks do no harm, other encodings do.",
        lambda content, data, *_: isinstance(data, Exception),
    ),
    Mistake(
        "arrays",
        "this file holds named arrays, from encode_arrays. The checker runs networks of "
        "integers: write encode_network(IntegerNetwork(...)).",
        lambda content, data, *_: data[:6] == MAGIC + b"A",
    ),
    Mistake(
        "another format",
        "these bytes are not a file of encode_network: those begin with MINI. What torch.save, "
        "numpy, pickle or zlib write is not opened here.",
        lambda content, data, *_: data[:6] != MAGIC + b"N",
    ),
    Mistake(
        "damaged",
        "the file is damaged: its length or its checksum does not fit. Was a part of the text "
        "lost on the way? Print it and paste it again.",
        lambda content, data, *_: (
            len(data) != int.from_bytes(data[6:10], "big") + 14 or not _checksum_fits(data)
        ),
    ),
    Mistake(
        "too long to read",
        f"the file promises more numbers than a network within these budgets needs (at most "
        f"{MOST_BITS:,} coded bits). Let neurons and pixels go that nobody listens to, and "
        "round to small whole numbers.",
        lambda content, *_: (
            isinstance(content, ValueError)
            and any(part in str(content) for part in ("coded bits", "at most 300,000 weights"))
        ),
    ),
    Mistake(
        "other shapes",
        SHAPES,
        _has_other_shapes,
    ),
    Mistake(
        "digits",
        "this network reads handwritten digits. Train it on load_fashion_mnist('train').",
        _reads_digits,
    ),
    Mistake(
        "negatives",
        "the network knows clothes, but only on negatives. Pixels are 0 for the background and "
        "255 for the brightest cloth: train it on pictures like these.",
        _would_help(_on_negatives),
    ),
    Mistake(
        "rows and columns",
        "the network knows clothes that lie on their side: pixels are counted row by row. Look "
        "for a transpose or a reshape in another order.",
        _would_help(_on_columns),
    ),
    Mistake(
        "names of classes",
        "the network tells the classes apart, but calls them by other numbers. The class is "
        "the position in FASHION_CLASSES, from 0: look for a shift or a sort.",
        _would_help(_with_other_names),
    ),
    Mistake(
        "scale of the inputs",
        "the biases are too small: with 255 times larger ones the network would be right far "
        "more often. It was trained on pixels from 0 to 1 and reads bytes: the first unit is "
        "the step of the weights divided by 255.",
        _would_help(_with_large_biases),
    ),
    Mistake(
        "memorised",
        "the network knows training pictures far better than fresh ones: it has learned few "
        "pictures by heart. Use all 60,000, and keep some of them apart to see it coming.",
        _is_memorised,
    ),
    Mistake(
        "one answer",
        "the network gives nearly all pictures the same class. Was it ever trained, or did the "
        "last pruning or rounding break it? Measure after each step.",
        _says_one_thing,
    ),
)


def _task(name: str, budget: int, gate: float) -> FileTask:
    return FileTask(name, budget, _read, _draw, _below(gate), MISTAKES)


TASKS = (
    _task("15.kilobyte", 1_024, 0.85),
    _task("15.qr_code", 2_953, 0.875),
    _task("15.ten_kilobytes", 10_240, 0.885),
)
