import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet, Lasso, LassoCV, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from minilib import cross_validation
from minilib.cross_validation import CrossValidation, cross_validate, fold_rows
from minilib.datasets import load_breast_cancer, load_diabetes
from minilib.linear import Scaling
from minilib.path import Path, lambda_grid, regularization_path
from tests.tables import TABLES, random_table, standardized


def choice_of(errors):
    """A cross-validation with these errors, of which nothing else matters."""
    n_lams = len(errors)
    path = Path(
        np.arange(n_lams, 0, -1.0), np.zeros((n_lams, 1)), np.zeros(n_lams), np.ones(n_lams)
    )
    return CrossValidation(np.array(errors), path, Scaling(np.zeros(1), np.ones(1)), 0.0)


# Folds


@given(st.integers(2, 60), st.data())
def test_folds_are_a_partition_as_even_as_possible(n_rows, data):
    n_folds = data.draw(st.integers(2, n_rows))
    folds = fold_rows(n_rows, n_folds, seed=data.draw(st.integers(0, 2**32)))
    sizes = [len(rows) for rows in folds]
    assert len(folds) == n_folds
    assert np.sort(np.concatenate(folds)).tolist() == list(range(n_rows))
    assert max(sizes) - min(sizes) <= 1
    assert all((np.diff(rows) > 0).all() for rows in folds)


def test_folds_depend_on_the_seed_only():
    np.random.seed(1)  # noqa: NPY002
    first = fold_rows(50, 5, seed=3)
    np.random.seed(2)  # noqa: NPY002
    again, other = fold_rows(50, 5, seed=3), fold_rows(50, 5, seed=4)
    assert [rows.tolist() for rows in first] == [rows.tolist() for rows in again]
    assert [rows.tolist() for rows in first] != [rows.tolist() for rows in other]


def test_rows_that_stand_together_are_dealt_to_different_folds():
    first = fold_rows(100, 5, seed=0)[0]
    assert np.diff(first).max() > 5


def test_fewer_rows_than_folds_are_told_the_most_folds_there_can_be():
    message = (
        "n_folds is at most the number of rows, got 5 folds for 3 rows. "
        "Write n_folds=3 to leave one row out at a time."
    )
    with pytest.raises(ValueError, match=message):
        fold_rows(3, 5, seed=0)
    with pytest.raises(ValueError, match=message):
        cross_validate(np.eye(3), np.arange(3), n_folds=5)
    assert [len(rows) for rows in fold_rows(3, 3, seed=0)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "seed", "message"),
    [
        ((10, 1), 0, "n_folds is a whole number of at least 2, got 1"),
        ((10, 2.0), 0, "n_folds is a whole number of at least 2, got 2.0"),
        ((10, True), 0, "n_folds is a whole number of at least 2, got True"),
        ((1, 2), 0, "n_rows is a whole number of at least 2, got 1"),
        ((10.0, 2), 0, "n_rows is a whole number of at least 2, got 10.0"),
        ((10, 2), None, "seed is a whole number of at least 0, got None"),
        ((10, 2), -1, "seed is a whole number of at least 0, got -1"),
    ],
)
def test_folds_of_what_is_no_whole_number_are_refused(arguments, seed, message):
    with pytest.raises(ValueError, match=message):
        fold_rows(*arguments, seed=seed)


# Cross-validation


def errors_by_hand(X, y, lams, folds, model):
    """The loop that everybody should be able to write: scale, fit and predict inside each fold."""
    errors = np.empty((len(lams), len(folds)))
    for k, held_out in enumerate(folds):
        train = np.setdiff1d(np.arange(len(y)), held_out)
        for i, lam in enumerate(lams):
            fitted = make_pipeline(StandardScaler(), model(lam, len(train))).fit(X[train], y[train])
            errors[i, k] = np.mean((y[held_out] - fitted.predict(X[held_out])) ** 2)
    return errors


@pytest.mark.parametrize(
    ("l1_ratio", "model"),
    [
        (1.0, lambda lam, n: Lasso(lam, tol=1e-12, max_iter=10**5)),
        (0.5, lambda lam, n: ElasticNet(lam, l1_ratio=0.5, tol=1e-12, max_iter=10**5)),
        (0.0, lambda lam, n: Ridge(n * lam)),
    ],
)
@pytest.mark.parametrize("load", TABLES)
def test_errors_are_those_of_a_loop_by_hand_with_scikit_learn_inside(load, l1_ratio, model):
    X, y = load().X[:103], load().y[:103]
    lams = lambda_grid(*standardized(load), n_lams=5)
    ours = cross_validate(X, y, lams, l1_ratio=l1_ratio, n_folds=4, seed=3, tol=1e-15)
    theirs = errors_by_hand(X, y, lams, fold_rows(103, 4, seed=3), model)
    np.testing.assert_allclose(ours.errors, theirs, rtol=1e-5)


def test_choice_and_predictions_are_those_of_a_grid_search_over_a_pipeline():
    X, y = load_diabetes().X, load_diabetes().y
    lams = lambda_grid(*standardized(load_diabetes), n_lams=10)
    splits = [(np.setdiff1d(np.arange(442), rows), rows) for rows in fold_rows(442, 5, seed=0)]
    pipeline = make_pipeline(StandardScaler(), Lasso(tol=1e-14, max_iter=10**5))
    search = GridSearchCV(
        pipeline, {"lasso__alpha": lams}, cv=splits, scoring="neg_mean_squared_error"
    ).fit(X, y)
    choice = cross_validate(X, y, lams, tol=1e-15)
    np.testing.assert_allclose(choice.mean, -search.cv_results_["mean_test_score"], rtol=1e-8)
    assert choice.best == search.best_index_
    np.testing.assert_allclose(choice.predict(X, choice.best), search.predict(X), rtol=1e-8)


def test_on_folds_that_need_no_scaling_the_errors_are_those_of_lassocv():
    rng = np.random.default_rng(0)
    block = rng.standard_normal((20, 3))
    X, y = np.empty((100, 3)), rng.standard_normal(100)
    folds = fold_rows(100, 5, seed=0)
    for rows in folds:
        X[rows] = Scaling.of(block).apply(block)
    splits = [(np.setdiff1d(np.arange(100), rows), rows) for rows in folds]
    lams = np.geomspace(0.3, 0.003, 10)
    theirs = LassoCV(alphas=lams, cv=splits, tol=1e-14).fit(X, y)
    ours = cross_validate(X, y, lams, tol=1e-15)
    np.testing.assert_allclose(ours.errors, theirs.mse_path_, rtol=1e-9)
    assert lams[ours.best] == theirs.alpha_


@pytest.mark.parametrize("l1_ratio", [1.0, 0.0])
def test_the_error_on_a_held_out_row_is_a_parabola_in_what_the_row_holds(l1_ratio):
    """A fit that does not see the row predicts linearly in it; any leak would bend the curve."""
    rng = np.random.default_rng(0)
    X, y = random_table(rng)
    fold = fold_rows(20, 4, seed=0)[0]

    def errors(t):
        moved = X.copy()
        moved[fold[0]] += t * np.array([1, -2, 3, 1])
        return cross_validate(moved, y, [0.2, 0.05], l1_ratio=l1_ratio, n_folds=4, tol=1e-14).errors

    four = [errors(t) for t in (0, 10, 20, 30)]
    bend = np.diff(four, n=3, axis=0)[0]
    assert np.abs(bend[:, 0]).max() < 1e-6 * four[-1][:, 0].min()
    assert np.abs(bend[:, 1:]).max() > 1  # other folds are trained on the row


def test_units_of_the_columns_do_not_matter():
    X, y = load_diabetes().X, load_diabetes().y
    units = np.geomspace(1e-6, 1e6, 10)
    plain = cross_validate(X, y, [5.0, 1.0], tol=1e-12)
    other = cross_validate(X * units + units, y + 1e3, [5.0, 1.0], tol=1e-12)
    np.testing.assert_allclose(other.errors, plain.errors, rtol=1e-6)


def test_the_path_is_fitted_to_all_rows_and_predicts_in_the_units_of_y():
    X, y = load_diabetes().X, load_diabetes().y
    choice = cross_validate(X, y, [20.0, 2.0], tol=1e-12)
    inputs, targets = standardized(load_diabetes)
    expected = regularization_path(inputs, targets, [20.0, 2.0], tol=1e-12).weights
    np.testing.assert_array_equal(choice.path.weights, expected)
    np.testing.assert_array_equal(choice.path.lams, [20.0, 2.0])
    assert choice.intercept == y.mean()
    for index in range(2):
        predictions = inputs @ expected[index] + y.mean()
        np.testing.assert_allclose(choice.predict(X, index), predictions)


def test_without_lams_the_grid_of_all_rows_is_tried():
    X, y = load_diabetes().X, load_diabetes().y
    choice = cross_validate(X, y, tol=1e-3, n_folds=2)
    np.testing.assert_array_equal(choice.path.lams, lambda_grid(*standardized(load_diabetes)))
    assert choice.errors.shape == (100, 2)


def test_tolerance_and_steps_are_those_of_every_fit():
    X, y = load_breast_cancer().X, load_breast_cancer().y
    lams = [0.01, 0.001]
    short, rough, fine = (
        cross_validate(X, y, lams, **options)
        for options in ({"max_steps": 1}, {"tol": 1e-2}, {"tol": 1e-8})
    )
    assert not short.path.converged.any()
    assert rough.path.converged.all()
    assert fine.path.converged.all()
    assert rough.path.gaps.min() > fine.path.gaps.max()
    assert (short.errors != rough.errors).all()
    assert (rough.errors != fine.errors).any()


def test_another_seed_deals_other_folds():
    X, y = load_diabetes().X, load_diabetes().y
    one, again, other = (cross_validate(X, y, [1.0], l1_ratio=0, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.errors, again.errors)
    assert (one.errors != other.errors).all()


def test_two_rows_in_two_folds_are_enough():
    choice = cross_validate([[1.0], [2.0]], [3.0, 5.0], [1.0], n_folds=2)
    assert choice.errors.tolist() == [[4.0, 4.0]]  # each is predicted to be like the other
    assert choice.mean.tolist() == [4.0]
    assert choice.standard_error.tolist() == [0.0]


def test_the_one_standard_error_rule_by_hand():
    choice = choice_of(
        [
            [4.0, 6.0, 8.0],
            [5.57, 5.57, 5.57],  # within 5 + 1 / sqrt(3) = 5.577
            [5.2, 5.2, 5.2],
            [4.0, 5.0, 6.0],  # the best: mean 5, standard deviation 1
            [5.3, 5.3, 5.3],
        ]
    )
    np.testing.assert_allclose(choice.mean, [6, 5.57, 5.2, 5, 5.3])
    spread = np.array([2, 0, 0, 1, 0]) / np.sqrt(3)
    np.testing.assert_allclose(choice.standard_error, spread, atol=1e-12)
    assert choice.best == 3
    assert choice.one_standard_error == 1


def test_a_mean_just_beyond_one_standard_error_is_not_chosen():
    assert choice_of([[5.58] * 3, [4.0, 5.0, 6.0]]).one_standard_error == 1


def test_of_equal_errors_the_largest_lam_is_chosen():
    choice = choice_of([[3.0, 3.0], [2.0, 2.0], [2.0, 2.0]])
    assert choice.best == choice.one_standard_error == 1


def test_new_rows_with_other_columns_get_no_prediction():
    choice = cross_validate(load_diabetes().X, load_diabetes().y, [1.0], l1_ratio=0)
    with pytest.raises(ValueError, match="10 columns that were measured, got 3"):
        choice.predict(np.ones((2, 3)), 0)
    with pytest.raises(ValueError, match=r"for one row X\[None\]"):
        choice.predict(np.ones(10), 0)


# The Gram matrix of a fold is that of the whole without the rows left out


def tables():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 5)), rng.standard_normal(60)
    rare = (np.arange(60) == 7).astype(float)
    return {
        "plain": (X, y),
        "a column that varies in one row only": (np.column_stack([X, rare]), y + rare),
        "a row with a huge value": (X + 1e6 * np.outer(rare, [1, 0, 0, 0, 0]), y),
        "a constant column": (np.column_stack([X, np.full(60, 3.0)]), y),
        "other units": (X * [1e-6, 1, 1e6, 1, 1] + [0, 1e6, 0, -5, 0], 1e3 * y + 1e4),
        "more columns than rows": (rng.standard_normal((20, 30)), y[:20]),
    }


@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("name", tables())
def test_sharing_the_gram_matrix_changes_no_error(monkeypatch, name, l1_ratio):
    X, y = tables()[name]
    shared = cross_validate(X, y, l1_ratio=l1_ratio, tol=1e-10)
    monkeypatch.setattr(cross_validation, "_without", lambda *_: None)
    alone = cross_validate(X, y, l1_ratio=l1_ratio, tol=1e-10)
    np.testing.assert_allclose(shared.errors, alone.errors, rtol=1e-4)


def test_the_gram_matrix_is_shared_on_real_tables(monkeypatch):
    """Else the law above would hold of code that never shares."""
    monkeypatch.setattr(cross_validation, "regularization_path", None)
    assert cross_validate(load_diabetes().X, load_diabetes().y).errors.shape == (100, 5)
