"""Score hidden neurons, remove them, and prove that nothing else changed.

`kept` is, in all of this module, a list with one boolean vector per hidden layer: True is kept.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from minilib.models import Layer, check_kept, layers_of, network_of

Kept = Sequence[Tensor]


@torch.no_grad()
def activations(model: nn.Sequential, x: Tensor) -> list[Tensor]:
    """Compute what each hidden neuron gives, after its ReLU.

    Parameters
    ----------
    model : torch.nn.Sequential
        Linear, ReLU, ..., Linear.
    x : Tensor of shape (n, p)
        Inputs.

    Returns
    -------
    list of Tensor of shape (n, width)
        One for each hidden layer.
    """
    hidden = []
    for layer in layers_of(model)[:-1]:
        x = torch.relu(x @ layer.weight.T + layer.bias)
        hidden.append(x)
    return hidden


def norm_scores(model: nn.Sequential) -> list[Tensor]:
    """Length of what leads into a neuron times length of what leads out of it.

    In a ReLU network one length alone means nothing: doubling what leads in and halving what
    leads out changes no output. Their product does not notice.

    Parameters
    ----------
    model : torch.nn.Sequential
        Linear, ReLU, ..., Linear.

    Returns
    -------
    list of Tensor of shape (width,)
        One for each hidden layer.
    """
    return [
        one.weight.norm(dim=1) * following.weight.norm(dim=0)
        for one, following in pairwise(layers_of(model))
    ]


def activation_scores(model: nn.Sequential, x: Tensor) -> list[Tensor]:
    """Mean of what a neuron gives, times the length of what leads out of it.

    Parameters
    ----------
    model : torch.nn.Sequential
        Linear, ReLU, ..., Linear.
    x : Tensor of shape (n, p)
        Inputs to average over.

    Returns
    -------
    list of Tensor of shape (width,)
        One for each hidden layer.
    """
    outgoing = [layer.weight.norm(dim=0) for layer in layers_of(model)[1:]]
    given = activations(model, x)
    return [a.mean(dim=0) * length for a, length in zip(given, outgoing, strict=True)]


def taylor_scores(model: nn.Sequential, x: Tensor, y: Tensor) -> list[Tensor]:
    """How much the loss of an example would change, to first order, without the neuron.

    Parameters
    ----------
    model : torch.nn.Sequential
        Linear, ReLU, ..., Linear.
    x : Tensor of shape (n, p)
        Inputs.
    y : int64 Tensor of shape (n,)
        Labels.

    Returns
    -------
    list of Tensor of shape (width,)
        For each hidden layer the mean over examples of |activation * slope of its loss|, in nats.

    Notes
    -----
    P. Molchanov, S. Tyree, T. Karras, T. Aila, J. Kautz 2016, arXiv:1611.06440.
    """
    *hidden, last = layers_of(model)
    given = [x.detach().requires_grad_()]
    for layer in hidden:
        given.append(torch.relu(given[-1] @ layer.weight.T + layer.bias))
    logits = given[-1] @ last.weight.T + last.bias
    loss = nn.functional.cross_entropy(logits, y, reduction="sum")
    slopes = torch.autograd.grad(loss, given)
    scores = [(a * slope).abs().mean(dim=0) for a, slope in zip(given, slopes, strict=True)]
    return [score.detach() for score in scores[1:]]  # the first are those of the inputs


def silence(model: nn.Sequential, kept: Kept) -> nn.Sequential:
    """Set what leads into, and out of, the neurons that are not kept to zero.

    The network has as many neurons as before; it is what `remove_neurons` has to equal.

    Parameters
    ----------
    model : torch.nn.Sequential
        Linear, ReLU, ..., Linear; it does not change.
    kept : list of bool Tensor of shape (width,)
        One for each hidden layer.

    Returns
    -------
    torch.nn.Sequential

    Raises
    ------
    ValueError
        If `kept` does not fit the network, or a layer has no neuron left.
    """
    layers = layers_of(model)
    check_kept(kept, layers)
    inputs = [torch.ones(layers[0].weight.shape[1], dtype=torch.bool), *kept]
    outputs = [*kept, torch.ones(len(layers[-1].bias), dtype=torch.bool)]
    return network_of(
        [
            Layer(layer.weight * rows[:, None] * columns, layer.bias * rows)
            for layer, rows, columns in zip(layers, outputs, inputs, strict=True)
        ]
    )


def remove_neurons(
    model: nn.Sequential, kept: Kept, *, stand_in: Sequence[Tensor] | None = None
) -> nn.Sequential:
    """Make the smaller network: rows go, and with each row its column in the next layer.

    Parameters
    ----------
    model : torch.nn.Sequential
        Linear, ReLU, ..., Linear; it does not change.
    kept : list of bool Tensor of shape (width,)
        One for each hidden layer; at least one neuron of each stays.
    stand_in : list of Tensor of shape (width,), optional
        A constant for each neuron, such as the mean of its activations: what a removed one gave
        is replaced by it, in the biases of the next layer. Without it, by 0.

    Returns
    -------
    torch.nn.Sequential
        Without `stand_in` its outputs are those of ``silence(model, kept)``.

    Raises
    ------
    ValueError
        If `kept` or `stand_in` does not fit the network, or a layer has no neuron left.
    """
    layers = layers_of(model)
    check_kept(kept, layers)
    stand_in = stand_in or [torch.zeros_like(layer.bias) for layer in layers[:-1]]
    needed = [tuple(rows.shape) for rows in kept]
    shapes = [tuple(constants.shape) for constants in stand_in]
    if shapes != needed:
        raise ValueError(f"stand_in has tensors of shapes {needed}, one per neuron, got {shapes}.")
    for number, (rows, constants) in enumerate(zip(kept, stand_in, strict=True)):
        one, following = layers[number], layers[number + 1]
        lost = following.weight[:, ~rows] @ constants[~rows]
        layers[number] = Layer(one.weight[rows], one.bias[rows])
        layers[number + 1] = Layer(following.weight[:, rows], following.bias + lost)
    return network_of(layers)


def compact(model: nn.Sequential) -> nn.Sequential:
    """Remove each neuron that nobody listens to, or that always gives the same.

    A neuron whose incoming weights are all zero gives relu(bias) for every input: the next biases
    take that over, which can make neurons of the next layer constant. One whose outgoing weights
    are all zero changes nothing: without it, neurons of the layer before it can be superfluous.
    One neuron of a layer always stays.

    Parameters
    ----------
    model : torch.nn.Sequential
        Linear, ReLU, ..., Linear, usually pruned; it does not change.

    Returns
    -------
    torch.nn.Sequential
        With the same outputs, up to rounding.
    """
    layers = layers_of(model)  # copies
    neighbours = list(pairwise(layers))
    for one, following in neighbours:
        constant = ~one.weight.any(dim=1)
        following.bias.add_(following.weight[:, constant] @ torch.relu(one.bias[constant]))
        following.weight[:, constant] = 0
    for one, following in reversed(neighbours):
        one.weight[~following.weight.any(dim=0)] = 0
    kept = [layer.weight.any(dim=1) for layer in layers[:-1]]
    for rows in kept:
        rows[0] |= not rows.any()  # a layer needs a neuron, even one that says nothing
    return remove_neurons(network_of(layers), kept)
