"""Selection: what was chosen must have been chosen before its outcome was known."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from stages.params import Experiment
from stages.params.registration import FILE
from stages.records import read_json
from stages.stats.checks.check import Finding, judged
from stages.stats.checks.record import Record


def nothing_selected(record: Record, registrations: Path = Path(FILE)) -> Finding:
    """Check 15: arms, attempts, criteria and splits are those registered before their data.

    From files alone: whatever was run is registered; each cell has the attempts 0, 1, … without a
    gap, so none was picked; a registration that replaced another says why; where one did, criteria
    that name some arms of a strategy name all of them (or are 'best_…', whose interval pays for the
    choice); and no other experiment, registered on an earlier day, had these worlds with these
    splits and more, as 'the best two splits' of phase 2 would be chosen.
    """
    entry = _entries(registrations).get(record.lab.name, {})
    replaced = entry.get("supersedes", [])
    problems = [
        *_unregistered(record),
        *_picked_attempts(record),
        *(f"superseded on {old['date']} without a reason" for old in replaced if not old["reason"]),
        *(_criteria_of_few(record.lab.experiment) if replaced else []),
        *_known_splits(record, registrations),
    ]
    return judged(
        {
            "arms": len(record.results.declared),
            "criteria": len(record.lab.experiment.criteria),
            "superseded": len(replaced),
            "reason": replaced[-1]["reason"][:160] if replaced else "",
        },
        problems,
        "Register what is to be compared before its data exist, all of it; report what was looked "
        "at and left out as exploratory.",
    )


def _entries(registrations: Path) -> dict[str, dict[str, Any]]:
    return read_json(registrations) if registrations.exists() else {}


def _unregistered(record: Record) -> list[str]:
    declared = set(record.results.declared)
    ran = {row.condition for row in record.results.rows} | set(record.results.streams.arms)
    return [f"{name} is reported, and isn't registered" for name in sorted(ran - declared)]


def _picked_attempts(record: Record) -> list[str]:
    """Attempts that are numbered with gaps: the missing ones were played and left out."""
    attempts: dict[tuple, set[int]] = defaultdict(set)
    for row in record.results.rows:
        attempts[row.condition, row.world, row.split, row.seed, row.instance_id].add(row.attempt)
    return [
        f"{'/'.join(map(str, place))}: attempts {sorted(found)}, the others are missing"
        for place, found in attempts.items()
        if found != set(range(len(found)))
    ]


def _criteria_of_few(experiment: Experiment) -> list[str]:
    """Criteria on some arms of a strategy, where the others have none of the same kind."""
    arms = experiment.stream.arms if experiment.stream else {}
    named: dict[str, set[str]] = defaultdict(set)
    for criterion in experiment.criteria.values():
        head, _, rest = criterion.estimand.partition(".")
        kind, *parts = rest.split(".")
        if head == "stream" and not kind.startswith("best_"):
            named[kind] |= {part for part in parts if part in arms}
    problems = []
    for kind, chosen in named.items():
        strategies = {arms[arm].strategy for arm in chosen if arm in arms}
        alike = {name for name, params in arms.items() if params.strategy in strategies}
        if left := sorted(alike - chosen):
            problems.append(f"stream.{kind} is asked of {', '.join(sorted(chosen))}, not {left[0]}")
    return problems


def _known_splits(record: Record, registrations: Path) -> list[str]:
    own, name = record.lab.experiment, record.lab.name
    # of other experiments' values this reads only what their registrations, a dependency, fix
    entries = _entries(registrations)
    if name not in entries or len(own.splits) < 2:
        return []  # one split alone was no choice of the best two
    problems = []
    for other, experiment in record.lab.params.experiments.items():
        earlier = other in entries and entries[other]["date"] < entries[name]["date"]
        alike = (experiment.suite, experiment.model) == (own.suite, own.model)
        known = set(own.splits) < set(experiment.splits)
        if earlier and alike and known and set(own.worlds) & set(experiment.worlds):
            problems.append(f"its splits are some of those of {other}, which was registered before")
    return problems
