"""What cells see in the place of `minilib.checks` while a stranger's notebook is graded."""

from typing import Any


def check(name: str, answer: Any, *, seed: int | None = None) -> None:
    """Say that the checker is elsewhere; it looks at the answer from outside.

    Parameters
    ----------
    name : str
        Which task.
    answer : object
        Not looked at here.
    seed : int, optional
        Not looked at either.
    """
    print(f"{name}: checked from outside.")
