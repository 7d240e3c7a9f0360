"""Removing neurons: that nothing else changes, and how much time it saves."""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from statistics import median

import torch
from torch import Tensor, nn

from benchmarks.table import markdown
from minilib.datasets import load_mnist
from minilib.measurement import compare_latency
from minilib.models import LENET_300_100, layers_of, mlp, named_weights
from minilib.neurons import compact, norm_scores, remove_neurons, silence
from minilib.pruning import apply_masks, mask_largest
from minilib.training import Examples, fit

N_MASKS = 100

Pair = tuple[nn.Sequential, nn.Sequential]
"""A network of full width with zeros in it, and the small one that has to give the same."""


def without_neurons(model: nn.Sequential, generator: torch.Generator) -> Pair:
    """Remove a random share of each hidden layer, each neuron with the same chance."""
    kept = []
    for width in hidden_widths(model):
        share = torch.rand(1, generator=generator)
        kept.append(torch.rand(width, generator=generator) < share)
        kept[-1][0] = True  # a layer needs a neuron
    return silence(model, kept), remove_neurons(model, kept)


def without_weights(model: nn.Sequential, generator: torch.Generator) -> Pair:
    """Keep 10 % to 0.1 % of the weights, then remove the neurons that do nothing any more."""
    share = 10 ** -(1 + 2 * torch.rand(1, generator=generator))
    masks = {
        name: torch.rand(weight.shape, generator=generator) < share
        for name, weight in named_weights(model).items()
    }
    masked = apply_masks(model, masks)
    return masked, compact(masked)


def hidden_widths(model: nn.Sequential) -> list[int]:
    """Count the neurons of each hidden layer."""
    return [len(layer.bias) for layer in layers_of(model)[:-1]]


@torch.no_grad()
def differences(pairs: Iterator[Pair], x: Tensor) -> list[str]:
    """Write down how far the small networks are from those with zeros."""
    neurons, gaps, sizes = [], [], []
    for masked, small in pairs:
        logits = masked(x)
        neurons.append(sum(hidden_widths(small)))
        gaps.append((logits - small(x)).abs().max().item())
        sizes.append(logits.abs().max().item())
    share = max(gap / size for gap, size in zip(gaps, sizes, strict=True))
    return [f"{median(neurons):.0f}", f"{max(gaps):.1e}", f"{max(sizes):.1f}", f"{share:.1e}"]


def exactness(model: nn.Sequential, x: Tensor, n_masks: int) -> str:
    """Write the table of differences, for both kinds of masks and both precisions."""
    removals: dict[str, Callable[[nn.Sequential, torch.Generator], Pair]] = {
        "neurons": without_neurons,
        "weights, then `compact`": without_weights,
    }
    rows = []
    for (kind, removal), dtype in product(removals.items(), (torch.float32, torch.float64)):
        network = copy.deepcopy(model).to(dtype)
        generator = torch.Generator().manual_seed(0)
        pairs = (removal(network, generator) for _ in range(n_masks))
        precision = str(dtype).removeprefix("torch.")
        rows.append([kind, precision, *differences(pairs, x.to(dtype))])
    heading = ["removed at random", "precision", "hidden neurons left, median"]
    heading += ["largest difference", "largest logit", "largest difference / largest logit"]
    return markdown(heading, rows)


@torch.no_grad()
def speed(model: nn.Sequential, x: Tensor, n_pairs: int) -> str:
    """Write the table of times, whole network against small network."""
    rows = []
    for share, batch in product((0.5, 0.2), (1, len(x))):
        kept = [mask_largest(scores, 1 - share) for scores in norm_scores(model)]
        small, inputs = remove_neurons(model, kept), x[:batch]
        found = compare_latency(partial(model, inputs), partial(small, inputs), n_pairs=n_pairs)
        whole, less = (f"{seconds * 1e6:,.0f}" for seconds in found.seconds)
        ratio = f"{found.ratio:.2f} ({found.low:.2f} to {found.high:.2f})"
        widths = " and ".join(map(str, hidden_widths(small)))
        rows.append([f"{share:.0%}: {widths}", f"{batch:,}", whole, less, ratio])
    heading = ["neurons kept", "images at once", "whole, µs", "small, µs"]
    return markdown([*heading, "whole / small (quartiles)"], rows)


def report() -> str:
    """Train a network, take it apart, and give the section of this part."""
    train, test = (Examples.of(load_mnist(part)) for part in ("train", "test"))
    model = mlp(LENET_300_100, seed=0)
    fit(model, train, epochs=4, seed=0)
    return f"{exactness(model, test.x, N_MASKS)}\n{speed(model, test.x[:1024], n_pairs=100)}"
