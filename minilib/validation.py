"""Argument checks whose messages say what came, what should come, and what to write."""

from numbers import Real

import numpy as np

Array = np.ndarray


def check_table(X: Array, y: Array) -> tuple[Array, Array]:
    """Turn a table of inputs and its targets into float64, or say what is wrong with them.

    Integer tables are converted before any arithmetic: a product of ``uint8`` pixels would
    wrap modulo 256.

    Parameters
    ----------
    X : array of shape (n, p)
        One row per example, one column per feature; any real dtype.
    y : array of shape (n,)
        One target per row of ``X``.

    Returns
    -------
    X : float64 array of shape (n, p)
    y : float64 array of shape (n,)

    Raises
    ------
    ValueError
        For other shapes, no rows, no columns, values that are not real numbers, NaN or infinity.
    """
    X, y = check_rows(X), check_finite("y", y)
    if y.ndim != 1:
        hint = " For one target write y[:, 0]." if y.ndim == 2 and y.shape[1] == 1 else ""
        raise ValueError(f"y is a vector of shape (n,), got shape {y.shape}.{hint}")
    if len(X) != len(y):
        raise ValueError(f"X and y need as many rows as each other, got {len(X)} and {len(y)}.")
    return X, y


def check_rows(X: Array) -> Array:
    """Turn a table of inputs without targets into float64, or say what is wrong with it.

    Parameters
    ----------
    X : array of shape (n, p)
        One row per example, one column per feature; any real dtype.

    Returns
    -------
    float64 array of shape (n, p)

    Raises
    ------
    ValueError
        For other shapes, no rows, no columns, values that are not real numbers, NaN or infinity.
    """
    X = check_finite("X", X)
    if X.ndim != 2:
        hint = " For one feature write X[:, None], for one row X[None]." if X.ndim == 1 else ""
        raise ValueError(f"X is a table of shape (n, p), got shape {X.shape}.{hint}")
    if 0 in X.shape:
        raise ValueError(f"X needs at least one row and one column, got shape {X.shape}.")
    return X


def check_finite(name: str, values: Array) -> Array:
    """Turn real numbers into float64, or say which of them is not finite.

    Parameters
    ----------
    name : str
        What the caller calls the argument.
    values : array of any shape
        Booleans, integers or floats.

    Returns
    -------
    float64 array of the same shape

    Raises
    ------
    ValueError
        For complex numbers, text, objects, NaN or infinity.
    """
    values = np.asarray(values)
    if values.dtype.kind not in "buif":
        raise ValueError(
            f"{name} holds real numbers, got dtype {values.dtype}. Convert it, for example with "
            f"np.asarray({name}, dtype=float)."
        )
    values = values.astype(np.float64)
    finite = np.isfinite(values)
    if not finite.all():
        bad = np.argwhere(~finite)
        place = tuple(int(i) for i in bad[0])
        raise ValueError(
            f"{name} has {len(bad)} value(s) that are NaN or infinite, the first at index {place}. "
            "Remove those rows or fill the gaps first."
        )
    return values


def check_positive(name: str, value: float) -> float:
    """Return ``value`` as a float if it is finite and above zero.

    Parameters
    ----------
    name : str
        What the caller calls the argument.
    value : float
        The value to check.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the value is zero, negative, NaN or infinite.
    """
    number = _as_float(value)
    if not 0 < number < np.inf:
        raise ValueError(f"{name} is a number above 0, got {value!r}.{_text_hint(value)}")
    return number


def check_nonnegative(name: str, value: float) -> float:
    """Return ``value`` as a float if it is finite and not negative.

    Parameters
    ----------
    name : str
        What the caller calls the argument.
    value : float
        The value to check.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the value is negative, NaN or infinite.
    """
    number = _as_float(value)
    if not 0 <= number < np.inf:
        raise ValueError(f"{name} is a number of at least 0, got {value!r}.{_text_hint(value)}")
    return number


def check_share(name: str, value: float) -> float:
    """Return ``value`` as a float if it lies between 0 and 1, both included.

    Parameters
    ----------
    name : str
        What the caller calls the argument.
    value : float
        The value to check.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the value is outside [0, 1]; a percentage is answered with the fraction to write.
    """
    share = _as_float(value)
    if not 0 <= share <= 1:
        percent = f" For {share:g} % write {share / 100:g}." if 1 < share <= 100 else ""
        hint = percent or _text_hint(value)
        raise ValueError(f"{name} is a number in [0, 1], got {value!r}.{hint}")
    return share


def check_count(name: str, value: int, *, least: int = 1) -> int:
    """Return ``value`` if it is a whole number of at least ``least``.

    Parameters
    ----------
    name : str
        What the caller calls the argument.
    value : int
        The value to check.
    least : int
        The smallest value allowed.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If the value is not an integer or is too small.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least:
        hint = _text_hint(value)
        raise ValueError(f"{name} is a whole number of at least {least}, got {value!r}.{hint}")
    return int(value)


def _as_float(value: float) -> float:
    """One real number as a float; anything else as NaN, which lies in no range."""
    try:
        return float(value) if isinstance(value, (Real, np.bool)) else np.nan
    except OverflowError:  # an integer beyond all floats
        return np.inf


def _text_hint(value: object) -> str:
    return " Leave out the quotes, or convert the text first." if isinstance(value, str) else ""
