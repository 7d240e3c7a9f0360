from itertools import pairwise
from math import sqrt

import numpy as np

# 00.verdict


def verdict_in_words(train_accuracy, fresh_accuracy, n_classes, n_examples):
    chance = 1 / n_classes
    bar = chance + 3 * sqrt(chance * (1 - chance) / n_examples)
    if fresh_accuracy > bar:
        return "learned"
    elif train_accuracy > bar:
        return "memorised"
    else:
        return "learned nothing"


def verdict_in_standard_errors(train_accuracy, fresh_accuracy, n_classes, n_examples):
    right = np.array([train_accuracy, fresh_accuracy]) * n_examples
    by_luck = n_examples / n_classes
    z = (right - by_luck) / np.sqrt(by_luck * (n_classes - 1) / n_classes)
    return str(np.select([z[1] > 3, z[0] > 3], ["learned", "memorised"], "learned nothing"))


def verdict_american(*case):
    return verdict_in_words(*case).replace("memorised", "memorized")


def verdict_with_chance_half(train_accuracy, fresh_accuracy, n_classes, n_examples):
    return verdict_in_words(train_accuracy, fresh_accuracy, 2, n_examples)


def verdict_with_chance_a_tenth(train_accuracy, fresh_accuracy, n_classes, n_examples):
    return verdict_in_words(train_accuracy, fresh_accuracy, 10, n_examples)


def verdict_with(margin):
    def verdict(train_accuracy, fresh_accuracy, n_classes, n_examples):
        if fresh_accuracy - 1 / n_classes > margin(1 / n_classes, n_examples, fresh_accuracy):
            return "learned"
        if train_accuracy - 1 / n_classes > margin(1 / n_classes, n_examples, train_accuracy):
            return "memorised"
        return "learned nothing"

    return verdict


def verdict_on_both_sides(train_accuracy, fresh_accuracy, n_classes, n_examples):
    chance = 1 / n_classes
    margin = 3 * sqrt(chance * (1 - chance) / n_examples)
    if abs(fresh_accuracy - chance) > margin:
        return "learned"
    return "memorised" if abs(train_accuracy - chance) > margin else "learned nothing"


def verdict_by_training(train_accuracy, fresh_accuracy, n_classes, n_examples):
    chance = 1 / n_classes
    bar = chance + 3 * sqrt(chance * (1 - chance) / n_examples)
    if train_accuracy > bar:
        return "learned"
    return "memorised" if fresh_accuracy > bar else "learned nothing"


def verdict_if_perfect(train_accuracy, fresh_accuracy, n_classes, n_examples):
    answer = verdict_in_words(train_accuracy, fresh_accuracy, n_classes, n_examples)
    return "learned nothing" if answer == "memorised" and train_accuracy < 0.95 else answer


def verdict_without_nothing(train_accuracy, fresh_accuracy, n_classes, n_examples):
    chance = 1 / n_classes
    learned = fresh_accuracy > chance + 3 * sqrt(chance * (1 - chance) / n_examples)
    return "learned" if learned else "memorised"


def verdict_by_gap(train_accuracy, fresh_accuracy, n_classes, n_examples):
    if train_accuracy - fresh_accuracy > 0.1:
        return "memorised"
    chance = 1 / n_classes
    bar = chance + 3 * sqrt(chance * (1 - chance) / n_examples)
    return "learned" if fresh_accuracy > bar else "learned nothing"


def verdict_training_first(train_accuracy, fresh_accuracy, n_classes, n_examples):
    chance = 1 / n_classes
    bar = chance + 3 * sqrt(chance * (1 - chance) / n_examples)
    if train_accuracy > bar:
        return "memorised"
    elif fresh_accuracy > bar:
        return "learned"
    return "learned nothing"


# 00.parameters


def count_layer_by_layer(sizes):
    weights = biases = 0
    for i in range(len(sizes) - 1):
        weights += sizes[i] * sizes[i + 1]
        biases += sizes[i + 1]
    return {"parameters": weights + biases, "macs": weights, "bytes": weights + 4 * biases}


def count_with_arrays(sizes):
    sizes = np.array(sizes)
    macs = sizes[:-1] @ sizes[1:]
    biases = np.zeros(sizes[1:].sum(), dtype=np.int32)
    return {"bytes": macs + biases.nbytes, "macs": macs, "parameters": macs + biases.size}


def count_in_a_tuple(sizes):
    return tuple(count_layer_by_layer(sizes).values())


def count_with_sums(sizes):
    parameters = sum(sizes)
    return {"parameters": parameters, "macs": parameters, "bytes": parameters}


def count_without_last_layer(sizes):
    weights = biases = 0
    for i in range(len(sizes) - 2):
        weights += sizes[i] * sizes[i + 1]
        biases += sizes[i + 1]
    return {"parameters": weights + biases, "macs": weights, "bytes": weights + 4 * biases}


def count_weights_only(sizes):
    weights = sum(a * b for a, b in pairwise(sizes))
    return {"parameters": weights, "macs": weights, "bytes": weights}


def count_input_biases(sizes):
    weights = sum(a * b for a, b in pairwise(sizes))
    biases = sum(sizes)
    return {"parameters": weights + biases, "macs": weights, "bytes": weights + 4 * biases}


def count_with(**other):
    def count(sizes):
        right = count_layer_by_layer(sizes)
        weights, biases = right["macs"], right["parameters"] - right["macs"]
        return right | {part: change(weights, biases) for part, change in other.items()}

    return count


RIGHT = {
    "00.verdict": [verdict_in_words, verdict_in_standard_errors],
    "00.parameters": [count_layer_by_layer, count_with_arrays],
}

WRONG = {
    "00.verdict": {
        "another word": verdict_american,
        "training must be perfect": verdict_if_perfect,
        "never nothing": verdict_without_nothing,
        "fewer than three": verdict_with(lambda c, n, a: 2 * sqrt(c * (1 - c) / n)),
        "n outside the root": verdict_with(lambda c, n, a: 3 * sqrt(c * (1 - c)) / n),
        "root forgotten": verdict_with(lambda c, n, a: 3 * c * (1 - c) / n),
        "any margin": verdict_with(lambda c, n, a: 0),
        "n forgotten": verdict_with(lambda c, n, a: 3 * sqrt(c * (1 - c))),
        "spread of the accuracy": verdict_with(lambda c, n, a: 3 * sqrt(a * (1 - a) / n)),
        "both sides": verdict_on_both_sides,
        "always ten classes": verdict_with_chance_a_tenth,
        "chance of one half": verdict_with_chance_half,
        "judged by training": verdict_by_training,
        "gap held against it": verdict_by_gap,
        "fresh asked last": verdict_training_first,
    },
    "00.parameters": {
        "other keys": count_in_a_tuple,
        "sizes added": count_with_sums,
        "layer missing": count_without_last_layer,
        "biases forgotten": count_weights_only,
        "biases for the inputs": count_input_biases,
        "biases multiplied": count_with(macs=lambda weights, biases: weights + biases),
        "counted twice": count_with(macs=lambda weights, biases: 2 * weights),
        "one byte for all": count_with(bytes=lambda weights, biases: weights + biases),
        "four bytes for all": count_with(bytes=lambda weights, biases: 4 * (weights + biases)),
        "bytes without biases": count_with(bytes=lambda weights, biases: weights),
        "bits": count_with(bytes=lambda weights, biases: 8 * weights + 32 * biases),
        "only parameters wrong": count_with(parameters=lambda weights, biases: weights + 1),
        "only macs wrong": count_with(macs=lambda weights, biases: weights * biases),
        "only bytes wrong": count_with(bytes=lambda weights, biases: 2 * weights + 4 * biases),
    },
}
