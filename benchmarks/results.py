"""The file of results: one section for each part, each with its date, machine and versions."""

import os
import platform
import re
from collections.abc import Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HEADING = """# Results

Written by `make bench`, each part with the conditions under which it was measured. What the parts
measure, and how to read them: [README.md](README.md).
"""

SECTION = re.compile(r"^## (\w+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)

PACKAGES = ("celer", "numba", "numpy", "onnxruntime", "scikit-learn", "scipy", "skglm", "torch")


def renew(path: Path, part: str, report: str, order: Sequence[str]) -> None:
    """Replace the section of one part, and leave the others as they are.

    Parameters
    ----------
    path : Path
        The file; it is written aside first, and is never half written.
    part : str
        Which section.
    report : str
        What it shall hold.
    order : sequence of str
        All parts, as they follow each other.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    sections = dict(SECTION.findall(text)) | {part: f"{conditions()}\n\n{report}"}
    kept = [f"## {name}\n\n{sections[name].strip()}\n" for name in order if name in sections]
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text("\n".join([HEADING, *kept]), encoding="utf-8")
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def conditions() -> str:
    """Say when, on which machine and with which versions something was measured.

    Returns
    -------
    str
        One paragraph.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"
    found = [f"Python {platform.python_version()}", *filter(None, map(release, PACKAGES))]
    return f"{date.today()}; {machine}, one thread.\n{', '.join(found)}."


def processor() -> str:
    """Name the processor as well as the system can.

    Returns
    -------
    str
    """
    table = Path("/proc/cpuinfo")
    text = table.read_text(encoding="utf-8", errors="replace") if table.exists() else ""
    name = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return name[1] if name else platform.processor() or platform.machine()


def release(package: str) -> str | None:
    """Name a package with its version, if it is installed.

    Parameters
    ----------
    package : str
        Its name in the package index.

    Returns
    -------
    str or None
    """
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return None
