import pytest
import torch

from benchmarks import baseline, break_even, surgery
from benchmarks.table import markdown
from minilib.models import layers_of, mlp
from minilib.training import Examples

MODEL = mlp((8, 12, 9, 4), seed=0)
X = torch.rand(16, 8, generator=torch.Generator().manual_seed(0))
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


@pytest.mark.parametrize(
    ("table", "n_rows"),
    [
        (lambda: surgery.exactness(MODEL, X, n_masks=2), 4),
        (lambda: surgery.speed(MODEL, X, n_pairs=4), 4),
        (lambda: break_even.times(MODEL, X, n_pairs=4), 6),
        (lambda: break_even.sizes(MODEL), 6),
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
