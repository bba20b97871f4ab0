"""The harness of suites whose tasks are texts: all in one sandbox, tests named path::function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stages.agent.diff import changed_files, unified_diff
from stages.agent.sandbox import RememberedSandbox, Sandbox, TestResult
from stages.agent.workspace import materialise
from stages.records import Outcome, Task
from stages.suites.suite import Grade, Suite


class TextHarness:
    """Plays and grades in ``sandbox``; a workspace is the suite's files and nothing else."""

    gold_runs = 3

    def __init__(self, suite: Suite, sandbox: Sandbox, pure: bool = False) -> None:
        self.suite, self.sandbox = suite, sandbox
        self.at_once = max(1, sandbox.config.workers)
        remembered = RememberedSandbox(sandbox) if pure else None
        self._runner = remembered or sandbox
        self._memory = remembered.memory if remembered else None

    def runner(self, task: Task) -> Sandbox | RememberedSandbox:
        """The same for every task."""
        del task
        return self._runner

    def grade(self, task: Task, changes: Mapping[str, str | None]) -> Grade:
        if self._memory is None:
            results = self._results(task, changes)
            return _grade({result.name: result.passed for result in results})
        asked = [self._present(task, changes), self.suite.tests(task), _names(task)]
        key = self._memory.key("grade", asked)
        tests = self._memory.get(key)
        if tests is None:
            results = self._results(task, changes)
            tests = {result.name: result.passed for result in results}
            if all(result.complete for result in results):
                self._memory.put({key: tests})
        return _grade(tests)

    def problem(self, task: Task) -> str:
        """As the Protocol says; PASS_TO_PASS tests must pass before the patch too, and the
        recorded patch be the difference to the gold state."""
        files, gold = self.suite.files(task), self.suite.gold_files(task)
        before = self.run_tests(task, {})
        solved = [name for name in task.FAIL_TO_PASS if before[name]]
        broken = [name for name in task.PASS_TO_PASS if not before[name]]
        if solved:
            return f"{solved[0]} passes without the patch"
        if broken:
            return f"{broken[0]} fails before the patch"
        if unified_diff(files, gold) != task.patch:
            return "the recorded patch doesn't lead to the gold state"
        for run in range(1, self.gold_runs + 1):
            after = self.run_tests(task, changed_files(files, gold))
            failed = [name for name, passed in after.items() if not passed]
            if failed:
                return f"{failed[0]} fails with the gold patch, run {run}"
        return ""

    def run_tests(self, task: Task, changes: Mapping[str, str | None]) -> dict[str, bool]:
        """FAIL_TO_PASS and PASS_TO_PASS, each in the task's files with ``changes`` applied."""
        return {result.name: result.passed for result in self._results(task, changes)}

    def _results(self, task: Task, changes: Mapping[str, str | None]) -> list[TestResult]:
        if not task.FAIL_TO_PASS:
            raise ValueError(
                f"{task.instance_id} has no FAIL_TO_PASS tests, so nothing can show that it is "
                "resolved. Leave it out of the suite's list, or use the complete data set."
            )
        with self.sandbox.workspace() as workspace:
            materialise(Path(workspace), self._present(task, changes))
            return self.sandbox.run_tests(Path(workspace), self.suite.tests(task), _names(task))

    def _present(self, task: Task, changes: Mapping[str, str | None]) -> dict[str, str]:
        """The task's files with the changes applied."""
        files = {**self.suite.files(task), **changes}
        return {path: text for path, text in files.items() if text is not None}


def _names(task: Task) -> list[str]:
    return [*task.FAIL_TO_PASS, *task.PASS_TO_PASS]


def _grade(tests: Mapping[str, bool]) -> Grade:
    return Grade(Outcome.RESOLVED if all(tests.values()) else Outcome.UNRESOLVED, tests)


@contextmanager
def text_harness(suite: Suite, sandbox: Sandbox, pure: bool = False) -> Iterator[TextHarness]:
    """A harness that takes ``sandbox`` over and closes it at the end.

    ``pure``: a command's or test's outcome follows from the files alone, as in generated worlds,
    so equal ones are run once. What ``problem`` runs again to see luck is run again all the same.
    """
    with sandbox:
        yield TextHarness(suite, sandbox, pure)
