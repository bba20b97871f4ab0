"""How much successive adapter updates overlap: cosine and principal angles between ΔW = s·B·A.

Everything is computed from the factors, never from the d_out × d_in product: for rank r that is
O((d_out + d_in)·r²) instead of O(d_out·d_in·min(d_out, d_in)).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from stages.stats.intervals import Undefined

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LowRankUpdate:
    """One module's update ΔW = scaling · B · A."""

    B: Matrix
    """d_out × r"""
    A: Matrix
    """r × d_in"""
    scaling: float = 1.0
    """alpha / r of the adapter"""

    def __post_init__(self) -> None:
        if self.B.ndim != 2 or self.A.ndim != 2 or self.B.shape[1] != self.A.shape[0]:
            raise ValueError(
                f"B of shape {self.B.shape} and A of shape {self.A.shape} make no update; they are "
                "d_out × r and r × d_in. PEFT stores lora_B.weight and lora_A.weight so."
            )


@dataclass(frozen=True, eq=False)
class Overlap:
    """Overlap of two updates of one module."""

    cosine: float
    """Frobenius cosine, in [-1, 1]"""
    output_angles: Matrix
    """principal angles between column spaces, radians, ascending"""
    input_angles: Matrix
    """principal angles between row spaces, radians, ascending"""


def inner_product(first: LowRankUpdate, second: LowRankUpdate) -> float:
    """Frobenius inner product ⟨ΔW₁, ΔW₂⟩ = s₁s₂ Σ (B₁ᵀB₂) ∘ (A₁A₂ᵀ)."""
    product = np.sum((first.B.T @ second.B) * (first.A @ second.A.T))
    return float(first.scaling * second.scaling * product)


def singular_bases(update: LowRankUpdate) -> tuple[Matrix, Matrix]:
    """Orthonormal bases of ΔW's column space (d_out × k) and row space (d_in × k), k its rank.

    k counts singular values above max(d_out, d_in)·ε of the largest, as numpy's matrix_rank.
    """
    q_out, r_out = np.linalg.qr(update.scaling * update.B.astype(float))
    q_in, r_in = np.linalg.qr(update.A.astype(float).T)
    left, values, right_t = np.linalg.svd(r_out @ r_in.T)
    size = max(update.B.shape[0], update.A.shape[1])
    rank = int(np.sum(values > values[0] * size * np.finfo(float).eps)) if values.size else 0
    return q_out @ left[:, :rank], q_in @ right_t.T[:, :rank]


def principal_angles(first: Matrix, second: Matrix) -> Matrix:
    """Principal angles (min(k₁, k₂)) between two orthonormal bases, radians, ascending.

    Cosines are singular values of Q₁ᵀQ₂; below 45° the sines are used, since arccos loses half the
    digits near 0. Reference: Björck & Golub (1973), Mathematics of Computation 27.
    """
    if first.shape[1] < second.shape[1]:
        first, second = second, first
    overlap = first.T @ second
    cosines = np.clip(np.linalg.svd(overlap, compute_uv=False), 0, 1)
    sines = np.clip(np.linalg.svd(second - first @ overlap, compute_uv=False)[::-1], 0, 1)
    return np.where(cosines**2 > 0.5, np.arcsin(sines), np.arccos(cosines))


def update_overlap(first: LowRankUpdate, second: LowRankUpdate) -> Overlap | Undefined:
    """Cosine and principal angles between two updates of one module; undefined if one is zero.

    Cosine near 0 and angles near 90° mean that the updates touch different subspaces. Random
    updates in d dimensions have a cosine of about ± 1/sqrt(d_out·d_in), so compare with that.

    >>> e1, e2 = np.eye(3)[:, :1], np.eye(3)[:, 1:2]
    >>> o = update_overlap(LowRankUpdate(e1, e1.T), LowRankUpdate(e1, e2.T))
    >>> o.cosine, o.output_angles.tolist(), o.input_angles.round(3).tolist()
    (0.0, [0.0], [1.571])
    """
    if first.B.shape[0] != second.B.shape[0] or first.A.shape[1] != second.A.shape[1]:
        raise ValueError("The two updates belong to modules of different shapes; compare by name.")
    out_1, in_1 = singular_bases(first)
    out_2, in_2 = singular_bases(second)
    if out_1.shape[1] == 0 or out_2.shape[1] == 0:
        return Undefined("an update is zero")
    norms = np.sqrt(inner_product(first, first)) * np.sqrt(inner_product(second, second))
    cosine = float(np.clip(inner_product(first, second) / norms, -1, 1))
    return Overlap(cosine, principal_angles(out_1, out_2), principal_angles(in_1, in_2))


def successive_overlaps(
    updates: list[Mapping[str, LowRankUpdate]],
) -> list[dict[str, Overlap | Undefined]]:
    """Overlap of each update with the next, by module name: one mapping per step.

    ``updates`` are the ΔW added by each training step, module name → factors. ValueError if the
    modules differ between two of them.
    """
    overlaps = []
    for step, (before, after) in enumerate(pairwise(updates)):
        if before.keys() != after.keys():
            odd = sorted(before.keys() ^ after.keys())[0]
            raise ValueError(
                f"Module {odd!r} is in only one of updates {step} and {step + 1}. Compare adapters "
                "with the same target modules."
            )
        overlaps.append(
            {name: update_overlap(before[name], after[name]) for name in sorted(before)}
        )
    return overlaps
