"""Run the notebooks and store what they show: what `make lessons` runs.

Each notebook is run from top to bottom in a fresh kernel, in its own folder, and written back
with its outputs in the one form of `tools/normalise.py`. A notebook that fails is left as it was.
After all lessons have run, the table of lessons in README.md is written afresh.
"""

import argparse
import json
import math
import os
import re
import shutil
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # run as a script, Python looks in tools/ only

from tools.normalise import as_text, normalised  # noqa: E402

CELL_SECONDS = 20
NOTEBOOK_SECONDS = 60
NOTEBOOK_BYTES = 1_000_000
TABLE = re.compile(r"(<!-- lessons: begin -->\n).*?(?=<!-- lessons: end -->)", re.DOTALL)


def read(path: Path) -> nbformat.NotebookNode:
    """Read a notebook.

    Parameters
    ----------
    path : Path
        Its file.

    Returns
    -------
    NotebookNode
        A notebook of format 4, as it is stored.

    Raises
    ------
    ValueError
        If it is not JSON or not a notebook.
    """
    text = path.read_bytes()
    try:
        json.loads(text)
    except ValueError as error:
        raise ValueError(
            f"it is not JSON ({error}); restore it from git or save it again in JupyterLab"
        ) from error
    try:
        notebook = nbformat.from_dict(normalised(nbformat.v4.reads(text)))
        nbformat.validate(notebook)
    except (AttributeError, KeyError, TypeError, nbformat.ValidationError) as error:
        raise ValueError(f"it is not a notebook of format 4: {error}") from error
    return notebook


def execute_(notebook: nbformat.NotebookNode, folder: Path) -> float:
    """Run all cells in a fresh kernel; their outputs replace the old ones in `notebook`.

    Parameters
    ----------
    notebook : NotebookNode
        The notebook; it is changed.
    folder : Path
        Where its cells run.

    Returns
    -------
    float
        Seconds it took, without the start of the kernel.

    Raises
    ------
    ValueError
        If a cell raises without the tag raises-exception, writes to stderr or takes too long, or
        the whole takes too long.
    """
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        extra_arguments=["--log-level=CRITICAL"],
        resources={"metadata": {"path": str(folder)}},
    )
    client.reset_execution_trackers()
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.update(execution_count=None, outputs=[])
    with client.setup_kernel():
        start = time.perf_counter()
        for index, cell in enumerate(notebook.cells):
            try:
                client.execute_cell(cell, index)
            except CellExecutionError as error:
                raise ValueError(f"{cell.id} raises {error.ename}: {error.evalue}") from error
            except CellTimeoutError as error:
                raise ValueError(f"{cell.id} takes more than {CELL_SECONDS} s") from error
            except DeadKernelError as error:
                raise ValueError(f"{cell.id} ends the kernel") from error
            for output in cell.get("outputs", []):
                if output.get("name") == "stderr":
                    raise ValueError(f"{cell.id} writes to stderr: {output.text}")
            seconds = time.perf_counter() - start
            if seconds > NOTEBOOK_SECONDS:
                raise ValueError(f"it takes more than {NOTEBOOK_SECONDS} s; {cell.id} came last")
        client.set_widgets_metadata()
    return seconds


def write(path: Path, text: str) -> None:
    """Replace a file by `text`, or leave it whole.

    Parameters
    ----------
    path : Path
        The file; it exists.
    text : str
        What it shall hold.

    Raises
    ------
    OSError
        If the disk is full, for example.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_bytes(text.encode("utf-8"))
        shutil.copymode(path, new)
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def update(path: Path, *, run: bool) -> float:
    """Run a notebook, or only bring it into form, and write it back.

    Parameters
    ----------
    path : Path
        The notebook.
    run : bool
        Whether to run its cells.

    Returns
    -------
    float
        Seconds its cells took.

    Raises
    ------
    ValueError, OSError
        If it cannot be read, run or written, or grows too big.
    """
    notebook = read(path)
    seconds = execute_(notebook, path.parent) if run else 0.0
    text = as_text(normalised(notebook))
    if len(text.encode("utf-8")) >= NOTEBOOK_BYTES:
        raise ValueError(
            f"it would have {len(text.encode('utf-8')):,} bytes, and web viewers refuse "
            f"{NOTEBOOK_BYTES:,}; show fewer or smaller pictures"
        )
    write(path, text)
    return seconds


def row(path: Path, seconds: float) -> str:
    """Write a lesson's line in the table of lessons.

    Parameters
    ----------
    path : Path
        The lesson. Its first cell holds a title "# 01 · Title" and a card.
    seconds : float
        Time its cells took.

    Returns
    -------
    str
        Number, title, what one can do after it, minutes to read, seconds to run.

    Raises
    ------
    ValueError
        If the first cell lacks one of them.
    """
    text = nbformat.read(path, as_version=4).cells[0].source
    title = re.search(r"^# (\d\d) · (.+)", text)
    skills = re.search(r"(?m)^\| \*\*After this lesson you can\*\* \| (.+) \|$", text)
    minutes = re.search(r"(?m)^\|.*?(\d+) min", text)
    if not (title and skills and minutes):
        raise ValueError(
            f"{path.name} has no line in README.md: its first cell needs a title '# 01 · Title' "
            "and a table with '| **After this lesson you can** | … |' and '25 minutes'"
        )
    number, name = title.groups()
    unlinked = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", skills[1].strip())
    link = f"[{number}](notebooks/{path.name})"
    return f"| {link} | {name.strip()} | {unlinked} | {minutes[1]} | {5 * math.ceil(seconds / 5)} |"


def write_table(seconds: dict[Path, float]) -> None:
    """Write the table of lessons in README.md afresh.

    Parameters
    ----------
    seconds : dict
        Time each lesson took, in the order of the table.

    Raises
    ------
    ValueError
        If README.md has no place for it, or a lesson cannot be described.
    """
    readme = ROOT / "README.md"
    head = (
        "| | lesson | after it you can | minutes to read | seconds to run |\n|---|---|---|---|---|"
    )
    table = "\n".join([head, *(row(path, time) for path, time in seconds.items())])
    text, found = TABLE.subn(
        lambda match: f"{match[1]}{table}\n", readme.read_text(encoding="utf-8")
    )
    if not found:
        raise ValueError(
            "README.md has no place for the table of lessons; write the lines "
            "<!-- lessons: begin --> and <!-- lessons: end -->"
        )
    write(readme, text)


def main(arguments: list[str] | None = None) -> None:
    """Run what the command line asks for; the exit status is 1 if anything failed.

    Parameters
    ----------
    arguments : list of str, optional
        The command line, for tests.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("paths", nargs="*", type=Path, help="notebooks; without, all of them")
    parser.add_argument("--normalise", action="store_true", help="bring into form, do not run")
    options = parser.parse_args(arguments)
    lessons = sorted(ROOT.glob("notebooks/*.ipynb"))
    paths = options.paths or [*lessons, *sorted(ROOT.glob("solutions/*/*.ipynb"))]
    seconds: dict[Path, float] = {}
    for path in paths:
        try:
            seconds[path] = update(path, run=not options.normalise)
            print(f"{path.name:32} {seconds[path]:5.1f} s", flush=True)
        except (ValueError, OSError) as error:
            reason = " ".join(str(error).split())
            print(f"{path.name} was left as it was: {reason}", file=sys.stderr, flush=True)
    if len(seconds) < len(paths):
        sys.exit(1)
    if not options.paths and not options.normalise:
        try:
            write_table({path: seconds[path] for path in lessons})
        except (ValueError, OSError) as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
