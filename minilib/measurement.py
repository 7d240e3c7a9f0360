"""What a network costs: numbers, multiplications, bytes on the disk, time."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from minilib.models import layers_of, named_weights
from minilib.validation import check_count


def count_parameters(model: nn.Module) -> int:
    """Count weights and biases, zeros included.

    Parameters
    ----------
    model : torch.nn.Module
        Any network.

    Returns
    -------
    int
    """
    return sum(parameter.numel() for parameter in model.parameters())


def count_nonzeros(model: nn.Module) -> int:
    """Count weights and biases that are not zero.

    Parameters
    ----------
    model : torch.nn.Module
        Any network.

    Returns
    -------
    int
    """
    return sum(int(parameter.count_nonzero()) for parameter in model.parameters())


def count_macs(model: nn.Sequential) -> int:
    """Count the multiply-accumulate operations for one input, those with a zero included.

    Parameters
    ----------
    model : torch.nn.Sequential
        Its Linear layers count; a ReLU multiplies nothing.

    Returns
    -------
    int
        One for each weight: each is used once per input.
    """
    return sum(part.weight.numel() for part in model.modules() if isinstance(part, nn.Linear))


def sparsity_of(model: nn.Module) -> float:
    """Fraction of the weights that are zero; biases do not count.

    Parameters
    ----------
    model : torch.nn.Module
        Any network.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError
        If a weight is NaN or infinite, or there is none at all.
    """
    weights = named_weights(model).values()
    zeros = sum(int((weight == 0).sum()) for weight in weights)
    return zeros / sum(weight.numel() for weight in weights)


def file_sizes(model: nn.Sequential) -> dict[str, int]:
    """Write a network into files of several kinds, read numpy's back, and measure them all.

    Parameters
    ----------
    model : torch.nn.Sequential
        Linear, ReLU, ..., Linear.

    Returns
    -------
    dict of str to int
        Bytes on the disk, everything in the file included: "state dict" (what `torch.save`
        writes), "dense" and "dense, zipped" (numpy's two formats), "CSR" and "CSR, zipped" (for
        each layer the non-zero weights, their columns, and where each row starts).

    Raises
    ------
    RuntimeError
        If one of numpy's files does not give back the very network that was written.
    """
    layers = layers_of(model)
    dense = {
        f"{name}{number}": getattr(layer, name).numpy()
        for number, layer in enumerate(layers)
        for name in ("weight", "bias")
    }
    rows = {
        f"{name}{number}": array
        for number, layer in enumerate(layers)
        for name, array in {**_to_csr(layer.weight.numpy()), "bias": layer.bias.numpy()}.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            name: Path(folder, f"{number}.bin")
            for number, name in enumerate(
                ("state dict", "dense", "dense, zipped", "CSR", "CSR, zipped")
            )
        }
        torch.save(model.state_dict(), paths["state dict"])
        for name, save, arrays in (
            ("dense", np.savez, dense),
            ("dense, zipped", np.savez_compressed, dense),
            ("CSR", np.savez, rows),
            ("CSR, zipped", np.savez_compressed, rows),
        ):
            with paths[name].open("wb") as file:
                save(file, **arrays)
            with np.load(paths[name]) as stored:
                read = {key: stored[key] for key in stored}
            _check_same(name, dense, read if name.startswith("dense") else _from_csr(read))
        return {name: os.path.getsize(path) for name, path in paths.items()}


def _to_csr(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Compressed sparse rows; columns in the smallest integer type that holds them."""
    row, column = matrix.nonzero()
    starts = np.searchsorted(row, np.arange(len(matrix) + 1))
    return {
        "values": matrix[row, column],
        "columns": column.astype(np.min_scalar_type(matrix.shape[1] - 1)),
        "starts": starts.astype(np.min_scalar_type(len(column))),
        "width": np.array(matrix.shape[1]),
    }


def _from_csr(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    found = {key: array for key, array in arrays.items() if key.startswith("bias")}
    for number in range(len(found)):
        starts = arrays[f"starts{number}"].astype(np.int64)
        values = arrays[f"values{number}"]
        matrix = np.zeros((len(starts) - 1, int(arrays[f"width{number}"])), values.dtype)
        row = np.repeat(np.arange(len(matrix)), np.diff(starts))
        matrix[row, arrays[f"columns{number}"]] = values
        found[f"weight{number}"] = matrix
    return found


def _check_same(kind: str, written: dict[str, np.ndarray], read: dict[str, np.ndarray]) -> None:
    if written.keys() != read.keys() or any(
        not np.array_equal(written[key], read[key]) for key in written
    ):
        raise RuntimeError(f"the file of kind {kind!r} does not hold the network it was given.")


# Time of this thread alone: other programs do not count. Windows counts it in steps of 15 ms.
_clock = time.perf_counter if os.name == "nt" else time.thread_time


@dataclass(frozen=True)
class Comparison:
    """Two ways to do the same work, timed in turn.

    Attributes
    ----------
    seconds : tuple of two floats
        Median time of the first and of the second.
    ratio : float
        Median over the pairs of time of the first / time of the second: above 1, the second is
        faster.
    low, high : float
        A quarter of the ratios lie below `low`, a quarter above `high`.
    """

    seconds: tuple[float, float]
    ratio: float
    low: float
    high: float


def compare_latency(
    first: Callable[[], object], second: Callable[[], object], *, n_pairs: int = 30
) -> Comparison:
    """Time two functions in turn, so that a busy machine hurts both.

    Both are warmed up, and called so often in a row that one reading takes at least 2 ms. Only
    what the calling thread does counts: set ``torch.set_num_threads(1)`` before.

    Parameters
    ----------
    first, second : callable
        Take nothing; what they return is dropped.
    n_pairs : int
        How often the two are timed after each other, at least 4.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If `n_pairs` is out of range.
    """
    check_count("n_pairs", n_pairs, least=4)
    repeats = [_repeats(function) for function in (first, second)]
    pairs = [(_seconds(first, repeats[0]), _seconds(second, repeats[1])) for _ in range(n_pairs)]
    ratios = [one / other for one, other in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Comparison(
        tuple(statistics.median(times) for times in zip(*pairs, strict=True)), middle, low, high
    )


def _repeats(function: Callable[[], object]) -> int:
    """Warm up, and find how many calls take at least 2 ms."""
    repeats = 1
    while _seconds(function, repeats) * repeats < 2e-3:
        repeats *= 2
    return repeats


def _seconds(function: Callable[[], object], repeats: int) -> float:
    start = _clock()
    for _ in range(repeats):
        function()
    return (_clock() - start) / repeats
