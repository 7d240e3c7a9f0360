"""Networks of whole numbers: they store no float, and round nothing."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

Array = np.ndarray

AT_ONCE = 4_000_000
"""So many numbers of one layer stand in memory at once, however many pictures there are."""

LARGEST = 2**31 - 1
"""No weight and no bias is larger, to either side of 0."""

EXACT = 2**53
"""Below it float64 adds and multiplies whole numbers without rounding, on every machine."""


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """One fully connected layer: it sums ``weight @ x + bias * 2**shift``.

    Attributes
    ----------
    weight : int32 array of shape (n_out, n_in)
        One row per neuron.
    bias : int32 array of shape (n_out,)
        In units of 2**shift: a bias need not be finer than the sum it joins.
    shift : int
        0 to 31.
    """

    weight: Array
    bias: Array
    shift: int

    def __post_init__(self) -> None:
        """Refuse shapes that do not fit, and numbers that are not whole."""
        shapes = np.shape(self.weight), np.shape(self.bias)
        if len(shapes[0]) != 2 or shapes[1] != shapes[0][:1] or 0 in shapes[0]:
            raise ValueError(
                "a layer has a weight of shape (n_out, n_in) and a bias of shape (n_out,), got "
                f"{shapes[0]} and {shapes[1]}."
            )
        for name in ("weight", "bias"):
            array = np.asarray(getattr(self, name))
            whole = array.dtype.kind in "iu"
            if not whole or array.min() < -LARGEST or array.max() > LARGEST:
                raise ValueError(
                    f"{name} holds whole numbers from -(2**31 - 1) to 2**31 - 1, got dtype "
                    f"{array.dtype}. Round floats first: np.rint({name} / step).astype(np.int32)."
                )
            object.__setattr__(self, name, array.astype(np.int32))
        if self.shift not in range(32):
            raise ValueError(f"shift is a whole number from 0 to 31, got {self.shift!r}.")


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """Layers with ReLUs between them.

    Attributes
    ----------
    layers : tuple of IntegerLayer
        From the picture to the scores of the classes. Their sums stay below 2**53 for every
        picture, so that no machine rounds them.
    """

    layers: tuple[IntegerLayer, ...]

    def __post_init__(self) -> None:
        """Refuse layers that do not fit together, and sums that might be rounded."""
        if not self.layers:
            raise ValueError("a network needs at least one layer, got none.")
        for number, (one, following) in enumerate(pairwise(self.layers), start=1):
            if len(one.bias) != following.weight.shape[1]:
                raise ValueError(
                    f"layer {number} has {len(one.bias)} neurons, but layer {number + 1} takes "
                    f"{following.weight.shape[1]} inputs."
                )
        largest = 255  # full ink
        for number, layer in enumerate(self.layers, start=1):
            rows = np.abs(layer.weight.astype(np.int64)).sum(axis=1).tolist()
            biases = np.abs(layer.bias.astype(np.int64)).tolist()
            largest = max(
                row * largest + (bias << layer.shift)
                for row, bias in zip(rows, biases, strict=True)
            )
            if largest >= EXACT:
                raise ValueError(
                    f"the sums of layer {number} can reach {largest:.3g}, and float64 rounds "
                    "from 2**53 on. Take coarser steps, so that the integers are smaller."
                )

    @property
    def widths(self) -> list[int]:
        """Number of inputs, then of neurons in each layer."""
        return [self.layers[0].weight.shape[1], *(len(layer.bias) for layer in self.layers)]

    def scores(self, pictures: Array) -> Array:
        """Sum up the evidence for each class.

        Parameters
        ----------
        pictures : uint8 array of shape (n, ...)
            One picture per row, flat or not.

        Returns
        -------
        int64 array of shape (n, n_classes)
            The same on every machine: float64 carries the whole numbers, and never rounds them.

        Raises
        ------
        ValueError
            If the pictures are not bytes, or have another number of pixels than the network reads.
        """
        pictures = np.asarray(pictures)
        n_inputs = self.layers[0].weight.shape[1]
        if pictures.dtype != np.uint8 or pictures.size != len(pictures) * n_inputs:
            raise ValueError(
                f"pictures are uint8 of shape (n, ...) with {n_inputs} pixels each, got "
                f"{pictures.dtype} of shape {pictures.shape}. For one picture write pictures[:1]."
            )
        flat = pictures.reshape(len(pictures), n_inputs)
        n_rows = max(1, AT_ONCE // max(self.widths))
        scores = np.empty((len(flat), self.widths[-1]), dtype=np.int64)
        for start in range(0, len(flat), n_rows):
            x = flat[start : start + n_rows].astype(np.float64)
            for layer in self.layers[:-1]:
                x = np.maximum(_sums(layer, x), 0)
            scores[start : start + n_rows] = _sums(self.layers[-1], x)
        return scores

    def predict(self, pictures: Array) -> Array:
        """Give the class of the largest score; of equal ones the first.

        Parameters
        ----------
        pictures : uint8 array of shape (n, ...)
            One picture per row, flat or not.

        Returns
        -------
        int64 array of shape (n,)

        Raises
        ------
        ValueError
            As `scores`.
        """
        return self.scores(pictures).argmax(axis=1)


def _sums(layer: IntegerLayer, x: Array) -> Array:
    return x @ layer.weight.T.astype(np.float64) + layer.bias * 2.0**layer.shift
