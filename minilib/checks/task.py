"""What a graded task is: fresh inputs, the right answer, and the wrong answers people give."""

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Arguments = tuple[Any, ...]


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that people really give, and what to tell them.

    Attributes
    ----------
    name : str
        Short and unique within the task.
    message : str
        One or two sentences: what was done, why it is wrong, where to look.
    recognise : callable
        Takes what the learner's function returned (or the exception it raised) and the arguments;
        says whether this mistake explains it. `same_as` makes one from wrong code.
    """

    name: str
    message: str
    recognise: Callable[..., bool]


@dataclass(frozen=True)
class Task:
    """A function to write, and all that is needed to judge one.

    Attributes
    ----------
    name : str
        Number of the lesson, a dot, a short name: ``"01.repair"``.
    cases : callable
        Takes a random generator and returns the argument tuples to try.
    answer : callable
        The right answer to each.
    mistakes : tuple of Mistake
        At least three, the most specific first.
    rtol, atol : float
        Numbers may differ by ``atol + rtol * |right number|``.
    """

    name: str
    cases: Callable[[np.random.Generator], list[Arguments]]
    answer: Callable[..., Any]
    mistakes: tuple[Mistake, ...]
    rtol: float = 1e-6
    atol: float = 1e-9


class WrongAnswer(AssertionError):
    """An answer that is not right; the message is for the learner.

    Parameters
    ----------
    message : str
        What is wrong, in a sentence or two.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)

    def _render_traceback_(self) -> list[str]:
        """Show the sentence in a notebook, not the checker's own lines."""
        return [f"WrongAnswer: {self}"]


def same_as(*functions: Callable[..., Any], rtol: float = 1e-6) -> Callable[..., bool]:
    """Recognise an answer by the wrong code that gives the same.

    Parameters
    ----------
    *functions : callable
        What somebody who makes the mistake would write, in one way or in several.
    rtol : float
        Relative tolerance of the comparison.

    Returns
    -------
    callable
        A recogniser for `Mistake`.
    """

    def recognise(answer: Any, *arguments: Any) -> bool:
        return any(
            agree(answer, attempt(function, arguments), rtol=rtol, atol=1e-9)
            for function in functions
        )

    return recognise


def attempt(function: Callable[..., Any], arguments: Arguments) -> Any:
    """Call a function on copies of the arguments; an exception is returned, not raised.

    Parameters
    ----------
    function : callable
        Anybody's code.
    arguments : tuple
        Plain data.

    Returns
    -------
    object
        What it returned, or the exception that stopped it.
    """
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return function(*copy.deepcopy(arguments))
    except Exception as exception:
        return exception


def agree(first: Any, second: Any, *, rtol: float, atol: float) -> bool:
    """Whether two answers say the same, however they are written.

    Lists, tuples, arrays and tensors of equal shape and numbers are the same; so are 1 and 1.0.
    Text and dictionary keys must be equal; NaN equals NaN; exceptions agree if their types do.

    Parameters
    ----------
    first, second : object
        Plain data or exceptions.
    rtol, atol : float
        Tolerances for numbers, relative to ``second``.

    Returns
    -------
    bool
    """
    if isinstance(first, Exception) or isinstance(second, Exception):
        return type(first) is type(second)
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(
            agree(first[key], second[key], rtol=rtol, atol=atol) for key in first
        )
    numbers = [_as_numbers(answer) for answer in (first, second)]
    if all(array is not None for array in numbers):
        a, b = numbers
        return a.shape == b.shape and np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
    if _is_sequence(first) and _is_sequence(second):
        return len(first) == len(second) and all(
            agree(a, b, rtol=rtol, atol=atol) for a, b in zip(first, second, strict=True)
        )
    return isinstance(first, str) and isinstance(second, str) and str(first) == str(second)


def judge(task: Task, function: Callable[..., Any], seed: int) -> str | None:
    """Say what is wrong with a function, or None.

    Parameters
    ----------
    task : Task
        What was asked.
    function : callable
        The learner's answer.
    seed : int
        Seed of the fresh inputs.

    Returns
    -------
    str or None
        The sentence for the learner; None if the answer is right.
    """
    if not callable(function):
        return f"hand in the function itself, got {_brief(function)}. Write check(name, function)."
    wrong = []
    rng = np.random.default_rng(seed)
    cases = task.cases(rng)
    for i in rng.permutation(len(cases)):  # so that remembering the order earns nothing
        arguments = cases[i]
        mine = copy.deepcopy(arguments)
        answer = attempt(lambda *_, mine=mine: function(*mine), ())
        if isinstance(answer, NotImplementedError):
            return "not written yet. Replace the line that raises NotImplementedError."
        right = attempt(task.answer, arguments)
        if not agree(mine, arguments, rtol=0, atol=0):
            return (
                "your function changes its arguments, so whoever calls it twice gets another "
                "answer. Work on a copy: name.copy()."
            )
        if not agree(answer, right, rtol=task.rtol, atol=task.atol):
            wrong.append((arguments, answer, right))
    if not wrong:
        return None
    for mistake in task.mistakes:
        if all(_recognised(mistake, answer, arguments) for arguments, answer, _ in wrong):
            return mistake.message
    return _describe(*min(wrong, key=lambda case: len(_brief(case[0]))))


def _recognised(mistake: Mistake, answer: Any, arguments: Arguments) -> bool:
    found = attempt(lambda: mistake.recognise(answer, *arguments), ())
    return isinstance(found, (bool, np.bool_)) and bool(found)


def _describe(arguments: Arguments, answer: Any, right: Any) -> str:
    where = f"For the arguments {', '.join(_brief(argument) for argument in arguments)}"
    if isinstance(answer, Exception):
        return f"{where} your function stops with {type(answer).__name__}: {answer}"
    if answer is None:
        return f"{where} your function returns None. Is a return missing?"
    return f"{where} the answer is {_brief(right)}, yours is {_brief(answer)}."


def _brief(value: Any) -> str:
    with np.printoptions(precision=4, threshold=12, edgeitems=2, suppress=False):
        text = " ".join(repr(value).split())
    shape = getattr(value, "shape", ())
    return (
        text if len(text) <= 160 else f"an array of shape {tuple(shape)}" if shape else text[:160]
    )


def _as_numbers(answer: Any) -> np.ndarray | None:
    try:
        array = np.asarray(answer)
    except Exception:
        return None
    return array.astype(float) if array.dtype.kind in "buif" else None


def _is_sequence(answer: Any) -> bool:
    return isinstance(answer, (Sequence, np.ndarray)) and not isinstance(answer, str)
