"""Mean squares, Satterthwaite's degrees of freedom, and intervals for their sums and differences.

A mean square S² with n degrees of freedom estimates θ, and n·S²/θ is χ² with n df.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import special


@dataclass(frozen=True)
class MeanSquare:
    """A sum of squares over its degrees of freedom."""

    value: float
    """S², in the unit squared"""
    df: float
    """degrees of freedom; a fraction for a sum of mean squares"""


def satterthwaite(parts: Sequence[MeanSquare]) -> MeanSquare:
    """The sum of independent mean squares, df = (ΣS²)² / Σ(S⁴/n); one part stays as it is.

    Reference: Satterthwaite (1946), Biometrics Bulletin 2, eq. 17.

    >>> satterthwaite([MeanSquare(1.0, 4), MeanSquare(1.0, 4)])
    MeanSquare(value=2.0, df=8.0)
    """
    total = sum(part.value for part in parts)
    spread = sum(part.value**2 / part.df for part in parts)
    if len(parts) == 1 or spread == 0:
        return MeanSquare(total, parts[0].df)
    return MeanSquare(total, total**2 / spread)


def mls_interval(
    plus: Sequence[MeanSquare], minus: Sequence[MeanSquare], alpha: float = 0.05
) -> tuple[float, float]:
    """Two-sided 1 - α interval of Σθ(plus) - Σθ(minus), by the modified large-sample method.

    The ends are exact whenever all θ but one are 0, and hold closely between; Wald's and
    Satterthwaite's fail for differences. Ends may lie below 0.

    Reference: Ting, Burdick, Graybill, Jeyaratnam & Lu (1990), J. Statistical Computation and
    Simulation 35; as in Burdick & Graybill (1992), Confidence Intervals on Variance Components,
    §3.3, eqs. 3.3.1–3.3.3.

    >>> lo, hi = mls_interval([MeanSquare(13.5, 1)], [MeanSquare(1.0, 4)])
    >>> lo < 12.5 < hi
    True
    """
    value = sum(p.value for p in plus) - sum(m.value for m in minus)
    tail = alpha / 2
    below = _squared_step(plus, minus, tail)
    above = _squared_step(minus, plus, tail)
    return value - math.sqrt(max(below, 0.0)), value + math.sqrt(max(above, 0.0))


def _squared_step(toward: Sequence[MeanSquare], away: Sequence[MeanSquare], tail: float) -> float:
    """Square of the distance to the lower end, ``toward`` entering with plus.

    The upper end of a difference is the lower end of its negative.
    """
    squared = sum((_shrink(p.df, tail) * p.value) ** 2 for p in toward)
    squared += sum((_stretch(m.df, tail) * m.value) ** 2 for m in away)
    for p in toward:
        for m in away:
            squared += _cross(p.df, m.df, tail) * p.value * m.value
    for first, second in combinations(toward, 2):
        both = _joint(first.df, second.df, tail) / (len(toward) - 1)
        squared += both * first.value * second.value
    return float(squared)


def _shrink(df: float, tail: float) -> float:
    """G = 1 - 1/F(tail; n, ∞)."""
    return 1 - df / float(special.chdtri(df, tail))


def _stretch(df: float, tail: float) -> float:
    """H = 1/F(1 - tail; n, ∞) - 1."""
    return df / float(special.chdtri(df, 1 - tail)) - 1


def _cross(first: float, second: float, tail: float) -> float:
    """((F - 1)² - G²F² - H²)/F with F the upper ``tail`` quantile for (n₁, n₂) df."""
    f = float(special.fdtri(first, second, 1 - tail))
    g, h = _shrink(first, tail), _stretch(second, tail)
    return ((f - 1) ** 2 - (g * f) ** 2 - h**2) / f


def _joint(first: float, second: float, tail: float) -> float:
    """((1 - 1/F(tail; n₁ + n₂, ∞))²(n₁ + n₂)²/(n₁n₂) - G₁²n₁/n₂ - G₂²n₂/n₁)."""
    together = (_shrink(first + second, tail) * (first + second)) ** 2 / (first * second)
    parts = _shrink(first, tail) ** 2 * first / second, _shrink(second, tail) ** 2 * second / first
    return together - float(np.sum(parts))
