import math

import numpy as np
import torch

# 05.cost


def cost_in_a_dict(n_in, n_out, batch, bits):
    parameters = n_in * n_out + n_out
    size = math.ceil(parameters * bits / 8)
    macs = batch * n_in * n_out
    return {"parameters": parameters, "bytes": size, "macs": macs, "macs_per_byte": macs / size}


def cost_by_counting(n_in, n_out, batch, bits):
    weight, bias = np.zeros((n_out, n_in)), np.zeros(n_out)
    parameters = np.float32(weight.size + bias.size)
    size = (int(parameters) * bits + 7) // 8
    macs = sum(weight.size for _ in range(batch))
    return {
        "macs_per_byte": np.float32(macs) / size,
        "macs": macs,
        "bytes": float(size),
        "parameters": parameters,
    }


def cost_in_a_row(n_in, n_out, batch, bits):
    return list(cost_in_a_dict(n_in, n_out, batch, bits).values())


def cost_with(parameters=None, size=None, macs=None, ratio=None):
    """Fill the dict from four rules; each sees what was computed before it."""
    parameters = parameters or (lambda n_in, n_out: (n_in + 1) * n_out)
    size = size or (lambda count, bits, batch, n_in, n_out: (count * bits + 7) // 8)
    macs = macs or (lambda n_in, n_out, batch: n_in * n_out * batch)
    ratio = ratio or (lambda work, stored, count, batch: work / stored)

    def layer_cost(n_in, n_out, batch, bits):
        count = parameters(n_in, n_out)
        stored = size(count, bits, batch, n_in, n_out)
        work = macs(n_in, n_out, batch)
        return dict(
            parameters=count,
            bytes=stored,
            macs=work,
            macs_per_byte=ratio(work, stored, count, batch),
        )

    return layer_cost


# 05.decoupled_decay


def adamw_by_formula(w, gradient, m, v, t, lr, decay, b1, b2, eps):
    m = b1 * m + (1 - b1) * gradient
    v = b2 * v + (1 - b2) * gradient**2
    m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
    return w - lr * (m_hat / (np.sqrt(v_hat) + eps) + decay * w), m, v


def adamw_weight_by_weight(w, gradient, m, v, t, lr, decay, b1, b2, eps):
    columns = [], [], []
    for weight, slope, mean, square in zip(w, gradient, m, v, strict=True):
        mean += (1 - b1) * (slope - mean)
        square += (1 - b2) * (slope * slope - square)
        weight *= 1 - lr * decay
        weight -= lr * mean / (1 - b1**t) / (math.sqrt(square / (1 - b2**t)) + eps)
        for column, number in zip(columns, (weight, mean, square), strict=True):
            column.append(number)
    return columns


def adamw_of_torch(w, gradient, m, v, t, lr, decay, b1, b2, eps):
    weights = torch.tensor(w, requires_grad=True)
    weights.grad = torch.tensor(gradient)
    optimizer = torch.optim.AdamW(
        [weights], lr=lr, betas=(b1, b2), eps=eps, weight_decay=decay, foreach=False
    )
    state = optimizer.state[weights]
    state["step"] = torch.tensor(t - 1.0)
    state["exp_avg"], state["exp_avg_sq"] = torch.tensor(m), torch.tensor(v)
    optimizer.step()
    return weights, state["exp_avg"], state["exp_avg_sq"]


def adamw_in_single_precision(w, gradient, m, v, *rest):
    arrays = [array.astype(np.float32) for array in (w, gradient, m, v)]
    numbers = [rest[0], *map(np.float32, rest[1:])]
    return adamw_by_formula(*arrays, *numbers)


def adam_of_torch(w, gradient, m, v, t, lr, decay, b1, b2, eps):
    """What torch's Adam does with weight_decay."""
    weights = torch.tensor(w, requires_grad=True)
    weights.grad = torch.tensor(gradient)
    optimizer = torch.optim.Adam(
        [weights], lr=lr, betas=(b1, b2), eps=eps, weight_decay=decay, foreach=False
    )
    state = optimizer.state[weights]
    state["step"] = torch.tensor(t - 1.0)
    state["exp_avg"], state["exp_avg_sq"] = torch.tensor(m), torch.tensor(v)
    optimizer.step()
    return weights, state["exp_avg"], state["exp_avg_sq"]


def adamw_divided(w, gradient, m, v, t, lr, decay, b1, b2, eps):
    m = b1 * m + (1 - b1) * gradient
    v = b2 * v + (1 - b2) * gradient**2
    m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
    return w - lr * (m_hat + decay * w) / (np.sqrt(v_hat) + eps), m, v


def adamw_that(step=None, first=None, second=None, back=None, root=None):
    """AdamW in five lines, any of which may be replaced."""
    first = first or (lambda m, g, b1, b2: b1 * m + (1 - b1) * g)
    second = second or (lambda v, g, b1, b2: b2 * v + (1 - b2) * g * g)
    root = root or (lambda v, t, b2, eps: np.sqrt(v / (1 - b2**t)) + eps)
    step = step or (lambda w, adam, lr, decay: w - lr * adam - lr * decay * w)
    back = back or (lambda new, m, v, old, hats: (new, m, v))

    def adamw_step(w, gradient, m, v, t, lr, decay, b1, b2, eps):
        old = (m, v)
        m, v = first(m, gradient, b1, b2), second(v, gradient, b1, b2)
        hats = (m / (1 - b1**t), v / (1 - b2**t))
        return back(step(w, hats[0] / root(v, t, b2, eps), lr, decay), m, v, old, hats)

    return adamw_step


def adamw_not_corrected(w, gradient, m, v, t, lr, decay, b1, b2, eps):
    m = b1 * m + (1 - b1) * gradient
    v = b2 * v + (1 - b2) * gradient**2
    return w - lr * m / (v**0.5 + eps) - lr * decay * w, m, v


def adamw_m_not_corrected(w, gradient, m, v, t, lr, decay, b1, b2, eps):
    m = b1 * m + (1 - b1) * gradient
    v = b2 * v + (1 - b2) * gradient**2
    return w * (1 - lr * decay) - lr * m / (np.sqrt(v / (1 - b2**t)) + eps), m, v


def adamw_counting_from_zero(w, gradient, m, v, t, *rest):
    return adamw_by_formula(w, gradient, m, v, t - 1, *rest)


def adamw_with_old_m(w, gradient, m, v, t, lr, decay, b1, b2, eps):
    v_new = b2 * v + (1 - b2) * gradient**2
    w_new = w - lr * (m / (1 - b1**t) / (np.sqrt(v_new / (1 - b2**t)) + eps) + decay * w)
    return w_new, b1 * m + (1 - b1) * gradient, v_new


def adamw_without_decay(w, gradient, m, v, t, lr, decay, *rest):
    return adamw_by_formula(w, gradient, m, v, t, lr, 0, *rest)


def adamw_betas_swapped(w, gradient, m, v, t, lr, decay, b1, b2, eps):
    return adamw_by_formula(w, gradient, m, v, t, lr, decay, b2, b1, eps)


def adamw_without_eps(w, gradient, m, v, t, lr, decay, b1, b2, eps):
    return adamw_by_formula(w, gradient, m, v, t, lr, decay, b1, b2, 0)


# 05.bias_decay


def decay_by_formula(network, gradients, lr, lam):
    return [
        (W - lr * (gW + lam * W), b - lr * gb)
        for (W, b), (gW, gb) in zip(network, gradients, strict=True)
    ]


def decay_by_sgd_of_torch(network, gradients, lr, lam):
    matrices, vectors = ([torch.tensor(layer[k]) for layer in network] for k in (0, 1))
    for k, parameters in enumerate((matrices, vectors)):
        for parameter, layer in zip(parameters, gradients, strict=True):
            parameter.grad = torch.tensor(layer[k])
    groups = [{"params": matrices, "weight_decay": lam}, {"params": vectors, "weight_decay": 0}]
    torch.optim.SGD(groups, lr=lr, foreach=False).step()
    return list(zip(matrices, vectors, strict=True))


def decay_in_single_precision(network, gradients, lr, lam):
    new = []
    for layer, gradient in zip(network, gradients, strict=True):
        W, b = (part.astype(np.float32) for part in layer)
        gW, gb = (part.astype(np.float32) for part in gradient)
        new.append([(1 - lr * lam) * W - lr * gW, b - lr * gb])
    return new


def decay_by_loss_of_torch(penalty):
    """Let autograd find the slope of a penalty of the parameters; its strength is lam."""

    def sgd_step(network, gradients, lr, lam):
        layers = [[torch.tensor(part, requires_grad=True) for part in layer] for layer in network]
        loss = lam * penalty(layers)
        for layer, gradient in zip(layers, gradients, strict=True):
            for part, slope in zip(layer, gradient, strict=True):
                loss = loss + (part * torch.tensor(slope)).sum()
        loss.backward()
        return [tuple((part - lr * part.grad).detach() for part in layer) for layer in layers]

    return sgd_step


def decay_of_biases_only(network, gradients, lr, lam):
    return [
        (W - lr * gW, b - lr * (gb + lam * b))
        for (W, b), (gW, gb) in zip(network, gradients, strict=True)
    ]


def decay_with_frozen_biases(network, gradients, lr, lam):
    return [
        (W - lr * (gW + lam * W), b) for (W, b), (gW, _) in zip(network, gradients, strict=True)
    ]


def decay_with(change):
    """Change each weight matrix by a rule of W, its gradient, lr and lam; biases are right."""

    def sgd_step(network, gradients, lr, lam):
        new = []
        for (W, b), (gW, gb) in zip(network, gradients, strict=True):
            new.append((change(W, gW, lr, lam), b - lr * gb))
        return new

    return sgd_step


def decay_uphill(network, gradients, lr, lam):
    return [
        (W + lr * (gW + lam * W), b + lr * gb)
        for (W, b), (gW, gb) in zip(network, gradients, strict=True)
    ]


RIGHT = {
    "05.cost": [cost_in_a_dict, cost_by_counting],
    "05.decoupled_decay": [
        adamw_by_formula,
        adamw_weight_by_weight,
        adamw_of_torch,
        adamw_in_single_precision,
    ],
    "05.bias_decay": [
        decay_by_formula,
        decay_by_sgd_of_torch,
        decay_in_single_precision,
        decay_by_loss_of_torch(lambda layers: sum((W**2).sum() for W, _ in layers) / 2),
    ],
}

WRONG = {
    "05.cost": {
        "another form": cost_in_a_row,
        "biases forgotten": cost_with(parameters=lambda n_in, n_out: n_in * n_out),
        "a bias per input": cost_with(parameters=lambda n_in, n_out: n_in * n_out + n_in),
        "one bias in all": cost_with(parameters=lambda n_in, n_out: n_in * n_out + 1),
        "a bias per weight": cost_with(parameters=lambda n_in, n_out: n_in * n_out * 2),
        "bits taken for bytes": cost_with(size=lambda count, bits, *_: bits * count),
        "bytes of a batch": cost_with(
            size=lambda count, bits, batch, *_: math.ceil(count * bits / 8) * batch
        ),
        "biases not stored": cost_with(
            size=lambda count, bits, batch, n_in, n_out: math.ceil(n_in * n_out * bits / 8)
        ),
        "four bytes always": cost_with(size=lambda count, *_: np.zeros(count, np.float32).nbytes),
        "each rounded up": cost_with(size=lambda count, bits, *_: ((bits + 7) // 8) * count),
        "parts rounded up": cost_with(
            size=lambda count, bits, batch, n_in, n_out: (
                math.ceil(n_in * n_out * bits / 8) + math.ceil(n_out * bits / 8)
            )
        ),
        "inputs stored": cost_with(
            size=lambda count, bits, batch, n_in, n_out: math.ceil(
                bits * (count + batch * n_in + batch * n_out) / 8
            )
        ),
        "one byte more": cost_with(size=lambda count, bits, *_: count * bits // 8 + 1),
        "not rounded up": cost_with(size=lambda count, bits, *_: count * bits / 8),
        "rounded down": cost_with(size=lambda count, bits, *_: int(count * bits / 8)),
        "one example": cost_with(macs=lambda n_in, n_out, batch: n_in * n_out),
        "biases multiplied": cost_with(macs=lambda n_in, n_out, batch: (n_in + 1) * n_out * batch),
        "two operations": cost_with(macs=lambda n_in, n_out, batch: 2 * n_in * n_out * batch),
        "ratio upside down": cost_with(ratio=lambda work, stored, *_: stored / work),
        "one example per byte": cost_with(
            ratio=lambda work, stored, count, batch: work / (stored * batch)
        ),
        "per parameter": cost_with(ratio=lambda work, stored, count, batch: work / count),
        "ratio of broken bytes": lambda n_in, n_out, batch, bits: {
            **cost_in_a_dict(n_in, n_out, batch, bits),
            "macs_per_byte": batch * n_in / (n_in + 1) * 8 / bits,
        },
        "ratio cut": cost_with(ratio=lambda work, stored, *_: work // stored),
    },
    "05.decoupled_decay": {
        "L2 in Adam": adam_of_torch,
        "decay divided": adamw_divided,
        "decay without lr": adamw_that(step=lambda w, adam, lr, decay: (1 - decay) * w - lr * adam),
        "decay after the step": adamw_that(
            step=lambda w, adam, lr, decay: (w - lr * adam) - lr * decay * (w - lr * adam)
        ),
        "weights grow": adamw_that(step=lambda w, adam, lr, decay: w - lr * adam + lr * decay * w),
        "decay forgotten": adamw_without_decay,
        "uphill": adamw_that(step=lambda w, adam, lr, decay: w + lr * (adam - decay * w)),
        "not corrected": adamw_not_corrected,
        "one not corrected": adamw_m_not_corrected,
        "number of the step": adamw_counting_from_zero,
        "eps in the root": adamw_that(root=lambda v, t, b2, eps: np.sqrt(v / (1 - b2**t) + eps)),
        "eps before the correction": adamw_that(
            root=lambda v, t, b2, eps: (np.sqrt(v) + eps) / np.sqrt(1 - b2**t)
        ),
        "eps forgotten": adamw_without_eps,
        "root forgotten": adamw_that(root=lambda v, t, b2, eps: v / (1 - b2**t) + eps),
        "old moments": adamw_with_old_m,
        "betas swapped": adamw_betas_swapped,
        "shares swapped": adamw_that(
            first=lambda m, g, b1, b2: (1 - b1) * m + b1 * g,
            second=lambda v, g, b1, b2: (1 - b2) * v + b2 * g**2,
        ),
        "sums, not means": adamw_that(
            first=lambda m, g, b1, b2: b1 * m + g, second=lambda v, g, b1, b2: b2 * v + g**2
        ),
        "not squared": adamw_that(second=lambda v, g, b1, b2: b2 * v + (1 - b2) * g),
        "moments not renewed": adamw_that(back=lambda new, m, v, old, hats: (new, *old)),
        "corrected moments returned": adamw_that(back=lambda new, m, v, old, hats: (new, *hats)),
        "weights alone": adamw_that(back=lambda new, *_: new),
        "another order": adamw_that(back=lambda new, m, v, old, hats: (m, v, new)),
    },
    "05.bias_decay": {
        "biases decay": decay_by_loss_of_torch(
            lambda layers: sum((part**2).sum() for layer in layers for part in layer) / 2
        ),
        "only biases decay": decay_of_biases_only,
        "biases stand still": decay_with_frozen_biases,
        "last layer free": decay_by_loss_of_torch(
            lambda layers: sum(((W**2).sum() / 2 for W, _ in layers[:-1]), start=torch.tensor(0))
        ),
        "first layer only": decay_by_loss_of_torch(lambda layers: (layers[0][0] ** 2).sum() / 2),
        "norm not squared": decay_by_loss_of_torch(
            lambda layers: torch.linalg.vector_norm(layers[0][0])
        ),
        "penalty instead of slope": decay_with(
            lambda W, gW, lr, lam: W - lr * (gW + lam * 0.5 * (W**2).sum())
        ),
        "weights squared": decay_with(lambda W, gW, lr, lam: W - lr * (gW + lam * W * W)),
        "signs only": decay_by_loss_of_torch(lambda layers: sum(W.abs().sum() for W, _ in layers)),
        "mean of the squares": decay_by_loss_of_torch(
            lambda layers: sum((W**2).mean() for W, _ in layers) / 2
        ),
        "twice": decay_by_loss_of_torch(lambda layers: sum((W**2).sum() for W, _ in layers)),
        "weights grow": decay_with(lambda W, gW, lr, lam: W - lr * gW + lr * lam * W),
        "no decay": decay_with(lambda W, gW, lr, lam: W - lr * gW),
        "lam forgotten": decay_with(lambda W, gW, lr, lam: W - lr * (gW + W)),
        "decay without lr": decay_with(lambda W, gW, lr, lam: (1 - lam) * W - lr * gW),
        "decay after the step": decay_with(lambda W, gW, lr, lam: (W - lr * gW) * (1 - lr * lam)),
        "uphill": decay_uphill,
    },
}
