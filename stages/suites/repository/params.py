"""What the suite is told, and the error that every part of it raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stages.records import UserError


class RepositoryError(UserError):
    """Something about the clone or its tasks that the user can mend; one paragraph."""


@dataclass(frozen=True, kw_only=True)
class RepositoryParams:
    """A suite of tasks in repositories of your own."""

    kind: Literal["repository"]
    """which suite's code makes the tasks"""
    repositories: dict[str, str]
    """name (the rows' `repo`, "/" written "__") -> folder of its Git clone"""
    tasks: str
    """file of tasks, JSON Lines with SWE-bench's fields"""
    test_command: str
    """how tests are run: plain (functions, called on Python alone), or python -m pytest OPTIONS"""
    environment: str | None
    """virtual environment with pytest and what the tests import; null takes the running one"""
    unsupported: Literal["refuse", "leave_out"]
    """what happens to a task whose tests can't be graded plainly"""

    @property
    def worlds(self) -> tuple[str, ...]:
        """Names of the repositories."""
        return tuple(self.repositories)
