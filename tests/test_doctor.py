"""`make doctor` names each thing that is wrong, and the command that mends it.

Each test breaks a copy of the course in one way. The copy's .venv is made of links to the packages
of the environment that runs the tests, so that it can be broken, too.
"""

import ast
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ".venv/bin/python"
OUTSIDE = ("CONDA", "IPYTHON", "JUPYTER", "PYTHON", "VIRTUAL_ENV")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the copies are made of links")


@dataclass(frozen=True)
class Copy:
    """A copy of as much of the course as the doctor looks at."""

    folder: Path

    @property
    def packages(self) -> Path:
        return next(self.folder.glob(".venv/lib/python*/site-packages"))

    @property
    def data(self) -> Path:
        return self.folder / "minilib" / "data"

    def remove(self, *patterns: str) -> None:
        for pattern in patterns:
            for path in list(self.packages.glob(pattern)):
                remove(path)

    def doctor(self, *options: str, python: str = sys.executable, **environment: str) -> str:
        """Run the doctor; a copy is well if and only if it says so and exits with 0."""
        done = subprocess.run(
            [python, "tools/doctor.py", *(options or [f"--port={free_port()}"])],
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
        )
        assert done.stderr == ""
        assert done.returncode == (done.stdout not in ("All is well.\n", ""))
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        own = {name: os.environ[name] for name in os.environ if not name.startswith(OUTSIDE)}
        return own | {"HOME": str(self.folder)}


def remove(path: Path) -> None:
    path.unlink() if path.is_symlink() or path.is_file() else shutil.rmtree(path)


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


def write_script(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


def changed_python(path: Path, change: str) -> str:
    """Write a command that runs this Python on a script, after a change to the system."""
    runner = f"import runpy, shutil, sys; {change}; sys.argv = sys.argv[1:]; "
    runner += "runpy.run_path(sys.argv[0], run_name='__main__')"
    return write_script(path, f'exec "{sys.executable}" -c "{runner}" "$@"\n')


NOT_INSTALLED = "The course is not installed: there is no .venv. Mend it: make lab\n"
OLD = "sys.version_info = (3, 9, 2, 'final', 0)"


@pytest.fixture
def bare(tmp_path: Path) -> Copy:
    """A copy that is not installed."""
    bare = Copy(tmp_path / "course")
    (bare.folder / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "doctor.py", bare.folder / "tools")
    shutil.copy(ROOT / "constraints.txt", bare.folder)
    (bare.data / "mnist").mkdir(parents=True)
    (bare.data / "mnist" / "images.gz").write_bytes(b"pictures")
    checksum = hashlib.sha256(b"pictures").hexdigest()
    (bare.data / "SHA256SUMS").write_text(f"{checksum}  mnist/images.gz\n")
    return bare


@pytest.fixture
def copy(bare: Copy) -> Copy:
    """A copy that is installed and well."""
    environment = bare.folder / ".venv"
    venv.create(environment, symlinks=True)
    shutil.rmtree(environment / "include")
    link_entries(Path(sysconfig.get_path("purelib")), bare.packages)
    link_entries(Path(sys.prefix), environment)
    bare.remove("__editable__*minilib*", "minilib-*")
    install_minilib(bare, bare.folder)
    return bare


def link_entries(source: Path, target: Path) -> None:
    """Fill `target` with links to what is in `source`; what a test changes becomes a copy."""
    target.mkdir(exist_ok=True)
    for path in source.iterdir():
        place = target / path.name
        if path.name in ("share", "jupyter"):
            link_entries(path, place)
        elif path.name == "kernels":
            shutil.copytree(path, place)
        elif not place.exists():
            place.symlink_to(path)


def kernels(copy: Copy) -> Path:
    return copy.folder / ".venv" / "share" / "jupyter" / "kernels"


def install_minilib(copy: Copy, folder: Path) -> None:
    record = copy.packages / "minilib-0.1.0.dist-info"
    record.mkdir(exist_ok=True)
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: minilib\nVersion: 0.1.0\n")
    (record / "direct_url.json").write_text(json.dumps({"url": folder.as_uri()}))


def test_a_sound_copy_is_well(copy):
    assert copy.doctor() == "All is well.\n"


def test_it_is_written_in_the_language_of_python_3_6():
    ast.parse((ROOT / "tools" / "doctor.py").read_text(), feature_version=(3, 6))


# Python


def test_an_old_python_is_told_which_other_one_will_do(bare):
    programs = bare.folder / "bin"
    old = changed_python(programs / "python3", OLD)
    write_script(programs / "python3.12", f'exec "{sys.executable}" "$@"\n')
    said = bare.doctor("--python", python=old, PATH=f"{programs}")
    assert re.fullmatch(
        r"\S+ is Python 3\.9\.2, the course needs 3\.11 or newer\. "
        r"Mend it: make lab PYTHON=python3\.12\n",
        said,
    )


def test_an_old_python_alone_is_told_where_a_new_one_comes_from(bare):
    old = changed_python(bare.folder / "bin" / "python3", OLD)
    said = bare.doctor("--python", python=old, PATH=str(bare.folder))
    assert "install Python 3.11 or newer from https://www.python.org/downloads/" in said
    assert "make lab PYTHON=/path/to/python3" in said


def test_a_python_without_venv_is_told_the_package_that_brings_it(bare):
    (bare.folder / "ensurepip.py").write_text("raise ImportError")
    said = bare.doctor("--python", PYTHONPATH=str(bare.folder))
    assert "it has no module venv. Mend it: sudo apt install python3." in said


def test_a_good_python_is_passed_in_silence(bare):
    assert bare.doctor("--python") == ""


# .venv


def test_without_venv_the_course_is_not_installed(bare):
    assert bare.doctor() == NOT_INSTALLED


def test_without_venv_an_old_python_is_named_too(bare):
    said = bare.doctor(python=changed_python(bare.folder / "python3", OLD))
    assert "is Python 3.9.2" in said
    assert said.endswith(NOT_INSTALLED)


def test_a_venv_whose_python_is_gone_is_made_afresh(copy):
    for link in (copy.folder / ".venv" / "bin").glob("python*"):
        link.unlink()
        link.symlink_to("/nowhere/python3")
    said = copy.doctor()
    assert said == f"{PYTHON} does not run. Mend it: rm -rf .venv && make lab\n"


def test_a_venv_of_an_old_python_is_made_afresh(copy):
    changed_python(copy.folder / PYTHON, OLD)
    said = copy.doctor()
    assert said == (
        f"{PYTHON} is Python 3.9.2, the course needs 3.11 or newer. "
        "Mend it: rm -rf .venv && make lab\n"
    )


def test_an_active_conda_environment_stands_in_for_venv(copy):
    prefix = copy.folder / "conda"
    (copy.folder / ".venv").rename(prefix)
    active = {"CONDA_DEFAULT_ENV": "small-networks", "CONDA_PREFIX": str(prefix)}
    assert copy.doctor(**active) == "All is well.\n"


# Packages


def test_a_missing_package_is_named_with_its_version(copy):
    copy.remove("tqdm", "tqdm-*")
    pin = version("tqdm")
    install_needs(copy, "tqdm")
    assert copy.doctor() == (f"Not installed: tqdm. Mend it: {PYTHON} -m pip install tqdm=={pin}\n")


def install_needs(copy: Copy, name: str) -> None:
    metadata = copy.packages / "minilib-0.1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text() + f"Requires-Dist: {name}\n")


def test_a_package_of_another_version_is_named_with_both(copy):
    copy.remove("tqdm-*")
    (copy.packages / "tqdm-4.0.dist-info").mkdir()
    (copy.packages / "tqdm-4.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: tqdm\nVersion: 4.0\n"
    )
    pin = version("tqdm")
    assert copy.doctor() == (
        f"Not the version in constraints.txt: tqdm 4.0 instead of {pin}. "
        f"Mend it: {PYTHON} -m pip install tqdm=={pin}\n"
    )


def test_a_package_that_lost_its_files_is_installed_by_force(copy):
    copy.remove("tqdm")
    said = copy.doctor()
    assert re.match(r"Installed files are gone: tqdm \(\d+\)\. ", said)
    assert f"{PYTHON} -m pip install --force-reinstall --no-deps tqdm==" in said


def test_a_build_for_the_cpu_alone_is_the_version_it_is_built_from(copy):
    copy.remove("torch-*")
    pin = re.search(r"^torch==(\S+)$", (copy.folder / "constraints.txt").read_text(), re.MULTILINE)
    (copy.packages / "torch-0.dist-info").mkdir()
    (copy.packages / "torch-0.dist-info" / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: torch\nVersion: {pin[1]}+cpu\n"
    )
    assert copy.doctor() == "All is well.\n"


def test_a_missing_minilib_is_installed_from_this_folder(copy):
    copy.remove("minilib-*")
    assert copy.doctor() == (
        "minilib, the course's own library, is not installed. "
        f"Mend it: {PYTHON} -m pip install -c constraints.txt -e .\n"
    )


def test_a_minilib_of_another_folder_is_installed_from_this_one(copy):
    install_minilib(copy, copy.folder / "old")
    assert copy.doctor() == (
        f"minilib is installed from {copy.folder / 'old'}, not from this folder. "
        f"Mend it: {PYTHON} -m pip install -c constraints.txt -e .\n"
    )


def test_missing_constraints_are_named(copy):
    (copy.folder / "constraints.txt").unlink()
    assert copy.doctor() == (
        "constraints.txt is missing. Mend it: git checkout -- constraints.txt\n"
    )


def test_a_missing_pip_is_brought_back_by_its_command(copy):
    copy.remove("pip", "pip-*")
    said = copy.doctor()
    assert said == f"{PYTHON} has no pip. Mend it: {PYTHON} -m ensurepip\n"
    mend(copy, said)
    assert copy.doctor() == "All is well.\n"


def mend(copy: Copy, said: str) -> None:
    """Do what the doctor says."""
    command = said.strip().rpartition(" Mend it: ")[2]
    subprocess.run(
        command, shell=True, cwd=copy.folder, env=copy.environment, check=True, capture_output=True
    )


# The kernel


def test_a_missing_kernel_is_named(copy):
    remove(kernels(copy))
    copy.remove("ipykernel", "ipykernel-*")
    said = copy.doctor().splitlines()
    assert "Not installed: ipykernel." in said[0]
    assert said[1] == (
        "There is no kernel python3, which every notebook asks for. "
        f"Mend it: {PYTHON} -m ipykernel install --sys-prefix --name python3"
    )


def test_a_kernel_of_another_python_is_replaced_by_its_command(copy):
    spec = kernels(copy) / "python3" / "kernel.json"
    argv = ["/usr/bin/python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
    said = copy.doctor()
    assert said == (
        f"The kernel python3 starts /usr/bin/python3, not {PYTHON}. "
        f"Mend it: {PYTHON} -m ipykernel install --sys-prefix --name python3\n"
    )
    mend(copy, said)
    assert copy.doctor() == "All is well.\n"


# Data


def overwrite(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "harm", "wrong"),
    [
        ("mnist/images.gz", Path.unlink, "is missing"),
        ("mnist/images.gz", overwrite(b"picturez"), "is damaged"),
        ("mnist/images.gz", overwrite(b"pict"), "is damaged"),
        ("mnist/images.gz", overwrite(b""), "is damaged"),
        ("SHA256SUMS", Path.unlink, "is missing"),
        ("SHA256SUMS", overwrite(b""), "is damaged"),
        ("SHA256SUMS", overwrite(b"\x00\xff\n"), "is damaged"),
    ],
)
def test_a_bad_data_file_is_brought_back_by_its_command(bare, name, harm, wrong):
    for command in (["init", "-q"], ["add", "minilib"], ["commit", "-q", "-m", "data"]):
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *identity, *command], cwd=bare.folder, check=True)
    harm(bare.data / name)
    said = bare.doctor()
    path = f"minilib/data/{name}"
    assert said == NOT_INSTALLED + f"{path} {wrong}. Mend it: git checkout -- {path}\n"
    mend(bare, said)
    assert bare.doctor() == NOT_INSTALLED


# The machine


def test_a_taken_port_is_named_with_one_that_is_free(bare):
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        taken = door.getsockname()[1]
        said = bare.doctor(f"--port={taken}")
    found = re.fullmatch(
        NOT_INSTALLED + rf"Port {taken} is taken, perhaps by a JupyterLab that already runs\. "
        r'Mend it: make lab ARGS="--port=(\d+)"\n',
        said,
    )
    assert bare.doctor(f"--port={found[1]}") == NOT_INSTALLED


def test_a_full_disk_is_named_with_what_is_free_and_what_installing_needs(bare):
    said = bare.doctor(python=python_on_full_disk(bare))
    assert "The disk is nearly full: 0.1 GB are free, 4.0 GB are needed. Mend it: " in said
    assert said.endswith(" -m pip cache purge frees what pip keeps\n")


def test_an_installed_course_needs_less_of_the_disk(copy):
    said = copy.doctor(python=python_on_full_disk(copy))
    assert said.startswith("The disk is nearly full: 0.1 GB are free, 0.5 GB are needed. Mend it: ")


def python_on_full_disk(copy: Copy) -> str:
    usage = "shutil._ntuple_diskusage(10**12, 10**12 - 10**8, 10**8)"
    change = f"usage = {usage}; shutil.disk_usage = lambda _: usage"
    return changed_python(copy.folder / "python3", change)


def test_everything_that_is_wrong_is_named_at_once(copy):
    copy.remove("tqdm", "minilib-*")
    (copy.data / "mnist" / "images.gz").unlink()
    said = copy.doctor()
    assert len(said.splitlines()) == 3
    assert "tqdm (" in said
    assert "minilib, the course's own library" in said
    assert "images.gz is missing" in said
