import warnings

import numpy as np
from sklearn.linear_model import ElasticNet

# 02.group


def group_by_factor(w, groups, threshold):
    result = np.zeros_like(w)
    for group in groups:
        length = np.sqrt(np.sum(w[group] ** 2))
        if length > threshold:
            result[group] = (1 - threshold / length) * w[group]
    return result


def group_by_projection(w, groups, threshold):
    """Moreau: what the prox takes away is the projection onto a ball of radius threshold."""
    result = [0.0] * len(w)
    for group in groups:
        taken = [w[j] for j in group]
        length = sum(value**2 for value in taken) ** 0.5
        if length > threshold:
            taken = [value * threshold / length for value in taken]
        for j, value in zip(group, taken, strict=True):
            result[j] = w[j] - value
    return result


def group_entry_by_entry(w, groups, threshold):
    result = w.copy()
    for group in groups:
        for j in group:
            if abs(w[j]) <= threshold:
                result[j] = 0
            else:
                result[j] = w[j] - threshold if w[j] > 0 else w[j] + threshold
    return result


def group_keeping_signs(w, groups, threshold):
    result = w.copy()
    for group in groups:
        length = np.linalg.norm(w[group])
        result[group] = np.sign(w[group]) * np.maximum(length - threshold, 0)
    return result


def group_with_squared_norm(w, groups, threshold):
    result = w.copy()
    for group in groups:
        result[group] *= max(0, 1 - threshold / np.sum(w[group] ** 2))
    return result


def group_with_absolute_values(w, groups, threshold):
    result = w.copy()
    for group in groups:
        length = np.linalg.norm(w[group], ord=1)
        result[group] = w[group] / length * max(length - threshold, 0)
    return result


def group_scaled_by_size(w, groups, threshold):
    result = np.zeros(len(w))
    for group in groups:
        limit = np.sqrt(len(group)) * threshold
        length = np.linalg.norm(w[group])
        if length > limit:
            result[group] = w[group] * (length - limit) / length
    return result


def group_all_in_one(w, groups, threshold):
    return w * max(0, 1 - threshold / np.linalg.norm(w))


def group_without_shrinking(w, groups, threshold):
    result = w.copy()
    for group in groups:
        if np.linalg.norm(w[group]) <= threshold:
            result[group] = 0
    return result


def group_crossing_zero(w, groups, threshold):
    result = w.copy()
    for group in groups:
        result[group] = w[group] - threshold * w[group] / np.linalg.norm(w[group])
    return result


def group_dividing_by_zero(w, groups, threshold):
    result = w.copy()
    for group in groups:
        length = np.linalg.norm(w[group])
        result[group] = w[group] / length * np.maximum(length - threshold, 0)
    return result


def group_unless_all_nonzero(w, groups, threshold):
    result = np.zeros_like(w)
    for group in groups:
        if np.all(w[group]):
            result[group] = max(0, 1 - threshold / np.linalg.norm(w[group])) * w[group]
    return result


def group_listed_by_group(w, groups, threshold):
    parts = []
    for group in groups:
        length = np.linalg.norm(w[group])
        parts.append(w[group] * (1 - threshold / length if length > threshold else 0))
    return np.concatenate(parts)


# 02.alpha_max


def alpha_max_by_slope(X, y, l1_ratio):
    slopes = X.T @ (y - np.mean(y)) / X.shape[0]
    return np.max(np.abs(slopes)) / l1_ratio


def alpha_max_by_search(X, y, l1_ratio):
    """Halve the interval between an alpha that keeps a weight and one that keeps none."""
    low, high = 0.0, 1e6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(60):
            middle = (low + high) / 2
            model = ElasticNet(alpha=middle, l1_ratio=l1_ratio, tol=0, max_iter=3)
            if model.fit(X, y).coef_.any():
                low = middle
            else:
                high = middle
    return high


def alpha_max_not_centred(X, y, l1_ratio):
    return np.max(np.abs(np.dot(y, X))) / (len(X) * l1_ratio)


def alpha_max_standardised(X, y, l1_ratio):
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    return np.max(np.abs(Z.T @ (y - y.mean()))) / (len(y) * l1_ratio)


def alpha_max_of_sum(X, y, l1_ratio):
    return np.max(np.abs(X.T @ (y - y.mean()))) / l1_ratio


def alpha_max_times(factor):
    def alpha_max(X, y, l1_ratio):
        return factor(l1_ratio) * np.max(np.abs(X.T @ (y - y.mean()))) / len(y)

    return alpha_max


def alpha_max_with_sign(X, y, l1_ratio):
    return max((X - X.mean(axis=0)).T @ (y - y.mean())) / len(y) / l1_ratio


def alpha_max_by_covariance(X, y, l1_ratio):
    return max(abs(np.cov(column, y)[0, 1]) for column in X.T) / l1_ratio


def alpha_max_in_single_precision(X, y, l1_ratio):
    return alpha_max_by_slope(X.astype(np.float32), y.astype(np.float32), np.float32(l1_ratio))


# 02.elastic_prox


def elastic_prox_by_formula(v, step, lam, l1_ratio):
    shrunk = np.where(v > step * lam * l1_ratio, v - step * lam * l1_ratio, 0.0)
    return shrunk / (1 + step * lam * (1 - l1_ratio))


def elastic_prox_by_bisection(v, step, lam, l1_ratio):
    """Look for the place where the derivative of the objective turns from minus to plus."""
    result = []
    for entry in v.flat:
        low, high = 0.0, max(float(entry), 0.0)
        for _ in range(80):
            w = (low + high) / 2
            slope = w - entry + step * lam * (l1_ratio + (1 - l1_ratio) * w)
            low, high = (low, w) if slope > 0 else (w, high)
        result.append(low)
    return np.reshape(result, v.shape)


def elastic_prox_of_both_signs(v, step, lam, l1_ratio):
    w = []
    for entry in v.ravel():
        if entry > step * lam * l1_ratio:
            w.append(entry - step * lam * l1_ratio)
        elif entry < -step * lam * l1_ratio:
            w.append(entry + step * lam * l1_ratio)
        else:
            w.append(0.0)
    return np.array(w).reshape(v.shape) / (1 + step * lam * (1 - l1_ratio))


def elastic_prox_absolute(v, step, lam, l1_ratio):
    return np.abs(elastic_prox_of_both_signs(v, step, lam, l1_ratio))


def elastic_prox_not_clipped(v, step, lam, l1_ratio):
    return [(x - step * lam * l1_ratio) / (1 + step * lam * (1 - l1_ratio)) for x in v]


def elastic_prox_shrunk_first(v, step, lam, l1_ratio):
    shrunk = v / (1 + step * lam * (1 - l1_ratio))
    return np.clip(shrunk - step * lam * l1_ratio, 0, None)


def elastic_prox_in_a_row(v, step, lam, l1_ratio):
    w = np.zeros(len(v))
    for j in range(len(v)):
        if v[j] > step * lam * l1_ratio:
            w[j] = (v[j] - step * lam * l1_ratio) / (1 + step * lam * (1 - l1_ratio))
    return w


def elastic_prox_with(threshold, denominator):
    def elastic_prox(v, step, lam, l1_ratio):
        moved = np.clip(v - threshold(step, lam, l1_ratio), 0, None)
        return moved / denominator(step, lam, l1_ratio)

    return elastic_prox


RIGHT = {
    "02.group": [group_by_factor, group_by_projection],
    "02.alpha_max": [alpha_max_by_slope, alpha_max_by_search, alpha_max_in_single_precision],
    "02.elastic_prox": [elastic_prox_by_formula, elastic_prox_by_bisection],
}

WRONG = {
    "02.group": {
        "taken for zero": group_unless_all_nonzero,
        "entry by entry": group_entry_by_entry,
        "sign instead of direction": group_keeping_signs,
        "squared norm": group_with_squared_norm,
        "sum of absolute values": group_with_absolute_values,
        "scaled by group size": group_scaled_by_size,
        "groups ignored": group_all_in_one,
        "survivors not shrunk": group_without_shrinking,
        "crosses zero": group_crossing_zero,
        "division by zero": group_dividing_by_zero,
        "listed by group": group_listed_by_group,
    },
    "02.alpha_max": {
        "not centred": alpha_max_not_centred,
        "standardised": alpha_max_standardised,
        "sum instead of mean": alpha_max_of_sum,
        "divisor n - 1": alpha_max_by_covariance,
        "half": alpha_max_times(lambda share: 0.5 / share),
        "twice": alpha_max_times(lambda share: 2 / share),
        "sign kept": alpha_max_with_sign,
        "l1_ratio forgotten": alpha_max_times(lambda share: 1),
        "multiplied by l1_ratio": alpha_max_times(lambda share: share),
        "l1_ratio swapped": alpha_max_times(lambda share: 1 / (1 - share)),
    },
    "02.elastic_prox": {
        "negative entries kept": elastic_prox_of_both_signs,
        "absolute value": elastic_prox_absolute,
        "not clipped": elastic_prox_not_clipped,
        "shrunk before the threshold": elastic_prox_shrunk_first,
        "step missing in the denominator": elastic_prox_with(
            lambda s, lam, share: s * lam * share, lambda s, lam, share: 1 + lam * (1 - share)
        ),
        "step missing": elastic_prox_with(
            lambda s, lam, share: lam * share, lambda s, lam, share: 1 + lam - lam * share
        ),
        "l1_ratio swapped": elastic_prox_with(
            lambda s, lam, share: s * lam * (1 - share), lambda s, lam, share: 1 + s * lam * share
        ),
        "L2 forgotten": elastic_prox_with(
            lambda s, lam, share: s * lam * share, lambda s, lam, share: 1
        ),
        "half forgotten": elastic_prox_with(
            lambda s, lam, share: s * lam * share,
            lambda s, lam, share: 1 + 2 * s * lam * (1 - share),
        ),
        "one row only": elastic_prox_in_a_row,
    },
}
