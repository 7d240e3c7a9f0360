"""How many zeros a network needs before compressed sparse rows (CSR) are worth it.

Both networks run the same line of code on the same inputs, one column per image; only what the
weights are stored as differs. torch's CSR stands against torch, scipy's against numpy: at one
image the libraries' own overhead decides, and it is not the same.
"""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product

import numpy as np
from scipy.sparse import csr_array
from torch import Tensor, nn

from benchmarks.table import markdown
from minilib.datasets import load_mnist
from minilib.measurement import compare_latency, file_sizes
from minilib.models import LENET_300_100, Layer, layers_of, mlp, named_weights
from minilib.pruning import apply_masks, magnitude_masks
from minilib.training import Examples, fit

SPARSITIES = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99)

Matrix = Tensor | np.ndarray | csr_array


def logits(weights: Sequence[Matrix], biases: Sequence[Matrix], x: Matrix) -> Matrix:
    """Run a network whose weights are stored in any way."""
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        x = (weight @ x + bias).clip(0)
    return weights[-1] @ x + biases[-1]


def torch_csr(weight: Tensor) -> Tensor:
    """Store a matrix as torch's CSR."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta state")
        return weight.to_sparse_csr()


def torch_pair(layers: Sequence[Layer], x: Tensor) -> tuple[Callable, Callable]:
    """Make the dense and the CSR network of torch."""
    weights, biases = [layer.weight for layer in layers], [layer.bias[:, None] for layer in layers]
    columns = x.T.contiguous()
    rows = [torch_csr(weight) for weight in weights]
    return partial(logits, weights, biases, columns), partial(logits, rows, biases, columns)


def scipy_pair(layers: Sequence[Layer], x: Tensor) -> tuple[Callable, Callable]:
    """Make the dense network of numpy and the CSR network of scipy."""
    weights = [layer.weight.numpy() for layer in layers]
    biases = [layer.bias.numpy()[:, None] for layer in layers]
    columns = np.ascontiguousarray(x.numpy().T)
    rows = [csr_array(weight) for weight in weights]
    return partial(logits, weights, biases, columns), partial(logits, rows, biases, columns)


def pruned(model: nn.Sequential, sparsity: float) -> nn.Sequential:
    """Set the smallest weights of all layers together to zero."""
    return apply_masks(model, magnitude_masks(named_weights(model), sparsity))


def times(model: nn.Sequential, x: Tensor, n_pairs: int) -> str:
    """Write the table of times, dense against CSR."""
    rows = []
    for sparsity in SPARSITIES:
        layers = layers_of(pruned(model, sparsity))
        cells = [f"{sparsity:.0%}"]
        for batch, pair in product((1, len(x)), (torch_pair, scipy_pair)):
            found = compare_latency(*pair(layers, x[:batch]), n_pairs=n_pairs)
            cells.append(f"{found.ratio:.2f} ({found.low:.2f} to {found.high:.2f})")
        rows.append(cells)
    heading = [
        f"{library}, images at once: {batch:,}"
        for batch, library in product((1, len(x)), ("torch", "numpy / scipy"))
    ]
    return markdown(["zeros", *heading], rows)


def sizes(model: nn.Sequential) -> str:
    """Write the table of bytes, for each kind of file."""
    files = {sparsity: file_sizes(pruned(model, sparsity)) for sparsity in SPARSITIES}
    rows = [
        [f"{sparsity:.0%}", *(f"{n_bytes:,}" for n_bytes in kinds.values())]
        for sparsity, kinds in files.items()
    ]
    return markdown(["zeros", *files[SPARSITIES[0]]], rows)


def report() -> str:
    """Train a network, prune it, and give the section of this part."""
    train, test = (Examples.of(load_mnist(part)) for part in ("train", "test"))
    model = mlp(LENET_300_100, seed=0)
    fit(model, train, epochs=4, seed=0)
    return f"{times(model, test.x[:1024], n_pairs=100)}\n{sizes(model)}"
