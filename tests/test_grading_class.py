"""A class is graded once, whoever does it and however often it is interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minilib.grading.batch import Job, grade, grade_here, pending
from minilib.grading.examiner import Examined, Mark
from minilib.grading.feedback import feedback_page
from minilib.grading.policy import Counted, Policy, all_counted, counted, penalty, read_policy
from minilib.grading.results import (
    Result,
    class_seed,
    load_result,
    load_results,
    place_of,
    save_result,
    version_of,
    write_whole,
)
from minilib.grading.sandbox import missing_wall
from minilib.grading.submissions import find_submissions, read_submission
from minilib.grading.tables import canvas, moodle, write_answers
from tests.notebooks import ROOT

TOPIC = "00_start_here"
DUE = datetime(2027, 1, 15, 12, tzinfo=UTC)
SOLVED = (ROOT / "solutions" / TOPIC / f"{TOPIC}.ipynb").read_bytes()
BLANK = (ROOT / "exercises" / TOPIC / f"{TOPIC}.ipynb").read_bytes()

needs_wall = pytest.mark.skipif(
    os.environ.get("SANDBOX_TEST") != "required" and missing_wall() is not None,
    reason="there is no bubblewrap (on Debian: sudo apt install bubblewrap)",
)


def result(points=7.0, *, student="ada", content="c0", hours=0.0, sentence="fine.") -> Result:
    """An attempt, worth so many points of ten, handed in so many hours after it was due."""
    mark = Mark("check-a", "01.a", points, 10.0, sentence)
    cells = [
        {"cell_type": "markdown", "id": "t", "metadata": {}, "source": "## A task ★"},
        {
            "cell_type": "code",
            "id": "a",
            "metadata": {"nbgrader": {"solution": True, "grade_id": "a"}},
            "source": "a = 1",
        },
        {
            "cell_type": "code",
            "id": "check-a",
            "metadata": {"nbgrader": {"grade": True, "grade_id": "check-a", "points": 10}},
            "source": 'check("01.a", a)',
        },
    ]
    examined = Examined((mark,), (), {"cells": cells}, 1.0, 1.0)
    when = DUE + timedelta(hours=hours)
    return Result(student, TOPIC, content, "v", when, examined)


# --- what counts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "points"),
    [(-1000, 0), (0, 0), (0.24, 0), (0.26, 1), (24.24, 1), (24.26, 2), (1000, 5)],
)
def test_each_day_begun_after_the_grace_costs_a_tenth_up_to_half(hours, points):
    policy = Policy(grace_minutes=15, late_per_day=0.1, late_most=0.5, due={TOPIC: DUE})
    assert penalty(result(hours=hours), policy) == pytest.approx(points)


def test_without_a_due_date_nothing_is_late():
    assert penalty(result(hours=1e5), Policy(late_per_day=1.0)) == 0


def test_the_best_attempt_is_the_best_after_its_penalty():
    policy = Policy(late_per_day=0.5, due={TOPIC: DUE})
    early, late = result(6, hours=-1), result(10, content="c1", hours=1)
    assert counted([late, early], policy).result == early
    assert counted([late, early], replace(policy, late_per_day=0.3)).result == late
    assert counted([late, early], replace(policy, keep="last")).result == late


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(-100, 100)), min_size=1, max_size=6))
def test_no_attempt_is_worth_more_than_the_best_or_less_than_nothing(attempts):
    policy = Policy(late_per_day=0.2, due={TOPIC: DUE})
    results = [result(p, content=f"c{i}", hours=h) for i, (p, h) in enumerate(attempts)]
    best = counted(results, policy)
    assert best.attempts == len(attempts)
    assert all(0 <= counted([one], policy).points <= best.points for one in results)


def test_every_student_counts_once_for_each_exercise():
    results = [result(student=who, content=c) for who in ("ada", "ben") for c in ("c0", "c1")]
    assert [one.result.student for one in all_counted(results, Policy())] == ["ada", "ben"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('keep = "first"', 'keep is "best" or "last"'),
        ("late_per_day = 10", "write 0.1"),
        ("late_most = -1", "late_most is a fraction"),
        ("[due]\nx = 2027-01-15", "write 2027-01-15T23:59"),
        ("[due]\nx = 2027-01-15T10:00:00", "a time and a zone"),
        ("kept = 1", "kept"),
        ("keep =", r"grading\.toml"),
    ],
)
def test_a_rule_that_means_nothing_is_refused_by_name(tmp_path, text, message):
    (tmp_path / "grading.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_policy(tmp_path / "grading.toml")


# --- what was handed in --------------------------------------------------------------------------


def put(course: Path, student: str, content: bytes, name: str = f"{TOPIC}.ipynb") -> Path:
    place = course / "submitted" / student / TOPIC / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


def test_a_notebook_is_found_under_another_name_and_the_name_is_noted(tmp_path):
    put(tmp_path, "ada", b"mine", "Copy (2).IPYNB")
    put(tmp_path, "ada", b"not mine", "data.csv")
    submission = read_submission(tmp_path / "submitted", "ada", TOPIC)
    assert submission.content == b"mine"
    assert submission.notes == ("The notebook was called Copy (2).IPYNB.",)


def test_links_and_pipes_are_not_followed(tmp_path):
    secret = tmp_path / "secret.ipynb"
    secret.write_bytes(b"secret")
    place = put(tmp_path, "eve", b"", "notes.txt").parent
    (place / f"{TOPIC}.ipynb").symlink_to(secret)
    os.mkfifo(place / "pipe.ipynb")
    assert read_submission(tmp_path / "submitted", "eve", TOPIC).content == b""
    (tmp_path / "submitted" / "link").symlink_to(tmp_path / "submitted" / "eve")
    assert find_submissions(tmp_path / "submitted", [TOPIC]) == [("eve", TOPIC)]


@pytest.mark.parametrize(
    ("stamp", "when"),
    [
        ("2027-01-15 21:04:00 UTC", datetime(2027, 1, 15, 21, 4, tzinfo=UTC)),
        ("2027-01-15T21:04:00+02:00", datetime(2027, 1, 15, 19, 4, tzinfo=UTC)),
    ],
)
def test_a_time_stamp_says_when(tmp_path, stamp, when):
    put(tmp_path, "ada", b"x")
    put(tmp_path, "ada", stamp.encode(), "timestamp.txt")
    assert read_submission(tmp_path / "submitted", "ada", TOPIC).submitted == when


def test_without_a_readable_time_stamp_the_file_says_when(tmp_path):
    place = put(tmp_path, "ada", b"x")
    put(tmp_path, "ada", b"yesterday", "timestamp.txt")
    os.utime(place, (1e9, 1e9))
    found = read_submission(tmp_path / "submitted", "ada", TOPIC).submitted
    assert found == datetime.fromtimestamp(1e9, UTC)


# --- results -------------------------------------------------------------------------------------


def test_a_result_is_read_as_it_was_written(tmp_path):
    save_result(tmp_path, result(sentence="schön, “so” ∂"))
    assert load_results(tmp_path) == [result(sentence="schön, “so” ∂")]


def test_a_file_that_is_no_result_is_named(tmp_path):
    place = place_of(tmp_path, "ada", TOPIC, "c0")
    write_whole(place, "{}")
    with pytest.raises(ValueError, match=r"c0\.json is no result"):
        load_result(place)


def test_the_seed_is_drawn_once(tmp_path):
    assert class_seed(tmp_path) == class_seed(tmp_path)


def test_another_notebook_or_seed_is_another_version():
    assert len({version_of(SOLVED, 1), version_of(SOLVED, 2), version_of(BLANK, 1)}) == 3


KILLED = """
    import os, random, signal, sys, time, warnings
    from datetime import datetime, timezone
    from pathlib import Path
    from nbgrader.api import Gradebook
    from minilib.grading.__main__ import _publish, main
    from minilib.grading.examiner import unread
    from minilib.grading.results import Result, load_results, save_result

    warnings.simplefilter("ignore")
    course, name = Path(sys.argv[1]), "00_start_here"
    examined = unread((course / f"solutions/{name}/{name}.ipynb").read_bytes(), "nothing.")

    def write(first):
        for number in range(first, 10**6):
            now = datetime.now(timezone.utc)
            student = f"s{number}"
            save_result(course / "graded", Result(student, name, "c", "v", now, examined))
            _publish(course, course / "graded" / name / student)

    random.seed(0)
    for kill in range(50):
        child = os.fork()
        if not child:
            write(1000 * kill)
        time.sleep(random.uniform(0, 1.5 if kill < 5 else 0.3))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if not (course / "gradebook.db").exists():
            continue
        finished = {result.student for result in load_results(course / "graded")}
        with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
            held = {student.id for student in gradebook.students}
        assert len(finished - held) <= 1 + kill, (finished, held)
    main(["--course", str(course), "merge"])
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        kept = {one.student.id for one in gradebook.assignment_submissions(name)}
        assert kept == {one.student for one in load_results(course / "graded")}
    print(len(kept))
"""


def test_killed_fifty_times_the_gradebook_opens_and_holds_every_finished_result(tmp_path):
    for name in ("solutions", "exercises"):
        place = tmp_path / name / TOPIC / f"{TOPIC}.ipynb"
        place.parent.mkdir(parents=True)
        place.write_bytes({"solutions": SOLVED, "exercises": BLANK}[name])
    done = run_python(dedent(KILLED), str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 5


def run_python(script: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, text=True
    )


# --- who is graded, by whom ----------------------------------------------------------------------


@pytest.fixture
def course(tmp_path):
    for name, content in (("solutions", SOLVED), ("exercises", BLANK)):
        place = tmp_path / name / TOPIC / f"{TOPIC}.ipynb"
        place.parent.mkdir(parents=True)
        place.write_bytes(content)
    put(tmp_path, "ada", SOLVED)
    put(tmp_path, "ben", BLANK)
    put(tmp_path, "eva", b'{"cells": [')
    return tmp_path


def jobs_of(course: Path, *, seed: int = 1, shard: tuple[int, int] = (1, 1)) -> list[Job]:
    return pending(course, [TOPIC], seed=seed, walled=True, shard=shard)


@given(st.integers(1, 9))
def test_every_submission_is_in_exactly_one_shard(shards):
    course = Path(SHARED)
    parts = [jobs_of(course, shard=(i, shards)) for i in range(1, shards + 1)]
    students = [job.submission.student for part in parts for job in part]
    assert sorted(students) == sorted(f"s{i}" for i in range(20))


@pytest.fixture(autouse=True, scope="module")
def twenty(tmp_path_factory):
    """A class of twenty who have all handed in something."""
    global SHARED
    SHARED = str(tmp_path_factory.mktemp("twenty"))
    place = Path(SHARED) / "solutions" / TOPIC / f"{TOPIC}.ipynb"
    place.parent.mkdir(parents=True)
    place.write_bytes(SOLVED)
    for i in range(20):
        put(Path(SHARED), f"s{i}", b"x")


@needs_wall
def test_one_process_two_threads_and_two_processes_give_the_same_marks(course):
    jobs = jobs_of(course)
    with ThreadPoolExecutor(2) as pool:
        ways = [list(grade_here(jobs, processes=n)) for n in (1, 2)] + [list(pool.map(grade, jobs))]
    marks = [{one.student: one.examined.marks for one in way} for way in ways]
    assert marks[0] == marks[1] == marks[2]
    assert {who: sum(m.points for m in marks[0][who]) for who in marks[0]} == {
        "ada": 10,
        "ben": 0,
        "eva": 0,
    }


@needs_wall
def test_what_is_graded_is_graded_again_only_if_something_changed(course):
    for one in grade_here(jobs_of(course), processes=1):
        save_result(course / "graded", one)
    assert jobs_of(course) == []
    assert len(jobs_of(course, seed=2)) == 3
    put(course, "ben", SOLVED)
    assert [job.submission.student for job in jobs_of(course)] == ["ben"]
    (course / "solutions" / TOPIC / f"{TOPIC}.ipynb").write_bytes(SOLVED + b"\n")
    assert len(jobs_of(course)) == 3


@needs_wall
def test_killed_in_the_middle_it_loses_and_repeats_nothing(course):
    for i in range(4):
        put(course, f"more{i}", BLANK)
    command = [sys.executable, "-m", "minilib.grading", "--course", str(course), "run", "--jobs"]
    running = subprocess.Popen([*command, "1"], cwd=ROOT, stderr=subprocess.DEVNULL)
    results = course / "graded" / TOPIC
    while running.poll() is None and len(list(results.glob("*/*.json"))) < 3:
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    before = {path: path.read_bytes() for path in results.glob("*/*.json")}
    assert 3 <= len(before) < 7
    done = subprocess.run([*command, "1"], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == f"{7 - len(before)} graded, 0 of them to be looked at.\n"
    assert {path: path.read_bytes() for path in before} == before
    assert len(list(results.glob("*/*.json"))) == 7


def test_if_the_grading_itself_fails_somebody_has_to_look(course, monkeypatch):
    monkeypatch.setattr("minilib.grading.batch.examine", lambda *_, **__: 1 / 0)
    job = jobs_of(course)[0]
    failed = grade(job)
    assert failed.review
    assert failed.points == 0
    assert "ZeroDivisionError" in failed.examined.notes[-1]
    save_result(course / "graded", failed)
    assert job in jobs_of(course)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "99_nothing"], "There is no 99_nothing"),
        (["run", "--shard", "3/2"], "write 1/2"),
        (["export", "excel"], "invalid choice"),
        (["--course", "tests", "status"], "There is no assignment"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(arguments, message):
    command = [sys.executable, "-m", "minilib.grading", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_strangers_code_is_refused_where_there_is_no_wall(course):
    command = [sys.executable, "-m", "minilib.grading", "--course", str(course), "run"]
    alone = {"PATH": str(course), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True)
    assert done.returncode != 0
    assert "There is no bubblewrap here" in done.stderr
    assert "--unsafe" in done.stderr
    assert not (course / "graded").exists()


# --- what is made of results ---------------------------------------------------------------------


def count(**of) -> Counted:
    return Counted(result(**of), 0.0, 1)


def test_a_page_shows_text_as_text():
    page = feedback_page(count(student="<b>eve</b>", sentence="<script>alert(1)</script>"))
    assert "<script>" not in page
    assert "<b>eve</b>" not in page
    assert "A task" in page


def test_tables_leave_blank_what_was_not_handed_in():
    other = replace(count(student="ben", sentence='a "quote", and a comma'), penalty=1)
    other = replace(other, result=replace(other.result, assignment="01_l2_from_scratch"))
    counts = [count(), other]
    assert moodle(counts, [7.0, 6.5]).splitlines()[1:] == [
        "ada,7,01.a (7 of 10): fine.,,",
        'ben,,,6.5,"01.a (7 of 10): a ""quote"", and a comma"',
    ]
    assert canvas(counts, [7.0, 6.5]).splitlines()[2:] == ["ada,,,ada,,7,", "ben,,,ben,,,6.5"]


def test_answers_are_written_without_what_was_given(tmp_path):
    write_answers(tmp_path, [count()])
    text = (tmp_path / TOPIC / "ada" / f"{TOPIC}.py").read_text()
    assert text == "# a\na = 1\n"
    assert json.dumps("check") not in text


def fatal(job: Job) -> Result:
    """Stand in for `grade`: one of the submissions ends the process that grades it."""
    if job.submission.student == "eva":
        os._exit(1)
    return replace(result(student=job.submission.student), content="c")


def test_a_submission_that_ends_its_grader_stops_nobody_else(course, monkeypatch):
    monkeypatch.setattr("minilib.grading.batch.grade", fatal)
    found = {one.student: one.review for one in grade_here(jobs_of(course), processes=2)}
    assert found == {"ada": False, "ben": False, "eva": True}
