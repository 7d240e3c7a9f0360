"""Where a product of integers is faster than one of floats, and where it is not.

All rivals multiply the first layer of a network by the same pictures; what differs is the type of
the numbers, and who wrote the product. All integer rivals give the same sums.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper

from benchmarks.table import markdown
from minilib.datasets import load_mnist
from minilib.measurement import compare_latency
from minilib.models import LENET_300_100, mlp
from minilib.quantization import FixedPointLayer, fixed_point

Array = np.ndarray
Product = Callable[[], object]

SHIFT = 128
"""What torch's product of signed bytes needs taken off unsigned ones."""


def first_layer(model: torch.nn.Sequential, pictures: Array) -> FixedPointLayer:
    """Round the first layer of a network to integers."""
    return fixed_point(model, torch.tensor(pictures).float() / 255)[0]


def products(layer: FixedPointLayer, pictures: Array) -> dict[str, Product]:
    """Make the rivals, everything converted beforehand; numpy's floats come first."""
    weight = np.ascontiguousarray(layer.weight.T)
    bytes_in = torch.tensor(pictures)
    signed = (bytes_in.short() - SHIFT).to(torch.int8)
    as_floats = partial(np.matmul, pictures.astype(np.float32), weight.astype(np.float32))
    return {
        "numpy, float32": as_floats,
        "numpy, int32": partial(np.matmul, pictures.astype(np.int32), weight.astype(np.int32)),
        "torch, float32": partial(torch.matmul, bytes_in.float(), torch.from_numpy(weight).float()),
        "torch, int32": partial(torch.matmul, bytes_in.int(), torch.from_numpy(weight).int()),
        "torch, int8 to int32 (`torch._int_mm`, private)": partial(
            torch._int_mm, signed, torch.from_numpy(weight)
        ),
        "ONNX Runtime, uint8 by int8 to int32": onnx_product(weight, pictures),
    }


def onnx_product(weight: Array, pictures: Array) -> Product:
    """Make a network of one product of bytes for ONNX Runtime, on one thread."""
    x = helper.make_tensor_value_info("x", onnx.TensorProto.UINT8, pictures.shape)
    sums = helper.make_tensor_value_info("sums", onnx.TensorProto.INT32, None)
    product = helper.make_node("MatMulInteger", ["x", "weight"], ["sums"])
    graph = helper.make_graph(
        [product], "product", [x], [sums], [onnx.numpy_helper.from_array(weight, "weight")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return partial(session.run, None, {"x": pictures})


def times(layer: FixedPointLayer, pictures: Array, n_pairs: int) -> str:
    """Write the table: how many times faster than numpy's floats, one picture or many."""
    batches = (1, len(pictures))
    cells: dict[str, list[str]] = {}
    for batch in batches:
        rivals = products(layer, pictures[:batch])
        floats = rivals["numpy, float32"]
        for name, rival in rivals.items():
            found = compare_latency(floats, rival, n_pairs=n_pairs)
            cell = f"{found.ratio:.2f} ({found.low:.2f} to {found.high:.2f})"
            cells.setdefault(name, []).append(cell)
    heading = ["product of", *(f"pictures at once: {batch:,}" for batch in batches)]
    return markdown(heading, [[name, *row] for name, row in cells.items()])


def report() -> str:
    """Time the products, and give the section of this part."""
    pictures = load_mnist("test").x[:1024].reshape(1024, -1)
    layer = first_layer(mlp(LENET_300_100, seed=0), pictures)
    return times(layer, pictures, n_pairs=100)
