"""Write a weight matrix as the product of two thin ones."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from minilib.models import Layer, layer_of, linear_of, with_parts
from minilib.validation import check_count, check_finite


@dataclass(frozen=True, eq=False)
class LowRank:
    """A matrix stored as two thin ones: weight is about ``left @ right``.

    Attributes
    ----------
    left : Tensor of shape (n_out, rank)
        What each direction does to the outputs.
    right : Tensor of shape (rank, n_in)
        Directions in the inputs.
    """

    left: Tensor
    right: Tensor

    def decode(self) -> Tensor:
        """Multiply out: the matrix these two stand for."""
        return self.left @ self.right


def factorize(weight: Tensor, rank: int) -> LowRank:
    """Find the matrix of this rank that is nearest in the sum of squares.

    Parameters
    ----------
    weight : Tensor of shape (n_out, n_in)
        The matrix.
    rank : int
        Between 1 and min(n_out, n_in).

    Returns
    -------
    LowRank
        Both factors carry the root of the singular values.

    Raises
    ------
    ValueError
        If the weight is no finite matrix, or the rank is out of range.

    Notes
    -----
    C. Eckart, G. Young 1936, doi:10.1007/BF02288367.
    """
    if weight.ndim != 2:
        raise ValueError(f"weight is a matrix (n_out, n_in), got shape {tuple(weight.shape)}.")
    check_finite("weight", weight)
    check_count("rank", rank)
    if rank > min(weight.shape):
        raise ValueError(f"rank is at most {min(weight.shape)} for this matrix, got {rank}.")
    U, s, Vt = torch.linalg.svd(weight, full_matrices=False)
    root = s[:rank].sqrt()
    return LowRank(U[:, :rank] * root, root[:, None] * Vt[:rank])


def largest_rank_that_saves(n_out: int, n_in: int) -> int:
    """Largest rank whose two factors hold fewer numbers than the matrix.

    Parameters
    ----------
    n_out, n_in : int
        Shape of the matrix.

    Returns
    -------
    int
        The largest r with ``r * (n_out + n_in) < n_out * n_in``; 0 if there is none.

    Raises
    ------
    ValueError
        If a number is no whole number above 0.
    """
    check_count("n_out", n_out)
    check_count("n_in", n_in)
    return (n_out * n_in - 1) // (n_out + n_in)


def with_low_rank(model: nn.Sequential, ranks: Mapping[str, int]) -> nn.Sequential:
    """Copy a network, with two thin layers in the place of some of its layers.

    Parameters
    ----------
    model : torch.nn.Sequential
        The network; it does not change.
    ranks : dict of str to int
        Rank by the name of the layer: ``{"0": 20}`` for the first.

    Returns
    -------
    torch.nn.Sequential
        Between the two thin layers there is no ReLU, and only the second has a bias.

    Raises
    ------
    ValueError
        If there is no Linear of that name, or a rank is out of range.
    """
    there = dict(model.named_children())
    parts = {}
    for name, rank in ranks.items():
        if not isinstance(there.get(name), nn.Linear):
            linears = [key for key, part in there.items() if isinstance(part, nn.Linear)]
            raise ValueError(f"the network has no Linear {name!r}; it has {', '.join(linears)}.")
        layer = layer_of(there[name])
        thin = factorize(layer.weight, rank)
        first = linear_of(Layer(thin.right, thin.right.new_zeros(rank)))
        first.bias = None
        parts[name] = [first, linear_of(Layer(thin.left, layer.bias))]
    return with_parts(model, parts)
