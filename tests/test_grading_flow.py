"""nbgrader releases, grades and comments an exercise with the committed configuration.

One class hands in: the reference answers, nothing, one known mistake, the first and the last of
these with a check cell deleted, with a check cell copied, which alone would stop nbgrader for
everybody, and, after the first grading, a file that is not a notebook.
"""

import ast
import html
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from minilib.checks import TASKS
from tests.exercise_rules import checked_by, graded
from tests.notebooks import ROOT, TOPICS, Cell, read, solution


@dataclass(frozen=True)
class Course:
    """A copy of the repository's course with one topic, and what nbgrader did in it."""

    folder: Path
    topic: str

    def nbgrader(self, step: str) -> subprocess.CompletedProcess:
        """Run one command of nbgrader as a teacher would, with nobody's personal settings."""
        private = {
            name: str(self.folder / ".jupyter")
            for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")
        }
        return subprocess.run(
            [sys.executable, "-m", "nbgrader", step, self.topic],
            cwd=self.folder,
            env={**os.environ, **private, "PATH": os.defpath, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
        )

    def notebook(self, *place: str) -> Path:
        return self.folder.joinpath(*place, self.topic, f"{self.topic}.ipynb")

    def hand_in(self, student: str, content: str) -> None:
        path = self.notebook("submitted", student)
        path.parent.mkdir(parents=True)
        path.write_text(content, encoding="utf-8")

    def score(self, student: str) -> float:
        with Gradebook(f"sqlite:///{self.folder / 'gradebook.db'}") as gradebook:
            return gradebook.find_submission(self.topic, student).score


def with_answers(released: dict, answers: dict[str, str]) -> dict:
    """The exercise as a learner hands it in who wrote these answers, by cell id."""
    cells = [{**c, "source": answers.get(c["id"], c["source"])} for c in released["cells"]]
    return {**released, "cells": cells}


def without(released: dict, deleted: str) -> dict:
    return {**released, "cells": [cell for cell in released["cells"] if cell["id"] != deleted]}


def with_copy_of(released: dict, copied: str) -> dict:
    """As somebody leaves it who copies a cell: JupyterLab gives another id, the metadata stay."""
    copies = [{**cell, "id": "a-copy"} for cell in released["cells"] if cell["id"] == copied]
    return {**released, "cells": released["cells"] + copies}


def known_mistake(check: Cell) -> str:
    """The source of an answer cell that makes the first mistake the checker knows."""
    (task,) = checked_by(check)
    (name,) = [n.args[1].id for n in ast.walk(check.syntax()) if isinstance(n, ast.Call)]
    return f"from tests.answers import WRONG\n\n{name} = next(iter(WRONG[{task!r}].values()))"


@pytest.fixture(scope="module")
def source():
    """The shortest solution with several tasks."""
    notebooks = [read(solution(topic)) for topic in TOPICS]
    several = [notebook for notebook in notebooks if len(graded(notebook)) > 1]
    return min(several, key=lambda notebook: len(notebook.code))


@pytest.fixture(scope="module")
def points(source):
    return [cell.nbgrader["points"] for cell in graded(source)]


@pytest.fixture(scope="module")
def released(source, tmp_path_factory):
    course = Course(tmp_path_factory.mktemp("course"), source.path.stem)
    shutil.copy(ROOT / "nbgrader_config.py", course.folder)
    shutil.copytree(source.path.parent, course.notebook("solutions").parent)
    done = course.nbgrader("generate_assignment")
    assert done.returncode == 0, done.stderr
    return course


@pytest.fixture(scope="module")
def marked(source, released):
    exercise = json.loads(released.notebook("exercises").read_bytes())
    answers = {cell.id: cell.source for cell in source.cells if cell.nbgrader.get("solution")}
    check = graded(source)[0]
    above = [cell.id for cell in source.cells[: source.cells.index(check)] if cell.id in answers]
    reference = with_answers(exercise, answers)
    mistaken = with_answers(reference, {above[-1]: known_mistake(check)})
    released.hand_in("blank", json.dumps(exercise))
    released.hand_in("reference", json.dumps(reference))
    released.hand_in("reference-cut", json.dumps(without(reference, check.id)))
    released.hand_in("reference-copied", json.dumps(with_copy_of(reference, check.id)))
    released.hand_in("mistaken", json.dumps(mistaken))
    released.hand_in("mistaken-cut", json.dumps(without(mistaken, check.id)))
    done = released.nbgrader("autograde")
    assert done.returncode == 0, done.stderr
    return released


def test_the_teacher_releases_the_committed_exercise(released):
    committed = ROOT / "exercises" / released.topic / f"{released.topic}.ipynb"
    assert released.notebook("exercises").read_bytes() == committed.read_bytes()


EXPECTED = {
    "reference": lambda points: sum(points),
    "reference-cut": lambda points: sum(points),  # the check is put back
    "reference-copied": lambda points: sum(points),
    "blank": lambda points: 0,
    "mistaken": lambda points: sum(points[1:]),
    "mistaken-cut": lambda points: sum(points[1:]),
}


@pytest.mark.parametrize("student", EXPECTED)
def test_a_submission_earns_the_points_of_its_right_answers(marked, points, student):
    assert marked.score(student) == EXPECTED[student](points)


def test_the_feedback_says_which_mistake_it_was(source, marked):
    done = marked.nbgrader("generate_feedback")
    assert done.returncode == 0, done.stderr
    (task,) = checked_by(graded(source)[0])
    sentence = TASKS[task].mistakes[0].message
    page = marked.notebook("feedback", "mistaken").with_suffix(".html")
    assert sentence in html.unescape(page.read_text("utf-8"))


def test_a_file_that_is_no_notebook_is_named_and_everybody_else_is_graded(marked, points):
    marked.hand_in("broken", '{"cells": [')
    marked.hand_in("late", marked.notebook("submitted", "reference").read_text("utf-8"))
    done = marked.nbgrader("autograde")
    assert done.returncode != 0
    assert f"There was an error processing assignment '{marked.topic}' for student 'broken'" in (
        done.stderr
    )
    assert "Notebook does not appear to be JSON" in done.stderr
    assert [marked.score(student) for student in ("late", "reference")] == [sum(points)] * 2
