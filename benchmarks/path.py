"""Our regularization path, and our cross-validation, side by side with those of others.

All solve the same 100 lasso problems, from lambda_max down to a hundredth of it, and all are asked
for a duality gap of a millionth of the objective at w = 0. How good the answers are is computed
here from X, y and the weights, with numpy alone.
"""

import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from statistics import median, quantiles

import numpy as np
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LassoCV, lasso_path
from sklearn.preprocessing import PolynomialFeatures

from benchmarks.table import markdown
from minilib.cross_validation import cross_validate, fold_rows
from minilib.datasets import (
    Split,
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_fashion_mnist,
    load_mnist,
)
from minilib.linear import Scaling
from minilib.path import lambda_grid, regularization_path
from minilib.progress import progress

Array = np.ndarray
Problem = tuple[Array, Array]
Method = Callable[[Array, Array, Array], Array]
"""Takes X, y and the strengths; gives one row of weights for each."""

TOL = 1e-6

MOST_STEPS = 100_000

N_ROUNDS = 7
"""So often each method is timed, in turn with the others, ..."""

ENOUGH = 2.0
"""... unless it has taken so many seconds before."""

TOO_SLOW = 5.0
"""Whoever takes more seconds than this is not asked again for tables of the same shape."""

N_FOLDS = 5


# --- the tables ----------------------------------------------------------------------------------


def standardized(X: Array, y: Array, *, degree: int = 1) -> Problem:
    """Standardize the columns, and all products of up to `degree` of them; centre y."""
    X = Scaling.of(X).apply(X)
    if degree > 1:
        X = PolynomialFeatures(degree, include_bias=False).fit_transform(X)
        X = Scaling.of(X).apply(X)
    return X, y - y.mean()


def diabetes(degree: int) -> Problem:
    """Load the course's table of patients, with products of its features."""
    table = load_diabetes()
    return standardized(table.X, table.y, degree=degree)


def breast_cancer() -> Problem:
    """Load the course's table of tumours, benign against malignant."""
    table = load_breast_cancer()
    return standardized(table.X, table.y)


def digits() -> Problem:
    """Load the small digits, 3 against the rest."""
    split = load_digits()
    return standardized(split.x.reshape(len(split.x), -1), (split.y == 3).astype(float))


def wine() -> Problem:
    """Load scikit-learn's wines, one cultivar against the rest, with products of two features."""
    X, y = datasets.load_wine(return_X_y=True)
    return standardized(X, (y == 1).astype(float), degree=2)


def pictures(split: Split, label: int) -> Problem:
    """Take the first 10,000 pictures, one label against the rest; centred, not scaled."""
    X, y = split.x[:10_000].reshape(-1, 784) / 255, (split.y[:10_000] == label).astype(float)
    return X - X.mean(axis=0), y - y.mean()


def toeplitz(n: int, p: int, rho: float) -> Problem:
    """Draw columns of which neighbours are correlated by rho; one in twenty matters."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    for j in range(1, p):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * X[:, j]
    chosen = rng.choice(p, max(5, p // 20), replace=False)
    signal = X[:, chosen] @ (rng.choice([-1, 1], len(chosen)) * rng.uniform(0.5, 2, len(chosen)))
    return standardized(X, signal + rng.standard_normal(n) * signal.std() / 3)


TUNED: dict[str, Callable[[], Problem]] = {
    **{f"diabetes, degree {k}": partial(diabetes, k) for k in (1, 2, 3)},
    "breast cancer": breast_cancer,
    **{
        f"MNIST, {digit}": lambda digit=digit: pictures(load_mnist("train"), digit)
        for digit in (0, 3, 8)
    },
    **{
        f"Toeplitz {rho}, {n} x {p}": partial(toeplitz, n, p, rho)
        for n, p in ((200, 1000), (5000, 500))
        for rho in (0.5, 0.9)
    },
}
"""Tables that were looked at while our method was made."""

WIDE = "Toeplitz 0.6, 1000 x 2000"
"""Not cross-validated: LassoCV takes long there."""

NEW: dict[str, Callable[[], Problem]] = {
    "small digits": digits,
    "wine, degree 2": wine,
    "Fashion-MNIST, shirts": lambda: pictures(load_fashion_mnist("train"), 6),
    "Toeplitz 0.7, 500 x 200": partial(toeplitz, 500, 200, 0.7),
    WIDE: partial(toeplitz, 1000, 2000, 0.6),
}
"""Tables that were not."""


# --- the methods ---------------------------------------------------------------------------------


def ours(X: Array, y: Array, lams: Array) -> Array:
    """Solve with our path."""
    return regularization_path(X, y, lams, tol=TOL).weights


def scikit_learn(X: Array, y: Array, lams: Array, *, gram: bool) -> Array:
    """Solve with scikit-learn; its tolerance is a share of ||y||^2 / n, not of half of it."""
    options = {"tol": TOL / 2, "precompute": gram, "max_iter": MOST_STEPS}
    return lasso_path(X, y, alphas=lams, **options)[1].T


def celer(X: Array, y: Array, lams: Array) -> Array:
    """Solve with celer; its tolerance means the same as scikit-learn's."""
    path = import_module("celer").celer_path
    return path(X, y, "lasso", alphas=lams, tol=TOL / 2)[1].T


def skglm(X: Array, y: Array, lams: Array) -> Array:
    """Solve with skglm; it stops at a violation of the optimality conditions, not at a gap."""
    solver = import_module("skglm").Lasso(fit_intercept=False, tol=SKGLM_TOL * lams[-1])
    return solver.path(X, y, lams)[1].T


SKGLM_TOL = 2e-5
"""About the largest violation, as a share of the smallest lam, at which its gap is ours."""

PEERS: dict[str, Method] = {
    "scikit-learn": partial(scikit_learn, gram=False),
    "scikit-learn, Gram": partial(scikit_learn, gram=True),
    **{method.__name__: method for method in (celer, skglm) if find_spec(method.__name__)},
}
MISSING = [name for name in ("celer", "skglm") if name not in PEERS]


# --- how long ------------------------------------------------------------------------------------


def timed(call: Callable[[], object]) -> tuple[float, object]:
    """Give the seconds of this thread, and what came out."""
    start = time.thread_time()
    found = call()
    return time.thread_time() - start, found


def in_turn(calls: Mapping[str, Callable[[], object]]) -> tuple[dict[str, list[float]], dict]:
    """Time all calls in turn until each has had enough; give the seconds, and what came out."""
    first = {name: timed(call) for name, call in calls.items()}
    seconds = {name: [taken] for name, (taken, _) in first.items()}
    for _ in range(N_ROUNDS - 1):
        for name, taken in seconds.items():
            if sum(taken) < ENOUGH:
                taken.append(timed(calls[name])[0])
    return seconds, {name: found for name, (_, found) in first.items()}


def ratio(peer: list[float], own: list[float]) -> str:
    """Write how many times as long a peer took, with quartiles if there are several pairs."""
    ratios = [one / other for one, other in zip(peer, own, strict=False)]
    if len(ratios) == 1:
        return f"{peer[0] / median(own):.2g} (once)"
    low, middle, high = quantiles(ratios, n=4, method="inclusive")
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


# --- how good ------------------------------------------------------------------------------------


def objectives(X: Array, y: Array, weights: Array, lams: Array) -> Array:
    """P(w) / P(0) for each row of weights."""
    residuals = y[:, None] - X @ weights.T
    losses = (residuals**2).sum(axis=0) / (2 * len(y))
    return (losses + lams * np.abs(weights).sum(axis=1)) / (y @ y / (2 * len(y)))


def gaps(X: Array, y: Array, weights: Array, lams: Array) -> Array:
    """(P(w) - D(theta)) / P(0) for each row of weights; theta is the residual, made feasible."""
    n, residuals = len(y), y[:, None] - X @ weights.T
    squares, along = (residuals**2).sum(axis=0) / n, y @ residuals / n
    feasible = lams / np.abs(X.T @ residuals / n).max(axis=0)
    scales = np.clip(along / squares, -feasible, feasible)
    dual = scales * along - scales**2 * squares / 2
    return objectives(X, y, weights, lams) - dual / (y @ y / (2 * n))


# --- the tables of results -----------------------------------------------------------------------


def compared(problem: Problem, peers: Mapping[str, Method]) -> tuple[dict, dict]:
    """Walk down one path with every method; give the seconds of each, and its gap and excess."""
    (X, y), lams = problem, lambda_grid(*problem)
    columns = np.asfortranarray(X)  # how the others like it best
    calls = {peer: partial(method, columns, y, lams) for peer, method in peers.items()}
    seconds, weights = in_turn({"ours": partial(ours, X, y, lams)} | calls)
    values = {method: objectives(X, y, found, lams) for method, found in weights.items()}
    exact = regularization_path(X, y, lams, tol=TOL / 10_000).weights
    best = np.min([objectives(X, y, exact, lams), *values.values()], axis=0)
    return seconds, {
        method: (gaps(X, y, found, lams).max(), (values[method] - best).max())
        for method, found in weights.items()
    }


def paths(tables: Mapping[str, Callable[[], Problem]]) -> str:
    """Write the tables of times, and of how good the answers are."""
    times, quality, given_up = [], [], set()
    for name, table in progress(tables.items(), "paths"):
        problem = table()
        shape = problem[0].shape
        asked = {peer: PEERS[peer] for peer in PEERS if (peer, shape) not in given_up}
        seconds, found = compared(problem, asked)
        given_up |= {(peer, shape) for peer in asked if max(seconds[peer]) > TOO_SLOW}
        own = seconds["ours"]
        ratios = [ratio(seconds[peer], own) if peer in asked else "" for peer in PEERS]
        times.append([name, "{:,} x {:,}".format(*shape), f"{1e3 * median(own):.1f}", *ratios])
        pairs = [found.get(method) for method in ("ours", *PEERS)]
        quality.append([name, *("{:.0e}, {:.0e}".format(*pair) if pair else "" for pair in pairs)])
    heading = ["path", "rows x columns", "ours, ms", *(f"{peer} / ours" for peer in PEERS)]
    return "\n".join([markdown(heading, times), markdown(["gap, excess", "ours", *PEERS], quality)])


def validated(problem: Problem) -> tuple[dict[str, list[float]], list[float]]:
    """Choose lam by cross-validation, ours and LassoCV on the same folds; give seconds and lams."""
    X, y = standardized(*problem)
    lams, columns, everything = lambda_grid(X, y), np.asfortranarray(X), np.arange(len(y))
    folds = [(np.delete(everything, rows), rows) for rows in fold_rows(len(y), N_FOLDS, seed=0)]
    theirs = LassoCV(alphas=lams, cv=folds, tol=TOL / 2, max_iter=MOST_STEPS)
    seconds, found = in_turn(
        {
            "ours": partial(cross_validate, X, y, lams, n_folds=N_FOLDS, seed=0, tol=TOL),
            "LassoCV": partial(theirs.fit, columns, y),
        }
    )
    return seconds, [lams[found["ours"].best], found["LassoCV"].alpha_]


def validations(tables: Mapping[str, Callable[[], Problem]]) -> str:
    """Write the table of cross-validations."""
    rows = []
    for name, table in progress(tables.items(), "cross-validations"):
        seconds, chosen = validated(table())
        own = seconds["ours"]
        cells = [f"{1e3 * median(own):.0f}", ratio(seconds["LassoCV"], own)]
        rows.append([name, *cells, *(f"{lam:.3g}" for lam in chosen)])
    heading = [f"cross-validation, {N_FOLDS} folds", "ours, ms", "LassoCV / ours"]
    return markdown([*heading, "lam, ours", "lam, LassoCV"], rows)


def report() -> str:
    """Time paths and cross-validations, and give the section of this part."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the table says who did not converge
        for method in PEERS.values():
            compared(toeplitz(40, 10, 0.5), {"warm-up": method})  # skglm is compiled here
        tables = TUNED | NEW
        parts = [
            paths(tables),
            validations({name: tables[name] for name in tables if name != WIDE}),
        ]
    missing = [f"Not there, so not measured: {', '.join(MISSING)}.\n"] if MISSING else []
    return "\n".join(parts + missing)
