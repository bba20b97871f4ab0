"""An estimate with its interval, and the score intervals for one rate and for two paired rates.

Everything here is in the units of its input: rates lie in [0, 1], differences in [-1, 1]. The
intervals are score intervals, never Wald: at 0 of n, at n of n and at n = 1 they stay wide, where
a Wald interval or a bootstrap collapses to a point and calls one lucky task a certainty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

OF_LEVELS = "task (levels)"
"""Unit of an estimate that is one of the levels that were run, such as a number of examples: where
all resamples choose the same one its interval has no width."""


@dataclass(frozen=True)
class Estimate:
    """A point estimate with its two-sided 1 - α confidence interval."""

    value: float
    """the point estimate, in the metric's own unit"""
    lo: float
    """lower end; -inf where the data bound nothing from below"""
    hi: float
    """upper end; inf where the data bound nothing from above"""
    n: int
    """number of units of replication, not of rows"""
    unit: str
    """what n counts: 'task', 'problem', 'pair', 'split'"""
    alpha: float = 0.05
    """two-sided error rate of the interval"""

    def __post_init__(self) -> None:
        if not self.lo <= self.value <= self.hi:
            raise ValueError(
                f"Estimate: value {self.value} lies outside its interval [{self.lo}, {self.hi}] "
                f"(n = {self.n} {self.unit}). Pass the ends in order, around the value."
            )

    def as_dict(self) -> dict[str, Any]:
        """Fields for a JSON file; an end that is not finite is ``None``."""
        ends = {"value": self.value, "lo": self.lo, "hi": self.hi}
        finite = {name: end if math.isfinite(end) else None for name, end in ends.items()}
        return {**finite, "n": self.n, "unit": self.unit, "alpha": self.alpha}


@dataclass(frozen=True)
class Undefined:
    """A quantity the data do not define. It prints as 'undefined: reason' and is never a zero."""

    reason: str
    """why, in one sentence"""

    def __str__(self) -> str:
        return f"undefined: {self.reason}"


def z_quantile(alpha: float) -> float:
    """Two-sided normal critical value at ``alpha``; ValueError outside (0, 1)."""
    if not 0 < alpha < 1:
        raise ValueError(
            f"alpha is {alpha}; an error rate lies between 0 and 1, for instance 0.05."
        )
    return float(-special.ndtri(alpha / 2))


def wilson(successes: float, n: float, alpha: float = 0.05, unit: str = "task") -> Estimate:
    """Wilson score interval of a rate.

    (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n), p = successes/n.

    Assumes n independent trials of one rate. At 0 of n it is [0, z²/(n+z²)], so one trial leaves
    [0, 0.79]. ``n`` may be an effective, fractional size; ``Estimate.n`` is then rounded.
    Raises ValueError unless 0 ≤ successes ≤ n and n > 0.

    References: Wilson (1927), JASA 22; Brown, Cai & DasGupta (2001), Statistical Science 16.

    >>> e = wilson(2, 25)
    >>> round(e.value, 3), round(e.lo, 3), round(e.hi, 3)
    (0.08, 0.022, 0.25)
    """
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(
            f"wilson: {successes} successes of {n} is no rate. Give 0 ≤ successes ≤ n, n > 0."
        )
    rate = successes / n
    lo, hi = wilson_ends(rate, n, z_quantile(alpha))
    return Estimate(rate, lo, hi, max(1, round(n)), unit, alpha)


def wilson_ends(rate: float, n: float, critical: float) -> tuple[float, float]:
    """Ends of the Wilson interval at any critical value (normal or t) and effective size."""
    square = critical**2
    centre = (rate + square / (2 * n)) / (1 + square / n)
    half = critical * math.sqrt(rate * (1 - rate) / n + square / (4 * n * n)) / (1 + square / n)
    return max(0.0, min(rate, centre - half)), min(1.0, max(rate, centre + half))


def tango_statistic(
    gains: ArrayLike, losses: ArrayLike, n: ArrayLike, difference: ArrayLike
) -> NDArray[np.float64]:
    """Score statistic of H0: gain rate - loss rate = ``difference``, for paired binary outcomes.

    T(δ) = (b - c - nδ) / sqrt(n(2q + δ(1-δ))), with b gains, c losses and q the loss rate's
    maximum-likelihood estimate under H0, the root of 2n·q² + (-b-c+(2n-b+c)δ)·q - cδ(1-δ) = 0.
    Standard normal under H0; T(0)² is McNemar's χ² without correction. Works element by element.

    Reference: Tango (1998), Statistics in Medicine 17, 891–908, eqs. 12–15.
    """
    b, c, size, delta = (np.asarray(x, dtype=float) for x in (gains, losses, n, difference))
    linear = -b - c + (2 * size - b + c) * delta
    constant = -c * delta * (1 - delta)
    root = np.sqrt(np.maximum(linear**2 - 8 * size * constant, 0))
    loss_rate = (root - linear) / (4 * size)
    variance = size * (2 * loss_rate + delta * (1 - delta))
    score = b - c - size * delta
    # Zero variance: the restricted model has no discordance, so any nonzero score is impossible.
    safe = np.where(variance > 1e-15, variance, 1.0)
    infinite = np.where(np.abs(score) < 1e-12, 0.0, np.copysign(np.inf, score))
    return np.where(variance > 1e-15, score / np.sqrt(safe), infinite)


def tango_ends(gains: float, losses: float, n: float, critical: float) -> tuple[float, float]:
    """The differences at which ``tango_statistic`` equals ± ``critical`` (normal or t)."""
    value = (gains - losses) / n

    def excess(delta: float, level: float) -> float:
        return float(np.clip(tango_statistic(gains, losses, n, delta) - level, -1e9, 1e9))

    inside = 1 - 1e-12
    lo = hi = value
    # A critical value far out, as at one degree of freedom, may be reached nowhere: the end is ± 1.
    if value > -inside and excess(-inside, critical) <= 0:
        lo = -1.0
    elif value > -inside:
        lo = cast(float, optimize.brentq(excess, -inside, value, args=(critical,), xtol=1e-10))
    if value < inside and excess(inside, -critical) >= 0:
        hi = 1.0
    elif value < inside:
        hi = cast(float, optimize.brentq(excess, value, inside, args=(-critical,), xtol=1e-10))
    return min(lo, value), max(hi, value)


def paired_risk_difference(
    gains: int, losses: int, n: int, alpha: float = 0.05, unit: str = "task"
) -> Estimate:
    """Difference of two paired rates, adapted - base, with Tango's score interval.

    ``gains`` tasks went from wrong to right, ``losses`` from right to wrong, of ``n`` in all.
    Assumes one pair per task and independent tasks; for several runs use
    ``clusters.clustered_difference``. Without any flip the interval is ± z²/(n+z²): 25 unchanged
    tasks leave ± 13 points, and one task leaves ± 79.
    Raises ValueError unless gains + losses ≤ n and all are ≥ 0.

    References: Tango (1998), Statistics in Medicine 17; recommended for small n by Fagerland,
    Lydersen & Laake (2013), BMC Medical Research Methodology 13:91.

    >>> e = paired_risk_difference(gains=6, losses=0, n=25)
    >>> round(e.value, 3), round(e.lo, 3), round(e.hi, 3)
    (0.24, 0.075, 0.434)
    """
    if n <= 0 or gains < 0 or losses < 0 or gains + losses > n:
        raise ValueError(
            f"paired_risk_difference: {gains} gains and {losses} losses do not fit {n} pairs. "
            "Count each pair once: gained, lost or unchanged."
        )
    lo, hi = tango_ends(gains, losses, n, z_quantile(alpha))
    return Estimate((gains - losses) / n, lo, hi, n, unit, alpha)
