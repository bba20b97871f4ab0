"""What was declared, run and reported; what was probed; what counts as one unit."""

from __future__ import annotations

import dataclasses
import math

from stages.records import canonical_json, sha256_text
from stages.stats.checks.check import Finding, absent, judged
from stages.stats.intervals import Estimate, Undefined
from stages.stats.loop_work.checks.record import LoopRecord, where
from stages.stats.loop_work.results import TRAIN, UNTRAINED, Run
from stages.stats.power import detectable_effect

HELD_OUT = ("test", "holdout")


def own_runs(record: LoopRecord) -> Finding:
    """Check 4: no two runs have the same weights and the same answers at every checkpoint.

    Two kinds are one run by design, and counted: arms that select by different rules and pick the
    same parent, with the same seeds from there; and arms that differ in early stopping alone, where
    it stops nothing before the end.
    """
    seen: dict[str, Run] = {}
    problems, picked_alike, never_cut = [], 0, 0
    trained = [run for run in record.results.runs if len(run.checkpoints) > 1]
    for run in trained:
        if not record.trains(run):
            continue  # greedy evaluation of one model is the same however often it is repeated
        digest = _history(run)
        first = seen.setdefault(digest, run)
        if first is not run and _picked_alike(record, first, run):
            picked_alike += 1
        elif first is not run and _never_cut(record, first, run):
            never_cut += 1
        elif first is not run:
            problems.append(f"{run.name} has the weights and answers of {first.name}")
    return judged(
        {
            "runs": len(record.results.runs),
            "different": len(seen),
            "picked_alike": picked_alike,
            "never_cut": never_cut,
        },
        problems,
        "A run that repeats another to the last byte is no repeat: let decoding or training draw "
        "anew, or count it once.",
    )


def _picked_alike(record: LoopRecord, one: Run, other: Run) -> bool:
    """Whether two arms' selections went on from the same parent with the same seeds."""
    arms = record.results.loop.arms
    if one.place.arm == other.place.arm:
        return False
    if any(arms[run.place.arm].selection is None for run in (one, other)):
        return False
    starts = [
        (run.checkpoints[0].facts.adapter_sha256, run.checkpoints[0].facts.own.get("seeds"))
        for run in (one, other)
    ]
    return starts[0] == starts[1] and bool(starts[0][0])


def _never_cut(record: LoopRecord, one: Run, other: Run) -> bool:
    """Whether two arms' runs of the same seeds differ in early stopping alone."""
    arms = record.results.loop.arms
    plain = [dataclasses.replace(arms[r.place.arm], early_stopping=None) for r in (one, other)]
    draws = [(run.place.seed, run.place.repeat) for run in (one, other)]
    return one.place.arm != other.place.arm and plain[0] == plain[1] and draws[0] == draws[1]


def _history(run: Run) -> str:
    points = [
        [point.facts.adapter_sha256, [(row.item_id, row.text) for row in point.probe]]
        for point in run.checkpoints[1:]
    ]
    return sha256_text(canonical_json(points))


def with_interval(record: LoopRecord) -> Finding:
    """Check 12: each estimate has a finite interval with a width, and there are items enough."""
    loop, results = record.results.loop, record.results
    problems, effects, undefined = [], [], 0
    for name, estimate in record.estimates.items():
        if isinstance(estimate, Undefined):
            undefined += 1  # no claim, so nothing to guard; the verdict is inconclusive
        elif not (math.isfinite(estimate.lo) and math.isfinite(estimate.hi)):
            problems.append(f"{name}: the interval has no end")
        elif estimate.lo == estimate.hi:
            problems.append(f"{name}: the interval has no width at n = {estimate.n}")
        else:
            effects.append(detectable_effect(estimate, loop.power))
    items = _probed(record, UNTRAINED)
    if items < loop.minimum_items:
        problems.append(f"{items} untrained items, registered are at least {loop.minimum_items}")
    return judged(
        {
            "criteria": len(record.estimates),
            "undefined": undefined,
            "untrained_items": items,
            "minimum_items": loop.minimum_items,
            "seeds": len({run.seed for run in results.runs}),
            "detectable_effect": max(effects, default=None),
        },
        problems,
        "Probe more items or run more seeds; report no rate without its interval.",
    )


def units_counted_once(record: LoopRecord) -> Finding:
    """Check 14: no estimate counts more items than were probed, or more seeds than were run."""
    most = {
        "item": max((len(run.items) for run in record.results.runs), default=0),
        "seed": len({run.seed for run in record.results.runs}),
    }
    problems = [
        f"{name} counts {estimate.n} {estimate.unit}s of {most[estimate.unit]}"
        for name, estimate in record.estimates.items()
        if isinstance(estimate, Estimate)
        and estimate.unit in most
        and estimate.n > most[estimate.unit]
    ]
    return judged(
        {f"{unit}s": count for unit, count in most.items()},
        problems,
        "Average the samples and repeats of an item first; the item is the unit, not the answer.",
    )


def nothing_held_out_trained(record: LoopRecord) -> Finding:
    """Check 20: only items of part train were trained on."""
    problems, trained = [], 0
    for run, point in record.points():
        used = {*point.facts.trained_items}
        used |= {attempt.item_id for attempt in point.attempts if attempt.selected}
        trained += len(used)
        problems += [
            f"{where(run, point)}: {item} of part {run.items[item].part} was trained on"
            for item in sorted(used & run.items.keys())
            if run.items[item].part != TRAIN
        ]
    return judged(
        {"items_trained_on": trained},
        problems,
        "Take the named items out of the attempts, or out of the probe.",
    )


def all_reported(record: LoopRecord) -> Finding:
    """Check 24: what was declared ran and is reported, and nothing else ran."""
    results = record.results
    declared = {place.name for place in results.places}
    ended = {run.name for run in results.runs}
    there = {path.name for path in record.data.iterdir() if path.is_dir()}
    problems = [f"{name} was declared and has not ended" for name in sorted(declared - ended)]
    problems += [f"{name} was run and not declared" for name in sorted(there - declared)]
    problems += [
        f"arm {arm} is not in metrics/{results.name}.json"
        for arm in results.loop.arms
        if arm not in record.reported
    ]
    for run in results.runs:
        if any(p.facts.checkpoint != at for at, p in enumerate(run.checkpoints)):
            problems.append(f"{run.name}: its checkpoints are not numbered in order")
        elif not 0 <= run.end.kept < len(run.checkpoints):
            problems.append(f"{run.name} keeps checkpoint {run.end.kept}, which it has not")
    return judged(
        {"declared": len(declared), "ended": len(ended), "arms": len(results.loop.arms)},
        problems,
        f"Run `dvc repro self_improve@{results.name}`; delete what is not declared.",
    )


def one_test_set(record: LoopRecord) -> Finding:
    """Check L1: every checkpoint of every run is probed with the same held-out items.

    Fresh problems at each generation compare different tests; the change between generations is
    then one of the problems.
    """
    problems: list[str] = []
    sets: dict[str, frozenset[str]] = {}
    for run in record.results.runs:
        for point in run.checkpoints:
            for part in HELD_OUT:
                items = frozenset(row.item_id for row in point.probe if row.part == part)
                first = sets.setdefault(part, items)
                if items != first:
                    problems.append(
                        f"{where(run, point)}: {len(items - first)} {part} items are new and "
                        f"{len(first - items)} are gone"
                    )
    sizes = {f"{part}_items": len(items) for part, items in sets.items()}
    if not any(sizes.values()):
        return absent("nothing is held out in this loop")
    return judged(sizes, problems, "Probe one fixed set of held-out items at every checkpoint.")


def _probed(record: LoopRecord, parts: tuple[str, ...]) -> int:
    """Items of the largest of these parts."""
    sizes = [len(run.members(part)) for run in record.results.runs for part in parts if run.items]
    return max(sizes, default=0)
