"""Train the digit readers, choose those that ship, and write down how they did.

``make reader`` makes all, ``make reader ARGS="sparse tied"`` some. What is finished is kept in
``.reader/`` and not made again; delete that folder to begin anew. No choice looks at the test
digits; how many of them are misread is only noted.
"""

import argparse
import io
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import segno
import torch
from torch import Tensor

from minilib.codec import decode_network, encode_network
from minilib.datasets import DATA, load_mnist
from minilib.integers import IntegerNetwork
from minilib.progress import progress
from tools.reader import report, teacher
from tools.reader.augmentation import altered
from tools.reader.student import Lessons, Recipe, ordered, train

N_LEARN = 50_000  # the other 10,000 digits of the training set choose the reader
SEEDS = (0, 1, 2)  # a smaller one is trained once, with the first
QR_BYTES = 2_953  # what the largest QR code holds: version 40, level L
WORK = Path(".reader")

PLAIN = Recipe(
    n_weights=8_000, n_copies=1, taught=False, n_steps=20_000, noise=0.3, weight_decay=0.03
)
RECIPES = {
    "sparse": Recipe(n_weights=3_850),
    "tied": Recipe(n_weights=2_600, tied=True),
    "plain": PLAIN,
    "sparse-smaller": Recipe(n_weights=2_500),
    "tied-smaller": Recipe(n_weights=1_500, tied=True),
    "plain-smaller": replace(PLAIN, n_weights=4_500),
}
THRICE = ("sparse", "tied", "plain")
SHIPPED = {"sparse": "digit_reader.mini", "tied": "digit_reader_tied.mini"}


def main() -> None:
    """Train what is asked for and not there yet, then choose and report."""
    parser = argparse.ArgumentParser(prog="make reader", description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*", help=f"some of: {', '.join(RECIPES)}; all if none")
    names = parser.parse_args().recipes or list(RECIPES)
    unknown = [name for name in names if name not in RECIPES]
    if unknown:
        parser.error(f"there is no recipe {unknown[0]!r}; there are {', '.join(RECIPES)}")
    torch.set_num_threads(1)
    WORK.mkdir(exist_ok=True)
    for name in names:
        files = [make(name, seed) for seed in (SEEDS if name in THRICE else SEEDS[:1])]
        if name in SHIPPED:
            fitting = [file for file in files if file.stat().st_size <= QR_BYTES]
            if not fitting:
                raise SystemExit(
                    f"no {name} reader fits into {QR_BYTES:,} bytes: keep fewer weights"
                )
            best = min(fitting, key=lambda file: note_of(file)["validation error"])
            write(DATA / SHIPPED[name], best.read_bytes())
            if name == "sparse":
                code = segno.make(best.read_bytes(), error="L", mode="byte", boost_error=False)
                code.save("docs/digit_reader.png", scale=2)
    report.write(WORK, Path("benchmarks/reader.md"), Path("benchmarks/reader.png"))


def make(name: str, seed: int) -> Path:
    """Train one student, unless its file is there, and note beside it how it did."""
    path = WORK / f"{name}-{seed}.mini"
    if path.with_suffix(".json").exists():
        print(f"{path} is there")
        return path
    recipe = RECIPES[name]
    lessons = lessons_for(recipe)
    start = time.process_time()
    network = ordered(train(recipe, lessons, seed))
    finish(path, name, seed, network, time.process_time() - start)
    return path


def finish(path: Path, name: str, seed: int, network: IntegerNetwork, seconds: float) -> None:
    """Write the file, read it back, and note beside it how the network that was read does."""
    write(path, encode_network(network))
    network = decode_network(path.read_bytes())
    digits, test = load_mnist("train"), load_mnist("test")
    note = {
        "name": name,
        "seed": seed,
        "recipe": asdict(RECIPES[name]),
        "bytes": path.stat().st_size,
        "weights": [int(np.count_nonzero(layer.weight)) for layer in network.layers],
        "neurons": [len(layer.bias) for layer in network.layers],
        "validation error": error(network, digits.x[N_LEARN:], digits.y[N_LEARN:]),
        "test error": error(network, test.x, test.y),
        "CPU seconds": round(seconds),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    write(path.with_suffix(".json"), (json.dumps(note, indent=1) + "\n").encode())


def note_of(path: Path) -> dict:
    """Read what was noted beside a file."""
    return json.loads(path.with_suffix(".json").read_text())


def error(network: IntegerNetwork, pictures: np.ndarray, labels: np.ndarray) -> float:
    """Share of the digits that the network gets wrong."""
    return float(np.mean(network.predict(pictures) != labels))


def lessons_for(recipe: Recipe) -> Lessons:
    """Collect what a student learns from; what takes minutes is made once and kept."""
    digits = load_mnist("train")
    originals = torch.tensor(digits.x[:N_LEARN])
    labels = torch.tensor(digits.y[:N_LEARN]).long()
    pictures = originals[None].flatten(2)
    if recipe.n_copies > 1:
        seeds = range(1, recipe.n_copies)
        copies = kept(
            f"copies-{recipe.n_copies - 1}",
            lambda: torch.stack([altered(originals, s) for s in progress(seeds, "altered copies")]),
        )
        pictures = torch.cat([pictures, copies.flatten(2)])
    logits = None
    if recipe.taught:
        logits = kept(f"answers-{recipe.n_copies}", lambda: ask_teacher(pictures, labels))
    return Lessons(pictures, labels, logits)


def ask_teacher(pictures: Tensor, labels: Tensor) -> Tensor:
    """Train a convolutional network on all copies, and ask it about each."""
    chance = torch.Generator().manual_seed(5)

    def draw(rows: Tensor) -> Tensor:
        return pictures[torch.randint(len(pictures), (len(rows),), generator=chance), rows]

    model = teacher.train(draw, labels, epochs=8, seed=0)
    return torch.stack([teacher.answers(model, copy) for copy in pictures])


def kept(name: str, compute: Callable[[], Tensor]) -> Tensor:
    """Compute a tensor, or read it if that was done before."""
    path = WORK / f"{name}.npy"
    if not path.exists():
        buffer = io.BytesIO()
        np.save(buffer, compute().numpy(), allow_pickle=False)
        write(path, buffer.getvalue())
    return torch.from_numpy(np.load(path, allow_pickle=False))


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(data)
    os.replace(unfinished, path)


if __name__ == "__main__":
    main()
