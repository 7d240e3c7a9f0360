"""What was handed in, as nbgrader collects it and as people leave it: STUDENT/NN_topic/."""

import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nbgrader.utils import parse_utc

from minilib.grading.rebuild import MOST_BYTES


@dataclass(frozen=True)
class Submission:
    """One file that somebody handed in for one assignment.

    Attributes
    ----------
    student, assignment : str
        Names of the two folders that it was in.
    content : bytes
        The file; empty if there was none, cut behind what a notebook may have.
    submitted : datetime
        When, in UTC: from ``timestamp.txt`` beside it, or when the file was written.
    notes : tuple of str
        What was odd about it, a sentence each.
    """

    student: str
    assignment: str
    content: bytes
    submitted: datetime
    notes: tuple[str, ...]


def find_submissions(folder: Path, assignments: list[str]) -> list[tuple[str, str]]:
    """List who has handed in what.

    Parameters
    ----------
    folder : Path
        Holds a folder for each student, with a folder for each assignment.
    assignments : list of str
        Those to look for.

    Returns
    -------
    list of tuple
        Student and assignment, sorted.
    """
    students = [path for path in folder.glob("*") if _is_real(path, stat.S_ISDIR)]
    pairs = [(student.name, name) for student in students for name in assignments]
    return sorted(pair for pair in pairs if _is_real(folder.joinpath(*pair), stat.S_ISDIR))


def read_submission(folder: Path, student: str, assignment: str) -> Submission:
    """Read the notebook that somebody handed in, whatever its name is.

    Parameters
    ----------
    folder : Path
        As for `find_submissions`.
    student, assignment : str
        One of the pairs that it gives.

    Returns
    -------
    Submission
    """
    place = folder / student / assignment
    files = [path for path in place.iterdir() if path.suffix.lower() == ".ipynb"]
    files = [path for path in files if _is_real(path, stat.S_ISREG)]
    named = [path for path in files if path.stem == assignment]
    notes = []
    if not files:
        notes.append("There is no notebook in the submission.")
    elif not named:
        notes.append(f"The notebook was called {max(files, key=_written).name}.")
    file = max(named or files, key=_written, default=None)
    content = b""
    if file is not None:
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    return Submission(student, assignment, content, _submitted(place, file), tuple(notes))


def _submitted(place: Path, file: Path | None) -> datetime:
    note = place / "timestamp.txt"
    if _is_real(note, stat.S_ISREG) and note.stat().st_size < 200:
        try:
            return parse_utc(note.read_text("utf-8").strip()).replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            pass
    return datetime.fromtimestamp(_written(file or place), UTC)


def _written(path: Path) -> float:
    return path.stat().st_mtime


def _is_real(path: Path, kind: object) -> bool:
    """Tell a file or folder from a link, a pipe and the like, which nobody hands in by mistake."""
    return path.exists() and kind(path.lstat().st_mode)
