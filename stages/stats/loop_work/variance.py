"""Which chance the differences between runs come from: order, decoding, training, or noise.

A crossed arm has one run per order × decoding × training, and its highest interaction is the noise.
Of any other arm a seed is an order, and its repeats redraw decoding and training: they are the
noise that a seed effect is held against.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from stages.stats.intervals import Estimate, Undefined
from stages.stats.loop_work import runs
from stages.stats.loop_work.results import LoopResults
from stages.stats.loops.components import NOISE, Component, Components, variance_components
from stages.stats.summary import rounded
from stages.stats.verdict import Estimand

CROSSED = ("order", "decoding", "training")
SEED = ("seed",)


def factors_of(results: LoopResults, arm: str) -> tuple[str, ...]:
    """The factors of an arm whose components can be told apart."""
    return SEED if results.loop.arms[arm].crossed is None else CROSSED


def components(
    results: LoopResults, arm: str, measure: runs.Measure, alpha: float
) -> Components | Undefined:
    """Variance components of a measure over an arm's runs; Undefined where the design has holes."""
    found = results.outcomes(arm)
    seeds = sorted({run.seed for run in found})
    repeats = sorted({run.place.repeat for run in found})
    values: dict[tuple[int, int], float] = {}
    for run in found:
        value = measure(run)
        if isinstance(value, Undefined):
            return Undefined(f"{run.name}: {value.reason}")
        values[run.seed, run.place.repeat] = value
    if len(values) < len(seeds) * len(repeats) or not values:
        return Undefined(f"{arm} has {len(values)} of {len(seeds) * len(repeats)} runs")
    table = np.array([[values[seed, repeat] for repeat in repeats] for seed in seeds])
    crossed = results.loop.arms[arm].crossed
    names = factors_of(results, arm)
    if crossed is not None:
        table = table.reshape(len(seeds), crossed.decodings, crossed.trainings, 1)
    keep = [at for at, _ in enumerate(names) if table.shape[at] > 1]
    if not keep or (len(keep) == 1 and table.shape[-1] == 1):
        return Undefined(f"{arm} has one run a level, so nothing says how large noise is")
    shape = [table.shape[at] for at in keep]
    table = table.reshape(*shape, table.shape[-1] if crossed is None else 1)
    return variance_components(table, [names[at] for at in keep], alpha)


def component_estimand(
    results: LoopResults, arm: str, factor: str, measure: runs.Measure
) -> Estimand:
    """α → variance that a factor adds, in the measure's unit squared; its unit is its levels."""

    def estimate(alpha: float) -> Estimate | Undefined:
        found = components(results, arm, measure, alpha)
        if isinstance(found, Undefined):
            return found
        if factor not in found.sources:
            return Undefined(f"{factor} has one level in {arm}")
        one = found.sources[factor]
        lo, hi = min(one.lo, one.variance), max(one.hi, one.variance)
        return Estimate(one.variance, lo, hi, one.df + 1, factor, alpha)

    return estimate


def measures(results: LoopResults) -> dict[str, runs.Measure]:
    """The measures that are decomposed: both scores, and final accuracy on each part."""
    return {**runs.MEASURES, **{part: runs.accuracy_on(part) for part in results.parts}}


def rows(results: LoopResults) -> list[dict[str, Any]]:
    """One row per arm, measure and source of variance; arms that have none are left out."""
    table = []
    for arm in results.by_arm:
        for name, measure in measures(results).items():
            found = components(results, arm, measure, results.loop.alpha)
            if isinstance(found, Components):
                place = {"arm": arm, "measure": name}
                table += [
                    {**place, "source": source, **_row(one), "share": found.shares[source]}
                    for source, one in found.sources.items()
                ]
    return rounded_finely(table)


def _row(one: Component) -> dict[str, Any]:
    tested = {key: getattr(one, key) for key in ("f", "p")}
    known = {key: None if isinstance(v, Undefined) else v for key, v in tested.items()}
    return {"variance": one.variance, "lo": one.lo, "hi": one.hi, **known, "reading": one.reading}


def rounded_finely(table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """To eight digits where a variance of accuracies would vanish at four."""
    fine = ("variance", "lo", "hi")
    return [
        rounded({k: v for k, v in row.items() if k not in fine})
        | {k: round(float(row[k]), 8) for k in fine}
        for row in table
    ]


def above_noise(results: LoopResults, arm: str) -> dict[str, str]:
    """measure -> what is read of the seed (or of each factor): above the noise or not."""
    found: dict[str, str] = {}
    for name, measure in measures(results).items():
        one = components(results, arm, measure, results.loop.alpha)
        if isinstance(one, Undefined):
            found[name] = str(one)
        else:
            said = [f"{s}: {c.reading}" for s, c in one.sources.items() if s != NOISE]
            found[name] = "; ".join(said)
    return found
