import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call, grad

from minilib.datasets import Split, load_mnist
from minilib.models import mlp, named_weights, with_weights
from minilib.training import (
    Examples,
    cross_entropy,
    error_rate,
    fit,
    one_cycle,
    sgd,
    straight_through,
)

seeds = st.integers(0, 2**32 - 1)


def random_examples(n=20, p=3, n_classes=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, p, generator=generator)
    return Examples(x, torch.randint(0, n_classes, (n,), generator=generator))


def assert_same_state(one, other, **tolerance):
    for name, values in one.state_dict().items():
        torch.testing.assert_close(values, other.state_dict()[name], **tolerance)


def exactly_same_state(one, other):
    return all(torch.equal(values, other.state_dict()[n]) for n, values in one.state_dict().items())


# Examples


def test_pictures_become_rows_of_ink_between_0_and_1():
    pictures = np.array([[[0, 51], [255, 102]], [[1, 0], [0, 0]]], np.uint8)
    pictures.flags.writeable = False
    data = Examples.of(Split(pictures, np.array([7, 255], np.uint8)))
    torch.testing.assert_close(data.x, torch.tensor([[0, 0.2, 1, 0.4], [1 / 255, 0, 0, 0]]))
    assert data.y.tolist() == [7, 255]


def test_all_test_digits_become_examples():
    data = Examples.of(load_mnist("test"))
    assert len(data) == 10_000
    assert data.x.shape == (10_000, 784)
    assert (data.x.min(), data.x.max()) == (0, 1)
    assert data.y.bincount().sum() == 10_000
    assert data.y[0] == 7


def test_some_rows_of_examples_are_examples():
    data = random_examples(5)
    for rows in (slice(1, 3), torch.tensor([1, 2]), torch.tensor([0, 1, 1, 0, 0]) > 0):
        some = data[rows]
        assert len(some) == 2
        assert torch.equal(some.x, data.x[1:3])
        assert torch.equal(some.y, data.y[1:3])


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.ones(0, 3), torch.ones(0).long(), r"n of at least 1, got \(0, 3\) and \(0,\)"),
        (torch.ones(2, 3), torch.ones(3).long(), r"got \(2, 3\) and \(3,\)"),
        (torch.ones(2, 3), torch.ones(2, 1).long(), r"got \(2, 3\) and \(2, 1\)"),
        (torch.ones(2, 2, 2), torch.ones(2).long(), r"got \(2, 2, 2\) and \(2,\)"),
        (torch.ones(2, 3).double(), torch.ones(2).long(), r"got torch.float64.*Write x.float\(\)"),
        (torch.ones(2, 3), torch.ones(2), r"y int64, got torch.float32 and torch.float32"),
        (torch.tensor([[1, torch.nan]]), torch.ones(1).long(), "NaN or infinite. Remove"),
        (torch.tensor([[1, -torch.inf]]), torch.ones(1).long(), "NaN or infinite. Remove"),
        (torch.ones(2, 3), torch.tensor([1, -100]), "y holds labels from 0, got -100"),
    ],
)
def test_what_no_network_can_learn_from_is_refused(x, y, message):
    with pytest.raises(ValueError, match=message):
        Examples(x, y)


def test_no_rows_of_examples_are_refused():
    with pytest.raises(ValueError, match="n of at least 1"):
        random_examples(5)[5:]


# Losses


@given(seeds)
def test_cross_entropy_is_the_mean_of_minus_the_log_of_what_the_right_label_got(seed):
    data, model = random_examples(7, n_classes=4, seed=seed), mlp((3, 5, 4), seed=seed)
    odds = model(data.x).exp()
    share = odds[torch.arange(7), data.y] / odds.sum(dim=1)
    torch.testing.assert_close(cross_entropy(model, data.x, data.y), -share.log().mean())


def test_a_network_that_guesses_is_surprised_by_the_log_of_the_number_of_classes():
    surprise = cross_entropy(lambda x: torch.zeros(len(x), 10), torch.ones(6, 3), torch.arange(6))
    assert surprise.item() == pytest.approx(math.log(10))


@given(seeds, st.sampled_from(["half", "signs", "only one layer", "itself", "nothing"]))
@settings(max_examples=30)
def test_the_straight_through_gradient_is_the_one_at_the_changed_weights(seed, kind):
    change = {
        "half": lambda weights: {name: w * (w > 0) for name, w in weights.items()},
        "signs": lambda weights: {name: w.sign() for name, w in weights.items()},
        "only one layer": lambda weights: {"2.weight": weights["2.weight"].round(decimals=1)},
        "itself": dict,
        "nothing": lambda weights: {},
    }[kind]
    model, data = mlp((3, 5, 2), seed=seed), random_examples(seed=seed)
    before = copy.deepcopy(model)
    changed = with_weights(model, change(named_weights(model)))
    value = straight_through(cross_entropy, change)(model, data.x, data.y)
    value.backward()

    def loss_of(parameters):
        logits = functional_call(changed, parameters, (data.x,))
        return nn.functional.cross_entropy(logits, data.y)

    expected = grad(loss_of)({name: p.detach() for name, p in changed.named_parameters()})
    torch.testing.assert_close(value, cross_entropy(changed, data.x, data.y))
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-4, atol=1e-7)
    assert exactly_same_state(model, before)


def test_biases_are_not_among_what_is_changed():
    seen = []
    data = random_examples()

    def change(weights):
        seen.extend(weights)
        return {}

    straight_through(cross_entropy, change)(mlp((3, 5, 2), seed=0), data.x, data.y)
    assert seen == ["0.weight", "2.weight"]


def test_a_masked_weight_is_exactly_zero_in_the_loss_and_still_learns():
    model, data = mlp((3, 2), seed=0), random_examples()
    seen = []

    def loss(network, x, y):
        seen.append(network(torch.eye(3)) - network(torch.zeros(1, 3)))
        return cross_entropy(network, x, y)

    masked = straight_through(loss, lambda ws: {name: 0 * w for name, w in ws.items()})
    before = copy.deepcopy(model)
    fit(model, data, epochs=2, seed=0, loss=masked)
    assert not torch.cat(seen).any()
    assert (model[0].weight != before[0].weight).all()


# The optimiser


@given(seeds, st.floats(0, 0.5), st.floats(0.01, 0.3))
@settings(max_examples=20)
def test_sgd_is_nesterovs_formula_with_decay_on_matrices_only(seed, weight_decay, lr):
    model, data = mlp((3, 4, 2), seed=seed), random_examples(seed=seed)
    optimizer = sgd(model, lr=lr, weight_decay=weight_decay)
    values = {name: p.detach().clone() for name, p in model.named_parameters()}
    velocity = dict.fromkeys(values, 0.0)
    for _ in range(4):
        optimizer.zero_grad()
        cross_entropy(model, data.x, data.y).backward()
        for name, parameter in model.named_parameters():
            decay = weight_decay * ("weight" in name)
            slope = parameter.grad + decay * values[name]
            velocity[name] = 0.9 * velocity[name] + slope
            values[name] = values[name] - lr * (slope + 0.9 * velocity[name])
        optimizer.step()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach(), values[name], rtol=1e-4, atol=1e-6)


@given(seeds)
@settings(max_examples=10)
def test_sgd_is_torchs_with_two_groups(seed):
    ours, theirs = mlp((3, 4, 2), seed=seed), mlp((3, 4, 2), seed=seed)
    data = random_examples(seed=seed)
    matrices, vectors = [theirs[0].weight, theirs[2].weight], [theirs[0].bias, theirs[2].bias]
    plain = torch.optim.SGD(
        [{"params": matrices, "weight_decay": 0.1}, {"params": vectors}],
        lr=0.05,
        momentum=0.9,
        nesterov=True,
    )
    for model, optimizer in ((ours, sgd(ours, lr=0.05, weight_decay=0.1)), (theirs, plain)):
        for _ in range(5):
            optimizer.zero_grad()
            cross_entropy(model, data.x, data.y).backward()
            optimizer.step()
    assert_same_state(ours, theirs, rtol=1e-5, atol=1e-7)


def test_steps_are_a_fifth_long_and_nothing_decays_unless_told_otherwise():
    groups = sgd(mlp((3, 2), seed=0)).param_groups
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [(0.2, 0), (0.2, 0)]


def test_a_network_without_biases_has_one_group():
    (group,) = sgd(nn.utils.skip_init(nn.Linear, 2, 2, bias=False), weight_decay=0.1).param_groups
    assert group["weight_decay"] == 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0}, "lr is a number above 0, got 0"),
        ({"lr": torch.nan}, "lr is a number above 0, got nan"),
        ({"weight_decay": -0.1}, "weight_decay is a number of at least 0, got -0.1"),
    ],
)
def test_steps_and_decays_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        sgd(mlp((3, 2), seed=0), **options)


@given(st.floats(0, 0.2), st.floats(0.2, 1))
def test_the_step_size_rises_in_a_line_then_falls_as_half_a_cosine(early, late):
    assert one_cycle(early) == pytest.approx(5 * early)
    angle = math.pi * (late - 0.2) / 0.8
    assert one_cycle(late) == pytest.approx(math.cos(angle / 2) ** 2, abs=1e-12)


def test_one_cycle_starts_at_0_is_full_after_a_fifth_and_ends_at_0():
    assert [one_cycle(progress) for progress in (0, 0.1, 0.2, 0.6, 1)] == [
        0,
        0.5,
        1,
        pytest.approx(0.5),
        pytest.approx(0, abs=1e-15),
    ]


# The loop


@pytest.mark.parametrize("batch_size", [1, 7, 20, 100])
def test_training_is_the_loop_that_everybody_writes(batch_size):
    ours, theirs = mlp((3, 5, 2), seed=0), mlp((3, 5, 2), seed=0)
    data, optimizer = random_examples(), sgd(theirs)
    n_steps = 3 * math.ceil(20 / batch_size)
    order, expected, step = torch.Generator().manual_seed(4), [], 0
    for _ in range(3):
        values = []
        for rows in torch.randperm(20, generator=order).split(batch_size):
            step += 1
            for group in optimizer.param_groups:
                group["lr"] = 0.2 * one_cycle((step - 0.5) / n_steps)
            optimizer.zero_grad()
            value = nn.functional.cross_entropy(theirs(data.x[rows]), data.y[rows])
            value.backward()
            optimizer.step()
            values += [value.item()] * len(rows)
        expected.append(sum(values) / 20)
    assert fit(ours, data, epochs=3, seed=4, batch_size=batch_size) == pytest.approx(expected)
    assert_same_state(ours, theirs, rtol=1e-5, atol=1e-6)


def test_128_examples_make_a_step_unless_told_otherwise():
    sizes = []

    def loss(model, x, y):
        sizes.append(len(x))
        return cross_entropy(model, x, y)

    fit(mlp((3, 2), seed=0), random_examples(300), epochs=1, seed=0, loss=loss)
    assert sizes == [128, 128, 44]


def test_each_epoch_sees_each_example_with_its_own_label_once_in_a_new_order():
    data = Examples(torch.arange(10.0)[:, None], torch.arange(10))
    seen = []

    def loss(model, x, y):
        assert x[:, 0].tolist() == y.tolist()
        seen.extend(y.tolist())
        return model(x).square().mean() / 100

    fit(mlp((1, 2), seed=0), data, epochs=3, seed=0, loss=loss, batch_size=4)
    epochs = [seen[:10], seen[10:20], seen[20:]]
    assert [sorted(epoch) for epoch in epochs] == [list(range(10))] * 3
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_the_loss_of_an_epoch_is_the_mean_over_examples_also_if_the_last_batch_is_small():
    data = Examples(torch.arange(5.0)[:, None], torch.zeros(5).long())

    def loss(model, x, y):
        return x.mean() + 0 * model(x).sum()

    assert fit(mlp((1, 2), seed=0), data, epochs=2, seed=0, loss=loss, batch_size=2) == [2, 2]


def test_training_repeats_itself_and_leaves_torchs_own_generator_alone():
    data, runs = random_examples(), []
    before = torch.get_rng_state()
    for seed in (0, 0, 1):
        model = mlp((3, 5, 2), seed=3)
        history = fit(model, data, epochs=3, seed=seed, batch_size=5)
        runs.append((history, model))
        assert torch.equal(torch.get_rng_state(), before)
    assert runs[0][0] == runs[1][0]
    assert exactly_same_state(runs[0][1], runs[1][1])
    assert not exactly_same_state(runs[0][1], runs[2][1])


def test_training_learns_what_can_be_learnt():
    x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    data, model = Examples(x, (x[:, 0] > 0).long()), mlp((3, 8, 2), seed=0)
    history = fit(model, data, epochs=20, seed=0, batch_size=20)
    assert len(history) == 20
    assert history[-1] < 0.3 < history[0]
    assert error_rate(model, data) < 0.1


@pytest.mark.parametrize("lr", [0.2, 0.03])
def test_after_each_step_the_optimiser_still_says_how_long_that_step_was(lr):
    model, lengths = mlp((3, 2), seed=0), []
    optimizer = sgd(model, lr=lr)

    def note(trained):
        assert trained is model
        lengths.append([group["lr"] for group in optimizer.param_groups])

    fit(
        model,
        random_examples(),
        epochs=2,
        seed=0,
        batch_size=4,
        optimizer=optimizer,
        after_step=note,
    )
    expected = [lr * one_cycle((step - 0.5) / 10) for step in range(1, 11)]
    assert [one for one, _ in lengths] == pytest.approx(expected)
    assert [other for _, other in lengths] == pytest.approx(expected)


def test_an_optimiser_that_trained_before_trains_again_with_steps_as_long():
    model, lengths = mlp((3, 2), seed=0), []
    optimizer = sgd(model)
    for _ in range(2):
        fit(
            model,
            random_examples(),
            epochs=1,
            seed=0,
            batch_size=4,
            optimizer=optimizer,
            after_step=lambda _: lengths.append(optimizer.param_groups[0]["lr"]),
        )
    assert lengths[5:] == pytest.approx(lengths[:5])


def test_what_follows_a_step_changes_what_the_next_one_sees():
    model = mlp((3, 2), seed=0)

    def to_zero(trained):
        for parameter in trained.parameters():
            parameter.data.zero_()

    history = fit(model, random_examples(), epochs=2, seed=0, batch_size=20, after_step=to_zero)
    assert history[1] == pytest.approx(math.log(2))
    assert not any(parameter.any() for parameter in model.parameters())


def test_another_optimiser_moves_the_network_as_it_does_alone():
    ours, theirs = mlp((3, 4, 2), seed=0), mlp((3, 4, 2), seed=0)
    data, adam = random_examples(), torch.optim.Adam(theirs.parameters(), lr=0.01)
    fit(ours, data, epochs=4, seed=0, optimizer=torch.optim.Adam(ours.parameters(), lr=0.01))
    for step in range(1, 5):
        adam.param_groups[0]["lr"] = 0.01 * one_cycle((step - 0.5) / 4)
        adam.zero_grad()
        cross_entropy(theirs, data.x, data.y).backward()
        adam.step()
    assert_same_state(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("label", "end"), [("", ""), ("training", "training: 3/3 " + 20 * "█")])
def test_a_label_shows_a_bar_of_the_epochs(capsys, label, end):
    fit(mlp((3, 2), seed=0), random_examples(), epochs=3, seed=0, label=label)
    told = capsys.readouterr()
    assert told.out.split("\r")[-1].strip() == end
    assert told.err == ""


def test_training_that_diverges_says_after_which_epoch_and_what_to_do():
    model = mlp((3, 5, 2), seed=0)
    epochs = []

    def explode_in_the_second(model, x, y):
        epochs.append(1)
        return model(x).sum() * (1.0 if len(epochs) == 1 else torch.inf)

    with pytest.raises(ValueError, match=r"after 2 epoch\(s\): the training diverged. .* lr"):
        fit(model, random_examples(), epochs=9, seed=0, loss=explode_in_the_second)
    assert len(epochs) == 2


def test_steps_too_long_for_the_data_are_refused_as_divergence():
    data, model = random_examples(), mlp((3, 5, 2), seed=0)
    with pytest.raises(ValueError, match="the training diverged"):
        fit(model, data, epochs=50, seed=0, batch_size=4, optimizer=sgd(model, lr=1e20))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs is a whole number of at least 1, got 0"),
        ({"epochs": 2.5}, "epochs is a whole number of at least 1, got 2.5"),
        ({"batch_size": 0}, "batch_size is a whole number of at least 1, got 0"),
        ({"seed": None}, "seed is a whole number of at least 0, got None"),
        ({"optimizer": sgd(mlp((3, 2), seed=0))}, r"moves no parameter of .*optimizer=sgd\(model"),
    ],
)
def test_arguments_out_of_range_are_refused_before_the_network_moves(options, message):
    model = mlp((3, 2), seed=0)
    with pytest.raises(ValueError, match=message):
        fit(model, random_examples(), **{"epochs": 1, "seed": 0, **options})
    assert exactly_same_state(model, mlp((3, 2), seed=0))


# Errors


def test_the_error_rate_is_the_share_of_wrong_answers():
    data = Examples(torch.eye(4)[[0, 1, 2, 3, 3]], torch.tensor([0, 1, 2, 0, 3]))
    assert error_rate(lambda x: x, data) == 0.2
    assert error_rate(lambda x: -x, data[:3]) == 1.0


@pytest.mark.parametrize("n", [1, 5_000, 5_001, 10_000])
def test_the_error_rate_counts_each_of_many_examples_once(n):
    wrong = torch.arange(n) % 3 == 0
    data = Examples(nn.functional.one_hot(wrong.long(), 2).float(), torch.zeros(n).long())
    assert error_rate(lambda x: x, data) == wrong.sum().item() / n


def test_measuring_an_error_leaves_no_gradient():
    outputs = []
    model = mlp((3, 2), seed=0)
    error_rate(lambda x: outputs.append(model(x)) or outputs[-1], random_examples())
    assert not outputs[0].requires_grad
