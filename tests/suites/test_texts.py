"""The harness of suites whose tasks are texts: what is run once, and what every time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.agent.sandbox import RememberedSandbox, TestResult
from stages.records import Outcome
from stages.suites.texts import TextHarness
from tests.small_lab import sandbox_or_skip, small_lab


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch):
    """An open sandbox, and the gradings that reach it."""
    gradings: list[Path] = []
    with sandbox_or_skip() as sandbox:
        real = sandbox.run_tests

        def run_tests(workspace: Path, files: Any, names: Any) -> list[TestResult]:
            gradings.append(workspace)
            return real(workspace, files, names)

        monkeypatch.setattr(sandbox, "run_tests", run_tests)
        yield sandbox, gradings


def test_equal_changes_of_equal_tasks_are_graded_once(counted) -> None:
    sandbox, gradings = counted
    suite = small_lab(4).suite
    harness = TextHarness(suite, sandbox, pure=True)
    assert isinstance(harness.runner(suite.tasks("oak_harbor")[0]), RememberedSandbox)
    first, second = suite.tasks("oak_harbor")[:2]
    gold = {path: suite.gold_files(first)[path] for path in (first.meta["path"],)}
    seen = [harness.grade(task, c) for c in (gold, {}) for task in (first, second) * 2]
    assert [grade.outcome for grade in seen[:2]] == [Outcome.RESOLVED, Outcome.UNRESOLVED]
    assert seen[0] == seen[2] and seen[4] == seen[6] != seen[0]
    assert len(gradings) == 3  # the second task's files have the first's fix in them already
    broken = dict.fromkeys(gold)
    assert harness.grade(first, broken).outcome == Outcome.UNRESOLVED
    assert len(gradings) == 4


def test_a_suite_whose_outcomes_hang_on_more_is_graded_each_time(counted) -> None:
    sandbox, gradings = counted
    suite = small_lab(4).suite
    harness, task = TextHarness(suite, sandbox), suite.tasks("oak_harbor")[0]
    assert harness.runner(task) is sandbox
    assert harness.grade(task, {}) == harness.grade(task, {})
    assert len(gradings) == 2


def test_a_grading_that_a_limit_ended_is_made_again(counted, monkeypatch) -> None:
    sandbox, gradings = counted
    suite = small_lab(4).suite
    harness, task = TextHarness(suite, sandbox, pure=True), suite.tasks("oak_harbor")[0]
    names = (*task.FAIL_TO_PASS, *task.PASS_TO_PASS)
    ended = [TestResult(name, False, "timed out", complete=False) for name in names]
    with monkeypatch.context() as patch:
        patch.setattr(sandbox, "run_tests", lambda *_: ended)
        assert harness.grade(task, {}).outcome == Outcome.UNRESOLVED
    harness.grade(task, {})
    assert len(gradings) == 1


def test_what_looks_for_luck_runs_every_time(counted) -> None:
    sandbox, gradings = counted
    suite = small_lab(4).suite
    harness, task = TextHarness(suite, sandbox, pure=True), suite.tasks("oak_harbor")[0]
    assert harness.problem(task) == ""
    assert len(gradings) == 1 + harness.gold_runs
