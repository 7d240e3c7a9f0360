"""Make one neuron of two, one layer of two: exactly where that is possible, else nearly."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from minilib.models import Layer, check_kept, layer_of, layers_of, linear_of, network_of
from minilib.validation import check_nonnegative


def merge_linear(model: nn.Sequential) -> nn.Sequential:
    """Multiply layers that follow each other without a ReLU between them into one.

    ``B (A x + a) + b = (B A) x + (B a + b)``. With a ReLU between them, there is no such formula.

    Parameters
    ----------
    model : torch.nn.Sequential
        Any; it does not change.

    Returns
    -------
    torch.nn.Sequential
        With the same outputs, up to rounding; smaller only if the middle was wide enough.
    """
    parts: list[nn.Module | Layer] = []
    for part in model:
        if not isinstance(part, nn.Linear):
            parts.append(part)
            continue
        layer = layer_of(part)
        if parts and isinstance(parts[-1], Layer):
            first = parts.pop()
            layer = Layer(layer.weight @ first.weight, layer.weight @ first.bias + layer.bias)
        parts.append(layer)
    return nn.Sequential(
        *(linear_of(part) if isinstance(part, Layer) else copy.deepcopy(part) for part in parts)
    )


def merge_proportional(model: nn.Sequential, *, tol: float = 1e-6) -> nn.Sequential:
    """Make one neuron of all whose incoming weights and bias point in the same direction.

    For c > 0, relu(c z) = c relu(z): a neuron that is c times another one gives c times what that
    one gives, for every input. Its outgoing weights, times c, go to the other.

    Parameters
    ----------
    model : torch.nn.Sequential
        Linear, ReLU, ..., Linear; it does not change.
    tol : float
        Two directions are the same if their unit vectors are at most this far apart.

    Returns
    -------
    torch.nn.Sequential
        With the same outputs, up to rounding and `tol`. Neurons that always give 0 because their
        incoming weights and bias are all 0 are gone, too, but for the last of a layer.

    Raises
    ------
    ValueError
        If `tol` is negative, or the network is made in another way.
    """
    check_nonnegative("tol", tol)
    layers = layers_of(model)
    for number in range(len(layers) - 1):
        layer, following = layers[number], layers[number + 1]
        # squares of large and small float32 are inf and 0; in float64 they are not
        rows = torch.cat([layer.weight, layer.bias[:, None]], dim=1).double()
        length = rows.norm(dim=1)
        chosen, leads_to = _representatives(rows, length, tol)
        # share[r, j]: how many times neuron chosen[r] stands in for neuron j
        share = rows.new_zeros(len(chosen), len(rows))
        share[leads_to, torch.arange(len(rows))] = length / length[chosen][leads_to].clamp(
            min=1e-300
        )
        layers[number] = Layer(layer.weight[chosen], layer.bias[chosen])
        outgoing = following.weight.double() @ share.T
        layers[number + 1] = Layer(outgoing.to(following.weight.dtype), following.bias)
    return network_of(layers)


def _representatives(rows: Tensor, length: Tensor, tol: float) -> tuple[Tensor, Tensor]:
    """Choose the first neuron of each direction, and say for all which one stands in for them."""
    unit = rows / length.clamp(min=1e-300)[:, None]
    chosen: list[int] = []
    leads_to = torch.zeros(len(rows), dtype=torch.int64)
    for j in range(len(rows)):
        if length[j] == 0:
            continue  # 0 times any other
        distances = (unit[chosen] - unit[j]).norm(dim=1)
        if len(chosen) and distances.min() <= tol:
            leads_to[j] = distances.argmin()
        else:
            leads_to[j] = len(chosen)
            chosen.append(j)
    return torch.tensor(chosen or [0]), leads_to


@torch.no_grad()
def merge_into_kept(model: nn.Sequential, kept: Sequence[Tensor], x: Tensor) -> nn.Sequential:
    """Remove neurons, and let the kept ones take over what they did, as well as they can.

    What a removed neuron gives is predicted from the kept ones by least squares with an
    intercept; the outgoing weights and biases absorb the prediction. No training is needed.

    Parameters
    ----------
    model : torch.nn.Sequential
        Linear, ReLU, ..., Linear; it does not change.
    kept : list of bool Tensor of shape (width,)
        One for each hidden layer; at least one neuron of each stays.
    x : Tensor of shape (n, p)
        Inputs on which the prediction is fitted; some thousands.

    Returns
    -------
    torch.nn.Sequential
        The smaller network.

    Raises
    ------
    ValueError
        If `kept` does not fit the network, a layer has no neuron left, or `x` has no row.
    """
    layers = layers_of(model)
    check_kept(kept, layers)
    if not len(x):
        raise ValueError("x needs at least one row, got none. Write x=examples.x.")
    for number, rows in enumerate(kept):
        one, following = layers[number], layers[number + 1]
        given = torch.relu(x @ one.weight.T + one.bias)
        x = given[:, rows]
        if rows.all():
            continue  # lstsq crashes where there is nothing to predict
        mean = given.mean(dim=0, dtype=torch.float64)
        centred = given - mean  # in float64: float32 drops directions below 1/1000 of the longest
        taken_over = torch.linalg.lstsq(centred[:, rows], centred[:, ~rows], driver="gelsd")
        lost = following.weight[:, ~rows].double()
        outgoing = lost @ taken_over.solution.T
        constant = lost @ mean[~rows] - outgoing @ mean[rows]
        layers[number] = Layer(one.weight[rows], one.bias[rows])
        layers[number + 1] = Layer(
            (following.weight[:, rows] + outgoing).to(x.dtype),
            (following.bias + constant).to(x.dtype),
        )
    return network_of(layers)
