"""The capability drop of a stream's arm, on the guard that watches every arm."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from stages.stats.clusters import clustered_difference, tabulate_cells
from stages.stats.intervals import Estimate, Undefined
from stages.stats.results import Results

Run = tuple[Any, ...]


def share_passed(rows: Iterable[dict[str, Any]]) -> dict[tuple[Any, Run], float]:
    """(problem, run) → share of samples passed."""
    groups: dict[tuple[Any, Run], list[bool]] = {}
    for row in rows:
        run = (row["world"], row["split"], row["seed"])
        groups.setdefault((row["problem_id"], run), []).append(row["passed"])
    return {key: float(np.mean(passed)) for key, passed in groups.items()}


def guard_rows(results: Results, arm: str) -> list[dict[str, Any]]:
    """The arm's answers after its last consolidation, each with its run."""
    return [
        {**row, "world": stream.world, "split": stream.split, "seed": stream.seed}
        for stream in results.streams.of(arm)
        for row in stream.guard
    ]


def guard_drop(results: Results, arm: str, alpha: float) -> Estimate | Undefined:
    """base - arm pass rate, paired by problem and run, clustered by problem."""
    base = share_passed(results.guard.get("base", []))
    adapted = share_passed(guard_rows(results, arm))
    shared = sorted(base.keys() & adapted.keys())
    if not shared:
        return Undefined(f"the guard was not answered by {arm} and base")
    cells = tabulate_cells((*key, base[key] - adapted[key]) for key in shared)
    return clustered_difference(cells, alpha, unit="problem")
