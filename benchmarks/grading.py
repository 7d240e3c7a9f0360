"""What it costs to grade a notebook behind a wall, beside running it without one."""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from benchmarks.table import markdown
from minilib.grading.batch import grade_here, pending

ROOT = Path(__file__).parents[1]
TOPICS = ("01_l2_from_scratch", "06_weight_pruning", "12_distillation")
ROUNDS = 5
STUDENTS = 8

BARE = """
import sys, nbformat
from nbclient import NotebookClient
NotebookClient(nbformat.read(sys.argv[1], 4), kernel_name="python3").execute()
"""
GRADED = """
import sys
from pathlib import Path
from minilib.grading.examiner import examine
notebook = Path(sys.argv[1]).read_bytes()
assert all(mark.points for mark in examine(notebook, notebook, seed=1).marks)
"""


def seconds(script: str, topic: str) -> float:
    """Time a script in a process of its own, for the solution of a topic."""
    began = time.monotonic()
    notebook = ROOT / "solutions" / topic / f"{topic}.ipynb"
    subprocess.run([sys.executable, "-c", script, notebook], check=True, capture_output=True)
    return time.monotonic() - began


def overhead(topic: str) -> list[str]:
    """Compare grading with bare execution, in pairs."""
    pairs = [(seconds(BARE, topic), seconds(GRADED, topic)) for _ in range(ROUNDS)]
    ratios = [graded / bare for bare, graded in pairs]
    low, middle, high = quantiles(ratios, n=4)
    bare, graded = (median(column) for column in zip(*pairs, strict=True))
    return [topic, f"{bare:.1f}", f"{graded:.1f}", f"{middle:.2f} ({low:.2f} to {high:.2f})"]


def throughput(topic: str, processes: int) -> float:
    """Time a class that has handed in the solution of one topic."""
    with TemporaryDirectory() as folder:
        course = Path(folder)
        notebook = (ROOT / "solutions" / topic / f"{topic}.ipynb").read_bytes()
        places = [course / "submitted" / f"s{i}" / topic for i in range(STUDENTS)]
        for place in (course / "solutions" / topic, *places):
            place.mkdir(parents=True)
            (place / f"{topic}.ipynb").write_bytes(notebook)
        jobs = pending(course, [topic], seed=1, walled=True, shard=(1, 1))
        began = time.monotonic()
        results = list(grade_here(jobs, processes=processes))
        assert all(result.points == result.most for result in results)
        return time.monotonic() - began


def section(rows: list[list[str]], one: float, two: float) -> str:
    """Write what was measured; `one` and `two` are the seconds with so many processes."""
    columns = ["exercise, solved", "nbclient, seconds", "graded, seconds", "graded / nbclient"]
    return (
        f"{markdown(columns, rows)}\n\n{STUDENTS} submissions of {TOPICS[1]}: {one:.0f} seconds "
        f"with one process, {two:.0f} with two ({one / two:.2f}x)."
    )


def report() -> str:
    """Give the section of this part."""
    rows = [overhead(topic) for topic in TOPICS]
    return section(rows, *(throughput(TOPICS[1], processes) for processes in (1, 2)))
