"""Tasks of lesson 10, quantization."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minilib.checks.task import Mistake, Task, agree, same_as

Array = np.ndarray
Grids = tuple[Array, Array, Array]
Rounding = Callable[[Array], Array]
Layer = tuple[Array, int, Array, Array, Array, Array]


# 10.columns: an affine grid with signed codes for each column; codes, scales, zero points


def _columns_cases(rng: np.random.Generator) -> list[tuple]:
    return [*(_table(rng, bits) for bits in (10, 8, 4, 3)), _four_codes(rng)]


def _table(rng: np.random.Generator, bits: int) -> tuple[Array, int]:
    """Draw columns around 0, beside it, tiny and constant, one of zeros, and two of halves."""
    last = 2**bits - 1
    below = rng.integers(1, last - 2, 2) + rng.permutation([0.3, 0.7])
    beside = round(0.2 * last) + 0.25
    tiny = [_column(rng, 0, last, 1) for _ in range(2)]
    columns = [
        *(_column(rng, -low, last - low, 0.0) for low in below),
        _column(rng, beside, last, last - 0.75),
        _column(rng, -last, -beside, 0.75 - last),
        *(size * values / values.max() for size, values in zip((1e-6, 1e-3), tiny, strict=True)),
        np.full(12, rng.uniform(2.6, 9.4)),
        np.full(12, -rng.uniform(2.6, 9.4)),
        np.zeros(12),
        *_halves(rng, last),
    ]
    return _shuffled(rng, columns), bits


def _four_codes(rng: np.random.Generator) -> tuple[Array, int]:
    """Draw the smallest table: halves, constants and zeros in two bits."""
    return _shuffled(rng, [*_halves(rng, 3), np.full(12, rng.uniform(2.6, 9.4)), np.zeros(12)]), 2


def _shuffled(rng: np.random.Generator, columns: list[Array]) -> Array:
    """Put columns in any order, and rows, some of them twice.

    The ends of one column stand first and last: who leaves out a row misses one of them.
    """
    ends = rng.permutation([columns[0].argmin(), columns[0].argmax()])
    inner = np.delete(np.arange(12), ends)
    between = rng.permutation([*inner, *rng.choice(inner, rng.integers(1, 6))])
    rows = [ends[0], *between, ends[1]]
    return np.stack([columns[i] for i in rng.permutation(len(columns))], axis=1)[rows]


def _column(rng: np.random.Generator, low: float, high: float, inside: float) -> Array:
    """Draw values between two ends, in steps; none is near the middle of a step."""
    codes = rng.integers(np.ceil(low) + 1, np.floor(high), 9)
    values = codes + rng.permutation([-0.4, -0.4, -0.25, -0.25, 0.25, 0.25, 0.4, 0.4, 0.0])
    scale = rng.uniform(0.3, 0.9) * 10.0 ** rng.integers(-2, 3)
    return scale * rng.permutation([low, high, inside, *values])


def _halves(rng: np.random.Generator, last: int) -> list[Array]:
    """Draw values in the middle of a step; steps are powers of two, so there is no other rounding.

    A range begins half a step below a number of steps. Where that is odd, the code of its upper
    end is one too many; where it is even, rounding half up moves the zero point. The zero point is
    even: it may be added before rounding or after it.
    """
    pairs = rng.integers(0, last // 2, 2)
    return [_halves_from(rng, int(below), last) for below in 2 * pairs + (0, 1)]


def _halves_from(rng: np.random.Generator, below: int, last: int) -> Array:
    inside = rng.integers(-below, last - below, 8) + 0.5
    ends = [-below - 0.5, last - below - 0.5]
    return 2.0 ** rng.integers(-3, 4) * rng.permutation([*ends, 0.5, -0.5, *inside])


def _columns(X: Array, bits: int) -> Grids:
    return _on_grids(X, bits)


def _on_grids(
    X: Array,
    bits: int,
    *,
    reach: tuple[Array, Array] | None = None,
    n_steps: int | None = None,
    rounding: Rounding = np.round,
    rounding_of_zero: Rounding = np.round,
) -> Grids:
    """Answer as asked, or with another range, number of steps or rounding."""
    low, high = reach or (np.minimum(X.min(axis=0), 0), np.maximum(X.max(axis=0), 0))
    scale = (high - low) / (n_steps or 2**bits - 1)
    scale = np.where(scale > 0, scale, 1.0)
    zero_point = -rounding_of_zero(low / scale) - 2 ** (bits - 1)
    return _clipped(rounding(X / scale) + zero_point, bits), scale, zero_point


def _clipped(codes: Array, bits: int) -> Array:
    return np.clip(codes, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _away_from_zero(values: Array) -> Array:
    return np.trunc(values + np.copysign(0.5, values))


def _half_up(values: Array) -> Array:
    return np.floor(values + 0.5)


def _rounded_by(rounding: Rounding, rounding_of_zero: Rounding | None = None) -> Callable:
    def answer(X: Array, bits: int) -> Grids:
        of_zero = rounding_of_zero or rounding
        return _on_grids(X, bits, rounding=rounding, rounding_of_zero=of_zero)

    return answer


def _own_range(X: Array, bits: int) -> Grids:
    return _on_grids(X, bits, reach=(X.min(axis=0), X.max(axis=0)))


def _one_grid(X: Array, bits: int) -> Grids:
    return _on_grids(X, bits, reach=(np.minimum(X.min(), 0), np.maximum(X.max(), 0)))


def _grid_of_rows(X: Array, bits: int) -> Grids:
    codes, scale, zero_point = _on_grids(X.T, bits)
    return codes.T, scale, zero_point


def _symmetric(X: Array, bits: int) -> Grids:
    scale = np.abs(X).max(axis=0) / (2 ** (bits - 1) - 1)
    scale = np.where(scale > 0, scale, 1.0)
    return _clipped(np.round(X / scale), bits), scale, np.zeros(len(scale))


def _one_step_too_many(X: Array, bits: int) -> Grids:
    return _on_grids(X, bits, n_steps=2**bits)


def _scale_inverted(X: Array, bits: int) -> Grids:
    codes, scale, zero_point = _columns(X, bits)
    return codes, 1 / scale, zero_point


def _unsigned(X: Array, bits: int) -> Grids:
    codes, scale, zero_point = _columns(X, bits)
    return codes + 2 ** (bits - 1), scale, zero_point + 2 ** (bits - 1)


def _not_clipped(X: Array, bits: int) -> Grids:
    _, scale, zero_point = _columns(X, bits)
    return np.round(X / scale) + zero_point, scale, zero_point


def _wrapped(X: Array, bits: int) -> Grids:
    codes, scale, zero_point = _not_clipped(X, bits)
    return codes.astype(np.int64).astype(np.int8), scale, zero_point


def _clipped_to_a_byte(X: Array, bits: int) -> Grids:
    codes, scale, zero_point = _not_clipped(X, bits)
    return np.clip(codes, -128, 127), scale, zero_point


def _zero_point_between_codes(X: Array, bits: int) -> Grids:
    _, scale, _ = _columns(X, bits)
    zero_point = -np.minimum(X.min(axis=0), 0) / scale - 2 ** (bits - 1)
    return _clipped(np.round(X / scale + zero_point), bits), scale, zero_point


def _counted_from_the_lowest(X: Array, bits: int) -> Grids:
    _, scale, zero_point = _columns(X, bits)
    codes = np.round((X - np.minimum(X.min(axis=0), 0)) / scale) - 2 ** (bits - 1)
    return _clipped(codes, bits), scale, zero_point


def _in_bytes(*places: int) -> Callable[[Array, int], Grids]:
    def answer(X: Array, bits: int) -> Grids:
        parts = enumerate(_columns(X, bits))
        return tuple(part.astype(np.int8) if i in places else part for i, part in parts)

    return answer


def _in_order(*places: int) -> Callable[..., tuple]:
    def answer(X: Array, bits: int) -> tuple:
        return tuple(_columns(X, bits)[place] for place in places)

    return answer


def _where_columns_vary(wrong: Callable[[Array, int], Grids]) -> Callable[..., bool]:
    """Recognise a mistake whatever was done with columns that leave it no step."""

    def recognise(answer: Any, X: Array, bits: int) -> bool:
        varying = X.min(axis=0) < X.max(axis=0)
        found = [np.asarray(part)[..., varying] for part in answer]
        return _agree(found, [part[..., varying] for part in wrong(X, bits)])

    return recognise


def _codes_of(wrong: Callable[[Array, int], Grids]) -> Callable[..., bool]:
    """Recognise a mistake by its codes: scales may have been written once, or many times."""
    return lambda answer, X, bits: _agree(answer[0], wrong(X, bits)[0])


def _divided_by_zero(answer: Any, X: Array, bits: int) -> bool:
    """Whether it stopped, or all is right but for the scale of the zeros and what follows."""
    if isinstance(answer, Exception):  # of a NaN Python makes no whole number, and says so
        return isinstance(answer, ZeroDivisionError) or "NaN" in str(answer)
    zeros = ~X.any(axis=0)
    found = [np.asarray(part)[..., ~zeros] for part in answer]
    right = [part[..., ~zeros] for part in _columns(X, bits)]
    return _agree(found, right) and not _agree(np.asarray(answer[1])[zeros], np.ones(zeros.sum()))


def _no_grid_for_constants(answer: Any, X: Array, bits: int) -> bool:
    """Whether all columns that vary are right, and the constant ones have another grid."""
    constant = (X.min(axis=0) == X.max(axis=0)) & X.any(axis=0)
    scale = np.asarray(answer[1])[constant]
    rightly = _where_columns_vary(_columns)(answer, X, bits)
    return rightly and not _agree(scale, _columns(X, bits)[1][constant])


def _agree(first: Any, second: Any) -> bool:
    return agree(first, second, rtol=1e-6, atol=1e-9)


COLUMNS = Task(
    "10.columns",
    _columns_cases,
    _columns,
    (
        Mistake(
            "symmetric",
            "your grids are symmetric: the zero point is 0 and the largest absolute value decides. "
            "A column that lies on one side of 0 then uses half of its codes. The range goes from "
            "low to high.",
            _where_columns_vary(_symmetric),
        ),
        Mistake(
            "zero outside",
            "your range goes from the smallest value to the largest, also where both lie on one "
            "side of 0. Then no code stands for 0: low is at most 0, and high at least 0.",
            _where_columns_vary(_own_range),
        ),
        Mistake(
            "one grid for all",
            "you take the range of the whole table. Then the column with the largest unit sets the "
            "step, and the others vanish in it: minima and maxima with axis=0.",
            _codes_of(_one_grid),
        ),
        Mistake(
            "rows instead of columns",
            "your grids belong to the rows. A column is what has one unit: minima and maxima with "
            "axis=0, not 1.",
            _codes_of(_grid_of_rows),
        ),
        Mistake(
            "scale inverted",
            "your codes are right, but the scale you return is one over the scale: steps per unit "
            "instead of units per step. A value comes back as scale * (code - zero_point).",
            same_as(_scale_inverted),
        ),
        Mistake(
            "one step too many",
            "you divide the range by 2**bits. So many codes there are, but between the first and "
            "the last of them lies one step fewer.",
            same_as(_one_step_too_many),
        ),
        Mistake(
            "unsigned codes",
            "your codes begin at 0. Asked for are signed ones, from -2**(bits - 1) on: take that "
            "off the codes and off the zero point.",
            same_as(_unsigned),
        ),
        Mistake(
            "zero point between two codes",
            "your zero point is no whole number. Then 0 falls between two codes and does not come "
            "back as 0: round it.",
            same_as(_zero_point_between_codes),
        ),
        Mistake(
            "counted from the lowest value",
            "you round the distance from the lowest value, and the zero point apart from it. The "
            "two roundings do not fit together, values are off by a step: round(x / scale) first, "
            "then add the rounded zero point.",
            same_as(_counted_from_the_lowest),
        ),
        Mistake(
            "constant columns",
            "you treat a constant column as if it had no range. With 0 in its range it has one, "
            "and the column comes back exactly; only a column of zeros has none.",
            _no_grid_for_constants,
        ),
        Mistake(
            "divided by zero",
            "all is right but for a column of zeros. There the range is 0, and so would be the "
            "scale, which you divide by: its scale is to be 1.",
            _divided_by_zero,
        ),
        Mistake(
            "halves away from zero",
            "you round halves as schoolbooks do, away from zero or up. That is a fine rule, but "
            "numpy and torch go to the even number, and asked for is np.round. The others are "
            "floor(x + 0.5) and the like.",
            same_as(
                _rounded_by(_away_from_zero),
                _rounded_by(_half_up),
                _rounded_by(_half_up, _away_from_zero),
                _rounded_by(_away_from_zero, np.round),
                _rounded_by(_half_up, np.round),
            ),
        ),
        Mistake(
            "zero point half up",
            "your codes are rounded as asked, but the zero point goes up, or away from zero, from "
            "halfway between two numbers: np.round for it as well.",
            same_as(_rounded_by(np.round, _away_from_zero), _rounded_by(np.round, _half_up)),
        ),
        Mistake(
            "zero point cut off",
            "your codes are rounded as asked, but of the zero point you cut the digits behind the "
            "point off, with int, floor or //: np.round for it as well.",
            same_as(_rounded_by(np.round, np.trunc), _rounded_by(np.round, np.floor)),
        ),
        Mistake(
            "cut off",
            "you cut the digits behind the point off, with floor or int, instead of rounding. "
            "Values are off by up to a whole step, and all in one direction.",
            same_as(
                _rounded_by(np.floor),
                _rounded_by(np.trunc),
                _rounded_by(np.floor, np.trunc),
                _rounded_by(np.floor, np.round),
                _rounded_by(np.trunc, np.round),
            ),
        ),
        Mistake(
            "not clipped",
            "a code lies outside of the range of the codes (in a byte it would have wrapped). "
            "Rounding the zero point can move the grid by half a step: clip to what bits allow.",
            same_as(_not_clipped, _wrapped, _clipped_to_a_byte),
        ),
        Mistake(
            "in one byte",
            "you put codes or zero points into int8, and more than 8 bits do not fit there: they "
            "wrap. Take a wider type, or leave them as they are.",
            same_as(*(_in_bytes(*parts) for parts in ((0,), (2,), (0, 2)))),
        ),
        Mistake(
            "another order",
            "your numbers are right, but they stand in another order. Return codes, scale, "
            "zero_point.",
            same_as(
                *(_in_order(*p) for p in ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)))
            ),
        ),
    ),
)


# 10.layer: sums of bytes and a bias, for each neuron a multiplication and a shift, bytes again


# Bias, multiplier and shift: a hair below a half, which single precision rounds away.
BELOW_A_HALF = (
    (588_952, 52_985, 27),
    (511_379, 50_524, 27),
    (397_655, 42_106, 26),
    (690_556, 48_882, 27),
    (784_883, 49_078, 28),
    (982_099, 36_216, 28),
    (622_323, 32_890, 27),
    (843_555, 47_892, 28),
    (624_046, 61_727, 28),
    (704_239, 40_690, 27),
    (587_932, 46_000, 27),
    (881_624, 52_827, 28),
)


def _beside_a_half(rng: np.random.Generator) -> tuple[int, int, int]:
    """Draw a bias, multiplier and shift: a half or a hair above, but for a float32 multiplier."""
    while True:
        bias, output = (int(rng.integers(*ends)) for ends in ((20_000, 60_000), (5, 250)))
        shift = 30 + int(np.log2(bias / output))
        multiplier = -(-(2 * output + 1) * 2 ** (shift - 1) // bias)
        rounded = int(np.float32(multiplier))
        if rounded < multiplier < 2**30 and 2 * bias * rounded < (2 * output + 1) * 2**shift:
            return bias, multiplier, shift


def _layer_cases(rng: np.random.Generator) -> list[Layer]:
    zero_points = (0, rng.integers(90, 128), rng.integers(140, 230))
    n_rows = rng.integers((4, 9, 4), (9, 13, 13))
    return [_layer(rng, int(n), int(z)) for n, z in zip(n_rows, zero_points, strict=True)]


def _layer(rng: np.random.Generator, n: int, zero_point: int) -> Layer:
    """Draw a layer; two inputs are always equal, and have the weights -128 and 127 where noted."""
    n_in = rng.integers(60, 100)
    codes = rng.integers(0, 256, (n, n_in)).astype(np.uint8)
    codes[:3] = np.array([[zero_point], [0], [255]])  # of an input of zeros the bias is left
    codes[:, 1] = codes[:, 0]
    n_plain = rng.integers(2, 5)
    plain = [
        *zip(
            rng.integers(-128, 128, (n_plain, n_in)),
            rng.integers(20_000, 60_000, n_plain) * np.resize([1, -1], n_plain),
            rng.integers(2**15 + 1, 2**16, n_plain),
            np.resize([23, 22, 24], n_plain),
            strict=True,
        )
    ]
    bright = [  # sums of millions, and multipliers of 30 bits
        (sign * rng.integers(64, 128, n_in), sign * 5000, rng.integers(2**29, 2**30), 44)
        for sign in (1, -1)
    ]
    halves = [(_few(rng, n_in), 4 * rng.integers(5, 60) + odd, 2**15, 16) for odd in (1, 3)]
    below = (rng.integers(-128, 128, n_in), *rng.choice(BELOW_A_HALF))
    beside = (rng.integers(-128, 128, n_in), *_beside_a_half(rng))
    neurons = [*plain, *bright, *halves, below, beside]
    weight, bias, multiplier, shift = zip(
        *(neurons[i] for i in rng.permutation(len(neurons))), strict=True
    )
    return (
        codes,
        zero_point,
        np.array(weight, dtype=np.int8),
        np.array(bias, dtype=np.int32),
        np.array(multiplier, dtype=np.int32),
        np.array(shift),
    )


def _few(rng: np.random.Generator, n_in: int) -> Array:
    """Draw weights whose sum is 0, most of them 0, with the lowest byte against the highest."""
    weight = np.zeros(n_in, dtype=int)
    weight[:2] = rng.permutation([-128, 127])
    weight[rng.choice(np.arange(2, n_in), 3, replace=False)] = (1, 1, -1)
    return weight


def _outputs(
    codes: Array, zero_point: int, weight: Array, bias: Array, multiplier: Array, shift: Array
) -> Array:
    return _to_bytes(_sums(codes, zero_point, weight) + bias, multiplier, shift)


def _sums(codes: Array, zero_point: int, weight: Array) -> Array:
    return (codes.astype(np.int64) - zero_point) @ weight.T.astype(np.int64)


def _to_bytes(total: Array, multiplier: Array, shift: Array) -> Array:
    return np.clip(_scaled(total, multiplier, shift), 0, 255)


def _scaled(total: Array, multiplier: Array, shift: Array) -> Array:
    """Multiply and shift; halves go up."""
    return (total.astype(np.int64) * multiplier + (1 << (shift - 1))) >> shift


def _with_sums(sums: Callable[[Array, int, Array], Array]) -> Callable[..., Array]:
    """Answer with sums that are collected in another way."""

    def answer(
        codes: Array, zero_point: int, weight: Array, bias: Array, multiplier: Array, shift: Array
    ) -> Array:
        total = sums(codes, zero_point, weight).astype(np.int64) + bias
        return _to_bytes(total, multiplier, shift)

    return answer


def _with_ending(ending: Callable[[Array, Array, Array], Array]) -> Callable[..., Array]:
    """Answer with another way from the sums back to bytes."""

    def answer(
        codes: Array, zero_point: int, weight: Array, bias: Array, multiplier: Array, shift: Array
    ) -> Array:
        return ending(_sums(codes, zero_point, weight) + bias, multiplier, shift)

    return answer


def _sums_of_16_bits(codes: Array, zero_point: int, weight: Array) -> Array:
    return _sums(codes, zero_point, weight).astype(np.int16)


def _products_of_16_bits(codes: Array, zero_point: int, weight: Array) -> Array:
    products = (codes.astype(np.int64) @ weight.T.astype(np.int64)).astype(np.int16)
    return products.astype(np.int64) - zero_point * weight.sum(axis=1, dtype=np.int64)


def _sums_of_8_bits(codes: Array, zero_point: int, weight: Array) -> Array:
    return _sums(codes, zero_point, weight).astype(np.int8)


def _wrapped_difference(codes: Array, zero_point: int, weight: Array) -> Array:
    return (codes - np.uint8(zero_point)).astype(np.int64) @ weight.T.astype(np.int64)


def _both_wrapped(codes: Array, zero_point: int, weight: Array) -> Array:
    return _wrapped_difference(codes, zero_point, weight).astype(np.int16)


def _signed_difference(codes: Array, zero_point: int, weight: Array) -> Array:
    """Sum up what is left of a difference that was put into a signed byte."""
    difference = (codes.astype(np.int64) - zero_point).astype(np.int8)
    return difference.astype(np.int64) @ weight.T.astype(np.int64)


def _bias_behind(scaled: Callable[[Array, Array, Array], Array]) -> Callable[..., Array]:
    def answer(
        codes: Array, zero_point: int, weight: Array, bias: Array, multiplier: Array, shift: Array
    ) -> Array:
        return np.clip(scaled(_sums(codes, zero_point, weight), multiplier, shift) + bias, 0, 255)

    return answer


def _bias_forgotten(
    codes: Array, zero_point: int, weight: Array, bias: Array, multiplier: Array, shift: Array
) -> Array:
    return _to_bytes(_sums(codes, zero_point, weight), multiplier, shift)


def _zero_point_behind(
    codes: Array, zero_point: int, weight: Array, bias: Array, multiplier: Array, shift: Array
) -> Array:
    total = _sums(codes, 0, weight) + bias - zero_point
    return _to_bytes(total, multiplier, shift)


def _product_of_32_bits(total: Array, multiplier: Array, shift: Array) -> Array:
    product = (total * multiplier).astype(np.int32).astype(np.int64)
    return np.clip((product + (1 << (shift - 1))) >> shift, 0, 255)


def _product_and_half_of_32_bits(total: Array, multiplier: Array, shift: Array) -> Array:
    product = (total * multiplier + (1 << (shift - 1))).astype(np.int32)
    return np.clip(product.astype(np.int64) >> shift, 0, 255)


def _not_rounded(total: Array, multiplier: Array, shift: Array) -> Array:
    return np.clip((total * multiplier) >> shift, 0, 255)


def _cut_off_towards_zero(total: Array, multiplier: Array, shift: Array) -> Array:
    return np.clip(np.trunc(total * multiplier / 2.0**shift), 0, 255)


def _halves_to_even(total: Array, multiplier: Array, shift: Array) -> Array:
    return np.clip(np.round(total * multiplier / 2.0**shift), 0, 255)


def _in_single_precision(total: Array, multiplier: Array, shift: Array) -> Array:
    factor = (multiplier / 2.0**shift).astype(np.float32)
    return np.clip(np.floor(total.astype(np.float32) * factor + np.float32(0.5)), 0, 255)


def _product_in_single_precision(total: Array, multiplier: Array, shift: Array) -> Array:
    product = total.astype(np.float32) * multiplier.astype(np.float32)
    halves = product / (2.0**shift).astype(np.float32) + np.float32(0.5)
    return np.clip(np.floor(halves), 0, 255)


def _factor_in_single_precision(total: Array, multiplier: Array, shift: Array) -> Array:
    factor = (multiplier / 2.0**shift).astype(np.float32)
    return np.clip(np.floor(total * factor.astype(float) + 0.5), 0, 255)


def _product_rounded_once(total: Array, multiplier: Array, shift: Array) -> Array:
    product = (total * multiplier / 2.0**shift).astype(np.float32)
    return np.clip(np.floor(product + np.float32(0.5)), 0, 255)


def _shifted_first(total: Array, multiplier: Array, shift: Array) -> Array:
    return np.clip((total >> shift) * multiplier, 0, 255)


def _wrapped_outputs(total: Array, multiplier: Array, shift: Array) -> Array:
    return _scaled(total, multiplier, shift).astype(np.uint8)


def _only_relu(total: Array, multiplier: Array, shift: Array) -> Array:
    return np.maximum(_scaled(total, multiplier, shift), 0)


def _relu_then_wrapped(total: Array, multiplier: Array, shift: Array) -> Array:
    return _only_relu(total, multiplier, shift).astype(np.uint8)


def _signed_outputs(low: int) -> Callable[[Array, Array, Array], Array]:
    return lambda total, multiplier, shift: np.clip(_scaled(total, multiplier, shift), low, 127)


def _clipped_before(total: Array, multiplier: Array, shift: Array) -> Array:
    return _to_bytes(np.clip(total, 0, 255), multiplier, shift)


def _first_neurons(total: Array, multiplier: Array, shift: Array) -> Array:
    return _to_bytes(total, multiplier[:1], shift[:1])


LAYER = Task(
    "10.layer",
    _layer_cases,
    _outputs,
    (
        Mistake(
            "bytes wrap",
            "you take the zero point off while the codes are still bytes: 100 - 120 is 236 in "
            "uint8, and a difference of 200 does not fit into int8. First codes.astype(np.int32), "
            "then the difference.",
            same_as(
                *(
                    _with_sums(sums)
                    for sums in (_wrapped_difference, _both_wrapped, _signed_difference)
                )
            ),
        ),
        Mistake(
            "sums in 16 bits",
            "your sums wrap: numpy multiplies uint8 by int8 in int16 (int8 by int8 in int8), and "
            "keeps that type for the sum. Convert both to int32 before the @.",
            same_as(
                *(
                    _with_sums(sums)
                    for sums in (_sums_of_16_bits, _products_of_16_bits, _sums_of_8_bits)
                )
            ),
        ),
        Mistake(
            "product in 32 bits",
            "your sums are right, but sum times multiplier goes far beyond int32, and wraps. For "
            "this one product convert to int64.",
            same_as(_with_ending(_product_of_32_bits), _with_ending(_product_and_half_of_32_bits)),
        ),
        Mistake(
            "zero point forgotten",
            "you multiply the codes as they are. The value of a code is its distance from the zero "
            "point: take that off each code.",
            same_as(_with_sums(lambda codes, zero_point, weight: _sums(codes, 0, weight))),
        ),
        Mistake(
            "zero point once per neuron",
            "you take the zero point off the sum, once. It belongs to each input, and each one "
            "carries it into the sum times its weight: (codes - zero_point) @ weight.T.",
            same_as(_zero_point_behind),
        ),
        Mistake(
            "bias behind the shift",
            "you add the bias at the end. Its unit is that of the sums; in the unit of the outputs "
            "it is far too large: add it before you multiply and shift.",
            same_as(_bias_behind(_scaled), _bias_behind(_to_bytes)),
        ),
        Mistake(
            "bias forgotten",
            "there is no bias in your sums. Add it before you multiply and shift.",
            same_as(_bias_forgotten),
        ),
        Mistake(
            "shifted first",
            "all your outputs are 0. That happens if you shift before you multiply: the shift "
            "throws away what the multiplication needs. First multiply, in 64 bits, then shift.",
            same_as(_with_ending(_shifted_first)),
        ),
        Mistake(
            "not rounded",
            "a shift alone, or int, cuts off what is behind the point: all outputs are too small "
            "by half a step on average. Add half of 2**shift before you shift.",
            same_as(_with_ending(_not_rounded), _with_ending(_cut_off_towards_zero)),
        ),
        Mistake(
            "halves to even",
            "you round with round, where halves go to the even number. The layer adds a half and "
            "goes down to the next whole number, so halves go up: devices do that, because it is "
            "a single shift.",
            same_as(_with_ending(_halves_to_even)),
        ),
        Mistake(
            "single precision",
            "you multiply in float32. It has 24 bits: a hair below a half becomes a half, and the "
            "output is one too large or too small. Multiply whole numbers, in int64.",
            same_as(
                *(
                    _with_ending(ending)
                    for ending in (
                        _in_single_precision,
                        _product_in_single_precision,
                        _factor_in_single_precision,
                        _product_rounded_once,
                    )
                )
            ),
        ),
        Mistake(
            "clipped before",
            "you clip the sums to 0 ... 255, before they are multiplied. The sums are large on "
            "purpose; clip what comes out at the end.",
            same_as(_with_ending(_clipped_before)),
        ),
        Mistake(
            "not clipped",
            "your outputs leave the range of a byte, or wrap when you make bytes of them: 256 "
            "becomes 0, the brightest turns black. Clip to 0 ... 255.",
            same_as(
                *(
                    _with_ending(ending)
                    for ending in (_scaled, _wrapped_outputs, _only_relu, _relu_then_wrapped)
                )
            ),
        ),
        Mistake(
            "clipped as signed",
            "you clip at 127, the end of a signed byte. The outputs are unsigned, 0 to 255.",
            same_as(_with_ending(_signed_outputs(-128)), _with_ending(_signed_outputs(0))),
        ),
        Mistake(
            "one multiplier for all",
            "you take the multiplier and the shift of the first neuron for all of them. Each "
            "column of the sums belongs to one neuron and has its own.",
            same_as(_with_ending(_first_neurons)),
        ),
    ),
)


# 10.unpack: signed 4-bit codes, two in a byte, each row from a new byte on


def _unpack_cases(rng: np.random.Generator) -> list[tuple[Array, int]]:
    odd, even, long = 2 * rng.integers((3, 3, 10), (6, 7, 20)) + (1, 0, 1)
    drawn = [rng.integers(0, 256, (rng.integers(2, 7), (n_in + 1) // 2)) for n_in in (odd, even)]
    each = rng.permutation(256).reshape(4, 64)
    wide = rng.integers(0, 256, (3, (long + 1) // 2))
    cases = zip((*drawn, wide, each), (odd, even, long, 127), strict=True)
    return [_planted(packed, int(n_in)) for packed, n_in in cases]


def _planted(packed: Array, n_in: int) -> tuple[Array, int]:
    """Put the ends, 7 and -8, into both halves, and what fills up not 0."""
    packed[0, :2] = (0x78, 0x87)
    packed[-1, :2] = (0x1F, 0xF2)
    packed[:, -1] |= 0x10
    return packed.astype(np.uint8), n_in


def _unpack(packed: Array, n_in: int) -> Array:
    return _signed(_nibbles(packed)[:, :n_in])


def _nibbles(packed: Array) -> Array:
    """Give the two halves of each byte, the low one first, from 0 to 15."""
    whole = packed.astype(np.int64)
    return np.stack([whole & 15, whole >> 4], axis=2).reshape(len(packed), -1)


def _signed(nibbles: Array) -> Array:
    return np.where(nibbles >= 8, nibbles - 16, nibbles)


def _read_as(codes: Callable[[Array], Array]) -> Callable[[Array, int], Array]:
    """Answer with another meaning of the four bits."""
    return lambda packed, n_in: codes(_nibbles(packed)[:, :n_in])


def _signed_in_bytes(packed: Array, n_in: int) -> Array:
    return _signed(_nibbles(packed)[:, :n_in]) % 256


def _sign_in_the_high_half_only(packed: Array, n_in: int) -> Array:
    nibbles = _nibbles(packed)
    nibbles[:, 1::2] = _signed(nibbles[:, 1::2])
    return nibbles[:, :n_in]


def _sign_in_the_low_half_only(packed: Array, n_in: int) -> Array:
    nibbles = _nibbles(packed)
    nibbles[:, ::2] = _signed(nibbles[:, ::2])
    return nibbles[:, :n_in]


def _high_half_first(packed: Array) -> Array:
    return _nibbles(packed).reshape(len(packed), -1, 2)[:, :, ::-1].reshape(len(packed), -1)


def _halves_in_blocks(packed: Array, n_in: int) -> Array:
    nibbles = _signed(_nibbles(packed))
    return np.hstack([nibbles[:, ::2], nibbles[:, 1::2]])[:, :n_in]


def _as_one_stream(packed: Array, n_in: int) -> Array:
    return _signed(_nibbles(packed)).ravel()[: len(packed) * n_in].reshape(len(packed), n_in)


def _high_half_not_shifted(packed: Array, n_in: int) -> Array:
    whole = packed.astype(np.int64)
    high = whole & 0xF0
    low = _signed(whole & 15)
    return np.stack([low, high], axis=2).reshape(len(packed), -1)[:, :n_in]


def _high_half_not_shifted_but_signed(packed: Array, n_in: int) -> Array:
    codes = _high_half_not_shifted(packed, n_in)
    return np.where(codes >= 8, codes - 16, codes)


UNPACK = Task(
    "10.unpack",
    _unpack_cases,
    _unpack,
    (
        Mistake(
            "sign lost",
            "your codes go from 0 to 15. The highest of the four bits is the sign: from 8 on, take "
            "16 off.",
            same_as(_read_as(lambda nibbles: nibbles)),
        ),
        Mistake(
            "signs in unsigned bytes",
            "your negative codes are 248 to 255: you take 16 off while the codes are still uint8, "
            "and they wrap. First .astype(int), then the minus.",
            same_as(_signed_in_bytes),
        ),
        Mistake(
            "sign in one half only",
            "in one half of each byte your codes have signs, in the other they go from 0 to 15. "
            "A shift of int8 keeps the sign, a mask & 15 does not: treat both halves alike.",
            same_as(_sign_in_the_high_half_only, _sign_in_the_low_half_only),
        ),
        Mistake(
            "offset",
            "you take 8 off each code. That is another way to store signs; here 0 is stored as 0, "
            "and only codes from 8 on are negative.",
            same_as(_read_as(lambda nibbles: nibbles - 8)),
        ),
        Mistake(
            "sign and magnitude",
            "you read the highest bit as a minus and the other three as the size. In two's "
            "complement the highest bit counts -8: 15 is -1, not -7.",
            same_as(
                _read_as(lambda nibbles: np.where(nibbles >= 8, -(nibbles - 8), nibbles)),
            ),
        ),
        Mistake(
            "off by one",
            "you take 15 off the codes from 8 on. There are sixteen codes: 15 is -1, not 0.",
            same_as(_read_as(lambda nibbles: np.where(nibbles >= 8, nibbles - 15, nibbles))),
        ),
        Mistake(
            "no -8",
            "all is right but for the code 8, which you leave as it is. It is the lowest of all, "
            "-8: from 8 on means 8 included.",
            same_as(_read_as(lambda nibbles: np.where(nibbles > 8, nibbles - 16, nibbles))),
        ),
        Mistake(
            "halves swapped",
            "you take the high half of each byte first. The first code is in the low half, "
            "byte & 15, and the second in the high one.",
            same_as(
                lambda packed, n_in: _signed(_high_half_first(packed)[:, :n_in]),
                lambda packed, n_in: _high_half_first(packed)[:, :n_in],
            ),
        ),
        Mistake(
            "low halves, then high halves",
            "you put all low halves of a row first and all high ones behind them. The two codes of "
            "a byte are neighbours: np.stack([low, high], axis=2), then reshape.",
            same_as(_halves_in_blocks),
        ),
        Mistake(
            "high half not shifted",
            "you mask the high half and leave it where it is, so that its codes are sixteen times "
            "too large. Shift it down: byte >> 4.",
            same_as(_high_half_not_shifted, _high_half_not_shifted_but_signed),
        ),
        Mistake(
            "filler kept",
            "your rows have an even length even where n_in is odd. The last half of the last byte "
            "is no code then: keep n_in columns.",
            same_as(lambda packed, n_in: _signed(_nibbles(packed))),
        ),
        Mistake(
            "one stream",
            "you read all bytes as one stream and cut it into rows afterwards. Where n_in is odd "
            "each row ends with half a byte that is no code: cut each row by itself.",
            same_as(_as_one_stream),
        ),
    ),
)

TASKS = (COLUMNS, LAYER, UNPACK)
