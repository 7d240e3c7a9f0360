"""The course installs and starts as its README says, and its package files agree.

make is tried with a stand-in for Python that only writes down what it is asked for.
"""

import ast
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions, requires, version
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from nbgrader.apps import NbGraderApp
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8")
ONLY_BENCH = "# Only for `make bench`:\n"
EXTRAS = ("bench", "cluster", "grade", "test")
TARGETS = ("lab", "test", "doctor", "lessons", "exercises", "grade", "bench", "reader")

# What make asks of Python, in order.
CHECK = "tools/doctor.py --python"
MAKE_VENV = "-m venv --clear --without-pip .venv"
MAKE_PIP = "-m ensurepip"
INSTALL = "-m pip install -q --disable-pip-version-check -c constraints.txt -e ."
FONTS = "-c import matplotlib.font_manager"
START = "-m jupyterlab --config=tools/jupyterlab/jupyter_lab_config.py"
PYTEST = "-m pytest -n logical --maxprocesses=4 --dist loadfile"
PROVE = ["-m ruff check", "-m ruff format --check", PYTEST]

where_pinned = pytest.mark.skipif(
    (sys.platform, sys.version_info[:2]) != ("linux", (3, 11)),
    reason="the pins are those of Python 3.11 on Linux; others need other small packages",
)
BENCH_IS_THERE = all(find_spec(name) for name in ("celer", "skglm"))
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


# The package files


def pins() -> dict[str, str]:
    """What the course with its tests is pinned to, and what only `make bench` needs."""
    return _pins(CONSTRAINTS)


def course_pins() -> dict[str, str]:
    return _pins(CONSTRAINTS.partition(ONLY_BENCH)[0])


def _pins(text: str) -> dict[str, str]:
    split = (line.split("==") for line in text.splitlines() if not line.startswith("#"))
    return {canonicalize_name(name): pin for name, pin in split}


def named_requirements(extras: Iterable[str]) -> list[Requirement]:
    """What pyproject.toml asks for."""
    groups = [PROJECT["dependencies"], *map(PROJECT["optional-dependencies"].get, extras)]
    named = [Requirement(text) for group in groups for text in group]
    return [requirement for requirement in named if requirement.name != "minilib"]


def needed_by(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    """What an installed package needs here and now."""
    for requirement in map(Requirement, requires(name) or []):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield requirement


def everything_needed(extra: str) -> set[str]:
    """Names of all that the course with an extra pulls in, but torch's GPU packages."""
    found: set[tuple[str, frozenset[str]]] = set()
    to_see = [("minilib", frozenset({extra}))]
    while to_see:
        package = to_see.pop()
        found.add(package)
        needs = {(canonicalize_name(r.name), frozenset(r.extras)) for r in needed_by(*package)}
        to_see += [need for need in needs - found if not need[0].startswith(("cuda-", "nvidia-"))]
    return {name for name, _ in found} - {"minilib", "triton"}


def test_constraints_pin_each_package_once_to_a_released_version():
    lines = [line for line in CONSTRAINTS.splitlines() if not line.startswith("#")]
    assert [
        line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9.]*", line)
    ] == []
    assert len(pins()) == len(lines)


def test_the_extras_are_the_ones_that_are_looked_at_here():
    assert tuple(PROJECT["optional-dependencies"]) == EXTRAS


def test_the_test_extra_brings_the_programs_that_make_test_runs():
    pytest_options = PYPROJECT["tool"]["pytest"]["ini_options"]["addopts"]
    assert "--nbval" in pytest_options
    programs = {command.split()[1] for command in PROVE}
    assert {requirement.name for requirement in named_requirements(["test"])} >= programs | {
        "nbval"
    }


def test_every_package_that_pyproject_names_is_pinned():
    assert {
        canonicalize_name(requirement.name) for requirement in named_requirements(EXTRAS)
    } <= set(pins())


def test_a_pin_satisfies_what_pyproject_asks():
    for requirement in named_requirements(EXTRAS):
        assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


@where_pinned
def test_constraints_pin_everything_that_is_pulled_in_and_nothing_else():
    assert set(course_pins()) == everything_needed("test") | {"setuptools"}


@where_pinned
def test_the_tests_run_on_the_pinned_versions():
    found = {name: version(name).partition("+")[0] for name in course_pins()}
    assert found == course_pins()


@where_pinned
@pytest.mark.skipif(not BENCH_IS_THERE, reason="pip install -c constraints.txt -e .[bench]")
def test_what_only_the_benchmarks_pull_in_is_pinned_apart_and_completely():
    assert set(pins()) - set(course_pins()) == everything_needed("bench") - set(course_pins())


def test_every_mention_of_torch_is_of_one_version():
    files = ["pyproject.toml", "constraints.txt", "README.md", "CONTRIBUTING.md"]
    said = [re.findall(r"torch==([0-9.]*[0-9])", (ROOT / name).read_text()) for name in files]
    assert {release for releases in said for release in releases} == {pins()["torch"]}
    assert all(said)


def test_conda_installs_the_course_with_its_tests_under_the_constraints():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment == {
        "name": "small-networks",
        "dependencies": [
            "python" + PROJECT["requires-python"],
            "pip",
            {"pip": ["-c constraints.txt", "-e .[test]"]},
        ],
    }


def test_one_oldest_python_is_named_everywhere():
    oldest = re.fullmatch(r">=(\d+\.\d+)", PROJECT["requires-python"])[1]
    doctor = (ROOT / "tools" / "doctor.py").read_text(encoding="utf-8")
    assert f"OLDEST_PYTHON = ({oldest.replace('.', ', ')})" in doctor
    assert f"Python {oldest} or newer" in README
    assert f"Python {oldest} or newer" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_this_python_is_one_that_the_course_is_for():
    assert SpecifierSet(PROJECT["requires-python"]).contains(sys.version.split()[0])


def sources(folder: str) -> Iterator[tuple[str, str]]:
    """The Python files and code cells of a folder, with the name of the file."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield path.name, path.read_text(encoding="utf-8")
    for path in sorted((ROOT / folder).rglob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            yield path.name, "".join(cell["source"]) * (cell["cell_type"] == "code")


def imported(code: str) -> Iterator[str]:
    """The packages that code imports by absolute name."""
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Import(names=names):
                yield from (alias.name.partition(".")[0] for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("minilib", ["cluster", "grade"]),
        ("benchmarks", []),
        ("notebooks", []),
        ("solutions", []),
        ("tools", ["grade", "test"]),
        ("tests", ["grade", "test"]),
    ],
)
def test_an_imported_package_is_one_that_pyproject_names_or_that_comes_with_one(folder, extras):
    named = {canonicalize_name(requirement.name) for requirement in named_requirements(extras)}
    brought = {canonicalize_name(r.name) for name in named for r in needed_by(name, frozenset())}
    own = {"benchmarks", "minilib", "tests", "tools"} | sys.stdlib_module_names
    owners = packages_distributions()
    strangers = {
        (where, package)
        for where, code in sources(folder)
        for package in set(imported(code)) - own
        if not (named | brought) & set(map(canonicalize_name, owners.get(package, [package])))
    }
    assert strangers == set()


# make


@dataclass(frozen=True)
class Course:
    """A copy of what make needs, and a Python that only writes down what it is asked for."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "python3"

    def start(self, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            ["make", *arguments],
            cwd=self.folder,
            env=outside_make() | {"PYTHON": str(self.python), "LOG": str(self.folder / "log")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def make(self, *arguments: str) -> tuple[int, list[str], str]:
        """Run make; return its exit code, what Python was asked, and what make printed."""
        (self.folder / "log").write_text("")
        running = self.start(*arguments)
        printed = "".join(running.communicate(timeout=60))
        return running.returncode, self.asked, printed

    @property
    def asked(self) -> list[str]:
        lines = (self.folder / "log").read_text().splitlines()
        return [line.replace(" --allow-root", "").rstrip() for line in lines]

    def forbid(self, wish: str) -> None:
        """Let Python fail when it is asked for this."""
        (self.folder / "forbidden").write_text(wish)

    def hold(self, wish: str) -> None:
        """Let Python take forever when it is asked for this."""
        (self.folder / "held").write_text(wish)

    def allow_everything(self) -> None:
        (self.folder / "forbidden").write_text("nothing")
        (self.folder / "held").write_text("nothing")


def outside_make() -> dict[str, str]:
    """The environment without what `make test` tells the programs that it runs."""
    told = ("ARGS", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "PYTHON")
    return {name: os.environ[name] for name in os.environ if name not in told}


STAND_IN = """#!/bin/sh
echo "$*" >> "$LOG"
case "$*" in
    "-m venv "*) rm -rf .venv; mkdir -p .venv/bin; ln -s "$PWD/python3" .venv/bin/python ;;
    *"$(cat forbidden)"*) exit 1 ;;
    *"$(cat held)"*) exec sleep 600 ;;
esac
"""


@pytest.fixture
def course(tmp_path: Path) -> Course:
    course = Course(tmp_path)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copyfile(ROOT / name, tmp_path / name)
        os.utime(tmp_path / name, (1, 1))
    course.python.write_text(STAND_IN)
    course.python.chmod(0o755)
    os.utime(course.python, (1, 1))
    course.allow_everything()
    return course


@needs_make
def test_the_first_make_lab_installs_and_starts(course):
    code, asked, printed = course.make("lab")
    assert asked == [CHECK, MAKE_VENV, MAKE_PIP, INSTALL, FONTS, START]
    assert "takes some minutes" in printed
    assert code == 0


@needs_make
def test_the_second_make_lab_only_starts(course):
    course.make("lab")
    assert course.make("lab") == (0, [START], "")


@needs_make
def test_options_go_on_to_jupyterlab(course):
    course.make("lab")
    _, asked, _ = course.make("lab", "ARGS=--no-browser --port=9999")
    assert asked == [f"{START} --no-browser --port=9999"]


@needs_make
def test_make_test_installs_and_proves_everything(course):
    code, asked, _ = course.make("test")
    assert asked == [CHECK, MAKE_VENV, MAKE_PIP, INSTALL + "[test]", FONTS, *PROVE]
    assert code == 0


@needs_make
def test_after_make_test_nothing_is_left_to_install(course):
    course.make("test")
    assert course.make("lab") == (0, [START], "")
    assert course.make("test") == (0, PROVE, "")


@needs_make
@pytest.mark.parametrize("step", PROVE)
def test_make_test_fails_with_each_of_its_steps(course, step):
    course.forbid(step)
    code, asked, _ = course.make("test")
    assert code != 0
    assert asked[-1] == step


@needs_make
@pytest.mark.parametrize("step", [MAKE_PIP, INSTALL])
def test_a_failed_installation_is_taken_up_again(course, step):
    course.forbid(step)
    code, asked, _ = course.make("lab")
    assert code != 0
    assert asked[-1] == step
    course.allow_everything()
    assert course.make("lab")[:2] == (0, [MAKE_PIP, INSTALL, FONTS, START])


@needs_make
@pytest.mark.parametrize("step", [MAKE_PIP, INSTALL])
@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_installation_is_taken_up_again(course, step, blow):
    course.hold(step)
    (course.folder / "log").write_text("")
    running = course.start("lab")
    while step not in course.asked:
        assert running.poll() is None
        time.sleep(0.01)
    os.killpg(running.pid, blow)
    running.communicate(timeout=60)
    course.allow_everything()
    assert course.make("lab")[:2] == (0, [MAKE_PIP, INSTALL, FONTS, START])


@needs_make
@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_package_files_are_installed(course, name):
    course.make("lab")
    (course.folder / name).touch()
    os.utime(course.folder / ".venv" / ".installed-lab", (2, 2))
    assert course.make("lab")[:2] == (0, [MAKE_PIP, INSTALL, FONTS, START])


@needs_make
def test_a_venv_whose_python_is_gone_is_made_afresh(course):
    course.make("lab")
    link = course.folder / ".venv" / "bin" / "python"
    link.unlink()
    link.symlink_to("/nowhere/python3")
    assert course.make("lab")[:2] == (0, [CHECK, MAKE_VENV, MAKE_PIP, INSTALL, FONTS, START])


@needs_make
@pytest.mark.parametrize("target", ["lab", "test", "doctor"])
def test_a_missing_python_is_said_in_one_line(course, target):
    course.python.unlink()
    code, _, printed = course.make(target)
    assert code != 0
    assert re.fullmatch(
        rf"There is no \S+/python3 here\. Install Python 3\.11 or newer .* or say where it is: "
        rf"make {target} PYTHON=/path/to/python3\nmake: \*\*\* .*\n",
        printed,
    )


@needs_make
def test_a_python_that_will_not_do_stops_make_before_it_installs(course):
    course.forbid(CHECK)
    code, asked, _ = course.make("lab")
    assert code != 0
    assert asked == [CHECK]


@needs_make
def test_the_doctor_is_asked_with_options_and_without_venv(course):
    assert course.make("doctor", "ARGS=--port=9999")[1] == ["tools/doctor.py --port=9999"]


@needs_make
@pytest.mark.parametrize(
    ("target", "tool"), [("lessons", "tools/notebooks.py"), ("exercises", "tools/exercises.py")]
)
def test_the_tools_run_where_everything_is_installed(course, target, tool):
    _, asked, _ = course.make(target)
    assert asked[-3:] == [INSTALL + "[test]", FONTS, tool]
    assert (ROOT / tool).is_file()


@needs_make
def test_the_benchmarks_run_where_their_rivals_are_installed(course):
    _, asked, _ = course.make("bench", "ARGS=path files")
    assert asked[2:] == [MAKE_PIP, INSTALL + "[bench]", FONTS, "-m benchmarks path files"]


@needs_make
def test_the_reader_is_made_where_the_course_is_installed(course):
    _, asked, _ = course.make("reader", "ARGS=sparse tied")
    assert asked[2:] == [MAKE_PIP, INSTALL, FONTS, "-m tools.reader sparse tied"]


@needs_make
def test_make_alone_lists_every_target(course):
    code, asked, printed = course.make()
    assert re.findall(r"^make (\w+)", printed, re.MULTILINE) == list(TARGETS)
    assert (code, asked) == (0, [])


# README


def blocks(text: str) -> list[list[str]]:
    """The commands of each fenced block, without comments."""
    found = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [block.splitlines() for block in found]
    return [[line.partition("  #")[0].strip() for line in block] for block in lines]


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_every_make_command_in_the_documents_exists(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    fenced = [line for block in blocks(text) for line in block if line.startswith("make")]
    commands = fenced + re.findall(r"`(make [^`]*)`", text)
    assert {shlex.split(command)[1] for command in commands} <= set(TARGETS)
    assert commands


def test_the_first_commands_of_the_readme_are_make_lab_and_make_test():
    assert blocks(README)[0] == ["make lab", "make test"]


@needs_make
def test_without_make_one_types_what_make_does(course):
    by_hand = [block for block in blocks(README) if any("Scripts" in line for line in block)]
    typed = [line.replace(".venv\\Scripts\\python ", "") for block in by_hand for line in block]
    asked = course.make("lab")[1] + course.make("test")[1] + course.make("doctor")[1]
    assert typed == ["py -m venv .venv"] + [
        command.replace("-q --disable-pip-version-check ", "")
        for command in asked
        if command not in (CHECK, MAKE_VENV, MAKE_PIP, FONTS)
    ]


def test_conda_users_start_what_make_lab_starts():
    (block,) = [block for block in blocks(README) if any("conda" in line for line in block)]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert block == [
        "conda env create -f environment.yml",
        f"conda activate {environment['name']}",
        f"python {START}",
    ]


def test_the_nbgrader_commands_of_the_readme_exist():
    commands = re.findall(r"-m nbgrader (\w+)", README)
    assert commands == ["generate_assignment", "autograde", "generate_feedback", "export"]
    assert set(commands) <= set(NbGraderApp.subcommands)


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE-TEXT.md", "docs/decisions.md"]
)
def test_the_links_between_documents_lead_somewhere(name):
    document = ROOT / name
    links = re.findall(r"\]\(([^)]+)\)", document.read_text(encoding="utf-8"))
    inside = [link for link in links if not link.startswith("https://")]
    assert [link for link in inside if not (document.parent / link).exists()] == []


def test_every_folder_in_the_readme_is_there():
    folders = re.findall(r"`(\w+)/`", README)
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []
    assert {"notebooks", "exercises", "solutions", "minilib"} <= set(folders)


# Licence, citation, CI


def test_code_and_text_have_the_licences_that_the_readme_names():
    assert PROJECT["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License\n")
    text = (ROOT / "LICENSE-TEXT.md").read_text(encoding="utf-8")
    assert "https://creativecommons.org/licenses/by/4.0/legalcode" in text
    assert "Code: MIT" in README
    assert "CC BY 4.0" in README


def test_the_citation_is_of_this_version_and_has_what_the_format_asks_for():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["authors"] == [{"name": "Small Networks authors"}]
    assert citation["message"]
    assert citation["title"]
    assert str(citation["version"]) == PROJECT["version"] == version("minilib")
    assert citation["license"] == PROJECT["license"]


def test_the_changelog_speaks_of_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert PROJECT["version"] in changelog
    assert changelog.index("## [Unreleased]") < changelog.index("### Added")


def test_no_decision_takes_more_than_eight_lines():
    text = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    entries = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert [entry for entry in entries if not re.match(r"20\d\d-\d\d-\d\d \S", entry)] == []
    assert [entry for entry in entries if len(entry.strip().splitlines()) - 2 > 8] == []
    assert entries


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Commands that write down how they were called: a CI machine where little is installed."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "dirname", "sh"):
        (programs / name).symlink_to(shutil.which(name))
    calls = {"make": "make $* $BROWSER_TEST $SANDBOX_TEST", "apt-get": "apt-get $*"}
    for name, call in calls.items():
        command(programs / name, f'echo "{call}" >> "{tmp_path}/log"')
    command(programs / "id", "echo 0")
    return tmp_path


def command(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def run_ci(machine: Path) -> list[str]:
    programs = str(machine / "bin")
    subprocess.run(["bash", ROOT / ".ci" / "run"], env={"PATH": programs}, check=True)
    return (machine / "log").read_text().splitlines()


TEST = "make test required required"


@pytest.mark.parametrize("there", [[], ["chromium"], ["bwrap"]])
def test_ci_installs_what_is_missing_and_runs_the_readmes_test(machine, there):
    for name in there:
        command(machine / "bin" / name, "exit 0")
    update, install, test = run_ci(machine)
    assert update.startswith("apt-get update")
    assert re.fullmatch(r"apt-get install -y .*chromium bubblewrap", install)
    assert test == TEST


def test_ci_with_both_only_runs_the_readmes_test(machine):
    for name in ("chromium", "bwrap"):
        command(machine / "bin" / name, "exit 0")
    assert run_ci(machine) == [TEST]


def test_ci_that_may_not_install_only_runs_the_readmes_test(machine):
    command(machine / "bin" / "id", "echo 1000")
    assert run_ci(machine) == [TEST]
