"""Whoever is asked through the wall gets the verdict that he would get without it."""

from collections.abc import Iterator

import pytest

from minilib.checks import TASKS
from minilib.checks.task import judge
from minilib.grading.examiner import Session, StandIn
from minilib.grading.sandbox import Limits
from tests.answers import LESSONS

SEED = 5
ROOMY = Limits(cpu=60, wall=600, total_cpu=1000, total_wall=3000)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session(ROOMY, walled=False) as session:
        yield session


def handed_in(lesson) -> list[tuple[str, str, object]]:
    """All known answers of a lesson: the task, where the answer is found, and the answer."""
    right = [
        (task, f"RIGHT[{task!r}][{number}]", answer)
        for task, right in lesson.RIGHT.items()
        for number, answer in enumerate(right)
    ]
    wrong = [
        (task, f"WRONG[{task!r}][{name!r}]", answer)
        for task, wrong in lesson.WRONG.items()
        for name, answer in wrong.items()
    ]
    return right + wrong


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.__name__[-2:])
def test_a_verdict_is_the_same_through_the_wall(session, lesson):
    printed, trouble = session.run(f"from {lesson.__name__} import RIGHT, WRONG")
    assert trouble is None, printed
    known = handed_in(lesson)
    session.run("\n".join(f"a{n} = {place}" for n, (_, place, _) in enumerate(known)))
    for n, (_, _, answer) in enumerate(known):
        reply = session.ask(do="value", name=f"a{n}")
        assert reply["value"] == answer or reply["callable"]  # a file is text, and comes as it is
    functions = [(n, *one) for n, one in enumerate(known) if callable(one[-1])]
    assert {
        place: judge(TASKS[task], StandIn(session, f"a{n}"), SEED)
        for n, task, place, _ in functions
    } == {place: judge(TASKS[task], answer, SEED) for _, task, place, answer in functions}
