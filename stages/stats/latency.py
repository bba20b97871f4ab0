"""How long an episode takes, by condition: seconds of this machine, which no metrics file holds.

Wall-clock differs from run to run, so it goes to ``timings/NAME/latency.json``, which DVC doesn't
track, beside what the machine is. An episode's seconds are those of its actions and the answers
before them; where episodes share a batch, an answer's seconds are its share as the backend counts.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

from stages.records import read_jsonl, write_json
from stages.stats.clusters import task_means
from stages.stats.paired import hodges_lehmann
from stages.stats.results import Results, Row, tabulate
from stages.stats.summary import rounded

Episode = tuple[str, str, str, int, int, str]
"""Condition, world, split, seed, attempt, task."""


def write_latency(results: Results) -> Path | None:
    """Write the file; None where nothing was timed here (cells that came from a cache)."""
    seconds = read_seconds(results)
    table = {
        name: _condition(results, name, seconds)
        for name in results.conditions
        if any(_key(row) in seconds for row in results.select(name))
    }
    if not table:
        return None
    path = Path("timings") / results.lab.name / "latency.json"
    machine = {
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.system(),
    }
    write_json(path, rounded({"measured_on": machine, "conditions": table}))
    return path


def read_seconds(results: Results) -> dict[Episode, float]:
    """Seconds of every episode that was timed on this machine."""
    lab, root = results.lab, Path("timings") / results.lab.name
    arms, found = tuple(lab.experiment.arms or {}), dict[Episode, float]()
    for world in lab.worlds:
        for split in lab.experiment.splits:
            for seed in lab.experiment.seeds:
                base = root / f"baseline-{world}-s{seed}.jsonl"
                found |= _read(base, ("base", world, split, seed))
                for name in lab.experiment.evaluate.conditions:
                    path = root / f"evaluations-{world}" / split / f"{name}-s{seed}.jsonl"
                    found |= _read(path, (name, world, split, seed))
                for name in arms:
                    path = root / f"{lab.name}-{world}" / split / f"{name}-s{seed}.jsonl"
                    found |= _read(path, (name, world, split, seed))
    return found


def _read(path: Path, place: tuple[str, str, str, int]) -> dict[Episode, float]:
    if not path.exists():
        return {}
    return {
        (*place, row["attempt"], row["instance_id"]): sum(row["seconds"])
        for row in read_jsonl(path, dict)
    }


def _key(row: Row) -> Episode:
    return (row.condition, row.world, row.split, row.seed, row.attempt, row.instance_id)


def _condition(results: Results, name: str, seconds: dict[Episode, float]) -> dict[str, Any]:
    """Seconds of an episode and of a step, and the shift against base, paired by task."""
    rows = [row for row in results.select(name) if _key(row) in seconds]
    spent = [seconds[_key(row)] for row in rows]
    found: dict[str, Any] = {
        "episodes": len(rows),
        "seconds_mean": float(np.mean(spent)),
        "seconds_median": float(np.median(spent)),
        "seconds_per_step": float(np.sum(spent) / max(1, sum(row.steps for row in rows))),
    }
    if name != "base" and (shift := _against_base(results, rows, seconds)):
        found["against_base"] = shift
    return found


def _against_base(
    results: Results, rows: list[Row], seconds: dict[Episode, float]
) -> dict[str, float] | None:
    """Hodges–Lehmann shift of the tasks' mean seconds, adapted - base, with its interval."""
    base = {(row.task, row.run): row for row in results.select("base") if _key(row) in seconds}
    pairs = [(base[row.task, row.run], row) for row in rows if (row.task, row.run) in base]
    if len({row.task for _, row in pairs}) < 2:
        return None
    first, second = (
        task_means(tabulate([pair[side] for pair in pairs], lambda row: seconds[_key(row)]))
        for side in (0, 1)
    )
    shift = hodges_lehmann(first, second, results.lab.experiment.alpha)
    return {"seconds": shift.value, "lo": shift.lo, "hi": shift.hi}
