"""Right and wrong answers to the tasks of lesson 13, as learners would write them."""

import itertools
import math

import numpy as np
import torch

# 13.user_clip


def user_clip_with_a_dictionary(gradients, users, bound, n_users):
    sums = {}
    for example, user in enumerate(users):
        own = [part[example] for part in gradients]
        if user in sums:
            own = [a + b for a, b in zip(sums[user], own, strict=True)]
        sums[user] = own
    total = [np.zeros(part.shape[1:]) for part in gradients]
    for own in sums.values():
        length = math.sqrt(sum((part**2).sum() for part in own))
        factor = bound / length if length > bound else 1
        total = [t + factor * part for t, part in zip(total, own, strict=True)]
    return [t / n_users for t in total]


def user_clip_in_rows(gradients, users, bound, n_users):
    rows = np.hstack([part.reshape(len(users), -1) for part in gradients])
    names, place = np.unique(users, return_inverse=True)
    sums = np.zeros((len(names), rows.shape[1]))
    np.add.at(sums, place, rows)
    sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True) / bound, 1)
    mean, parts, start = sums.sum(axis=0) / n_users, [], 0
    for part in gradients:
        parts.append(mean[start : start + part[0].size].reshape(part.shape[1:]))
        start += part[0].size
    return parts


def user_clip_in_torch(gradients, users, bound, n_users):
    parts = [torch.tensor(part, dtype=torch.float32) for part in gradients]
    total = [torch.zeros(part.shape[1:]) for part in parts]
    for user in set(users.tolist()):
        own = [part[torch.tensor(users == user)].sum(0) for part in parts]
        length = torch.sqrt(sum(part.square().sum() for part in own))
        factor = (bound / length).clamp(max=1)
        total = [t + factor * part for t, part in zip(total, own, strict=True)]
    return tuple(t / n_users for t in total)


def norm_of(parts):
    return math.sqrt(sum(float(np.sum(part**2)) for part in parts))


def down_to(parts, bound):
    factor = min(1, bound / max(norm_of(parts), 1e-12))
    return [factor * part for part in parts]


def of_user(gradients, users, user, over=np.sum):
    return [over(part[users == user], axis=0) for part in gradients]


def added(lists):
    return [sum(parts) for parts in zip(*lists, strict=True)]


def per_person(gradients, users, n_users, change, over=np.sum):
    found = [change(of_user(gradients, users, user, over)) for user in sorted(set(users.tolist()))]
    return [part / n_users for part in added(found)]


def user_clip_dividing(gradients, users, bound, n_users):
    def clip(own):
        length = norm_of(own)
        return [part / length * min(length, bound) for part in own]

    return per_person(gradients, users, n_users, clip)


def user_clip_of_examples(gradients, users, bound, n_users):
    clipped = [down_to([part[i] for part in gradients], bound) for i in range(len(users))]
    return [part / n_users for part in added(clipped)]


def user_clip_twice(gradients, users, bound, n_users):
    clipped = [down_to([part[i] for part in gradients], bound) for i in range(len(users))]
    gradients = [np.array(part) for part in zip(*clipped, strict=True)]
    return per_person(gradients, users, n_users, lambda own: down_to(own, bound))


def user_clip_of_means(gradients, users, bound, n_users):
    return per_person(gradients, users, n_users, lambda own: down_to(own, bound), np.mean)


def user_clip_at_the_end(gradients, users, bound, n_users):
    return down_to([part.sum(axis=0) / n_users for part in gradients], bound)


def user_clip_not_at_all(gradients, users, bound, n_users):
    return [part.sum(axis=0) / n_users for part in gradients]


def user_clip_stretching(gradients, users, bound, n_users):
    def to_the_bound(own):
        length = norm_of(own) or 1
        return [bound * part / length for part in own]

    return per_person(gradients, users, n_users, to_the_bound)


def user_clip_dropping(gradients, users, bound, n_users):
    return per_person(
        gradients, users, n_users, lambda own: [part * (norm_of(own) <= bound) for part in own]
    )


def user_clip_by_number(gradients, users, bound, n_users):
    return per_person(
        gradients, users, n_users, lambda own: [part.clip(-bound, bound) for part in own]
    )


def user_clip_by_layer(gradients, users, bound, n_users):
    return per_person(
        gradients, users, n_users, lambda own: [down_to([part], bound)[0] for part in own]
    )


def user_clip_with_lengths_added(gradients, users, bound, n_users):
    def clip(own):
        length = sum(np.linalg.norm(part) for part in own)
        return [part * min(1, bound / length) if length else part for part in own]

    return per_person(gradients, users, n_users, clip)


def user_clip_by_weights(gradients, users, bound, n_users):
    def clip(own):
        length = norm_of(own[::2])
        return [bound * part / max(length, bound) for part in own]

    return per_person(gradients, users, n_users, clip)


def user_clip_by_length_of_mean(gradients, users, bound, n_users):
    total = [np.zeros(part.shape[1:]) for part in gradients]
    for user in set(users.tolist()):
        length = norm_of(of_user(gradients, users, user, np.mean))
        own = of_user(gradients, users, user)
        total = [t + part * bound / max(length, bound) for t, part in zip(total, own, strict=True)]
    return [t / n_users for t in total]


def user_clip_without_root(gradients, users, bound, n_users):
    def clip(own):
        length = sum((part**2).sum() for part in own)
        return [part * min(1, bound / (length + 1e-12)) for part in own]

    return per_person(gradients, users, n_users, clip)


def user_clip_by_sums_of_sizes(gradients, users, bound, n_users):
    def clip(own):
        length = sum(abs(part).sum() for part in own)
        return [part / max(1, length / bound) for part in own]

    return per_person(gradients, users, n_users, clip)


def user_clip_to_one(gradients, users, bound, n_users):
    return per_person(
        gradients, users, n_users, lambda own: [part / max(1, norm_of(own)) for part in own]
    )


def user_clip_by_places(gradients, users, bound, n_users):
    rows = np.hstack([part.reshape(len(users), -1) for part in gradients])
    sums = np.zeros((n_users, rows.shape[1]))
    np.add.at(sums, users, rows)
    sums *= np.minimum(1, bound / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12))
    ends = np.cumsum([part[0].size for part in gradients])[:-1]
    parts = np.split(sums.sum(axis=0) / n_users, ends)
    return [part.reshape(old.shape[1:]) for part, old in zip(parts, gradients, strict=True)]


def user_clip_by_groupby(gradients, users, bound, n_users):
    clipped = []
    for _, rows in itertools.groupby(range(len(users)), key=lambda i: users[i]):
        rows = list(rows)
        clipped.append(down_to([part[rows].sum(axis=0) for part in gradients], bound))
    return [part / n_users for part in added(clipped)]


def user_clip_overwriting(gradients, users, bound, n_users):
    own = {user: [part[i] for part in gradients] for i, user in enumerate(users)}
    return [part / n_users for part in added(down_to(parts, bound) for parts in own.values())]


def user_clip_over_examples(gradients, users, bound, n_users):
    return user_clip_with_a_dictionary(gradients, users, bound, len(users))


def user_clip_over_those_present(gradients, users, bound, n_users):
    return user_clip_with_a_dictionary(gradients, users, bound, len(set(users.tolist())))


def user_clip_summed(gradients, users, bound, n_users):
    return user_clip_with_a_dictionary(gradients, users, bound, 1)


# 13.rebuild


def rebuild_from_the_largest(before, after, lr, lam):
    (W, b), (W_new, b_new) = before[0], after[0]
    dW, db = (W - W_new) / lr - lam * W, (b - b_new) / lr
    i = np.argmax(np.abs(db))
    return dW[i] / db[i], np.argmin(before[-1][1] - after[-1][1])


def rebuild_by_least_squares(before, after, lr, lam):
    weight, bias = before[0]
    fell = bias - after[0][1]
    gradient = weight - after[0][0] - lr * lam * weight
    rose = (after[-1][1] - before[-1][1]).tolist()
    return fell @ gradient / (fell @ fell), rose.index(max(rose))


def rebuild_in_single_precision(before, after, lr, lam):
    old, new = ([torch.tensor(a).float() for a in net[0]] for net in (before, after))
    dW, db = [(a - b) / lr for a, b in zip(old, new, strict=True)]
    i = db.abs().argmax()
    label = torch.tensor(after[-1][1] - before[-1][1]).argmax()
    return (dW[i] - lam * old[0][i]) / db[i], label


def gradients(before, after, lr):
    return [
        ((W - W_new) / lr, (b - b_new) / lr)
        for (W, b), (W_new, b_new) in zip(before, after, strict=True)
    ]


def told(before, after):
    return int(np.argmax(after[-1][1] - before[-1][1]))


def strongest(vector):
    return int(np.argmax(abs(vector)))


def rebuild_from_all(before, after, lr, lam):
    dW, db = gradients(before, after, lr)[0]
    return ((dW - lam * before[0][0]) / db[:, None]).mean(axis=0), told(before, after)


def rebuild_with_decay(before, after, lr, lam):
    dW, db = gradients(before, after, lr)[0]
    return dW[strongest(db)] / db[strongest(db)], told(before, after)


def rebuild_adding_decay(before, after, lr, lam):
    dW, db = gradients(before, after, lr)[0]
    i = strongest(db)
    return (dW[i] + lam * before[0][0][i]) / db[i], told(before, after)


def rebuild_backwards(before, after, lr, lam):
    grads = [(new[0] - old[0], new[1] - old[1]) for old, new in zip(before, after, strict=True)]
    dW, db = grads[0]
    i = strongest(db)
    return (dW[i] - lr * lam * before[0][0][i]) / db[i], grads[-1][1].argmin()


def rebuild_without_step(before, after, lr, lam):
    dW, db = before[0][0] - after[0][0], before[0][1] - after[0][1]
    i = strongest(db)
    return (dW[i] - lam * before[0][0][i]) / db[i], told(before, after)


def rebuild_with_new_weights(before, after, lr, lam):
    dW, db = gradients(before, after, lr)[0]
    i = strongest(db)
    return (dW[i] - lam * after[0][0][i]) / db[i], told(before, after)


def rebuild_with_decayed_biases(before, after, lr, lam):
    (W, b), (dW, db) = before[0], gradients(before, after, lr)[0]
    dW, db = dW - lam * W, db - lam * b
    return dW[strongest(db)] / db[strongest(db)], told(before, after)


def rebuild_from_a_column(before, after, lr, lam):
    dW, db = gradients(before, after, lr)[0]
    i = strongest(db)
    return (dW - lam * before[0][0])[:, i] / db[i], told(before, after)


def rebuild_in_the_last_layer(before, after, lr, lam):
    dW, db = gradients(before, after, lr)[-1]
    i = strongest(db)
    return (dW[i] - lam * before[-1][0][i]) / db[i], told(before, after)


def rebuild_with_zeros(before, after, lr, lam):
    dW, db = gradients(before, after, lr)[0]
    rows = [
        (dW[i] - lam * before[0][0][i]) / db[i] if db[i] else np.zeros(len(dW[i]))
        for i in range(len(db))
    ]
    return np.mean(rows, axis=0), told(before, after)


def rebuild_from_the_first_moved(before, after, lr, lam):
    dW, db = gradients(before, after, lr)[0]
    rows = [(dW[i] - lam * before[0][0][i]) / db[i] for i in range(len(db)) if db[i] != 0]
    return rows[0], told(before, after)


def rebuild_from_sums(before, after, lr, lam):
    dW, db = gradients(before, after, lr)[0]
    return (dW - lam * before[0][0]).sum(axis=0) / db.sum(), told(before, after)


def rebuild_with_the_label_that_moved_most(before, after, lr, lam):
    picture, _ = rebuild_from_the_largest(before, after, lr, lam)
    return picture, strongest(before[-1][1] - after[-1][1])


def rebuild_with_the_label_of_the_weights(before, after, lr, lam):
    picture, _ = rebuild_from_the_largest(before, after, lr, lam)
    fell = before[-1][0] - after[-1][0]
    return picture, fell.sum(axis=1).argmin()


def rebuild_with_the_logit_that_rose(before, after, lr, lam):
    picture, _ = rebuild_from_the_largest(before, after, lr, lam)
    logits = []
    for network in (before, after):
        h = picture
        for W, b in network[:-1]:
            h = (W @ h + b).clip(min=0)
        logits.append(network[-1][0] @ h + network[-1][1])
    return picture, np.argmax(logits[1] - logits[0])


def rebuild_with_the_largest_label(before, after, lr, lam):
    picture, _ = rebuild_from_the_largest(before, after, lr, lam)
    return picture, gradients(before, after, lr)[-1][1].argmax()


def rebuild_and_ask(before, after, lr, lam):
    picture, _ = rebuild_from_the_largest(before, after, lr, lam)
    h = picture
    for W, b in before:
        z = W @ h + b
        h = z.clip(min=0)
    return picture, z.argmax()


def rebuild_with_the_largest_bias(before, after, lr, lam):
    picture, _ = rebuild_from_the_largest(before, after, lr, lam)
    return picture, after[-1][1].argmax()


# 13.fedavg


def fedavg_in_numpy(weights, returned, counts, rate):
    there = [k for k in range(len(returned)) if returned[k] is not None]
    n = counts.sum(axis=1)[there]
    if n.sum() == 0:
        return weights
    updates = np.array([returned[k] - weights for k in there])
    return weights + rate * n @ updates / n.sum()


def fedavg_client_by_client(weights, returned, counts, rate):
    total, summed = 0, 0 * weights
    for model, row in zip(returned, counts, strict=True):
        if model is not None:
            total += sum(row)
            summed = summed + sum(row) * (model - weights)
    return weights + rate * summed / max(total, 1)


def fedavg_of_models(weights, returned, counts, rate):
    pairs = [(model, n) for model, n in zip(returned, counts.sum(1), strict=True) if n]
    pairs = [(torch.tensor(model).float(), n) for model, n in pairs if model is not None]
    if not pairs:
        return weights
    mean = sum(n * model for model, n in pairs) / sum(n for _, n in pairs)
    return (1 - rate) * torch.tensor(weights).float() + rate * mean


def those_there(returned):
    return [k for k, model in enumerate(returned) if model is not None]


def mean_of_models(returned, counts):
    there = those_there(returned)
    examples = counts[there].sum(axis=1)
    return sum(n * returned[k] for n, k in zip(examples, there, strict=True)) / examples.sum()


def nobody(returned, counts):
    return sum(counts[k].sum() for k in those_there(returned)) == 0


def fedavg_unguarded(weights, returned, counts, rate):
    return weights + rate * (mean_of_models(returned, counts) - weights)


def fedavg_of_nothing(weights, returned, counts, rate):
    if nobody(returned, counts):
        return np.zeros(len(weights))
    return weights + rate * (mean_of_models(returned, counts) - weights)


def fedavg_plain(weights, returned, counts, rate):
    models = [model for model in returned if model is not None]
    if not models:
        return weights
    return weights + rate * (np.mean(models, axis=0) - weights)


def fedavg_by_classes(weights, returned, counts, rate):
    there = those_there(returned)
    n = np.count_nonzero(counts[there], axis=1)
    if not n.any():
        return weights
    return weights + rate * n @ (np.array([returned[k] for k in there]) - weights) / n.sum()


def fedavg_shifted(weights, returned, counts, rate):
    models = [model for model in returned if model is not None]
    sizes = counts.sum(axis=1).tolist()
    total = sum(size for size, _ in zip(sizes, models, strict=False))
    if not total:
        return weights
    updates = [n / total * (m - weights) for n, m in zip(sizes, models, strict=False)]
    return weights + rate * sum(updates)


def fedavg_over_everybody(weights, returned, counts, rate):
    step = np.zeros(len(weights))
    for k in those_there(returned):
        step += counts[k].sum() / counts.sum() * (returned[k] - weights)
    return weights + rate * step


def fedavg_with_zeros(weights, returned, counts, rate):
    filled = np.array([0 * weights if model is None else model for model in returned])
    shares = counts.sum(axis=1) / counts.sum() if counts.any() else np.zeros(len(counts))
    return weights + rate * shares @ (filled - weights)


def fedavg_adding_models(weights, returned, counts, rate):
    if nobody(returned, counts):
        return weights
    return weights + rate * mean_of_models(returned, counts)


def fedavg_without_rate(weights, returned, counts, rate):
    return weights if nobody(returned, counts) else mean_of_models(returned, counts)


def fedavg_swapped(weights, returned, counts, rate):
    if nobody(returned, counts):
        return weights
    return rate * weights + (1 - rate) * mean_of_models(returned, counts)


def fedavg_backwards(weights, returned, counts, rate):
    if nobody(returned, counts):
        return weights
    return weights - rate * (mean_of_models(returned, counts) - weights)


def fedavg_summed(weights, returned, counts, rate):
    for_all = [counts[k].sum() * (returned[k] - weights) for k in those_there(returned)]
    return weights + rate * sum(for_all)


def fedavg_over_clients(weights, returned, counts, rate):
    there = those_there(returned)
    for_all = [counts[k].sum() * (returned[k] - weights) for k in there]
    return weights + rate * sum(for_all) / max(len(there), 1)


def fedavg_in_turn(weights, returned, counts, rate):
    there = those_there(returned)
    total = sum(counts[k].sum() for k in there)
    now = weights.copy()
    for k in there:
        if total > 0:
            now += rate * counts[k].sum() / total * (returned[k] - now)
    return now


RIGHT = {
    "13.user_clip": [user_clip_with_a_dictionary, user_clip_in_rows, user_clip_in_torch],
    "13.rebuild": [
        rebuild_from_the_largest,
        rebuild_by_least_squares,
        rebuild_in_single_precision,
    ],
    "13.fedavg": [fedavg_in_numpy, fedavg_client_by_client, fedavg_of_models],
}

WRONG = {
    "13.user_clip": {
        "division by zero": user_clip_dividing,
        "each example": user_clip_of_examples,
        "clipped twice": user_clip_twice,
        "mean of each person": user_clip_of_means,
        "the mean of all": user_clip_at_the_end,
        "not clipped": user_clip_not_at_all,
        "scaled up": user_clip_stretching,
        "dropped": user_clip_dropping,
        "each number": user_clip_by_number,
        "layer by layer": user_clip_by_layer,
        "lengths of layers": user_clip_with_lengths_added,
        "biases left out": user_clip_by_weights,
        "length of the mean": user_clip_by_length_of_mean,
        "squared length": user_clip_without_root,
        "another length": user_clip_by_sums_of_sizes,
        "clipped at 1": user_clip_to_one,
        "names as places": user_clip_by_places,
        "neighbouring rows only": user_clip_by_groupby,
        "one example of each": user_clip_overwriting,
        "divided by examples": user_clip_over_examples,
        "divided by those present": user_clip_over_those_present,
        "not divided": user_clip_summed,
    },
    "13.rebuild": {
        "division by zero": rebuild_from_all,
        "decay left in": rebuild_with_decay,
        "decay added": rebuild_adding_decay,
        "backwards": rebuild_backwards,
        "step size": rebuild_without_step,
        "decay of the new weights": rebuild_with_new_weights,
        "biases decayed": rebuild_with_decayed_biases,
        "transposed": rebuild_from_a_column,
        "last layer": rebuild_in_the_last_layer,
        "sleeping ones in the mean": rebuild_with_zeros,
        "hardly moved": rebuild_from_the_first_moved,
        "cancelled": rebuild_from_sums,
        "largest change": rebuild_with_the_label_that_moved_most,
        "last weights": rebuild_with_the_label_of_the_weights,
        "bias instead of its change": rebuild_with_the_largest_bias,
        "what the network says": rebuild_and_ask,
        "largest gradient": rebuild_with_the_largest_label,
    },
    "13.fedavg": {
        "nobody there": fedavg_unguarded,
        "zeros from nobody": fedavg_of_nothing,
        "plain mean": fedavg_plain,
        "classes counted": fedavg_by_classes,
        "counts of others": fedavg_shifted,
        "absent ones in the divisor": fedavg_over_everybody,
        "absent ones as zeros": fedavg_with_zeros,
        "models instead of updates": fedavg_adding_models,
        "rate forgotten": fedavg_without_rate,
        "rate for the rest": fedavg_swapped,
        "backwards": fedavg_backwards,
        "not divided": fedavg_summed,
        "divided by clients": fedavg_over_clients,
        "one after the other": fedavg_in_turn,
    },
}
