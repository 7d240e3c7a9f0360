import inspect
from math import floor, log2

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilib import contexts as module
from minilib.codec import bits_by_part, decode_network, encode_network
from minilib.contexts import code_numbers
from minilib.datasets import DATA
from minilib.entropy import Decoder, Encoder
from minilib.integers import IntegerLayer, IntegerNetwork
from tests.test_codec import networks
from tests.test_entropy import floats_in
from tools.reader.student import ordered

SHIPPED = ("digit_reader.mini", "digit_reader_tied.mini")
KINDS = ("places", "signs", "sizes")


@pytest.fixture(scope="module")
def shipped():
    """The networks of both files."""
    return {name: decode_network((DATA / name).read_bytes()) for name in SHIPPED}


def numbers_of(network):
    """Widths, weights and biases, as `code_numbers` takes them."""
    weights = [layer.weight for layer in network.layers]
    return network.widths, weights, [layer.bias for layer in network.layers]


class Witness:
    """A coder that notes, of every bit, the part it belongs to, its chance and its value."""

    def __init__(self, coder):
        self.coder, self.heard, self.part = coder, [], ""

    def named(self, part):
        """The same coder for all parts, as it stands for this one."""
        one = Witness(self.coder)
        one.heard, one.part = self.heard, part
        return one

    def code(self, bit, chance):
        found = self.coder.code(bit, chance)
        self.heard.append((self.part, chance, found))
        return found


def one_layer(weight):
    weight = np.asarray(weight)
    return IntegerNetwork((IntegerLayer(weight, np.zeros(len(weight), int), 0),))


def size(weight):
    return len(encode_network(one_layer(weight)))


# --- whole numbers, one program ------------------------------------------------------------------


def test_no_float_stands_on_the_way_from_a_weight_to_its_contexts():
    assert not floats_in(inspect.getsource(module))


@given(networks())
@settings(max_examples=40)
def test_writer_and_reader_visit_the_same_parts_in_the_same_order_with_the_same_chances(network):
    widths, weights, biases = numbers_of(network)
    encoder = Encoder()
    writer = Witness(encoder)
    code_numbers(writer.named, widths, weights, biases)
    reader = Witness(Decoder(encoder.finish()))
    found = code_numbers(reader.named, widths, None, None)
    assert reader.heard == writer.heard
    for given_, there in zip((weights, biases), found, strict=True):
        assert [array.tolist() for array in there] == [array.tolist() for array in given_]
        assert {array.dtype for array in there} == {np.dtype("int32")}


@given(networks())
@settings(max_examples=40)
def test_the_layers_come_one_after_the_other_and_the_biases_last(network):
    widths, weights, biases = numbers_of(network)
    writer = Witness(Encoder())
    code_numbers(writer.named, widths, weights, biases)
    stages = [part.partition(":")[0] for part, _, _ in writer.heard]
    assert stages == sorted(stages, key=[*[f"layer {n}" for n in (1, 2, 3)], "biases"].index)


def test_the_parts_are_named_in_the_order_of_the_file(shipped):
    layers = [f"layer {n}: {kind}" for n in (1, 2, 3) for kind in ("inputs", *KINDS)]
    expected = [*layers, *(f"biases: {kind}" for kind in KINDS)]
    assert sorted(bits_by_part(shipped["digit_reader_tied.mini"])) == sorted(expected)


# --- what a file costs ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_the_parts_cost_together_what_the_coded_bits_take(shipped, name):
    n_head = 14 + 1 + 2 * 4 + 3 + 1
    coded = (DATA / name).stat().st_size - n_head
    assert sum(bits_by_part(shipped[name]).values()) / 8 == pytest.approx(coded, rel=0.01, abs=8)


@given(networks())
@settings(max_examples=40)
def test_the_parts_of_any_network_cost_together_what_its_coded_bits_take(network):
    n_layers = len(network.layers)
    coded = len(encode_network(network)) - (14 + 1 + 2 * (n_layers + 1) + n_layers + 1)
    bits = sum(bits_by_part(network).values())
    assert bits / 8 == pytest.approx(coded, rel=0.01, abs=8)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_file_is_what_the_coder_writes_today(shipped, name):
    assert encode_network(shipped[name]) == (DATA / name).read_bytes()


def shuffled(network, seed):
    """The same network with its hidden neurons in another order."""
    rng = np.random.default_rng(seed)
    first, second, third = network.layers
    one, two = rng.permutation(len(first.bias)), rng.permutation(len(second.bias))
    return IntegerNetwork(
        (
            IntegerLayer(first.weight[one], first.bias[one], first.shift),
            IntegerLayer(second.weight[two][:, one], second.bias[two], second.shift),
            IntegerLayer(third.weight[:, two], third.bias, third.shift),
        )
    )


@pytest.mark.parametrize("name", SHIPPED)
def test_sorted_neurons_take_fewer_bytes_than_the_same_neurons_in_any_other_order(shipped, name):
    mixed = shuffled(shipped[name], seed=0)
    in_disorder, in_order = len(encode_network(mixed)), len(encode_network(ordered(mixed)))
    assert (DATA / name).stat().st_size + 20 < in_disorder
    assert in_order + 20 < in_disorder


def test_weights_in_patches_cost_less_than_as_many_scattered():
    rng = np.random.default_rng(0)
    patches = np.zeros((40, 28, 28), int)
    for patch, (y, x) in zip(patches, rng.integers(3, 20, (40, 2)), strict=True):
        patch[y : y + 5, x : x + 5] = 1
    flat = patches.reshape(40, 784)
    scattered = rng.permuted(flat, axis=1)
    assert size(flat) < 0.5 * size(scattered)


def test_inputs_that_no_neuron_looks_at_cost_next_to_nothing():
    rng = np.random.default_rng(0)
    core = rng.choice([-1, 0, 1], size=(20, 10, 10))
    framed = np.pad(core, ((0, 0), (9, 9), (9, 9)))
    assert size(framed.reshape(20, -1)) < size(core.reshape(20, -1)) + 20


def test_a_layer_after_the_first_is_no_picture():
    rng = np.random.default_rng(0)
    first = IntegerLayer(rng.integers(1, 3, (196, 4)), np.zeros(196, int), 0)
    patches = np.zeros((30, 14, 14), int)
    patches[:, 4:9, 4:9] = 1

    def second(weight):
        weight = weight.reshape(30, 196)
        return IntegerNetwork((first, IntegerLayer(weight, np.zeros(30, int), 0)))

    lines = patches.transpose(0, 2, 1).copy()
    parts = [bits_by_part(second(weight))["layer 2: inputs"] for weight in (patches, lines)]
    assert parts[0] == pytest.approx(parts[1])


def test_a_neuron_with_many_weights_before_makes_its_place_less_of_a_surprise():
    rng = np.random.default_rng(0)
    counts = np.repeat([1, 39], 60)  # weights of each neuron of the first layer
    first = np.array([rng.permutation(np.arange(40) < n) for n in counts]).astype(int)
    second = rng.random((30, 120)) < np.where(counts == 39, 0.6, 0.02)

    def places(before):
        zeros = [np.zeros(n, int) for n in (120, 30)]
        layers = (
            IntegerLayer(w, b, 0) for w, b in zip((before, second.astype(int)), zeros, strict=True)
        )
        return bits_by_part(IntegerNetwork(tuple(layers)))["layer 2: places"]

    assert places(first) < places(rng.permutation(first)) - 20


# --- rings and levels ----------------------------------------------------------------------------


@pytest.mark.parametrize(("distance", "n_places"), [(1, 4), (2, 8), (3, 12)])
def test_a_ring_holds_the_places_at_its_distance_that_were_coded_before(distance, n_places):
    stride = 100
    steps = module._ring(distance, stride)
    places = {divmod(step + 50, stride) for step in steps}
    assert len(steps) == len(places) == n_places
    assert max(steps) < 0
    assert {max(abs(y), abs(x - 50)) for y, x in places} == {distance}


@given(st.integers(0, 10**9), st.integers(1, 10**6))
def test_a_level_is_the_number_of_half_octaves(part, whole):
    level = module._level(part, whole)
    assert whole**2 * 2**level <= (whole + part) ** 2 < whole**2 * 2 ** (level + 1)


def test_levels_are_those_of_the_logarithm_in_floats():
    assert [module._level(n, 100) for n in range(1, 500)] == [
        floor(2 * log2(1 + n / 100)) for n in range(1, 500)
    ]


@given(st.integers())
def test_the_sign_of_a_number_is_that_of_numpy(value):
    assert module._sign(value) == np.sign(value)
