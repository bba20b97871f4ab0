"""What a check is, and what it finds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from stages.stats.checks.record import Record

STOP, WARN = "stop", "warn"
PASS, WARNED, FAIL, ABSENT = "pass", "warn", "fail", "not applicable"
"""``warn`` as a status: the mistake is there, and the registration allowed for it beforehand."""
MAX_TEXT = 160


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one check found. ``evidence`` is flat: numbers and short strings."""

    status: str
    evidence: dict[str, Any]
    remedy: str = ""
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Check:
    """One line of the table of checks."""

    id: int
    name: str
    level: str
    """``stop``: no verdict while it fails; ``warn``: read the result with it."""
    run: Callable[[Record], Finding]


def judged(evidence: dict[str, Any], problems: Sequence[str], remedy: str) -> Finding:
    """A pass without problems; else a fail that counts them and quotes the first."""
    if not problems:
        return Finding(PASS, {**evidence, "problems": 0})
    first = {"problems": len(problems), "first_problem": problems[0][:MAX_TEXT]}
    return Finding(FAIL, {**evidence, **first}, remedy)


def allowed(evidence: dict[str, Any], problems: Sequence[str], remedy: str) -> Finding:
    """As ``judged``, for problems that the registration allows: they warn, they never pass."""
    found = judged(evidence, problems, remedy)
    return dataclasses.replace(found, status=WARNED) if problems else found


def absent(reason: str) -> Finding:
    """The check has nothing to look at in this experiment."""
    return Finding(ABSENT, {}, reason=reason)
