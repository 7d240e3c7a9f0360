import numpy as np

from minilib.linear import objective

# 04.predict


def predict_in_one_line(w, noise):
    return np.sum(noise**2 * w**2)


def predict_by_variances(w, noise):
    total = 0.0
    for weight, strength in zip(w, noise, strict=True):
        total += float(weight) ** 2 * float(strength) ** 2
    return total


def predict_by_covariance(w, noise):
    return float(w @ np.diag(noise**2) @ w)


def predict_with_cross_terms(w, noise):
    return float(np.dot(noise, w)) ** 2


def predict_with_noise_as_it_is(w, noise):
    return sum(s * v * v for s, v in zip(noise, w, strict=True))


def predict_with_weights_as_they_are(w, noise):
    return np.sum(noise**2 * abs(w))


def predict_by_l1(w, noise):
    return np.linalg.norm(noise * w, 1)


def predict_with_signs(w, noise):
    return sum(v * s**2 for v, s in zip(w, noise, strict=True))


def predict_by_counting(w, noise):
    return sum(noise[j] ** 2 for j in range(len(w)) if w[j])


def predict_by_two_norms(w, noise):
    return np.linalg.norm(noise) ** 2 * np.linalg.norm(w) ** 2


def predict_with_mean_noise(w, noise):
    return np.mean(noise) ** 2 * np.linalg.norm(w) ** 2


def predict_half(w, noise):
    return 0.5 * np.dot(noise**2, w**2)


def predict_deviation(w, noise):
    return np.linalg.norm(noise * w)


def predict_mean(w, noise):
    return np.mean(np.square(noise * w))


def predict_each(w, noise):
    return [(s * v) ** 2 for s, v in zip(noise, w, strict=True)]


def predict_by_drawing(w, noise):
    drawn = np.random.default_rng(0).standard_normal((10_000, len(w))) * noise
    return np.var(drawn @ w)


# 04.outage


def mean_square(X, y, w, b):
    return ((X @ w + b - y) ** 2).sum() / len(y)


def outage_by_trying(X, y, w):
    b = y.mean() - X.mean(axis=0) @ w
    before = mean_square(X, y, w, b)
    damage = np.zeros(X.shape[1])
    for j in range(X.shape[1]):
        broken = X.copy()
        broken[:, j] = X[:, j].mean()
        damage[j] = mean_square(broken, y, w, b) - before
    return damage


def outage_by_formula(X, y, w):
    part = (X - X.mean(axis=0)) * w
    residual = y - y.mean() - part.sum(axis=1)
    return [float(np.mean((residual + column) ** 2 - residual**2)) for column in part.T]


def outage_with_zero_and_a_new_intercept(X, y, w):
    def error(v):
        return np.var(y - X @ v)

    return np.array([error(np.where(np.arange(len(w)) == j, 0, w)) for j in range(len(w))]) - error(
        w
    )


def outage_in_single_precision(X, y, w):
    return outage_by_trying(X.astype(np.float32), y.astype(np.float32), w.astype(np.float32))


def outage_without_intercept(X, y, w):
    centred = X - X.mean(axis=0)
    residual = y - X @ w
    return w * (2 * centred.T @ residual / len(y) + w * centred.var(axis=0))


def outage_at_zero(X, y, w):
    b = y.mean() - X.mean(axis=0) @ w
    damage = []
    for j in range(len(w)):
        without = w.copy()
        without[j] = 0
        damage.append(mean_square(X, y, without, b) - mean_square(X, y, w, b))
    return damage


def outage_at_the_mean_of_all(X, y, w):
    b = y.mean() - X.mean(axis=0) @ w
    before = mean_square(X, y, w, b)
    damage = []
    for j in range(len(w)):
        broken = X.copy()
        broken[:, j] = X.mean()
        damage.append(mean_square(broken, y, w, b) - before)
    return damage


def outage_one_after_the_other(X, y, w):
    b = y.mean() - X.mean(axis=0) @ w
    before = mean_square(X, y, w, b)
    broken, damage = X.copy(), []
    for j in range(len(w)):
        broken[:, j] = X[:, j].mean()
        damage.append(mean_square(broken, y, w, b) - before)
    return np.array(damage)


def outage_error(X, y, w):
    b = y.mean() - X.mean(axis=0) @ w
    errors = []
    for j in range(len(w)):
        broken = X.copy()
        broken[:, j] = np.mean(X[:, j])
        errors.append(mean_square(broken, y, w, b))
    return errors


def outage_by_weight(X, y, w):
    return w * w


def outage_by_spread(X, y, w):
    return (w * X.std(axis=0)) ** 2


def outage_subtracting(X, y, w):
    residual = y - y.mean() - (X - X.mean(axis=0)) @ w
    damage = []
    for j in range(len(w)):
        worse = residual - w[j] * (X[:, j] - X[:, j].mean())
        damage.append(np.mean(worse**2) - np.mean(residual**2))
    return damage


def outage_with_cross_term_once(X, y, w):
    part = (X - X.mean(axis=0)) * w
    residual = y - y.mean() - part.sum(axis=1)
    return residual @ part / len(y) + np.mean(part**2, axis=0)


def outage_clipped(X, y, w):
    return np.clip(outage_by_trying(X, y, w), 0, None)


def outage_turned(X, y, w):
    b = y.mean() - X.mean(axis=0) @ w
    damage = []
    for j in range(len(w)):
        broken = X.copy()
        broken[:, j] = X[:, j].mean()
        damage.append(mean_square(X, y, w, b) - mean_square(broken, y, w, b))
    return damage


def outage_by_objective(X, y, w):
    target = y - (y.mean() - X.mean(axis=0) @ w)
    damage = []
    for j in range(len(w)):
        broken = X.copy()
        broken[:, j] = X[:, j].mean()
        damage.append(objective(broken, target, w, 0) - objective(X, target, w, 0))
    return np.array(damage)


def outage_summed(X, y, w):
    b = y.mean() - X.mean(axis=0) @ w
    damage = []
    for j in range(len(w)):
        broken = X.copy()
        broken[:, j] = X[:, j].mean()
        damage.append(np.sum((y - b - broken @ w) ** 2) - np.sum((y - b - X @ w) ** 2))
    return np.array(damage)


RIGHT = {
    "04.predict": [predict_in_one_line, predict_by_variances, predict_by_covariance],
    "04.outage": [
        outage_by_trying,
        outage_by_formula,
        outage_in_single_precision,
        outage_without_intercept,
        outage_with_zero_and_a_new_intercept,
    ],
}

WRONG = {
    "04.predict": {
        "cross terms": predict_with_cross_terms,
        "noise not squared": predict_with_noise_as_it_is,
        "weights not squared": predict_with_weights_as_they_are,
        "absolute values": predict_by_l1,
        "signs kept": predict_with_signs,
        "weights counted": predict_by_counting,
        "norms multiplied": predict_by_two_norms,
        "one noise for all": predict_with_mean_noise,
        "halved": predict_half,
        "root taken": predict_deviation,
        "mean over inputs": predict_mean,
        "not added up": predict_each,
        "simulated": predict_by_drawing,
    },
    "04.outage": {
        "failed at zero": outage_at_zero,
        "mean of the table": outage_at_the_mean_of_all,
        "sensors stay broken": outage_one_after_the_other,
        "error instead of rise": outage_error,
        "weight alone": outage_by_weight,
        "residual ignored": outage_by_spread,
        "subtracted twice": outage_subtracting,
        "cross term once": outage_with_cross_term_once,
        "never below zero": outage_clipped,
        "sign turned": outage_turned,
        "halved": outage_by_objective,
        "sum over rows": outage_summed,
    },
}
