"""Estimands of a changed environment (e10), by severity of the change; indicators: ``drift.py``.

``degradation.BEFORE.AFTER.SEVERITY``: resolve rate of arm BEFORE in the worlds before the change -
that of arm AFTER in the worlds after it, paired by issue. ``drifted.A.B.SEVERITY``: A - B in the
worlds after it. ``conflicts.ARM.SEVERITY[.KIND]``: share of decisions (KIND: file, command or
convention) in which the agent followed the world as it was although its context told otherwise.
``kept.BEFORE.AFTER.SEVERITY``: AFTER's resolve rate after the change as a share of BEFORE's before.
``recovery_sessions.BEFORE.STALE.SEVERITY``: sessions after the change until 90 % of what STALE lost
is regained, over the arms that recover from STALE's adapter.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from stages.lab.arm_adapters import arm_episodes, arms_in
from stages.lab.splits import read_tasks
from stages.records import Trajectory, read_jsonl
from stages.stats.clusters import clustered_difference, tabulate_cells
from stages.stats.conflict import Recovery, conflict_rate, recovery
from stages.stats.families.drift import read_indicators
from stages.stats.intervals import Estimate, Undefined
from stages.stats.ratio import clustered_ratio
from stages.stats.results import Results, Row
from stages.stats.roc import auc
from stages.stats.verdict import Estimand
from stages.suites.releases import base_world, severity_of

SHARE = 0.9
"""Registered share of the loss that counts as recovered."""
Issue = tuple[str, str]
"""A world before its change, and the number of an issue in it."""


def issue_of(world: str, instance_id: str) -> Issue:
    """What a task before and one after the change have in common."""
    return base_world(world), instance_id.rpartition("__")[2]


def rows_in(results: Results, name: str, severity: str) -> list[Row]:
    """Test episodes of a condition or arm in the worlds of one severity; "": before the change."""
    return [row for row in results.select(name) if severity_of(row.world) == severity]


def resolved_by_issue(rows: Iterable[Row]) -> dict[tuple[Issue, Hashable], float]:
    """Completed episodes: (issue, run) → resolved."""
    return {
        (issue_of(row.world, row.instance_id), row.run): row.resolved
        for row in rows
        if not np.isnan(row.resolved)
    }


def lost(results: Results, first: list[Row], second: list[Row], what: str) -> Estimand:
    """Mean of first - second over the issues and runs of both."""
    one, other = resolved_by_issue(first), resolved_by_issue(second)
    shared = sorted(one.keys() & other.keys(), key=repr)
    cells = tabulate_cells((*key, one[key] - other[key]) for key in shared)

    def estimate(alpha: float) -> Estimate | Undefined:
        return clustered_difference(cells, alpha) if shared else Undefined(f"{what} were not run")

    return estimate


def degradation(results: Results, before: str, after: str, severity: str) -> Estimand:
    first, second = rows_in(results, before, ""), rows_in(results, after, severity)
    return lost(results, first, second, f"{before}, and {after} after a {severity} change,")


def kept(results: Results, before: str, after: str, severity: str) -> Estimand:
    """Of the issues and runs that both completed: rate after / rate before (Fieller's interval)."""
    first, second = (
        resolved_by_issue(rows)
        for rows in (rows_in(results, before, ""), rows_in(results, after, severity))
    )
    shared = sorted(first.keys() & second.keys(), key=repr)
    old, new = (tabulate_cells((*key, one[key]) for key in shared) for one in (first, second))

    def estimate(alpha: float) -> Estimate | Undefined:
        if not shared:
            return Undefined(f"{before}, and {after} after a {severity} change, were not run")
        return clustered_ratio(new, old, alpha)

    return estimate


def drifted(results: Results, first: str, second: str, severity: str) -> Estimand:
    one, other = (rows_in(results, name, severity) for name in (first, second))
    return lost(results, one, other, f"{first} and {second} after a {severity} change")


@dataclasses.dataclass(frozen=True)
class Conflicts:
    """Decisions of one issue's episodes in which what was and what is call for different things."""

    stale: int
    """followed the world as it was although the context told otherwise"""
    told: int
    """decisions of which the context told"""


def conflicts(results: Results, arm: str, severity: str, kind: str = "") -> dict[Issue, Conflicts]:
    """Per issue, over seeds and splits; ``kind`` keeps file, command or convention only."""
    lab, found = results.lab, dict[Issue, Conflicts]()
    for world in (w for w in lab.worlds if severity_of(w) == severity and arm in arms_in(lab, w)):
        tasks = {task.instance_id: task for task in read_tasks(lab, world)}
        for split in lab.experiment.splits:
            for seed in lab.experiment.seeds:
                for played in read_jsonl(arm_episodes(lab, world, split, arm, seed), Trajectory):
                    task = tasks[played.info["instance_id"]]
                    made = lab.suite.decisions(task, played)  # type: ignore[attr-defined]
                    told = [d for d in made if d.told and kind in ("", d.kind)]
                    key = issue_of(world, task.instance_id)
                    old = found.get(key, Conflicts(0, 0))
                    stale = old.stale + sum(decision.stale for decision in told)
                    found[key] = Conflicts(stale, old.told + len(told))
    return found


def conflict(results: Results, arm: str, severity: str, kind: str = "") -> Estimand:
    if not hasattr(results.lab.suite, "decisions"):
        return lambda alpha: Undefined("the suite has no world before a change to compare with")
    by_issue = list(conflicts(results, arm, severity, kind).values())
    stale, told = [c.stale for c in by_issue], [c.told for c in by_issue]
    return lambda alpha: conflict_rate(stale, told, alpha)


def checkpoints(results: Results, stale: str, severity: str) -> dict[float, str]:
    """Sessions after the change → the arm that recovered on so many from STALE's adapter."""
    arms = results.lab.experiment.arms or {}
    source = (arms[stale].adapter, arms[stale].adapter_world) if stale in arms else None
    found = {0.0: stale}
    for name, arm in arms.items():
        if arm.examples is not None and (arm.adapter, arm.adapter_world) == source:
            found[float(arm.examples.recovery)] = name
    return {k: found[k] for k in sorted(found) if rows_in(results, found[k], severity)}


def recovered(
    results: Results, before: str, stale: str, severity: str, alpha: float
) -> Recovery | Undefined:
    """The recovery curve over the issues that every checkpoint and BEFORE have played."""
    points = checkpoints(results, stale, severity)
    if len(points) < 2 or 0.0 not in points:
        return Undefined(f"fewer than two checkpoints of {stale} after a {severity} change")
    columns = [_by_issue(rows_in(results, name, severity)) for name in points.values()]
    prior = _by_issue(rows_in(results, before, ""))
    shared = sorted(set(prior).intersection(*columns))
    if not shared:
        return Undefined(f"{before} and the checkpoints of {stale} have no issue in common")
    after = np.array([[column[issue] for column in columns] for issue in shared])
    return recovery(list(points), after, [prior[issue] for issue in shared], SHARE, alpha)


def _by_issue(rows: Iterable[Row]) -> dict[Issue, float]:
    groups: dict[Issue, list[float]] = {}
    for (issue, _), value in resolved_by_issue(rows).items():
        groups.setdefault(issue, []).append(value)
    return {issue: float(np.mean(values)) for issue, values in groups.items()}


def recovery_sessions(results: Results, before: str, stale: str, severity: str) -> Estimand:
    def estimate(alpha: float) -> Estimate | Undefined:
        found = recovered(results, before, stale, severity, alpha)
        return found if isinstance(found, Undefined) else found.sessions_needed

    return estimate


def severity_auc(results: Results, indicator: str, severity: str, label: str) -> Estimand:
    """``auc.INDICATOR`` on the sessions before the change and those after one of ``severity``.

    ``severity`` "" takes all; ``label`` is ``stale``, or ``failed`` for telling the sessions that
    the agent fails from the others.
    """
    rows = measured(results, indicator, severity)
    scores, truth = [row["scores"][indicator] for row in rows], [row[label] for row in rows]
    clusters = [(row["world"], row["instance_id"]) for row in rows]
    return lambda alpha: auc(scores, truth, alpha, clusters)


def measured(results: Results, indicator: str, severity: str = "") -> list[dict[str, Any]]:
    """Sessions with an indicator: those before the change, and those after one of ``severity``."""
    return [
        row
        for row in read_indicators(results.lab)
        if indicator in row["scores"]
        and (not severity or severity_of(row["world"]) in ("", severity))
    ]


def _parts(
    make: Callable[..., Estimand], lengths: tuple[int, ...], results: Results, parts: list[str]
) -> Estimand | None:
    return make(results, *parts) if len(parts) in lengths else None


STALENESS: Mapping[str, Callable[[Results, list[str]], Estimand | None]] = {
    "degradation": partial(_parts, degradation, (3,)),
    "kept": partial(_parts, kept, (3,)),
    "drifted": partial(_parts, drifted, (3,)),
    "conflicts": partial(_parts, conflict, (2, 3)),
    "recovery_sessions": partial(_parts, recovery_sessions, (3,)),
}
"""Families by the first part of their names."""
