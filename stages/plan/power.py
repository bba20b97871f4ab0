"""Power of the registered comparison before anything runs: exact two-sided McNemar, n tasks.

The stats stage computes the same after a run (and a stage doesn't import another); a test holds
the two together.
"""

from __future__ import annotations

import numpy as np
from scipy import stats


def mcnemar_power(n: int, gain: float, loss: float, alpha: float) -> float:
    """Σ over discordant counts m of P(m)·P(rejected | m); gain and loss are shares of tasks."""
    m = np.arange(n + 1)
    k = stats.binom.ppf(alpha / 2, m, 0.5)
    k = np.where(2 * stats.binom.cdf(k, m, 0.5) <= alpha * (1 + 1e-12), k, k - 1)
    share = gain / (gain + loss)
    tails = stats.binom.cdf(k, m, share) + stats.binom.sf(m - k - 1, m, share)
    return float(np.sum(stats.binom.pmf(m, n, gain + loss) * np.where(k >= 0, tails, 0.0)))


def detectable_effect(n: int, loss: float, power: float, alpha: float) -> float | None:
    """Smallest gain - loss, a share to a thousandth, found with ``power``; None where none is."""
    for points in range(1, int((1 - 2 * loss) * 1000) + 1):
        if mcnemar_power(n, loss + points / 1000, loss, alpha) >= power:
            return points / 1000
    return None
