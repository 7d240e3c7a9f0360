"""minilib as the tests see it: its modules, who imports whom, and what its docstrings promise."""

import ast
import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import minilib

MINILIB = Path(minilib.__file__).parent


def modules() -> list[str]:
    return sorted(found.name for found in walk_packages(minilib.__path__, "minilib."))


def public_objects() -> dict[str, object]:
    """Every function and class that a module of minilib defines for others, by full name."""
    return {
        f"{module}.{name}": value
        for module in modules()
        for name, value in vars(import_module(module)).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module
    }


def public_names() -> set[str]:
    return {name.rpartition(".")[2] for name in public_objects()}


# --- who imports whom ----------------------------------------------------------------------------


def imports(package: Path) -> Iterator[tuple[str, str]]:
    """Pairs (importing, imported) of the package's parts; a subpackage is one part.

    But a command, __main__.py, is no part of the package that it stands in: nobody imports it.
    """
    for path in sorted(package.rglob("*.py")):
        here = [package.name, *path.relative_to(package).with_suffix("").parts]
        part = "__main__" if path.name == "__main__.py" else here[1]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for imported in targets(node, here):
                if imported[0] == package.name and imported[1:2] != [part]:
                    yield part, ".".join(imported[1:2]) or "__init__"


def targets(node: ast.AST, here: list[str]) -> list[list[str]]:
    """The dotted names that an import statement in the module `here` refers to."""
    if isinstance(node, ast.Import):
        return [alias.name.split(".") for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = here[: -node.level] if node.level else []
        module = above + (node.module.split(".") if node.module else [])
        return [[*module, alias.name] for alias in node.names]
    return []


# --- what docstrings promise ---------------------------------------------------------------------


def docstring_faults(value: object) -> Iterator[str]:
    """Say where the docstring of a public function or class and its signature differ."""
    if not value.__doc__:
        yield "it has no docstring; say in one sentence what it is or does"
    elif inspect.isclass(value):
        yield from class_faults(value)
    else:
        yield from function_faults(value)


def function_faults(function: Callable) -> Iterator[str]:
    yield from name_faults(documented(function, "Parameters"), required=arguments_of(function))
    returns = inspect.signature(function).return_annotation
    gives = re.search(r"(?m)^(Returns|Yields)\n-+$", inspect.getdoc(function))
    if returns is inspect.Signature.empty:
        yield "its return type is not annotated; write -> ..."
    elif returns not in (None, "None") and not gives:
        yield "what it returns is not documented; write a section Returns"
    elif returns in (None, "None") and gives:
        yield "it documents a result and returns none"


def arguments_of(function: Callable) -> list[str]:
    """Its arguments as a docstring lists them: with their stars."""
    return [
        {argument.VAR_POSITIONAL: "*", argument.VAR_KEYWORD: "**"}.get(argument.kind, "") + name
        for name, argument in inspect.signature(function).parameters.items()
    ]


def class_faults(cls: type) -> Iterator[str]:
    described = documented(cls, "Parameters") + documented(cls, "Attributes")
    properties = [k for k, v in vars(cls).items() if isinstance(v, property | cached_property)]
    if dataclasses.is_dataclass(cls):
        fields = [field.name for field in dataclasses.fields(cls)]
        public = [field for field in fields if not field.startswith("_")]
        yield from name_faults(described, required=public, allowed=properties)
    elif "__init__" in vars(cls):
        parameters = [name for name in inspect.signature(cls.__init__).parameters if name != "self"]
        yield from name_faults(described, required=parameters, allowed=properties)
    for name, member in vars(cls).items():
        if name.startswith("_"):
            continue
        if name in properties and not member.__doc__:
            yield f"{name}: the property has no docstring"
        if isinstance(member, classmethod | staticmethod) or inspect.isfunction(member):
            function = getattr(member, "__func__", member)
            yield from (f"{name}: {fault}" for fault in method_faults(function))


def method_faults(method: Callable) -> Iterator[str]:
    """A method without arguments may say in one sentence what it gives."""
    arguments = [name for name in arguments_of(method) if name not in ("self", "cls")]
    if not method.__doc__:
        yield "it has no docstring; say in one sentence what it gives"
    elif arguments:
        yield from name_faults(documented(method, "Parameters"), required=arguments)


def name_faults(
    described: list[str], *, required: list[str], allowed: list[str] = ()
) -> Iterator[str]:
    missing = [name for name in required if name not in described]
    unknown = [name for name in described if name not in [*required, *allowed]]
    if missing:
        yield f"not documented: {', '.join(missing)}"
    if unknown:
        yield f"documented, but not there: {', '.join(unknown)}"


def documented(value: object, section: str) -> list[str]:
    """The names that a section of a numpydoc docstring lists."""
    text = inspect.getdoc(value)
    found = re.search(rf"(?ms)^{section}\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", text)
    heads = re.findall(r"(?m)^(\S.*?)(?: :.*)?$", found[1]) if found else []
    return [name for head in heads for name in head.split(", ")]
