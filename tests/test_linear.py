import itertools
from dataclasses import FrozenInstanceError
from functools import cache

import numpy as np
import pytest
import scipy.optimize
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import ElasticNet, Ridge
from sklearn.preprocessing import StandardScaler

from minilib.datasets import load_breast_cancer, load_diabetes, load_mnist
from minilib.linear import (
    Moments,
    Penalty,
    Scaling,
    Solution,
    coordinate_descent,
    duality_gap,
    fista,
    fista_from,
    gap_of,
    gradient,
    gradient_descent,
    ista,
    kkt_residual,
    lambda_max,
    objective,
    read_only,
    ridge,
    soft_threshold,
    subgradient_descent,
)

METHODS = [ista, fista, coordinate_descent]
ITERATIVE = [*METHODS, subgradient_descent, gradient_descent]
NAMES = ["diabetes", "breast_cancer", "mnist"]

rngs = st.integers(0, 2**32 - 1).map(np.random.default_rng)
small = st.floats(-10, 10)
lams = st.floats(1e-3, 100)


@st.composite
def tables(draw):
    """Small tables of whole numbers: many have equal, opposite, constant or empty columns."""
    n, p = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    digits = st.integers(-9, 9).map(float)
    return draw(arrays(float, (n, p), elements=digits)), draw(arrays(float, n, elements=digits))


@st.composite
def tables_and_weights(draw):
    X, y = draw(tables())
    return X, y, draw(arrays(float, X.shape[1], elements=small))


def random_table(rng, n=12, p=4):
    return rng.standard_normal((n, p)), rng.standard_normal(n)


def value(X, y, w, lam, l1_ratio):
    """P(w) as the course defines it."""
    r = y - X @ w
    norms = l1_ratio * np.abs(w).sum() + (1 - l1_ratio) / 2 * (w @ w)
    return r @ r / (2 * len(y)) + lam * norms


def lowest(X, y, lam, l1_ratio):
    """Weights at the minimum of P: for the right signs, they solve a linear system."""
    n, p = X.shape
    candidates = []
    for signs in itertools.product([-1.0, 0.0, 1.0], repeat=p):
        used = np.flatnonzero(signs)
        A = X[:, used]
        system = A.T @ A / n + lam * (1 - l1_ratio) * np.eye(len(used))
        w = np.zeros(p)
        w[used] = np.linalg.lstsq(system, A.T @ y / n - lam * l1_ratio * np.array(signs)[used])[0]
        candidates.append(w)
    return min(candidates, key=lambda w: value(X, y, w, lam, l1_ratio))


@cache
def standardized(name):
    """Real tables, standardized and centred: the labels of digits and tumours as numbers."""
    if name == "mnist":
        digits = load_mnist("train")
        X, y = digits.x[:2000].reshape(2000, 784), digits.y[:2000]
    else:
        table = {"diabetes": load_diabetes, "breast_cancer": load_breast_cancer}[name]()
        X, y = table.X, table.y
    return Scaling.of(X).apply(X), y - y.mean()


@cache
def tenth_of_lambda_max(name, l1_ratio):
    return lambda_max(*standardized(name), l1_ratio=l1_ratio) / 10


@cache
def weights_of_sklearn(name, l1_ratio):
    lam = tenth_of_lambda_max(name, l1_ratio)
    net = ElasticNet(lam, l1_ratio=l1_ratio, fit_intercept=False, tol=1e-13, max_iter=10**5)
    return net.fit(*standardized(name)).coef_


def assert_equal_weights(w, expected, accuracy=1e-8):
    """Equal beside the largest weight."""
    assert np.abs(w - expected).max() <= accuracy * np.abs(expected).max()


# The soft threshold and the prox


@given(small, st.floats(0, 10))
def test_the_soft_threshold_is_the_cheapest_of_all_numbers(v, threshold):
    def cost(z):
        return threshold * np.abs(z) + (z - v) ** 2 / 2

    grid = np.append(np.linspace(-10, 10, 2001), v)
    assert cost(soft_threshold(v, threshold)) <= cost(grid).min() + 1e-12


@given(arrays(float, 5, elements=small), arrays(float, 5, elements=small), st.floats(0, 10))
def test_the_soft_threshold_never_drives_two_points_apart(a, b, threshold):
    moved = np.abs(soft_threshold(a, threshold) - soft_threshold(b, threshold))
    assert (moved <= np.abs(a - b) + 1e-14).all()


def test_the_soft_threshold_takes_its_threshold_off_each_entry_of_any_shape():
    v = np.array([[3.0, -3.0, 1.0], [-1.0, 0.5, 0.0]])
    assert soft_threshold(v, 1).tolist() == [[2.0, -2.0, 0.0], [0.0, 0.0, 0.0]]
    assert soft_threshold(-3.0, 1) == -2.0


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.float32, list])
def test_the_soft_threshold_of_small_types_does_not_wrap(kind):
    shrunk = soft_threshold(kind([1, 5, 127]), 3)
    assert shrunk.tolist() == [0.0, 2.0, 124.0]
    assert shrunk.dtype == np.float64
    assert soft_threshold(np.int8([-128]), 0).tolist() == [-128.0]


@pytest.mark.parametrize("threshold", [-1, -1e-9, np.nan, np.inf, "1"])
def test_a_threshold_that_is_no_number_of_at_least_0_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold is a number of at least 0, got"):
        soft_threshold(np.ones(2), threshold)


@given(small, st.floats(0, 10), lams, st.floats(0, 1))
def test_the_prox_of_a_penalty_is_the_cheapest_of_all_numbers(v, step, lam, l1_ratio):
    penalty = Penalty.of(lam, l1_ratio)

    def cost(z):
        return step * penalty(np.array([z])) + (z - v) ** 2 / 2

    z = float(penalty.prox(np.array([v]), step)[0])
    assert cost(z) <= min(map(cost, np.append(np.linspace(-10, 10, 401), v))) + 1e-9


# The objective and its gradient


@given(tables_and_weights(), st.floats(0, 100), st.floats(0, 1))
def test_the_objective_is_the_one_that_the_course_defines(problem, lam, l1_ratio):
    X, y, w = problem
    expected = value(X, y, w, lam, l1_ratio)
    assert objective(X, y, w, lam, l1_ratio=l1_ratio) == pytest.approx(expected, rel=1e-12)


def test_an_l1_ratio_of_1_is_the_lasso_and_is_the_default():
    X, y, w = np.eye(2), np.zeros(2), np.array([3.0, -4.0])
    assert objective(X, y, w, 2) == objective(X, y, w, 2, l1_ratio=1) == 25 / 4 + 2 * 7
    assert objective(X, y, w, 2, l1_ratio=0) == 25 / 4 + 2 * 25 / 2


@given(tables_and_weights(), st.floats(0, 100))
def test_the_gradient_is_the_difference_quotient_of_the_ridge_objective(problem, lam):
    X, y, w = problem
    nudges = 1e-3 * np.eye(len(w))  # exact for a parabola, whatever the width
    quotient = [
        (value(X, y, w + nudge, lam, 0) - value(X, y, w - nudge, lam, 0)) / 2e-3 for nudge in nudges
    ]
    np.testing.assert_allclose(gradient(X, y, w, lam), quotient, rtol=1e-6, atol=1e-6)


def test_the_gradient_is_zero_at_the_ridge_weights():
    X, y = standardized("diabetes")
    w = ridge(X, y, 0.1).w
    assert np.abs(gradient(X, y, w, 0.1)).max() < 1e-12 * np.abs(X.T @ y / len(y)).max()


# Agreement with scikit-learn, scipy and numpy


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", METHODS)
def test_each_method_finds_the_weights_and_the_zeros_of_scikit_learn(method, name, l1_ratio):
    X, y = standardized(name)
    lam, expected = tenth_of_lambda_max(name, l1_ratio), weights_of_sklearn(name, l1_ratio)
    solution = method(X, y, lam, l1_ratio=l1_ratio, tol=3e-11, max_steps=20_000)
    assert solution.converged
    assert_equal_weights(solution.w, expected)
    assert np.array_equal(solution.w == 0, expected == 0)
    assert 0 < np.count_nonzero(expected) < len(expected)


@pytest.mark.parametrize("name", NAMES)
def test_ridge_in_closed_form_and_by_gradient_descent_is_scikit_learns_at_alpha_n_lam(name):
    X, y = standardized(name)
    lam = tenth_of_lambda_max(name, 1.0)
    expected = Ridge(len(y) * lam, fit_intercept=False, solver="cholesky").fit(X, y).coef_
    assert_equal_weights(ridge(X, y, lam).w, expected)
    assert_equal_weights(gradient_descent(X, y, lam, tol=1e-20).w, expected)


@pytest.mark.parametrize("method", METHODS)
def test_at_an_l1_ratio_of_0_every_method_solves_ridge(method):
    X, y = standardized("diabetes")
    solution = method(X, y, 0.5, l1_ratio=0, tol=1e-20)
    assert solution.converged
    assert_equal_weights(solution.w, ridge(X, y, 0.5).w)


@pytest.mark.parametrize("l1_ratio", [1.0, 0.3])
def test_a_general_minimiser_finds_no_lower_point(l1_ratio):
    X, y = standardized("diabetes")
    lam, p = 5.0, X.shape[1]

    def split(uv):  # w = u - v with u, v >= 0 makes P smooth
        w = uv[:p] - uv[p:]
        slope = -X.T @ (y - X @ w) / len(y) + lam * (1 - l1_ratio) * w
        loss = value(X, y, w, lam * (1 - l1_ratio), 0)
        return loss + lam * l1_ratio * uv.sum(), np.append(slope, -slope) + lam * l1_ratio

    bounds = [(0, None)] * (2 * p)
    options = {"maxiter": 10_000, "ftol": 1e-15, "gtol": 1e-12}
    found = scipy.optimize.minimize(
        split, np.zeros(2 * p), jac=True, bounds=bounds, method="L-BFGS-B", options=options
    )
    ours = fista(X, y, lam, l1_ratio=l1_ratio, tol=1e-13)
    assert objective(X, y, ours.w, lam, l1_ratio=l1_ratio) <= found.fun * (1 + 1e-13)
    assert_equal_weights(found.x[:p] - found.x[p:], ours.w, accuracy=1e-4)


@given(tables())
def test_ridge_without_penalty_is_least_squares_of_smallest_norm(table):
    X, y = table
    np.testing.assert_allclose(ridge(X, y, 0).w, np.linalg.pinv(X) @ y, atol=1e-8)
    assert ridge(X, y, 0).gap <= 1e-12 * (y @ y)


@settings(max_examples=30)
@given(tables(), lams, st.sampled_from([0.0, 0.2, 0.5, 1.0]))
def test_no_run_ends_further_above_the_minimum_than_its_gap_says(table, lam, l1_ratio):
    X, y = table
    minimum = value(X, y, lowest(X, y, lam, l1_ratio), lam, l1_ratio)
    at_zero = y @ y / (2 * len(y))
    for method in METHODS:
        run = method(X, y, lam, l1_ratio=l1_ratio, tol=1e-6, max_steps=300)
        assert value(X, y, run.w, lam, l1_ratio) - minimum <= run.gap + 1e-12 * at_zero
        assert run.converged == (run.gap <= 1e-6 * at_zero)
        assert run.converged or run.n_steps == 300


# The gap and the optimality conditions


@given(tables_and_weights(), lams, st.floats(0, 1))
@example((np.array([[1.0, 9.0]]), np.array([1.0]), np.array([3.0, 0.0])), 1.0, 1.0)  # y'r < 0
def test_the_gap_is_never_below_what_there_is_still_to_gain(problem, lam, l1_ratio):
    X, y, w = problem
    here = value(X, y, w, lam, l1_ratio)
    minimum = value(X, y, lowest(X, y, lam, l1_ratio), lam, l1_ratio)
    gap = duality_gap(X, y, w, lam, l1_ratio=l1_ratio)
    assert gap >= max(here - minimum - 1e-12 * here, 0)


@given(tables(), lams, st.just(0.0) | st.floats(0.01, 1))
def test_gap_and_kkt_residual_are_zero_at_the_minimum(table, lam, l1_ratio):
    X, y = table
    w = lowest(X, y, lam, l1_ratio)
    assert duality_gap(X, y, w, lam, l1_ratio=l1_ratio) <= 1e-9 * (y @ y)
    assert kkt_residual(X, y, w, lam, l1_ratio=l1_ratio) <= 1e-9 * (1 + np.abs(X.T @ y).max())


@given(tables_and_weights())
def test_without_penalty_the_gap_is_exactly_what_there_is_to_gain(problem):
    X, y, w = problem
    to_gain = value(X, y, w, 0, 1) - value(X, y, np.linalg.lstsq(X, y)[0], 0, 1)
    gap = duality_gap(X, y, w, 0)
    assert gap == pytest.approx(to_gain, rel=1e-9, abs=1e-12 * value(X, y, w, 0, 1) + 1e-300)


def test_a_gap_is_a_number_even_where_rounding_has_eaten_the_residual():
    square, fit = np.array([0.0, -1e-9, 1.0]), np.array([1e10, -1e10, 0.5])
    gaps = gap_of(square, fit, np.full(3, 10.0), np.full(3, 2.0), 0.1)
    assert np.isfinite(gaps).all()
    assert (gaps >= 0).all()


@given(tables_and_weights(), lams)
def test_the_gap_of_ridge_is_the_squared_gradient_over_twice_lam(problem, lam):
    X, y, w = problem
    slope = gradient(X, y, w, lam)
    gap = duality_gap(X, y, w, lam, l1_ratio=0)
    assert gap == pytest.approx(slope @ slope / (2 * lam), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("size", "lam"), [(5, 10), (5, 200), (-500, 10), (500, 10)])
def test_the_gap_is_the_distance_to_the_best_scaled_residual(size, lam):
    X, y = standardized("diabetes")
    w = np.linspace(-size, size, 10)
    r = y - X @ w
    scale = lam / np.abs(X.T @ r / len(y)).max()
    scales = np.linspace(-scale, scale, 10_001)[:, None]
    dual = (y @ y - ((y - scales * r) ** 2).sum(axis=1)) / (2 * len(y))
    gap = objective(X, y, w, lam) - dual.max()
    assert duality_gap(X, y, w, lam) == pytest.approx(gap, rel=1e-6)


@given(rngs, st.floats(0.01, 2), st.floats(0, 1))
def test_far_from_the_minimum_the_kkt_residual_is_large(rng, lam, l1_ratio):
    X, y = random_table(rng, 12, 3)
    w = rng.standard_normal(3) * rng.integers(0, 2, 3)
    curvature = np.linalg.eigvalsh(X.T @ X / 12)[0] + lam * (1 - l1_ratio)
    distance = np.linalg.norm(w - lowest(X, y, lam, l1_ratio))
    residual = kkt_residual(X, y, w, lam, l1_ratio=l1_ratio)
    assert residual * np.sqrt(3) >= curvature * distance - 1e-9


def test_the_kkt_residual_is_the_largest_violation_by_hand():
    X, y, lam = np.eye(2) * np.sqrt(2), np.array([3.0, 1.0]) * np.sqrt(2), 0.5  # c = (3, 1) - w
    assert kkt_residual(X, y, np.array([2.5, 0.5]), lam) == pytest.approx(0, abs=1e-15)
    assert kkt_residual(X, y, np.array([2.5, 0.0]), lam) == pytest.approx(0.5)
    assert kkt_residual(X, y, np.array([2.0, 0.5]), lam) == pytest.approx(0.5)
    assert kkt_residual(X, y, np.array([2.5, -0.5]), lam) == pytest.approx(2)
    assert kkt_residual(X, y, np.zeros(2), 3.5) == 0


# lambda_max


@pytest.mark.parametrize("method", METHODS)
@given(rng=rngs, l1_ratio=st.floats(0.01, 1), factor=st.sampled_from([1 - 1e-12, 1, 1.1, 1e9]))
def test_from_lambda_max_on_all_weights_are_exactly_zero(method, rng, l1_ratio, factor):
    X, y = random_table(rng)
    lam = factor * lambda_max(X, y, l1_ratio=l1_ratio)
    solution = method(X, y, lam, l1_ratio=l1_ratio)
    assert not solution.w.any()
    assert solution.converged
    assert solution.n_steps == 0


@given(rngs, st.floats(0.01, 1))
def test_just_below_lambda_max_the_steepest_weight_is_not_zero(rng, l1_ratio):
    X, y = random_table(rng)
    lam = (1 - 1e-4) * lambda_max(X, y, l1_ratio=l1_ratio)
    w = coordinate_descent(X, y, lam, l1_ratio=l1_ratio, tol=1e-12).w
    assert w[np.abs(X.T @ y).argmax()] != 0


def test_a_share_of_l1_in_float32_loses_no_digits_of_lambda_max():
    X, y = standardized("diabetes")
    largest = lambda_max(X, y, l1_ratio=np.float32(0.3))
    assert largest == lambda_max(X, y, l1_ratio=float(np.float32(0.3)))
    assert type(largest) is float


def test_ridge_has_no_lambda_max_and_a_path_is_told_what_to_give():
    with pytest.raises(ValueError, match=r"l1_ratio is above 0 here, got 0.*lams=np\.geomspace"):
        lambda_max(*standardized("diabetes"), l1_ratio=0)


# Histories and the truth about convergence


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("method", [*METHODS, subgradient_descent])
def test_a_history_has_the_start_and_each_step_and_ends_at_the_weights(method, l1_ratio):
    X, y = standardized("diabetes")
    for n_steps in (1, 2, 7):
        run = method(X, y, 5.0, l1_ratio=l1_ratio, max_steps=n_steps, tol=0)
        assert run.n_steps == n_steps
        assert len(run.objectives) == len(run.gaps) == n_steps + 1
        for place, w in ((0, np.zeros(10)), (-1, run.w)):
            value_there = objective(X, y, w, 5.0, l1_ratio=l1_ratio)
            gap_there = duality_gap(X, y, w, 5.0, l1_ratio=l1_ratio)
            assert run.objectives[place] == pytest.approx(value_there, rel=1e-12)
            assert run.gaps[place] == pytest.approx(gap_there, rel=1e-9, abs=1e-9)
        assert run.gap == run.gaps[-1]


@pytest.mark.parametrize("method", ITERATIVE)
def test_a_longer_run_begins_like_a_shorter_one(method):
    X, y = standardized("diabetes")
    short, long = (method(X, y, 5.0, max_steps=n, tol=0) for n in (3, 9))
    np.testing.assert_array_equal(short.objectives, long.objectives[:4])
    np.testing.assert_array_equal(short.gaps, long.gaps[:4])


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("method", [ista, coordinate_descent])
@pytest.mark.parametrize("name", ["diabetes", "breast_cancer"])
def test_the_objective_never_rises(name, method, l1_ratio):
    X, y = standardized(name)
    run = method(X, y, 0.02 * lambda_max(X, y), l1_ratio=l1_ratio, tol=0, max_steps=300)
    assert np.diff(run.objectives).max() <= 1e-14 * run.objectives[0]
    assert run.objectives[-1] < run.objectives[1] < run.objectives[0]


def test_momentum_and_restart_save_nine_in_ten_steps_on_a_hard_table():
    X, y = standardized("breast_cancer")
    lam = tenth_of_lambda_max("breast_cancer", 1.0)
    slow, fast = (method(X, y, lam, tol=1e-12) for method in (ista, fista))
    assert slow.converged
    assert fast.converged
    assert fast.n_steps < slow.n_steps / 10


def test_one_round_of_coordinate_descent_solves_orthogonal_columns():
    X, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((20, 4)))
    y = np.random.default_rng(1).standard_normal(20)
    run = coordinate_descent(X, y, 0.01, tol=1e-14)
    assert run.n_steps == 1
    np.testing.assert_allclose(run.w, 20 * soft_threshold(X.T @ y / 20, 0.01), atol=1e-14)


@pytest.mark.parametrize("tol", [1e-2, 1e-6, 1e-10])
@pytest.mark.parametrize("method", METHODS)
def test_a_run_stops_at_the_first_gap_that_meets_the_tolerance(method, tol):
    X, y = standardized("diabetes")
    run = method(X, y, 5.0, tol=tol)
    allowed = tol * objective(X, y, np.zeros(10), 5.0)
    assert run.converged
    assert run.gap <= allowed < run.gaps[:-1].min()
    assert duality_gap(X, y, run.w, 5.0) <= 1.001 * allowed
    assert str(run) == f"converged after {run.n_steps} steps: gap {run.gap:.1e}"


@pytest.mark.parametrize("method", ITERATIVE)
def test_a_run_cut_short_says_so_and_what_to_do(method):
    X, y = standardized("diabetes")
    run = method(X, y, 5.0, max_steps=2, tol=1e-12)
    assert run.converged is False
    assert str(run) == f"not converged after 2 steps: gap {run.gap:.1e}; raise max_steps"


@pytest.mark.parametrize(
    ("converged", "last", "sentence"),
    [
        (True, 0.5, "converged after 2 steps: gap 3.0e+00"),
        (False, 9.9, "not converged after 2 steps: gap 3.0e+00; raise max_steps"),
        (False, 11.0, "diverged after 2 steps: the objective grew from 1.0e+00 to 1.1e+01; use a"),
        (False, np.nan, "diverged after 2 steps: the objective grew from 1.0e+00 to nan; use a"),
    ],
)
def test_a_result_says_in_a_sentence_how_its_last_step_left_it(converged, last, sentence):
    objectives, gaps = np.array([1.0, 0.8, last]), np.array([2.0, 1.0, 3.0])
    run = Solution(np.zeros(1), 0.1, 1.0, objectives, gaps, converged)
    assert str(run).startswith(sentence)
    assert (run.n_steps, run.gap) == (2, 3.0)


def test_a_result_says_which_penalty_it_is_of():
    X, y = standardized("diabetes")
    runs = [method(X, y, 5, l1_ratio=0.3, max_steps=1) for method in METHODS]
    assert {(run.lam, run.l1_ratio) for run in runs} == {(5.0, 0.3)}
    assert {(run.lam, run.l1_ratio) for run in (ridge(X, y, 5), gradient_descent(X, y, 5))} == {
        (5.0, 0.0)
    }


def test_gradient_descent_converges_below_2_over_L_and_diverges_above():
    X, y = standardized("diabetes")
    L = np.linalg.eigvalsh(X.T @ X / len(y) + 0.1 * np.eye(10))[-1]
    assert gradient_descent(X, y, 0.1, step=1.99 / L).converged
    too_long = gradient_descent(X, y, 0.1, step=2.01 / L)
    assert not too_long.converged
    assert str(too_long).startswith(f"diverged after {too_long.n_steps} steps: the objective grew")
    assert str(too_long).endswith("use a smaller step")


@pytest.mark.parametrize("step", [10, 1e50, 1e160, 1e300, 1e308, 10**20])
def test_a_diverging_run_stops_early_and_without_a_warning(step):
    run = gradient_descent(*standardized("diabetes"), 0.1, step=step)
    assert run.n_steps < 10
    assert "diverged" in str(run)
    assert not run.converged


def test_the_step_of_gradient_descent_is_the_one_that_is_given():
    X, y = standardized("diabetes")
    one = gradient_descent(X, y, 0.1, step=0.01, max_steps=1).w
    np.testing.assert_allclose(one, 0.01 * X.T @ y / len(y), rtol=1e-12)


def test_subgradient_descent_comes_close_and_never_lands_on_zero():
    X, y = standardized("diabetes")
    lam, expected = tenth_of_lambda_max("diabetes", 1.0), weights_of_sklearn("diabetes", 1.0)
    run = subgradient_descent(X, y, lam, tol=0, max_steps=5000)
    assert_equal_weights(run.w, expected, accuracy=1e-2)
    assert run.w.all()
    assert not run.converged


@pytest.mark.parametrize("l1_ratio", [0.5, 0.1, 0.001, 0.0])
def test_subgradient_descent_stays_near_its_start_however_strong_the_l2_part(l1_ratio):
    X, y = standardized("diabetes")
    lam = 20 / (l1_ratio + 0.01)
    run = subgradient_descent(X, y, lam, l1_ratio=l1_ratio, max_steps=100)
    assert run.objectives.max() <= 1.1 * run.objectives[0]
    assert run.gap < 0.1 * run.gaps[0]


@given(rngs, st.integers(1, 8), st.integers(1, 8))
def test_the_curvature_is_the_largest_eigenvalue_rounded_up_by_1_percent(rng, n, p):
    X, y = random_table(rng, n, p)
    largest = np.linalg.norm(X, 2) ** 2 / n
    assert 0.97 * largest < Moments.of(X, y).curvature < 1.0101 * largest


@given(rngs, st.integers(1, 8), st.integers(1, 8))
def test_moments_say_of_a_table_what_the_objective_needs(rng, n, p):
    X, y = random_table(rng, n, p)
    v = rng.standard_normal(p)
    moments = Moments.of(X, y)
    assert (moments.n, moments.p) == (n, p)
    np.testing.assert_allclose(moments.gram_times(v), X.T @ X @ v / n, atol=1e-12)
    np.testing.assert_allclose(moments.xy, X.T @ y / n, atol=1e-12)
    assert moments.yy == pytest.approx(y @ y / n)


@pytest.mark.parametrize("p", [3, 20])
def test_a_run_may_start_from_its_own_solution_and_has_nothing_to_do(p):
    X, y = random_table(np.random.default_rng(0), 10, p)
    moments = Moments.of(X, y)
    solution = fista(X, y, 0.1, tol=1e-10)
    again = fista_from(solution.w, moments, 0.1, tol=1e-9)
    assert again.n_steps == 0
    np.testing.assert_array_equal(again.w, solution.w)
    elsewhere = fista_from(np.full(p, 3), moments, 0.1, tol=1e-12)
    assert elsewhere.objectives[0] == pytest.approx(objective(X, y, np.full(p, 3), 0.1))
    assert_equal_weights(elsewhere.w, solution.w, accuracy=1e-3)


# Traps: types, layouts, columns and shapes


@pytest.mark.parametrize("method", [*METHODS, gradient_descent, ridge])
def test_a_table_of_bytes_is_solved_like_the_same_table_of_floats(method):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (30, 4), np.uint8), rng.integers(0, 10, 30, np.uint8)
    floats = X.astype(float), y.astype(float)
    assert not np.array_equal(X.T @ X, floats[0].T @ floats[0])  # the naive product wraps
    np.testing.assert_array_equal(method(X, y, 100.0).w, method(*floats, 100.0).w)


@pytest.mark.parametrize("measure", [objective, duality_gap, kkt_residual, gradient])
def test_bytes_are_measured_like_floats(measure):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (30, 4), np.uint8), rng.integers(0, 10, 30, np.uint8)
    w = np.array([1, 2, 3, 4], np.uint8)
    expected = measure(X.astype(float), y.astype(float), w.astype(float), 1.0)
    np.testing.assert_array_equal(measure(X, y, w, 1), expected)
    assert lambda_max(X, y) == lambda_max(X.astype(float), y.astype(float))


@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
@pytest.mark.parametrize("method", [*METHODS, gradient_descent, ridge])
def test_other_types_are_solved_in_float64(method, dtype):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 2, (30, 4)).astype(dtype), rng.integers(0, 2, 30).astype(dtype)
    solution = method(X, y, np.float32(0.125))
    assert solution.w.dtype == np.float64
    assert type(solution.lam) is float
    np.testing.assert_array_equal(solution.w, method(X.astype(float), y.astype(float), 0.125).w)


@pytest.mark.parametrize("method", METHODS)
def test_float32_tables_reach_gaps_that_float32_could_not(method):
    X, y = (values.astype(np.float32) for values in standardized("diabetes"))
    assert method(X, y, 5.0, tol=1e-13).converged


@pytest.mark.parametrize("method", [*METHODS, ridge])
@pytest.mark.parametrize("layout", [np.asfortranarray, lambda X: np.repeat(X, 2, 1)[:, ::2]])
def test_the_layout_in_memory_changes_nothing(method, layout):
    X, y = standardized("diabetes")
    strided = np.repeat(y, 2)[::2]
    assert_equal_weights(method(layout(X), strided, 5.0).w, method(X, y, 5.0).w, accuracy=1e-10)


@pytest.mark.parametrize("method", [*METHODS, ridge])
def test_a_constant_column_gets_no_weight_and_changes_no_other(method):
    rng = np.random.default_rng(0)
    X, y = random_table(rng, 30, 3)
    wide = np.column_stack([np.full(30, 0.1), X, np.full(30, 1e8)])
    w = method(Scaling.of(wide).apply(wide), y - y.mean(), 0.1).w
    assert w[0] == w[4] == 0
    alone = method(Scaling.of(X).apply(X), y - y.mean(), 0.1).w
    np.testing.assert_allclose(w[1:4], alone, atol=1e-12)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("method", METHODS)
def test_a_column_and_its_copy_or_mirror_image_do_what_the_column_does_alone(method, sign):
    X, y = standardized("diabetes")
    alone = method(X, y, 5.0, tol=1e-12)
    both = method(np.column_stack([X, sign * X]), y, 5.0, tol=1e-12)
    assert both.converged
    assert both.objectives[-1] == pytest.approx(alone.objectives[-1], rel=1e-10)
    assert_equal_weights(both.w[:10] + sign * both.w[10:], alone.w)


def test_the_l2_part_shares_the_weight_of_equal_columns_evenly():
    X, y = standardized("diabetes")
    twice = np.column_stack([X, X])
    for w in (ridge(twice, y, 1.0).w, fista(twice, y, 5.0, l1_ratio=0.5, tol=1e-13).w):
        np.testing.assert_allclose(w[:10], w[10:], atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_after_scaling_huge_means_and_unequal_scales_are_harmless(method):
    X, y = standardized("diabetes")
    scales = np.geomspace(1e-6, 1e6, 10)
    far = X * scales + 1e8 * np.maximum(scales, 1)  # where float64 keeps 8 digits of each column
    far[:, :5] = (X * scales)[:, :5]
    exact = far.astype(np.longdouble)
    reference = ((exact - exact.mean(axis=0)) / exact.std(axis=0)).astype(float)
    w = method(Scaling.of(far).apply(far), y, 5.0, tol=1e-12).w
    assert_equal_weights(w, method(reference, y, 5.0, tol=1e-12).w)


@pytest.mark.parametrize(("n", "p"), [(20, 50), (2, 7), (1, 4), (4, 1), (1, 1)])
@pytest.mark.parametrize("method", METHODS)
def test_any_number_of_rows_and_columns_is_solved(method, n, p):
    X, y = random_table(np.random.default_rng(n + p), n, p)
    lam = lambda_max(X, y) / 10
    run = method(X, y, lam, tol=1e-12, max_steps=100_000)
    assert run.converged
    assert kkt_residual(X, y, run.w, lam) < 1e-4 * lam
    assert run.w.any()
    assert np.count_nonzero(run.w) <= min(n, p)


@pytest.mark.parametrize("method", ITERATIVE)
def test_nothing_to_learn_gives_zero_weights_at_once(method):
    X, y = random_table(np.random.default_rng(0))
    for run in (method(X, np.zeros(12), 0.1), method(np.zeros((12, 4)), y, 0.1)):
        assert not run.w.any()
        assert run.converged
        assert run.gap == run.n_steps == 0


@pytest.mark.parametrize("lam", [0, 0.1])
def test_ridge_has_nothing_to_learn_from_zeros(lam):
    assert not ridge(np.eye(3), np.zeros(3), lam).w.any()
    assert not ridge(np.zeros((3, 2)), np.ones(3), lam).w.any()


@pytest.mark.parametrize(("n", "p"), [(5, 40), (40, 5), (6, 6)])
@given(rng=rngs, lam=st.floats(1e-3, 10))
def test_ridge_solves_its_normal_equations(n, p, rng, lam):
    X, y = random_table(rng, n, p)
    w = ridge(X, y, lam).w
    np.testing.assert_allclose(X.T @ X @ w / n + lam * w, X.T @ y / n, atol=1e-9)


def test_ridge_is_certified_for_dependent_rows_and_any_lam_that_float64_can_tell_from_zero():
    X, y = random_table(np.random.default_rng(0), 20, 5)
    for table in (np.tile(X, 6), np.tile(X, 2)):
        for lam in 10.0 ** np.arange(-13, 3):
            solution = ridge(table, y, lam)
            assert solution.converged
            assert solution.n_steps == 0
            assert solution.gap <= 1e-12 * (y @ y)


@pytest.mark.parametrize("lam", [5e-324, 1e-100, 1e-17])
def test_a_lam_that_rounding_would_lose_is_refused(lam):
    with pytest.raises(ValueError, match=rf"lost in rounding .*got {lam}.*ridge\(X, y, 0\)"):
        ridge(np.ones((3, 2)), np.ones(3), lam)


# Symmetries


@settings(max_examples=30)
@given(rngs, st.integers(2, 4))
def test_repeating_every_row_changes_nothing_at_equal_lam(rng, times):
    X, y = random_table(rng)
    again = np.tile(X, (times, 1)), np.tile(y, times)
    for l1_ratio in (1.0, 0.5):
        once = coordinate_descent(X, y, 0.1, l1_ratio=l1_ratio, tol=1e-13).w
        often = coordinate_descent(*again, 0.1, l1_ratio=l1_ratio, tol=1e-13).w
        np.testing.assert_allclose(often, once, atol=1e-9)
    np.testing.assert_allclose(ridge(*again, 0.1).w, ridge(X, y, 0.1).w, atol=1e-12)


@given(rngs, st.floats(1e-3, 1e3))
def test_scaling_targets_and_lam_scales_the_lasso_weights(rng, factor):
    X, y = random_table(rng)
    scaled = fista(X, factor * y, factor * 0.1, tol=1e-13).w
    np.testing.assert_allclose(scaled, factor * fista(X, y, 0.1, tol=1e-13).w, atol=1e-9 * factor)
    np.testing.assert_allclose(ridge(X, factor * y, 0.1).w, factor * ridge(X, y, 0.1).w, rtol=1e-9)


@settings(max_examples=30)
@given(rngs)
def test_weights_follow_their_columns(rng):
    X, y = random_table(rng)
    order, signs = rng.permutation(4), rng.choice([-1.0, 1.0], 4)
    for method in METHODS:
        plain = method(X, y, 0.1, tol=1e-13, max_steps=10_000).w
        moved = method(X[:, order] * signs, y, 0.1, tol=1e-13, max_steps=10_000).w
        np.testing.assert_allclose(moved, plain[order] * signs, atol=1e-9)


@settings(max_examples=30)
@given(rngs)
def test_a_larger_lam_never_makes_the_norm_larger(rng):
    X, y = random_table(rng)
    grid = np.geomspace(1e-3, 1, 6)
    ones = [np.abs(fista(X, y, lam, tol=1e-12).w).sum() for lam in grid]
    twos = [np.linalg.norm(ridge(X, y, lam).w) for lam in grid]
    assert np.diff(ones).max() <= 1e-9
    assert np.diff(twos).max() <= 1e-12


# Scaling


@given(rngs, st.integers(2, 30))
def test_scaled_columns_have_mean_0_and_standard_deviation_1(rng, n):
    X = rng.standard_normal((n, 3)) * [1e-6, 1, 1e6] + [1, -1e3, 1e8]
    Z = Scaling.of(X).apply(X)
    np.testing.assert_allclose(Z.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(Z.std(axis=0), 1, rtol=1e-6)


@pytest.mark.parametrize("load", [load_diabetes, load_breast_cancer])
def test_scaling_is_scikit_learns_and_treats_new_rows_alike(load):
    X = load().X
    ours, theirs = Scaling.of(X[:200]), StandardScaler().fit(X[:200])
    np.testing.assert_allclose(ours.apply(X[200:]), theirs.transform(X[200:]), atol=1e-9)


@given(st.floats(-1e100, 1e100), st.integers(1, 50))
@example(0.1, 10)  # ten tenths do not add up to 1
def test_a_constant_column_becomes_exactly_zero(constant, n):
    X = np.full((n, 1), constant)
    scaling = Scaling.of(X)
    assert not scaling.apply(X).any()
    assert scaling.scale.tolist() == [1.0]


def test_differences_too_small_to_be_squared_do_not_divide_by_zero():
    X = np.array([[1e-200], [2e-200]])
    assert np.abs(Scaling.of(X).apply(X)).max() < 1e-199


def test_pictures_are_scaled_with_their_constant_pixels_at_zero():
    digits = load_mnist("train").x[:2000].reshape(2000, 784)
    Z = Scaling.of(digits).apply(digits)
    constant = digits.max(axis=0) == digits.min(axis=0)
    assert constant.sum() > 100
    assert not Z[:, constant].any()
    np.testing.assert_allclose(Z[:, ~constant].std(axis=0), 1, rtol=1e-9)


@pytest.mark.parametrize("n_columns", [1, 2, 4])
def test_new_rows_with_another_number_of_columns_are_refused(n_columns):
    scaling = Scaling.of(np.arange(6.0).reshape(2, 3))
    with pytest.raises(ValueError, match=f"3 columns that were measured, got {n_columns}. Give"):
        scaling.apply(np.ones((5, n_columns)))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.ones(3), r"got shape \(3,\)\. For one feature write X\[:, None\], for one row X\[No"),
        (np.ones((0, 3)), r"at least one row and one column, got shape \(0, 3\)"),
        (np.ones((2, 0)), r"at least one row and one column, got shape \(2, 0\)"),
        ([[1, 2, np.nan]], r"NaN or infinite, the first at index \(0, 2\)"),
        ([["1", "2", "3"]], "holds real numbers, got dtype <U1"),
    ],
)
def test_what_is_no_table_is_neither_measured_nor_scaled(X, message):
    with pytest.raises(ValueError, match=message):
        Scaling.of(X)
    with pytest.raises(ValueError, match=message):
        Scaling.of(np.eye(3)).apply(X)


# Nothing is changed, neither arguments nor results


def every_function(X, y, w):
    """Call each public function on the same arrays, and return what holds arrays."""
    scaling = Scaling.of(X)
    for measure in (objective, gradient, duality_gap, kkt_residual):
        measure(X, y, w, 0.1)
    results = [method(X, y, 0.1, max_steps=5) for method in ITERATIVE]
    results += [ridge(X, y, 0.1), ridge(X, y, 0), fista_from(w, Moments.of(X, y), 0.1, max_steps=5)]
    scaling.apply(X), soft_threshold(w, 0.1), lambda_max(X, y), read_only(w)
    return results, scaling


def test_arguments_are_never_changed():
    arguments = (*random_table(np.random.default_rng(0)), np.ones(4))
    before = [values.copy() for values in arguments]
    every_function(*arguments)
    for values, copy in zip(arguments, before, strict=True):
        np.testing.assert_array_equal(values, copy)
        assert values.flags.writeable
        values.flags.writeable = False
    every_function(*arguments)


def test_results_cannot_be_written_to():
    results, scaling = every_function(*random_table(np.random.default_rng(0)), np.ones(4))
    arrays_of_results = [a for run in results for a in (run.w, run.objectives, run.gaps)]
    for array in (*arrays_of_results, scaling.mean, scaling.scale):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    moments, penalty = Moments.of(np.eye(2), np.ones(2)), Penalty.of(1, 1)
    fields = ((results[0], "w"), (scaling, "mean"), (moments, "xy"), (penalty, "l1"))
    for result, name in fields:
        with pytest.raises(FrozenInstanceError):
            setattr(result, name, 0)


def test_a_result_holds_its_own_copy():
    X, y = random_table(np.random.default_rng(0))
    start, moments = np.zeros(4), Moments.of(X, y)
    run = fista_from(start, moments, 10.0)
    before = moments.gram_times(np.ones(4)).copy()
    start += 1
    X += 1
    y += 1
    assert not run.w.any()
    np.testing.assert_array_equal(moments.gram_times(np.ones(4)), before)


# Refused input


@pytest.mark.parametrize("method", ITERATIVE)
@pytest.mark.parametrize("zero", [0, 0.0, np.float32(0)])
def test_without_a_penalty_iterative_methods_point_to_ridge(method, zero):
    with pytest.raises(ValueError, match=r"lam is a number above 0, got 0.*write ridge\(X, y, 0\)"):
        method(np.eye(3), np.ones(3), zero)


@pytest.mark.parametrize("lam", [-1, np.nan, np.inf, "1", None, [1.0], np.ones(2)], ids=repr)
@pytest.mark.parametrize("call", [*ITERATIVE, ridge], ids=lambda call: call.__name__)
def test_a_lam_that_is_no_number_of_at_least_0_is_refused(call, lam):
    with pytest.raises(ValueError, match=r"^lam is a number of at least 0, got "):
        call(np.eye(3), np.ones(3), lam)


@pytest.mark.parametrize("measure", [objective, gradient, duality_gap, kkt_residual])
def test_a_measure_refuses_a_wrong_lam_and_wrong_weights(measure):
    for lam in (-1, np.nan, "1"):
        with pytest.raises(ValueError, match=r"^lam is a number of at least 0, got "):
            measure(np.eye(3), np.ones(3), np.ones(3), lam)
    for w in (np.ones(2), np.ones((3, 1)), 1.0):
        with pytest.raises(ValueError, match=r"^w has one weight per column, shape \(3,\), got "):
            measure(np.eye(3), np.ones(3), w, 1)
    with pytest.raises(ValueError, match=r"^w has 1 value\(s\) that are NaN .* \(1,\)"):
        measure(np.eye(3), np.ones(3), [1, np.nan, 1], 1)


@pytest.mark.parametrize(
    "call",
    [*ITERATIVE, ridge, lambda X, y, _: lambda_max(X, y), lambda X, y, _: Moments.of(X, y)]
    + [
        lambda X, y, lam, measure=measure: measure(X, y, np.ones(3), lam)
        for measure in (objective, gradient, duality_gap, kkt_residual)
    ],
)
@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.ones(3), np.ones(3), r"For one feature write X\[:, None\]"),
        (np.eye(3), np.ones((3, 1)), r"For one target write y\[:, 0\]"),
        (np.eye(3), np.ones(2), "as many rows as each other, got 3 and 2"),
        (np.diag([1, np.nan, 1]), np.ones(3), r"X has 1 .* index \(1, 1\)"),
        (np.eye(3), [1, 2, np.inf], r"y has 1 .* index \(2,\)"),
        (np.ones((0, 3)), [], "at least one row"),
        ([["1"]], [1], "X holds real numbers"),
    ],
)
def test_every_function_refuses_what_is_no_table(call, X, y, message):
    with pytest.raises(ValueError, match=message):
        call(X, y, 1.0)


@pytest.mark.parametrize("call", [*METHODS, subgradient_descent])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"l1_ratio": 50}, r"l1_ratio is a number in \[0, 1\], got 50. For 50 % write 0.5."),
        ({"l1_ratio": -0.1}, "l1_ratio is a number in"),
        ({"l1_ratio": "1"}, "Leave out the quotes"),
        ({"tol": -1e-9}, "tol is a number of at least 0"),
        ({"tol": np.nan}, "tol is a number of at least 0"),
        ({"max_steps": 0}, "max_steps is a whole number of at least 1, got 0"),
        ({"max_steps": 1e4}, "max_steps is a whole number of at least 1, got 10000.0"),
        ({"max_steps": True}, "max_steps is a whole number of at least 1, got True"),
    ],
)
def test_every_option_is_checked(call, options, message):
    with pytest.raises(ValueError, match=message):
        call(np.eye(3), np.ones(3), 1.0, **options)


@pytest.mark.parametrize("step", [0, -1, np.nan, np.inf, "1"])
def test_a_step_that_is_no_number_above_0_is_refused(step):
    with pytest.raises(ValueError, match="step is a number above 0, got"):
        gradient_descent(np.eye(3), np.ones(3), 1.0, step=step)


@pytest.mark.parametrize("l1_ratio", [-0.1, 50, "1"])
@pytest.mark.parametrize("measure", [objective, duality_gap, kkt_residual])
def test_a_measure_refuses_a_share_outside_0_to_1(measure, l1_ratio):
    with pytest.raises(ValueError, match="l1_ratio is a number in"):
        measure(np.eye(3), np.ones(3), np.ones(3), 1.0, l1_ratio=l1_ratio)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (np.ones(4), r"start has one weight per column, shape \(3,\), got \(4,\)"),
        (np.ones((3, 1)), "start has one weight per column"),
        ([1, np.nan, 1], r"start has 1 value\(s\) that are NaN"),
    ],
)
def test_a_start_that_does_not_fit_the_table_is_refused(start, message):
    with pytest.raises(ValueError, match=message):
        fista_from(start, Moments.of(np.eye(3), np.ones(3)), 1.0)
