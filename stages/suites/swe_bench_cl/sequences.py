"""The published rule that makes eight sequences of SWE-bench Verified's 500 tasks.

Per repository: tasks by difficulty and, within it, by date, cut after 50. A task depends on the
earlier tasks of its repository, the cut ones too, that changed one of its files.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from stages.records import Task
from stages.suites.swe_bench_cl.errors import SweBenchError
from stages.suites.swe_bench_cl.published import MAX_TASKS, REPOSITORIES
from stages.suites.swe_bench_cl.rows import number_of


def build_sequences(tasks: Iterable[Task]) -> dict[str, list[Task]]:
    """Repository -> its sequence in the published order; other repositories are left out."""
    tasks = list(tasks)
    found = {}
    for repo in REPOSITORIES:
        own = ordered([task for task in tasks if task.repo == repo], "date")
        linked = [_with_dependencies(task, own[:place]) for place, task in enumerate(own)]
        if linked:
            found[repo] = ordered(linked, "difficulty")[:MAX_TASKS]
    return found


def ordered(tasks: Sequence[Task], order: str) -> list[Task]:
    """By ``date``, or by ``difficulty`` first and by date within it."""
    if order not in ("date", "difficulty"):
        raise SweBenchError(f"swe_bench_cl.order is {order!r}; use difficulty or date.")
    when = _when(tasks)
    if order == "date":
        return sorted(tasks, key=when)
    return sorted(tasks, key=lambda task: (task.meta["difficulty_score"], when(task)))


def _when(tasks: Sequence[Task]) -> Callable[[Task], tuple[str, int]]:
    """A key that sorts by date.

    Within a repository pull requests are numbered as they are opened, which is what created_at
    says; so the number stands in where a row has no date.
    """
    if all(task.created_at for task in tasks):
        return lambda task: (task.created_at, number_of(task))
    return lambda task: ("", number_of(task))


def _with_dependencies(task: Task, earlier: Sequence[Task]) -> Task:
    files = set(task.meta["modified_files"])
    names = [t.instance_id for t in earlier if files.intersection(t.meta["modified_files"])]
    return dataclasses.replace(task, meta={**task.meta, "dependencies": names})
