"""Estimands over arms whose names end in a number: ``PREFIX_N`` for several N, by METRIC.

METRIC is ``resolve_rate`` (test tasks), ``retention`` (a stream's sessions at the end) or
``arm_retention`` (the pairs of an arm's training sessions, trained on or not), each unit crossed
with runs (split and seed). PREFIX names the arms, so that ``pairs`` is pairs_3, pairs_10, …

``knee.METRIC.PREFIX[.log]``: N at which the curve of METRIC bends (knee.py), in the unit of N;
  Undefined is 'no knee'. ``log`` fits over ln N, for levels that grow by factors. Replicates are
  runs; with fewer than 3 of them each unit of each run, and the interval speaks of these runs only.
``threshold.METRIC.PREFIX``: smallest N from which on METRIC of every arm lies above base's, at the
  registered α (sample_size.py, 'sustained'); for ``retention`` there is no base.
``slope.METRIC.PREFIX``: change of METRIC per unit of N, one slope per unit and run.
``level_difference.METRIC.PREFIX``: METRIC at the largest N - at the smallest, paired.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stages.params import ParamsError
from stages.stats.clusters import clustered_difference
from stages.stats.intervals import Undefined
from stages.stats.knee import knee_estimand
from stages.stats.quality import retained as arm_retained
from stages.stats.results import Results
from stages.stats.sample_size import threshold_estimand
from stages.stats.stream_cells import Found, retained
from stages.stats.trend import session_slopes
from stages.stats.verdict import Estimand

Floats = NDArray[np.float64]
METRICS = ("resolve_rate", "retention", "arm_retention")
FEWEST_LEVELS = 2
FEWEST_RUNS = 3


def level_estimand(name: str, results: Results, parts: Sequence[str]) -> Estimand | None:
    """The estimand ``NAME.METRIC.PREFIX``; None for a name of another shape."""
    log = name == "knee" and len(parts) == 3 and parts[2] == "log"
    if not parts or parts[0] not in METRICS or (len(parts) != 2 and not log):
        return None
    levels = arms_by_number(results, parts[0], parts[1])
    values = [measured(results, parts[0], arm) for arm in levels.values()]
    cube = as_cube(values)
    if not cube.size:
        return partial(_undefined, f"no unit was measured in all arms {parts[1]}_N")
    numbers, unit = list(levels), "task" if parts[0] == "resolve_rate" else "session"
    if name == "knee":
        return _knee(numbers, cube, log)
    if name == "slope":
        return _slope(numbers, cube, unit)
    if name == "level_difference":
        return partial(clustered_difference, cube[:, :, -1] - cube[:, :, 0], unit=unit)
    return _threshold(results, levels, parts[0])


def arms_by_number(results: Results, metric: str, prefix: str) -> dict[int, str]:
    """N → arm, rising; ParamsError with fewer than two."""
    there = results.streams.arms if metric == "retention" else results.conditions
    found = {
        int(match[1]): arm
        for arm in there
        if (match := re.fullmatch(rf"{re.escape(prefix)}_(\d+)", arm))
    }
    if len(found) < FEWEST_LEVELS:
        raise ParamsError(
            f"criteria: {len(found)} arms are named {prefix}_N with a number; {metric} by level "
            f"needs at least {FEWEST_LEVELS}. There are {', '.join(there) or 'none'}."
        )
    return dict(sorted(found.items()))


def measured(results: Results, metric: str, arm: str) -> Found:
    """(unit, run) → value of one arm."""
    if metric == "retention":
        return retained(results.streams.of(arm))
    if metric == "arm_retention":
        return dict(arm_retained(results, arm))
    attempts: dict = {}
    for row in results.select(arm):
        attempts.setdefault((row.task, (row.split, row.seed)), []).append(row.resolved)
    return {key: float(np.mean(values)) for key, values in attempts.items()}


def as_cube(values: Sequence[Found]) -> Floats:
    """Units × runs × levels of what all levels measured (T × R × K), NaN where one did not."""
    shared = set.intersection(*(set(found) for found in values))
    units, runs = (sorted({key[part] for key in shared}) for part in (0, 1))
    cube = np.full((len(units), len(runs), len(values)), np.nan)
    for unit, run in shared:
        cube[units.index(unit), runs.index(run)] = [found[unit, run] for found in values]
    return cube


def _undefined(reason: str, alpha: float) -> Undefined:
    return Undefined(reason)


def _knee(numbers: Sequence[int], cube: Floats, log: bool) -> Estimand:
    units, runs, levels = cube.shape
    if runs >= FEWEST_RUNS:
        return knee_estimand(numbers, np.nanmean(cube, axis=0), log)  # R × K
    each = cube.reshape(units * runs, levels)
    return knee_estimand(numbers, each[~np.isnan(each).any(axis=1)], log)


def _slope(numbers: Sequence[int], cube: Floats, unit: str) -> Estimand:
    slopes, largest = session_slopes(cube, numbers)
    return partial(clustered_difference, slopes, unit=unit, bound=largest * (1 + 1e-9))


def _threshold(results: Results, levels: dict[int, str], metric: str) -> Estimand:
    if metric != "resolve_rate":
        return partial(_undefined, f"{metric} has no base to lie above")
    base = measured(results, metric, "base")
    gains = []
    for arm in levels.values():
        found = measured(results, metric, arm)
        gains.append({key: found[key] - base[key] for key in found if key in base})
    cube = as_cube(gains)
    if not cube.size:
        return partial(_undefined, "base was not measured on the arms' tasks")
    return threshold_estimand(list(levels), cube, results.lab.experiment.alpha)
