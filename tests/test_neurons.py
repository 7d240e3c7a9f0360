import copy
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import grad, vmap

from minilib.models import LENET_300_100, Layer, layers_of, mlp, named_weights, network_of
from minilib.neurons import (
    activation_scores,
    activations,
    compact,
    norm_scores,
    remove_neurons,
    silence,
    taylor_scores,
)

seeds = st.integers(0, 2**32 - 1)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def inputs(n_in, n=9, seed=0):
    return torch.randn(n, n_in, generator=generator(seed))


@st.composite
def networks(draw, least_hidden=0, most=8):
    widths = draw(st.lists(st.integers(1, most), min_size=2 + least_hidden, max_size=5))
    return mlp(widths, seed=draw(seeds))


@st.composite
def networks_and_kept(draw):
    model = draw(networks())
    widths = [len(layer.bias) for layer in layers_of(model)[:-1]]
    flags = [
        draw(st.lists(st.booleans(), min_size=width, max_size=width).filter(any))
        for width in widths
    ]
    return model, [torch.tensor(rows) for rows in flags]


@st.composite
def sparse_networks(draw):
    """Networks with so many zeros that some neurons are constant and some unheard."""
    model = draw(networks(least_hidden=1))
    random, share = generator(draw(seeds)), draw(st.sampled_from([0.3, 0.6, 0.8, 0.95, 1.0]))
    with torch.no_grad():
        for weight in (p for p in model.parameters() if p.ndim == 2):
            weight[torch.rand(weight.shape, generator=random) < share] = 0
        for bias in (p for p in model.parameters() if p.ndim == 1):
            bias.add_(torch.randn(bias.shape, generator=random))
    return model


def n_inputs(model):
    return model[0].in_features


def widths_of(model):
    return [part.out_features for part in model[::2]]


def masked_outputs(model, kept, x, constants=None):
    """Run the network by hand; neurons that are not kept give a constant, 0 if none is named."""
    layers = layers_of(model)
    for number, rows in enumerate(kept):
        x = torch.relu(x @ layers[number].weight.T + layers[number].bias)
        x = torch.where(rows, x, constants[number] if constants else 0.0)
    return x @ layers[-1].weight.T + layers[-1].bias


def from_numbers(*layers):
    return network_of([Layer(torch.tensor(w), torch.tensor(b)) for w, b in layers])


# Scores


@given(networks(), seeds)
@settings(max_examples=40)
def test_activations_are_what_the_networks_own_relus_give(model, seed):
    x, expected = inputs(n_inputs(model), seed=seed).requires_grad_(), []
    hooks = [
        part.register_forward_hook(lambda _part, _given, out: expected.append(out))
        for part in model
        if isinstance(part, nn.ReLU)
    ]
    model(x)
    for hook in hooks:
        hook.remove()
    for ours, theirs in zip(activations(model, x), expected, strict=True):
        torch.testing.assert_close(ours, theirs.detach())
        assert not ours.requires_grad


def test_scores_of_a_network_small_enough_to_compute_by_hand():
    model = from_numbers(
        ([[3.0, 4.0], [0.0, -2.0]], [9.0, 1.0]), ([[2.0, 5.0], [0.0, 12.0]], [7.0, 7.0])
    )
    (norms,) = norm_scores(model)
    assert norms.tolist() == [5 * 2, 2 * 13]
    x = torch.tensor([[0.0, 0.0], [-3.0, -3.0]])  # gives 9, 1 and 0, 7
    assert activations(model, x)[0].tolist() == [[9, 1], [0, 7]]
    (means,) = activation_scores(model, x)
    assert means.tolist() == [4.5 * 2, 4 * 13]


@given(networks(least_hidden=1), seeds, st.floats(0.1, 10))
@settings(max_examples=40)
def test_scores_do_not_notice_a_rescaling_that_changes_no_output(model, seed, factor):
    x = inputs(n_inputs(model), seed=seed)
    y = torch.arange(len(x)) % widths_of(model)[-1]
    layers = layers_of(model)
    layers[0].weight.mul_(factor)
    layers[0].bias.mul_(factor)
    layers[1].weight.div_(factor)
    rescaled = network_of(layers)
    torch.testing.assert_close(rescaled(x), model(x), rtol=1e-4, atol=1e-5)
    for scores in (
        lambda m: norm_scores(m)[:1],
        lambda m: activation_scores(m, x),
        lambda m: taylor_scores(m, x, y),
    ):
        for ours, theirs in zip(scores(rescaled), scores(model), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


@given(networks(), seeds)
@settings(max_examples=40)
def test_taylor_scores_are_those_of_torch_func_one_example_at_a_time(model, seed):
    x = inputs(n_inputs(model), seed=seed)
    y = torch.randint(0, widths_of(model)[-1], (len(x),), generator=generator(seed))
    layers, hidden = layers_of(model), activations(model, x)

    def loss_from(number):
        def loss(a, label):
            for layer in layers[number + 1 : -1]:
                a = torch.relu(layer.weight @ a + layer.bias)
            return nn.functional.cross_entropy(layers[-1].weight @ a + layers[-1].bias, label)

        return loss

    scores = taylor_scores(model, x, y)
    assert len(scores) == len(hidden)
    for number, (score, a) in enumerate(zip(scores, hidden, strict=True)):
        slopes = vmap(grad(loss_from(number)))(a, y)
        torch.testing.assert_close(score, (a * slopes).abs().mean(dim=0), rtol=1e-4, atol=1e-7)
        assert not score.requires_grad


def test_a_linear_loss_would_change_by_exactly_the_taylor_score():
    """Where removing neurons moves the logits little, the first order is the whole."""
    model, x = mlp((3, 6, 2), seed=0), inputs(3, n=1)
    with torch.no_grad():
        model[2].weight.mul_(1e-3)
    y = torch.tensor([1])
    (scores,) = taylor_scores(model.double(), x.double(), y)
    whole = nn.functional.cross_entropy(model(x.double()), y)
    for j in range(6):
        without = silence(model, [torch.arange(6) != j])
        change = nn.functional.cross_entropy(without(x.double()), y) - whole
        assert scores[j].item() == pytest.approx(abs(change.item()), rel=1e-2, abs=1e-9)


@given(networks(least_hidden=1), seeds)
@settings(max_examples=40)
def test_a_neuron_that_never_fires_has_neither_activation_nor_taylor_score(model, seed):
    with torch.no_grad():
        model[0].weight[0], model[0].bias[0] = 0, -1
    x = inputs(n_inputs(model), seed=seed)
    y = torch.zeros(len(x), dtype=torch.int64)
    assert activation_scores(model, x)[0][0] == 0
    assert taylor_scores(model, x, y)[0][0] == 0


def test_a_network_without_hidden_neurons_has_no_scores():
    model, x, y = mlp((3, 2), seed=0), inputs(3), torch.zeros(9).long()
    assert activations(model, x) == norm_scores(model) == activation_scores(model, x) == []
    assert taylor_scores(model, x, y) == []


# Removal


@given(networks_and_kept(), seeds)
def test_silenced_neurons_give_zero_and_all_others_what_they_gave(problem, seed):
    model, kept = problem
    x = inputs(n_inputs(model), seed=seed)
    quiet = silence(model, kept)
    assert widths_of(quiet) == widths_of(model)
    torch.testing.assert_close(quiet(x), masked_outputs(model, kept, x), rtol=1e-5, atol=1e-5)
    for number, rows in enumerate(kept):
        assert not quiet[2 * number].weight[~rows].any()
        assert not quiet[2 * number].bias[~rows].any()
        assert not quiet[2 * number + 2].weight[:, ~rows].any()
        assert torch.equal(quiet[2 * number].bias[rows], model[2 * number].bias[rows])


@given(networks_and_kept(), seeds)
def test_the_small_network_gives_what_the_masked_one_gives(problem, seed):
    model, kept = problem
    x = inputs(n_inputs(model), seed=seed)
    small = remove_neurons(model, kept)
    assert widths_of(small)[:-1] == [int(rows.sum()) for rows in kept]
    torch.testing.assert_close(small(x), silence(model, kept)(x), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(small(x), masked_outputs(model, kept, x), rtol=1e-5, atol=1e-5)


@given(networks_and_kept(), seeds)
def test_with_stand_ins_it_gives_what_constants_in_place_of_the_neurons_give(problem, seed):
    model, kept = problem
    x, random = inputs(n_inputs(model), seed=seed), generator(seed)
    constants = [torch.randn(len(rows), generator=random) for rows in kept]
    small = remove_neurons(model, kept, stand_in=constants)
    expected = masked_outputs(model, kept, x, constants)
    torch.testing.assert_close(small(x), expected, rtol=1e-5, atol=1e-5)
    assert widths_of(small)[:-1] == [int(rows.sum()) for rows in kept]


def test_the_papers_network_cut_at_random_is_the_masked_one_to_a_hundred_thousandth():
    x = torch.rand(100, 784, generator=generator(0))
    for seed in range(5):
        random, model = generator(seed), mlp(LENET_300_100, seed=seed)
        kept = [torch.rand(width, generator=random) < 0.3 for width in (300, 100)]
        assert (remove_neurons(model, kept)(x) - silence(model, kept)(x)).abs().max() < 1e-5


@given(networks_and_kept())
@settings(max_examples=40)
def test_rows_and_columns_that_stay_are_the_original_ones(problem):
    model, kept = problem
    small = remove_neurons(model, kept)
    rows = [*kept, torch.ones(widths_of(model)[-1]) > 0]
    columns = [torch.ones(n_inputs(model)) > 0, *kept]
    for number, (row, column) in enumerate(zip(rows, columns, strict=True)):
        old, new = model[2 * number], small[2 * number]
        assert torch.equal(new.weight, old.weight[row][:, column])
        assert torch.equal(new.bias, old.bias[row])


@given(networks_and_kept(), seeds)
@settings(max_examples=30)
def test_no_way_to_score_or_remove_changes_the_network_it_is_given(problem, seed):
    model, kept = problem
    before, flags = copy.deepcopy(model), [rows.clone() for rows in kept]
    x, y = inputs(n_inputs(model), seed=seed), torch.zeros(9, dtype=torch.int64)
    stand_in = activations(model, x)
    stand_in = [a.mean(dim=0) for a in stand_in]
    made = [
        silence(model, kept),
        remove_neurons(model, kept),
        remove_neurons(model, kept, stand_in=stand_in),
        compact(model),
    ]
    norm_scores(model), activation_scores(model, x), taylor_scores(model, x, y)
    for new in made:
        for parameter in new.parameters():
            parameter.data.fill_(7)
    for name, values in before.state_dict().items():
        assert torch.equal(model.state_dict()[name], values)
    assert all(map(torch.equal, kept, flags))
    assert not x.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("way", [silence, remove_neurons])
@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ([torch.zeros(4) > 0], "keeps no neuron of hidden layer 1"),
        ([torch.ones(3) > 0], r"bool tensor of shape \(4,\)"),
        ([torch.ones(4)], "bool tensor"),
        ([], "one vector for each hidden layer"),
    ],
)
def test_neurons_to_keep_that_do_not_fit_are_refused(way, kept, message):
    with pytest.raises(ValueError, match=message):
        way(mlp((3, 4, 2), seed=0), kept)


@pytest.mark.parametrize(
    "stand_in", [[torch.ones(3)], [torch.ones(4)] * 2, [torch.ones(9, 4)], [torch.ones(1)]]
)
def test_constants_that_are_not_one_per_neuron_are_refused(stand_in):
    message = r"stand_in has tensors of shapes \[\(4,\)\], one per neuron, got \["
    with pytest.raises(ValueError, match=message):
        remove_neurons(mlp((3, 4, 2), seed=0), [torch.arange(4) > 1], stand_in=stand_in)


def test_a_constant_that_is_no_number_is_refused():
    stand_in = [torch.tensor([torch.nan, 0, 0, 0])]
    with pytest.raises(ValueError, match="NaN or infinite"):
        remove_neurons(mlp((3, 4, 2), seed=0), [torch.arange(4) > 1], stand_in=stand_in)


# Compact


@given(sparse_networks(), seeds)
def test_a_compact_network_gives_the_same_outputs(model, seed):
    x = inputs(n_inputs(model), seed=seed)
    torch.testing.assert_close(compact(model)(x), model(x), rtol=1e-4, atol=1e-5)


@given(sparse_networks())
@settings(max_examples=40)
def test_in_a_compact_network_every_neuron_listens_and_is_heard_or_is_the_last_of_its_layer(model):
    layers = layers_of(compact(model))
    for one, following in itertools.pairwise(layers):
        needed = one.weight.any(dim=1) & following.weight.any(dim=0)
        assert needed.all() or (len(needed) == 1 and not following.weight.any())


@given(sparse_networks())
@settings(max_examples=40)
def test_a_compact_network_stays_as_it_is(model):
    once = compact(model)
    twice = compact(once)
    assert str(once) == str(twice)
    for name, values in once.state_dict().items():
        assert torch.equal(values, twice.state_dict()[name])


@given(networks())
@settings(max_examples=40)
def test_a_network_without_superfluous_neurons_is_compact(model):
    for name, values in compact(model).state_dict().items():
        assert torch.equal(values, model.state_dict()[name])


def test_a_constant_neuron_goes_into_the_next_biases():
    model = from_numbers(
        ([[1.0], [0.0], [0.0]], [0.0, 5.0, -5.0]), ([[1.0, 2.0, 9.0], [1.0, -3.0, 9.0]], [1.0, 1.0])
    )
    small = compact(model)
    assert small[0].weight.tolist() == [[1]]
    assert small[2].weight.tolist() == [[1], [1]]
    assert small[2].bias.tolist() == [11, -14]


def test_a_neuron_that_nobody_hears_takes_those_along_that_only_it_heard():
    model = from_numbers(
        ([[1.0], [2.0]], [0.0, 0.0]),
        ([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]),
        ([[1.0, 0.0]], [0.0]),
    )
    small = compact(model)
    assert widths_of(small) == [1, 1, 1]
    assert small[0].weight.tolist() == [[1]]


def test_a_constant_neuron_takes_those_along_that_heard_only_it():
    model = from_numbers(
        ([[1.0], [0.0]], [0.0, 3.0]),
        ([[1.0, 0.0], [0.0, 2.0]], [0.0, 1.0]),
        ([[1.0, 10.0]], [0.5]),
    )
    small = compact(model)
    assert widths_of(small) == [1, 1, 1]
    assert small[4].bias.tolist() == [70.5]


@pytest.mark.parametrize("emptied", ["0.weight", "2.weight", "4.weight"])
def test_a_layer_of_zeros_makes_the_whole_network_constant_with_one_neuron_each(emptied):
    model, x = mlp((3, 5, 4, 2), seed=0), inputs(3)
    model.get_parameter(emptied).data.zero_()
    small = compact(model)
    assert widths_of(small) == [1, 1, 2]
    torch.testing.assert_close(small(x), model(x))
    assert not any(weight[1:].any() for weight in named_weights(small).values())
