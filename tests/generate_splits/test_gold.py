"""Check 2 at its source: gold patches are run in the sandbox, wrong ones are named."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.agent.sandbox import Sandbox, SandboxUnavailable, open_sandbox
from stages.generate_splits.gold import gold_runs
from stages.lab.cells import Cells
from stages.lab.context import Lab
from stages.records import Task
from stages.suites.microrepo.suite import Microrepo
from stages.suites.texts import TextHarness
from tests.stats.checks.run_files import SUITE, WORLD, make_lab


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    try:
        opened = open_sandbox(make_lab().sandbox())
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with opened:
        yield opened


@pytest.fixture
def lab() -> Lab:
    return make_lab()


@pytest.fixture
def task() -> Task:
    return SUITE.tasks(WORLD)[3]


def test_sound_tasks_pass_three_times(lab: Lab, sandbox: Sandbox, tmp_path: Path) -> None:
    del sandbox  # there is one
    tasks = SUITE.tasks(WORLD)[:5]
    found = gold_runs(lab, Cells(tmp_path, "generate_splits.gold"), {WORLD: tasks})[WORLD]
    assert found == {"runs": 3, "tasks": [task.instance_id for task in tasks], "failed": {}}


def test_a_patch_that_does_not_solve_its_task_is_named(
    lab: Lab, sandbox: Sandbox, task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(task.meta["path"])
    broken = {**SUITE.files(task), path: SUITE.files(task)[path] + "\n# no change\n"}
    monkeypatch.setattr(Microrepo, "gold_files", lambda self, task: broken)
    assert "gold state" in TextHarness(lab.suite, sandbox).problem(task)
    monkeypatch.setattr("stages.suites.texts.unified_diff", lambda old, new: task.patch)
    assert "fails with the gold patch, run 1" in TextHarness(lab.suite, sandbox).problem(task)


def test_a_task_that_is_solved_already_is_named(lab: Lab, sandbox: Sandbox, task: Task) -> None:
    solved = dataclasses.replace(task, FAIL_TO_PASS=task.PASS_TO_PASS[:1])
    assert "passes without the patch" in TextHarness(lab.suite, sandbox).problem(solved)


def test_a_task_that_is_broken_before_is_named(lab: Lab, sandbox: Sandbox, task: Task) -> None:
    broken = dataclasses.replace(task, PASS_TO_PASS=task.FAIL_TO_PASS)
    assert "fails before the patch" in TextHarness(lab.suite, sandbox).problem(broken)
