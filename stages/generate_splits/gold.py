"""The gold run: each task's own patch must solve it, and nothing less may (check 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from stages.agent.diff import changed_files, unified_diff
from stages.agent.sandbox import Sandbox
from stages.lab.context import Lab
from stages.lab.episodes import run_tests
from stages.lab.pool import usable_cores
from stages.records import Task

GOLD_RUNS = 3
"""So often the gold patch must pass, so that a test that passes by luck is seen."""


def gold_runs(lab: Lab, tasks: Mapping[str, Sequence[Task]]) -> dict[str, dict[str, Any]]:
    """World -> ``runs``, ``tasks`` (ids that passed) and ``failed`` (id -> why), in the sandbox."""
    threads = usable_cores()
    with lab.open_sandbox(threads) as sandbox, ThreadPoolExecutor(threads) as pool:

        def one(task: Task) -> str:
            return gold_problem(lab, sandbox, task)

        found = {world: list(pool.map(one, listed)) for world, listed in tasks.items()}
    return {world: _summary(listed, found[world]) for world, listed in tasks.items()}


def gold_problem(lab: Lab, sandbox: Sandbox, task: Task) -> str:
    """Why the task can't be used; empty when it is sound.

    Sound: before the patch every FAIL_TO_PASS test fails and every PASS_TO_PASS test passes; the
    recorded patch is the difference to the gold state; there all pass, ``GOLD_RUNS`` times.
    """
    files, gold = lab.suite.files(task), lab.suite.gold_files(task)
    before = run_tests(lab, sandbox, task, {})
    solved = [name for name in task.FAIL_TO_PASS if before[name]]
    broken = [name for name in task.PASS_TO_PASS if not before[name]]
    if solved:
        return f"{solved[0]} passes without the patch"
    if broken:
        return f"{broken[0]} fails before the patch"
    if unified_diff(files, gold) != task.patch:
        return "the recorded patch doesn't lead to the gold state"
    for run in range(1, GOLD_RUNS + 1):
        after = run_tests(lab, sandbox, task, changed_files(files, gold))
        failed = [name for name, passed in after.items() if not passed]
        if failed:
            return f"{failed[0]} fails with the gold patch, run {run}"
    return ""


def _summary(tasks: Sequence[Task], problems: Sequence[str]) -> dict[str, Any]:
    judged = list(zip((task.instance_id for task in tasks), problems, strict=True))
    return {
        "runs": GOLD_RUNS,
        "tasks": [name for name, problem in judged if not problem],
        "failed": {name: problem for name, problem in judged if problem},
    }
