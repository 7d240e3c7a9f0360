from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilib import integers
from minilib.integers import IntegerLayer, IntegerNetwork


@st.composite
def networks(draw):
    """Up to three layers of up to five neurons, with small whole numbers."""
    widths = draw(st.lists(st.integers(1, 5), min_size=2, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return IntegerNetwork(
        tuple(
            IntegerLayer(
                weight=rng.integers(-9, 10, (n_out, n_in)),
                bias=rng.integers(-9, 10, n_out),
                shift=draw(st.integers(0, 9)),
            )
            for n_in, n_out in pairwise(widths)
        )
    )


def slowly(network, picture):
    """The scores by Python's own whole numbers, one picture, no arrays."""
    x = [int(ink) for ink in picture]
    for number, layer in enumerate(network.layers, start=1):
        x = [
            sum(int(w) * v for w, v in zip(row, x, strict=True)) + int(bias) * 2**layer.shift
            for row, bias in zip(layer.weight, layer.bias, strict=True)
        ]
        x = [max(v, 0) for v in x] if number < len(network.layers) else x
    return x


@given(networks(), st.integers(0, 2**32 - 1))
def test_the_scores_are_those_of_pure_python(network, seed):
    n_inputs = network.layers[0].weight.shape[1]
    pictures = np.random.default_rng(seed).integers(0, 256, (3, n_inputs), dtype=np.uint8)
    assert network.scores(pictures).tolist() == [slowly(network, picture) for picture in pictures]


def test_sums_just_below_two_to_the_53_are_exact():
    large = 2**31 - 1
    first = IntegerLayer([[large] * 2], [large], 10)
    network = IntegerNetwork((first, IntegerLayer([[999]], [-7], 0)))
    picture = np.array([[255, 254]], dtype=np.uint8)
    assert network.scores(picture).tolist() == [slowly(network, picture[0])]


def test_sums_that_could_reach_two_to_the_53_are_refused():
    layer = IntegerLayer(np.full((1, 20_000), 2**31 - 1), [0], 0)
    with pytest.raises(ValueError, match=r"sums of layer 1 can reach .* 2\*\*53"):
        IntegerNetwork((layer,))


def test_equal_scores_give_the_first_class():
    network = IntegerNetwork((IntegerLayer([[1], [2], [2]], [0, 0, 0], 0),))
    assert network.predict(np.array([[7]], dtype=np.uint8)).tolist() == [1]


def test_pictures_may_be_flat_or_not():
    network = IntegerNetwork((IntegerLayer(np.arange(8).reshape(2, 4), [0, 1], 0),))
    pictures = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    assert (network.scores(pictures) == network.scores(pictures.reshape(3, 4))).all()


@pytest.mark.parametrize("at_once", [1, 12, 40, 4_000_000])
def test_one_picture_at_a_time_gives_the_same_scores_as_all(monkeypatch, at_once):
    monkeypatch.setattr(integers, "AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    shapes = ((6, 4), (5, 6), (3, 5))
    layers = [IntegerLayer(rng.integers(-9, 10, s), rng.integers(-9, 10, s[0]), 2) for s in shapes]
    network = IntegerNetwork(tuple(layers))
    pictures = rng.integers(0, 256, (11, 2, 2), dtype=np.uint8)
    one_by_one = [network.scores(pictures[[row]])[0] for row in range(11)]
    assert network.scores(pictures).tolist() == np.array(one_by_one).tolist()
    assert one_by_one[-1].tolist() == slowly(network, pictures[-1].ravel())


def test_no_picture_gives_no_score():
    network = IntegerNetwork((IntegerLayer([[1, 2]], [0], 0),))
    assert network.scores(np.empty((0, 2), dtype=np.uint8)).shape == (0, 1)


@pytest.mark.parametrize(
    ("weight", "bias", "shift", "message"),
    [
        ([[1.5]], [0], 0, r"weight holds whole numbers .* float64.*np\.rint"),
        ([[1]], [0.0], 0, r"bias holds whole numbers"),
        ([[2**31]], [0], 0, r"weight holds whole numbers"),
        ([[-(2**31)]], [0], 0, r"weight holds whole numbers"),
        ([[1, 2]], [0, 0], 0, r"shape \(n_out, n_in\).*got \(1, 2\) and \(2,\)"),
        ([1, 2], [0, 0], 0, r"shape \(n_out, n_in\)"),
        (np.empty((0, 3), int), np.empty(0, int), 0, r"shape \(n_out, n_in\)"),
        ([[1]], [0], 32, r"shift is a whole number from 0 to 31, got 32"),
        ([[1]], [0], -1, r"shift is a whole number from 0 to 31, got -1"),
    ],
)
def test_a_layer_refuses_what_is_no_layer(weight, bias, shift, message):
    with pytest.raises(ValueError, match=message):
        IntegerLayer(weight, bias, shift)


def test_a_network_refuses_no_layers_and_layers_that_do_not_fit():
    with pytest.raises(ValueError, match="at least one layer"):
        IntegerNetwork(())
    with pytest.raises(ValueError, match="layer 1 has 2 neurons, but layer 2 takes 3"):
        IntegerNetwork((IntegerLayer([[1], [1]], [0, 0], 0), IntegerLayer([[1, 1, 1]], [0], 0)))


@pytest.mark.parametrize(
    "pictures",
    [
        np.zeros((2, 4)),
        np.zeros((2, 3), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((1, 4), np.int64),
    ],
)
def test_pictures_of_another_type_or_size_are_refused(pictures):
    network = IntegerNetwork((IntegerLayer([[1, 2, 3, 4]], [0], 0),))
    with pytest.raises(ValueError, match=r"uint8 of shape \(n, \.\.\.\) with 4 pixels"):
        network.predict(pictures)
