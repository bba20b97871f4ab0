"""The gold run: each task's own patch must solve it, and nothing less may (check 2)."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from stages.lab.cells import Cells
from stages.lab.context import Lab
from stages.lab.pool import usable_cores
from stages.params import suite_of, values_of
from stages.records import Task, read_json, write_json
from stages.suites.suite import Harness

GENERATED = ("microrepo", "microrepo_drift")
"""Kinds of suites whose tests need nothing of the machine but Python."""


@runtime_checkable
class WithHistory(Protocol):
    """A harness whose workspaces hold a Git repository."""

    def history(self, task: Task) -> dict[str, Any]:
        """``commits``, a count, and ``newer``: names of what is newer than the base commit or could
        lead there, as an agent would find it."""
        ...


def gold_runs(
    lab: Lab, cells: Cells, tasks: Mapping[str, Sequence[Task]]
) -> dict[str, dict[str, Any]]:
    """World -> ``runs``, ``tasks`` (ids that passed), ``failed`` (id -> why), and of a suite whose
    workspaces have Git ``history`` (id -> what there is of it, check 1).

    A generated world is run once for all experiments, as a cell; what real repositories give hangs
    on this machine's environments, so they are run each time.
    """
    suite = suite_of(lab.params, lab.experiment)
    with contextlib.ExitStack() as stack:

        @functools.cache
        def harness() -> Harness:
            return stack.enter_context(lab.open_harness(usable_cores()))

        def run(listed: Sequence[Task]) -> dict[str, Any]:
            with ThreadPoolExecutor(harness().at_once) as pool:
                return _summary(listed, list(pool.map(harness().problem, listed)), harness())

        def found(world: str, listed: Sequence[Task]) -> dict[str, Any]:
            if suite.kind not in GENERATED:
                return run(listed)
            key = {
                "suite": lab.suite.settings(),
                "sandbox": values_of(lab.params.sandbox),
                "tasks": [(task.instance_id, task.tree_hash) for task in listed],
            }
            make = partial(_write, run, listed)
            return dict(read_json(cells.job(f"gold-{world}", key, ".json", make)()))

        return {world: found(world, listed) for world, listed in tasks.items()}


def _write(
    run: Callable[[Sequence[Task]], dict[str, Any]], tasks: Sequence[Task], path: Path
) -> None:
    write_json(path, run(tasks))


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
