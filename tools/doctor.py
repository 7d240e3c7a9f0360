"""Say what is wrong with this copy of the course, and the command that mends each thing.

Needs nothing but Python itself, and speaks on every Python since 3.6.
"""

import argparse
import csv
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple
from urllib.parse import urlparse
from urllib.request import url2pathname

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = (3, 11)
PORT = 8888  # JupyterLab's own first choice
GIGABYTE = 10**9
ROOM_TO_INSTALL = 4 * GIGABYTE  # .venv takes 2, what pip downloads and keeps about as much
ROOM_TO_WORK = GIGABYTE // 2
WINDOWS = os.name == "nt"


class Finding(NamedTuple):
    """One thing that is wrong, and the command that mends it."""

    wrong: str
    mend: str

    def __str__(self) -> str:
        """Return the finding as one line."""
        return "{} Mend it: {}".format(self.wrong, self.mend)


class Package(NamedTuple):
    """An installed package, and how many of its files are gone."""

    version: str
    lost: int


class Environment(NamedTuple):
    """A Python and what is installed for it."""

    python: str  # as the reader would type it
    version: List[int]
    packages: Dict[str, Package]  # by normalised name
    missing: List[str]  # names of packages that an installed one needs
    course: str  # the folder that minilib was installed from, or ""
    kernel: str  # the program that the kernel python3 starts, or ""


def main() -> int:
    """Print every finding, or that all is well; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=PORT, help="the port that JupyterLab is to use")
    parser.add_argument(
        "--python", action="store_true", help="only ask whether this Python will do"
    )
    parser.add_argument("--describe", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.chdir(str(ROOT))
    if options.describe:
        print(json.dumps(description()))
        return 0
    findings = list(python_findings() if options.python else all_findings(options.port))
    for finding in findings:
        print(finding)
    if not findings and not options.python:
        print("All is well.")
    return 1 if findings else 0


def all_findings(port: int) -> Iterator[Finding]:
    """Find everything that is wrong with this copy of the course."""
    python = course_python()
    environment = ask(python)
    if environment is None:
        yield from python_findings()
        yield no_environment(python)
        yield from disk_findings(ROOM_TO_INSTALL)
    else:
        yield from environment_findings(environment)
        yield from disk_findings(ROOM_TO_WORK)
    yield from data_findings(Path("minilib", "data"))
    yield from port_findings(port)


# The Python that .venv is made from.


def python_findings() -> Iterator[Finding]:
    """Find what keeps the Python that runs this from making .venv."""
    if sys.version_info[:2] < OLDEST_PYTHON:
        yield Finding(
            "{} is Python {}, the course needs {} or newer.".format(
                sys.executable, dotted(sys.version_info[:3]), dotted(OLDEST_PYTHON)
            ),
            newer_python(),
        )
    elif not can_make_environment(sys.executable):
        yield Finding(
            "{} cannot make .venv: it has no module venv.".format(sys.executable),
            "sudo apt install python{}-venv".format(dotted(sys.version_info[:2])),
        )


def can_make_environment(python: str) -> bool:
    """Tell whether `python` runs and has venv whole: Debian keeps ensurepip in its own package."""
    return attempt([python, "-c", "import ensurepip, venv"])[0]


def newer_python() -> str:
    """Return the command that installs the course with a Python that will do."""
    for minor in range(OLDEST_PYTHON[1], OLDEST_PYTHON[1] + 4):
        python = "python3.{}".format(minor)
        if can_make_environment(python):
            return "make lab PYTHON=" + python
    return (
        "install Python {} or newer from https://www.python.org/downloads/, "
        "then make lab PYTHON=/path/to/python3"
    ).format(dotted(OLDEST_PYTHON))


# The environment that the course runs in.


def course_python() -> str:
    """Return the Python of .venv or, without one, of the course's active conda environment."""
    if os.environ.get("CONDA_DEFAULT_ENV") == "small-networks" and not Path(".venv").exists():
        place = ["python.exe"] if WINDOWS else ["bin", "python"]
        return os.path.join(os.environ["CONDA_PREFIX"], *place)
    place = ["Scripts", "python.exe"] if WINDOWS else ["bin", "python"]
    return os.path.join(".venv", *place)


def no_environment(python: str) -> Finding:
    """Say that the course is not installed, or that the Python it was installed for is gone."""
    if not Path(".venv").exists():
        return Finding("The course is not installed: there is no .venv.", make_environment())
    return Finding("{} does not run.".format(python), remake_environment())


def make_environment() -> str:
    """Return the command that installs the course."""
    by_hand = "py -m venv .venv, then .venv\\Scripts\\python -m pip install -c constraints.txt -e ."
    return by_hand if WINDOWS else "make lab"


def remake_environment() -> str:
    """Return the command that installs the course in place of a broken .venv."""
    return ("rmdir /s /q .venv, then " if WINDOWS else "rm -rf .venv && ") + make_environment()


def ask(python: str) -> Optional[Environment]:
    """Let `python` say what is installed for it; None if it does not run."""
    runs, answer = attempt([python, __file__, "--describe"])
    if not runs:
        return None
    told = json.loads(answer)
    _, broken = attempt([python, "-m", "pip", "check"])
    return Environment(
        python=python,
        version=told["version"],
        packages={name: Package(*package) for name, package in told["packages"].items()},
        missing=re.findall(r" requires (\S+), which is not installed", broken),
        course=told["course"],
        kernel=told["kernel"],
    )


def description() -> dict:
    """Describe the Python that runs this to `ask`."""
    told = {"version": sys.version_info[:3], "packages": {}, "course": "", "kernel": ""}
    if sys.version_info[:2] < OLDEST_PYTHON:
        return told
    from importlib.metadata import distributions

    for found in distributions():
        name = normalised(found.name)
        record = csv.reader((found.read_text("RECORD") or "").splitlines())
        # Not found.files, which on a newer Python leaves out the very files that are gone.
        files = [Path(str(found.locate_file(line[0]))) for line in record]
        lost = sum(is_needed(file) and not file.exists() for file in files)
        told["packages"].setdefault(name, Package(found.version, lost))
        if name == "minilib":
            origin = json.loads(found.read_text("direct_url.json") or "{}")
            told["course"] = url2pathname(urlparse(origin.get("url", "")).path)
    try:
        from jupyter_client.kernelspec import KernelSpecManager

        program = KernelSpecManager().get_kernel_spec("python3").argv[0]
        # A bare "python" stands for the Python that starts the kernel.
        told["kernel"] = program if os.path.isabs(program) else sys.executable
    except Exception:  # whatever the reason, JupyterLab will not find the kernel either
        pass
    return told


def is_needed(file: Path) -> bool:
    """Tell whether a package's file is more than a cache or a command for the shell."""
    return file.suffix != ".pyc" and file.parent.name not in ("bin", "Scripts")


def environment_findings(environment: Environment) -> Iterator[Finding]:
    """Find what is wrong with what is installed."""
    if tuple(environment.version[:2]) < OLDEST_PYTHON:
        yield Finding(
            "{} is Python {}, the course needs {} or newer.".format(
                environment.python, dotted(environment.version), dotted(OLDEST_PYTHON)
            ),
            remake_environment(),
        )
        return
    if "pip" not in environment.packages:
        yield Finding(
            "{} has no pip.".format(environment.python),
            "{} -m ensurepip".format(environment.python),
        )
    yield from course_findings(environment)
    yield from package_findings(environment)
    yield from kernel_findings(environment)


def course_findings(environment: Environment) -> Iterator[Finding]:
    """Check that minilib is installed from this folder."""
    mend = "{} -m pip install -c constraints.txt -e .".format(environment.python)
    if "minilib" not in environment.packages:
        yield Finding("minilib, the course's own library, is not installed.", mend)
    elif not environment.course or not same_place(environment.course, "."):
        yield Finding(
            "minilib is installed from {}, not from this folder.".format(
                environment.course or "a package"
            ),
            mend,
        )


def package_findings(environment: Environment) -> Iterator[Finding]:
    """Find packages that are missing, incomplete or not the version in constraints.txt."""
    constraints = Path("constraints.txt")
    if not constraints.is_file():
        yield lost_file(constraints, "is missing")
        return
    pins = exact_versions(constraints)
    installed = sorted(
        (name, environment.packages[name]) for name in set(pins) & set(environment.packages)
    )
    missing = sorted(set(map(normalised, environment.missing)) & set(pins))
    other = [
        (name, package) for name, package in installed if release(package.version) != pins[name]
    ]
    incomplete = [(name, package) for name, package in installed if package.lost]

    def install(names: Iterable[str], options: str = "") -> str:
        wanted = " ".join("{}=={}".format(name, pins[name]) for name in names)
        return "{} -m pip install {}{}".format(environment.python, options, wanted)

    if missing:
        yield Finding("Not installed: {}.".format(", ".join(missing)), install(missing))
    if other:
        said = ["{} {} instead of {}".format(n, p.version, pins[n]) for n, p in other]
        yield Finding(
            "Not the version in constraints.txt: {}.".format(", ".join(said)),
            install(name for name, _ in other),
        )
    if incomplete:
        said = ["{} ({})".format(name, package.lost) for name, package in incomplete]
        yield Finding(
            "Installed files are gone: {}.".format(", ".join(said)),
            install((name for name, _ in incomplete), "--force-reinstall --no-deps "),
        )


def kernel_findings(environment: Environment) -> Iterator[Finding]:
    """Check that the notebooks' kernel is there and is the course's Python."""
    mend = "{} -m ipykernel install --sys-prefix --name python3".format(environment.python)
    if not environment.kernel:
        yield Finding("There is no kernel python3, which every notebook asks for.", mend)
    elif not same_place(os.path.dirname(environment.kernel), os.path.dirname(environment.python)):
        yield Finding(
            "The kernel python3 starts {}, not {}.".format(environment.kernel, environment.python),
            mend,
        )


# What the course needs besides.


def disk_findings(room: int) -> Iterator[Finding]:
    """Check that the disk has `room` bytes left."""
    free = shutil.disk_usage(str(ROOT)).free
    if free < room:
        yield Finding(
            "The disk is nearly full: {:.1f} GB are free, {:.1f} GB are needed.".format(
                free / GIGABYTE, room / GIGABYTE
            ),
            "delete what you do not need; {} -m pip cache purge frees what pip keeps".format(
                sys.executable
            ),
        )


def data_findings(folder: Path) -> Iterator[Finding]:
    """Find data files that are missing or not what SHA256SUMS says."""
    sums = folder / "SHA256SUMS"
    if not sums.is_file():
        yield lost_file(sums, "is missing")
        return
    lines = sums.read_text(encoding="ascii", errors="replace").splitlines()
    listed = {line[66:]: line[:64] for line in lines if re.match(r"[0-9a-f]{64}  \w", line)}
    stored = {file.relative_to(folder).as_posix() for file in folder.rglob("*.gz")}
    if len(listed) < len(lines) or not stored <= set(listed):
        yield lost_file(sums, "is damaged")
        return
    for name, checksum in listed.items():
        file = folder / name
        if not file.is_file():
            yield lost_file(file, "is missing")
        elif hashlib.sha256(file.read_bytes()).hexdigest() != checksum:
            yield lost_file(file, "is damaged")


def lost_file(file: Path, wrong: str) -> Finding:
    """Say that a file of the repository is missing or damaged."""
    return Finding("{} {}.".format(file, wrong), "git checkout -- {}".format(file.as_posix()))


def port_findings(port: int) -> Iterator[Finding]:
    """Check that JupyterLab can have the port."""
    if not is_free(port):
        other = next(number for number in range(port + 1, port + 1000) if is_free(number))
        yield Finding(
            "Port {} is taken, perhaps by a JupyterLab that already runs.".format(port),
            'make lab ARGS="--port={}"'.format(other),
        )


def is_free(port: int) -> bool:
    """Tell whether a server may listen to `port` on this machine."""
    with socket.socket() as door:
        if not WINDOWS:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


# Words and numbers.


def attempt(command: List[str]) -> Tuple[bool, str]:
    """Run a command; return whether it succeeded, and what it printed."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True
        )
    except OSError:
        return False, ""
    return done.returncode == 0, done.stdout


def exact_versions(constraints: Path) -> Dict[str, str]:
    """Read the pins of a constraints file, by normalised name."""
    lines = constraints.read_text().splitlines()
    pins = (line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    return {normalised(name): version.strip() for name, version in pins}


def normalised(name: str) -> str:
    """Return a package's name as every tool would: Jinja2 is jinja2, a_b is a-b."""
    return re.sub(r"[-_.]+", "-", name).lower()


def release(version: str) -> str:
    """Return a version without its build: 2.13.0+cpu is 2.13.0."""
    return version.partition("+")[0]


def dotted(version: Iterable[int]) -> str:
    """Return a version as text."""
    return ".".join(map(str, version))


def same_place(one: str, other: str) -> bool:
    """Tell whether two paths are the same folder, whatever links lie on the way to it."""
    return os.path.exists(one) and os.path.samefile(one, other)


if __name__ == "__main__":
    sys.exit(main())
