"""Tasks of lesson 00, start here."""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from minilib.checks.task import Mistake, Task, same_as

# 00.verdict: has a network learned, memorised, or learned nothing?

VERDICTS = ("learned", "memorised", "learned nothing")


def _verdict_cases(rng: np.random.Generator) -> list[tuple]:
    def share(low: float, high: float, n: int) -> float:
        return round(n * rng.uniform(low, high)) / n

    def luck(low: float, high: float, n_classes: int, n: int) -> float:
        """So many standard errors above chance."""
        spread = np.sqrt((1 - 1 / n_classes) / n_classes / n)
        return share(1 / n_classes + low * spread, 1 / n_classes + high * spread, n)

    n = int(rng.integers(800, 1200))
    many, huge = 3 * n, 20_000
    odd, even = 2 * int(rng.integers(15, 30)) + 1, 2 * int(rng.integers(15, 30))
    return [
        # Good networks, better on what they were trained with, or not.
        (share(0.97, 0.999, n), share(0.58, 0.64, n), 10, n),
        (share(0.85, 0.9, n), share(0.91, 0.95, n), 10, n),
        # Weak ones, but they have learned something.
        (share(0.7, 0.95, many), share(0.04, 0.08, many), 100, many),
        (luck(8, 10, 10, n), luck(5, 7, 10, n), 10, n),
        (luck(3.2, 3.4, 2, n), luck(3.5, 3.8, 2, n), 2, n),
        (share(0.7, 0.95, 100), share(0.2, 0.22, 100), 10, 100),
        # Memories: on what is fresh at chance, a little above, a little or far below.
        (share(0.99, 1, n), luck(-2, -0.3, 10, n), 10, n),
        (share(0.99, 1, n), luck(0.3, 0.8, 10, n), 10, n),
        (share(0.99, 1, many), luck(1.2, 1.8, 100, many), 100, many),
        (share(0.99, 1, n), luck(2.3, 2.7, 10, n), 10, n),
        (share(0.99, 1, n), luck(-8, -5, 10, n), 10, n),
        (luck(5, 8, 10, n), luck(-0.8, -0.3, 10, n), 10, n),
        (share(0.99, 1, n), luck(2.1, 2.7, 2, n), 2, n),
        # One or two right answers more than half of them.
        (1.0, (odd // 2 + 1) / odd, 2, odd),
        (1.0, (even // 2 + 1) / even, 2, even),
        (1.0, (even // 2 + 2) / even, 2, even),
        # Nothing at all.
        (luck(-2, -0.3, 10, n), luck(-2, -0.3, 10, n), 10, n),
        (luck(-0.8, -0.3, 10, n), luck(1.2, 1.8, 10, n), 10, n),
        (luck(0.3, 0.8, 10, n), luck(2.3, 2.7, 10, n), 10, n),
        (luck(1.2, 1.8, 10, n), luck(-2, -1.2, 10, n), 10, n),
        # Just below the bar of three standard errors and just above, first fresh, then train.
        *((luck(50, 60, c, huge), luck(2.85, 2.95, c, huge), c, huge) for c in (10, 100)),
        (1.0, luck(2.85, 2.95, 2, huge), 2, huge),
        *((luck(20, 30, c, huge), luck(3.05, 3.15, c, huge), c, huge) for c in (2, 10, 100)),
        *((luck(2.85, 2.95, c, huge), luck(-1, 1, c, huge), c, huge) for c in (2, 10, 100)),
        *((luck(3.05, 3.15, c, huge), luck(-1, 1, c, huge), c, huge) for c in (2, 10, 100)),
        # Exactly at the bar, which is 0.6875 without any rounding: not above it.
        (1.0, 44 / 64, 2, 64),
        (44 / 64, 0.5, 2, 64),
    ]


def _standard_error(share: float, n: int) -> float:
    return float(np.sqrt(share * (1 - share) / n))


def _verdict_by(above: Callable[[float, float, int], bool]) -> Callable[..., str]:
    """Judge by a rule above(accuracy, chance, n)."""

    def verdict(train_accuracy: float, fresh_accuracy: float, n_classes: int, n: int) -> str:
        if above(fresh_accuracy, 1 / n_classes, n):
            return "learned"
        return "memorised" if above(train_accuracy, 1 / n_classes, n) else "learned nothing"

    return verdict


_verdict = _verdict_by(lambda a, c, n: a > c + 3 * _standard_error(c, n))


def _judged_by(*rules: Callable[[float, float, int], bool]) -> Callable[..., bool]:
    return same_as(*[_verdict_by(above) for above in rules])


def _gap_held_against(answer: str, train: float, fresh: float, n_classes: int, n: int) -> bool:
    """Whether the answer could come from a gap between the accuracies, however large."""
    if answer == "memorised":
        return train > fresh
    return answer == "learned nothing" and _verdict(train, fresh, n_classes, n) == "memorised"


VERDICT = Task(
    "00.verdict",
    _verdict_cases,
    _verdict,
    (  # Where one mistake errs only in cases in which another errs as well, it comes first.
        Mistake(
            "another word",
            "your answer is none of the three. Return exactly 'learned', 'memorised' or "
            "'learned nothing', letter for letter.",
            lambda answer, *_: isinstance(answer, (str, int, float)) and answer not in VERDICTS,
        ),
        Mistake(
            "at the bar",
            "you count an accuracy of exactly three standard errors above chance. The text asks "
            "for more than three: write >, not >=.",
            _judged_by(lambda a, c, n: a >= c + 3 * _standard_error(c, n)),
        ),
        Mistake(
            "training must be perfect",
            "you ask for more than the text before you say 'memorised'. On the training examples, "
            "too, above chance means by more than three standard errors, no more.",
            lambda answer, *arguments: (
                answer == "learned nothing" and _verdict(*arguments) == "memorised"
            ),
        ),
        Mistake(
            "never nothing",
            "you say 'memorised' of a network that is no better than chance on its training "
            "examples either. Such a network has learned nothing.",
            lambda answer, *arguments: (
                answer == "memorised" and _verdict(*arguments) == "learned nothing"
            ),
        ),
        Mistake(
            "spread of ten classes",
            "your chance level follows the number of classes, your standard error does not: it is "
            "that of ten classes, always. Put c = 1 / n_classes into the root as well.",
            _judged_by(lambda a, c, n: a > c + 3 * _standard_error(0.1, n)),
        ),
        Mistake(
            "fewer than three",
            "your margin is one or two standard errors, not three. Of forty networks that guess, "
            "one is two above chance, so sooner or later you call a guess knowledge.",
            _judged_by(
                lambda a, c, n: a > c + _standard_error(c, n),
                lambda a, c, n: a > c + 1.96 * _standard_error(c, n),
                lambda a, c, n: a > c + 2 * _standard_error(c, n),
            ),
        ),
        Mistake(
            "n outside the root",
            "your margin divides by n, not by the root of n, so it is far too narrow. n belongs "
            "under the root: sqrt(c * (1 - c) / n).",
            _judged_by(lambda a, c, n: a > c + 3 * np.sqrt(c * (1 - c)) / n),
        ),
        Mistake(
            "root forgotten",
            "your margin is three times c * (1 - c) / n, which is a variance. The standard error "
            "is its square root, and much larger.",
            _judged_by(lambda a, c, n: a > c + 3 * c * (1 - c) / n),
        ),
        Mistake(
            "any margin",
            "for you, anything above chance counts, be it by one right answer more. Half of all "
            "who guess are that lucky: ask for three standard errors, and mind n_examples.",
            _judged_by(lambda a, c, n: a > c),
        ),
        Mistake(
            "n forgotten",
            "your margin is as wide for a thousand examples as for one, so hardly anything is "
            "above it. That is the spread of a single guess; the mean of n guesses scatters "
            "less: sqrt(c * (1 - c) / n).",
            _judged_by(lambda a, c, n: a > c + 3 * np.sqrt(c * (1 - c))),
        ),
        Mistake(
            "spread of the accuracy",
            "you put the measured accuracy into the root, not the chance level. The question is "
            "how far somebody who guesses gets by luck, and that depends on c alone.",
            _judged_by(lambda a, c, n: a > c + 3 * _standard_error(a, n)),
        ),
        Mistake(
            "both sides",
            "you call networks 'learned' that are far below chance. Far from chance is not above "
            "it: leave out the absolute value.",
            _judged_by(lambda a, c, n: abs(a - c) > 3 * _standard_error(c, n)),
        ),
        Mistake(
            "always ten classes",
            "you take one in ten as the chance level, whatever the number of classes. Not all data "
            "are digits: it is 1 / n_classes.",
            _judged_by(lambda a, c, n: a > 0.1 + 3 * _standard_error(0.1, n)),
        ),
        Mistake(
            "chance of one half",
            "you take one half as the chance level, whatever the number of classes. Who guesses "
            "among ten digits is right in one of ten cases: 1 / n_classes.",
            _judged_by(
                lambda a, c, n: a > 0.5 + 3 * _standard_error(0.5, n),
                lambda a, c, n: a > 0.5 + 3 * _standard_error(c, n),
                lambda a, c, n: a > 0.5,
            ),
        ),
        Mistake(
            "more than three",
            "your margin is wider than three standard errors, so you overlook networks that have "
            "learned a little. Of 740 networks that guess, one is three above chance: that is rare "
            "enough here.",
            lambda answer, *arguments: (
                answer == _verdict_by(lambda a, c, n: a > c + 8 * _standard_error(c, n))(*arguments)
            ),
        ),
        Mistake(
            "judged by training",
            "you call a network 'learned' because of its accuracy on the training examples. That "
            "is article A's trap: knowing by heart looks the same there. Only fresh examples tell.",
            lambda answer, train, fresh, n_classes, n: same_as(_verdict)(
                answer, train, train, n_classes, n
            ),
        ),
        Mistake(
            "gap held against it",
            "you call a network 'memorised' because it does better on the training examples than "
            "on fresh ones. Nearly every good network does. If it is above chance on fresh "
            "examples, it has learned.",
            _gap_held_against,
        ),
        Mistake(
            "fresh asked last",
            "you say 'memorised' of a network that is above chance on fresh examples. Whatever it "
            "does on its training examples, such a network has learned: ask about the fresh ones "
            "first, and for no more than three standard errors.",
            lambda answer, *arguments: answer == "memorised" and _verdict(*arguments) == "learned",
        ),
    ),
)


# 00.parameters: what a fully connected network holds, does and weighs


def _parameters_cases(rng: np.random.Generator) -> list[tuple]:
    def sizes(n_layers: int) -> list[int]:
        return [int(size) for size in rng.integers(3, 300, n_layers)]

    def odd(n_layers: int) -> list[int]:
        return [int(size) for size in 2 * rng.integers(2, 60, n_layers) + 1]

    return [
        (sizes(3), 8),
        (sizes(5), int(rng.integers(2, 8))),
        ([int(size) for size in 8 * rng.integers(1, 15, 2) + 1], int(rng.choice([1, 3]))),
        (odd(3), 4),
        (odd(4), 2),
        (sizes(4), 16),  # nothing says that eight bits are the most
    ]


def _n_weights(sizes: list[int]) -> int:
    return sum(n_in * n_out for n_in, n_out in pairwise(sizes))


def _n_biases(sizes: list[int]) -> int:
    return sum(sizes[1:])


def _count(sizes: list[int], bits: int) -> dict[str, int]:
    weights, biases = _n_weights(sizes), _n_biases(sizes)
    return {
        "parameters": weights + biases,
        "macs": weights,
        "bytes": math.ceil(weights * bits / 8) + 4 * biases,
    }


def _part_is(part: str, *functions: Callable[[list[int], int], float]) -> Callable[..., bool]:
    """Recognise a mistake by one of the three numbers, whatever the others are."""
    return lambda answer, sizes, bits: (
        answer[part] != _count(sizes, bits)[part]
        and any(answer[part] == function(sizes, bits) for function in functions)
    )


def _only_wrong(part: str) -> Callable[..., bool]:
    def recognise(answer: Mapping[str, Any], sizes: list[int], bits: int) -> bool:
        right = _count(sizes, bits)
        return {key for key in right if answer[key] != right[key]} == {part}

    return recognise


def _added(sizes: list[int], bits: int) -> int:
    return sum(n_in + n_out for n_in, n_out in pairwise(sizes))


def _rounded_by_layer(sizes: list[int], bits: int) -> int:
    weights = [n_in * n_out for n_in, n_out in pairwise(sizes)]
    return sum(math.ceil(n * bits / 8) for n in weights) + 4 * _n_biases(sizes)


PARAMETERS = Task(
    "00.parameters",
    _parameters_cases,
    _count,
    (
        Mistake(
            "other keys",
            "return a dictionary with exactly the keys 'parameters', 'macs' and 'bytes'.",
            lambda answer, sizes, bits: (
                isinstance(answer, (int, float, tuple, list))
                or answer.keys() != _count(sizes, bits).keys()
            ),
        ),
        Mistake(
            "sizes added",
            "your 'parameters' add the sizes of the layers. Each neuron has a weight for each of "
            "its inputs, so a layer has inputs times outputs weights: multiply, then add.",
            _part_is(
                "parameters",
                lambda sizes, bits: sum(sizes),
                lambda sizes, bits: _n_biases(sizes),
                _added,
                lambda sizes, bits: _added(sizes, bits) + _n_biases(sizes),
            ),
        ),
        Mistake(
            "layer missing",
            "your 'parameters' miss the first or the last layer. Four sizes make three layers: "
            "itertools.pairwise(sizes) gives the inputs and outputs of each.",
            _part_is(
                "parameters",
                lambda sizes, bits: _count(sizes[:-1], bits)["parameters"],
                lambda sizes, bits: _count(sizes[1:], bits)["parameters"],
            ),
        ),
        Mistake(
            "biases forgotten",
            "your 'parameters' are the weights alone. Every neuron behind the inputs has a bias as "
            "well, one number each.",
            _part_is("parameters", lambda sizes, bits: _n_weights(sizes)),
        ),
        Mistake(
            "biases for the inputs",
            "your 'parameters' count a bias for every input. The first size is the picture itself: "
            "pixels have no bias, the biases are sum(sizes[1:]).",
            _part_is("parameters", lambda sizes, bits: _n_weights(sizes) + sum(sizes)),
        ),
        Mistake(
            "biases multiplied",
            "your 'macs' count the biases as well. A bias is added and multiplies nothing: one "
            "multiply-accumulate for each weight, none for a bias.",
            _part_is("macs", lambda sizes, bits: _n_weights(sizes) + _n_biases(sizes)),
        ),
        Mistake(
            "counted twice",
            "your 'macs' are twice too many: you count the multiplication and the addition. A "
            "multiply-accumulate is both in one.",
            _part_is("macs", lambda sizes, bits: 2 * _n_weights(sizes)),
        ),
        Mistake(
            "bits ignored",
            "your 'bytes' are the same whatever the bits: a weight takes one byte, or four. Here "
            "it takes bits / 8 of a byte, for example half of one with 4 bits.",
            _part_is(
                "bytes",
                lambda sizes, bits: _n_weights(sizes) + 4 * _n_biases(sizes),
                lambda sizes, bits: 4 * (_n_weights(sizes) + _n_biases(sizes)),
            ),
        ),
        Mistake(
            "biases squeezed",
            "your 'bytes' give a bias too little: as many bits as a weight, or one byte. Every "
            "bias is an int32, which has four bytes.",
            _part_is(
                "bytes",
                lambda sizes, bits: (_n_weights(sizes) + _n_biases(sizes)) * bits / 8,
                lambda sizes, bits: math.ceil((_n_weights(sizes) + _n_biases(sizes)) * bits / 8),
                lambda sizes, bits: math.ceil(_n_weights(sizes) * bits / 8) + _n_biases(sizes),
            ),
        ),
        Mistake(
            "bytes without biases",
            "your 'bytes' are the weights alone. The biases must be stored as well, four bytes "
            "each.",
            _part_is("bytes", lambda sizes, bits: math.ceil(_n_weights(sizes) * bits / 8)),
        ),
        Mistake(
            "bits for bytes",
            "your 'bytes' are bits, at least those of the weights. Eight bits make one byte.",
            _part_is(
                "bytes",
                lambda sizes, bits: _n_weights(sizes) * bits + 32 * _n_biases(sizes),
                lambda sizes, bits: _n_weights(sizes) * bits + 4 * _n_biases(sizes),
            ),
        ),
        Mistake(
            "rounded by layer",
            "your 'bytes' begin a new byte with each layer. The weights follow each other without "
            "gaps: round up once, for all of them together.",
            _part_is("bytes", _rounded_by_layer),
        ),
        Mistake(
            "not rounded up",
            "your 'bytes' cut off the last weights, or end in the middle of a byte. A file has "
            "whole bytes, so round up: math.ceil.",
            _part_is(
                "bytes",
                lambda sizes, bits: _n_weights(sizes) * bits // 8 + 4 * _n_biases(sizes),
                lambda sizes, bits: _n_weights(sizes) * bits / 8 + 4 * _n_biases(sizes),
                lambda sizes, bits: round(_n_weights(sizes) * bits / 8) + 4 * _n_biases(sizes),
            ),
        ),
        Mistake(
            "only parameters wrong",
            "'macs' and 'bytes' are right, 'parameters' are not. They are all the weights and all "
            "the biases.",
            _only_wrong("parameters"),
        ),
        Mistake(
            "only macs wrong",
            "'parameters' and 'bytes' are right, 'macs' are not. There is one for each weight.",
            _only_wrong("macs"),
        ),
        Mistake(
            "only bytes wrong",
            "'parameters' and 'macs' are right, 'bytes' are not. They are all weights at so many "
            "bits, rounded up to whole bytes, and four bytes for each bias.",
            _only_wrong("bytes"),
        ),
    ),
    rtol=0,
)

TASKS = (VERDICT, PARAMETERS)
