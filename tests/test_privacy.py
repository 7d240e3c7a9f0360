import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from minilib.models import mlp
from minilib.privacy import clip_examples, epsilon, example_gradients, private_mean
from minilib.training import cross_entropy

seeds = st.integers(0, 2**32 - 1)
bounds = st.floats(1e-3, 1e3)
multipliers = st.floats(0.05, 100)
uses = st.integers(1, 1_000)
deltas = st.floats(1e-12, 0.5)


def draw(seed, n=6):
    """Rows of very different length, one of them zero."""
    random = torch.Generator().manual_seed(seed)
    lengths = 10 ** (6 * torch.rand(n, 1, generator=random, dtype=torch.double) - 3)
    lengths[0] = 0
    return lengths * torch.randn(n, 5, generator=random, dtype=torch.double)


def noise_of(seed):
    return torch.Generator().manual_seed(seed)


# Gradients, one by one


@given(seeds)
def test_each_row_is_what_autograd_finds_for_this_example_alone(seed):
    random = torch.Generator().manual_seed(seed)
    x, y = torch.randn(4, 3, generator=random), torch.tensor([0, 1, 1, 0])
    model = mlp((3, 5, 2), seed=seed)
    for row, gradient in enumerate(example_gradients(model, x, y)):
        model.zero_grad()
        cross_entropy(model, x[row : row + 1], y[row : row + 1]).backward()
        alone = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
        torch.testing.assert_close(gradient, alone)


def test_the_network_is_as_it_was_and_gets_no_gradient():
    model = mlp((3, 2), seed=0)
    before = {name: values.clone() for name, values in model.state_dict().items()}
    gradients = example_gradients(model, torch.ones(1, 3), torch.tensor([1]))
    assert not gradients.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(values, before[name]) for name, values in model.state_dict().items())


@pytest.mark.parametrize("n", [0, 1, 3])
def test_as_many_labels_as_inputs_are_needed_and_at_least_one(n):
    inputs = torch.ones(min(n, 2), 3)
    with pytest.raises(ValueError, match=r"one label, and there is at least one, got shapes"):
        example_gradients(mlp((3, 2), seed=0), inputs, torch.zeros(n // 2, dtype=torch.long))


# Clipping


@given(seeds, bounds)
def test_no_row_is_longer_than_the_bound_and_none_turns(seed, bound):
    gradients = draw(seed)
    clipped = clip_examples(gradients, bound)
    before, after = gradients.norm(dim=1), clipped.norm(dim=1)
    assert (after <= bound * (1 + 1e-12)).all()
    torch.testing.assert_close(after, before.clamp(max=bound))
    torch.testing.assert_close(clipped * before[:, None], gradients * after[:, None])


@given(seeds, bounds)
def test_rows_within_the_bound_stay_bit_for_bit_and_zeros_stay_zero(seed, bound):
    gradients = draw(seed).float()
    clipped = clip_examples(gradients, bound)
    within = gradients.norm(dim=1) <= bound
    assert torch.equal(clipped[within], gradients[within])
    assert (clipped[0] == 0).all()


@given(seeds, bounds)
def test_to_leave_out_one_row_changes_the_sum_by_at_most_the_bound(seed, bound):
    gradients = draw(seed)
    with_all = clip_examples(gradients, bound).sum(dim=0)
    for row in range(len(gradients)):
        others = torch.cat([gradients[:row], gradients[row + 1 :]])
        change = with_all - clip_examples(others, bound).sum(dim=0)
        assert change.norm() <= bound * (1 + 1e-9)


def test_a_clipped_mean_is_no_mean_of_clipped_rows():
    gradients = torch.tensor([[100.0, 0.0], [0.0, 0.1]])
    of_rows = clip_examples(gradients, 1).mean(dim=0)
    of_mean = clip_examples(gradients.mean(dim=0, keepdim=True), 1)[0]
    assert of_rows[0] == 0.5
    assert of_mean[0] > 0.99


def test_a_gradient_of_the_whole_batch_is_refused():
    with pytest.raises(ValueError, match=r"one row per example, shape \(n, p\), got shape \(5,\)"):
        clip_examples(torch.ones(5), 1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_row_without_a_finite_length_is_named(value):
    gradients = torch.ones(3, 2)
    gradients[1, 0] = value
    with pytest.raises(ValueError, match="row 1 of gradients is"):
        clip_examples(gradients, 1)


@pytest.mark.parametrize("bound", [0, -1, math.nan, math.inf, "1"])
def test_a_bound_that_is_no_number_above_0_is_refused(bound):
    with pytest.raises(ValueError, match="bound is a number above 0, got"):
        clip_examples(torch.ones(2, 2), bound)
    with pytest.raises(ValueError, match="bound is a number above 0, got"):
        private_mean(torch.ones(2, 2), bound, 1, noise_of(0))


# Noise


@given(seeds, bounds)
def test_without_noise_it_is_the_mean_of_the_clipped_rows(seed, bound):
    gradients = draw(seed)
    found = private_mean(gradients, bound, 0, noise_of(seed))
    torch.testing.assert_close(found, clip_examples(gradients, bound).mean(dim=0))


@given(seeds, bounds, multipliers)
def test_the_noise_does_not_depend_on_the_gradients(seed, bound, multiplier):
    gradients = draw(seed)
    noise = private_mean(gradients, bound, multiplier, noise_of(seed)) - private_mean(
        gradients, bound, 0, noise_of(seed)
    )
    alone = private_mean(torch.zeros_like(gradients), bound, multiplier, noise_of(seed))
    torch.testing.assert_close(noise, alone, rtol=1e-6, atol=1e-9 * bound)


def test_the_noise_is_normal_with_multiplier_times_bound_over_n():
    noise = private_mean(torch.zeros(4, 100_000), 0.5, 3, noise_of(0)).numpy()
    scaled = np.sort(noise / (3 * 0.5 / 4))
    distance = np.abs(norm.cdf(scaled) - (np.arange(100_000) + 0.5) / 100_000).max()
    assert distance < 0.007  # larger for a normal sample once in 30,000 seeds


def test_noise_in_double_precision_stays_in_double_precision():
    assert private_mean(draw(0), 1, 1, noise_of(0)).dtype == torch.double


@pytest.mark.parametrize("multiplier", [-1, math.nan, math.inf, "1"])
def test_a_noise_multiplier_that_is_no_number_of_at_least_0_is_refused(multiplier):
    with pytest.raises(ValueError, match="noise_multiplier is a number of at least 0, got"):
        private_mean(torch.ones(2, 2), 1, multiplier, noise_of(0))


def test_no_rows_have_no_mean():
    with pytest.raises(ValueError, match="nothing to average"):
        private_mean(torch.ones(0, 2), 1, 1, noise_of(0))


# The loss of privacy


def area_above(mu, eps):
    """The delta that two normal densities need, by adding up where one is exp(eps) times taller."""
    start = eps / mu + mu / 2
    return quad(
        lambda x: norm.pdf(x - mu) - math.exp(eps) * norm.pdf(x),
        start,
        start + mu + 12,
        points=[max(mu, start)],
        epsabs=0,
    )[0]


@pytest.mark.parametrize("multiplier", [0.4, 1, 5, 30])
@pytest.mark.parametrize("delta", [1e-9, 1e-5, 1e-3])
def test_delta_is_the_area_between_two_normal_densities(multiplier, delta):
    eps = epsilon(multiplier, 1, delta)
    assert area_above(1 / multiplier, eps) == pytest.approx(delta, rel=1e-6)


@given(multipliers, uses, deltas)
def test_many_uses_are_like_one_with_less_noise(multiplier, n_uses, delta):
    once = epsilon(multiplier / math.sqrt(n_uses), 1, delta)
    assert epsilon(multiplier, n_uses, delta) == pytest.approx(once, rel=1e-9)


def test_three_sums_drawn_by_lot_need_the_delta_that_is_claimed():
    multiplier, n_uses, delta = 2, 3, 0.01
    sums = np.random.default_rng(0).normal(1, multiplier, size=(400_000, n_uses))
    with_, without = (
        norm.logpdf(sums, mean, multiplier).sum(axis=1) for mean in (1, 0)
    )  # the example adds 1 to each sum, or is not there
    needed = np.maximum(0, -np.expm1(epsilon(multiplier, n_uses, delta) + without - with_))
    assert abs(needed.mean() - delta) < 5 * needed.std() / math.sqrt(len(needed))


def zcdp_bound(multiplier, n_uses, delta):
    """M. Bun, T. Steinke 2016, arXiv:1605.02065, proposition 1.3."""
    rho = n_uses / (2 * multiplier**2)
    return rho + 2 * math.sqrt(rho * math.log(1 / delta))


@given(multipliers, uses, deltas)
def test_it_is_never_above_the_bound_of_concentrated_privacy(multiplier, n_uses, delta):
    bound = zcdp_bound(multiplier, n_uses, delta)
    assert 0 <= epsilon(multiplier, n_uses, delta) <= bound


CASES = [(1, 1, 1e-5), (4, 10, 1e-5), (2, 3, 1e-6), (1, 10, 1e-4), (20, 5, 1e-5)]
CASES += [(2, 6, 1e-5), (6, 6, 1e-5), (20, 6, 1e-5)]  # lesson 13, learning under noise
CASES += [(2, 20, 1e-5), (11, 20, 1e-5)]  # lesson 13, who was among them


@pytest.mark.parametrize(("multiplier", "n_uses", "delta"), CASES)
def test_the_renyi_accountant_of_opacus_finds_more_but_less_than_the_bound(
    multiplier, n_uses, delta
):
    from opacus.accountants import RDPAccountant  # loads for seconds, for this test only

    accountant = RDPAccountant()
    accountant.history = [(multiplier, 1.0, n_uses)]
    orders = [1 + 1.02**k / 10 for k in range(600)]
    found = accountant.get_epsilon(delta, alphas=orders)
    assert epsilon(multiplier, n_uses, delta) < found < zcdp_bound(multiplier, n_uses, delta)


@pytest.mark.filterwarnings("ignore:divide by zero encountered in log:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:Optimal order is the largest alpha:UserWarning")
@pytest.mark.parametrize(("multiplier", "n_uses", "delta"), CASES)
def test_the_numerical_accountant_of_opacus_agrees_within_its_error(multiplier, n_uses, delta):
    from opacus.accountants import PRVAccountant

    accountant = PRVAccountant()
    accountant.history = [(multiplier, 1.0, n_uses)]
    found = accountant.get_epsilon(delta, eps_error=0.01)  # an upper bound; delta has an error, too
    assert 0 <= found - epsilon(multiplier, n_uses, delta) < 0.015


@given(multipliers, uses, deltas)
def test_it_falls_with_the_noise_and_with_delta_and_grows_with_the_uses(multiplier, n_uses, delta):
    here = epsilon(multiplier, n_uses, delta)
    assert epsilon(1.5 * multiplier, n_uses, delta) <= here
    assert epsilon(multiplier, n_uses, 1.5 * delta) <= here
    assert epsilon(multiplier, n_uses + 1, delta) >= here


@given(st.floats(0.3, 100))
def test_epsilon_is_0_from_the_delta_on_that_is_the_distance_of_the_two_distributions(multiplier):
    distance = 2 * norm.cdf(1 / (2 * multiplier)) - 1  # in total variation
    assert epsilon(multiplier, 1, 1.001 * distance) == 0
    assert epsilon(multiplier, 1, 0.999 * distance) > 0


def test_extremes_are_answered_without_warning():
    assert epsilon(1e-6, 1, 1e-5) == pytest.approx(1e12 / 2, rel=1e-4)
    assert epsilon(1e-320, 1, 1e-5) == math.inf
    assert epsilon(1e6, 1, 1e-5) == 0
    assert 0 < epsilon(1e5, 1, 1e-9) < 1e-4
    assert epsilon(2, 1_000, 1e-300) <= zcdp_bound(2, 1_000, 1e-300)
    assert epsilon(1, 1, 1 - 1e-12) == 0


@pytest.mark.parametrize("multiplier", [0, -1, math.nan, math.inf, "1"])
def test_without_noise_there_is_no_epsilon(multiplier):
    with pytest.raises(ValueError, match="noise_multiplier is a number above 0, got"):
        epsilon(multiplier, 1, 1e-5)


@pytest.mark.parametrize("n_uses", [0, 1.5, True])
def test_a_number_of_uses_that_is_none_is_refused(n_uses):
    with pytest.raises(ValueError, match="n_uses is a whole number of at least 1, got"):
        epsilon(1, n_uses, 1e-5)


@pytest.mark.parametrize("delta", [0, 1, 1.0])
def test_a_delta_of_0_or_1_is_refused(delta):
    with pytest.raises(ValueError, match="delta is above 0 and below 1, got"):
        epsilon(1, 1, delta)


@pytest.mark.parametrize("delta", [-1e-5, 2, math.nan, "1e-5"])
def test_a_delta_that_is_no_probability_is_refused(delta):
    with pytest.raises(ValueError, match=r"delta is a number in \[0, 1\], got"):
        epsilon(1, 1, delta)
