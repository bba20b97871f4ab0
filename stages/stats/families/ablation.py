"""Estimands of layers and switches: what each is worth, alone and together (e09, x4).

``interaction.A.B``: (A and B together - B) - (A - base), resolve rate. ``main_effect.A.B``: what A
adds, averaged over without and with B; the two main effects of a pair add up to what both give.
The condition with both is named ``A_B``, ``B_A`` or, for skill and knowledge, ``both``.
``relative.METRIC.A.B``: by what share of B's mean A is better, on resolve_rate, steps,
context_tokens or errors (failed actions of an episode); for all but the first, less is better.
``relative_best.A.B``: the largest of the four. ``context_tokens.A.B``, ``errors.A.B``: A - B of the
longest prompt in tokens, and of failed actions; ``.A`` alone is against base.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from stages.stats.clusters import Cells, clustered_difference, clustered_proportion, tabulate_cells
from stages.stats.intervals import Estimate, Undefined
from stages.stats.ratio import clustered_ratio
from stages.stats.results import Results, Row
from stages.stats.verdict import Estimand

LAYERS = {"skill", "knowledge"}


@dataclass(frozen=True)
class Metric:
    """One number of an episode."""

    value: Callable[[Row], float]
    better: int
    """1 where more is better, -1 where less is"""
    bound: Callable[[Results], float]
    """the largest value possible"""


def _steps(results: Results) -> float:
    return float(results.lab.agent_params.max_steps)


def _context(results: Results) -> float:
    """The limit, which one last observation may exceed."""
    longest = max((row.context_tokens for row in results.rows), default=0)
    return float(max(results.lab.agent_params.max_tokens, longest))


METRICS: Mapping[str, Metric] = {
    "resolve_rate": Metric(lambda row: row.resolved, 1, lambda results: 1.0),
    "steps": Metric(lambda row: float(row.steps), -1, _steps),
    "context_tokens": Metric(lambda row: float(row.context_tokens), -1, _context),
    "errors": Metric(lambda row: float(row.steps - row.ok_steps), -1, _steps),
}


def aligned(
    results: Results, names: list[str], value: Callable[[Row], float]
) -> list[Cells] | Undefined:
    """Each condition's tasks × runs of ``value``, of the episodes that all of them completed."""
    found = []
    for name in names:
        rows = results.select(name)
        if not rows:
            return Undefined(f"{name} was not run")
        known = [row for row in rows if not np.isnan(row.resolved)]
        found.append({(row.task, row.run): value(row) for row in known})
    shared = sorted(set(found[0]).intersection(*found[1:]))
    if not shared:
        return Undefined(f"{', '.join(names)} have no episode in common")
    return [tabulate_cells((*key, one[key]) for key in shared) for one in found]


def joint(results: Results, first: str, second: str) -> str:
    """The condition that has both."""
    if {first, second} == LAYERS:
        return "both"
    there = {row.condition for row in results.rows}
    return next((n for n in (f"{first}_{second}", f"{second}_{first}") if n in there), "")


def _factorial(results: Results, first: str, second: str) -> list[Cells] | Undefined:
    """Resolved by neither, the first, the second and both."""
    both = joint(results, first, second)
    if not both:
        return Undefined(f"no condition has both {first} and {second} ({first}_{second})")
    return aligned(results, ["base", first, second, both], METRICS["resolve_rate"].value)


def interaction(results: Results, first: str, second: str) -> Estimand:
    """What the two are worth together beyond what each is worth alone, in points."""
    cells = _factorial(results, first, second)
    if isinstance(cells, Undefined):
        return partial(_undefined, cells)
    none, a, b, both = cells
    return partial(clustered_difference, both - b - a + none, bound=2.0)


def main_effect(results: Results, first: str, second: str) -> Estimand:
    """What the first adds, averaged over without and with the second."""
    cells = _factorial(results, first, second)
    if isinstance(cells, Undefined):
        return partial(_undefined, cells)
    none, a, b, both = cells
    return partial(clustered_difference, ((a - none) + (both - b)) / 2)


def aligned_difference(results: Results, first: str, second: str) -> Estimand:
    """Resolve rate of first - second."""
    return metric_difference(results, "resolve_rate", first, second)


def metric_difference(results: Results, metric: str, first: str, second: str) -> Estimand:
    """first - second of a metric, in its own unit."""
    spec = METRICS[metric]
    cells = aligned(results, [first, second], spec.value)
    if isinstance(cells, Undefined):
        return partial(_undefined, cells)
    return partial(clustered_difference, cells[0] - cells[1], bound=spec.bound(results))


def relative(results: Results, metric: str, first: str, second: str) -> Estimand:
    """(how much better first is than second) / second, of the means."""
    spec = METRICS[metric]
    cells = aligned(results, [first, second], spec.value)
    if isinstance(cells, Undefined):
        return partial(_undefined, cells)
    gain, bound = spec.better * (cells[0] - cells[1]), spec.bound(results)

    def estimate(alpha: float) -> Estimate | Undefined:
        return clustered_ratio(gain, cells[1], alpha, "task", (bound, bound))

    return estimate


def relative_best(results: Results, first: str, second: str) -> Estimand:
    """The largest relative gain over the metrics, as in 'on at least one metric by > 10 %'.

    Its lower end is the largest at α / 4, since one metric of four may come out above by chance; a
    metric that is undefined (a mean of 0 to be better than) can't be the one.
    """
    every = [relative(results, metric, first, second) for metric in METRICS]

    def estimate(alpha: float) -> Estimate | Undefined:
        wide = [e for e in (one(alpha / len(every)) for one in every) if isinstance(e, Estimate)]
        plain = [e for e in (one(alpha) for one in every) if isinstance(e, Estimate)]
        if not wide or not plain:
            return Undefined(f"no metric of {first} and {second} is defined")
        best = max(plain, key=lambda e: e.value)
        lo = min(max(e.lo for e in wide), best.value)
        return Estimate(best.value, lo, max(e.hi for e in plain), best.n, best.unit, alpha)

    return estimate


def metric_mean(results: Results, metric: str, name: str, alpha: float) -> Estimate | Undefined:
    """Mean of a metric in its own unit; the interval is that of its share of the bound."""
    spec = METRICS[metric]
    bound = spec.bound(results)
    cells = aligned(results, [name], spec.value)
    if isinstance(cells, Undefined):
        return cells
    share = clustered_proportion(np.minimum(cells[0] / bound, 1.0), alpha)
    ends = (share.value * bound, share.lo * bound, share.hi * bound)
    return Estimate(*ends, share.n, share.unit, alpha)


def _undefined(reason: Undefined, alpha: float) -> Undefined:
    del alpha
    return reason


def _of_metric(metric: str, results: Results, parts: list[str]) -> Estimand | None:
    if len(parts) not in (1, 2):
        return None
    return metric_difference(results, metric, parts[0], parts[1] if parts[1:] else "base")


def _of_pair(
    make: Callable[[Results, str, str], Estimand], results: Results, parts: list[str]
) -> Estimand | None:
    return make(results, *parts) if len(parts) == 2 else None


def _relative(results: Results, parts: list[str]) -> Estimand | None:
    known = len(parts) == 3 and parts[0] in METRICS
    return relative(results, *parts) if known else None


ABLATION: Mapping[str, Callable[[Results, list[str]], Estimand | None]] = {
    "interaction": partial(_of_pair, interaction),
    "main_effect": partial(_of_pair, main_effect),
    "relative": _relative,
    "relative_best": partial(_of_pair, relative_best),
    "context_tokens": partial(_of_metric, "context_tokens"),
    "errors": partial(_of_metric, "errors"),
}
"""Families by the first part of their names."""
