import copy
import statistics

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from minilib import measurement
from minilib.measurement import (
    compare_latency,
    count_macs,
    count_nonzeros,
    count_parameters,
    file_sizes,
    sparsity_of,
)
from minilib.models import LENET_300_100, Layer, mlp, named_weights, network_of, with_weights

WRITE = np.savez
KINDS = ["state dict", "dense", "dense, zipped", "CSR", "CSR, zipped"]


def from_weight(weight):
    return network_of([Layer(weight, weight.new_zeros(len(weight)))])


def sparse(n_out, n_in, n_nonzero, seed=0):
    random = torch.Generator().manual_seed(seed)
    weight = torch.zeros(n_out * n_in)
    weight[torch.randperm(n_out * n_in, generator=random)[:n_nonzero]] = torch.randn(
        n_nonzero, generator=random
    )
    return weight.view(n_out, n_in)


# Counts


def test_the_papers_network_costs_what_its_widths_say():
    model = mlp(LENET_300_100, seed=0)
    assert count_parameters(model) == 784 * 300 + 300 + 300 * 100 + 100 + 100 * 10 + 10 == 266_610
    assert count_macs(model) == 784 * 300 + 300 * 100 + 100 * 10


def test_zeros_are_parameters_and_multiplications_but_not_nonzeros():
    model = from_weight(torch.tensor([[1.0, 0.0, -2.0], [0.0, 0.0, -0.0]]))
    model[0].bias.data = torch.tensor([0.0, 3.0])
    assert count_parameters(model) == 8
    assert count_macs(model) == 6
    assert count_nonzeros(model) == 3
    assert sparsity_of(model) == 4 / 6


@given(st.integers(0, 60))
@settings(max_examples=20)
def test_sparsity_and_nonzeros_count_the_same_zeros(n_nonzero):
    model = from_weight(sparse(6, 10, n_nonzero))
    assert count_nonzeros(model) == n_nonzero
    assert sparsity_of(model) == pytest.approx(1 - n_nonzero / 60)


def test_sparsity_is_that_of_all_weights_together_not_the_mean_over_layers():
    model = mlp((9, 10, 1), seed=0)
    zeros = {"2.weight": torch.zeros(1, 10)}
    assert sparsity_of(with_weights(model, zeros)) == 0.1


def test_layers_inside_layers_count_too():
    inner = nn.Sequential(nn.Linear(3, 4, bias=False), nn.ReLU())
    model = nn.Sequential(inner, nn.Linear(4, 2))
    assert count_macs(model) == 20
    assert count_parameters(model) == 22


def test_a_network_without_weights_has_no_sparsity():
    with pytest.raises(ValueError, match="no weight matrix"):
        sparsity_of(nn.ReLU())


# Files


def by_hand(model, folder):
    """Write the files as their documentation says; pickles and archives name their file inside."""
    layers = [(part.weight.detach().numpy(), part.bias.detach().numpy()) for part in model[::2]]
    dense, csr = {}, {}
    for number, (weight, bias) in enumerate(layers):
        dense |= {f"weight{number}": weight, f"bias{number}": bias}
        starts = np.concatenate([[0], np.cumsum((weight != 0).sum(axis=1))])
        columns = np.concatenate([np.flatnonzero(row) for row in weight])
        csr |= {
            f"values{number}": weight[weight != 0],
            f"columns{number}": columns.astype(smallest(weight.shape[1] - 1)),
            f"starts{number}": starts.astype(smallest(starts[-1])),
            f"width{number}": np.array(weight.shape[1]),
            f"bias{number}": bias,
        }
    torch.save(model.state_dict(), folder / "0.bin")
    np.savez(folder / "1.npz", **dense)
    np.savez_compressed(folder / "2.npz", **dense)
    np.savez(folder / "3.npz", **csr)
    np.savez_compressed(folder / "4.npz", **csr)
    names = ["0.bin", "1.npz", "2.npz", "3.npz", "4.npz"]
    return dict(zip(KINDS, ((folder / name).stat().st_size for name in names), strict=True))


def smallest(largest):
    return next(t for t in (np.uint8, np.uint16, np.uint32) if largest <= np.iinfo(t).max)


@pytest.mark.parametrize(
    "weight",
    [
        torch.zeros(4, 3),
        torch.ones(4, 3),
        sparse(5, 1, 2),
        sparse(1, 7, 1),
        sparse(3, 255, 30),
        sparse(3, 256, 30),
        sparse(3, 257, 30),
        sparse(20, 300, 255),
        sparse(20, 300, 256),
        sparse(300, 300, 70_000),
        torch.tensor([[0.0, 0.0, 1.0]]),
        torch.tensor([[0.0], [0.0], [1.0]]),
        torch.tensor([[1e-45, -1e38, 0.0]]),
    ],
    ids=lambda weight: f"{tuple(weight.shape)}, {weight.count_nonzero()} nonzero",
)
def test_sizes_are_those_of_files_written_by_hand_also_at_the_extremes(weight, tmp_path):
    model = from_weight(weight)
    assert file_sizes(model) == by_hand(model, tmp_path)


def test_sizes_of_several_layers_are_those_of_files_written_by_hand(tmp_path):
    model = mlp((30, 20, 10, 5), seed=0)
    model = with_weights(model, {n: w * (w > 0.1) for n, w in named_weights(model).items()})
    before = copy.deepcopy(model)
    assert file_sizes(model) == by_hand(model, tmp_path)
    for name, values in before.state_dict().items():
        assert torch.equal(values, model.state_dict()[name])


def test_zeros_shrink_the_zipped_and_the_csr_files_but_not_the_others():
    dense, empty = (
        file_sizes(from_weight(weight))
        for weight in (sparse(100, 300, 30_000), sparse(100, 300, 600))
    )
    assert dense["state dict"] == empty["state dict"] > 120_000
    assert dense["dense"] == empty["dense"] > 120_000
    assert empty["dense, zipped"] < 0.05 * dense["dense, zipped"]
    assert empty["CSR"] < 0.05 * dense["CSR"]
    assert dense["CSR"] > dense["dense"]  # columns cost, too


def test_files_of_twice_the_precision_are_read_back_too():
    model = from_weight(torch.full((20, 300), 1 / 3, dtype=torch.float64))
    assert file_sizes(model)["dense"] > 20 * 300 * 8


def test_measuring_files_leaves_none_behind(monkeypatch, tmp_path):
    monkeypatch.setattr(measurement.tempfile, "tempdir", str(tmp_path))
    file_sizes(mlp((3, 2), seed=0))
    assert not list(tmp_path.iterdir())


def damaged(file, **arrays):
    name = next(name for name in arrays if name.startswith(("weight", "values")))
    WRITE(file, **{**arrays, name: arrays[name] * 2})


def misnamed(file, **arrays):
    WRITE(file, **arrays, bias7=np.zeros(1))


@pytest.mark.parametrize(
    ("writer", "kind", "save"),
    [
        ("savez", "dense", damaged),
        ("savez_compressed", "dense, zipped", damaged),
        ("savez", "dense", misnamed),
    ],
)
def test_a_file_that_does_not_give_the_network_back_is_never_measured(
    monkeypatch, writer, kind, save
):
    monkeypatch.setattr(np, writer, save)
    with pytest.raises(RuntimeError, match=f"kind '{kind}' does not hold the network"):
        file_sizes(mlp((3, 4, 2), seed=0))


@pytest.mark.parametrize("shift", [1, -1])
def test_a_csr_file_with_a_wrong_column_is_never_measured(monkeypatch, shift):
    to_csr = measurement._to_csr

    def wrong(matrix):
        arrays = to_csr(matrix)
        return {**arrays, "columns": (arrays["columns"].astype(int) + shift) % matrix.shape[1]}

    monkeypatch.setattr(measurement, "_to_csr", wrong)
    with pytest.raises(RuntimeError, match="kind 'CSR' does not hold the network"):
        file_sizes(mlp((3, 4, 2), seed=0))


@given(
    st.integers(1, 12), st.sampled_from([1, 2, 255, 256, 257]), st.integers(0, 60), st.integers(0)
)
@settings(max_examples=40)
def test_rows_stored_as_csr_come_back(n_out, n_in, n_nonzero, seed):
    weight = sparse(n_out, n_in, min(n_nonzero, n_out * n_in), seed % 2**32).numpy()
    stored = {f"{name}0": array for name, array in measurement._to_csr(weight).items()}
    back = measurement._from_csr({**stored, "bias0": np.zeros(n_out)})["weight0"]
    np.testing.assert_array_equal(back, weight)


def test_networks_of_another_make_have_no_such_files():
    with pytest.raises(ValueError, match="has to be Linear, ReLU"):
        file_sizes(nn.Sequential(nn.Conv2d(1, 1, 3)))


# Latency


class Clock:
    """A clock that stands still but for the work that says how long it takes."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        self.calls = []
        monkeypatch.setattr(measurement, "_clock", lambda: self.now)

    def work(self, name, *durations):
        """A function that takes these times in turn, the last for ever."""
        left = list(durations)

        def run():
            self.calls.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run


@given(st.floats(1e-5, 0.1), st.floats(1e-5, 0.1))
@settings(max_examples=20)
def test_the_ratio_is_the_time_of_the_first_over_that_of_the_second(slow, fast):
    with pytest.MonkeyPatch.context() as monkeypatch:
        clock = Clock(monkeypatch)
        compared = compare_latency(clock.work("a", slow), clock.work("b", fast), n_pairs=4)
    assert compared.seconds == pytest.approx((slow, fast))
    for ratio in (compared.ratio, compared.low, compared.high):
        assert ratio == pytest.approx(slow / fast)


def test_above_1_the_second_is_faster(monkeypatch):
    clock = Clock(monkeypatch)
    slow, fast = clock.work("slow", 0.03), clock.work("fast", 0.01)
    assert compare_latency(slow, fast).ratio == pytest.approx(3)
    assert compare_latency(fast, slow).ratio == pytest.approx(1 / 3)


def test_the_first_calls_warm_up_and_are_not_measured(monkeypatch):
    clock = Clock(monkeypatch)
    first, second = clock.work("a", 50.0, 0.01), clock.work("b", 90.0, 0.01)
    compared = compare_latency(first, second, n_pairs=4)
    assert compared.seconds == pytest.approx((0.01, 0.01))
    assert compared.high == pytest.approx(1)


def test_the_two_take_turns_after_the_warm_up(monkeypatch):
    clock = Clock(monkeypatch)
    compare_latency(clock.work("a", 0.01), clock.work("b", 0.01), n_pairs=5)
    assert "".join(clock.calls) == "a" + "b" + "ab" * 5


def test_short_work_is_repeated_until_a_reading_takes_2_ms(monkeypatch):
    clock = Clock(monkeypatch)
    compared = compare_latency(clock.work("a", 1.1e-3), clock.work("b", 3e-4), n_pairs=4)
    assert "".join(clock.calls) == "a" + "aa" + "b" * 15 + ("aa" + "b" * 8) * 4
    assert compared.seconds == pytest.approx((1.1e-3, 3e-4))


def test_the_ratio_is_the_median_over_the_pairs_with_its_quartiles(monkeypatch):
    clock = Clock(monkeypatch)
    times = [0.04, 0.02, 0.08, 0.05, 0.03]
    compared = compare_latency(clock.work("a", 1, *times), clock.work("b", 0.01), n_pairs=5)
    low, middle, high = statistics.quantiles([4, 2, 8, 5, 3], n=4)
    assert (compared.low, compared.ratio, compared.high) == pytest.approx((low, middle, high))
    assert compared.seconds == pytest.approx((0.04, 0.01))


def test_a_pair_on_a_busy_machine_does_not_move_the_ratio(monkeypatch):
    clock = Clock(monkeypatch)
    first = clock.work("a", 1, 0.02, 0.02, 2.0, 0.02)
    second = clock.work("b", 1, 0.01, 0.01, 1.0, 0.01)
    compared = compare_latency(first, second, n_pairs=8)
    assert (compared.low, compared.ratio, compared.high) == pytest.approx((2, 2, 2))


def test_30_pairs_are_timed_unless_told_otherwise(monkeypatch):
    clock = Clock(monkeypatch)
    compare_latency(clock.work("a", 0.01), clock.work("b", 0.01))
    assert len(clock.calls) == 2 + 60


@pytest.mark.parametrize("n_pairs", [3, 0, 4.0])
def test_too_few_pairs_for_quartiles_are_refused(n_pairs):
    with pytest.raises(ValueError, match=f"n_pairs is a whole number of at least 4, got {n_pairs}"):
        compare_latency(lambda: None, lambda: None, n_pairs=n_pairs)
