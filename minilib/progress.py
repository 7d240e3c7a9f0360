"""A progress bar that a stored notebook shows as it ended."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(steps: Iterable[T], label: str) -> Iterable[T]:
    """Go through the steps and show how many are done.

    The bar is text on stdout, without a clock: the same run leaves the same line, also where no
    kernel runs.

    Parameters
    ----------
    steps : iterable
        What to go through.
    label : str
        What the steps are, in the plural: ``"networks"``.

    Returns
    -------
    iterable
        The same steps.
    """
    return tqdm(steps, desc=label, file=sys.stdout, bar_format="{desc}: {n}/{total} {bar:20}")
