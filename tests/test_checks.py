"""The checkers accept what is right, however it is written, and name what is wrong."""

import os
from fractions import Fraction

import numpy as np
import pytest

from minilib.checks import TASKS, check
from minilib.checks.task import Task, WrongAnswer, agree, judge
from tests.answers import RIGHT, WRONG
from tests.answers.lesson_01 import slope
from tests.answers.lesson_03 import kink_that
from tests.answers.lesson_10 import columns_without, layer_with_float32_factors
from tests.answers.lesson_11 import bound_of_rounded_chances, bound_rounding_bits_to_the_nearest
from tests.answers.lesson_12 import (
    bias_above_a_number,
    bias_of_four_classes,
    consistency_of_uncertain,
)
from tests.answers.lesson_13 import rebuild_with_the_logit_that_rose
from tests.answers.lesson_14 import (
    embedding_by_natural_logarithms,
    embedding_from_negatives,
    resized,
)

SEEDS = range(8)
FUNCTIONS = [name for name, task in TASKS.items() if isinstance(task, Task)]
ACCEPTED = [(task, answer) for task, answers in RIGHT.items() for answer in answers]
REFUSED = [(task, name, wrong) for task in WRONG for name, wrong in WRONG[task].items()]


def test_every_task_has_two_right_answers_and_each_of_its_mistakes_as_code():
    assert RIGHT.keys() == TASKS.keys() == WRONG.keys()
    for name, task in TASKS.items():
        assert len(RIGHT[name]) >= 2, name
        assert [mistake.name for mistake in task.mistakes] == list(WRONG[name]), name
        assert len({mistake.message for mistake in task.mistakes}) == len(task.mistakes) >= 3, name


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("task", "answer"), ACCEPTED, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_right_answer_is_accepted_whatever_the_inputs(task, answer, seed):
    assert judge(TASKS[task], answer, seed) is None


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("task", "name", "wrong"), REFUSED, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_known_mistake_is_answered_by_its_own_sentence(task, name, wrong, seed):
    messages = {mistake.name: mistake.message for mistake in TASKS[task].mistakes}
    assert judge(TASKS[task], wrong, seed) == messages[name]


@pytest.mark.parametrize("task", FUNCTIONS)
def test_a_blank_answer_is_refused_and_told_so(task):
    def blank(*_):
        raise NotImplementedError("write your answer here")

    with pytest.raises(WrongAnswer, match=f"{task}: not written yet"):
        check(task, blank)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("answer", [None, 0.0, "", np.nan, (), True], ids=repr)
def test_an_answer_that_ignores_its_arguments_is_refused(task, answer):
    assert judge(TASKS[task], lambda *_: answer, 0)


@pytest.mark.parametrize("task", FUNCTIONS)
def test_an_answer_remembered_from_other_inputs_is_refused(task):
    old = TASKS[task].cases(np.random.default_rng(0))
    answers = iter([TASKS[task].answer(*arguments) for arguments in old])
    assert judge(TASKS[task], lambda *_: next(answers), 1)


def right(task, *arguments):
    return RIGHT[task][0](*arguments)


LUCKY = [  # right wherever the inputs happen to be kind, for a reason that is none
    ("00.parameters", lambda sizes, bits: right("00.parameters", sizes, min(bits, 8))),
    ("01.repair", lambda *case: (right("01.repair", *case)[0], abs(right("01.repair", *case)[1]))),
    ("01.repair", lambda *case: (abs(right("01.repair", *case)[0]), right("01.repair", *case)[1])),
    ("01.repair", lambda *case: (right("01.repair", *case)[0], right("01.repair", *case)[1][:3])),
    ("01.gradient_check", lambda *case: right_in(case, np.sum)),
    ("01.gradient_check", lambda *case: right_in(case, lambda v: case[2] @ v)),
    ("01.gradient_check", lambda *case: right_in(case, lambda v: v[[0, -1]])),
    (
        "02.elastic_prox",
        lambda v, *rest: np.where(v == v.max(), right("02.elastic_prox", v, *rest), 0),
    ),
    ("03.stability", lambda errors: 0.3),
    ("03.kink", kink_that(others=slice(1))),
    ("03.kink", kink_that(leaves=lambda w, u: (-w / u)[[np.abs(w).argmin()]])),
    ("08.rank", lambda m, n, share: max(0, (round(share * (m * n + m)) - m) // (m + n))),
    ("08.rank", lambda m, n, share: min(right("08.rank", m, n, share), min(m, n) // 2)),
    ("07.surgery", lambda network, X: right("07.surgery", network, np.maximum(X, 0))),
    ("07.states", lambda network, X: right("07.states", network, X[1:])),
    ("07.rollback", lambda net, scores, *data: right("07.rollback", net, abs(scores), *data)),
    ("10.columns", columns_without(slice(1, None))),
    ("10.columns", columns_without(slice(None, -1))),
    ("10.layer", layer_with_float32_factors),
    ("11.entropy_bound", bound_rounding_bits_to_the_nearest),
    ("11.entropy_bound", bound_of_rounded_chances),
    ("12.missing", bias_of_four_classes),
    ("12.missing", bias_above_a_number(-9999)),
    ("12.consistency", consistency_of_uncertain(0.99)),
    ("13.rebuild", rebuild_with_the_logit_that_rose),
    ("14.embedding", embedding_by_natural_logarithms),
    ("14.embedding", embedding_from_negatives),
    ("14.embedding", resized(lambda n, d, bits: round(n * d * bits / 8) + n)),
]


def right_in(case, part):
    """Compare a part of the candidate, or a summary, with that of the measured slope."""
    *inputs, candidate = case
    return np.allclose(part(candidate), part(slope(*inputs)), rtol=1e-4, atol=0)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("task", "lucky"), LUCKY)
def test_a_lucky_answer_is_refused(task, lucky, seed):
    assert judge(TASKS[task], lucky, seed)


@pytest.mark.parametrize("seed", [1000414, 1000706, 1000760, 1000793])
def test_inputs_are_drawn_anew_without_a_warning_where_too_few_suit(seed):
    assert len(TASKS["06.restore"].cases(np.random.default_rng(seed))) > 10


def test_a_function_that_changes_its_arguments_is_told_so():
    def in_place(X, y, lam):
        X -= X.mean(axis=0)
        return RIGHT["01.repair"][0](X, y, lam)

    assert "changes its arguments" in judge(TASKS["01.repair"], in_place, 0)


def test_an_unknown_mistake_gets_the_arguments_the_right_answer_and_its_own():
    text = judge(TASKS["01.translate"], lambda strength, n, loss, penalty: -1.0, 0)
    assert "the answer is" in text
    assert "yours is -1.0" in text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda codes, *grids: (codes[:, :-1], *grids), "in part 0, its shape is"),
        (lambda codes, scale, zero: (codes, scale, zero + 7), "in part 2, at [0] it is"),
    ],
)
def test_a_long_answer_is_told_where_it_first_differs(change, sentence):
    answer = RIGHT["10.columns"][0]
    text = judge(TASKS["10.columns"], lambda *case: change(*answer(*case)), 0)
    assert sentence in text


def test_an_exception_is_reported_with_the_arguments_that_caused_it():
    text = judge(TASKS["01.translate"], lambda strength, n, loss, penalty: 1 / 0, 0)
    assert "ZeroDivisionError" in text


def test_a_result_is_no_answer():
    with pytest.raises(WrongAnswer, match="hand in the function itself"):
        check("01.translate", 3.0)


def test_an_answer_that_changes_from_call_to_call_is_told_so():
    right, calls = RIGHT["01.translate"][0], []

    def tiring(*arguments):
        calls.append(arguments)
        return right(*arguments) if len(calls) < 5 else -1.0

    assert "asked twice" in judge(TASKS["01.translate"], tiring, 0)


def test_a_missing_return_is_told_so():
    assert "Is a return missing?" in judge(TASKS["01.translate"], lambda *_: None, 0)


def test_an_array_that_is_used_again_for_each_answer_is_told_so():
    shared = np.zeros(1)

    def lend(*arguments):
        shared[0] = RIGHT["01.translate"][0](*arguments)
        return shared[:]

    assert judge(TASKS["01.translate"], lend, 0)


def test_a_generator_is_told_to_become_a_list():
    text = judge(TASKS["01.repair"], lambda X, y, lam: (b for b in (0.0, np.zeros(3))), 0)
    assert "list(...)" in text


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ({1, 2}, "set"),
        (Fraction(1, 2), "Fraction"),
        ({"a": 1.0}.values(), "dict_values"),
        ([1.0, map(abs, [1])], "map"),
        ({"a": b"text"}, "bytes"),
        (abs, "builtin_function_or_method"),
    ],
)
def test_an_answer_that_cannot_be_read_is_told_its_type(answer, name):
    text = judge(TASKS["08.rank"], lambda *_: answer, 0)
    assert f"returns something of type {name}. Return numbers" in text


class Flatterer(str):
    """Says that it equals everything."""

    __slots__ = ()

    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


def test_an_answer_that_only_says_it_is_right_is_refused():
    assert not agree(Flatterer("yes"), "no", rtol=1e-6, atol=0)
    assert not agree(np.array(x for x in (1, 2)), [1, 2], rtol=1e-6, atol=0)


def test_an_unknown_task_is_refused_with_the_list():
    with pytest.raises(ValueError, match=r"no task '01.nope'.*01\.repair"):
        check("01.nope", print)


def test_the_seed_comes_from_outside(monkeypatch):
    drawn = []
    for seed in ("1", "1", "2"):
        monkeypatch.setitem(os.environ, "MINILIB_CHECK_SEED", seed)
        seen = []
        with pytest.raises(WrongAnswer):
            check("01.translate", lambda *arguments, seen=seen: seen.append(arguments))
        drawn.append(seen)
    assert drawn[0] == drawn[1] != drawn[2]


def test_agreement_looks_at_values_not_at_types():
    assert agree((1, [2.0, 3]), [1.0, np.array([2, 3])], rtol=1e-6, atol=0)
    assert agree({"a": np.float32(1)}, {"a": 1}, rtol=1e-6, atol=0)
    assert not agree([1, 2], [1, 2, 3], rtol=1e-6, atol=0)
    assert not agree("yes", 1, rtol=1e-6, atol=0)
    assert not agree(None, 0.0, rtol=1e-6, atol=0)
