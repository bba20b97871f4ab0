"""Where an experiment's tasks are played and graded: a sandbox per environment, one for many tasks.

Tasks of one repository and version share an environment, so a sandbox is opened per environment,
when its first task comes, and closed with the harness.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.agent.sandbox import Sandbox
from stages.records import Outcome, Task
from stages.suites.suite import Grade
from stages.suites.swe_bench_cl import trees
from stages.suites.swe_bench_cl.errors import HarnessError, SweBenchError
from stages.suites.swe_bench_cl.gold import GoldCheck, gold_check
from stages.suites.swe_bench_cl.grading import Report, grade
from stages.suites.swe_bench_cl.local import LocalExecutor
from stages.suites.swe_bench_cl.repository import (
    base_date,
    check_out,
    future_traces,
    git,
    mirror_of,
)
from stages.suites.swe_bench_cl.room import with_room
from stages.suites.swe_bench_cl.runner import TaskRunner


class LocalHarness:
    """A ``stages.suites.suite.Harness`` on this machine, without containers."""

    def __init__(self, executor: LocalExecutor, stack: contextlib.ExitStack) -> None:
        """``stack`` closes the sandboxes."""
        self.executor = executor
        self.at_once, self.gold_runs = executor.params.at_once, executor.params.gold_runs
        self._stack, self._lock = stack, threading.Lock()
        self._sandboxes: dict[str, Sandbox] = {}

    def runner(self, task: Task) -> TaskRunner:
        """HarnessError or SweBenchError when the task's environment can't be had."""
        key = self.executor.environment(task).key
        with self._lock:
            if key not in self._sandboxes:
                opened = self._stack.enter_context(self.executor.sandbox(task))
                self._stack.enter_context(with_room(opened.work))
                self._sandboxes[key] = opened
        return TaskRunner(self.executor, task, self._sandboxes[key])

    def grade(self, task: Task, changes: Mapping[str, str | None]) -> Grade:
        """SweBenchError for a task that isn't sound."""
        try:
            patch = self.submission(task, changes)
            found = self._report(task, patch)
        except HarnessError as error:
            return Grade(Outcome.HARNESS_ERROR, {}, str(error))
        return Grade(found.outcome, found.tests, found.detail, patch)

    def problem(self, task: Task) -> str:
        """The gold check, made once and kept by content. Raises HarnessError where it fails."""
        return self._gold(task).reason

    def history(self, task: Task) -> dict[str, Any]:
        """Looked for in a workspace as an agent gets it. SweBenchError where it can't be made."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            mirror = mirror_of(self.executor.params.repositories, task.repo)
            check_out(mirror, task, folder)
            return {
                "commits": len(git(folder, "rev-list", "--all", "--reflog").split()),
                "newer": future_traces(folder, base_date(mirror, task.meta["base_commit"])),
            }

    def submission(self, task: Task, changes: Mapping[str, str | None]) -> str:
        """An episode's changes as Git sees them, without files that the repository ignores."""
        mirror = mirror_of(self.executor.params.repositories, task.repo)
        return trees.patch_of(mirror, task, changes)

    def _report(self, task: Task, patch: str) -> Report:
        found = self._gold(task)
        if not found.sound:
            raise SweBenchError(
                f"{task.instance_id} can't tell a solution from a failure: {found.reason}. Leave "
                "it out of the experiment's tasks."
            )
        return grade(self.executor, task, patch, found.never)

    def _gold(self, task: Task) -> GoldCheck:
        params = self.executor.params
        return gold_check(self.executor, task, params.gold_runs, Path(params.environments))


@contextlib.contextmanager
def open_harness(executor: LocalExecutor) -> Iterator[LocalHarness]:
    """Sandboxes are opened as tasks need them and closed at the end."""
    with contextlib.ExitStack() as stack:
        yield LocalHarness(executor, stack)
