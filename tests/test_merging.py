import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from minilib.low_rank import with_low_rank
from minilib.merging import merge_into_kept, merge_linear, merge_proportional
from minilib.models import Layer, layers_of, linear_of, mlp, named_weights, network_of
from minilib.neurons import activations, remove_neurons

seeds = st.integers(0, 2**32 - 1)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def inputs(n_in, n=50, seed=0):
    return torch.randn(n, n_in, generator=generator(seed))


def widths_of(model):
    return [part.out_features for part in model if isinstance(part, nn.Linear)]


def assert_same_state(one, other):
    for name, values in one.state_dict().items():
        assert torch.equal(values, other.state_dict()[name])


def with_copies(model, seed, opposite=False):
    """Split neurons into proportional parts and add silent ones; outputs stay as they were."""
    random, layers = generator(seed), layers_of(model)
    for number in range(len(layers) - 1):
        one, following = layers[number], layers[number + 1]
        width = len(one.bias)
        originals = torch.randint(0, width, (2 * width,), generator=random)
        source = torch.cat([torch.arange(width), originals])
        factor = torch.rand(len(source), generator=random) * 3 + 0.25
        share = torch.rand(len(source), generator=random) + 0.1
        share /= torch.zeros(width).index_add(0, source, share)[source]
        weight = one.weight[source] * factor[:, None]
        outgoing = following.weight[:, source] * (share / factor)
        silent = torch.randn(len(following.bias), 2, generator=random)
        order = torch.randperm(len(source) + 2, generator=random)
        layers[number] = Layer(
            torch.cat([weight, torch.zeros(2, weight.shape[1])])[order],
            torch.cat([one.bias[source] * factor, torch.zeros(2)])[order],
        )
        layers[number + 1] = Layer(torch.cat([outgoing, silent], dim=1)[:, order], following.bias)
    return network_of(layers)


def fit_error(model, small, x):
    """Squared error that is left in what the next layer gets."""
    return (model(x) - small(x)).double().square().sum().item()


# Linear layers


@given(st.lists(st.integers(1, 7), min_size=3, max_size=5), seeds)
@settings(max_examples=40)
def test_layers_without_relus_between_them_are_one_layer(widths, seed):
    parts = [linear_of(layer) for layer in layers_of(mlp(widths, seed=seed))]
    deep = nn.Sequential(*parts)
    (flat,) = merge_linear(deep)
    x = inputs(widths[0], seed=seed)
    assert flat.weight.shape == (widths[-1], widths[0])
    torch.testing.assert_close(flat(x), deep(x), rtol=1e-4, atol=1e-5)


@given(st.lists(st.integers(1, 7), min_size=2, max_size=5), seeds, st.data())
@settings(max_examples=40)
def test_thin_layers_merge_back_into_the_network_that_low_rank_made_them_of(widths, seed, data):
    model = mlp(widths, seed=seed)
    shapes = {name: weight.shape for name, weight in named_weights(model).items()}
    chosen = data.draw(st.sets(st.sampled_from(sorted(shapes))))
    full = {name.removesuffix(".weight"): min(shapes[name]) for name in chosen}
    merged = merge_linear(with_low_rank(model, full))
    assert str(merged) == str(model)
    for name, values in merged.state_dict().items():
        torch.testing.assert_close(values, model.state_dict()[name], rtol=1e-4, atol=1e-5)


@given(seeds, st.integers(1, 4))
@settings(max_examples=40)
def test_a_merged_network_of_any_rank_gives_the_same_outputs(seed, rank):
    thin = with_low_rank(mlp((6, 5, 4), seed=seed), {"0": rank, "2": rank})
    x = inputs(6, seed=seed)
    torch.testing.assert_close(merge_linear(thin)(x), thin(x), rtol=1e-4, atol=1e-5)
    assert widths_of(merge_linear(thin)) == [5, 4]


def test_what_stands_between_linear_layers_stays_and_keeps_them_apart():
    for between in (nn.ReLU(), nn.Tanh(), nn.BatchNorm1d(4)):
        model = nn.Sequential(nn.Linear(3, 4), between, nn.Linear(4, 2), nn.Flatten()).eval()
        assert str(merge_linear(model)) == str(model)
        assert_same_state(merge_linear(model), model)


def test_a_merged_network_shares_nothing_with_the_original():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.BatchNorm1d(4))
    before = copy.deepcopy(model)
    merged = merge_linear(model)
    merged(torch.ones(2, 3))
    for parameter in merged.parameters():
        parameter.data.fill_(7)
    assert_same_state(model, before)


def test_merging_can_make_a_network_larger():
    thin = with_low_rank(mlp((20, 20), seed=0), {"0": 1})
    assert sum(p.numel() for p in thin.parameters()) < 100
    assert sum(p.numel() for p in merge_linear(thin).parameters()) == 420


# Proportional neurons


@given(st.lists(st.integers(2, 5), min_size=3, max_size=5), seeds)
@settings(max_examples=60)
def test_split_and_silent_neurons_merge_back_to_the_width_they_came_from(widths, seed):
    model = mlp(widths, seed=seed)
    wide = with_copies(model, seed)
    small = merge_proportional(wide, tol=1e-5)
    x = inputs(widths[0], seed=seed)
    assert widths_of(wide)[0] == 3 * widths[1] + 2
    assert widths_of(small) == widths[1:]
    torch.testing.assert_close(small(x), wide(x), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(small(x), model(x), rtol=1e-4, atol=1e-5)


def one_hidden(rows, outgoing):
    table = torch.tensor(rows)
    first = Layer(table[:, :-1], table[:, -1])
    return network_of([first, Layer(torch.tensor([outgoing]), torch.zeros(1))])


def test_the_first_neuron_of_each_direction_stays_and_the_others_add_what_they_gave():
    model = one_hidden([[1.0, 2.0], [3.0, 0.0], [2.0, 4.0], [0.5, 1.0]], [10.0, 20.0, 30.0, 40.0])
    small = merge_proportional(model)
    assert small[0].weight.tolist() == [[1], [3]]
    assert small[0].bias.tolist() == [2, 0]
    assert small[2].weight.tolist() == [[10 + 2 * 30 + 0.5 * 40, 20]]


def test_opposite_neurons_are_not_the_same():
    model = one_hidden([[1.0, 2.0], [-1.0, -2.0], [1.0, -2.0]], [1.0, 1.0, 1.0])
    assert_same_state(merge_proportional(model), model)


def test_neurons_with_the_same_weights_and_other_biases_are_not_the_same():
    model = one_hidden([[1.0, 2.0], [1.0, 2.1]], [1.0, 1.0])
    assert_same_state(merge_proportional(model), model)


def test_neurons_that_never_give_anything_go_but_for_the_last():
    silent = one_hidden([[0.0, 0.0], [0.0, 0.0]], [5.0, 7.0])
    small = merge_proportional(silent)
    assert widths_of(small) == [1, 1]
    assert small(torch.ones(1, 1)).item() == 0
    mixed = one_hidden([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]], [5.0, 7.0, 9.0])
    small = merge_proportional(mixed)
    assert small[0].weight.tolist() == [[1]]
    assert small[2].weight.tolist() == [[7]]


def test_a_constant_neuron_is_no_silent_one():
    model = one_hidden([[0.0, 1.0], [1.0, 0.0]], [5.0, 7.0])
    assert_same_state(merge_proportional(model), model)


@pytest.mark.parametrize(("tol", "width"), [(0.0, 2), (0.009, 2), (0.011, 1), (3.0, 1)])
def test_directions_no_further_apart_than_the_tolerance_are_the_same(tol, width):
    model = one_hidden([[1.0, 0.0], [5.0, 0.05]], [1.0, 1.0])
    assert widths_of(merge_proportional(model, tol=tol))[0] == width


def test_with_tolerance_0_equal_rows_merge():
    model = one_hidden([[0.3, 0.7], [0.3, 0.7]], [1.0, 2.0])
    assert merge_proportional(model, tol=0)[2].weight.tolist() == [[3]]


def test_each_neuron_goes_to_the_nearest_of_the_directions():
    model = one_hidden([[1.0, 0.0], [1.0, 0.3], [1.0, 0.2]], [1.0, 1.0, 1.0])
    small = merge_proportional(model, tol=0.25)
    assert small[2].weight[0, 0] == 1
    assert small[2].weight[0, 1].item() == pytest.approx(1 + (1.04 / 1.09) ** 0.5)


@pytest.mark.parametrize("scale", [1e-30, 1e25])
def test_weights_of_any_size_have_directions(scale):
    model = one_hidden([[scale, 0.0], [0.0, scale], [2 * scale, 0.0]], [1.0, 1.0, 1.0])
    small = merge_proportional(model)
    assert widths_of(small)[0] == 2
    assert small[2].weight.tolist() == [[3, 1]]


def test_a_network_without_hidden_neurons_has_nothing_to_merge():
    model = mlp((3, 2), seed=0)
    assert_same_state(merge_proportional(model), model)
    assert_same_state(merge_into_kept(model, [], inputs(3)), model)


@pytest.mark.parametrize("tol", [-1e-9, torch.nan, "1"])
def test_a_tolerance_that_is_no_number_of_at_least_0_is_refused(tol):
    with pytest.raises(ValueError, match="tol is a number of at least 0, got"):
        merge_proportional(mlp((3, 4, 2), seed=0), tol=tol)


# Least squares


@given(seeds)
@settings(max_examples=30)
def test_neurons_that_are_combinations_of_the_kept_ones_go_without_loss(seed):
    """Where inputs keep all neurons active, what a layer gives is affine in the inputs."""
    layers = layers_of(mlp((3, 8, 7, 2), seed=seed))
    layers[0].bias.add_(10)
    layers[1].weight.abs_()
    layers[1].bias.add_(10)
    model = network_of(layers)
    x = torch.rand(40, 3, generator=generator(seed))
    kept = [torch.arange(8) % 2 == 0, torch.arange(7) > 2]
    small = merge_into_kept(model, kept, x)
    unseen = torch.rand(40, 3, generator=generator(seed ^ 1))
    assert widths_of(small) == [4, 4, 2]
    torch.testing.assert_close(small(x), model(x), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(small(unseen), model(unseen), rtol=1e-3, atol=1e-3)


@st.composite
def wide_and_kept(draw):
    width = draw(st.integers(1, 8))
    flags = draw(st.lists(st.booleans(), min_size=width, max_size=width).filter(any))
    return mlp((3, width, 2), seed=draw(seeds)), [torch.tensor(flags)]


@given(
    wide_and_kept(),
    seeds,
    st.sampled_from([0.01, 1.0, 1e4]),
    st.sampled_from([0.0, 3.0, 1e3]),
    st.sampled_from([2, 60]),
)
@settings(max_examples=60)
def test_what_is_left_is_never_more_than_means_leave_nor_than_nothing_leaves(
    problem, seed, scale, shift, n
):
    model, kept = problem
    x = scale * inputs(3, n=n, seed=seed) + shift
    means = [a.mean(dim=0) for a in activations(model, x)]
    left = fit_error(model, merge_into_kept(model, kept, x), x)
    rounding = 1e-9 * model(x).double().square().sum().item()
    assert left <= fit_error(model, remove_neurons(model, kept, stand_in=means), x) + rounding
    assert left <= fit_error(model, remove_neurons(model, kept), x) + rounding


@given(wide_and_kept(), seeds)
@settings(max_examples=40)
def test_no_other_outgoing_weights_or_biases_would_leave_less(problem, seed):
    model, kept = problem
    x, random = inputs(3, n=60, seed=seed), generator(seed)
    small = merge_into_kept(model, kept, x)
    left = fit_error(model, small, x)
    for _ in range(5):
        other = copy.deepcopy(small)
        for parameter in other[2].parameters():
            parameter.data.add_(0.01 * torch.randn(parameter.shape, generator=random))
        assert fit_error(model, other, x) >= left * (1 - 1e-3) - 1e-9


def test_a_lost_neuron_is_predicted_by_least_squares_with_an_intercept():
    model, x = mlp((4, 6, 2), seed=1), inputs(4, n=200)
    rows = torch.tensor([True, False, True, True, False, True])
    (given_,) = activations(model.double(), x.double())
    known = torch.cat([given_[:, rows], torch.ones(200, 1)], dim=1)
    solved = torch.linalg.lstsq(known, given_[:, ~rows]).solution
    small = merge_into_kept(model, [rows], x.double())
    lost = model[2].weight[:, ~rows] @ solved.T
    torch.testing.assert_close(small[2].weight, model[2].weight[:, rows] + lost[:, :-1])
    torch.testing.assert_close(small[2].bias, model[2].bias + lost[:, -1])
    assert torch.equal(small[0].weight, model[0].weight[rows])


def test_the_second_layer_is_fitted_to_what_the_kept_neurons_of_the_first_now_give_it():
    model, x = mlp((4, 9, 8, 2), seed=0), inputs(4, n=300).requires_grad_()
    kept = [torch.arange(9) < 4, torch.arange(8) < 3]
    small = merge_into_kept(model, kept, x)
    first = merge_into_kept(model, [kept[0], torch.ones(8) > 0], x)
    both = merge_into_kept(first, [torch.ones(4) > 0, kept[1]], x)
    for name, values in small.state_dict().items():
        torch.testing.assert_close(values, both.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_where_all_neurons_are_kept_nothing_changes():
    model = mlp((4, 5, 3, 2), seed=0)
    assert_same_state(
        merge_into_kept(model, [torch.ones(5) > 0, torch.ones(3) > 0], inputs(4)), model
    )


@pytest.mark.parametrize("kept", [[torch.zeros(4) > 0], [torch.ones(3) > 0], [torch.ones(4)], []])
def test_neurons_to_keep_that_do_not_fit_are_refused(kept):
    with pytest.raises(ValueError, match="kept"):
        merge_into_kept(mlp((3, 4, 2), seed=0), kept, inputs(3))


def test_no_inputs_to_fit_on_are_refused():
    with pytest.raises(ValueError, match="x needs at least one row"):
        merge_into_kept(mlp((3, 4, 2), seed=0), [torch.arange(4) > 1], torch.ones(0, 3))


@given(seeds)
@settings(max_examples=20)
def test_no_merge_changes_the_network_it_is_given(seed):
    model = with_copies(mlp((3, 4, 2), seed=seed), seed)
    before = copy.deepcopy(model)
    made = [
        merge_linear(model),
        merge_proportional(model),
        merge_into_kept(model, [torch.arange(14) > 5], inputs(3)),
    ]
    for new in made:
        for parameter in new.parameters():
            parameter.data.fill_(7)
    assert_same_state(model, before)
