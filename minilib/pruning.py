"""Choose weights to remove, remove them, and keep them removed while training goes on.

A mask is a boolean tensor of the weight's shape: True is kept. Sparsity is the fraction of zeros.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from minilib.models import check_belongs, named_weights, with_weights
from minilib.validation import check_count, check_finite, check_nonnegative, check_share

Masks = Mapping[str, Tensor]


def mask_largest(scores: Tensor, sparsity: float) -> Tensor:
    """Keep the entries with the largest scores, as many as the sparsity leaves.

    Parameters
    ----------
    scores : Tensor of any shape
        The larger, the more the entry is worth.
    sparsity : float
        Fraction of the entries to remove, in [0, 1].

    Returns
    -------
    bool Tensor of the shape of scores
        Exactly ``round(sparsity * scores.numel())`` entries are False; of equal scores the one
        that comes first is removed first.

    Raises
    ------
    ValueError
        If the sparsity is no fraction, or a score is NaN or infinite.
    """
    sparsity = check_share("sparsity", sparsity)
    check_finite("scores", scores)
    order = scores.flatten().argsort(stable=True)
    mask = torch.ones(scores.numel(), dtype=torch.bool)
    mask[order[: round(sparsity * scores.numel())]] = False
    return mask.view(scores.shape)


def mask_largest_overall(scores: Mapping[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """Keep the largest scores of all tensors together, so that layers compete.

    Parameters
    ----------
    scores : dict of str to Tensor
        The larger, the more the entry is worth, in one unit for all tensors.
    sparsity : float
        Fraction of all entries to remove, in [0, 1].

    Returns
    -------
    dict of str to bool Tensor
        Masks under the same names; exactly ``round(sparsity * n)`` entries of all n are False.

    Raises
    ------
    ValueError
        If the sparsity is no fraction, there are no scores, or one is NaN or infinite.
    """
    if not scores:
        raise ValueError("scores is empty; give at least one tensor by its name.")
    joined = torch.cat([score.flatten() for score in scores.values()])
    parts = mask_largest(joined, sparsity).split([score.numel() for score in scores.values()])
    return {name: part.view(scores[name].shape) for name, part in zip(scores, parts, strict=True)}


def magnitude_masks(weights: Mapping[str, Tensor], sparsity: float) -> dict[str, Tensor]:
    """Keep the weights of the largest absolute value, all layers together.

    For the same sparsity in each layer write
    ``{name: mask_largest(w.abs(), sparsity) for name, w in weights.items()}``.

    Parameters
    ----------
    weights : dict of str to Tensor
        The weights by name, as `named_weights` gives them.
    sparsity : float
        Fraction of all weights to remove, in [0, 1].

    Returns
    -------
    dict of str to bool Tensor
        Masks under the same names.

    Raises
    ------
    ValueError
        If the sparsity is no fraction, or a weight is NaN or infinite.

    Notes
    -----
    S. Han, J. Pool, J. Tran, W. Dally 2015, arXiv:1506.02626.
    """
    return mask_largest_overall({name: w.abs() for name, w in weights.items()}, sparsity)


def apply_masks(model: nn.Module, masks: Masks) -> nn.Module:
    """Copy a network with zeros where the masks are False.

    Given the network as it was before training, with masks found after it, this rewinds: the
    survivors go back to where they started, and training begins again with fewer weights
    (J. Frankle, M. Carbin 2018, arXiv:1803.03635).

    Parameters
    ----------
    model : torch.nn.Module
        The network; it does not change.
    masks : dict of str to bool Tensor
        Masks by the name of the weight; other weights are copied.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    ValueError
        If a mask is not boolean, has another shape than its weight, or the network has no weight
        of its name.
    """
    weights = named_weights(model)
    check_masks(masks, weights)
    return with_weights(model, {name: weights[name] * mask for name, mask in masks.items()})


def keep_zeros(masks: Masks) -> Callable[[nn.Module], None]:
    """Project back, after each step, onto the networks that have these zeros.

    Without it the next step revives what was pruned: a zero has a gradient, too.

    Parameters
    ----------
    masks : dict of str to bool Tensor
        Masks by the name of the weight.

    Returns
    -------
    callable
        An ``after_step`` for ``minilib.training.fit``; the masks are read at each step.
    """
    checked: list[nn.Module] = []

    @torch.no_grad()
    def project_(model: nn.Module) -> None:
        if model not in checked:
            check_masks(masks, named_weights(model))
            checked.append(model)
        for name, mask in masks.items():
            model.get_parameter(name).mul_(mask)

    return project_


def check_masks(masks: Masks, weights: Mapping[str, Tensor]) -> None:
    """Say whether each mask fits its weight.

    Parameters
    ----------
    masks : dict of str to bool Tensor
        Masks by the name of the weight.
    weights : dict of str to Tensor
        The weights.

    Raises
    ------
    ValueError
        If a mask is not boolean, has another shape than its weight, or there is no such weight.
    """
    for name, mask in masks.items():
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
            kind = getattr(mask, "dtype", type(mask).__name__)
            raise ValueError(
                f"the mask of {name!r} is a bool tensor, True where the weight is kept, got "
                f"{kind}. Write mask != 0."
            )
        check_belongs(name, mask, weights)


def cubic_sparsities(final: float, n_steps: int) -> list[float]:
    """Rise to a sparsity fast at first, while much can go, and slowly at the end.

    Parameters
    ----------
    final : float
        The last sparsity, in [0, 1].
    n_steps : int
        How many sparsities, at least 1.

    Returns
    -------
    list of n_steps floats
        ``final * (1 - (1 - k / n_steps)**3)`` for k = 1 to n_steps.

    Raises
    ------
    ValueError
        If the sparsity is no fraction or n_steps no whole number above 0.

    Notes
    -----
    M. Zhu, S. Gupta 2017, arXiv:1710.01878, equation 1.
    """
    final, n_steps = check_share("final", final), check_count("n_steps", n_steps)
    return [final * (1 - (1 - k / n_steps) ** 3) for k in range(1, n_steps + 1)]


def geometric_sparsities(final: float, n_steps: int) -> list[float]:
    """Remove the same share of what is left at each step, as lottery tickets are drawn.

    Parameters
    ----------
    final : float
        The last sparsity, in [0, 1).
    n_steps : int
        How many sparsities, at least 1.

    Returns
    -------
    list of n_steps floats
        ``1 - (1 - final)**(k / n_steps)`` for k = 1 to n_steps.

    Raises
    ------
    ValueError
        If the sparsity is no fraction below 1 or n_steps no whole number above 0.

    Notes
    -----
    J. Frankle, M. Carbin 2018, arXiv:1803.03635.
    """
    final, n_steps = check_share("final", final), check_count("n_steps", n_steps)
    if final == 1:
        raise ValueError("final is below 1: equal shares never remove the last weight.")
    rising = [1 - (1 - final) ** (k / n_steps) for k in range(1, n_steps)]
    return [*rising, final]  # the formula would miss it by a rounding error


def prune_while_training(
    masks: dict[str, Tensor], sparsities: Mapping[int, float], *, fade: float
) -> Callable[[nn.Module], None]:
    """Renew the masks by magnitude at some of the steps; what was removed may come back.

    Removed weights go on learning, and fade: each step takes a share of them away. Those that
    the gradient wants back grow faster than they fade, and win a place at the next renewal. Use
    it with a loss that sees the masked weights::

        masks = magnitude_masks(named_weights(model), 0.0)
        fit(
            model,
            data,
            loss=straight_through(cross_entropy, lambda ws: {n: ws[n] * masks[n] for n in masks}),
            after_step=prune_while_training(masks, {100: 0.5, 200: 0.9}, fade=0.03),
            ...
        )
        pruned = apply_masks(model, masks)

    Parameters
    ----------
    masks : dict of str to bool Tensor
        Masks by the name of the weight; the dictionary is changed in place.
    sparsities : dict of int to float
        The sparsity to reach, by the number of the step, from 1.
    fade : float
        Share of each removed weight that a step takes away, in [0, 1]; with 1, removed weights
        stay zero, and hardly any comes back.

    Returns
    -------
    callable
        An ``after_step`` for ``minilib.training.fit``; it counts its calls.

    Raises
    ------
    ValueError
        If a step is no whole number above 0, or a sparsity or `fade` no fraction.

    Notes
    -----
    T. Lin, S. Stich, L. Barba, D. Dmitriev, M. Jaggi 2020, arXiv:2006.07253; Y. Guo, A. Yao,
    Y. Chen 2016, arXiv:1608.04493.
    """
    for number, sparsity in sparsities.items():
        check_count("each step", number)
        check_share("each sparsity", sparsity)
    remaining = 1 - check_share("fade", fade)
    factors = _fading(masks, remaining)
    step = 0

    @torch.no_grad()
    def renew_(model: nn.Module) -> None:
        nonlocal step
        step += 1
        weights = {name: model.get_parameter(name) for name in masks}
        if step in sparsities:
            masks.update(magnitude_masks(weights, sparsities[step]))
            factors.update(_fading(masks, remaining))
        for name, factor in factors.items():
            weights[name].mul_(factor)

    return renew_


def _fading(masks: Masks, remaining: float) -> dict[str, Tensor]:
    """Compute what each step leaves of a weight: all if it is kept."""
    return {name: torch.where(mask, 1.0, remaining) for name, mask in masks.items()}


@dataclass(frozen=True)
class Trial:
    """One compression that was tried.

    Attributes
    ----------
    amount : float
        How much was asked for: a sparsity, or a number of neurons.
    error : float
        What validation said.
    accepted : bool
        Whether the error was within the limit.
    """

    amount: float
    error: float
    accepted: bool


@dataclass(frozen=True, eq=False)
class Accepted:
    """The strongest compression that validation accepted.

    Attributes
    ----------
    model : torch.nn.Module
        The network itself; the one that was given if nothing was accepted.
    trials : tuple of Trial
        All that was tried, in order; only the last can have been refused.
    """

    model: nn.Module
    trials: tuple[Trial, ...]


def last_accepted(
    model: nn.Module,
    shrink: Callable[[nn.Module, float], nn.Module],
    amounts: Iterable[float],
    *,
    error: Callable[[nn.Module], float],
    limit: float,
) -> Accepted:
    """Compress more and more, and go back to the last network that validation accepted.

    Each try starts from the last accepted network, not from the original: what was won is not
    lost to one step too far.

    Parameters
    ----------
    model : torch.nn.Module
        Where to start; it does not change.
    shrink : callable
        Takes an accepted network and an amount, gives a smaller network; it may train it.
    amounts : iterable of float
        What to try, from mild to strong; the first refusal ends it.
    error : callable
        Takes a network, gives its error on validation data: never on test data.
    limit : float
        The largest error that is accepted.

    Returns
    -------
    Accepted

    Raises
    ------
    ValueError
        If the limit is negative or no number, or an error is NaN or infinite.
    """
    check_nonnegative("limit", limit)
    accepted, trials = model, []
    for amount in amounts:
        candidate = shrink(accepted, amount)
        measured = error(candidate)
        if not math.isfinite(measured):
            raise ValueError(
                f"error(network) is a finite number, got {measured!r} at amount {amount!r}. "
                "Look whether the training in shrink diverged."
            )
        trials.append(Trial(amount, measured, bool(measured <= limit)))
        if measured > limit:
            break
        accepted = candidate
    return Accepted(accepted, tuple(trials))
