"""A submission, rebuilt on the teacher's notebook, so that nothing but its answers survives.

The teacher's notebook is the skeleton: its order, its metadata, its checks. From the submission
come the texts of the answer cells, and its other code cells, each behind the cell that it followed.
Answer cells are found by their grade id, by their cell id, then by the name that they define.
"""

import ast
import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_BYTES = 20 * 2**20  # a notebook that is larger holds something else
MOST_CELLS = 2_000
MOST_EXTRA_CELLS = 200
DEFINITION = re.compile(r"^(?:(?:async +)?def +(\w+)|(\w+) *(?::[^=\n]+)?=(?!=))", re.MULTILINE)


@dataclass(frozen=True)
class Rebuilt:
    """A notebook that is the teacher's but for the answers.

    Attributes
    ----------
    notebook : dict
        As in its file, without outputs.
    notes : tuple of str
        What had to be put right, a sentence each.
    """

    notebook: dict
    notes: tuple[str, ...]


def read_notebook(data: bytes) -> dict:
    """Read a notebook that nobody vouches for.

    Parameters
    ----------
    data : bytes
        The file.

    Returns
    -------
    dict
        With a list of dictionaries under ``cells``, each with ``cell_type``, ``source`` (text),
        ``metadata`` and ``id``, whatever else was missing or wrong.

    Raises
    ------
    ValueError
        If this is no notebook; the message says what it is instead.
    """
    if len(data) > MOST_BYTES:
        raise ValueError(f"the file has {len(data):,} bytes; a notebook has {MOST_BYTES:,} at most")
    if not data.strip():
        raise ValueError("the file is empty")
    try:
        notebook = json.loads(_text(data))
    except RecursionError as error:
        raise ValueError("the file is nested too deeply for a notebook") from error
    except ValueError as error:
        raise ValueError(f"the file is no notebook, or only a part of one ({error})") from error
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list):
        raise ValueError("the file is no notebook of format 4: it has no list of cells")
    if len(cells) > MOST_CELLS:
        raise ValueError(f"the notebook has {len(cells):,} cells; {MOST_CELLS:,} are enough")
    return {**notebook, "cells": [_cell(cell) for cell in cells if isinstance(cell, dict)]}


def rebuild_submission(skeleton: dict, submission: dict) -> Rebuilt:
    """Put the answers of a submission into the teacher's notebook.

    Parameters
    ----------
    skeleton : dict
        The teacher's notebook, solved or not, as `read_notebook` gives it.
    submission : dict
        The learner's, as `read_notebook` gives it.

    Returns
    -------
    Rebuilt
    """
    places, notes = _match(skeleton["cells"], submission["cells"])
    cells = [_blank(cell) for cell in skeleton["cells"]]
    followers: dict[int, list[dict]] = {}
    here, extra, names = -1, 0, {cell["id"] for cell in cells}
    for number, theirs in enumerate(submission["cells"]):
        place = places.get(number)
        here = here if place is None else place
        if place is not None and is_answer(cells[place]):
            cells[place]["source"] = theirs["source"] if theirs["cell_type"] == "code" else ""
            continue
        if theirs["cell_type"] != "code" or not theirs["source"].strip():
            continue
        if place is not None and _is_kept(skeleton["cells"][place], theirs):
            continue
        extra += 1
        name = next(n for k in range(extra, 10**9) if (n := f"extra-{k}") not in names)
        followers.setdefault(here, []).append(_extra_cell(name, theirs["source"]))
    if extra > MOST_EXTRA_CELLS:
        raise ValueError(
            f"the notebook has {extra} cells of its own; {MOST_EXTRA_CELLS} are enough"
        )
    rebuilt = [*followers.get(-1, [])]
    for place, cell in enumerate(cells):
        rebuilt += [cell, *followers.get(place, [])]
    return Rebuilt({**_without_runs(skeleton), "cells": rebuilt}, tuple(notes))


def is_answer(cell: dict) -> bool:
    """Whether a cell of the teacher's notebook is for an answer.

    Parameters
    ----------
    cell : dict
        A cell.

    Returns
    -------
    bool
    """
    return bool(_marks(cell).get("solution"))


def is_check(cell: dict) -> bool:
    """Whether a cell of the teacher's notebook earns points.

    Parameters
    ----------
    cell : dict
        A cell.

    Returns
    -------
    bool
    """
    return bool(_marks(cell).get("grade"))


def checked(cell: dict) -> tuple[str, str]:
    """Name the task that a check cell asks for, and the variable that holds the answer.

    Parameters
    ----------
    cell : dict
        A cell of the teacher's notebook that calls ``check("NN.task", name)`` once.

    Returns
    -------
    tuple of str

    Raises
    ------
    ValueError
        If the cell is anything else.
    """
    match ast.parse(cell["source"]).body:
        case [
            ast.Expr(
                ast.Call(ast.Name("check"), [ast.Constant(str(task)), ast.Name(name)], keywords=[])
            )
        ]:
            return task, name
    raise ValueError(
        f'{cell["id"]}: write check("NN.task", name) and nothing else in a graded cell'
    )


def _match(ours: list[dict], theirs: list[dict]) -> tuple[dict[int, int], list[str]]:
    """Which cell of theirs stands for which of ours; what is missing among those that matter."""
    places: dict[int, int] = {}
    taken: set[int] = set()
    for names_of in (_grade_ids, _cell_ids, _defined):
        known: dict[str, int] = {}
        for place, cell in enumerate(ours):
            if names_of is not _defined or is_answer(cell):
                known |= dict.fromkeys(names_of(cell), place)
        for number, cell in enumerate(theirs):
            found = next((known[name] for name in names_of(cell) if name in known), None)
            if found is None or number in places or found in taken:
                continue
            places[number] = found
            taken.add(found)
    missing = [cell for place, cell in enumerate(ours) if place not in taken]
    notes = [f"The check {c['id']!r} was missing and is back." for c in missing if is_check(c)]
    notes += [f"There is no answer cell {c['id']!r}." for c in missing if is_answer(c)]
    return places, notes


def _grade_ids(cell: dict) -> list[str]:
    name = _marks(cell).get("grade_id")
    return [name] if isinstance(name, str) else []


def _cell_ids(cell: dict) -> list[str]:
    return [cell["id"]] if cell["id"] else []


def _defined(cell: dict) -> list[str]:
    """Names that the lines of a code cell define; its syntax is not parsed, nor trusted to be any.

    Parsing strangers' text could take gigabytes; and an answer with a slip in it is still one.
    """
    if cell["cell_type"] != "code":
        return []
    found = DEFINITION.findall(cell["source"])
    return [function for function, _ in found if function] + [name for _, name in found if name]


def _is_kept(ours: dict, theirs: dict) -> bool:
    """Whether nothing is lost if our cell is run and theirs is not: it is a check, or the same."""
    return is_check(ours) or ours["source"].split() == theirs["source"].split()


def _blank(cell: dict) -> dict:
    cell = copy.deepcopy(cell)
    if cell["cell_type"] == "code":
        cell |= {"outputs": [], "execution_count": None}
    if is_answer(cell):
        cell["source"] = ""
    return cell


def _extra_cell(name: str, source: str) -> dict:
    return {
        "cell_type": "code",
        "id": name,
        "metadata": {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def _without_runs(skeleton: dict) -> dict:
    kept = ("kernelspec", "language_info")
    metadata = {name: skeleton.get("metadata", {}).get(name) for name in kept}
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {name: value for name, value in metadata.items() if value},
    }


def _marks(cell: dict) -> dict:
    marks = cell["metadata"].get("nbgrader")
    return marks if isinstance(marks, dict) else {}


def _cell(cell: dict) -> dict:
    source = cell.get("source", "")
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    source = source if isinstance(source, str) else ""
    kind, name, metadata = cell.get("cell_type"), cell.get("id"), cell.get("metadata")
    return {
        "cell_type": kind if kind in ("code", "markdown", "raw") else "raw",
        "id": name if isinstance(name, str) else "",
        "metadata": metadata if isinstance(metadata, dict) else {},
        "source": source.encode("utf-8", "replace").decode(),  # halves of letters fit in no file
    }


def _text(data: bytes) -> str:
    for encoding in _encodings(data):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _encodings(data: bytes) -> Iterator[str]:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield "utf-16"
    yield "utf-8-sig"
