"""The statistics table of the sequences, beside the published one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from tabulate import tabulate

from stages.records import Task
from stages.suites.swe_bench_cl.published import LEVELS, SEQUENCES, TOTAL


@dataclasses.dataclass(frozen=True)
class Statistics:
    """What is counted of one sequence."""

    tasks: int
    levels: tuple[int, ...]
    """tasks per level, as in LEVELS"""
    with_dependencies: int
    dated: int
    """tasks whose row has a date"""
    first: str
    """earliest date, YYYY-MM-DD; empty without dates"""
    last: str
    with_tests: int
    """tasks that can be evaluated"""


def statistics_of(tasks: Sequence[Task]) -> Statistics:
    dates = sorted(task.created_at[:10] for task in tasks if task.created_at)
    return Statistics(
        tasks=len(tasks),
        levels=tuple(sum(task.difficulty == level for task in tasks) for level in LEVELS),
        with_dependencies=sum(bool(task.meta.get("dependencies")) for task in tasks),
        dated=len(dates),
        first=dates[0] if dates else "",
        last=dates[-1] if dates else "",
        with_tests=sum(bool(task.test_patch and task.FAIL_TO_PASS) for task in tasks),
    )


def table(sequences: Mapping[str, Sequence[Task]]) -> str:
    """One line per repository and their sum, as a Markdown table."""
    found = {repo: statistics_of(tasks) for repo, tasks in sequences.items()}
    rows = [
        [repo, s.tasks, *s.levels, s.with_dependencies, s.first, s.last, s.dated, s.with_tests]
        for repo, s in found.items()
    ]
    sums = [sum(column) for column in zip(*(row[1:7] for row in rows), strict=True)]
    if rows:
        rows.append(["all", *sums, "", "", *(sum(r[n] for r in rows) for n in (9, 10))])
    heads = ["repository", "tasks", *LEVELS, "dependent", "first", "last", "dated", "with tests"]
    return tabulate(rows, heads, tablefmt="github")


def differences(sequences: Mapping[str, Sequence[Task]]) -> list[str]:
    """Every cell that isn't as published; empty when all are."""
    found = []
    for repo in sequences.keys() - SEQUENCES.keys():
        found.append(f"{repo} isn't one of the published repositories")
    for repo, published in SEQUENCES.items():
        own = statistics_of(sequences.get(repo, ()))
        cells = [("tasks", own.tasks, published.tasks)]
        cells += zip(LEVELS, own.levels, published.levels, strict=True)
        cells.append(("dependent", own.with_dependencies, published.with_dependencies))
        found += [
            f"{repo}: {n} is {have}, published is {must}" for n, have, must in cells if have != must
        ]
    total = sum(len(tasks) for tasks in sequences.values())
    if total != TOTAL:
        found.append(f"all: tasks is {total}, published is {TOTAL}")
    return found
