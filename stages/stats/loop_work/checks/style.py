"""Collapse of style, and collapse that goes on."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from stages.lab.loops import Probed
from stages.stats.checks.check import Finding, absent, judged
from stages.stats.checks.compare import interval
from stages.stats.clusters import clustered_difference, critical_value, tabulate_cells
from stages.stats.intervals import Estimate
from stages.stats.loop_work.checks.record import LoopRecord, where
from stages.stats.loop_work.results import TRAIN, LoopResults, Run, item_means

LENGTH_RATIO = 2.0
SHIFT = 0.1
Rows = Sequence[Mapping[str, Any]]
_STEP = re.compile(r"[\n;]|[.!?] ")


def empty(row: Probed) -> bool:
    """Whether nothing was answered."""
    return not row.text.strip()


def truncated(row: Probed) -> bool:
    """Whether the answer was cut off."""
    return row.finish == "length"


def reasoned(row: Probed) -> bool:
    """Whether more than one sentence or line stands in the answer."""
    return len([part for part in _STEP.split(row.text.strip()) if part.strip()]) > 1


SIGNALS: dict[str, Callable[[Probed], float]] = {
    "length": lambda row: math.log(max(1, row.tokens)),
    "empty": empty,
    "truncated": truncated,
    "reasoned": reasoned,
}
"""Signals of collapse; each is compared with the same item's answer at checkpoint 0."""


def style_kept(record: LoopRecord) -> Finding:
    """Check 30: length, empty, cut-off and unreasoned answers against base at every checkpoint.

    On trained and on held-out items, arm by arm. It fails where the geometric mean of lengths
    changes by a factor of two or more, or a share by ten points or more, with an interval clear of
    no change; the evidence is of the worst checkpoint.
    """
    results = record.results
    evidence: dict[str, Any] = {}
    problems = []
    for arm, runs in results.by_arm.items():
        for part in (TRAIN, results.untrained):
            for name in SIGNALS:
                moved = worst_shift(results, runs, part, name)
                if moved is None:
                    continue
                number, found = moved
                evidence |= interval(f"{arm}_{part}_{name}", found)
                if collapsed(name, found):
                    problems.append(
                        f"arm {arm}, c{number:04}, {part} items: {said(name, found.value)}"
                    )
    if not evidence:
        return absent("no checkpoint follows base in this loop")
    return judged(
        evidence,
        problems,
        "Mix rehearsal into training, mask the loss to the answer, or train at a lower rate.",
    )


def worst_shift(
    results: LoopResults, runs: list[Run], part: str, name: str
) -> tuple[int, Estimate] | None:
    """Checkpoint and estimate of the largest change of a signal against base, by item × seed."""
    most = math.log(results.loop.max_new_tokens) if name == "length" else 1.0
    found: list[tuple[int, Estimate]] = []
    for number in range(1, max(len(run.checkpoints) for run in runs)):
        estimate = shift_at(runs, part, name, number, results.loop.alpha, max(1.0, most))
        if estimate is not None:
            found.append((number, estimate))
    return max(found, key=lambda pair: abs(pair[1].value)) if found else None


def shift_at(
    runs: list[Run], part: str, name: str, number: int, alpha: float, bound: float = 1.0
) -> Estimate | None:
    """Change of a signal at a checkpoint against base over the runs that came so far."""
    signal = SIGNALS[name]
    values: dict[tuple[str, int], list[float]] = {}
    for run in runs:
        if number < len(run.checkpoints):
            now, before = (
                item_means((r.item_id, signal(r)) for r in point.probe if r.part == part)
                for point in (run.checkpoints[number], run.base)
            )
            for item in now.keys() & before.keys():
                values.setdefault((item, run.seed), []).append(now[item] - before[item])
    if not values:
        return None
    cells = tabulate_cells((*k, sum(v) / len(v)) for k, v in sorted(values.items()))
    return clustered_difference(cells, alpha, "item", max(bound, float(np.nanmax(np.abs(cells)))))


def collapsed(name: str, moved: Estimate) -> bool:
    """Whether a signal's change is clear of none, in the bad direction, and large."""
    clear = moved.lo > 0 or moved.hi < 0
    if name == "length":
        return clear and abs(moved.value) >= math.log(LENGTH_RATIO)
    worse = -moved.value if name == "reasoned" else moved.value
    return clear and worse >= SHIFT


def said(name: str, value: float) -> str:
    """A change in words."""
    if name == "length":
        return f"answers are {math.exp(value):.2f} times as long as base's"
    return f"the share of {name} answers moved by {value:+.2f}"


def stops_at_the_guard(record: LoopRecord) -> Finding:
    """Check L3: no run goes on once the guard's whole interval lies below the registered bound.

    Nor is a checkpoint kept that lies there.
    """
    guard = record.results.loop.guard
    if guard is None:
        return absent("no guard is registered")
    problems: list[str] = []
    played, lowest = 0, 0.0
    for run in record.results.runs:
        start = guard_before(record.results, run)
        for point in run.checkpoints[1:]:
            drop = guard_change(start, point.guard, record.results.loop.alpha)
            if drop is None:
                continue
            played, lowest = played + 1, min(lowest, drop.value)
            if drop.hi < guard.lower_bound:
                text = f"{where(run, point)}: the guard changed by {drop.value:+.2f}"
                if point is not run.checkpoints[-1]:
                    problems.append(f"{text}, and the run went on")
                if run.end.kept == point.number:
                    problems.append(f"{text}, and this checkpoint was kept")
        if not start and record.trains(run):
            problems.append(f"{run.name}: the guard was not played before training")
    return judged(
        {"played": played, "lowest_change": lowest, "lower_bound": guard.lower_bound},
        problems,
        "Stop at the first checkpoint whose guard lies below its bound, and keep the best before.",
    )


def guard_before(results: LoopResults, run: Run) -> Rows:
    """The guard's rows before any training: the run's own, or of a generation the first ones'."""
    selection = results.loop.arms[run.place.arm].selection
    if not run.base.facts.adapter_sha256 or selection is None:
        return run.base.guard
    return next((first.base.guard for first in results.by_arm.get(selection.first, [])), ())


def guard_change(first: Rows, now: Rows, alpha: float) -> Estimate | None:
    """Pass rate of the guard at a checkpoint - that before training; None where not played.

    A problem is one unit. Paired t interval, which is the rule that the loop itself stops by.
    """
    before, after = (
        item_means((row["problem_id"], row["passed"]) for row in rows) for rows in (first, now)
    )
    common = sorted(before.keys() & after.keys())
    if len(common) < 2:
        return None
    changes = np.array([after[problem] - before[problem] for problem in common])
    mean, error = float(changes.mean()), float(changes.std(ddof=1)) / math.sqrt(len(changes))
    half = error * critical_value(alpha, len(changes) - 1)
    return Estimate(mean, mean - half, mean + half, len(changes), "problem", alpha)
