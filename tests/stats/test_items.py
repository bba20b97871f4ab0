"""The online loop's metrics: by hand, by slow second implementations, and on planted mistakes."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stages.stats.intervals import Estimate, Undefined
from stages.stats.items import (
    ItemState,
    LoopRates,
    cumulative_rates,
    grokking,
    half_life,
    item_states,
    loop_rates,
    meta_learning_score,
    oscillation,
    window_rates,
)

HISTORIES = st.tuples(st.integers(2, 9), st.integers(1, 15)).flatmap(
    lambda shape: hnp.arrays(bool, shape)
)


@given(HISTORIES)
def test_rates_follow_from_item_states(correct: np.ndarray) -> None:
    checkpoints, items = correct.shape
    windows = [list(range(k, items, checkpoints - 1)) for k in range(checkpoints - 1)]
    for k, rates in enumerate(window_rates(correct, windows), start=1):
        states = [item_states(correct[0], correct[k])[i] for i in windows[k - 1]]
        for rate, gone, kept in (
            (rates.improvement, ItemState.IMPROVED, ItemState.STUCK),
            (rates.forgetting, ItemState.REGRESSED, ItemState.RETAINED),
        ):
            total = states.count(gone) + states.count(kept)
            if total:
                assert rate == pytest.approx(states.count(gone) / total)
            else:
                assert isinstance(rate, Undefined)
    last = cumulative_rates(correct, windows)[-1]
    assert last.n_items == items


def test_late_contains_early_only_when_cumulative() -> None:
    correct = np.array([[0, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0]], dtype=bool)
    windows = [[0, 1], [2, 3]]
    assert [r.improvement for r in window_rates(correct, windows)] == [1.0, 0.5]
    assert [r.improvement for r in cumulative_rates(correct, windows)] == [1.0, 0.5]
    assert [r.n_items for r in cumulative_rates(correct, windows)] == [2, 4]
    with pytest.raises(ValueError, match="two windows"):
        window_rates(correct, [[0, 1], [1, 2]])
    with pytest.raises(ValueError, match="stands twice"):
        loop_rates(correct[0], correct[1], [0, 0])


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=12))
def test_meta_learning_score_as_published(rates: list[tuple[float, float]]) -> None:
    third = len(rates) // 3
    gains, losses = np.array(rates).T
    published = gains[-third:].mean() - gains[:third].mean()
    published += losses[:third].mean() - losses[-third:].mean()
    assert meta_learning_score([LoopRates(g, f, 5) for g, f in rates]) == pytest.approx(published)


@pytest.mark.parametrize(
    ("rates", "reason"),
    [
        ([LoopRates(0.1, 0.1, 5)] * 2, "2 checkpoints"),
        ([LoopRates(0.1, 0.1, 5)] * 2 + [LoopRates(0.1, 0.1, 4)], "window of 4 items"),
        ([LoopRates(Undefined("x"), 0.1, 5)] * 3, "no improvement rate"),
    ],
)
def test_meta_learning_score_says_why_it_is_undefined(rates: list[LoopRates], reason: str) -> None:
    score = meta_learning_score(rates)
    assert isinstance(score, Undefined)
    assert reason in str(score)
    assert str(score).startswith("undefined: ")


@given(HISTORIES)
def test_oscillation_counts_changes(correct: np.ndarray) -> None:
    slow = [sum(a != b for a, b in pairwise(i)) for i in correct.T.tolist()]
    assert oscillation(correct).tolist() == slow


def test_oscillation_of_the_published_item() -> None:
    # math_014: S S I S I S I S, six transitions.
    assert oscillation([[int(c == "I")] for c in "SSISISIS"]).tolist() == [6]


def slow_half_life(correct: np.ndarray, steps: list[int]) -> float | None:
    """Product-limit estimate written out."""
    spans = []
    for item in correct.T:
        learned = next((k for k, right in enumerate(item) if right), None)
        if item[0] or learned is None or learned == len(item) - 1:
            continue
        lost = next((k for k in range(learned, len(item)) if not item[k]), None)
        end = len(item) - 1 if lost is None else lost
        spans.append((steps[end] - steps[learned], lost is not None))
    if not spans:
        return None
    survival = 1.0
    for time in sorted({t for t, lost in spans if lost}):
        at_risk = sum(t >= time for t, _ in spans)
        survival *= 1 - sum(t == time and lost for t, lost in spans) / at_risk
        if survival <= 0.5 + 1e-12:
            return time
    return np.inf


@given(HISTORIES)
def test_half_life_is_the_product_limit_median(correct: np.ndarray) -> None:
    steps = [3 * k + k * k for k in range(len(correct))]
    ours, slow = half_life(correct, steps), slow_half_life(correct, steps)
    if slow is None:
        assert isinstance(ours, Undefined)
        return
    assert isinstance(ours, Estimate)
    assert ours.value == slow
    assert 0 <= ours.lo <= ours.value <= ours.hi


def test_items_never_lost_are_censored_not_dropped() -> None:
    kept = np.array([[0, 0, 0], [1, 1, 1], [1, 1, 1]])
    forever = half_life(kept, [0, 10, 20])
    assert isinstance(forever, Estimate)
    assert (forever.value, forever.lo, forever.hi) == (np.inf, 10, np.inf)
    with pytest.raises(ValueError, match="ascending"):
        half_life(kept, [0, 10, 10])


STEPS = list(range(0, 101, 5))
FITTED = [0.5] * 4 + [0.95] * 17


def test_grokking_is_late_and_sudden() -> None:
    late = [0.1] * 12 + [0.3, 0.5] + [0.9] * 7
    found = grokking(STEPS, FITTED, late)
    assert found is not None
    assert (found.passed_step, found.from_step, found.to_step) == (20, 55, 65)
    assert found.rise == pytest.approx(0.4)


@pytest.mark.parametrize(
    "held_out",
    [
        [0.1] * 6 + [0.9] * 15,  # too early: within 20 % of the steps after fitting
        [0.1 + 0.03 * k for k in range(21)],  # too slow
        [0.1] * 12 + [0.39] * 9,  # too small
        [0.9] * 12 + [0.1] * 9,  # a fall
    ],
)
def test_what_is_not_grokking(held_out: list[float]) -> None:
    assert grokking(STEPS, FITTED, held_out) is None
    assert grokking(STEPS, [0.9] * 21, [0.1] * 12 + [0.9] * 9) is None


@given(
    st.lists(
        st.tuples(st.sampled_from([0.5, 0.95]), st.sampled_from([0.0, 0.2, 0.5, 0.9])),
        min_size=21,
        max_size=21,
    )
)
def test_grokking_against_all_pairs(points: list[tuple[float, float]]) -> None:
    train, held = zip(*points, strict=True)
    passed = next((s for s, t in zip(STEPS, train, strict=True) if t > 0.9), None)
    pairs = [
        (i, j)
        for i in range(21)
        for j in range(i + 1, 21)
        if passed is not None
        and STEPS[i] >= passed + 20
        and STEPS[j] - STEPS[i] <= 10
        and held[j] - held[i] > 0.29
    ]
    found = grokking(STEPS, train, held)
    assert (found is not None) == bool(pairs)
    if found:
        assert (found.from_step, found.to_step) == tuple(STEPS[i] for i in pairs[0])
