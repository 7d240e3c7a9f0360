import struct
import zlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from minilib.codec import (
    MOST_WEIGHTS,
    decode_arrays,
    decode_network,
    encode_arrays,
    encode_network,
)
from minilib.integers import IntegerLayer, IntegerNetwork

SIZES = (0, 1, 2, 9, 2**31 - 1)


@st.composite
def networks(draw):
    """Up to three layers, pictures or not, sparse or dense, small numbers or the largest."""
    widths = draw(st.lists(st.integers(1, 12), min_size=2, max_size=4))
    largest = draw(st.sampled_from((1, 9, 2**9)))
    density = draw(st.sampled_from((0.0, 0.2, 1.0)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    layers = []
    for n_in, n_out in pairwise(widths):
        weight = rng.integers(-largest, largest + 1, (n_out, n_in))
        weight *= rng.random(weight.shape) < density
        bias = rng.integers(-largest, largest + 1, n_out)
        layers.append(IntegerLayer(weight, bias, draw(st.integers(0, 9))))
    return IntegerNetwork(tuple(layers))


def same(one, other):
    return len(one.layers) == len(other.layers) and all(
        np.array_equal(a.weight, b.weight) and np.array_equal(a.bias, b.bias) and a.shift == b.shift
        for a, b in zip(one.layers, other.layers, strict=True)
    )


def sealed(content, kind=b"N"):
    """A file whose frame is right, whatever is in it."""
    file = b"MINI\x01" + kind + struct.pack(">I", len(content)) + content
    return file + struct.pack(">I", zlib.crc32(file))


def content_of(file):
    return file[10:-4]


SMALL = IntegerNetwork(
    (
        IntegerLayer(np.arange(-18, 18).reshape(4, 9) % 5 - 2, [1, 0, -3, 2], 3),
        IntegerLayer([[1, 0, -1, 2], [0, 0, 3, -1]], [0, -4], 5),
    )
)
FILE = encode_network(SMALL)


# --- networks ------------------------------------------------------------------------------------


@given(networks())
def test_a_network_comes_back_as_it_was(network):
    assert same(decode_network(encode_network(network)), network)


@given(networks())
def test_a_network_whose_first_weights_are_tied_comes_back_as_it_was(network):
    first = network.layers[0]
    quarter = np.resize(first.weight, (len(first.bias), 2, 2))
    tied = quarter.repeat(2, axis=1).repeat(2, axis=2).reshape(-1, 16)
    network = IntegerNetwork((IntegerLayer(tied, first.bias, 0), *network.layers[1:]))
    assert same(decode_network(encode_network(network)), network)


def test_tied_weights_are_stored_once():
    rng = np.random.default_rng(0)
    free = rng.integers(-4, 5, (8, 28, 28))
    tied = free[:, ::2, ::2].repeat(2, axis=1).repeat(2, axis=2)
    sizes = [
        len(encode_network(IntegerNetwork((IntegerLayer(w.reshape(8, 784), [0] * 8, 0),))))
        for w in (free, tied)
    ]
    assert sizes[1] < 0.3 * sizes[0]


@pytest.mark.parametrize("size", SIZES)
def test_the_largest_numbers_come_back(size):
    layer = IntegerLayer([[size, -size], [0, size]], [-size, size], 0)
    network = IntegerNetwork((layer,))
    assert same(decode_network(encode_network(network)), network)


def test_a_network_without_any_weight_but_zeros_takes_a_few_bytes():
    network = IntegerNetwork((IntegerLayer(np.zeros((10, 784), int), [0] * 10, 0),))
    assert len(encode_network(network)) < 60


def test_a_random_matrix_takes_hardly_more_than_its_entropy():
    rng = np.random.default_rng(0)
    weight = rng.choice([-1, 0, 1], p=[0.05, 0.9, 0.05], size=(100, 200))
    n_bits = weight.size * -(0.9 * np.log2(0.9) + 0.1 * np.log2(0.05))
    size = len(encode_network(IntegerNetwork((IntegerLayer(weight, [0] * 100, 0),))))
    assert size < 1.06 * n_bits / 8


def test_networks_that_are_too_large_are_refused():
    rows, columns = 501, MOST_WEIGHTS // 500
    large = IntegerLayer(np.zeros((rows, columns), int), [0] * rows, 0)
    with pytest.raises(ValueError, match="at most 300,000 weights here, got 300,600"):
        encode_network(IntegerNetwork((large,)))
    broad = IntegerLayer(np.zeros((1, 65_536), int), [0], 0)
    with pytest.raises(ValueError, match=r"layers of 1 to 65,535 neurons"):
        encode_network(IntegerNetwork((broad,)))


# --- arrays --------------------------------------------------------------------------------------

TYPES = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8")
ARRAYS = st.sampled_from(TYPES).flatmap(
    lambda kind: arrays_of.arrays(kind, arrays_of.array_shapes(min_dims=0, min_side=0))
)


@given(st.dictionaries(st.text(max_size=20), ARRAYS, max_size=4))
def test_arrays_come_back_with_names_types_shapes_and_values(arrays):
    back = decode_arrays(encode_arrays(arrays))
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        assert back[name].tobytes() == array.tobytes()


def test_an_array_with_the_other_byte_order_comes_back_with_its_values():
    array = np.array([1.5, -2], dtype=">f4")
    assert decode_arrays(encode_arrays({"x": array}))["x"].tolist() == [1.5, -2]


def test_what_comes_back_can_be_written_to():
    decode_arrays(encode_arrays({"x": np.zeros(2)}))["x"][0] = 1


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.array(["a"])}, "x holds numbers, got dtype <U1"),
        ({"x": np.array([object()])}, "x holds numbers, got dtype object"),
        ({"x": np.array([1j])}, "x holds numbers, got dtype complex128"),
        ({"n" * 256: np.zeros(1)}, "at most 255 bytes, got 256"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(arrays, message):
    with pytest.raises(ValueError, match=message):
        encode_arrays(arrays)


# --- damage --------------------------------------------------------------------------------------


def outcome(read, data):
    """What a reader makes of bytes: its result, or the text of its refusal."""
    try:
        return read(data)
    except ValueError as refusal:
        return str(refusal)


def test_a_hundred_thousand_damaged_files_are_all_refused():
    rng = np.random.default_rng(0)
    file = np.frombuffer(FILE, dtype=np.uint8)
    for places in rng.integers(0, len(file), (50_000, 2)):
        damaged = file.copy()
        damaged[places[0]] ^= 1 << (places[1] % 8)
        assert isinstance(outcome(decode_network, damaged.tobytes()), str)
    for length in rng.integers(0, 200, 50_000):
        assert isinstance(outcome(decode_network, rng.bytes(length)), str)


@pytest.mark.parametrize("length", range(len(FILE)))
def test_a_file_that_is_cut_off_is_refused(length):
    with pytest.raises(ValueError, match=r"cut off|begins with|holds something"):
        decode_network(FILE[:length])


def test_a_file_with_more_behind_it_is_refused():
    with pytest.raises(ValueError, match=f"should have {len(FILE)} bytes, got {len(FILE) + 1}"):
        decode_network(FILE + b"\0")


def test_a_flipped_bit_is_noticed_by_the_checksum():
    damaged = bytearray(FILE)
    damaged[20] ^= 1
    with pytest.raises(ValueError, match="checksum does not fit"):
        decode_network(bytes(damaged))


def test_each_kind_of_file_names_the_other():
    with pytest.raises(ValueError, match="holds a network, not named arrays"):
        decode_arrays(FILE)
    with pytest.raises(ValueError, match="holds named arrays, not a network"):
        decode_network(encode_arrays({}))


@given(st.lists(st.integers(0, 12), min_size=2, max_size=4), st.binary(max_size=80))
def test_a_forged_network_is_refused_or_read_but_does_nothing_else(widths, body):
    head = bytes([len(widths) - 1]) + b"".join(n.to_bytes(2, "big") for n in widths)
    found = outcome(decode_network, sealed(head + body))
    assert isinstance(found, str | IntegerNetwork)


@given(st.binary(max_size=80).filter(lambda content: content[1:2] > b"\x10"))
def test_forged_widths_are_refused_or_read_but_do_nothing_else(content):
    assert isinstance(outcome(decode_network, sealed(content)), str)


@given(st.binary(max_size=80))
def test_forged_arrays_are_refused_or_read_but_do_nothing_else(content):
    assert isinstance(outcome(decode_arrays, sealed(content, b"A")), str | dict)


def test_a_forged_length_takes_no_memory():
    content = b"\1x\3<f8" + bytes([2]) + b"\xff" * 8
    with pytest.raises(ValueError, match=r"ends too early: \d{21} bytes should follow, got 0"):
        decode_arrays(sealed(content, b"A"))


def test_a_forged_number_of_weights_takes_no_time():
    widths = (65_535).to_bytes(2, "big") * 2
    with pytest.raises(ValueError, match="at most 300,000 weights here, got 4,294,836,225"):
        decode_network(sealed(b"\1" + widths + b"\0\1"))


def test_an_unknown_type_is_refused():
    with pytest.raises(ValueError, match=r"unknown type b'\|O8'"):
        decode_arrays(sealed(b"\1x\3|O8\0" + b"\0" * 8, b"A"))
