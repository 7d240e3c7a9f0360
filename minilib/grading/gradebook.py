"""nbgrader's gradebook, written by one process through nbgrader's own interface.

What is here can be read with `nbgrader export`, shown with `nbgrader generate_feedback` and looked
through in its formgrader. The gradebook is a copy: the results in graded/ can rebuild it.
"""

import contextlib
import json
import os
import shutil
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import SaveCells
from sqlalchemy.exc import SAWarning
from traitlets.config import PyFileConfigLoader

from minilib.grading.policy import Counted, Policy
from minilib.grading.rebuild import is_check
from minilib.grading.results import write_whole


def record(course: Path, counts: list[Counted], policy: Policy) -> None:
    """Write the attempts that count into gradebook.db and autograded/.

    Parameters
    ----------
    course : Path
        The folder with nbgrader_config.py.
    counts : list of Counted
        One for each student and assignment.
    policy : Policy
        The rules, for the dates.
    """
    with _opened(course) as gradebook:
        for name in sorted({one.result.assignment for one in counts}):
            _register(gradebook, course, name, policy)
        for one in counts:
            _record(gradebook, one)
            _write_notebook(course, one)


def points_of(course: Path, counts: list[Counted]) -> list[float]:
    """Look up what the gradebook says, which knows the corrections made by hand.

    Parameters
    ----------
    course : Path
        The folder with gradebook.db.
    counts : list of Counted
        Of whom, and for what.

    Returns
    -------
    list of float
        Points after the penalty, never below 0.
    """
    with _opened(course) as gradebook:
        submissions = [
            gradebook.find_submission(one.result.assignment, one.result.student) for one in counts
        ]
        return [max(0.0, one.score - one.late_submission_penalty) for one in submissions]


@contextlib.contextmanager
def _opened(course: Path) -> Iterator[Gradebook]:
    """Open the gradebook; a new one is made beside its place, as nbgrader makes it in steps."""
    if shutil.which("alembic") is None:  # which nbgrader starts by its bare name
        os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    place = course / "gradebook.db"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # about how nbgrader builds its objects
        if not place.exists():
            beside = course / f".gradebook.{os.getpid()}"
            Gradebook(_address(beside), _course_id(course)).close()
            beside.replace(place)
        with Gradebook(_address(place), _course_id(course)) as gradebook:
            yield gradebook


def _address(place: Path) -> str:
    return f"sqlite:///{place}"


def _course_id(course: Path) -> str:
    """Read the course's name from nbgrader's configuration, as nbgrader itself does."""
    if not (course / "nbgrader_config.py").exists():
        return "default_course"
    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    return config.CourseDirectory.get("course_id", "default_course")


def _record(gradebook: Gradebook, one: Counted) -> None:
    result = one.result
    gradebook.update_or_create_student(result.student)
    moment = result.submitted.replace(tzinfo=None)
    submission = gradebook.update_or_create_submission(
        result.assignment, result.student, timestamp=moment
    )
    for notebook in submission.notebooks:
        notebook.late_submission_penalty = one.penalty
    for mark in result.examined.marks:
        grade = gradebook.find_grade(
            mark.cell, result.assignment, result.assignment, result.student
        )
        changed = grade.auto_score not in (None, mark.points)
        grade.auto_score = mark.points
        corrected = grade.manual_score is not None
        grade.needs_manual_grade = result.review or (corrected and changed)
    gradebook.db.commit()


def _register(gradebook: Gradebook, course: Path, assignment: str, policy: Policy) -> None:
    """Tell the gradebook what the assignment's cells are, unless it knows all of them."""
    due = policy.due.get(assignment)
    dates = {} if due is None else {"duedate": due.isoformat()}
    gradebook.update_or_create_assignment(assignment, **dates)
    released = nbformat.read(course / "exercises" / assignment / f"{assignment}.ipynb", 4)
    with contextlib.suppress(MissingEntry):
        known = gradebook.find_notebook(assignment, assignment).grade_cells
        if {cell.name for cell in known} == {cell.id for cell in released.cells if is_check(cell)}:
            return
    address = _address(course / "gradebook.db")
    place = {"notebook": assignment, "assignment": assignment, "db_url": address}
    SaveCells().preprocess(released, {"nbgrader": place})


def _write_notebook(course: Path, one: Counted) -> None:
    name = one.result.assignment
    place = course / "autograded" / one.result.student / name / f"{name}.ipynb"
    write_whole(place, json.dumps(one.result.examined.notebook, ensure_ascii=False, indent=1))
