"""The network that students learn from; it is never shipped."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from minilib.progress import progress

Draw = Callable[[Tensor], Tensor]
"""Takes the rows of a batch, gives their pictures as bytes, flat."""


def convolutional() -> nn.Sequential:
    """Make a small convolutional network of 55,000 parameters."""

    def block(n_in: int, n_out: int, size: int, stride: int = 1) -> list[nn.Module]:
        kernel = nn.Conv2d(n_in, n_out, size, stride, padding=size // 2, bias=False)
        return [kernel, nn.BatchNorm2d(n_out), nn.ReLU()]

    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        *block(1, 16, 5, stride=2),
        *block(16, 32, 3),
        nn.MaxPool2d(2),
        *block(32, 64, 3),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(64 * 49, 10),
    ).to(memory_format=torch.channels_last)


def train(draw: Draw, labels: Tensor, *, epochs: int, seed: int) -> nn.Module:
    """Train a convolutional network with AdamW and one cycle of the step size.

    Parameters
    ----------
    draw : callable
        Takes the rows of a batch, gives their pictures: the original or an altered copy.
    labels : int64 Tensor of shape (n,)
        Right answers.
    epochs : int
        How often each label is seen.
    seed : int
        Seed of the start, of dropout and of the order.

    Returns
    -------
    torch.nn.Module
        Ready to answer.
    """
    torch.manual_seed(seed)
    model, batch = convolutional(), 200
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, weight_decay=1e-3)
    n_steps = epochs * math.ceil(len(labels) / batch)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, n_steps, pct_start=0.15)
    for _ in progress(range(epochs), "epochs of a teacher"):
        for rows in torch.randperm(len(labels)).split(batch):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(draw(rows).float() / 255), labels[rows])
            loss.backward()
            optimizer.step()
            pace.step()
    return model.eval()


@torch.no_grad()
def answers(model: nn.Module, pictures: Tensor) -> Tensor:
    """Ask a teacher for the logits of all pictures, flat and as bytes."""
    return torch.cat([model(part.float() / 255) for part in pictures.split(5_000)])
