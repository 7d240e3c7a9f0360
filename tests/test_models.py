import copy
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrize

from minilib.models import (
    LENET_300_100,
    Layer,
    check_belongs,
    check_kept,
    layer_of,
    layers_of,
    linear_of,
    mlp,
    named_weights,
    network_of,
    with_parts,
    with_weights,
)

seeds = st.integers(0, 2**63 - 1)
shapes = st.lists(st.integers(1, 6), min_size=2, max_size=5)


def same_state(one, other):
    assert one.state_dict().keys() == other.state_dict().keys()
    for name, values in one.state_dict().items():
        assert torch.equal(values, other.state_dict()[name]), name
    return True


def all_yes(model):
    return [torch.ones(len(layer.bias), dtype=torch.bool) for layer in layers_of(model)[:-1]]


# Made networks


@given(shapes, st.integers(0, 2**32 - 1))
def test_a_network_starts_as_torchs_own_layers_do_from_that_seed(widths, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        theirs = [nn.Linear(n_in, n_out) for n_in, n_out in pairwise(widths)]
    for ours, linear in zip(mlp(widths, seed=seed)[::2], theirs, strict=True):
        torch.testing.assert_close(ours.weight, linear.weight, rtol=1e-6, atol=0)
        torch.testing.assert_close(ours.bias, linear.bias, rtol=1e-6, atol=0)


@given(shapes)
def test_a_network_is_linear_layers_of_these_widths_with_relus_between(widths):
    model = mlp(widths, seed=0)
    expected = ["Linear", "ReLU"] * (len(widths) - 1)
    assert [type(part).__name__ for part in model] == expected[:-1]
    assert [part.in_features for part in model[::2]] == widths[:-1]
    assert [part.out_features for part in model[::2]] == widths[1:]
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_the_papers_network_has_266610_parameters():
    assert sum(p.numel() for p in mlp(LENET_300_100, seed=0).parameters()) == 266_610


@given(seeds)
def test_the_seed_alone_decides_the_weights_and_torchs_own_generator_stays(seed):
    before = torch.get_rng_state()
    first = mlp((3, 4, 2), seed=seed)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    assert same_state(first, mlp((3, 4, 2), seed=seed))
    assert not torch.equal(first[0].weight, mlp((3, 4, 2), seed=seed ^ 1)[0].weight)


@pytest.mark.parametrize(
    ("widths", "seed", "message"),
    [
        ((), 0, r"at least the number of inputs and of outputs, got \(\).*\(784, 300, 100, 10\)"),
        ((784,), 0, r"at least the number of inputs and of outputs, got \(784,\)"),
        ((784, 0, 10), 0, "each width is a whole number of at least 1, got 0"),
        ((784, 30.0, 10), 0, "each width is a whole number of at least 1, got 30.0"),
        ((784, True, 10), 0, "each width is a whole number of at least 1, got True"),
        ((784, 10), None, "seed is a whole number of at least 0, got None"),
        ((784, 10), -1, "seed is a whole number of at least 0, got -1"),
    ],
)
def test_networks_of_no_widths_or_no_seed_are_refused(widths, seed, message):
    with pytest.raises(ValueError, match=message):
        mlp(widths, seed=seed)


# Weights by name


def test_weights_are_the_matrices_by_the_networks_own_names_without_biases():
    model = mlp((3, 4, 5, 2), seed=0)
    weights = named_weights(model)
    assert list(weights) == ["0.weight", "2.weight", "4.weight"]
    for name, weight in weights.items():
        assert torch.equal(weight, model.get_parameter(name))
        assert not weight.requires_grad


def test_a_convolutions_weights_are_weights():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2), nn.BatchNorm1d(2))
    assert list(named_weights(model)) == ["0.weight", "2.weight"]


def test_what_is_done_to_named_weights_does_not_reach_the_network():
    model = mlp((3, 4, 2), seed=0)
    before = copy.deepcopy(model)
    for weight in named_weights(model).values():
        weight.zero_()
    assert same_state(model, before)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_network_with_a_weight_that_is_no_number_is_refused_by_its_name(bad):
    model = mlp((3, 4, 2), seed=0)
    model[2].weight.data[1, 3] = bad
    with pytest.raises(ValueError, match=r"2\.weight has 1 value.*index \(1, 3\)"):
        named_weights(model)


def test_a_network_without_matrices_has_no_weights_to_name():
    with pytest.raises(ValueError, match=r"no weight matrix.*mlp\(widths, seed=0\)"):
        named_weights(nn.Sequential(nn.ReLU(), nn.BatchNorm1d(2)))


@given(shapes, seeds, seeds)
def test_a_network_given_all_weights_and_biases_of_another_is_the_other(widths, one, other):
    model, target = mlp(widths, seed=one), mlp(widths, seed=other)
    before = copy.deepcopy(model)
    assert same_state(with_weights(model, dict(target.named_parameters())), target)
    assert same_state(with_weights(model, {}), before)
    assert same_state(model, before)


def test_only_the_weights_that_are_named_are_replaced():
    model = mlp((3, 4, 2), seed=0)
    new = with_weights(model, {"2.weight": torch.zeros(2, 4)})
    assert not new[2].weight.any()
    assert torch.equal(new[0].weight, model[0].weight)
    assert torch.equal(new[2].bias, model[2].bias)


def test_a_new_network_shares_no_number_with_the_old_one_nor_with_what_it_was_given():
    model, given_weight = mlp((3, 4, 2), seed=0), torch.ones(2, 4)
    new = with_weights(model, {"2.weight": given_weight})
    before = copy.deepcopy(new)
    given_weight.zero_()
    for parameter in model.parameters():
        parameter.data.zero_()
    assert same_state(new, before)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"1.weight": torch.ones(2, 4)}, r"the network has no '1.weight'; it has 0.weight, 0.bias"),
        ({"2.weight": torch.ones(4, 2)}, r"2.weight has shape \(2, 4\) in the network, got \(4, 2"),
        ({"2.weight": torch.ones(4)}, r"2.weight has shape \(2, 4\) in the network, got \(4,\)"),
        ({"2.weight": torch.full((2, 4), torch.nan)}, r"2\.weight has 8 value\(s\) that are NaN"),
    ],
)
def test_weights_that_do_not_belong_are_refused_and_the_network_stays(weights, message):
    model = mlp((3, 4, 2), seed=0)
    before = copy.deepcopy(model)
    with pytest.raises(ValueError, match=message):
        with_weights(model, {"0.weight": torch.zeros(4, 3), **weights})
    assert same_state(model, before)


def test_a_tensor_that_fits_its_parameter_belongs():
    check_belongs("0.weight", torch.ones(4, 3), dict(mlp((3, 4, 2), seed=0).named_parameters()))


# Apart and together


@given(shapes, seeds)
def test_a_network_taken_apart_and_put_together_is_the_same(widths, seed):
    model = mlp(widths, seed=seed)
    layers = layers_of(model)
    again = network_of(layers)
    assert len(layers) == len(widths) - 1
    assert str(again) == str(model)
    assert same_state(again, model)
    assert all(parameter.requires_grad for parameter in again.parameters())


def test_layers_and_networks_made_of_them_are_copies():
    model = mlp((3, 4, 2), seed=0)
    before = copy.deepcopy(model)
    layers = layers_of(model)
    again = network_of(layers)
    for layer in layers:
        layer.weight.zero_()
        layer.bias.zero_()
    assert same_state(model, before)
    assert same_state(again, before)


def test_a_layer_without_bias_has_the_bias_0():
    linear = nn.utils.skip_init(nn.Linear, 3, 2, bias=False)
    linear.weight.data = torch.arange(6.0).view(2, 3)
    layer = layer_of(linear)
    assert layer.weight.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert layer.bias.tolist() == [0, 0]


def test_numbers_of_twice_the_precision_keep_it():
    model = mlp((3, 4, 2), seed=0).double()
    again = network_of(layers_of(model))
    assert {parameter.dtype for parameter in again.parameters()} == {torch.float64}
    assert same_state(again, model)


def test_a_linear_module_alone_is_a_network_of_one_layer():
    (layer,) = layers_of(nn.Linear(3, 2))
    assert layer.weight.shape == (2, 3)


def parametrized():
    model = mlp((3, 4, 2), seed=0)
    parametrize.register_parametrization(model[0], "weight", nn.Identity())
    return model


@pytest.mark.parametrize(
    ("model", "kinds"),
    [
        (nn.Sequential(), "got"),
        (nn.Sequential(nn.ReLU()), "got ReLU"),
        (nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), "got Linear, Linear.*merge_linear"),
        (nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), "got Linear, Tanh, Linear"),
        (nn.Sequential(nn.Linear(3, 4), nn.ReLU()), "got Linear, ReLU"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3, 4)), "got Flatten, Linear"),
        (nn.Conv2d(1, 1, 3), "got Conv2d"),
        (parametrized(), "got ParametrizedLinear, ReLU, Linear"),
    ],
)
def test_a_network_of_another_make_is_refused_by_its_parts(model, kinds):
    with pytest.raises(ValueError, match=f"has to be Linear, ReLU, Linear, .*, {kinds}"):
        layers_of(model)


@pytest.mark.parametrize("where", ["weight", "bias"])
def test_a_number_that_is_none_is_refused_where_a_network_is_taken_apart(where):
    model = mlp((3, 4, 2), seed=0)
    getattr(model[2], where).data[0] = torch.nan
    with pytest.raises(ValueError, match=f"{where} has .* NaN or infinite"):
        layers_of(model)


@pytest.mark.parametrize(
    ("weight", "bias"),
    [((2, 3), (3,)), ((2, 3), (2, 1)), ((2,), (2,)), ((2, 3, 1), (2,)), ((2, 3), ())],
)
def test_a_layer_whose_weight_and_bias_do_not_fit_is_refused(weight, bias):
    with pytest.raises(ValueError, match=r"weight of shape \(n_out, n_in\) and a bias of shape"):
        Layer(torch.zeros(weight), torch.zeros(bias))


def test_a_linear_module_has_copies_of_its_layers_numbers():
    layer = Layer(torch.ones(2, 3), torch.ones(2))
    linear = linear_of(layer)
    layer.weight.zero_()
    assert linear.weight.tolist() == [[1, 1, 1], [1, 1, 1]]
    assert (linear.in_features, linear.out_features) == (3, 2)


def test_no_layers_make_no_network():
    with pytest.raises(ValueError, match="at least one layer, got none"):
        network_of([])


def test_layers_that_do_not_fit_are_refused_with_what_is_usually_forgotten():
    layers = layers_of(mlp((3, 4, 5, 2), seed=0))
    layers[1] = Layer(torch.zeros(6, 4), torch.zeros(6))
    with pytest.raises(
        ValueError, match=r"layer 2 has 6 neurons, but layer 3 takes 5 inputs: .* its column"
    ):
        network_of(layers)


# Other parts


def test_parts_are_replaced_by_any_number_of_others_in_their_place():
    model = mlp((3, 4, 2), seed=0)
    before = copy.deepcopy(model)
    two = [nn.Linear(4, 1), nn.Linear(1, 2)]
    new = with_parts(model, {"2": two, "1": []})
    assert [type(part).__name__ for part in new] == ["Linear", "Linear", "Linear"]
    x = torch.ones(1, 3)
    assert torch.equal(new(x), two[1](two[0](model[0](x))))
    assert same_state(model, before)
    for parameter in new.parameters():
        parameter.data.zero_()
    assert same_state(model, before)
    assert two[0].weight.any()


def test_a_part_that_is_not_there_is_refused_by_its_name():
    with pytest.raises(ValueError, match="no part '3'; it has 0, 1, 2"):
        with_parts(mlp((3, 4, 2), seed=0), {"3": [nn.ReLU()], "0": [nn.ReLU()]})


# Kept neurons


def test_one_boolean_vector_per_hidden_layer_is_what_kept_has_to_be():
    model = mlp((3, 4, 5, 2), seed=0)
    one_each = [torch.arange(4) == 3, torch.arange(5) == 0]
    check_kept(all_yes(model), layers_of(model))
    check_kept(one_each, layers_of(model))
    check_kept([], layers_of(mlp((3, 2), seed=0)))


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ([], "one vector for each hidden layer, 1 here, got 0"),
        ([torch.ones(4) > 0] * 2, "one vector for each hidden layer, 1 here, got 2"),
        ([torch.ones(4)], r"bool tensor of shape \(4,\), got torch.float32 of shape \(4,\)\. From"),
        ([torch.ones(3) > 0], r"kept\[0\] is .* got torch.bool of shape \(3,\)"),
        ([torch.ones(4, 1) > 0], r"got torch.bool of shape \(4, 1\)"),
        ([[True] * 4], r"got \[True, True, True, True\]. From scores write mask_largest"),
        ([torch.zeros(4) > 0], r"kept\[0\] keeps no neuron of hidden layer 1.* Keep at least one"),
    ],
)
def test_what_says_not_which_neurons_are_kept_is_refused(kept, message):
    with pytest.raises(ValueError, match=message):
        check_kept(kept, layers_of(mlp((3, 4, 2), seed=0)))
