"""The exercises are what the solutions give, and a blank one earns nothing and says why."""

import errno
import os
import shutil
from functools import cache
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from minilib.checks import TASKS
from tests import exercise_rules as rules
from tests.exercise_rules import RELEASE_RULES, SOURCE_RULES, checked_by, graded
from tests.notebooks import ROOT, TOPICS, exercise, read, solution
from tests.specimens import EXERCISE, marked, printed, replaced, rewritten, write
from tools import exercises as tool

COMMITTED = [(solution(topic), rule) for topic in TOPICS for rule in SOURCE_RULES]
COMMITTED += [(exercise(topic), rule) for topic in TOPICS for rule in RELEASE_RULES]


def spoiled(id: str, pattern: str, replacement: str) -> list[dict]:
    return rewritten(EXERCISE, id, pattern, replacement)


def marked_otherwise(**nbgrader) -> list[dict]:
    check = EXERCISE[-1]
    return [*EXERCISE[:-1], marked(check, **{**check["metadata"]["nbgrader"], **nbgrader})]


def hidden(**metadata) -> list[dict]:
    check = EXERCISE[-1]
    return replaced(EXERCISE, check["id"], metadata={**check["metadata"], **metadata})


SPOILED = [
    (rules.can_be_tracked_by_nbgrader, marked_otherwise(grade_id="cell-7")),
    (rules.can_be_tracked_by_nbgrader, marked_otherwise(grade_id=None)),
    (rules.can_be_tracked_by_nbgrader, [*EXERCISE, EXERCISE[0]]),
    (rules.can_be_tracked_by_nbgrader, EXERCISE[:-1]),
    (rules.can_be_tracked_by_nbgrader, spoiled("leak-answer", "### END SOLUTION", "")),
    (
        rules.can_be_tracked_by_nbgrader,
        spoiled("imports", "$", "\n### BEGIN SOLUTION\n### END SOLUTION"),
    ),
    (rules.locks_its_checks, marked_otherwise(locked=False)),
    (rules.locks_its_checks, marked_otherwise(solution=True)),
    (rules.locks_its_checks, marked_otherwise(points=0)),
    (rules.checks_once_and_in_the_open, spoiled("leak-check", "check", "print")),
    (rules.checks_once_and_in_the_open, spoiled("leak-check", "03", "04")),
    (rules.checks_once_and_in_the_open, spoiled("leak-check", '"03.leak"', "name")),
    (rules.checks_once_and_in_the_open, spoiled("leak-check", "$", '\ncheck("03.k", k)')),
    (rules.checks_once_and_in_the_open, spoiled("leak-check", "$", "\n### BEGIN HIDDEN TESTS")),
    (rules.checks_once_and_in_the_open, hidden(tags=["hide-input"])),
    (rules.checks_once_and_in_the_open, hidden(jupyter={"source_hidden": True})),
    (rules.has_a_card_for_each_task, spoiled("leak", "●●○", "hard")),
    (rules.has_a_card_for_each_task, spoiled("leak", "10 minutes", "quick")),
    (rules.has_a_card_for_each_task, marked_otherwise(points=3)),
    (rules.has_a_card_for_each_task, spoiled("leak", "Write", "## Second task\n\nWrite")),
    (rules.hints_in_three_steps, spoiled("leak", "<summary>Hint 2", "<summary>Answer")),
    (rules.asks_for_nothing_that_minilib_has, spoiled("leak-answer", "scale", "soft_threshold")),
    (rules.gives_no_solution_away, replaced(EXERCISE, "leak-check", outputs=[])),
    (rules.gives_no_solution_away, EXERCISE[:1] + EXERCISE[3:4]),
]


def complaints(rule, path):
    return "\n".join(rule(read(path)))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*.ipynb")
        if ".ipynb_checkpoints" not in path.parts
    }


@pytest.fixture(autouse=True)
def same_path(monkeypatch):
    """Loading nbgrader_config.py may lengthen PATH; other tests keep theirs."""
    monkeypatch.setenv("PATH", os.environ["PATH"])


@pytest.fixture
def course(tmp_path):
    """A course with one exercise, generated, and a second one whose source is gone."""
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    write(tmp_path / "solutions" / "03_choosing_lambda" / "03_choosing_lambda.ipynb", EXERCISE)
    tool.generate(tmp_path)
    write(tmp_path / "exercises" / "09_stale" / "09_stale.ipynb", EXERCISE)
    return tmp_path


@cache
def run_blank(topic: str) -> dict[str, nbformat.NotebookNode]:
    """What each cell of an exercise puts out when nobody has written an answer."""
    path = exercise(topic)
    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(path.parent)}}
    NotebookClient(
        notebook, kernel_name="python3", timeout=60, allow_errors=True, resources=place
    ).execute()
    return {cell.id: cell.get("outputs", []) for cell in notebook.cells}


def test_each_topic_has_a_solution_and_an_exercise():
    for folder in ("solutions", "exercises"):
        assert sorted(contents(ROOT / folder)) == [f"{topic}/{topic}.ipynb" for topic in TOPICS]


def test_the_exercises_are_what_the_solutions_give_today(tmp_path):
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    shutil.copytree(ROOT / "solutions", tmp_path / "solutions")
    tool.generate(tmp_path)
    fresh, committed = contents(tmp_path / "exercises"), contents(ROOT / "exercises")
    changed = [name for name in fresh if fresh[name] != committed.get(name)]
    assert not changed, f"run make exercises and commit {changed}"
    assert fresh.keys() == committed.keys()


@pytest.mark.parametrize(
    ("path", "rule"),
    [pytest.param(p, r, id=f"{p.relative_to(ROOT).as_posix()}-{r.__name__}") for p, r in COMMITTED],
)
def test_a_committed_exercise_keeps_the_rule(path, rule):
    assert not (found := complaints(rule, path)), f"{path}\n{found}"


def test_every_task_of_minilib_is_set_by_exactly_one_exercise():
    cells = [cell for topic in TOPICS for cell in read(solution(topic)).code]
    assert sorted(task for cell in cells for task in checked_by(cell)) == sorted(TASKS)


@pytest.mark.parametrize("topic", TOPICS)
def test_each_check_of_a_blank_exercise_says_that_nothing_is_written_yet(topic):
    for cell in graded(read(exercise(topic))):
        (output,) = run_blank(topic)[cell.id]
        assert output["ename"] == "WrongAnswer", cell.id
        assert "not written" in output["evalue"], cell.id
        assert len(output["traceback"]) == 1, f"{cell.id}: the learner sees a traceback"


@pytest.mark.parametrize("topic", TOPICS)
def test_a_blank_exercise_stops_only_where_an_answer_is_missing(topic):
    others = [cell.id for cell in read(exercise(topic)).code if not checked_by(cell)]
    outputs = run_blank(topic)
    errors = {o["ename"] for name in others for o in outputs[name] if o["output_type"] == "error"}
    assert errors <= {"NotImplementedError"}


@pytest.mark.parametrize("rule", SOURCE_RULES, ids=lambda rule: rule.__name__)
def test_the_model_exercise_keeps_the_rule(tmp_path, rule):
    path = write(tmp_path / "03_choosing_lambda.ipynb", EXERCISE)
    assert not (found := complaints(rule, path)), f"{path}\n{found}"


def test_the_model_exercise_gives_no_solution_away_when_it_is_released(course):
    released = course / "exercises" / "03_choosing_lambda" / "03_choosing_lambda.ipynb"
    assert not list(rules.gives_no_solution_away(read(released)))


@pytest.mark.parametrize(
    ("rule", "cells"),
    [pytest.param(r, c, id=f"{n}-{r.__name__}") for n, (r, c) in enumerate(SPOILED)],
)
def test_a_rule_complains_about_a_spoiled_exercise(tmp_path, rule, cells):
    assert list(rule(read(write(tmp_path / "03_choosing_lambda.ipynb", cells))))


def test_every_rule_is_shown_to_complain():
    assert {rule for rule, _ in SPOILED} == {*SOURCE_RULES, *RELEASE_RULES}


def test_generating_twice_gives_the_same_bytes_and_drops_what_has_no_source(course):
    before = contents(course / "exercises")
    tool.generate(course)
    assert before.keys() - contents(course / "exercises").keys() == {"09_stale/09_stale.ipynb"}
    assert before.items() > contents(course / "exercises").items()


def test_running_a_solution_again_does_not_change_its_exercise(course):
    before = contents(course / "exercises")
    timed = {"execution": {"iopub.execute_input": "2026-01-01T00:00:00Z"}}
    run = replaced(EXERCISE, "imports", metadata=timed, outputs=[printed("hello")])
    write(course / "solutions" / "03_choosing_lambda" / "03_choosing_lambda.ipynb", run)
    tool.generate(course)
    assert contents(course / "exercises").items() < before.items()


def test_lines_end_as_on_unix(tmp_path):
    path = tmp_path / "a" / "a.ipynb"
    path.parent.mkdir()
    path.write_bytes(b'{\r\n "cells": ["\\r\\n"]\r\n}\r\n')
    tool.end_lines_alike(tmp_path)
    assert path.read_bytes() == b'{\n "cells": ["\\r\\n"]\n}\n'


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is not JSON"),
        (b'{"cells": [', "is not JSON"),
        (b"\xff\xfe{", "is not JSON"),
        (b"[]", "is not a notebook"),
        (b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "has no graded"),
    ],
)
def test_a_bad_source_is_named_and_the_exercises_stay_as_they_were(course, content, complaint):
    before = contents(course / "exercises")
    bad = course / "solutions" / "04_robustness" / "04_robustness.ipynb"
    bad.parent.mkdir()
    bad.write_bytes(content)
    with pytest.raises(ValueError, match=rf"04_robustness\.ipynb {complaint}"):
        tool.generate(course)
    assert contents(course / "exercises") == before


def test_a_source_that_nbgrader_cannot_handle_is_named_too(course):
    before = contents(course / "exercises")
    path = course / "solutions" / "03_choosing_lambda" / "03_choosing_lambda.ipynb"
    path.write_text(path.read_text("utf-8").replace('"language": "python"', '"language": "x"'))
    with pytest.raises(ValueError, match="could not release solutions/03_choosing_lambda"):
        tool.generate(course)
    assert contents(course / "exercises") == before


def test_a_folder_without_its_notebook_is_named(course):
    (course / "solutions" / "04_robustness").mkdir()
    with pytest.raises(ValueError, match=r"04_robustness\.ipynb is missing"):
        tool.generate(course)


def test_without_solutions_the_exercises_stay_as_they_were(course):
    before = contents(course / "exercises")
    shutil.rmtree(course / "solutions")
    with pytest.raises(ValueError, match="has no folder NN_topic"):
        tool.generate(course)
    assert contents(course / "exercises") == before


@pytest.mark.parametrize("broken", ["release", "swap"])
def test_a_full_disk_leaves_the_exercises_as_they_were(course, monkeypatch, broken):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = contents(course / "exercises")
    monkeypatch.setattr(tool, broken, full)
    monkeypatch.setattr(tool, "ROOT", course)
    with pytest.raises(SystemExit, match=r"No space left on device\nexercises/ was left"):
        tool.main()
    assert contents(course / "exercises") == before
    assert not list(course.glob(".exercises-*"))


def test_a_folder_that_cannot_be_put_in_place_brings_the_old_one_back(tmp_path):
    (tmp_path / "exercises").mkdir()
    (tmp_path / "exercises" / "old").touch()
    with pytest.raises(FileNotFoundError):
        tool.swap(tmp_path / "missing", tmp_path / "exercises")
    assert (tmp_path / "exercises" / "old").exists()
