"""Choosing lam by cross-validation: errors of a whole path on rows it has not seen."""

from dataclasses import dataclass

import numpy as np

from minilib.linear import Moments, Scaling, read_only
from minilib.path import Path, lambda_grid, path_from, regularization_path
from minilib.validation import check_count, check_share, check_table

Array = np.ndarray


LEAST_VARIANCE = 1e-9
"""Less of a column's variance may not be left in the training rows, to be a difference."""


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Errors on rows left out, for each lam, and the path on all rows.

    Attributes
    ----------
    errors : float64 array of shape (n_lams, n_folds)
        Mean squared error on the rows left out, in the unit of y squared.
    path : Path
        Fitted to all rows, standardized by ``scaling``.
    scaling : Scaling
        Mean and scale of the columns of all rows.
    intercept : float
        Mean of y over all rows.
    """

    errors: Array
    path: Path
    scaling: Scaling
    intercept: float

    @property
    def mean(self) -> Array:
        """Mean error over the folds, shape (n_lams,)."""
        return self.errors.mean(axis=1)

    @property
    def standard_error(self) -> Array:
        """Standard error of that mean, shape (n_lams,)."""
        return self.errors.std(axis=1, ddof=1) / np.sqrt(self.errors.shape[1])

    @property
    def best(self) -> int:
        """Index of the lam with the smallest mean error."""
        return int(self.mean.argmin())

    @property
    def one_standard_error(self) -> int:
        """Index of the largest lam whose mean error is within one standard error of the best.

        Source: Breiman, Friedman, Olshen and Stone 1984, "Classification and Regression Trees".
        """
        limit = self.mean[self.best] + self.standard_error[self.best]
        return int(np.flatnonzero(self.mean <= limit)[0])

    def predict(self, X: Array, index: int) -> Array:
        """Predictions of the path's solution number ``index``.

        Parameters
        ----------
        X : array of shape (m, p)
            Rows in the original units.
        index : int
            Which lam, for example ``best`` or ``one_standard_error``.

        Returns
        -------
        float64 array of shape (m,)
        """
        return self.scaling.apply(X) @ self.path.weights[index] + self.intercept


def fold_rows(n_rows: int, n_folds: int, *, seed: int) -> list[Array]:
    """Deal the rows out to folds at random, as evenly as possible.

    Parameters
    ----------
    n_rows : int
        How many rows there are, at least 2.
    n_folds : int
        How many folds, at least 2 and at most ``n_rows``.
    seed : int
        Seed of the shuffle.

    Returns
    -------
    list of int arrays
        The rows of each fold, ascending; every row is in exactly one.

    Raises
    ------
    ValueError
        If there are fewer rows than folds.
    """
    check_count("n_rows", n_rows, least=2)
    check_count("n_folds", n_folds, least=2)
    check_count("seed", seed, least=0)
    if n_rows < n_folds:
        raise ValueError(
            f"n_folds is at most the number of rows, got {n_folds} folds for {n_rows} rows. "
            f"Write n_folds={n_rows} to leave one row out at a time."
        )
    shuffled = np.random.default_rng(seed).permutation(n_rows)
    return [np.sort(rows) for rows in np.array_split(shuffled, n_folds)]


def cross_validate(
    X: Array,
    y: Array,
    lams: Array | None = None,
    *,
    l1_ratio: float = 1.0,
    n_folds: int = 5,
    seed: int = 0,
    tol: float = 1e-6,
    max_steps: int = 1_000,
) -> CrossValidation:
    """Errors of a whole path on rows it has not seen; each fold is scaled by its own training rows.

    Parameters
    ----------
    X : array of shape (n, p)
        Inputs in their original units; no scaling or centring is needed.
    y : array of shape (n,)
        Targets.
    lams : array of shape (n_lams,), optional
        Strengths above 0, from large to small; `lambda_grid` of all rows if not given.
    l1_ratio : float
        1 for the lasso, 0 for ridge (then ``lams`` must be given), between them the elastic net.
    n_folds : int
        How many folds, at least 2.
    seed : int
        Seed of the shuffle that deals rows out to folds.
    tol : float
        Tolerance of each solution, as in `regularization_path`.
    max_steps : int
        Steps per lam at most.

    Returns
    -------
    CrossValidation
    """
    X, y = check_table(X, y)
    folds = fold_rows(len(y), n_folds, seed=seed)
    scaling, intercept = Scaling.of(X), float(y.mean())
    inputs, targets = scaling.apply(X), y - intercept
    options = {"l1_ratio": l1_ratio, "tol": tol, "max_steps": max_steps}
    if check_share("l1_ratio", l1_ratio) > 0:
        lams = lambda_grid(inputs, targets, l1_ratio=l1_ratio) if lams is None else lams
        whole = Moments.of(inputs, targets)
        path = path_from(whole, lams, **options)
    else:
        whole, path = None, regularization_path(inputs, targets, lams, **options)
    errors = np.empty((len(path.lams), n_folds))
    for k, rows in enumerate(folds):
        train = np.delete(np.arange(len(y)), rows)
        shared = whole and _without(whole, inputs, targets, train, rows)
        if shared is None:
            inside, mean = Scaling.of(inputs[train]), targets[train].mean()
            table = inside.apply(inputs[train]), targets[train] - mean
            fitted = regularization_path(*table, path.lams, **options)
        else:
            moments, inside, mean = shared
            fitted = path_from(moments, path.lams, **options)
        predictions = inside.apply(inputs[rows]) @ fitted.weights.T + mean
        errors[:, k] = ((targets[rows, None] - predictions) ** 2).mean(axis=0)
    return CrossValidation(read_only(errors), path, scaling, intercept)


def _without(
    whole: Moments, X: Array, y: Array, train: Array, rows: Array
) -> tuple[Moments, Scaling, float] | None:
    """Moments of the training rows, standardized, from those of the whole: X'X is a sum over rows.

    Returns None where the table is wide, or where a difference would be little but rounding:
    a column that varies in the left out rows nearly alone.
    """
    n, out = len(train), X[rows]
    if whole.gram is None or n < whole.p:
        return None
    mean_x, mean_y = -out.sum(axis=0) / n, -y[rows].sum() / n  # the whole sums to 0
    gram = (whole.n * whole.gram - out.T @ out) / n - np.outer(mean_x, mean_x)
    xy = (whole.n * whole.xy - out.T @ y[rows]) / n - mean_x * mean_y
    yy = (whole.n * whole.yy - y[rows] @ y[rows]) / n - mean_y**2
    variance = gram.diagonal().copy()
    still = np.flatnonzero(variance < LEAST_VARIANCE)
    if np.ptp(X[np.ix_(train, still)], axis=0).any():
        return None
    gram[still], gram[:, still], xy[still], variance[still] = 0, 0, 0, 1
    scale = np.sqrt(variance)
    gram /= np.outer(scale, scale)
    moments = Moments(n, xy / scale, yy, gram, None, np.sqrt(gram.diagonal()))
    return moments, Scaling(mean_x, scale), mean_y
