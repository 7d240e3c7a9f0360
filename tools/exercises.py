"""Generate exercises/ from solutions/: what `make exercises` runs.

Each solutions/NN_topic/NN_topic.ipynb becomes exercises/NN_topic/NN_topic.ipynb. The same sources
always give the same bytes, and exercises/ changes only when all of them succeed.
"""

import json
import logging
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from nbformat.validator import iter_validate
from nbgrader.converters import GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from traitlets.config import PyFileConfigLoader

ROOT = Path(__file__).resolve().parents[1]


def generate(root: Path) -> None:
    """Replace `root`/exercises by what `root`/solutions gives today.

    Parameters
    ----------
    root : Path
        The repository: holds nbgrader_config.py, solutions/ and exercises/.

    Raises
    ------
    ValueError
        If a source cannot become an exercise; every such source is named, and exercises/ stays
        as it was.
    """
    sources = sources_of(root / "solutions")
    complaints = [complaint for source in sources for complaint in complaints_about(source)]
    if complaints:
        raise ValueError("\n".join(complaints))
    with tempfile.TemporaryDirectory(prefix=".exercises-", dir=root) as workplace:
        release(root, [source.stem for source in sources], into=Path(workplace) / "new")
        swap(Path(workplace) / "new", root / "exercises")


def sources_of(solutions: Path) -> list[Path]:
    """List the notebooks that exercises are made from.

    Parameters
    ----------
    solutions : Path
        Folder with one folder NN_topic for each exercise.

    Returns
    -------
    list of Path
        NN_topic/NN_topic.ipynb of each folder, whether it exists or not, sorted.

    Raises
    ------
    ValueError
        If there is no such folder.
    """
    topics = sorted(path for path in solutions.glob("[0-9]*") if path.is_dir())
    if not topics:
        raise ValueError(f"{solutions} has no folder NN_topic; write NN_topic/NN_topic.ipynb there")
    return [topic / f"{topic.name}.ipynb" for topic in topics]


def complaints_about(source: Path) -> Iterator[str]:
    """Say why nbgrader could not keep track of this notebook's cells.

    Parameters
    ----------
    source : Path
        A notebook of solutions/.

    Yields
    ------
    str
        What is wrong, where, and what to write.
    """
    if not source.is_file():
        yield f"{source} is missing; an exercise has the name of its folder"
        return
    try:
        notebook = json.loads(source.read_bytes())
    except ValueError as error:
        yield f"{source} is not JSON ({error}); restore it from git or save it again in JupyterLab"
        return
    faults = [
        f"{source} is not a notebook of format 4.5: {fault.message} at {fault.json_path}"
        for fault in iter_validate(notebook, version=4, version_minor=5)
    ]
    yield from faults or complaints_about_cells(source, notebook["cells"])


def complaints_about_cells(source: Path, cells: list[dict]) -> Iterator[str]:
    """Say which cells nbgrader could lose or mix up.

    Parameters
    ----------
    source : Path
        The notebook, to name it.
    cells : list of dict
        Its cells.

    Yields
    ------
    str
        What is wrong, where, and what to write.
    """
    for name, times in Counter(cell["id"] for cell in cells).items():
        if times > 1:
            yield f"{source}: {times} cells have the id {name!r}; give a copied cell a new one"
    marked = {c["id"]: c["metadata"]["nbgrader"] for c in cells if "nbgrader" in c["metadata"]}
    if not any(mark.get("grade") for mark in marked.values()):
        yield f'{source} has no graded cell; write "grade": true in the nbgrader metadata of one'
    for name, mark in marked.items():
        if mark.get("grade_id") != name:
            yield (
                f"{source}: the nbgrader cell {name!r} has the grade_id {mark.get('grade_id')!r}; "
                f'write "grade_id": "{name}"'
            )
    for cell in cells:
        markers = re.findall("(BEGIN|END) SOLUTION", "".join(cell["source"]))
        if markers != ["BEGIN", "END"] * (len(markers) // 2):
            yield (
                f"{source}: the cell {cell['id']!r} needs one line ### END SOLUTION "
                "after each ### BEGIN SOLUTION"
            )
        if markers and not marked.get(cell["id"], {}).get("solution"):
            yield (
                f"{source}: the cell {cell['id']!r} holds a solution; "
                'write "solution": true in its nbgrader metadata'
            )


def release(root: Path, topics: list[str], *, into: Path) -> None:
    """Let nbgrader write the learner's version of some exercises.

    Parameters
    ----------
    root : Path
        The repository.
    topics : list of str
        Folders of `root`/solutions.
    into : Path
        A folder below `root`; it is created.

    Raises
    ------
    ValueError
        If nbgrader fails; it has logged why.
    """
    config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.release_directory = str(into.relative_to(root))
    config.SaveCells.enabled = False  # the gradebook is the teacher's, not the maintainer's
    course = CourseDirectory(config=config)
    for topic in topics:
        course.assignment_id = topic
        try:
            GenerateAssignment(coursedir=course, config=config, no_database=True).start()
        except NbGraderException as error:
            raise ValueError(f"nbgrader could not release solutions/{topic}: {error}") from error
    end_lines_alike(into)


def end_lines_alike(folder: Path) -> None:
    r"""Make notebooks the same bytes wherever they were written: Windows ends lines in \r\n.

    Parameters
    ----------
    folder : Path
        All notebooks below it are changed.
    """
    for path in folder.rglob("*.ipynb"):
        path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))


def swap(new: Path, current: Path) -> None:
    """Put one folder in the place of another, or leave the other as it was.

    Parameters
    ----------
    new : Path
        Folder that moves to `current`.
    current : Path
        Folder that moves to "old" beside `new`.
    """
    current.mkdir(exist_ok=True)
    old = current.rename(new.with_name("old"))
    try:
        new.rename(current)
    except OSError:
        old.rename(current)
        raise


def main() -> None:
    """Generate the exercises of this repository; say nothing unless something is wrong."""
    logging.basicConfig(level=logging.WARNING, format="nbgrader: %(message)s")
    try:
        generate(ROOT)
    except (ValueError, OSError) as error:
        sys.exit(f"{error}\nexercises/ was left as it was.")


if __name__ == "__main__":
    main()
