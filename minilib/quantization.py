"""Numbers as few bits: evenly spaced values, training on them, and arithmetic without floats.

Codes are the stored integers; a value is about ``scale * (code - zero_point)``. Rounding goes to
the nearest code, and from halfway between two to the even one, as in torch and numpy.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from minilib.models import Layer, layers_of
from minilib.neurons import activations
from minilib.training import Loss, cross_entropy, straight_through
from minilib.validation import check_count, check_finite

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Quantized:
    """A tensor stored as integers.

    Attributes
    ----------
    codes : int8 or uint8 Tensor
        One for each value.
    scale : float Tensor
        Width of a step, in the unit of the values: one for all, or one per row. Above 0, but for
        zeros in 1 bit.
    zero_point : int32 Tensor of the shape of scale
        The code that stands for 0.
    bits : int
        Bits that a code needs, 1 to 8.
    """

    codes: Tensor
    scale: Tensor
    zero_point: Tensor
    bits: int

    def decode(self) -> Tensor:
        """Give the values that the codes stand for."""
        return self.scale * (self.codes.to(self.scale.dtype) - self.zero_point)


def symmetric(values: Tensor, bits: int, limit: Tensor | float | None = None) -> Quantized:
    """Round to a grid that looks the same on both sides of 0: for weights.

    The codes go from -(2**(bits - 1) - 1) to the same with plus, and 0 is code 0. With 1 bit
    there is no code for 0: the codes are -1 and +1, for a 0 as well +1, and a removed weight comes
    back.

    Parameters
    ----------
    values : Tensor of any shape
        What to round.
    bits : int
        1 to 8.
    limit : Tensor or float, optional
        The value of the largest code, at least 0; what is beyond is clipped. One for all, or one
        per row, of shape (n_out, 1): ``weight.abs().amax(dim=1, keepdim=True)``. Without it, the
        largest absolute value; with 1 bit, the mean of the absolute values.

    Returns
    -------
    Quantized
        int8 codes; the zero point is 0.

    Raises
    ------
    ValueError
        If there are no values, one is NaN or infinite, or `bits` or `limit` is out of range.

    Notes
    -----
    With 1 bit: M. Rastegari et al. 2016, arXiv:1603.05279, section 3.1.
    """
    values = _checked("values", values, bits)
    if limit is None:
        limit = values.abs().mean() if bits == 1 else values.abs().amax()
    limit = _as_bound("limit", limit, values)
    if (limit < 0).any():
        raise ValueError(f"limit is at least 0, got {limit.min().item():g}. Write limit.abs().")
    if bits == 1:
        scale, codes = limit, 2 * (values >= 0).to(torch.int8) - 1
    else:
        largest_code = 2 ** (bits - 1) - 1
        scale = _above_zero(limit / largest_code)
        codes = (values / scale).round().clamp(-largest_code, largest_code) * (limit > 0)
    zero_point = torch.zeros_like(scale, dtype=torch.int32)
    return Quantized(codes.to(torch.int8), scale, zero_point, bits)


def affine(
    values: Tensor,
    bits: int,
    low: Tensor | float | None = None,
    high: Tensor | float | None = None,
) -> Quantized:
    """Round to a grid between two values: for activations, which are not centred at 0.

    The codes go from 0 to 2**bits - 1. The range is widened to contain 0, and moved by at most
    half a step, so that 0 is a code: zeros stay exactly zero.

    Parameters
    ----------
    values : Tensor of any shape
        What to round.
    bits : int
        1 to 8.
    low, high : Tensor or float, optional
        The ends of the range, as calibrated on other data; what is beyond is clipped. One for all,
        or one per row, of shape (n, 1). Without them, the smallest and the largest of the values.

    Returns
    -------
    Quantized
        uint8 codes.

    Raises
    ------
    ValueError
        If there are no values, one is NaN or infinite, `bits` is out of range, or `low` is above
        `high`.

    Notes
    -----
    B. Jacob et al. 2017, arXiv:1712.05877, section 2.1.
    """
    values = _checked("values", values, bits)
    low = _as_bound("low", values.amin() if low is None else low, values)
    high = _as_bound("high", values.amax() if high is None else high, values)
    if (low > high).any():
        raise ValueError("low is above high. Give the smaller end of the range first.")
    low, high = low.clamp(max=0), high.clamp(min=0)
    largest_code = 2**bits - 1
    scale = _above_zero(high / largest_code - low / largest_code)
    zero_point = (-low / scale).round().clamp(max=largest_code)
    codes = ((values / scale).round() + zero_point).clamp(0, largest_code) * (low < high)
    return Quantized(codes.to(torch.uint8), scale, zero_point.int(), bits)


def best_limit(weight: Tensor, bits: int, *, per_row: bool = False) -> Tensor:
    """Find the limit for `symmetric` that loses least in the sum of squares.

    Clipping a few large values makes the steps finer for all others.

    Parameters
    ----------
    weight : Tensor of shape (n_out, n_in)
        What is to be rounded.
    bits : int
        1 to 8.
    per_row : bool
        A limit for each row, or one for all.

    Returns
    -------
    Tensor
        Of shape (n_out, 1), or () for one limit: the best of 80, each 5 % below the one before,
        from the largest absolute value down. For 1 bit the mean of the absolute values, which is
        the best of all.

    Raises
    ------
    ValueError
        If there are no values, one is NaN or infinite, or `bits` is out of range.
    """
    weight = _checked("weight", weight, bits)
    if weight.ndim != 2:
        raise ValueError(f"weight is a matrix (n_out, n_in), got shape {tuple(weight.shape)}.")
    over = {"dim": 1, "keepdim": True} if per_row else {"dim": (0, 1)}
    if bits == 1:
        return weight.abs().mean(**over)
    limit = best = weight.abs().amax(**over)
    least = torch.full_like(limit, torch.inf)
    for _ in range(80):
        lost = (symmetric(weight, bits, limit).decode() - weight).square().sum(**over)
        best = torch.where(lost < least, limit, best)
        least = torch.minimum(lost, least)
        limit = 0.95 * limit
    return best


def quantization_aware(
    bits: int, limits: Mapping[str, Tensor], *, loss: Loss = cross_entropy
) -> Loss:
    """Train the weights that are best after rounding, not before.

    The loss sees the rounded weights, the gradient reaches the unrounded ones. With 2 bits and
    more a zero is rounded to zero, so that ``keep_zeros`` may be the ``after_step``.

    Parameters
    ----------
    bits : int
        1 to 8.
    limits : dict of str to Tensor
        For each weight to be rounded the limit for `symmetric`, such as that of `best_limit`. They
        stay as they are: ``symmetric(weight, bits, limits[name])`` gives the rounded weight when
        training is over.
    loss : callable
        The loss of the rounded network.

    Returns
    -------
    callable
        A loss for ``minilib.training.fit``.

    Raises
    ------
    ValueError
        If `bits` is out of range.
    """
    _check_bits(bits)
    return straight_through(
        loss,
        lambda weights: {
            name: symmetric(weights[name], bits, limit).decode() for name, limit in limits.items()
        },
    )


@dataclass(frozen=True, eq=False)
class FixedPointLayer:
    """One fully connected layer that takes and gives bytes, and computes with integers only.

    The sums of products are int32. To come back to bytes they have to be multiplied by a number
    below 1: that number is stored as ``multiplier / 2**shift``, so the product is an integer
    multiplication and a shift, which rounds halves up. Clipping at code 0 is the ReLU, if the zero
    point is 0.

    Both steps are exact in float64, too: the sums are below 2**31, the multiplier is at most 2**16,
    and their product has fewer than the 53 bits of a float64. A simulation with floats gives the
    same codes, without exception.

    Attributes
    ----------
    weight : int8 array of shape (n_out, n_in)
        Codes of the weights.
    bias : integer array of shape (n_out,)
        In units of input scale times weight scale. It contains what the zero point of the inputs
        takes off, ``-zero_point * weight.sum(axis=1)``.
    multiplier : int
        1 to 2**16.
    shift : int
        1 to 47.
    zero_point : int
        The output code that stands for 0, 0 to 255.
    """

    weight: Array
    bias: Array
    multiplier: int
    shift: int
    zero_point: int

    def __post_init__(self) -> None:
        """Refuse what is no layer of integers, and sums that int32 could not hold."""
        for name, least, most in (
            ("multiplier", 1, 2**16),
            ("shift", 1, 47),
            ("zero_point", 0, 255),
        ):
            if check_count(name, getattr(self, name), least=least) > most:
                raise ValueError(f"{name} is at most {most}, got {getattr(self, name)}.")
        weight, bias = self.weight, self.bias
        if weight.dtype != np.int8 or weight.ndim != 2:
            raise ValueError(
                f"weight is int8 of shape (n_out, n_in), got {weight.dtype} of shape "
                f"{weight.shape}. symmetric(weight, 8).codes.numpy() gives such codes."
            )
        if bias.dtype.kind != "i" or bias.shape != weight.shape[:1]:
            raise ValueError(
                f"bias holds integers of shape ({len(weight)},), got {bias.dtype} of shape "
                f"{bias.shape}."
            )
        sums = 255 * np.abs(weight.astype(np.int64)).sum(axis=1)
        largest = max((int(a) + abs(int(b)) for a, b in zip(sums, bias, strict=True)), default=0)
        if largest >= 2**31:
            raise ValueError(
                f"a sum could reach {largest:,}, and int32 ends at {2**31 - 1:,}. Split the layer "
                "into parts with fewer inputs, or take smaller codes and biases."
            )

    @classmethod
    def of(cls, layer: Layer, inputs: Quantized, outputs: Quantized) -> "FixedPointLayer":
        """Round a layer, between two grids that were calibrated on data.

        Parameters
        ----------
        layer : minilib.models.Layer
            Its weights get 8 bits and one scale.
        inputs, outputs : Quantized
            Activations before and behind the layer, as `affine` stores them with 8 bits and one
            scale; only the grids count.

        Returns
        -------
        FixedPointLayer

        Raises
        ------
        ValueError
            If a bias, or the number that leads back to bytes, is too large or too small.
        """
        weight = symmetric(layer.weight, 8)
        codes = weight.codes.numpy()
        unit = inputs.scale.item() * weight.scale.item()
        fraction, exponent = math.frexp(unit / outputs.scale.item())
        shift = 16 - exponent
        if not 1 <= shift <= 47:
            raise ValueError(
                f"input scale * weight scale / output scale is between 2**-32 and 2**15, got "
                f"{unit / outputs.scale.item():g}. Calibrate on inputs like those to come."
            )
        bias = np.rint(layer.bias.double().numpy() / unit).clip(-(2.0**31), 2.0**31)
        taken_off = inputs.zero_point.item() * codes.sum(axis=1, dtype=np.int64)
        return cls(
            codes,
            bias.astype(np.int64) - taken_off,
            round(fraction * 2**16),
            shift,
            outputs.zero_point.item(),
        )

    def accumulate(self, codes: Array) -> Array:
        """Sum the products, and add the bias.

        Parameters
        ----------
        codes : uint8 or int8 array of shape (n, n_in)
            One row per input.

        Returns
        -------
        int32 array of shape (n, n_out)
            In units of input scale times weight scale.

        Raises
        ------
        ValueError
            If the codes are no bytes, or have another shape.
        """
        if codes.dtype not in (np.uint8, np.int8) or codes.shape[1:] != self.weight.shape[1:]:
            raise ValueError(
                f"codes are uint8 or int8 of shape (n, {self.weight.shape[1]}), got {codes.dtype} "
                f"of shape {codes.shape}. affine(x, 8).codes.numpy() gives such codes."
            )
        # int8 times int8 would be int8, and wrap
        products = codes.astype(np.int32) @ self.weight.T.astype(np.int32)
        return products + self.bias.astype(np.int32)

    def __call__(self, codes: Array) -> Array:
        """Compute what the layer gives, as codes.

        Parameters
        ----------
        codes : uint8 or int8 array of shape (n, n_in)
            One row per input.

        Returns
        -------
        uint8 array of shape (n, n_out)
            Input of the next layer.

        Raises
        ------
        ValueError
            If the codes are no bytes, or have another shape.
        """
        product = self.accumulate(codes).astype(np.int64) * self.multiplier
        rounded = (product + (1 << (self.shift - 1))) >> self.shift
        return (rounded + self.zero_point).clip(0, 255).astype(np.uint8)


def fixed_point(model: nn.Sequential, x: Tensor) -> list[FixedPointLayer]:
    """Turn a network into layers of integers, with ranges calibrated on data.

    Parameters
    ----------
    model : torch.nn.Sequential
        Linear, ReLU, ..., Linear.
    x : Tensor of shape (n, p)
        Inputs like those to come: the ranges of all activations are those that they cause. Later
        inputs are ``affine(inputs, 8, x.min(), x.max()).codes``.

    Returns
    -------
    list of FixedPointLayer
        Each takes what the one before it gives. What the last one gives as bytes can tie where
        its sums, `FixedPointLayer.accumulate`, do not.

    Raises
    ------
    ValueError
        If the network is made in another way, or a number in it does not fit.
    """
    layers = layers_of(model)
    with torch.no_grad():
        grids = [affine(values, 8) for values in (x, *activations(model, x), model(x))]
    return [
        FixedPointLayer.of(layer, *around)
        for layer, around in zip(layers, pairwise(grids), strict=True)
    ]


def pack_bits(codes: Tensor, bits: int) -> bytes:
    """Write codes one after the other, without gaps: 4-bit codes two to a byte.

    Parameters
    ----------
    codes : integer Tensor of any shape
        From 0 to 2**bits - 1. To the codes of `symmetric`, which can be negative, add
        ``2**(bits - 1)``; of its 1-bit codes take ``codes > 0``.
    bits : int
        1 to 8.

    Returns
    -------
    bytes
        ``ceil(codes.numel() * bits / 8)`` of them. The first code is in the lowest bits of the
        first byte; the bits that are left over at the end are 0.

    Raises
    ------
    ValueError
        If a code does not fit, is no integer, or `bits` is out of range.
    """
    _check_bits(bits)
    flat = codes.numpy().ravel()
    if flat.dtype.kind not in "bui":
        raise ValueError(f"codes are integers, got {codes.dtype}. Write codes.to(torch.uint8).")
    outside = flat[(flat < 0) | (flat >= 2**bits)]
    if outside.size:
        raise ValueError(
            f"codes of {bits} bit(s) are 0 to {2**bits - 1}, got {outside[0]}. Add 2**(bits - 1) "
            "to codes with signs."
        )
    ones = flat.astype(np.uint8)[:, None] >> np.arange(bits, dtype=np.uint8) & 1
    return np.packbits(ones, bitorder="little").tobytes()


def unpack_bits(packed: bytes, bits: int, n: int) -> Tensor:
    """Read codes that `pack_bits` wrote.

    Parameters
    ----------
    packed : bytes
        As they were written.
    bits : int
        1 to 8.
    n : int
        Number of codes; the bytes do not say it.

    Returns
    -------
    uint8 Tensor of shape (n,)

    Raises
    ------
    ValueError
        If so many codes take more or fewer bytes, or a number is out of range.
    """
    _check_bits(bits)
    check_count("n", n, least=0)
    n_bytes = math.ceil(n * bits / 8)
    if len(packed) != n_bytes:
        raise ValueError(f"{n} codes of {bits} bit(s) are {n_bytes} byte(s), got {len(packed)}.")
    ones = np.unpackbits(np.frombuffer(packed, np.uint8), count=n * bits, bitorder="little")
    weights = 1 << np.arange(bits, dtype=np.uint8)
    return torch.from_numpy((ones.reshape(n, bits) * weights).sum(axis=1, dtype=np.uint8))


def _check_bits(bits: int) -> None:
    if check_count("bits", bits) > 8:
        raise ValueError(f"bits is at most 8, got {bits}: codes are bytes.")


def _checked(name: str, values: Tensor, bits: int) -> Tensor:
    """Values that can be rounded, without their gradient."""
    _check_bits(bits)
    if not values.is_floating_point():
        raise ValueError(f"{name} holds floats, got {values.dtype}. Write {name}.float().")
    if not values.numel():
        raise ValueError(f"{name} is empty: shape {tuple(values.shape)}.")
    check_finite(name, values.detach())
    return values.detach()


def _as_bound(name: str, bound: Tensor | float, values: Tensor) -> Tensor:
    """One number for all values, or one per row, in their dtype."""
    check_finite(name, bound)
    bound = torch.as_tensor(bound, dtype=values.dtype)
    per_row = (*values.shape[:1], *[1] * (values.ndim - 1))
    if bound.shape not in ((), per_row):
        raise ValueError(
            f"{name} is one number, or one per row and then of shape {per_row}, got shape "
            f"{tuple(bound.shape)}."
        )
    return bound


def _above_zero(scale: Tensor) -> Tensor:
    """Where all values are 0 any step does: take 1, which can be divided by."""
    return torch.where(scale > 0, scale, 1)
