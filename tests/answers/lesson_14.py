"""Right and wrong answers to the tasks of lesson 14, as learners would write them."""

import math

import numpy as np
import torch

# 14.tree_path


def path_by_recursion(left, right, errors):
    is_leaf = left < 0

    def summary(t):
        if is_leaf[t]:
            return errors[t], 1
        (e1, n1), (e2, n2) = summary(left[t]), summary(right[t])
        return e1 + e2, n1 + n2

    def reachable(t):
        return [] if is_leaf[t] else [t, *reachable(left[t]), *reachable(right[t])]

    is_leaf, path, alpha = is_leaf.copy(), [], 0.0
    while True:
        prices = {t: (errors[t] - summary(t)[0]) / (summary(t)[1] - 1) for t in reachable(0)}
        if prices and min(prices.values()) <= alpha + 1e-12:
            for t, price in prices.items():
                is_leaf[t] |= price <= alpha + 1e-12
            continue
        path.append((alpha, summary(0)[1]))
        if not prices:
            return path
        alpha = min(prices.values())


def path_by_best_subtrees(left, right, errors):
    """For each price that may matter, the smallest of the best subtrees, from the bottom up."""

    def best(t, alpha):
        if left[t] < 0:
            return errors[t] + alpha, errors[t], 1
        below = [best(child, alpha) for child in (left[t], right[t])]
        cost, error, n = map(sum, zip(*below, strict=True))
        if errors[t] + alpha <= cost + 1e-12:
            return errors[t] + alpha, errors[t], 1
        return cost, error, n

    path = [(0.0, best(0, 0.0)[2])]
    while path[-1][1] > 1:
        low, n = path[-1]
        _, error, _ = best(0, low)
        high = errors[0] + 1
        for _ in range(99):  # the price at which the next tree is as good: secants of the hull
            _, other, m = best(0, high)
            if m == n:
                break
            crossing = (other - error) / (n - m)
            if best(0, crossing)[2] == m and math.isclose(crossing, high):
                break
            high = crossing
        path.append((high, best(0, high)[2]))
    return path


def path_in_torch(left, right, errors):
    errors = torch.tensor(errors)
    left, right = left.copy(), right.copy()
    path = [[0.0, None]]
    while True:
        order, stack = [], [0]
        while stack:
            t = stack.pop()
            order.append(t)
            if left[t] != -1:
                stack += [left[t], right[t]]
        n, total = dict.fromkeys(order, 1), {t: errors[t] for t in order}
        price = {}
        for t in reversed(order):
            if left[t] != -1:
                n[t] = n[left[t]] + n[right[t]]
                total[t] = total[left[t]] + total[right[t]]
                price[t] = (errors[t] - total[t]) / (n[t] - 1)
        path[-1][1] = n[0]
        if not price:
            return torch.tensor(path, dtype=torch.float32)
        weakest = min(price.values())
        if weakest > path[-1][0] + 1e-12:
            path.append([float(weakest), None])
        for t in price:
            if price[t] <= weakest + 1e-12:
                left[t] = right[t] = -1


class Tree:
    """Enough of a tree to make every mistake with."""

    def __init__(self, left, right, errors):
        self.left, self.right, self.errors = left.tolist(), right.tolist(), errors.tolist()

    def inner(self, t=0):
        if self.left[t] == -1:
            return []
        return [t, *self.inner(self.left[t]), *self.inner(self.right[t])]

    def leaves(self, t=0):
        if self.left[t] == -1:
            return [t]
        return self.leaves(self.left[t]) + self.leaves(self.right[t])

    def saved(self, t):
        return self.errors[t] - sum(self.errors[leaf] for leaf in self.leaves(t))

    def price(self, t):
        return self.saved(t) / (len(self.leaves(t)) - 1)

    def cut(self, t):
        self.left[t] = self.right[t] = -1


def equal(price, other):
    return abs(price - other) < 1e-12


def path_with(tree, price, *, candidates=None, choose=min):
    path = [(0.0, len(tree.leaves()))]
    while tree.inner():
        prices = {t: price(t) for t in (candidates or tree.inner)()}
        alpha = choose(prices.values())
        for t, value in prices.items():
            if equal(value, alpha):
                tree.cut(t)
        if equal(alpha, path[-1][0]):
            alpha, _ = path.pop()
        path.append((alpha, len(tree.leaves())))
    return path


def path_over_all_leaves(*case):
    tree = Tree(*case)
    return path_with(tree, lambda t: tree.saved(t) / len(tree.leaves(t)))


def path_of_savings(*case):
    tree = Tree(*case)
    return path_with(tree, tree.saved)


def path_by_children(*case):
    tree = Tree(*case)

    def price(t):
        both = tree.errors[tree.left[t]] + tree.errors[tree.right[t]]
        return (tree.errors[t] - both) / (len(tree.leaves(t)) - 1)

    return path_with(tree, price)


def path_of_old_prices(*case):
    tree = Tree(*case)
    prices = {t: tree.price(t) for t in tree.inner()}
    return path_with(tree, prices.get)


def path_of_the_strongest(*case):
    tree = Tree(*case)
    return path_with(tree, tree.price, choose=max)


def path_from_the_bottom(*case):
    tree = Tree(*case)
    return path_with(
        tree,
        tree.price,
        candidates=lambda: [t for t in tree.inner() if len(tree.leaves(t)) == 2],
    )


def path_with_ghosts(left, right, errors):
    tree, candidates = Tree(left, right, errors), set(np.flatnonzero(left >= 0).tolist())
    path = [(0.0, len(tree.leaves()))]
    while candidates:
        prices = {t: tree.price(t) for t in candidates}
        alpha = min(prices.values())
        gone = {t for t in candidates if equal(prices[t], alpha)}
        for t in gone:
            tree.cut(t)
        candidates -= gone
        if equal(alpha, path[-1][0]):
            alpha, _ = path.pop()
        path.append((alpha, len(tree.leaves())))
    return path


def path_one_by_one(*case):
    tree = Tree(*case)
    path = [(0.0, len(tree.leaves()))]
    while tree.inner():
        weakest = min(tree.inner(), key=tree.price)
        price = tree.price(weakest)
        tree.cut(weakest)
        path.append((price, len(tree.leaves())))
    return path


def path_from_the_full_tree(*case):
    tree = Tree(*case)
    path = [(0.0, len(tree.leaves()))]
    while tree.inner():
        alpha = min(tree.price(t) for t in tree.inner())
        for t in [t for t in tree.inner() if equal(tree.price(t), alpha)]:
            tree.cut(t)
        path.append((alpha, len(tree.leaves())))
    return path


def path_of_cuts(*case):
    tree, path = Tree(*case), []
    while tree.inner():
        alpha = min(tree.price(t) for t in tree.inner())
        for t in [t for t in tree.inner() if equal(tree.price(t), alpha)]:
            tree.cut(t)
        path.append((alpha, len(tree.leaves())))
    return path


def path_without_tolerance(*case):
    tree, alpha, path = Tree(*case), 0.0, []
    while True:
        weak = [t for t in tree.inner() if tree.price(t) <= alpha]
        if weak:
            for t in weak:
                tree.cut(t)
            continue
        path.append((alpha, len(tree.leaves())))
        if not tree.inner():
            return path
        alpha = min(map(tree.price, tree.inner()))


def path_by_isclose(*case):
    tree, alpha, path = Tree(*case), 0.0, []
    while True:
        weak = [t for t in tree.inner() if np.isclose(tree.price(t), alpha)]
        if weak:
            for t in weak:
                tree.cut(t)
            continue
        path.append((alpha, len(tree.leaves())))
        if not tree.inner():
            return path
        alpha = min(map(tree.price, tree.inner()))


def path_of_something(*case):
    return path_by_recursion(*case) if len(case[0]) > 1 else []


def path_without_root(*case):
    path = path_by_recursion(*case)
    return [(alpha, n) for alpha, n in path if n > 1] or path


def path_counting_nodes(*case):
    return [(alpha, n + n - 1) for alpha, n in path_by_recursion(*case)]


def path_of_single_leaves(*case):
    alphas = [alpha for alpha, _ in path_by_recursion(*case)]
    n = path_by_recursion(*case)[0][1]
    return list(zip(alphas, range(n, 0, -1), strict=False))


def path_turned_round(*case):
    return [(n, alpha) for alpha, n in path_by_recursion(*case)]


# 14.embedding


def embedding_by_log2(table, queries, bits):
    last = 2 ** (bits - 1) - 1
    largest = np.abs(table).max(axis=1)
    k = np.ceil(np.log2(np.where(largest == 0, last, largest) / last)).astype(int)
    scale = 2.0**k
    codes = np.round(table / scale[:, None]).astype(int)
    best = np.argmax((queries @ codes.T) * scale, axis=1)
    return codes, k, best, math.ceil(codes.size * bits / 8) + len(k)


def embedding_by_trying(table, queries, bits):
    last, codes, exponents = 2 ** (bits - 1) - 1, [], []
    for row in table.tolist():
        k = -60 if any(row) else 0
        while max(map(abs, row)) > last * 2.0**k:
            k += 1
        codes.append([round(number / 2.0**k) for number in row])
        exponents.append(k)
    best = []
    for query in queries:
        scores = [2.0**k * (query @ row) for row, k in zip(codes, exponents, strict=True)]
        best.append(scores.index(max(scores)))
    n_bits = bits * sum(map(len, codes))
    return codes, exponents, best, n_bits // 8 + (n_bits % 8 > 0) + len(exponents)


def embedding_in_torch(table, queries, bits):
    rows = torch.tensor(table).float()
    limit = rows.abs().amax(1) / (2 ** (bits - 1) - 1)
    k = torch.where(limit > 0, limit.clamp(min=1e-30).log2().ceil(), 0)
    codes = torch.round(rows / torch.exp2(k)[:, None])
    best = (torch.tensor(queries).float() @ (codes * torch.exp2(k)[:, None]).T).argmax(1)
    return codes.char(), k.char(), best, -(-codes.numel() * bits // 8) + len(k)


def answer_from(table, queries, bits, exponents, codes=None):
    """Go on with exponents, or codes, that may be wrong."""
    scale = np.exp2(np.asarray(exponents, float))[:, None]
    codes = np.round(table / scale) if codes is None else codes
    best = (queries @ (codes * scale).T).argmax(axis=1)
    return codes, exponents, best, (table.size * bits + 7) // 8 + len(table)


def safe_log2(limits):
    return np.log2(np.where(limits > 0, limits, 1))


def limits_of(table, bits):
    return abs(table).max(axis=1) / (2 ** (bits - 1) - 1)


def embedding_with_log_of_zero(table, queries, bits):
    return answer_from(table, queries, bits, np.ceil(np.log2(limits_of(table, bits))))


def embedding_with_one_exponent(table, queries, bits):
    k = np.ceil(np.log2(limits_of(table, bits).max()))
    return answer_from(table, queries, bits, np.full(len(table), k))


def embedding_without_abs(table, queries, bits):
    limits = table.max(axis=1) / (2 ** (bits - 1) - 1)
    return answer_from(table, queries, bits, np.ceil(safe_log2(limits)))


def embedding_rounded_down(table, queries, bits):
    last = 2 ** (bits - 1) - 1
    k = np.floor(safe_log2(limits_of(table, bits)))
    codes = np.clip(np.round(table / 2.0 ** k[:, None]), -last, last)
    return answer_from(table, queries, bits, k, codes)


def embedding_to_the_nearest(table, queries, bits):
    return answer_from(table, queries, bits, np.rint(safe_log2(limits_of(table, bits))))


def embedding_one_too_large(table, queries, bits):
    k = [math.floor(math.log2(limit)) + 1 if limit else 0 for limit in limits_of(table, bits)]
    return answer_from(table, queries, bits, k)


def embedding_from_negatives(table, queries, bits):
    """Look only at the number that is farthest below 0."""
    limits = -table.min(axis=1) / (2 ** (bits - 1) - 1)
    return answer_from(table, queries, bits, np.ceil(safe_log2(limits)))


def embedding_by_natural_logarithms(table, queries, bits):
    limits = limits_of(table, bits)
    k = np.ceil(np.log(np.where(limits > 0, limits, 1)) / np.log(2))
    return answer_from(table, queries, bits, k)


def embedding_fit_by_rounding(table, queries, bits):
    """Take the smallest exponent with which no code lies outside of the range."""
    last, k = 2 ** (bits - 1) - 1, []
    for row in table:
        k.append(-60 if row.any() else 0)
        while np.abs(np.round(row / 2.0 ** k[-1])).max() > last:
            k[-1] += 1
    return answer_from(table, queries, bits, k)


def embedding_by_two_logarithms(table, queries, bits):
    largest = abs(table).max(axis=1)
    logs = np.log2(np.where(largest > 0, largest, 1)) - np.log2(2 ** (bits - 1) - 1)
    return answer_from(table, queries, bits, np.where(largest > 0, np.ceil(logs), 0))


def embedding_with_eight(table, queries, bits):
    last = 2 ** (bits - 1)
    k = np.ceil(safe_log2(abs(table).max(axis=1) / last))
    codes = np.clip(np.round(table / 2.0 ** k[:, None]), -last, last - 1)
    return answer_from(table, queries, bits, k, codes)


def embedding_without_sign(table, queries, bits):
    k = np.ceil(safe_log2(abs(table).max(axis=1) / (2**bits - 1)))
    return answer_from(table, queries, bits, k)


def embedding_multiplied(table, queries, bits):
    k = np.ceil(safe_log2(limits_of(table, bits)))
    return answer_from(table, queries, bits, k, np.round(table * 2.0 ** k[:, None]))


def right_embedding(table, queries, bits):
    codes, k, best, n_bytes = embedding_by_log2(table, queries, bits)
    return [codes, k, best, n_bytes]


def embedding_with_minus(*case):
    codes, k, best, n_bytes = right_embedding(*case)
    return codes, -k, best, n_bytes


def embedding_with_scales(*case):
    codes, k, best, n_bytes = right_embedding(*case)
    return codes, 2.0**k, best, n_bytes


def embedding_cut_off(table, queries, bits):
    k = right_embedding(table, queries, bits)[1]
    return answer_from(table, queries, bits, k, (table / 2.0 ** k[:, None]).astype(int))


def embedding_floored(table, queries, bits):
    k = right_embedding(table, queries, bits)[1]
    return answer_from(table, queries, bits, k, table // 2.0 ** k[:, None])


def embedding_half_up(table, queries, bits):
    k = right_embedding(table, queries, bits)[1]
    return answer_from(table, queries, bits, k, np.floor(table / 2.0 ** k[:, None] + 0.5))


def embedding_of_bare_codes(table, queries, bits):
    codes, k, _, n_bytes = right_embedding(table, queries, bits)
    return codes, k, np.argmax(queries @ codes.T, axis=1), n_bytes


def embedding_of_the_original(table, queries, bits):
    codes, k, _, n_bytes = right_embedding(table, queries, bits)
    return codes, k, [int(np.argmax(table @ query)) for query in queries], n_bytes


def embedding_by_cosine(table, queries, bits):
    codes, k, _, n_bytes = right_embedding(table, queries, bits)
    decoded = codes * 2.0 ** k[:, None]
    decoded = decoded / np.maximum(np.linalg.norm(decoded, axis=1, keepdims=True), 1e-12)
    return codes, k, (decoded @ queries.T).argmax(axis=0), n_bytes


def embedding_by_distance(table, queries, bits):
    codes, k, _, n_bytes = right_embedding(table, queries, bits)
    decoded = codes * 2.0 ** k[:, None]
    best = [np.linalg.norm(decoded - query, axis=1).argmin() for query in queries]
    return codes, k, best, n_bytes


def embedding_by_sorting(table, queries, bits):
    codes, k, _, n_bytes = right_embedding(table, queries, bits)
    scores = queries @ (codes * 2.0 ** k[:, None]).T
    return codes, k, np.argsort(scores, axis=1, kind="stable")[:, -1], n_bytes


def resized(size):
    def answer(table, queries, bits):
        *parts, _ = right_embedding(table, queries, bits)
        return (*parts, size(*table.shape, bits))

    return answer


# 14.fold


def fold_by_repeat(weight, bias, gamma, beta, mean, variance, eps):
    n_places = weight.shape[1] // len(gamma)
    scale = gamma / np.sqrt(variance + eps)
    shift = beta - mean * scale
    return weight * np.repeat(scale, n_places), bias + weight @ np.repeat(shift, n_places)


def fold_by_probing(weight, bias, gamma, beta, mean, variance, eps):
    def layer(x):
        x = x.reshape(len(x), len(gamma), -1)
        columns = [array[:, None] for array in (gamma, beta, mean, variance)]
        x = columns[0] * (x - columns[2]) / (columns[3] + eps) ** 0.5 + columns[1]
        return x.reshape(len(x), -1) @ weight.T + bias

    origin = layer(np.zeros((1, weight.shape[1])))[0]
    return (layer(np.eye(weight.shape[1])) - origin).T, origin


def fold_in_torch(weight, bias, gamma, beta, mean, variance, eps):
    W, b, g, o, m, v = (
        torch.tensor(part).float() for part in (weight, bias, gamma, beta, mean, variance)
    )
    scale = g * torch.rsqrt(v + eps)
    W3 = W.view(len(W), len(g), -1)
    return (W3 * scale[:, None]).flatten(1), b + torch.einsum("oci,c->o", W3, o - scale * m)


def fold_from(weight, bias, scale, shift, n_channels):
    n_places = weight.shape[1] // n_channels
    return weight * np.repeat(scale, n_places), bias + weight @ np.repeat(shift, n_places)


def with_scale(scale_of):
    def answer(weight, bias, gamma, beta, mean, variance, eps):
        scale = scale_of(gamma, variance, eps)
        return fold_from(weight, bias, scale, beta - scale * mean, len(gamma))

    return answer


def with_shift(shift_of):
    def answer(weight, bias, gamma, beta, mean, variance, eps):
        scale = gamma / (variance + eps) ** 0.5
        return fold_from(weight, bias, scale, shift_of(beta, mean, scale), len(gamma))

    return answer


def fold_by_tile(weight, bias, gamma, beta, mean, variance, eps):
    n_places = weight.shape[1] // len(gamma)
    scale = np.tile(gamma / np.sqrt(variance + eps), n_places)
    shift = np.tile(beta, n_places) - scale * np.tile(mean, n_places)
    return weight * scale, bias + weight @ shift


def fold_as_behind(weight, bias, gamma, beta, mean, variance, eps):
    scale = gamma / np.sqrt(variance + eps)
    return weight * scale.reshape(-1, 1), scale * (bias - mean) + beta


def fold_keeping_bias(*case):
    return fold_by_repeat(*case)[0], case[1]


def fold_losing_bias(*case):
    weight, bias = fold_by_repeat(*case)
    return weight, bias - case[1]


def fold_with_new_weight(weight, bias, gamma, beta, mean, variance, eps):
    n_places = weight.shape[1] // len(gamma)
    scale = gamma / np.sqrt(variance + eps)
    new = weight * np.repeat(scale, n_places)
    return new, bias + new @ np.repeat(beta - mean * scale, n_places)


def fold_turned(*case):
    weight, bias = fold_by_repeat(*case)
    return weight.T, bias


def fold_unweighted(weight, bias, gamma, beta, mean, variance, eps):
    n_places = weight.shape[1] // len(gamma)
    scale = gamma / np.sqrt(variance + eps)
    shift = np.repeat(beta - mean * scale, n_places)
    return weight * np.repeat(scale, n_places), bias + sum(shift)


RIGHT = {
    "14.tree_path": [path_by_recursion, path_by_best_subtrees, path_in_torch],
    "14.embedding": [embedding_by_log2, embedding_by_trying, embedding_in_torch],
    "14.fold": [fold_by_repeat, fold_by_probing, fold_in_torch],
}

WRONG = {
    "14.tree_path": {
        "swapped": path_turned_round,
        "full tree as a step of its own": path_from_the_full_tree,
        "nothing to cut": path_of_something,
        "beginning left out": path_of_cuts,
        "root left standing": path_without_root,
        "divided by all leaves": path_over_all_leaves,
        "not divided": path_of_savings,
        "children instead of leaves": path_by_children,
        "prices of the full tree": path_of_old_prices,
        "strongest link": path_of_the_strongest,
        "last splits only": path_from_the_bottom,
        "ghosts": path_with_ghosts,
        "equal but for rounding": path_without_tolerance,
        "different, but nearly equal": path_by_isclose,
        "one by one": path_one_by_one,
        "nodes counted": path_counting_nodes,
        "one leaf less": path_of_single_leaves,
    },
    "14.embedding": {
        "row of zeros": embedding_with_log_of_zero,
        "one exponent for all": embedding_with_one_exponent,
        "without absolute value": embedding_without_abs,
        "rounded down": embedding_rounded_down,
        "rounded to the nearest": embedding_to_the_nearest,
        "one too large": embedding_one_too_large,
        "a little beyond the last code": embedding_fit_by_rounding,
        "two logarithms": embedding_by_two_logarithms,
        "one code too many below": embedding_with_eight,
        "sign not counted": embedding_without_sign,
        "multiplied": embedding_multiplied,
        "exponent with the other sign": embedding_with_minus,
        "scales instead of exponents": embedding_with_scales,
        "cut off": embedding_cut_off,
        "rounded down to a code": embedding_floored,
        "halves": embedding_half_up,
        "exponents forgotten": embedding_of_bare_codes,
        "original table": embedding_of_the_original,
        "lengths divided out": embedding_by_cosine,
        "nearest": embedding_by_distance,
        "last of equals": embedding_by_sorting,
        "exponents not stored": resized(lambda n, d, bits: math.ceil(n * d * bits / 8)),
        "floats counted": resized(lambda n, d, bits: math.ceil(n * d * bits / 8) + 4 * n),
        "a byte for each code": resized(lambda n, d, bits: n * d + n),
        "bits for bytes": resized(lambda n, d, bits: n * d * bits + n * 8),
        "last byte lost": resized(lambda n, d, bits: n * d * bits // 8 + n),
        "each row filled up": resized(lambda n, d, bits: n * math.ceil(d * bits / 8) + n),
    },
    "14.fold": {
        "eps forgotten": with_scale(lambda gamma, variance, eps: gamma / variance**0.5),
        "eps outside the root": with_scale(
            lambda gamma, variance, eps: gamma / (variance**0.5 + eps)
        ),
        "another eps": with_scale(lambda gamma, variance, eps: gamma / (variance + 1e-5) ** 0.5),
        "variance not rooted": with_scale(lambda gamma, variance, eps: gamma / (variance + eps)),
        "multiplied by the deviation": with_scale(
            lambda gamma, variance, eps: gamma * (variance + eps) ** 0.5
        ),
        "gamma forgotten": with_scale(lambda gamma, variance, eps: (variance + eps) ** -0.5),
        "gamma without its sign": with_scale(
            lambda gamma, variance, eps: abs(gamma) / (variance + eps) ** 0.5
        ),
        "turned": fold_turned,
        "tiled": fold_by_tile,
        "as if it came behind": fold_as_behind,
        "bias as before": fold_keeping_bias,
        "old bias lost": fold_losing_bias,
        "beta forgotten": with_shift(lambda beta, mean, scale: -mean * scale),
        "mean forgotten": with_shift(lambda beta, mean, scale: beta),
        "mean not scaled": with_shift(lambda beta, mean, scale: beta - mean),
        "beta scaled": with_shift(lambda beta, mean, scale: (beta - mean) * scale),
        "mean added": with_shift(lambda beta, mean, scale: beta + mean * scale),
        "scaled twice": fold_with_new_weight,
        "not weighted": fold_unweighted,
    },
}
