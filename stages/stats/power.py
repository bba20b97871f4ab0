"""Power before compute is spent: exact power of McNemar's test and of the non-inferiority rule.

All rates are shares of tasks: ``gain`` the probability that a task goes from wrong to right,
``loss`` from right to wrong. Tasks are taken as independent, with one run each.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from stages.stats.intervals import Estimate, Undefined, tango_statistic, z_quantile


def check_flip_rates(gain: float, loss: float) -> None:
    if gain < 0 or loss < 0 or gain + loss > 1:
        raise ValueError(f"gain {gain} and loss {loss} are not shares of tasks; they sum to ≤ 1.")


def minimum_one_way_flips(alpha: float = 0.05) -> int:
    """Fewest flips, all one way, at which exact McNemar has p ≤ α: 2·(1/2)^b ≤ α.

    >>> minimum_one_way_flips(0.05)
    6
    """
    z_quantile(alpha)
    return math.ceil(1 - math.log2(alpha) - 1e-12)


def critical_flips(discordant: NDArray[np.int_], alpha: float) -> NDArray[np.float64]:
    """Largest minority count, for each number of discordant pairs, that exact McNemar rejects.

    -1 where no split is significant.
    """
    k = stats.binom.ppf(alpha / 2, discordant, 0.5)
    return np.where(2 * stats.binom.cdf(k, discordant, 0.5) <= alpha * (1 + 1e-12), k, k - 1)


def mcnemar_power(n: int, gain: float, loss: float, alpha: float = 0.05) -> float:
    """Exact unconditional power of the two-sided exact McNemar test with n tasks.

    Σ_m P(m discordant) · P(rejected | m), m ~ binomial(n, gain + loss). Rejections in either
    direction count. Reference: Duffy (1984), Biometrics 40, 1005–1015.

    >>> round(mcnemar_power(25, gain=0.24, loss=0.0), 3)
    0.577
    """
    check_flip_rates(gain, loss)
    if gain + loss == 0:
        return 0.0
    m = np.arange(n + 1)
    k = critical_flips(m, alpha)
    share = gain / (gain + loss)
    low = np.where(k >= 0, stats.binom.cdf(k, m, share), 0.0)
    high = np.where(k >= 0, stats.binom.sf(m - k - 1, m, share), 0.0)
    return float(np.sum(stats.binom.pmf(m, n, gain + loss) * (low + high)))


def minimum_detectable_effect(
    n: int, loss: float = 0.0, power: float = 0.8, alpha: float = 0.05
) -> float | Undefined:
    """Smallest gain - loss that exact McNemar finds with ``power`` at n tasks, a share.

    ``loss`` is the share of tasks expected to be lost anyway; to a thousandth.

    >>> minimum_detectable_effect(25)
    0.298
    """
    gains = np.arange(math.ceil(loss * 1000), math.floor((1 - loss) * 1000) + 1) / 1000
    low, high = 0, len(gains) - 1
    if high < 0 or mcnemar_power(n, float(gains[-1]), loss, alpha) < power:
        return Undefined(f"{n} tasks reach no power of {power:g} at any effect; add tasks")
    while low < high:
        middle = (low + high) // 2
        if mcnemar_power(n, float(gains[middle]), loss, alpha) >= power:
            high = middle
        else:
            low = middle + 1
    return round(float(gains[low]) - loss, 3)


def tasks_required(
    gain: float, loss: float, power: float = 0.8, alpha: float = 0.05, limit: int = 5000
) -> int | Undefined:
    """Fewest tasks from which exact McNemar keeps ``power``, also at the 20 sizes after it.

    Exact power saw-tooths in n, so a single lucky size does not count. Undefined past ``limit``.

    >>> tasks_required(gain=0.24, loss=0.0)
    32
    """
    check_flip_rates(gain, loss)
    if gain == loss:
        return Undefined("gains equal losses: there is no effect to find")

    def enough(n: int) -> bool:
        return all(mcnemar_power(m, gain, loss, alpha) >= power for m in (n, n + 7, n + 20))

    high = 2
    while not enough(high):
        high *= 2
        if high > limit:
            return Undefined(f"more than {limit} tasks")
    for n in range(high // 2, high + 1):
        if all(mcnemar_power(m, gain, loss, alpha) >= power for m in range(n, n + 21)):
            return n
    return high


def non_inferiority_power(
    n: int, gain: float, loss: float, margin: float = 0.02, alpha: float = 0.05
) -> float:
    """Exact probability that the drop's whole interval lies below ``margin`` at n problems.

    Sums the trinomial over all counts (b, c) for which Tango's 1 - α interval of gain - loss lies
    above -margin. Check 13 asks for ≥ 0.8 at gain = loss. References: Nam (1997), Biometrics 53;
    Tango (1998).

    >>> round(non_inferiority_power(591, gain=0.03, loss=0.03), 2)
    0.48
    """
    check_flip_rates(gain, loss)
    if not 0 < margin < 1:
        raise ValueError(f"margin is {margin}; give a share, for instance 0.02 for two points.")
    # Counts beyond 1 - 1e-9 of either marginal add nothing that would show in the fourth digit.
    top_b, top_c = (int(stats.binom.ppf(1 - 1e-9, n, rate)) for rate in (gain, loss))
    b, c = np.meshgrid(np.arange(top_b + 1), np.arange(top_c + 1), indexing="ij")
    inside = b + c <= n
    b, c = b[inside], c[inside]
    probability = stats.multinomial.pmf(
        np.stack([b, c, n - b - c], axis=-1), n, [gain, loss, 1 - gain - loss]
    )
    accepted = tango_statistic(b, c, n, -margin) > z_quantile(alpha)
    return float(np.sum(probability * accepted))


def detectable_effect(estimate: Estimate, power: float = 0.8) -> float:
    """Distance from a threshold that an interval of this width would clear with ``power``.

    (1 + z_power/z_{α/2}) · half-width, from the estimate's own interval; inf if that is infinite.
    Reference: Bloom (1995), Evaluation Review 19.
    """
    half = (estimate.hi - estimate.lo) / 2
    return float(half * (1 + special.ndtri(power) / z_quantile(estimate.alpha)))


def n_to_decide(estimate: Estimate, distance: float, power: float = 0.8) -> int | None:
    """Units that would clear a threshold ``distance`` away with ``power``, were the estimate true.

    n·(detectable effect / distance)², since widths shrink with sqrt(n): units of ``estimate.unit``,
    other things kept. None where no number would: an infinite interval, or a distance below a
    ten-thousandth of the effect detectable now, which is nothing.

    >>> n_to_decide(Estimate(0.1, -0.1, 0.3, 25, "task"), distance=0.1)
    205
    """
    effect = detectable_effect(estimate, power)
    if not math.isfinite(effect) or distance <= effect / 10_000:
        return None
    return max(estimate.n + 1, math.ceil(estimate.n * (effect / distance) ** 2))
