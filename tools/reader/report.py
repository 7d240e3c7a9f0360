"""What the readers cost and how well they read, beside what others have published."""

import json
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from benchmarks.table import markdown
from minilib.plots import COLORS, MARKERS, course_style, palette_png

DENSE_BYTES = 4 * 266_610  # LeNet-300-100 as float32

PUBLISHED = (  # method, source, test error in percent, times smaller, counted in
    ("Deep Compression", "arXiv:1510.00149", 1.58, 40, "bytes"),
    ("Entropy Penalized Reparameterization", "arXiv:1906.06624", 1.9, 124, "bytes"),
    ("Sparse Variational Dropout", "arXiv:1701.05369", 1.92, 68, "weights"),
    ("Sparse Momentum", "arXiv:1907.04840", 1.99, 50, "weights"),
)


def runs(folder: Path) -> list[dict]:
    """Read the notes of all readers that were trained, in the order of their names and seeds."""
    notes = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    return sorted(notes, key=lambda note: (note["name"], note["seed"]))


def by_name(notes: Sequence[dict]) -> dict[str, list[dict]]:
    """Put the seeds of one recipe together."""
    names = dict.fromkeys(note["name"] for note in notes)
    return {name: [note for note in notes if note["name"] == name] for name in names}


def table(notes: Sequence[dict]) -> str:
    """One row per recipe: bytes, times smaller, errors of all seeds and their mean."""
    rows = []
    for name, seeds in by_name(notes).items():
        errors = [100 * note["test error"] for note in seeds]
        sizes = [note["bytes"] for note in seeds]
        rows.append(
            [
                name,
                ", ".join(f"{size:,}" for size in sizes),
                f"{DENSE_BYTES * len(sizes) / sum(sizes):.0f}x",
                ", ".join(f"{100 * note['validation error']:.2f}" for note in seeds),
                ", ".join(f"{error:.2f}" for error in errors),
                f"{sum(errors) / len(errors):.2f}",
                ", ".join(str(note["CPU seconds"]) for note in seeds),
            ]
        )
    heading = ["recipe", "bytes, seed by seed", "times smaller, mean", "validation error, %"]
    heading += ["test error, %", "mean", "CPU seconds"]
    return markdown(heading, rows)


def published() -> str:
    """Tabulate what others report; who counts weights leaves out what their places cost."""
    heading = ["method", "source", "test error, %", "times smaller", "counted in"]
    return markdown(
        heading,
        [[name, source, f"{e:g}", f"{x}x", unit] for name, source, e, x, unit in PUBLISHED],
    )


def front(notes: Sequence[dict]) -> Figure:
    """Draw test error against bytes: each point one file, each line one recipe's mean."""
    course_style()
    fig, ax = plt.subplots(figsize=(7.0, 4.6))
    kinds = dict.fromkeys(note["name"].removesuffix("-smaller") for note in notes)
    for kind, color, marker in zip(kinds, COLORS, MARKERS, strict=False):
        points = [note for note in notes if note["name"].removesuffix("-smaller") == kind]
        ax.plot(
            [note["bytes"] for note in points],
            [100 * note["test error"] for note in points],
            marker,
            color=color,
            label=f"ours, {kind}",
        )
    sizes = [DENSE_BYTES / times for *_, times, unit in PUBLISHED if unit == "bytes"]
    errors = [error for _, _, error, _, unit in PUBLISHED if unit == "bytes"]
    ax.plot(sizes, errors, "k*", label="published, in bytes")
    ax.axvline(2_953, color="0.6", linestyle=":")
    ax.annotate("one QR code", (2_953, ax.get_ylim()[1]), rotation=90, va="top", ha="right")
    ax.set(xscale="log", xlabel="file size (bytes)", ylabel="test error (%)")
    ax.legend()
    return fig


def write(folder: Path, report: Path, picture: Path) -> None:
    """Write the notes as they are, the tables and the picture."""
    notes = runs(folder)
    report.with_suffix(".json").write_text(json.dumps(notes, indent=1) + "\n")
    begin, end = "<!-- written by make reader -->\n", "<!-- until here -->\n"
    before, _, rest = report.read_text().partition(begin)
    after = rest.partition(end)[2]
    tables = f"### Ours\n\n{table(notes)}\n### Published\n\n{published()}\n"
    report.write_text(before + begin + "\n" + tables + end + after)
    picture.write_bytes(palette_png(front(notes)))
