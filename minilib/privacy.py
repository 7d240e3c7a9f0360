"""Learning from examples without giving any one of them away: clip each, add noise, count the loss.

Two lists of examples are *neighbours* here if one of them has an example where the other has
nothing. The number of rows by which a sum is divided is public: it is the same for both.
"""

import math

import torch
from scipy.optimize import brentq
from scipy.special import erfcx, ndtr, ndtri
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from minilib.training import cross_entropy
from minilib.validation import check_count, check_nonnegative, check_positive, check_share


def example_gradients(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Compute the gradient of the cross entropy for each example by itself.

    Parameters
    ----------
    model : torch.nn.Module
        Takes inputs, gives logits; it does not change. What it does with an example must not
        depend on the others of a batch, as it does with batch normalisation.
    x : Tensor of shape (n, p)
        Inputs.
    y : int64 Tensor of shape (n,)
        Labels.

    Returns
    -------
    Tensor of shape (n, number of parameters)
        One row per example, the parameters in the order of ``model.named_parameters()``. The mean
        of the rows is the gradient of `minilib.training.cross_entropy`.

    Raises
    ------
    ValueError
        If there are not as many labels as inputs, or none.
    """
    if y.shape != x.shape[:1] or not len(y):
        raise ValueError(
            "x has one row per example and y one label, and there is at least one, got shapes "
            f"{tuple(x.shape)} and {tuple(y.shape)}. Of a single example write x[:1], y[:1]."
        )
    parameters = {name: values.detach() for name, values in model.named_parameters()}

    def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return cross_entropy(lambda x: functional_call(model, parameters, (x,)), x[None], y[None])

    gradients = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, x, y)
    return torch.cat([rows.flatten(1) for rows in gradients.values()], dim=1)


def clip_examples(gradients: Tensor, bound: float) -> Tensor:
    """Scale down each row that is longer than the bound.

    Parameters
    ----------
    gradients : Tensor of shape (n, p)
        One row per example.
    bound : float
        The greatest length that a row may keep, above 0.

    Returns
    -------
    Tensor of shape (n, p)
        The same directions. Rows within the bound, and rows of zeros, are as they were.

    Raises
    ------
    ValueError
        If the bound is not above 0, `gradients` is no table, or a row has no finite length.
    """
    bound = check_positive("bound", bound)
    if gradients.ndim != 2:
        raise ValueError(
            "gradients has one row per example, shape (n, p), got shape "
            f"{tuple(gradients.shape)}. example_gradients(model, x, y) gives such a table: a "
            "gradient of the whole batch cannot be clipped example by example any more."
        )
    lengths = gradients.norm(dim=1, keepdim=True)
    if not lengths.isfinite().all():
        row = int((~lengths[:, 0].isfinite()).nonzero()[0])
        raise ValueError(f"row {row} of gradients is {lengths[row].item()} long. Take it out.")
    return gradients * (bound / lengths).clamp(max=1)


def private_mean(
    gradients: Tensor, bound: float, noise_multiplier: float, generator: torch.Generator
) -> Tensor:
    """Average clipped rows, and hide what each of them adds under noise.

    The gradients are clipped one by one, summed, and each number of the sum gets independent
    normal noise of standard deviation ``noise_multiplier * bound``; then the sum is divided by n.
    One row more or less changes the sum by at most `bound`: so the loss of privacy is
    ``epsilon(noise_multiplier, n_uses, delta)``.

    Parameters
    ----------
    gradients : Tensor of shape (n, p)
        One row per example, at least one.
    bound : float
        The greatest length that a row may keep, above 0.
    noise_multiplier : float
        Standard deviation of the noise in units of the bound, at least 0. With 0 nothing is
        hidden, and no epsilon is finite.
    generator : torch.Generator
        Where the noise comes from. Who knows its seed can take the noise off.

    Returns
    -------
    Tensor of shape (p,)

    Raises
    ------
    ValueError
        If a number is out of range, `gradients` is no table or has no row, or a row has no finite
        length.

    Notes
    -----
    M. Abadi et al. 2016, arXiv:1607.00133, algorithm 1. Whoever guards real secrets needs a
    generator that cannot be predicted, and takes care of the gaps between the floats:
    I. Mironov 2012, doi:10.1145/2382196.2382264.
    """
    noise_multiplier = check_nonnegative("noise_multiplier", noise_multiplier)
    total = clip_examples(gradients, bound).sum(dim=0)
    if not len(gradients):
        raise ValueError("gradients has no row: there is nothing to average.")
    noise = torch.randn(total.shape, generator=generator, dtype=total.dtype)
    return (total + noise_multiplier * bound * noise) / len(gradients)


def epsilon(noise_multiplier: float, n_uses: int, delta: float) -> float:
    """Say how much sums with normal noise can at most reveal about one example.

    For any set S of results, P(result in S with the example) is at most
    ``exp(epsilon) * P(result in S without it) + delta``, and the other way round. No smaller
    epsilon does for all inputs.

    Parameters
    ----------
    noise_multiplier : float
        Standard deviation of the noise, in units of what one example can change: above 0.
    n_uses : int
        In how many sums the example may take part, at least 1. Each sum has noise of its own, and
        may depend on the results before it.
    delta : float
        Above 0 and below 1; far below 1 / number of examples, or it allows to give one away.

    Returns
    -------
    float
        At least 0; infinite if a float cannot hold it.

    Raises
    ------
    ValueError
        If a number is out of range.

    Notes
    -----
    With mu = sqrt(n_uses) / noise_multiplier and Phi the normal distribution function,

        delta = Phi(mu / 2 - epsilon / mu) - exp(epsilon) * Phi(-mu / 2 - epsilon / mu).

    B. Balle, Y.-X. Wang 2018, theorem 8, arXiv:1805.06530; that n_uses sums are as one with mu
    times sqrt(n_uses): J. Dong, A. Roth, W. Su 2019, corollary 3.3, arXiv:1905.02383. The noise is
    taken for exactly normal, and no chance is counted in by which an example takes part.
    """
    noise_multiplier = check_positive("noise_multiplier", noise_multiplier)
    check_count("n_uses", n_uses)
    if not 0 < check_share("delta", delta) < 1:
        raise ValueError(f"delta is above 0 and below 1, got {delta!r}. Usual is 1e-5.")
    mu = math.sqrt(n_uses) / noise_multiplier

    def excess(t: float) -> float:
        # the formula above for epsilon = mu * (t + mu / 2); erfcx, because exp(epsilon) overflows
        return ndtr(-t) - math.exp(-t * t / 2) * erfcx((t + mu) / math.sqrt(2)) / 2 - delta

    least = max(-mu / 2, -40)  # epsilon is not negative; beyond 40, Phi is 0 or 1
    if excess(least) <= 0:
        return 0.0
    return mu * (brentq(excess, least, 1 - ndtri(delta)) + mu / 2)
