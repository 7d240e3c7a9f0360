import ast
import copy
import hashlib
import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import segno
import torch
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.special import rel_entr, softmax

from minilib import entropy
from minilib.codec import decode_network, encode_arrays, encode_network
from minilib.datasets import DATA, Split, load_mnist
from minilib.integers import IntegerLayer, IntegerNetwork
from tests.notebooks import ROOT
from tests.test_codec import networks, same
from tools import read_digit
from tools.reader import __main__ as command
from tools.reader import augmentation, report
from tools.reader import student as module
from tools.reader.augmentation import altered
from tools.reader.student import (
    VALUE_BITS,
    Learned,
    Lessons,
    Recipe,
    Student,
    blocks,
    distance,
    logits,
    ordered,
    train,
)

NOTES = json.loads((ROOT / "benchmarks/reader.json").read_text())
LIMITS = {"sparse": (2_953, 0.0140), "tied": (2_100, 0.0158)}  # bytes, test error
KINDS = list(LIMITS)
FILES = {name: (DATA / command.SHIPPED[name]).read_bytes() for name in KINDS}

seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def shipped():
    """The networks of both files, by recipe."""
    return {name: decode_network(file) for name, file in FILES.items()}


@pytest.fixture(scope="module")
def digits():
    return load_mnist("test")


# --- the files that ship -------------------------------------------------------------------------


def chosen(name):
    """The note of the seed that reads the held-out digits best."""
    fitting = [note for note in NOTES if note["name"] == name and note["bytes"] <= 2_953]
    return min(fitting, key=lambda note: note["validation error"])


def test_two_readers_ship():
    assert sorted(path.name for path in DATA.glob("*.mini")) == sorted(command.SHIPPED.values())


@pytest.mark.parametrize("name", KINDS)
def test_a_shipped_reader_keeps_within_its_bytes_and_its_errors(shipped, digits, name):
    most_bytes, most_errors = LIMITS[name]
    assert len(FILES[name]) <= most_bytes
    assert np.mean(shipped[name].predict(digits.x) != digits.y) <= most_errors


@pytest.mark.parametrize("name", KINDS)
def test_a_shipped_reader_is_the_one_that_the_held_out_digits_chose(shipped, digits, name):
    note, network = chosen(name), shipped[name]
    held_out = load_mnist("train")
    pictures, labels = held_out.x[command.N_LEARN :], held_out.y[command.N_LEARN :]
    assert len(FILES[name]) == note["bytes"]
    assert command.error(network, digits.x, digits.y) == note["test error"]
    assert command.error(network, pictures, labels) == note["validation error"]
    assert [np.count_nonzero(layer.weight) for layer in network.layers] == note["weights"]
    assert network.widths[1:] == note["neurons"]


@pytest.mark.parametrize("name", KINDS)
def test_a_shipped_reader_survives_a_picture_of_one_qr_code(name):
    written = io.BytesIO()
    code = segno.make_qr(FILES[name], error="l", mode="byte", boost_error=False)
    code.save(written, kind="png", scale=3, border=4)
    with Image.open(written) as picture:
        (found,) = zxingcpp.read_barcodes(picture.convert("L"))
    assert found.bytes == FILES[name]


def test_the_readme_shows_the_reader_and_says_what_it_is(shipped, digits):
    with Image.open(ROOT / "docs/digit_reader.png") as picture:
        (found,) = zxingcpp.read_barcodes(picture.convert("L"))
    assert found.bytes == FILES["sparse"]
    right = np.mean(shipped["sparse"].predict(digits.x) == digits.y)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"Its {len(found.bytes):,} bytes read {right:.2%} of the MNIST test digits".replace(
        "%", " %"
    ) in " ".join(readme.split())


def test_predictions_are_the_same_with_two_threads(shipped, digits):
    script = (
        "import hashlib, sys\n"
        "from minilib.codec import decode_network\n"
        "from minilib.datasets import DATA, load_mnist\n"
        "x = load_mnist('test').x\n"
        "for name in sys.argv[1:]:\n"
        "    scores = decode_network((DATA / name).read_bytes()).scores(x)\n"
        "    print(hashlib.sha256(scores.tobytes()).hexdigest())\n"
    )
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "2")
    done = subprocess.run(
        [sys.executable, "-c", script, *command.SHIPPED.values()],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **threads},
    )
    scores = [shipped[name].scores(digits.x) for name in command.SHIPPED]
    expected = [hashlib.sha256(array.tobytes()).hexdigest() for array in scores]
    assert done.stdout.split() == expected, done.stderr


# --- the independent decoder ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def read():
    """What the independent decoder reads in both files."""
    return {name: read_digit.network_of(file) for name, file in FILES.items()}


def as_lists(network):
    return [(layer.weight.tolist(), layer.bias.tolist(), layer.shift) for layer in network.layers]


@pytest.mark.parametrize("name", KINDS)
def test_the_independent_decoder_reads_the_same_numbers(shipped, read, name):
    assert read[name] == as_lists(shipped[name])


@pytest.mark.parametrize("name", KINDS)
def test_the_independent_decoder_reads_the_same_digits(shipped, digits, read, name):
    found = [read_digit.digit_in(x.tobytes(), read[name]) for x in digits.x[:150]]
    assert found == shipped[name].predict(digits.x[:150]).tolist()


@given(networks(), st.integers(1, 5), seeds)
@settings(max_examples=30)
def test_the_independent_decoder_reads_any_network_of_square_pictures(network, side, seed):
    rng = np.random.default_rng(seed)
    first, *others = network.layers
    weight = rng.integers(-9, 10, (len(first.bias), side**2)) * (rng.random(side**2) < 0.6)
    network = IntegerNetwork((IntegerLayer(weight, first.bias, first.shift), *others))
    pictures = rng.integers(0, 256, (3, side**2), dtype=np.uint8)
    found = read_digit.network_of(encode_network(network))
    assert found == as_lists(network)
    answers = [read_digit.digit_in(picture.tobytes(), found) for picture in pictures]
    assert answers == network.predict(pictures).tolist()


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: b"",
        lambda file: file[:5],
        lambda file: file[:-1],
        lambda file: file + b"\0",
        lambda file: b"X" + file[1:],
        lambda file: file[:4] + b"\2" + file[5:],
        lambda file: file[:1000] + bytes([file[1000] ^ 1]) + file[1001:],
        lambda file: file[:-1] + bytes([file[-1] ^ 128]),
        lambda file: encode_arrays({"x": np.zeros(3)}),
    ],
)
def test_the_independent_decoder_refuses_what_is_damaged(damage):
    with pytest.raises(ValueError, match="damaged, or holds no network"):
        read_digit.network_of(damage(FILES["tied"]))


def test_the_table_of_the_independent_decoder_is_that_of_the_library():
    assert read_digit.LOGISTIC == entropy._LOGISTIC
    assert read_digit.ONE == entropy.ONE


def lines_of_code(source):
    """Numbers of the lines that are neither blank nor comments nor docstrings."""
    documented = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(
            node
        ):
            documented.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    written = {
        number
        for number, line in enumerate(source.splitlines(), start=1)
        if line.strip() and not line.strip().startswith("#")
    }
    return written - documented


def test_only_lines_of_code_are_counted():
    source = '"""A.\n\nB.\n"""\n\n# C\nx = 1  # D\n\ndef f():\n    """E."""\n    return "F"\n'
    assert lines_of_code(source) == {7, 9, 11}


def test_the_independent_decoder_is_below_100_lines_of_plain_python():
    source = Path(read_digit.__file__).read_text()
    tree = ast.parse(source)
    named = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    plain = [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    assert {name.partition(".")[0] for name in named + plain} <= sys.stdlib_module_names
    assert 0 < len(lines_of_code(source)) <= 99


# --- what a student is made of -------------------------------------------------------------------


def random_pictures(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 784), dtype=np.uint8)


def trained_a_little(seed, *, tied=False):
    """A student with random gradients behind it and random masks; the first neurons are silent."""
    student = Student(Recipe(n_weights=100, tied=tied), seed)
    draw = torch.Generator().manual_seed(seed)
    for part in student.weights + student.biases:
        part.mean = torch.randn(part.value.shape, generator=draw)
        part.square = torch.rand(part.value.shape, generator=draw) + 0.01
    for bias in student.biases:
        bias.value = 0.3 * torch.randn(bias.value.shape, generator=draw)
    student.masks = [torch.rand(w.value.shape, generator=draw) < 0.2 for w in student.weights]
    student.masks[0][:7], student.masks[1][:7] = False, False  # these hear nothing
    student.masks[1][:, 7:12], student.masks[2][:, 7:12] = False, False  # these say nothing
    student.masks[0][:, ::3] = False
    return student


def seen_logits(student, pictures):
    """The logits of a student, in double precision."""
    inputs = torch.tensor(pictures)
    inputs = blocks(inputs) if student.side == 14 else inputs
    x = inputs[:, student.pixels].double() / student.full_ink
    weights, biases = student.seen()
    return logits(x, [w.double() for w in weights], [b.double() for b in biases])


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_student_hands_over_the_network_that_it_saw(tied, seed):
    student = trained_a_little(seed, tied=tied)
    student.shrink_(0)
    student.begin_rounding_(1.8)
    pictures = random_pictures(40)
    network = student.network()
    unit = student.bias_steps[-1] / 2 ** student.shifts[-1]
    expected = seen_logits(student, pictures).numpy()
    scale = np.abs(expected).max()
    np.testing.assert_allclose(network.scores(pictures) * unit, expected, atol=1e-5 * scale)
    assert (network.predict(pictures) == expected.argmax(axis=1)).all()


def test_the_pixels_of_a_student_stay_where_they_were():
    student = trained_a_little(0)
    expected = (student.weights[0].value * student.masks[0])[12:].numpy()
    student.shrink_(0)
    student.begin_rounding_(5)
    step = student.steps[0]
    found = student.network().layers[0].weight * step
    assert len(student.pixels) < 784
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.501 * step)


def test_a_handed_over_network_has_no_neuron_that_hears_or_says_nothing():
    student = trained_a_little(0)
    student.masks[1][:, 20], student.masks[2][:, 50] = False, False
    student.masks[1][50, 20], student.weights[1].value[50, 20] = True, 1.0  # heard by a mute alone
    student.begin_rounding_(1.8)
    first, second, third = student.network().layers
    for here, following in ((first, second), (second, third)):
        assert (here.weight.any(axis=1) | (here.bias > 0)).all()
        assert following.weight.any(axis=0).all()
    assert len(first.bias) < 300
    assert len(second.bias) < 100


def test_a_neuron_that_hears_nothing_but_has_a_positive_bias_is_handed_over():
    student = trained_a_little(0)
    student.biases[0].value[:7] = torch.tensor([-1.0, 1, -1, 1, -1, 1, -1])
    student.begin_rounding_(1.8)
    network = student.network()
    assert (~network.layers[0].weight.any(axis=1)).sum() == 3


@given(networks(), seeds)
def test_ordering_changes_no_score_and_puts_the_best_connected_neurons_first(network, seed):
    n_inputs = network.widths[0]
    pictures = np.random.default_rng(seed).integers(0, 256, (5, n_inputs), dtype=np.uint8)
    found = ordered(network)
    assert (found.scores(pictures) == network.scores(pictures)).all()
    for layer in found.layers[:-1]:
        counts = np.count_nonzero(layer.weight, axis=1)
        assert (np.diff(counts) <= 0).all()
    assert same(ordered(found), found)


# Choosing weights


@given(st.integers(1, 60_000), st.integers(0, 20))
@settings(max_examples=15)
def test_as_many_weights_are_kept_as_asked_for(n_weights, seed):
    student = trained_a_little(seed, tied=True)
    student.choose_(n_weights)
    assert sum(int(mask.sum()) for mask in student.masks) == n_weights


def test_more_weights_than_there_are_keeps_all():
    student = trained_a_little(0, tied=True)
    student.choose_(10**7)
    assert all(mask.all() for mask in student.masks)


def test_of_weights_that_matter_alike_all_are_kept_or_none():
    student = trained_a_little(0, tied=True)
    student.weights[0].square[:, :14] = 0  # pixels without ink have no gradient
    n = sum(w.value.numel() for w in student.weights)
    student.choose_(n - 14 * 300)
    assert [int((~mask).sum()) for mask in student.masks] == [14 * 300, 0, 0]
    student.choose_(n - 1)
    assert all(mask.all() for mask in student.masks)


def test_where_weights_cost_alike_those_with_small_size_times_slope_go():
    student = Student(Recipe(n_weights=1), seed=0)
    draw = torch.Generator().manual_seed(0)
    for part in student.weights:
        part.square = torch.rand(part.value.shape, generator=draw)
    loss = [part.value**2 * part.square for part in student.weights[1:]]
    student.choose_(20_000)
    kept = torch.cat([v[mask] for v, mask in zip(loss, student.masks[1:], strict=True)])
    gone = torch.cat([v[~mask] for v, mask in zip(loss, student.masks[1:], strict=True)])
    assert len(kept) > 100
    assert len(gone) > 100
    assert kept.min() >= gone.max()


def test_a_weight_that_costs_more_bits_must_matter_more():
    student = trained_a_little(0)
    for part in student.weights:
        part.value, part.square = torch.ones_like(part.value), torch.ones_like(part.value)
    prices = torch.cat([price.flatten() for price in student.bits_per_weight()])
    student.choose_(5_000)
    kept = torch.cat([mask.flatten() for mask in student.masks])
    assert prices[kept].max() <= prices[~kept].min()


def prices_with(*, layer, kept):
    """Prices of a layer's places if only these are kept."""
    student = Student(Recipe(n_weights=1, tied=True), seed=0)
    student.masks[layer] = kept
    return student.bits_per_weight()[layer]


def test_a_full_matrix_costs_the_least_at_every_place():
    for price in Student(Recipe(n_weights=1), seed=0).bits_per_weight()[1:]:
        torch.testing.assert_close(price, torch.full_like(price, VALUE_BITS + 0.3))


def test_a_weight_in_an_empty_row_and_column_costs_what_its_chance_says():
    kept = torch.zeros(100, 300, dtype=torch.bool)
    kept[:50, :150] = True  # a quarter of all; the estimates start as if 4 had been seen
    price = prices_with(layer=1, kept=kept)
    full_row, empty_row = (150 + 4 * 0.25) / 304, 4 * 0.25 / 304
    full_column, empty_column = (50 + 4 * 0.25) / 104, 4 * 0.25 / 104
    expected = VALUE_BITS - np.log2([full_row * full_column / 0.25, full_row * empty_column / 0.25])
    assert price[0, 0].item() == pytest.approx(max(expected[0], VALUE_BITS + 0.3), abs=1e-3)
    assert price[0, 299].item() == pytest.approx(expected[1], abs=1e-3)
    last = min(-np.log2(empty_row * empty_column / 0.25), 12)
    assert price[99, 299].item() == pytest.approx(VALUE_BITS + last, abs=1e-3)


def test_a_pixel_beside_kept_ones_is_cheaper_than_one_alone_in_the_picture():
    kept = torch.zeros(300, 14, 14, dtype=torch.bool)
    kept[:, 3:6, 3:6] = True
    kept[0, 3:6, 3:6] = torch.tensor([[1, 1, 1], [1, 0, 1], [1, 1, 1]])
    kept[0, 10, 10] = True
    kept[1:, 10, 10] = True
    kept[1] = kept[0]
    kept[1, 4, 4], kept[1, 10, 10] = True, False
    price = prices_with(layer=0, kept=kept.reshape(300, 196)).reshape(300, 14, 14)
    assert price[0, 4, 4] < price[1, 10, 10] - 1


def test_a_pixel_is_not_its_own_neighbour():
    kept = torch.zeros(300, 14, 14, dtype=torch.bool)
    kept[:, 3, 3:6], kept[:, 10, 10] = True, True
    kept[0, 3, 4], kept[1, 10, 10] = False, False  # two rows with as many weights
    price = prices_with(layer=0, kept=kept.reshape(300, 196)).reshape(300, 14, 14)
    torch.testing.assert_close(price[0, 3, 4], price[1, 3, 4])


def test_neighbours_are_those_of_the_picture_when_pixels_have_left():
    student = Student(Recipe(n_weights=1, tied=True), seed=0)
    kept = torch.zeros(300, 14, 14, dtype=torch.bool)
    kept[:, 2:5, 2:5] = True
    kept[:, 9, ::2] = True
    student.masks[0] = kept.reshape(300, 196)
    whole = student.bits_per_weight()[0].reshape(300, 14, 14)
    student.shrink_(0)
    small = student.bits_per_weight()[0]
    centre, alone = (int((student.pixels == place).nonzero()) for place in (3 * 14 + 3, 9 * 14 + 4))
    assert small[0, centre] < small[0, alone] - 0.2
    assert whole[0, 3, 3] < whole[0, 9, 4] - 0.2


# Letting go


def test_what_shrinks_gives_the_same_logits_if_no_silent_neuron_has_a_positive_bias():
    student = trained_a_little(0)
    for bias in student.biases[:2]:
        bias.value[:7] = -bias.value[:7].abs()
    pictures = random_pictures(30)
    before, sizes = seen_logits(student, pictures), student.masks[0].shape
    student.shrink_(0)
    assert student.masks[0].shape < sizes
    torch.testing.assert_close(seen_logits(student, pictures), before)


def test_what_shrinks_loses_only_the_constants_of_neurons_that_hear_nothing():
    student = trained_a_little(0)
    pictures = random_pictures(30)
    before = seen_logits(student, pictures)
    quiet = copy.deepcopy(student)
    for bias, mask in zip(quiet.biases[:2], quiet.masks[:2], strict=True):
        bias.value[~mask.any(1)] = 0
    without = seen_logits(quiet, pictures)
    student.shrink_(0)
    assert not torch.allclose(before, without)
    torch.testing.assert_close(seen_logits(student, pictures), without)


def test_shrinking_waits_until_enough_is_empty():
    student = trained_a_little(0)
    first, second, _ = student.masks
    heard = first.any(1) & second.any(0)
    share = 1 - heard.sum() * first[heard].any(0).sum() / first.numel()
    student.shrink_(float(share) + 0.01)
    assert student.masks[0].shape == (300, 784)
    student.shrink_(float(share) - 0.01)
    assert student.masks[0].shape == (288, int(first[heard].any(0).sum()))


def test_running_means_stay_with_their_weights():
    student = trained_a_little(0)
    for part in student.weights + student.biases:
        part.mean, part.square = 2 * part.value, part.value**2
    student.shrink_(0)
    for part, mask in zip(student.weights, student.masks, strict=True):
        assert part.value.shape == mask.shape
    for part in student.weights + student.biases:
        assert torch.equal(part.mean, 2 * part.value)
        assert torch.equal(part.square, part.value**2)


# Rounding, steps, and what is learned from


def test_the_kept_weights_have_the_mean_size_that_was_asked_for():
    student = trained_a_little(0)
    student.begin_rounding_(1.8)
    for part, mask, step in zip(student.weights, student.masks, student.steps, strict=True):
        assert part.value[mask].abs().mean().item() / step == pytest.approx(1.8)


def test_the_grid_of_biases_is_half_as_wide_as_they_spread_or_as_fine_as_the_sum():
    student = trained_a_little(0)
    student.biases[1].value *= 1e-9
    student.begin_rounding_(1.8)
    spreads = [bias.value.std().item() / 2 for bias in student.biases]
    assert student.shifts[1] == 0
    assert student.shifts[0] > 0
    assert student.bias_steps[1] > spreads[1]
    for number in (0, 2):
        assert 2**-0.5 < student.bias_steps[number] / spreads[number] < 2**0.5


def test_what_is_seen_after_rounding_is_whole_steps_of_what_is_kept():
    student = trained_a_little(0)
    assert torch.equal(student.seen()[0][0], student.weights[0].value * student.masks[0])
    student.begin_rounding_(1.8)
    for weight, part, step, mask in zip(
        student.seen()[0], student.weights, student.steps, student.masks, strict=True
    ):
        assert not weight[~mask].any()
        assert (weight[mask] - part.value[mask]).abs().max() <= 0.5001 * step
        torch.testing.assert_close((weight / step).round(), weight / step, rtol=0, atol=1e-4)


def test_steps_are_those_of_adam():
    draw = torch.Generator().manual_seed(0)
    start = torch.randn(5, 4, generator=draw)
    learned, theirs = Learned(start.clone()), start.clone().requires_grad_()
    adam = torch.optim.Adam([theirs], lr=0.01)
    for step in range(1, 8):
        slope = torch.randn(5, 4, generator=draw)
        theirs.grad = slope.clone()
        adam.step()
        learned.step_(slope, 0.01, step)
    torch.testing.assert_close(learned.value, theirs.detach())


def test_blocks_are_sums_of_two_by_two_pixels():
    pictures = random_pictures(5)
    expected = pictures.reshape(5, 14, 2, 14, 2).astype(int).sum(axis=(2, 4)).reshape(5, 196)
    assert blocks(torch.tensor(pictures)).tolist() == expected.tolist()
    assert blocks(torch.full((1, 784), 255, dtype=torch.uint8)).tolist() == [[1020] * 196]


@given(seeds, st.floats(0.5, 8))
def test_the_distance_is_the_divergence_of_student_from_teacher_times_temperature_squared(seed, t):
    rng = np.random.default_rng(seed)
    guess, taught = rng.normal(size=(2, 6, 10))
    p, q = (softmax(z / t, axis=1) for z in (taught, guess))
    found = distance(torch.tensor(guess), torch.tensor(taught), t).item()
    assert found == pytest.approx(t**2 * rel_entr(p, q).sum(axis=1).mean())


# --- altered copies ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def originals(digits):
    return torch.tensor(digits.x[:300]).reshape(-1, 28, 28)


def test_a_seed_decides_the_altered_copies(originals):
    copies = altered(originals, 1)
    assert torch.equal(copies, altered(originals, 1))
    assert not torch.equal(copies, altered(originals, 2))


def test_altered_copies_are_pictures_of_bytes_that_differ_but_hold_as_much_ink(originals):
    copies = altered(originals, 1)
    assert copies.dtype == torch.uint8
    assert copies.shape == originals.shape
    changed = (copies != originals).flatten(1).any(1)
    assert changed.float().mean() > 0.95
    ink = originals.float().mean()
    assert copies.float().mean() == pytest.approx(ink.item(), rel=0.15)


def test_altered_copies_are_close_to_their_originals(originals):
    def gap(one, other):
        return (one.float() - other.float()).abs().mean()

    copies = altered(originals, 1)
    assert gap(copies, originals) < 0.7 * gap(copies, originals.roll(1, 0))


def test_no_limit_no_change(originals, monkeypatch):
    for name in ("ROTATION", "STRETCH", "SHEAR", "SHIFT", "WARP"):
        monkeypatch.setattr(augmentation, name, 0.0)
    assert torch.equal(altered(originals, 1), originals)


def test_each_limit_alone_changes_pictures(originals, monkeypatch):
    for name in ("ROTATION", "STRETCH", "SHEAR", "SHIFT", "WARP"):
        with monkeypatch.context() as patch:
            for other in {"ROTATION", "STRETCH", "SHEAR", "SHIFT", "WARP"} - {name}:
                patch.setattr(augmentation, other, 0.0)
            changed = (altered(originals, 1) != originals).flatten(1).any(1)
            assert changed.float().mean() > 0.9, name


# --- training ------------------------------------------------------------------------------------

TINY = Recipe(n_weights=2_000, n_copies=1, taught=False, n_steps=100)


@pytest.fixture(scope="module")
def lessons(digits):
    pictures = torch.tensor(digits.x[:200]).reshape(1, 200, 784)
    return Lessons(pictures, torch.tensor(digits.y[:200]).long())


@pytest.mark.parametrize("recipe", [TINY, replace(TINY, tied=True), replace(TINY, noise=0.2)])
def test_a_student_ends_as_integers_with_no_more_weights_than_asked_for(lessons, recipe):
    network = train(recipe, lessons, seed=0)
    times = 4 if recipe.tied else 1
    counts = [np.count_nonzero(layer.weight) for layer in network.layers]
    assert isinstance(network, IntegerNetwork)
    assert counts[0] <= times * recipe.n_weights
    assert 0 < counts[0] / times + counts[1] + counts[2] <= recipe.n_weights
    assert network.widths[0] == 784


def test_a_student_learns(digits, lessons):
    network = train(replace(TINY, n_steps=200), lessons, seed=0)
    assert np.mean(network.predict(digits.x[:200]) != digits.y[:200]) < 0.3


@pytest.mark.parametrize("tied", [False, True])
def test_the_same_seed_gives_the_same_network(lessons, tied):
    recipe = replace(TINY, tied=tied, noise=0.1, n_steps=60)
    one, again, other = (train(recipe, lessons, seed) for seed in (0, 0, 1))
    assert same(one, again)
    assert not same(one, other)


def test_a_teacher_changes_what_is_learned(lessons):
    torch.manual_seed(0)
    taught = Lessons(lessons.pictures, lessons.labels, torch.randn(1, 200, 10))
    recipe = replace(TINY, n_steps=60)
    assert not same(train(recipe, taught, seed=0), train(recipe, lessons, seed=0))


def test_a_seed_decides_the_start():
    one, again, other = (Student(TINY, seed).weights[0].value for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_a_seed_decides_the_order_of_the_examples(lessons, monkeypatch):
    monkeypatch.setattr(module, "Student", lambda recipe, seed: Student(recipe, 0))
    recipe = replace(TINY, n_steps=20)
    assert not same(train(recipe, lessons, seed=0), train(recipe, lessons, seed=1))


def share_left(recipe, lessons, monkeypatch):
    """What training leaves of weights without a slope: those to the dark half of the pictures."""
    student = Student(recipe, 0)
    start = student.weights[0].value[:, 392:].clone()
    half = lessons.pictures.clone()
    half[:, :, 392:] = 0
    with monkeypatch.context() as patch:
        patch.setattr(module, "Student", lambda recipe, seed: student)
        patch.setattr(student, "shrink_", lambda least: None)
        train(recipe, Lessons(half, lessons.labels), seed=0)
    return (student.weights[0].value[:, 392:] / start).mean().item()


def test_weights_that_were_removed_fade_and_decay_takes_more(lessons, monkeypatch):
    recipe = replace(TINY, lr=0.05)
    faded = share_left(recipe, lessons, monkeypatch)
    decayed = share_left(replace(recipe, weight_decay=2.0), lessons, monkeypatch)
    assert faded < 0.95
    assert decayed < faded - 0.05


def test_noise_hides_its_share_of_the_ink_and_makes_up_for_it(lessons, monkeypatch):
    inputs, original = [], module.logits

    def heard(x, weights, biases):
        inputs.append(x)
        return original(x, weights, biases)

    monkeypatch.setattr(module, "logits", heard)
    full = Lessons(torch.full_like(lessons.pictures, 255), lessons.labels)
    train(replace(TINY, noise=0.2, n_steps=3), full, seed=0)
    assert (inputs[0] == 0).float().mean() == pytest.approx(0.2, abs=0.01)
    assert inputs[0].mean() == pytest.approx(1, abs=0.01)


# --- the command ---------------------------------------------------------------------------------

FEW = 40
REPORT = "Before.\n<!-- written by make reader -->\nold\n<!-- until here -->\nAfter.\n"


@pytest.fixture
def workshop(tmp_path, monkeypatch):
    """A folder of its own, few digits, and recipes of a few steps; gives the course's folder."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "benchmarks/reader.md").write_text(REPORT)
    monkeypatch.chdir(tmp_path)
    data = load_mnist("test")
    few = Split(data.x[: 2 * FEW], data.y[: 2 * FEW])
    monkeypatch.setattr(command, "load_mnist", lambda part: few)
    monkeypatch.setattr(command, "N_LEARN", FEW)
    monkeypatch.setattr(command, "DATA", tmp_path / "data")
    monkeypatch.setattr(command, "SEEDS", (0, 1))
    tiny = Recipe(n_weights=300, n_copies=2, n_steps=40, tied=True)
    monkeypatch.setattr(command, "RECIPES", {"tied": tiny, "small": replace(tiny, taught=False)})
    return tmp_path


@pytest.fixture
def asked(monkeypatch):
    """A function that runs the command with these words."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["make reader", *words])
        command.main()

    return run


def counted(monkeypatch, name, module=command):
    """Notes each call of a function of the command."""
    calls, original = [], getattr(module, name)

    def call(*arguments, **options):
        calls.append(arguments)
        return original(*arguments, **options)

    monkeypatch.setattr(module, name, call)
    return calls


def files_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_unknown_recipe_is_refused_and_nothing_is_made(workshop, asked, capsys):
    with pytest.raises(SystemExit) as refusal:
        asked("tied", "sprase")
    assert refusal.value.code == 2
    assert "no recipe 'sprase'; there are tied, small" in capsys.readouterr().err
    assert not (workshop / ".reader").exists()


def test_the_command_makes_ships_and_reports_what_it_is_asked_for(workshop, asked):
    asked()
    for name in ("small-0", "tied-0", "tied-1"):
        assert Path(f".reader/{name}.json").exists()
        decode_network(Path(f".reader/{name}.mini").read_bytes())
    notes = json.loads(Path("benchmarks/reader.json").read_text())
    assert [(note["name"], note["seed"]) for note in notes] == [
        ("small", 0),
        ("tied", 0),
        ("tied", 1),
    ]
    written = Path("benchmarks/reader.md").read_text()
    assert report.table(notes) in written
    assert written.startswith("Before.\n")
    assert written.endswith("After.\n")
    assert "old" not in written
    best = min(notes[1:], key=lambda note: note["validation error"])
    shipped = (workshop / "data/digit_reader_tied.mini").read_bytes()
    assert shipped == Path(f".reader/tied-{best['seed']}.mini").read_bytes()
    with Image.open("benchmarks/reader.png") as picture:
        assert min(picture.size) > 200


def test_a_note_says_what_the_file_does(workshop, asked):
    asked("small")
    note = json.loads(Path(".reader/small-0.json").read_text())
    file = Path(".reader/small-0.mini").read_bytes()
    network, few = decode_network(file), command.load_mnist("train")
    wrong = network.predict(few.x) != few.y
    assert note["bytes"] == len(file)
    assert note["validation error"] == np.mean(wrong[FEW:])
    assert note["test error"] == np.mean(wrong)
    assert note["neurons"] == network.widths[1:]
    assert note["weights"] == [np.count_nonzero(layer.weight) for layer in network.layers]
    assert Recipe(**note["recipe"]) == command.RECIPES["small"]


def test_nothing_else_is_made_than_what_was_asked_for(workshop, asked):
    asked("small")
    assert not list(Path(".reader").glob("tied*"))
    assert not list((workshop / "data").iterdir())


def test_what_is_finished_is_not_made_again(workshop, asked, monkeypatch):
    asked("tied")
    before = files_in(Path(".reader"))
    calls = [counted(monkeypatch, name) for name in ("train", "altered", "ask_teacher")]
    asked("tied")
    assert calls == [[], [], []]
    assert files_in(Path(".reader")) == before


def test_what_takes_minutes_is_made_once_for_all_seeds(workshop, asked, monkeypatch):
    calls = [counted(monkeypatch, name) for name in ("train", "altered", "ask_teacher")]
    asked()
    assert [len(each) for each in calls] == [3, 1, 1]


def test_a_student_of_original_digits_learns_without_copies_and_without_a_teacher(workshop):
    command.WORK.mkdir()
    lessons = command.lessons_for(TINY)
    digits = command.load_mnist("train")
    assert lessons.logits is None
    assert (lessons.pictures[0].numpy() == digits.x[:FEW].reshape(FEW, 784)).all()
    assert lessons.pictures.shape == (1, FEW, 784)
    assert not list(command.WORK.iterdir())


def test_originals_come_first_and_the_teacher_answers_each_copy(workshop):
    command.WORK.mkdir()
    lessons = command.lessons_for(replace(TINY, n_copies=3, taught=True))
    digits = torch.tensor(command.load_mnist("train").x[:FEW])
    copies = [digits, altered(digits, 1), altered(digits, 2)]
    assert torch.equal(lessons.pictures, torch.stack(copies).flatten(2))
    assert lessons.logits.shape == (3, FEW, 10)
    assert not torch.equal(lessons.logits[0], lessons.logits[1])


class Cut(BaseException):
    """The power fails."""


def test_after_a_cut_between_two_seeds_only_the_second_is_trained(workshop, asked, monkeypatch):
    real = command.train

    def failing(recipe, lessons, seed):
        return {0: real}.get(seed, cut)(recipe, lessons, seed)

    def cut(*_):
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(command, "train", failing)
        with pytest.raises(Cut):
            asked("tied")
    first = Path(".reader/tied-0.mini").read_bytes()
    assert {path.suffix for path in Path(".reader").iterdir()} == {".mini", ".json", ".npy"}
    assert not list((workshop / "data").iterdir())
    assert Path("benchmarks/reader.md").read_text() == REPORT
    calls = counted(monkeypatch, "train")
    asked("tied")
    assert [seed for _, _, seed in calls] == [1]
    assert Path(".reader/tied-0.mini").read_bytes() == first


def test_a_file_without_a_note_is_made_again(workshop, asked, monkeypatch):
    def cut(*_):
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(command, "error", cut)
        with pytest.raises(Cut):
            asked("small")
    assert Path(".reader/small-0.mini").exists()
    assert not Path(".reader/small-0.json").exists()
    calls = counted(monkeypatch, "train")
    asked("small")
    assert len(calls) == 1
    assert Path(".reader/small-0.json").exists()


def test_a_cut_while_writing_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "reader.mini"
    command.write(path, b"old")

    def cut(*_):
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", cut)
        with pytest.raises(Cut):
            command.write(path, b"new")
    assert path.read_bytes() == b"old"
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", cut)
        with pytest.raises(Cut):
            command.write(path, b"new")
    assert path.read_bytes() == b"old"
    command.write(path, b"new")
    assert files_in(tmp_path) == {"reader.mini": b"new"}


def test_a_cut_while_copies_are_made_leaves_none(workshop):
    command.WORK.mkdir()

    def cut():
        raise Cut

    with pytest.raises(Cut):
        command.kept("copies", cut)
    assert not list(command.WORK.iterdir())
    assert command.kept("copies", lambda: torch.arange(3)).tolist() == [0, 1, 2]
    assert command.kept("copies", cut).tolist() == [0, 1, 2]


def finished(name, seed, n_bytes, validation, test):
    """Put a reader into the workshop as if it had been trained."""
    path = command.WORK / f"{name}-{seed}.mini"
    path.write_bytes(bytes([seed]) * n_bytes)
    note = {"name": name, "seed": seed, "bytes": n_bytes, "CPU seconds": 7}
    note |= {"validation error": validation, "test error": test}
    path.with_suffix(".json").write_text(json.dumps(note))


def test_the_smallest_validation_error_ships_among_those_that_fit(workshop, asked, monkeypatch):
    monkeypatch.setattr(command, "SEEDS", (0, 1, 2, 3))
    command.WORK.mkdir()
    finished("tied", 0, 2_953, 0.013, 0.019)
    finished("tied", 1, 2_000, 0.014, 0.010)  # fewer bytes, and better where none may look
    finished("tied", 2, 2_954, 0.010, 0.010)  # too large
    finished("tied", 3, 2_953, 0.015, 0.018)
    asked("tied")
    assert (workshop / "data/digit_reader_tied.mini").read_bytes() == bytes(2_953)


# --- the report ----------------------------------------------------------------------------------


def cells(table):
    return [line.strip("| ").split(" | ") for line in table.splitlines()]


def test_the_report_holds_the_table_of_its_notes():
    written = (ROOT / "benchmarks/reader.md").read_text()
    assert report.table(NOTES) in written
    assert report.published() in written


def test_the_report_has_a_row_per_recipe_and_its_notes_are_in_order():
    _, _, *rows = cells(report.table(NOTES))
    assert [row[0] for row in rows] == sorted({note["name"] for note in NOTES})
    assert [(n["name"], n["seed"]) for n in NOTES] == sorted((n["name"], n["seed"]) for n in NOTES)


@pytest.mark.parametrize("name", KINDS)
def test_the_report_was_trained_by_todays_recipe(name):
    recipes = [Recipe(**note["recipe"]) for note in NOTES if note["name"] == name]
    assert recipes == [command.RECIPES[name]] * len(command.SEEDS)


def test_a_table_says_what_the_notes_say():
    notes = [
        {
            "name": "a",
            "bytes": 1_000,
            "validation error": 0.02,
            "test error": 0.011,
            "CPU seconds": 5,
        },
        {
            "name": "a",
            "bytes": 3_000,
            "validation error": 0.03,
            "test error": 0.014,
            "CPU seconds": 6,
        },
        {"name": "b", "bytes": 500, "validation error": 0.5, "test error": 0.25, "CPU seconds": 1},
    ]
    heading, _, *rows = cells(report.table(notes))
    assert rows == [
        ["a", "1,000, 3,000", "533x", "2.00, 3.00", "1.10, 1.40", "1.25", "5, 6"],
        ["b", "500", "2133x", "50.00", "25.00", "25.00", "1"],
    ]
    assert len(heading) == len(rows[0])


def test_notes_are_read_by_name_and_seed(tmp_path):
    for name, seed in (("b", 0), ("a", 10), ("a", 2)):
        (tmp_path / f"{name}-{seed}.json").write_text(json.dumps({"name": name, "seed": seed}))
    (tmp_path / "a-2.mini").write_bytes(b"x")
    assert report.runs(tmp_path) == [
        {"name": "a", "seed": 2},
        {"name": "a", "seed": 10},
        {"name": "b", "seed": 0},
    ]


def test_the_picture_shows_each_file_at_its_bytes_and_error():
    axes = report.front(NOTES).axes[0]
    points = {line.get_label(): line.get_xydata() for line in axes.lines}
    for kind in ("sparse", "tied", "plain"):
        notes = [note for note in NOTES if note["name"].partition("-")[0] == kind]
        expected = [[note["bytes"], 100 * note["test error"]] for note in notes]
        np.testing.assert_allclose(points[f"ours, {kind}"], expected)


def test_a_dense_network_has_the_bytes_that_times_smaller_counts_from():
    fans = (784, 300, 100, 10)
    n = sum(n_in * n_out + n_out for n_in, n_out in pairwise(fans))
    assert report.DENSE_BYTES == 4 * n
