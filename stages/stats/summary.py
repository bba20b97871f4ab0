"""From rows to the small, flat numbers that metrics files hold."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from stages.records import Outcome
from stages.stats import effects, paired
from stages.stats.clusters import clustered_proportion, tabulate_cells, task_means
from stages.stats.estimands import (
    capability_drop,
    difference,
    forgetting,
    origins,
    retention_at,
    step_difference,
)
from stages.stats.families.guard import share_passed
from stages.stats.intervals import Estimate, Undefined
from stages.stats.power import mcnemar_power, minimum_detectable_effect, non_inferiority_power
from stages.stats.rates import non_inferiority, resolve_rate
from stages.stats.results import Results, Row, mean, tabulate

CAPABILITY_MARGIN = 0.02
"""Registered non-inferiority margin of the guard (seeds/004)."""
DIGITS = 4


def rounded(value: Any) -> Any:
    """Numbers to four digits, so that a diff shows changes and not noise; NaN becomes None."""
    if isinstance(value, Estimate):
        return rounded(value.as_dict())
    if isinstance(value, Undefined):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return rounded(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {str(key): rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), DIGITS) if math.isfinite(value) else None
    return value


def conditions(results: Results) -> dict[str, dict[str, Any]]:
    """condition -> resolve_rate, lo, hi, n (tasks), steps and tokens on the test tasks."""
    alpha = results.lab.experiment.alpha
    return {name: _condition(results.select(name), alpha) for name in results.conditions}


def _condition(rows: list[Row], alpha: float) -> dict[str, Any]:
    estimate = clustered_proportion(tabulate(rows), alpha)
    attempted = resolve_rate((row.outcome for row in rows), alpha).of_attempted
    return rounded(
        {
            "resolve_rate": estimate.value,
            "lo": estimate.lo,
            "hi": estimate.hi,
            "n": estimate.n,
            "episodes": len(rows),
            "attempted": attempted.value if isinstance(attempted, Estimate) else None,
            "harness_errors": sum(row.outcome == Outcome.HARNESS_ERROR for row in rows),
            "steps": mean(row.steps for row in rows),
            "input_tokens": mean(row.input_tokens for row in rows),
            "cached_tokens": mean(row.cached_tokens for row in rows),
            "output_tokens": mean(row.output_tokens for row in rows),
            "tool_use_efficiency_by_count": sum(r.ok_steps for r in rows)
            / max(1, sum(r.steps for r in rows)),
        }
    )


def comparisons(results: Results) -> dict[str, dict[str, Any]]:
    """condition -> its forward transfer against base with interval, tests and effect sizes."""
    names = [name for name in results.conditions if name != "base"]
    return {name: _comparison(results, "base", name) for name in names}


def _comparison(results: Results, base: str, adapted: str) -> dict[str, Any]:
    alpha = results.lab.experiment.alpha
    cells = results.differences(base, adapted)
    pairs = _paired_rows(results, base, adapted)
    base_means, adapted_means = (task_means(tabulate(rows)) for rows in pairs)
    one_base, one_adapted = (_first_run(rows) for rows in pairs)
    steps = [task_means(tabulate(rows, lambda row: float(row.steps))) for rows in pairs]
    return rounded(
        {
            "forward_transfer": difference(results, base, adapted, alpha),
            "mcnemar_first_seed": paired.mcnemar_exact(one_base, one_adapted),
            "paired_t": paired.paired_t(base_means, adapted_means),
            "wilcoxon": paired.wilcoxon(base_means, adapted_means),
            "permutation_clustered": paired.permutation_test(cells),
            "cohens_dz": effects.cohens_dz(base_means, adapted_means),
            "cohens_h": effects.cohens_h(float(base_means.mean()), float(adapted_means.mean())),
            "odds_ratio": effects.odds_ratio(one_base, one_adapted, alpha),
            "steps": step_difference(results, adapted, alpha),
            "steps_wilcoxon": paired.wilcoxon(*steps),
            "steps_hodges_lehmann": paired.hodges_lehmann(steps[0], steps[1], alpha),
        }
    )


def _paired_rows(results: Results, base: str, adapted: str) -> tuple[list[Row], list[Row]]:
    """Rows of both conditions that measured the same task in the same run, in one order.

    The base model plays every task, other conditions may play the first ones only; an episode that
    a harness error ended takes its partner with it.
    """
    found = [
        {(row.task, row.run): row for row in results.select(name) if not np.isnan(row.resolved)}
        for name in (base, adapted)
    ]
    shared = sorted(found[0].keys() & found[1].keys())
    return [found[0][key] for key in shared], [found[1][key] for key in shared]


def _first_run(rows: list[Row]) -> np.ndarray:
    """Binary outcomes of the first run, by task: McNemar's test takes one pair a task."""
    first = min(row.run for row in rows)
    return np.array([row.resolved for row in rows if row.run == first])


def by_split(results: Results) -> dict[str, Any]:
    """Forward transfer and forgetting per split, their mean and variance, and the sign test."""
    splits = results.lab.experiment.splits
    if len(splits) < 2 or "skill" not in results.conditions:
        return {}
    alpha = results.lab.experiment.alpha
    parts = {
        split: dataclasses.replace(
            results,
            rows=tuple(row for row in results.rows if row.split == split),
        )
        for split in splits
    }
    transfer = {split: difference(part, "base", "skill", alpha) for split, part in parts.items()}
    lost = {split: forgetting(part, alpha) for split, part in parts.items()}
    gains = np.array([e.value for e in transfer.values() if isinstance(e, Estimate)])
    losses = np.array([e.value for e in lost.values() if isinstance(e, Estimate)])
    return rounded(
        {
            "forward_transfer": transfer,
            "forgetting": lost,
            "forward_transfer_mean": float(gains.mean()),
            "forward_transfer_variance": float(gains.var(ddof=1)),
            "forgetting_mean": float(losses.mean()),
            "forgetting_variance": float(losses.var(ddof=1)),
            "splits_with_positive_transfer": int((gains > 0).sum()),
            "splits": len(splits),
            "sign_test": paired.sign_test(gains),
            "clustered": difference(results, "base", "skill", alpha),
        }
    )


def capability(results: Results) -> dict[str, Any]:
    """The guard: pass@1 of base and skill by kind of problem, the drop, and its non-inferiority."""
    alpha = results.lab.experiment.alpha
    drop = capability_drop(results, alpha)
    if isinstance(drop, Undefined):
        return {}
    kinds = sorted({row["kind"] for row in results.guard["base"]})
    table = {
        arm: {k: _pass_at_1([r for r in rows if r["kind"] == k], alpha) for k in kinds}
        for arm, rows in results.guard.items()
    }
    sizes = {arm: mean(r["tokens"] for r in rows) for arm, rows in results.guard.items()}
    base = share_passed(results.guard["base"])
    flip = max(float(np.mean([share * (1 - share) for share in base.values()])), 1e-3)
    return rounded(
        {
            "drop": drop,
            "non_inferiority": non_inferiority(drop, CAPABILITY_MARGIN),
            "margin": CAPABILITY_MARGIN,
            "power_to_see_margin": non_inferiority_power(drop.n, flip, flip, CAPABILITY_MARGIN),
            "pass_at_1": table,
            "answer_tokens": sizes,
        }
    )


def _pass_at_1(rows: list[dict[str, Any]], alpha: float) -> Estimate:
    """Mean over problems of the share of samples passed, runs crossed."""
    cells = tabulate_cells((*key, share) for key, share in share_passed(rows).items())
    return clustered_proportion(cells, alpha, "problem")


def retention(results: Results) -> dict[str, Any]:
    """Share of trained pairs kept, by registered session origin."""
    alpha = results.lab.experiment.alpha
    if not results.retention:
        return {}
    return rounded({str(o): retention_at(results, o, alpha) for o in origins(results)})


def power(results: Results) -> dict[str, Any]:
    """What the registered number of tasks can find, computed at base's observed rate."""
    n = len(results.cells("base"))
    experiment = results.lab.experiment
    noise = 0.05
    return rounded(
        {
            "tasks": n,
            "minimum_tasks": experiment.minimum_tasks,
            "power_for_15_points": mcnemar_power(n, 0.15 + noise, noise, experiment.alpha),
            "minimum_detectable_effect": minimum_detectable_effect(
                n, noise, experiment.power, experiment.alpha
            ),
        }
    )


def groups(results: Results, key: Any) -> list[dict[str, Any]]:
    """Resolve rate by condition and ``key(row)`` (a list of groups), with Wilson-type intervals."""
    table = []
    for name in results.conditions:
        rows = results.select(name)
        for group in sorted({g for row in rows for g in key(row)}):
            chosen = [row for row in rows if group in key(row)]
            estimate = clustered_proportion(tabulate(chosen), results.lab.experiment.alpha)
            table.append(
                rounded(
                    {
                        "condition": name,
                        "group": group,
                        "resolve_rate": estimate.value,
                        "lo": estimate.lo,
                        "hi": estimate.hi,
                        "n": estimate.n,
                    }
                )
            )
    return table


def outcomes(results: Results) -> dict[str, Any]:
    """Counts of outcomes and pathologies by condition."""
    table: dict[str, Any] = {}
    for name in results.conditions:
        rows = results.select(name)
        counts: dict[str, int] = {}
        for row in rows:
            counts[str(row.outcome)] = counts.get(str(row.outcome), 0) + 1
            if row.pathology != "none":
                counts[row.pathology] = counts.get(row.pathology, 0) + 1
        table[name] = dict(sorted(counts.items()))
    return table
