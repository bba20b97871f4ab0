"""The five registered splits A–E of an ordered list of tasks (seeds/004, Phase 2)."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

from stages.records import Task

SPLITS = {
    "A": "first half trains, second half tests",
    "B": "second half trains, first half tests",
    "C": "odd positions train, even positions test",
    "D": "random halves, seed 42",
    "E": "random halves, seed 123",
}
RANDOM_SEEDS = {"D": 42, "E": 123}
DIFFICULTY_ORDER = ("easy", "medium", "hard", "very hard")


@dataclasses.dataclass(frozen=True)
class Split:
    """Which tasks train and which test, by instance id, in their order."""

    train: tuple[str, ...]
    test: tuple[str, ...]


def order_tasks(tasks: Sequence[Task], order: str) -> list[Task]:
    """By date; or by difficulty first and by date within it, as SWE-Bench-CL publishes them.

    Where a task has no date all keep the suite's own order, which is that of their dates.
    """
    by_date = list(tasks)
    if all(task.created_at for task in tasks):
        by_date.sort(key=lambda task: task.created_at)
    if order == "date":
        return by_date
    return sorted(by_date, key=lambda task: DIFFICULTY_ORDER.index(task.difficulty))


def make_split(name: str, tasks: Sequence[Task]) -> Split:
    """Split ``name`` of the ordered tasks; an odd task out goes to the test half."""
    if name not in SPLITS:
        raise ValueError(f"split {name!r} is none of {', '.join(SPLITS)}; correct `splits`.")
    ids = [task.instance_id for task in tasks]
    half = len(ids) // 2
    if name == "A":
        train = ids[:half]
    elif name == "B":
        train = ids[len(ids) - half :]
    elif name == "C":
        train = ids[0 : 2 * half : 2]
    else:
        train = random.Random(RANDOM_SEEDS[name]).sample(ids, half)
    chosen = set(train)
    return Split(tuple(i for i in ids if i in chosen), tuple(i for i in ids if i not in chosen))
