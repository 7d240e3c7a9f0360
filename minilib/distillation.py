"""A student network learns from the answers of a teacher, not only from labels."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from minilib.training import Loss
from minilib.validation import check_positive, check_share


def distilled(teacher: Callable[[Tensor], Tensor], *, temperature: float, weight: float) -> Loss:
    """Blend the surprise at the labels with the distance to the teacher's softened answers.

    The loss is ``(1 - weight) * cross_entropy + weight * T² * KL(teacher || student)``, where both
    networks' logits are divided by the temperature T before the softmax, and both terms are means
    over the examples. Without T² the second term's gradient would shrink as 1/T².

    Parameters
    ----------
    teacher : callable
        Takes inputs of shape (n, p), gives logits of shape (n, n_classes). Of a network a copy is
        taken, in evaluation mode: what is done to it later does not change the loss.
    temperature : float
        Above 0. 1 leaves the teacher's probabilities as they are, more makes them more equal.
    weight : float
        Share of the teacher in the loss, in [0, 1]. With 1 the labels have no influence.

    Returns
    -------
    callable
        A loss for ``minilib.training.fit``.

    Raises
    ------
    ValueError
        If a number is out of range; when the loss is called, if teacher and student do not have
        the same number of classes.

    Notes
    -----
    G. Hinton, O. Vinyals, J. Dean 2015, "Distilling the knowledge in a neural network", section 2,
    arXiv:1503.02531.
    """
    temperature = check_positive("temperature", temperature)
    weight = check_share("weight", weight)
    if isinstance(teacher, nn.Module):
        teacher = copy.deepcopy(teacher).eval()

    def loss(student: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        logits = student(x)
        with torch.no_grad():
            taught = teacher(x)
        if taught.shape != logits.shape:
            raise ValueError(
                f"the teacher gives logits of shape {tuple(taught.shape)}, the student of "
                f"{tuple(logits.shape)}. Both need one column per class, in the same order."
            )
        soft = kl_div(
            log_softmax(logits / temperature, dim=1),
            log_softmax(taught / temperature, dim=1),
            reduction="batchmean",
            log_target=True,
        )
        return (1 - weight) * cross_entropy(logits, y) + weight * temperature**2 * soft

    return loss


@torch.no_grad()
def agreement_rate(
    one: Callable[[Tensor], Tensor], other: Callable[[Tensor], Tensor], x: Tensor
) -> float:
    """Share of the inputs to which two networks give the same answer, right or wrong.

    Parameters
    ----------
    one, other : callable
        Take inputs, give logits; the largest is the answer.
    x : Tensor of shape (n, p)
        Inputs; labels are not needed.

    Returns
    -------
    float
        In [0, 1]. If the two have error rates e and f, it is at least 1 - e - f, and at most
        1 - abs(e - f).
    """
    same = sum(
        (one(part).argmax(dim=1) == other(part).argmax(dim=1)).sum().item()
        for part in x.split(5_000)
    )
    return same / len(x)
