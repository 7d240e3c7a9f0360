"""The course's notebooks as the tests read them: plain JSON, nothing is executed."""

import __future__

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOPICS = (
    "00_start_here",
    "01_l2_from_scratch",
    "02_l1_from_scratch",
    "03_choosing_lambda",
    "04_robustness",
    "05_networks",
    "06_weight_pruning",
    "07_neuron_pruning",
    "08_cropping",
    "09_l1_then_prune",
    "10_quantization",
    "11_small_files",
    "12_distillation",
    "13_privacy",
    "14_other_models",
    "15_capstone",
)


@dataclass(frozen=True)
class Cell:
    id: str
    kind: str  # "markdown", "code" or "raw"
    source: str
    metadata: dict
    outputs: list[dict]
    execution_count: int | None

    @property
    def tags(self) -> list[str]:
        return self.metadata.get("tags", [])

    @property
    def nbgrader(self) -> dict:
        return self.metadata.get("nbgrader", {})

    @property
    def first_line(self) -> str:
        return self.source.partition("\n")[0]

    def syntax(self) -> ast.Module:
        """The parsed code; a cell that is not plain Python is another rule's business."""
        try:
            return ast.parse(self.source)
        except SyntaxError:
            return ast.Module(body=[], type_ignores=[])


@dataclass(frozen=True)
class Notebook:
    path: Path
    cells: list[Cell]
    metadata: dict

    @property
    def code(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.kind == "code"]

    @property
    def markdown(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.kind == "markdown"]

    def section(self, heading: str) -> str | None:
        """The text below `## heading` as far as the next heading of that level, or None."""
        text = "\n\n".join(cell.source for cell in self.markdown)
        found = re.search(rf"^## {heading}$\n?(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        return found and found[1]


def lesson(topic: str) -> Path:
    return ROOT / "notebooks" / f"{topic}.ipynb"


def solution(topic: str) -> Path:
    return ROOT / "solutions" / topic / f"{topic}.ipynb"


def exercise(topic: str) -> Path:
    return ROOT / "exercises" / topic / f"{topic}.ipynb"


def read(path: Path) -> Notebook:
    notebook = json.loads(path.read_bytes())
    cells = [
        Cell(
            id=cell.get("id", ""),
            kind=cell["cell_type"],
            source="".join(cell["source"]),
            metadata=cell["metadata"],
            outputs=cell.get("outputs", []),
            execution_count=cell.get("execution_count"),
        )
        for cell in notebook["cells"]
    ]
    return Notebook(path, cells, notebook["metadata"])


def text_of(output: dict) -> Iterator[str]:
    """Every piece of text that a reader may see of one output; pictures are left out."""
    yield "".join(output.get("text", ""))
    yield "\n".join(output.get("traceback", []))
    for kind, content in output.get("data", {}).items():
        if kind.startswith("text/"):
            yield "".join(content)


def definitions(path: Path) -> dict[str, object]:
    """The functions and classes of a notebook, by name; its experiments are not run.

    Imports go first: a lesson that ends in importing what it derived still has its own version.
    """
    body = [node for cell in read(path).code for node in cell.syntax().body]
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    own = [node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    program = ast.Module(imports + own, type_ignores=[])
    namespace: dict[str, object] = {"__name__": path.stem}
    exec(compile(program, str(path), "exec", flags=__future__.annotations.compiler_flag), namespace)
    return {node.name: namespace[node.name] for node in own}
