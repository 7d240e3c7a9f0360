import math
from fractions import Fraction

import numpy as np
import torch

# 10.columns


def columns_at_once(X, bits):
    low = np.minimum(0, X.min(axis=0))
    high = np.maximum(0, X.max(axis=0))
    scale = (high - low) / (2**bits - 1)
    scale[scale == 0] = 1
    zero_point = np.round(-low / scale) - 2 ** (bits - 1)
    codes = np.round(X / scale) + zero_point
    return codes.clip(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1).astype(int), scale, zero_point


def columns_one_by_one(X, bits):
    least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    codes, scales, zero_points = [], [], []
    for column in X.T.tolist():
        low, high = min([0, *column]), max([0, *column])
        scale = (high - low) / (most - least) or 1.0
        zero_point = least - round(low / scale)
        codes.append([min(max(round(x / scale) + zero_point, least), most) for x in column])
        scales.append(scale)
        zero_points.append(zero_point)
    return [[row[i] for row in codes] for i in range(len(X))], scales, zero_points


def columns_in_single_precision(X, bits):
    codes, scale, zero_point = columns_at_once(X.astype(np.float32), bits)
    return codes.astype(np.int16), scale.astype(np.float32), zero_point.astype(np.int16)


def columns_zero_point_inside(X, bits):
    """Add the zero point before rounding: the same, because it is a whole number."""
    _, scale, zero_point = columns_at_once(X, bits)
    codes = np.rint(X / scale + zero_point)
    return np.clip(codes, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1), scale, zero_point


def columns_between(low, high, X, bits):
    scale = (high - low) / (2**bits - 1)
    scale = np.where(scale == 0, 1, scale)
    zero_point = np.rint(-low / scale) - 2 ** (bits - 1)
    return limited(np.rint(X / scale) + zero_point, bits), scale, zero_point


def limited(codes, bits):
    return np.minimum(np.maximum(codes, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)


def columns_symmetric(X, bits):
    scale = np.abs(X).max(0) / (2 ** (bits - 1) - 1)
    scale[scale == 0] = 1
    return limited(np.rint(X / scale), bits), scale, np.zeros(X.shape[1], int)


def columns_as_they_are(X, bits):
    return columns_between(X.min(0), X.max(0), X, bits)


def columns_by_the_table(X, bits):
    low, high = min(X.min(), 0), max(X.max(), 0)
    scale = (high - low) / (2**bits - 1)
    zero_point = round(-low / scale) - 2 ** (bits - 1)
    return limited(np.rint(X / scale) + zero_point, bits), scale, zero_point


def columns_by_rows(X, bits):
    low = np.minimum(X.min(axis=1, keepdims=True), 0)
    high = np.maximum(X.max(axis=1, keepdims=True), 0)
    return columns_between(low, high, X, bits)


def columns_inverted(X, bits):
    codes, scale, zero_point = columns_one_by_one(X, bits)
    return codes, [1 / one for one in scale], zero_point


def columns_too_many_steps(X, bits):
    low, high = np.minimum(X.min(0), 0), np.maximum(X.max(0), 0)
    scale = (high - low) / 2**bits
    scale[scale == 0] = 1
    zero_point = np.rint(-low / scale) - 2 ** (bits - 1)
    return limited(np.rint(X / scale) + zero_point, bits), scale, zero_point


def columns_from_zero(X, bits):
    low, high = np.minimum(X.min(0), 0), np.maximum(X.max(0), 0)
    scale = (high - low) / (2**bits - 1)
    scale[scale == 0] = 1
    zero_point = np.rint(-low / scale)
    return np.clip(np.rint(X / scale) + zero_point, 0, 2**bits - 1), scale, zero_point


def columns_zero_point_as_float(X, bits):
    low, high = np.minimum(X.min(0), 0), np.maximum(X.max(0), 0)
    scale = (high - low) / (2**bits - 1)
    scale[scale == 0] = 1
    zero_point = -low / scale - 2 ** (bits - 1)
    return limited(np.rint(X / scale + zero_point), bits), scale, zero_point


def columns_above_low(X, bits):
    _, scale, zero_point = columns_at_once(X, bits)
    above = X - np.minimum(X.min(0), 0)
    return limited(np.rint(above / scale) - 2 ** (bits - 1), bits), scale, zero_point


def columns_constant_apart(X, bits):
    codes, scale, zero_point = columns_at_once(X, bits)
    for j in range(X.shape[1]):
        if X[:, j].min() == X[:, j].max():
            codes[:, j], scale[j], zero_point[j] = 0, 1, 0
    return codes, scale, zero_point


def columns_without_care(X, bits):
    low, high = np.minimum(X.min(0), 0), np.maximum(X.max(0), 0)
    scale = (high - low) / (2**bits - 1)
    zero_point = np.rint(-low / scale) - 2 ** (bits - 1)
    return limited(np.rint(X / scale) + zero_point, bits), scale, zero_point


def columns_rounded_with(rounding):
    def columns(X, bits):
        low, high = np.minimum(X.min(0), 0), np.maximum(X.max(0), 0)
        scale = (high - low) / (2**bits - 1)
        scale[scale == 0] = 1
        zero_point = np.rint(-low / scale) - 2 ** (bits - 1)
        return limited(rounding(X / scale) + zero_point, bits), scale, zero_point

    return columns


def as_in_school(values):
    return np.sign(values) * np.floor(np.abs(values) + 0.5)


def columns_unlimited(X, bits):
    _, scale, zero_point = columns_at_once(X, bits)
    return np.rint(X / scale) + zero_point, scale, zero_point


def columns_zero_point_up(X, bits):
    low, high = np.minimum(X.min(0), 0), np.maximum(X.max(0), 0)
    scale = (high - low) / (2**bits - 1)
    scale[scale == 0] = 1
    zero_point = np.floor(0.5 - low / scale) - 2 ** (bits - 1)
    return limited(np.rint(X / scale) + zero_point, bits), scale, zero_point


def columns_zero_point_by_int(X, bits):
    low, high = np.minimum(X.min(0), 0), np.maximum(X.max(0), 0)
    scale = (high - low) / (2**bits - 1)
    scale[scale == 0] = 1
    zero_point = (-low / scale).astype(int) - 2 ** (bits - 1)
    return limited(np.rint(X / scale) + zero_point, bits), scale, zero_point


def columns_without(rows):
    """The right codes, but for grids that do not know some of the rows."""

    def columns(X, bits):
        low, high = np.minimum(X[rows].min(0), 0), np.maximum(X[rows].max(0), 0)
        return columns_between(low, high, X, bits)

    return columns


def columns_as_bytes(X, bits):
    codes, scale, zero_point = columns_at_once(X, bits)
    return codes.astype(np.int8), scale, zero_point.astype(np.int8)


def columns_scale_first(X, bits):
    codes, scale, zero_point = columns_at_once(X, bits)
    return scale, zero_point, codes


# 10.layer


def layer_in_wide_integers(codes, zero_point, weight, bias, multiplier, shift):
    total = (codes.astype(np.int32) - zero_point) @ weight.astype(np.int32).T + bias
    product = total.astype(np.int64) * multiplier
    return ((product + 2 ** (shift - 1)) >> shift).clip(0, 255).astype(np.uint8)


def layer_in_floats(codes, zero_point, weight, bias, multiplier, shift):
    total = (codes.astype(float) - zero_point) @ weight.T.astype(float) + bias
    return np.clip(np.floor(total * multiplier / 2.0**shift + 0.5), 0, 255)


def layer_in_python(codes, zero_point, weight, bias, multiplier, shift):
    outputs = []
    for row in codes.tolist():
        outputs.append([])
        for weights, b, m, n in zip(
            weight.tolist(), bias.tolist(), multiplier.tolist(), shift.tolist(), strict=True
        ):
            total = sum(w * (q - zero_point) for w, q in zip(weights, row, strict=True)) + b
            outputs[-1].append(min(255, max(0, math.floor(Fraction(total * m, 2**n) + 1 / 2))))
    return outputs


def layer_zero_point_in_the_bias(codes, zero_point, weight, bias, multiplier, shift):
    weight = weight.astype(np.int64)
    total = codes.astype(np.int64) @ weight.T + (bias - zero_point * weight.sum(axis=1))
    return np.clip((total * multiplier * 2 + 2**shift) // 2 ** (shift + 1), 0, 255)


def layer_relu_first(codes, zero_point, weight, bias, multiplier, shift):
    total = (codes.astype(int) - zero_point) @ weight.T.astype(int) + bias
    product = np.maximum(total, 0) * multiplier.astype(int)
    return np.minimum((product + (1 << (shift - 1))) >> shift, 255)


def finished(total, multiplier, shift):
    return np.clip(np.floor(total * (multiplier / 2.0**shift) + 0.5), 0, 255)


def layer_of_bytes(codes, zero_point, weight, bias, multiplier, shift):
    total = (codes - zero_point).astype(int) @ weight.T.astype(int) + bias
    return finished(total, multiplier, shift)


def layer_without_thinking_of_types(codes, zero_point, weight, bias, multiplier, shift):
    total = codes @ weight.T - zero_point * weight.astype(int).sum(axis=1) + bias
    return finished(total, multiplier, shift)


def layer_product_wraps(codes, zero_point, weight, bias, multiplier, shift):
    total = (codes.astype(np.int32) - zero_point) @ weight.astype(np.int32).T + bias
    half = (1 << (shift - 1)).astype(np.int32)
    return ((total * multiplier + half) >> shift).clip(0, 255)


def layer_without_zero_point(codes, zero_point, weight, bias, multiplier, shift):
    return finished(codes.astype(int) @ weight.T.astype(int) + bias, multiplier, shift)


def layer_zero_point_once(codes, zero_point, weight, bias, multiplier, shift):
    total = codes.astype(int) @ weight.T.astype(int) - zero_point + bias
    return finished(total, multiplier, shift)


def layer_bias_last(codes, zero_point, weight, bias, multiplier, shift):
    total = (codes.astype(int) - zero_point) @ weight.T.astype(int)
    return np.clip(np.floor(total * multiplier / 2.0**shift + 0.5) + bias, 0, 255)


def layer_no_bias(codes, zero_point, weight, bias, multiplier, shift):
    return finished((codes.astype(int) - zero_point) @ weight.T.astype(int), multiplier, shift)


def layer_shift_multiply(codes, zero_point, weight, bias, multiplier, shift):
    total = (codes.astype(int) - zero_point) @ weight.T.astype(int) + bias
    return np.clip(total // 2**shift * multiplier, 0, 255)


def layer_plain_shift(codes, zero_point, weight, bias, multiplier, shift):
    total = (codes.astype(int) - zero_point) @ weight.T.astype(int) + bias
    return np.clip(total * multiplier.astype(int) // 2**shift, 0, 255)


def layer_numpys_round(codes, zero_point, weight, bias, multiplier, shift):
    total = (codes.astype(int) - zero_point) @ weight.T.astype(int) + bias
    return np.clip(np.rint(total * (multiplier / 2.0**shift)), 0, 255)


def layer_in_float32(codes, zero_point, weight, bias, multiplier, shift):
    total = torch.tensor((codes.astype(int) - zero_point) @ weight.T.astype(int) + bias).float()
    product = total * torch.tensor(multiplier).float() / 2.0 ** torch.tensor(shift)
    return torch.floor(product + 0.5).clamp(0, 255)


def layer_with_float32_factors(codes, zero_point, weight, bias, multiplier, shift):
    total = (codes.astype(int) - zero_point) @ weight.T.astype(int) + bias
    factor = (multiplier / 2.0**shift).astype(np.float32)
    return np.clip(np.floor(total * factor.astype(float) + 0.5), 0, 255)


def layer_clip_multiply(codes, zero_point, weight, bias, multiplier, shift):
    total = (codes.astype(int) - zero_point) @ weight.T.astype(int) + bias
    return finished(total.clip(0, 255), multiplier, shift)


def layer_wrapping(codes, zero_point, weight, bias, multiplier, shift):
    total = (codes.astype(int) - zero_point) @ weight.T.astype(int) + bias
    return np.floor(total * multiplier / 2.0**shift + 0.5).astype(int) % 256


def layer_to_int8(codes, zero_point, weight, bias, multiplier, shift):
    total = (codes.astype(int) - zero_point) @ weight.T.astype(int) + bias
    return np.clip(np.floor(total * multiplier / 2.0**shift + 0.5), -128, 127).astype(np.int8)


def layer_first_multiplier(codes, zero_point, weight, bias, multiplier, shift):
    total = (codes.astype(int) - zero_point) @ weight.T.astype(int) + bias
    return finished(total, multiplier[0], shift[0])


# 10.unpack


def unpack_by_signed_shifts(packed, n_in):
    low = (packed << 4).astype(np.uint8).view(np.int8) >> 4
    high = packed.view(np.int8) >> 4
    return np.stack([low, high], axis=-1).reshape(len(packed), -1)[:, :n_in]


def unpack_by_a_table(packed, n_in):
    codes = [*range(8), *range(-8, 0)]
    rows = []
    for row in packed.tolist():
        both = [code for byte in row for code in (codes[byte % 16], codes[byte // 16])]
        rows.append(both[:n_in])
    return rows


def unpack_by_columns(packed, n_in):
    codes = np.empty((len(packed), n_in))
    codes[:, ::2] = packed[:, : (n_in + 1) // 2] & 15
    codes[:, 1::2] = packed[:, : n_in // 2] >> 4
    return (codes + 8) % 16 - 8


def unpack_unsigned(packed, n_in):
    codes = np.zeros((len(packed), 2 * packed.shape[1]), int)
    codes[:, ::2] = packed & 0x0F
    codes[:, 1::2] = packed >> 4
    return codes[:, :n_in]


def unpack_with(meaning):
    def unpack(packed, n_in):
        return np.array([[meaning(code) for code in row] for row in unpack_unsigned(packed, n_in)])

    return unpack


def signed(code):
    return code - 16 if code > 7 else code


def unpack_mask_and_shift(packed, n_in):
    low, high = packed.view(np.int8) & 15, packed.view(np.int8) >> 4
    return np.dstack([low, high]).reshape(len(packed), -1)[:, :n_in]


def unpack_in_uint8(packed, n_in):
    both = np.stack([packed & 15, packed >> 4], axis=2).reshape(len(packed), -1)[:, :n_in]
    return np.where(both >= 8, both - 16, both)


def unpack_high_first(packed, n_in):
    both = np.dstack([packed >> 4, packed & 15]).reshape(len(packed), -1)
    return np.vectorize(signed)(both.astype(int))[:, :n_in]


def unpack_in_blocks(packed, n_in):
    both = np.concatenate([packed & 15, packed >> 4], axis=1).astype(int)
    return np.where(both > 7, both - 16, both)[:, :n_in]


def unpack_without_shift(packed, n_in):
    low, high = (packed & 15).astype(int), (packed & 240).astype(int)
    low[low > 7] -= 16
    return np.dstack([low, high]).reshape(len(packed), -1)[:, :n_in]


def unpack_all(packed, n_in):
    return unpack_by_signed_shifts(packed, 2 * packed.shape[1])


def unpack_stream(packed, n_in):
    codes = [signed(code) for byte in packed.ravel().tolist() for code in (byte & 15, byte >> 4)]
    return np.array(codes[: len(packed) * n_in]).reshape(-1, n_in)


RIGHT = {
    "10.columns": [
        columns_at_once,
        columns_one_by_one,
        columns_in_single_precision,
        columns_zero_point_inside,
    ],
    "10.layer": [
        layer_in_wide_integers,
        layer_in_floats,
        layer_in_python,
        layer_zero_point_in_the_bias,
        layer_relu_first,
    ],
    "10.unpack": [unpack_by_signed_shifts, unpack_by_a_table, unpack_by_columns],
}

WRONG = {
    "10.columns": {
        "symmetric": columns_symmetric,
        "zero outside": columns_as_they_are,
        "one grid for all": columns_by_the_table,
        "rows instead of columns": columns_by_rows,
        "scale inverted": columns_inverted,
        "one step too many": columns_too_many_steps,
        "unsigned codes": columns_from_zero,
        "zero point between two codes": columns_zero_point_as_float,
        "counted from the lowest value": columns_above_low,
        "constant columns": columns_constant_apart,
        "divided by zero": columns_without_care,
        "halves away from zero": columns_rounded_with(as_in_school),
        "zero point half up": columns_zero_point_up,
        "zero point cut off": columns_zero_point_by_int,
        "cut off": columns_rounded_with(np.floor),
        "not clipped": columns_unlimited,
        "in one byte": columns_as_bytes,
        "another order": columns_scale_first,
    },
    "10.layer": {
        "bytes wrap": layer_of_bytes,
        "sums in 16 bits": layer_without_thinking_of_types,
        "product in 32 bits": layer_product_wraps,
        "zero point forgotten": layer_without_zero_point,
        "zero point once per neuron": layer_zero_point_once,
        "bias behind the shift": layer_bias_last,
        "bias forgotten": layer_no_bias,
        "shifted first": layer_shift_multiply,
        "not rounded": layer_plain_shift,
        "halves to even": layer_numpys_round,
        "single precision": layer_in_float32,
        "clipped before": layer_clip_multiply,
        "not clipped": layer_wrapping,
        "clipped as signed": layer_to_int8,
        "one multiplier for all": layer_first_multiplier,
    },
    "10.unpack": {
        "sign lost": unpack_unsigned,
        "signs in unsigned bytes": unpack_in_uint8,
        "sign in one half only": unpack_mask_and_shift,
        "offset": unpack_with(lambda code: code - 8),
        "sign and magnitude": unpack_with(lambda code: 8 - code if code > 7 else code),
        "off by one": unpack_with(lambda code: code - 15 if code > 7 else code),
        "no -8": unpack_with(lambda code: code - 16 if code > 8 else code),
        "halves swapped": unpack_high_first,
        "low halves, then high halves": unpack_in_blocks,
        "high half not shifted": unpack_without_shift,
        "filler kept": unpack_all,
        "one stream": unpack_stream,
    },
}
