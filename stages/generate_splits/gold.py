"""The gold run: each task's own patch must solve it, and nothing less may (check 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

from stages.lab.context import Lab
from stages.lab.pool import usable_cores
from stages.records import Task
from stages.suites.suite import Harness


@runtime_checkable
class WithHistory(Protocol):
    """A harness whose workspaces hold a Git repository."""

    def history(self, task: Task) -> dict[str, Any]:
        """``commits``, a count, and ``newer``: names of what is newer than the base commit or could
        lead there, as an agent would find it."""
        ...


def gold_runs(lab: Lab, tasks: Mapping[str, Sequence[Task]]) -> dict[str, dict[str, Any]]:
    """World -> ``runs``, ``tasks`` (ids that passed), ``failed`` (id -> why), and of a suite whose
    workspaces have Git ``history`` (id -> what there is of it, check 1)."""
    with (
        lab.open_harness(usable_cores()) as harness,
        ThreadPoolExecutor(harness.at_once) as pool,
    ):
        found = {}
        for world, listed in tasks.items():
            found[world] = _summary(listed, list(pool.map(harness.problem, listed)), harness)
    return found


def _summary(tasks: Sequence[Task], problems: Sequence[str], harness: Harness) -> dict[str, Any]:
    judged = list(zip((task.instance_id for task in tasks), problems, strict=True))
    found: dict[str, Any] = {}
    if isinstance(harness, WithHistory):
        found["history"] = {task.instance_id: harness.history(task) for task in tasks}
    return {
        "runs": harness.gold_runs,
        "tasks": [name for name, problem in judged if not problem],
        "failed": {name: problem for name, problem in judged if problem},
        **found,
    }
