"""Grade a class: `python -m minilib.grading run`, `status`, `merge`, `export`.

Everything lies in one folder, the course: solutions/ (the teacher's notebooks), submitted/STUDENT/
NN_topic/ (what came back), graded/ (the results), and what is made of them: gradebook.db and
autograded/ for nbgrader, marks/ for the students. grading.toml, if there is one, says which
attempt counts and what is late.
"""

import argparse
import contextlib
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from minilib.grading.batch import grade_here, grade_on_cluster, pending, skeleton_of
from minilib.grading.feedback import write_feedback
from minilib.grading.gradebook import points_of, record
from minilib.grading.policy import all_counted, read_policy
from minilib.grading.results import (
    class_seed,
    load_result,
    load_results,
    save_result,
    write_whole,
)
from minilib.grading.sandbox import missing_wall
from minilib.grading.submissions import find_submissions
from minilib.grading.tables import TABLES, write_answers


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line says.

    Parameters
    ----------
    arguments : list of str, optional
        The command line; without it, that of this process.

    Raises
    ------
    SystemExit
        With a sentence, if something cannot be done; with 1 if a submission needs a person.
    """
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except (ValueError, OSError) as error:
        sys.exit(f"{error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m minilib.grading", description=__doc__)
    parser.add_argument("--course", type=Path, default=Path(), help="the folder (default: here)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="grade what has not been graded yet")
    run.set_defaults(command=_run)
    run.add_argument("assignment", nargs="*", help="for example 06_weight_pruning (default: all)")
    run.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once")
    run.add_argument("--scheduler", metavar="ADDRESS", help="grade on this Dask cluster")
    run.add_argument("--shard", type=_shard, default=(1, 1), metavar="I/N", help="a part; merge it")
    run.add_argument("--seed", type=int, help="of the checkers' inputs (default: graded/seed)")
    run.add_argument("--unsafe", action="store_true", help="run strangers' code without a wall")

    status = commands.add_parser("status", help="say how much has been graded")
    status.set_defaults(command=_status)
    status.add_argument("assignment", nargs="*")

    merge = commands.add_parser("merge", help="take in results of shards; write the gradebook")
    merge.set_defaults(command=_merge)
    merge.add_argument("folder", nargs="*", type=Path, help="other folders like graded/")

    export = commands.add_parser("export", help="write grades_FORM.csv, or answers/")
    export.set_defaults(command=_export)
    export.add_argument("form", choices=[*TABLES, "answers"])
    return parser


def _run(options: argparse.Namespace) -> None:
    obstacle = None if options.unsafe else missing_wall()
    if obstacle:
        raise ValueError(f"{obstacle}\nOn your own risk: --unsafe grades without it.")
    course, names = options.course.resolve(), _assignments(options)
    with _alone(course / "graded"):
        seed = class_seed(course / "graded") if options.seed is None else options.seed
        walled = not options.unsafe
        jobs = pending(course, names, seed=seed, walled=walled, shard=options.shard)
        ready = (
            grade_on_cluster(jobs, address=options.scheduler)
            if options.scheduler
            else grade_here(jobs, processes=max(1, min(options.jobs, len(jobs))))
        )
        to_look_at = []
        for result in tqdm(ready, desc="grading", total=len(jobs), unit="notebook"):
            save_result(course / "graded", result)
            if options.shard == (1, 1):
                _publish(course, course / "graded" / result.assignment / result.student)
            to_look_at += [result] if result.review else []
        if options.shard == (1, 1):
            _publish(course, course / "graded")
    print(f"{len(jobs)} graded, {len(to_look_at)} of them to be looked at.")
    for result in to_look_at:
        print(f"  {result.assignment}/{result.student}: {result.examined.notes[-1]}")
    if to_look_at:
        raise SystemExit(1)


def _status(options: argparse.Namespace) -> None:
    course, names = options.course.resolve(), _assignments(options)
    handed_in = Counter(name for _, name in find_submissions(course / "submitted", names))
    results = load_results(course / "graded")
    graded = Counter(name for name, _ in {(one.assignment, one.student) for one in results})
    review = Counter(one.assignment for one in results if one.review)
    print(f"{'assignment':24} {'handed in':>9} {'graded':>6} {'to be looked at':>15}")
    for name in names:
        if handed_in[name] or graded[name]:
            print(f"{name:24} {handed_in[name]:9} {graded[name]:6} {review[name]:15}")


def _merge(options: argparse.Namespace) -> None:
    course = options.course.resolve()
    with _alone(course / "graded"):
        for folder in options.folder:
            for path in sorted(folder.glob("*/*/*.json")):
                save_result(course / "graded", load_result(path))
        _publish(course, course / "graded")


def _export(options: argparse.Namespace) -> None:
    course = options.course.resolve()
    counts = all_counted(load_results(course / "graded"), read_policy(course / "grading.toml"))
    if options.form == "answers":
        write_answers(course / "answers", counts)
        return
    write_whole(
        course / f"grades_{options.form}.csv",
        TABLES[options.form](counts, points_of(course, counts)),
    )


def _publish(course: Path, folder: Path) -> None:
    """Write into gradebook and feedback what results there are below a folder."""
    policy = read_policy(course / "grading.toml")
    counts = all_counted(load_results(folder), policy)
    record(course, counts, policy)
    for one in counts:
        write_feedback(course, one)


def _assignments(options: argparse.Namespace) -> list[str]:
    course = options.course.resolve()
    known = sorted(
        p.name for p in (course / "solutions").glob("*") if skeleton_of(course, p.name).exists()
    )
    unknown = [name for name in options.assignment if name not in known]
    if unknown or not known:
        raise ValueError(
            f"There is no {', '.join(unknown) or 'assignment'} in {course / 'solutions'}; "
            f"it holds {', '.join(known) or 'nothing to grade'}."
        )
    return options.assignment or known


def _shard(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(
            f"a shard is I/N with I from 1 to N, got {text}; write 1/2"
        )
    return int(part), int(parts)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let nobody else write here meanwhile; the system forgets the lock with the process."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"Another run is writing to {folder}; wait for it.") from error
        yield


if __name__ == "__main__":
    main()
