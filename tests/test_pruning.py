import copy
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrize, prune

from minilib.models import LENET_300_100, mlp, named_weights, with_weights
from minilib.pruning import (
    Accepted,
    Trial,
    apply_masks,
    check_masks,
    cubic_sparsities,
    geometric_sparsities,
    keep_zeros,
    last_accepted,
    magnitude_masks,
    mask_largest,
    mask_largest_overall,
    prune_while_training,
)
from minilib.training import Examples, cross_entropy, fit, sgd, straight_through

seeds = st.integers(0, 2**32 - 1)
shares = st.floats(0, 1)
shapes = st.lists(st.integers(0, 7), min_size=0, max_size=3).map(tuple)
SCHEDULES = [cubic_sparsities, geometric_sparsities]


def random_scores(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def tied_scores(shape, seed):
    return torch.randint(-2, 3, shape, generator=torch.Generator().manual_seed(seed)).float()


def random_examples(n=40, p=3, n_classes=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, p, generator=generator)
    return Examples(x, torch.randint(0, n_classes, (n,), generator=generator))


def n_removed(masks):
    return sum(int((~mask).sum()) for mask in masks.values())


def same_state(one, other):
    return all(torch.equal(values, other.state_dict()[n]) for n, values in one.state_dict().items())


# Masks


@given(shapes, seeds, shares, st.sampled_from([random_scores, tied_scores]))
def test_exactly_the_rounded_share_is_removed_also_with_ties(shape, seed, sparsity, scores):
    values = scores(shape, seed)
    before = values.clone()
    mask = mask_largest(values, sparsity)
    assert mask.shape == values.shape
    assert mask.dtype == torch.bool
    assert (~mask).sum() == round(sparsity * values.numel())
    assert torch.equal(values, before)


@given(seeds, shares, st.sampled_from([random_scores, tied_scores]))
def test_nothing_that_is_removed_scores_higher_than_anything_kept(seed, sparsity, scores):
    values = scores((5, 6), seed)
    mask = mask_largest(values, sparsity)
    lowest_kept = torch.cat([values[mask], torch.tensor([torch.inf])]).min()
    highest_removed = torch.cat([values[~mask], torch.tensor([-torch.inf])]).max()
    assert highest_removed <= lowest_kept


@given(seeds, shares, shares, st.sampled_from([random_scores, tied_scores]))
def test_what_is_removed_stays_removed_at_higher_sparsity(seed, one, other, scores):
    values = scores((5, 6), seed)
    milder, stronger = (mask_largest(values, sparsity) for sparsity in sorted((one, other)))
    assert not (stronger & ~milder).any()


def test_of_equal_scores_the_first_is_removed_first():
    scores = torch.tensor([[2.0, 1.0, 1.0], [1.0, -0.0, 0.0]])
    assert mask_largest(scores, 1 / 6).tolist() == [[True, True, True], [True, False, True]]
    assert mask_largest(scores, 3 / 6).tolist() == [[True, False, True], [True, False, False]]
    assert mask_largest(torch.zeros(40), 0.5).tolist() == [False] * 20 + [True] * 20


def test_scores_count_with_their_sign():
    assert mask_largest(torch.tensor([-9.0, 1.0]), 0.5).tolist() == [False, True]


@pytest.mark.parametrize("sparsity", [0, 0.0, 1, 1.0, False, True])
def test_sparsity_0_keeps_all_and_1_keeps_nothing(sparsity):
    assert mask_largest(torch.ones(3, 2), sparsity).tolist() == [[not sparsity] * 2] * 3


@given(st.lists(shapes, min_size=1, max_size=4), seeds, shares)
def test_masks_over_all_tensors_are_those_of_one_long_tensor(many, seed, sparsity):
    scores = {str(number): tied_scores(shape, seed) for number, shape in enumerate(many)}
    masks = mask_largest_overall(scores, sparsity)
    joined = mask_largest(torch.cat([score.flatten() for score in scores.values()]), sparsity)
    assert list(masks) == list(scores)
    assert all(masks[name].shape == score.shape for name, score in scores.items())
    assert torch.equal(torch.cat([mask.flatten() for mask in masks.values()]), joined)


def test_layers_compete_for_what_is_kept():
    scores = {"small": torch.tensor([1.0, 2.0]), "large": torch.tensor([[3.0], [4.0]])}
    masks = mask_largest_overall(scores, 0.5)
    assert not masks["small"].any()
    assert masks["large"].all()


@given(seeds, shares)
@settings(max_examples=40)
def test_without_ties_masks_of_one_layer_are_torchs(seed, sparsity):
    theirs = mlp((7, 6), seed=seed)[0]
    ours = mask_largest(theirs.weight.detach().abs(), sparsity)
    prune.l1_unstructured(theirs, "weight", amount=sparsity)
    assert torch.equal(ours, theirs.weight_mask.bool())


@given(seeds, shares)
@settings(max_examples=40)
def test_without_ties_masks_of_all_layers_together_are_torchs(seed, sparsity):
    theirs = mlp((7, 6, 5), seed=seed)
    ours = magnitude_masks(named_weights(theirs), sparsity)
    prune.global_unstructured(
        [(theirs[0], "weight"), (theirs[2], "weight")], prune.L1Unstructured, amount=sparsity
    )
    assert torch.equal(ours["0.weight"], theirs[0].weight_mask.bool())
    assert torch.equal(ours["2.weight"], theirs[2].weight_mask.bool())


@given(seeds, shares)
@settings(max_examples=40)
def test_with_ties_the_counts_and_the_magnitudes_that_remain_are_torchs(seed, sparsity):
    theirs = nn.Linear(8, 6)
    theirs.weight.data = tied_scores((6, 8), seed)
    weight = theirs.weight.detach().clone()
    ours = mask_largest(weight.abs(), sparsity)
    prune.l1_unstructured(theirs, "weight", amount=sparsity)
    assert ours.sum() == theirs.weight_mask.sum()
    kept, expected = (weight[mask].abs().sort()[0] for mask in (ours, theirs.weight_mask > 0))
    assert torch.equal(kept, expected)


def test_the_papers_network_loses_exactly_nine_tenths():
    weights = named_weights(mlp(LENET_300_100, seed=0))
    masks = magnitude_masks(weights, 0.9)
    assert n_removed(masks) == round(0.9 * 266_200)
    largest_gone = max(weights[name][~mask].abs().max() for name, mask in masks.items())
    assert all(weights[name][mask].abs().min() >= largest_gone for name, mask in masks.items())


@pytest.mark.parametrize(
    ("sparsity", "message"),
    [
        (90, r"in \[0, 1\], got 90. For 90 % write 0.9"),
        (1.5, "For 1.5 % write 0.015"),
        (-0.1, r"in \[0, 1\], got -0.1"),
        (torch.nan, r"in \[0, 1\], got nan"),
        ("0.9", "Leave out the quotes"),
        (None, "got None"),
    ],
)
def test_a_sparsity_that_is_no_fraction_is_refused_with_the_fraction_to_write(sparsity, message):
    scores = torch.ones(4)
    for refuse in (
        lambda: mask_largest(scores, sparsity),
        lambda: mask_largest_overall({"0": scores}, sparsity),
        lambda: magnitude_masks({"0": scores}, sparsity),
        lambda: cubic_sparsities(sparsity, 3),
        lambda: geometric_sparsities(sparsity, 3),
        lambda: prune_while_training({}, {1: sparsity}, fade=0.1),
        lambda: prune_while_training({}, {1: 0.5}, fade=sparsity),
    ):
        with pytest.raises(ValueError, match=message):
            refuse()


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_scores_that_are_no_numbers_are_refused(bad):
    scores = torch.tensor([1.0, bad])
    for refuse in (
        mask_largest,
        lambda s, k: mask_largest_overall({"0": torch.ones(2), "1": s}, k),
    ):
        with pytest.raises(ValueError, match=r"scores has 1 value\(s\) that are NaN or infinite"):
            refuse(scores, 0.5)
    with pytest.raises(ValueError, match="NaN or infinite"):
        magnitude_masks({"0": scores}, 0.5)


def test_no_scores_at_all_are_refused():
    with pytest.raises(ValueError, match="scores is empty; give at least one tensor"):
        magnitude_masks({}, 0.5)


# Masked networks


@given(seeds, shares)
@settings(max_examples=40)
def test_a_masked_network_is_zero_where_the_mask_is_false_and_unchanged_elsewhere(seed, sparsity):
    model = mlp((5, 6, 4), seed=seed)
    before = copy.deepcopy(model)
    masks = magnitude_masks(named_weights(model), sparsity)
    pruned = apply_masks(model, masks)
    for name, mask in masks.items():
        weight = pruned.get_parameter(name)
        assert not weight[~mask].any()
        assert torch.equal(weight[mask], model.get_parameter(name)[mask])
    assert torch.equal(pruned[0].bias, model[0].bias)
    for parameter in pruned.parameters():
        parameter.data.fill_(7)
    assert same_state(model, before)


def test_weights_without_a_mask_are_copied():
    model = mlp((5, 6, 4), seed=0)
    pruned = apply_masks(model, {"2.weight": torch.zeros(4, 6) > 0})
    assert torch.equal(pruned[0].weight, model[0].weight)
    assert not pruned[2].weight.any()


BAD_MASKS = [
    ({"0.weight": torch.ones(6, 5)}, r"mask of '0.weight' is a bool tensor, .* got torch.float32"),
    ({"0.weight": torch.ones(6, 5).long()}, "got torch.int64. Write mask != 0"),
    ({"0.weight": [[True] * 5] * 6}, "got list. Write mask != 0"),
    ({"0.weight": torch.ones(5, 6) > 0}, r"0.weight has shape \(6, 5\) in the network, got \(5, 6"),
    ({"0.weight": torch.ones(5) > 0}, r"0.weight has shape \(6, 5\) in the network, got \(5,\)"),
    (
        {"1.weight": torch.ones(6, 5) > 0},
        "the network has no '1.weight'; it has 0.weight, 2.weight",
    ),
    ({"0.bias": torch.ones(6) > 0}, "the network has no '0.bias'; it has 0.weight, 2.weight"),
]


@pytest.mark.parametrize(("masks", "message"), BAD_MASKS)
def test_masks_that_do_not_fit_are_refused_and_the_network_stays(masks, message):
    model = mlp((5, 6, 4), seed=0)
    before = copy.deepcopy(model)
    masks = {"2.weight": torch.zeros(4, 6) > 0, **masks}
    for refuse in (
        lambda: apply_masks(model, masks),
        lambda: keep_zeros(masks)(model),
        lambda: check_masks(masks, named_weights(model)),
    ):
        with pytest.raises(ValueError, match=message):
            refuse()
        assert same_state(model, before)


def test_a_network_with_nan_weights_is_refused_by_masks():
    model = mlp((5, 6, 4), seed=0)
    masks = magnitude_masks(named_weights(model), 0.5)
    model[2].weight.data[0, 0] = torch.nan
    for refuse in (lambda: apply_masks(model, masks), lambda: keep_zeros(masks)(model)):
        with pytest.raises(ValueError, match=r"2\.weight has 1 value"):
            refuse()


# Zeros that stay


class Masking(nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.mask = mask

    def forward(self, weight):
        return weight * self.mask


@given(seeds, st.sampled_from([0.0, 0.5, 0.8, 1.0]), st.sampled_from([0.0, 0.1]))
@settings(max_examples=10)
def test_projection_trains_the_same_network_as_torchs_parametrization(seed, sparsity, decay):
    data, model = random_examples(seed=seed), mlp((3, 6, 2), seed=seed)
    masks = magnitude_masks(named_weights(model), sparsity)
    ours, theirs = apply_masks(model, masks), apply_masks(model, masks)
    for number in (0, 2):
        masking = Masking(masks[f"{number}.weight"])
        parametrize.register_parametrization(theirs[number], "weight", masking)
    options = {"epochs": 3, "seed": 0, "batch_size": 10}
    fit(
        ours, data, optimizer=sgd(ours, weight_decay=decay), after_step=keep_zeros(masks), **options
    )
    fit(theirs, data, optimizer=sgd(theirs, weight_decay=decay), **options)
    for number in (0, 2):
        torch.testing.assert_close(ours[number].weight, theirs[number].weight, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(ours[number].bias, theirs[number].bias, rtol=1e-4, atol=1e-6)
        assert not ours[number].weight[~masks[f"{number}.weight"]].any()


@pytest.mark.parametrize("make", [sgd, lambda model: torch.optim.AdamW(model.parameters())])
def test_without_projection_the_next_steps_revive_what_was_pruned(make):
    data, model = random_examples(), mlp((3, 6, 2), seed=0)
    masks = magnitude_masks(named_weights(model), 0.5)
    revived = []
    for after_step in (None, keep_zeros(masks)):
        pruned = apply_masks(model, masks)
        fit(
            pruned,
            data,
            epochs=3,
            seed=0,
            batch_size=10,
            optimizer=make(pruned),
            after_step=after_step,
        )
        weights = named_weights(pruned)
        revived.append(sum(int(weights[n][~mask].count_nonzero()) for n, mask in masks.items()))
        assert all(weights[name][mask].all() for name, mask in masks.items())
    assert revived[0] > 8
    assert revived[1] == 0


def test_projecting_reads_the_masks_at_each_step_and_spares_everything_else():
    model = mlp((3, 6, 2), seed=0)
    before = copy.deepcopy(model)
    masks = {"0.weight": torch.ones(6, 3) > 0}
    project = keep_zeros(masks)
    project(model)
    assert same_state(model, before)
    masks["0.weight"] = torch.zeros(6, 3) > 0
    project(model)
    assert not model[0].weight.any()
    assert torch.equal(model[0].bias, before[0].bias)
    assert torch.equal(model[2].weight, before[2].weight)


def test_one_projection_serves_several_networks_and_checks_each():
    project = keep_zeros({"0.weight": torch.zeros(6, 3) > 0})
    first, second = mlp((3, 6, 2), seed=0), mlp((3, 6, 2), seed=1)
    project(first)
    project(second)
    assert not first[0].weight.any()
    assert not second[0].weight.any()
    with pytest.raises(ValueError, match=r"0\.weight has shape"):
        project(mlp((4, 6, 2), seed=0))


# Schedules


@pytest.mark.parametrize("schedule", SCHEDULES)
@given(st.floats(0.001, 0.999), st.integers(1, 60))
def test_sparsities_rise_and_end_exactly_at_the_last(schedule, final, n_steps):
    sparsities = schedule(final, n_steps)
    assert len(sparsities) == n_steps
    assert sparsities[-1] == final
    assert sparsities[0] > 0
    assert all(one < following for one, following in pairwise(sparsities))


@given(st.floats(0, 1), st.integers(1, 30))
def test_cubic_sparsities_are_zhu_and_guptas(final, n_steps):
    for k, sparsity in enumerate(cubic_sparsities(final, n_steps), start=1):
        assert sparsity == pytest.approx(final + (0 - final) * (1 - k / n_steps) ** 3)


@given(st.floats(0, 0.99), st.integers(1, 30))
def test_geometric_sparsities_remove_the_same_share_of_what_is_left(final, n_steps):
    left = [1.0, *(1 - sparsity for sparsity in geometric_sparsities(final, n_steps))]
    shares = [following / one for one, following in pairwise(left)]
    assert shares == pytest.approx([(1 - final) ** (1 / n_steps)] * n_steps)


def test_a_tenth_in_one_step_is_a_tenth():
    assert geometric_sparsities(0.1, 1) == cubic_sparsities(0.1, 1) == [0.1]
    assert cubic_sparsities(1, 2) == [0.875, 1]
    assert geometric_sparsities(0, 3) == cubic_sparsities(0, 3) == [0, 0, 0]


def test_equal_shares_never_remove_everything():
    with pytest.raises(ValueError, match="final is below 1"):
        geometric_sparsities(1.0, 3)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("n_steps", [0, -1, 2.0, True])
def test_a_number_of_steps_that_is_no_whole_number_is_refused(schedule, n_steps):
    with pytest.raises(ValueError, match=f"n_steps is a whole number of at least 1, got {n_steps}"):
        schedule(0.9, n_steps)


# Accepted compressions


def counting(error):
    """Shrink appends the amount to what the network is; the error is read off it."""

    def shrink(tried, amount):
        made.append((tried, amount))
        return (*tried, amount)

    made = []
    return made, shrink, error


def test_each_try_starts_from_the_last_accepted_and_the_first_refusal_ends_it():
    made, shrink, error = counting(lambda tried: sum(tried) / 10)
    result = last_accepted((), shrink, [1, 2, 3, 4], error=error, limit=0.5)
    assert made == [((), 1), ((1,), 2), ((1, 2), 3)]
    assert result.model == (1, 2)
    assert result.trials == (Trial(1, 0.1, True), Trial(2, 0.3, True), Trial(3, 0.6, False))


def test_an_error_equal_to_the_limit_is_accepted():
    _, shrink, error = counting(lambda tried: 0.5)
    result = last_accepted((), shrink, [1, 2], error=error, limit=0.5)
    assert result.model == (1, 2)
    assert [trial.accepted for trial in result.trials] == [True, True]


def test_if_nothing_is_accepted_the_network_that_was_given_comes_back():
    model = mlp((3, 4, 2), seed=0)
    before = copy.deepcopy(model)

    def zero(network, amount):
        return with_weights(network, {"0.weight": torch.zeros(4, 3)})

    result = last_accepted(model, zero, [0.5, 0.9], error=lambda network: 0.2, limit=0.1)
    assert result.model is model
    assert same_state(model, before)
    assert result.trials == (Trial(0.5, 0.2, False),)


def test_if_nothing_is_tried_the_network_that_was_given_comes_back():
    model = mlp((3, 2), seed=0)
    result = last_accepted(model, lambda m, a: m, [], error=lambda m: 0.0, limit=0.1)
    assert isinstance(result, Accepted)
    assert result.model is model
    assert result.trials == ()


def test_amounts_are_asked_for_one_by_one_until_the_refusal():
    asked = []

    def amounts():
        for amount in (1, 2, 3):
            asked.append(amount)
            yield amount

    last_accepted((), lambda m, a: (*m, a), amounts(), error=lambda m: len(m), limit=1)
    assert asked == [1, 2]


def test_errors_as_tensors_are_accepted_like_numbers():
    result = last_accepted((), lambda m, a: a, [1], error=lambda m: torch.tensor(0.25), limit=0.5)
    assert result.trials[0].accepted is True


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_error_that_is_no_number_is_refused_with_its_amount(bad):
    with pytest.raises(ValueError, match=f"finite number, got {bad} at amount 0.7. Look whether"):
        last_accepted((), lambda m, a: a, [0.7], error=lambda m: bad, limit=0.1)


@pytest.mark.parametrize("limit", [float("nan"), float("inf"), -0.1, "0.1"])
def test_a_limit_that_is_no_number_of_at_least_0_is_refused(limit):
    with pytest.raises(ValueError, match="limit is a number of at least 0, got"):
        last_accepted((), lambda m, a: a, [0.7], error=lambda m: 0.0, limit=limit)


# Pruning while training


@given(seeds, st.floats(0, 1))
@settings(max_examples=20)
def test_masks_are_renewed_at_their_steps_only_and_removed_weights_fade(seed, fade):
    model = mlp((4, 5, 3), seed=seed)
    masks = magnitude_masks(named_weights(model), 0.0)
    sparsities = {2: 0.5, 4: 0.25}
    renew = prune_while_training(masks, sparsities, fade=fade)
    expected = {name: mask.clone() for name, mask in masks.items()}
    random = torch.Generator().manual_seed(seed)
    biases = model[0].bias.clone()
    for step in range(1, 6):
        for weight in (model[0].weight, model[2].weight):
            weight.data = torch.randn(weight.shape, generator=random)
        weights = named_weights(model)
        for due in {step} & sparsities.keys():
            expected = magnitude_masks(weights, sparsities[due])
        renew(model)
        for name, weight in weights.items():
            assert torch.equal(masks[name], expected[name])
            faded = torch.where(expected[name], weight, (1 - fade) * weight)
            torch.testing.assert_close(model.get_parameter(name).detach(), faded)
    assert torch.equal(model[0].bias, biases)


def test_weights_without_a_mask_neither_count_nor_fade():
    model = mlp((4, 5, 3), seed=0)
    before = copy.deepcopy(model)
    masks = {"0.weight": torch.ones(5, 4) > 0}
    prune_while_training(masks, {1: 0.5}, fade=1.0)(model)
    assert list(masks) == ["0.weight"]
    assert n_removed(masks) == 10
    assert (model[0].weight == 0).sum() == 10
    assert torch.equal(model[2].weight, before[2].weight)


def train_with_regrowth(sparsities, fade):
    model, data, seen = mlp((3, 20, 2), seed=0), random_examples(200), []
    masks = magnitude_masks(named_weights(model), 0.0)
    renew = prune_while_training(masks, sparsities, fade=fade)

    def after_step(network):
        renew(network)
        seen.append({name: mask.clone() for name, mask in masks.items()})

    fit(
        model,
        data,
        epochs=10,
        seed=0,
        batch_size=20,
        loss=straight_through(cross_entropy, lambda ws: {n: ws[n] * masks[n] for n in masks}),
        after_step=after_step,
    )
    return model, masks, seen


def test_a_network_pruned_while_it_trains_reaches_its_sparsities_at_their_steps():
    model, masks, seen = train_with_regrowth({10: 0.3, 30: 0.6, 60: 0.9}, fade=0.05)
    removed = [n_removed(masks) for masks in seen]
    assert len(removed) == 100
    assert removed[:9] == [0] * 9
    assert set(removed[9:29]) == {30}
    assert set(removed[29:59]) == {60}
    assert set(removed[59:]) == {90}
    assert n_removed(masks) == 90
    weights = named_weights(apply_masks(model, masks))
    assert sum(int((weight == 0).sum()) for weight in weights.values()) == 90


def came_back(seen):
    """How many weights were masked once and not at the end."""
    once = {n: torch.stack([~masks[n] for masks in seen]).any(dim=0) for n in seen[0]}
    return sum(int((once[name] & mask).sum()) for name, mask in seen[-1].items())


def test_what_was_removed_may_come_back_and_more_does_where_it_fades_slowly():
    renewals = dict.fromkeys(range(10, 91, 10), 0.5)
    slowly, at_once = (came_back(train_with_regrowth(renewals, fade)[2]) for fade in (0.01, 1.0))
    assert slowly > at_once


@pytest.mark.parametrize("step", [0, -1, 1.0])
def test_steps_of_no_whole_number_are_refused(step):
    with pytest.raises(ValueError, match="each step is a whole number of at least 1, got"):
        prune_while_training({}, {step: 0.5}, fade=0.1)


def test_iterative_pruning_with_rewinding_starts_each_round_where_training_began():
    start, data = mlp((3, 12, 2), seed=0), random_examples()
    masks, ticket = magnitude_masks(named_weights(start), 0.0), start
    for sparsity in geometric_sparsities(0.8, 3):
        trained = copy.deepcopy(ticket)
        fit(trained, data, epochs=3, seed=0, batch_size=8, after_step=keep_zeros(masks))
        earlier, masks = masks, magnitude_masks(named_weights(trained), sparsity)
        ticket = apply_masks(start, masks)
        for name, mask in masks.items():
            assert not (mask & ~earlier[name]).any()
            assert not named_weights(trained)[name][~earlier[name]].any()
            first, rewound = named_weights(start)[name], named_weights(ticket)[name]
            assert torch.equal(rewound, first * mask)
            assert not torch.equal(named_weights(trained)[name][mask], first[mask])
    removed = sum(int((~mask).sum()) for mask in masks.values())
    assert removed == round(0.8 * (3 * 12 + 12 * 2))
