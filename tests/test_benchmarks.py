import itertools
import re

import numpy as np
import pytest
import torch

from benchmarks import __main__ as bench
from benchmarks import (
    baseline,
    break_even,
    files,
    grading,
    integers,
    lessons,
    path,
    results,
    surgery,
)
from benchmarks.table import markdown
from minilib.codec import encode_network
from minilib.linear import duality_gap, objective
from minilib.models import layers_of, mlp
from minilib.path import lambda_grid
from minilib.training import Examples

MODEL = mlp((8, 12, 9, 4), seed=0)
X = torch.rand(16, 8, generator=torch.Generator().manual_seed(0))
PICTURES = (255 * X).byte().numpy()
PROBLEM = path.toeplitz(60, 6, 0.5)
README = """
| [00](notebooks/00_start.ipynb) | Start here | say a thing; say another | 25 | 10 |
| [01](notebooks/01_l2.ipynb) | L2 | write an objective | 40 | 5 |
"""
REMOVALS = [surgery.without_neurons, surgery.without_weights]


def pairs(removal, *, n_pairs, seed=0):
    model, generator = mlp((8, 12, 9, 4), seed=0).double(), torch.Generator().manual_seed(seed)
    return [removal(model, generator) for _ in range(n_pairs)]


def lines(table):
    """The cells of each line of a Markdown table."""
    return [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in table.splitlines()]


def test_a_table_has_a_heading_a_rule_and_a_line_for_each_row():
    assert markdown(["a", "b"], [["1", "2"], ["3", "4"]]) == (
        "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |\n"
    )


@pytest.fixture(autouse=True)
def only_what_the_course_installs(monkeypatch):
    peers = {name: method for name, method in path.PEERS.items() if name.startswith("scikit")}
    monkeypatch.setattr(path, "PEERS", peers)


def reader():
    return {"reader": encode_network(files.in_integers(mlp((4, 3, 2), seed=0)))}


def two_problems():
    return {"one": lambda: PROBLEM, "other": lambda: path.toeplitz(6, 9, 0.5)}


@pytest.mark.parametrize(
    ("table", "n_rows"),
    [
        (lambda: baseline.table([baseline.Recipe(1)], digits(30), digits(10)), 1),
        (lambda: surgery.exactness(MODEL, X, n_masks=2), 4),
        (lambda: surgery.speed(MODEL, X, n_pairs=4), 4),
        (lambda: break_even.times(MODEL, X, n_pairs=4), 6),
        (lambda: break_even.sizes(MODEL), 6),
        (lambda: integers.times(integers.first_layer(MODEL, PICTURES), PICTURES, n_pairs=4), 6),
        (lambda: files.sizes(MODEL, MODEL, reader()), 3),
        (lambda: path.paths(two_problems()).split("\n\n")[0], 2),
        (lambda: path.paths(two_problems()).split("\n\n")[1], 2),
        (lambda: path.validations(two_problems()), 2),
        (lambda: lessons.times(README), 3),
    ],
)
def test_each_row_of_a_benchmark_fills_every_column(table, n_rows):
    heading, *rest = lines(table())
    assert len(rest) == 1 + n_rows
    assert {len(row) for row in rest} == {len(heading)}


# --- surgery -------------------------------------------------------------------------------------


@pytest.mark.parametrize("removal", REMOVALS)
def test_the_small_network_of_a_pair_has_fewer_neurons_and_the_same_logits(removal):
    found = pairs(removal, n_pairs=20)
    widths = [sum(surgery.hidden_widths(small)) for _, small in found]
    assert all(0 < width <= 12 + 9 for width in widths)
    assert min(widths) < 12 + 9
    for masked, small in found:
        torch.testing.assert_close(masked(X.double()), small(X.double()), rtol=0, atol=1e-12)


@pytest.mark.parametrize("removal", REMOVALS)
def test_the_seed_decides_what_is_removed(removal):
    def weights(seed):
        return [layers_of(masked)[0].weight for masked, _ in pairs(removal, n_pairs=3, seed=seed)]

    first, second, third = weights(0)
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)
    torch.testing.assert_close(weights(0), [first, second, third], rtol=0, atol=0)


def test_a_network_that_differs_is_reported():
    other = mlp((8, 12, 9, 4), seed=1)
    gap = (MODEL(X) - other(X)).abs().max().item()
    size = MODEL(X).abs().max().item()
    neurons, *found = surgery.differences(iter([(MODEL, MODEL), (MODEL, other)]), X)
    assert neurons == "21"
    assert found == [f"{gap:.1e}", f"{size:.1f}", f"{gap / size:.1e}"]


def test_the_timed_network_keeps_the_share_of_neurons_that_its_line_says():
    _, _, *rows = lines(surgery.speed(MODEL, X, n_pairs=4))
    assert [row[:2] for row in rows] == [
        ["50%: 6 and 5", "1"],
        ["50%: 6 and 5", "16"],
        ["20%: 2 and 2", "1"],
        ["20%: 2 and 2", "16"],
    ]


# --- break-even ----------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", [break_even.torch_pair, break_even.scipy_pair])
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.99])
def test_dense_and_csr_give_the_logits_of_the_network(pair, sparsity):
    model = break_even.pruned(MODEL, sparsity)
    expected = model(X).detach().T.numpy()
    dense, csr = pair(layers_of(model), X)
    assert dense() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert csr() == pytest.approx(expected, rel=1e-5, abs=1e-6)


# --- integers ------------------------------------------------------------------------------------


def test_all_products_give_the_sums_of_the_layer():
    layer = integers.first_layer(MODEL, PICTURES)
    expected = layer.accumulate(PICTURES) - layer.bias
    *plain, shifted, onnx_product = integers.products(layer, PICTURES).values()
    taken_off = integers.SHIFT * layer.weight.sum(axis=1, dtype=int)
    found = [*(product() for product in plain), np.asarray(shifted()) + taken_off]
    found += onnx_product()
    assert len(found) == 6
    assert all((expected == np.asarray(sums)).all() for sums in found)


# --- baseline ------------------------------------------------------------------------------------


def digits(n):
    generator = torch.Generator().manual_seed(0)
    return Examples(torch.rand(n, 784, generator=generator), torch.arange(n) % 10)


def test_a_row_of_the_baseline_has_the_error_of_each_seed():
    row = baseline.row(baseline.Recipe(epochs=1), digits(30), digits(10))
    assert row[:3] == ["1", "0.2", "0"]
    errors = [float(cell.removesuffix("%")) for cell in row[3:6]]
    assert all(0 <= error <= 100 for error in errors)
    assert float(row[6].removesuffix("%")) == pytest.approx(sum(errors) / 3, abs=0.01)


def test_the_step_is_chosen_where_the_held_out_digits_are_read_best(monkeypatch):
    seen = []

    def outcome(recipe, train, test):
        seen.append((train, test))
        return [abs(recipe.lr - 0.2)] * 3, 1.0

    monkeypatch.setattr(baseline, "outcome", outcome)
    monkeypatch.setattr(baseline, "HELD_OUT", 10)
    data = digits(30)
    assert baseline.chosen(7, data) == baseline.Recipe(7, 0.2, 1e-4)
    for train, held_out in seen:
        assert torch.equal(torch.cat([train.x, held_out.x]), data.x)
        assert len(held_out) == 10


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", files.COMPRESSORS)
@pytest.mark.parametrize("data", [b"", b"a", bytes(1000), bytes(range(256)) * 4])
def test_a_compressor_gives_back_what_went_in(kind, data):
    pack, unpack = files.COMPRESSORS[kind]
    assert unpack(pack(data)) == data


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 127], np.int8),
        ([-128, 0], np.int8),
        ([0, 128], np.int16),
        ([-129], np.int16),
        ([2**31 - 1], np.int32),
        ([0.5], np.float32),
    ],
)
def test_numbers_are_stored_in_the_smallest_type_that_holds_them(values, expected):
    stored = files.smallest_type(np.array(values))
    assert stored.dtype == expected
    assert stored.tolist() == values


def test_the_bare_numbers_of_a_network_take_a_byte_each_and_ours_is_the_whole_file():
    network = files.in_integers(MODEL)
    n_numbers = 8 * 12 + 12 + 12 * 9 + 9 + 9 * 4 + 4 + 3
    _, bare, ours, *_ = files.integer_row("tiny", network)
    assert (bare, ours) == (str(n_numbers), str(len(encode_network(network))))


def test_a_network_in_integers_reads_pictures_as_its_weights_in_four_bits_do():
    pictures = np.random.default_rng(0).integers(0, 256, (16, 8), np.uint8)
    x = torch.tensor(pictures / 255)
    model = mlp((8, 12, 9, 4), seed=0).double()
    for part in (part for part in model if hasattr(part, "weight")):
        part.weight.data = files.symmetric(part.weight.detach(), files.BITS).decode()
    expected = model(x).detach().numpy()
    found = files.in_integers(model).scores(pictures)
    assert np.corrcoef(expected.ravel(), found.ravel())[0, 1] > 0.999


def test_a_file_that_does_not_give_back_its_network_is_refused(monkeypatch):
    network, other = (files.in_integers(mlp((8, 4, 3), seed=seed)) for seed in (0, 1))
    monkeypatch.setattr(files, "decode_network", lambda file: other)
    with pytest.raises(RuntimeError, match="does not give back the tiny one"):
        files.integer_row("the tiny one", network)


def test_a_file_that_does_not_give_back_its_floats_is_refused(monkeypatch):
    monkeypatch.setattr(files, "decode_arrays", lambda file: {"w": np.zeros(2, np.float32)})
    with pytest.raises(RuntimeError, match="does not give back the tiny one"):
        files.float_row("the tiny one", {"w": np.ones(2, np.float32)})


def test_a_compressor_that_loses_something_is_refused(monkeypatch):
    monkeypatch.setitem(files.COMPRESSORS, "lzma", (lambda data: data[:-1], bytes))
    with pytest.raises(RuntimeError, match="does not give back the numbers of the tiny one"):
        files.integer_row("the tiny one", files.in_integers(MODEL))


# --- path ----------------------------------------------------------------------------------------


# skglm is left out: it is compiled at its first call, for longer than all these tests take.
METHODS = {name: path.PEERS[name] for name in path.PEERS if name != "skglm"}


def some_weights():
    X, y = PROBLEM
    lams = lambda_grid(X, y, n_lams=10)
    weights = np.random.default_rng(0).standard_normal((10, 6)) * np.abs(y).max()
    weights[0] = 0
    weights[1] = 3 * np.linalg.lstsq(X, y)[0]  # the residual points away from y
    weights[2:5] *= 1e-3
    return X, y, weights, lams


def test_the_gap_computed_here_is_the_librarys():
    X, y, weights, lams = some_weights()
    expected = [duality_gap(X, y, w, lam) for w, lam in zip(weights, lams, strict=True)]
    found = path.gaps(X, y, weights, lams) * objective(X, y, np.zeros(6), 0)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_objective_computed_here_is_the_librarys():
    X, y, weights, lams = some_weights()
    expected = [objective(X, y, w, lam) for w, lam in zip(weights, lams, strict=True)]
    found = path.objectives(X, y, weights, lams) * objective(X, y, np.zeros(6), 0)
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("shape", [(60, 6), (30, 40)])
def test_every_method_solves_the_same_problems_to_the_same_tolerance(method, shape):
    X, y = path.toeplitz(*shape, 0.5)
    _, quality = path.compared((X, y), {"peer": method})
    assert all(excess <= path.TOL for _, excess in quality.values())
    assert all(excess <= gap for gap, excess in quality.values())


def test_an_answer_that_is_not_good_is_seen(monkeypatch):
    def lazy(X, y, lams):
        return path.ours(X, y, 1.1 * lams)

    _, quality = path.compared(PROBLEM, {"lazy": lazy})
    gap, excess = quality["lazy"]
    assert gap >= excess > 100 * path.TOL


def test_methods_are_timed_in_turn_until_each_has_had_enough(monkeypatch):
    order = []

    def taking(seconds):
        return lambda: order.append(seconds) or seconds

    monkeypatch.setattr(path, "timed", lambda call: (call(), None))
    seconds, _ = path.in_turn({taken: taking(taken) for taken in (0.125, 9.0, 1.5)})
    assert seconds == {0.125: [0.125] * path.N_ROUNDS, 9.0: [9.0], 1.5: [1.5, 1.5]}
    assert order == [0.125, 9.0, 1.5, 0.125, 1.5] + [0.125] * (path.N_ROUNDS - 2)


def test_a_ratio_is_the_median_over_pairs_with_its_quartiles():
    own, peer = [1.0, 2.0, 1.0, 2.0, 1.0, 1.0], [5.0, 2.0, 2.0, 6.0, 4.0]
    assert path.ratio(peer, own) == "3.00 (2.00 to 4.00)"


def test_a_ratio_of_one_reading_says_so():
    assert path.ratio([30.0], [1.0, 2.0, 9.0]) == "15 (once)"


def test_who_is_too_slow_is_not_asked_again_for_the_same_shape(monkeypatch):
    tables = {
        name: lambda p=p: path.toeplitz(40, p, 0.5) for name, p in [("a", 5), ("b", 5), ("c", 6)]
    }
    clock = itertools.count(step=path.TOO_SLOW + 1)
    monkeypatch.setattr(path.time, "thread_time", lambda: next(clock))
    _, _, *times = lines(path.paths(tables).split("\n\n")[0])
    once, left_out = ["1 (once)", "1 (once)"], ["", ""]
    assert [row[3:] for row in times] == [once, left_out, once]


def test_both_cross_validations_choose_the_same_lam_to_a_step_of_the_grid(monkeypatch):
    monkeypatch.setattr(path, "N_ROUNDS", 2)
    seconds, (own, theirs) = path.validated(path.toeplitz(200, 10, 0.5))
    step = 100 ** (1 / 99)  # ours scales each fold by its own rows, so that they may differ by one
    assert 0.99 / step < own / theirs < 1.01 * step
    assert seconds.keys() == {"ours", "LassoCV"}


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_neighbouring_columns_of_a_toeplitz_table_are_correlated_by_rho(rho):
    X, _ = path.toeplitz(20_000, 6, rho)
    correlations = np.corrcoef(X.T)
    assert correlations.diagonal(1) == pytest.approx([rho] * 5, abs=0.05)
    assert correlations.diagonal(2) == pytest.approx([rho**2] * 4, abs=0.05)


@pytest.mark.parametrize("make", [path.breast_cancer, path.digits, path.wine])
def test_the_columns_of_a_table_are_standardized_and_y_is_centred(make):
    X, y = make()
    sizes = X.std(axis=0)
    assert X.mean(axis=0) == pytest.approx(np.zeros(X.shape[1]), abs=1e-9)
    assert sizes[sizes > 0] == pytest.approx(1)
    assert y.mean() == pytest.approx(0, abs=1e-9)


# --- lessons -------------------------------------------------------------------------------------


def test_the_run_times_are_those_of_the_readme_and_their_sum():
    _, _, *rows = lines(lessons.times(README))
    assert rows == [["00", "Start here", "10"], ["01", "L2", "5"], ["all", "", "15"]]


def test_every_lesson_of_the_readme_has_a_run_time():
    text = lessons.README.read_text(encoding="utf-8")
    assert len(lessons.ROW.findall(text)) == len(re.findall(r"^\| \[\d\d\]", text, re.MULTILINE))


# --- the file of results -------------------------------------------------------------------------


ORDER = ["first", "second", "third"]


def sections(text):
    return dict(results.SECTION.findall(text))


@pytest.fixture
def stored(tmp_path):
    """A file with a section for each part."""
    file = tmp_path / "results.md"
    for part in reversed(ORDER):
        results.renew(file, part, f"what {part} found\n", ORDER)
    return file


def test_the_parts_follow_each_other_in_their_order_whenever_they_were_measured(stored):
    text = stored.read_text()
    assert list(sections(text)) == ORDER
    assert text.startswith("# Results\n")
    assert text.endswith("what third found\n")


@pytest.mark.parametrize("part", ORDER)
def test_a_renewed_section_leaves_the_others_alone(stored, part):
    before = sections(stored.read_text())
    results.renew(stored, part, "news\n", ORDER)
    after = sections(stored.read_text())
    assert f"what {part} found" in before.pop(part)
    assert after.pop(part).endswith("\n\nnews\n\n"[: 8 if part != "third" else 7])
    assert after == before


def test_the_same_report_on_the_same_day_gives_the_same_file(stored):
    before = stored.read_bytes()
    results.renew(stored, "second", "what second found\n", ORDER)
    assert stored.read_bytes() == before


def test_a_part_that_is_gone_leaves_the_file(stored):
    results.renew(stored, "first", "news\n", ORDER[:2])
    assert list(sections(stored.read_text())) == ORDER[:2]


def test_a_file_that_cannot_be_replaced_stays_as_it_was(stored, monkeypatch):
    def full(*paths):
        raise OSError("no space")

    before = stored.read_bytes()
    monkeypatch.setattr(results.os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        results.renew(stored, "first", "news\n", ORDER)
    assert [file.read_bytes() for file in stored.parent.iterdir()] == [before]


def test_a_section_says_when_and_where_and_with_which_versions(stored):
    said = sections(stored.read_text())["second"]
    assert re.search(r"\d{4}-\d\d-\d\d; .+, \d+ cores, \d+ GiB, \w+, one thread\.", said)
    assert f"numpy {np.__version__}" in said
    assert f"torch {torch.__version__}" in said


def test_a_package_that_is_not_there_is_not_said():
    assert results.release("no-such-package") is None


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """The names of the parts that were measured, in their order."""
    names = []
    parts = {part: lambda part=part: names.append(part) or f"{part}!\n" for part in ORDER}
    monkeypatch.setattr(bench, "PARTS", parts)
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "results.md")
    return names


@pytest.mark.parametrize(("named", "expected"), [([], ORDER), (["third", "first"], None)])
def test_all_parts_or_those_that_are_named_are_measured(measured, named, expected):
    bench.main(named)
    assert measured == (expected or named)
    assert sections(bench.RESULTS.read_text()).keys() == set(measured)


def test_what_is_no_part_is_refused_before_anything_is_measured(measured):
    with pytest.raises(SystemExit, match=r"a part is one of first, second, third, got 'fourth'\."):
        bench.main(["first", "fourth"])
    assert measured == []


def test_a_part_that_fails_leaves_what_was_measured_before_it(measured, monkeypatch):
    def broken():
        raise ValueError("broken")

    monkeypatch.setitem(bench.PARTS, "second", broken)
    with pytest.raises(ValueError, match="broken"):
        bench.main([])
    assert list(sections(bench.RESULTS.read_text())) == ["first"]


# --- what is stored ------------------------------------------------------------------------------


RESULTS = sections(bench.RESULTS.read_text(encoding="utf-8"))
LENET = mlp((8, 300, 100, 4), seed=0)
MANY = torch.rand(1024, 8, generator=torch.Generator().manual_seed(0))


def names_of(tables):
    """Of each table its heading, and the set of the names of its rows."""
    split = [lines(table) for table in re.findall(r"(?:^\|.*\n?)+", tables, re.MULTILINE)]
    return [(heading, {row[0] for row in rows}) for heading, _, *rows in split]


def recipes():
    return [baseline.Recipe(4), baseline.Recipe(10)]


def pictures_of(x):
    return (255 * x).byte().numpy()


def tables_of_path():
    tiny = dict.fromkeys(path.TUNED | path.NEW, lambda: PROBLEM)
    return f"{path.paths(tiny)}\n{path.validations(tiny)}"


WRITTEN = {
    "baseline": lambda: baseline.table(recipes(), digits(30), digits(10)),
    "surgery": lambda: (
        surgery.exactness(LENET, MANY, n_masks=2) + "\n" + surgery.speed(LENET, MANY, n_pairs=4)
    ),
    "break_even": lambda: break_even.times(LENET, MANY, n_pairs=4) + "\n" + break_even.sizes(LENET),
    "integers": lambda: integers.times(
        integers.first_layer(LENET, pictures_of(MANY)), pictures_of(MANY), n_pairs=4
    ),
    "files": lambda: files.sizes(
        MODEL,
        MODEL,
        {f"`{name}.mini`": reader()["reader"] for name in ("digit_reader", "digit_reader_tied")},
    ),
    "path": tables_of_path,
    "grading": lambda: grading.section([[topic, "", "", ""] for topic in grading.TOPICS], 2, 1),
    "lessons": lambda: lessons.times(lessons.README.read_text(encoding="utf-8")),
}


@pytest.fixture
def with_all_rivals(monkeypatch):
    names = ("scikit-learn", "scikit-learn, Gram", "celer", "skglm")
    monkeypatch.setattr(path, "PEERS", dict.fromkeys(names, path.ours))
    monkeypatch.setattr(path, "N_ROUNDS", 2)
    walked, chosen = path.compared(PROBLEM, path.PEERS), path.validated(PROBLEM)
    monkeypatch.setattr(path, "compared", lambda problem, peers: walked)
    monkeypatch.setattr(path, "validated", lambda problem: chosen)


def test_every_part_has_its_section_in_the_order_of_the_parts():
    assert list(RESULTS) == list(bench.PARTS) == list(WRITTEN)


@pytest.mark.parametrize("part", WRITTEN)
def test_the_stored_tables_have_the_columns_and_rows_of_their_part(part, with_all_rivals):
    expected = names_of(WRITTEN[part]())
    found = names_of(RESULTS[part])
    assert [heading for heading, _ in found] == [heading for heading, _ in expected]
    assert all(rows and rows <= own for (_, rows), (_, own) in zip(found, expected, strict=True))
