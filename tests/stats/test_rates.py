"""Rates of tasks and actions, by hand and by enumeration."""

from __future__ import annotations

from itertools import combinations
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from stages.records import Outcome, Step
from stages.stats.intervals import Estimate, Undefined
from stages.stats.rates import (
    capability_drop,
    non_inferiority,
    pass_at_k,
    resolve_rate,
    resolved_value,
    tool_use_efficiency,
)


@given(st.lists(st.sampled_from(list(Outcome)), min_size=1, max_size=60))
def test_resolve_rate_counts(outcomes: list[Outcome]) -> None:
    rate = resolve_rate(outcomes)
    harness = outcomes.count(Outcome.HARNESS_ERROR)
    assert rate.resolved == outcomes.count(Outcome.RESOLVED)
    assert (rate.completed, rate.attempted) == (len(outcomes) - harness, len(outcomes))
    for form, total in ((rate.of_completed, rate.completed), (rate.of_attempted, rate.attempted)):
        if total == 0:
            assert isinstance(form, Undefined)
            continue
        assert isinstance(form, Estimate)
        lo, hi = proportion_confint(rate.resolved, total, method="wilson")
        assert (form.lo, form.hi) == pytest.approx((max(lo, 0), min(hi, 1)))


def test_harness_errors_are_no_failures_of_the_agent() -> None:
    # The published run: 115 harness errors of 200 had been counted as failures.
    rate = resolve_rate(
        [Outcome.RESOLVED] * 17 + [Outcome.TIMEOUT] * 68 + [Outcome.HARNESS_ERROR] * 115
    )
    assert isinstance(rate.of_completed, Estimate)
    assert isinstance(rate.of_attempted, Estimate)
    assert rate.of_completed.value == pytest.approx(0.2)
    assert rate.of_attempted.value == pytest.approx(0.085)
    assert np.isnan(resolved_value(Outcome.HARNESS_ERROR))
    assert [resolved_value(o) for o in (Outcome.RESOLVED, Outcome.EMPTY_PATCH)] == [1.0, 0.0]


def test_no_outcomes_is_undefined() -> None:
    assert str(resolve_rate([]).of_attempted) == "undefined: no task was attempted"


@given(
    st.lists(st.tuples(st.integers(1, 8), st.integers(0, 8)), min_size=1, max_size=6),
    st.integers(1, 8),
)
def test_pass_at_k_is_the_share_of_drawn_subsets(pairs: list[tuple[int, int]], k: int) -> None:
    problems = [(n, min(c, n)) for n, c in pairs]
    ours = pass_at_k([n for n, _ in problems], [c for _, c in problems], k)
    if min(n for n, _ in problems) < k:
        assert isinstance(ours, Undefined)
        return
    shares = [
        np.mean([any(i < c for i in subset) for subset in combinations(range(n), k)])
        for n, c in problems
    ]
    assert isinstance(ours, Estimate)
    assert ours.value == pytest.approx(np.mean(shares))
    assert (ours.n, ours.unit) == (len(problems), "problem")


@pytest.mark.parametrize(
    ("n", "c", "k"), [([4], [5], 1), ([4], [1, 2], 1), ([4], [1], 0), ([], [], 1)]
)
def test_pass_at_k_refuses_impossible_counts(n: list[int], c: list[int], k: int) -> None:
    with pytest.raises(ValueError, match=r"pass@|not possible"):
        pass_at_k(n, c, k)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 100)), min_size=1, max_size=40))
def test_tool_use_efficiency_three_ways(actions: list[tuple[bool, float]]) -> None:
    e = tool_use_efficiency([Step("open", "", ok, seconds=s) for ok, s in actions])
    good = [s for ok, s in actions if ok]
    assert e.by_time == pytest.approx(sum(good) / sum(s for _, s in actions))
    assert e.by_count == pytest.approx(len(good) / len(actions))
    if good:
        assert e.median_ratio == pytest.approx(median(good) / median(s for _, s in actions))
    else:
        assert isinstance(e.median_ratio, Undefined)


def test_efficiency_without_actions_or_time_is_undefined() -> None:
    assert isinstance(tool_use_efficiency([]).by_count, Undefined)
    timeless = tool_use_efficiency([Step("open", "", True)])
    assert (timeless.by_count, str(timeless.by_time)) == (
        1.0,
        "undefined: the actions took no measured time",
    )


def test_capability_drop_has_the_standard_error_of_the_design() -> None:
    # 164 + 427 problems of which 4 % flip each way: about 1.2 points of standard error.
    base = np.repeat([1, 0, 1, 0], [24, 24, 300, 243])
    adapted = np.repeat([0, 1, 1, 0], [24, 24, 300, 243])
    drop = capability_drop(base, adapted)
    assert (drop.value, drop.n, drop.unit) == (0.0, 591, "problem")
    wald = np.sqrt(48 / 591) / np.sqrt(591)
    assert wald == pytest.approx(0.0117, abs=0.0001)
    assert (drop.hi - drop.lo) / 2 / 1.96 == pytest.approx(wald, rel=0.05)
    assert non_inferiority(drop, 0.02) == "inconclusive"


def test_non_inferiority_reads_the_whole_interval() -> None:
    assert non_inferiority(Estimate(0.0, -0.01, 0.01, 9, "problem"), 0.02) == "non-inferior"
    assert non_inferiority(Estimate(0.05, 0.03, 0.07, 9, "problem"), 0.02) == "inferior"
    assert non_inferiority(Estimate(0.01, 0.0, 0.02, 9, "problem"), 0.02) == "inconclusive"


def test_capability_drop_needs_the_same_problems() -> None:
    with pytest.raises(ValueError, match="same"):
        capability_drop([1, 0], [1, 0, 1])
