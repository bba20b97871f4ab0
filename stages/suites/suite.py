"""What the stages ask of a suite of repository tasks, whatever stands behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from stages.agent.chat import Message
from stages.agent.sandbox import SandboxConfig
from stages.agent.tools import CommandRunner
from stages.records import Outcome, Task, Trajectory


@dataclasses.dataclass(frozen=True)
class Grade:
    """What grading found: the outcome and, per test, whether it passed."""

    outcome: Outcome
    tests: Mapping[str, bool]
    detail: str = ""
    """why, where the tests don't say it"""
    submission: str | None = None
    """the changes as the graded patch, where that isn't the difference of the texts"""


class Harness(Protocol):
    """Where a suite's tasks are played and graded; safe to use from several threads."""

    at_once: int
    """tasks that may be graded side by side"""
    gold_runs: int
    """how often a task's own patch must pass, so that a test that passes by luck is seen"""

    def runner(self, task: Task) -> CommandRunner:
        """What runs the commands of an episode of ``task``; workspaces lie in its ``work``."""
        ...

    def grade(self, task: Task, changes: Mapping[str, str | None]) -> Grade:
        """Run the hidden tests on an episode's changes: path -> new text, None for a deleted file.

        What fails on our side is a harness error, never the agent's failure.
        """
        ...

    def problem(self, task: Task) -> str:
        """Why the task can't be used; empty when it is sound (check 2).

        Sound: before the patch every FAIL_TO_PASS test fails; with it all tests pass,
        ``gold_runs`` times.
        """
        ...


class Suite(Protocol):
    """A set of tasks with its environment and grader."""

    name: str

    def settings(self) -> Mapping[str, Any]:
        """What an episode's course and outcome depend on beside task and code, as plain values."""
        ...

    def tasks(self, repo: str) -> list[Task]:
        """Every task of one repository, in order of date."""
        ...

    def partner(self, repo: str, others: Sequence[str]) -> str:
        """The repository among ``others`` whose sessions serve as a placebo for ``repo``."""
        ...

    def open_harness(self, config: SandboxConfig) -> AbstractContextManager[Harness]:
        """The place where the suite's tasks are played and graded, closed at the end."""
        ...

    def files(self, task: Task) -> dict[str, str]:
        """The repository as it stands when the task is filed: path -> text."""
        ...

    def gold_files(self, task: Task) -> dict[str, str]:
        """The repository with the task's gold patch applied: path -> text."""
        ...

    def messages(self, task: Task, notes: Sequence[str] = ()) -> list[Message]:
        """The opening chat: system (with retrieved notes, if any) and user."""
        ...

    def tests(self, task: Task) -> dict[str, str]:
        """Files that grading brings in: hidden tests, and the visible ones as they must be."""
        ...

    def upstream(self, task: Task) -> dict[str, str]:
        """What the merged upstream fix shows once a session is over, for the record's info."""
        ...

    def note(self, task: Task, trajectory: Trajectory) -> str:
        """What a finished session leaves for the knowledge layer."""
        ...
