"""Penalties on a network's weights: as a term of the loss, or as a step of their own.

Biases pay no penalty anywhere in this module.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from minilib.training import Loss
from minilib.validation import check_nonnegative


def squared_norm(model: nn.Module) -> Tensor:
    """Half the sum of the squares of all weights: the penalty of L2.

    Parameters
    ----------
    model : torch.nn.Module
        Any network.

    Returns
    -------
    Tensor
        One number, with its gradient.
    """
    return sum(w.square().sum() for w in model.parameters() if w.ndim >= 2) / 2


def absolute_sum(model: nn.Module) -> Tensor:
    """Sum of the absolute values of all weights: the penalty of L1.

    Its slope never makes an exact zero; `proximal_l1` does.

    Parameters
    ----------
    model : torch.nn.Module
        Any network.

    Returns
    -------
    Tensor
        One number, with its subgradient.
    """
    return sum(w.abs().sum() for w in model.parameters() if w.ndim >= 2)


def penalized(loss: Loss, penalty: Callable[[nn.Module], Tensor], lam: float) -> Loss:
    """Add ``lam`` times a penalty to a loss.

    Parameters
    ----------
    loss : callable
        What to minimise on the data.
    penalty : callable
        Takes a network, gives a number: `squared_norm`, `absolute_sum`.
    lam : float
        Strength, at least 0.

    Returns
    -------
    callable
        A loss for ``minilib.training.fit``.

    Raises
    ------
    ValueError
        If `lam` is negative or no number.
    """
    lam = check_nonnegative("lam", lam)
    return lambda model, x, y: loss(model, x, y) + lam * penalty(model)


def proximal_l1(lam: float, optimizer: torch.optim.SGD) -> Callable[[nn.Module], None]:
    """Soft-threshold all weights after each step of gradient descent: ISTA for networks.

    Parameters
    ----------
    lam : float
        Strength of the penalty ``lam * ||w||_1``, at least 0.
    optimizer : torch.optim.SGD
        The one that trains the network; the step size is read from it at each step.

    Returns
    -------
    callable
        An ``after_step`` for ``minilib.training.fit``.

    Raises
    ------
    ValueError
        If `lam` is out of range, or the optimiser is not SGD.
    """
    lam = check_nonnegative("lam", lam)
    _check_sgd(optimizer)

    @torch.no_grad()
    def shrink_(model: nn.Module) -> None:
        for weight in (w for w in model.parameters() if w.ndim >= 2):
            weight.copy_(nn.functional.softshrink(weight, lam * _reach(optimizer, weight)))

    return shrink_


def proximal_group_lasso(lam: float, optimizer: torch.optim.SGD) -> Callable[[nn.Module], None]:
    """Shrink, after each step, the incoming weights of each hidden neuron as one group.

    A group whose length falls to the threshold vanishes as a whole: the neuron's output is then
    constant, and ``minilib.neurons.compact`` removes it.

    Parameters
    ----------
    lam : float
        Strength of the penalty ``lam * sum over neurons of sqrt(n_in) ||row||_2``, at least 0.
    optimizer : torch.optim.SGD
        The one that trains the network; the step size is read from it at each step.

    Returns
    -------
    callable
        An ``after_step`` for ``minilib.training.fit``.

    Raises
    ------
    ValueError
        If `lam` is out of range, or the optimiser is not SGD.

    Notes
    -----
    M. Yuan, Y. Lin 2006, doi:10.1111/j.1467-9868.2005.00532.x.
    """
    lam = check_nonnegative("lam", lam)
    _check_sgd(optimizer)

    @torch.no_grad()
    def shrink_(model: nn.Module) -> None:
        *hidden, _ = (w for w in model.parameters() if w.ndim == 2)
        for weight in hidden:
            threshold = lam * _reach(optimizer, weight) * weight.shape[1] ** 0.5
            length = weight.norm(dim=1, keepdim=True)
            weight.mul_((length - threshold).clamp(min=0) / length.clamp(min=1e-30))

    return shrink_


def _check_sgd(optimizer: torch.optim.Optimizer) -> None:
    if not isinstance(optimizer, torch.optim.SGD):
        raise ValueError(
            f"a proximal step needs an optimizer of type SGD, got {type(optimizer).__name__}: "
            "Adam moves each weight by a step of its own, which is not its lr. "
            "Write optimizer=sgd(model)."
        )
    if any(group["dampening"] for group in optimizer.param_groups):
        raise ValueError(
            "a proximal step needs SGD without dampening, which makes steps shorter than lr says. "
            "Write optimizer=sgd(model)."
        )


def _reach(optimizer: torch.optim.SGD, weight: Tensor) -> float:
    """How far a steady gradient of 1 moves the weight in one step.

    With momentum m, all earlier steps go on: 1 + m + m² + ... = 1 / (1 - m). A threshold of
    lr * lam alone would balance a gradient of (1 - m) * lam only, and lam would lose its meaning.
    """
    for group in optimizer.param_groups:
        if any(weight is parameter for parameter in group["params"]):
            return group["lr"] / (1 - group["momentum"])
    raise ValueError(
        "the optimizer does not move this network. Give proximal steps the optimizer that fit uses."
    )
