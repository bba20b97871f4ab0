"""What a loop wrote, as estimands, checks and plots ask for it.

The unit of replication is the item, crossed with seeds: repeats of one seed share its order of
items, so they are averaged within it and never counted as seeds.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from stages.lab.loops import Attempted, End, Facts, OpenLoop, Probed, RunPlace
from stages.params import LoopParams
from stages.stats.clusters import Cells, tabulate_cells

PARTS = ("train", "val", "test", "holdout")
TRAIN = "train"
UNTRAINED = ("test", "holdout", "val")
"""Parts that nothing is trained on; an estimand without a part takes the first that was probed."""
Value = Callable[["Run", str], float]
"""(run, item) -> a number; NaN where there is none."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What was probed and trained up to one checkpoint of a run; 0 is before any training."""

    number: int
    facts: Facts
    probe: tuple[Probed, ...]
    attempts: tuple[Attempted, ...]
    guard: tuple[Mapping[str, Any], ...]
    """rows of stages/lab/guard.py; empty where the guard wasn't played"""
    adapter: Path
    """folder of its adapter, there or not"""

    @cached_property
    def means(self) -> dict[str, float]:
        """item -> share of its samples that are right."""
        return item_means((row.item_id, row.correct) for row in self.probe)

    @cached_property
    def tallies(self) -> dict[str, tuple[int, int]]:
        """item -> its samples, and how many of them are right."""
        found: dict[str, tuple[int, int]] = {}
        for row in self.probe:
            n, c = found.get(row.item_id, (0, 0))
            found[row.item_id] = n + 1, c + row.correct
        return found


@dataclasses.dataclass(frozen=True)
class Run:
    """One arm × seed × repeat that has ended."""

    place: RunPlace
    end: End
    checkpoints: tuple[Checkpoint, ...]
    """in order, from 0"""

    @property
    def name(self) -> str:
        return self.place.name

    @property
    def seed(self) -> int:
        return self.place.seed

    @property
    def base(self) -> Checkpoint:
        """The checkpoint before any training of this run."""
        return self.checkpoints[0]

    @property
    def final(self) -> Checkpoint:
        """The checkpoint that the run kept."""
        return self.checkpoints[self.end.kept]

    @cached_property
    def items(self) -> dict[str, Probed]:
        """item -> its first answer at checkpoint 0, which says its part, group and difficulty."""
        found: dict[str, Probed] = {}
        for row in self.base.probe:
            found.setdefault(row.item_id, row)
        return found

    def members(self, part: str) -> list[str]:
        """The items of a part, in the order in which they were probed."""
        return [item for item, row in self.items.items() if row.part == part]


@dataclasses.dataclass(frozen=True)
class LoopResults:
    """The runs of a loop that have ended, with its registration."""

    name: str
    loop: LoopParams
    places: tuple[RunPlace, ...]
    """every run that the registration asks for, there or not"""
    runs: tuple[Run, ...]

    @cached_property
    def by_arm(self) -> dict[str, list[Run]]:
        """arm -> its runs, in the registration's order; arms without a run are left out."""
        found = {arm: [r for r in self.runs if r.place.arm == arm] for arm in self.loop.arms}
        return {arm: runs for arm, runs in found.items() if runs}

    def outcomes(self, arm: str) -> list[Run]:
        """The runs that an arm is judged by: all; of generations those of the last one."""
        runs = self.by_arm.get(arm, [])
        selection = self.loop.arms[arm].selection
        if selection is None:
            return runs
        earlier = (selection.generations - 2) * selection.population
        return [run for run in runs if run.place.repeat >= earlier]

    @cached_property
    def parts(self) -> list[str]:
        """The parts that were probed."""
        there = {row.part for run in self.runs for row in run.base.probe}
        return [part for part in PARTS if part in there]

    @property
    def untrained(self) -> str:
        """The part that an estimand without one is about: test, else holdout, else val."""
        return next((part for part in UNTRAINED if part in self.parts), TRAIN)

    def table(self, arm: str, part: str, value: Value) -> dict[tuple[str, int], float]:
        """(item, seed) -> mean of ``value(run, item)`` over the repeats that have one, else NaN."""
        found: dict[tuple[str, int], list[float]] = defaultdict(list)
        for run in self.outcomes(arm):
            for item in run.members(part):
                found[item, run.seed].append(value(run, item))
        return {key: known_mean(values) for key, values in found.items()}

    def cells(self, arm: str, part: str, value: Value) -> Cells:
        """Items × seeds of ``value(run, item)``, repeats averaged; NaN where it has no value."""
        table = self.table(arm, part, value)
        return tabulate_cells((*key, found) for key, found in table.items())


def read_loop(opened: OpenLoop) -> LoopResults:
    """Read every run that has ended; a file of one that is missing or broken is a RecordError."""
    places = opened.runs()
    ended = [place for place in places if (place.path / "end.json").exists()]
    return LoopResults(opened.name, opened.loop, places, tuple(map(read_run, ended)))


def read_run(place: RunPlace) -> Run:
    """One run that has ended; RecordError for a file that is missing or broken."""
    points = [
        Checkpoint(
            point.number,
            point.facts(),
            tuple(point.probe()),
            tuple(point.attempts()) if (point.path / "attempts.jsonl").exists() else (),
            tuple(point.guard() or ()),
            point.adapter,
        )
        for point in place.checkpoints()
    ]
    return Run(place, place.end(), tuple(points))


def item_means(values: Iterable[tuple[str, float]]) -> dict[str, float]:
    """item -> mean of its values."""
    found: dict[str, list[float]] = defaultdict(list)
    for item, value in values:
        found[item].append(value)
    return {item: sum(each) / len(each) for item, each in found.items()}


def known_mean(values: Sequence[float]) -> float:
    """Mean of those that are numbers; NaN for none."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def right_at(point: Checkpoint, item: str) -> float:
    """Share of the item's samples that are right at a checkpoint; NaN if it wasn't probed."""
    return point.means.get(item, float("nan"))
