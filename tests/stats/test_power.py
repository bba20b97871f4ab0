"""Exact power against enumeration and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from stages.stats.intervals import Estimate, Undefined, paired_risk_difference
from stages.stats.power import (
    detectable_effect,
    mcnemar_power,
    minimum_detectable_effect,
    minimum_one_way_flips,
    n_to_decide,
    non_inferiority_power,
    tasks_required,
)


def slow_power(n: int, gain: float, loss: float, alpha: float) -> float:
    total = 0.0
    for b in range(n + 1):
        for c in range(n + 1 - b):
            if b + c and stats.binomtest(b, b + c).pvalue <= alpha * (1 + 1e-9):
                table, rates = [b, c, n - b - c], [gain, loss, 1 - gain - loss]
                total += float(stats.multinomial.pmf(table, n, rates))
    return total


@given(st.integers(1, 14), st.floats(0, 0.5), st.floats(0, 0.5), st.sampled_from([0.01, 0.05, 0.2]))
@settings(max_examples=25)
def test_power_is_the_sum_over_all_tables(n: int, gain: float, loss: float, alpha: float) -> None:
    expected = slow_power(n, gain, loss, alpha)
    assert mcnemar_power(n, gain, loss, alpha) == pytest.approx(expected, abs=1e-9)


@given(st.floats(0.0001, 0.5))
def test_one_way_flips(alpha: float) -> None:
    flips = minimum_one_way_flips(alpha)
    assert stats.binomtest(flips, flips).pvalue <= alpha * (1 + 1e-9)
    assert flips == 1 or stats.binomtest(flips - 1, flips - 1).pvalue > alpha * (1 - 1e-9)


def test_the_registered_pilot_needs_six() -> None:
    assert minimum_one_way_flips(0.05) == 6
    assert mcnemar_power(5, 1.0, 0.0) == 0.0
    assert mcnemar_power(6, 1.0, 0.0) == 1.0
    # One-way flips of 25: at least six of them.
    assert mcnemar_power(25, 0.3, 0.0) == pytest.approx(stats.binom.sf(5, 25, 0.3))


def test_size_is_below_alpha() -> None:
    assert all(mcnemar_power(25, p, p) <= 0.05 for p in (0.02, 0.1, 0.3, 0.5))


def test_minimum_detectable_effect_is_minimal() -> None:
    for loss in (0.0, 0.05, 0.1):
        effect = minimum_detectable_effect(25, loss)
        assert isinstance(effect, float)
        assert mcnemar_power(25, loss + effect, loss) >= 0.8
        assert mcnemar_power(25, loss + effect - 0.001, loss) < 0.8
    assert isinstance(minimum_detectable_effect(5), Undefined)


def test_tasks_required_keeps_its_power() -> None:
    n = tasks_required(0.24, 0.04)
    assert isinstance(n, int)
    assert all(mcnemar_power(m, 0.24, 0.04) >= 0.8 for m in range(n, n + 21))
    assert mcnemar_power(n - 1, 0.24, 0.04) < 0.8
    assert isinstance(tasks_required(0.1, 0.1), Undefined)
    assert str(tasks_required(0.011, 0.01, limit=500)) == "undefined: more than 500 tasks"


def test_non_inferiority_power_by_simulation() -> None:
    rng = np.random.default_rng(0)
    n, gain, loss = 120, 0.03, 0.03
    drawn = rng.multinomial(n, [gain, loss, 1 - gain - loss], size=20_000)
    tables, counts = np.unique(drawn[:, :2], axis=0, return_counts=True)
    accepted = [paired_risk_difference(int(b), int(c), n).lo > -0.06 for b, c in tables]
    simulated = np.sum(counts * np.array(accepted)) / 20_000
    assert non_inferiority_power(n, gain, loss, 0.06) == pytest.approx(simulated, abs=0.012)


def test_the_guard_of_591_problems_can_not_see_two_points() -> None:
    # Check 13: with 4 % flipping each way the registered margin has a power of about two fifths.
    assert 0.3 < non_inferiority_power(591, 0.04, 0.04, 0.02) < 0.5
    assert non_inferiority_power(591, 0.005, 0.005, 0.02) > 0.8
    assert non_inferiority_power(591, 0.02, 0.04, 0.02) <= 0.03
    assert non_inferiority_power(10, 0.0, 0.0, 0.02) == 0.0


def test_bad_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="shares of tasks"):
        mcnemar_power(10, 0.7, 0.7)
    with pytest.raises(ValueError, match="margin"):
        non_inferiority_power(10, 0.1, 0.1, margin=2)


def test_n_to_decide_decides() -> None:
    # A normal mean: at the n it gives, the interval clears the threshold in 80 % of samples.
    estimate = Estimate(0.1, 0.1 - 1.96 * 0.1, 0.1 + 1.96 * 0.1, 100, "task")
    n = n_to_decide(estimate, 0.1)
    assert n is not None
    error = 0.1 * math.sqrt(100 / n)
    assert stats.norm.sf(1.96 - 0.1 / error) == pytest.approx(0.8, abs=0.005)
    assert detectable_effect(estimate) == pytest.approx((1.96 + 0.8416) * 0.1, rel=1e-3)
    assert n_to_decide(estimate, 0.0) is None
    assert n_to_decide(Estimate(0, -math.inf, math.inf, 3, "task"), 1.0) is None
