"""Checkers for the exercises: right answers pass, known mistakes are named."""

import os
import secrets
from collections.abc import Callable
from typing import Any

from minilib.checks import (
    lesson_00,
    lesson_01,
    lesson_02,
    lesson_03,
    lesson_04,
    lesson_05,
    lesson_06,
    lesson_07,
    lesson_08,
    lesson_09,
    lesson_10,
    lesson_11,
    lesson_12,
    lesson_13,
    lesson_14,
    lesson_15,
)
from minilib.checks.task import FileTask, Task, WrongAnswer, judge

TASKS: dict[str, Task | FileTask] = {
    task.name: task
    for lesson in (
        lesson_00,
        lesson_01,
        lesson_02,
        lesson_03,
        lesson_04,
        lesson_05,
        lesson_06,
        lesson_07,
        lesson_08,
        lesson_09,
        lesson_10,
        lesson_11,
        lesson_12,
        lesson_13,
        lesson_14,
        lesson_15,
    )
    for task in lesson.TASKS
}


def check(name: str, answer: Callable[..., Any] | str, *, seed: int | None = None) -> None:
    """Try a function, or a file, on fresh inputs and say whether it is right.

    Parameters
    ----------
    name : str
        Which task, for example ``"01.repair"``.
    answer : callable or str
        The function to judge, which takes and returns plain data; where a file is asked for, its
        bytes as base85 text.
    seed : int, optional
        Seed of the inputs. Without it the environment variable ``MINILIB_CHECK_SEED`` is used,
        and without that every call tries other inputs.

    Raises
    ------
    WrongAnswer
        If the answer is not right; the message says which mistake it looks like.
    ValueError
        If there is no such task.
    """
    if name not in TASKS:
        raise ValueError(f"There is no task {name!r}. The tasks are {', '.join(sorted(TASKS))}.")
    if seed is None:
        seed = int(os.environ.get("MINILIB_CHECK_SEED") or secrets.randbits(32))
    problem = judge(TASKS[name], answer, seed)
    if problem is not None:
        raise WrongAnswer(f"{name}: {problem}")
    print(f"{name}: {TASKS[name].praise}")
