"""The public functions and classes of minilib, as the tests see them."""

import inspect
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import minilib

MINILIB = Path(minilib.__file__).parent
MODULES = sorted(found.name for found in walk_packages(minilib.__path__, "minilib."))


def public_objects() -> dict[str, object]:
    """Every function and class that a module of minilib defines for others, by full name."""
    return {
        f"{module}.{name}": value
        for module in MODULES
        for name, value in vars(import_module(module)).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module
    }


def public_names() -> set[str]:
    return {name.rpartition(".")[2] for name in public_objects()}
