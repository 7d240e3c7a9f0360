import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minilib.active_set import DAMPING, ActiveSet
from minilib.linear import Moments, kkt_residual, lambda_max, objective

rngs = st.integers(0, 2**32 - 1).map(np.random.default_rng)
L1_RATIOS = st.sampled_from([1.0, 0.7])


def table(rng, n=30, p=12):
    X, y = rng.standard_normal((n, p)), rng.standard_normal(n)
    return X - X.mean(axis=0), y - y.mean()


def corrected(X, y, l1_ratio, shares, max_steps=100):
    """A place reached by walking from lambda_max down through these shares of it."""
    largest = lambda_max(X, y, l1_ratio=l1_ratio)
    place = ActiveSet(Moments.of(X, y), l1_ratio, largest, np.zeros(X.shape[1]))
    for share in sorted(shares, reverse=True):
        place.stand_at(share * largest, place.w)
        place.correct(1e-13 * (y @ y), max_steps)
    return place


def weights(place, p):
    w = np.zeros(p)
    w[place.active] = place.w
    return w


shares = st.lists(st.floats(0.01, 0.99), min_size=1, max_size=6)


@given(rngs, L1_RATIOS, shares)
@settings(max_examples=60)
def test_bordered_and_cut_again_and_again_the_inverse_stays_the_inverse(rng, l1_ratio, shares):
    X, y = table(rng)
    place = corrected(X, y, l1_ratio, shares)
    hessian = (X.T @ X / 30)[np.ix_(place.active, place.active)]
    hessian += np.diag(DAMPING * hessian.diagonal() + place.l2)
    np.testing.assert_allclose(place._inverse @ hessian, np.eye(len(hessian)), atol=1e-7)


@given(rngs, L1_RATIOS, shares)
@settings(max_examples=60)
def test_where_it_stands_the_optimality_conditions_hold(rng, l1_ratio, shares):
    X, y = table(rng)
    place = corrected(X, y, l1_ratio, shares)
    assert kkt_residual(X, y, weights(place, 12), place.lam, l1_ratio=l1_ratio) <= 1e-5
    assert len(set(place.active)) == len(place.active)


@given(rngs, L1_RATIOS)
@settings(max_examples=60)
def test_no_step_raises_the_objective(rng, l1_ratio):
    X, y = table(rng, n=12, p=20)
    lam = 0.02 * lambda_max(X, y, l1_ratio=l1_ratio)
    place = ActiveSet(Moments.of(X, y), l1_ratio, lam, rng.standard_normal(20))
    values = [objective(X, y, weights(place, 20), lam, l1_ratio=l1_ratio)]
    for _ in range(10):
        place.correct(0, max_steps=1)
        values.append(objective(X, y, weights(place, 20), lam, l1_ratio=l1_ratio))
    assert np.diff(values).max() <= 1e-12 * values[0]


@given(rngs, L1_RATIOS)
@settings(max_examples=60)
def test_a_search_ends_where_the_objective_is_least_along_the_direction(rng, l1_ratio):
    X, y = table(rng, n=12, p=20)
    lam = 0.1 * lambda_max(X, y, l1_ratio=l1_ratio)
    start = rng.standard_normal(20)
    place = ActiveSet(Moments.of(X, y), l1_ratio, lam, start)
    direction = place._slopes * rng.uniform(0.1, 10, 20)
    place._search(direction, float(direction @ place._slopes))
    reached = objective(X, y, weights(place, 20), lam, l1_ratio=l1_ratio)
    for time in np.linspace(0, 3, 301):
        there = objective(X, y, start + time * direction, lam, l1_ratio=l1_ratio)
        assert reached <= there + 1e-9


def test_between_two_kinks_the_lasso_is_foreseen_exactly():
    X, y = table(np.random.default_rng(0))
    place = corrected(X, y, 1.0, [0.5])
    lams = place.lam - np.array([1e-6, 1e-5, 1e-4])
    foreseen, _, gaps = place.foresee(lams)
    for lam, w, gap in zip(lams, foreseen, gaps, strict=True):
        place.stand_at(lam, w)
        assert kkt_residual(X, y, weights(place, 12), lam) <= 1e-8
        assert gap <= 1e-9


def test_steps_that_do_not_get_there_say_so():
    X, y = table(np.random.default_rng(0), n=12, p=20)
    place = ActiveSet(Moments.of(X, y), 1.0, 0.01, np.zeros(20))
    assert place.correct(1e-12, max_steps=1) == np.inf


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
def test_equal_columns_may_be_active_together(l1_ratio):
    X, y = table(np.random.default_rng(0), p=3)
    X, w = np.hstack([X, X]), np.array([0.3, 0, 0, 0.2, 0, 0])
    place = ActiveSet(Moments.of(X, y), l1_ratio, 0.01, w)
    assert place.correct(1e-10, max_steps=20) <= 1e-10


def test_when_a_weight_has_come_to_zero_others_may_join():
    """The first column explains what the second should; without it nobody is active."""
    X = np.sqrt(3) * np.array([[0.5, 1], [-0.8, 0], [np.sqrt(0.11), 0]])
    y = np.sqrt(3) * np.array([1, 2, 0])
    place = ActiveSet(Moments.of(X, y), 1.0, 0.1, np.array([2.0, 0]))
    assert place.correct(1e-10, max_steps=20) <= 1e-10
    assert kkt_residual(X, y, weights(place, 2), 0.1) <= 1e-6
