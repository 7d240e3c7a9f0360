"""Check a whole exercise: `python -m minilib.checks exercises/NN_topic/NN_topic.ipynb`.

The notebook is run from top to bottom in a fresh Python, as a teacher would run it, and each task
is checked on fresh inputs. It ends with 0 if all points were earned, with 1 if not.
"""

import argparse
import os
import secrets
import sys
from pathlib import Path

from minilib.grading.examiner import Examined, examine

SOLUTIONS = Path(__file__).parents[2] / "solutions"


def main(arguments: list[str] | None = None) -> None:
    """Check the notebook that the command line names.

    Parameters
    ----------
    arguments : list of str, optional
        The command line; without it, that of this process.

    Raises
    ------
    SystemExit
        Always: 0 if all points were earned, 1 if not, a sentence if there is nothing to check.
    """
    parser = argparse.ArgumentParser(prog="python -m minilib.checks", description=__doc__)
    parser.add_argument("notebook", type=Path, help="an exercise that you have worked on")
    notebook = parser.parse_args(arguments).notebook
    seed = int(os.environ.get("MINILIB_CHECK_SEED") or secrets.randbits(32))
    try:
        skeleton = skeleton_of(notebook).read_bytes()
        examined = examine(skeleton, notebook.read_bytes(), seed=seed, walled=False)
    except (ValueError, OSError) as error:
        sys.exit(f"{error}")
    print(table(examined))
    raise SystemExit(any(mark.points < mark.most for mark in examined.marks))


def skeleton_of(notebook: Path) -> Path:
    """Find the course's own notebook for an exercise, by its name or else by its number.

    Parameters
    ----------
    notebook : Path
        Somebody's copy: ``06_weight_pruning.ipynb``, or ``06 mine.ipynb``.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If the course has no such exercise.
    """
    known = {path.stem: path for path in sorted(SOLUTIONS.glob("*/*.ipynb"))}
    alike = [path for name, path in known.items() if name[:2] == notebook.stem[:2]]
    if notebook.stem not in known and not alike:
        raise ValueError(
            f"There is no exercise {notebook.stem!r}; begin the name with one of "
            f"{', '.join(known) or f'those in {SOLUTIONS}'}."
        )
    return known.get(notebook.stem) or alike[0]


def table(examined: Examined) -> str:
    """Write marks as a table for the terminal.

    Parameters
    ----------
    examined : Examined
        What became of a notebook.

    Returns
    -------
    str
        A line for each task, one for the sum, and the notes.
    """
    width = max(len(mark.task) for mark in examined.marks)
    lines = [
        f"{'✓' if mark.points == mark.most else '✗'} {mark.task:{width}}  "
        f"{mark.points:g} of {mark.most:g}  {mark.sentence}"
        for mark in examined.marks
    ]
    points, most = sum(m.points for m in examined.marks), sum(m.most for m in examined.marks)
    return "\n".join([*lines, f"{points:g} of {most:g} points", *examined.notes])


if __name__ == "__main__":
    main()
