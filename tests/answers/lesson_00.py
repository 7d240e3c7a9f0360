from itertools import pairwise
from math import ceil, sqrt

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


def verdict_from_the_bar_on(train_accuracy, fresh_accuracy, n_classes, n_examples):
    chance = 1 / n_classes
    bar = chance + 3 * sqrt(chance * (1 - chance) / n_examples)
    if fresh_accuracy >= bar:
        return "learned"
    return "memorised" if train_accuracy >= bar else "learned nothing"


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


def count_layer_by_layer(sizes, bits):
    weights = biases = 0
    for i in range(len(sizes) - 1):
        weights += sizes[i] * sizes[i + 1]
        biases += sizes[i + 1]
    return {
        "parameters": weights + biases,
        "macs": weights,
        "bytes": (weights * bits + 7) // 8 + 4 * biases,
    }


def count_with_arrays(sizes, bits):
    sizes = np.array(sizes)
    macs = sizes[:-1] @ sizes[1:]
    biases = np.zeros(sizes[1:].sum(), dtype=np.int32)
    packed = np.packbits(np.zeros(macs * bits, dtype=np.uint8))
    return {
        "bytes": len(packed.tobytes() + biases.tobytes()),
        "macs": macs,
        "parameters": macs + biases.size,
    }


def count_in_a_tuple(sizes, bits):
    return tuple(count_layer_by_layer(sizes, bits).values())


def count_with_sums(sizes, bits):
    parameters = sum(sizes)
    return {"parameters": parameters, "macs": parameters, "bytes": parameters * bits / 8}


def count_without_last_layer(sizes, bits):
    return count_layer_by_layer(sizes[:-1], bits)


def count_weights_only(sizes, bits):
    weights = sum(a * b for a, b in pairwise(sizes))
    return {"parameters": weights, "macs": weights, "bytes": ceil(weights * bits / 8)}


def count_input_biases(sizes, bits):
    weights = sum(a * b for a, b in pairwise(sizes))
    biases = sum(sizes)
    return {
        "parameters": weights + biases,
        "macs": weights,
        "bytes": ceil(weights * bits / 8) + 4 * biases,
    }


def count_with(**other):
    def count(sizes, bits):
        right = count_layer_by_layer(sizes, bits)
        weights, biases = right["macs"], right["parameters"] - right["macs"]
        return right | {part: change(weights, biases, bits) for part, change in other.items()}

    return count


def count_rounding_each_layer(sizes, bits):
    n_bytes = 0
    for a, b in pairwise(sizes):
        n_bytes += ceil(a * b * bits / 8) + 4 * b
    return count_layer_by_layer(sizes, bits) | {"bytes": n_bytes}


RIGHT = {
    "00.verdict": [verdict_in_words, verdict_in_standard_errors],
    "00.parameters": [count_layer_by_layer, count_with_arrays],
}

WRONG = {
    "00.verdict": {
        "another word": verdict_american,
        "at the bar": verdict_from_the_bar_on,
        "training must be perfect": verdict_if_perfect,
        "never nothing": verdict_without_nothing,
        "spread of ten classes": verdict_with(lambda c, n, a: 3 * sqrt(0.09 / n)),
        "fewer than three": verdict_with(lambda c, n, a: 2 * sqrt(c * (1 - c) / n)),
        "n outside the root": verdict_with(lambda c, n, a: 3 * sqrt(c * (1 - c)) / n),
        "root forgotten": verdict_with(lambda c, n, a: 3 * c * (1 - c) / n),
        "any margin": verdict_with(lambda c, n, a: 0),
        "n forgotten": verdict_with(lambda c, n, a: 3 * sqrt(c * (1 - c))),
        "spread of the accuracy": verdict_with(lambda c, n, a: 3 * sqrt(a * (1 - a) / n)),
        "both sides": verdict_on_both_sides,
        "always ten classes": verdict_with_chance_a_tenth,
        "chance of one half": verdict_with_chance_half,
        "more than three": verdict_with(lambda c, n, a: 4 * sqrt(c * (1 - c) / n)),
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
        "biases multiplied": count_with(macs=lambda weights, biases, bits: weights + biases),
        "counted twice": count_with(macs=lambda weights, biases, bits: 2 * weights),
        "bits ignored": count_with(bytes=lambda weights, biases, bits: weights + 4 * biases),
        "biases squeezed": count_with(
            bytes=lambda weights, biases, bits: ceil((weights + biases) * bits / 8)
        ),
        "bytes without biases": count_with(
            bytes=lambda weights, biases, bits: ceil(weights * bits / 8)
        ),
        "bits for bytes": count_with(
            bytes=lambda weights, biases, bits: weights * bits + 32 * biases
        ),
        "rounded by layer": count_rounding_each_layer,
        "not rounded up": count_with(
            bytes=lambda weights, biases, bits: weights * bits // 8 + biases * 4
        ),
        "only parameters wrong": count_with(
            parameters=lambda weights, biases, bits: weights * biases
        ),
        "only macs wrong": count_with(macs=lambda weights, biases, bits: weights * bits),
        "only bytes wrong": count_with(
            bytes=lambda weights, biases, bits: ceil(weights * bits / 8) + 2 * biases
        ),
    },
}
