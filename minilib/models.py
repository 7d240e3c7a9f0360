"""The course's networks, and the only functions that reach inside them.

All methods of compression take and return tensors; what takes a network apart, or puts one
together, is here. Nothing in this module changes a network: it returns another one.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from minilib.validation import check_count, check_finite

LENET_300_100 = (784, 300, 100, 10)
"""Widths of the network that papers on compression train on MNIST: 266,610 parameters.

Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner 1998, doi:10.1109/5.726791.
"""


def mlp(widths: Sequence[int], *, seed: int) -> nn.Sequential:
    """Make a fully connected network with a ReLU after each layer but the last.

    Weights and biases are drawn evenly between -1/sqrt(n) and 1/sqrt(n), where n is the number of
    inputs of the layer: torch's own choice, but from a seed.

    Parameters
    ----------
    widths : sequence of int
        Number of inputs, widths of the hidden layers, number of classes; at least two numbers.
    seed : int
        Seed of the weights; the state of torch's own generator does not change.

    Returns
    -------
    torch.nn.Sequential
        Takes float32 inputs of shape (n, widths[0]), gives logits of shape (n, widths[-1]).

    Raises
    ------
    ValueError
        If there are fewer than two widths, one is no whole number above 0, or the seed is none.
    """
    if len(widths) < 2:
        raise ValueError(
            f"widths needs at least the number of inputs and of outputs, got {widths!r}. "
            "For LeNet-300-100 write (784, 300, 100, 10)."
        )
    for width in widths:
        check_count("each width", width)
    generator = torch.Generator().manual_seed(check_count("seed", seed, least=0))
    drawn = []
    for n_in, n_out in pairwise(widths):
        limit = n_in**-0.5
        weight = torch.empty(n_out, n_in).uniform_(-limit, limit, generator=generator)
        bias = torch.empty(n_out).uniform_(-limit, limit, generator=generator)
        drawn.append(Layer(weight, bias))
    return network_of(drawn)


def named_weights(model: nn.Module) -> dict[str, Tensor]:
    """Copy the weight matrices of a network; its biases are not among them.

    Biases are few (0.15 % of LeNet-300-100) and shift whole neurons: the course neither
    penalises nor prunes them.

    Parameters
    ----------
    model : torch.nn.Module
        Any network.

    Returns
    -------
    dict of str to Tensor
        Copies by the names that the network gives them, such as ``"0.weight"``, in its order.

    Raises
    ------
    ValueError
        If a weight is NaN or infinite, or there is none at all.
    """
    weights = {
        name: parameter.detach().clone()
        for name, parameter in model.named_parameters()
        if parameter.ndim >= 2
    }
    if not weights:
        raise ValueError("the network has no weight matrix; build it with mlp(widths, seed=0).")
    for name, weight in weights.items():
        check_finite(name, weight)
    return weights


def with_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """Copy a network and replace some of its weights.

    Parameters
    ----------
    model : torch.nn.Module
        The network; it does not change.
    weights : dict of str to Tensor
        New values by name; the other parameters are copied.

    Returns
    -------
    torch.nn.Module
        A new network of the same make.

    Raises
    ------
    ValueError
        If the network has no parameter of that name, or one of another shape, or a new value is
        NaN or infinite.
    """
    new = copy.deepcopy(model)
    parameters = dict(new.named_parameters())
    for name, weight in weights.items():
        check_belongs(name, weight, parameters)
        check_finite(name, weight.detach())
    with torch.no_grad():
        for name, weight in weights.items():
            parameters[name].copy_(weight)
    return new


def check_belongs(name: str, tensor: Tensor, parameters: Mapping[str, Tensor]) -> None:
    """Say whether a tensor fits the parameter of a network that it is meant for.

    Parameters
    ----------
    name : str
        The parameter's name.
    tensor : Tensor
        Weights, a mask or scores.
    parameters : dict of str to Tensor
        What the network has.

    Raises
    ------
    ValueError
        If there is no such parameter, or it has another shape.
    """
    if name not in parameters:
        raise ValueError(f"the network has no {name!r}; it has {', '.join(parameters)}.")
    if tensor.shape != parameters[name].shape:
        raise ValueError(
            f"{name} has shape {tuple(parameters[name].shape)} in the network, "
            f"got {tuple(tensor.shape)}."
        )


@dataclass(frozen=True, eq=False)
class Layer:
    """One fully connected layer: it gives ``weight @ x + bias``.

    Attributes
    ----------
    weight : Tensor of shape (n_out, n_in)
        One row per neuron.
    bias : Tensor of shape (n_out,)
        One number per neuron.
    """

    weight: Tensor
    bias: Tensor

    def __post_init__(self) -> None:
        """Refuse shapes that do not fit, and numbers that are none."""
        if self.weight.ndim != 2 or self.bias.shape != self.weight.shape[:1]:
            raise ValueError(
                "a layer has a weight of shape (n_out, n_in) and a bias of shape (n_out,), got "
                f"{tuple(self.weight.shape)} and {tuple(self.bias.shape)}."
            )
        check_finite("weight", self.weight)
        check_finite("bias", self.bias)


def layers_of(model: nn.Sequential) -> list[Layer]:
    """Take a network of fully connected layers with ReLUs between them apart.

    Parameters
    ----------
    model : torch.nn.Sequential
        Linear, ReLU, Linear, ..., Linear.

    Returns
    -------
    list of Layer
        Copies of the weights and biases, from the first layer to the last.

    Raises
    ------
    ValueError
        If the network is made in another way, or a number in it is NaN or infinite.
    """
    parts = list(model) if isinstance(model, nn.Sequential) else [model]
    kinds = [type(part).__name__ for part in parts]
    if kinds != ["Linear", "ReLU"] * (len(kinds) // 2) + ["Linear"]:
        raise ValueError(
            f"the network has to be Linear, ReLU, Linear, ..., Linear, got {', '.join(kinds)}. "
            "mlp(widths, seed=0) makes such a one; merge_linear makes one layer of two Linear "
            "that follow each other."
        )
    return [layer_of(part) for part in parts[::2]]


def layer_of(linear: nn.Linear) -> Layer:
    """Copy the numbers of one fully connected layer.

    Parameters
    ----------
    linear : torch.nn.Linear
        With a bias or without.

    Returns
    -------
    Layer
        Its bias is 0 if there is none.
    """
    weight = linear.weight.detach().clone()
    bias = weight.new_zeros(len(weight)) if linear.bias is None else linear.bias.detach().clone()
    return Layer(weight, bias)


def linear_of(layer: Layer) -> nn.Linear:
    """Make a module from the numbers of one layer: the way back of `layer_of`.

    Parameters
    ----------
    layer : Layer
        The numbers.

    Returns
    -------
    torch.nn.Linear
        With copies of them.
    """
    n_out, n_in = layer.weight.shape
    linear = nn.utils.skip_init(nn.Linear, n_in, n_out, dtype=layer.weight.dtype)
    with torch.no_grad():
        linear.weight.copy_(layer.weight)
        linear.bias.copy_(layer.bias)
    return linear


def network_of(layers: Sequence[Layer]) -> nn.Sequential:
    """Put a network together: the way back of `layers_of`.

    Parameters
    ----------
    layers : sequence of Layer
        Each takes as many inputs as the layer before it has neurons.

    Returns
    -------
    torch.nn.Sequential
        The layers, as copies, with ReLUs between them.

    Raises
    ------
    ValueError
        If there is no layer, or two neighbours do not fit.
    """
    if not layers:
        raise ValueError("a network needs at least one layer, got none.")
    for number, (one, following) in enumerate(pairwise(layers), start=1):
        if len(one.bias) != following.weight.shape[1]:
            raise ValueError(
                f"layer {number} has {len(one.bias)} neurons, but layer {number + 1} takes "
                f"{following.weight.shape[1]} inputs: whoever removes a neuron removes its column "
                "in the next layer, too."
            )
    modules: list[nn.Module] = []
    for layer in layers:
        modules += [linear_of(layer), nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def with_parts(model: nn.Sequential, parts: Mapping[str, Sequence[nn.Module]]) -> nn.Sequential:
    """Copy a network and put other modules in the place of some of its own.

    Parameters
    ----------
    model : torch.nn.Sequential
        The network; it does not change.
    parts : dict of str to sequence of torch.nn.Module
        New modules by the name of the one they replace: ``"0"`` for the first.

    Returns
    -------
    torch.nn.Sequential

    Raises
    ------
    ValueError
        If the network has no module of that name.
    """
    there = dict(model.named_children())
    unknown = sorted(parts.keys() - there.keys())
    if unknown:
        raise ValueError(f"the network has no part {unknown[0]!r}; it has {', '.join(there)}.")
    chosen = [module for name in there for module in parts.get(name, [there[name]])]
    return copy.deepcopy(nn.Sequential(*chosen))


def check_kept(kept: Sequence[Tensor], layers: Sequence[Layer]) -> None:
    """Say whether there is one boolean vector for each hidden layer, and a neuron in each is kept.

    Parameters
    ----------
    kept : list of bool Tensor
        What to check.
    layers : sequence of Layer
        The network.

    Raises
    ------
    ValueError
        If there are more or fewer vectors, or one has another length or dtype, or keeps nothing.
    """
    widths = [len(layer.bias) for layer in layers[:-1]]
    if len(kept) != len(widths):
        raise ValueError(
            f"kept has one vector for each hidden layer, {len(widths)} here, got {len(kept)}."
        )
    for number, (rows, width) in enumerate(zip(kept, widths, strict=True), start=1):
        if not isinstance(rows, Tensor) or rows.dtype != torch.bool or rows.shape != (width,):
            kind = f"{rows.dtype} of shape {tuple(rows.shape)}" if hasattr(rows, "shape") else rows
            raise ValueError(
                f"kept[{number - 1}] is a bool tensor of shape ({width},), got {kind!s}. "
                "From scores write mask_largest(scores, sparsity)."
            )
        if not rows.any():
            raise ValueError(
                f"kept[{number - 1}] keeps no neuron of hidden layer {number}: nothing could pass. "
                "Keep at least one."
            )
