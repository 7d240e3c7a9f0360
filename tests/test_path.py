from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.linalg import hilbert
from sklearn.linear_model import enet_path, lasso_path

from minilib.active_set import ActiveSet
from minilib.cross_validation import cross_validate
from minilib.datasets import load_breast_cancer, load_diabetes
from minilib.linear import (
    Moments,
    coordinate_descent,
    duality_gap,
    lambda_max,
    objective,
    ridge,
)
from minilib.path import lambda_grid, path_from, regularization_path
from tests.tables import TABLES, centred_table, random_table, rngs, standardized

# The grid


@given(rngs, st.integers(2, 50), st.floats(1e-6, 0.9), st.floats(0.01, 1))
def test_a_grid_falls_evenly_in_its_logarithm_from_exactly_lambda_max(rng, n_lams, ratio, l1_ratio):
    X, y = random_table(rng)
    grid = lambda_grid(X, y, n_lams=n_lams, ratio=ratio, l1_ratio=l1_ratio)
    assert grid.shape == (n_lams,)
    assert grid[0] == lambda_max(X, y, l1_ratio=l1_ratio)
    assert grid[-1] == pytest.approx(ratio * grid[0])
    np.testing.assert_allclose(np.diff(np.log(grid)), np.log(ratio) / (n_lams - 1), rtol=1e-6)


def test_a_grid_has_100_lams_down_to_a_hundredth_unless_told_otherwise():
    grid = lambda_grid(*standardized(load_diabetes))
    assert len(grid) == 100
    assert grid[-1] == pytest.approx(grid[0] / 100)


@pytest.mark.parametrize(
    ("X", "y"), [(np.zeros((3, 2)), np.ones(3)), (np.eye(3), np.zeros(3)), ([[1], [1]], [1, -1])]
)
def test_a_target_that_no_column_is_correlated_with_has_no_grid(X, y):
    with pytest.raises(ValueError, match="No column is correlated with y, so every lam gives zero"):
        lambda_grid(X, y)
    with pytest.raises(ValueError, match="No column is correlated with y"):
        regularization_path(X, y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_lams": 1}, "n_lams is a whole number of at least 2, got 1"),
        ({"ratio": 0}, "ratio is a number above 0, got 0"),
        ({"ratio": 1}, "ratio is below 1, got 1.0. For a hundredth write 0.01"),
        ({"ratio": 5}, "For 5 % write 0.05"),
        ({"l1_ratio": 50}, "For 50 % write 0.5"),
        ({"l1_ratio": 0}, r"no lam makes all ridge weights zero.*lams=np\.geomspace"),
    ],
)
def test_a_grid_refuses_what_makes_no_grid_and_says_what_does(options, message):
    with pytest.raises(ValueError, match=message):
        lambda_grid(np.eye(3), np.ones(3), **options)


# The path


@pytest.mark.parametrize("l1_ratio", [1.0, 0.4])
@pytest.mark.parametrize("load", TABLES)
def test_each_row_of_a_path_is_the_solution_at_its_lam(load, l1_ratio):
    X, y = standardized(load)
    lams = lambda_grid(X, y, n_lams=8, l1_ratio=l1_ratio)
    path = regularization_path(X, y, lams, l1_ratio=l1_ratio, tol=1e-12)
    assert path.converged.all()
    for lam, w in zip(lams, path.weights, strict=True):
        alone = coordinate_descent(X, y, lam, l1_ratio=l1_ratio, tol=1e-15, max_steps=20_000)
        np.testing.assert_allclose(w, alone.w, atol=1e-7 * np.abs(path.weights).max())
        assert np.array_equal(w == 0, alone.w == 0)


def test_a_path_of_the_lasso_and_of_the_elastic_net_is_scikit_learns():
    X, y = standardized(load_diabetes)
    lams = lambda_grid(X, y, n_lams=20)
    options = {"alphas": lams, "tol": 1e-12, "max_iter": 10**5}
    _, lasso, _ = lasso_path(X, y, **options)
    _, net, _ = enet_path(X, y, l1_ratio=0.5, **options)
    for l1_ratio, expected in ((1.0, lasso.T), (0.5, net.T)):
        path = regularization_path(X, y, lams, l1_ratio=l1_ratio, tol=1e-13)
        np.testing.assert_allclose(path.weights, expected, atol=1e-8 * np.abs(expected).max())


def test_each_row_of_a_ridge_path_is_the_closed_form():
    X, y = standardized(load_diabetes)
    lams = np.geomspace(100, 0.01, 5)
    path = regularization_path(X, y, lams, l1_ratio=0)
    for lam, w in zip(lams, path.weights, strict=True):
        np.testing.assert_array_equal(w, ridge(X, y, lam).w)
    assert path.converged.all()


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.01])
def test_a_path_starts_exactly_at_lambda_max_where_all_weights_are_zero(l1_ratio):
    X, y = standardized(load_diabetes)
    path = regularization_path(X, y, l1_ratio=l1_ratio)
    assert path.weights.shape == (100, 10)
    assert path.lams[0] == lambda_max(X, y, l1_ratio=l1_ratio)
    assert not path.weights[0].any()
    assert path.weights[1].any()
    assert path.weights[-1].any()


@given(rngs, st.sampled_from([1.0, 0.5]), st.sampled_from([1e-3, 1e-6, 1e-9]))
@settings(max_examples=30)
def test_gaps_meet_the_tolerance_where_the_path_says_it_converged(rng, l1_ratio, tol):
    X, y = centred_table(rng)
    lams = lambda_grid(X, y, n_lams=10, l1_ratio=l1_ratio)
    path = regularization_path(X, y, lams, l1_ratio=l1_ratio, tol=tol)
    allowed = tol * (y @ y) / (2 * len(y))
    recomputed = [
        duality_gap(X, y, w, lam, l1_ratio=l1_ratio)
        for lam, w in zip(path.lams, path.weights, strict=True)
    ]
    assert path.converged.all()
    assert path.gaps.max() <= allowed
    assert max(recomputed) <= 1.001 * allowed + 1e-14


def test_a_path_cut_short_says_where_it_did_not_converge():
    X, y = standardized(load_breast_cancer)
    path = regularization_path(X, y, [lambda_max(X, y), 1e-3], tol=1e-8, max_steps=1)
    allowed = 1e-8 * (y @ y) / (2 * len(y))
    np.testing.assert_array_equal(path.converged, path.gaps <= allowed)
    assert path.converged[0]
    assert not path.converged[-1]


def test_each_solution_starts_from_its_neighbour():
    X, y = standardized(load_breast_cancer)
    lam = lambda_max(X, y) / 100
    cold = regularization_path(X, y, [lam], max_steps=30)
    warm = regularization_path(X, y, np.geomspace(100, 1, 50) * lam, max_steps=30)
    assert warm.gaps[-1] < cold.gaps[-1] / 3


def test_a_path_of_bytes_is_that_of_the_same_numbers():
    X = np.random.default_rng(0).integers(0, 256, (30, 4), np.uint8)
    y = np.arange(30, dtype=np.uint8)
    ours, floats = (regularization_path(*t) for t in ((X, y), (X.astype(float), y.astype(float))))
    np.testing.assert_array_equal(ours.weights, floats.weights)


@pytest.mark.parametrize("lams", [[1.0, 2.0], [2.0, 1.0, 1.5], [1.0, 1.0]])
def test_lams_that_do_not_fall_are_refused_with_the_line_that_sorts_them(lams):
    X, y = standardized(load_diabetes)
    message = r"lams runs from large to small\. Write np\.unique\(lams\)\[::-1\]\."
    with pytest.raises(ValueError, match=message):
        regularization_path(X, y, lams)
    assert regularization_path(X, y, np.unique(lams)[::-1]).lams[0] == max(lams)


@pytest.mark.parametrize("lams", [[1.0, 0.0], [-1.0], [], 0.5, [[1.0, 0.5]]])
def test_lams_that_are_no_vector_of_numbers_above_0_are_refused(lams):
    with pytest.raises(ValueError, match=r"lams is a non-empty vector of numbers above 0, got "):
        regularization_path(np.eye(3), np.ones(3), lams)


def test_a_path_down_to_0_is_told_who_solves_without_a_penalty():
    with pytest.raises(ValueError, match=r"got \[1\. 0\.\]\. For lam = 0 write ridge\(X, y, 0\)\."):
        regularization_path(np.eye(3), np.ones(3), [1.0, 0.0])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((np.eye(3), np.ones(3), [1, np.nan]), {}, r"lams has 1 value\(s\) that are NaN"),
        ((np.eye(3), np.ones(3), ["1"]), {}, "lams holds real numbers"),
        ((np.eye(3), np.ones(3), [1]), {"l1_ratio": 50}, "For 50 % write 0.5"),
        ((np.eye(3), np.ones(3), [1]), {"tol": -1}, "tol is a number of at least 0"),
        ((np.eye(3), np.ones(3), [1]), {"max_steps": 0}, "max_steps is a whole number"),
        ((np.ones(3), np.ones(3), [1]), {}, r"write X\[:, None\]"),
        ((np.eye(3), np.ones(2), [1]), {}, "as many rows as each other"),
        ((np.eye(3), np.ones(3)), {"l1_ratio": 0}, r"For a path give .*lams=np\.geomspace"),
    ],
)
def test_a_path_and_a_cross_validation_refuse_the_same_arguments(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        regularization_path(*arguments, **options)
    with pytest.raises(ValueError, match=message):
        cross_validate(*arguments, n_folds=2, **options)


def tables():
    """Tables that have broken solvers."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 8)), rng.standard_normal(40)
    return {
        "equal columns": (np.hstack([X, X]), y),
        "opposite columns": (np.hstack([X, -X]), y),
        "nearly equal columns": (np.hstack([X, X + 1e-9 * rng.standard_normal(X.shape)]), y),
        "constant columns": (np.hstack([X, np.full((40, 2), 3.0)]), y),
        "far from zero": (X + 1e8, y),
        "units from 1e-6 to 1e6": (X * 10.0 ** np.linspace(-6, 6, 8), y),
        "one column": (X[:, :1], y),
        "one row": (X[:1], y[:1]),
        "more columns than rows": (rng.standard_normal((12, 60)), y[:12]),
        "rank one": (np.outer(y, rng.standard_normal(20)), X[:, 0]),
        "zeros and ones": (rng.integers(0, 2, (20, 40)).astype(float), y[:20]),
        "no noise": (X, X[:, 0] - 2 * X[:, 3]),
        "hilbert": (hilbert(40)[:, :12], hilbert(40)[:, :12].sum(axis=1)),
        "nothing to explain": (X, np.zeros(40)),
        "nothing to explain it with": (np.zeros((40, 3)), y),
    }


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("name", tables())
def test_tables_that_have_broken_solvers_are_solved_to_the_tolerance(name, l1_ratio):
    X, y = tables()[name]
    X, y = X - X.mean(axis=0) * (len(X) > 1), y - y.mean() * (len(y) > 1)
    largest = lambda_max(X, y, l1_ratio=l1_ratio) or 1.0
    path = regularization_path(X, y, np.geomspace(largest, 1e-6 * largest, 60), l1_ratio=l1_ratio)
    allowed = 1.001 * 1e-6 * (y @ y) / (2 * len(y))
    assert path.converged.all()
    for lam, w in zip(path.lams, path.weights, strict=True):
        assert duality_gap(X, y, w, lam, l1_ratio=l1_ratio) <= allowed


@given(rngs, st.integers(1, 30), st.integers(1, 40), st.sampled_from([1.0, 0.5]), st.data())
@settings(max_examples=150)
def test_no_weights_are_better_than_the_gap_says(rng, n, p, l1_ratio, data):
    """The true distance to the minimum, in long double, is at most the certified gap."""
    draw = data.draw(st.sampled_from([small_integers, smooth_columns, other_units]))
    X, y = draw(rng, n, p), rng.standard_normal(n)
    assume((X.T @ y).any())
    lams = lambda_grid(X, y, n_lams=12, ratio=1e-4, l1_ratio=l1_ratio)
    path = regularization_path(X, y, lams, l1_ratio=l1_ratio, tol=data.draw(st.sampled_from(TOLS)))
    for lam, w, gap in zip(path.lams, path.weights, path.gaps, strict=True):
        better = coordinate_descent(X, y, lam, l1_ratio=l1_ratio, tol=0, max_steps=50).w
        fall = precise(X, y, w, lam, l1_ratio) - precise(X, y, better, lam, l1_ratio)
        assert fall <= gap


TOLS = [1e-2, 1e-6, 1e-10]


def small_integers(rng, n, p):
    return rng.integers(-1, 2, (n, p)).astype(float)


def smooth_columns(rng, n, p):
    return np.cumsum(rng.standard_normal((n, p)), axis=1)


def other_units(rng, n, p):
    return rng.standard_normal((n, p)) * 10.0 ** rng.integers(-4, 5, p)


def precise(X, y, w, lam, l1_ratio):
    X, y, w = (np.asarray(values, dtype=np.longdouble) for values in (X, y, w))
    penalty = l1_ratio * np.abs(w).sum() + (1 - l1_ratio) / 2 * (w @ w)
    return ((y - X @ w) ** 2).sum() / (2 * len(y)) + lam * penalty


def test_where_newton_gives_up_fista_takes_over(monkeypatch):
    X, y = standardized(load_diabetes)
    expected = regularization_path(X, y, tol=1e-8)
    monkeypatch.setattr(ActiveSet, "correct", lambda *_: np.inf)
    path = regularization_path(X, y, tol=1e-8)
    assert path.converged.all()
    np.testing.assert_allclose(path.weights, expected.weights, atol=0.1)


def test_a_path_can_be_taken_up_in_the_middle():
    X, y = standardized(load_breast_cancer)
    lams = lambda_grid(X, y)
    whole = regularization_path(X, y, lams, tol=1e-10)
    late = path_from(Moments.of(X, y), lams[70:], tol=1e-10)
    np.testing.assert_allclose(late.weights, whole.weights[70:], atol=1e-4)


@given(rngs, st.floats(1, 10))
def test_above_lambda_max_all_weights_are_zero_and_the_gap_too(rng, factor):
    X, y = random_table(rng)
    path = regularization_path(X, y, [factor * lambda_max(X, y)])
    assert not path.weights.any()
    assert path.gaps[0] <= 1e-12 * objective(X, y, np.zeros(4), 1.0)


# Nothing is changed, neither arguments nor results


def test_arguments_are_never_changed():
    X, y = centred_table(np.random.default_rng(0))
    lams = np.array([0.5, 0.1])
    before = [values.copy() for values in (X, y, lams)]
    for values in (X, y, lams):
        values.flags.writeable = False
    choice, grid = cross_validate(X, y, lams), lambda_grid(X, y)
    path = regularization_path(X, y, lams)
    for values, copy in zip((X, y, lams), before, strict=True):
        np.testing.assert_array_equal(values, copy)
    assert not any(np.shares_memory(lams, other) for other in (choice.path.lams, path.lams, grid))


def test_results_cannot_be_written_to():
    choice = cross_validate(*random_table(np.random.default_rng(0)), [0.5, 0.1])
    path = choice.path
    for array in (choice.errors, path.lams, path.weights, path.gaps, path.converged):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    for result, name in ((choice, "errors"), (path, "weights")):
        with pytest.raises(FrozenInstanceError):
            setattr(result, name, None)
