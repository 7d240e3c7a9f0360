"""Let many weights share few values: a codebook, and for each weight its place in it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from minilib.models import check_belongs, named_weights
from minilib.validation import check_count, check_finite

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Shared:
    """A tensor stored as codes: weight is about ``codebook[codes]``.

    Attributes
    ----------
    codes : int64 Tensor of the weight's shape
        Places in the codebook. Code 0 is a removed weight, and only that.
    codebook : float32 Tensor of shape (1 + number of shared values,)
        First the 0 of removed weights, whether there are any or not; then the shared values. One
        of these can be 0, too, where weights of both signs share it.
    """

    codes: Tensor
    codebook: Tensor

    def decode(self) -> Tensor:
        """Look the codes up: the float32 weight they stand for."""
        return self.codebook[self.codes]

    def refit(self, weight: Tensor) -> "Shared":
        """Keep the codes, and make each shared value the mean of its members in another weight.

        Parameters
        ----------
        weight : Tensor of the shape of codes
            As it is after some training.

        Returns
        -------
        minilib.sharing.Shared
            The nearest to this weight, in the sum of squares, of all that have these codes.

        Raises
        ------
        ValueError
            If the shape is another.
        """
        if weight.shape != self.codes.shape:
            raise ValueError(
                f"weight has the shape of codes, {tuple(self.codes.shape)}, "
                f"got {tuple(weight.shape)}."
            )
        codes, n_codes = self.codes.flatten().numpy(), len(self.codebook)
        total = np.bincount(codes, weight.detach().flatten().numpy(), minlength=n_codes)
        total[0] = 0.0  # what was removed stays so, whatever the training made of it
        count = np.bincount(codes, minlength=n_codes)
        return Shared(self.codes, torch.tensor(total / np.maximum(count, 1)).float())


def share(weight: Tensor, n_values: int) -> Shared:
    """Replace weights by few shared values, found by k-means; zeros stay zero.

    k-means starts with values that are equally spaced from the smallest to the largest weight,
    and takes turns: each weight goes to the nearest value, each value to the mean of its weights,
    until no weight changes its value. A value without weights goes to the weight that is farthest
    from its own. What comes out is a local optimum, and the same one each time.

    Parameters
    ----------
    weight : Tensor of any shape
        Its zeros are removed weights: they keep a code of their own and do not count as a value.
    n_values : int
        How many values to share, at least 1. Where there are no more distinct weights than that,
        each has its own value, and nothing is lost.

    Returns
    -------
    Shared
        The shared values rise in the codebook, and each has its weights.

    Raises
    ------
    ValueError
        If a weight is NaN or infinite, or `n_values` no whole number above 0.

    Notes
    -----
    S. Han, H. Mao, W. Dally 2015, arXiv:1510.00149, section 3; the iteration is S. Lloyd's,
    doi:10.1109/TIT.1982.1056489.
    """
    check_count("n_values", n_values)
    weight = weight.detach().float()
    check_finite("weight", weight)
    kept = weight != 0
    values = np.sort(weight[kept].numpy().astype(np.float64))
    distinct = np.unique(values)
    few = len(distinct) <= n_values
    centres = distinct if few else _k_means(values, np.linspace(values[0], values[-1], n_values))
    codes = torch.zeros(weight.shape, dtype=torch.int64)
    codes[kept] = torch.tensor(np.searchsorted(_midpoints(centres), weight[kept].numpy()) + 1)
    return Shared(codes, torch.tensor(np.concatenate([[0.0], centres])).float())


def _k_means(values: Array, centres: Array) -> Array:
    """Move centres to the means of their values until no value, sorted, changes its centre.

    The values of a centre lie between two midpoints, so where they start says all of a partition.
    Each is better than the one before; should rounding bring one back, it ends there.
    """
    seen = set()
    while True:
        starts = np.concatenate([[0], np.searchsorted(values, _midpoints(centres), side="right")])
        if starts.tobytes() in seen:
            return centres
        seen.add(starts.tobytes())
        counts = np.diff(starts, append=len(values))
        in_use = counts > 0
        centres[in_use] = np.add.reduceat(values, starts[in_use]) / counts[in_use]
        if not in_use.all():
            distances = np.abs(values - np.repeat(centres, counts))
            centres[in_use.argmin()] = values[distances.argmax()]
            centres.sort()


def _midpoints(centres: Array) -> Array:
    return (centres[1:] + centres[:-1]) / 2


def keep_shared(shared: Mapping[str, Shared]) -> Callable[[nn.Module], None]:
    """Project back, after each step, onto the networks in which these weights are equal.

    The slope of a shared value is the sum of the slopes of its members. The nearest network with
    equal members has their mean: each value takes a step along that sum, divided by the number of
    members, so that the lr of ordinary training serves, too. What was removed stays zero. After
    training, ``shared[name].refit(weight)`` has the new values.

    Parameters
    ----------
    shared : dict of str to Shared
        By the name of the weight.

    Returns
    -------
    callable
        An ``after_step`` for ``minilib.training.fit``.

    Raises
    ------
    ValueError
        At the first step, if the network has no weight of that name and shape.
    """
    checked: list[nn.Module] = []

    @torch.no_grad()
    def project_(model: nn.Module) -> None:
        if model not in checked:
            for name, one in shared.items():
                check_belongs(name, one.codes, named_weights(model))
            checked.append(model)
        for name, one in shared.items():
            weight = model.get_parameter(name)
            weight.copy_(one.refit(weight).decode())

    return project_
