"""nbgrader's gradebook, written by one process through nbgrader's own interface.

What is here can be read with `nbgrader export`, shown with `nbgrader generate_feedback` and looked
through in its formgrader. The gradebook is a copy: the results in graded/ can rebuild it.
"""

import json
import os
import shutil
import sysconfig
import warnings
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import SaveCells
from sqlalchemy.exc import SAWarning

from minilib.grading.policy import Counted, Policy
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
    address = f"sqlite:///{course / 'gradebook.db'}"
    if shutil.which("alembic") is None:  # which nbgrader starts by its bare name
        os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # about how nbgrader builds its objects
        for name in sorted({one.result.assignment for one in counts}):
            _register(course, address, name, policy)
        with Gradebook(address) as gradebook:
            for one in counts:
                _record(gradebook, one)
                _write_notebook(course, one)


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
        grade.auto_score = mark.points
        grade.needs_manual_grade = result.review
    gradebook.db.commit()


def _register(course: Path, address: str, assignment: str, policy: Policy) -> None:
    """Tell the gradebook what the assignment's cells are, unless it knows."""
    with Gradebook(address) as gradebook:
        due = policy.due.get(assignment)
        dates = {} if due is None else {"duedate": due.isoformat()}
        gradebook.update_or_create_assignment(assignment, **dates)
        try:
            gradebook.find_notebook(assignment, assignment)
            return
        except MissingEntry:
            pass
    released = course / "exercises" / assignment / f"{assignment}.ipynb"
    place = {"notebook": assignment, "assignment": assignment, "db_url": address}
    SaveCells().preprocess(nbformat.read(released, 4), {"nbgrader": place})


def _write_notebook(course: Path, one: Counted) -> None:
    name = one.result.assignment
    place = course / "autograded" / one.result.student / name / f"{name}.ipynb"
    write_whole(place, json.dumps(one.result.examined.notebook, ensure_ascii=False, indent=1))
