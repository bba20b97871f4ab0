"""The verdict rule: one rule for all criteria of an experiment.

Holm and intervals together. For each criterion p is the smallest α at which its two-sided interval
stands clear of the threshold, on either side. Criteria are ranked by p; the one of rank r gets its
interval at α/(m - r + 1), as long as every earlier one was clear at its own. From the first that is
not clear, at rank k, all later ones get α/(m - k + 1) too: their p is no smaller, so there they are
not clear either. Hence every verdict can be read from the interval printed beside it, and the
decisions are exactly Holm's step-down: where estimands stand on their thresholds, a 'supported' or
'refuted' occurs for any of them with probability at most α, whatever their dependence; that the
side is right too is proven for independent ones (Shaffer). The intervals are marginal, each at its
own level; joint coverage would take α/m for all.

References: Holm (1979), Scandinavian J. of Statistics 6; Shaffer (1980), Annals of Statistics 8, on
directions; Serlin (1993), J. of Experimental Education 61, on intervals at Holm's levels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from stages.stats.intervals import Estimate, Undefined
from stages.stats.power import detectable_effect, n_to_decide

Estimand = Callable[[float], Estimate | Undefined]
"""α → the estimate with its two-sided 1 - α interval; a smaller α never gives a narrower one."""

SUPPORTED, REFUTED, INCONCLUSIVE = "supported", "refuted", "inconclusive"
EXPLORATORY = "EXPLORATORY"
COMPARATORS = (">", ">=", "<", "<=", "within")
SMALLEST_ALPHA = 1e-12


@dataclass(frozen=True)
class Criterion:
    """(estimand, comparator, threshold), for instance ``retention.full_replay.min > 0.90``."""

    name: str
    """name in the registration, unique in its family"""
    estimand: Estimand
    """α → Estimate, or Undefined with the reason"""
    comparator: str
    """the right side: '>', '>=', '<', '<=' the threshold, or 'within' ± the threshold"""
    threshold: float
    """in the estimand's own unit"""

    def __post_init__(self) -> None:
        if self.comparator not in COMPARATORS:
            raise ValueError(
                f"Criterion {self.name!r}: comparator {self.comparator!r} is unknown. Use one of "
                f"{', '.join(COMPARATORS)}."
            )
        if not math.isfinite(self.threshold) or (
            self.comparator == "within" and self.threshold <= 0
        ):
            raise ValueError(
                f"Criterion {self.name!r}: threshold {self.threshold} must be finite, and above 0 "
                "for 'within'."
            )

    def read(self, estimate: Estimate | Undefined) -> str:
        """Verdict of one interval: wholly right, wholly wrong, or neither."""
        if isinstance(estimate, Undefined):
            return INCONCLUSIVE
        lo, hi, t = estimate.lo, estimate.hi, self.threshold
        right, wrong = {
            ">": (lo > t, hi <= t),
            ">=": (lo >= t, hi < t),
            "<": (hi < t, lo >= t),
            "<=": (hi <= t, lo > t),
            "within": (-t < lo and hi < t, lo >= t or hi <= -t),
        }[self.comparator]
        return SUPPORTED if right else REFUTED if wrong else INCONCLUSIVE

    def clear(self, alpha: float) -> bool:
        """Whether the interval at ``alpha`` decides."""
        return self.read(self.estimand(alpha)) != INCONCLUSIVE

    def distance(self, value: float) -> float:
        """Distance of ``value`` from the nearest threshold."""
        if self.comparator == "within":
            return min(abs(value - self.threshold), abs(value + self.threshold))
        return abs(value - self.threshold)


@dataclass(frozen=True)
class Verdict:
    """What one criterion came to."""

    name: str
    """the criterion's name"""
    verdict: str
    """'supported', 'refuted', 'inconclusive', or 'EXPLORATORY', which is none"""
    estimate: Estimate | Undefined
    """with the interval at ``alpha``"""
    comparator: str
    """as registered"""
    threshold: float
    """as registered"""
    p: float
    """smallest α at which the interval decides; 1 if none does"""
    alpha: float
    """level of this interval after Holm's correction"""
    registration: str
    """hash of the registration it was judged under; '' for none"""
    detectable_effect: float | None = None
    """if inconclusive: distance from the threshold this design finds with the power asked"""
    n_to_decide: int | None = None
    """if inconclusive: units that would decide were the estimate true; None if no number would"""


def p_by_inversion(criterion: Criterion) -> float:
    """Smallest α at which the criterion's interval decides, by bisection on log α, within 1e-4 of
    itself; 1 if it decides at none. Not below 1e-12.
    """
    high = 1 - 1e-9
    if not criterion.clear(high):
        return 1.0
    low = SMALLEST_ALPHA
    if criterion.clear(low):
        return low
    while high > low * (1 + 1e-4):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if criterion.clear(middle) else (middle, high)
    return high


def holm_levels(ps: Sequence[float], alpha: float) -> list[float]:
    """Level of each criterion's interval, in the order given (see the module's text).

    >>> [round(a, 4) for a in holm_levels([0.04, 0.001, 0.03], 0.05)]
    [0.025, 0.0167, 0.025]
    """
    m = len(ps)
    levels = [0.0] * m
    level, stopped = alpha, False
    for rank, i in enumerate(sorted(range(m), key=lambda i: ps[i])):
        if not stopped:
            level = alpha / (m - rank)
            stopped = ps[i] > level
        levels[i] = level
    return levels


def judge(
    criteria: Sequence[Criterion],
    registered: str,
    ran: str,
    alpha: float = 0.05,
    power: float = 0.8,
) -> list[Verdict]:
    """Verdicts over an experiment's family of criteria, in the order given.

    ``registered`` and ``ran`` are the hashes of the registration and of the values that were run.
    Where they differ, or there is no registration, the run is exploratory: estimates are given at
    Holm's levels all the same, and the verdict is 'EXPLORATORY', never one of the three.
    Raises ValueError for two criteria of one name.

    >>> from stages.stats.intervals import paired_risk_difference
    >>> gain = Criterion("ft", lambda a: paired_risk_difference(9, 0, 25, a), ">", 0.0)
    >>> judge([gain], registered="h1", ran="h1")[0].verdict
    'supported'
    >>> judge([gain], registered="h1", ran="h2")[0].verdict
    'EXPLORATORY'
    """
    names = [criterion.name for criterion in criteria]
    if len(set(names)) != len(names):
        raise ValueError(f"Two criteria of one family share a name: {sorted(names)}. Rename one.")
    exploratory = not registered or registered != ran
    ps = [p_by_inversion(criterion) for criterion in criteria]
    levels = holm_levels(ps, alpha)
    hash_shown = "" if exploratory else registered
    return [
        one_verdict(criterion, p, level, hash_shown, exploratory, power)
        for criterion, p, level in zip(criteria, ps, levels, strict=True)
    ]


def one_verdict(
    criterion: Criterion, p: float, alpha: float, registration: str, exploratory: bool, power: float
) -> Verdict:
    estimate = criterion.estimand(alpha)
    verdict = EXPLORATORY if exploratory else criterion.read(estimate)
    effect, n = None, None
    if verdict == INCONCLUSIVE and isinstance(estimate, Estimate):
        effect = detectable_effect(estimate, power)
        effect = effect if math.isfinite(effect) else None
        n = n_to_decide(estimate, criterion.distance(estimate.value), power)
    return Verdict(
        criterion.name,
        verdict,
        estimate,
        criterion.comparator,
        criterion.threshold,
        p,
        alpha,
        registration,
        effect,
        n,
    )


def minimum_of(estimands: Sequence[Estimand]) -> Estimand:
    """Estimand of the smallest of several, as in 'retention > 0.9 for every session origin'.

    Lower end: the smallest lower end at α (an intersection–union test needs no correction). Upper
    end: the smallest upper end at α/K, since being wrong about any one suffices there. Undefined as
    soon as one is. Reference: Berger (1982), Technometrics 24.
    """
    if not estimands:
        raise ValueError("There is nothing to take the minimum or maximum of.")

    def estimate(alpha: float) -> Estimate | Undefined:
        at_alpha = [estimand(alpha) for estimand in estimands]
        strict = [estimand(alpha / len(estimands)) for estimand in estimands]
        known = [e for e in at_alpha if isinstance(e, Estimate)]
        uppers = [e.hi for e in strict if isinstance(e, Estimate)]
        for one in (*at_alpha, *strict):
            if isinstance(one, Undefined):
                return one
        least = min(known, key=lambda e: e.value)
        lo, hi = min(e.lo for e in known), max(min(uppers), least.value)
        return Estimate(least.value, lo, hi, least.n, least.unit, alpha)

    return estimate


def maximum_of(estimands: Sequence[Estimand]) -> Estimand:
    """Estimand of the largest of several, as in 'no category loses more than 0.1'.

    ``minimum_of`` with the signs turned: the upper end needs no correction, the lower end is the
    largest at α/K. Undefined as soon as one is; ValueError for none.
    """
    least = minimum_of([partial(_turned, estimand) for estimand in estimands])
    return partial(_turned, least)


def _turned(estimand: Estimand, alpha: float) -> Estimate | Undefined:
    found = estimand(alpha)
    if isinstance(found, Undefined):
        return found
    return Estimate(-found.value, -found.hi, -found.lo, found.n, found.unit, alpha)
