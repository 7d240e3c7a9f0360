"""What counts: which attempt, and how much is taken off what came late. Read from grading.toml."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path

from minilib.grading.results import Result

KEEP = ("best", "last")


@dataclass(frozen=True)
class Policy:
    """A teacher's rules.

    Attributes
    ----------
    keep : str
        Which attempt counts: ``"best"`` or ``"last"``.
    grace_minutes : float
        How late is not yet late.
    late_per_day : float
        Fraction of all points that is taken off for each day begun.
    late_most : float
        Fraction of all points that is taken off at most.
    due : dict
        Assignment to the moment when it is due; without one, nothing is late.
    """

    keep: str = "best"
    grace_minutes: float = 0.0
    late_per_day: float = 0.0
    late_most: float = 1.0
    due: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse rules that mean nothing.

        Raises
        ------
        ValueError
            If an entry is not what it should be.
        """
        if self.keep not in KEEP:
            raise ValueError(f'keep is "best" or "last", got {self.keep!r}')
        for name in ("late_per_day", "late_most"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is a fraction of all points, got {value!r}; write 0.1")
        for name, moment in self.due.items():
            if not isinstance(moment, datetime) or moment.tzinfo is None:
                raise ValueError(
                    f"due.{name} needs a day, a time and a zone, got {moment}; "
                    "write 2027-01-15T23:59:00+01:00"
                )


@dataclass(frozen=True)
class Counted:
    """The attempt of a student that counts.

    Attributes
    ----------
    result : Result
        It.
    penalty : float
        Points taken off.
    attempts : int
        How many there were.
    """

    result: Result
    penalty: float
    attempts: int

    @property
    def points(self) -> float:
        """Points after the penalty, never below 0."""
        return max(0.0, self.result.points - self.penalty)


def read_policy(path: Path) -> Policy:
    """Read grading.toml; without it, the best attempt counts and nothing is late.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    Policy

    Raises
    ------
    ValueError
        If an entry is unknown or wrong; the message names the file.
    """
    if not path.exists():
        return Policy()
    try:
        return Policy(**tomllib.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error


def penalty(result: Result, policy: Policy) -> float:
    """Compute what is taken off an attempt for being late.

    Parameters
    ----------
    result : Result
        The attempt.
    policy : Policy
        The rules.

    Returns
    -------
    float
        Points.
    """
    due = policy.due.get(result.assignment)
    if due is None:
        return 0.0
    late = result.submitted - due.astimezone(UTC) - timedelta(minutes=policy.grace_minutes)
    days = max(0, ceil(late / timedelta(days=1)))
    return result.most * min(policy.late_most, days * policy.late_per_day)


def counted(attempts: Sequence[Result], policy: Policy) -> Counted:
    """Choose the attempt that counts.

    Parameters
    ----------
    attempts : sequence of Result
        All of one student at one assignment.
    policy : Policy
        The rules. Of equally good attempts the earliest is the best.

    Returns
    -------
    Counted
    """
    in_order = sorted(attempts, key=lambda one: one.submitted)
    options = [Counted(one, penalty(one, policy), len(in_order)) for one in in_order]
    return options[-1] if policy.keep == "last" else max(options, key=lambda one: one.points)


def all_counted(results: Sequence[Result], policy: Policy) -> list[Counted]:
    """Choose for every student and assignment the attempt that counts.

    Parameters
    ----------
    results : sequence of Result
        Any number.
    policy : Policy
        The rules.

    Returns
    -------
    list of Counted
        By assignment and student.
    """
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.assignment, result.student), []).append(result)
    return [counted(groups[key], policy) for key in sorted(groups)]
