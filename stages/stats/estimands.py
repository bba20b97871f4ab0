"""The named estimands that a registration's criteria speak of.

``forward_transfer.C``: resolve rate of condition C - base on the test tasks, paired.
``difference.A.B``: resolve rate of A - B on the test tasks, paired.
``resolve_rate.C``: of condition C on the test tasks.
``steps.C``: steps of C - base on the test tasks, paired (in steps).
``forgetting.skill``: base - skill on the training tasks (Chaudhry et al. 2018 with one
consolidation: the earlier best is base's).
``capability_drop.skill``: pass rate of base - skill on the guard's problems, paired.
``retention.skill.min``: the smallest share of trained pairs kept over the registered origins.
``spread.format``, ``lead.format``, ``interaction.format``: see formats.py.
``stream.…``, ``knee.…``, ``threshold.…``, ``slope.…``, ``auc.…``, ``noise.…`` …: ``families/``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from stages.params import CriterionParams, ParamsError
from stages.stats.clusters import clustered_difference, clustered_proportion, tabulate_cells
from stages.stats.continual import registered_origins
from stages.stats.families.ablation import ABLATION
from stages.stats.families.drift import drift_estimand
from stages.stats.families.guard import share_passed
from stages.stats.families.levels import level_estimand
from stages.stats.families.quality import quality_estimand
from stages.stats.families.staleness import STALENESS
from stages.stats.families.stream import stream_estimand
from stages.stats.formats import format_estimand
from stages.stats.intervals import Estimate, Undefined
from stages.stats.results import TRAIN, Results
from stages.stats.verdict import Estimand, minimum_of

ORIGIN_WINDOW = 0.125
"""A registered origin stands for the sessions within this share of N around it: one session's
pairs alone are too few for an interval."""

LEVELS = ("knee", "threshold", "slope", "level_difference")
DRIFT = ("auc", "compare_auc", "conflict_rate")
QUALITY = (
    "noise",
    "noise_difference",
    "noise_slope",
    "correction",
    "cost_optimal",
    "arm_retention",
)
FAMILIES: dict[str, Callable[[Results, list[str]], Estimand | None]] = {
    "stream": stream_estimand,
    **ABLATION,
    **STALENESS,
    **{name: partial(level_estimand, name) for name in LEVELS},
    **{name: partial(drift_estimand, name) for name in DRIFT},
    **{name: partial(quality_estimand, name) for name in QUALITY},
}


def estimand(results: Results, name: str) -> Estimand:
    """α → Estimate of a named estimand; ParamsError names an unknown one."""
    head, _, rest = name.partition(".")
    parts = rest.split(".") if rest else []
    if head == "forward_transfer" and len(parts) == 1:
        return partial(difference, results, "base", parts[0])
    if head == "difference" and len(parts) == 2:
        return partial(difference, results, parts[1], parts[0])
    if head == "resolve_rate" and len(parts) == 1:
        return partial(rate, results, parts[0])
    if head == "steps" and len(parts) == 1:
        return partial(step_difference, results, parts[0])
    if name == "forgetting.skill":
        return partial(forgetting, results)
    if name == "capability_drop.skill":
        return partial(capability_drop, results)
    if name == "retention.skill.min":
        return minimum_of([partial(retention_at, results, o) for o in origins(results)])
    if (found := format_estimand(results, name)) is not None:
        return found
    if head in FAMILIES and (found := FAMILIES[head](results, parts)) is not None:
        return found
    raise ParamsError(
        f"criteria: estimand {name!r} is unknown. There are forward_transfer.C, difference.A.B, "
        "resolve_rate.C, steps.C, forgetting.skill, capability_drop.skill, "
        "retention.skill.min, spread.format, lead.format, interaction.format, where A, B and C "
        "are conditions or arms, and the families "
        f"{', '.join(f'{family}.…' for family in FAMILIES)} (stages/stats/families)."
    )


def difference(results: Results, base: str, adapted: str, alpha: float) -> Estimate | Undefined:
    """Paired difference of resolve rates on the test tasks: by task, crossed with runs."""
    if not results.select(base) or not results.select(adapted):
        return Undefined(f"{base} or {adapted} was not run")
    return clustered_difference(results.differences(base, adapted), alpha)


def rate(results: Results, condition: str, alpha: float) -> Estimate | Undefined:
    """Resolve rate (of completed episodes) on the test tasks."""
    if not results.select(condition):
        return Undefined(f"{condition} was not run")
    return clustered_proportion(results.cells(condition), alpha)


def step_difference(results: Results, condition: str, alpha: float) -> Estimate | Undefined:
    """Paired difference of steps to the end of the episode, in steps."""
    if not results.select(condition):
        return Undefined(f"{condition} was not run")
    bound = float(results.lab.agent_params.max_steps)
    cells = results.differences("base", condition, value=lambda row: float(row.steps))
    return clustered_difference(cells, alpha, bound=bound)


def forgetting(results: Results, alpha: float) -> Estimate | Undefined:
    """base - skill on the training tasks: below zero, nothing was forgotten on the whole."""
    if not results.select("skill", TRAIN):
        return Undefined("the skill adapter was not run on its training tasks")
    return clustered_difference(results.differences("skill", "base", TRAIN), alpha)


def capability_drop(results: Results, alpha: float) -> Estimate | Undefined:
    """base - skill pass rate on the guard's problems, clustered by problem."""
    if "skill" not in results.guard or "base" not in results.guard:
        return Undefined("the guard was not run")
    base, skill = share_passed(results.guard["base"]), share_passed(results.guard["skill"])
    cells = tabulate_cells((key[0], key[1], base[key] - skill[key]) for key in sorted(base))
    return clustered_difference(cells, alpha, unit="problem")


def origins(results: Results) -> tuple[int, ...]:
    """The registered session origins 1, N/4, N/2, 3N/4, N."""
    last = max((row["origin"] for row in results.retention), default=1)
    return registered_origins(last)


def retention_at(results: Results, origin: int, alpha: float) -> Estimate | Undefined:
    """Share of trained turns that the adapter gives back exactly, for sessions near ``origin``.

    The unit is the session (training task), crossed with seeds.
    """
    if not results.retention:
        return Undefined("retention was not measured")
    last = max(row["origin"] for row in results.retention)
    reach = max(0, round(ORIGIN_WINDOW * last))
    groups: dict[tuple[Any, Any], list[bool]] = {}
    for row in results.retention:
        if abs(row["origin"] - origin) <= reach:
            key = ((row["world"], row["instance_id"]), (row["split"], row["seed"]))
            groups.setdefault(key, []).append(row["right"])
    if not groups:
        return Undefined(f"no pairs from sessions near {origin}")
    cells = tabulate_cells((*key, float(np.mean(right))) for key, right in groups.items())
    return clustered_proportion(cells, alpha, "session")


def criterion_estimand(results: Results, criterion: CriterionParams) -> Estimand:
    """The estimand that a registered criterion names."""
    return estimand(results, criterion.estimand)
