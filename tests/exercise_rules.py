"""What every exercise keeps to; each rule yields a sentence for each place that breaks it.

`SOURCE_RULES` look at the notebook in solutions/, `RELEASE_RULES` at the one in exercises/.
"""

import ast
import re
from collections.abc import Iterator

from tests.library import public_names
from tests.notebooks import Cell, Notebook
from tools.exercises import complaints_about


def graded(notebook: Notebook) -> list[Cell]:
    return [cell for cell in notebook.cells if cell.nbgrader.get("grade")]


def checked_by(cell: Cell) -> list[str | None]:
    """The tasks whose checkers a cell calls; None where the task is not written out."""
    calls = [node for node in ast.walk(cell.syntax()) if isinstance(node, ast.Call)]
    calls = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "check"]
    return [getattr(call.args[0], "value", None) if call.args else None for call in calls]


def statements(notebook: Notebook) -> Iterator[tuple[Cell, str]]:
    """Each graded cell with the text of its task: from the last ## heading down to the cell."""
    text = ""
    for cell in notebook.cells:
        if cell.kind == "markdown":
            text = re.split(r"(?m)^(?=## )", f"{text}\n\n{cell.source}")[-1]
        if cell.nbgrader.get("grade"):
            yield cell, text


def can_be_tracked_by_nbgrader(notebook: Notebook) -> Iterator[str]:
    yield from complaints_about(notebook.path)


def locks_its_checks(notebook: Notebook) -> Iterator[str]:
    for cell in graded(notebook):
        if not cell.nbgrader.get("locked"):
            yield f'{cell.id}: a learner could change the check; write "locked": true'
        if cell.nbgrader.get("solution"):
            yield f'{cell.id}: nobody would grade it by hand; write "solution": false'
        if not cell.nbgrader.get("points", 0) > 0:
            yield f'{cell.id}: it earns nothing; write "points" above 0'


def checks_once_and_in_the_open(notebook: Notebook) -> Iterator[str]:
    hiding = {"hide-cell", "hide-input", "remove-cell", "remove-input", "skip-execution"}
    number = notebook.path.stem[:2]
    for cell in graded(notebook):
        tasks = checked_by(cell)
        if len(tasks) != 1 or not str(tasks[0]).startswith(f"{number}."):
            yield f'{cell.id}: it checks {tasks}; call check("{number}.name", answer) once'
        if "HIDDEN TESTS" in cell.source:
            yield f"{cell.id}: it hides tests, which solutions/ shows anyway; put them in minilib"
        if hiding & set(cell.tags) or cell.metadata.get("jupyter", {}).get("source_hidden"):
            yield f"{cell.id}: a learner cannot see the check; remove its hiding tag"


def has_a_card_for_each_task(notebook: Notebook) -> Iterator[str]:
    for cell, text in statements(notebook):
        points = cell.nbgrader.get("points")
        for what, example in (
            (r"[●○]{3}", "●●○"),
            (r"\b\d+ min", "10 minutes"),
            (rf"\b{points} points?\b", f"{points} points"),
        ):
            if not re.search(what, text):
                yield f"{cell.id}: no card below the task's ## heading says {example!r}; write it"


def hints_in_three_steps(notebook: Notebook) -> Iterator[str]:
    for cell, text in statements(notebook):
        if re.findall(r"<details>\s*<summary>Hint (\d)", text) != ["1", "2", "3"]:
            yield (
                f"{cell.id}: its task does not have three folded hints; write "
                "<details><summary>Hint 1</summary> … </details>, then 2, then 3"
            )


def asks_for_nothing_that_minilib_has(notebook: Notebook) -> Iterator[str]:
    ours = public_names()
    for cell in notebook.code:
        for node in ast.walk(cell.syntax()):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in ours:
                yield f"{cell.id}: minilib has {node.name}; let the learner write a variation"


def gives_no_solution_away(notebook: Notebook) -> Iterator[str]:
    for cell in notebook.cells:
        if "BEGIN SOLUTION" in cell.source or "END SOLUTION" in cell.source:
            yield f"{cell.id}: it shows a solution; run make exercises"
        if cell.outputs or cell.execution_count is not None:
            yield f"{cell.id}: it was run; run make exercises and solve a copy"


SOURCE_RULES = (
    can_be_tracked_by_nbgrader,
    locks_its_checks,
    checks_once_and_in_the_open,
    has_a_card_for_each_task,
    hints_in_three_steps,
    asks_for_nothing_that_minilib_has,
)
RELEASE_RULES = (gives_no_solution_away,)
