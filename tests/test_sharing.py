from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from sklearn.cluster import KMeans
from torch import nn
from torch.nn.utils import parametrize

from minilib.models import mlp, named_weights, with_weights
from minilib.pruning import mask_largest
from minilib.sharing import Shared, keep_shared, share
from minilib.training import Examples, cross_entropy, fit, sgd

seeds = st.integers(0, 2**32 - 1)
counts = st.integers(1, 12)
float32s = st.floats(allow_nan=False, allow_infinity=False, width=32)
few_values = st.sampled_from([-2.0, -1.0, -0.5, 0.0, -0.0, 0.25, 1.0, 3.0])
shapes = array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=8)
weights = st.one_of(arrays(np.float32, shapes, elements=e) for e in (float32s, few_values)).map(
    torch.tensor
)


def random_weight(shape, seed, sparsity=0.0):
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return weight * mask_largest(weight.abs(), sparsity)


def random_examples(n=40, p=3, n_classes=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, p, generator=generator)
    return Examples(x, torch.randint(0, n_classes, (n,), generator=generator))


def lost(weight, shared):
    """What sharing changes, as a sum of squares."""
    return (weight.double() - shared.decode().double()).square().sum().item()


def kept_values(weight):
    return np.sort(weight[weight != 0].double().numpy())


# The codebook


@given(weights, counts)
def test_zeros_stay_zero_and_keep_a_code_of_their_own(weight, n_values):
    shared = share(weight, n_values)
    assert torch.equal(shared.codes == 0, weight == 0)
    assert shared.codebook[0] == 0
    assert not shared.decode()[weight == 0].any()


@given(weights, counts)
def test_there_are_as_many_values_as_asked_for_or_as_there_are_distinct_weights(weight, n_values):
    shared = share(weight, n_values)
    n_distinct = len(weight[weight != 0].unique())
    assert len(shared.codebook) == 1 + min(n_values, n_distinct)
    assert shared.codebook[1:].tolist() == sorted(set(shared.codebook[1:].tolist()))
    used = shared.codes[shared.codes != 0].unique()
    assert used.tolist() == list(range(1, len(shared.codebook)))


@given(weights, counts)
def test_codes_have_the_shape_of_the_weight_which_does_not_change(weight, n_values):
    before = weight.clone()
    shared = share(weight, n_values)
    assert shared.codes.shape == shared.decode().shape == weight.shape
    assert shared.codes.dtype == torch.int64
    assert shared.codebook.dtype == torch.float32
    assert torch.equal(weight, before)


@given(weights)
def test_with_a_value_for_each_distinct_weight_nothing_is_lost(weight):
    n_distinct = len(weight[weight != 0].unique())
    for n_values in (max(n_distinct, 1), n_distinct + 3):
        assert torch.equal(share(weight, n_values).decode(), weight)


@given(weights, counts)
def test_no_kept_weight_has_a_nearer_value_than_its_own(weight, n_values):
    shared = share(weight, n_values)
    kept = weight[weight != 0].double()
    own = (kept - shared.decode()[weight != 0]).abs()
    for value in shared.codebook[1:].double():
        assert (own <= (kept - value).abs() + 1e-6 * shared.codebook.abs().max()).all()


@given(weights, counts)
def test_each_shared_value_is_the_mean_of_its_weights(weight, n_values):
    shared = share(weight, n_values)
    for code in range(1, len(shared.codebook)):
        members = weight[shared.codes == code].double()
        rounding = 1e-6 * members.abs().max().item()
        assert abs(shared.codebook[code].item() - members.mean().item()) <= rounding


@given(weights, counts)
def test_sharing_what_is_shared_changes_nothing(weight, n_values):
    shared = share(weight, n_values)
    again = share(shared.decode(), n_values)
    assert torch.equal(again.decode(), shared.decode())


@given(seeds, st.sampled_from([0.5, 2.0**-20, 2.0**40]), counts)
def test_the_unit_of_the_weights_does_not_matter(seed, unit, n_values):
    weight = random_weight((9, 8), seed, sparsity=0.4)
    one, other = share(weight, n_values), share(unit * weight, n_values)
    assert torch.equal(one.codes, other.codes)
    assert torch.equal(unit * one.codebook, other.codebook)


@given(seeds, counts)
def test_the_order_of_the_weights_does_not_matter(seed, n_values):
    weight = random_weight(60, seed, sparsity=0.3)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(seed))
    one, other = share(weight, n_values), share(weight[order], n_values)
    assert torch.equal(one.codes[order], other.codes)
    torch.testing.assert_close(one.codebook, other.codebook, rtol=1e-6, atol=0)


@given(seeds, st.integers(2, 7), st.sampled_from([0.0, 0.2]))
@settings(max_examples=40)
def test_from_the_same_start_the_values_are_scikit_learns(seed, n_values, sparsity):
    """With so many weights no value is ever without; scikit-learn would move it to another one."""
    weight = random_weight((60, 50), seed, sparsity)
    values = kept_values(weight)
    start = np.linspace(values[0], values[-1], n_values)[:, None]
    theirs = KMeans(n_values, init=start, n_init=1, tol=0, max_iter=3000).fit(values[:, None])
    shared = share(weight, n_values)
    np.testing.assert_allclose(
        shared.codebook[1:], np.sort(theirs.cluster_centers_.ravel()), rtol=1e-5, atol=1e-6
    )
    assert lost(weight, shared) == pytest.approx(theirs.inertia_, rel=1e-4)


def least_possible(values, n_values):
    """Smallest sum of squares over all ways to cut the sorted values into so many parts."""
    cuts = combinations(range(1, len(values)), n_values - 1)
    return min(
        sum(((part - part.mean()) ** 2).sum() for part in np.split(values, cut)) for cut in cuts
    )


@given(
    arrays(np.float32, st.integers(1, 9), elements=st.integers(-20, 20).map(float)),
    st.integers(1, 4),
)
def test_nothing_beats_the_best_of_all_partitions_and_one_value_attains_it(weight, n_values):
    weight = torch.tensor(weight)
    values = kept_values(weight)
    assume(len(values) >= n_values)
    assert lost(weight, share(weight, n_values)) >= least_possible(values, n_values) - 1e-3
    assert lost(weight, share(weight, 1)) == pytest.approx(least_possible(values, 1), abs=1e-3)


def test_two_clear_groups_are_found():
    shared = share(torch.tensor([[1.0, 3.0, 0.0], [-2.0, -4.0, 2.0]]), 2)
    assert shared.codebook.tolist() == [0, -3, 2]
    assert shared.codes.tolist() == [[2, 2, 0], [1, 1, 2]]
    assert shared.decode().tolist() == [[2, 2, 0], [-3, -3, 2]]


def test_a_weight_half_between_two_values_goes_to_the_lower():
    shared = share(torch.tensor([1.0, 2.0, 3.0]), 2)
    assert shared.codebook.tolist() == [0, 1.5, 3]


def test_a_value_without_weights_moves_to_the_farthest_weight():
    """Of 1, 4.75, 8.5, 12.25 and 16 only the first and the last have weights at the start."""
    shared = share(torch.tensor([1.0, 1.5, 2.0, 15.0, 16.0]), 5)
    assert shared.codebook.tolist() == [0, 1, 1.5, 2, 15, 16]
    shared = share(torch.tensor([1.0, 1.25, 1.25, 2.0, 15.0, 16.0]), 4)
    assert shared.codebook.tolist() == [0, pytest.approx(3.5 / 3), 2, 15, 16]


def test_the_farthest_weight_may_lie_below_its_value_or_above():
    weight = torch.tensor([-10, -7, -7, 8, 8, 9.75])
    assert share(weight, 3).codebook.tolist() == [0, -10, -7, pytest.approx(25.75 / 3)]
    assert share(-weight, 3).codebook.tolist() == [0, pytest.approx(-25.75 / 3), 7, 10]


def test_a_shared_value_may_be_zero_without_removing_its_weights():
    shared = share(torch.tensor([-1.0, 1.0, 0.0]), 1)
    assert shared.codebook.tolist() == [0, 0]
    assert shared.codes.tolist() == [1, 1, 0]


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (4, 5)])
def test_a_weight_of_zeros_only_has_no_shared_value(shape):
    shared = share(torch.zeros(shape), 4)
    assert shared.codebook.tolist() == [0]
    assert torch.equal(shared.decode(), torch.zeros(shape))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.int64])
def test_weights_of_any_type_are_taken_as_float32(dtype):
    weight = torch.tensor([1, -2, 0, 3], dtype=dtype)
    assert torch.equal(share(weight, 3).decode(), weight.float())


def test_a_parameter_is_shared_without_its_gradient():
    parameter = nn.Parameter(torch.tensor([1.0, 2.0, 4.0]))
    assert not share(parameter, 2).codebook.requires_grad
    assert not share(parameter, 2).refit(parameter).codebook.requires_grad


def test_far_too_many_values_for_a_heavy_tail_are_all_used():
    weight = 1 / random_weight(3000, seed=0)
    shared = share(weight, 500)
    assert len(shared.codes.unique()) == 500
    assert lost(weight, shared) < 1e-6 * lost(weight, share(weight, 1))


@pytest.mark.parametrize("n_values", [0, -1, 2.0, True, "16", None])
def test_a_number_of_values_that_is_no_whole_number_above_0_is_refused(n_values):
    with pytest.raises(ValueError, match="n_values is a whole number of at least 1, got"):
        share(torch.ones(3), n_values)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf, 1e39])
def test_weights_that_are_no_float32_numbers_are_refused(bad):
    weight = torch.tensor([[1.0, bad]], dtype=torch.float64)
    with pytest.raises(ValueError, match=r"weight has 1 value\(s\) that are NaN or infinite"):
        share(weight, 2)


# Fine-tuning


@given(seeds, counts, st.sampled_from([0.0, 0.5, 1.0]))
def test_refitting_gives_the_nearest_weight_with_these_codes(seed, n_values, sparsity):
    shared = share(random_weight((7, 6), seed, sparsity), n_values)
    target = random_weight((7, 6), seed ^ 1)
    refitted = shared.refit(target)
    assert torch.equal(refitted.codes, shared.codes)
    assert refitted.codebook[0] == 0
    for code in range(1, len(shared.codebook)):
        mean = target[shared.codes == code].double().mean().item()
        assert refitted.codebook[code].item() == pytest.approx(mean, rel=1e-5, abs=1e-7)


@given(seeds, counts, st.sampled_from([0.0, 0.5]))
def test_refitting_to_what_is_decoded_changes_nothing(seed, n_values, sparsity):
    shared = share(random_weight((40, 30), seed, sparsity), n_values)
    assert torch.equal(shared.refit(shared.decode()).codebook, shared.codebook)


def test_a_code_without_members_is_refitted_to_zero():
    shared = Shared(torch.tensor([1, 1, 3]), torch.tensor([0.0, 1.0, 2.0, 3.0]))
    assert shared.refit(torch.tensor([4.0, 6.0, 7.0])).codebook.tolist() == [0, 5, 0, 7]


@pytest.mark.parametrize("shape", [(6, 7), (42,), ()])
def test_refitting_to_another_shape_is_refused(shape):
    shared = share(random_weight((7, 6), seed=0), 3)
    with pytest.raises(ValueError, match=r"weight has the shape of codes, \(7, 6\), got"):
        shared.refit(torch.zeros(shape))


@given(seeds, counts)
@settings(max_examples=40)
def test_a_step_moves_each_value_along_the_gradient_of_the_codebook_over_its_members(seed, k):
    data, model = random_examples(seed=seed), mlp((3, 6, 2), seed=seed)
    shared = share(random_weight((6, 3), seed, sparsity=0.3), k)
    model = with_weights(model, {"0.weight": shared.decode()})
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    cross_entropy(model, data.x, data.y).backward()
    optimizer.step()
    keep_shared({"0.weight": shared})(model)
    moved = shared.codebook - shared.refit(model[0].weight).codebook

    codebook = shared.codebook.clone().requires_grad_()
    frozen = with_weights(mlp((3, 6, 2), seed=seed), {"0.weight": shared.decode()})
    outputs = torch.func.functional_call(frozen, {"0.weight": codebook[shared.codes]}, (data.x,))
    nn.functional.cross_entropy(outputs, data.y).backward()
    n_members = torch.bincount(shared.codes.flatten(), minlength=len(codebook))
    torch.testing.assert_close(
        (moved * n_members)[1:], 0.5 * codebook.grad[1:], rtol=1e-3, atol=1e-5
    )
    assert moved[0] == 0


class Codebook(nn.Module):
    """A weight made of shared values, each in units of 1 / sqrt(number of its members)."""

    def __init__(self, shared):
        super().__init__()
        self.codes = shared.codes
        n_members = torch.bincount(shared.codes.flatten(), minlength=len(shared.codebook))
        self.scale = n_members.clamp(min=1).float().sqrt()
        self.kept = torch.arange(len(shared.codebook)) > 0

    def forward(self, scaled):
        return (scaled * self.kept / self.scale)[self.codes]

    def right_inverse(self, weight):
        return torch.zeros_like(self.scale).index_add_(
            0, self.codes.flatten(), weight.flatten()
        ) / (self.scale)


@given(seeds, st.sampled_from([0.0, 0.5]))
@settings(max_examples=10)
def test_projection_trains_the_same_network_as_a_codebook_of_parameters(seed, sparsity):
    data, model = random_examples(seed=seed), mlp((3, 6, 2), seed=seed)
    shared = {
        name: share(weight * mask_largest(weight.abs(), sparsity), 3)
        for name, weight in named_weights(model).items()
    }
    start = {name: one.decode() for name, one in shared.items()}
    ours, theirs = with_weights(model, start), with_weights(model, start)
    for number in (0, 2):
        made = Codebook(shared[f"{number}.weight"])
        parametrize.register_parametrization(theirs[number], "weight", made)
    options = {"epochs": 3, "seed": 0, "batch_size": 10}
    fit(ours, data, optimizer=sgd(ours), after_step=keep_shared(shared), **options)
    fit(theirs, data, optimizer=sgd(theirs), **options)
    for number in (0, 2):
        torch.testing.assert_close(ours[number].weight, theirs[number].weight, rtol=1e-3, atol=1e-5)
        torch.testing.assert_close(ours[number].bias, theirs[number].bias, rtol=1e-3, atol=1e-5)
        assert not ours[number].weight[shared[f"{number}.weight"].codes == 0].any()
        assert not torch.equal(ours[number].weight, start[f"{number}.weight"])


def test_after_training_refitting_gives_the_new_codebook_exactly():
    data, model = random_examples(), mlp((3, 6, 2), seed=0)
    shared = share(named_weights(model)["0.weight"], 4)
    model = with_weights(model, {"0.weight": shared.decode()})
    fit(model, data, epochs=2, seed=0, after_step=keep_shared({"0.weight": shared}))
    assert torch.equal(shared.refit(model[0].weight).decode(), model[0].weight)
    assert not torch.equal(shared.decode(), model[0].weight)
    assert len(model[2].weight.unique()) == 12  # what is not named trains freely


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("0.weight", (3, 6), r"0.weight has shape \(6, 3\) in the network, got \(3, 6\)"),
        ("1.weight", (6, 3), "the network has no '1.weight'; it has 0.weight, 2.weight"),
        ("0.bias", (6,), "the network has no '0.bias'; it has 0.weight, 2.weight"),
    ],
)
def test_shared_weights_that_do_not_fit_are_refused_and_the_network_stays(name, shape, message):
    model = mlp((3, 6, 2), seed=0)
    before = named_weights(model)
    project = keep_shared(
        {"2.weight": share(torch.ones(2, 6), 1), name: share(torch.ones(shape), 1)}
    )
    with pytest.raises(ValueError, match=message):
        project(model)
    assert all(torch.equal(weight, before[n]) for n, weight in named_weights(model).items())


def test_one_projection_serves_several_networks_and_checks_each():
    project = keep_shared({"0.weight": share(torch.ones(6, 3), 1)})
    first, second = mlp((3, 6, 2), seed=0), mlp((3, 6, 2), seed=1)
    project(first)
    project(second)
    assert len(first[0].weight.unique()) == len(second[0].weight.unique()) == 1
    with pytest.raises(ValueError, match=r"0\.weight has shape"):
        project(mlp((4, 6, 2), seed=0))
