import numpy as np

# 09.group_prox


def group_in_a_loop(W1, b1, W2, threshold):
    W1, b1, W2 = W1.copy(), b1.copy(), W2.copy()
    for j in range(len(b1)):
        length = np.sqrt(np.sum(W1[j] ** 2) + b1[j] ** 2 + np.sum(W2[:, j] ** 2))
        factor = 1 - threshold / length if length > threshold else 0.0
        W1[j] *= factor
        b1[j] *= factor
        W2[:, j] *= factor
    return W1, b1, W2


def group_at_once(W1, b1, W2, threshold):
    lengths = np.linalg.norm(np.vstack([W1.T, b1, W2]), axis=0)
    factors = np.clip(lengths - threshold, 0, None) / np.maximum(lengths, 1e-30)
    return [W1 * factors[:, None], b1 * factors, W2 * factors]


def group_by_projection(W1, b1, W2, threshold):
    """Moreau: take away the projection onto the ball of radius threshold."""
    neurons = np.hstack([W1, b1.reshape(-1, 1), W2.T])
    lengths = np.sqrt((neurons**2).sum(axis=1, keepdims=True))
    neurons = neurons - neurons * np.minimum(1, threshold / np.where(lengths == 0, 1, lengths))
    n_in = W1.shape[1]
    return neurons[:, :n_in], neurons[:, n_in], neurons[:, n_in + 1 :].T


def group_in_single_precision(W1, b1, W2, threshold):
    return group_in_a_loop(*(part.astype(np.float32) for part in (W1, b1, W2)), threshold)


def group_by(length_of, *, W1, b1, W2, threshold):
    """Shrink neuron by neuron by a length of one's own."""
    W1, b1, W2 = W1.copy(), b1.copy(), W2.copy()
    for j in range(len(b1)):
        length = length_of(W1[j], b1[j], W2[:, j])
        factor = max(0, 1 - threshold / length) if length else 0
        W1[j], b1[j], W2[:, j] = factor * W1[j], factor * b1[j], factor * W2[:, j]
    return W1, b1, W2


def group_entry_by_entry(W1, b1, W2, threshold):
    return [np.sign(v) * np.maximum(np.abs(v) - threshold, 0) for v in (W1, b1, W2)]


def group_by_array(W1, b1, W2, threshold):
    return [v * max(0, 1 - threshold / np.sqrt(np.sum(np.square(v)))) for v in (W1, b1, W2)]


def group_of_all(W1, b1, W2, threshold):
    length = np.sqrt((W1**2).sum() + (b1**2).sum() + (W2**2).sum())
    share = max(0, length - threshold) / length
    return W1 * share, b1 * share, W2 * share


def group_in_three(W1, b1, W2, threshold):
    def shrink(v):
        length = np.linalg.norm(v)
        return v * (1 - threshold / length) if length > threshold else v * 0

    return (
        np.array([shrink(row) for row in W1]),
        np.array([shrink(bias) for bias in b1]),
        np.array([shrink(column) for column in W2.T]).T,
    )


def group_of_rows(W1, b1, W2, threshold):
    length = np.linalg.norm(W1, axis=1, keepdims=True)
    return W1 * np.maximum(length - threshold, 0) / np.maximum(length, 1e-30), b1, W2


def group_measuring_rows(W1, b1, W2, threshold):
    return group_by(
        lambda row, bias, column: np.sqrt(row @ row + bias**2),
        W1=W1,
        b1=b1,
        W2=W2,
        threshold=threshold,
    )


def group_keeping_biases(W1, b1, W2, threshold):
    W1, _, W2 = group_at_once(W1, b1, W2, threshold)
    return W1, b1, W2


def group_not_measuring_biases(W1, b1, W2, threshold):
    return group_by(
        lambda row, bias, column: np.linalg.norm(np.append(row, column)),
        W1=W1,
        b1=b1,
        W2=W2,
        threshold=threshold,
    )


def group_adding_lengths(W1, b1, W2, threshold):
    return group_by(
        lambda row, bias, column: np.linalg.norm(row) + abs(bias) + np.linalg.norm(column),
        W1=W1,
        b1=b1,
        W2=W2,
        threshold=threshold,
    )


def group_in_l1(W1, b1, W2, threshold):
    return group_by(
        lambda row, bias, column: sum(abs(row)) + abs(bias) + sum(abs(column)),
        W1=W1,
        b1=b1,
        W2=W2,
        threshold=threshold,
    )


def group_squared(W1, b1, W2, threshold):
    return group_by(
        lambda row, bias, column: row @ row + bias * bias + column @ column,
        W1=W1,
        b1=b1,
        W2=W2,
        threshold=threshold,
    )


def group_by_size(W1, b1, W2, threshold):
    size = W1[0].size + 1 + W2[:, 0].size
    return group_in_a_loop(W1, b1, W2, threshold * np.sqrt(size))


def group_not_clipped(W1, b1, W2, threshold):
    lengths = np.linalg.norm(np.vstack([W1.T, b1, W2]), axis=0)
    factors = np.where(lengths == 0, 0, 1 - threshold / np.where(lengths == 0, 1, lengths))
    return W1 * factors[:, None], b1 * factors, W2 * factors


def group_hard(W1, b1, W2, threshold):
    survives = np.linalg.norm(np.vstack([W1.T, b1, W2]), axis=0) > threshold
    return W1 * survives[:, None], b1 * survives, W2 * survives


def group_swapped(W1, b1, W2, threshold):
    W1, b1, W2 = W1.copy(), b1.copy(), W2.copy()
    for j in range(len(b1)):
        length = np.sqrt(np.sum(W1[j] ** 2) + b1[j] ** 2 + np.sum(W2[j] ** 2))
        factor = max(0, 1 - threshold / length) if length > 0 else 0
        W1[j] *= factor
        b1[j] *= factor
        W2[j] *= factor
    return W1, b1, W2


def group_dividing_by_zero(W1, b1, W2, threshold):
    lengths = np.sqrt((W1**2).sum(1) + b1**2 + (W2**2).sum(0))
    factors = np.maximum(lengths - threshold, 0) / lengths
    return W1 * factors[:, None], b1 * factors, W2 * factors


# 09.balance


def balance_at_once(W1, b1, W2, b2):
    heard, said = np.linalg.norm(W1, axis=1), np.linalg.norm(W2, axis=0)
    idle = (heard == 0) | (said == 0)
    c = np.ones(len(b1))
    c[~idle] = np.sqrt(said[~idle] / heard[~idle])
    return W1 * c[:, None], b1 * c, W2 / c, b2


def balance_by_lengths(W1, b1, W2, b2):
    """Both lengths become their geometric mean."""
    W1, b1, W2 = W1.copy(), b1.copy(), W2.copy()
    for j in range(len(b1)):
        heard, said = np.sqrt(np.sum(W1[j] ** 2)), np.sqrt(np.sum(W2[:, j] ** 2))
        if heard * said > 0:
            mean = (heard * said) ** 0.5
            W1[j], b1[j] = W1[j] * mean / heard, b1[j] * mean / heard
            W2[:, j] = W2[:, j] * mean / said
    return [W1, b1, W2, b2]


def balance_in_single_precision(W1, b1, W2, b2):
    return balance_by_lengths(*(part.astype(np.float32) for part in (W1, b1, W2, b2)))


def factors(W1, W2):
    heard, said = np.linalg.norm(W1, axis=1), np.linalg.norm(W2, axis=0)
    return np.sqrt(np.divide(said, heard, out=np.ones(len(W1)), where=heard * said > 0))


def balance_with(c, W1, b1, W2, b2):
    return c.reshape(-1, 1) * W1, c * b1, W2 / c.reshape(1, -1), b2


def balance_scaling_b2(W1, b1, W2, b2):
    c = factors(W1, W2)
    return c[:, None] * W1, c * b1, W2 / c, b2 / c


def balance_keeping_b1(W1, b1, W2, b2):
    c = factors(W1, W2)
    return c[:, None] * W1, b1, W2 / c, b2


def balance_multiplying_both(W1, b1, W2, b2):
    c = factors(W1, W2)
    return c[:, None] * W1, c * b1, c * W2, b2


def balance_keeping_W2(W1, b1, W2, b2):
    c = factors(W1, W2)
    return c[:, None] * W1, c * b1, W2, b2


def balance_normalising_both(W1, b1, W2, b2):
    with np.errstate(all="ignore"):
        row, column = np.linalg.norm(W1, axis=1), np.linalg.norm(W2, axis=0)
        return W1 / row[:, None], b1 / row, W2 / column, b2


def balance_to_one(W1, b1, W2, b2):
    row = np.linalg.norm(W1, axis=1)
    row[row == 0] = 1
    return W1 / row[:, None], b1 / row, W2 * row, b2


def balance_without_root(W1, b1, W2, b2):
    return balance_with(factors(W1, W2) ** 2, W1, b1, W2, b2)


def balance_upside_down(W1, b1, W2, b2):
    return balance_with(1 / factors(W1, W2), W1, b1, W2, b2)


def balance_measuring_b1(W1, b1, W2, b2):
    heard = np.sqrt((W1**2).sum(axis=1) + b1**2)
    said = np.sqrt((W2**2).sum(axis=0))
    return balance_with(np.sqrt(np.where(said > 0, said, heard) / heard), W1, b1, W2, b2)


def balance_in_l1(W1, b1, W2, b2):
    heard, said = abs(W1).sum(axis=1), abs(W2).sum(axis=0)
    works = heard * said > 0
    c = np.where(works, said, 1) / np.where(works, heard, 1)
    return balance_with(c**0.5, W1, b1, W2, b2)


def balance_of_layers(W1, b1, W2, b2):
    c = (np.sum(W2**2) / np.sum(W1**2)) ** 0.25
    return c * W1, c * b1, W2 / c, b2


def balance_swapped(W1, b1, W2, b2):
    W1, b1, W2 = W1.copy(), b1.copy(), W2.copy()
    for j in range(len(b1)):
        heard, said = np.linalg.norm(W1[j]), np.linalg.norm(W2[j])
        if heard > 0 and said > 0:
            c = np.sqrt(said / heard)
            W1[j] *= c
            b1[j] *= c
            W2[j] /= c
    return W1, b1, W2, b2


def balance_dividing_by_zero(W1, b1, W2, b2):
    c = np.sqrt(np.linalg.norm(W2, axis=0) / np.linalg.norm(W1, axis=1))
    return c[:, None] * W1, c * b1, W2 / c, b2


def balance_with_a_small_number(W1, b1, W2, b2):
    heard, said = np.linalg.norm(W1, axis=1) + 1e-9, np.linalg.norm(W2, axis=0) + 1e-9
    return balance_with(np.sqrt(said / heard), W1, b1, W2, b2)


RIGHT = {
    "09.group_prox": [
        group_in_a_loop,
        group_at_once,
        group_by_projection,
        group_in_single_precision,
    ],
    "09.balance": [balance_at_once, balance_by_lengths, balance_in_single_precision],
}

WRONG = {
    "09.group_prox": {
        "division by zero": group_dividing_by_zero,
        "entry by entry": group_entry_by_entry,
        "one group per array": group_by_array,
        "one group": group_of_all,
        "three groups": group_in_three,
        "incoming only": group_of_rows,
        "outgoing not measured": group_measuring_rows,
        "bias not shrunk": group_keeping_biases,
        "bias not measured": group_not_measuring_biases,
        "sum of lengths": group_adding_lengths,
        "sum of absolute values": group_in_l1,
        "squared length": group_squared,
        "scaled by group size": group_by_size,
        "crosses zero": group_not_clipped,
        "survivors not shrunk": group_hard,
        "rows and columns swapped": group_swapped,
    },
    "09.balance": {
        "last bias scaled": balance_scaling_b2,
        "bias not scaled": balance_keeping_b1,
        "outgoing times c": balance_multiplying_both,
        "outgoing left alone": balance_keeping_W2,
        "both normalised": balance_normalising_both,
        "length 1": balance_to_one,
        "root missing": balance_without_root,
        "upside down": balance_upside_down,
        "bias measured": balance_measuring_b1,
        "other norm": balance_in_l1,
        "one factor": balance_of_layers,
        "rows and columns swapped": balance_swapped,
        "division by zero": balance_dividing_by_zero,
        "idle ones changed": balance_with_a_small_number,
    },
}
