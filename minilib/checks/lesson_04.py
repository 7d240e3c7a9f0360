"""Tasks of lesson 04, robustness."""

from collections.abc import Callable

import numpy as np

from minilib.checks.task import Mistake, Task, same_as

Array = np.ndarray


# 04.predict: expected rise of the mean squared error under noise of one strength per input


def _predict_cases(rng: np.random.Generator) -> list[tuple]:
    dense = rng.permutation([1.0, 1.0, -1.0, -1.0]) * rng.uniform(2, 5, 4)
    sparse = rng.choice([-1.0, 1.0], 9) * rng.uniform(5, 20, 9) * (np.arange(9) % 3 == 0)
    small = rng.choice([-1.0, 1.0], 6) * rng.uniform(0.1, 0.4, 6)
    one_exact = np.append(rng.uniform(0.2, 0.8, 5), 0.0)
    return [
        (dense, rng.uniform(1.5, 3, 4)),
        (rng.permutation(sparse), rng.uniform(0.2, 0.8, 9)),
        (small, rng.permutation(one_exact)),
    ]


def _predicted_increase(w: Array, noise: Array) -> float:
    return float(np.sum((noise * w) ** 2))


PREDICT = Task(
    "04.predict",
    _predict_cases,
    _predicted_increase,
    (
        Mistake(
            "cross terms",
            "you add the products noise * w first and square the sum. That lets the noise of one "
            "input meet the noise of another; they are independent, so on average their products "
            "vanish. Square each product, then add.",
            same_as(lambda w, noise: (noise @ w) ** 2, lambda w, noise: (noise @ np.abs(w)) ** 2),
        ),
        Mistake(
            "noise not squared",
            "your noise enters as it is, not squared. Noise of twice the strength moves every "
            "prediction twice as far, and the error is a square: it rises four times as much.",
            same_as(lambda w, noise: noise @ w**2),
        ),
        Mistake(
            "weights not squared",
            "you squared the noise but not the weights. An input of weight 2 passes its noise on "
            "doubled, and the error counts the square of that: use w**2, not |w|.",
            same_as(lambda w, noise: noise**2 @ np.abs(w)),
        ),
        Mistake(
            "absolute values",
            "you add the absolute values of noise * w, an L1 norm. The mean squared error adds "
            "squares: on average independent noises partly cancel, and only their squares add up.",
            same_as(lambda w, noise: noise @ np.abs(w)),
        ),
        Mistake(
            "signs kept",
            "your weights keep their signs, so harm from one input is taken off by another. Noise "
            "hurts whichever sign its weight has: square each noise * w, then add.",
            same_as(lambda w, noise: noise**2 @ w, lambda w, noise: noise @ w),
        ),
        Mistake(
            "weights counted",
            "you count the weights that are not zero instead of weighing them. One weight of 10 "
            "passes on as much as a hundred weights of 1: not sparsity counts, but w**2.",
            same_as(lambda w, noise: noise**2 @ (w != 0)),
        ),
        Mistake(
            "norms multiplied",
            "you multiply ||noise||^2 by ||w||^2, so every noise meets every weight. The noise of "
            "input j passes through weight j only: multiply entry by entry, then add.",
            same_as(lambda w, noise: (noise @ noise) * (w @ w)),
        ),
        Mistake(
            "one noise for all",
            "you put one average noise in the place of all of them. Where a strong noise meets a "
            "large weight, it does more harm than the average says: multiply entry by entry.",
            same_as(
                lambda w, noise: noise.mean() ** 2 * (w @ w),
                lambda w, noise: (noise**2).mean() * (w @ w),
            ),
        ),
        Mistake(
            "halved",
            "your rise is half of the right one. The 1/2 belongs to our objective; the mean "
            "squared error has none.",
            same_as(lambda w, noise: _predicted_increase(w, noise) / 2),
        ),
        Mistake(
            "root taken",
            "you return the square root. That is the standard deviation of what the noise does to "
            "a prediction; the mean squared error rises by its square.",
            same_as(lambda w, noise: np.sqrt(_predicted_increase(w, noise))),
        ),
        Mistake(
            "mean over inputs",
            "you take the mean over the inputs. A prediction is the sum of all inputs times their "
            "weights, so what their noises do adds up: take the sum.",
            same_as(lambda w, noise: _predicted_increase(w, noise) / len(w)),
        ),
        Mistake(
            "not added up",
            "you return one number per input: how much each contributes. The rise asked for is "
            "their sum, one number.",
            same_as(lambda w, noise: (noise * w) ** 2),
        ),
        Mistake(
            "simulated",
            "your number is close but not exact. Did you draw noise and measure, or round? The "
            "prediction needs neither: it is a formula in w and noise.",
            same_as(_predicted_increase, rtol=0.1),
        ),
    ),
)


# 04.outage: rise of the mean squared error when one sensor delivers its mean instead of its values


def _outage_cases(rng: np.random.Generator) -> list[tuple]:
    cases = []
    for n, p in ((9, 3), (40, 4), (150, 6)):
        Z = rng.standard_normal((n, p)) + 0.5 * rng.standard_normal((n, 1))
        X = rng.uniform(0.5, 4, p) * (Z + rng.choice([-1.0, 1.0], p) * rng.uniform(1, 3, p))
        slopes = rng.choice([-1.0, 1.0], p) * rng.uniform(1, 3, p)
        y = rng.uniform(20, 40) + X @ slopes + rng.standard_normal(n)
        w = slopes * rng.uniform(0.4, 0.8, p)
        w[0] = 0.0
        w[-1] = _too_large(X, y, w)
        order = rng.permutation(p)
        cases.append((X[:, order], y, w[order]))
    return cases


def _too_large(X: Array, y: Array, w: Array) -> float:
    """Three times the best last weight beside the others: its sensor is better off when silent."""
    centred = X - X.mean(axis=0)
    missing = y - y.mean() - centred[:, :-1] @ w[:-1]
    return 3 * float(centred[:, -1] @ missing / (centred[:, -1] @ centred[:, -1]))


def _error(X: Array, y: Array, w: Array, b: float) -> float:
    return float(np.mean((y - b - X @ w) ** 2))


def _intercept(X: Array, y: Array, w: Array) -> float:
    return float(y.mean() - X.mean(axis=0) @ w)


def _with_column(X: Array, j: int, value: float) -> Array:
    failed = X.copy()
    failed[:, j] = value
    return failed


def _errors_with_one_failed(X: Array, y: Array, w: Array, b: float, delivers: Array) -> Array:
    return np.array([_error(_with_column(X, j, delivers[j]), y, w, b) for j in range(len(w))])


def _outage_damage(X: Array, y: Array, w: Array) -> Array:
    """Compare the squares before and after row by row: a weight of 0 does exactly no damage."""
    lost = (X - X.mean(axis=0)) * w
    residual = y - y.mean() - lost.sum(axis=1)
    return np.mean(lost * (2 * residual[:, None] + lost), axis=0)


def _damage_at(X: Array, y: Array, w: Array, b: float, delivers: float) -> Array:
    everywhere = np.full(len(w), delivers)
    return _errors_with_one_failed(X, y, w, b, everywhere) - _error(X, y, w, b)


def _damage_adding_up(X: Array, y: Array, w: Array) -> Array:
    b = _intercept(X, y, w)
    healthy = _error(X, y, w, b)
    damage = []
    for j in range(len(w)):
        X = _with_column(X, j, X[:, j].mean())
        damage.append(_error(X, y, w, b) - healthy)
    return np.array(damage)


def _with_or_without_intercept(function: Callable[..., Array]) -> Callable[..., bool]:
    return same_as(
        lambda X, y, w: function(X, y, w, _intercept(X, y, w)),
        lambda X, y, w: function(X, y, w, 0.0),
    )


OUTAGE = Task(
    "04.outage",
    _outage_cases,
    _outage_damage,
    (
        Mistake(
            "failed at zero",
            "your failed sensor delivers 0, it should deliver the mean of its column. The columns "
            "are not centred, so 0 may be far from anything the sensor ever said.",
            _with_or_without_intercept(lambda X, y, w, b: _damage_at(X, y, w, b, 0.0)),
        ),
        Mistake(
            "mean of the table",
            "your failed sensor delivers the mean of the whole table. Each column has a mean of "
            "its own: X[:, j].mean(), or X.mean(axis=0) for all of them.",
            _with_or_without_intercept(lambda X, y, w, b: _damage_at(X, y, w, b, X.mean())),
        ),
        Mistake(
            "sensors stay broken",
            "from your second number on, the sensors before have failed as well. Only one fails "
            "at a time: start from a fresh copy of X for each column.",
            same_as(_damage_adding_up),
        ),
        Mistake(
            "error instead of rise",
            "you return the error with a failed sensor. Asked for is how much it rises: subtract "
            "the error with all sensors at work.",
            _with_or_without_intercept(
                lambda X, y, w, b: _errors_with_one_failed(X, y, w, b, X.mean(axis=0))
            ),
        ),
        Mistake(
            "weight alone",
            "your damage is the size of the weight. A weight is per unit of its column, so it says "
            "little until you know how far the column spreads, and how it goes with the residual.",
            same_as(lambda X, y, w: w**2, lambda X, y, w: np.abs(w)),
        ),
        Mistake(
            "residual ignored",
            "your damage is the variance of w_j x_j. That is the whole rise only where the column "
            "is not correlated with the residual, as after least squares. With other weights, add "
            "twice the mean of residual * w_j (x_j - mean), or measure both errors.",
            same_as(lambda X, y, w: w**2 * X.var(axis=0)),
        ),
        Mistake(
            "subtracted twice",
            "you take w_j (x_j - mean) off the residual. The residual is y minus the prediction, "
            "and the prediction has lost this part: add it to the residual instead.",
            same_as(lambda X, y, w: 2 * w**2 * X.var(axis=0) - _outage_damage(X, y, w)),
        ),
        Mistake(
            "cross term once",
            "your cross term is half of the right one. (r + d)^2 - r^2 = 2 r d + d^2: it comes "
            "twice, the square once.",
            same_as(lambda X, y, w: (_outage_damage(X, y, w) + w**2 * X.var(axis=0)) / 2),
        ),
        Mistake(
            "never below zero",
            "where the error falls, you say it does not fall. A sensor with a bad weight does "
            "harm, and its failure helps: leave such rises negative.",
            same_as(
                lambda X, y, w: np.abs(_outage_damage(X, y, w)),
                lambda X, y, w: np.maximum(_outage_damage(X, y, w), 0),
            ),
        ),
        Mistake(
            "sign turned",
            "your signs are turned round: you subtract the error with a failed sensor from the "
            "error with all at work. A rise is the later minus the earlier.",
            same_as(lambda X, y, w: -_outage_damage(X, y, w)),
        ),
        Mistake(
            "halved",
            "your rises are half of the right ones. The mean squared error has no 1/2; "
            "minilib's objective has.",
            same_as(lambda X, y, w: _outage_damage(X, y, w) / 2),
        ),
        Mistake(
            "sum over rows",
            "you add the squares of all rows, so your rises grow with the number of rows. The "
            "mean squared error divides by it.",
            same_as(lambda X, y, w: len(y) * _outage_damage(X, y, w)),
        ),
    ),
    # The rises are of the size of 1 to 100. In single precision, the difference of the two errors
    # keeps three decimals.
    rtol=1e-4,
    atol=1e-3,
)

TASKS = (PREDICT, OUTAGE)
