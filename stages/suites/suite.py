"""What the stages ask of a suite of repository tasks, whatever stands behind it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from stages.agent.chat import Message
from stages.agent.sandbox import Sandbox, SandboxConfig
from stages.records import Outcome, Task, Trajectory


@dataclasses.dataclass(frozen=True)
class Grade:
    """What grading found: the outcome and, per test, whether it passed."""

    outcome: Outcome
    tests: Mapping[str, bool]


class Grader(Protocol):
    """Runs named tests in a workspace, inside the sandbox."""

    def run_tests(
        self, workspace: Path, files: Mapping[str, str], names: Sequence[str]
    ) -> Sequence[object]: ...


class Suite(Protocol):
    """A set of tasks with its environment and grader."""

    name: str

    def tasks(self, repo: str) -> list[Task]:
        """Every task of one repository, in order of date."""
        ...

    def partner(self, repo: str, others: Sequence[str]) -> str:
        """The repository among ``others`` whose sessions serve as a placebo for ``repo``."""
        ...

    def open_sandbox(self, config: SandboxConfig) -> Sandbox:
        """A sandbox in which the suite's tasks are played and graded."""
        ...

    def files(self, task: Task) -> dict[str, str]:
        """The repository as it stands when the task is filed: path -> text."""
        ...

    def gold_files(self, task: Task) -> dict[str, str]:
        """The repository with the task's gold patch applied: path -> text."""
        ...

    def messages(self, task: Task, notes: Sequence[str]) -> list[Message]:
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
