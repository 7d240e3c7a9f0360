"""Tasks of lesson 07, neuron pruning.

In the first two tasks all numbers are short binary fractions, so that every sum of products is
exact, in single precision, too: what should be equal is equal.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np

from minilib.checks.task import Mistake, Task, agree, same_as

Array = np.ndarray
Network = list[tuple[Array, Array]]


def _quarters(rng: np.random.Generator, *shape: int) -> Array:
    """Draw weights of either sign, none of them 0."""
    return rng.choice([-1.0, 1.0], shape) * rng.integers(1, 7, shape) / 4


ROWS = {
    "first": slice(0, 1),
    "start": slice(0, 3),
    "rare": slice(3, -2),
    "next to last": slice(-2, -1),
    "late": slice(-1, None),
    "hardly awake": slice(3, -2),
    "but first": slice(0, 1),
    "but rare": slice(3, -2),
    "but late": slice(-1, None),
    "hardly cut": slice(3, -2),
}
"""Where a neuron of this kind differs from what it gives in all other rows."""

ROWS_CUT = ("but first", "but rare", "but late", "hardly cut")
"""Neurons that are below zero in a single row."""

SLIGHT = 1 / 16


def _inputs(rng: np.random.Generator, n_rows: int, n_varying: int, constants: list[float]) -> Array:
    """Draw inputs that differ between the first row and the next and the last, and constant ones.

    Others are 0 in all rows but one or three, one is equal to its mean in all rows but two, and one
    varies in a single row, and hardly there.
    """
    varying = rng.integers(0, 9, (n_rows, n_varying))
    varying[[1, -1]] = (varying[0] + rng.integers(1, 9, (2, n_varying))) % 9
    rare = np.zeros((n_rows, 5))
    middle = rng.integers(3, n_rows - 2)
    rare[[0, middle, -2, -1], [0, 1, 2, 3]] = 2.0
    rare[:3, 4] = 1.0
    balanced, slight = np.full(n_rows, 0.5), np.full(n_rows, 8.0)
    balanced[rng.permutation(np.arange(1, n_rows))[:2]] = 0.25, 0.75
    slight[rng.integers(n_rows)] += SLIGHT
    fixed = np.tile(constants, (n_rows, 1))
    X = np.column_stack([varying / 4 - 1, rare, balanced, slight, fixed])
    return X[:, rng.permutation(X.shape[1])]


def _relu(z: Array) -> Array:
    return np.maximum(z, 0)


def _same_in_all_rows(values: Array) -> Array:
    return (values == values[0]).all(axis=0)


# How the bias follows from the other summands of the pre-activation, sorted: it decides in which
# rows the neuron is cut.
BIASES: dict[str, Callable[[Array, float], float]] = {
    "half": lambda z, quarters: -z[len(z) // 2],
    "mostly": lambda z, quarters: -z[2],
    "first": lambda z, quarters: -(z[-2] + z[-1]) / 2,
    "start": lambda z, quarters: -(z[-4] + z[-3]) / 2,
    "rare": lambda z, quarters: -(z[-2] + z[-1]) / 2,
    "next to last": lambda z, quarters: -(z[-2] + z[-1]) / 2,
    "late": lambda z, quarters: -(z[-2] + z[-1]) / 2,
    "hardly awake": lambda z, quarters: 2**-8 - z[-1],
    "but first": lambda z, quarters: -(z[0] + z[1]) / 2,
    "but rare": lambda z, quarters: -(z[0] + z[1]) / 2,
    "but late": lambda z, quarters: -(z[0] + z[1]) / 2,
    "hardly cut": lambda z, quarters: -(2**-8) - z[0],
    "dead": lambda z, quarters: -z[-1] - quarters,
    "just dead": lambda z, quarters: -z[-1],
    "off": lambda z, quarters: -quarters,
    "stuck": lambda z, quarters: quarters,
    "deaf": lambda z, quarters: quarters - z[0],
    "balanced": lambda z, quarters: quarters - z[0],
    "slight": lambda z, quarters: quarters - z[0],
    "linear": lambda z, quarters: quarters - z[0],
    "just linear": lambda z, quarters: -z[0],
}


def _neuron(rng: np.random.Generator, kind: str, given: Array) -> tuple[Array, float]:
    """Draw incoming weights and a bias that make a neuron of this kind of what a layer is given."""
    constant = _same_in_all_rows(given)
    listens = {
        "off": 0.0,
        "stuck": 0.0,
        "deaf": constant,
        "balanced": given.mean(axis=0) == given[0],
        "slight": np.ptp(given, axis=0) <= SLIGHT,
    }
    listens |= {one: constant | _only_in(rows, given) for one, rows in ROWS.items()}
    while True:
        weight = _quarters(rng, given.shape[1]) * listens.get(kind, 1.0)
        if kind in ROWS:
            weight = -np.abs(weight) if kind in ROWS_CUT else np.abs(weight)
        z = given @ weight
        bias = BIASES[kind](np.sort(z), float(rng.integers(1, 7)) / 4)
        if _shows(kind, z + bias):
            return weight, bias


def _only_in(rows: slice, given: Array) -> Array:
    """Mark the columns that are 0 in all other rows, and not in these."""
    return given[rows].any(axis=0) & ~np.delete(given, rows, axis=0).any(axis=0)


def _shows(kind: str, z: Array) -> bool:
    """Whether a neuron that should vary does, most kinds in the first two rows and the last."""
    if kind in ("off", "stuck", "deaf"):
        return True
    if kind == "balanced":
        return np.ptp(z) > 0
    if kind == "slight":
        return 0 < np.ptp(z) <= SLIGHT
    if kind in ROWS_CUT:
        return np.count_nonzero(z < 0) == 1
    if kind in ROWS:
        return np.count_nonzero(z > 0) == (3 if kind == "start" else 1)
    seen = _relu(z) if kind in ("half", "mostly") else z
    varies = seen[0] != seen[1] and seen[0] != seen[-1]
    return varies and (kind != "mostly" or z.min() < 0 < z.mean())


def _network(rng: np.random.Generator, X: Array, hidden: Iterable[list[str]]) -> Network:
    """Draw hidden layers of neurons of the given kinds, and a layer of three outputs."""
    network, given = [], X
    for kinds in hidden:
        neurons = [_neuron(rng, kind, given) for kind in rng.permutation(kinds)]
        network.append((np.array([w for w, _ in neurons]), np.array([b for _, b in neurons])))
        given = _relu(given @ network[-1][0].T + network[-1][1])
    outputs = [_neuron(rng, kind, given) for kind in rng.permutation(["half", "half", "deaf"])]
    return [*network, (np.array([w for w, _ in outputs]), np.array([b for _, b in outputs]))]


def _pre_activations(network: Network, X: Array, *, cut: bool = True, biased: bool = True) -> list:
    """Compute what each layer gives before its ReLU, the outputs last."""
    found = []
    for weight, bias in network:
        found.append(X @ weight.T + bias * biased)
        X = _relu(found[-1]) if cut else found[-1]
    return found


# 07.surgery: remove inputs and hidden neurons that are constant on the data, fold the constants


def _surgery_cases(rng: np.random.Generator) -> list[tuple]:
    rows = ["first", "start", "rare", "next to last", "late"]
    first = ["half", "half", "half", *rows, "balanced", "slight", "dead", "just dead", "off"]
    first += ["stuck", "deaf"]
    second = ["half", "half", "half", *rows, "balanced", "dead", "just dead", "stuck", "deaf"]
    third = ["half", "half", "dead", "stuck"]
    cases = []
    for n_rows, hidden in ((64, [first]), (12, [first, second]), (12, [first, second, third])):
        X = _inputs(rng, n_rows, 4, [0.0, 0.5, 1.0, -0.75])
        cases.append((_network(rng, X, hidden), X))
    return cases


def _without(network: Network, gone: list[Array], constants: list[Array]) -> Network:
    """Remove what each layer is given and `gone` marks; its constant goes into the bias."""
    stays = [*gone[1:], np.zeros(len(network[-1][1]), bool)]
    return [
        (weight[~rows][:, ~columns], (bias + weight[:, columns] @ constant[columns])[~rows])
        for (weight, bias), columns, constant, rows in zip(
            network, gone, constants, stays, strict=True
        )
    ]


def _given(network: Network, X: Array) -> list[Array]:
    """Compute what each layer is given: the inputs, then the activations of the hidden layers."""
    return [X, *(_relu(z) for z in _pre_activations(network, X)[:-1])]


def _surgery(
    network: Network,
    X: Array,
    *,
    is_gone: Callable[[Array], Array] = _same_in_all_rows,
    given: Callable[[Network, Array], list[Array]] = _given,
    inputs: float = 1.0,
    neurons: float = 1.0,
) -> Network:
    """Operate; `inputs` and `neurons` multiply the constants that are folded."""
    values = given(network, X)
    shares = [inputs, *[neurons] * (len(values) - 1)]
    gone = [is_gone(value) for value in values]
    constants = [share * value[0] for share, value in zip(shares, values, strict=True)]
    return _without(network, gone, constants)


def _surgery_only(network: Network, X: Array, touched: Callable[[int], bool]) -> Network:
    """Operate only where `touched` says so: number 0 are the inputs."""
    values = _given(network, X)
    gone = [_same_in_all_rows(value) & touched(number) for number, value in enumerate(values)]
    return _without(network, gone, [value[0] for value in values])


def _surgery_before_the_relu(network: Network, X: Array, *, judged_after: bool) -> Network:
    given, raw = _given(network, X), [X, *_pre_activations(network, X)[:-1]]
    gone = [_same_in_all_rows(value) for value in (given if judged_after else raw)]
    return _without(network, gone, [value[0] for value in raw])


def _surgery_judged_before_the_relu(network: Network, X: Array) -> Network:
    raw = [X, *_pre_activations(network, X)[:-1]]
    constants = [value[0] for value in _given(network, X)]
    return _without(network, [_same_in_all_rows(value) for value in raw], constants)


def _surgery_on_zero_rows(network: Network, X: Array) -> Network:
    hidden = network[:-1]
    gone = [_same_in_all_rows(X), *(~weight.any(axis=1) for weight, _ in hidden)]
    return _without(network, gone, [X[0], *(_relu(bias) for _, bias in hidden)])


def _surgery_unweighted(network: Network, X: Array) -> Network:
    values = _given(network, X)
    gone = [_same_in_all_rows(value) for value in values]
    bare = _without(network, gone, [0 * value[0] for value in values])
    sums = [value[0][columns].sum() for value, columns in zip(values, gone, strict=True)]
    return [(weight, bias + sum_) for (weight, bias), sum_ in zip(bare, sums, strict=True)]


def _surgery_on_outputs(network: Network, X: Array, *, cut: bool) -> Network:
    outputs = _pre_activations(network, X)[-1]
    stays = ~_same_in_all_rows(_relu(outputs) if cut else outputs)
    *hidden, (weight, bias) = _surgery(network, X)
    return [*hidden, (weight[stays], bias[stays])]


def _uncut(network: Network, X: Array) -> list[Array]:
    return [X, *_pre_activations(network, X, cut=False)[:-1]]


def _unbiased(network: Network, X: Array) -> list[Array]:
    return [X, *(_relu(z) for z in _pre_activations(network, X, biased=False)[:-1])]


def _bias_left(answer: Network, network: Network, X: Array) -> bool:
    return any(len(weight) != len(bias) for weight, bias in answer)


def _columns_left(answer: Network, network: Network, X: Array) -> bool:
    widths = [np.shape(weight) for weight, _ in answer]
    return any(one[0] != following[1] for one, following in pairwise(widths))


SURGERY = Task(
    "07.surgery",
    _surgery_cases,
    _surgery,
    (
        Mistake(
            "transposed",
            "your weights and biases do not fit: are your weights transposed? A weight has one row "
            "for each neuron of its layer, and one column for each number that the layer is given.",
            same_as(lambda network, X: [(weight.T, bias) for weight, bias in _surgery(network, X)]),
        ),
        Mistake(
            "bias left",
            "a layer has lost rows of its weights, but not the biases of the same neurons. One "
            "mask cuts both: weight[kept] and bias[kept].",
            _bias_left,
        ),
        Mistake(
            "columns left",
            "your layers do not fit together: you removed neurons, but the next layer still has "
            "their columns. A neuron owns a row here and a column there; remove both.",
            _columns_left,
        ),
        Mistake(
            "nothing folded",
            "you removed the right ones, but as if they had all been 0. A constant c contributed "
            "c times its column to the next layer: add weight[:, gone] @ constants to the bias "
            "there.",
            lambda answer, network, X: same_as(
                lambda: _surgery(network, X, inputs=0, neurons=0),
            )(answer),
        ),
        Mistake(
            "inputs not folded",
            "your neurons are folded, your inputs are not. A pixel that is always 0.5 contributed "
            "half of its column to each pre-activation of the first layer: add it to the first "
            "bias.",
            same_as(lambda network, X: _surgery(network, X, inputs=0)),
        ),
        Mistake(
            "neurons not folded",
            "your inputs are folded, your neurons are not. Constant does not mean 0: a neuron "
            "with weights 0 and a positive bias gives that bias for every row, and the next layer "
            "misses it.",
            same_as(lambda network, X: _surgery(network, X, neurons=0)),
        ),
        Mistake(
            "subtracted",
            "you subtract what the removed ones contributed. They were part of a sum, and the sum "
            "must stay the same without them: add it to the bias.",
            same_as(lambda network, X: _surgery(network, X, inputs=-1, neurons=-1)),
        ),
        Mistake(
            "folded without weight",
            "you add the constants themselves to every bias of the next layer. What reached the "
            "next neuron i is its weight times the constant: weight[:, gone] @ constants.",
            same_as(_surgery_unweighted),
        ),
        Mistake(
            "folded before the ReLU",
            "what you fold is the neuron's value before its ReLU. The next layer never saw a "
            "negative number: fold max(z, 0), and nothing at all for a dead neuron.",
            same_as(
                lambda network, X: _surgery_before_the_relu(network, X, judged_after=True),
                lambda network, X: _surgery_before_the_relu(network, X, judged_after=False),
            ),
        ),
        Mistake(
            "judged before the ReLU",
            "you ask whether a neuron is constant before its ReLU, and miss those that vary below "
            "zero: after the ReLU they give 0 for every row. Judge what the next layer sees.",
            same_as(_surgery_judged_before_the_relu),
        ),
        Mistake(
            "ReLU forgotten",
            "your values of the hidden neurons lack the ReLU between the layers, so what you judge "
            "and fold is not what the network computes. Apply np.maximum(z, 0) after each hidden "
            "layer, before the next.",
            same_as(lambda network, X: _surgery(network, X, given=_uncut)),
        ),
        Mistake(
            "bias missing in the values",
            "the hidden neurons you compute lack their biases. A neuron gives max(w @ x + b, 0), "
            "and b often decides whether it ever gives anything.",
            same_as(lambda network, X: _surgery(network, X, given=_unbiased)),
        ),
        Mistake(
            "only zeros",
            "you remove what is 0 in every row, and keep what has another value in every row. It "
            "is as constant as the others: its contribution goes into the next bias.",
            same_as(
                lambda network, X: _surgery(network, X, is_gone=lambda a: ~a.any(axis=0)),
                lambda network, X: _without(
                    network,
                    [_same_in_all_rows(X), *(~a.any(axis=0) for a in _given(network, X)[1:])],
                    [a[0] for a in _given(network, X)],
                ),
            ),
        ),
        Mistake(
            "only zero rows",
            "you find a neuron by its incoming weights, all of them 0. Others are constant on this "
            "data, too: those whose bias holds them below zero, and those that listen only to "
            "constants. Let X decide.",
            same_as(_surgery_on_zero_rows),
        ),
        Mistake(
            "rare ones removed",
            "you removed something that varies, though little or in a single row only. Same value "
            "in all rows means all of them: compare every row with the first one, with ==.",
            same_as(
                lambda network, X: _surgery(network, X, is_gone=lambda a: a[0] == a[1]),
                lambda network, X: _surgery(network, X, is_gone=lambda a: a[0] == a[-1]),
                lambda network, X: _surgery(network, X, is_gone=lambda a: a[0] == a.mean(axis=0)),
                lambda network, X: _surgery(network, X, is_gone=lambda a: a.std(axis=0) < 0.05),
                lambda network, X: _surgery(
                    network, X, is_gone=lambda a: np.median(a == a[0], axis=0) == 1
                ),
                lambda network, X: _surgery(
                    network, X, is_gone=lambda a: (a == np.median(a, axis=0)).mean(axis=0) > 0.9
                ),
            ),
        ),
        Mistake(
            "first hidden layer only",
            "from the second hidden layer on, your network is as large as before. Look for "
            "constants in each hidden layer.",
            same_as(lambda network, X: _surgery_only(network, X, lambda number: number <= 1)),
        ),
        Mistake(
            "inputs left",
            "your hidden layers are right, but the first one still takes all columns of X. An "
            "input that never varies goes the same way: its column goes, and its constant enters "
            "the first bias.",
            same_as(lambda network, X: _surgery_only(network, X, lambda number: number > 0)),
        ),
        Mistake(
            "neurons left",
            "you removed the constant inputs, but no neuron. A hidden neuron that gives the same "
            "for all rows of X is a constant input of the next layer.",
            same_as(lambda network, X: _surgery_only(network, X, lambda number: number == 0)),
        ),
        Mistake(
            "outputs removed",
            "you removed an output of the last layer. Outputs are what the caller asked for: they "
            "stay, even one that says the same for all rows.",
            same_as(
                lambda network, X: _surgery_on_outputs(network, X, cut=False),
                lambda network, X: _surgery_on_outputs(network, X, cut=True),
            ),
        ),
    ),
    rtol=1e-5,
    atol=1e-6,
)


# 07.states: what the ReLU of each hidden neuron does on the data


def _states_cases(rng: np.random.Generator) -> list[tuple]:
    rows = ["first", "rare", "late", "but first", "but rare", "but late"]
    first = ["mostly", *rows, "hardly awake", "hardly cut", "balanced", "slight", "dead"]
    first += ["just dead", "off", "stuck", "deaf", "linear", "just linear"]
    second = ["half", "mostly", *rows, "balanced", "dead", "off", "stuck", "linear", "just linear"]
    # As many inputs as neurons in the second case: there X itself fits the second layer, too.
    X = [_inputs(rng, *shape, [0.5, 1.0, -0.75]) for shape in ((64, 3), (12, 8), (12, 5))]
    hidden = ([first], [first, second], [["half", *first], second, second])
    return [(_network(rng, x, kinds), x) for x, kinds in zip(X, hidden, strict=True)]


def _state(z: Array) -> str:
    """Name what a neuron does, from its pre-activations."""
    if (z <= 0).all():
        return "dead"
    if (z == z[0]).all():
        return "constant"
    return "linear" if (z >= 0).all() else "active"


def _states_by(
    name: Callable[[Array], str], **how: bool
) -> Callable[[Network, Array], list[list[str]]]:
    """Name each hidden neuron from its pre-activations."""

    def states(network: Network, X: Array) -> list[list[str]]:
        hidden = _pre_activations(network, X, **how)[:-1]
        return [[name(z) for z in layer.T] for layer in hidden]

    return states


_states = _states_by(_state)


def _in_order(**tests: Callable[[Array], bool]) -> Callable[[Array], str]:
    """Give a neuron the name of the first test that holds for its pre-activations."""

    def name(z: Array) -> str:
        return next((name for name, test in tests.items() if test(z)), "active")

    return name


def _same(values: Array) -> bool:
    return bool((values == values[0]).all())


def _states_by_weights(network: Network, X: Array, *, if_cut: bool) -> list[list[str]]:
    """Call a neuron dead by its weights, all 0, perhaps only if its bias is not positive."""
    named = [[_living(z) for z in layer.T] for layer in _pre_activations(network, X)[:-1]]
    return [
        ["dead" if not w.any() and not (if_cut and b > 0) else name for w, b, name in neurons]
        for neurons in (
            zip(weight, bias, names, strict=True)
            for (weight, bias), names in zip(network[:-1], named, strict=True)
        )
    ]


_living = _in_order(
    constant=lambda z: _same(_relu(z)),
    linear=lambda z: (z >= 0).all(),
)


def _states_of_raw_inputs(network: Network, X: Array) -> list[list[str]]:
    return [[_state(z) for z in (X @ weight.T + bias).T] for weight, bias in network[:-1]]


def _fed_with_raw_inputs(answer: object, network: Network, X: Array) -> bool:
    wrong = [weight.shape[1] != X.shape[1] for weight, _ in network[:-1]]
    if any(wrong):
        return isinstance(answer, (ValueError, RuntimeError))
    return same_as(_states_of_raw_inputs)(answer, network, X)


def _states_with_outputs(network: Network, X: Array) -> list[list[str]]:
    return [[_state(z) for z in layer.T] for layer in _pre_activations(network, X)]


def _states_of_rows(network: Network, X: Array) -> list[list[str]]:
    return [[_state(z) for z in layer] for layer in _pre_activations(network, X)[:-1]]


def _by_row(answer: list, network: Network, X: Array) -> bool:
    return [len(states) for states in answer] == [len(X)] * (len(network) - 1)


STATES = Task(
    "07.states",
    _states_cases,
    _states,
    (
        Mistake(
            "one list",
            "you return one list for all neurons. Return a list for each hidden layer, also if "
            "there is only one.",
            lambda answer, network, X: agree(
                list(answer), [s for states in _states(network, X) for s in states], rtol=0, atol=0
            ),
        ),
        Mistake(
            "outputs as well",
            "you name the outputs, too. The last layer has no ReLU, so nothing in it is cut or "
            "dead: leave it out.",
            same_as(_states_with_outputs),
        ),
        Mistake(
            "rows judged",
            "you return one state for each row of X. Asked is one for each neuron: look down the "
            "columns of the activations, axis=0.",
            _by_row,
        ),
        Mistake(
            "raw inputs",
            "your second hidden layer is fed with X. It takes what the first one gives, after "
            "the ReLU.",
            _fed_with_raw_inputs,
        ),
        Mistake(
            "ReLU forgotten",
            "from the second hidden layer on, your layers are fed with pre-activations. Apply "
            "np.maximum(z, 0) before the next layer.",
            same_as(_states_by(_state, cut=False)),
        ),
        Mistake(
            "bias missing",
            "your pre-activations lack the biases. Whether the ReLU cuts is decided by "
            "w @ x + b, not by w @ x.",
            same_as(_states_by(_state, biased=False)),
        ),
        Mistake(
            "dead by weights",
            "you call a neuron dead because its weights are all 0. Then it gives max(bias, 0) for "
            "every row, which may be a constant above 0; and most dead neurons have weights that "
            "are not 0 at all. Look at what the neuron gives.",
            same_as(
                lambda network, X: _states_by_weights(network, X, if_cut=False),
                lambda network, X: _states_by_weights(network, X, if_cut=True),
            ),
        ),
        Mistake(
            "judged before the ReLU",
            "you look for zeros before the ReLU. A dead neuron has pre-activations of 0 or below, "
            "and they may vary or be the same: the ReLU makes 0 of all of them.",
            same_as(
                *(
                    _states_by(_in_order(**tests))
                    for tests in (
                        {
                            "dead": lambda z: not z.any(),
                            "constant": _same,
                            "linear": lambda z: (z >= 0).all(),
                        },
                        {
                            "constant": _same,
                            "dead": lambda z: not z.any(),
                            "linear": lambda z: (z >= 0).all(),
                        },
                    )
                )
            ),
        ),
        Mistake(
            "constant below zero",
            "you call a neuron constant because its pre-activation is the same for all rows, also "
            "where that is below zero. After the ReLU it gives 0: it is dead.",
            same_as(
                _states_by(
                    _in_order(
                        constant=_same,
                        dead=lambda z: (z <= 0).all(),
                        linear=lambda z: (z >= 0).all(),
                    )
                )
            ),
        ),
        Mistake(
            "dead called constant",
            "none of your neurons is dead. Giving 0 for all rows is giving the same, but it has "
            "its own name: ask for 0 first.",
            same_as(_states_by(_living)),
        ),
        Mistake(
            "constant called linear",
            "your constant neurons are called linear. The ReLU never cuts them, but there is "
            "nothing to let through: linear ones have to vary.",
            same_as(
                _states_by(
                    _in_order(dead=lambda z: (z <= 0).all(), linear=lambda z: (z >= 0).all())
                )
            ),
        ),
        Mistake(
            "dead in some rows",
            "you call a neuron dead when it gives 0 for some row. Every useful ReLU does that "
            "sometimes; dead is who gives 0 for all rows.",
            same_as(
                *(
                    _states_by(
                        _in_order(dead=is_cut, constant=_same, linear=lambda z: (z >= 0).all())
                    )
                    for is_cut in (lambda z: (z < 0).any(), lambda z: (z <= 0).any())
                )
            ),
        ),
        Mistake(
            "mean",
            "you judge by the mean of the pre-activations. A neuron that is below zero on average "
            "can still speak for a few rows, and these may be the ones it exists for.",
            same_as(
                _states_by(
                    _in_order(
                        dead=lambda z: z.mean() <= 0,
                        constant=_same,
                        linear=lambda z: (z >= 0).all(),
                    )
                )
            ),
        ),
        Mistake(
            "boundary",
            "you are wrong where a pre-activation is exactly 0. The ReLU gives 0 there and changes "
            "nothing: a neuron at or below 0 in all rows is dead, one at or above 0 in all rows "
            "that varies is linear.",
            same_as(
                *(
                    _states_by(_in_order(dead=is_dead, constant=_same, linear=is_linear))
                    for is_dead, is_linear in (
                        (lambda z: (z < 0).all(), lambda z: (z > 0).all()),
                        (lambda z: (z <= 0).all(), lambda z: (z > 0).all()),
                        (lambda z: (z < 0).all(), lambda z: (z >= 0).all()),
                    )
                )
            ),
        ),
    ),
)


# 07.rollback: try to remove each neuron once, from the lowest score; undo what does too much harm


def _rollback_cases(rng: np.random.Generator) -> list[tuple]:
    """Draw four networks until each way to go wrong shows in two of them, each in its own way."""
    while True:
        cases = [_rollback_case(rng, n_noisy, TIED) for n_noisy in (0, 6, 12)]
        cases.append(_rollback_case(rng, 6, np.arange(-N_HIDDEN // 2, N_HIDDEN // 2) / 64))
        right = [_rollback(*case) for case in cases]
        wrong = [[way(*case) for case in cases] for way in WRONG_MASKS.values()]
        differ = [sum(map(_differ, right, masks)) for masks in wrong]
        if min(differ) >= 2 and len({str(masks) for masks in wrong}) == len(wrong):
            *case, _ = _rollback_case(rng, 6, TIED)
            return [*cases, (*case, 1.0)]  # at the end one that may lose all its neurons


N_HIDDEN = 24

# Enough equal ones for np.argsort without kind="stable" to mix them.
TIED = np.repeat([-1, 1, 2], N_HIDDEN // 3) / 64


def _differ(first: Array, second: Array) -> bool:
    return bool((first != second).any())


def _rollback_case(rng: np.random.Generator, n_noisy: int, scores: Array) -> tuple:
    """Draw a network that can lose some neurons but not most, and labels, some of them wrong.

    Its first neuron is dead, no two outputs are ever equal, and the limit is an error that some
    removals lead to.
    """
    while True:
        X = rng.integers(-4, 5, (64, 5)) / 4
        first = (_quarters(rng, N_HIDDEN, 5), _quarters(rng, N_HIDDEN))
        first[1][0] = -(X @ first[0][0]).max()
        # The rest of each output is a multiple of 1/64.
        last = (_quarters(rng, 4, N_HIDDEN), _quarters(rng, 4) - 3 + np.arange(4) / 256)
        network = [first, last]
        y = _answers(network, X)
        noisy = rng.permutation(64)[:n_noisy]
        y[noisy] = (y[noisy] + rng.integers(1, 4, n_noisy)) % 4
        scores = rng.permutation(scores)
        kept = _rollback(network, scores, X, y, (n_noisy + int(rng.integers(10, 24))) / 64)
        limit = _error(network, X, y, kept)
        if 6 <= kept.sum() <= 20 and limit > n_noisy / 64:
            return network, scores, X, y, limit


def _answers(network: Network, X: Array, kept: Array | float = 1.0, *, cut: bool = True) -> Array:
    """Predict with the neurons that are kept."""
    (W1, b1), (W2, b2) = network
    z = X @ W1.T + b1
    return (((_relu(z) if cut else z) * kept) @ W2.T + b2).argmax(axis=1)


def _error(network: Network, X: Array, y: Array, kept: Array | float = 1.0) -> float:
    return float(np.mean(_answers(network, X, kept) != y))


def _one_by_one(order: Iterable[int], is_accepted: Callable[[Array], bool]) -> Array:
    """Remove neurons in order, each if what is left then is accepted; say which are left."""
    order = list(order)
    kept = np.ones(len(order), bool)
    for j in order:
        trial = kept & (np.arange(len(kept)) != j)
        if is_accepted(trial):
            kept = trial
    return kept


def _ascending(scores: Array) -> Array:
    return np.argsort(scores, kind="stable")


def _rollback(network: Network, scores: Array, X: Array, y: Array, limit: float) -> Array:
    return _one_by_one(_ascending(scores), lambda trial: _error(network, X, y, trial) <= limit)


def _in_the_order(order: Callable[[Array], Array]) -> Callable[..., Array]:
    def rollback(network: Network, scores: Array, X: Array, y: Array, limit: float) -> Array:
        return _one_by_one(order(scores), lambda trial: _error(network, X, y, trial) <= limit)

    return rollback


def _accepted_if(
    is_accepted: Callable[[Network, Array, Array, float, Array], bool],
) -> Callable[..., Array]:
    def rollback(network: Network, scores: Array, X: Array, y: Array, limit: float) -> Array:
        return _one_by_one(
            _ascending(scores), lambda trial: is_accepted(network, X, y, limit, trial)
        )

    return rollback


def _on_refusal(
    go_on: Callable[[Array, Array], Array | None],
) -> Callable[..., Array]:
    """Remove neurons; on a refusal `go_on` says what is kept, from before it and after it."""

    def rollback(network: Network, scores: Array, X: Array, y: Array, limit: float) -> Array:
        kept = np.ones(len(scores), bool)
        for j in _ascending(scores):
            trial = kept & (np.arange(len(kept)) != j)
            refused = _error(network, X, y, trial) > limit
            kept = go_on(kept, trial) if refused else trial
        return kept

    return rollback


def _until_a_refusal(
    network: Network, scores: Array, X: Array, y: Array, limit: float, *, too_far: bool = False
) -> Array:
    kept = np.ones(len(scores), bool)
    for j in _ascending(scores):
        trial = kept & (np.arange(len(kept)) != j)
        if _error(network, X, y, trial) > limit:
            return trial if too_far else kept
        kept = trial
    return kept


def _each_from_the_whole(
    network: Network, scores: Array, X: Array, y: Array, limit: float
) -> Array:
    return np.array(
        [_error(network, X, y, np.arange(len(scores)) != j) > limit for j in range(len(scores))]
    )


def _no_worse_than_before(
    network: Network, scores: Array, X: Array, y: Array, limit: float
) -> Array:
    kept = np.ones(len(scores), bool)
    for j in _ascending(scores):
        trial = kept & (np.arange(len(kept)) != j)
        if _error(network, X, y, trial) <= _error(network, X, y, kept):
            kept = trial
    return kept


def _with_bias_left(network: Network, X: Array, y: Array, limit: float, kept: Array) -> bool:
    (W1, b1), last = network
    return _error([(W1 * kept[:, None], b1), last], X, y) <= limit


WRONG_MASKS: dict[str, Callable[..., Array]] = {
    "never evaluated": lambda network, scores, *_: np.zeros(len(scores), bool),
    "nothing removed": lambda network, scores, *_: np.ones(len(scores), bool),
    "original restored": _on_refusal(lambda before, after: np.ones(len(before), bool)),
    "stopped at a refusal": _until_a_refusal,
    "one too far": lambda *case: _until_a_refusal(*case, too_far=True),
    "each from the whole": _each_from_the_whole,
    "highest first": _in_the_order(lambda scores: np.argsort(-scores, kind="stable")),
    "ties turned round": _in_the_order(lambda scores: np.argsort(-scores, kind="stable")[::-1]),
    "scores ignored": _in_the_order(lambda scores: np.arange(len(scores))),
    "strict limit": _accepted_if(
        lambda network, X, y, limit, kept: _error(network, X, y, kept) < limit
    ),
    "old answers": _accepted_if(
        lambda network, X, y, limit, kept: _error(network, X, _answers(network, X), kept) <= limit
    ),
    "number of mistakes": _accepted_if(
        lambda network, X, y, limit, kept: _error(network, X, y, kept) * len(y) <= limit
    ),
    "accuracy": _accepted_if(
        lambda network, X, y, limit, kept: 1 - _error(network, X, y, kept) >= limit
    ),
    "limit as a rise": _accepted_if(
        lambda network, X, y, limit, kept: (
            _error(network, X, y, kept) <= _error(network, X, y) + limit
        )
    ),
    "no worse than before": _no_worse_than_before,
    "bias left": _accepted_if(_with_bias_left),
    "ReLU forgotten": _accepted_if(
        lambda network, X, y, limit, kept: (
            np.mean(_answers(network, X, kept, cut=False) != y) <= limit
        )
    ),
    "removed instead of kept": lambda *case: ~_rollback(*case),
}


def _mask_mistake(name: str, message: str, *ways: Callable[..., Array]) -> Mistake:
    return Mistake(name, message, same_as(WRONG_MASKS[name], *ways))


def _indices(answer: object, *case: object) -> bool:
    kept = _rollback(*case)
    lists = (np.flatnonzero(kept), np.flatnonzero(~kept))
    return any(agree(sorted(answer), indices, rtol=0, atol=0) for indices in lists)


ROLLBACK = Task(
    "07.rollback",
    _rollback_cases,
    _rollback,
    (
        Mistake(
            "indices",
            "you return the numbers of neurons. Return a mask: one bool for each neuron, True "
            "where it is kept.",
            _indices,
        ),
        _mask_mistake(
            "removed instead of kept",
            "your mask is turned round: it is True for the removed neurons. In this course a mask "
            "says what is kept.",
        ),
        _mask_mistake(
            "never evaluated",
            "you removed every neuron. After each removal, measure the error on X and y, and undo "
            "the removal if it is above the limit.",
        ),
        _mask_mistake(
            "nothing removed",
            "you give back the whole network. Some removals keep the limit: accept them one by "
            "one, and let a later refusal undo only itself, not what was accepted before.",
            lambda *case: np.full(N_HIDDEN, _rollback(*case).any()),
        ),
        _mask_mistake(
            "original restored",
            "a refusal puts the original network back, as in article B, and all that was accepted "
            "is lost. Go back to the last accepted mask only.",
        ),
        _mask_mistake(
            "stopped at a refusal",
            "you stop at the first refusal. The score is a guess: a neuron with a higher one may "
            "still go. Undo the removal, and try the next neuron.",
        ),
        _mask_mistake(
            "one too far",
            "you stop at the first refusal, and the refused neuron is still removed: your network "
            "is the one that broke the limit. Undo it, and try the next neuron.",
        ),
        _mask_mistake(
            "each from the whole",
            "you try each neuron as if all others were still there. Two neurons may each be "
            "superfluous only while the other one works: try from the last accepted mask.",
        ),
        _mask_mistake(
            "highest first",
            "you begin with the highest score. The score says what a neuron is worth: try the "
            "lowest first.",
        ),
        _mask_mistake(
            "ties turned round",
            "of neurons with equal scores you do not try the one that comes first. "
            "np.argsort(scores, kind='stable') keeps equal ones in their order; without kind it "
            "may mix them, and turning the result round turns them round, too.",
            _in_the_order(np.argsort),
            _in_the_order(lambda scores: np.argsort(scores, kind="heapsort")),
        ),
        _mask_mistake(
            "scores ignored",
            "you try the neurons in the order of their numbers. Try them in the order of their "
            "scores, from the lowest.",
        ),
        _mask_mistake(
            "strict limit",
            "you refuse an error that is equal to the limit. The limit is the largest error "
            "allowed: accept with <=.",
        ),
        _mask_mistake(
            "old answers",
            "you count where the small network differs from the large one. The error compares "
            "with y: where the large network is wrong, another answer does no harm.",
        ),
        _mask_mistake(
            "number of mistakes",
            "you compare the number of wrong answers with the limit, which is a share. Divide by "
            "the number of rows: np.mean(answers != y).",
        ),
        _mask_mistake(
            "accuracy",
            "you compare the share of right answers with the limit. The limit is for the share of "
            "wrong ones: np.mean(answers != y) <= limit.",
        ),
        _mask_mistake(
            "limit as a rise",
            "you let the error rise by the limit above that of the whole network. The limit is "
            "for the error itself.",
        ),
        _mask_mistake(
            "no worse than before",
            "you accept a removal only if the error does not rise, and the limit is not used. "
            "It may rise, as long as it is not above the limit.",
        ),
        _mask_mistake(
            "bias left",
            "your removed neurons still speak: with weights 0, a neuron gives its bias if that is "
            "positive. A removed one gives 0: multiply the activations by the mask, or cut row, "
            "bias and column.",
        ),
        _mask_mistake(
            "ReLU forgotten",
            "you measure the error of a network without its ReLU. The hidden layer gives "
            "np.maximum(X @ W1.T + b1, 0).",
        ),
    ),
)

TASKS = (SURGERY, STATES, ROLLBACK)
