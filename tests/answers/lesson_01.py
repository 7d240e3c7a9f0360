import numpy as np

# 01.repair


def repair_by_descent(X, y, lam):
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(5000):
        residual = y - b - X @ w
        w, b = (
            w - 0.05 * (-2 * X.T @ residual / len(y) + 2 * lam * w),
            b + 0.05 * 2 * residual.mean(),
        )
    return b, w


def repair_by_equation(X, y, lam):
    n, p = X.shape
    ones = np.hstack([X, np.ones((n, 1))])
    free = np.diag([1.0] * p + [0.0])
    solution = np.linalg.lstsq(ones.T @ ones + n * lam * free, ones.T @ y)[0]
    return [float(solution[-1]), solution[:-1].tolist()]


def repair_without_target(X, y, lam):
    w, b = np.random.default_rng(0).standard_normal(X.shape[1]), 0.0
    for _ in range(3000):
        prediction = b + X @ w
        w = w - 0.05 * (2 * X.T @ prediction / len(y) + 2 * lam * w)
        b = b - 0.05 * 2 * prediction.mean()
    return b, w


def repair_with_sum(X, y, lam):
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(3000):
        residual = y - b - X @ w
        w = w - 0.01 * (-2 * X.T @ residual + 2 * lam * w)
        b = b + 0.01 * 2 * residual.sum()
    return b, w


def repair_without_intercept(X, y, lam):
    w = np.zeros(X.shape[1])
    for _ in range(3000):
        w -= 0.05 * (2 * X.T @ (X @ w - y) / len(y) + 2 * lam * w)
    return 0.0, w


def repair_with_penalised_intercept(X, y, lam):
    ones = np.column_stack([np.ones(len(y)), X])
    v = np.zeros(ones.shape[1])
    for _ in range(3000):
        v -= 0.05 * (2 * ones.T @ (ones @ v - y) / len(y) + 2 * lam * v)
    return v[0], v[1:]


def repair_uphill(X, y, lam):
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(3000):
        residual = y - b - X @ w
        w, b = w + 0.05 * (-2 * X.T @ residual / len(y) + 2 * lam * w), b - 0.1 * residual.mean()
    return b, w


def repair_with_mean_of_y(X, y, lam):
    _, w = repair_by_equation(X, y, lam)
    return y.mean(), np.array(w)


def repair_standardised(X, y, lam):
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    n, p = Z.shape
    w = np.linalg.solve(Z.T @ Z + n * lam * np.eye(p), Z.T @ (y - y.mean()))
    return y.mean(), w


def repair_swapped(X, y, lam):
    b, w = repair_by_descent(X, y, lam)
    return w, b


def repair_with(data_factor, penalty_factor, step=0.05, n_steps=6000):
    def repair(X, y, lam):
        w, b = np.zeros(X.shape[1]), 0.0
        for _ in range(n_steps):
            residual = y - b - X @ w
            w = w - step * (-data_factor * X.T @ residual / len(y) + penalty_factor * lam * w)
            b = b + step * data_factor * residual.mean()
        return b, w

    return repair


# 01.translate


def translate_by_table(strength, n, loss, penalty):
    per_row = {"sum": 1 / (2 * n), "half sum": 1 / n, "mean": 0.5, "half mean": 1.0}
    return per_row[loss] * strength * {"square": 2, "half square": 1, "absolute": 1}[penalty]


def translate_by_words(strength, n, loss, penalty):
    lam = strength
    if "half" not in loss:
        lam = lam / 2
    if "sum" in loss:
        lam = lam / n
    return np.float64(2 * lam if penalty == "square" else lam)


def translate_multiplying(strength, n, loss, penalty):
    lam = strength * (1 if "half" in loss else 2)
    if "sum" in loss:
        lam = lam * n
    return 2 * lam if penalty == "square" else lam


def translate_ignoring_n(strength, n, loss, penalty):
    lam = strength if loss.startswith("half") else strength / 2
    return 2 * lam if penalty == "square" else lam


def translate_ignoring_halves(strength, n, loss, penalty):
    lam = strength / n if "sum" in loss else strength
    return 2 * lam if penalty == "square" else lam


def translate_any_square(strength, n, loss, penalty):
    return translate_by_table(strength, n, loss, "half square")


def translate_square_halved(strength, n, loss, penalty):
    lam = translate_by_table(strength, n, loss, "half square")
    return lam / 2 if penalty == "square" else lam


# 01.gradient_check


def objective(X, y, w, lam):
    return np.mean(np.log1p(np.exp(-y * (X @ w)))) + lam / 2 * np.sum(w**2)


def slope(X, y, w, lam, h=1e-5):
    result = np.zeros(len(w))
    for j in range(len(w)):
        up, down = w.copy(), w.copy()
        up[j] += h
        down[j] -= h
        result[j] = (objective(X, y, up, lam) - objective(X, y, down, lam)) / (2 * h)
    return result


def check_by_norm(X, y, w, lam, candidate):
    measured = slope(X, y, w, lam)
    return np.linalg.norm(measured - candidate) / np.linalg.norm(measured) < 1e-4


def check_by_largest(X, y, w, lam, candidate):
    measured = slope(X, y, w, lam, h=1e-4)
    return bool(np.max(np.abs(measured - candidate)) < 1e-4 * np.max(np.abs(measured)))


def check_absolute(X, y, w, lam, candidate):
    return np.linalg.norm(slope(X, y, w, lam) - candidate) < 1e-4


def check_lengths(X, y, w, lam, candidate):
    measured = slope(X, y, w, lam)
    return np.isclose(np.linalg.norm(measured), np.linalg.norm(candidate), rtol=1e-4)


def check_first_weight(X, y, w, lam, candidate):
    measured = slope(X, y, w, lam)
    return abs(measured[0] - candidate[0]) / abs(measured[0]) < 1e-4


def check_generously(X, y, w, lam, candidate):
    measured = slope(X, y, w, lam)
    return np.linalg.norm(measured - candidate) < 0.1 * np.linalg.norm(measured)


def check_without_absolute(X, y, w, lam, candidate):
    measured = slope(X, y, w, lam)
    return np.all(candidate - measured < 1e-4 * np.linalg.norm(measured))


def check_that_nothing_exceeds(X, y, w, lam, candidate):
    measured = slope(X, y, w, lam)
    return not np.linalg.norm(measured - candidate) / np.linalg.norm(measured) > 1e-4


def check_divided_by_h(X, y, w, lam, candidate):
    measured = 2 * slope(X, y, w, lam)
    return np.linalg.norm(measured - candidate) < 1e-4 * np.linalg.norm(measured)


def check_with_tiny_step(X, y, w, lam, candidate):
    measured = slope(X, y, w, lam, h=1e-15)
    return np.linalg.norm(measured - candidate) < 1e-4 * np.linalg.norm(measured)


RIGHT = {
    "01.repair": [repair_by_descent, repair_by_equation],
    "01.translate": [translate_by_table, translate_by_words],
    "01.gradient_check": [check_by_norm, check_by_largest],
}

WRONG = {
    "01.repair": {
        "target forgotten": repair_without_target,
        "sum instead of mean": repair_with_sum,
        "explodes": repair_uphill,
        "swapped": repair_swapped,
        "mean of y as intercept": repair_with_mean_of_y,
        "columns standardised": repair_standardised,
        "intercept missing": repair_without_intercept,
        "intercept penalised": repair_with_penalised_intercept,
        "penalty ignored": repair_with(2, 0),
        "half the penalty": repair_with(2, 1),
        "twice the penalty": repair_with(1, 2),
        "not there yet": repair_with(2, 2, step=0.01, n_steps=1000),
    },
    "01.translate": {
        "backwards": translate_multiplying,
        "n ignored": translate_ignoring_n,
        "halves of the loss ignored": translate_ignoring_halves,
        "square taken for half square": translate_any_square,
        "square halved": translate_square_halved,
    },
    "01.gradient_check": {
        "too generous": check_generously,
        "absolute error": check_absolute,
        "lengths compared": check_lengths,
        "sign of the difference kept": check_without_absolute,
        "one weight only": check_first_weight,
        "NaN accepted": check_that_nothing_exceeds,
        "right ones refused": check_with_tiny_step,
        "divided by h": check_divided_by_h,
    },
}
