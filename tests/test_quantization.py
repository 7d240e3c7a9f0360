import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minilib.models import Layer, mlp, named_weights, network_of, with_weights
from minilib.pruning import apply_masks, keep_zeros, magnitude_masks
from minilib.quantization import (
    FixedPointLayer,
    affine,
    best_limit,
    fixed_point,
    pack_bits,
    quantization_aware,
    symmetric,
    unpack_bits,
)
from minilib.training import Examples, cross_entropy, fit

seeds = st.integers(0, 2**32 - 1)
bits_with_zero = st.integers(2, 8)
all_bits = st.integers(1, 8)
ORDINARY = st.floats(-1e6, 1e6, width=32)


def tensors(elements=ORDINARY, least=1):
    return st.lists(elements, min_size=least, max_size=20).map(torch.tensor)


def random_matrix(seed, n_out=6, n_in=9):
    return torch.randn(n_out, n_in, generator=torch.Generator().manual_seed(seed))


def random_examples(n=40, p=3, n_classes=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, p, generator=generator)
    return Examples(x, torch.randint(0, n_classes, (n,), generator=generator))


def largest_per_row(weight):
    return weight.abs().amax(dim=1, keepdim=True)


# Symmetric grids


def test_a_symmetric_grid_by_hand():
    stored = symmetric(torch.tensor([-2.0, -0.6, -0.2, 0.0, 0.4, 1.1]), bits=3)
    assert stored.codes.tolist() == [-3, -1, 0, 0, 1, 2]
    assert stored.codes.dtype == torch.int8
    assert stored.scale.item() == pytest.approx(2 / 3)
    assert stored.zero_point.item() == 0
    torch.testing.assert_close(stored.decode(), torch.tensor([-3, -1, 0, 0, 1, 2]) * 2 / 3)


def test_halves_go_to_the_even_code():
    values = torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5])
    assert symmetric(values, 8, limit=127.0).codes.tolist() == [0, 2, 2, 0, -2]
    assert affine(values.abs(), 8, 0.0, 255.0).codes.tolist() == [0, 2, 2, 0, 2]


@given(tensors(), bits_with_zero)
def test_a_symmetric_grid_is_at_most_half_a_step_away_and_uses_its_codes(values, bits):
    stored = symmetric(values, bits)
    most = 2 ** (bits - 1) - 1
    distance = (stored.decode() - values).abs()
    assert (distance <= stored.scale / 2 * (1 + 1e-4)).all()
    assert stored.codes.abs().max() == most * bool(values.any())


@given(tensors(), bits_with_zero)
def test_a_symmetric_grid_treats_both_sides_alike_and_keeps_zeros(values, bits):
    values = torch.cat([values, torch.zeros(1)])
    stored, mirrored = symmetric(values, bits), symmetric(-values, bits)
    assert torch.equal(stored.codes, -mirrored.codes)
    assert torch.equal(stored.scale, mirrored.scale)
    assert (stored.decode()[values == 0] == 0).all()


@given(tensors(), bits_with_zero, st.integers(-10, 10))
def test_the_scale_follows_the_unit_and_the_codes_do_not(values, bits, power):
    stored, scaled = symmetric(values, bits), symmetric(values * 2.0**power, bits)
    assert torch.equal(stored.codes, scaled.codes)


@given(tensors(), all_bits)
def test_rounding_a_second_time_changes_nothing(values, bits):
    once = symmetric(values, bits)
    again = symmetric(once.decode(), bits)
    assert torch.equal(again.codes, once.codes)
    torch.testing.assert_close(again.decode(), once.decode(), rtol=1e-5, atol=0)


@given(tensors(), bits_with_zero, st.floats(0.01, 1e6))
def test_what_is_beyond_the_limit_becomes_the_limit(values, bits, limit):
    stored = symmetric(values, bits, limit)
    inside = symmetric(values.clamp(-limit, limit), bits, limit)
    assert torch.equal(stored.codes, inside.codes)
    assert (stored.decode().abs() <= limit * (1 + 1e-6)).all()


@given(seeds, all_bits)
def test_a_limit_per_row_rounds_each_row_by_itself(seed, bits):
    weight = random_matrix(seed) * torch.tensor([1e-3, 1e-2, 0.1, 1, 10, 100])[:, None]
    limit = weight.abs().mean(dim=1, keepdim=True)
    together = symmetric(weight, bits, limit)
    alone = [symmetric(row, bits, one.item()) for row, one in zip(weight, limit, strict=True)]
    assert together.scale.shape == (6, 1)
    assert torch.equal(together.codes, torch.stack([stored.codes for stored in alone]))
    assert torch.equal(together.decode(), torch.stack([stored.decode() for stored in alone]))


def test_one_bit_is_the_sign_times_the_mean_magnitude_and_has_no_zero():
    stored = symmetric(torch.tensor([-3.0, 0.0, 1.0, 4.0]), bits=1)
    assert stored.codes.tolist() == [-1, 1, 1, 1]
    assert stored.decode().tolist() == [-2, 2, 2, 2]


@given(seeds, st.floats(0.1, 3))
def test_no_other_two_values_of_equal_size_are_nearer_than_one_bit(seed, factor):
    weight = random_matrix(seed)
    stored = symmetric(weight, bits=1)
    other = weight.sign() * stored.scale * factor
    lost = (stored.decode() - weight).square().sum()
    assert lost <= (other - weight).square().sum() * (1 + 1e-5)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("quantize", [symmetric, affine])
def test_zeros_alone_stay_zeros(quantize, bits):
    for values in (torch.zeros(3), torch.zeros(2, 3)):
        assert not quantize(values, bits).decode().any()
    assert not symmetric(torch.zeros(2, 3), bits, torch.zeros(2, 1)).decode().any()
    assert not affine(torch.zeros(2, 3), bits, torch.zeros(2, 1), torch.zeros(2, 1)).decode().any()


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("constant", [-7.0, 0.3, 1e-30, 3e37])
def test_a_constant_comes_back_exactly_up_to_the_last_digit(constant, bits):
    values = torch.full((4,), constant)
    for stored in (symmetric(values, bits), affine(values, bits)):
        torch.testing.assert_close(stored.decode(), values, rtol=1e-5, atol=0)


@pytest.mark.parametrize("quantize", [symmetric, affine])
@pytest.mark.parametrize("tiny", [1e-45, 1e-44, 1e-40])
def test_values_at_the_end_of_float32_round_to_numbers(quantize, tiny):
    decoded = quantize(torch.tensor([0.0, tiny, 2 * tiny]), 8).decode()
    assert decoded.isfinite().all()
    assert (decoded <= 3 * tiny).all()


def test_a_limit_of_0_makes_zeros_of_everything():
    assert not symmetric(torch.tensor([1.0, -2.0]), 4, 0.0).decode().any()


# Affine grids


def test_an_affine_grid_by_hand():
    stored = affine(torch.tensor([-1.0, 0.0, 0.5, 2.0]), bits=2)
    assert stored.scale.item() == 1
    assert stored.zero_point.item() == 1
    assert stored.codes.tolist() == [0, 1, 1, 3]
    assert stored.codes.dtype == torch.uint8
    assert stored.decode().tolist() == [-1, 0, 0, 2]


@given(tensors(), all_bits)
def test_an_affine_grid_is_at_most_half_a_step_away_within_its_range(values, bits):
    stored = affine(values, bits)
    distance = (stored.decode() - values).abs()
    assert (distance <= stored.scale / 2 * (1 + 1e-4)).all()
    assert stored.codes.max().item() < 2**bits


@given(tensors(), all_bits)
def test_zero_is_a_code_of_every_affine_grid(values, bits):
    values = torch.cat([values, torch.zeros(1)])
    stored = affine(values, bits)
    assert 0 <= stored.zero_point < 2**bits
    assert (stored.codes[values == 0] == stored.zero_point).all()
    assert (stored.decode()[values == 0] == 0).all()


@given(tensors(), all_bits, ORDINARY, ORDINARY)
def test_a_calibrated_range_clips_to_its_ends_and_contains_zero(values, bits, one, other):
    low, high = min(one, other), max(one, other)
    stored = affine(values, bits, low, high)
    inside = affine(values.clamp(min(low, 0), max(high, 0)), bits, low, high)
    assert (stored.decode() - inside.decode()).abs().max() <= stored.scale
    grid = affine(torch.tensor([low, high, 0.0]), bits)
    assert torch.equal(stored.scale, grid.scale)
    assert torch.equal(stored.zero_point, grid.zero_point)


def test_bytes_are_their_own_codes_between_0_and_1():
    pixels = torch.arange(256)
    stored = affine(pixels.float() / 255, 8)
    assert torch.equal(stored.codes, pixels.to(torch.uint8))
    assert stored.zero_point == 0


@given(seeds, all_bits)
def test_a_range_per_row_rounds_each_row_by_itself(seed, bits):
    values = random_matrix(seed)
    low, high = values.amin(dim=1, keepdim=True), values.amax(dim=1, keepdim=True)
    together = affine(values, bits, low, high)
    alone = [affine(row, bits) for row in values]
    assert torch.equal(together.codes, torch.stack([stored.codes for stored in alone]))
    assert torch.equal(together.decode(), torch.stack([stored.decode() for stored in alone]))


# Oracle: torch's own simulation. It multiplies by 1 / scale, so ties are left out.


def away_from_ties(seed, scale):
    generator = torch.Generator().manual_seed(seed)
    steps = torch.randint(-200, 200, (4, 7), generator=generator)
    return scale * (steps + 0.9 * (torch.rand(4, 7, generator=generator) - 0.5))


@given(seeds, bits_with_zero, st.floats(1e-3, 1e3))
def test_a_symmetric_grid_is_torchs(seed, bits, limit):
    most = 2 ** (bits - 1) - 1
    values = away_from_ties(seed, limit / most)
    stored = symmetric(values, bits, limit)
    expected = torch.fake_quantize_per_tensor_affine(values, stored.scale.item(), 0, -most, most)
    assert torch.equal(stored.decode(), expected)


@given(seeds, all_bits, st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_an_affine_grid_is_torchs(seed, bits, low, width):
    grid = affine(torch.tensor([low, low + width]), bits)
    values = away_from_ties(seed, grid.scale)
    stored = affine(values, bits, low, low + width)
    expected = torch.fake_quantize_per_tensor_affine(
        values, stored.scale.item(), stored.zero_point.item(), 0, 2**bits - 1
    )
    assert torch.equal(stored.decode(), expected)


@given(seeds, bits_with_zero)
def test_a_grid_per_row_is_torchs_per_channel(seed, bits):
    most = 2 ** (bits - 1) - 1
    scale = torch.rand(4, 1, generator=torch.Generator().manual_seed(seed)) + 0.01
    values = away_from_ties(seed, scale)
    stored = symmetric(values, bits, scale * most)
    expected = torch.fake_quantize_per_channel_affine(
        values, stored.scale[:, 0], stored.zero_point[:, 0], 0, -most, most
    )
    assert torch.equal(stored.decode(), expected)


@given(st.lists(st.integers(-400, 400), min_size=1), st.integers(-5, 5), bits_with_zero)
def test_halves_are_torchs_where_the_step_is_a_power_of_two(halves, power, bits):
    most, scale = 2 ** (bits - 1) - 1, 2.0**power
    values = torch.tensor(halves) * scale / 2
    expected = torch.fake_quantize_per_tensor_affine(values, scale, 0, -most, most)
    assert torch.equal(symmetric(values, bits, scale * most).decode(), expected)


# The limit that loses least


def lost(weight, bits, limit):
    return (symmetric(weight, bits, limit).decode() - weight).square().sum()


@given(seeds, all_bits, st.booleans())
@settings(max_examples=25)
def test_hardly_any_other_limit_loses_less(seed, bits, heavy_tails):
    weight = random_matrix(seed, 40, 50) ** (3 if heavy_tails else 1)
    found = lost(weight, bits, best_limit(weight, bits))
    others = weight.abs().max() * torch.linspace(0.02, 1, 200)
    least = min(lost(weight, bits, limit) for limit in others)
    assert found <= 1.1 * least


@given(seeds, all_bits)
@settings(max_examples=15)
def test_the_limits_per_row_are_those_of_the_rows(seed, bits):
    weight = random_matrix(seed)
    limits = best_limit(weight, bits, per_row=True)
    assert limits.shape == (6, 1)
    for row, limit in zip(weight, limits, strict=True):
        assert best_limit(row[None], bits) == limit


def test_an_outlier_is_clipped_with_few_bits_and_kept_with_many():
    weight = random_matrix(0, 30, 30)
    weight[0, 0] = 30
    assert best_limit(weight, 4) < 15
    weight[0, 0] = 4
    assert best_limit(weight, 8) > 3.5


def test_zeros_have_a_best_limit():
    weight = torch.tensor([[0.0, 0.0], [3.0, -1.0]])
    for bits in (1, 4, 8):
        limits = best_limit(weight, bits, per_row=True)
        assert limits[0] == 0
        assert limits[1] > 0


# Training on rounded weights


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_the_loss_is_that_of_the_rounded_network_and_its_slope_reaches_the_unrounded(bits):
    model, data = mlp((3, 5, 2), seed=0), random_examples()
    limits = {name: best_limit(w, bits) for name, w in named_weights(model).items()}
    rounded = with_weights(
        model,
        {
            name: symmetric(w, bits, limits[name]).decode()
            for name, w in named_weights(model).items()
        },
    )
    value = quantization_aware(bits, limits)(model, data.x, data.y)
    expected = cross_entropy(rounded, data.x, data.y)
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    for one, other in zip(model.parameters(), rounded.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_only_the_weights_with_a_limit_are_rounded():
    model, data = mlp((3, 5, 2), seed=0), random_examples()
    last = named_weights(model)["2.weight"]
    rounded = with_weights(model, {"2.weight": symmetric(last, 2, 0.3).decode()})
    value = quantization_aware(2, {"2.weight": torch.tensor(0.3)})(model, data.x, data.y)
    torch.testing.assert_close(value, cross_entropy(rounded, data.x, data.y))


def test_another_loss_sees_the_rounded_network():
    model, data = mlp((3, 5, 2), seed=0), random_examples()
    limits = {name: w.abs().max() for name, w in named_weights(model).items()}
    seen = quantization_aware(4, limits, loss=lambda model, x, y: model(x).sum())
    rounded = with_weights(
        model, {name: symmetric(w, 4).decode() for name, w in named_weights(model).items()}
    )
    torch.testing.assert_close(seen(model, data.x, data.y), rounded(data.x).sum())


@pytest.mark.parametrize("bits", [1, 2])
def test_training_on_rounded_weights_beats_rounding_afterwards(bits):
    data = random_examples(300, 8, 3)
    data = Examples(data.x, data.x[:, :3].argmax(dim=1))
    after = mlp((8, 12, 3), seed=0)
    fit(after, data, epochs=30, seed=0)
    limits = {name: best_limit(w, bits) for name, w in named_weights(after).items()}
    loss, on_rounded = quantization_aware(bits, limits), copy.deepcopy(after)
    fit(on_rounded, data, epochs=30, seed=1, loss=loss)
    before = loss(after, data.x, data.y)
    assert loss(on_rounded, data.x, data.y) < 0.8 * before


@pytest.mark.parametrize("bits", range(2, 9))
def test_removed_weights_stay_removed_through_rounded_training(bits):
    model, data = mlp((3, 8, 2), seed=0), random_examples()
    masks = magnitude_masks(named_weights(model), 0.5)
    model = apply_masks(model, masks)
    limits = {name: best_limit(w, bits) for name, w in named_weights(model).items()}
    fit(
        model,
        data,
        epochs=3,
        seed=0,
        loss=quantization_aware(bits, limits),
        after_step=keep_zeros(masks),
    )
    for name, weight in named_weights(model).items():
        assert not symmetric(weight, bits, limits[name]).decode()[~masks[name]].any()
        assert weight[masks[name]].any()


# Layers of integers


def by_hand(**changes):
    parts = {
        "weight": np.array([[2, -3], [100, 100]], np.int8),
        "bias": np.array([5, -4]),
        "multiplier": 2**15,
        "shift": 17,
        "zero_point": 0,
    }
    return FixedPointLayer(**parts | changes)


def test_a_layer_of_integers_by_hand():
    codes = np.array([[10, 3], [200, 200], [0, 9]], np.uint8)
    layer = by_hand()
    assert layer.accumulate(codes).tolist() == [[16, 1296], [-195, 39996], [-22, 896]]
    assert layer.accumulate(codes).dtype == np.int32
    assert layer(codes).tolist() == [[4, 255], [0, 255], [0, 224]]
    assert layer(codes).dtype == np.uint8
    assert by_hand(zero_point=100)(codes).tolist() == [[104, 255], [51, 255], [95, 255]]


def test_the_shift_rounds_halves_up():
    layer = by_hand(bias=np.array([0, 0]), weight=np.array([[1, 0], [-1, 0]], np.int8))
    layer = FixedPointLayer(layer.weight, layer.bias, 2**15, 16, 10)
    halves = np.array([[1, 0], [2, 0], [3, 0], [5, 0]], np.uint8)
    assert layer(halves).tolist() == [[11, 10], [11, 9], [12, 9], [13, 8]]


def test_three_hundred_ones_are_300_and_not_44():
    layer = by_hand(weight=np.ones((1, 300), np.int8), bias=np.zeros(1, np.int64))
    for dtype in (np.uint8, np.int8):
        assert layer.accumulate(np.ones((1, 300), dtype)).tolist() == [[300]]


@st.composite
def layers_and_codes(draw):
    rng = np.random.default_rng(draw(seeds))
    n_out, n_in, signed = draw(st.integers(1, 5)), draw(st.integers(1, 40)), draw(st.booleans())
    layer = FixedPointLayer(
        rng.integers(-128, 128, (n_out, n_in)).astype(np.int8),
        rng.integers(-(2**30), 2**30, n_out) >> draw(st.integers(0, 30)),
        int(rng.integers(2**15, 2**16 + 1)),
        draw(st.integers(1, 47)),
        draw(st.integers(0, 255)),
    )
    ends = (-128, 128) if signed else (0, 256)
    codes = rng.integers(*ends, (6, n_in)).astype(np.int8 if signed else np.uint8)
    return layer, codes


@given(layers_and_codes())
def test_floats_of_64_bits_simulate_a_layer_of_integers_exactly(problem):
    layer, codes = problem
    sums = codes.astype(np.float64) @ layer.weight.T.astype(np.float64) + layer.bias
    assert np.array_equal(layer.accumulate(codes), sums)
    simulated = np.floor(sums * layer.multiplier / 2.0**layer.shift + 0.5) + layer.zero_point
    assert np.array_equal(layer(codes), simulated.clip(0, 255))


@given(layers_and_codes())
def test_python_integers_which_never_overflow_give_the_same(problem):
    layer, codes = problem
    weight, bias = layer.weight.tolist(), layer.bias.tolist()
    for row, found in zip(codes.tolist(), layer(codes).tolist(), strict=True):
        sums = [
            sum(w * x for w, x in zip(weights, row, strict=True)) + b
            for weights, b in zip(weight, bias, strict=True)
        ]
        scaled = [math.floor((s * layer.multiplier * 2 / 2**layer.shift + 1) / 2) for s in sums]
        assert found == [min(255, max(0, s + layer.zero_point)) for s in scaled]


def test_the_largest_sum_that_fits_into_int32_is_right_and_the_next_is_refused():
    weight = np.full((1, 1000), 127, np.int8)
    room = 2**31 - 1 - 255 * 127 * 1000
    layer = by_hand(weight=weight, bias=np.array([room]))
    assert layer.accumulate(np.full((1, 1000), 255, np.uint8)) == 2**31 - 1
    for bias in (room + 1, -room - 1):
        with pytest.raises(ValueError, match=r"could reach 2,147,483,648, and int32 ends at"):
            by_hand(weight=weight, bias=np.array([bias]))


def test_a_layer_too_wide_for_int32_is_refused_and_one_of_small_codes_is_not():
    n_in = 70_000
    none = np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="Split the layer into parts with fewer inputs"):
        by_hand(weight=np.full((1, n_in), -128, np.int8), bias=none)
    by_hand(weight=np.ones((1, n_in), np.int8), bias=none)


@given(seeds)
@settings(max_examples=20)
def test_a_network_of_integers_is_near_the_network_also_with_negative_inputs(seed):
    model, x = mlp((6, 20, 15, 4), seed=seed), random_matrix(seed, 200, 6)
    *hidden, last = fixed_point(model, x)
    codes = affine(x, 8, x.min(), x.max()).codes.numpy()
    for layer in hidden:
        codes = layer(codes)
        assert layer.zero_point == 0
    logits = model(x).detach()
    step = affine(logits, 8).scale.item()
    found = (last(codes).astype(float) - last.zero_point) * step
    assert np.abs(found - logits.numpy()).max() < 0.1 * np.ptp(logits.numpy())
    sums = torch.tensor(last.accumulate(codes)).double()
    correlation = torch.corrcoef(torch.stack([sums.flatten(), logits.flatten().double()]))[0, 1]
    assert correlation > 0.99


def test_a_layer_of_integers_contains_the_zero_point_of_its_inputs():
    layer = Layer(torch.tensor([[1.27, -0.5], [0.2, 0.3]]), torch.tensor([0.4, -0.1]))
    x = torch.tensor([[-1.0, 2.0], [0.5, -0.3], [0.0, 0.0]])
    inputs, outputs = affine(x, 8), affine(torch.tensor([-3.0, 3.0]), 8)
    found = FixedPointLayer.of(layer, inputs, outputs)
    assert inputs.zero_point > 0
    unit = inputs.scale.item() * 0.01
    expected = x @ layer.weight.T + layer.bias
    sums = torch.tensor(found.accumulate(inputs.codes.numpy())) * unit
    torch.testing.assert_close(sums, expected, rtol=0, atol=0.02)
    given_back = (torch.tensor(found(inputs.codes.numpy())).int() - 128) * outputs.scale
    torch.testing.assert_close(given_back, expected, rtol=0, atol=0.03)


def test_neurons_without_weights_and_dead_ones_become_integers():
    model = network_of(
        [
            Layer(torch.zeros(2, 3), torch.tensor([0.0, -1.0])),
            Layer(torch.tensor([[1.0, 2.0]]), torch.tensor([0.5])),
        ]
    )
    first, second = fixed_point(model, torch.rand(5, 3))
    assert not first(np.full((1, 3), 9, np.uint8)).any()
    assert second(np.zeros((1, 2), np.uint8)) == 255


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": np.ones((2, 2))}, "weight is int8 .*, got float64"),
        ({"weight": np.ones((2, 2), np.uint8)}, "got uint8 of shape"),
        ({"weight": np.ones(2, np.int8)}, r"got int8 of shape \(2,\)"),
        ({"bias": np.ones(2)}, r"bias holds integers of shape \(2,\), got float64"),
        ({"bias": np.ones(3, int)}, r"got int64 of shape \(3,\)"),
        ({"multiplier": 0}, "multiplier is a whole number of at least 1, got 0"),
        ({"multiplier": 2**16 + 1}, "multiplier is at most 65536, got 65537"),
        ({"multiplier": 0.5}, "multiplier is a whole number of at least 1, got 0.5"),
        ({"shift": 0}, "shift is a whole number of at least 1, got 0"),
        ({"shift": 48}, "shift is at most 47, got 48"),
        ({"zero_point": -1}, "zero_point is a whole number of at least 0, got -1"),
        ({"zero_point": 256}, "zero_point is at most 255, got 256"),
    ],
)
def test_what_is_no_layer_of_integers_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        by_hand(**changes)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.ones((1, 2)), "codes are uint8 or int8 .*, got float64"),
        (np.ones((1, 2), np.int32), "got int32"),
        (np.ones((1, 3), np.uint8), r"of shape \(n, 2\), got uint8 of shape \(1, 3\)"),
        (np.ones(2, np.uint8), r"got uint8 of shape \(2,\)"),
    ],
)
def test_what_are_no_codes_for_a_layer_is_refused(codes, message):
    with pytest.raises(ValueError, match=message):
        by_hand()(codes)


def test_scales_that_do_not_fit_together_are_refused():
    layer = Layer(torch.ones(1, 1), torch.zeros(1))
    one, tiny, huge = (affine(torch.tensor([0.0, end]), 8) for end in (1.0, 1e-12, 1e12))
    for inputs, outputs in ((tiny, huge), (huge, tiny)):
        with pytest.raises(ValueError, match=r"between 2\*\*-32 and 2\*\*15, got"):
            FixedPointLayer.of(layer, inputs, outputs)
    loud = Layer(torch.ones(1, 1), torch.tensor([1e12]))
    with pytest.raises(ValueError, match="int32 ends at"):
        FixedPointLayer.of(loud, one, one)


# Packing


@given(all_bits, st.data())
def test_packed_codes_come_back_from_the_fewest_bytes(bits, data):
    codes = data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=50))
    packed = pack_bits(torch.tensor(codes, dtype=torch.uint8), bits)
    assert len(packed) == -(-len(codes) * bits // 8)
    assert unpack_bits(packed, bits, len(codes)).tolist() == codes
    number = sum(code << (bits * place) for place, code in enumerate(codes))
    assert packed == number.to_bytes(len(packed), "little")


@pytest.mark.parametrize(
    ("codes", "bits", "packed"),
    [
        ([1, 2, 3], 4, b"\x21\x03"),
        ([1, 0, 0, 0, 0, 0, 0, 0, 1], 1, b"\x01\x01"),
        ([7, 0, 5], 3, b"\x47\x01"),
        ([255, 0], 8, b"\xff\x00"),
        ([], 3, b""),
    ],
)
def test_the_first_code_is_in_the_lowest_bits(codes, bits, packed):
    assert pack_bits(torch.tensor(codes, dtype=torch.int64), bits) == packed


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int64, torch.bool])
def test_codes_of_every_integer_type_and_shape_are_packed(dtype):
    codes = torch.tensor([[1, 0, 1], [1, 1, 0]]).to(dtype)
    assert pack_bits(codes, 1) == bytes([0b011101])
    assert unpack_bits(pack_bits(codes.T, 1), 1, 6).tolist() == [1, 1, 0, 1, 1, 0]


@given(seeds, bits_with_zero)
def test_a_symmetric_weight_survives_its_packing(seed, bits):
    stored = symmetric(random_matrix(seed), bits)
    middle = 2 ** (bits - 1)
    packed = pack_bits(stored.codes.short() + middle, bits)
    codes = unpack_bits(packed, bits, stored.codes.numel()).int() - middle
    assert torch.equal(codes.view(stored.codes.shape), stored.codes.int())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pack_bits(torch.tensor([0, 16]), 4), r"4 bit\(s\) are 0 to 15, got 16"),
        (lambda: pack_bits(torch.tensor([-1]), 4), r"0 to 15, got -1\. Add 2\*\*\(bits - 1\)"),
        (lambda: pack_bits(torch.tensor([256]), 8), "0 to 255, got 256"),
        (lambda: pack_bits(torch.tensor([1.0]), 4), r"codes are integers, got torch.float32"),
        (lambda: pack_bits(torch.tensor([1]), 9), "bits is at most 8, got 9"),
        (lambda: pack_bits(torch.tensor([1]), 0), "bits is a whole number of at least 1, got 0"),
        (lambda: unpack_bits(b"\x00\x00", 4, 5), r"5 codes of 4 bit\(s\) are 3 byte\(s\), got 2"),
        (lambda: unpack_bits(b"\x00\x00", 4, 2), r"are 1 byte\(s\), got 2"),
        (lambda: unpack_bits(b"", 4, -1), "n is a whole number of at least 0, got -1"),
        (lambda: unpack_bits(b"", 9, 0), "bits is at most 8, got 9"),
    ],
)
def test_codes_that_cannot_be_packed_or_unpacked_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Refused inputs


@pytest.mark.parametrize("quantize", [symmetric, affine])
@pytest.mark.parametrize(
    ("values", "bits", "message"),
    [
        (torch.ones(2), 0, "bits is a whole number of at least 1, got 0"),
        (torch.ones(2), 9, "bits is at most 8, got 9: codes are bytes"),
        (torch.ones(2), 2.0, "bits is a whole number of at least 1, got 2.0"),
        (torch.ones(0), 8, r"values is empty: shape \(0,\)"),
        (torch.tensor([1, torch.nan]), 8, r"values has 1 value\(s\) that are NaN or infinite"),
        (torch.tensor([1, torch.inf]), 8, "NaN or infinite"),
        (torch.tensor([1, 2]), 8, r"values holds floats, got torch.int64. Write values.float\(\)"),
    ],
)
def test_what_cannot_be_rounded_is_refused(quantize, values, bits, message):
    with pytest.raises(ValueError, match=message):
        quantize(values, bits)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: symmetric(w, 8, -1.0), r"limit is at least 0, got -1\. Write limit.abs\(\)"),
        (lambda w: symmetric(w, 8, torch.nan), "limit has 1 value"),
        (lambda w: symmetric(w, 8, torch.ones(3)), r"of shape \(2, 1\), got shape \(3,\)"),
        (lambda w: symmetric(w, 8, torch.ones(2)), r"of shape \(2, 1\), got shape \(2,\)"),
        (lambda w: affine(w, 8, 1.0, 0.0), "low is above high"),
        (lambda w: affine(w, 8, -torch.inf, 0.0), "low has 1 value"),
        (lambda w: affine(w, 8, 0.0, torch.ones(1, 3)), r"high .* got shape \(1, 3\)"),
        (lambda w: best_limit(w[0], 8), r"weight is a matrix \(n_out, n_in\), got shape \(3,\)"),
        (lambda w: best_limit(w * torch.nan, 8), "weight has 6 value"),
        (lambda w: best_limit(w, 10), "bits is at most 8, got 10"),
        (lambda w: quantization_aware(9, {"0.weight": w}), "bits is at most 8, got 9"),
    ],
)
def test_ranges_that_are_none_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.ones(2, 3))


@pytest.mark.parametrize("quantize", [symmetric, affine, best_limit])
def test_weights_that_learn_are_rounded_without_their_gradient(quantize):
    weight = random_matrix(0).requires_grad_()
    found = quantize(weight, 4)
    assert not getattr(found, "scale", found).requires_grad
    assert weight.grad is None
