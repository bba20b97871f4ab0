"""Runs: few harness errors, each number from its own run, all that was declared reported."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import product
from pathlib import Path

from stages.lab.arm_adapters import ARMS, INDICATORS, arms_in
from stages.params import values_of
from stages.records import Outcome, canonical_json, read_json
from stages.stats.checks.check import Finding, absent, judged
from stages.stats.checks.compare import interval
from stages.stats.checks.episodes import Episode
from stages.stats.checks.record import BASE, Record
from stages.stats.intervals import wilson
from stages.stats.streams import STREAMS

_CELL = re.compile(r"(?P<name>.+)-s(?P<seed>\d+)")
MOST_HARNESS_ERRORS = 0.02
EXTRAS = ("trained-skill", "retention-skill", "guard-base", "guard-skill")


def few_harness_errors(record: Record) -> Finding:
    """Check 3: no condition lost more than 2 % of its episodes to the harness.

    A lost episode is left out of every rate, so many of them are a selection of tasks. The limit
    holds for each condition: it is their comparison that an outage of one would bend.
    """
    played = Counter(episode.condition for episode in record.every_episode)
    if not played:
        return absent("no episode was recorded")
    lost = Counter(e.condition for e in record.every_episode if e.outcome == Outcome.HARNESS_ERROR)
    shares = {condition: lost[condition] / n for condition, n in played.items()}
    worst = max(shares, key=lambda condition: shares[condition])
    problems = [
        f"{name}: {lost[name]} of {played[name]} episodes ended in a harness error"
        for name, share in shares.items()
        if share > MOST_HARNESS_ERRORS
    ]
    every = wilson(lost.total(), played.total(), record.lab.experiment.alpha)
    return judged(
        {
            "episodes": played.total(),
            "harness_errors": lost.total(),
            **interval("share", every),
            "worst_condition": worst,
            "worst_share": shares[worst],
            "limit": MOST_HARNESS_ERRORS,
        },
        problems,
        "Mend the harness (sandbox, limits, disk), delete the named condition's files and run "
        "`dvc repro`: a rate over what was left is a rate over other tasks.",
    )


def own_runs(record: Record) -> Finding:
    """Check 4: no two files hold the same episodes, and outcomes follow from the recorded tests.

    Conditions share their random numbers, so two adapters that know the same may say the same
    throughout: only equal texts under one recorded adapter are one run (check 5 holds each file's
    adapter against its certificate).
    """
    problems = []
    files: dict[str, list[Episode]] = defaultdict(list)
    for episode in record.every_episode:
        files[episode.path].append(episode)
    seen: dict[tuple[str, ...], str] = {}
    for path, episodes in files.items():
        # A switch that never comes into play leaves every episode as it is without it.
        content = (_switches(record, episodes[0]), *sorted(e.digest for e in episodes))
        if content in seen and not _trained_alike(Path(path), Path(seen[content])):
            problems.append(f"{path} holds the run of {seen[content]}")
        seen[content] = path
    rows: dict[str, set[tuple[str, str, int, str]]] = defaultdict(set)
    for row in record.results.rows:
        rows[row.run_id].add((row.condition, row.world, row.seed, row.half))
    for run_id, users in rows.items():
        if len({user[:3] for user in users}) > 1:
            problems.append(f"{run_id} is counted under two names")
    problems += [
        f"{e.path}: {e.instance_id} is {e.outcome}, its tests say otherwise"
        for e in record.every_episode
        if not _follows(e)
    ]
    return judged(
        {"files": len(files), "different": len(seen), "episodes": len(record.every_episode)},
        problems,
        "Play the second condition itself; delete the copied file and run `dvc repro evaluate`.",
    )


def _trained_alike(path: Path, other: Path) -> bool:
    """Whether two arms of a stream were each trained, by their own certificates, to equal weights.

    Then equal episodes are what must come out, as where a penalty of strength 0 is no penalty.
    """
    own, others = _certified(path), _certified(other)
    return path.parent != other.parent and bool(own) and own == others


def _certified(path: Path) -> list[str]:
    """Adapters that a stream's arm served at the checkpoint of a file of episodes."""
    parts = ["models", "adapters", *path.parent.parts[2:], path.stem.removeprefix("tasks-")]
    certificate = Path(*parts) / "certificate.json"
    if not path.name.startswith("tasks-") or not certificate.exists():
        return []
    return [proof["adapter_sha256"] for proof in read_json(certificate)]


def _switches(record: Record, episode: Episode) -> str:
    """The switches of the agent's loop that an arm sets; empty for a condition."""
    arm = (record.lab.experiment.arms or {}).get(episode.condition)
    return canonical_json(values_of(arm.agent)) if arm and arm.agent else ""


def _follows(episode: Episode) -> bool:
    if episode.tests_passed is None:
        return episode.outcome not in (Outcome.RESOLVED, Outcome.UNRESOLVED)
    return episode.outcome == (Outcome.RESOLVED if episode.tests_passed else Outcome.UNRESOLVED)


def all_reported(record: Record) -> Finding:
    """Check 24: conditions and arms declared = enumerated = run = reported, cell by cell."""
    experiment = record.lab.experiment
    declared = record.results.declared
    problems = []
    if len(set(declared)) < len(declared):
        problems.append("a condition is declared twice")
    if list(declared) != record.results.conditions:
        missing = sorted(set(declared) - set(record.results.conditions))
        problems.append(f"declared but not reported: {', '.join(missing) or 'another order'}")
    cells: dict[tuple[str, str, str, int], int] = defaultdict(int)
    for row in record.results.rows:
        if row.half == "test":
            cells[row.world, row.split, row.condition, row.seed] += 1
    expected = 0
    for (world, split), half in record.played.items():
        due = len(half.test) * experiment.evaluate.repeats
        for condition in _played_in(record, world):
            for seed in experiment.seeds:
                expected += 1
                found = cells.pop((world, split, condition, seed), 0)
                if found != due:
                    place = f"{world}/{split}/{condition}-s{seed}"
                    problems.append(f"{place}: {found} episodes, declared are {due}")
    problems += [f"{'/'.join(map(str, cell))}: run, but not declared" for cell in cells]
    problems += [*_undeclared_files(record), *_stream_gaps(record)]
    wanted = {adapter.path for adapter in record.adapters}
    problems += [
        f"{p}: the arm was declared, not trained" for p in sorted(wanted) if not p.exists()
    ]
    there = record.lab.folder("models/adapters").glob("*/*/*-s*/")
    problems += [
        f"{path}: trained, but not declared" for path in sorted(there) if path not in wanted
    ]
    return judged(
        {"conditions": len(declared), "cells": expected, "adapters": len(wanted)},
        problems,
        "Run `dvc repro`; an arm added or left out later belongs into a new registration.",
    )


def _played_in(record: Record, world: str) -> list[str]:
    """What is declared to be played in a world: an arm may name its own."""
    elsewhere = set(record.lab.experiment.arms or {}) - set(arms_in(record.lab, world))
    return [name for name in record.results.declared if name not in elsewhere]


def _stream_gaps(record: Record) -> list[str]:
    """Consolidations that a declared stream lacks, in training or in what was measured after."""
    plan, lab = record.lab.experiment.stream, record.lab
    if plan is None:
        return []
    found = {(s.world, s.split, s.arm, s.seed): s for s in record.results.streams.streams}
    ends = [*range(plan.every, plan.sessions, plan.every), plan.sessions]
    due = set(range(1, len(ends) + 1))
    tested = {number for number in due if ends[number - 1] in plan.played}
    problems = []
    for place in product(lab.worlds, lab.experiment.splits, plan.arms, lab.experiment.seeds):
        name = f"{'/'.join(place[:3])}-s{place[3]}"
        stream = found.get(place)
        if stream is None:
            problems.append(f"streams/{name}: declared, not consolidated")
            continue
        parts = {
            "consolidations": (due, {fact["consolidation"] for fact in stream.facts}),
            "retention": (due, {row["consolidation"] for row in stream.retention}),
            "tasks": (tested, set(stream.played)),
        }
        for what, (wanted, there) in parts.items():
            if wanted != there:
                odd = sorted(wanted ^ there)[0]
                problems.append(f"streams/{name}: {what} of c{odd:04} aren't as declared")
    return problems


def _undeclared_files(record: Record) -> list[str]:
    """Evaluation files of conditions, seeds, splits or worlds that nobody declared."""
    experiment = record.lab.experiment
    names = {name for name in experiment.evaluate.conditions if name != BASE} | set(EXTRAS)
    root = record.lab.folder("data/evaluations")
    problems = []
    own = [path for path in root.rglob("*.jsonl") if _is_conditions(path, root)]
    for path in sorted(own):
        cell = _CELL.fullmatch(path.stem)
        place = path.parent.relative_to(root)
        declared = (
            cell is not None
            and cell["name"] in names
            and int(cell["seed"]) in experiment.seeds
            and _place_declared(place, record)
        )
        if not declared:
            problems.append(f"{path}: run, but not declared")
    return problems


def _is_conditions(path: Path, root: Path) -> bool:
    """Whether a file is one of the conditions' own; other designs have folders of theirs."""
    return path.relative_to(root).parts[0] not in (ARMS, STREAMS, INDICATORS)


def _place_declared(place: Path, record: Record) -> bool:
    parts = place.parts
    return (
        len(parts) == 2
        and parts[0] in record.lab.worlds
        and parts[1] in record.lab.experiment.splits
    )
