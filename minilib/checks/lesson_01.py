"""Tasks of lesson 01, L2 from scratch."""

import numpy as np

from minilib.checks.task import Mistake, Task, same_as

Array = np.ndarray


# 01.repair: the article's own objective, mean((y - b - X w)^2) + lam ||w||^2, with a free intercept


FEW = 12


def _repair_cases(rng: np.random.Generator) -> list[tuple]:
    cases = []
    for n in (FEW, 60, 300):
        X = rng.standard_normal((n, 3)) + rng.uniform(0.5, 1.0, 3)
        y = 5 + X @ rng.uniform(1, 3, 3) + 0.1 * rng.standard_normal(n)
        cases.append((X, y, float(rng.uniform(0.2, 0.8))))
    return cases


def _ridge_with_intercept(X: Array, y: Array, lam: float) -> tuple[float, Array]:
    centred = X - X.mean(axis=0)
    w = np.linalg.solve(
        centred.T @ centred / len(X) + lam * np.eye(X.shape[1]), centred.T @ (y - y.mean()) / len(X)
    )
    return float(y.mean() - X.mean(axis=0) @ w), w


def _ridge_with_penalised_intercept(X: Array, y: Array, lam: float) -> tuple[float, Array]:
    ones = np.column_stack([np.ones(len(X)), X])
    w = np.linalg.solve(ones.T @ ones / len(X) + lam * np.eye(ones.shape[1]), ones.T @ y / len(X))
    return float(w[0]), w[1:]


def _ridge_through_the_origin(X: Array, y: Array, lam: float) -> tuple[float, Array]:
    w = np.linalg.solve(X.T @ X / len(X) + lam * np.eye(X.shape[1]), X.T @ y / len(X))
    return 0.0, w


def _ridge_of_standardised_columns(X: Array, y: Array, lam: float) -> tuple[float, Array]:
    _, w = _ridge_with_intercept((X - X.mean(axis=0)) / X.std(axis=0), y, lam)
    return float(y.mean()), w


def _ridge_scaled_back(X: Array, y: Array, lam: float) -> tuple[float, Array]:
    w = _ridge_of_standardised_columns(X, y, lam)[1] / X.std(axis=0)
    return float(y.mean() - X.mean(axis=0) @ w), w


def _summed(answer: tuple, X: Array, y: Array, lam: float) -> bool:
    """Tell whether few rows gave the minimum of the sum, and many rows too long a step."""
    minimum = same_as(lambda X, y, lam: _ridge_with_intercept(X, y, lam / len(X)), rtol=1e-3)
    return minimum(answer, X, y, lam) or (len(X) > FEW and _exploded(answer))


def _exploded(answer: tuple, *_: object) -> bool:
    numbers = np.append(np.asarray(answer[1]), answer[0])
    return not (np.abs(numbers) < 1e6).all()


REPAIR = Task(
    "01.repair",
    _repair_cases,
    _ridge_with_intercept,
    (
        Mistake(
            "target forgotten",
            "all your weights are (nearly) zero: the target y does not enter your gradient. "
            "The residual is y - b - X w, and the gradient of its mean square needs it.",
            lambda answer, X, y, lam: np.abs(answer[1]).max() < 1e-2,
        ),
        Mistake(
            "sum instead of mean",
            "the objective has the mean of the squares, your gradient their sum. With many rows "
            "the steps become too long and the weights explode; with few, the penalty is n times "
            "too weak. Divide by the number of rows.",
            _summed,
        ),
        Mistake(
            "explodes",
            "your numbers grow without end. Look at the sign of the gradient (descend, do not "
            "climb), at the length of the step, and at whether you took means over the rows.",
            _exploded,
        ),
        Mistake(
            "mean of y as intercept",
            "your w is right, but b is the mean of y. That is the intercept of centred columns; "
            "these have means of their own: b = mean(y) - mean(X) @ w.",
            same_as(
                lambda X, y, lam: (float(y.mean()), _ridge_with_intercept(X, y, lam)[1]), rtol=1e-3
            ),
        ),
        Mistake(
            "columns standardised",
            "you divide the columns by their standard deviations, so the penalty acts on other "
            "weights than the ones asked for. Centre the columns if you like, but leave their "
            "scale alone.",
            same_as(_ridge_of_standardised_columns, _ridge_scaled_back, rtol=1e-3),
        ),
        Mistake(
            "intercept missing",
            "your intercept is 0. Give the model one number b that is added to every prediction; "
            "its gradient is -2 * mean(residual).",
            same_as(_ridge_through_the_origin, rtol=1e-3),
        ),
        Mistake(
            "intercept penalised",
            "your intercept is too close to 0: it pays the penalty as well. Add 2 * lam * w to the "
            "gradient of the weights only.",
            same_as(_ridge_with_penalised_intercept, rtol=1e-3),
        ),
        Mistake(
            "half the penalty",
            "your penalty is half as strong as it should be. The derivative of lam * ||w||^2 is "
            "2 * lam * w: this objective has no 1/2 to cancel the 2.",
            same_as(lambda X, y, lam: _ridge_with_intercept(X, y, lam / 2), rtol=1e-3),
        ),
        Mistake(
            "twice the penalty",
            "your penalty is twice as strong as it should be. If the gradient of the penalty is "
            "2 * lam * w, that of the mean square is -2 * X.T @ residual / n, with a 2 as well.",
            same_as(lambda X, y, lam: _ridge_with_intercept(X, y, 2 * lam), rtol=1e-3),
        ),
    ),
    rtol=1e-4,
)


# 01.translate: loss(w) + strength * penalty(w) in somebody's package -> our lam

LOSSES = ("sum", "half sum", "mean", "half mean")
PENALTIES = ("square", "half square", "absolute")


def _translate_cases(rng: np.random.Generator) -> list[tuple]:
    return [
        (float(rng.uniform(0.1, 10)), int(rng.integers(10, 1000)), loss, penalty)
        for loss in LOSSES
        for penalty in PENALTIES
    ]


def _translate(strength: float, n: int, loss: str, penalty: str) -> float:
    """Divide the whole objective by whatever turns its loss into the half mean."""
    factor = {"sum": 1, "half sum": 1 / 2, "mean": 1 / n, "half mean": 1 / (2 * n)}[loss]
    return strength * _half_squares(penalty) / (2 * n * factor)


def _translate_backwards(strength: float, n: int, loss: str, penalty: str) -> float:
    factor = {"sum": 1, "half sum": 1 / 2, "mean": 1 / n, "half mean": 1 / (2 * n)}[loss]
    return strength * _half_squares(penalty) * (2 * n * factor)


def _translate_without_n(strength: float, n: int, loss: str, penalty: str) -> float:
    return strength * _half_squares(penalty) / (1 if "half" in loss else 2)


def _translate_without_halves(strength: float, n: int, loss: str, penalty: str) -> float:
    factor = {"sum": 1, "half sum": 1, "mean": 1 / n, "half mean": 1 / n}[loss]
    return strength * _half_squares(penalty) / (n * factor)


def _half_squares(penalty: str) -> float:
    return 2.0 if penalty == "square" else 1.0


TRANSLATE = Task(
    "01.translate",
    _translate_cases,
    _translate,
    (
        Mistake(
            "backwards",
            "you multiply where you should divide, most likely by n. A sum over n rows is n times "
            "a mean, so beside a sum the same strength is worth n times less.",
            same_as(_translate_backwards),
        ),
        Mistake(
            "n ignored",
            "the number of rows does not enter your answer. A sum over n rows is n times a mean, "
            "so beside a sum the same strength is worth n times less.",
            same_as(_translate_without_n),
        ),
        Mistake(
            "halves of the loss ignored",
            "the halves in front of the loss are missing from your factors. Our loss is the half "
            "mean: divide their whole objective by whatever turns their loss into 1/(2n).",
            same_as(_translate_without_halves),
        ),
        Mistake(
            "square taken for half square",
            "the penalties 'square' and 'half square' get the same lam from you. Ours is the half "
            "square: ||w||^2 is two of ours, so its lam is twice as large.",
            same_as(lambda *case: _translate(*case) / _half_squares(case[-1])),
        ),
        Mistake(
            "square halved",
            "with penalty 'square' your lam should be twice that of 'half square', yours is half "
            "of it. s * ||w||^2 = (2 s) * 1/2 ||w||^2.",
            same_as(lambda *case: _translate(*case) / _half_squares(case[-1]) ** 2),
        ),
    ),
)


# 01.gradient_check: is the candidate the gradient of the logistic objective?


def _logistic_objective(X: Array, y: Array, w: Array, lam: float) -> float:
    return float(np.logaddexp(0, -y * (X @ w)).mean() + lam / 2 * (w @ w))


def _logistic_gradient(X: Array, y: Array, w: Array, lam: float) -> Array:
    return -X.T @ (y / (1 + np.exp(y * (X @ w)))) / len(y) + lam * w


def _gradient_check_cases(rng: np.random.Generator) -> list[tuple]:
    cases = []
    for scale in (1e-4, 1.0):
        X = scale * rng.standard_normal((40, 5))
        y = np.where(rng.random(40) < 0.5, -1.0, 1.0)
        w = rng.standard_normal(5)
        lam = scale * float(rng.uniform(0.1, 0.5))
        right = _logistic_gradient(X, y, w, lam)
        up, down = right.copy(), right.copy()
        up[-1] += 0.5 * np.abs(right).max()
        down[-1] -= 0.5 * np.abs(right).max()
        for candidate in (right, 1.05 * right, -right, right - lam * w, up, down, 2 * right):
            cases.append((X, y, w, lam, candidate))
    return cases


def _slope(X: Array, y: Array, w: Array, lam: float, h: float = 1e-5) -> Array:
    return np.array(
        [
            (_logistic_objective(X, y, w + step, lam) - _logistic_objective(X, y, w - step, lam))
            / (2 * h)
            for step in h * np.eye(len(w))
        ]
    )


def _is_gradient(
    X: Array,
    y: Array,
    w: Array,
    lam: float,
    candidate: Array,
    *,
    tolerance: float = 1e-4,
    distance: float = 2.0,
) -> bool:
    slope = _slope(X, y, w, lam) * 2 / distance
    return bool(np.linalg.norm(candidate - slope) < tolerance * np.linalg.norm(slope))


GRADIENT_CHECK = Task(
    "01.gradient_check",
    _gradient_check_cases,
    _is_gradient,
    (
        Mistake(
            "absolute error",
            "your check accepts wrong gradients when all numbers are tiny. An error of 0.00005 is "
            "small beside a slope of 1 and huge beside a slope of 0.0001: divide by the length of "
            "the measured slope.",
            same_as(
                lambda X, y, w, lam, candidate: bool(
                    np.linalg.norm(candidate - _slope(X, y, w, lam)) < 1e-4
                )
            ),
        ),
        Mistake(
            "lengths compared",
            "your check accepts a gradient with the wrong sign. Compare the vectors, not their "
            "lengths: take the norm of the difference.",
            same_as(
                lambda X, y, w, lam, candidate: bool(
                    abs(np.linalg.norm(candidate) / np.linalg.norm(_slope(X, y, w, lam)) - 1) < 1e-4
                )
            ),
        ),
        Mistake(
            "sign of the difference kept",
            "your check accepts a gradient with one entry that is far too small: a negative "
            "difference is smaller than any tolerance. Take absolute values, or the norm.",
            same_as(
                lambda X, y, w, lam, candidate: bool(
                    (candidate - _slope(X, y, w, lam)).max()
                    < 1e-4 * np.linalg.norm(_slope(X, y, w, lam))
                )
            ),
        ),
        Mistake(
            "one weight only",
            "your check looks at the first weight only and misses an error in the last. Move each "
            "weight in turn.",
            same_as(
                lambda X, y, w, lam, candidate: bool(
                    abs(candidate[0] / _slope(X, y, w, lam)[0] - 1) < 1e-4
                )
            ),
        ),
        Mistake(
            "too generous",
            "your check accepts a gradient that is 5 % too long. A right one agrees to six digits "
            "or more, so ask for a relative error below 1e-4.",
            same_as(lambda *case: _is_gradient(*case, tolerance=0.1)),
        ),
        Mistake(
            "right ones refused",
            "your check refuses right gradients. Either the slope you measure is not that of "
            "logistic_objective, or the step h is so small that its two values differ only by "
            "rounding: h = 1e-5 is a good one.",
            lambda answer, X, y, w, lam, candidate: (
                not answer and _is_gradient(X, y, w, lam, candidate)
            ),
        ),
        Mistake(
            "divided by h",
            "your measured slopes are twice too large: from w - h to w + h the distance is 2 * h.",
            same_as(lambda *case: _is_gradient(*case, distance=1.0)),
        ),
    ),
)

TASKS = (REPAIR, TRANSLATE, GRADIENT_CHECK)
