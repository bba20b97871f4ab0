"""Kaplan–Meier by hand, against statsmodels and against ``items.half_life``."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from statsmodels.duration.survfunc import SurvfuncRight

from stages.stats.intervals import Estimate, Undefined
from stages.stats.items import half_life
from stages.stats.loops.survival import (
    HalfLife,
    Span,
    bootstrap_medians,
    forgetting_half_life,
    kaplan_meier,
    learned_spans,
)

HISTORIES = st.tuples(st.integers(2, 8), st.integers(1, 15)).flatmap(
    lambda shape: hnp.arrays(bool, shape)
)

# Steps from learned to lost of eight items; + is censored: 10, 10+, 20, 20, 30+, 40, 50+, 50+
BY_HAND = [
    Span(i, t, lost)
    for i, (t, lost) in enumerate(
        [(10, 1), (10, 0), (20, 1), (20, 1), (30, 0), (40, 1), (50, 0), (50, 0)]
    )
]


def test_the_curve_by_hand() -> None:
    """S = 7/8 at 10, · 4/6 at 20, · 2/3 at 40; Greenwood's sum 1/56, + 2/24, + 1/6."""
    rows = kaplan_meier(BY_HAND)
    assert [(row.steps, row.at_risk, row.lost) for row in rows] == [
        (10, 8, 1),
        (20, 6, 2),
        (40, 3, 1),
    ]
    shares = [7 / 8, 7 / 8 * 4 / 6, 7 / 8 * 4 / 6 * 2 / 3]
    sums = np.cumsum([1 / 56, 2 / 24, 1 / 6])
    for row, share, greenwood in zip(rows, shares, sums, strict=True):
        half = 1.959964 * math.sqrt(greenwood) / -math.log(share)
        assert row.survival.value == pytest.approx(share)
        assert row.survival.lo == pytest.approx(share ** math.exp(half), abs=1e-6)
        assert row.survival.hi == pytest.approx(share ** math.exp(-half), abs=1e-6)
    found = forgetting_half_life(BY_HAND)
    assert isinstance(found, HalfLife)
    assert (found.median.value, found.learned, found.lost) == (40, 8, 4)
    assert (found.median.lo, found.median.hi) == (10, math.inf)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=25).filter(
        lambda pairs: any(lost for _, lost in pairs)
    )
)
def test_the_curve_against_statsmodels(pairs: list[tuple[int, bool]]) -> None:
    rows = kaplan_meier([Span(i, t, lost) for i, (t, lost) in enumerate(pairs)])
    times, lost = zip(*pairs, strict=True)
    other = SurvfuncRight(np.array(times), np.array(lost, dtype=int))
    assert [row.steps for row in rows] == list(other.surv_times)
    assert [row.survival.value for row in rows] == pytest.approx(list(other.surv_prob), abs=1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.asarray(other.surv_prob_se)
    for row, error in zip(rows, errors, strict=True):
        share = row.survival.value
        if share > 1e-9:
            half = 1.959964 * error / share / -math.log(share)
            assert row.survival.lo == pytest.approx(share ** math.exp(half), abs=1e-6)
            assert row.survival.hi == pytest.approx(share ** math.exp(-half), abs=1e-6)


@settings(deadline=None)
@given(HISTORIES)
def test_the_median_is_that_of_items(correct: np.ndarray) -> None:
    steps = [3.0 * k + k * k for k in range(len(correct))]
    ids = range(correct.shape[1])
    spans = learned_spans(ids, correct, steps)
    ours, theirs = forgetting_half_life(spans, resamples=50), half_life(correct, steps)
    if isinstance(theirs, Undefined):
        assert ours == theirs
        return
    assert isinstance(ours, HalfLife)
    assert ours.median.value == theirs.value
    assert ours.bootstrap.lo <= ours.median.lo <= ours.median.hi <= ours.bootstrap.hi


def test_never_lost_is_censored_and_few_say_nothing() -> None:
    """Five items kept for 50 steps leave any half-life open; six rule out one below 50."""
    for count, lo in ((5, 0.0), (6, 50.0)):
        found = forgetting_half_life([Span(i, 50.0, False) for i in range(count)])
        assert isinstance(found, HalfLife)
        assert (found.median.value, found.median.hi, found.curve) == (math.inf, math.inf, ())
        assert found.median.lo == found.bootstrap.lo == lo


def test_spans_of_one_item_in_many_runs_are_one_item() -> None:
    """Ten runs alike: pooled as independent the interval closes, by items it stays wide."""
    runs = [Span(item, 10.0 * (1 + item % 6), item % 3 > 0) for item in range(12)]
    alone, pooled = forgetting_half_life(runs), forgetting_half_life(runs * 10)
    assert isinstance(alone, HalfLife)
    assert isinstance(pooled, HalfLife)
    assert alone.median.value == pooled.median.value

    def width(estimate: Estimate) -> float:
        return min(estimate.hi, 1e3) - estimate.lo

    assert width(pooled.bootstrap) >= 2 * width(pooled.median)
    assert pooled.bootstrap.n == 12


def test_bootstrap_medians_against_resampled_curves() -> None:
    spans = BY_HAND
    draws = bootstrap_medians(spans, 200, seed=3)
    rng, slow = np.random.default_rng(3), []
    for drawn in rng.multinomial(8, np.full(8, 1 / 8), size=200)[:20]:
        chosen = [span for span, times in zip(spans, drawn, strict=True) for _ in range(times)]
        halved = [r.steps for r in kaplan_meier(chosen) if r.survival.value <= 0.5 + 1e-12]
        slow.append(min(halved, default=math.inf))
    assert draws[:20].tolist() == slow
    assert np.mean(np.isinf(draws)) > 0.1


def test_what_has_no_half_life() -> None:
    assert isinstance(forgetting_half_life([]), Undefined)
    with pytest.raises(ValueError, match="shape"):
        learned_spans(["a"], [[0, 1], [1, 1]], [0, 1])
    with pytest.raises(ValueError, match="ascend"):
        learned_spans(["a"], [[0], [1]], [1, 1])
