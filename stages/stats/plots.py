"""Rows for DVC's plots: small JSON files that the templates in .dvc/plots draw.

Rates lie in [0, 1] with 1 - α intervals, steps are counts, losses are nats per target token. A file
without rows is written all the same, so that every plot of dvc.yaml finds its data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from stages.records import write_json
from stages.stats import designs, stream_summary, summary
from stages.stats.clusters import clustered_proportion
from stages.stats.results import Results

CURVE_POINTS = 200
"""A curve keeps at most so many points: more can't be told apart on a screen."""
CURVES = ("skill", "placebo_shuffled", "placebo_world")
"""Arms that are trained in the skill format; a random placebo has no loss."""
Rows = list[dict[str, Any]]


def write_plots(results: Results, folder: Path) -> None:
    """Write folder/{conditions,difficulty,convention,steps,loss,retention}.json, each atomically.

    A stream has four more: stream_{retention,sessions,pareto,rank}.json; other designs those of
    ``designs.plots``.

    RecordError names a file that can't be written; the earlier one is then untouched.
    """
    plots = {
        "conditions": _conditions(results),
        "difficulty": _groups(results, "difficulty"),
        "convention": _groups(results, "kind"),
        "steps": _steps(results),
        "loss": loss_rows(results.losses),
        "retention": _retention(results),
        **designs.plots(results),
    }
    if results.lab.experiment.stream is not None:
        plots |= {
            "stream_retention": stream_summary.retention_rows(results),
            "stream_sessions": stream_summary.over_time_rows(results),
            "stream_pareto": stream_summary.pareto_rows(results),
            "stream_rank": stream_summary.rank_rows(results),
        }
    for name, rows in plots.items():
        write_json(folder / f"{name}.json", rows)


def _conditions(results: Results) -> Rows:
    kept = ("resolve_rate", "lo", "hi", "n")
    table = summary.conditions(results)
    return [{"condition": c, **{k: row[k] for k in kept}} for c, row in table.items()]


def _groups(results: Results, name: str) -> Rows:
    """Resolve rate by condition × difficulty, or × kind of convention."""
    keys = {"difficulty": lambda row: [row.difficulty], "kind": lambda row: list(row.kinds)}
    table = summary.groups(results, keys[name])
    return [{(name if key == "group" else key): v for key, v in row.items()} for row in table]


def _steps(results: Results) -> Rows:
    """Mean steps of an episode. They lie between 0 and the step limit, so the interval is that of
    their share of the limit: a score interval, which stays wide where no episode differs."""
    limit = results.lab.agent_params.max_steps
    rows = []
    for name in results.conditions:
        shares = results.cells(name, value=lambda row: min(1.0, row.steps / limit))
        estimate = clustered_proportion(shares, results.lab.experiment.alpha)
        ends = {"steps": estimate.value, "lo": estimate.lo, "hi": estimate.hi}
        scaled = {key: value * limit for key, value in ends.items()}
        rows.append(summary.rounded({"condition": name, **scaled, "n": estimate.n}))
    return rows


def loss_rows(losses: dict[str, list[float]]) -> Rows:
    """Training loss per arm, seed and step: the mean over the worlds and splits that got so far.

    ``losses`` maps ``world/split/arm-sN`` to the loss of each step; steps count from 1. At most
    ``CURVE_POINTS`` steps of a curve are kept, the first and the last among them.
    """
    curves: dict[tuple[str, int], list[list[float]]] = {}
    for name, curve in losses.items():
        arm, _, seed = name.rpartition("/")[2].rpartition("-s")
        if arm in CURVES and curve:
            curves.setdefault((arm, int(seed)), []).append(curve)
    rows = []
    for (arm, seed), members in sorted(curves.items()):
        for step in thinned(max(map(len, members))):
            loss = np.mean([curve[step] for curve in members if step < len(curve)])
            rows.append({"arm": arm, "seed": seed, "step": step + 1, "loss": float(loss)})
    return summary.rounded(rows)


def thinned(length: int) -> list[int]:
    """At most ``CURVE_POINTS`` indices below ``length``, evenly spaced, both ends kept."""
    points = min(length, CURVE_POINTS)
    return sorted({round(float(at)) for at in np.linspace(0, length - 1, points)})


def _retention(results: Results) -> Rows:
    """Share of trained turns given back, by the session's place in the order."""
    rows = []
    for origin, value in summary.retention(results).items():
        if isinstance(value, dict):  # otherwise undefined, and the details say why
            ends = {"lo": value["lo"], "hi": value["hi"], "n": value["n"]}
            rows.append({"origin": int(origin), "rate": value["value"], **ends})
    return rows
