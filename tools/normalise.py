"""Bring a notebook into the one form in which it is stored, so that a diff shows what changed.

Running the same cells twice gives different random names, times and paths; here they get names
that last, or go.
"""

import copy
import json
import re
import unicodedata
from itertools import groupby

import nbformat

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
MODEL = re.compile("IPY_MODEL_([0-9a-f]{32})")
DRAWN_BY_LOT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8,}")
OVERWRITTEN = re.compile(r"^.*\r(?=[^\n])", re.MULTILINE)  # what nbval drops, too
TERMINAL_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CELL_METADATA = {"deletable", "editable", "jupyter", "nbgrader", "slideshow", "tags"}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def normalised(notebook: dict) -> dict:
    """Return the notebook as it is stored.

    Cells have lasting names and are counted from 1; nothing tells when or where they ran; a
    progress bar stands as it ended; widgets are numbered in the order of the outputs, and those
    that no output shows are gone.

    Parameters
    ----------
    notebook : dict
        A notebook of format 4, executed or not.

    Returns
    -------
    dict
        A new notebook; bringing it into form again changes nothing.

    Raises
    ------
    ValueError
        If two nbgrader cells share a grade_id.
    """
    notebook = copy.deepcopy(notebook)
    widgets = notebook["metadata"].get("widgets", {}).get(STATE, {}).get("state", {})
    notebook["metadata"] = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    notebook["nbformat_minor"] = 5
    cells = notebook["cells"]
    for cell, name in zip(cells, cell_names(cells), strict=True):
        kept = {key: value for key, value in cell["metadata"].items() if key in CELL_METADATA}
        cell.update(id=name, metadata=kept, source=cell["source"].rstrip())
    ran = [cell for cell in cells if cell.get("execution_count")]
    for count, cell in enumerate(ran, start=1):
        cell["execution_count"] = count
        cell["outputs"] = [stored_output(output, count) for output in whole(cell["outputs"])]
    numbers = widget_numbers(widgets, shown_widgets(cells))
    if numbers:
        state = {"state": renamed(widgets, numbers), "version_major": 2, "version_minor": 0}
        notebook["metadata"]["widgets"] = {STATE: state}
    for data in widget_outputs(cells):
        if data[VIEW]["model_id"] in numbers:
            data[VIEW]["model_id"] = numbers[data[VIEW]["model_id"]]
        else:
            del data[VIEW]  # its widget was not stored; the other forms of the output stay
    return notebook


def as_text(notebook: dict) -> str:
    """Write a notebook as JSON with sorted keys and a line end at its end.

    Parameters
    ----------
    notebook : dict
        A notebook of format 4.

    Returns
    -------
    str
        What its file holds.
    """
    return nbformat.v4.writes(nbformat.from_dict(notebook)) + "\n"


def cell_names(cells: list[dict]) -> list[str]:
    """Give each cell the name it has, or one made of the heading above it.

    Parameters
    ----------
    cells : list of dict
        The cells of a notebook.

    Returns
    -------
    list of str
        The grade_id, the id if it can be read, or such as "why-it-diverges-2" for the second
        cell below the heading "Why it diverges". Each is there once.

    Raises
    ------
    ValueError
        If two nbgrader cells share a grade_id.
    """
    names = [cell["metadata"].get("nbgrader", {}).get("grade_id") for cell in cells]
    taken = set(names) - {None}
    for name in taken:
        if names.count(name) > 1:
            raise ValueError(f"two cells have the grade_id {name!r}; give a copied cell a new one")
    for index, cell in enumerate(cells):
        if names[index] is None and is_readable(cell.get("id", "")) and cell["id"] not in taken:
            names[index] = cell["id"]
            taken.add(cell["id"])
    section, position = "cell", 0
    for index, cell in enumerate(cells):
        headings = headings_of(cell)
        section, position = (headings[0], 1) if headings else (section, position + 1)
        while names[index] is None:
            name = f"{section}-{position}" if position > 1 else section
            if name in taken:
                position += 1
            else:
                names[index] = name
                taken.add(name)
        section = headings[-1] if headings else section
    return names


def is_readable(name: str) -> bool:
    """Tell a name that somebody wrote from one that was drawn by lot."""
    valid = re.fullmatch("[a-zA-Z0-9-_]{1,64}", name) and re.search("[a-zA-Z]{2}", name)
    return bool(valid) and not DRAWN_BY_LOT.fullmatch(name)


def headings_of(cell: dict) -> list[str]:
    """List the headings in a Markdown cell, each as a name for cells."""
    if cell["cell_type"] != "markdown":
        return []
    text = re.sub(r"(?ms)^(```+|~~~+).*?^\1", "", cell["source"])
    return [slug(heading) for heading in re.findall(r"(?m)^#{1,6}\s+(.+)", text)]


def slug(heading: str) -> str:
    """Write a heading in small letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode().lower()
    name = re.sub("[^a-z0-9]+", "-", plain)[:56].strip("-")  # 64 are allowed, with a number
    return name if is_readable(name) else "cell"


def whole(outputs: list[dict]) -> list[dict]:
    """Join what was printed in one go, and keep each line as it ended.

    The pieces it comes in, and the states of a progress bar, differ from run to run.
    """
    joined = []
    for stream, group in groupby(outputs, key=lambda output: output.get("name")):
        pieces = list(group)
        text = OVERWRITTEN.sub("", "".join(piece.get("text", "") for piece in pieces))
        joined += [{**pieces[0], "text": text}] if stream else pieces
    return joined


def stored_output(output: dict, count: int) -> dict:
    """Return an output without the number of another run and the places of this machine."""
    if "execution_count" in output:
        return {**output, "execution_count": count}
    if output["output_type"] == "error":
        frames = [
            frame
            for frame in output["traceback"]
            if not TERMINAL_COLOUR.sub("", frame).startswith("File ")  # outside the notebook
        ]
        return {**output, "traceback": frames}
    return output


def widget_outputs(cells: list[dict]) -> list[dict]:
    """List the data of all outputs that show a widget."""
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return [output["data"] for output in outputs if VIEW in output.get("data", {})]


def shown_widgets(cells: list[dict]) -> list[str]:
    """List the ids of the widgets that the outputs show, in order."""
    return [data[VIEW]["model_id"] for data in widget_outputs(cells)]


def widget_numbers(widgets: dict, shown: list[str]) -> dict[str, str]:
    """Give numbers to the shown widgets, to all they are made of, and to the links between them.

    Parameters
    ----------
    widgets : dict
        The stored state of each widget, by its random id.
    shown : list of str
        The ids of the widgets that the outputs show.

    Returns
    -------
    dict
        New ids, in ascending order. Who is not there is shown nowhere.
    """
    numbers: dict[str, str] = {}

    def number(widget: str) -> None:
        if widget in widgets and widget not in numbers:
            numbers[widget] = f"{len(numbers):032x}"
            for part in MODEL.findall(json.dumps(widgets[widget], sort_keys=True)):
                number(part)

    def ends(link: str) -> list[tuple[str | None, str]]:
        state = widgets[link]["state"]
        both = (state["source"], state["target"])
        return [(numbers.get(model.removeprefix("IPY_MODEL_")), trait) for model, trait in both]

    for widget in shown:
        number(widget)
    links = [widget for widget, model in widgets.items() if "LinkModel" in model["model_name"]]
    between = [link for link in links if all(model for model, _ in ends(link))]
    for link in sorted(between, key=ends):
        number(link)
    return numbers


def renamed(widgets: dict, numbers: dict[str, str]) -> dict:
    """Return the state of the numbered widgets under their numbers."""
    kept = {numbers[widget]: widgets[widget] for widget in numbers}
    text = json.dumps(kept, ensure_ascii=False)
    return json.loads(MODEL.sub(lambda found: f"IPY_MODEL_{numbers[found[1]]}", text))
