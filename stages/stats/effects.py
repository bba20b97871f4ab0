"""Effect sizes of paired comparisons: Cohen's d_z and h, rank-biserial correlation, odds ratio."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from stages.stats.intervals import Estimate, Undefined, z_quantile
from stages.stats.paired import constant, discordant, paired_vectors


def cohens_dz(base: ArrayLike, adapted: ArrayLike) -> float | Undefined:
    """d_z = mean(adapted - base) / sd(adapted - base); undefined without spread.

    pingouin's paired Cohen's d divides by the average of the arms' sds (d_av) and is another
    number. References: Cohen (1988), p. 48; Lakens (2013), Frontiers in Psychology 4:863, eq. 6.

    >>> cohens_dz([1, 2, 3], [2, 4, 6])
    2.0
    """
    before, after = paired_vectors(base, adapted)
    differences = after - before
    if constant(differences):
        return Undefined("the differences do not vary")
    return float(np.mean(differences) / np.std(differences, ddof=1))


def rank_biserial(base: ArrayLike, adapted: ArrayLike) -> float:
    """Matched-pairs rank-biserial correlation (W⁺ - W⁻)/(W⁺ + W⁻), in [-1, 1]; 0 without change.

    Ranks of |adapted - base| over non-zero differences. Reference: Kerby (2014), Comprehensive
    Psychology 3. It is pingouin's RBC, computed here to be there without a test.

    >>> rank_biserial([0, 0, 0], [1, 2, -3])
    0.0
    """
    before, after = paired_vectors(base, adapted)
    differences = (after - before)[after != before]
    if differences.size == 0:
        return 0.0
    ranks = stats.rankdata(np.abs(differences))
    return float(np.sum(ranks * np.sign(differences)) / np.sum(ranks))


def cohens_h(base_rate: float, adapted_rate: float) -> float:
    """h = 2·asin(sqrt(p₂)) - 2·asin(sqrt(p₁)); 0.2 small, 0.5 medium, 0.8 large.

    Reference: Cohen (1988), Statistical Power Analysis, eq. 6.2.1.

    >>> round(cohens_h(0.08, 0.32), 3)
    0.629
    """
    if not (0 <= base_rate <= 1 and 0 <= adapted_rate <= 1):
        raise ValueError(f"Rates {base_rate} and {adapted_rate} must lie in [0, 1].")
    return 2 * math.asin(math.sqrt(adapted_rate)) - 2 * math.asin(math.sqrt(base_rate))


def odds_ratio(base: ArrayLike, adapted: ArrayLike, alpha: float = 0.05) -> Estimate | Undefined:
    """Matched odds ratio gains/losses, the conditional maximum-likelihood estimate.

    Exact interval: Clopper–Pearson ends π of gains among discordant pairs, as π/(1 - π); value or
    end is inf without losses. Undefined without discordant pairs.
    Reference: Breslow & Day (1980), Statistical Methods in Cancer Research I, §5.2.

    >>> e = odds_ratio([0, 0, 0, 1, 1], [1, 1, 1, 0, 1])
    >>> e.value, e.n, round(e.lo, 2), round(e.hi, 1)
    (3.0, 4, 0.24, 157.5)
    """
    z_quantile(alpha)
    gains, losses, _ = discordant(base, adapted)
    if gains + losses == 0:
        return Undefined("no task changed, so the odds of a gain against a loss have no data")

    def odds(share: float) -> float:
        return share / (1 - share) if share < 1 else math.inf

    lo = float(special.betaincinv(gains, losses + 1, alpha / 2)) if gains else 0.0
    hi = float(special.betaincinv(gains + 1, losses, 1 - alpha / 2)) if losses else 1.0
    value = gains / losses if losses else math.inf
    return Estimate(value, odds(lo), odds(hi), gains + losses, "discordant task", alpha)
