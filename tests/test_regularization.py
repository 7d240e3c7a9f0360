import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call, grad

from minilib.linear import coordinate_descent, kkt_residual, lambda_max
from minilib.models import Layer, layers_of, mlp, network_of
from minilib.neurons import compact
from minilib.regularization import (
    absolute_sum,
    penalized,
    proximal_group_lasso,
    proximal_l1,
    squared_norm,
)
from minilib.training import Examples, cross_entropy, fit, sgd

seeds = st.integers(0, 2**32 - 1)
PROXIMAL = [proximal_l1, proximal_group_lasso]


def random_examples(n=40, p=3, n_classes=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, p, generator=generator)
    return Examples(x, torch.randint(0, n_classes, (n,), generator=generator))


def plain_sgd(model, lr=0.1, momentum=0.0):
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)


# Penalties


@given(seeds, st.floats(0, 10))
@settings(max_examples=20)
def test_a_penalized_loss_and_its_gradient_are_those_of_the_formula(seed, lam):
    model, data = mlp((3, 4, 2), seed=seed), random_examples(seed=seed)
    norms = {
        squared_norm: lambda w: w.square().sum() / 2,
        absolute_sum: lambda w: w.abs().sum(),
    }
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    for penalty, norm in norms.items():

        def formula(ps, norm=norm):
            surprise = nn.functional.cross_entropy(functional_call(model, ps, (data.x,)), data.y)
            return surprise + lam * (norm(ps["0.weight"]) + norm(ps["2.weight"]))

        model.zero_grad()
        value = penalized(cross_entropy, penalty, lam)(model, data.x, data.y)
        value.backward()
        torch.testing.assert_close(value.detach(), formula(parameters))
        for name, slope in grad(formula)(parameters).items():
            found = model.get_parameter(name).grad
            torch.testing.assert_close(found, slope, rtol=1e-4, atol=1e-6)


def test_penalties_by_hand_and_without_biases():
    model = network_of([Layer(torch.tensor([[3.0, -4.0]]), torch.tensor([100.0]))])
    assert squared_norm(model).item() == 12.5
    assert absolute_sum(model).item() == 7


@pytest.mark.parametrize("lam", [0, 0.05])
def test_an_l2_penalty_and_weight_decay_train_the_same_network(lam):
    by_penalty, by_decay = mlp((3, 4, 2), seed=0), mlp((3, 4, 2), seed=0)
    data, options = random_examples(), {"epochs": 3, "seed": 0, "batch_size": 8}
    fit(by_penalty, data, loss=penalized(cross_entropy, squared_norm, lam), **options)
    fit(by_decay, data, optimizer=sgd(by_decay, weight_decay=lam), **options)
    for name, values in by_penalty.state_dict().items():
        torch.testing.assert_close(values, by_decay.state_dict()[name], rtol=1e-4, atol=1e-6)


def test_the_slope_of_the_absolute_sum_makes_no_exact_zeros_where_the_prox_does():
    data, zeros = random_examples(), []
    for by_prox in (False, True):
        model = mlp((3, 20, 2), seed=0)
        optimizer = sgd(model, lr=0.05)
        loss = [penalized(cross_entropy, absolute_sum, 0.1), cross_entropy][by_prox]
        after_step = [None, proximal_l1(0.1, optimizer)][by_prox]
        fit(model, data, epochs=40, seed=0, optimizer=optimizer, loss=loss, after_step=after_step)
        zeros.append(int((model[0].weight == 0).sum()))
    assert zeros[0] == 0
    assert zeros[1] > 30


@pytest.mark.parametrize("lam", [-1e-9, torch.nan, torch.inf, "1"])
def test_a_strength_that_is_no_number_of_at_least_0_is_refused(lam):
    optimizer = sgd(mlp((3, 2), seed=0))
    with pytest.raises(ValueError, match="lam is a number of at least 0, got"):
        penalized(cross_entropy, squared_norm, lam)
    for proximal in PROXIMAL:
        with pytest.raises(ValueError, match="lam is a number of at least 0, got"):
            proximal(lam, optimizer)


# Proximal L1


@given(seeds, st.floats(0, 2), st.floats(0.01, 1), st.floats(0, 0.99))
def test_proximal_l1_takes_lam_times_the_reach_of_a_step_off_each_weight(seed, lam, lr, momentum):
    model = mlp((3, 4, 2), seed=seed)
    before = copy.deepcopy(model)
    proximal_l1(lam, plain_sgd(model, lr, momentum))(model)
    threshold = lam * lr / (1 - momentum)
    for new, old in zip(model[::2], before[::2], strict=True):
        shrunk = old.weight.sign() * (old.weight.abs() - threshold).clamp(min=0)
        torch.testing.assert_close(new.weight, shrunk, rtol=1e-5, atol=1e-7)
        assert torch.equal(new.bias, old.bias)


@pytest.mark.parametrize("proximal", PROXIMAL)
def test_the_step_size_is_read_at_each_step_from_the_group_that_holds_the_weight(proximal):
    model = mlp((3, 4, 2), seed=0)
    groups = [{"params": [model[0].weight], "lr": 0.0}, {"params": [model[2].weight]}]
    optimizer = torch.optim.SGD(groups, lr=1000.0)
    step = proximal(1.0, optimizer)
    before = copy.deepcopy(model)
    step(model)
    assert torch.equal(model[0].weight, before[0].weight)
    optimizer.param_groups[0]["lr"] = 1000.0
    step(model)
    assert not model[0].weight.any()


def table_with_zeros(seed):
    """A standardized table, centred: the best intercept is 0."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, 6)).astype(np.float32)
    y = X @ np.array([2, -1, 0.5, 0, 0, 0]) + rng.standard_normal(40)
    return X - X.mean(axis=0), (y - y.mean()).astype(np.float32)


@pytest.mark.parametrize("share", [0.03, 0.3])
@pytest.mark.parametrize("make", [plain_sgd, lambda model: plain_sgd(model, 0.02, 0.8), sgd])
def test_full_batches_with_proximal_l1_arrive_at_the_certified_lasso(make, share):
    X, y = table_with_zeros(0)
    lam = share * lambda_max(X, y)
    exact = coordinate_descent(X, y, lam, tol=1e-14)
    model, target = mlp((6, 1), seed=1), torch.tensor(y)
    optimizer = make(model)

    def half_mean_square(network, x, rows):
        return (network(x)[:, 0] - target[rows]).square().mean() / 2

    data = Examples(torch.tensor(X), torch.arange(40))
    fit(
        model,
        data,
        epochs=500,
        seed=0,
        batch_size=40,
        loss=half_mean_square,
        optimizer=optimizer,
        after_step=proximal_l1(lam, optimizer),
    )
    w = model[0].weight.detach().numpy()[0].astype(float)
    assert exact.converged
    np.testing.assert_allclose(w, exact.w, atol=1e-4)
    np.testing.assert_array_equal(w == 0, exact.w == 0)
    assert kkt_residual(X, y, w, lam) < 1e-3 * lam
    assert 0 < np.count_nonzero(w) < 6


@pytest.mark.parametrize("make", [plain_sgd, sgd])
def test_full_batches_arrive_where_no_direction_lowers_a_penalised_cross_entropy(make):
    """A convex loss: slopes are at most lam at the zeros, and lam against the sign elsewhere."""
    data, model, lam = random_examples(60, 5, 3), mlp((5, 3), seed=0), 0.04
    optimizer = make(model)
    fit(
        model,
        data,
        epochs=1500,
        seed=0,
        batch_size=60,
        optimizer=optimizer,
        after_step=proximal_l1(lam, optimizer),
    )
    model.zero_grad()
    cross_entropy(model, data.x, data.y).backward()
    weight, slope = model[0].weight.detach(), model[0].weight.grad
    zero = weight == 0
    assert 0 < zero.sum() < 15
    assert slope[zero].abs().max() <= lam
    torch.testing.assert_close(slope[~zero], -lam * weight[~zero].sign(), rtol=1e-2, atol=1e-4)
    torch.testing.assert_close(model[0].bias.grad, torch.zeros(3), rtol=0, atol=1e-4)


# Proximal group lasso


@given(seeds, st.floats(0, 1), st.floats(0.01, 1), st.floats(0, 0.9))
@settings(max_examples=40)
def test_the_group_step_is_the_prox_lowest_of_all_rows(seed, lam, lr, momentum):
    model = mlp((4, 5, 6, 2), seed=seed).double()
    before, random = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    proximal_group_lasso(lam, plain_sgd(model, lr, momentum))(model)
    for number, n_in in ((0, 4), (2, 5)):
        old, new = before[number].weight.detach(), model[number].weight.detach()
        threshold = lam * lr / (1 - momentum) * n_in**0.5

        def cost(rows, old=old, threshold=threshold):
            return threshold * rows.norm(dim=1) + (rows - old).square().sum(dim=1) / 2

        for size in (1e-3, 0.1, 1.0):
            other = new + size * torch.randn(new.shape, generator=random, dtype=new.dtype)
            assert (cost(new) <= cost(other) + 1e-12).all()
        for other in (old, 0 * old, 0.99 * new, 1.01 * new):
            assert (cost(new) <= cost(other) + 1e-12).all()


@given(seeds, st.floats(0, 1))
@settings(max_examples=40)
def test_the_group_step_spares_biases_and_the_last_layer_and_keeps_directions(seed, lam):
    model = mlp((4, 5, 2), seed=seed)
    before = copy.deepcopy(model)
    proximal_group_lasso(lam, plain_sgd(model))(model)
    assert torch.equal(model[0].bias, before[0].bias)
    assert torch.equal(model[2].weight, before[2].weight)
    assert torch.equal(model[2].bias, before[2].bias)
    cosines = nn.functional.cosine_similarity(model[0].weight, before[0].weight, eps=1e-30)
    gone = ~model[0].weight.any(dim=1)
    assert (gone | (cosines > 0.9999)).all()


def test_a_row_vanishes_when_its_length_is_the_threshold_and_not_before():
    rows = torch.tensor([[3.0, 0, 0, 4.0], [3.0, 0, 0, 4.5], [0, 0, 0, 0]])
    model = network_of([Layer(rows, torch.ones(3)), Layer(torch.ones(1, 3), torch.ones(1))])
    proximal_group_lasso(2.5, plain_sgd(model, lr=1.0))(model)
    assert model[0].weight.any(dim=1).tolist() == [False, True, False]


def test_the_group_lasso_removes_whole_neurons_that_compact_then_takes_away():
    data = random_examples(100)
    model = mlp((3, 30, 2), seed=0)
    optimizer = sgd(model, lr=0.05)
    fit(
        model,
        data,
        epochs=60,
        seed=0,
        batch_size=20,
        optimizer=optimizer,
        after_step=proximal_group_lasso(0.01, optimizer),
    )
    alive = model[0].weight.any(dim=1)
    assert 0 < alive.sum() < 30
    assert (model[0].weight[alive] != 0).all()
    small = compact(model)
    assert small[0].out_features == alive.sum()
    torch.testing.assert_close(small(data.x), model(data.x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("proximal", PROXIMAL)
def test_a_strength_of_0_changes_nothing(proximal):
    model = mlp((3, 4, 2), seed=0)
    before = copy.deepcopy(model)
    proximal(0, sgd(model))(model)
    for one, other in zip(layers_of(model), layers_of(before), strict=True):
        torch.testing.assert_close(one.weight, other.weight, rtol=1e-6, atol=0)


@pytest.mark.parametrize("proximal", PROXIMAL)
@pytest.mark.parametrize("other", [torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop])
def test_an_optimiser_whose_step_is_not_its_lr_is_refused(proximal, other):
    optimizer = other(mlp((3, 2), seed=0).parameters())
    message = rf"type SGD, got {other.__name__}: .* Write optimizer=sgd\(model\)"
    with pytest.raises(ValueError, match=message):
        proximal(0.1, optimizer)


@pytest.mark.parametrize("proximal", PROXIMAL)
def test_dampening_is_refused_because_lam_would_lose_its_meaning(proximal):
    parameters = mlp((3, 2), seed=0).parameters()
    optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9, dampening=0.5)
    with pytest.raises(ValueError, match="without dampening"):
        proximal(0.1, optimizer)


@pytest.mark.parametrize("proximal", PROXIMAL)
def test_the_optimiser_of_another_network_is_refused_and_the_network_stays(proximal):
    model = mlp((3, 4, 2), seed=0)
    before = copy.deepcopy(model)
    with pytest.raises(ValueError, match=r"does not move this network\. Give proximal"):
        proximal(0.1, sgd(mlp((3, 4, 2), seed=0)))(model)
    for name, values in before.state_dict().items():
        assert torch.equal(values, model.state_dict()[name])
