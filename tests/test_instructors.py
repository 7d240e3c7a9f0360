"""The teacher's page is true: each of its commands is run, in order, on a class of three."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from distributed import LocalCluster

from minilib.grading.results import load_results
from minilib.grading.sandbox import missing_wall
from tests.notebooks import ROOT, read, solution
from tests.test_grading_flow import with_answers

PAGE = (ROOT / "docs" / "instructors.md").read_text("utf-8")
TOPIC = "01_l2_from_scratch"
POINTS = {"ada": 10, "ben": 0, "eva": 6}
OUTSIDE = ("ARGS", "CONDA", "JUPYTER", "MAKE", "MFLAGS", "PYTHON", "VIRTUAL")

pytestmark = pytest.mark.skipif(
    os.environ.get("SANDBOX_TEST") != "required" and missing_wall() is not None,
    reason="there is no bubblewrap (on Debian: sudo apt install bubblewrap)",
)


@dataclass(frozen=True)
class Course:
    """A teacher's course folder, what its commands printed, and the points after each of them."""

    folder: Path
    printed: dict[str, str]
    points: dict[str, dict[str, float]]

    def run(self, command: str, *, code: int) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OUTSIDE)}
        done = subprocess.run(
            command, shell=True, cwd=self.folder, env=kept, capture_output=True, text=True
        )
        assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
        self.printed[command] = done.stdout
        results = load_results(self.folder / "graded")
        self.points[command] = {result.student: result.points for result in results}

    def grades(self, name: str) -> list[str]:
        return (self.folder / name).read_text("utf-8").splitlines()


def commands() -> list[str]:
    """The lines of the page's sh blocks."""
    blocks = re.findall(r"(?m)^```sh\n(.*?)^```", PAGE, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def course_folder(folder: Path) -> Path:
    """A clone as after its first `make grade`; .venv leads to the packages of these tests."""
    kept = ("Makefile", "pyproject.toml", "constraints.txt", "nbgrader_config.py", "tools")
    for name in (*kept, "minilib", "solutions", "exercises"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        folder.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, folder / name)
    (folder / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        (folder / ".venv" / path.name).symlink_to(path)
    for stamp in (folder / ".venv").glob(".installed-*"):
        stamp.unlink()
    (folder / ".venv" / ".installed-grade").touch()
    return folder


def hand_in(course: Path) -> None:
    """Ada knows everything, Ben nothing, Eva one thing less and calls her file differently."""
    cells = read(solution(TOPIC)).cells
    answers = {cell.id: cell.source for cell in cells if cell.nbgrader.get("solution")}
    exercise = json.loads((course / "exercises" / TOPIC / f"{TOPIC}.ipynb").read_bytes())
    forgetful = answers | {"repair": "def train(X, y, lam):\n    return 0.0, 0 * X[0]\n"}
    for student, name, written in (
        ("ada", TOPIC, answers),
        ("ben", TOPIC, {}),
        ("eva", "Unbenannt", forgetful),
    ):
        place = course / "submitted" / student / TOPIC / f"{name}.ipynb"
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps(with_answers(exercise, written)), "utf-8")


@pytest.fixture(scope="module")
def term(tmp_path_factory):
    course = Course(course_folder(tmp_path_factory.mktemp("term") / "course"), {}, {})
    hand_in(course.folder)
    (course.folder / "grading.toml").write_text(re.search(r"```toml\n(.*?)```", PAGE, re.S)[1])
    for part in ("part1", "part2"):
        for name in ("solutions", "exercises", "submitted"):
            shutil.copytree(course.folder / name, course.folder / part / name)
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0"
    ) as cluster:
        for command in commands():
            here = command.replace("tcp://127.0.0.1:8786", cluster.scheduler_address)
            course.run(here, code=int("minilib.checks" in command))
    return course


def test_the_page_has_all_steps_of_a_term():
    words = " ".join(commands())
    for step in ("minilib.checks", "make grade", "status", "export", "--shard", "--scheduler"):
        assert step in words


def test_every_command_of_the_page_works(term):
    assert len(term.printed) == len(commands())


def test_a_learner_is_told_what_is_not_written_yet(term):
    printed = next(text for command, text in term.printed.items() if "minilib.checks" in command)
    assert printed.count("not written yet") == 3
    assert "0 of 10 points" in printed


def test_the_class_is_graded_once_and_counted(term):
    assert term.printed["make grade"].startswith("3 graded, 0 of them to be looked at.")
    assert term.printed['make grade ARGS="01_l2_from_scratch --jobs 1"'].startswith("0 graded")
    status = next(text for command, text in term.printed.items() if command.endswith("status"))
    assert status.splitlines()[1].split() == [TOPIC, "3", "3", "0"]


def test_nbgrader_and_the_tables_for_platforms_know_the_points(term):
    nbgrader = [line.split(",") for line in term.grades("grades.csv")]
    scores = {row[3]: float(row[9]) for row in nbgrader[1:] if row[0] == TOPIC}
    assert scores == POINTS
    canvas = [line.split(",") for line in term.grades("grades_canvas.csv")]
    assert {row[3]: float(row[-1]) for row in canvas[2:]} == POINTS
    with (term.folder / "grades_moodle.csv").open(newline="") as stream:
        moodle = {row["student"]: float(row[TOPIC]) for row in csv.DictReader(stream)}
    assert moodle == POINTS


def test_the_pages_for_students_have_points_and_sentences_but_no_seed_and_no_answer(term):
    pages = {who: (term.folder / "marks" / who / f"{TOPIC}.html").read_text() for who in POINTS}
    for who, points in POINTS.items():
        assert f"{points} of 10 points" in pages[who]
    assert "Repair the solver" in pages["eva"]
    assert "The notebook was called Unbenannt.ipynb." in pages["eva"]
    assert "Not written yet" in pages["ben"]
    seed = (term.folder / "graded" / "seed").read_text().strip()
    assert not [who for who, page in pages.items() if seed in page or "SOLUTION" in page]


def test_nbgraders_own_pages_show_the_checkers_sentence(term):
    page = term.folder / "feedback" / "ben" / TOPIC / f"{TOPIC}.html"
    assert "01.translate: not written yet" in page.read_text("utf-8")


def test_answers_for_plagiarism_tools_are_only_what_students_wrote(term):
    text = (term.folder / "answers" / TOPIC / "eva" / f"{TOPIC}.py").read_text("utf-8")
    assert "return 0.0, 0 * X[0]" in text
    assert "minilib.checks" not in text


def test_processes_shards_and_a_cluster_give_the_same_points(term):
    after = list(term.points.values())
    assert after[0] == {}
    assert after[1:] == [POINTS] * (len(after) - 1)


def test_parts_of_the_class_add_up_to_all_of_it(term):
    parts = [
        {path.parent.name for path in (term.folder / part / "graded").glob(f"{TOPIC}/*/*.json")}
        for part in ("part1", "part2")
    ]
    assert parts[0] | parts[1] == set(POINTS)
    assert not parts[0] & parts[1]
