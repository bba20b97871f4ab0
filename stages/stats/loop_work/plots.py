"""Rows of a loop's plots, see .dvc/plots for their templates."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from stages.records import write_json
from stages.stats.loop_work import tables, variance
from stages.stats.loop_work.confidence import pairs, reliability
from stages.stats.loop_work.results import LoopResults
from stages.stats.loop_work.runs import answers
from stages.stats.loops.states import trajectories
from stages.stats.summary import rounded

STRIP_ITEMS = 120
"""A strip shows at most so many items: more can't be told apart on a screen."""
STATES = ("I", "S", "R", "X")
STATE_NAMES = {"I": "improved", "S": "stuck", "R": "retained", "X": "regressed"}
Rows = list[dict[str, Any]]


def write_loop_plots(results: LoopResults, folder: Path) -> None:
    """Write folder/{arms,learning,strip,transitions,reliability,variance,groups}.json.

    Each atomically; RecordError names a file that can't be written.
    """
    plots = {
        "arms": arms(results),
        "learning": tables.curves(results),
        "strip": strip(results),
        "transitions": changes(results),
        "reliability": diagram(results),
        "variance": variance.rows(results),
        "groups": [_flat(row) for row in tables.groups(results)],
    }
    for name, rows in plots.items():
        write_json(folder / f"{name}.json", rows)


def arms(results: LoopResults) -> Rows:
    """Final accuracy by arm and part, with its interval."""
    table = tables.arms(results)
    return [
        {
            "arm": arm,
            "part": part,
            "accuracy": row[f"{part}_final"],
            "lo": row[f"{part}_final_lo"],
            "hi": row[f"{part}_final_hi"],
        }
        for arm, row in table.items()
        for part in results.parts
        if f"{part}_final" in row
    ]


def strip(results: LoopResults) -> Rows:
    """State of each item at each checkpoint of each arm's first run: one row per cell.

    I improved, S stuck, R retained, X regressed, against the item's base answer.
    """
    rows: Rows = []
    for arm, runs in results.by_arm.items():
        run = runs[0]
        found = answers(run, results.parts)
        if len(found.correct) < 2 or not found.items:
            continue
        paths = dict(zip(found.items, trajectories(found.correct), strict=True))
        for item in sorted(paths, key=lambda i: (run.items[i].part, paths[i], i))[:STRIP_ITEMS]:
            place = {"arm": arm, "run": run.name, "item": item, "part": run.items[item].part}
            rows += [
                {**place, "checkpoint": at, "step": found.steps[at], "state": STATE_NAMES[letter]}
                for at, letter in enumerate(paths[item], 1)
            ]
    return rows


def changes(results: LoopResults) -> Rows:
    """Share of steps from one checkpoint to the next by arm, from state to state, over all runs."""
    rows: Rows = []
    for arm, runs in results.by_arm.items():
        counts: dict[tuple[str, str], int] = {}
        for run in runs:
            found = answers(run, results.parts)
            paths = trajectories(found.correct) if len(found.correct) > 1 and found.items else []
            for path in paths:
                for pair in pairwise(path):
                    counts[pair] = counts.get(pair, 0) + 1
        for before in STATES:
            total = sum(counts.get((before, after), 0) for after in STATES)
            rows += [
                {
                    "arm": arm,
                    "before": STATE_NAMES[before],
                    "after": STATE_NAMES[after],
                    "count": counts[before, after],
                    "share": counts[before, after] / total,
                }
                for after in STATES
                if (before, after) in counts
            ]
    return rounded(rows)


def diagram(results: LoopResults) -> Rows:
    """Reliability diagram: accuracy by confidence at base and at the end, arm by arm."""
    rows: Rows = []
    for arm in results.by_arm:
        for source, stated in (("token probability", False), ("stated", True)):
            for when, at_base in (("base", True), ("final", False)):
                known = pairs(results, arm, results.untrained, stated, at_base)
                if known.items:
                    place = {"arm": arm, "source": source, "when": when}
                    bins = reliability(known, results.loop.alpha)
                    rows += [{**place, **row} for row in bins]
    return rounded(rows)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Gain of a group with its interval as plain columns."""
    ends = {"lo": row.get("gain_lo"), "hi": row.get("gain_hi")}
    return {**{k: row[k] for k in ("arm", "part", "group")}, "gain": row.get("gain"), **ends}
