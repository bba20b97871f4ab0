"""Streams as the metrics files hold them: one flat row per arm, and the matrix and rest beside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from stages.stats import continual
from stages.stats.clusters import clustered_difference, clustered_proportion
from stages.stats.continual import AccuracyMatrix, ScoreWeights, registered_origins
from stages.stats.decay import compare_decay
from stages.stats.estimands import estimand
from stages.stats.families import costs, experts
from stages.stats.families.stream import retention_at
from stages.stats.intervals import Estimate, Undefined
from stages.stats.results import Results, mean
from stages.stats.stream_cells import accuracy_matrix, as_cells, by_age, drops, next_gains, retained
from stages.stats.stream_states import compressions
from stages.stats.streams import Stream
from stages.stats.summary import rounded

WEIGHTS = ScoreWeights(forgetting=1.0, forward=1.0, backward=1.0, aulc=1.0, beta=1.0)
"""λ of CL-Score and β: all 1, which states no preference; printed beside every score."""
Rows = list[dict[str, Any]]


def arms(results: Results) -> dict[str, dict[str, Any]]:
    """arm → retention, retention_min, retention_loss, forgetting with lo, hi, n; and the cost."""
    names = ("retention", "retention_min", "retention_loss", "forgetting", "capability_drop")
    return {
        arm: rounded(
            {
                **{k: v for name in names for k, v in _three(results, name, arm).items()},
                "trained_tokens": mean(_per_run(results, arm, costs.tokens)),
                "flops": mean(_per_run(results, arm, costs.flops)),
                "total_rank": mean(
                    s.facts[-1]["total_rank"] for s in results.streams.of(arm) if s.facts
                ),
            }
        )
        for arm in results.streams.arms
    }


def _per_run(results: Results, arm: str, count: Callable[[Stream], float | None]) -> list[float]:
    found = [count(stream) for stream in results.streams.of(arm)]
    return [float(value) for value in found if value is not None]


def _estimate(results: Results, name: str) -> Estimate | Undefined:
    return estimand(results, f"stream.{name}")(results.lab.experiment.alpha)


def _three(results: Results, name: str, arm: str) -> dict[str, Any]:
    found = _estimate(results, f"{name}.{arm}")
    if isinstance(found, Undefined):
        return {}
    ends = {f"{name}_lo": found.lo, f"{name}_hi": found.hi, f"{name}_n": found.n}
    return {name: found.value, **ends}


def details(results: Results) -> dict[str, Any]:
    """All of each arm that the flat row has no room for; {} without streams."""
    found = results.streams.arms
    if not found:
        return {}
    return {
        "streams": {arm: rounded(_arm(results, arm)) for arm in found},
        "stream_differences": {
            f"{one}.{other}": rounded(_estimate(results, f"retention_difference.{one}.{other}"))
            for one, other in combinations(found, 2)
        },
    }


def _arm(results: Results, arm: str) -> dict[str, Any]:
    streams, alpha = results.streams.of(arm), results.lab.experiment.alpha
    single = ("forward_transfer", "fisher_share", "router_accuracy", "half_rank_retention")
    return {
        "retention_by_origin": retention_by_origin(results, arm),
        "metrics": [_metrics(results, stream) for stream in streams],
        **{name: _estimate(results, f"{name}.{arm}") for name in single},
        "power_over_cliff": _estimate(results, f"power_over_cliff.{arm}"),
        "by_age": _ages(streams),
        "categories": _categories(results, arm, alpha),
        "consolidations": [_steps(stream) for stream in streams],
        "compressions": [compressions(stream) for stream in streams],
    }


def retention_by_origin(results: Results, arm: str) -> dict[str, dict[str, Any]]:
    """Sessions so far → registered origin → what is kept then, with its interval."""
    alpha, found = results.lab.experiment.alpha, {}
    counts = sorted({n for stream in results.streams.of(arm) for n in stream.sessions.values()})
    for count in counts:
        origins = registered_origins(count)
        found[str(count)] = {
            str(origin): retention_at(results, arm, origin, count)(alpha) for origin in origins
        }
    return found


def _metrics(results: Results, stream: Stream) -> dict[str, Any]:
    """The matrix of one run, and every metric of it that its measured places define."""
    place = (stream.world, stream.seed)
    if not stream.played or place not in results.streams.base:
        return {"run": stream.name, "matrix": "undefined: no tasks were played"}
    matrix = accuracy_matrix(stream, results.streams.base[place], results.streams.base_ids[place])
    sessions = [stream.sessions[mark] for mark in sorted(stream.played)]
    return {
        "run": stream.name,
        "sessions": sessions,
        "matrix": [[None if np.isnan(v) else float(v) for v in row] for row in matrix.values],
        **continual_metrics(matrix, _forward(results, stream)),
        "cl_score_weights": WEIGHTS,
    }


def _forward(results: Results, stream: Stream) -> float | None:
    """FT over the next tasks alone, as both models played them; None where there are none."""
    gains = next_gains(results.streams, stream.arm)
    own = [v for (task, run), v in gains.items() if (task[0], run) == (stream.world, stream.run)]
    return mean(own) if own else None


def continual_metrics(matrix: AccuracyMatrix, forward: float | None) -> dict[str, Any]:
    """ACC, AULC, P; with two checkpoints or more also BWT, both forgettings, CL-Fβ, CL-Score.

    Both forgettings take their maximum since a task was trained on (``forgetting_learned``);
    SWE-Bench-CL's, over k ≤ j, is then a(j, j) - a(N, j), the negative of BWT.
    """
    always = {
        "acc": continual.acc(matrix),
        "aulc": continual.aulc(matrix),
        "plasticity": continual.plasticity(matrix),
    }
    if matrix.n_tasks < 2:
        return always
    learned = continual.forgetting_learned
    two = {
        "ft": forward,
        "bwt": continual.bwt(matrix),
        "forgetting": learned(matrix),
        "forgetting_cl": -continual.bwt(matrix),
        "cl_f_beta": continual.cl_f_beta(matrix, WEIGHTS.beta, learned),
    }
    if forward is None:
        return always | two
    return always | two | {"cl_score": continual.cl_score(matrix, WEIGHTS, learned, forward)}


def _ages(streams: Sequence[Stream]) -> dict[str, Any]:
    """Retention by age in consolidations + 1, and the decay models fitted to it."""
    ages, cells = by_age(streams)
    curve = {"ages": ages.tolist(), "kept": np.nanmean(cells, axis=0).tolist() if ages.size else []}
    if ages.size < 3:
        return curve
    fits = compare_decay(ages, cells, resamples=100)
    weights = {name: fit.weight for name, fit in fits.fits.items()}
    return curve | {"best": fits.best, "akaike_weights": weights}


def _categories(results: Results, arm: str, alpha: float) -> dict[str, Any]:
    """Category → retention, and what it lost since its sessions arrived."""
    streams, categories = results.streams.of(arm), experts.taxonomy(results, arm)
    table = {}
    for name in categories:

        def own(row: Any, name: str = name) -> bool:
            return experts.in_category(categories, name, row)

        kept = retained(streams, None, own)
        lost = drops(streams, [stream.kept(own) for stream in streams])
        if kept:
            table[name] = {
                "retention": clustered_proportion(as_cells(kept), alpha, "session"),
                "loss": clustered_difference(as_cells(lost), alpha, "session") if lost else None,
            }
    return table


def _steps(stream: Stream) -> dict[str, Any]:
    """What each consolidation of one run cost and had."""
    kept = ("sessions", "new_examples", "trained_tokens", "fisher_tokens", "probe_tokens", "flops")
    rows = [{k: fact.get(k) for k in (*kept, "total_rank")} for fact in stream.facts]
    ranks = [[t["rank"] for t in fact.get("trainings", [])] for fact in stream.facts]
    return {
        "run": stream.name,
        "steps": [{**row, "ranks": each} for row, each in zip(rows, ranks, strict=True)],
    }


def retention_rows(results: Results) -> Rows:
    """For the plot: what each arm keeps of each registered origin after its last consolidation."""
    plan = results.lab.experiment.stream
    origins = registered_origins(plan.sessions) if plan else ()
    return [
        {"arm": arm, "origin": origin, **ends}
        for arm in results.streams.arms
        for origin in origins
        if (ends := _ends(results, f"retention_at.{arm}.{origin}", "rate"))
    ]


def over_time_rows(results: Results) -> Rows:
    """For the plot: what each arm keeps of all sessions so far, consolidation by consolidation."""
    rows: Rows = []
    for arm in results.streams.arms:
        counts = {n for stream in results.streams.of(arm) for n in stream.sessions.values()}
        rows += [
            {"arm": arm, "sessions": count, **ends}
            for count in sorted(counts)
            if (ends := _ends(results, f"retention.{arm}.after_{count}", "rate"))
        ]
    return rows


def pareto_rows(results: Results) -> Rows:
    """For the plot: counted cost (10⁹ FLOPs), rank and retention of each arm."""
    rows: Rows = []
    for arm, row in arms(results).items():
        ends = _ends(results, f"retention.{arm}", "retention")
        if ends and row["flops"] is not None:
            cost = {"gflops": round(row["flops"] / 1e9, 3), "total_rank": row["total_rank"]}
            rows.append({"arm": arm, **cost, **ends})
    return rows


def rank_rows(results: Results) -> Rows:
    """For the plot: rank in use after each consolidation, and the energy that cuts have kept."""
    rows: Rows = []
    for stream in results.streams.streams:
        cuts = {cut.consolidation: cut.energy_kept for cut in compressions(stream)}
        rows += [
            {
                "arm": stream.arm,
                "seed": stream.seed,
                "sessions": fact["sessions"],
                "total_rank": fact.get("total_rank"),
                "energy_kept": cuts.get(fact["consolidation"], 1.0),
            }
            for fact in stream.facts
        ]
    return rounded(rows)


def _ends(results: Results, name: str, value: str) -> dict[str, Any]:
    found = _estimate(results, name)
    if isinstance(found, Undefined):
        return {}
    return rounded({value: found.value, "lo": found.lo, "hi": found.hi, "n": found.n})
