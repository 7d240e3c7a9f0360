"""A small lesson and a small exercise that keep every rule; tests spoil copies of them.

They also show an author the form that the rules ask for.
"""

import base64
import json
import re
from pathlib import Path

ALT = "The error falls quickly at first and flattens after 20 steps."
DOT = base64.b64encode(b"a picture").decode()


def markdown(id: str, source: str, *tags: str) -> dict:
    metadata = {"tags": list(tags)} if tags else {}
    return {"cell_type": "markdown", "id": id, "metadata": metadata, "source": source}


def code(id: str, source: str, *outputs: dict, tags: tuple[str, ...] = ()) -> dict:
    metadata = {"tags": list(tags)} if tags else {}
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": id,
        "metadata": metadata,
        "outputs": list(outputs),
        "source": source,
    }


def printed(text: str) -> dict:
    return {"output_type": "stream", "name": "stdout", "text": text}


def picture(alt: str = ALT) -> dict:
    return {
        "output_type": "display_data",
        "data": {"image/png": DOT, "text/plain": alt},
        "metadata": {"image/png": {"alt": alt}},
    }


def raised(name: str, message: str) -> dict:
    traceback = [f"\x1b[31m{name}\x1b[39m: {message}"]
    return {"output_type": "error", "ename": name, "evalue": message, "traceback": traceback}


def marked(cell: dict, **nbgrader) -> dict:
    defaults = {"grade": False, "locked": False, "solution": False, "schema_version": 3}
    mark = {"grade_id": cell["id"], "task": False, **defaults, **nbgrader}
    return {**cell, "metadata": {**cell["metadata"], "nbgrader": mark}}


LESSON = [
    markdown(
        "title",
        "# 03 · Choosing lambda\n\n"
        "| | |\n"
        "|:--|:--|\n"
        "| **After this lesson you can** | count zeros |\n"
        "| **Reading time** | 20 minutes |\n"
        "| **Prerequisites** | [lesson 02](02_l1_from_scratch.ipynb): ISTA |\n",
    ),
    code("imports", "import numpy as np\n\nfrom minilib.linear import soft_threshold"),
    markdown("the-claim", "## The article's solver\n\nA published solver, run as it stands."),
    code(
        "the-snippet",
        'raise ValueError("the step is too long")',
        raised("ValueError", "the step is too long"),
        tags=("raises-exception",),
    ),
    markdown("predict-zeros", "## Zeros\n\n**Predict.** How many of 5 weights become zero?"),
    code(
        "run-zeros",
        "w = soft_threshold(np.array([-12.5, 0.2, 2953.0]), 0.1)\n"
        'print(f"{(w == 0).sum()} zeros, error {0.025:.1%}, weights {w}")',
        printed("3 zeros, error 2.5%, weights [-1.25e+01  1.00e-01  2.95e+03]\nlargest 2953\n"),
    ),
    markdown(
        "explain-zeros",
        "**Explain.** The 3 zeros cost an error of 2.5 %; \N{MINUS SIGN}12.5 is not 2,953 nor\n"
        "$10^6$, see lesson 02 and Tibshirani (1996); `17` and L1 are not numbers here.\n",
        "reads-output",
    ),
    markdown("check-zeros", "**Check.** Fewer than half are left."),
    code("check-zeros-code", "assert (w == 0).sum() < 2"),
    code("main-figure", "show(np.arange(3), alt=alt)", picture()),
    markdown(
        "summary", "## Summary\n\n| method | zeros |\n|---|---|\n| subgradient | 0 |\n| ISTA | 3 |"
    ),
    markdown(
        "quiz",
        "## Quiz\n\n"
        + "\n\n".join(
            f"{number}. Which one?\n\n<details><summary>Answer</summary>\nThe first.\n</details>"
            for number in (1, 2, 3)
        ),
    ),
    markdown(
        "references",
        "## References\n\n- Tibshirani, 1996, [doi:10.1111/j.2517-6161.1996.tb02080.x]"
        "(https://doi.org/10.1111/j.2517-6161.1996.tb02080.x)",
    ),
    markdown(
        "exercises",
        "## Exercises\n\n[Exercise 03]"
        "(../exercises/03_choosing_lambda/03_choosing_lambda.ipynb)\n\n"
        "![Two curves that cross once](crossing.png)",
    ),
]

EXERCISE = [
    markdown("title", "# Exercise 03 · Choosing lambda"),
    code("imports", "import numpy as np\n\nfrom minilib.checks import check"),
    markdown(
        "leak",
        "## Find the leak ★\n\n"
        "●●○ · 10 minutes · 2 points\n\n"
        "Write `scale(x)`.\n\n"
        + "\n\n".join(
            f"<details><summary>Hint {number}</summary>\nThink.\n</details>" for number in (1, 2, 3)
        ),
    ),
    marked(
        code(
            "leak-answer",
            "def scale(x):\n    ### BEGIN SOLUTION\n    return 2 * np.abs(x)\n    ### END SOLUTION",
        ),
        solution=True,
    ),
    marked(
        code(
            "leak-check",
            'check("03.leak", scale)',
            printed("03.leak: right on every fresh input.\n"),
        ),
        grade=True,
        locked=True,
        points=2,
    ),
]


def write(path: Path, cells: list[dict]) -> Path:
    """Write a notebook as JupyterLab would after running it from top to bottom."""
    cells = json.loads(json.dumps(cells))
    for count, cell in enumerate((c for c in cells if c["cell_type"] == "code"), start=1):
        cell["execution_count"] = cell["execution_count"] or count
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook, indent=1), encoding="utf-8")
    return path


def write_lesson(folder: Path, cells: list[dict] = LESSON) -> Path:
    """Write a lesson and the files it links to, laid out as in the repository."""
    path = write(folder / "notebooks" / "03_choosing_lambda.ipynb", cells)
    for link in ("02_l1_from_scratch.ipynb", "crossing.png"):
        (path.parent / link).touch()
    exercise = folder / "exercises" / path.stem / path.name
    exercise.parent.mkdir(parents=True, exist_ok=True)
    exercise.touch()
    return path


def replaced(cells: list[dict], id: str, /, **changes) -> list[dict]:
    """The same cells, one of them changed."""
    assert any(cell["id"] == id for cell in cells)
    return [{**cell, **changes} if cell["id"] == id else cell for cell in cells]


def rewritten(cells: list[dict], id: str, pattern: str, replacement: str) -> list[dict]:
    """The same cells, one source changed; a pattern that is not there is an error."""
    (old,) = [cell["source"] for cell in cells if cell["id"] == id]
    new = re.sub(pattern, replacement, old)
    assert new != old
    return replaced(cells, id, source=new)
