import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr, softmax
from torch import nn

from minilib.distillation import agreement_rate, distilled
from minilib.models import mlp
from minilib.training import Examples, cross_entropy, error_rate, fit, sgd

seeds = st.integers(0, 2**32 - 1)
temperatures = st.floats(0.3, 50)
shares = st.floats(0, 1)
N_CLASSES = 4


def draw(seed, n=6):
    """Inputs, labels, and two sets of logits in double precision, of different spread."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, generator=random, dtype=torch.double)
    y = torch.randint(0, N_CLASSES, (n,), generator=random)
    guess = torch.randn(n, N_CLASSES, generator=random, dtype=torch.double)
    taught = 3 * torch.randn(n, N_CLASSES, generator=random, dtype=torch.double)
    return x, y, guess, taught


def gives(logits):
    """A network whose answer does not depend on its inputs."""
    return lambda x: logits


def slope(loss, logits, x, y):
    """Slope of a loss in the student's logits."""
    logits = logits.clone().requires_grad_()
    loss(gives(logits), x, y).backward()
    return logits.grad


def value(teacher, student, x, y, **options):
    return distilled(gives(teacher), **options)(gives(student), x, y).item()


# The loss


@given(seeds, temperatures)
def test_the_soft_part_is_the_divergence_of_student_from_teacher_times_the_temperature_squared(
    seed, temperature
):
    x, y, guess, taught = draw(seed)
    p, q = (softmax(z.numpy() / temperature, axis=1) for z in (taught, guess))
    expected = temperature**2 * rel_entr(p, q).sum(axis=1).mean()
    found = value(taught, guess, x, y, temperature=temperature, weight=1)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


@given(seeds, temperatures, shares)
def test_the_loss_is_the_blend_of_cross_entropy_and_soft_part(seed, temperature, weight):
    x, y, guess, taught = draw(seed)
    options = {"temperature": temperature}
    hard = cross_entropy(gives(guess), x, y).item()
    soft = value(taught, guess, x, y, weight=1, **options)
    found = value(taught, guess, x, y, weight=weight, **options)
    np.testing.assert_allclose(found, (1 - weight) * hard + weight * soft, rtol=1e-9)


@given(seeds, temperatures)
def test_a_student_that_answers_as_its_teacher_has_nothing_to_learn_from_it(seed, temperature):
    x, y, _, taught = draw(seed)
    loss = distilled(gives(taught), temperature=temperature, weight=1)
    assert abs(loss(gives(taught), x, y).item()) < 1e-12
    assert slope(loss, taught, x, y).abs().max() < 1e-12


@given(seeds, temperatures, shares)
def test_the_slope_is_that_of_cross_entropy_with_soft_labels_times_the_temperature_squared(
    seed, temperature, weight
):
    x, y, guess, taught = draw(seed)
    labels = (taught / temperature).softmax(dim=1)

    def blend(student, x, y):
        soft = nn.functional.cross_entropy(student(x) / temperature, labels)
        hard = cross_entropy(student, x, y)
        return (1 - weight) * hard + weight * temperature**2 * soft

    loss = distilled(gives(taught), temperature=temperature, weight=weight)
    torch.testing.assert_close(slope(loss, guess, x, y), slope(blend, guess, x, y))


@given(seeds)
def test_at_a_high_temperature_the_slope_is_the_difference_of_centred_logits(seed):
    """Hinton 2015, section 2.1; of n examples and N classes, divided by n N."""
    x, y, guess, taught = draw(seed)
    centred = [z - z.mean(dim=1, keepdim=True) for z in (guess, taught)]
    loss = distilled(gives(taught), temperature=1e5, weight=1)
    expected = (centred[0] - centred[1]) / guess.numel()
    torch.testing.assert_close(slope(loss, guess, x, y), expected, rtol=0, atol=1e-4)


@given(seeds, temperatures)
def test_a_constant_added_to_all_logits_of_an_example_changes_nothing(seed, temperature):
    x, y, guess, taught = draw(seed)
    options = {"temperature": temperature, "weight": 1}
    shift = 10 * x[:, :1]
    before = value(taught, guess, x, y, **options)
    after = value(taught + shift, guess - 2 * shift, x, y, **options)
    np.testing.assert_allclose(after, before, rtol=1e-8, atol=1e-10)


def test_at_weight_0_the_teacher_has_no_influence_and_at_weight_1_the_labels_have_none():
    x, y, guess, taught = draw(0)
    other = (y + 1) % N_CLASSES
    alone = value(taught, guess, x, y, temperature=2, weight=0)
    assert alone == value(-taught, guess, x, y, temperature=2, weight=0)
    assert alone == cross_entropy(gives(guess), x, y).item()
    soft = value(taught, guess, x, y, temperature=2, weight=1)
    assert soft == value(taught, guess, x, other, temperature=2, weight=1)


@pytest.mark.parametrize("temperature", [0.01, 1, 100])
def test_logits_of_a_thousand_do_not_overflow(temperature):
    x, y, guess, taught = draw(0)
    student = (1000 * guess).requires_grad_()
    loss = distilled(gives(-1000 * taught), temperature=temperature, weight=0.5)
    found = loss(gives(student), x, y)
    found.backward()
    assert found.isfinite()
    assert student.grad.isfinite().all()


# The teacher


def test_a_teacher_gets_no_gradient_and_is_not_changed():
    data = Examples(*(z.float() if z.is_floating_point() else z for z in draw(0)[:2]))
    teacher, student = mlp((3, 5, N_CLASSES), seed=0), mlp((3, N_CLASSES), seed=1)
    before = copy.deepcopy(teacher)
    for callable_teacher in (teacher, lambda inputs: teacher(inputs)):
        loss = distilled(callable_teacher, temperature=2, weight=0.5)
        fit(student, data, epochs=2, seed=0, loss=loss)
    assert all(parameter.grad is None for parameter in teacher.parameters())
    for name, values in before.state_dict().items():
        assert torch.equal(values, teacher.state_dict()[name])
    assert teacher.training


def test_a_teacher_teaches_as_it_was_when_it_was_given():
    x, y = draw(0)[0].float(), draw(0)[1]
    teacher, student = mlp((3, N_CLASSES), seed=0), mlp((3, N_CLASSES), seed=1)
    loss = distilled(teacher, temperature=2, weight=1)
    before = loss(student, x, y).item()
    with torch.no_grad():
        teacher[0].weight.zero_()
    assert loss(student, x, y).item() == before


def test_a_teacher_with_dropout_always_says_the_same():
    x, y = draw(0)[0].float(), draw(0)[1]
    teacher = nn.Sequential(mlp((3, 50), seed=0), nn.Dropout(0.5), mlp((50, N_CLASSES), seed=1))
    loss = distilled(teacher, temperature=2, weight=1)
    student = mlp((3, N_CLASSES), seed=1)
    assert loss(student, x, y).item() == loss(student, x, y).item()
    assert abs(loss(teacher.eval(), x, y).item()) < 1e-6


@pytest.mark.parametrize("weight", [0.9, 1])
def test_a_student_learns_to_answer_as_its_teacher_although_all_labels_are_wrong(weight):
    random = torch.Generator().manual_seed(0)
    x = torch.randn(600, 3, generator=random)
    teacher = mlp((3, 20, N_CLASSES), seed=0)
    with torch.no_grad():
        teacher[-1].weight.mul_(20)
        wrong = (teacher(x).argmax(dim=1) + 1) % N_CLASSES
    student = mlp((3, 20, N_CLASSES), seed=1)
    loss = distilled(teacher, temperature=2, weight=weight)
    data, fresh = Examples(x[:300], wrong[:300]), x[300:]
    fit(student, data, epochs=40, seed=0, batch_size=30, loss=loss, optimizer=sgd(student, lr=0.05))
    assert agreement_rate(student, teacher, fresh) > 0.85


# Refused


@pytest.mark.parametrize("temperature", [0, -1, np.nan, np.inf, "2"])
def test_a_temperature_that_is_no_number_above_0_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature is a number above 0, got"):
        distilled(mlp((3, 2), seed=0), temperature=temperature, weight=0.5)


@pytest.mark.parametrize("weight", [-0.1, 1.1, np.nan])
def test_a_weight_that_is_no_share_is_refused(weight):
    with pytest.raises(ValueError, match=r"weight is a number in \[0, 1\], got"):
        distilled(mlp((3, 2), seed=0), temperature=2, weight=weight)


def test_a_weight_in_percent_is_answered_by_the_share():
    with pytest.raises(ValueError, match=r"For 90 % write 0\.9\."):
        distilled(mlp((3, 2), seed=0), temperature=2, weight=90)


@pytest.mark.parametrize("n_classes", [1, 5])
def test_a_teacher_with_other_classes_is_refused(n_classes):
    x, y = draw(0)[0].float(), draw(0)[1]
    loss = distilled(mlp((3, n_classes), seed=0), temperature=2, weight=0.5)
    with pytest.raises(ValueError, match=rf"of shape \(6, {n_classes}\), the student of \(6, 4\)"):
        loss(mlp((3, N_CLASSES), seed=1), x, y)


# Agreement


@given(seeds)
def test_agreement_lies_between_the_limits_that_two_error_rates_set(seed):
    random = torch.Generator().manual_seed(seed)
    data = Examples(
        torch.randn(30, 3, generator=random), torch.randint(0, N_CLASSES, (30,), generator=random)
    )
    one, other = mlp((3, 8, N_CLASSES), seed=seed), mlp((3, N_CLASSES), seed=seed)
    e, f, share = error_rate(one, data), error_rate(other, data), agreement_rate(one, other, data.x)
    assert share == agreement_rate(other, one, data.x)
    assert 1 - e - f - 1e-9 <= share <= 1 - abs(e - f) + 1e-9


def test_a_network_agrees_with_itself_and_with_its_shifted_logits():
    model, x = mlp((3, N_CLASSES), seed=0), draw(0, n=11)[0].float()
    assert agreement_rate(model, model, x) == 1
    assert agreement_rate(model, lambda inputs: 3 * model(inputs) + 1, x) == 1
    assert agreement_rate(model, lambda inputs: model(inputs).roll(1, dims=1), x) == 0


def test_agreement_counts_all_inputs_of_a_long_table():
    x = torch.arange(12_000).float()[:, None]

    def always_0(inputs):
        return torch.tensor([[1.0, 0.0]]).expand(len(inputs), 2)

    def first_3000_1(inputs):
        early = (inputs < 3_000).float()
        return torch.cat([1 - early, early], dim=1)

    assert agreement_rate(always_0, first_3000_1, x) == 0.75
