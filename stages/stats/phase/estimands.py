"""The named estimands of a matrix of repositories × models × splits.

``forward_transfer.C``: mean over cells of resolve rate of C - base on the test tasks. The unit is
the repository: each counts by the mean of its cells, so the interval speaks of further repositories
with these models and splits.
``forward_transfer.C.min_model``: the smallest of the models' means, each by repository.
``forward_transfer.C.min_repository``: the smallest of the repositories' means, each by task,
crossed with (model, split, seed).
``share_below_zero.C``: share of cells whose forward transfer is below zero, by repository; one at
zero counts half, so that without any effect the share is one half.
``partial_eta_squared.{model,repository,interaction}``: of the two-way ANOVA of the skill adapter's
forward transfer; its noncentral interval lies above 0 just where F is significant at α/2. Undefined
where splits test on the same tasks: base's luck on them would then count as an interaction.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from stages.params import ParamsError
from stages.stats.anova import FACTORS, Anova, two_way_anova
from stages.stats.clusters import clustered_difference, clustered_proportion, tabulate_cells
from stages.stats.intervals import Estimate, Undefined
from stages.stats.phase.matrix import Cell, Matrix
from stages.stats.verdict import Estimand, minimum_of

SKILL = "skill"
EFFECTS = {"model": FACTORS[0], "repository": FACTORS[1], "interaction": FACTORS[2]}
MOST_SHARED = 0.05
"""Share of test episodes of tasks that two splits test on, up to which splits are replicates."""
Keep = Callable[[Cell], bool]
Table = list[tuple[str, str, float]]


def matrix_estimand(matrix: Matrix, name: str) -> Estimand:
    """α → Estimate of a named estimand; ParamsError names an unknown one."""
    match name.split("."):
        case ["forward_transfer", condition]:
            return mean_transfer(matrix, condition)
        case ["forward_transfer", condition, "min_model"]:
            return minimum_of(
                [
                    mean_transfer(matrix, condition, lambda cell, m=model: cell.model == m)
                    for model in matrix.lab.experiment.models
                ]
            )
        case ["forward_transfer", condition, "min_repository"]:
            return minimum_of(
                [repository_transfer(matrix, condition, w) for w in matrix.lab.worlds]
            )
        case ["share_below_zero", condition]:
            return share_below_zero(matrix, condition)
        case ["partial_eta_squared", effect] if effect in EFFECTS:
            return partial(_eta, matrix, anova_table(matrix), EFFECTS[effect])
    raise ParamsError(
        f"criteria: {name!r} is no estimand of a matrix. There are forward_transfer.C, "
        "forward_transfer.C.min_model, forward_transfer.C.min_repository, share_below_zero.C and "
        f"partial_eta_squared.{{{','.join(EFFECTS)}}}, with C a condition."
    )


def transfer(cell: Cell, condition: str = SKILL) -> float:
    """Mean paired difference C - base over the cell's test tasks; NaN where C was not run."""
    differences = cell.results.differences("base", condition)
    return float(np.nanmean(differences)) if (~np.isnan(differences)).any() else float("nan")


def cell_transfer(cell: Cell, condition: str, alpha: float) -> Estimate | Undefined:
    """The same with its interval, by task crossed with seeds."""
    differences = cell.results.differences("base", condition)
    if not (~np.isnan(differences)).any():
        return Undefined(f"{condition} was not run in {cell.name}")
    return clustered_difference(differences, alpha)


def mean_transfer(matrix: Matrix, condition: str, keep: Keep = lambda cell: True) -> Estimand:
    """Mean forward transfer of the cells kept, by repository."""
    means = _by_repository(matrix, keep, lambda cell: transfer(cell, condition))
    if not means.size:
        return lambda alpha: Undefined(f"no cell with {condition} was run")
    return lambda alpha: clustered_difference(means, alpha, "repository")


def share_below_zero(matrix: Matrix, condition: str) -> Estimand:
    """Share of cells below zero, by repository; a cell at zero counts half."""
    shares = _by_repository(matrix, lambda cell: True, lambda c: _below(transfer(c, condition)))
    if not shares.size:
        return lambda alpha: Undefined(f"no cell with {condition} was run")
    return lambda alpha: clustered_proportion(shares, alpha, "repository")


def repository_transfer(matrix: Matrix, condition: str, world: str) -> Estimand:
    """Forward transfer on one repository: its tasks crossed with models, splits and seeds."""
    pooled = matrix.pooled()
    cells = pooled.differences("base", condition, keep=lambda row: row.world == world)
    if not (~np.isnan(cells)).any():
        return lambda alpha: Undefined(f"{condition} was not run on {world}")
    return lambda alpha: clustered_difference(cells, alpha)


def anova_table(matrix: Matrix, condition: str = SKILL) -> Table:
    """Model, repository and forward transfer of each cell."""
    return [(cell.model, cell.world, transfer(cell, condition)) for cell in matrix.cells]


def anova(table: Table, alpha: float = 0.05) -> Anova | Undefined:
    """Model × repository on the cells' forward transfer; a cell's splits are its replicates."""
    values = [value for _, _, value in table]
    if not (~np.isnan(values)).any():
        return Undefined("no cell was run")
    return two_way_anova([m for m, _, _ in table], [w for _, w, _ in table], values, alpha)


def shared_tests(matrix: Matrix) -> float:
    """Share of a cell's test tasks that another split of its repository and model tests on too.

    Above 0 the ANOVA's replicates are not independent, and its residual is too small.
    """
    rows = [
        ((cell.model, cell.world, row.instance_id), cell.split, 1.0)
        for cell in matrix.cells
        for row in {r.instance_id: r for r in cell.results.select("base")}.values()
    ]
    if not rows:
        return float("nan")
    met = (~np.isnan(tabulate_cells(rows))).sum(axis=1)
    return float(met[met > 1].sum() / met.sum())


def _eta(matrix: Matrix, table: Table, effect: str, alpha: float) -> Estimate | Undefined:
    shared = shared_tests(matrix)
    if shared > MOST_SHARED:
        return Undefined(
            f"splits share {shared:.0%} of their test episodes' tasks and base's answers to them, "
            "so they are no replicates and F is too large"
        )
    found = anova(table, alpha)
    if isinstance(found, Undefined):
        return found
    return found.effects[effect].partial_eta_squared


def _below(value: float) -> float:
    return float("nan") if np.isnan(value) else (float(value < 0) + float(value <= 0)) / 2


def _by_repository(matrix: Matrix, keep: Keep, value: Callable[[Cell], float]) -> np.ndarray:
    """Mean of ``value`` over each repository's cells (repositories), those without one left out."""
    means = []
    for world in matrix.lab.worlds:
        own = [value(cell) for cell in matrix.cells if cell.world == world and keep(cell)]
        known = [v for v in own if not np.isnan(v)]
        if known:
            means.append(float(np.mean(known)))
    return np.array(means)
