"""Regularization paths: the solutions for a whole grid of lam.

The objective is that of `minilib.linear`. A path starts at the smallest lam whose weights are all
zero and walks down the grid:

1. it foresees: as long as no weight reaches or leaves zero, the weights follow a line, so several
   solutions are proposed in one product of matrices;
2. it certifies: what has a small enough duality gap is a solution, whoever proposed it;
3. it corrects the first one that fails, with Newton steps on the weights that are not zero.
"""

from dataclasses import dataclass

import numpy as np

from minilib.active_set import ActiveSet
from minilib.linear import Moments, fista_from, lambda_max, read_only, ridge
from minilib.validation import (
    check_count,
    check_finite,
    check_nonnegative,
    check_positive,
    check_share,
)

Array = np.ndarray

AHEAD = 8
"""So many solutions are foreseen at most at a time."""


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
        Duality gap of each row, in the unit of y squared, with what rounding may hide of it.
    converged : bool array of shape (n_lams,)
        Whether each gap met the tolerance.
    """

    lams: Array
    weights: Array
    gaps: Array
    converged: Array


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
    max_steps: int = 1_000,
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
        At most so many Newton steps per lam, and so many FISTA steps where these do not converge.

    Returns
    -------
    Path
    """
    lams = lambda_grid(X, y, l1_ratio=l1_ratio) if lams is None else lams
    if check_share("l1_ratio", l1_ratio) > 0:
        return path_from(Moments.of(X, y), lams, l1_ratio=l1_ratio, tol=tol, max_steps=max_steps)
    lams = _check_options(lams, tol, max_steps)
    solutions = [ridge(X, y, lam) for lam in lams]
    return Path(
        read_only(lams),
        read_only([solution.w for solution in solutions]),
        read_only([solution.gap for solution in solutions]),
        read_only([solution.converged for solution in solutions]),
    )


def path_from(
    moments: Moments,
    lams: Array,
    *,
    l1_ratio: float = 1.0,
    tol: float = 1e-6,
    max_steps: int = 1_000,
) -> Path:
    """Solve for each lam on a table measured before: what cross-validation calls for each fold.

    Parameters
    ----------
    moments : Moments
        The table, measured once.
    lams : array of shape (n_lams,)
        Strengths above 0, from large to small.
    l1_ratio : float
        1 for the lasso, below 1 and above 0 for the elastic net.
    tol, max_steps : float, int
        As in `regularization_path`.

    Returns
    -------
    Path
    """
    lams, allowed = _check_options(lams, tol, max_steps), tol * moments.yy / 2
    weights, gaps = np.zeros((len(lams), moments.p)), np.empty(len(lams))
    place = ActiveSet(moments, l1_ratio, 0.0, np.zeros(moments.p))
    options = {"l1_ratio": l1_ratio, "tol": tol, "max_steps": max_steps}
    done, ahead = 0, 1
    while done < len(lams):
        foreseen, correlations, certified = place.foresee(lams[done : done + ahead])
        passed = certified <= allowed
        n_good = len(passed) if passed.all() else int(passed.argmin())
        good = slice(done, done + n_good)
        weights[good, place.active], gaps[good] = foreseen[:n_good], certified[:n_good]
        done += n_good
        if n_good == len(foreseen):
            place.stand_at(lams[done - 1], foreseen[-1], correlations[-1])
            ahead = min(2 * ahead, AHEAD)
            continue
        place.stand_at(lams[done], foreseen[n_good], correlations[n_good])
        gap = place.correct(allowed, max_steps)
        if gap == np.inf:
            start = np.zeros(moments.p)
            start[place.active] = place.w
            solution = fista_from(start, moments, lams[done], **options)
            place = ActiveSet(moments, l1_ratio, lams[done], solution.w)
            gap = place.gap
        weights[done, place.active], gaps[done] = place.w, gap
        done, ahead = done + 1, max(1, n_good)
    return Path(*map(read_only, (lams, weights, gaps, gaps <= allowed)))


def _check_options(lams: Array, tol: float, max_steps: int) -> Array:
    check_nonnegative("tol", tol)
    check_count("max_steps", max_steps)
    lams = check_finite("lams", lams)
    if lams.ndim != 1 or len(lams) == 0 or not (lams > 0).all():
        hint = " For lam = 0 write ridge(X, y, 0)." if (lams == 0).any() else ""
        raise ValueError(f"lams is a non-empty vector of numbers above 0, got {lams}.{hint}")
    if (np.diff(lams) >= 0).any():
        raise ValueError("lams runs from large to small. Write np.unique(lams)[::-1].")
    return lams
