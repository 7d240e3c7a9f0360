import numpy as np

# 07.surgery


def forward(network, X):
    """What goes into each layer, and the outputs."""
    inside = [X]
    for number, (W, b) in enumerate(network):
        X = X @ W.T + b
        if number < len(network) - 1:
            X = np.maximum(X, 0)
        inside.append(X)
    return inside


def surgery_forwards(network, X):
    smaller = []
    varies = np.ptp(X, axis=0) > 0
    for number, (W, b) in enumerate(network):
        folded = b + W[:, ~varies] @ X[0, ~varies]
        W = W[:, varies]
        z = X[:, varies] @ W.T + folded
        X = np.maximum(z, 0)
        varies = np.ptp(X, axis=0) > 0
        if number == len(network) - 1:
            varies[:] = True
        smaller.append((W[varies], folded[varies]))
    return smaller


def surgery_backwards(network, X):
    """Cut from the last layer to the first, one neuron at a time."""
    network = [[W.tolist(), b.tolist()] for W, b in network]
    inside = forward([(np.array(W), np.array(b)) for W, b in network], X)
    for number in range(len(network) - 1, -1, -1):
        given = inside[number]
        for j in range(given.shape[1] - 1, -1, -1):
            if len(set(given[:, j])) > 1:
                continue
            W, b = network[number]
            for i in range(len(b)):
                b[i] += W[i].pop(j) * given[0, j]
            if number > 0:
                del network[number - 1][0][j], network[number - 1][1][j]
    return [(np.array(W), np.array(b)) for W, b in network]


def surgery_in_single_precision(network, X):
    network = [(W.astype(np.float32), b.astype(np.float32)) for W, b in network]
    return surgery_forwards(network, X.astype(np.float32))


def surgery_by_a_mean(network, X):
    """The mean of what never changes is what it always is."""
    inside = forward(network, X)
    kept = [np.std(given, axis=0) > 1e-6 for given in inside]
    kept[-1][:] = True
    return [
        [W[kept[k + 1]][:, kept[k]], (b + W @ np.where(kept[k], 0, inside[k].mean(0)))[kept[k + 1]]]
        for k, (W, b) in enumerate(network)
    ]


def operate(network, inside, *, fold=lambda W, constant: W @ constant, kept=None):
    """Cut by `kept`, which comes from the values inside, and fold the first row of them."""
    kept = kept or [np.any(values != values[:1], axis=0) for values in inside[:-1]]
    kept = [*kept, np.ones(len(network[-1][1]), dtype=bool)]
    result = []
    for k, (W, b) in enumerate(network):
        b = b + fold(W[:, ~kept[k]], inside[k][0][~kept[k]])
        result.append((W[kept[k + 1]][:, kept[k]], b[kept[k + 1]]))
    return result


def surgery_transposed(network, X):
    return [(W.transpose(), b) for W, b in surgery_forwards(network, X)]


def surgery_without_biases(network, X):
    right = surgery_forwards(network, X)
    return [(W, b) for (W, _), (_, b) in zip(right, network, strict=True)]


def surgery_without_columns(network, X):
    right = surgery_forwards(network, X)
    smaller = []
    for number, (W, _) in enumerate(network):
        rows = np.ones(len(W), dtype=bool)
        if number < len(network) - 1:
            rows = np.ptp(forward(network, X)[number + 1], axis=0) > 0
        smaller.append((W[rows], right[number][1]))
    return smaller


def surgery_without_folding(network, X):
    return operate(network, forward(network, X), fold=lambda W, constant: 0)


def surgery_dropping_inputs(network, X):
    inside = forward(network, X)
    kept = [np.ptp(values, axis=0) > 0 for values in inside[:-1]]
    inside[0] = np.zeros_like(X)
    return operate(network, inside, kept=kept)


def surgery_dropping_neurons(network, X):
    inside = forward(network, X)
    kept = [np.ptp(values, axis=0) > 0 for values in inside[:-1]]
    inside[1:] = [np.zeros_like(values) for values in inside[1:]]
    return operate(network, inside, kept=kept)


def surgery_subtracting(network, X):
    return operate(network, forward(network, X), fold=lambda W, constant: -W @ constant)


def surgery_unweighted(network, X):
    return operate(network, forward(network, X), fold=lambda W, constant: sum(constant))


def surgery_folding_pre_activations(network, X):
    inside = forward(network, X)
    kept = [np.ptp(values, axis=0) > 0 for values in inside[:-1]]
    before = [X] + [x @ W.T + b for x, (W, b) in zip(inside[:-1], network, strict=True)]
    return operate(network, before, kept=kept)


def surgery_judging_pre_activations(network, X):
    inside = forward(network, X)
    kept = [np.ptp(X, axis=0) > 0]
    for x, (W, b) in zip(inside[:-2], network[:-1], strict=True):
        kept.append(np.ptp(x @ W.T + b, axis=0) > 0)
    return operate(network, inside, kept=kept)


def surgery_without_relu(network, X):
    inside = [X]
    for W, b in network:
        inside.append(inside[-1] @ W.T + b)
    return operate(network, inside)


def surgery_of_unbiased_neurons(network, X):
    return operate(network, forward([(W, 0) for W, b in network], X))


def surgery_of_zeros(network, X):
    inside = forward(network, X)
    return operate(network, inside, kept=[values.any(axis=0) for values in inside[:-1]])


def surgery_of_zero_rows(network, X):
    kept = [np.ptp(X, axis=0) > 0]
    inside = [X]
    for W, b in network[:-1]:
        kept.append(np.abs(W).sum(axis=1) > 0)
        inside.append(np.maximum(b, 0)[None])
    return operate(network, inside, kept=kept)


def surgery_by_two_rows(network, X):
    inside = forward(network, X)
    return operate(network, inside, kept=[values[0] != values[1] for values in inside[:-1]])


def surgery_of_the_first_layer(network, X):
    inside = forward(network, X)
    kept = [np.ptp(X, axis=0) > 0, np.ptp(inside[1], axis=0) > 0]
    kept += [np.full(len(b), True) for W, b in network[1:-1]]
    return operate(network, inside, kept=kept)


def surgery_keeping_inputs(network, X):
    inside = forward(network, X)
    kept = [np.ptp(values, axis=0) > 0 for values in inside[:-1]]
    kept[0] = np.full(X.shape[1], True)
    return operate(network, inside, kept=kept)


def surgery_of_inputs(network, X):
    varies = np.ptp(X, axis=0) > 0
    (W, b), *rest = network
    return [(W[:, varies], b + W[:, ~varies] @ X[0][~varies]), *rest]


def surgery_of_outputs(network, X):
    *rest, (W, b) = surgery_forwards(network, X)
    said = forward(network, X)[-1]
    varies = said.min(axis=0) < said.max(axis=0)
    return [*rest, (W[varies], b[varies])]


# 07.states


def states_by_comparing(network, X):
    states = []
    for W, b in network[:-1]:
        z = X @ W.T + b
        X = np.where(z > 0, z, 0)
        low, high = X.min(axis=0), X.max(axis=0)
        names = np.full(len(b), "active", dtype=object)
        names[z.min(axis=0) >= 0] = "linear"
        names[low == high] = "constant"
        names[high == 0] = "dead"
        states.append([str(name) for name in names])
    return states


def states_neuron_by_neuron(network, X):
    found = []
    for W, b in network[:-1]:
        found.append([])
        after = []
        for w, bias in zip(W, b, strict=True):
            before = [sum(w * x) + bias for x in X]
            after.append([max(0.0, value) for value in before])
            if set(after[-1]) == {0.0}:
                found[-1].append("dead")
            elif len(set(after[-1])) == 1:
                found[-1].append("constant")
            elif after[-1] == before:
                found[-1].append("linear")
            else:
                found[-1].append("active")
        X = np.array(after).T
    return found


def states_in_single_precision(network, X):
    network = [(W.astype(np.float32), b.astype(np.float32)) for W, b in network]
    return [tuple(names) for names in states_by_comparing(network, X.astype(np.float32))]


def states_of(network, X, name, *, relu=True, bias=True):
    states = []
    for W, b in network[:-1]:
        z = X @ W.T
        if bias:
            z = z + b
        states.append([name(column) for column in z.T])
        X = np.maximum(z, 0) if relu else z
    return states


def named(z):
    if max(z) <= 0:
        return "dead"
    if min(z) == max(z):
        return "constant"
    return "linear" if min(z) >= 0 else "active"


def states_in_one_list(network, X):
    return [name for names in states_by_comparing(network, X) for name in names]


def states_with_outputs(network, X):
    return states_by_comparing([*network, network[-1]], X)


def states_of_rows(network, X):
    states = []
    for W, b in network[:-1]:
        X = np.maximum(X @ W.T + b, 0)
        states.append(["dead" if not row.any() else "active" for row in X])
    return states


def states_of_raw_inputs(network, X):
    return [states_by_comparing([layer, layer], X)[0] for layer in network[:-1]]


def states_without_relu(network, X):
    return states_of(network, X, named, relu=False)


def states_without_bias(network, X):
    return states_of(network, X, named, bias=False)


def states_by_weights(network, X):
    states = states_by_comparing(network, X)
    for names, (W, _) in zip(states, network, strict=False):
        for j, row in enumerate(W):
            if np.linalg.norm(row) == 0:
                names[j] = "dead"
            elif names[j] == "dead":
                names[j] = "constant"
    return states


def states_before_the_relu(network, X):
    def name(z):
        if all(z == 0):
            return "dead"
        if min(z) == max(z):
            return "constant"
        return "linear" if min(z) >= 0 else "active"

    return states_of(network, X, name)


def states_with_constants_below_zero(network, X):
    return states_of(network, X, lambda z: "constant" if np.ptp(z) == 0 else named(z))


def states_without_dead(network, X):
    states = states_by_comparing(network, X)
    return [["constant" if name == "dead" else name for name in names] for names in states]


def states_without_constants(network, X):
    states = states_by_comparing(network, X)
    return [["linear" if name == "constant" else name for name in names] for names in states]


def states_dead_in_some_row(network, X):
    return states_of(network, X, lambda z: "dead" if min(z) < 0 else named(z))


def states_by_mean(network, X):
    return states_of(network, X, lambda z: "dead" if sum(z) <= 0 else named(z))


def states_off_the_boundary(network, X):
    def name(z):
        if max(z) < 0:
            return "dead"
        if min(z) == max(z):
            return "constant"
        return "linear" if min(z) > 0 else "active"

    return states_of(network, X, name)


# 07.rollback


def share_of_wrong_answers(network, X, y, kept):
    (W1, b1), (W2, b2) = network
    outputs = np.maximum(X @ W1[kept].T + b1[kept], 0) @ W2[:, kept].T + b2
    return 1 - (outputs.argmax(axis=1) == y).mean()


def rollback_by_masks(network, scores, X, y, limit):
    kept = np.full(len(scores), True)
    for j in np.argsort(scores, kind="stable"):
        kept[j] = False
        if share_of_wrong_answers(network, X, y, kept) > limit:
            kept[j] = True
    return kept


def rollback_by_indices(network, scores, X, y, limit):
    left = list(range(len(scores)))
    for _, j in sorted(zip(scores, range(len(scores)), strict=True)):
        fewer = [i for i in left if i != j]
        if share_of_wrong_answers(network, X, y, fewer) <= limit:
            left = fewer
    return [int(j in left) for j in range(len(scores))]


def rollback_in_single_precision(network, scores, X, y, limit):
    network = [(W.astype(np.float32), b.astype(np.float32)) for W, b in network]
    return rollback_by_masks(network, scores, X.astype(np.float32), y, limit)


def rollback_to_indices(network, scores, X, y, limit):
    return list(np.flatnonzero(rollback_by_masks(network, scores, X, y, limit)))


def rollback_of_the_removed(network, scores, X, y, limit):
    removed = np.full(len(scores), False)
    for j in np.argsort(scores, kind="stable"):
        removed[j] = True
        if share_of_wrong_answers(network, X, y, ~removed) > limit:
            removed[j] = False
    return removed


def rollback_that_never_looks(network, scores, X, y, limit):
    kept = np.full(len(scores), True)
    for j in scores.argsort():
        kept[j] = False
    return kept


def rollback_of_everything(network, scores, X, y, limit):
    kept = np.full(len(scores), True)
    for j in np.argsort(scores, kind="stable"):
        kept[j] = False
        if share_of_wrong_answers(network, X, y, kept) > limit:
            return np.full(len(scores), True)
    return kept


def rollback_to_the_original(network, scores, X, y, limit):
    kept = np.full(len(scores), True)
    for j in np.argsort(scores, kind="stable"):
        kept[j] = False
        if share_of_wrong_answers(network, X, y, kept) > limit:
            kept = np.full(len(scores), True)
    return kept


def rollback_and_stop(network, scores, X, y, limit):
    kept = np.full(len(scores), True)
    for j in np.argsort(scores, kind="stable"):
        kept[j] = False
        if share_of_wrong_answers(network, X, y, kept) > limit:
            kept[j] = True
            break
    return kept


def rollback_one_too_late(network, scores, X, y, limit):
    kept = np.full(len(scores), True)
    for j in np.argsort(scores, kind="stable"):
        kept[j] = False
        if share_of_wrong_answers(network, X, y, kept) > limit:
            break
    return kept


def rollback_from_the_whole(network, scores, X, y, limit):
    kept = np.full(len(scores), True)
    for j in np.argsort(scores, kind="stable"):
        others = np.arange(len(scores)) != j
        if share_of_wrong_answers(network, X, y, others) <= limit:
            kept[j] = False
    return kept


def rollback_in_order(order, network, X, y, limit, *, error=share_of_wrong_answers):
    kept = np.full(len(order), True)
    for j in order:
        kept[j] = False
        kept[j] = error(network, X, y, kept) > limit
    return kept


def rollback_from_the_highest(network, scores, X, y, limit):
    order = sorted(range(len(scores)), key=lambda j: -scores[j])
    return rollback_in_order(order, network, X, y, limit)


def rollback_with_ties_turned_round(network, scores, X, y, limit):
    order = sorted(range(len(scores)), key=lambda j: (scores[j], -j))
    return rollback_in_order(order, network, X, y, limit)


def rollback_by_number(network, scores, X, y, limit):
    return rollback_in_order(range(len(scores)), network, X, y, limit)


def rollback_with_a_strict_limit(network, scores, X, y, limit):
    kept = np.full(len(scores), True)
    for j in np.argsort(scores, kind="stable"):
        kept[j] = False
        if not share_of_wrong_answers(network, X, y, kept) < limit:
            kept[j] = True
    return kept


def rollback_by_agreement(network, scores, X, y, limit):
    (W1, b1), (W2, b2) = network
    said = (np.maximum(X @ W1.T + b1, 0) @ W2.T + b2).argmax(axis=1)
    return rollback_by_masks(network, scores, X, said, limit)


def rollback_by_count(network, scores, X, y, limit):
    return rollback_by_masks(network, scores, X, y, limit / len(y))


def rollback_by_accuracy(network, scores, X, y, limit):
    def accuracy(*case):
        return 1 - share_of_wrong_answers(*case)

    kept = np.full(len(scores), True)
    for j in np.argsort(scores, kind="stable"):
        kept[j] = False
        if accuracy(network, X, y, kept) < limit:
            kept[j] = True
    return kept


def rollback_by_rise(network, scores, X, y, limit):
    base = share_of_wrong_answers(network, X, y, scores == scores)
    return rollback_by_masks(network, scores, X, y, base + limit)


def rollback_without_limit(network, scores, X, y, limit):
    kept = np.full(len(scores), True)
    best = share_of_wrong_answers(network, X, y, kept)
    for j in np.argsort(scores, kind="stable"):
        kept[j] = False
        error = share_of_wrong_answers(network, X, y, kept)
        if error <= best:
            best = error
        else:
            kept[j] = True
    return kept


def rollback_leaving_biases(network, scores, X, y, limit):
    def error(network, X, y, kept):
        (W1, b1), (W2, b2) = network
        silent = W1.copy()
        silent[~kept] = 0
        return np.mean((np.maximum(X @ silent.T + b1, 0) @ W2.T + b2).argmax(axis=1) != y)

    order = np.argsort(scores, kind="stable")
    return rollback_in_order(order, network, X, y, limit, error=error)


def rollback_without_relu(network, scores, X, y, limit):
    def error(network, X, y, kept):
        (W1, b1), (W2, b2) = network
        outputs = (X @ W1[kept].T + b1[kept]) @ W2[:, kept].T + b2
        return np.mean(outputs.argmax(axis=1) != y)

    order = np.argsort(scores, kind="stable")
    return rollback_in_order(order, network, X, y, limit, error=error)


RIGHT = {
    "07.surgery": [
        surgery_forwards,
        surgery_backwards,
        surgery_in_single_precision,
        surgery_by_a_mean,
    ],
    "07.states": [states_by_comparing, states_neuron_by_neuron, states_in_single_precision],
    "07.rollback": [rollback_by_masks, rollback_by_indices, rollback_in_single_precision],
}

WRONG = {
    "07.surgery": {
        "transposed": surgery_transposed,
        "bias left": surgery_without_biases,
        "columns left": surgery_without_columns,
        "nothing folded": surgery_without_folding,
        "inputs not folded": surgery_dropping_inputs,
        "neurons not folded": surgery_dropping_neurons,
        "subtracted": surgery_subtracting,
        "folded without weight": surgery_unweighted,
        "folded before the ReLU": surgery_folding_pre_activations,
        "judged before the ReLU": surgery_judging_pre_activations,
        "ReLU forgotten": surgery_without_relu,
        "bias missing in the values": surgery_of_unbiased_neurons,
        "only zeros": surgery_of_zeros,
        "only zero rows": surgery_of_zero_rows,
        "rare ones removed": surgery_by_two_rows,
        "first hidden layer only": surgery_of_the_first_layer,
        "inputs left": surgery_keeping_inputs,
        "neurons left": surgery_of_inputs,
        "outputs removed": surgery_of_outputs,
    },
    "07.states": {
        "one list": states_in_one_list,
        "outputs as well": states_with_outputs,
        "rows judged": states_of_rows,
        "raw inputs": states_of_raw_inputs,
        "ReLU forgotten": states_without_relu,
        "bias missing": states_without_bias,
        "dead by weights": states_by_weights,
        "judged before the ReLU": states_before_the_relu,
        "constant below zero": states_with_constants_below_zero,
        "dead called constant": states_without_dead,
        "constant called linear": states_without_constants,
        "dead in some rows": states_dead_in_some_row,
        "mean": states_by_mean,
        "boundary": states_off_the_boundary,
    },
    "07.rollback": {
        "indices": rollback_to_indices,
        "removed instead of kept": rollback_of_the_removed,
        "never evaluated": rollback_that_never_looks,
        "nothing removed": rollback_of_everything,
        "original restored": rollback_to_the_original,
        "stopped at a refusal": rollback_and_stop,
        "one too far": rollback_one_too_late,
        "each from the whole": rollback_from_the_whole,
        "highest first": rollback_from_the_highest,
        "ties turned round": rollback_with_ties_turned_round,
        "scores ignored": rollback_by_number,
        "strict limit": rollback_with_a_strict_limit,
        "old answers": rollback_by_agreement,
        "number of mistakes": rollback_by_count,
        "accuracy": rollback_by_accuracy,
        "limit as a rise": rollback_by_rise,
        "no worse than before": rollback_without_limit,
        "bias left": rollback_leaving_biases,
        "ReLU forgotten": rollback_without_relu,
    },
}
