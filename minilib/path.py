"""Choosing lam: regularization paths and cross-validation over them.

The objective is that of `minilib.linear`. A path starts at the smallest lam whose weights are all
zero and goes down; each solution starts from its neighbour's, which is close.
"""

from dataclasses import dataclass

import numpy as np

from minilib.linear import Moments, Scaling, fista_from, lambda_max, read_only, ridge
from minilib.validation import check_count, check_finite, check_positive, check_share, check_table

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Path:
    """Solutions along a grid of lam.

    Attributes
    ----------
    lams : float64 array of shape (n_lams,)
        Strengths, from large to small.
    weights : float64 array of shape (n_lams, p)
        One row of weights per lam.
    gaps : float64 array of shape (n_lams,)
        Duality gap of each row, in the unit of y squared.
    converged : bool array of shape (n_lams,)
        Whether each gap met the tolerance.
    """

    lams: Array
    weights: Array
    gaps: Array
    converged: Array


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


def lambda_grid(
    X: Array, y: Array, *, n_lams: int = 100, ratio: float = 1e-2, l1_ratio: float = 1.0
) -> Array:
    """Strengths from lambda_max down to ``ratio * lambda_max``, evenly spaced in their logarithm.

    Parameters
    ----------
    X : array of shape (n, p)
        Inputs, centred.
    y : array of shape (n,)
        Targets, centred.
    n_lams : int
        How many, at least 2.
    ratio : float
        The last lam over the first, above 0 and below 1.
    l1_ratio : float
        Share of L1, in (0, 1].

    Returns
    -------
    float64 array of shape (n_lams,)

    Raises
    ------
    ValueError
        If X'y is zero: then all weights are zero whatever lam is, and there is no path.
    """
    check_count("n_lams", n_lams, least=2)
    ratio = check_share("ratio", check_positive("ratio", ratio))
    if ratio == 1:
        raise ValueError(f"ratio is below 1, got {ratio!r}. For a hundredth write 0.01.")
    largest = lambda_max(X, y, l1_ratio=l1_ratio)
    if largest == 0:
        raise ValueError("No column is correlated with y, so every lam gives zero weights.")
    return np.geomspace(largest, ratio * largest, n_lams)


def regularization_path(
    X: Array,
    y: Array,
    lams: Array | None = None,
    *,
    l1_ratio: float = 1.0,
    tol: float = 1e-6,
    max_steps: int = 10_000,
) -> Path:
    """Solve for each lam, from large to small, each from its neighbour's solution.

    Parameters
    ----------
    X : array of shape (n, p)
        Inputs, centred.
    y : array of shape (n,)
        Targets, centred.
    lams : array of shape (n_lams,), optional
        Strengths above 0, from large to small; `lambda_grid` if not given.
    l1_ratio : float
        1 for the lasso, 0 for ridge (then ``lams`` must be given), between them the elastic net.
    tol : float
        Each gap is at most ``tol`` times the objective of w = 0, where it converged.
    max_steps : int
        Steps per lam at most.

    Returns
    -------
    Path
    """
    X, y = check_table(X, y)
    lams = lambda_grid(X, y, l1_ratio=l1_ratio) if lams is None else _check_lams(lams)
    if check_share("l1_ratio", l1_ratio) == 0:
        solutions = [ridge(X, y, lam) for lam in lams]
    else:
        moments, w, solutions = Moments.of(X, y), np.zeros(X.shape[1]), []
        for lam in lams:
            solution = fista_from(w, moments, lam, l1_ratio=l1_ratio, tol=tol, max_steps=max_steps)
            w = solution.w
            solutions.append(solution)
    return Path(
        read_only(lams),
        read_only([solution.w for solution in solutions]),
        read_only([solution.gap for solution in solutions]),
        read_only([solution.converged for solution in solutions]),
    )


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
    max_steps: int = 10_000,
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
    path = regularization_path(
        scaling.apply(X), y - intercept, lams, l1_ratio=l1_ratio, tol=tol, max_steps=max_steps
    )
    errors = np.empty((len(path.lams), n_folds))
    for k, rows in enumerate(folds):
        train = np.delete(np.arange(len(y)), rows)
        inside, mean = Scaling.of(X[train]), y[train].mean()
        fitted = regularization_path(
            inside.apply(X[train]),
            y[train] - mean,
            path.lams,
            l1_ratio=l1_ratio,
            tol=tol,
            max_steps=max_steps,
        )
        predictions = inside.apply(X[rows]) @ fitted.weights.T + mean
        errors[:, k] = ((y[rows, None] - predictions) ** 2).mean(axis=0)
    return CrossValidation(read_only(errors), path, scaling, intercept)


def _check_lams(lams: Array) -> Array:
    lams = check_finite("lams", lams)
    if lams.ndim != 1 or len(lams) == 0 or not (lams > 0).all():
        raise ValueError(f"lams is a non-empty vector of numbers above 0, got {lams}.")
    if (np.diff(lams) >= 0).any():
        raise ValueError("lams runs from large to small. Write np.unique(lams)[::-1].")
    return lams
