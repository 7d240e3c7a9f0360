"""What a graded task is: fresh inputs, the right answer, and the wrong answers people give."""

import copy
import warnings
from collections.abc import Callable, Iterator
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


@dataclass(frozen=True)
class SameAs:
    """A recogniser that knows an answer by the wrong code that gives the same.

    Attributes
    ----------
    functions : tuple of callable
        Ways to write the wrong code.
    rtol : float
        Relative tolerance of the comparison.
    """

    functions: tuple[Callable[..., Any], ...]
    rtol: float

    def __call__(self, answer: Any, *arguments: Any) -> bool:
        """Whether one of the functions gives this answer."""
        return any(
            agree(answer, attempt(function, arguments), rtol=self.rtol, atol=1e-9)
            for function in self.functions
        )


def same_as(*functions: Callable[..., Any], rtol: float = 1e-6) -> SameAs:
    """Recognise an answer by the wrong code that gives the same.

    Parameters
    ----------
    *functions : callable
        What somebody who makes the mistake would write, in one way or in several.
    rtol : float
        Relative tolerance of the comparison.

    Returns
    -------
    SameAs
        A recogniser for `Mistake`.
    """
    return SameAs(functions, rtol)


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
    if first is None or second is None:
        return first is second
    if isinstance(first, str) and isinstance(second, str):
        return str.__eq__(first, second) is True
    if isinstance(first, dict) and isinstance(second, dict):
        first, second = dict.copy(first), dict.copy(second)  # whatever a subclass says of itself
        return first.keys() == second.keys() and all(
            agree(first[key], second[key], rtol=rtol, atol=atol) for key in second
        )
    numbers = [_as_numbers(answer) for answer in (first, second)]
    if all(array is not None for array in numbers):
        a, b = numbers
        return a.shape == b.shape and np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
    if _is_sequence(first) and _is_sequence(second):
        return len(first) == len(second) and all(
            agree(a, b, rtol=rtol, atol=atol) for a, b in zip(first, second, strict=True)
        )
    return False


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
    rng = np.random.default_rng(seed)
    cases = task.cases(rng)
    cases = [cases[i] for i in rng.permutation(len(cases))]  # remembering the order earns nothing
    tries = []
    for arguments in (*cases, cases[0]):
        mine = copy.deepcopy(arguments)
        answer = attempt(lambda *_, mine=mine: function(*mine), ())
        if isinstance(answer, NotImplementedError):
            return "not written yet. Replace the line that raises NotImplementedError."
        if not agree(mine, arguments, rtol=0, atol=0):
            return (
                "your function changes its arguments, so whoever calls it twice gets another "
                "answer. Work on a copy: name.copy()."
            )
        if isinstance(answer, Iterator):
            return "your function returns something to loop over, not its values. Write list(...)."
        tries.append(Try(arguments, answer, attempt(task.answer, arguments)))
    wrong = [one for one in tries if not one.is_right(task)]  # all calls made: see what they left
    if not wrong:
        return None
    *tries, again = tries
    for one in tries:
        if unreadable := _unreadable(one.answer):
            return (
                f"your function returns something of type {unreadable}. Return numbers, lists or "
                "arrays."
            )
    if not agree(again.answer, tries[0].answer, rtol=task.rtol, atol=task.atol):
        return (
            "asked twice with the same arguments, your function gives different answers. Something "
            "outlives the call: a global name, a default argument, an array that is used again."
        )
    wrong = [one for one in wrong if one is not again]
    for mistake in task.mistakes:
        # Equal code is equal everywhere; another sign only has to show where the answer is wrong.
        seen = tries if isinstance(mistake.recognise, SameAs) else wrong
        if all(_recognised(mistake, one) for one in seen):
            return mistake.message
    return _describe(min(wrong, key=lambda one: len(_brief(one.arguments))))


@dataclass(frozen=True, eq=False)
class Try:
    """One call of a learner's function.

    Attributes
    ----------
    arguments : tuple
        What it was given.
    answer : object
        What it returned, or the exception that stopped it.
    right : object
        What it should have returned.
    """

    arguments: Arguments
    answer: Any
    right: Any

    def is_right(self, task: Task) -> bool:
        """Whether the answer is right, within the tolerance of the task.

        Parameters
        ----------
        task : Task
            What was asked.

        Returns
        -------
        bool
        """
        return agree(self.answer, self.right, rtol=task.rtol, atol=task.atol)


def _unreadable(answer: Any) -> str | None:
    """Name the type of the first thing in an answer that `agree` cannot read."""
    if agree(answer, answer, rtol=0, atol=0):
        return None
    parts = answer.values() if isinstance(answer, dict) else answer if _is_sequence(answer) else ()
    return next(filter(None, map(_unreadable, parts)), type(answer).__name__)


def _recognised(mistake: Mistake, one: Try) -> bool:
    found = attempt(lambda: mistake.recognise(one.answer, *one.arguments), ())
    return isinstance(found, (bool, np.bool_)) and bool(found)


def _describe(one: Try) -> str:
    where = f"for the arguments {', '.join(_brief(argument) for argument in one.arguments)}."
    if isinstance(one.answer, Exception):
        return f"your function stops with {type(one.answer).__name__}: {one.answer}, {where}"
    if one.answer is None:
        return f"your function returns None, {where} Is a return missing?"
    return f"the answer is {_brief(one.right)}, yours is {_brief(one.answer)}, {where}"


def _brief(value: Any) -> str:
    numbers = _as_numbers(value) if isinstance(value, (list, tuple)) else None
    with np.printoptions(precision=4, threshold=12, edgeitems=2):
        text = " ".join(repr(value if numbers is None else numbers).split())
    shape = getattr(value, "shape", ())
    return text if len(text) <= 160 else f"an array of shape {shape}" if shape else text[:160] + "…"


def _as_numbers(answer: Any) -> np.ndarray | None:
    if hasattr(answer, "detach"):
        answer = answer.detach()  # a torch tensor that remembers where it came from
    try:
        array = np.asarray(answer)
    except Exception:
        return None
    return array.astype(float) if array.dtype.kind in "buif" else None


def _is_sequence(answer: Any) -> bool:
    return isinstance(answer, (list, tuple)) or (isinstance(answer, np.ndarray) and answer.ndim > 0)
