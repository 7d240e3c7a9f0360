"""Marks as tables for learning platforms, and answers as files for plagiarism tools."""

import csv
import io
from pathlib import Path

from minilib.grading.policy import Counted
from minilib.grading.rebuild import is_answer
from minilib.grading.results import write_whole


def moodle(counts: list[Counted], points: list[float]) -> str:
    """Make the table that Moodle imports: map ``student``, then a grade and a feedback for each.

    Parameters
    ----------
    counts : list of Counted
        One for each student and assignment.
    points : list of float
        What each has earned in the end.

    Returns
    -------
    str
        CSV.
    """
    names = _assignments(counts)
    head = ["student", *(column for name in names for column in (name, f"{name} feedback"))]
    fields = {_key(one): (f"{p:g}", _lines(one)) for one, p in zip(counts, points, strict=True)}
    rows = [
        [student, *(field for name in names for field in fields.get((student, name), ("", "")))]
        for student in _students(counts)
    ]
    return _csv([head, *rows])


def canvas(counts: list[Counted], points: list[float]) -> str:
    """Make the table that Canvas imports; it finds students by their login.

    Parameters
    ----------
    counts : list of Counted
        One for each student and assignment.
    points : list of float
        What each has earned in the end.

    Returns
    -------
    str
        CSV.
    """
    names = _assignments(counts)
    most = {one.result.assignment: one.result.most for one in counts}
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *names]
    possible = ["    Points Possible", "", "", "", "", *(f"{most[name]:g}" for name in names)]
    fields = {_key(one): f"{p:g}" for one, p in zip(counts, points, strict=True)}
    rows = [
        [student, "", "", student, "", *(fields.get((student, name), "") for name in names)]
        for student in _students(counts)
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


TABLES = {"moodle": moodle, "canvas": canvas}


def _key(one: Counted) -> tuple[str, str]:
    return one.result.student, one.result.assignment


def _lines(one: Counted) -> str:
    marks = one.result.examined.marks
    return "\n".join(f"{m.task} ({m.points:g} of {m.most:g}): {m.sentence}" for m in marks)


def _assignments(counts: list[Counted]) -> list[str]:
    return sorted({one.result.assignment for one in counts})


def _students(counts: list[Counted]) -> list[str]:
    return sorted({one.result.student for one in counts})


def _csv(rows: list[list[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()
