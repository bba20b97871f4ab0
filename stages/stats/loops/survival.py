"""How long a learned item is kept: Kaplan–Meier with Greenwood's log-log intervals.

An item wrong at base is learned at its first right checkpoint and lost at the first wrong one after
it; an item never lost is censored at the last checkpoint. Times are known to the spacing of the
checkpoints: 'lost after 20 steps' means between the checkpoint before and 20.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stages.stats.intervals import Estimate, Undefined, z_quantile
from stages.stats.items import retained_span

HALF = 0.5 + 1e-12


@dataclass(frozen=True)
class Span:
    """One item's time from learned to lost in one run."""

    item: Hashable
    """the item: spans of one item in several runs depend on each other"""
    steps: float
    """steps from learned to lost, or to the last checkpoint"""
    lost: bool
    """False: still right at the last checkpoint (censored)"""


@dataclass(frozen=True)
class SurvivalRow:
    """The curve just after one time of loss."""

    steps: float
    """time since learned, in steps"""
    at_risk: int
    """items observed up to here and not lost before"""
    lost: int
    """items lost here"""
    survival: Estimate
    """share still kept, in [0, 1]"""


@dataclass(frozen=True)
class HalfLife:
    """Forgetting half-life and the curve it is read from."""

    median: Estimate
    """steps until half are lost; inf where fewer than half were"""
    bootstrap: Estimate
    """the same, its interval widened to the percentile interval over items, all spans of an item
    drawn together: the one to use where several runs are pooled"""
    curve: tuple[SurvivalRow, ...]
    """one row per time of loss, ascending; empty if nothing was lost"""
    learned: int
    """spans: items learned before the last checkpoint, over all runs"""
    lost: int
    """of them lost; the others are censored"""


def learned_spans(
    item_ids: Sequence[Hashable], correct: ArrayLike, steps: Sequence[float]
) -> list[Span]:
    """Spans of one run, ``correct`` (K + 1) × I at ``steps`` (K + 1); see the module's text.

    >>> learned_spans(["a", "b", "c"], [[0, 0, 1], [1, 1, 1], [0, 1, 0]], steps=[0, 10, 20])
    [Span(item='a', steps=10.0, lost=True), Span(item='b', steps=10.0, lost=False)]
    """
    answers = np.asarray(correct, dtype=bool)
    if answers.ndim != 2 or answers.shape != (len(steps), len(item_ids)):
        raise ValueError(
            f"correct has shape {answers.shape} for {len(steps)} steps and {len(item_ids)} items: "
            "give checkpoints × items."
        )
    if np.any(np.diff(steps) <= 0):
        raise ValueError(f"The steps {list(steps)} must ascend: one per checkpoint, base first.")
    return [
        Span(item, *retained_span(column, steps))
        for item, column in zip(item_ids, answers.T, strict=True)
        if not column[0] and column[:-1].any()
    ]


def kaplan_meier(spans: Sequence[Span], alpha: float = 0.05) -> list[SurvivalRow]:
    """The product-limit curve: S(t) = Π (1 - dᵢ/nᵢ) over times of loss tᵢ ≤ t.

    Interval on log(-log S): exp(-exp(log(-log S) ± z·σ/∣log S∣)), σ² = Σ dᵢ/(nᵢ(nᵢ - dᵢ)) by
    Greenwood; where S reaches 0 the upper end is that of the row before. Assumes independent items
    and censoring without regard to the outcome.

    References: Kaplan & Meier (1958), JASA 53; Greenwood (1926); Kalbfleisch & Prentice (2002),
    The Statistical Analysis of Failure Time Data, §1.4.

    >>> rows = kaplan_meier([Span(i, t, d) for i, (t, d) in enumerate([(1, 1), (2, 0), (3, 1)])])
    >>> [(row.steps, row.at_risk, round(row.survival.value, 3)) for row in rows]
    [(1, 3, 0.667), (3, 1, 0.0)]
    """
    z = z_quantile(alpha)
    survival, greenwood, hi = 1.0, 0.0, 1.0
    rows: list[SurvivalRow] = []
    for time in sorted({span.steps for span in spans if span.lost}):
        at_risk = sum(span.steps >= time for span in spans)
        lost = sum(span.steps == time and span.lost for span in spans)
        survival *= 1 - lost / at_risk
        lo = 0.0
        if at_risk > lost:
            greenwood += lost / (at_risk * (at_risk - lost))
            half = z * math.sqrt(greenwood) / abs(math.log(survival))
            lo, hi = (survival ** math.exp(way * half) for way in (1, -1))
        ends = Estimate(survival, min(lo, survival), max(hi, survival), len(spans), "item", alpha)
        rows.append(SurvivalRow(time, at_risk, lost, ends))
    return rows


def forgetting_half_life(
    spans: Sequence[Span], alpha: float = 0.05, resamples: int = 1000, seed: int = 0
) -> HalfLife | Undefined:
    """Median steps from learned to lost, of the spans of one run or of several runs pooled.

    ``median``: the least time with S ≤ 1/2; its interval is where the curve's own holds 1/2
    (Brookmeyer & Crowley), and treats every span as independent. An end never reached is inf, and
    the median's too: nothing is said beyond the last checkpoint. Undefined without a span.

    References: Brookmeyer & Crowley (1982), Biometrics 38; Efron (1981), JASA 76 (bootstrap of
    censored data).

    >>> h = forgetting_half_life([Span(i, 10.0 * i, i < 4) for i in range(1, 7)])
    >>> h.median.value, h.learned, h.lost
    (30.0, 6, 3)
    """
    if not spans:
        return Undefined("no item was learned before the last checkpoint")
    curve = kaplan_meier(spans, alpha)
    median = _first(curve, [row.survival.value for row in curve])
    # Where the curve's upper end is still above 1/2 the median may be later, and so on.
    lo = _first(curve, [row.survival.lo for row in curve])
    hi = _first(curve, [row.survival.hi for row in curve])
    items = len({span.item for span in spans})
    if not curve:
        lo = kept_until(spans, alpha)
    estimate = Estimate(median, min(lo, median), max(hi, median), len(spans), "span", alpha)
    draws = bootstrap_medians(spans, resamples, seed)
    ends = np.quantile(draws, [alpha / 2, 1 - alpha / 2], method="inverted_cdf").tolist()
    ends = [min(ends[0], estimate.lo), max(ends[1], estimate.hi)]
    crossed = Estimate(median, min(ends[0], median), max(ends[1], median), items, "item", alpha)
    return HalfLife(estimate, crossed, tuple(curve), len(spans), sum(s.lost for s in spans))


def kept_until(spans: Sequence[Span], alpha: float = 0.05) -> float:
    """The time up to which spans that were never lost show a median later than it, in steps.

    n kept items rule out a survival of 1/2 where 2^-n ≤ α/2: six at α = 0.05. Fewer rule out
    nothing, and the answer is 0.

    >>> kept_until([Span(i, 10.0 * i, False) for i in range(1, 9)]), kept_until([Span(0, 9, False)])
    (30.0, 0.0)
    """
    needed = math.ceil(math.log2(2 / alpha))
    times = sorted((span.steps for span in spans), reverse=True)
    return times[needed - 1] if len(times) >= needed else 0.0


def _first(curve: Sequence[SurvivalRow], shares: Sequence[float]) -> float:
    """The first time at which the share is at most 1/2; inf if it never is."""
    reached = (row.steps for row, share in zip(curve, shares, strict=True) if share <= HALF)
    return next(reached, math.inf)


def bootstrap_medians(spans: Sequence[Span], resamples: int, seed: int) -> np.ndarray:
    """Medians (resamples) with items drawn with replacement, each with all of its spans."""
    ids = {item: i for i, item in enumerate(dict.fromkeys(span.item for span in spans))}
    member = np.array([ids[span.item] for span in spans])
    times, lost = np.array([s.steps for s in spans]), np.array([s.lost for s in spans], dtype=bool)
    rng = np.random.default_rng(seed)
    draws_BG = rng.multinomial(len(ids), np.full(len(ids), 1 / len(ids)), size=resamples)
    weights_BN = draws_BG[:, member].astype(float)
    survival = np.ones(resamples)
    medians = np.full(resamples, math.inf)
    for time in np.unique(times[lost]):
        at_risk = weights_BN @ (times >= time)
        gone = weights_BN @ ((times == time) & lost)
        survival *= 1 - gone / np.maximum(at_risk, 1)
        medians = np.where((survival <= HALF) & np.isinf(medians), time, medians)
    return medians
