"""Overlap of the updates of successive checkpoints, and whether it goes with forgetting.

seeds/000 supposes that seeds which forget keep changing the same subspace. Two adapters of one run
hold A₁, B₁ and A₂, B₂; the update between them is ΔW₂ - ΔW₁, of rank up to r₁ + r₂, and is kept as
factors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from stages.stats.intervals import Estimate, Undefined, z_quantile
from stages.stats.updates import LowRankUpdate, Overlap, successive_overlaps

Weights = Mapping[str, tuple[ArrayLike, ArrayLike]]
"""Module -> (A (r, d_in), B (d_out, r)), as ``stages.adapters.lora.factors`` gives them."""
EXACT = 8
"""Most pairs whose pairings are all counted: 8! = 40,320."""


def updates_between(
    checkpoints: Sequence[tuple[Weights, float]], start: str = "previous"
) -> list[dict[str, LowRankUpdate]]:
    """What each checkpoint added, by module; ``checkpoints`` are (factors, alpha / rank) in order.

    ``start`` 'previous': training went on, and checkpoint k added ΔW_k - ΔW_{k-1}, the first ΔW_1
    itself. 'base': each adapter was trained afresh and is its own update.

    >>> first = {"q": ([[1.0, 0.0]], [[1.0], [0.0]])}
    >>> added = updates_between([(first, 2.0), (first, 2.0)])
    >>> [float(np.abs(u["q"].B @ u["q"].A).max()) for u in added]
    [2.0, 0.0]
    """
    if start not in ("previous", "base"):
        raise ValueError(f"start is {start!r}; an update starts at 'previous' or at 'base'.")
    updates: list[dict[str, LowRankUpdate]] = []
    before: Weights = {}
    scaling_before = 1.0
    for weights, scaling in checkpoints:
        if before and before.keys() != weights.keys():
            odd = sorted(before.keys() ^ weights.keys())[0]
            raise ValueError(
                f"Module {odd!r} is in one checkpoint's adapter and not in the next. Compare "
                "adapters with the same target modules."
            )
        added: dict[str, LowRankUpdate] = {}
        for name, (a, b) in weights.items():
            factors = np.asarray(a, dtype=float), scaling * np.asarray(b, dtype=float)
            if before:
                a_old, b_old = (np.asarray(each, dtype=float) for each in before[name])
                joined = np.vstack([factors[0], a_old])
                factors = joined, np.hstack([factors[1], -scaling_before * b_old])
            added[name] = compressed(B=factors[1], A=factors[0])
        updates.append(added)
        if start == "previous":
            before, scaling_before = weights, scaling
    return updates


def compressed(B: np.ndarray, A: np.ndarray) -> LowRankUpdate:
    """B·A (d_out × r times r × d_in) with as many columns as its rank, one of zeros if it is zero.

    In a difference of adapters the factors cancel: a singular value below max(d_out, d_in)·ε of the
    factors' norms is rounding, though it may be large beside the difference itself.
    """
    (q_out, r_out), (q_in, r_in) = np.linalg.qr(B), np.linalg.qr(A.T)
    left, values, right = np.linalg.svd(r_out @ r_in.T)
    rounding = max(B.shape[0], A.shape[1]) * float(np.finfo(float).eps)
    kept = values > rounding * float(np.linalg.norm(B)) * float(np.linalg.norm(A))
    if not kept.any():
        return LowRankUpdate(np.zeros((B.shape[0], 1)), np.zeros((1, A.shape[1])))
    left, right = left[:, : kept.size][:, kept], right[: kept.size][kept]
    return LowRankUpdate(q_out @ left * values[kept], right @ q_in.T)


@dataclass(frozen=True)
class ModuleOverlap:
    """Overlap of an update with the one before it, in one module."""

    cosine: float
    """Frobenius cosine, in [-1, 1]"""
    chance: float
    """standard deviation of the cosine of random updates of this shape, 1/√(d_out·d_in)"""
    smallest_output_angle: float
    """smallest principal angle between the column spaces, degrees"""
    mean_output_angle: float
    """mean of those angles, degrees; 90 is orthogonal"""
    smallest_input_angle: float
    """smallest principal angle between the row spaces, degrees"""
    mean_input_angle: float
    """mean of those angles, degrees"""


@dataclass(frozen=True)
class StepOverlap:
    """Overlap of one update with the one before it."""

    modules: dict[str, ModuleOverlap | Undefined]
    """by module; undefined where an update is zero"""
    mean_cosine: float | Undefined
    """mean over modules where it is defined"""
    mean_abs_cosine: float | Undefined
    """mean of ∣cosine∣: updates that undo each other overlap too"""


def overlap_rows(updates: Sequence[Mapping[str, LowRankUpdate]]) -> list[StepOverlap]:
    """One row per pair of successive updates (K - 1 for K updates).

    >>> e = np.eye(2)
    >>> u = {"q": LowRankUpdate(e[:, :1], e[:1])}
    >>> row = overlap_rows([u, u])[0]
    >>> row.mean_cosine, row.modules["q"].smallest_output_angle, row.modules["q"].chance
    (1.0, 0.0, 0.5)
    """
    return [
        _row(overlaps, before)
        for overlaps, before in zip(successive_overlaps(list(updates)), updates, strict=False)
    ]


def _row(
    overlaps: Mapping[str, Overlap | Undefined], updates: Mapping[str, LowRankUpdate]
) -> StepOverlap:
    modules: dict[str, ModuleOverlap | Undefined] = {}
    for name, overlap in overlaps.items():
        if isinstance(overlap, Undefined):
            modules[name] = overlap
            continue
        size = updates[name].B.shape[0] * updates[name].A.shape[1]
        out, into = np.degrees(overlap.output_angles), np.degrees(overlap.input_angles)
        modules[name] = ModuleOverlap(
            overlap.cosine,
            1 / math.sqrt(size),
            *(float(value) for value in (out.min(), out.mean(), into.min(), into.mean())),
        )
    known = [m.cosine for m in modules.values() if not isinstance(m, Undefined)]
    if not known:
        none = Undefined("no module has two updates that are not zero")
        return StepOverlap(modules, none, none)
    return StepOverlap(modules, float(np.mean(known)), float(np.mean(np.abs(known))))


@dataclass(frozen=True)
class Relation:
    """Rank correlation of two measurements."""

    spearman: Estimate
    """ρ in [-1, 1], interval by Fisher's z with the variance of Bonett & Wright"""
    p: float
    """two-sided, exact by permutation up to 8 pairs, by t beyond"""


def spearman(
    first: ArrayLike, second: ArrayLike, alpha: float = 0.05, unit: str = "run"
) -> Relation | Undefined:
    """Spearman's ρ of two measurements of the same units (N), NaN in either left out.

    Interval: tanh(atanh ρ ± z·√((1 + ρ²/2)/(N - 3))); at ρ = ±1 that has no width, and the bound
    at ∣ρ∣ = 1 - 1/N² stands in. The pairs are taken as independent: give one pair per run (its mean
    overlap and its forgetting), not one per checkpoint. Undefined for fewer than 5 pairs, or where
    one measurement does not vary.

    References: Spearman (1904), American J. Psychology 15; Bonett & Wright (2000), Psychometrika
    65, eq. 4.

    >>> r = spearman([1, 2, 3, 4, 5, 6], [1, 3, 2, 4, 6, 5])
    >>> round(r.spearman.value, 3), r.spearman.lo < 0.886 < r.spearman.hi
    (0.886, True)
    """
    x, y = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(f"Measurements of shapes {x.shape} and {y.shape}: give one pair per unit.")
    kept = ~(np.isnan(x) | np.isnan(y))
    x, y = x[kept], y[kept]
    if x.size < 5:
        return Undefined(f"{x.size} pairs, at least 5 are needed")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return Undefined("one of the measurements does not vary")
    ranks = stats.rankdata(x), stats.rankdata(y)
    rho = float(np.clip(np.corrcoef(*ranks)[0, 1], -1, 1))
    bounded = float(np.clip(rho, -1 + 1 / x.size**2, 1 - 1 / x.size**2))
    half = z_quantile(alpha) * math.sqrt((1 + bounded**2 / 2) / (x.size - 3))
    lo, hi = (math.tanh(math.atanh(bounded) + way * half) for way in (-1, 1))
    value = Estimate(rho, min(lo, rho), max(hi, rho), x.size, unit, alpha)
    return Relation(value, _spearman_p(ranks[0], ranks[1]))


def _spearman_p(x: np.ndarray, y: np.ndarray) -> float:
    """p of the ranks: the share of all N! pairings as far from 0, counted up to ``EXACT`` pairs."""
    if x.size > EXACT:
        return float(stats.spearmanr(x, y).pvalue)
    orders = np.array(list(permutations(range(x.size))))
    centred = x - x.mean(), y - y.mean()
    products = centred[0][orders] @ centred[1]
    observed = abs(float(centred[0] @ centred[1]))
    return float(np.mean(np.abs(products) >= observed * (1 - 1e-9)))
