"""Marks as tables for learning platforms, and answers as files for plagiarism tools."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

from minilib.grading.policy import Counted
from minilib.grading.rebuild import is_answer
from minilib.grading.results import write_whole


def moodle(counts: list[Counted]) -> str:
    """Make the table that Moodle imports: map ``student``, then a grade and a feedback for each.

    Parameters
    ----------
    counts : list of Counted
        One for each student and assignment.

    Returns
    -------
    str
        CSV.
    """
    names = _assignments(counts)
    head = ["student", *(column for name in names for column in (name, f"{name} feedback"))]
    rows = [
        [student, *(field for name in names for field in _moodle_fields(marks.get(name)))]
        for student, marks in _by_student(counts).items()
    ]
    return _csv([head, *rows])


def canvas(counts: list[Counted]) -> str:
    """Make the table that Canvas imports; it finds students by their login.

    Parameters
    ----------
    counts : list of Counted
        One for each student and assignment.

    Returns
    -------
    str
        CSV.
    """
    names = _assignments(counts)
    most = {one.result.assignment: one.result.most for one in counts}
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *names]
    possible = ["    Points Possible", "", "", "", "", *(f"{most[name]:g}" for name in names)]
    rows = [
        [student, "", "", student, "", *(_points(marks.get(name)) for name in names)]
        for student, marks in _by_student(counts).items()
    ]
    return _csv([head, possible, *rows])


def write_answers(folder: Path, counts: list[Counted]) -> None:
    """Write what students wrote themselves, and nothing of what they were given.

    Parameters
    ----------
    folder : Path
        Gets ASSIGNMENT/STUDENT/ASSIGNMENT.py, as JPlag and MOSS want it.
    counts : list of Counted
        One for each student and assignment.
    """
    for one in counts:
        name = one.result.assignment
        cells = one.result.examined.notebook["cells"]
        own = [c for c in cells if is_answer(c) or c["id"].startswith("extra-")]
        text = "\n\n".join(f"# {cell['id']}\n{cell['source']}" for cell in own)
        write_whole(folder / name / one.result.student / f"{name}.py", text + "\n")


TABLES: dict[str, Callable[[list[Counted]], str]] = {"moodle": moodle, "canvas": canvas}


def _moodle_fields(one: Counted | None) -> list[str]:
    if one is None:
        return ["", ""]
    marks = one.result.examined.marks
    lines = [f"{m.task} ({m.points:g} of {m.most:g}): {m.sentence}" for m in marks]
    return [_points(one), "\n".join(lines)]


def _points(one: Counted | None) -> str:
    return "" if one is None else f"{one.points:g}"


def _assignments(counts: list[Counted]) -> list[str]:
    return sorted({one.result.assignment for one in counts})


def _by_student(counts: list[Counted]) -> dict[str, dict[str, Counted]]:
    students: dict[str, dict[str, Counted]] = {}
    for one in sorted(counts, key=lambda one: one.result.student):
        students.setdefault(one.result.student, {})[one.result.assignment] = one
    return students


def _csv(rows: list[list[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()
