"""The numbers of a loop by arm, seed and checkpoint, as metrics files hold them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from stages.stats.clusters import clustered_proportion
from stages.stats.intervals import Estimate, Undefined
from stages.stats.loop_work import runs as of_runs
from stages.stats.loop_work.confidence import calibrated, pairs
from stages.stats.loop_work.estimands import (
    base,
    by_group,
    difference_cells,
    final,
    gain,
    learned,
    lost,
    measured,
    paired,
    proportion,
)
from stages.stats.loop_work.results import TRAIN, LoopResults, Run, known_mean, right_at
from stages.stats.loops.rates import StepCounts
from stages.stats.loops.seeds import cochran_q, compare_seeds
from stages.stats.loops.states import item_sets, stuck_count, trajectories, transitions
from stages.stats.summary import rounded
from stages.stats.verdict import Estimand

ENDS = ("value", "lo", "hi")
Row = dict[str, Any]


def arms(results: LoopResults) -> dict[str, Row]:
    """arm -> its flat numbers: accuracy by part, forgetting, calibration, cost, how runs ended."""
    return {arm: rounded(_arm(results, arm)) for arm in results.by_arm}


def _arm(results: LoopResults, arm: str) -> Row:
    alpha, found = results.loop.alpha, results.outcomes(arm)
    row: Row = {"evaluation_only": not results.loop.arms[arm].train, "runs": len(found)}
    row["seeds"] = len({run.seed for run in found})
    for part in results.parts:
        row |= flat(f"{part}_base", proportion(results.cells(arm, part, base), ""), alpha)
        row |= flat(f"{part}_final", proportion(results.cells(arm, part, final), ""), alpha)
        row |= flat(f"{part}_gain", paired(results.cells(arm, part, gain), ""), alpha)
    row |= flat("forgetting", proportion(results.cells(arm, TRAIN, lost), ""), alpha)
    row |= flat("improvement", proportion(results.cells(arm, TRAIN, learned), ""), alpha)
    row |= _confidence(results, arm, alpha)
    for name, measure in of_runs.MEASURES.items():
        values = of_runs.by_seed(results, arm, measure)
        if not isinstance(values, Undefined):
            row[name] = float(np.mean([np.mean(each) for each in values.values()]))
    return row | _costs(found)


def flat(name: str, estimand: Estimand, alpha: float) -> Row:
    """name, name_lo and name_hi; nothing where it is undefined."""
    estimate = estimand(alpha)
    if isinstance(estimate, Undefined):
        return {}
    return {name: estimate.value, f"{name}_lo": estimate.lo, f"{name}_hi": estimate.hi}


def _confidence(results: LoopResults, arm: str, alpha: float) -> Row:
    """Mean confidence on the untrained part, and its calibration beside it (check 23)."""
    known = pairs(results, arm, results.untrained, stated=False)
    if not known.items:
        return {}
    row: Row = {"mean_confidence": float(known.confidence.mean())}
    for kind in ("ece", "brier"):
        row |= flat(kind, calibrated(results, arm, results.untrained, kind), alpha)
    return row


def _costs(found: Sequence[Run]) -> Row:
    """Means of a run, and how many ended why."""
    points = [run.checkpoints for run in found]
    ends = Counter(run.end.reason for run in found)
    return {
        "checkpoints": float(np.mean([len(each) for each in points])),
        "examples": float(np.mean([sum(p.facts.examples for p in each) for each in points])),
        "training_tokens": float(np.mean([sum(p.facts.tokens for p in each) for each in points])),
        "attempts": float(np.mean([sum(len(p.attempts) for p in each) for each in points])),
        "attempt_tokens": float(
            np.mean([sum(a.tokens for p in each for a in p.attempts) for each in points])
        ),
        **{f"ended_{reason}": count for reason, count in sorted(ends.items())},
    }


def comparisons(results: LoopResults) -> dict[str, Row]:
    """arm -> its final accuracy - that of the first arm, by part, paired by item and seed."""
    first, *others = results.by_arm or [""]
    found: dict[str, Row] = {}
    for arm in others:
        row = {}
        for part in results.parts:
            cells = difference_cells(results, arm, first, part)
            if measured(cells):
                row[part] = paired(cells, "")(results.loop.alpha)
        found[f"{arm} - {first}"] = row
    return rounded(found)


def groups(results: LoopResults) -> list[Row]:
    """Accuracy by arm, part and group at base and at the end, with the paired gain."""
    alpha, table = results.loop.alpha, []
    for arm in results.by_arm:
        for part in results.parts:
            before, after, moved = (by_group(results, arm, part, v) for v in (base, final, gain))
            for group in moved:
                row: Row = {"arm": arm, "part": part, "group": group}
                row["base"] = clustered_proportion(before[group], alpha, "item")
                row["final"] = clustered_proportion(after[group], alpha, "item")
                row |= flat("gain", paired(moved[group], ""), alpha)
                table.append(row)
    return rounded(table)


def curves(results: LoopResults) -> list[Row]:
    """Accuracy by arm, part and checkpoint: mean over seeds with its interval by item × seed."""
    table: list[Row] = []
    for arm in results.by_arm:
        found = results.outcomes(arm)
        for number in range(max(len(run.checkpoints) for run in found)):
            for part in results.parts:
                cells = results.cells(arm, part, _at(number))
                if measured(cells):
                    there = [run for run in found if number < len(run.checkpoints)]
                    estimate = clustered_proportion(cells, results.loop.alpha, "item")
                    place = {"arm": arm, "part": part, "checkpoint": number, "runs": len(there)}
                    place["step"] = max(run.checkpoints[number].facts.step for run in there)
                    ends = {k: getattr(estimate, k) for k in ("lo", "hi")}
                    table.append({**place, "accuracy": estimate.value, **ends})
    return rounded(table)


def _at(number: int) -> Any:
    """A run's answers at a checkpoint that it may not have come to."""

    def value(run: Run, item: str) -> float:
        points = run.checkpoints
        return right_at(points[number], item) if number < len(points) else float("nan")

    return value


def by_run(results: LoopResults) -> list[Row]:
    """One row a run: how it ended, accuracy by part, states, every reading of its score."""
    return [rounded(_run(results, run)) for run in results.runs]


def _run(results: LoopResults, run: Run) -> Row:
    found = of_runs.answers(run, (TRAIN,))
    score = of_runs.scores(run)
    paths = trajectories(found.correct) if len(found.correct) > 1 and found.items else []
    stuck = stuck_count(found.correct) if paths else None
    return {
        "run": run.name,
        "arm": run.place.arm,
        "seed": run.seed,
        "repeat": run.place.repeat,
        "ended": run.end.reason,
        "kept": run.end.kept,
        "checkpoints": len(run.checkpoints),
        **{f"{part}_final": _mean(run, part) for part in results.parts},
        "meta_learning_score": score.registered,
        "alternatives": score.alternatives,
        "transitions": sum(map(transitions, paths)),
        "stuck_at_end": stuck.at_end if stuck else None,
        "stuck_always": stuck.always if stuck else None,
    }


def _mean(run: Run, part: str) -> float:
    return known_mean([right_at(run.final, item) for item in run.members(part)])


def step_rows(results: LoopResults) -> list[Row]:
    """Improvement and forgetting of every run at every checkpoint, by window and cumulative."""
    table: list[Row] = []
    for run in results.runs:
        windows, cumulative = of_runs.step_tables(run)
        for kind, rows in (("window", windows), ("cumulative", cumulative)):
            table += [{"run": run.name, "kind": kind, **_counts(row)} for row in rows]
    return rounded(table)


def _counts(row: StepCounts) -> Row:
    found = row.as_dict()
    for name in ("improvement", "forgetting"):
        if isinstance(found[name], dict):
            found[name] = {end: found[name][end] for end in ENDS}
    return found


def sets_of_items(results: LoopResults) -> dict[str, Row]:
    """arm -> stuck, seed-dependent, forgotten … items over its runs, trained ones, by name."""
    found: dict[str, Row] = {}
    for arm in results.by_arm:
        tables = [of_runs.answers(run, (TRAIN,)) for run in results.outcomes(arm)]
        shared = sorted(set.intersection(*(set(table.items) for table in tables)))
        if shared and all(len(table.correct) > 1 for table in tables):
            cut = [t.correct[:, [t.items.index(item) for item in shared]] for t in tables]
            sets = vars(item_sets(shared, cut))
            found[arm] = {name: list(items) for name, items in sets.items()}
            found[arm] |= {"counts": {name: len(items) for name, items in sets.items()}}
    return found


def corrections(results: LoopResults) -> dict[str, Row]:
    """arm -> quality of its corrections: valid, right, fixed, broke, restated (seeds/000).

    ``before`` says whether the item's answer was right before; a correction that leaves a wrong
    answer wrong restates it.
    """
    found: dict[str, Row] = {}
    for arm in results.by_arm:
        rows = [
            attempt
            for run in results.outcomes(arm)
            for point in run.checkpoints
            for attempt in point.attempts
            if attempt.before is not None
        ]
        if rows:
            wrong = [row for row in rows if not row.before]
            right = [row for row in rows if row.before]
            found[arm] = {
                "corrections": len(rows),
                "valid": sum(bool(row.valid) for row in rows),
                "right": sum(row.correct for row in rows),
                "of_wrong": len(wrong),
                "fixed": sum(row.correct for row in wrong),
                "of_right": len(right),
                "broke": sum(not row.correct for row in right),
                "trained_on": sum(row.selected for row in rows),
            }
    return found


def calibrations(results: LoopResults) -> dict[str, Row]:
    """arm -> ECE and Brier score by token probabilities and as stated, at base and at the end."""
    part = results.untrained
    found: dict[str, Row] = {}
    for arm in results.by_arm:
        row: Row = {}
        for word, stated in (("token_probability", False), ("stated", True)):
            for when, at_base in (("base", True), ("final", False)):
                for kind in ("ece", "brier"):
                    e = calibrated(results, arm, part, kind, stated, at_base)(results.loop.alpha)
                    if isinstance(e, Estimate):
                        row[f"{word}_{kind}_{when}"] = e
        found[arm] = row
    return rounded(found)


def seeds_compared(results: LoopResults) -> dict[str, Row]:
    """arm -> its seeds' final counts on the trained part, first repeat, tested against each other.

    Fisher's exact test of the best against the worst, the χ² test of all, and Cochran's Q, which
    pairs by item: what seeds/000 concluded from a variance alone.
    """
    found: dict[str, Row] = {}
    for arm in results.by_arm:
        first = [run for run in results.outcomes(arm) if run.place.repeat == 0]
        ends = [{item: final(run, item) > 0.5 for item in run.members(TRAIN)} for run in first]
        shared = sorted(set.intersection(*map(set, ends))) if len(ends) > 1 else []
        if shared:
            table = np.array([[end[item] for item in shared] for end in ends], dtype=int)
            compared = vars(compare_seeds([int(n) for n in table.sum(axis=1)], len(shared)))
            q = cochran_q(table)
            found[arm] = {
                "items": len(shared),
                "right": {
                    str(run.seed): int(n) for run, n in zip(first, table.sum(1), strict=True)
                },
                **compared,
                "cochran_p": q if isinstance(q, Undefined) else q[1],
            }
    return found
