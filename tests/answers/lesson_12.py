"""Right and wrong answers to the tasks of lesson 12, as learners would write them."""

import math

import numpy as np
import torch
from scipy.special import log_softmax, logsumexp, softmax
from torch.nn import functional as F

# 12.loss


def loss_in_numpy(logits, taught, labels, temperature, weight):
    def log_probabilities(z):
        z = z - z.max(axis=1, keepdims=True)
        return z - np.log(np.exp(z).sum(axis=1, keepdims=True))

    known = labels != -1
    hard = 0.0
    if known.any():
        hard = -log_probabilities(logits)[known, labels[known]].mean()
    log_p = log_probabilities(taught / temperature)
    log_q = log_probabilities(logits / temperature)
    soft = (np.exp(log_p) * (log_p - log_q)).sum(axis=1).mean()
    return (1 - weight) * hard + weight * temperature**2 * soft


def loss_in_torch(logits, taught, labels, temperature, weight):
    z, v = torch.tensor(logits, dtype=torch.float32), torch.tensor(taught, dtype=torch.float32)
    log_p, log_q = F.log_softmax(v / temperature, 1), F.log_softmax(z / temperature, 1)
    soft = F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
    n_labelled = int((labels >= 0).sum())
    y = torch.tensor(labels).long()
    hard = F.cross_entropy(z, y, ignore_index=-1, reduction="sum") / max(n_labelled, 1)
    return (1 - weight) * hard + weight * temperature * temperature * soft


def loss_row_by_row(logits, taught, labels, temperature, weight):
    hard, soft = [], []
    for z, v, y in zip(logits, taught, labels, strict=True):
        if y >= 0:
            hard.append(logsumexp(z) - z[y])
        p = softmax(v / temperature)
        surprise = logsumexp(z / temperature) - z / temperature
        own = logsumexp(v / temperature) - v / temperature
        soft.append(sum(p * (surprise - own)))
    labelled = sum(hard) / len(hard) if hard else 0
    return labelled * (1 - weight) + sum(soft) / len(soft) * weight * temperature**2


def divergence_of(p, q):
    return (p * np.log(p / q)).sum(axis=1)


def labelled_mean(z, y):
    chosen = [z[i] for i in range(len(y)) if y[i] >= 0]
    wanted = [label for label in y if label >= 0]
    if not wanted:
        return 0.0
    return np.mean([-log_softmax(row)[k] for row, k in zip(chosen, wanted, strict=True)])


def blend(hard, soft, weight):
    return hard * (1 - weight) + soft * weight


def softened(z, v, temperature):
    log_p, log_q = log_softmax(v / temperature, axis=1), log_softmax(z / temperature, axis=1)
    return np.sum(np.exp(log_p) * (log_p - log_q), axis=1).mean()


def loss_of_nothing(z, v, y, temperature, weight):
    known = y >= 0
    hard = -log_softmax(z, axis=1)[known, y[known]].mean()
    return blend(hard, temperature**2 * softened(z, v, temperature), weight)


def loss_overflowing(z, v, y, temperature, weight):
    def plain_softmax(z):
        return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)

    known = y >= 0
    hard = -np.log(plain_softmax(z)[known, y[known]]).mean() if known.any() else 0
    soft = divergence_of(plain_softmax(v / temperature), plain_softmax(z / temperature)).mean()
    return blend(hard, temperature**2 * soft, weight)


def loss_with_epsilon(z, v, y, temperature, weight):
    p, q = softmax(v / temperature, axis=1), softmax(z / temperature, axis=1)
    soft = (p * (np.log(p + 1e-12) - np.log(q + 1e-12))).sum(axis=1).mean()
    return blend(labelled_mean(z, y), temperature**2 * soft, weight)


def loss_without_square(z, v, y, temperature, weight):
    p, q = softmax(v / temperature, axis=1), softmax(z / temperature, axis=1)
    return blend(labelled_mean(z, y), divergence_of(p, q).mean(), weight)


def loss_times_temperature(z, v, y, temperature, weight):
    return blend(labelled_mean(z, y), temperature * softened(z, v, temperature), weight)


def loss_over_square(z, v, y, temperature, weight):
    return blend(labelled_mean(z, y), softened(z, v, temperature) / temperature**2, weight)


def loss_with_square_on_all(z, v, y, temperature, weight):
    return blend(labelled_mean(z, y), softened(z, v, temperature), weight) * temperature**2


def loss_with_swapped_weights(z, v, y, temperature, weight):
    soft = temperature**2 * softened(z, v, temperature)
    return weight * labelled_mean(z, y) + (1 - weight) * soft


def loss_with_swapped_divergence(z, v, y, temperature, weight):
    p, q = softmax(v / temperature, axis=1), softmax(z / temperature, axis=1)
    return blend(labelled_mean(z, y), temperature**2 * divergence_of(q, p).mean(), weight)


def loss_by_cross_entropy(z, v, y, temperature, weight):
    p = softmax(v / temperature, axis=1)
    soft = -(p * log_softmax(z / temperature, axis=1)).sum(axis=1).mean()
    return blend(labelled_mean(z, y), temperature**2 * soft, weight)


def loss_by_kl_div_of_probabilities(z, v, y, temperature, weight):
    p, q = (torch.tensor(softmax(x / temperature, axis=1)) for x in (v, z))
    soft = F.kl_div(q, p, reduction="batchmean").item()
    return blend(labelled_mean(z, y), temperature**2 * soft, weight)


def loss_with_two_softmaxes(z, v, y, temperature, weight):
    p, q = softmax(v / temperature, axis=1), softmax(z / temperature, axis=1)
    twice = softmax(q, axis=1)
    soft = np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / twice), 0).sum(axis=1).mean()
    return blend(labelled_mean(z, y), temperature**2 * soft, weight)


def loss_with_sharp_teacher(z, v, y, temperature, weight):
    log_p = log_softmax(v, axis=1)
    soft = (np.exp(log_p) * (log_p - log_softmax(z / temperature, axis=1))).sum(axis=1).mean()
    return blend(labelled_mean(z, y), temperature**2 * soft, weight)


def loss_with_sharp_student(z, v, y, temperature, weight):
    p, q = softmax(v / temperature, axis=1), softmax(z, axis=1)
    return blend(labelled_mean(z, y), temperature**2 * divergence_of(p, q).mean(), weight)


def loss_at_the_inverse(z, v, y, temperature, weight):
    soft = softened(z, v, 1 / temperature)
    return blend(labelled_mean(z, y), temperature**2 * soft, weight)


def loss_with_soft_labels_part(z, v, y, temperature, weight):
    hard = labelled_mean(z / temperature, y)
    return blend(hard, temperature**2 * softened(z, v, temperature), weight)


def loss_by_columns(z, v, y, temperature, weight):
    p, q = softmax(v / temperature, axis=0), softmax(z / temperature, axis=0)
    hard = 0.0
    if max(y) >= 0:
        hard = np.mean([-log_softmax(z, axis=0)[i, y[i]] for i in range(len(y)) if y[i] >= 0])
    return blend(hard, temperature**2 * divergence_of(p, q).mean(), weight)


def loss_by_mean_over_all(z, v, y, temperature, weight):
    p, q = softmax(v / temperature, axis=1), softmax(z / temperature, axis=1)
    soft = (p * np.log(p / q)).mean()
    return blend(labelled_mean(z, y), temperature**2 * soft, weight)


def loss_by_sums(z, v, y, temperature, weight):
    hard = labelled_mean(z, y) * np.count_nonzero(y >= 0)
    return blend(hard, temperature**2 * softened(z, v, temperature) * len(z), weight)


def loss_in_bits(z, v, y, temperature, weight):
    soft = temperature**2 * softened(z, v, temperature)
    return blend(labelled_mean(z, y), soft, weight) * math.log2(math.e)


def loss_without_class_0(z, v, y, temperature, weight):
    hard = labelled_mean(z, np.array([label if label > 0 else -1 for label in y]))
    return blend(hard, temperature**2 * softened(z, v, temperature), weight)


def loss_with_a_last_class(z, v, y, temperature, weight):
    hard = -np.mean([log_softmax(row)[k] for row, k in zip(z, y, strict=True)])
    return blend(hard, temperature**2 * softened(z, v, temperature), weight)


def loss_over_all_rows(z, v, y, temperature, weight):
    hard = sum(-log_softmax(row)[k] for row, k in zip(z, y, strict=True) if k >= 0) / len(y)
    return blend(hard, temperature**2 * softened(z, v, temperature), weight)


def loss_of_labelled_rows(z, v, y, temperature, weight):
    some = np.flatnonzero(y >= 0)
    z, v, y = z[some], v[some], y[some]
    return blend(labelled_mean(z, y), temperature**2 * softened(z, v, temperature), weight)


# 12.missing


def bias_by_sorting(logits, missing, share):
    rivals = np.delete(logits, missing, axis=1).max(axis=1)
    gaps = np.sort(rivals - logits[:, missing])
    return max(0.0, gaps[math.ceil(share * len(gaps)) - 1])


def bias_by_trying(logits, missing, share):
    def n_called(bias):
        raised = logits.copy()
        raised[:, missing] += bias
        return sum(row[missing] == max(row) for row in raised)

    candidates = [0.0]
    for row in logits:
        candidates.append(max(value for k, value in enumerate(row) if k != missing) - row[missing])
    return min(b for b in candidates if b >= 0 and n_called(b) >= share * len(logits))


def bias_in_single_precision(logits, missing, share):
    z = torch.tensor(logits, dtype=torch.float32)
    rivals = z.clone()
    rivals[:, missing] = -torch.inf
    gaps = rivals.amax(dim=1) - z[:, missing]
    return gaps.clamp(min=0).kthvalue(math.ceil(share * len(z))).values


def gaps_of(logits, missing):
    columns = [k for k in range(logits.shape[1]) if k != missing]
    return logits[:, columns].max(axis=1) - logits[:, missing]


def rows_needed(logits, share):
    return math.ceil(share * len(logits))


def bias_that_may_fall(logits, missing, share):
    return sorted(gaps_of(logits, missing))[rows_needed(logits, share) - 1]


def bias_with_minus(logits, missing, share):
    return -bias_by_sorting(logits, missing, share)


def bias_of_the_logit(logits, missing, share):
    return max(0, sorted(-logits[:, missing])[rows_needed(logits, share) - 1])


def bias_against_zero(logits, missing, share):
    others = logits.copy()
    others[:, missing] = 0
    gaps = others.max(axis=1) - logits[:, missing]
    return max(0, sorted(gaps)[rows_needed(logits, share) - 1])


def bias_to_the_mean(logits, missing, share):
    gaps = logits.mean(axis=1) - logits[:, missing]
    return max(0, sorted(gaps)[rows_needed(logits, share) - 1])


def bias_to_the_second(logits, missing, share):
    others = np.sort(np.delete(logits, missing, 1), axis=1)
    return max(0, sorted(others[:, -2] - logits[:, missing])[rows_needed(logits, share) - 1])


def bias_from_the_top(logits, missing, share):
    gaps = sorted(gaps_of(logits, missing), reverse=True)
    return max(0, gaps[rows_needed(logits, share) - 1])


def bias_by_quantile(logits, missing, share):
    return max(0, np.quantile(gaps_of(logits, missing), share))


def bias_rounded_down(logits, missing, share):
    return max(0, sorted(gaps_of(logits, missing))[int(share * len(logits)) - 1])


def bias_one_too_far(logits, missing, share):
    return max(0, sorted(gaps_of(logits, missing))[rows_needed(logits, share)])


def bias_by_small_steps(logits, missing, share):
    bias = 0
    raised = np.eye(logits.shape[1])[missing]
    while ((logits + bias * raised).argmax(axis=1) == missing).mean() < share:
        bias += 0.125
    return bias


def bias_one_too_early(logits, missing, share):
    return max(0, sorted(gaps_of(logits, missing))[rows_needed(logits, share) - 2])


def bias_for_new_rows(logits, missing, share):
    gaps = [gap for gap in gaps_of(logits, missing) if gap > 0]
    return sorted(gaps)[rows_needed(logits, share) - 1]


def bias_of_the_last_class(logits, missing, share):
    return bias_by_sorting(logits, -1, share)


def bias_of_four_classes(logits, missing, share):
    return bias_by_sorting(logits[:, :4], missing, share)


def bias_above_a_number(number):
    """Set the logit of the class to a number that is meant to be below all others."""

    def bias(logits, missing, share):
        others = logits.copy()
        others[:, missing] = number
        gaps = np.sort(others.max(axis=1) - logits[:, missing])
        return max(0, gaps[rows_needed(logits, share) - 1])

    return bias


def bias_by_mean(logits, missing, share):
    return max(0, np.mean(gaps_of(logits, missing)))


def bias_for_all(logits, missing, share):
    return max(0, max(gaps_of(logits, missing)))


# 12.consistency


def consistency_in_numpy(first, second, labels):
    one, other = first == labels, second == labels
    p, q = one.mean(), other.mean()
    chance = p * q + (1 - p) * (1 - q)
    if chance == 1:
        return 0.0
    return ((one == other).mean() - chance) / (1 - chance)


def consistency_by_counting(first, second, labels):
    table = np.zeros((2, 2))
    for a, b, y in zip(first, second, labels, strict=True):
        table[int(a == y), int(b == y)] += 1
    table /= table.sum()
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    chance = rows @ columns
    return 0 if chance > 1 - 1e-12 else 1 - (1 - np.trace(table)) / (1 - chance)


def consistency_in_single_precision(first, second, labels):
    one, other = (torch.tensor(a == labels).float() for a in (first, second))
    chance = one.mean() * other.mean() + (1 - one).mean() * (1 - other).mean()
    if chance == 1:
        return torch.tensor(0.0)
    return ((one == other).float().mean() - chance) / (1 - chance)


def two_scores(first, second, labels):
    return np.mean(first == labels), np.mean(second == labels)


def together(first, second, labels):
    return np.mean((first == labels) == (second == labels))


def by_chance(first, second, labels):
    p, q = two_scores(first, second, labels)
    return p * q + (1 - p) * (1 - q)


def above(observed, chance):
    return 0.0 if chance == 1 else (observed - chance) / (1 - chance)


def consistency_dividing(first, second, labels):
    chance = by_chance(first, second, labels)
    return (together(first, second, labels) - chance) / (1 - chance)


def consistency_of_uncertain(largest):
    """Call chance certain from here on."""

    def consistency(first, second, labels):
        if by_chance(first, second, labels) > largest:
            return 0.0
        return consistency_in_numpy(first, second, labels)

    return consistency


def consistency_one_for_certain(first, second, labels):
    if by_chance(first, second, labels) == 1:
        return 1.0
    return consistency_in_numpy(first, second, labels)


def consistency_never_negative(first, second, labels):
    return max(0, consistency_in_numpy(first, second, labels))


def consistency_as_share(first, second, labels):
    return together(first, second, labels)


def consistency_as_agreement(first, second, labels):
    return np.mean(first == second)


def consistency_of_answers(first, second, labels):
    return above(np.mean(first == second), by_chance(first, second, labels))


def consistency_by_kappa(first, second, labels):
    shares = [np.bincount(answers, minlength=5) / len(answers) for answers in (first, second)]
    return above(np.mean(first == second), float(shares[0] @ shares[1]))


def consistency_by_guessing(first, second, labels):
    return above(together(first, second, labels), 1 / len(set(labels.tolist())))


def consistency_without_wrong_chance(first, second, labels):
    p, q = two_scores(first, second, labels)
    return above(together(first, second, labels), p * q)


def consistency_of_right_ones(first, second, labels):
    both = np.mean((first == labels) & (second == labels))
    return above(both, by_chance(first, second, labels))


def consistency_as_difference(first, second, labels):
    return together(first, second, labels) - by_chance(first, second, labels)


def consistency_over_chance(first, second, labels):
    chance = by_chance(first, second, labels)
    return (together(first, second, labels) - chance) / chance


def consistency_of_scores(first, second, labels):
    p, q = two_scores(first, second, labels)
    return 1 - abs(p - q)


def consistency_with_second_as_labels(first, second, labels):
    return consistency_in_numpy(first, labels, second)


RIGHT = {
    "12.loss": [loss_in_numpy, loss_in_torch, loss_row_by_row],
    "12.missing": [bias_by_sorting, bias_by_trying, bias_in_single_precision],
    "12.consistency": [
        consistency_in_numpy,
        consistency_by_counting,
        consistency_in_single_precision,
    ],
}

WRONG = {
    "12.loss": {
        "mean of nothing": loss_of_nothing,
        "overflow": loss_overflowing,
        "logarithm cut off": loss_with_epsilon,
        "no square": loss_without_square,
        "T instead of its square": loss_times_temperature,
        "divided by the square": loss_over_square,
        "square on both parts": loss_with_square_on_all,
        "weights swapped": loss_with_swapped_weights,
        "divergence swapped": loss_with_swapped_divergence,
        "cross entropy for divergence": loss_by_cross_entropy,
        "logarithm forgotten": loss_by_kl_div_of_probabilities,
        "softmax twice": loss_with_two_softmaxes,
        "teacher not softened": loss_with_sharp_teacher,
        "student not softened": loss_with_sharp_student,
        "multiplied by the temperature": loss_at_the_inverse,
        "labels softened": loss_with_soft_labels_part,
        "softmax over the examples": loss_by_columns,
        "mean over classes": loss_by_mean_over_all,
        "sum over examples": loss_by_sums,
        "logarithm to base 2": loss_in_bits,
        "class 0 left out": loss_without_class_0,
        "-1 as a class": loss_with_a_last_class,
        "divided by all": loss_over_all_rows,
        "teacher for the labelled only": loss_of_labelled_rows,
    },
    "12.missing": {
        "lowered": bias_that_may_fall,
        "minus the answer": bias_with_minus,
        "a logit for a gap": bias_of_the_logit,
        "own logit set to a number": bias_against_zero,
        "gap to the mean": bias_to_the_mean,
        "gap to the second best": bias_to_the_second,
        "share of the others": bias_from_the_top,
        "rounded down": bias_rounded_down,
        "one row too many": bias_one_too_far,
        "a tie lost": bias_by_small_steps,
        "one row too few": bias_one_too_early,
        "a quantile between two rows": bias_by_quantile,
        "those found not counted": bias_for_new_rows,
        "another class": bias_of_the_last_class,
        "mean gap": bias_by_mean,
        "all rows": bias_for_all,
    },
    "12.consistency": {
        "division by zero": consistency_dividing,
        "certain by chance": consistency_one_for_certain,
        "cut off at 0": consistency_never_negative,
        "nothing taken off": consistency_as_share,
        "share of equal answers": consistency_as_agreement,
        "equal answers": consistency_of_answers,
        "chance of equal answers": consistency_by_kappa,
        "one in so many classes": consistency_by_guessing,
        "both right only": consistency_without_wrong_chance,
        "wrong together forgotten": consistency_of_right_ones,
        "not divided": consistency_as_difference,
        "divided by chance": consistency_over_chance,
        "accuracies compared": consistency_of_scores,
        "labels not used": consistency_with_second_as_labels,
    },
}
