"""The digit reader that all others are compared with: how wrong it is, and what training costs.

LeNet-300-100 learns from all 60,000 training digits, unaltered, on one thread. The length of the
step is chosen on the last 10,000 of them; the test digits are looked at once per seed, at the end.
"""

import time
from collections.abc import Sequence
from statistics import mean
from typing import NamedTuple

from torch import nn

from benchmarks.table import markdown
from minilib.datasets import load_mnist
from minilib.models import LENET_300_100, mlp
from minilib.progress import progress
from minilib.training import Examples, error_rate, fit, sgd

SEEDS = (0, 1, 2)
STEP_SIZES = (0.1, 0.2, 0.3)
HELD_OUT = 10_000


class Recipe(NamedTuple):
    """How to train."""

    epochs: int
    lr: float = 0.2
    weight_decay: float = 0.0


def trained(data: Examples, recipe: Recipe, seed: int) -> tuple[nn.Sequential, float]:
    """Train one network; say how many seconds of the processor it took."""
    model = mlp(LENET_300_100, seed=seed)
    optimizer = sgd(model, lr=recipe.lr, weight_decay=recipe.weight_decay)
    start = time.process_time()
    fit(model, data, epochs=recipe.epochs, seed=seed, optimizer=optimizer)
    return model, time.process_time() - start


def outcome(recipe: Recipe, train: Examples, test: Examples) -> tuple[list[float], float]:
    """Give the error of each seed's network on `test`, and the longest training in seconds."""
    networks, seconds = zip(*(trained(train, recipe, seed) for seed in SEEDS), strict=True)
    return [error_rate(network, test) for network in networks], max(seconds)


def row(recipe: Recipe, train: Examples, test: Examples) -> list[str]:
    """Train with one recipe and write down what came of it."""
    errors, seconds = outcome(recipe, train, test)
    return [
        *(f"{number:g}" for number in recipe),
        *(f"{error:.2%}" for error in errors),
        f"{mean(errors):.2%}",
        f"{seconds:.1f}",
    ]


def chosen(epochs: int, train: Examples) -> Recipe:
    """Choose the step size that is best on the last of the training digits."""
    recipes = [Recipe(epochs, lr, 1e-4) for lr in STEP_SIZES]
    learned, held_out = train[:-HELD_OUT], train[-HELD_OUT:]
    return min(recipes, key=lambda recipe: mean(outcome(recipe, learned, held_out)[0]))


def table(recipes: Sequence[Recipe], train: Examples, test: Examples) -> str:
    """Write the table of errors, one row for each recipe."""
    heading = ["epochs", "lr", "weight decay"]
    heading += [f"error, seed {seed}" for seed in SEEDS] + ["mean", "CPU seconds, at most"]
    return markdown(heading, [row(recipe, train, test) for recipe in progress(recipes, "recipes")])


def report() -> str:
    """Choose the step sizes, train, and give the section of this part."""
    train, test = (Examples.of(load_mnist(part)) for part in ("train", "test"))
    return table([Recipe(epochs=4), chosen(4, train), chosen(10, train)], train, test)
