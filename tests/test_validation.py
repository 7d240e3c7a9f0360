from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from minilib.validation import (
    check_count,
    check_finite,
    check_nonnegative,
    check_positive,
    check_rows,
    check_share,
    check_table,
)

NUMBER_CHECKS = [check_positive, check_nonnegative, check_share]
NO_NUMBERS = [None, 1j, np.complex64(1), [0.5], np.array([0.5]), np.array([0.5, 1]), Decimal("0.5")]


def refused(text):
    """The whole message, word for word."""
    return pytest.raises(ValueError, match=f"^{text}$")


@pytest.mark.parametrize(
    "dtype", [bool, np.uint8, np.int8, np.int64, np.float16, np.float32, np.float64]
)
def test_every_real_dtype_becomes_float64_with_the_same_values(dtype):
    X, y = check_table(np.array([[1, 0], [0, 1]], dtype), np.array([1, 0], dtype))
    assert X.dtype == y.dtype == np.float64
    assert X.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert y.tolist() == [1.0, 0.0]


def test_lists_and_views_become_arrays():
    wide = np.arange(24).reshape(4, 6)
    X, y = check_table(wide[::-2, ::3], [1, 2])
    assert X.tolist() == [[18, 21], [6, 9]]
    assert y.tolist() == [1, 2]


def test_a_product_of_checked_pixels_does_not_wrap():
    pixels = np.full((2, 1), 255, np.uint8)
    assert (pixels.T @ pixels).item() == 2
    assert (check_rows(pixels).T @ check_rows(pixels)).item() == 2 * 255**2


@given(arrays(float, array_shapes(max_dims=3), elements=st.floats(-1e300, 1e300)))
def test_finite_values_are_returned_as_a_copy(values):
    before = values.copy()
    checked = check_finite("values", values)
    np.testing.assert_array_equal(checked, before)
    checked += 1
    np.testing.assert_array_equal(values, before)


def test_read_only_arrays_are_accepted():
    X, y = np.ones((2, 1)), np.ones(2)
    X.flags.writeable = y.flags.writeable = False
    check_table(X, y)


def test_one_feature_without_a_second_axis_is_told_how_to_get_one():
    with refused(
        r"X is a table of shape \(n, p\), got shape \(3,\)\. "
        r"For one feature write X\[:, None\], for one row X\[None\]\."
    ):
        check_table([1, 2, 3], [1, 2, 3])
    check_table(np.array([1, 2, 3])[:, None], [1, 2, 3])
    check_table(np.array([1, 2, 3])[None], [1])


@pytest.mark.parametrize("X", [5.0, np.ones((2, 3, 4))])
def test_a_table_of_no_or_three_axes_is_refused_by_its_shape(X):
    with pytest.raises(ValueError, match=r"X is a table of shape \(n, p\), got shape .*\)\.$"):
        check_rows(X)


def test_a_target_in_a_column_is_told_how_to_become_a_vector():
    X, y = np.ones((3, 2)), np.ones((3, 1))
    with refused(
        r"y is a vector of shape \(n,\), got shape \(3, 1\)\. For one target write y\[:, 0\]\."
    ):
        check_table(X, y)
    check_table(X, y[:, 0])


@pytest.mark.parametrize("y", [5.0, np.ones((3, 2)), np.ones((3, 1, 1))])
def test_other_targets_than_vectors_are_refused_by_their_shape(y):
    with pytest.raises(ValueError, match=r"y is a vector of shape \(n,\), got shape .*\)\.$"):
        check_table(np.ones((3, 2)), y)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_a_table_without_rows_or_columns_is_refused(shape):
    with pytest.raises(ValueError, match="X needs at least one row and one column, got shape"):
        check_rows(np.ones(shape))


@pytest.mark.parametrize("n_targets", [0, 2, 4])
def test_another_number_of_targets_than_rows_is_refused(n_targets):
    with refused(f"X and y need as many rows as each other, got 3 and {n_targets}."):
        check_table(np.ones((3, 1)), np.ones(n_targets))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_value_that_is_not_finite_is_named_by_its_place(bad):
    X, y = np.ones((4, 3)), np.ones(4)
    X[2, 1] = X[3, 0] = bad
    with refused(
        r"X has 2 value\(s\) that are NaN or infinite, the first at index \(2, 1\)\. "
        "Remove those rows or fill the gaps first."
    ):
        check_table(X, y)
    y[3] = bad
    with pytest.raises(ValueError, match=r"^y has 1 .* index \(3,\)"):
        check_table(np.ones((4, 3)), y)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([1 + 0j]), "complex128"),
        (["1.5", "2"], "<U3"),
        ([b"1"], r"\|S1"),
        (np.array([1.0, None]), "object"),
        (np.array(["2026-01-01"], "datetime64[D]"), r"datetime64\[D\]"),
        (None, "object"),
    ],
)
def test_values_that_are_no_real_numbers_are_refused_by_their_dtype(values, dtype):
    with refused(
        rf"y holds real numbers, got dtype {dtype}\. Convert it, for example with "
        r"np\.asarray\(y, dtype=float\)\."
    ):
        check_finite("y", values)


@pytest.mark.parametrize("values", [["1.5", "2"], np.array([1.5, 2], object)])
def test_the_conversion_that_is_offered_works(values):
    assert check_finite("y", np.asarray(values, dtype=float)).tolist() == [1.5, 2.0]


@pytest.mark.parametrize("check", NUMBER_CHECKS)
@pytest.mark.parametrize("one", [1, 1.0, True, np.True_, np.uint8(1), np.float32(1), np.int64(1)])
def test_numbers_of_python_and_numpy_become_floats(check, one):
    assert check("lam", one) == 1.0
    assert type(check("lam", one)) is float


@given(st.floats(0, 1e300, exclude_min=True))
def test_a_positive_number_is_returned_as_it_is(value):
    assert check_positive("lam", value) == check_nonnegative("lam", value) == value


@given(st.floats(0, 1))
def test_a_share_is_returned_as_it_is(value):
    assert check_share("l1_ratio", value) == value


def test_zero_is_not_negative():
    assert check_nonnegative("lam", 0) == check_share("lam", 0) == 0.0


@pytest.mark.parametrize("value", [0, 0.0, -1, -1e-300, np.nan, np.inf, 10**400])
def test_a_number_that_is_not_above_zero_and_finite_is_refused(value):
    with refused(f"step is a number above 0, got {value}."):
        check_positive("step", value)


@pytest.mark.parametrize("value", [-1, -1e-300, np.nan, np.inf, -np.inf, 10**400])
def test_a_number_that_is_not_at_least_zero_and_finite_is_refused(value):
    with refused(f"lam is a number of at least 0, got {value}."):
        check_nonnegative("lam", value)


@pytest.mark.parametrize("value", [-0.1, 101, np.nan, np.inf])
def test_a_number_outside_0_to_1_is_refused(value):
    with refused(rf"l1_ratio is a number in \[0, 1\], got {value}\."):
        check_share("l1_ratio", value)


@pytest.mark.parametrize(("percent", "share"), [(50, "0.5"), (1.5, "0.015"), (100, "1")])
def test_a_percentage_is_answered_with_the_share_to_write(percent, share):
    with refused(
        rf"l1_ratio is a number in \[0, 1\], got {percent}\. For {percent} % write {share}\."
    ):
        check_share("l1_ratio", percent)


@pytest.mark.parametrize("check", NUMBER_CHECKS)
@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_what_is_no_single_number_is_refused(check, value):
    with pytest.raises(ValueError, match=r"^lam is a number .*, got "):
        check("lam", value)


@pytest.mark.parametrize("check", [*NUMBER_CHECKS, check_count])
@pytest.mark.parametrize("text", ["1", "0.5", "a lot"])
def test_text_for_a_number_is_told_to_lose_its_quotes(check, text):
    with pytest.raises(
        ValueError, match=f"got '{text}'. Leave out the quotes, or convert the text first.$"
    ):
        check("lam", text)


@pytest.mark.parametrize("five", [5, np.int64(5), np.uint8(5)])
def test_whole_numbers_of_python_and_numpy_become_ints(five):
    assert check_count("n_folds", five) == 5
    assert type(check_count("n_folds", five)) is int


def test_the_least_count_is_accepted():
    assert check_count("max_steps", 1) == 1
    assert check_count("n_folds", 2, least=2) == 2
    assert check_count("seed", 0, least=0) == 0


@pytest.mark.parametrize(
    "value", [1, 0, -3, 2.0, 2.5, True, np.True_, np.nan, None, [3], np.array([3])], ids=repr
)
def test_what_is_no_whole_number_or_too_small_is_refused(value):
    with pytest.raises(ValueError, match=r"^n_folds is a whole number of at least 2, got "):
        check_count("n_folds", value, least=2)


@pytest.mark.parametrize("truth", [True, False, np.True_])
def test_a_truth_value_is_no_count(truth):
    with pytest.raises(ValueError, match=f"seed is a whole number of at least 0, got .*{truth}"):
        check_count("seed", truth, least=0)
