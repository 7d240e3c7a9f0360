import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from minilib.low_rank import LowRank, factorize, largest_rank_that_saves, with_low_rank
from minilib.models import mlp

seeds = st.integers(0, 2**32 - 1)


def random_matrix(seed, n_out, n_in):
    return torch.randn(n_out, n_in, generator=torch.Generator().manual_seed(seed))


@st.composite
def matrices_and_ranks(draw):
    n_out, n_in = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    return random_matrix(draw(seeds), n_out, n_in), draw(st.integers(1, min(n_out, n_in)))


@given(matrices_and_ranks())
def test_what_is_lost_is_the_singular_values_that_are_dropped(problem):
    weight, rank = problem
    lost = (weight - factorize(weight, rank).decode()).square().sum()
    dropped = torch.linalg.svdvals(weight)[rank:].square().sum()
    torch.testing.assert_close(lost, dropped, rtol=1e-4, atol=1e-5)


@given(matrices_and_ranks(), seeds)
@settings(max_examples=50)
def test_no_other_pair_of_thin_matrices_is_nearer(problem, seed):
    weight, rank = problem
    thin, random = factorize(weight, rank), torch.Generator().manual_seed(seed)
    lost = (weight - thin.decode()).square().sum()
    for size in (1e-3, 0.1, 1.0):
        left = thin.left + size * torch.randn(thin.left.shape, generator=random)
        best = left @ torch.linalg.lstsq(left, weight, driver="gelsd").solution
        assert (weight - best).square().sum() >= lost - 1e-4


@given(matrices_and_ranks())
def test_two_thin_matrices_of_this_rank_share_the_singular_values_evenly(problem):
    weight, rank = problem
    thin = factorize(weight, rank)
    kept = torch.linalg.svdvals(weight)[:rank].diag()
    assert thin.left.shape == (weight.shape[0], rank)
    assert thin.right.shape == (rank, weight.shape[1])
    torch.testing.assert_close(thin.left.T @ thin.left, kept, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(thin.right @ thin.right.T, kept, rtol=1e-4, atol=1e-4)


@given(seeds, st.integers(1, 4))
def test_a_matrix_of_this_rank_comes_back_whole(seed, rank):
    weight = random_matrix(seed, 7, rank) @ random_matrix(seed ^ 1, rank, 5)
    torch.testing.assert_close(factorize(weight, rank).decode(), weight, rtol=1e-4, atol=1e-4)


def test_two_thin_matrices_stand_for_their_product_in_this_order():
    thin = LowRank(torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0, 4.0, 5.0]]))
    assert thin.decode().tolist() == [[3, 4, 5], [6, 8, 10]]


def test_a_matrix_of_zeros_has_a_factorization():
    assert not factorize(torch.zeros(3, 2), 1).decode().any()


@pytest.mark.parametrize(
    ("weight", "rank", "message"),
    [
        (torch.ones(3), 1, r"weight is a matrix \(n_out, n_in\), got shape \(3,\)"),
        (torch.ones(2, 2, 2), 1, r"got shape \(2, 2, 2\)"),
        (torch.tensor([[1.0, torch.nan]]), 1, "weight has 1 value.* NaN or infinite"),
        (torch.ones(3, 2), 0, "rank is a whole number of at least 1, got 0"),
        (torch.ones(3, 2), 1.0, "rank is a whole number of at least 1, got 1.0"),
        (torch.ones(3, 2), 3, "rank is at most 2 for this matrix, got 3"),
    ],
)
def test_what_has_no_such_factorization_is_refused(weight, rank, message):
    with pytest.raises(ValueError, match=message):
        factorize(weight, rank)


@given(st.integers(1, 400), st.integers(1, 400))
def test_the_largest_rank_that_saves_saves_and_the_next_does_not(n_out, n_in):
    rank = largest_rank_that_saves(n_out, n_in)
    assert rank * (n_out + n_in) < n_out * n_in <= (rank + 1) * (n_out + n_in)


def test_in_a_square_the_break_even_is_half_the_width_and_in_one_row_there_is_none():
    assert largest_rank_that_saves(100, 100) == 49
    assert largest_rank_that_saves(300, 784) == 216
    assert largest_rank_that_saves(1, 784) == 0


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2.0, 3), (3, "3")])
def test_a_shape_of_no_whole_numbers_is_refused(shape):
    with pytest.raises(ValueError, match=r"n_(out|in) is a whole number of at least 1, got"):
        largest_rank_that_saves(*shape)


@given(seeds, st.integers(1, 5), st.integers(1, 4))
@settings(max_examples=40)
def test_a_thin_network_is_the_network_with_the_nearest_weights(seed, first, last):
    model = mlp((6, 5, 4), seed=seed)
    thin = with_low_rank(model, {"0": first, "2": last})
    near = copy.deepcopy(model)
    near[0].weight.data = factorize(model[0].weight.detach(), first).decode()
    near[2].weight.data = factorize(model[2].weight.detach(), last).decode()
    x = random_matrix(seed, 20, 6)
    torch.testing.assert_close(thin(x), near(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_layer_becomes_two_thin_ones_of_which_only_the_second_has_a_bias(dtype):
    model = mlp((6, 5, 4), seed=0).to(dtype)
    before = copy.deepcopy(model)
    thin = with_low_rank(model, {"2": 3})
    assert [type(part) for part in thin] == [nn.Linear, nn.ReLU, nn.Linear, nn.Linear]
    assert [(p.in_features, p.out_features) for p in (thin[2], thin[3])] == [(5, 3), (3, 4)]
    assert thin[2].bias is None
    assert torch.equal(thin[3].bias, model[2].bias)
    assert torch.equal(thin[0].weight, model[0].weight)
    assert {parameter.dtype for parameter in thin.parameters()} == {dtype}
    assert all(parameter.requires_grad for parameter in thin.parameters())
    for parameter in thin.parameters():
        parameter.data.zero_()
    for name, values in before.state_dict().items():
        assert torch.equal(model.state_dict()[name], values)


@pytest.mark.parametrize(
    ("ranks", "message"),
    [
        ({"1": 2}, "the network has no Linear '1'; it has 0, 2"),
        ({"0.weight": 2}, "the network has no Linear '0.weight'; it has 0, 2"),
        ({"2": 5}, "rank is at most 4 for this matrix, got 5"),
    ],
)
def test_layers_that_cannot_be_made_thin_are_refused(ranks, message):
    with pytest.raises(ValueError, match=message):
        with_low_rank(mlp((6, 5, 4), seed=0), ranks)
