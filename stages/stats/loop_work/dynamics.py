"""What happens between checkpoints: half-life, update overlap and forgetting, curves read."""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.adapters.arrays import load_arrays
from stages.adapters.lora import factors
from stages.records import read_json
from stages.stats.intervals import Undefined
from stages.stats.loop_work import runs as of_runs
from stages.stats.loop_work.results import TRAIN, LoopResults, Run
from stages.stats.loops.learning import read_curves
from stages.stats.loops.overlap import StepOverlap, overlap_rows, spearman, updates_between
from stages.stats.loops.survival import forgetting_half_life, learned_spans
from stages.stats.summary import rounded

Row = dict[str, Any]


def half_lives(results: LoopResults) -> dict[str, Row | str]:
    """arm -> steps until half of what was learned is lost, its runs pooled (Kaplan–Meier).

    The interval resamples items, all spans of one together. An end that is never reached is None.
    """
    found: dict[str, Row | str] = {}
    for arm in results.by_arm:
        spans = []
        for run in results.outcomes(arm):
            table = of_runs.answers(run, (TRAIN,))
            spans += learned_spans(table.items, table.correct, table.steps)
        one = forgetting_half_life(spans, results.loop.alpha)
        if isinstance(one, Undefined):
            found[arm] = str(one)
        else:
            found[arm] = {**one.bootstrap.as_dict(), "learned": one.learned, "lost": one.lost}
    return rounded(found)


def readings(results: LoopResults) -> list[Row]:
    """What the train and held-out curves of each run show: grokking, plateau, evaluation only …"""
    part, rows = results.untrained, []
    for run in results.runs:
        train, held_out = (of_runs.curve(run, p) for p in (TRAIN, part))
        if np.isnan([*train, *held_out]).any():
            continue
        steps = [point.facts.step for point in run.checkpoints]
        weights = [point.facts.adapter_sha256 for point in run.checkpoints]
        problems = len(run.members(part))
        read = read_curves(steps, train, held_out, problems, weights, results.loop.alpha)
        rows.append({"run": run.name, "reading": read.reading, "reason": read.reason})
    return rows


def overlaps(results: LoopResults) -> dict[str, Row]:
    """arm -> mean cosine of successive ΔW over its runs, by run, and how it goes with forgetting.

    Empty where no adapters are on this machine. The relation is Spearman's ρ over runs, of mean
    ∣cosine∣ and the share of items that the run forgot.
    """
    found: dict[str, Row] = {}
    for arm in results.by_arm:
        rows = {run.name: _of_run(results, run) for run in results.outcomes(arm)}
        known = {name: row for name, row in rows.items() if row}
        if known:
            values = list(known.values())
            relation = spearman(
                [row["mean_abs_cosine"] for row in values], [row["forgotten"] for row in values]
            )
            told = str(relation) if isinstance(relation, Undefined) else relation
            found[arm] = {"runs": known, "with_forgetting": told}
    return rounded(found)


def _of_run(results: LoopResults, run: Run) -> Row:
    """Means over a run's pairs of successive updates; {} for fewer than two adapters on disk."""
    weights = []
    for point in run.checkpoints[1:]:
        if (point.adapter / "provenance.json").exists():
            base = read_json(point.adapter / "provenance.json")["base_sha256"]
            arrays, lora = load_arrays(point.adapter, base)
            weights.append((factors(arrays), lora.scale))
    if len(weights) < 2:
        return {}
    start = results.loop.arms[run.place.arm].start
    rows = overlap_rows(updates_between(weights, start))
    return {
        **{name: _mean(rows, name) for name in ("mean_cosine", "mean_abs_cosine")},
        "forgotten": _forgotten(run),
        "pairs": len(rows),
    }


def _mean(rows: list[StepOverlap], name: str) -> float:
    values = [getattr(row, name) for row in rows]
    known = [value for value in values if not isinstance(value, Undefined)]
    return float(np.mean(known)) if known else float("nan")


def _forgotten(run: Run) -> float:
    """Share of the trained items right at base that are wrong at the last checkpoint."""
    table = of_runs.answers(run, (TRAIN,))
    right = table.correct[0]
    return float((~table.correct[-1][right]).mean()) if right.any() else float("nan")
