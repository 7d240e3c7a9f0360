"""Measure anew, all parts or those that are named: what `make bench` runs."""

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from benchmarks import (
    baseline,
    break_even,
    files,
    grading,
    integers,
    lessons,
    path,
    results,
    surgery,
)

PARTS: dict[str, Callable[[], str]] = {
    "baseline": baseline.report,
    "surgery": surgery.report,
    "break_even": break_even.report,
    "integers": integers.report,
    "files": files.report,
    "path": path.report,
    "grading": grading.report,
    "lessons": lessons.report,
}
"""Each part gives its section in Markdown; they follow each other in this order."""

RESULTS = Path(__file__).with_name("results.md")


def main(names: list[str]) -> None:
    """Measure some parts one after the other, and renew the section of each.

    Parameters
    ----------
    names : list of str
        Which parts; all of them if there are none.
    """
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        sys.exit(f"a part is one of {', '.join(PARTS)}, got {unknown[0]!r}.")
    torch.set_num_threads(1)
    with threadpool_limits(1):
        for name in names or PARTS:
            print(f"--- {name}", flush=True)
            report = PARTS[name]()
            print(report, flush=True)
            results.renew(RESULTS, name, report, list(PARTS))


if __name__ == "__main__":
    main(sys.argv[1:])
