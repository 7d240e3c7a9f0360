from fractions import Fraction

import numpy as np

# 08.merge_tanh


def merge_step_by_step(network):
    (W1, b1), (W2, b2) = network
    W2 = W2.copy()
    kept = []
    for j in range(len(b1)):
        for i in kept:
            if np.array_equal(W1[i], W1[j]) and b1[i] == b1[j]:
                W2[:, i] += W2[:, j]
                break
            if np.array_equal(W1[i], -W1[j]) and b1[i] == -b1[j]:
                W2[:, i] -= W2[:, j]
                break
        else:
            kept.append(j)
    return [(W1[kept], b1[kept]), (W2[:, kept], b2)]


def merge_by_a_matrix(network):
    (W1, b1), (W2, b2) = network
    rows = np.hstack([W1, b1[:, None]])
    same = (rows[:, None] == rows[None]).all(axis=2)
    opposite = (rows[:, None] == -rows[None]).all(axis=2)
    first = (same | opposite).argmax(axis=1)
    kept = np.unique(first)
    signs = same.astype(float) - opposite
    return [(W1[kept], b1[kept]), (W2 @ signs[:, kept], b2)]


def merge_by_a_dictionary(network):
    (W1, b1), (W2, b2) = network
    found = {}
    for row, bias, column in zip(W1, b1, W2.T, strict=True):
        key = (*row.tolist(), float(bias))
        turned = tuple(-number for number in key)
        if turned in found:
            found[turned] = found[turned] - column
        else:
            found[key] = found.get(key, 0) + column
    keys = np.array(list(found))
    return ((keys[:, :-1], keys[:, -1]), (np.array(list(found.values())).T, b2))


def merge_in_single_precision(network):
    return merge_step_by_step([(W.astype(np.float32), b.astype(np.float32)) for W, b in network])


def twin_sign(W1, b1, i, j):
    if (W1[i] == W1[j]).all() and b1[i] == b1[j]:
        return 1
    if (W1[i] + W1[j] == 0).all() and b1[i] + b1[j] == 0:
        return -1
    return 0


def groups_of(network, sign=twin_sign):
    """Lists of (index, sign), the first of each list being the one that the others are like."""
    (W1, b1), _ = network
    groups = []
    for j in range(len(b1)):
        for group in groups:
            like = sign(W1, b1, group[0][0], j)
            if like:
                group.append((j, like))
                break
        else:
            groups.append([(j, 1)])
    return groups


def rebuilt(network, groups, outgoing):
    (W1, b1), (W2, b2) = network
    heads = [group[0][0] for group in groups]
    columns = [outgoing([like * W2[:, j] for j, like in group]) for group in groups]
    return [(W1[heads], b1[heads]), (np.stack(columns, axis=1), b2)]


def merge_with(sign):
    def merge(network):
        return rebuilt(network, groups_of(network, sign), sum)

    return merge


def merge_averaging(network):
    return rebuilt(network, groups_of(network), lambda columns: np.mean(columns, axis=0))


def merge_dropping(network):
    return rebuilt(network, groups_of(network), lambda columns: columns[0])


def merge_equal_only(network):
    (W1, b1), (W2, b2) = network
    rows = np.c_[W1, b1]
    _, first, where = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    total = np.stack([W2[:, where.ravel() == k].sum(axis=1) for k in range(len(first))], axis=1)
    order = np.argsort(first)
    kept = first[order]
    return [(W1[kept], b1[kept]), (total[:, order], b2)]


def merge_without_signs(network):
    (W1, b1), (W2, b2) = network
    W2, gone = W2.copy(), set()
    for i in range(len(b1)):
        for j in range(i + 1, len(b1)):
            if i not in gone and j not in gone and twin_sign(W1, b1, i, j):
                W2[:, i] += W2[:, j]
                gone.add(j)
    kept = [i for i in range(len(b1)) if i not in gone]
    return [(W1[kept], b1[kept]), (W2[:, kept], b2)]


def proportional(W1, b1, i, j):
    one, other = np.append(W1[i], b1[i]), np.append(W1[j], b1[j])
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    return np.linalg.norm(other) / np.linalg.norm(one) if cosine > 1 - 1e-9 else 0


def equal_rows(W1, b1, i, j):
    if (W1[i] == W1[j]).all():
        return 1
    return -1 if (W1[i] == -W1[j]).all() else 0


def opposite_row_same_bias(W1, b1, i, j):
    if b1[i] != b1[j]:
        return 0
    return equal_rows(W1, b1, i, j)


def merge_by_next_layer(network):
    W2 = network[1][0]
    groups = groups_of([(W2.T, np.zeros(W2.shape[1])), None])
    return rebuilt(network, groups, sum)


def merge_neighbours(network):
    (W1, b1), (W2, b2) = network
    kept, columns, sign = [0], [W2[:, 0].copy()], 1
    for j in range(1, len(b1)):
        like = twin_sign(W1, b1, j - 1, j)
        if like:
            sign *= like
            columns[-1] += sign * W2[:, j]
        else:
            kept.append(j)
            columns.append(W2[:, j].copy())
            sign = 1
    return [(W1[kept], b1[kept]), (np.stack(columns, axis=1), b2)]


def merge_pairs(network):
    (W1, b1), (W2, b2) = network
    W2, gone = W2.copy(), set()
    for i in range(len(b1)):
        if i in gone:
            continue
        for j in range(i + 1, len(b1)):
            like = twin_sign(W1, b1, i, j)
            if like and j not in gone:
                W2[:, i] += like * W2[:, j]
                gone.add(j)
                break
    kept = [i for i in range(len(b1)) if i not in gone]
    return [(W1[kept], b1[kept]), (W2[:, kept], b2)]


def merge_silencing(network):
    (W1, b1), (W2, b2) = network
    W2 = W2.copy()
    for group in groups_of(network):
        head = group[0][0]
        for j, like in group[1:]:
            W2[:, head] += like * W2[:, j]
            W2[:, j] = 0
    return [(W1, b1), (W2, b2)]


def merge_first_layer_only(network):
    (W1, b1), (W2, b2) = network
    heads = [group[0][0] for group in groups_of(network)]
    return [(W1[heads], b1[heads]), (W2, b2)]


def merge_into_the_last(network):
    (W1, b1), (W2, b2) = network
    tails = sorted((group[-1], group) for group in groups_of(network))
    kept = [j for (j, _), _ in tails]
    columns = [sum(like * sign * W2[:, i] for i, like in group) for (_, sign), group in tails]
    return [(W1[kept], b1[kept]), (np.stack(columns, axis=1), b2)]


def merge_sorted(network):
    """Turn all rows so that their first weight but 0 is positive; np.unique does the rest."""
    (W1, b1), (W2, b2) = network
    signs = np.array([np.sign(row[row != 0][0]) for row in W1])
    rows = np.c_[W1, b1] * signs[:, None]
    rows, where = np.unique(rows, axis=0, return_inverse=True)
    total = np.zeros((len(b2), len(rows)))
    np.add.at(total.T, where.ravel(), (W2 * signs).T)
    return [(rows[:, :-1], rows[:, -1]), (total, b2)]


def merge_flat(network):
    (W1, b1), (W2, b2) = merge_step_by_step(network)
    return W1, b1, W2, b2


# 08.rank


def rank_by_division(n_out, n_in, share):
    budget = share * (n_out * n_in + n_out) - n_out
    return max(int(budget // (n_out + n_in)), 0)


def rank_by_counting(n_out, n_in, share):
    rank = 0
    while n_out * (rank + 1) + (rank + 1) * n_in + n_out <= share * (n_out * n_in + n_out):
        rank += 1
    return rank


def rank_by_trying_all(n_out, n_in, share):
    allowed = share * (n_out * n_in + n_out)
    sizes = np.array([r * n_out + r * n_in + n_out for r in range(1, min(n_out, n_in) + 1)])
    return np.count_nonzero(sizes <= allowed)


def rank_by_fractions(n_out, n_in, share):
    budget = Fraction(share) * (n_out * (n_in + 1)) - n_out
    return float(max(budget // (n_out + n_in), 0))


def rank_by_two_divisions(n_out, n_in, share):
    each = n_out + n_in
    return max(0, int(share * (n_out * n_in + n_out) / each - n_out / each))


def rank_for_each_output(n_out, n_in, share):
    return max(0, int((share * (n_in + 1) - 1) / (1 + n_in / n_out)))


def rank_share_of_full(n_out, n_in, share):
    return int(np.floor(min(n_in, n_out) * share))


def rank_square(n_out, n_in, share):
    return int(share * min(n_out, n_in) // 2)


def rank_first_of_break_even(n_out, n_in, share):
    break_even = max(r for r in range(n_out * n_in) if r * (n_out + n_in) < n_out * n_in)
    return int(break_even * share)


def rank_of_inputs_only(n_out, n_in, share):
    return max(int((share * n_out * (n_in + 1) - n_out) // n_in), 0)


def rank_of_outputs_only(n_out, n_in, share):
    rank = 0
    while n_out * (rank + 1) + n_out <= share * (n_out * n_in + n_out):
        rank += 1
    return rank


def rank_bias_of_inputs(n_out, n_in, share):
    return max(int((share * (n_out * n_in + n_in) - n_in) // (n_out + n_in)), 0)


def rank_without_bias(n_out, n_in, share):
    return int(share * n_out * n_in / (n_out + n_in))


def rank_by_weights(n_out, n_in, share):
    rank = 0
    while (rank + 1) * (n_out + n_in) + n_out <= share * n_out * n_in:
        rank += 1
    return rank


def rank_without_room(n_out, n_in, share):
    return int(share * (n_out * n_in + n_out) // (n_out + n_in))


def rank_two_biases(n_out, n_in, share):
    rank = 0
    while (rank + 1) * (n_out + n_in) + 2 * n_out <= share * (n_out * n_in + n_out):
        rank += 1
    return rank


def rank_with_singular_values(n_out, n_in, share):
    allowed = share * (n_out * n_in + n_out)
    fitting = [r for r in range(1, 200) if n_out * r + r + r * n_in + n_out <= allowed]
    return max(fitting, default=0)


def rank_saving(n_out, n_in, share):
    return rank_by_counting(n_out, n_in, 1 - share)


def rank_strict(n_out, n_in, share):
    fitting = (r for r in range(200) if r * (n_out + n_in) + n_out < share * (n_out * n_in + n_out))
    return max(fitting, default=0)


def rank_up(n_out, n_in, share):
    return max(0, int(np.ceil((share * (n_out * n_in + n_out) - n_out) / (n_out + n_in))))


def rank_nearest(n_out, n_in, share):
    return max(0, round((share * (n_out * n_in + n_out) - n_out) / (n_out + n_in)))


def rank_one_too_many(n_out, n_in, share):
    rank = 0
    while rank * (n_out + n_in) + n_out <= share * (n_out * n_in + n_out):
        rank += 1
    return rank


def rank_at_least_one(n_out, n_in, share):
    return int(np.clip((share * (n_out * n_in + n_out) - n_out) // (n_out + n_in), 1, None))


def rank_negative(n_out, n_in, share):
    return (share * (n_out * n_in + n_out) - n_out) // (n_out + n_in)


def rank_broken(n_out, n_in, share):
    return (share * (n_out * n_in + n_out) - n_out) / (n_out + n_in)


RIGHT = {
    "08.merge_tanh": [
        merge_step_by_step,
        merge_by_a_matrix,
        merge_by_a_dictionary,
        merge_in_single_precision,
    ],
    "08.rank": [
        rank_by_division,
        rank_by_counting,
        rank_by_trying_all,
        rank_by_fractions,
        rank_by_two_divisions,
        rank_for_each_output,
    ],
}

WRONG = {
    "08.merge_tanh": {
        "averaged": merge_averaging,
        "others dropped": merge_dropping,
        "opposites not found": merge_equal_only,
        "sign forgotten": merge_without_signs,
        "rule of the relu": merge_with(proportional),
        "bias not compared": merge_with(equal_rows),
        "bias not turned": merge_with(opposite_row_same_bias),
        "next layer compared": merge_by_next_layer,
        "neighbours only": merge_neighbours,
        "one twin each": merge_pairs,
        "silenced, not removed": merge_silencing,
        "columns left": merge_first_layer_only,
        "last kept": merge_into_the_last,
        "rearranged": merge_sorted,
        "arrays in a row": merge_flat,
    },
    "08.rank": {
        "share of the rank": rank_share_of_full,
        "share of the break-even rank": rank_first_of_break_even,
        "as if square": rank_square,
        "second factor forgotten": rank_of_inputs_only,
        "first factor forgotten": rank_of_outputs_only,
        "bias of the inputs": rank_bias_of_inputs,
        "bias forgotten": rank_without_bias,
        "share of the weights": rank_by_weights,
        "no room for the bias": rank_without_room,
        "two biases of the outputs": rank_two_biases,
        "one number more for each rank": rank_with_singular_values,
        "share saved": rank_saving,
        "equality refused": rank_strict,
        "rounded up": rank_up,
        "rounded to the nearest": rank_nearest,
        "one too many": rank_one_too_many,
        "never zero": rank_at_least_one,
        "below zero": rank_negative,
        "not whole": rank_broken,
    },
}
