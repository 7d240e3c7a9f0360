"""One loop trains everything: ``loss`` says what to minimise, ``after_step`` where to stay."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from minilib.datasets import Split
from minilib.progress import progress
from minilib.validation import check_count, check_nonnegative, check_positive

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""Takes a network, inputs and labels; gives one number to minimise."""

AfterStep = Callable[[nn.Module], None]
"""Changes a network in place, after each step of the optimiser."""

WARM_UP = 0.2
"""Share of the steps in which the step size rises to its full length."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Inputs and labels as torch wants them, the whole set in memory.

    Attributes
    ----------
    x : float32 Tensor of shape (n, p)
        One row per example.
    y : int64 Tensor of shape (n,)
        Labels from 0.
    """

    x: Tensor
    y: Tensor

    def __post_init__(self) -> None:
        """Refuse what a network cannot learn from."""
        if self.x.ndim != 2 or self.y.shape != self.x.shape[:1] or not len(self.y):
            raise ValueError(
                "examples are x of shape (n, p) and y of shape (n,) with n of at least 1, got "
                f"{tuple(self.x.shape)} and {tuple(self.y.shape)}."
            )
        if self.x.dtype != torch.float32 or self.y.dtype != torch.int64:
            raise ValueError(
                f"x is float32 and y int64, got {self.x.dtype} and {self.y.dtype}. "
                "Write x.float() and y.long()."
            )
        if (self.y < 0).any():
            raise ValueError(f"y holds labels from 0, got {self.y.min().item()}.")
        if not self.x.isfinite().all():
            raise ValueError("x has values that are NaN or infinite. Remove those rows first.")

    @classmethod
    def of(cls, split: Split) -> "Examples":
        """Flatten pictures and scale their ink to [0, 1].

        Parameters
        ----------
        split : minilib.datasets.Split
            Pictures of bytes, and labels.

        Returns
        -------
        minilib.training.Examples
            As many as there are pictures.
        """
        return cls(torch.tensor(split.x).flatten(1).float() / 255, torch.tensor(split.y).long())

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.y)

    def __getitem__(self, rows: slice | Tensor) -> "Examples":
        """Take some of the rows: ``examples[:50_000]``."""
        return Examples(self.x[rows], self.y[rows])


def cross_entropy(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Mean surprise at the right label.

    Parameters
    ----------
    model : callable
        Takes x, gives logits of shape (n, n_classes).
    x : Tensor of shape (n, p)
        Inputs.
    y : int64 Tensor of shape (n,)
        Labels.

    Returns
    -------
    Tensor
        One number, in nats: log(n_classes) for a network that guesses.
    """
    return nn.functional.cross_entropy(model(x), y)


def straight_through(
    loss: Loss, change: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]
) -> Loss:
    """Make a loss that sees changed weights, while the gradient reaches the unchanged ones.

    A mask or a rounding has derivative 0 nearly everywhere. The straight-through rule takes it
    for 1: a weight that is masked at present still learns, and may come back.

    Parameters
    ----------
    loss : callable
        The loss of the changed network.
    change : callable
        Takes the weight matrices by name, gives those to be changed, by name.

    Returns
    -------
    callable
        A loss for `fit`.

    Notes
    -----
    Y. Bengio, N. Leonard, A. Courville 2013, arXiv:1308.3432; for masks, T. Lin et al. 2020,
    arXiv:2006.07253.
    """

    def loss_of_the_changed(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        weights = {name: w for name, w in model.named_parameters() if w.ndim >= 2}
        with torch.no_grad():
            changed = change(weights)
        seen = {name: _StraightThrough.apply(weights[name], new) for name, new in changed.items()}
        return loss(lambda inputs: functional_call(model, seen, (inputs,)), x, y)

    return loss_of_the_changed


class _StraightThrough(torch.autograd.Function):
    """Gives the second weight, and its slope to the first."""

    @staticmethod
    def forward(context: Any, weight: Tensor, changed: Tensor) -> Tensor:
        return changed

    @staticmethod
    def backward(context: Any, slope: Tensor) -> tuple[Tensor, None]:
        return slope, None


def sgd(model: nn.Module, *, lr: float = 0.2, weight_decay: float = 0.0) -> torch.optim.SGD:
    """Gradient descent on batches, with Nesterov's momentum of 0.9; biases do not decay.

    Parameters
    ----------
    model : torch.nn.Module
        Whose parameters it moves.
    lr : float
        Length of a step, above 0.
    weight_decay : float
        Strength of the penalty ½‖w‖² on the weight matrices, at least 0.

    Returns
    -------
    torch.optim.SGD

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    check_positive("lr", lr)
    check_nonnegative("weight_decay", weight_decay)
    matrices = [parameter for parameter in model.parameters() if parameter.ndim >= 2]
    vectors = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    return torch.optim.SGD(groups, lr=lr, momentum=0.9, nesterov=True, fused=True)


def one_cycle(progress: float) -> float:
    """Share of the full step size: it rises in a line, then falls as half a cosine to 0.

    Parameters
    ----------
    progress : float
        Share of the training that is done, in [0, 1].

    Returns
    -------
    float
        In [0, 1].

    Notes
    -----
    After L. N. Smith and N. Topin 2017, arXiv:1708.07120.
    """
    if progress < WARM_UP:
        return progress / WARM_UP
    return (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2


def fit(
    model: nn.Module,
    data: Examples,
    *,
    epochs: int,
    seed: int,
    loss: Loss = cross_entropy,
    after_step: AfterStep | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    batch_size: int = 128,
    label: str = "",
) -> list[float]:
    """Train a network in place.

    The step size follows `one_cycle`, at the middle of each step: up to that of the optimiser, and
    back to nearly 0.

    Parameters
    ----------
    model : torch.nn.Module
        The network; its parameters change.
    data : Examples
        What it learns from.
    epochs : int
        How often it sees each example.
    seed : int
        Seed of the order of the examples.
    loss : callable
        What to minimise; takes the model, inputs and labels.
    after_step : callable, optional
        Where to stay: takes the model and changes it in place after each step.
    optimizer : torch.optim.Optimizer, optional
        It moves the parameters of this model; without it, ``sgd(model)``.
    batch_size : int
        Examples per step.
    label : str
        What stands before a progress bar of the epochs; without it there is no bar.

    Returns
    -------
    list of float
        Mean loss of each epoch.

    Raises
    ------
    ValueError
        If a number is out of range, the optimiser moves another network, or the loss is no longer
        a number.
    """
    check_count("epochs", epochs)
    check_count("batch_size", batch_size)
    check_count("seed", seed, least=0)
    optimizer = optimizer or sgd(model)
    moved = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if moved.isdisjoint(map(id, model.parameters())):
        raise ValueError(
            "the optimizer moves no parameter of this network. Make a new one for each network: "
            "optimizer=sgd(model)."
        )
    n_steps = epochs * math.ceil(len(data) / batch_size)
    pace = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: one_cycle((step + 0.5) / n_steps)
    )
    shuffle = torch.Generator().manual_seed(seed)
    rounds = range(epochs)
    history = []
    for _ in progress(rounds, label) if label else rounds:
        total = 0.0
        for rows in torch.randperm(len(data), generator=shuffle).split(batch_size):
            optimizer.zero_grad()
            value = loss(model, data.x[rows], data.y[rows])
            value.backward()
            optimizer.step()
            if after_step is not None:
                after_step(model)
            pace.step()
            total += value.item() * len(rows)
        history.append(total / len(data))
        if not math.isfinite(total):
            raise ValueError(
                f"the loss is {total / len(data)} after {len(history)} epoch(s): the training "
                "diverged. Take a smaller lr."
            )
    return history


@torch.no_grad()
def error_rate(model: nn.Module, data: Examples) -> float:
    """Share of the examples that a network gets wrong.

    Parameters
    ----------
    model : callable
        Takes inputs, gives logits; the largest is its answer.
    data : Examples
        Inputs and right answers.

    Returns
    -------
    float
        In [0, 1]; the standard error is sqrt(e (1 - e) / n): 0.0014 for 2 % of 10,000.
    """
    wrong = sum(
        (model(x).argmax(dim=1) != y).sum().item()
        for x, y in zip(data.x.split(5_000), data.y.split(5_000), strict=True)
    )
    return wrong / len(data)
