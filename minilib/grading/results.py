"""Results on disk: one file for each attempt, whole or not there at all.

graded/NN_topic/STUDENT/CONTENT.json, where CONTENT is the beginning of the hash of what was handed
in. Another attempt is another file, so all of them are kept; what is already there, for the same
content and the same assignment, is not graded again. A file is written beside its place and then
renamed, so that whoever is killed in between leaves nothing half-written.
"""

import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from minilib.grading.examiner import Examined, Mark
from minilib.grading.submissions import Submission

CHECKS = Path(__file__).parents[1] / "checks"


@dataclass(frozen=True)
class Result:
    """One attempt of one student at one assignment, marked.

    Attributes
    ----------
    student, assignment : str
        Whose, and at what.
    content, version : str
        Hash of what was handed in, and of all that it was marked by.
    submitted : datetime
        When it was handed in.
    examined : Examined
        The marks, the notes and the rebuilt notebook.
    review : bool
        Whether the marks mean nothing until somebody has looked: the grading itself failed.
    """

    student: str
    assignment: str
    content: str
    version: str
    submitted: datetime
    examined: Examined
    review: bool = False

    @property
    def points(self) -> float:
        """Points earned, before any penalty."""
        return sum(mark.points for mark in self.examined.marks)

    @property
    def most(self) -> float:
        """Points to be had."""
        return sum(mark.most for mark in self.examined.marks)


def result_of(submission: Submission, version: str, examined: Examined, *, review: bool) -> Result:
    """Put together what was handed in and what became of it.

    Parameters
    ----------
    submission : Submission
        What was handed in.
    version : str
        As `version_of` gives it.
    examined : Examined
        What became of it.
    review : bool
        Whether somebody has to look.

    Returns
    -------
    Result
    """
    noted = replace(examined, notes=submission.notes + examined.notes)
    return Result(
        submission.student,
        submission.assignment,
        hashlib.sha256(submission.content).hexdigest(),
        version,
        submission.submitted,
        noted,
        review,
    )


def version_of(skeleton: bytes, seed: int) -> str:
    """Sum up all that decides about marks: the teacher's notebook, the checkers, the seed.

    Parameters
    ----------
    skeleton : bytes
        The teacher's notebook.
    seed : int
        Seed of the checkers' inputs.

    Returns
    -------
    str
        A hash.
    """
    sources = [path.read_bytes() for path in sorted(CHECKS.rglob("*.py"))]
    parts = [skeleton, str(seed).encode(), *sources]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def place_of(folder: Path, student: str, assignment: str, content: str) -> Path:
    """Name the file of a result.

    Parameters
    ----------
    folder : Path
        Where results are kept.
    student, assignment, content : str
        As in `Result`.

    Returns
    -------
    Path
    """
    return folder / assignment / student / f"{content[:16]}.json"


def save_result(folder: Path, result: Result) -> None:
    """Write a result into its file.

    Parameters
    ----------
    folder : Path
        Where results are kept.
    result : Result
        Any.
    """
    place = place_of(folder, result.student, result.assignment, result.content)
    written = asdict(result) | {"submitted": result.submitted.isoformat()}
    write_whole(place, json.dumps(written, ensure_ascii=False, indent=1))


def load_result(path: Path) -> Result:
    """Read a result.

    Parameters
    ----------
    path : Path
        Its file.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        If the file does not hold one; the message names it.
    """
    try:
        read = json.loads(path.read_text("utf-8"))
        examined = read.pop("examined")
        marks = tuple(Mark(**mark) for mark in examined.pop("marks"))
        examined["notes"] = tuple(examined["notes"])
        read["submitted"] = datetime.fromisoformat(read["submitted"])
        return Result(**read, examined=Examined(marks=marks, **examined))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no result of grading ({error}); delete it") from error


def load_results(folder: Path) -> list[Result]:
    """Read all results.

    Parameters
    ----------
    folder : Path
        Where results are kept, or a part of that.

    Returns
    -------
    list of Result
        By assignment, student, and time of submission.
    """
    results = [load_result(path) for path in folder.rglob("*.json")]
    return sorted(results, key=lambda one: (one.assignment, one.student, one.submitted))


def class_seed(folder: Path) -> int:
    """Give the seed that all submissions are graded with; the first time it is drawn.

    Parameters
    ----------
    folder : Path
        Where results are kept.

    Returns
    -------
    int
    """
    place = folder / "seed"
    if not place.exists():
        write_whole(place, f"{secrets.randbits(32)}\n")
    return int(place.read_text("utf-8"))


def write_whole(place: Path, text: str) -> None:
    """Write a file so that it is there with all its text, or as it was before.

    Parameters
    ----------
    place : Path
        The file; folders above it are made.
    text : str
        What it shall hold.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}.{os.getpid()}-{secrets.token_hex(4)}")
    with beside.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(place)
