"""One submission from bytes to marks: cells run in a worker, checkers ask it from outside.

The checkers are those of `minilib.checks`, as in the notebook; the learner's function is replaced
by a stand-in that sends the arguments to the worker and brings the answer back. A cell or a call
that does not end is stopped; where it cannot be stopped, or has ended Python, a new worker runs all
cells but the culprit, and goes on behind it.
"""

import time
from dataclasses import dataclass
from typing import Any

from minilib.checks import TASKS
from minilib.checks.task import FileTask, Task, judge
from minilib.grading import wire
from minilib.grading.rebuild import checked, is_check, read_notebook, rebuild_submission
from minilib.grading.sandbox import Limits, Worker, WorkerEnded

PRINTED = 10_000  # characters kept of what one cell printed
SENTENCE = 1_000  # and of what is said about an answer
TOO_LONG = "was not run: the whole notebook has taken too long"


@dataclass(frozen=True)
class Mark:
    """What one task has earned.

    Attributes
    ----------
    cell : str
        Id of the check cell.
    task : str
        For example ``"06.row_mask"``.
    points, most : float
        Earned, and to be had.
    sentence : str
        The checker's, for the learner.
    """

    cell: str
    task: str
    points: float
    most: float
    sentence: str


@dataclass(frozen=True)
class Examined:
    """A submission with its marks.

    Attributes
    ----------
    marks : tuple of Mark
        In the order of the notebook; all of them, whatever was handed in.
    notes : tuple of str
        What went wrong besides, a sentence each.
    notebook : dict
        The rebuilt notebook, with what its cells printed and its checkers said.
    cpu, wall : float
        Seconds that it took.
    """

    marks: tuple[Mark, ...]
    notes: tuple[str, ...]
    notebook: dict
    cpu: float
    wall: float


def examine(
    skeleton: bytes,
    submission: bytes,
    *,
    seed: int,
    walled: bool = True,
    limits: Limits | None = None,
) -> Examined:
    """Run a submission and mark it.

    Parameters
    ----------
    skeleton : bytes
        The teacher's notebook, solved or not.
    submission : bytes
        Whatever was handed in.
    seed : int
        Seed of the checkers' inputs.
    walled : bool
        Whether the code runs under bubblewrap; without it, only for your own code.
    limits : Limits, optional
        What the code may use.

    Returns
    -------
    Examined

    Raises
    ------
    ValueError
        If the teacher's notebook is none that can be graded.
    """
    began = time.monotonic()
    frame = read_notebook(skeleton)
    try:
        rebuilt = rebuild_submission(frame, read_notebook(submission))
    except ValueError as error:
        return unread(skeleton, f"the submission cannot be read: {error}.")
    notes, marks, troubles = list(rebuilt.notes), [], {}
    with Session(limits or Limits(), walled=walled) as session:
        for number, cell in enumerate(rebuilt.notebook["cells"]):
            if cell["cell_type"] != "code":
                continue
            cell["execution_count"] = number
            if is_check(cell):
                marks.append(_examine_task(session, cell, troubles, seed))
                _show(
                    cell, f"{marks[-1].task}: {marks[-1].sentence}\n", failed=not marks[-1].points
                )
                continue
            printed, trouble = session.run(cell["source"])
            _show(cell, printed, failed=False)
            if trouble:
                troubles[cell["id"]] = trouble
            if trouble and "NotImplementedError" not in trouble:  # nobody has to solve everything
                notes.append(f"The cell {cell['id']!r} {trouble}.")
    wall = time.monotonic() - began
    return Examined(tuple(marks), tuple(notes), rebuilt.notebook, session.cpu, wall)


def unread(skeleton: bytes, sentence: str) -> Examined:
    """Mark a submission in which there is nothing to look at.

    Parameters
    ----------
    skeleton : bytes
        The teacher's notebook.
    sentence : str
        Why.

    Returns
    -------
    Examined
        No points, and the sentence for each task.
    """
    notebook = rebuild_submission(read_notebook(skeleton), {"cells": []}).notebook
    marks = [_mark(cell, sentence) for cell in notebook["cells"] if is_check(cell)]
    for cell, mark in zip(filter(is_check, notebook["cells"]), marks, strict=True):
        _show(cell, f"{mark.task}: {sentence}", failed=True)
    return Examined(tuple(marks), (sentence,), notebook, 0.0, 0.0)


class Session:
    """A worker in which cells were run; begun anew, without the culprit, whenever it ends.

    Parameters
    ----------
    limits : Limits
        What the code may use.
    walled : bool
        Whether it runs under bubblewrap.
    """

    def __init__(self, limits: Limits, *, walled: bool) -> None:
        self.limits = limits
        self._walled = walled
        self._done: list[str] = []
        self._ends = time.monotonic() + limits.total_wall
        self._worker: Worker | None = None
        self.cpu = 0.0

    def __enter__(self) -> "Session":
        """Give the session itself.

        Returns
        -------
        Session
        """
        return self

    def __exit__(self, *_: object) -> None:
        """End the worker."""
        self._part()

    def run(self, source: str) -> tuple[str, str | None]:
        """Run a cell.

        Parameters
        ----------
        source : str
            Its text.

        Returns
        -------
        printed : str
            The beginning of what it printed.
        trouble : str or None
            What went wrong, as the end of "the cell …".
        """
        try:
            reply = self.ask(do="run", source=source)
        except WorkerEnded as end:
            return "", str(end)
        self._done.append(source)
        printed = reply.get("printed")
        printed = _readable(printed[:PRINTED]) if isinstance(printed, str) else ""
        return printed, _trouble(reply, self.limits)

    def ask(self, **request: Any) -> dict:
        """Ask for a value or a call.

        Parameters
        ----------
        **request
            Plain data; ``do`` says what is asked for.

        Returns
        -------
        dict
            The reply, as it came.

        Raises
        ------
        WorkerEnded
            If the code did not survive that.
        """
        if self._has_taken_too_long():
            self._part()
            raise WorkerEnded(TOO_LONG)
        if self._worker is None:
            self._begin()
        try:
            return self._worker.ask(**request)
        except WorkerEnded:
            self._part()
            raise

    def _begin(self) -> None:
        """Start a worker and run in it what has been run before."""
        done, self._done = self._done, []
        while True:
            if self._has_taken_too_long():
                raise WorkerEnded(TOO_LONG)
            self._worker = Worker(self.limits, walled=self._walled)
            try:
                while len(self._done) < len(done):
                    self._worker.ask(do="run", source=done[len(self._done)])
                    self._done.append(done[len(self._done)])
                return
            except WorkerEnded:
                del done[len(self._done)]  # this time it was this one
                self._done = []
                self._part()

    def _has_taken_too_long(self) -> bool:
        cpu = self.cpu + (self._worker.cpu if self._worker else 0.0)
        return cpu > self.limits.total_cpu or time.monotonic() > self._ends

    def _part(self) -> None:
        if self._worker is not None:
            self._worker.end()
            self.cpu += self._worker.cpu
            self._worker = None


def _mark(check: dict, problem: str | None) -> Mark:
    """All points, or none and the reason."""
    task, _ = checked(check)
    most = float(check["metadata"]["nbgrader"]["points"])
    if problem is None:
        return Mark(check["id"], task, most, most, TASKS[task].praise)
    return Mark(check["id"], task, 0.0, most, " ".join(_readable(problem).split())[:SENTENCE])


def _verdict(task: Task | FileTask, answer: Any, seed: int) -> str | None:
    """Judge an answer; one that the checker stumbles over is not right."""
    try:
        return judge(task, answer, seed)
    except Exception as error:
        return f"the checker cannot read your answer ({type(error).__name__}). Return plain data."


def _examine_task(session: Session, check: dict, troubles: dict[str, str], seed: int) -> Mark:
    task, name = checked(check)
    try:
        reply = session.ask(do="value", name=name)
    except WorkerEnded as end:
        return _mark(check, f"looking at {name} failed: it {end}.")
    if trouble := _trouble(reply, session.limits):
        return _mark(check, f"looking at {name} failed: it {trouble}.")
    if reply.get("known") is not True:
        reason = " ".join(f"The cell {cell!r} {trouble}." for cell, trouble in troubles.items())
        return _mark(check, f"there is no {name}. {reason or 'Write the cell that defines it.'}")
    if isinstance(TASKS[task], FileTask) or reply.get("callable") is not True:
        return _mark(check, _verdict(TASKS[task], reply.get("value"), seed))
    function = StandIn(session, name)
    problem = _verdict(TASKS[task], function, seed)
    return _mark(check, function.trouble or problem)


class StandIn:
    """A function that lives in a worker, for the checkers to call.

    Parameters
    ----------
    session : Session
        Where it lives.
    name : str
        Its name there.
    """

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self._name = name
        self.trouble: str | None = None

    def __call__(self, *arguments: Any) -> Any:
        """Call the function and do on this side what it did to its arguments.

        Parameters
        ----------
        *arguments : object
            Plain data.

        Returns
        -------
        object
            Plain data; an exception of the function is raised.
        """
        if self.trouble:  # a call that never ends is not made twice
            raise RuntimeError(self.trouble)
        try:
            reply = self._session.ask(do="call", name=self._name, arguments=arguments)
        except WorkerEnded as end:
            self.trouble = f"your function {end}."
            raise RuntimeError(self.trouble) from end
        trouble = _trouble(reply, self._session.limits)
        if trouble:
            self.trouble = f"your function {trouble}."
            raise RuntimeError(self.trouble)
        wire.put_back(arguments, reply.get("arguments"))
        answer = reply.get("answer")
        if reply.get("raised") is True and isinstance(answer, Exception):
            raise answer
        return answer


def _trouble(reply: dict, limits: Limits) -> str | None:
    """Say what went wrong, as the end of "your code …"; None if nothing did."""
    match reply.get("error"):
        case None:
            return None
        case [str("Overrun"), _]:
            return f"did not end within {limits.cpu:g} seconds"
        case [str(name), str(message)]:
            text = _readable(f"stopped with {name}: {message}"[:SENTENCE])
            return " ".join(text.split()).rstrip(": .")
    return "sent an answer that makes no sense"


def _readable(text: str) -> str:
    """Leave nothing in a stranger's text that could move a cursor or break a file."""
    text = text.replace("\r", "\n")
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)


def _show(cell: dict, text: str, *, failed: bool) -> None:
    """Leave in a rebuilt notebook what a cell printed, or what its checker says."""
    if failed:
        output = {"output_type": "error", "ename": "WrongAnswer", "evalue": text.strip()}
        cell["outputs"] = [{**output, "traceback": [text.strip()]}]
    elif text:
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": text}]
