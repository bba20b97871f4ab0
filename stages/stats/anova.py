"""Two-way analysis of variance, model × repository, with effect sizes and its assumptions checked.

One value per run of a cell: forward transfer of a base model on a repository, in one split. Splits
of a cell are its replicates.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

from stages.stats.intervals import Estimate, Undefined, z_quantile

Floats = NDArray[np.float64]
FACTORS = ("model", "repository", "model × repository")
CHECK_ALPHA = 0.05


@dataclass(frozen=True)
class Effect:
    """One row of the table."""

    sum_of_squares: float
    """type II, in the value's unit squared"""
    df: int
    """degrees of freedom; 0 for an effect that the cells cannot show"""
    f: float | Undefined
    """F against the residual"""
    p: float | Undefined
    """its p-value"""
    partial_eta_squared: Estimate | Undefined
    """SS/(SS + SS_residual), with the interval of the population's share"""
    partial_omega_squared: Estimate | Undefined
    """the less biased estimate of that share, floored at 0; the same interval"""


@dataclass(frozen=True)
class Check:
    """One assumption check. It informs; nothing is decided by it."""

    name: str
    """'Levene by model', 'Shapiro–Wilk of residuals', …"""
    p: float | Undefined
    """p-value of 'the assumption holds'"""

    @property
    def doubtful(self) -> bool:
        """Whether the data speak against the assumption at 0.05."""
        return isinstance(self.p, float) and self.p < CHECK_ALPHA


@dataclass(frozen=True)
class Anova:
    """The whole analysis."""

    effects: dict[str, Effect]
    """'model', 'repository', 'model × repository'"""
    residual_df: int
    """degrees of freedom of the residual"""
    residual_mean_square: float | Undefined
    """the error's variance, in the value's unit squared"""
    residual: str
    """what the residual is: 'replicates within cells' or 'interaction' (one value per cell)"""
    checks: list[Check]
    """Levene and Shapiro–Wilk"""
    notes: list[str]
    """empty and unbalanced cells, and what follows from them"""


def two_way_anova(
    model: Sequence[Hashable], repository: Sequence[Hashable], value: ArrayLike, alpha: float = 0.05
) -> Anova:
    """Two-way ANOVA of N values, each with its model and repository; NaN values are left out.

    Type II sums of squares by comparing nested linear models, so unbalanced cells are allowed: each
    main effect is adjusted for the other, not for the interaction, and the residual is that of all
    cells. With one value per cell there is no residual but the interaction, which is then not
    tested. Assumes errors alike in all cells, normal and independent; splits of a repository share
    tasks, so the residual is too small if they do. Effects a table cannot show are ``Undefined``
    with the reason, never zero. ValueError for lengths that differ or nothing measured.

    partial η² = SS/(SS + SS_e); partial ω² = df·(F - 1)/(df·(F - 1) + N). Interval: the
    noncentralities λ at which F is at its α/2 and 1 - α/2 quantile, as λ/(λ + N).

    References: Langsrud (2003), Statistics and Computing 13, on type II; Steiger (2004),
    Psychological Methods 9, on intervals; Olejnik & Algina (2003), Psychological Methods 8, on ω².

    >>> a = two_way_anova("aaaabbbb", "xxyyxxyy", [1, 2, 3, 4, 5, 6, 7, 8])
    >>> e = a.effects["model"]
    >>> e.f, e.df, a.residual_df, round(e.partial_eta_squared.value, 3)
    (64.0, 1, 4, 0.941)
    """
    z_quantile(alpha)
    table = checked_table(model, repository, value)
    y, rows, columns = table
    designs = nested_designs(rows, columns)
    rss = {name: _fit(design, y) for name, design in designs.items()}
    replicated = y.size > np.unique(np.column_stack([rows, columns]), axis=0).shape[0]
    full = "cells" if replicated else "both"
    (residual, rank), residuals = rss[full][:2], rss[full][2]
    df = y.size - rank
    # Squares below this are rounding error: the model fits every value.
    floor = 1e-20 * max(float(np.sum(y**2)), 1e-300) + 1e-16 * float(np.sum((y - y.mean()) ** 2))
    pairs = {"model": ("both", "columns"), "repository": ("both", "rows")}
    effects = {}
    for name, (larger, smaller) in {**pairs, FACTORS[2]: ("cells", "both")}.items():
        squares = max(rss[smaller][0] - rss[larger][0], 0.0)
        freedom = rss[larger][1] - rss[smaller][1]
        problem = _problem(name, freedom, df, residual <= floor, replicated)
        effects[name] = _effect(squares, freedom, residual, df, y.size, alpha, problem)
    return Anova(
        effects,
        df,
        residual / df if df else Undefined("no value is left over for the residual"),
        "replicates within cells" if replicated else "interaction",
        assumption_checks(table, residuals),
        _notes(rows, columns),
    )


def checked_table(
    model: Sequence[Hashable], repository: Sequence[Hashable], value: ArrayLike
) -> tuple[Floats, NDArray[np.int_], NDArray[np.int_]]:
    values = np.asarray(value, dtype=float)
    if values.ndim != 1 or not len(model) == len(repository) == values.size:
        raise ValueError(
            f"{values.shape} values, {len(model)} models and {len(repository)} repositories: give "
            "one of each per value."
        )
    kept = ~np.isnan(values)
    if not kept.any():
        raise ValueError("There is no measured value: all are NaN. Check the cells read.")
    labels = []
    for factor in (model, repository):
        seen = [label for label, keep in zip(factor, kept, strict=True) if keep]
        number = {label: i for i, label in enumerate(dict.fromkeys(seen))}
        labels.append(np.array([number[label] for label in seen]))
    return values[kept], labels[0], labels[1]


def nested_designs(rows: NDArray[np.int_], columns: NDArray[np.int_]) -> dict[str, Floats]:
    """Indicator designs: one factor, the other, both, and every cell of its own."""
    by_row, by_column = np.eye(rows.max() + 1)[rows], np.eye(columns.max() + 1)[columns]
    cell = np.unique(rows * (columns.max() + 1) + columns, return_inverse=True)[1]
    return {
        "rows": by_row,
        "columns": by_column,
        "both": np.column_stack([by_row, by_column]),
        "cells": np.eye(cell.max() + 1)[cell],
    }


def _fit(design: Floats, y: Floats) -> tuple[float, int, Floats]:
    coefficients, _, rank, _ = np.linalg.lstsq(design, y, rcond=1e-10)
    left = y - design @ coefficients
    return float(np.sum(left**2)), int(rank), left


def _problem(name: str, freedom: int, df: int, exact: bool, replicated: bool) -> str:
    if name == FACTORS[2] and not replicated:
        return "one value per cell: the interaction is the residual"
    if freedom == 0:
        return f"the cells measured cannot tell {name} apart from the rest"
    if df == 0:
        return "no value is left over for the residual"
    return "the values within cells do not vary, so F has no denominator" if exact else ""


def _effect(
    squares: float, df: int, residual: float, residual_df: int, n: int, alpha: float, problem: str
) -> Effect:
    if problem:
        none = Undefined(problem)
        return Effect(squares, df, none, none, none, none)
    f = squares / df / (residual / residual_df)
    lo, hi = (share / (share + n) for share in noncentralities(f, df, residual_df, alpha))
    eta = squares / (squares + residual)
    omega = max(0.0, df * (f - 1) / (df * (f - 1) + n))
    shares = [Estimate(v, min(lo, v), max(hi, v), n, "run of a cell", alpha) for v in (eta, omega)]
    return Effect(squares, df, f, float(special.fdtrc(df, residual_df, f)), *shares)


def noncentralities(f: float, df: int, residual_df: int, alpha: float) -> tuple[float, float]:
    """λ at which ``f`` is the 1 - α/2 and the α/2 quantile of noncentral F; 0 where none is.

    Reference: Steiger (2004), Psychological Methods 9, eq. 15.
    """

    def at(level: float) -> float:
        def excess(noncentrality: float) -> float:
            return float(special.ncfdtr(df, residual_df, noncentrality, f)) - level

        if excess(0.0) <= 0:
            return 0.0
        high = 1.0 + 2 * df * f
        while excess(high) > 0:
            high *= 2
        return cast(float, optimize.brentq(excess, 0.0, high, xtol=1e-9))

    return at(1 - alpha / 2), at(alpha / 2)


def assumption_checks(
    table: tuple[Floats, NDArray[np.int_], NDArray[np.int_]], residuals: Floats
) -> list[Check]:
    """Levene (Brown–Forsythe) by model, by repository and over cells, and Shapiro–Wilk.

    By a factor, each cell gives one number, its mean ∣value - median∣ (∣residual∣ with one value
    per cell): two values stand equally far from their median, and taking both would count every
    number twice. Over cells Levene needs three values in each.
    References: Brown & Forsythe (1974), JASA 69; Shapiro & Wilk (1965), Biometrika 52.
    """
    y, rows, columns = table
    groups = {
        key: np.flatnonzero((rows == key[0]) & (columns == key[1]))
        for key in sorted(set(zip(rows.tolist(), columns.tolist(), strict=True)))
    }
    sizes = {index.size for index in groups.values()}
    spread = {
        key: float(np.mean(np.abs(y[index] - np.median(y[index]))))
        if max(sizes) > 1
        else float(abs(residuals[index[0]]))
        for key, index in groups.items()
        if index.size > 1 or max(sizes) == 1
    }
    checks = []
    for axis, factor in enumerate(FACTORS[:2]):
        levels = sorted({key[axis] for key in spread})
        parts = [[s for key, s in spread.items() if key[axis] == level] for level in levels]
        checks.append(Check(f"Levene by {factor}", _one_way([p for p in parts if len(p) > 1])))
    if min(sizes) >= 3 and len(groups) > 1 and np.ptp(residuals) > 0:
        p = float(stats.levene(*(y[i] for i in groups.values()), center="median").pvalue)
        checks.append(Check("Levene over cells", p))
    else:
        few = Undefined("it needs three varying values in every cell")
        checks.append(Check("Levene over cells", few))
    flat = Undefined("it needs three residuals that vary")
    varies = residuals.size >= 3 and np.ptp(residuals) > 1e-10 * float(np.max(np.abs(y)) or 1.0)
    normal = float(stats.shapiro(residuals).pvalue) if varies else flat
    return [*checks, Check("Shapiro–Wilk of residuals", normal)]


def _one_way(parts: list[list[float]]) -> float | Undefined:
    values = [v for part in parts for v in part]
    if len(parts) < 2 or np.ptp(values) <= 1e-12 * max(values):
        return Undefined("it needs two levels with two varying cells each")
    with warnings.catch_warnings():
        # Spreads that vary between levels only: F is infinite and p is 0, as it should be.
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        return float(stats.f_oneway(*parts).pvalue)


def _notes(rows: NDArray[np.int_], columns: NDArray[np.int_]) -> list[str]:
    counts = np.zeros((rows.max() + 1, columns.max() + 1), dtype=int)
    np.add.at(counts, (rows, columns), 1)
    notes = []
    if (counts == 0).any():
        notes.append(
            f"{int((counts == 0).sum())} of {counts.size} cells are empty: the interaction is of "
            "the cells measured only."
        )
    filled = counts[counts > 0]
    if np.ptp(filled) > 0:
        notes.append(
            f"Cells hold {filled.min()} to {filled.max()} values: sums of squares are type II and "
            "do not add up to the total."
        )
    if filled.max() > 1 and (filled == 1).any():
        notes.append(f"{int((filled == 1).sum())} cells hold one value and say nothing of spread.")
    return notes
