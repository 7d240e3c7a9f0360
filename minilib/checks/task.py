"""What a graded task is: fresh inputs, what is right, and the wrong answers people give."""

import base64
import copy
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

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

    praise: ClassVar[str] = "right on every fresh input."


@dataclass(frozen=True)
class FileTask:
    """A file to make and hand in as text, and all that is needed to judge one; nothing is run.

    Attributes
    ----------
    name : str
        Number of the lesson, a dot, a short name: ``"15.kilobyte"``.
    budget : int
        The most bytes that the file may have.
    read : callable
        Takes the bytes of the file, gives what it holds; raises ValueError if that is no such file.
    draw : callable
        Takes a random generator and returns, as a tuple, what to measure the content with.
    shortcoming : callable
        Takes the content and what was drawn; says in a sentence what it lacks, or gives None.
    mistakes : tuple of Mistake
        At least three, the most specific first. `recognise` takes the content, or the exception
        that stopped `read`; the bytes, or the exception if the text is no base85; what was drawn.
    """

    name: str
    budget: int
    read: Callable[[bytes], Any]
    draw: Callable[[np.random.Generator], Arguments]
    shortcoming: Callable[..., str | None]
    mistakes: tuple[Mistake, ...]

    praise: ClassVar[str] = "within the budget, and past the gate on fresh pictures."


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


def judge(task: Task | FileTask, answer: Callable[..., Any] | str, seed: int) -> str | None:
    """Say what is wrong with a function, or with a file, or None.

    Parameters
    ----------
    task : Task or FileTask
        What was asked.
    answer : callable or str
        The learner's function, or the base85 text of the file.
    seed : int
        Seed of the fresh inputs.

    Returns
    -------
    str or None
        The sentence for the learner; None if the answer is right.
    """
    judge_one = _judge_file if isinstance(task, FileTask) else _judge_function
    return judge_one(task, answer, np.random.default_rng(seed))


def _judge_file(task: FileTask, text: str, rng: np.random.Generator) -> str | None:
    if type(text) is not str:
        return (
            "hand in text: this is something else. If data are the bytes of your file, paste "
            "what print(base64.b85encode(data).decode()) prints between quotes."
        )
    text = "".join(text[: 4 * task.budget].split())  # what is longer cannot be within the budget
    if not text:
        return "not written yet. Paste the text of your file between the quotes."
    data = attempt(base64.b85decode, (text,))
    if isinstance(data, bytes) and len(data) > task.budget:
        return (
            f"the file is over the budget of {task.budget:,} bytes: len(data) counts all of it. "
            "Keep fewer weights, or round them to fewer levels; in the first layer one weight may "
            "serve a block of 2 x 2 pixels."
        )
    content = data if isinstance(data, Exception) else attempt(task.read, (data,))
    problem = f"the file cannot be read: {content}"
    drawn = task.draw(rng)
    if not isinstance(content, Exception):
        problem = attempt(task.shortcoming, (content, *drawn))
    if problem is None:
        return None
    one = Try((data, *drawn), content, None)
    return next((m.message for m in task.mistakes if _recognised(m, one)), str(problem))


def _judge_function(
    task: Task, function: Callable[..., Any], rng: np.random.Generator
) -> str | None:
    if not callable(function):
        return f"hand in the function itself, got {_brief(function)}. Write check(name, function)."
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
    return _describe(min(wrong, key=lambda one: len(_brief(one.arguments))), task)


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


def _describe(one: Try, task: Task) -> str:
    where = f"for the arguments {', '.join(_brief(argument) for argument in one.arguments)}."
    if isinstance(one.answer, Exception):
        return f"your function stops with {type(one.answer).__name__}: {one.answer}, {where}"
    if one.answer is None:
        return f"your function returns None, {where} Is a return missing?"
    place = ""
    if _is_sequence(one.right) and _is_sequence(one.answer):
        place = f" First difference: {_difference(one.right, one.answer, task)}."
    return f"the answer is {_brief(one.right)}, yours is {_brief(one.answer)}, {where}{place}"


def _difference(right: Any, mine: Any, task: Task) -> str:
    """Say where two answers differ; printed in short, they may look the same."""
    a, b = _as_numbers(right), _as_numbers(mine)
    if a is not None and b is not None and a.shape != b.shape:
        return f"its shape is {a.shape}, yours is {b.shape}"
    if a is not None and b is not None and a.ndim:
        same = np.isclose(b, a, rtol=task.rtol, atol=task.atol, equal_nan=True)
        place = np.unravel_index(np.argmin(same), a.shape)
        return f"at {[int(i) for i in place]} it is {a[place]:.10g}, yours is {b[place]:.10g}"
    if not (_is_sequence(right) and _is_sequence(mine)):
        return f"it is {_brief(right)}, yours is {_brief(mine)}"
    for place, (one, other) in enumerate(zip(right, mine, strict=False)):
        if not agree(other, one, rtol=task.rtol, atol=task.atol):
            return f"in part {place}, {_difference(one, other, task)}"
    return f"it has {len(right)} parts, yours has {len(mine)}"


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
