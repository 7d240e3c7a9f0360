"""The import graph is the architecture, and every public name says what it takes and gives."""

import subprocess
import sys
from dataclasses import dataclass
from textwrap import dedent

import pytest

from tests.library import MINILIB, docstring_faults, imports, modules, public_objects
from tests.notebooks import ROOT

LAYERS = (
    {"progress", "validation"},
    {"linear", "datasets", "models", "entropy", "integers"},
    {"training", "pruning", "neurons", "sharing", "low_rank", "merging", "measurement", "contexts"}
    | {"active_set"},
    {"path", "quantization", "regularization", "distillation", "codec", "privacy"},
    {"plots", "cross_validation"},
    {"widgets"},
    {"checks"},
    {"grading"},
    {"__main__"},
)
LAYER_OF = {module: number for number, layer in enumerate(LAYERS) for module in layer}
WITHOUT_TORCH = ("minilib.linear", "minilib.path", "minilib.datasets", "minilib.checks")


def upward(package):
    """The imports that do not lead to a lower layer; a module without a layer is in none."""
    return [
        f"{importing} must not import {imported}"
        for importing, imported in imports(package)
        if not LAYER_OF.get(imported, 99) < LAYER_OF.get(importing, -1)
    ]


def package_with(folder, file, source):
    path = folder / "minilib" / file
    path.parent.mkdir(parents=True)
    path.write_text(source)
    return folder / "minilib"


def test_every_module_of_minilib_has_a_layer():
    unplaced = {module.split(".")[1] for module in modules()} - LAYER_OF.keys()
    assert not unplaced, f"add {sorted(unplaced)} to LAYERS and to the design"


def test_modules_import_only_lower_layers():
    assert not upward(MINILIB)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("linear.py", "from minilib.path import lasso_path"),
        ("linear.py", "import minilib.datasets"),
        ("linear.py", "from minilib import models"),
        ("linear.py", "from .path import lasso_path"),
        ("linear.py", "from . import path"),
        ("linear.py", "def fit():\n    from minilib import path"),
        ("linear.py", "from minilib.checks.task import Task"),
        ("linear.py", "import minilib"),
        ("checks/__init__.py", "from ..grading import grade"),
        ("checks/task.py", "from minilib.grading import grade"),
        ("unplaced.py", "from minilib.validation import check_table"),
        ("__init__.py", "from minilib.validation import check_table"),
    ],
)
def test_an_import_that_does_not_lead_down_is_found(tmp_path, file, source):
    assert upward(package_with(tmp_path, file, source))


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("path.py", "from minilib.linear import fista\nimport numpy.linalg"),
        ("checks/task.py", "from minilib.checks import lesson_01\nfrom . import lesson_02"),
        ("checks/__init__.py", "from ..linear import fista"),
        ("checks/__main__.py", "from minilib.grading import grade"),
    ],
)
def test_an_import_that_leads_down_or_stays_inside_is_fine(tmp_path, file, source):
    assert not upward(package_with(tmp_path, file, source))


def test_the_first_act_starts_without_torch():
    script = """
        import sys
        from importlib import import_module
        for module in sys.argv[1:]:
            import_module(module)
            assert "torch" not in sys.modules, f"import {module} loads torch"
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(script), *WITHOUT_TORCH], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_no_file_is_named_after_nothing():
    nothing = {"base", "config", "helpers", "utils"}
    folders = [ROOT / name for name in ("minilib", "tests", "tools", "benchmarks")]
    paths = [path for folder in folders for path in folder.rglob("*.py")]
    assert MINILIB / "linear.py" in paths
    assert not [path for path in paths if nothing & {path.stem, path.parent.name}]


def test_every_public_name_documents_what_it_takes_and_gives():
    objects = public_objects()
    assert "minilib.linear.soft_threshold" in objects
    faults = [f"{name}: {f}" for name, value in objects.items() for f in docstring_faults(value)]
    assert not faults, "\n" + "\n".join(faults)


def well_documented(x: float, *rest: float, y: float = 0, **options: float) -> float:
    """Add.

    Parameters
    ----------
    x, y : float
        Terms.
    *rest : float
        More terms.
    **options
        None so far.

    Returns
    -------
    float
    """


@dataclass(frozen=True)
class WellDocumented:
    """A point.

    Attributes
    ----------
    x : float
        Where.
    """

    x: float

    @property
    def double(self) -> float:
        """Twice as far."""

    def shifted(self, by: float) -> float:
        """Move.

        Parameters
        ----------
        by : float
            How far.
        """

    @classmethod
    def origin(cls) -> "WellDocumented":
        """The point zero."""


@pytest.mark.parametrize("value", [well_documented, WellDocumented])
def test_a_complete_docstring_has_no_fault(value):
    assert not list(docstring_faults(value))


def undocumented(x: float) -> float: ...


def one_parameter_short(x: float, y: float) -> None:
    """Add.

    Parameters
    ----------
    x : float
        A term.
    """


def one_parameter_too_many(x: float) -> None:
    """Add.

    Parameters
    ----------
    x, z : float
        Terms.
    """


def result_not_documented() -> float:
    """Give a number."""


def result_documented_for_nothing() -> None:
    """Give nothing.

    Returns
    -------
    float
    """


def result_not_annotated():
    """Give something."""


class OnlyItsParentDocumented(ValueError): ...


@dataclass
class FieldNotDocumented:
    """A point."""

    x: float


class ArgumentNotDocumented:
    """A box."""

    def __init__(self, size: float) -> None: ...


class MethodNotDocumented:
    """A box."""

    def open(self) -> None: ...


class PropertyNotDocumented:
    """A box."""

    @property
    def size(self) -> float: ...


class MethodArgumentNotDocumented:
    """A box."""

    def open(self, how: str) -> None:
        """Open it."""


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (undocumented, "no docstring"),
        (one_parameter_short, "not documented: y"),
        (one_parameter_too_many, "not there: z"),
        (result_not_documented, "section Returns"),
        (result_documented_for_nothing, "returns none"),
        (result_not_annotated, "not annotated"),
        (OnlyItsParentDocumented, "no docstring"),
        (FieldNotDocumented, "not documented: x"),
        (ArgumentNotDocumented, "not documented: size"),
        (MethodNotDocumented, "open: it has no docstring"),
        (PropertyNotDocumented, "size: the property has no docstring"),
        (MethodArgumentNotDocumented, "open: not documented: how"),
    ],
)
def test_a_docstring_and_a_signature_that_differ_are_found(value, fault):
    (found,) = docstring_faults(value)
    assert fault in found
