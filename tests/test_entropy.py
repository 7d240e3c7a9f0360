import ast
import inspect
import math
import zlib
from collections import Counter
from itertools import pairwise, product
from textwrap import dedent

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from minilib import entropy as module
from minilib.entropy import (
    LONGEST,
    MOST_BITS,
    ONE,
    Decoder,
    Encoder,
    Predictor,
    canonical_code,
    check_counts,
    entropy,
    huffman_decode,
    huffman_encode,
    huffman_lengths,
    logistic,
    logit,
)

seeds = st.integers(0, 2**32 - 1)
some_counts = st.lists(st.integers(0, 1000), min_size=1, max_size=40).filter(any)
symbol_counts = some_counts.map(lambda counts: dict(enumerate(counts, start=-7)))
bytes_as_symbols = st.integers(-128, 127)
skewed = st.sampled_from([0, 0, 0, 0, 0, 1, -1, 2])
messages = st.one_of(
    st.lists(symbols, min_size=1, max_size=300) for symbols in (bytes_as_symbols, skewed)
)
chances = st.one_of(st.integers(1, ONE - 1), st.sampled_from([1, 2, ONE // 2, ONE - 2, ONE - 1]))
chosen_bits = st.lists(st.tuples(st.integers(0, 1), chances), max_size=300)


def fibonacci(n):
    counts = [1, 1]
    while len(counts) < n:
        counts.append(counts[-1] + counts[-2])
    return counts


def n_bits_of(counts, lengths):
    """Length of the message when each symbol has a codeword of its length."""
    return sum(counts[symbol] * length for symbol, length in lengths.items())


# Entropy


@given(some_counts)
def test_entropy_is_scipys(counts):
    expected = scipy.stats.entropy(counts, base=2)
    assert entropy(counts) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(some_counts)
def test_entropy_lies_between_0_and_the_bits_of_a_fixed_length(counts):
    n_occurring = np.count_nonzero(counts)
    assert 0 <= entropy(counts) <= math.log2(n_occurring) + 1e-12


def test_entropy_of_known_sources():
    assert entropy([1, 1]) == 1
    assert entropy([7, 0, 7, 7, 7]) == 2
    assert entropy([5]) == entropy([0, 5, 0]) == 0
    assert entropy([4, 2, 1, 1]) == 1.75
    assert entropy(np.bincount([0, 0, 0, 1])) == pytest.approx(2 - 0.75 * math.log2(3))
    assert entropy(iter([3, 1])) == entropy(Counter("abaa").values()) == entropy([3, 1])


def test_counts_without_their_zeros():
    assert check_counts([0, 3, 0, 1]) == [3, 1]


@pytest.mark.parametrize("counts", [[], [0], [0, 0]])
def test_without_any_symbol_there_is_nothing_to_code(counts):
    for refuse in (entropy, check_counts, lambda c: huffman_lengths(dict(enumerate(c)))):
        with pytest.raises(ValueError, match="there is no symbol to code"):
            refuse(counts)


@pytest.mark.parametrize("bad", [-1, 0.5, 2.0, math.nan, math.inf, "3", None, True])
def test_counts_that_are_no_whole_numbers_are_refused(bad):
    for refuse in (entropy, check_counts, lambda c: huffman_lengths(dict(enumerate(c)))):
        with pytest.raises(ValueError, match="each count is a whole number of at least 0, got"):
            refuse([2, bad])


# Huffman's lengths


@given(symbol_counts)
def test_all_symbols_that_occur_get_a_codeword_and_no_others(counts):
    lengths = huffman_lengths(counts)
    assert lengths.keys() == {symbol for symbol, count in counts.items() if count}
    assert all(1 <= length < max(len(lengths), 2) for length in lengths.values())


@given(symbol_counts.filter(lambda counts: np.count_nonzero(list(counts.values())) > 1))
def test_no_codeword_is_wasted(counts):
    """Kraft's sum is exactly 1: the code is full."""
    lengths = huffman_lengths(counts).values()
    assert sum(2 ** (64 - length) for length in lengths) == 2**64


@given(symbol_counts.filter(lambda counts: np.count_nonzero(list(counts.values())) > 1))
def test_the_mean_length_is_within_one_bit_of_the_entropy(counts):
    mean = n_bits_of(counts, huffman_lengths(counts)) / sum(counts.values())
    assert entropy(counts.values()) - 1e-9 <= mean < entropy(counts.values()) + 1


@given(symbol_counts.filter(lambda counts: np.count_nonzero(list(counts.values())) > 1))
def test_a_fixed_length_is_never_shorter(counts):
    n_kinds = np.count_nonzero(list(counts.values()))
    fixed = int(n_kinds - 1).bit_length() * sum(counts.values())
    assert n_bits_of(counts, huffman_lengths(counts)) <= fixed


@given(symbol_counts)
def test_what_occurs_more_often_never_has_a_longer_codeword(counts):
    lengths = huffman_lengths(counts)
    ranked = sorted(lengths, key=lambda symbol: counts[symbol])
    for rarer, commoner in pairwise(ranked):
        assert lengths[rarer] >= lengths[commoner] or counts[rarer] == counts[commoner]


@given(st.lists(st.integers(1, 30), min_size=2, max_size=6))
def test_no_other_lengths_give_a_shorter_message(counts):
    counts = dict(enumerate(counts))
    possible = (
        dict(zip(counts, lengths, strict=True))
        for lengths in product(range(1, len(counts)), repeat=len(counts))
        if sum(2.0**-length for length in lengths) <= 1
    )
    best = min(n_bits_of(counts, lengths) for lengths in possible)
    assert n_bits_of(counts, huffman_lengths(counts)) == best


@given(st.integers(2, 60))
def test_counts_that_grow_like_fibonaccis_need_the_longest_codewords(n):
    lengths = huffman_lengths(dict(enumerate(fibonacci(n))))
    assert sorted(lengths.values()) == [*range(1, n), n - 1]


def test_equal_counts_of_a_power_of_two_give_a_fixed_length():
    assert set(huffman_lengths(dict.fromkeys(range(32), 9)).values()) == {5}


def test_the_only_symbol_needs_one_bit():
    assert huffman_lengths({"a": 7, "b": 0}) == {"a": 1}


def test_symbols_that_cannot_be_compared_have_lengths_too():
    assert huffman_lengths({"a": 2, None: 1, 3: 1}) == {"a": 1, None: 2, 3: 2}


# The canonical code


def test_the_code_is_that_of_the_standard_of_zip_files():
    """The example of RFC 1951, section 3.2.2."""
    lengths = dict(zip("ABCDEFGH", (3, 3, 3, 3, 3, 2, 4, 4), strict=True))
    words = ("010", "011", "100", "101", "110", "00", "1110", "1111")
    assert canonical_code(lengths) == dict(zip("ABCDEFGH", words, strict=True))


@given(symbol_counts)
def test_codewords_have_their_lengths_and_none_begins_another(counts):
    lengths = huffman_lengths(counts)
    code = canonical_code(lengths)
    assert {symbol: len(word) for symbol, word in code.items()} == lengths
    words = sorted(code.values())
    assert not any(following.startswith(word) for word, following in pairwise(words))


@given(symbol_counts)
def test_codewords_rise_with_their_length_and_then_with_the_symbol(counts):
    lengths = huffman_lengths(counts)
    code = canonical_code(lengths)
    in_order = sorted(lengths, key=lambda symbol: (lengths[symbol], symbol))
    values = [int(code[symbol].ljust(LONGEST, "0"), 2) for symbol in in_order]
    assert values[0] == 0
    for symbol, value, following in zip(in_order, values, values[1:], strict=False):
        assert following == value + (1 << LONGEST - lengths[symbol])


@given(symbol_counts, seeds)
def test_the_lengths_alone_determine_the_code(counts, seed):
    lengths = huffman_lengths(counts)
    shuffled = np.random.default_rng(seed).permutation(list(lengths))
    again = {int(symbol): np.int64(lengths[symbol]) for symbol in shuffled}
    assert canonical_code(again) == canonical_code(lengths)


def test_a_code_that_is_not_full_is_a_code():
    assert canonical_code({"a": 2, "b": 3}) == {"a": "00", "b": "010"}
    assert canonical_code({"a": LONGEST}) == {"a": "0" * LONGEST}


def test_lengths_that_fill_the_code_to_the_last_bit_are_possible():
    lengths = {k: min(k, LONGEST) for k in range(1, LONGEST + 2)}
    assert canonical_code(lengths)[LONGEST + 1] == "1" * LONGEST


@pytest.mark.parametrize(
    "lengths", [(1, 1, 1), (1, 2, 2, 3), (1, 1, LONGEST), (2, 1, 3, 3, LONGEST), (1,) * 300]
)
def test_lengths_that_no_code_has_are_refused_even_if_only_by_the_last_bit(lengths):
    with pytest.raises(ValueError, match=r"no code has these lengths: the sum of 2\*\*-length is"):
        canonical_code(dict(enumerate(lengths)))


@pytest.mark.parametrize("length", [0, -1, 1.5, 2.0, "1", None, True])
def test_a_length_that_is_no_whole_number_above_0_is_refused(length):
    with pytest.raises(ValueError, match="each length is a whole number of at least 1, got"):
        canonical_code({"a": 1, "b": length})


def test_a_codeword_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="at most 64 bits, got 65 for 'b'"):
        canonical_code({"a": 1, "b": 65})


def test_a_code_without_symbols_is_refused():
    with pytest.raises(ValueError, match="a code needs at least one symbol"):
        canonical_code({})


# Files of Huffman's code


def decoded(data):
    """What huffman_decode makes of bytes: symbols, or None if it refuses them."""
    try:
        return huffman_decode(data)
    except ValueError:
        return None


@given(messages)
def test_symbols_come_back(symbols):
    assert huffman_decode(huffman_encode(symbols)) == symbols


@given(messages)
def test_a_file_has_a_head_a_table_and_the_codewords(symbols):
    counts = Counter(symbols)
    n_bits = n_bits_of(counts, huffman_lengths(counts))
    assert len(huffman_encode(symbols)) == 5 + 2 * len(counts) + -(-n_bits // 8)


def test_a_file_byte_by_byte():
    """0 has the codeword 0, -1 has 10, 1 has 11; the message is 0 0 0 11 10, filled up with 0."""
    file = huffman_encode([0, 0, 0, 1, -1])
    assert file == bytes([0, 0, 0, 5, 2, 255, 2, 0, 1, 1, 2, 0b00011100])
    assert huffman_decode(file) == [0, 0, 0, 1, -1]


def test_all_symbols_that_a_byte_can_hold_fit_into_one_file():
    symbols = list(range(-128, 128))
    assert huffman_decode(huffman_encode(symbols)) == symbols


@pytest.mark.parametrize("n", [1, 7, 8, 9, 70_000])
def test_a_symbol_that_stands_alone_costs_one_bit_each_time(n):
    file = huffman_encode([-128] * n)
    assert len(file) == 7 + -(-n // 8)
    assert huffman_decode(file) == [-128] * n


def test_very_uneven_counts_come_back():
    symbols = [k - 10 for k, count in enumerate(fibonacci(20)) for _ in range(count)]
    assert huffman_decode(huffman_encode(symbols)) == symbols


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float32])
def test_arrays_of_whole_numbers_are_taken(dtype):
    assert huffman_encode(np.array([3, -2, 3], dtype)) == huffman_encode([3, -2, 3])


@given(st.one_of(st.binary(max_size=60), st.binary(max_size=8).map(lambda b: bytes(3) + b)))
def test_any_bytes_are_refused_or_are_exactly_what_encode_writes(data):
    symbols = decoded(data)
    assert symbols is None or huffman_encode(symbols) == data


@given(messages, st.data())
def test_a_file_with_a_damaged_byte_is_refused_or_says_something_else(symbols, data):
    file = bytearray(huffman_encode(symbols))
    place = data.draw(st.integers(0, len(file) - 1))
    file[place] ^= data.draw(st.integers(1, 255))
    found = decoded(bytes(file))
    assert found != symbols
    assert found is None or huffman_encode(found) == file


@given(messages, st.data())
def test_a_file_that_is_cut_off_is_refused(symbols, data):
    file = huffman_encode(symbols)
    with pytest.raises(ValueError, match=r"cut off|end after"):
        huffman_decode(file[: data.draw(st.integers(0, len(file) - 1))])


@given(messages, st.binary(min_size=1, max_size=9))
def test_a_file_with_something_appended_is_refused(symbols, more):
    with pytest.raises(ValueError, match="were not written by huffman_encode"):
        huffman_decode(huffman_encode(symbols) + more)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the table of codewords is cut off: there are only 0 bytes"),
        (bytes([0, 0, 0, 5, 2, 255, 2, 0, 1, 1]), "table of codewords is cut off"),
        (bytes([0, 0, 0, 1, 0, 7, 1, 0b10000000]), "the bits 1 are no codeword of the table"),
        (bytes([255, 255, 255, 255, 0, 7, 1, 0]), "end after 8 of 4294967295 symbols"),
        (bytes([0, 0, 0, 0, 0, 7, 1]), "there is no symbol to code"),
        (bytes([0, 0, 0, 1, 0, 7, 0, 0]), "each length is a whole number of at least 1, got 0"),
        (bytes([0, 0, 0, 1, 0, 7, 65, 0]), "at most 64 bits, got 65"),
        (bytes([0, 0, 0, 1, 2, 7, 1, 8, 1, 9, 1, 0]), "no code has these lengths"),
        (bytes([0, 0, 0, 1, 0, 7, 2, 0]), "were not written by huffman_encode"),
        (bytes([0, 0, 0, 1, 1, 7, 1, 7, 1, 0]), "were not written by huffman_encode"),
        (bytes([0, 0, 0, 1, 0, 7, 1, 0b01000000]), "were not written by huffman_encode"),
    ],
)
def test_a_forged_file_is_refused_and_told_why(data, message):
    with pytest.raises(ValueError, match=message):
        huffman_decode(data)


@pytest.mark.parametrize("bad", [128, -129, 0.5, math.nan, math.inf, 10**30])
def test_symbols_that_do_not_fit_into_a_byte_are_refused(bad):
    with pytest.raises(ValueError, match="symbols are whole numbers from -128 to 127, got"):
        huffman_encode([1, bad])


def test_a_file_without_symbols_is_refused():
    with pytest.raises(ValueError, match="there is no symbol to code"):
        huffman_encode([])


# The range coder


def written(bits):
    """The bytes of bits with their chances."""
    coder = Encoder()
    for bit, chance in bits:
        coder.code(bit, chance)
    return coder.finish()


def test_no_more_bits_are_read_than_were_asked_for():
    coder = Decoder(b"", most_bits=1_000)
    for _ in range(1_000):
        coder.code(None, ONE // 2)
    with pytest.raises(ValueError, match="more than 1,000 coded bits"):
        coder.code(None, ONE // 2)


def test_no_more_bits_are_written_than_are_read_back():
    coder = Encoder(most_bits=1_000)
    for _ in range(1_000):
        coder.code(1, ONE // 2)
    with pytest.raises(ValueError, match="more than 1,000 bits to code"):
        coder.code(1, ONE // 2)
    for side in (Encoder, Decoder):
        assert inspect.signature(side).parameters["most_bits"].default == MOST_BITS


def read(data, bits):
    """The bits that a decoder finds if it is told the chances."""
    coder = Decoder(data)
    found = [coder.code(None, chance) for _, chance in bits]
    coder.finish()
    return found


def surprise(bits):
    """The least number of bytes: each bit costs minus the logarithm of its chance."""
    return sum(-math.log2((chance if bit else ONE - chance) / ONE) for bit, chance in bits) / 8


def drawn(rng, bit_chances):
    """Bits that come with just the chances they are said to have."""
    return [(int(rng.random() * ONE < chance), int(chance)) for chance in bit_chances]


@given(chosen_bits)
@settings(max_examples=300)
def test_bits_come_back_whatever_their_chances(bits):
    assert read(written(bits), bits) == [bit for bit, _ in bits]


@given(seeds, st.sampled_from([ONE // 10_000, ONE // 50, ONE // 2, ONE - ONE // 300]))
@settings(max_examples=20)
def test_a_message_has_at_most_one_percent_and_4_bytes_more_than_the_models_entropy(seed, chance):
    rng = np.random.default_rng(seed)
    mixed = rng.integers(1, ONE, 1000)
    bits = drawn(rng, [*mixed, *[chance] * 3000, *mixed])
    assert len(written(bits)) <= 1.01 * surprise(bits) + 4


def test_certain_bits_cost_next_to_nothing():
    assert len(written([(1, ONE - 1)] * 100_000)) <= 1
    assert len(written([(0, 1)] * 100_000)) <= 1


def test_unexpected_bits_cost_what_their_chance_says():
    assert len(written([(1, 1), (0, ONE - 1)] * 50)) == pytest.approx(22 * 100 / 8, rel=0.01)


def test_the_coder_returns_each_bit_that_it_writes():
    coder = Encoder()
    assert [coder.code(bit, ONE // 3) for bit in (0, 1, 1)] == [0, 1, 1]


def test_nothing_needs_no_byte():
    assert written([]) == b""
    assert read(b"", []) == []


@given(st.lists(st.tuples(st.integers(0, 1), chances), min_size=1, max_size=12))
@settings(max_examples=60)
def test_no_shorter_bytes_mean_the_same_bits(bits):
    data, wanted = written(bits), [bit for bit, _ in bits]
    assert not data.endswith(b"\0")
    for last in range(256):
        shorter = (data[:-2] + bytes([last]))[: max(len(data) - 1, 0)]
        assert len(data) == 0 or read(shorter, bits) != wanted


def test_the_bytes_are_the_same_on_every_machine():
    state, bits = 1, []
    for _ in range(200):
        state = (1_103_515_245 * state + 12_345) % 2**31
        bits.append((state >> 20 & 1, (state >> 5) % (ONE - 1) + 1))
    assert written(bits).hex() == "d77bf0dc50c4fe27f14305657723fea5fae15ebbf0a721a3cc890794"


@given(st.binary(max_size=40), st.lists(chances, max_size=400))
def test_any_bytes_can_be_read_as_bits(data, many):
    coder = Decoder(data)
    assert {coder.code(None, chance) for chance in many} <= {0, 1}


@given(chosen_bits, st.binary(min_size=1, max_size=3))
def test_bytes_that_are_left_over_are_refused(bits, more):
    data = written(bits).ljust(4 + 4 * len(bits), b"\0")  # a bit takes in at most four bytes
    with pytest.raises(ValueError, match="bytes of coded bits were needed"):
        read(data + more, bits)


# Logits


@given(st.integers(-2358, 2358))
def test_the_logistic_function_is_that_of_floats_to_one_part(x):
    assert abs(logistic(x) - ONE / (1 + math.exp(-x / 256))) <= 1
    assert 0 <= ONE - logistic(x) - logistic(-x) <= 1  # both are rounded down
    assert logit(logistic(x)) == x


@given(st.integers(ONE // 2000, ONE - ONE // 2000))
def test_the_logit_is_that_of_floats_rounded_down(chance):
    exact = 256 * math.log(chance / (ONE - chance))
    assert -1.1 <= logit(chance) - exact <= 0.1


@given(st.integers())
def test_no_bit_is_ever_certain(x):
    assert ONE // 10_001 <= logistic(x) <= ONE - ONE // 10_001


@given(st.integers(-4000, 4000))
def test_the_logistic_function_never_falls(x):
    assert logistic(x) <= logistic(x + 1)
    assert logistic(-2358) < logistic(-2357)
    assert logistic(2357) < logistic(2358)


# The predictor


class Listener:
    """In the place of an Encoder: notes the bits and the chances they were given."""

    def __init__(self):
        self.heard = []

    def code(self, bit, chance):
        self.heard.append((bit, chance))
        return bit


def predicted(coder, bits, contexts, **options):
    """Pass bits through a predictor, each with the contexts of its place."""
    predictor = Predictor(coder, **{"start": ONE // 2, **options})
    return [predictor.code(bit, *known) for bit, known in zip(bits, contexts, strict=True)]


def cost(bits, contexts, **options):
    """Bits that the predictor's chances ask for, by the mean."""
    listener = Listener()
    predicted(listener, bits, contexts, **options)
    return 8 * surprise(listener.heard) / len(bits)


predictions = st.lists(
    st.tuples(
        st.integers(0, 1), st.tuples(st.integers(0, 2), st.sampled_from(["a", (1, 2), None]))
    ),
    max_size=200,
)


@given(predictions, chances)
@settings(max_examples=50)
def test_predicted_bits_come_back(places, start):
    bits, contexts = [bit for bit, _ in places], [known for _, known in places]
    encoder, options = Encoder(), {"start": start}
    assert predicted(encoder, bits, contexts, **options) == bits
    data = encoder.finish()
    decoder = Decoder(data)
    assert predicted(decoder, [None] * len(bits), contexts, **options) == bits
    decoder.finish()


@given(predictions, chances)
@settings(max_examples=50)
def test_every_chance_is_a_whole_number_that_the_coder_takes(places, start):
    listener = Listener()
    bits, contexts = [bit for bit, _ in places], [known for _, known in places]
    predicted(listener, bits, contexts, start=start)
    for _, chance in listener.heard:
        assert type(chance) is int
        assert ONE // 10_001 <= chance <= ONE - ONE // 10_001


@given(seeds, st.sampled_from([0.003, 0.05, 0.3, 0.5, 0.98]))
@settings(max_examples=20)
def test_the_cost_comes_near_the_entropy_of_a_source_it_knows_nothing_about(seed, chance):
    n = 6000
    bits = (np.random.default_rng(seed).random(n) < chance).astype(int).tolist()
    known = entropy(np.bincount(bits, minlength=2))
    assert cost(bits, [()] * n) <= 1.05 * known + 0.02


@given(seeds)
@settings(max_examples=20)
def test_a_context_that_decides_the_bit_makes_it_nearly_free(seed):
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, 4000).tolist()
    noise = rng.integers(0, 3, 4000).tolist()
    useless = [(a, b) for a, b in zip(noise, noise[::-1], strict=True)]
    useful = [(a, ("bit", bit)) for a, bit in zip(noise, bits, strict=True)]
    assert cost(bits, useless) > 0.98
    assert cost(bits, useful) < 0.05


def test_the_weights_learn_which_context_to_trust():
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, 6000)
    hints = np.where(rng.random(6000) < 0.9, bits, 1 - bits)
    noise = rng.integers(0, 40, 6000)
    best = cost(bits.tolist(), [(hint,) for hint in hints.tolist()])
    both = list(zip(hints.tolist(), noise.tolist(), strict=True))
    assert cost(bits.tolist(), both) < best + 0.02


def test_the_first_bit_has_the_chance_it_was_told():
    listener = Listener()
    predicted(listener, [1], [()], start=ONE // 2)
    predicted(listener, [1], [("a", "b")], start=ONE // 2)
    assert [chance for _, chance in listener.heard] == [ONE // 2, ONE // 2]


def test_a_context_that_was_never_seen_starts_with_what_is_usual():
    listener = Listener()
    predicted(listener, [1] * 301, [("a",)] * 300 + [("new",)])
    assert listener.heard[-1][1] > 0.99 * ONE


def test_a_place_with_more_or_fewer_contexts_is_refused():
    with pytest.raises(ValueError, match="zip"):
        predicted(Encoder(), [1, 1], [("a",), ("a", "b")])


def test_predicted_bytes_are_the_same_on_every_machine():
    """Files of networks depend on them: another value here makes all files unreadable."""
    state, bits, contexts = 1, [], []
    for _ in range(3000):
        state = (1_103_515_245 * state + 12_345) % 2**31
        bits.append(int(state >> 16 & 15 < 1 + (state >> 28 & 1) * 9))
        contexts.append((state >> 28 & 1, state >> 24 & 3))
    encoder = Encoder()
    predicted(encoder, bits, contexts)
    data = encoder.finish()
    assert (len(data), zlib.crc32(data)) == (249, 3_041_975_263)


# Whole numbers only

WITHOUT_FLOATS = [
    canonical_code,
    huffman_lengths,
    huffman_encode,
    huffman_decode,
    logit,
    logistic,
    Encoder,
    Decoder,
    Predictor,
    module._logistic_table,
    module._pack,
]


def floats_in(source):
    """Divisions with a point and numbers with a point in a piece of Python."""
    nodes = list(ast.walk(ast.parse(dedent(source))))
    divisions = [node for node in nodes if isinstance(getattr(node, "op", None), ast.Div)]
    numbers = [n for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, float)]
    names = {"float", "log2", "exp", "log", "sqrt"}
    return divisions + numbers + [n for n in nodes if isinstance(n, ast.Name) and n.id in names]


@pytest.mark.parametrize("coder", WITHOUT_FLOATS)
def test_no_float_stands_on_the_way_to_a_bit_or_back(coder):
    assert not floats_in(inspect.getsource(coder))


@pytest.mark.parametrize("source", ["a / b", "a /= 2", "1.5 * a", "log2(a)", "float(a)"])
def test_a_float_in_a_program_is_found(source):
    assert floats_in(source)
