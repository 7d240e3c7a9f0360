import math

import numpy as np
import torch

# 06.row_mask


def row_mask_by_places(weight, sparsity):
    k = round(sparsity * weight.shape[1])
    order = np.argsort(np.abs(weight), axis=1, kind="stable")
    mask = np.ones(weight.shape, dtype=bool)
    np.put_along_axis(mask, order[:, :k], False, axis=1)
    return mask


def row_mask_by_counting(weight, sparsity):
    """Keep a weight if enough of its row are smaller, or equal and further to the left."""
    mask = []
    for row in weight.tolist():
        size = [abs(value) for value in row]
        before = [
            sum(other < mine or (other == mine and k < j) for k, other in enumerate(size))
            for j, mine in enumerate(size)
        ]
        mask.append([rank >= round(sparsity * len(row)) for rank in before])
    return mask


def row_mask_of_torch(weight, sparsity):
    size = torch.tensor(weight, dtype=torch.float32).abs()
    rank = size.argsort(dim=1, stable=True).argsort(dim=1)
    return rank >= round(sparsity * size.shape[1])


def row_mask_in_floats(weight, sparsity):
    return np.array(row_mask_by_places(weight, sparsity), dtype=np.float32)


def row_mask_that_removes(count, score=np.abs):
    """Remove the count(n_out, n_in, sparsity) lowest scores of each row."""

    def row_mask(weight, sparsity):
        mask = np.full(weight.shape, True)
        for kept, row in zip(mask, score(weight), strict=True):
            kept[sorted(range(len(row)), key=row.__getitem__)[: count(*weight.shape, sparsity)]] = 0
        return mask

    return row_mask


def row_mask_of_all(weight, sparsity):
    flat = np.ones(weight.size, bool)
    flat[np.argsort(abs(weight).flatten(), kind="stable")[: round(sparsity * weight.size)]] = False
    return flat.reshape(weight.shape)


def row_mask_of_columns(weight, sparsity):
    k = round(sparsity * weight.shape[0])
    order = np.argsort(np.abs(weight), axis=0, kind="stable")
    mask = np.ones(weight.shape, dtype=bool)
    np.put_along_axis(mask, order[:k], False, axis=0)
    return mask


def row_mask_last_first(weight, sparsity):
    n = weight.shape[1]
    mask = np.zeros(weight.shape, dtype=bool)
    for i, row in enumerate(np.abs(weight)):
        from_large_to_small = np.argsort(-row, kind="stable")
        mask[i, from_large_to_small[: n - round(sparsity * n)]] = True
    return mask


def row_mask_of_neurons(weight, sparsity):
    length = np.linalg.norm(weight, axis=1)
    keep = np.ones(len(weight), bool)
    keep[np.argsort(length, kind="stable")[: round(sparsity * len(weight))]] = False
    return np.repeat(keep[:, None], weight.shape[1], axis=1)


def row_mask_from_the_end(weight, sparsity):
    k = weight.shape[1] - round(sparsity * weight.shape[1])
    order = np.argsort(np.abs(weight), axis=1, kind="stable")
    mask = np.zeros(weight.shape, dtype=bool)
    for i in range(len(weight)):
        mask[i, order[i, -k:]] = True
    return mask


def row_mask_above(weight, sparsity):
    k = round(sparsity * weight.shape[1])
    return [list(abs(row) > sorted(abs(row))[k - 1]) for row in weight]


def row_mask_from(weight, sparsity):
    k = round(sparsity * weight.shape[1])
    threshold = np.partition(np.abs(weight), k, axis=1)[:, k]
    return np.abs(weight) >= threshold[:, None]


def row_mask_by_quantile(weight, sparsity):
    size = np.abs(weight)
    return size > np.quantile(size, sparsity, axis=1, keepdims=True)


def row_mask_by_heap(weight, sparsity):
    k = round(sparsity * weight.shape[1])
    mask = np.ones(weight.shape, dtype=bool)
    for row, kept in zip(np.abs(weight), mask, strict=True):
        kept[np.argsort(row, kind="heapsort")[:k]] = False
    return mask


# networks


def logits_of(network, X):
    *hidden, (W, b) = network
    for V, c in hidden:
        X = np.maximum(X @ V.T + c, 0)
    return X @ W.T + b


def error_of(network, X, y):
    return np.mean(np.argmax(logits_of(network, X), axis=1) != y)


def error_in_single_precision(network, X, y):
    x = torch.tensor(X, dtype=torch.float32)
    for number, (W, b) in enumerate(network):
        W, b = (torch.tensor(part, dtype=torch.float32) for part in (W, b))
        x = torch.nn.functional.linear(x.relu() if number else x, W, b)
    return (x.argmax(dim=1) != torch.tensor(y)).float().mean().item()


def error_of_a_linear_network(network, X, y):
    for W, b in network:
        X = X @ W.T + b
    return np.mean(X.argmax(1) != y)


def error_with_relu_everywhere(network, X, y):
    for W, b in network:
        X = np.clip(X @ W.T + b, 0, None)
    return np.mean(X.argmax(1) != y)


def error_without_biases(network, X, y):
    *hidden, (W, _) = network
    for V, _ in hidden:
        X = np.maximum(X @ V.T, 0)
    return np.mean(np.argmax(X @ W.T, axis=1) != y)


def number_of_errors(network, X, y):
    return np.sum(np.argmax(logits_of(network, X), axis=1) != y)


def zeros_at(values, places):
    values = values.copy()
    values[places] = 0
    return values


def smallest(values, sparsity):
    return zeros_at(values, np.argsort(abs(values), kind="stable")[: round(sparsity * len(values))])


def smallest_of_share(values, sparsity):
    order = np.argsort(np.abs(values), kind="stable")
    return zeros_at(values, order[: round((1 - sparsity) * len(values))])


def smallest_percent(values, sparsity):
    return np.where(np.abs(values) > np.percentile(np.abs(values), sparsity), values, 0)


def above_sparsity(values, sparsity):
    return values * (np.abs(values) > sparsity)


def largest(values, sparsity):
    order = np.argsort(-np.abs(values), kind="stable")
    return zeros_at(values, order[: round(sparsity * len(values))])


def lowest(values, sparsity):
    return zeros_at(values, np.argsort(values, kind="stable")[: round(sparsity * len(values))])


def not_above_threshold(values, sparsity):
    threshold = np.sort(abs(values))[round(sparsity * len(values)) - 1]
    return np.where(abs(values) <= threshold, 0, values)


def smallest_last_first(values, sparsity):
    from_large_to_small = np.argsort(-np.abs(values), kind="stable")
    kept = from_large_to_small[: len(values) - round(sparsity * len(values))]
    return np.where(np.isin(np.arange(len(values)), kept), values, 0)


def smallest_rounded_down(values, sparsity):
    return zeros_at(values, np.argsort(abs(values), kind="stable")[: int(sparsity * len(values))])


# 06.restore


def prune_together(network, sparsity, zero=smallest):
    flat = zero(np.concatenate([W.ravel() for W, _ in network]), sparsity)
    pruned = []
    for W, b in network:
        pruned.append((flat[: W.size].reshape(W.shape), b))
        flat = flat[W.size :]
    return pruned


def prune_with_biases(network, sparsity):
    sizes = [W.size + b.size for W, b in network]
    flat = np.concatenate([np.append(W, b) for W, b in network])
    parts = np.split(smallest(flat, sparsity), np.cumsum(sizes)[:-1])
    return [
        (part[: W.size].reshape(W.shape), part[W.size :])
        for part, (W, _) in zip(parts, network, strict=True)
    ]


def prune_each(network, sparsity):
    return [(smallest(W.ravel(), sparsity).reshape(W.shape), b) for W, b in network]


def restore_in_a_loop(network, sparsities, X, y, limit):
    accepted = network
    for sparsity in sparsities:
        candidate = prune_together(network, sparsity)
        if error_of(candidate, X, y) > limit:
            break
        accepted = candidate
    return accepted


def restore_from_the_last(network, sparsities, X, y, limit):
    """Prune what was accepted last: its zeros are the smallest, so they go first again."""
    for sparsity in sparsities:
        candidate = prune_together(network, sparsity)
        if 1 - np.mean(np.argmax(logits_of(candidate, X), axis=1) == y) > limit:
            return network
        network = candidate
    return network


def restore_in_single_precision(network, sparsities, X, y, limit):
    network = [tuple(part.astype(np.float32) for part in layer) for layer in network]
    tried = [network, *(prune_together(network, sparsity) for sparsity in sparsities)]
    passed = [error_in_single_precision(one, X, y) <= limit for one in tried[1:]]
    return [[torch.tensor(W), torch.tensor(b)] for W, b in tried[[*passed, False].index(False)]]


def restore_with(prune=prune_together, error=error_of):
    def restore(network, sparsities, X, y, limit):
        accepted = network
        for sparsity in sparsities:
            candidate = prune(network, sparsity)
            if error(candidate, X, y) > limit:
                return accepted
            accepted = candidate
        return accepted

    return restore


def restore_choosing(zero):
    return restore_with(prune=lambda network, sparsity: prune_together(network, sparsity, zero))


def restore_never(network, sparsities, X, y, limit):
    for sparsity in sparsities:
        candidate = prune_together(network, sparsity)
        if error_of(candidate, X, y) > limit:
            break
    return network


def restore_original(network, sparsities, X, y, limit):
    pruned = network
    for sparsity in sparsities:
        pruned = prune_together(network, sparsity)
        if error_of(pruned, X, y) > limit:
            return network
    return pruned


def restore_refused(network, sparsities, X, y, limit):
    pruned = network
    for sparsity in sparsities:
        pruned = prune_together(network, sparsity)
        if error_of(pruned, X, y) > limit:
            break
    return pruned


def restore_nothing(network, sparsities, X, y, limit):
    for sparsity in sparsities:
        pruned_network = prune_together(network, sparsity)
        best_network = pruned_network
    return best_network


def restore_without_break(network, sparsities, X, y, limit):
    accepted = network
    for sparsity in sparsities:
        candidate = prune_together(network, sparsity)
        if error_of(candidate, X, y) <= limit:
            accepted = candidate
    return accepted


def restore_below(network, sparsities, X, y, limit):
    accepted = network
    for sparsity in sparsities:
        candidate = prune_together(network, sparsity)
        if not error_of(candidate, X, y) < limit:
            break
        accepted = candidate
    return accepted


def restore_while_accurate(network, sparsities, X, y, limit):
    accepted = network
    for sparsity in sparsities:
        candidate = prune_together(network, sparsity)
        accuracy = np.mean(np.argmax(logits_of(candidate, X), axis=1) == y)
        if accuracy < limit:
            break
        accepted = candidate
    return accepted


def restore_relative(network, sparsities, X, y, limit):
    return restore_in_a_loop(network, sparsities, X, y, limit + error_of(network, X, y))


def restore_best(network, sparsities, X, y, limit):
    best, lowest_error = network, math.inf
    for sparsity in sparsities:
        candidate = prune_together(network, sparsity)
        error = error_of(candidate, X, y)
        if error > limit:
            break
        if error < lowest_error:
            best, lowest_error = candidate, error
    return best


def restore_first(network, sparsities, X, y, limit):
    for sparsity in sparsities:
        candidate = prune_together(network, sparsity)
        if error_of(candidate, X, y) <= limit:
            return candidate
    return network


def restore_of_what_is_left(network, sparsities, X, y, limit):
    def shrink(network, sparsity):
        flat = np.concatenate([W.ravel() for W, _ in network])
        n_zeros = np.sum(flat == 0)
        n_removed = n_zeros + round(sparsity * (flat.size - n_zeros))
        return prune_together(network, n_removed / flat.size)

    for sparsity in sparsities:
        candidate = shrink(network, sparsity)
        if error_of(candidate, X, y) > limit:
            return network
        network = candidate
    return network


# 06.sensitivity


def prune_one(network, i, sparsity, zero=smallest):
    W, b = network[i]
    changed = list(network)
    changed[i] = (zero(W.ravel(), sparsity).reshape(W.shape), b)
    return changed


def sensitivity_in_loops(network, sparsities, X, y):
    table = np.zeros((len(network), len(sparsities)))
    for i in range(len(network)):
        for j, sparsity in enumerate(sparsities):
            table[i, j] = error_of(prune_one(network, i, sparsity), X, y) - error_of(network, X, y)
    return table


def sensitivity_in_single_precision(network, sparsities, X, y):
    """Undo each pruning by hand."""
    network = [[W.astype(np.float32), b] for W, b in network]
    before = error_in_single_precision(network, X, y)
    rows = []
    for layer in network:
        dense, row = layer[0], []
        for sparsity in sparsities:
            layer[0] = smallest(dense.ravel(), sparsity).reshape(dense.shape)
            row.append(error_in_single_precision(network, X, y) - before)
        layer[0] = dense
        rows.append(row)
    return rows


def sensitivity_with(change=prune_one, error=error_of, number=lambda now, before: now - before):
    def sensitivity(network, sparsities, X, y):
        before = error(network, X, y)
        return [
            [number(error(change(network, i, s), X, y), before) for s in sparsities]
            for i in range(len(network))
        ]

    return sensitivity


def sensitivity_choosing(zero):
    return sensitivity_with(lambda network, i, sparsity: prune_one(network, i, sparsity, zero))


def sensitivity_on_and_on(network, sparsities, X, y):
    table = np.zeros((len(network), len(sparsities)))
    before = error_of(network, X, y)
    for j, sparsity in enumerate(sparsities):
        pruned = list(network)
        for i, (W, b) in enumerate(network):
            pruned[i] = (smallest(W.ravel(), sparsity).reshape(W.shape), b)
            table[i, j] = error_of(pruned, X, y) - before
    return table


def sensitivity_by_columns(network, sparsities, X, y):
    table = []
    for sparsity in sparsities:
        layers = range(len(network))
        table.append([error_of(prune_one(network, i, sparsity), X, y) for i in layers])
    return np.array(table) - error_of(network, X, y)


def prune_others(network, i, sparsity):
    changed = prune_each(network, sparsity)
    changed[i] = network[i]
    return changed


def prune_one_by_all(network, i, sparsity):
    size = np.concatenate([np.abs(W).ravel() for W, _ in network])
    ranks = np.argsort(np.argsort(size, kind="stable"))
    first = sum(W.size for W, _ in network[:i])
    W, b = network[i]
    kept = ranks[first : first + W.size] >= round(sparsity * size.size)
    return [*network[:i], (W * kept.reshape(W.shape), b), *network[i + 1 :]]


def prune_one_with_bias(network, i, sparsity):
    return [*network[:i], *prune_with_biases(network[i : i + 1], sparsity), *network[i + 1 :]]


def prune_neurons(network, i, sparsity):
    W, b = network[i]
    shortest = np.argsort(np.linalg.norm(W, axis=1), kind="stable")[: round(sparsity * len(W))]
    return [*network[:i], (zeros_at(W, shortest), b), *network[i + 1 :]]


def prune_rows(network, i, sparsity):
    W, b = network[i]
    rows = np.array([smallest(row, sparsity) for row in W])
    return [*network[:i], (rows, b), *network[i + 1 :]]


RIGHT = {
    "06.row_mask": [
        row_mask_by_places,
        row_mask_by_counting,
        row_mask_of_torch,
        row_mask_in_floats,
    ],
    "06.restore": [restore_in_a_loop, restore_from_the_last, restore_in_single_precision],
    "06.sensitivity": [sensitivity_in_loops, sensitivity_in_single_precision],
}

WRONG = {
    "06.row_mask": {
        "weights returned": lambda weight, sparsity: np.where(
            row_mask_by_places(weight, sparsity), weight, 0
        ),
        "mask turned": lambda weight, sparsity: ~row_mask_by_places(weight, sparsity),
        "share kept": row_mask_that_removes(
            lambda n_out, n_in, sparsity: n_in - round(sparsity * n_in)
        ),
        "largest removed": row_mask_that_removes(
            lambda n_out, n_in, sparsity: round(sparsity * n_in), lambda weight: -np.abs(weight)
        ),
        "signs kept": row_mask_that_removes(
            lambda n_out, n_in, sparsity: round(sparsity * n_in), lambda weight: weight
        ),
        "all rows together": row_mask_of_all,
        "by column": row_mask_of_columns,
        "neurons counted": row_mask_that_removes(
            lambda n_out, n_in, sparsity: round(sparsity * n_out)
        ),
        "percent": row_mask_that_removes(
            lambda n_out, n_in, sparsity: round(sparsity / 100 * n_in)
        ),
        "sparsity as a threshold": lambda weight, sparsity: abs(weight) > sparsity,
        "rounded down": row_mask_that_removes(lambda n_out, n_in, sparsity: int(sparsity * n_in)),
        "rounded up": row_mask_that_removes(
            lambda n_out, n_in, sparsity: math.ceil(sparsity * n_in)
        ),
        "halves rounded up": row_mask_that_removes(
            lambda n_out, n_in, sparsity: int(sparsity * n_in + 0.5)
        ),
        "halves rounded down": row_mask_that_removes(
            lambda n_out, n_in, sparsity: math.ceil(sparsity * n_in - 0.5)
        ),
        "kept rounded": row_mask_that_removes(
            lambda n_out, n_in, sparsity: n_in - round((1 - sparsity) * n_in)
        ),
        "last tie first": row_mask_last_first,
        "wrong at the ends": row_mask_from_the_end,
        "whole rows": row_mask_of_neurons,
        "ties all removed": row_mask_above,
        "ties all kept": row_mask_from,
        "threshold": row_mask_by_quantile,
        "ties in any order": row_mask_by_heap,
    },
    "06.restore": {
        "original returned": restore_never,
        "all or nothing": restore_original,
        "refused one returned": restore_refused,
        "never evaluated": restore_nothing,
        "goes on after a refusal": restore_without_break,
        "equal refused": restore_below,
        "accuracy for error": restore_with(error=lambda *given: 1 - error_of(*given)),
        "accuracy above the limit": restore_while_accurate,
        "limit relative": restore_relative,
        "best returned": restore_best,
        "first accepted": restore_first,
        "share of what is left": restore_of_what_is_left,
        "each layer alone": restore_with(prune=prune_each),
        "biases pruned": restore_with(prune=prune_with_biases),
        "share kept": restore_choosing(smallest_of_share),
        "percent": restore_choosing(smallest_percent),
        "sparsity as a threshold": restore_choosing(above_sparsity),
        "largest removed": restore_choosing(largest),
        "signs kept": restore_choosing(lowest),
        "threshold": restore_choosing(not_above_threshold),
        "last tie first": restore_choosing(smallest_last_first),
        "rounding": restore_choosing(smallest_rounded_down),
        "no ReLU": restore_with(error=error_of_a_linear_network),
        "ReLU at the end": restore_with(error=error_with_relu_everywhere),
        "biases not added": restore_with(error=error_without_biases),
        "wrong answers counted": restore_with(error=number_of_errors),
    },
    "06.sensitivity": {
        "layers stay pruned": sensitivity_on_and_on,
        "error instead of rise": sensitivity_with(number=lambda now, before: now),
        "transposed": sensitivity_by_columns,
        "sign turned": sensitivity_with(number=lambda now, before: before - now),
        "never below zero": sensitivity_with(number=lambda now, before: max(0, now - before)),
        "rise in proportion": sensitivity_with(number=lambda now, before: (now - before) / before),
        "percent returned": sensitivity_with(number=lambda now, before: (now - before) * 100),
        "all others pruned": sensitivity_with(prune_others),
        "all layers pruned": sensitivity_with(
            lambda network, i, sparsity: prune_together(network, sparsity)
        ),
        "common threshold": sensitivity_with(prune_one_by_all),
        "biases pruned": sensitivity_with(prune_one_with_bias),
        "whole neurons": sensitivity_with(prune_neurons),
        "row by row": sensitivity_with(prune_rows),
        "share kept": sensitivity_choosing(smallest_of_share),
        "percent": sensitivity_choosing(smallest_percent),
        "sparsity as a threshold": sensitivity_choosing(above_sparsity),
        "largest removed": sensitivity_choosing(largest),
        "signs kept": sensitivity_choosing(lowest),
        "threshold": sensitivity_choosing(not_above_threshold),
        "last tie first": sensitivity_choosing(smallest_last_first),
        "rounding": sensitivity_choosing(smallest_rounded_down),
        "no ReLU": sensitivity_with(error=error_of_a_linear_network),
        "ReLU at the end": sensitivity_with(error=error_with_relu_everywhere),
        "biases not added": sensitivity_with(error=error_without_biases),
        "wrong answers counted": sensitivity_with(error=number_of_errors),
    },
}
