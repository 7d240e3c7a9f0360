"""Many submissions: who is still to be graded, by how many processes, on how many machines.

Each submission is a job of its own: bytes in, marks out. So it does not matter where it runs. The
same function is called in this process, by a pool of processes, by the workers of a Dask cluster,
or by as many independent runs as there are shards.
"""

import concurrent.futures
import hashlib
import multiprocessing
import os
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from minilib.grading.examiner import Examined, examine, unread
from minilib.grading.results import Result, load_result, place_of, result_of, version_of
from minilib.grading.submissions import Submission, find_submissions, read_submission


@dataclass(frozen=True)
class Job:
    """All that is needed to grade one submission, wherever.

    Attributes
    ----------
    submission : Submission
        What was handed in.
    skeleton : bytes
        The teacher's notebook.
    version : str
        Hash of all that decides about marks.
    seed : int
        Seed of the checkers' inputs.
    walled : bool
        Whether the code runs under bubblewrap.
    """

    submission: Submission
    skeleton: bytes
    version: str
    seed: int
    walled: bool


def pending(
    course: Path, assignments: list[str], *, seed: int, walled: bool, shard: tuple[int, int]
) -> list[Job]:
    """List what is still to be graded.

    Parameters
    ----------
    course : Path
        Holds solutions/, submitted/ and graded/.
    assignments : list of str
        Which ones to look at.
    seed : int
        Seed of the checkers' inputs.
    walled : bool
        Whether the code is to run under bubblewrap.
    shard : tuple of int
        ``(i, n)``: only every n-th submission, the i-th of them, counted from 1.

    Returns
    -------
    list of Job
    """
    skeletons = {name: skeleton_of(course, name).read_bytes() for name in assignments}
    versions = {name: version_of(skeletons[name], seed) for name in assignments}
    jobs = []
    for student, name in find_submissions(course / "submitted", assignments):
        if _shard_of(student, name, shard[1]) != shard[0]:
            continue
        submission = read_submission(course / "submitted", student, name)
        if not _is_graded(course / "graded", submission, versions[name]):
            jobs.append(Job(submission, skeletons[name], versions[name], seed, walled))
    return jobs


def skeleton_of(course: Path, assignment: str) -> Path:
    """Name the teacher's notebook.

    Parameters
    ----------
    course : Path
        Holds solutions/.
    assignment : str
        For example ``"06_weight_pruning"``.

    Returns
    -------
    Path
    """
    return course / "solutions" / assignment / f"{assignment}.ipynb"


def grade(job: Job) -> Result:
    """Grade one submission, whatever happens.

    Parameters
    ----------
    job : Job
        The submission.

    Returns
    -------
    Result
        Marked for review, with no points, if the grading itself failed.
    """
    # Filters of warnings belong to the whole process: threads that set and reset them for each
    # call of a checker would disturb each other, unless there is nothing to reset.
    warnings.simplefilter("ignore")
    try:
        examined = _examine(job)
    except Exception as error:
        return _failed(job, repr(error))
    return result_of(job.submission, job.version, examined, review=False)


def _failed(job: Job, reason: str) -> Result:
    examined = unread(job.skeleton, f"grading failed ({reason}); somebody has to look at it.")
    return result_of(job.submission, job.version, examined, review=True)


def grade_here(jobs: list[Job], *, processes: int) -> Iterator[Result]:
    """Grade on this machine.

    Parameters
    ----------
    jobs : list of Job
        What to grade.
    processes : int
        How many at the same time; 1 is this process itself.

    Yields
    ------
    Result
        In the order in which they are ready.
    """
    if processes == 1:
        yield from map(grade, jobs)
        return
    lost = []
    for job, result in _pooled(jobs, processes):
        if result is None:
            lost.append(job)
        else:
            yield result
    for job in lost:  # some of them ended a process, the others only shared its pool
        ((_, result),) = _pooled([job], 1)
        yield result or _failed(job, "it ended the process that graded it")


def _pooled(jobs: list[Job], processes: int) -> Iterator[tuple[Job, Result | None]]:
    """Grade in a pool; None where a process of the pool has ended."""
    # "spawn": a forked process would inherit the locks of this one's threads.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(processes, context, _end_with_parent) as pool:
        waiting = {pool.submit(grade, job): job for job in jobs}
        for done in concurrent.futures.as_completed(waiting):
            try:
                yield waiting[done], done.result()
            except BrokenProcessPool:
                yield waiting[done], None


def grade_on_cluster(jobs: list[Job], *, address: str) -> Iterator[Result]:
    """Grade on a Dask cluster, whose workers need this version of minilib, and bubblewrap.

    Parameters
    ----------
    jobs : list of Job
        What to grade.
    address : str
        Of the scheduler: ``"tcp://10.0.0.1:8786"``.

    Yields
    ------
    Result
        In the order in which they are ready.
    """
    from distributed import Client, as_completed

    with Client(address) as client:
        for done in as_completed(client.map(grade, jobs, pure=False)):
            yield done.result()


def _examine(job: Job) -> Examined:
    return examine(job.skeleton, job.submission.content, seed=job.seed, walled=job.walled)


def _shard_of(student: str, assignment: str, shards: int) -> int:
    """Deal submissions out the same way on every machine, whoever else has handed in."""
    digest = hashlib.sha256(f"{assignment}/{student}".encode()).digest()
    return int.from_bytes(digest) % shards + 1


def _is_graded(folder: Path, submission: Submission, version: str) -> bool:
    content = hashlib.sha256(submission.content).hexdigest()
    place = place_of(folder, submission.student, submission.assignment, content)
    if not place.exists():
        return False
    result = load_result(place)
    return result.version == version and not result.review


def _end_with_parent() -> None:
    """End this process, and with it the worker that it watches, when its parent is killed."""

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
