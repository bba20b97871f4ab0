"""What is reported of a matrix beside its criteria: negatives first, then models, repositories."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from stages.stats import summary
from stages.stats.agreement import rank_agreement
from stages.stats.clusters import clustered_difference, clustered_proportion
from stages.stats.intervals import Estimate, Undefined
from stages.stats.logistic import adapter_effect
from stages.stats.phase.estimands import (
    SKILL,
    anova,
    anova_table,
    cell_transfer,
    mean_transfer,
    repository_transfer,
    shared_tests,
    transfer,
)
from stages.stats.phase.matrix import Cell, Matrix
from stages.stats.results import Results, Row, mean, tabulate

Table = dict[str, Any]


def cells(matrix: Matrix, condition: str = SKILL) -> list[Table]:
    """Forward transfer of every cell with its interval, the lowest first."""
    alpha = matrix.lab.experiment.alpha
    rows = []
    for cell in matrix.cells:
        found = cell_transfer(cell, condition, alpha)
        if isinstance(found, Undefined):
            ends: Table = {"forward_transfer": None, "lo": None, "hi": None, "n": 0}
            reads = str(found)
        else:
            ends = {"forward_transfer": found.value, "lo": found.lo, "hi": found.hi, "n": found.n}
            reads = _reading(found)
        place = {"model": cell.model, "repository": cell.world, "split": cell.split}
        rows.append({"cell": cell.name, **place, **ends, "reads": reads, "source": cell.source})
    rows.sort(key=lambda row: (row["forward_transfer"] is not None, row["forward_transfer"] or 0))
    return summary.rounded(rows)


def negatives(rows: list[Table]) -> Table:
    """What speaks against generalisation, from the rows of ``cells``."""
    measured = [row for row in rows if row["forward_transfer"] is not None]
    below = [row for row in measured if row["forward_transfer"] < 0]
    return {
        "cells": len(measured),
        "below_zero": len(below),
        "interval_below_zero": sum(row["reads"] == "below zero" for row in measured),
        "not_above_zero": sum(row["reads"] != "above zero" for row in measured),
        "cells_below_zero": [row["cell"] for row in below],
        "cells_not_above_zero": [row["cell"] for row in measured if row["reads"] != "above zero"],
    }


def _reading(found: Estimate) -> str:
    return "above zero" if found.lo > 0 else "below zero" if found.hi < 0 else "open"


def by_model(matrix: Matrix) -> Table:
    """Per model: forward transfer of each condition, rates, steps, tools, tokens, the guard."""
    return {
        model: _model(matrix, model)
        for model in matrix.lab.experiment.models
        if any(cell.model == model for cell in matrix.cells)
    }


def _model(matrix: Matrix, model: str) -> Table:
    own = tuple(cell for cell in matrix.cells if cell.model == model)
    part = dataclasses.replace(matrix, cells=own)
    alpha, pooled = matrix.lab.experiment.alpha, part.pooled()
    names = [name for name in pooled.conditions if name != "base"]
    capability = summary.capability(pooled)
    rows = {name: pooled.select(name) for name in pooled.conditions}
    return summary.rounded(
        {
            "cells": len(own),
            "forward_transfer": {name: mean_transfer(part, name)(alpha) for name in names},
            "resolve_rate": {
                name: clustered_proportion(tabulate(found), alpha) for name, found in rows.items()
            },
            "steps_against_base": {name: _steps(pooled, name, alpha) for name in names},
            "tool_use_efficiency_by_count": _each(rows, _efficiency),
            "input_tokens": _each(rows, lambda found: mean(row.input_tokens for row in found)),
            "capability_drop": capability.get("drop", "undefined: the guard was not run"),
        }
    )


def _each(rows: dict[str, list[Row]], value: Callable[[list[Row]], float]) -> dict[str, float]:
    return {name: value(found) for name, found in rows.items()}


def _efficiency(rows: list[Row]) -> float:
    return sum(row.ok_steps for row in rows) / max(1, sum(row.steps for row in rows))


def _steps(pooled: Results, condition: str, alpha: float) -> Estimate:
    limit = float(pooled.lab.agent_params.max_steps)
    found = pooled.differences("base", condition, value=lambda row: float(row.steps))
    return clustered_difference(found, alpha, bound=limit)


def by_repository(matrix: Matrix) -> Table:
    """Per repository: the skill adapter's forward transfer by task, crossed with its cells."""
    alpha = matrix.lab.experiment.alpha
    worlds = dict.fromkeys(cell.world for cell in matrix.cells)
    return summary.rounded({w: repository_transfer(matrix, SKILL, w)(alpha) for w in worlds})


def by_split(matrix: Matrix) -> Table:
    """Per split: mean over its cells by repository, and the variance over its cells."""
    alpha, table = matrix.lab.experiment.alpha, {}
    for split in matrix.lab.experiment.splits:
        own = [transfer(cell) for cell in matrix.cells if cell.split == split]
        table[split] = {
            "forward_transfer": mean_transfer(matrix, SKILL, lambda c, s=split: c.split == s)(
                alpha
            ),
            "variance_over_cells": float(np.nanvar(own, ddof=1)) if len(own) > 1 else None,
        }
    return summary.rounded(table)


def variance(matrix: Matrix) -> Table:
    """The two-way ANOVA, its assumption checks and what weakens it here."""
    found = anova(anova_table(matrix), matrix.lab.experiment.alpha)
    if isinstance(found, Undefined):
        return {"undefined": str(found)}
    shared = shared_tests(matrix)
    notes = [*found.notes]
    if len(matrix.lab.experiment.splits) > 1:
        notes.append(
            "Both splits' adapters of a repository are trained on sessions that partly are the "
            "same: what they share counts as the cell's, not as error."
        )
    if shared > 0:
        notes.append(
            f"{shared:.0%} of the test episodes are of tasks that both splits test on: replicates "
            "share tasks, so the residual is too small and F too large."
        )
    table = _fields(found)
    table["effects"] = {name: _fields(effect) for name, effect in found.effects.items()}
    table["checks"] = [
        {"name": check.name, "p": check.p, "doubtful": check.doubtful} for check in found.checks
    ]
    return summary.rounded({**table, "notes": notes, "shared_tests": shared})


def logistic(matrix: Matrix) -> Table:
    """The adapter's effect in log odds: over all cells, and model by model."""
    models = dict.fromkeys(cell.model for cell in matrix.cells)
    table = {"all": _odds(matrix.cells, matrix.lab.experiment.alpha)}
    for model in models:
        own = tuple(cell for cell in matrix.cells if cell.model == model)
        table[model] = _odds(own, matrix.lab.experiment.alpha)
    return table


def _odds(found: tuple[Cell, ...], alpha: float) -> Table:
    """Both arms' episodes, each once: splits of a repository share base's episodes."""
    episodes: dict[tuple, tuple[Cell, Row]] = {}
    for cell in found:
        for row in (*cell.results.select("base"), *cell.results.select(SKILL)):
            if not np.isnan(row.resolved):
                key = (cell.model, row.run_id, row.task, row.attempt)
                episodes.setdefault(key, (cell, row))
    if not episodes:
        return {"undefined": "no episode was graded"}
    pairs = list(episodes.values())
    effect = adapter_effect(
        [row.resolved for _, row in pairs],
        [float(row.condition == SKILL) for _, row in pairs],
        [row.task for _, row in pairs],
        [cell.model for cell, _ in pairs],
        [cell.world for cell, _ in pairs],
        alpha,
    )
    return summary.rounded({"episodes": len(pairs), **_fields(effect)})


def agreement(matrix: Matrix) -> Any:
    """Whether models gain on the same repositories: their forward transfer, mean of the splits."""
    models = list(dict.fromkeys(cell.model for cell in matrix.cells))
    values = [
        [
            mean(transfer(c) for c in matrix.cells if (c.model, c.world) == (model, world))
            for world in matrix.lab.worlds
        ]
        for model in models
    ]
    if not models:
        return "undefined: no cell was run"
    found = rank_agreement(values, models)
    return summary.rounded(found if isinstance(found, Undefined) else _fields(found))


def _fields(block: Any) -> Table:
    """A dataclass's fields one level down: asdict would take an Undefined apart."""
    return {field.name: getattr(block, field.name) for field in dataclasses.fields(block)}
