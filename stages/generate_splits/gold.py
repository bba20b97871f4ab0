"""The gold run: each task's own patch must solve it, and nothing less may (check 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from stages.lab.context import Lab
from stages.lab.pool import usable_cores
from stages.records import Task


def gold_runs(lab: Lab, tasks: Mapping[str, Sequence[Task]]) -> dict[str, dict[str, Any]]:
    """World -> ``runs``, ``tasks`` (ids that passed) and ``failed`` (id -> why)."""
    with (
        lab.open_harness(usable_cores()) as harness,
        ThreadPoolExecutor(harness.at_once) as pool,
    ):
        found = {world: list(pool.map(harness.problem, listed)) for world, listed in tasks.items()}
        runs = harness.gold_runs
    return {world: _summary(listed, found[world], runs) for world, listed in tasks.items()}


def _summary(tasks: Sequence[Task], problems: Sequence[str], runs: int) -> dict[str, Any]:
    judged = list(zip((task.instance_id for task in tasks), problems, strict=True))
    return {
        "runs": runs,
        "tasks": [name for name, problem in judged if not problem],
        "failed": {name: problem for name, problem in judged if problem},
    }
