"""Tasks of lesson 11, small files."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import add

import numpy as np

from minilib.checks.task import Mistake, SameAs, Task, agree, same_as

Array = np.ndarray


Rules = dict[str, tuple[Callable[..., object], ...]]
"""What right and wrong code answers, each in one way or in several."""


def _drawn(
    rng: np.random.Generator, draw: Callable[[np.random.Generator], list[tuple]], rules: Rules
) -> list[tuple]:
    """Draw cases, and once more should one of the rules pass for another on all of them."""
    while True:
        cases = draw(rng)
        found = {
            name: [[_text(rule(*case)) for case in cases] for rule in ways]
            for name, ways in rules.items()
        }
        if not any(
            _passes_for(answers, found[other])
            for name, ways in found.items()
            for answers in ways
            for other in found
            if other != name
        ):
            return cases


def _passes_for(answers: list[str], ways: list[list[str]]) -> bool:
    """Whether each of the answers is one that these rules give to the same case."""
    return all(answer in of_case for answer, *of_case in zip(answers, *ways, strict=True))


def _text(answer: object) -> str:
    """Write an answer so that equal numbers look equal, whatever their type."""
    plain = isinstance(answer, (dict, list))
    return repr(answer if plain else np.asarray(answer, float).tolist())


# 11.entropy_bound: least whole number of bytes for layers of codes, each symbol by itself

Layers = list[Array]
Bits = Callable[[Array], float]


def _counts(codes: Array) -> Array:
    return np.unique(codes, return_counts=True)[1]


def _surprise(log: Callable[[Array], Array]) -> Bits:
    """Make the function that adds up the surprise at each symbol of a layer, with this log."""
    return lambda codes: float(-np.sum(_counts(codes) * log(_counts(codes) / codes.size)))


_bits = _surprise(np.log2)


def _bytes_of(bits: Bits) -> Callable[[Layers], int]:
    """Make the function that adds the bits of all layers up, and rounds up to whole bytes."""
    return lambda layers: math.ceil(sum(map(bits, layers)) / 8)


def _all_bits(layers: Layers) -> float:
    return sum(map(_bits, layers))


def _pooled(layers: Layers) -> Layers:
    return [np.concatenate([codes.ravel() for codes in layers])]


def _n_codes(layers: Layers) -> int:
    return sum(codes.size for codes in layers)


_whole_bits = _surprise(lambda chances: np.floor(np.log2(chances)))


def _without_zeros(codes: Array) -> float:
    return _bits(codes[codes != 0])


def _a_bit_at_least(codes: Array) -> float:
    """Spend a bit at least on each symbol, as Huffman must where one stands alone."""
    return max(_bits(codes), codes.size)


def _least_of_pool(layers: Layers) -> int:
    return _bytes_of(_bits)(_pooled(layers))


def _each_rounded(layers: Layers) -> int:
    return sum(math.ceil(_bits(codes) / 8) for codes in layers)


def _without_counts(codes: Array) -> float:
    return codes.size * math.log2(len(_counts(codes)))


def _entropy_rounded(digits: int) -> Bits:
    return lambda codes: codes.size * round(_bits(codes) / codes.size, digits)


def _fixed_length(codes: Array) -> int:
    return codes.size * math.ceil(math.log2(len(_counts(codes))))


def _fixed_length_at_least_one(codes: Array) -> int:
    return codes.size * max(1, math.ceil(math.log2(len(_counts(codes)))))


_BOUND_RULES: Rules = {
    "right": (_bytes_of(_bits),),
    "natural logarithm": (
        _bytes_of(_surprise(np.log)),
        lambda layers: sum(map(_surprise(np.log), layers)) / 8,
    ),
    "logarithm to base 10": (_bytes_of(_surprise(np.log10)),),
    "bits": (lambda layers: math.ceil(_all_bits(layers)), _all_bits),
    "per symbol": (
        lambda layers: _all_bits(layers) / _n_codes(layers),
        lambda layers: _all_bits(layers) / _n_codes(layers) / 8,
        lambda layers: math.ceil(_all_bits(layers) / _n_codes(layers)),
        lambda layers: sum(_bits(codes) / codes.size for codes in layers),
        lambda layers: sum(_bits(codes) / codes.size for codes in layers) / 8,
        _bytes_of(lambda codes: _bits(codes) / codes.size),
        lambda layers: _bits(_pooled(layers)[0]) / _n_codes(layers),
    ),
    "entropies added": (
        lambda layers: math.ceil(
            sum(_bits(codes) / codes.size for codes in layers) * _n_codes(layers) / 8
        ),
    ),
    "mean of the entropies": (
        lambda layers: math.ceil(
            sum(_bits(codes) / codes.size for codes in layers) / len(layers) * _n_codes(layers) / 8
        ),
    ),
    "one table for all": (_least_of_pool,),
    "each layer rounded": (_each_rounded,),
    "counts forgotten": (_bytes_of(_without_counts),),
    "fixed length": (_bytes_of(_fixed_length), _bytes_of(_fixed_length_at_least_one)),
    "whole bits": (_bytes_of(_whole_bits),),
    "a bit at least": (_bytes_of(_a_bit_at_least),),
    "zeros left out": (_bytes_of(_without_zeros),),
    "signs dropped": (_bytes_of(lambda codes: _bits(np.abs(codes))),),
    "first layer only": (lambda layers: _bytes_of(_bits)(layers[:1]),),
    "last layer only": (lambda layers: _bytes_of(_bits)(layers[-1:]),),
    "minus forgotten": (
        lambda layers: math.ceil(-_all_bits(layers) / 8),
        lambda layers: math.floor(-_all_bits(layers) / 8),
        lambda layers: -_all_bits(layers) / 8,
    ),
    "rounded down": (lambda layers: math.floor(_all_bits(layers) / 8),),
    "rounded to the nearest": (lambda layers: round(_all_bits(layers) / 8),),
    "not rounded": (lambda layers: _all_bits(layers) / 8,),
    "bits of each layer rounded": tuple(
        _bytes_of(lambda codes, rounded=rounded: rounded(_bits(codes)))
        for rounded in (math.ceil, round, math.floor)
    ),
    "entropy rounded": tuple(_bytes_of(_entropy_rounded(digits)) for digits in (2, 3)),
    "one too many": (lambda layers: math.floor(_all_bits(layers) / 8) + 1,),
}


def _bound_cases(rng: np.random.Generator) -> list[tuple]:
    """Draw networks: of one layer, of many, with far codes, with equal shapes, of whole bytes."""
    return _drawn(rng, _networks_of_codes, _BOUND_RULES)


def _networks_of_codes(rng: np.random.Generator) -> list[tuple[Layers]]:
    alike = [np.zeros((6, 5), dtype=int), np.full(9, -2)]
    two, *four = rng.permutation(np.arange(-20, 20))[:5]
    whole_bytes = [rng.permutation([two, 0] * 4), rng.permutation(four * 4).reshape(2, 8)]
    return [
        (alike,),
        (whole_bytes,),
        *(
            (_between_bytes(rng, draw),)
            for draw in (_one_row_and_a_cube, _thirty, _forty, _long, _equal_shapes, _uneven)
        ),
    ]


def _between_bytes(rng: np.random.Generator, draw: Callable[..., Layers]) -> Layers:
    """Draw layers, and again while bits are so near whole bytes that rounding errors decide."""
    while True:
        layers = draw(rng)
        totals = [sum(map(bits, layers)) / 8 for bits in (_bits, _without_counts, _whole_bits)]
        if all(0.05 < total % 1 < 0.95 for total in totals):
            return layers


def _codes(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw codes of which some are frequent."""
    return rng.choice(rng.permutation(np.arange(-5, 6))[:4], shape, p=rng.dirichlet([2, 2, 2, 2]))


def _one_row_and_a_cube(rng: np.random.Generator) -> Layers:
    return [_codes(rng, (int(rng.integers(19, 40)),)), _codes(rng, (3, 3, 3))]


def _thirty(rng: np.random.Generator) -> Layers:
    return [_codes(rng, (8, 7)) for _ in range(30)]


def _forty(rng: np.random.Generator) -> Layers:
    """Draw layers with the same codes in other orders, which all lose the same part of a bit.

    It is between a quarter and a half, so that it is more than a byte in all.
    """
    while True:
        codes = _codes(rng, (7, 5))
        if 0.25 < _bits(codes) % 1 < 0.48:
            alike = [rng.permutation(codes.ravel()).reshape(7, 5) for _ in range(40)]
            return [*alike, _codes(rng, (9,))]


def _equal_shapes(rng: np.random.Generator) -> Layers:
    return [_codes(rng, (5, 6)) for _ in range(5)]


def _long(rng: np.random.Generator) -> Layers:
    """Draw a layer so long and uneven that its bytes show the fourth digit of the entropy.

    They also show the fourth digit of the probabilities.
    """
    while True:
        counts = rng.multinomial(11_900, [0.86, 0.1, 0.03, 0.006, 0.003, 0.001]) + 10
        chances = counts / counts.sum()
        entropy, rounded = (-np.sum(chances * np.log2(p)) for p in (chances, chances.round(3)))
        if abs(entropy - round(entropy, 3)) > 0.00045 and abs(rounded - entropy) > 0.0007:
            codes = rng.permutation(np.repeat([0, -1, 1, 2, -300, 1000], counts))
            return [codes.reshape(2, -1) if codes.size % 2 == 0 else codes]


def _uneven(rng: np.random.Generator) -> Layers:
    """Draw layers with values of their own, many zeros in one, and a constant one."""
    sparse = rng.choice([-300, -1, 0, 1, 256, 1000], (8, 15), p=[0.04, 0.1, 0.6, 0.12, 0.08, 0.06])
    even = rng.choice([-4, -2, -1, 1, 2, 5, 6], (7, int(rng.integers(5, 9))))
    layers = [sparse, even, np.full(int(rng.integers(4, 12)), 3)]
    return [layers[i] for i in rng.permutation(3)]


def _same_bound(name: str) -> SameAs:
    return same_as(*_BOUND_RULES[name])


def _is_nan(answer: object, layers: Layers) -> bool:
    if isinstance(answer, ValueError):
        return "NaN" in str(answer) or "nan" in str(answer)
    return bool(np.isnan(float(np.asarray(answer))))


def _counts_refused(answer: object, layers: Layers) -> bool:
    """Whether np.bincount met a negative code."""
    return isinstance(answer, ValueError) and "negative" in str(answer)


ENTROPY_BOUND = Task(
    "11.entropy_bound",
    _bound_cases,
    _bytes_of(_bits),
    (
        Mistake(
            "nan",
            "0 times the logarithm of 0 is NaN, and one NaN spoils the sum. A value that never "
            "occurs costs nothing: leave counts of 0 out, or count with np.unique.",
            _is_nan,
        ),
        Mistake(
            "negative codes",
            "np.bincount refuses negative codes. Use "
            "np.unique(codes, return_counts=True), which takes any values.",
            _counts_refused,
        ),
        Mistake(
            "natural logarithm",
            "your logarithm is the natural one, so you count nats. A bit is a choice between two: "
            "take np.log2.",
            _same_bound("natural logarithm"),
        ),
        Mistake(
            "logarithm to base 10",
            "your logarithm has the base 10, so you count decimal digits. A bit is a choice "
            "between two: take np.log2.",
            _same_bound("logarithm to base 10"),
        ),
        Mistake(
            "bits",
            "that is the number of bits. A byte has eight of them: divide by 8, then round up.",
            _same_bound("bits"),
        ),
        Mistake(
            "per symbol",
            "you return a mean per symbol. Asked for is the whole network: multiply the entropy of "
            "each layer by its number of codes, and add up.",
            _same_bound("per symbol"),
        ),
        Mistake(
            "entropies added",
            "you add up the entropies of the layers and multiply by the number of all codes. Each "
            "layer's entropy counts for its own codes only: multiply first, then add.",
            _same_bound("entropies added"),
        ),
        Mistake(
            "mean of the entropies",
            "you take the mean of the layers' entropies, as if all layers were equally long. "
            "Multiply each entropy by the number of codes in that layer, then add up.",
            _same_bound("mean of the entropies"),
        ),
        Mistake(
            "one table for all",
            "you count all layers together. Each layer has frequencies of its own; put together "
            "they are less uneven, and the bound is no longer the lowest.",
            _same_bound("one table for all"),
        ),
        Mistake(
            "each layer rounded",
            "you round each layer up to whole bytes. The layers stand one after the other in one "
            "file: add up the bits, and round once, at the end.",
            _same_bound("each layer rounded"),
        ),
        Mistake(
            "fixed length",
            "you give each symbol of a layer the same whole number of bits. That is a code, but "
            "not the bound: frequent symbols may be shorter. Use how often each one occurs.",
            _same_bound("fixed length"),
        ),
        Mistake(
            "counts forgotten",
            "you treat all values of a layer as equally likely: log2 of how many there are. That "
            "is the largest entropy there can be; use how often each one occurs.",
            _same_bound("counts forgotten"),
        ),
        Mistake(
            "whole bits",
            "you round the bits of each symbol up. A codeword has a whole number of bits, but the "
            "bound does not: a range coder spends parts of a bit. Round once, at the end.",
            _same_bound("whole bits"),
        ),
        Mistake(
            "a bit at least",
            "you spend at least one bit on each symbol, as Huffman's code must. A symbol that is "
            "certain costs nothing, and one that is nearly certain nearly nothing.",
            _same_bound("a bit at least"),
        ),
        Mistake(
            "zeros left out",
            "you leave the zeros out. Where they stand is most of what the file has to say: code 0 "
            "is a symbol like the others.",
            _same_bound("zeros left out"),
        ),
        Mistake(
            "signs dropped",
            "you count -2 and 2 as one symbol. Then nobody can tell them apart again: count the "
            "codes with their signs.",
            _same_bound("signs dropped"),
        ),
        Mistake(
            "first layer only",
            "you return after the first layer. Is the return inside the loop?",
            _same_bound("first layer only"),
        ),
        Mistake(
            "last layer only",
            "you return the bytes of the last layer: each one overwrites the bits of those before. "
            "Start from 0 before the loop, and add in it: bits += ...",
            _same_bound("last layer only"),
        ),
        Mistake(
            "minus forgotten",
            "your number of bytes is negative. The logarithm of a probability is at most 0: bits "
            "are minus the logarithm.",
            _same_bound("minus forgotten"),
        ),
        Mistake(
            "rounded down",
            "you round down. The last bits need a byte, too, if they do not fill it: round up.",
            _same_bound("rounded down"),
        ),
        Mistake(
            "rounded to the nearest",
            "you round to the nearest whole number. The last bits need a byte, even if they fill "
            "less than half of it: round up.",
            _same_bound("rounded to the nearest"),
        ),
        Mistake(
            "not rounded",
            "your number is right but not whole. A file has whole bytes: round up with math.ceil.",
            _same_bound("not rounded"),
        ),
        Mistake(
            "bits of each layer rounded",
            "you round each layer to whole bits. The bound knows parts of bits, and the layers "
            "stand in one file: add up first, and round once, at the end.",
            _same_bound("bits of each layer rounded"),
        ),
        Mistake(
            "entropy rounded",
            "you round the entropy before you multiply. Times thousands of codes, a small rounding "
            "error becomes whole bytes: round once, at the end.",
            _same_bound("entropy rounded"),
        ),
        Mistake(
            "one too many",
            "you round down and add 1. That is right nearly always, but bits that fill their bytes "
            "exactly, or none at all, need no other byte: round up with math.ceil.",
            _same_bound("one too many"),
        ),
    ),
)


# 11.canonical: codeword of each symbol, from a table as in a JPEG file

Symbols = list[int]
Words = Callable[[list[int]], list[str]]
Code = dict[int, str]


def _words_by(following: Callable[[int, int], int], *, first: int = 1) -> Words:
    """Make code that goes on from a codeword by its value and by how many bits the next has more.

    The length of a codeword is its place among `n_of_length`, counted from `first`.
    """

    def words(n_of_length: list[int]) -> list[str]:
        found: list[str] = []
        value = before = 0
        for length, n in enumerate(n_of_length, first):
            for _ in range(n):
                value = following(value, length - before) if found else 0
                found.append(f"{value:0{length}b}")
                before = length
        return found

    return words


_words = _words_by(lambda value, more: (value + 1) << more)


def _longest_first(n_of_length: list[int]) -> list[str]:
    """Begin with the longest codewords, as zeros; the symbols stay as they are listed."""
    words: list[str] = []
    value = 0
    for length in range(len(n_of_length), 0, -1):
        n = n_of_length[length - 1]
        words = [f"{value + k:0{length}b}" for k in range(n)] + words
        value = (value + n + 1) // 2
    return words


def _other_digits(n_of_length: list[int]) -> list[str]:
    return [word.translate({48: "1", 49: "0"}) for word in _words(n_of_length)]


def _reversed(n_of_length: list[int]) -> list[str]:
    return [word[::-1] for word in _words(n_of_length)]


def _zeros_lost(n_of_length: list[int]) -> list[str]:
    return [f"{int(word, 2):b}" for word in _words(n_of_length)]


def _all_as_long(n_of_length: list[int]) -> list[str]:
    """Let each codeword be as long as the longest."""
    longest = max(map(len, _words(n_of_length)))
    return [f"{k:0{longest}b}" for k in range(sum(n_of_length))]


def _unary(n_of_length: list[int]) -> list[str]:
    """Let each codeword be ones and a final zero."""
    return ["1" * k + "0" for k in range(sum(n_of_length))]


def _code_by(words: Words) -> Callable[[list[int], Symbols], Code]:
    return lambda n_of_length, symbols: dict(zip(symbols, words(n_of_length), strict=False))


def _symbols_sorted(n_of_length: list[int], symbols: Symbols) -> Code:
    return _right_code(n_of_length, sorted(symbols))


def _sorted_among_equals(n_of_length: list[int], symbols: Symbols) -> Code:
    lengths = [len(word) for word in _words(n_of_length)]
    pairs = sorted(zip(lengths, symbols, strict=True))
    return _right_code(n_of_length, [symbol for _, symbol in pairs])


def _turned_over(n_of_length: list[int], symbols: Symbols) -> dict[str, int]:
    return {word: symbol for symbol, word in _right_code(n_of_length, symbols).items()}


def _numbered(n_of_length: list[int], symbols: Symbols) -> Code:
    return dict(enumerate(_words(n_of_length)))


def _only_words(n_of_length: list[int], symbols: Symbols) -> list[str]:
    return _words(n_of_length)


def _only_lengths(n_of_length: list[int], symbols: Symbols) -> dict[int, int]:
    return {s: len(word) for s, word in _right_code(n_of_length, symbols).items()}


def _as_numbers(n_of_length: list[int], symbols: Symbols) -> dict[int, int]:
    return {s: int(word, 2) for s, word in _right_code(n_of_length, symbols).items()}


def _as_decimals(n_of_length: list[int], symbols: Symbols) -> dict[int, int]:
    return {s: int(word) for s, word in _right_code(n_of_length, symbols).items()}


_right_code = _code_by(_words)

_CODE_RULES: Rules = {
    "right": (_right_code,),
    "no zeros appended": (_code_by(_words_by(lambda value, more: value + 1)),),
    "one zero only": (_code_by(_words_by(lambda value, more: (value + 1) << min(more, 1))),),
    "from 0 again": (_code_by(_words_by(lambda value, more: 0 if more else value + 1)),),
    "1 forgotten": (_code_by(_words_by(lambda value, more: value << more if more else value + 1)),),
    "1 added last": (_code_by(_words_by(lambda value, more: (value << more) + 1)),),
    "always doubled": (_code_by(_words_by(lambda value, more: (value + 1) << max(more, 1))),),
    "lengths from 0": (_code_by(_words_by(lambda value, more: (value + 1) << more, first=0)),),
    "longest first": (
        _code_by(_longest_first),
        lambda n_of_length, symbols: dict(
            zip(symbols, sorted(_longest_first(n_of_length), reverse=True), strict=True)
        ),
    ),
    "0 and 1 swapped": (_code_by(_other_digits),),
    "codewords reversed": (_code_by(_reversed),),
    "leading zeros lost": (_code_by(_zeros_lost),),
    "numbers, not text": (_as_numbers, _as_decimals),
    "all as long": (_code_by(_all_as_long),),
    "unary": (_code_by(_unary),),
    "symbols sorted": (_symbols_sorted,),
    "sorted among equals": (_sorted_among_equals,),
    "turned over": (_turned_over,),
    "numbered": (_numbered,),
    "only codewords": (_only_words,),
    "only lengths": (_only_lengths,),
}


def _code_cases(rng: np.random.Generator) -> list[tuple]:
    """Draw tables in which lengths are left out, full ones, long ones, and some of one symbol."""
    return _drawn(rng, _tables, _CODE_RULES)


def _tables(rng: np.random.Generator) -> list[tuple]:
    n_of_lengths = [
        [1, 0, 0, 0],
        [0, 0, 1],
        [0, 0, int(rng.integers(4, 8))],
        [1] * int(rng.integers(10, 17)),
        *(_full(rng, longest) for longest in (2, 3, 4)),
        *(_with_lengths_left_out(rng) for _ in range(4)),
    ]
    return [(n_of_length, _symbols(rng, sum(n_of_length))) for n_of_length in n_of_lengths]


def _symbols(rng: np.random.Generator, n: int) -> Symbols:
    """Draw symbols as they stand in a JPEG file, from 0 to 255; one of them is 0."""
    others = 1 + rng.permutation(255)[: n - 1]
    return [int(symbol) for symbol in rng.permutation([0, *others])]


def _full(rng: np.random.Generator, longest: int) -> list[int]:
    """Draw how many codewords have 1, 2, ... bits, so that no room is left for another."""
    n_of_length, free = [], 1
    for _ in range(longest - 1):
        n_of_length.append(int(rng.integers(0, 2 * free)))
        free = 2 * free - n_of_length[-1]
    return [*n_of_length, 2 * free]


def _with_lengths_left_out(rng: np.random.Generator) -> list[int]:
    """Draw how many codewords have 1, 2, ... bits; for some lengths between there are none."""
    while True:
        n_of_length, free = [], 1
        for _ in range(int(rng.integers(6, 17))):
            free *= 2
            n_of_length.append(int(rng.integers(0, min(free, 7)) * rng.integers(0, 2)))
            free -= n_of_length[-1]
        used = np.flatnonzero(n_of_length)
        if len(used) > 2 and sum(n_of_length) > 4 and max(np.diff(used)) > 1:
            return n_of_length


def _same_code(name: str) -> SameAs:
    return same_as(*_CODE_RULES[name])


CANONICAL = Task(
    "11.canonical",
    _code_cases,
    _right_code,
    (
        Mistake(
            "no zeros appended",
            "you count on without appending zeros where the codewords become longer. Then one is "
            "the beginning of another: after 10 comes 110, so add 1 and append a 0.",
            _same_code("no zeros appended"),
        ),
        Mistake(
            "one zero only",
            "you append a single zero, also where a length is left out. From 2 bits to 4 it takes "
            "two: append one for each length you pass, even if no codeword has it.",
            _same_code("one zero only"),
        ),
        Mistake(
            "from 0 again",
            "you begin with zeros again at each length. Then the short codewords are the "
            "beginnings of long ones: go on from the last codeword, plus 1, zeros appended.",
            _same_code("from 0 again"),
        ),
        Mistake(
            "1 forgotten",
            "where the codewords become longer you append zeros, but do not add 1 before. Then the "
            "last short codeword is the beginning of the first long one.",
            _same_code("1 forgotten"),
        ),
        Mistake(
            "1 added last",
            "you append the zeros first and add 1 then: after 10 comes 101, which begins with 10. "
            "Add 1, then append: 110.",
            _same_code("1 added last"),
        ),
        Mistake(
            "always doubled",
            "you append a zero after each codeword, also between two of the same length. There, "
            "just add 1.",
            _same_code("always doubled"),
        ),
        Mistake(
            "lengths from 0",
            "your codewords have one bit too few. The first entry of the list counts the codewords "
            "of 1 bit, not of 0: enumerate(n_of_length, start=1).",
            _same_code("lengths from 0"),
        ),
        Mistake(
            "longest first",
            "you give the zeros to the longest codeword. Here the shortest comes first, and the "
            "values rise from there.",
            _same_code("longest first"),
        ),
        Mistake(
            "0 and 1 swapped",
            "your codewords have 0 and 1 swapped. The first one is all zeros.",
            _same_code("0 and 1 swapped"),
        ),
        Mistake(
            "codewords reversed",
            "your codewords stand with their last bit first. The largest digit comes first, as in "
            'any number: f"{value:0{length}b}".',
            _same_code("codewords reversed"),
        ),
        Mistake(
            "leading zeros lost",
            "you lose the zeros that a codeword begins with, so 01 becomes 1. They belong to it: "
            'f"{value:0{length}b}" has the right length.',
            _same_code("leading zeros lost"),
        ),
        Mistake(
            "numbers, not text",
            "your codewords are numbers, so 01 and 1 are the same. Return text of 0s and 1s: "
            'f"{value:0{length}b}".',
            _same_code("numbers, not text"),
        ),
        Mistake(
            "all as long",
            "your codewords are all as long as the longest. The table says how many have each "
            "length: n_of_length[0] have 1 bit, n_of_length[1] have 2, and so on.",
            _same_code("all as long"),
        ),
        Mistake(
            "unary",
            "each of your codewords is a row of ones and a zero. The table says how many codewords "
            "have each length; some lengths have several, others none.",
            _same_code("unary"),
        ),
        Mistake(
            "symbols sorted",
            "you sort the symbols. The list says which codeword belongs to whom: the first symbol "
            "has the first codeword, whatever its number.",
            _same_code("symbols sorted"),
        ),
        Mistake(
            "sorted among equals",
            "you sort the symbols with codewords of equal length, as minilib does where nothing "
            "else decides. Here the list decides: it has the order of the codewords.",
            _same_code("sorted among equals"),
        ),
        Mistake(
            "turned over",
            "your dictionary leads from codewords to symbols, as a reader wants it. Asked for is "
            "the writer's: from symbols to codewords.",
            _same_code("turned over"),
        ),
        Mistake(
            "numbered",
            "you number the codewords. The keys are the symbols of the list: "
            "dict(zip(symbols, words)).",
            _same_code("numbered"),
        ),
        Mistake(
            "only codewords",
            "you return the codewords alone. Say whose they are: a dictionary from symbols to "
            "codewords, dict(zip(symbols, words)).",
            _same_code("only codewords"),
        ),
        Mistake(
            "only lengths",
            "you return the lengths of the codewords. They are what the table says already; now "
            "choose the codewords, from 00...0 upwards.",
            _same_code("only lengths"),
        ),
    ),
)


# 11.byte_budget: bytes of pruned and shared layers in Deep Compression's format; the cheapest

Layer = tuple[Array, Array, Array]
Option = dict[str, object]


def _runs(codes: Array) -> Array:
    """How many zeros stand before each code that is not 0, row by row as one line."""
    places = np.flatnonzero(codes)
    return np.diff(places, prepend=-1) - 1


def _fillers(runs: Array, gap_bits: int) -> Array:
    return runs // 2**gap_bits


def _code_bits(layer: Layer) -> int:
    return (len(layer[1]) - 1).bit_length()


def _up(bits: int) -> int:
    return -(-bits // 8)


def _streams_apart(streams: list[tuple[int, int]]) -> int:
    return sum(_up(gaps) + _up(codes) for gaps, codes in streams)


@dataclass(frozen=True)
class _Format:
    """How a layer becomes bytes; each part can be replaced by a wrong one."""

    runs: Callable[[Array], Array] = _runs
    fillers: Callable[[Array, int], Array] = _fillers
    gap_bits: Callable[[int], int] = int
    code_bits: Callable[[Layer], float] = _code_bits
    n_gaps: Callable[[int, int], int] = add
    n_codes: Callable[[int, int], int] = add
    n_values: Callable[[Layer], int] = lambda layer: len(layer[1]) - 1 + len(layer[2])
    whole: Callable[[list[tuple[int, int]]], float] = _streams_apart
    value_bytes: int = 4

    def __call__(self, option: Option) -> float:
        """Bytes of a whole network."""
        streams, n_values = [], 0
        for layer in option["layers"]:
            codes = layer[0]
            runs = self.runs(codes)
            n_kept = int(np.count_nonzero(codes))
            n_fillers = int(self.fillers(runs, option["gap_bits"]).sum())
            streams.append(
                (
                    self.n_gaps(n_kept, n_fillers) * self.gap_bits(option["gap_bits"]),
                    self.n_codes(n_kept, n_fillers) * self.code_bits(layer),
                )
            )
            n_values += self.n_values(layer)
        return self.whole(streams) + self.value_bytes * n_values


_right_bytes = _Format()


def _runs_by_row(codes: Array) -> Array:
    return np.concatenate([_runs(row) for row in codes])


def _runs_and_the_end(codes: Array) -> Array:
    return _runs(np.append(codes, 1))


def _runs_by_column(codes: Array) -> Array:
    return _runs(codes.T)


def _cheapest(n_bytes: Callable[[Option], float]) -> Callable[..., tuple[int, float]]:
    """Choose the fewest bytes among the options whose error is within the limit."""

    def choose(options: list[Option], limit: float) -> tuple[int, float]:
        allowed = [place for place, one in enumerate(options) if one["error"] <= limit]
        sizes = {place: n_bytes(options[place]) for place in allowed}
        best = min(sizes, key=sizes.__getitem__)
        return best, sizes[best]

    return choose


def _with(**parts: object) -> Callable[..., tuple[int, float]]:
    return _cheapest(replace(_right_bytes, **parts))


def _below_the_limit(options: list[Option], limit: float) -> tuple[int, float]:
    allowed = [place for place, one in enumerate(options) if one["error"] < limit]
    return min(((place, _right_bytes(options[place])) for place in allowed), key=lambda p: p[1])


def _limit_ignored(options: list[Option], limit: float) -> tuple[int, float]:
    return _cheapest(_right_bytes)(options, math.inf)


def _most_accurate(options: list[Option], limit: float) -> tuple[int, float]:
    place = int(np.argmin([one["error"] for one in options]))
    return place, _right_bytes(options[place])


def _largest_error(options: list[Option], limit: float) -> tuple[int, float]:
    errors = [one["error"] if one["error"] <= limit else -1 for one in options]
    place = int(np.argmax(errors))
    return place, _right_bytes(options[place])


def _first_allowed(options: list[Option], limit: float) -> tuple[int, float]:
    place = next(place for place, one in enumerate(options) if one["error"] <= limit)
    return place, _right_bytes(options[place])


def _fewest_weights(options: list[Option], limit: float) -> tuple[int, float]:
    allowed = [place for place, one in enumerate(options) if one["error"] <= limit]
    kept = [sum(np.count_nonzero(codes) for codes, _, _ in one["layers"]) for one in options]
    place = min(allowed, key=kept.__getitem__)
    return place, _right_bytes(options[place])


def _turned_round(options: list[Option], limit: float) -> tuple[float, int]:
    return _cheapest(_right_bytes)(options, limit)[::-1]


def _place_among_the_allowed(options: list[Option], limit: float) -> tuple[int, float]:
    return _cheapest(_right_bytes)([one for one in options if one["error"] <= limit], limit)


_BUDGET_RULES: Rules = {
    "right": (_cheapest(_right_bytes),),
    "codebook forgotten": (_with(n_values=lambda layer: len(layer[2])),),
    "zero stored": (_with(n_values=lambda layer: len(layer[1]) + len(layer[2])),),
    "biases forgotten": (_with(n_values=lambda layer: len(layer[1]) - 1),),
    "one byte each": (_with(value_bytes=1),),
    "eight bytes each": (_with(value_bytes=8),),
    "fillers forgotten": (_with(fillers=lambda runs, gap_bits: 0 * runs),),
    "one filler at most": (_with(fillers=lambda runs, gap_bits: runs >= 2**gap_bits),),
    "filler stands for nothing": (
        _with(fillers=lambda runs, gap_bits: runs // (2**gap_bits - 1)),
        _with(fillers=lambda runs, gap_bits: np.maximum(runs - 1, 0) // (2**gap_bits - 1)),
    ),
    "gap too large": (
        _with(fillers=lambda runs, gap_bits: np.maximum(runs - 1, 0) // 2**gap_bits),
        _with(fillers=lambda runs, gap_bits: runs // (2**gap_bits + 1)),
    ),
    "distance, not gap": (_with(fillers=lambda runs, gap_bits: (runs + 1) // 2**gap_bits),),
    "fillers without a code": (_with(n_codes=lambda n_kept, n_fillers: n_kept),),
    "fillers without a gap": (_with(n_gaps=lambda n_kept, n_fillers: n_kept),),
    "first zeros lost": (
        _with(runs=lambda codes: np.diff(np.flatnonzero(codes), prepend=0) - 1),
        _with(runs=lambda codes: np.maximum(np.diff(np.flatnonzero(codes), prepend=0) - 1, 0)),
        _with(runs=lambda codes: np.diff(np.flatnonzero(codes)) - 1),
    ),
    "end filled": (_with(runs=_runs_and_the_end),),
    "row by row": (_with(runs=_runs_by_row),),
    "by column": (_with(runs=_runs_by_column),),
    "gaps forgotten": (_with(gap_bits=lambda bits: 0),),
    "codes forgotten": (_with(code_bits=lambda layer: 0),),
    "no code for the filler": (_with(code_bits=lambda layer: (len(layer[1]) - 2).bit_length()),),
    "one bit too many": (_with(code_bits=lambda layer: len(layer[1]).bit_length()),),
    "values that occur": (
        _with(code_bits=lambda layer: int(layer[0].max()).bit_length()),
        _with(code_bits=lambda layer: (len(np.unique(layer[0])) - 1).bit_length()),
        _with(code_bits=lambda layer: (len(np.unique(layer[0][layer[0] > 0]))).bit_length()),
    ),
    "parts of bits": (
        _with(code_bits=lambda layer: math.log2(len(layer[1]))),
        _with(
            code_bits=lambda layer: math.log2(len(layer[1])),
            whole=lambda streams: sum(a + b for a, b in streams) / 8,
        ),
    ),
    "both streams together": (_with(whole=lambda ss: sum(_up(sum(pair)) for pair in ss)),),
    "rounded once": (
        _with(whole=lambda streams: _up(sum(map(sum, streams)))),
        _with(whole=lambda ss: _up(sum(a for a, _ in ss)) + _up(sum(b for _, b in ss))),
    ),
    "rounded down": (
        _with(whole=lambda streams: sum(a // 8 + b // 8 for a, b in streams)),
        _with(whole=lambda streams: sum(sum(pair) // 8 for pair in streams)),
        _with(whole=lambda streams: sum(map(sum, streams)) // 8),
    ),
    "one byte too many": (
        _with(whole=lambda streams: sum(a // 8 + 1 + b // 8 + 1 for a, b in streams)),
    ),
    "not rounded": (_with(whole=lambda streams: sum(map(sum, streams)) / 8),),
    "bits and bytes added": (_with(whole=lambda streams: sum(map(sum, streams))),),
    "below the limit": (_below_the_limit,),
    "limit ignored": (_limit_ignored,),
    "most accurate": (_most_accurate,),
    "largest error": (_largest_error,),
    "first allowed": (_first_allowed,),
    "fewest weights": (_fewest_weights,),
    "turned round": (_turned_round,),
    "place among the allowed": (_place_among_the_allowed,),
}


def _budget_cases(rng: np.random.Generator) -> list[tuple]:
    return _drawn(rng, _all_options, _BUDGET_RULES)


def _all_options(rng: np.random.Generator) -> list[tuple]:
    return [
        _alone(rng),
        *(_two_just_above(rng) for _ in range(2)),
        *(_options(rng, allowed=allowed) for allowed in (3, 3, 4, 4)),
    ]


def _alone(rng: np.random.Generator) -> tuple[list[Option], float]:
    """Draw a single network in which each entry shows in the bytes, from the first zeros on."""
    layers = [_layer_of_bytes(rng, 3), _layer_of_bytes(rng, 4), _two_of_nine(rng), _removed(rng)]
    option = {"error": 0.015, "gap_bits": 2, "layers": [layers[i] for i in rng.permutation(4)]}
    return [option], 0.02


def _layer_of_bytes(rng: np.random.Generator, n_first: int) -> Layer:
    """Draw a layer whose codes have eight bits, and that begins with so many zeros."""
    codes, codebook, bias = _layer(rng, 6, 25, int(rng.integers(150, 255)))
    codes[0, : n_first + 1] = [0] * n_first + [5]
    return codes, codebook, bias


def _two_of_nine(rng: np.random.Generator) -> Layer:
    """Draw a layer that uses two of the eight values it has stored."""
    codes, codebook, bias = _layer(rng, 5, 16, 8)
    return np.minimum(codes, 2), codebook, bias


def _removed(rng: np.random.Generator) -> Layer:
    """Draw a layer without any weight."""
    codes, codebook, bias = _layer(rng, 5, 6, 1)
    return 0 * codes, codebook, bias


def _two_just_above(rng: np.random.Generator) -> tuple[list[Option], float]:
    """Draw networks of which the cheapest two, one of them the first, have too large errors."""
    limit = float(rng.integers(12, 26) / 1000 + rng.choice([-4, -3, -2, 2, 3, 4]) / 10_000)
    above = [limit + 1e-6, limit + 2e-6]
    errors = [*rng.permutation(above), limit, limit - 0.001]
    cheapest, *others = _with_errors(_networks(rng)[::-1], errors)
    return [cheapest, *(others[i] for i in rng.permutation(3))], limit


def _options(rng: np.random.Generator, *, allowed: int) -> tuple[list[Option], float]:
    """Draw networks, the cheapest with the largest error; the limit allows all, or all but it."""
    *smaller, largest = sorted(rng.choice(np.arange(120, 260), 4, replace=False) / 10_000)
    errors = [*rng.permutation(smaller), largest]
    options = _with_errors(_networks(rng), errors)
    return [options[i] for i in rng.permutation(4)], float(sorted(errors)[allowed - 1])


def _with_errors(networks: list[Option], errors: list[float]) -> list[Option]:
    return [
        {"error": float(error), **network} for error, network in zip(errors, networks, strict=True)
    ]


def _networks(rng: np.random.Generator) -> list[Option]:
    """Draw four networks, the cheapest last; no two take equally many bytes."""
    while True:
        networks = [_network(rng) for _ in range(4)]
        if len(set(map(_right_bytes, networks))) == 4:
            return sorted(networks, key=_right_bytes, reverse=True)


def _network(rng: np.random.Generator) -> Option:
    shapes = ((5, 30), (4, 12), (3, 8))[: rng.integers(2, 4)]
    layers = [_layer(rng, *shape, int(rng.choice([1, 3, 4, 6, 7, 8, 16]))) for shape in shapes]
    return {"gap_bits": int(rng.choice([2, 3, 5])), "layers": layers}


def _layer(rng: np.random.Generator, n_out: int, n_in: int, n_shared: int) -> Layer:
    """Draw codes with short and long runs of zeros, and some at the end."""
    codes = rng.integers(1, n_shared + 1, (n_out, n_in))
    codes[rng.random((n_out, n_in)) < rng.uniform(0.6, 0.9)] = 0
    codes[0, :20] *= rng.random() < 0.5
    codes[1, -5:], codes[2, :4], codes[2, 4] = 0, 0, 1  # a run that goes on into the next row
    codes[-1, -8:] = 0
    codes[1, 0] = 1
    values = np.sort(rng.uniform(-1, 1, n_shared)).astype(np.float32)
    bias = rng.uniform(-1, 1, n_out).astype(np.float32)
    return codes, np.concatenate([np.zeros(1, np.float32), values]), bias


def _same_budget(name: str) -> SameAs:
    return same_as(*_BUDGET_RULES[name])


def _only(part: int) -> Callable[..., bool]:
    def recognise(answer: object, options: list[Option], limit: float) -> bool:
        right = _cheapest(_right_bytes)(options, limit)[part]
        return agree(answer, right, rtol=0, atol=0)

    return recognise


BYTE_BUDGET = Task(
    "11.byte_budget",
    _budget_cases,
    _cheapest(_right_bytes),
    (
        Mistake(
            "place only",
            "you return the place only. Asked for are the place and its bytes: return place, "
            "n_bytes.",
            _only(0),
        ),
        Mistake(
            "bytes only",
            "you return the bytes only. Asked for are the place of the option and its bytes: "
            "return place, n_bytes.",
            _only(1),
        ),
        Mistake(
            "turned round",
            "both numbers are right, in the wrong order: the place first, then the bytes.",
            _same_budget("turned round"),
        ),
        Mistake(
            "codebook forgotten",
            "your codebooks are free. Without its values a code means nothing: each shared value "
            "costs 4 bytes, layer by layer.",
            _same_budget("codebook forgotten"),
        ),
        Mistake(
            "zero stored",
            "you store the first entry of each codebook, too. It is 0 for every layer, and known: "
            "it costs nothing.",
            _same_budget("zero stored"),
        ),
        Mistake(
            "biases forgotten",
            "your biases are free. They are part of the network, and in a small file part of the "
            "bill: 4 bytes each.",
            _same_budget("biases forgotten"),
        ),
        Mistake(
            "one byte each",
            "you count one byte for each shared value and bias. They are float32: four bytes.",
            _same_budget("one byte each"),
        ),
        Mistake(
            "eight bytes each",
            "you count eight bytes for each shared value and bias. They are float32: four bytes.",
            _same_budget("eight bytes each"),
        ),
        Mistake(
            "fillers forgotten",
            "your gaps are never too long. With g bits a gap is at most 2**g - 1; a longer run of "
            "zeros needs fillers, and each is an entry of its own.",
            _same_budget("fillers forgotten"),
        ),
        Mistake(
            "one filler at most",
            "you store one filler at most before a weight. A very long run needs several: one for "
            "each 2**g zeros.",
            _same_budget("one filler at most"),
        ),
        Mistake(
            "filler stands for nothing",
            "your filler uses up 2**g - 1 zeros. It passes so many and then is a zero itself: "
            "2**g in all.",
            _same_budget("filler stands for nothing"),
        ),
        Mistake(
            "gap too large",
            "your gaps reach 2**g. The largest number of g bits is 2**g - 1, so already a run of "
            "2**g zeros needs a filler.",
            _same_budget("gap too large"),
        ),
        Mistake(
            "distance, not gap",
            "you measure from weight to weight. A gap counts the zeros between them, one less: "
            "two neighbours have the gap 0.",
            _same_budget("distance, not gap"),
        ),
        Mistake(
            "fillers without a code",
            "your fillers have a gap but no code. The reader does not know which entries are "
            "fillers: each has the code 0, in the stream of codes.",
            _same_budget("fillers without a code"),
        ),
        Mistake(
            "fillers without a gap",
            "your fillers have a code but no gap. Each passes 2**g - 1 zeros, and that number "
            "stands in the stream of gaps.",
            _same_budget("fillers without a gap"),
        ),
        Mistake(
            "first zeros lost",
            "your first gap misses a zero or more. It counts all zeros before the first code, "
            "from place 0 on: the entry before it stands at -1, as in np.diff(places, prepend=-1).",
            _same_budget("first zeros lost"),
        ),
        Mistake(
            "end filled",
            "you also fill the zeros after the last weight of a layer. The reader knows the shape: "
            "what is missing at the end is 0.",
            _same_budget("end filled"),
        ),
        Mistake(
            "row by row",
            "you begin a new gap with each row. All rows of a layer stand in one line, and a run "
            "of zeros goes on into the next row.",
            _same_budget("row by row"),
        ),
        Mistake(
            "by column",
            "you go through the columns. The rows stand one after the other: codes.ravel().",
            _same_budget("by column"),
        ),
        Mistake(
            "gaps forgotten",
            "you count the codes only. Where the weights stand has to be stored, too: g bits for "
            "each entry.",
            _same_budget("gaps forgotten"),
        ),
        Mistake(
            "codes forgotten",
            "you count the gaps only. Which shared value a weight has must be stored, too.",
            _same_budget("codes forgotten"),
        ),
        Mistake(
            "no code for the filler",
            "your codes have bits for the shared values only. Code 0 needs its place, too, for "
            "the fillers: with 4 shared values there are 5 codes, and they take 3 bits.",
            _same_budget("no code for the filler"),
        ),
        Mistake(
            "one bit too many",
            "your codes have a bit too many where the number of codes is a power of two: the eight "
            "codes from 0 to 7 take 3 bits. Take (number - 1).bit_length().",
            _same_budget("one bit too many"),
        ),
        Mistake(
            "values that occur",
            "you count the values that occur. Count the places of the codebook, also those no "
            "weight uses; the reader knows only the codebook.",
            _same_budget("values that occur"),
        ),
        Mistake(
            "parts of bits",
            "your codes have parts of bits. With a fixed length each code takes a whole number of "
            "bits: round log2 up.",
            _same_budget("parts of bits"),
        ),
        Mistake(
            "both streams together",
            "you round each layer up once. Gaps and codes are two streams, and each begins with a "
            "new byte: round both.",
            _same_budget("both streams together"),
        ),
        Mistake(
            "rounded once",
            "you round at the end only. Each stream of each layer begins with a new byte, so each "
            "is rounded up by itself.",
            _same_budget("rounded once"),
        ),
        Mistake(
            "rounded down",
            "you round down. The last bits of a stream need a byte, too: round up.",
            _same_budget("rounded down"),
        ),
        Mistake(
            "one byte too many",
            "you round down and add 1. A stream that fills its last byte exactly needs no other, "
            "and an empty one needs none: math.ceil(bits / 8).",
            _same_budget("one byte too many"),
        ),
        Mistake(
            "not rounded",
            "you count parts of bytes. Each stream of each layer fills whole bytes: round up, "
            "stream by stream.",
            _same_budget("not rounded"),
        ),
        Mistake(
            "bits and bytes added",
            "you add bits to bytes. Gaps and codes come in bits: eight make a byte.",
            _same_budget("bits and bytes added"),
        ),
        Mistake(
            "below the limit",
            "you want an error below the limit. An error of exactly the limit is allowed: <=.",
            _same_budget("below the limit"),
        ),
        Mistake(
            "limit ignored",
            "you take the cheapest of all, whatever its error. Leave out the options whose error "
            "is above the limit.",
            _same_budget("limit ignored"),
        ),
        Mistake(
            "most accurate",
            "you take the option with the smallest error. Any error up to the limit will do; among "
            "those, bytes decide.",
            _same_budget("most accurate"),
        ),
        Mistake(
            "largest error",
            "you take the largest error that is allowed, as if it were always the cheapest. Count "
            "the bytes of all allowed options and take the fewest.",
            _same_budget("largest error"),
        ),
        Mistake(
            "first allowed",
            "you take the first option that is allowed. Count the bytes of all of them and take "
            "the fewest.",
            _same_budget("first allowed"),
        ),
        Mistake(
            "fewest weights",
            "you take the option with the fewest weights. Fillers, bits per code and codebooks "
            "count, too: compare the bytes.",
            _same_budget("fewest weights"),
        ),
        Mistake(
            "place among the allowed",
            "your place is that among the allowed options. Return the place in the list as given.",
            _same_budget("place among the allowed"),
        ),
    ),
    rtol=0,
)

TASKS = (ENTROPY_BOUND, CANONICAL, BYTE_BUDGET)
