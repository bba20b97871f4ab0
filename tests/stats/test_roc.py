"""AUC against scikit-learn and by pairs, DeLong against a slow loop, comparison of indicators."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics

from stages.stats.intervals import Estimate, Undefined
from stages.stats.roc import AucComparison, Roc, auc, compare_auc, roc_curve

CASES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1)), min_size=6, max_size=30)


def drawn(rng: np.random.Generator, n: int, shift: float) -> tuple[np.ndarray, np.ndarray]:
    stale = np.arange(n) % 2
    return rng.normal(size=n) + shift * stale, stale


def slow_delong(score: np.ndarray, stale: np.ndarray) -> tuple[float, float]:
    x, y = score[stale == 1], score[stale == 0]
    psi = np.array([[1.0 if a > b else 0.5 if a == b else 0.0 for b in y] for a in x])
    variance = psi.mean(1).var(ddof=1) / len(x) + psi.mean(0).var(ddof=1) / len(y)
    return float(psi.mean()), float(variance)


@given(CASES)
@settings(max_examples=40, deadline=None)
def test_auc_is_scikit_learns_and_the_area(cases: list[tuple[int, int]]) -> None:
    score, stale = np.array(cases, dtype=float).T
    assume(0 < stale.sum() < stale.size)
    e, curve = auc(score, stale), roc_curve(score, stale)
    assert isinstance(e, Estimate)
    assert isinstance(curve, Roc)
    assert e.value == pytest.approx(metrics.roc_auc_score(stale, score))
    assert np.trapezoid(curve.detections, curve.false_alarms) == pytest.approx(e.value)
    assert 0 <= e.lo <= e.value <= e.hi <= 1
    assert e.hi > e.lo


def test_the_variance_is_delongs() -> None:
    score, stale = drawn(np.random.default_rng(0), 40, 1.0)
    e = auc(np.round(score, 1), stale)
    value, variance = slow_delong(np.round(score, 1), stale)
    assert isinstance(e, Estimate)
    assert e.value == pytest.approx(value)
    half = 1.959964 * np.sqrt(variance) / (value * (1 - value))
    assert np.log(e.hi / (1 - e.hi)) == pytest.approx(np.log(value / (1 - value)) + half, abs=1e-5)


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(1)
    truth = 0.7602  # Φ(1/√2)
    ends = [auc(*drawn(rng, 40, 1.0)) for _ in range(300)]
    covered = sum(e.lo <= truth <= e.hi for e in ends if isinstance(e, Estimate))
    assert 0.91 <= covered / 300 <= 0.99


def test_perfect_separation_is_no_certainty() -> None:
    e = auc([1, 2, 3, 4, 5, 6], [0, 0, 0, 1, 1, 1])
    assert isinstance(e, Estimate)
    assert e.value == 1.0
    assert e.lo < 0.5
    alone = auc([1, 2, 3], [0, 0, 1])
    assert isinstance(alone, Estimate)
    assert (alone.lo, alone.hi) == (0.0, 1.0)


def test_copies_of_a_case_add_nothing_when_clustered() -> None:
    score, stale = drawn(np.random.default_rng(2), 30, 1.0)
    copies = np.repeat(np.arange(30), 4)
    once = auc(score, stale, clusters=list(range(30)))
    fourfold = auc(score[copies], stale[copies], clusters=copies.tolist())
    pooled = auc(score[copies], stale[copies])
    for e in (once, fourfold, pooled):
        assert isinstance(e, Estimate)
    assert isinstance(once, Estimate) and isinstance(fourfold, Estimate)
    assert (fourfold.lo, fourfold.hi) == pytest.approx((once.lo, once.hi))
    assert isinstance(pooled, Estimate)
    assert pooled.lo > once.lo + 0.02


def test_two_indicators_of_one_strength_differ_at_most_at_alpha() -> None:
    rng = np.random.default_rng(3)
    rejected = 0
    for _ in range(300):
        shared, stale = drawn(rng, 60, 1.0)
        first, second = (shared + rng.normal(0, 0.7, 60) for _ in range(2))
        c = compare_auc(first, second, stale)
        assert isinstance(c, AucComparison)
        assert (c.p < 0.05) == (c.difference.lo > 0 or c.difference.hi < 0)
        rejected += c.p < 0.05
    assert rejected / 300 <= 0.09


def test_a_better_indicator_is_found_and_order_only_turns_the_sign() -> None:
    good, stale = drawn(np.random.default_rng(4), 80, 2.0)
    noise = np.random.default_rng(5).normal(size=80)
    one, other = compare_auc(good, noise, stale), compare_auc(noise, good, stale)
    assert isinstance(one, AucComparison) and isinstance(other, AucComparison)
    assert one.difference.lo > 0.1
    assert other.difference.value == pytest.approx(-one.difference.value)
    assert other.p == pytest.approx(one.p)


def test_one_ranking_given_twice_does_not_differ() -> None:
    score, stale = drawn(np.random.default_rng(6), 20, 1.0)
    c = compare_auc(score, np.exp(score), stale)
    assert isinstance(c, AucComparison)
    assert (c.difference.value, c.p) == (0.0, 1.0)
    assert c.difference.lo < -0.1 < 0.1 < c.difference.hi


def test_one_kind_of_case_has_no_curve() -> None:
    for result in (auc([1, 2], [1, 1]), roc_curve([1, 2], [0, 0]), auc([], [])):
        assert isinstance(result, Undefined)
    assert isinstance(compare_auc([1, 2], [2, 1], [1, 1]), Undefined)


def test_bad_cases_are_refused() -> None:
    with pytest.raises(ValueError, match="one score"):
        auc([1, 2], [1])
    with pytest.raises(ValueError, match="NaN"):
        auc([1, np.nan], [1, 0])
    with pytest.raises(ValueError, match="cluster labels"):
        auc([1, 2, 3], [1, 0, 1], clusters=["a"])
