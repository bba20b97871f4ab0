"""Inference: intervals, enough units, power of the guard, and what counts as one unit."""

from __future__ import annotations

import math

import numpy as np

from stages.stats.checks.check import Finding, absent, judged
from stages.stats.checks.record import BASE, Record
from stages.stats.clusters import clustered_difference
from stages.stats.estimands import capability_drop
from stages.stats.families.costs import COUNT
from stages.stats.families.guard import guard_drop
from stages.stats.intervals import OF_LEVELS, Estimate, Undefined
from stages.stats.power import detectable_effect
from stages.stats.results import TEST
from stages.stats.summary import CAPABILITY_MARGIN


def with_interval(record: Record) -> Finding:
    """Check 12: each registered estimate has a finite interval, and there are tasks enough.

    ``detectable_effect`` is the distance from its threshold that the widest criterion would find.
    """
    experiment = record.lab.experiment
    tasks = len({row.task for row in record.results.select(BASE)})
    problems, effects, undefined = [], [], 0
    for name, estimate in record.estimates.items():
        if isinstance(estimate, Undefined):
            undefined += 1  # no claim, so nothing to guard; the verdict is inconclusive
        elif not (math.isfinite(estimate.lo) and math.isfinite(estimate.hi)):
            problems.append(f"{name}: the interval has no end")
        elif estimate.unit in (COUNT, OF_LEVELS):
            pass  # counted, not sampled; or a choice among levels, on which all resamples agree
        elif estimate.lo == estimate.hi:
            problems.append(f"{name}: the interval has no width at n = {estimate.n}")
        else:
            effects.append(detectable_effect(estimate, experiment.power))
    if tasks < experiment.minimum_tasks:
        problems.append(f"{tasks} test tasks, registered are at least {experiment.minimum_tasks}")
    return judged(
        {
            "criteria": len(record.estimates),
            "undefined": undefined,
            "test_tasks": tasks,
            "minimum_tasks": experiment.minimum_tasks,
            "detectable_effect": max(effects, default=None),
        },
        problems,
        "Run more tasks or seeds; report no rate without its interval.",
    )


def guard_has_power(record: Record) -> Finding:
    """Check 13: an interval as wide as this guard's would clear the margin with the power asked."""
    experiment = record.lab.experiment
    if experiment.guard is None:
        return absent("no guard is registered")
    drops = {
        "skill": capability_drop(record.results, experiment.alpha),
        **{
            arm: guard_drop(record.results, arm, experiment.alpha)
            for arm in record.results.streams.arms
        },
    }
    known = {arm: drop for arm, drop in drops.items() if isinstance(drop, Estimate)}
    if not known:
        return absent(str(drops["skill"]).removeprefix("undefined: "))
    effects = {arm: detectable_effect(drop, experiment.power) for arm, drop in known.items()}
    worst = max(effects, key=effects.__getitem__)
    drop, effect = known[worst], effects[worst]
    problems = []
    if not effect <= CAPABILITY_MARGIN:
        problems.append(f"{worst}: the guard finds drops from {effect:.3f}, the margin is less")
    return judged(
        {
            "arms": len(known),
            "widest": worst,
            "drop": drop.value,
            "drop_lo": drop.lo,
            "drop_hi": drop.hi,
            "problems_n": drop.n,
            "detectable_drop": effect,
            "margin": CAPABILITY_MARGIN,
        },
        problems,
        "Ask more problems or more samples of each; until then 'no drop' is not shown.",
    )


def units_counted_once(record: Record) -> Finding:
    """Check 14: no estimate counts more tasks than there are; splits and seeds share them.

    ``rows`` are what pooling would count; ``pooled_to_clustered`` is by how much the interval of
    the first trained condition would shrink if they were taken as independent.
    """
    test = {row.task for row in record.results.rows if row.half == TEST}
    every = {row.task for row in record.results.rows}
    problems = []
    for name, estimate in record.estimates.items():
        if not isinstance(estimate, Estimate) or estimate.unit != "task":
            continue
        kind = record.lab.experiment.criteria[name].estimand
        most = len(every if kind.startswith("forgetting") else test)
        if estimate.n > most:
            problems.append(f"{name}: n = {estimate.n} of {most} different tasks")
    evidence: dict[str, float | int] = {
        "tasks": len(test),
        "rows": len(record.results.select(BASE)),
        "splits": len(record.lab.experiment.splits),
        "runs": len({row.run for row in record.results.select(BASE)}),
    }
    if record.trained_conditions:
        cells = record.results.differences(BASE, record.trained_conditions[0])
        clustered = clustered_difference(cells)
        pooled = clustered_difference(cells[~np.isnan(cells)].reshape(-1, 1))
        width = clustered.hi - clustered.lo
        evidence["pooled_to_clustered"] = (pooled.hi - pooled.lo) / width if width else 1.0
    return judged(evidence, problems, "Resample tasks, crossed with runs; never pool rows.")
