r"""Least squares with an L1 or L2 penalty, from scratch.

Everywhere in the course the objective is

    P(w) = 1/(2n) ||y - X w||^2 + lam R(w),
    R(w) = l1_ratio ||w||_1 + (1 - l1_ratio)/2 ||w||^2.

``l1_ratio=1`` is the lasso, ``l1_ratio=0`` is ridge regression, between them lies the elastic
net. scikit-learn's ``Lasso`` and ``ElasticNet`` call ``lam`` alpha; its ``Ridge`` calls
``n * lam`` alpha. There is no intercept: standardize X and centre y first, then the intercept is
the mean of y.

Three quantities carry every method. With r = y - X w,

    correlation c = X'r / n - lam (1 - l1_ratio) w    (minus the gradient of the smooth part)
    threshold   a = lam l1_ratio                      (what |c| may not exceed at the optimum)
    gap           = P(w) - D(s r)                     (how far P(w) can be above its minimum)
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from minilib.validation import (
    check_count,
    check_finite,
    check_nonnegative,
    check_positive,
    check_rows,
    check_share,
    check_table,
)

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Solution:
    """Weights with the record of how they were found.

    Attributes
    ----------
    w : float64 array of shape (p,)
        The weights; zeros are exact.
    lam : float
        Strength of the penalty.
    l1_ratio : float
        Share of L1 in the penalty.
    objectives : float64 array of shape (n_steps + 1,)
        P(w) at the start and after each step, in the unit of y squared.
    gaps : float64 array of shape (n_steps + 1,)
        Duality gap at the same moments: P(w) is at most this far above its minimum.
    converged : bool
        Whether the last gap met the tolerance that was asked for.
    """

    w: Array
    lam: float
    l1_ratio: float
    objectives: Array
    gaps: Array
    converged: bool

    @property
    def n_steps(self) -> int:
        """Number of steps taken."""
        return len(self.gaps) - 1

    @property
    def gap(self) -> float:
        """The last duality gap, in the unit of y squared."""
        return float(self.gaps[-1])

    def __str__(self) -> str:
        """One line that a reader can act on."""
        if self.converged:
            return f"converged after {self.n_steps} steps: gap {self.gap:.1e}"
        if not self.objectives[-1] <= 10 * self.objectives[0]:
            return (
                f"diverged after {self.n_steps} steps: the objective grew from "
                f"{self.objectives[0]:.1e} to {self.objectives[-1]:.1e}; use a smaller step"
            )
        return f"not converged after {self.n_steps} steps: gap {self.gap:.1e}; raise max_steps"


@dataclass(frozen=True, eq=False)
class Scaling:
    """Shift and scale of each column, remembered so that new rows get the same.

    Attributes
    ----------
    mean : float64 array of shape (p,)
        Column means, in the unit of each column.
    scale : float64 array of shape (p,)
        Column standard deviations (divisor n); 1 for a constant column.
    """

    mean: Array
    scale: Array

    @classmethod
    def of(cls, X: Array) -> "Scaling":
        """Measure the columns of ``X``.

        Parameters
        ----------
        X : array of shape (n, p)
            The rows to learn mean and scale from: training rows only.

        Returns
        -------
        Scaling
        """
        X = check_rows(X)
        spread = X.std(axis=0)
        constant = (X.max(axis=0) == X.min(axis=0)) | (spread == 0)  # tiny squares vanish
        mean = np.where(constant, X[0], X.mean(axis=0))
        scale = np.where(constant, 1.0, spread)
        return cls(read_only(mean), read_only(scale))

    def apply(self, X: Array) -> Array:
        """Standardize rows: subtract the mean, divide by the scale.

        Parameters
        ----------
        X : array of shape (m, p)
            Any rows with the same columns.

        Returns
        -------
        float64 array of shape (m, p)
            Without unit.

        Raises
        ------
        ValueError
            If the rows have another number of columns than those that were measured.
        """
        X = check_rows(X)
        if X.shape[1] != len(self.mean):
            raise ValueError(
                f"X has the {len(self.mean)} columns that were measured, got {X.shape[1]}. Give "
                "the same columns in the same order."
            )
        return (X - self.mean) / self.scale


@dataclass(frozen=True, eq=False)
class Moments:
    """All that the objective needs to know of a table.

    Attributes
    ----------
    n : int
        Rows of the table.
    xy : float64 array of shape (p,)
        X'y / n.
    yy : float
        y'y / n.
    gram : float64 array of shape (p, p), or None
        X'X / n; None where the table has more columns than rows: then X itself is smaller.
    X : array of shape (n, p), or None
        The table, where ``gram`` is None.
    sizes : float64 array of shape (p,)
        Root mean square of each column.
    """

    n: int
    xy: Array
    yy: float
    gram: Array | None
    X: Array | None
    sizes: Array

    @classmethod
    def of(cls, X: Array, y: Array) -> "Moments":
        """Measure a table.

        Parameters
        ----------
        X : array of shape (n, p)
            Inputs.
        y : array of shape (n,)
            Targets.

        Returns
        -------
        Moments
        """
        X, y = check_table(X, y)
        n, p = X.shape
        xy, yy = X.T @ y / n, float(y @ y / n)
        if p > n:
            return cls(n, xy, yy, None, X, np.sqrt(np.einsum("ij,ij->j", X, X) / n))
        gram = X.T @ X / n
        return cls(n, xy, yy, gram, None, np.sqrt(gram.diagonal()))

    @property
    def p(self) -> int:
        """Columns of the table."""
        return len(self.xy)

    def gram_times(self, v: Array) -> Array:
        """Multiply X'X / n by a vector, in whichever order of products is cheaper.

        Parameters
        ----------
        v : array of shape (p,)
            The vector.

        Returns
        -------
        float64 array of shape (p,)
        """
        return self.X.T @ (self.X @ v) / self.n if self.gram is None else self.gram @ v

    def gram_rows(self, columns: Array) -> Array:
        """Compute some rows of X'X / n.

        Parameters
        ----------
        columns : int array of shape (k,)
            Which.

        Returns
        -------
        float64 array of shape (k, p)
        """
        if self.gram is None:
            return self.X[:, columns].T @ self.X / self.n
        return self.gram[columns]

    @cached_property
    def curvature(self) -> float:
        """Largest eigenvalue of X'X / n, to a few percent: 100 power iterations, plus 1 %.

        It is the Lipschitz constant L of the gradient of the loss. A few percent do no harm: a
        step of 1/L may be up to twice as long.
        """
        v = np.random.default_rng(0).standard_normal(self.p)
        for _ in range(100):
            v /= np.linalg.norm(v)
            image = self.gram_times(v)
            if not image.any():
                return 0.0
            v = image
        return 1.01 * float(np.linalg.norm(v))


@dataclass(frozen=True)
class Penalty:
    """lam * (l1_ratio ||w||_1 + (1 - l1_ratio)/2 ||w||^2) as its two strengths.

    Attributes
    ----------
    l1 : float
        Factor of ||w||_1.
    l2 : float
        Factor of ||w||^2 / 2.
    """

    l1: float
    l2: float

    @classmethod
    def of(cls, lam: float, l1_ratio: float) -> "Penalty":
        """Split the strength of a penalty into its L1 and L2 part.

        Parameters
        ----------
        lam : float
            Strength, at least 0.
        l1_ratio : float
            Share of L1, in [0, 1].

        Returns
        -------
        Penalty
        """
        lam, l1_ratio = check_nonnegative("lam", lam), check_share("l1_ratio", l1_ratio)
        return cls(lam * l1_ratio, lam * (1 - l1_ratio))

    def __call__(self, w: Array) -> float:
        """Value of the penalty at ``w``."""
        return float(self.l1 * np.abs(w).sum() + self.l2 / 2 * (w @ w))

    def prox(self, v: Array, step: float) -> Array:
        """Trade closeness to ``v`` against the penalty: the minimum of both together.

        Parameters
        ----------
        v : array of any shape
            Where the weights would like to be.
        step : float
            Weight of the penalty against half the squared distance to ``v``.

        Returns
        -------
        array of the shape of v
        """
        return soft_threshold(v, step * self.l1) / (1 + step * self.l2)


def read_only(values: Array) -> Array:
    """Copy an array, so that nobody can write into the copy.

    Parameters
    ----------
    values : array of any shape
        What to copy.

    Returns
    -------
    read-only array of the same shape
    """
    values = np.array(values)
    values.flags.writeable = False
    return values


def soft_threshold(v: Array, threshold: float) -> Array:
    """Shrink every entry towards zero by ``threshold``; what would cross zero becomes zero.

    This is the proximal operator of ``threshold * ||.||_1``.

    Parameters
    ----------
    v : array of any shape
        The entries to shrink.
    threshold : float
        How far, at least 0, in the unit of ``v``.

    Returns
    -------
    float64 array of the shape of v

    Raises
    ------
    ValueError
        If ``threshold`` is negative, NaN or infinite.
    """
    v, threshold = np.asarray(v, dtype=np.float64), check_nonnegative("threshold", threshold)
    return np.sign(v) * np.maximum(np.abs(v) - threshold, 0.0)


def objective(X: Array, y: Array, w: Array, lam: float, *, l1_ratio: float = 1.0) -> float:
    """Value of P(w), the mean squared error (halved) plus the penalty.

    Parameters
    ----------
    X : array of shape (n, p)
        Inputs.
    y : array of shape (n,)
        Targets.
    w : array of shape (p,)
        Weights.
    lam : float
        Strength of the penalty, at least 0.
    l1_ratio : float
        1 for the lasso, 0 for ridge, between them the elastic net.

    Returns
    -------
    float
        In the unit of y squared.
    """
    X, y, w = _check_weights(X, y, w)
    residual = y - X @ w
    return float(residual @ residual) / (2 * len(y)) + Penalty.of(lam, l1_ratio)(w)


def gradient(X: Array, y: Array, w: Array, lam: float) -> Array:
    """Gradient of the ridge objective (``l1_ratio=0``), the smooth one.

    Parameters
    ----------
    X : array of shape (n, p)
        Inputs.
    y : array of shape (n,)
        Targets.
    w : array of shape (p,)
        Weights.
    lam : float
        Strength of the penalty, at least 0.

    Returns
    -------
    float64 array of shape (p,)
    """
    X, y, w = _check_weights(X, y, w)
    return -X.T @ (y - X @ w) / len(y) + check_nonnegative("lam", lam) * w


def lambda_max(X: Array, y: Array, *, l1_ratio: float = 1.0) -> float:
    """Smallest lam at which all weights are zero.

    Parameters
    ----------
    X : array of shape (n, p)
        Inputs.
    y : array of shape (n,)
        Targets.
    l1_ratio : float
        Share of L1, in (0, 1].

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If ``l1_ratio`` is 0: ridge weights are never all zero.
    """
    l1_ratio = check_share("l1_ratio", l1_ratio)
    if l1_ratio == 0:
        raise ValueError(
            "l1_ratio is above 0 here, got 0: no lam makes all ridge weights zero. For a path give "
            "the strengths, for example lams=np.geomspace(100, 0.01, 20)."
        )
    X, y = check_table(X, y)
    return float(np.abs(X.T @ y / len(y)).max()) / l1_ratio


def duality_gap(X: Array, y: Array, w: Array, lam: float, *, l1_ratio: float = 1.0) -> float:
    """Upper bound on P(w) - min P, from the data and ``w`` alone.

    The residual r, scaled until it is feasible, is a point of the dual problem, and every dual
    point lies below the minimum. At ``lam=0`` the feasible point is the part of r that no column
    explains.

    Parameters
    ----------
    X : array of shape (n, p)
        Inputs.
    y : array of shape (n,)
        Targets.
    w : array of shape (p,)
        Weights.
    lam : float
        Strength of the penalty, at least 0.
    l1_ratio : float
        1 for the lasso, 0 for ridge, between them the elastic net.

    Returns
    -------
    float
        At least 0, in the unit of y squared.
    """
    X, y, w = _check_weights(X, y, w)
    penalty = Penalty.of(lam, l1_ratio)
    residual = y - X @ w
    if lam == 0:
        explained = X @ np.linalg.lstsq(X, residual)[0]
        return float(explained @ explained) / (2 * len(y))
    correlation = X.T @ residual / len(y) - penalty.l2 * w
    return _gap(w, correlation, float(residual @ residual) / len(y), penalty)


def gap_of(square: Array, fit: Array, norm: Array, steepest: Array, l1: Array | float) -> Array:
    """Duality gap as a sum of terms that are never negative, for one w or for many.

    For the L2 part, the table is thought of as having p more rows sqrt(n l2) I with target 0;
    that turns the elastic net into a lasso with the same weights and objective.

    Parameters
    ----------
    square, fit, norm, steepest : floats, or arrays of equal shape
        Mean squared residual plus l2 ||w||^2; w'c; ||w||_1; largest absolute correlation.
    l1 : float, or array of that shape
        Factor of ||w||_1, above 0.

    Returns
    -------
    float64 array of that shape
        In the unit of y squared.
    """
    square = np.maximum(square, 1e-300)
    feasible = l1 / np.maximum(steepest, 1e-300)
    with np.errstate(over="ignore"):  # however large the ratio is, feasible is the end
        scale = np.maximum(np.minimum(1 + fit / square, feasible), -feasible)
    return (1 - scale) ** 2 * square / 2 + np.maximum(l1 * norm - scale * fit, 0.0)


def kkt_residual(X: Array, y: Array, w: Array, lam: float, *, l1_ratio: float = 1.0) -> float:
    """How far ``w`` is from meeting the optimality conditions, 0 at the minimum.

    With correlation c and threshold a: where w_j is not zero, c_j = a sign(w_j); where it is
    zero, |c_j| is at most a.

    Parameters
    ----------
    X : array of shape (n, p)
        Inputs.
    y : array of shape (n,)
        Targets.
    w : array of shape (p,)
        Weights.
    lam : float
        Strength of the penalty, at least 0.
    l1_ratio : float
        1 for the lasso, 0 for ridge, between them the elastic net.

    Returns
    -------
    float
        Largest violation over the weights, in the unit of lam.
    """
    X, y, w = _check_weights(X, y, w)
    penalty = Penalty.of(lam, l1_ratio)
    correlation = X.T @ (y - X @ w) / len(y) - penalty.l2 * w
    at_zero = np.maximum(np.abs(correlation) - penalty.l1, 0)
    elsewhere = np.abs(correlation - penalty.l1 * np.sign(w))
    return float(np.where(w == 0, at_zero, elsewhere).max())


def ridge(X: Array, y: Array, lam: float) -> Solution:
    """Ridge regression in closed form, w = (X'X/n + lam I)^-1 X'y/n.

    Parameters
    ----------
    X : array of shape (n, p)
        Inputs.
    y : array of shape (n,)
        Targets.
    lam : float
        Strength of the penalty, at least 0; at 0 the least-squares weights of smallest norm.

    Returns
    -------
    Solution
        With no steps: its history has one entry.

    Raises
    ------
    ValueError
        Also if ``lam`` is above 0, but so small that rounding X'X/n loses it.
    """
    X, y = check_table(X, y)
    n, p = X.shape
    lam = check_nonnegative("lam", lam)
    if 0 < lam < np.finfo(float).eps * np.vdot(X, X) / n:
        raise ValueError(
            f"lam is 0 or large enough not to be lost in rounding beside X'X/n, got {lam!r}. For "
            "the least-squares weights write ridge(X, y, 0)."
        )
    if lam == 0:
        w = np.linalg.lstsq(X, y)[0]
    elif p > n:  # not by XX'/n + lam I: where rows depend on each other, it loses a small lam
        u, s, vt = np.linalg.svd(X, full_matrices=False)
        w = vt.T @ (s * (u.T @ y) / (s**2 + n * lam))
    else:
        w = np.linalg.solve(X.T @ X / n + lam * np.eye(p), X.T @ y / n)
    gap = duality_gap(X, y, w, lam, l1_ratio=0)
    value = objective(X, y, w, lam, l1_ratio=0)
    return _solution(w, lam, 0.0, [value], [gap], converged=True)


def gradient_descent(
    X: Array,
    y: Array,
    lam: float,
    *,
    step: float | None = None,
    tol: float = 1e-10,
    max_steps: int = 10_000,
) -> Solution:
    """Ridge regression by w <- w - step * gradient.

    Parameters
    ----------
    X : array of shape (n, p)
        Inputs.
    y : array of shape (n,)
        Targets.
    lam : float
        Strength of the penalty, above 0.
    step : float, optional
        Length of a step; 1/L if not given, and more than 2/L diverges, where L is the largest
        eigenvalue of X'X/n + lam I.
    tol : float
        Stop when the gap is at most ``tol`` times the objective of w = 0.
    max_steps : int
        Stop after so many steps in any case.

    Returns
    -------
    Solution
    """
    descent = _Descent.start(Moments.of(X, y), lam, 0.0, tol=tol, max_steps=max_steps)
    l2 = descent.penalty.l2
    step = descent.safe_step(l2) if step is None else check_positive("step", step)
    w = np.zeros(descent.moments.p)
    with np.errstate(over="ignore", invalid="ignore"):  # a step too long may leave all floats
        while descent.goes_on(w, correlation := descent.correlation(w)):
            w = w + step * correlation
    return descent.solution(w)


def subgradient_descent(
    X: Array,
    y: Array,
    lam: float,
    *,
    l1_ratio: float = 1.0,
    tol: float = 1e-6,
    max_steps: int = 10_000,
) -> Solution:
    """Follow minus a subgradient with steps 1/(L sqrt(k)); it never lands on exact zeros.

    Parameters
    ----------
    X : array of shape (n, p)
        Inputs.
    y : array of shape (n,)
        Targets.
    lam : float
        Strength of the penalty, above 0.
    l1_ratio : float
        1 for the lasso, 0 for ridge, between them the elastic net.
    tol : float
        Stop when the gap is at most ``tol`` times the objective of w = 0.
    max_steps : int
        Stop after so many steps in any case.

    Returns
    -------
    Solution
    """
    descent = _Descent.start(Moments.of(X, y), lam, l1_ratio, tol=tol, max_steps=max_steps)
    w = np.zeros(descent.moments.p)
    while descent.goes_on(w, correlation := descent.correlation(w)):
        step = descent.safe_step(descent.penalty.l2) / np.sqrt(descent.n_steps)
        w = w + step * (correlation - descent.penalty.l1 * np.sign(w))
    return descent.solution(w)


def ista(
    X: Array,
    y: Array,
    lam: float,
    *,
    l1_ratio: float = 1.0,
    tol: float = 1e-6,
    max_steps: int = 10_000,
) -> Solution:
    """Take a gradient step on the loss, then the prox of the penalty (soft thresholding).

    Parameters
    ----------
    X : array of shape (n, p)
        Inputs.
    y : array of shape (n,)
        Targets.
    lam : float
        Strength of the penalty, above 0.
    l1_ratio : float
        1 for the lasso, 0 for ridge, between them the elastic net.
    tol : float
        Stop when the gap is at most ``tol`` times the objective of w = 0.
    max_steps : int
        Stop after so many steps in any case.

    Returns
    -------
    Solution
    """
    descent = _Descent.start(Moments.of(X, y), lam, l1_ratio, tol=tol, max_steps=max_steps)
    step = descent.safe_step()
    w = np.zeros(descent.moments.p)
    while descent.goes_on(w, correlation := descent.correlation(w)):
        w = descent.penalty.prox(w + step * (correlation + descent.penalty.l2 * w), step)
    return descent.solution(w)


def fista(
    X: Array,
    y: Array,
    lam: float,
    *,
    l1_ratio: float = 1.0,
    tol: float = 1e-6,
    max_steps: int = 10_000,
) -> Solution:
    """ISTA with momentum (Beck and Teboulle 2009, doi:10.1137/080716542), restarted when it turns.

    The restart is the gradient scheme of O'Donoghue and Candes 2015 (arXiv:1204.3982).

    Parameters
    ----------
    X : array of shape (n, p)
        Inputs.
    y : array of shape (n,)
        Targets.
    lam : float
        Strength of the penalty, above 0.
    l1_ratio : float
        1 for the lasso, 0 for ridge, between them the elastic net.
    tol : float
        Stop when the gap is at most ``tol`` times the objective of w = 0.
    max_steps : int
        Stop after so many steps in any case.

    Returns
    -------
    Solution
    """
    moments = Moments.of(X, y)
    start = np.zeros(moments.p)
    return fista_from(start, moments, lam, l1_ratio=l1_ratio, tol=tol, max_steps=max_steps)


def fista_from(
    start: Array,
    moments: Moments,
    lam: float,
    *,
    l1_ratio: float = 1.0,
    tol: float = 1e-6,
    max_steps: int = 10_000,
) -> Solution:
    """FISTA on a table measured before, from given weights: what a path calls at each lam.

    Parameters
    ----------
    start : array of shape (p,)
        Weights to start from, for example the solution at a neighbouring lam.
    moments : Moments
        The table, measured once for many calls.
    lam : float
        Strength of the penalty, above 0.
    l1_ratio : float
        1 for the lasso, 0 for ridge, between them the elastic net.
    tol : float
        Stop when the gap is at most ``tol`` times the objective of w = 0.
    max_steps : int
        Stop after so many steps in any case.

    Returns
    -------
    Solution
    """
    descent = _Descent.start(moments, lam, l1_ratio, tol=tol, max_steps=max_steps)
    step, l2 = descent.safe_step(), descent.penalty.l2
    w = previous = _check_shape("start", start, moments.p)
    correlation = previous_correlation = descent.correlation(w)
    age = 1.0
    while descent.goes_on(w, correlation):
        next_age = (1 + np.sqrt(1 + 4 * age**2)) / 2
        momentum = (age - 1) / next_age
        ahead = w + momentum * (w - previous)
        # The correlation is affine in w: extrapolating it saves a product with X'X.
        ahead_correlation = correlation + momentum * (correlation - previous_correlation)
        previous, previous_correlation = w, correlation
        w = descent.penalty.prox(ahead + step * (ahead_correlation + l2 * ahead), step)
        correlation = descent.correlation(w)
        turned = (ahead - w) @ (w - previous) > 0
        age = 1.0 if turned else next_age
    return descent.solution(w)


def coordinate_descent(
    X: Array,
    y: Array,
    lam: float,
    *,
    l1_ratio: float = 1.0,
    tol: float = 1e-6,
    max_steps: int = 1_000,
) -> Solution:
    """Minimise over one weight at a time, round and round; a step is one round over all weights.

    Parameters
    ----------
    X : array of shape (n, p)
        Inputs.
    y : array of shape (n,)
        Targets.
    lam : float
        Strength of the penalty, above 0.
    l1_ratio : float
        1 for the lasso, 0 for ridge, between them the elastic net.
    tol : float
        Stop when the gap is at most ``tol`` times the objective of w = 0.
    max_steps : int
        Stop after so many rounds in any case.

    Returns
    -------
    Solution
    """
    X, y = check_table(X, y)
    moments = Moments.of(X, y)
    descent = _Descent.start(moments, lam, l1_ratio, tol=tol, max_steps=max_steps)
    l1, l2 = descent.penalty.l1, descent.penalty.l2
    columns = np.ascontiguousarray(X.T)
    squares = np.einsum("jn,jn->j", columns, columns) / moments.n
    w, residual = np.zeros(moments.p), y.copy()
    while descent.goes_on(w, columns @ residual / moments.n - l2 * w):
        for j in np.flatnonzero(squares):
            old = w[j]
            pull = columns[j] @ residual / moments.n + squares[j] * old
            w[j] = np.sign(pull) * max(abs(pull) - l1, 0.0) / (squares[j] + l2)
            if w[j] != old:
                residual += (old - w[j]) * columns[j]
    return descent.solution(w)


@dataclass(frozen=True, eq=False)
class _Descent:
    """The record of a method while it runs, and its answer to "may I stop?"."""

    moments: Moments
    penalty: Penalty
    lam: float
    l1_ratio: float
    allowed_gap: float
    max_steps: int
    objectives: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)

    @classmethod
    def start(
        cls, moments: Moments, lam: float, l1_ratio: float, *, tol: float, max_steps: int
    ) -> "_Descent":
        lam, tol = check_nonnegative("lam", lam), check_nonnegative("tol", tol)
        if lam == 0:
            raise ValueError(
                "lam is a number above 0, got 0. Without a penalty write ridge(X, y, 0), the "
                "least-squares weights."
            )
        max_steps = check_count("max_steps", max_steps)
        penalty = Penalty.of(lam, l1_ratio)
        return cls(moments, penalty, lam, float(l1_ratio), tol * moments.yy / 2, max_steps)

    @property
    def n_steps(self) -> int:
        return len(self.gaps)

    def safe_step(self, l2: float = 0.0) -> float:
        """1/L of the loss plus l2/2 ||w||^2: the part of the penalty not left to the prox."""
        curvature = self.moments.curvature + l2
        return 1 / curvature if curvature > 0 else 1.0

    def correlation(self, w: Array) -> Array:
        return self.moments.xy - self.moments.gram_times(w) - self.penalty.l2 * w

    def goes_on(self, w: Array, correlation: Array) -> bool:
        """Record where the method stands; False when it is done, out of steps or diverged."""
        loss_correlation = correlation + self.penalty.l2 * w
        mean_square = max(self.moments.yy - w @ (self.moments.xy + loss_correlation), 0.0)
        self.objectives.append(float(mean_square) / 2 + self.penalty(w))
        self.gaps.append(_gap(w, correlation, float(mean_square), self.penalty))
        diverged = not self.objectives[-1] <= 1e12 * max(self.objectives[0], self.moments.yy)
        return not (self._done or diverged or len(self.gaps) > self.max_steps)

    @property
    def _done(self) -> bool:
        return self.gaps[-1] <= self.allowed_gap

    def solution(self, w: Array) -> Solution:
        return _solution(w, self.lam, self.l1_ratio, self.objectives, self.gaps, self._done)


def _gap(w: Array, correlation: Array, mean_square: float, penalty: Penalty) -> float:
    """P(w) - D(s r), from what every method knows."""
    if penalty.l1 == 0:  # s = 1: the gap is the squared gradient over twice the curvature
        return float(correlation @ correlation) / (2 * penalty.l2)
    square, fit = mean_square + penalty.l2 * float(w @ w), float(w @ correlation)
    return float(gap_of(square, fit, np.abs(w).sum(), np.abs(correlation).max(), penalty.l1))


def _solution(
    w: Array,
    lam: float,
    l1_ratio: float,
    objectives: list[float],
    gaps: list[float],
    converged: bool,
) -> Solution:
    history = read_only(objectives), read_only(gaps)
    return Solution(read_only(w), lam, l1_ratio, *history, converged)


def _check_weights(X: Array, y: Array, w: Array) -> tuple[Array, Array, Array]:
    X, y = check_table(X, y)
    return X, y, _check_shape("w", w, X.shape[1])


def _check_shape(name: str, w: Array, p: int) -> Array:
    w = check_finite(name, w)
    if w.shape != (p,):
        raise ValueError(f"{name} has one weight per column, shape ({p},), got {w.shape}.")
    return w
