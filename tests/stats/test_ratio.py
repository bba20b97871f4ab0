"""The ratio of paired means: Fieller's interval, its ends and its coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from stages.stats.intervals import Estimate, Undefined
from stages.stats.ratio import clustered_ratio, not_told_apart


def fieller(a: np.ndarray, b: np.ndarray, alpha: float) -> tuple[float, float]:
    """Fieller (1954): roots of (ā - ρb̄)² = t²·s²(ρ)/n, for independent pairs."""
    n, t = len(a), stats.t.isf(alpha / 2, len(a) - 1)
    cov = np.cov(a, b) / n
    roots = np.roots(
        [
            b.mean() ** 2 - t**2 * cov[1, 1],
            -2 * (a.mean() * b.mean() - t**2 * cov[0, 1]),
            a.mean() ** 2 - t**2 * cov[0, 0],
        ]
    )
    return float(min(roots)), float(max(roots))


def test_close_to_fieller_where_tasks_are_independent():
    rng = np.random.default_rng(0)
    b = rng.uniform(0.5, 1, 200)
    a = b * 0.8 + rng.uniform(-0.15, 0.15, 200)
    found = clustered_ratio(a, b)
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(a.mean() / b.mean())
    lo, hi = fieller(a, b, 0.05)
    assert found.lo == pytest.approx(lo, abs=0.01) and found.hi == pytest.approx(hi, abs=0.01)


def test_the_ends_are_where_the_test_begins_to_reject():
    rng = np.random.default_rng(1)
    a, b = rng.uniform(0, 1, (60, 1)), rng.uniform(0.3, 1, (60, 1))
    found = clustered_ratio(a, b, 0.05)
    assert isinstance(found, Estimate)
    for ratio, inside in ((found.lo - 1e-3, False), (found.lo + 1e-3, True)):
        assert not_told_apart(a - ratio * b, 1 + ratio, 0.05) is inside
    for ratio, inside in ((found.hi + 1e-3, False), (found.hi - 1e-3, True)):
        assert not_told_apart(a - ratio * b, 1 + ratio, 0.05) is inside


def test_cells_that_never_vary_keep_a_width():
    found = clustered_ratio(np.ones((30, 2)), np.ones((30, 2)))
    assert isinstance(found, Estimate) and found.value == 1.0 and found.lo < 0.95 < 1.05 < found.hi


def test_a_denominator_around_zero_is_undefined():
    rng = np.random.default_rng(2)
    noise = rng.choice([-1.0, 0.0, 1.0], 20)
    assert isinstance(clustered_ratio(np.ones(20), noise), Undefined)
    assert isinstance(clustered_ratio([np.nan], [1.0]), Undefined)
    with pytest.raises(ValueError, match="tasks × runs"):
        clustered_ratio([1.0, 0.0], [1.0])


def test_coverage_of_a_ratio_of_rates():
    """120 experiments of 60 sessions and 3 seeds, with noise of both kinds."""
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(120):
        session = rng.normal(0, 0.1, (60, 1))
        b = np.clip(0.8 + session + rng.normal(0, 0.1, (60, 3)), 0, 1)
        a = np.clip(0.6 + session + rng.normal(0, 0.1, (60, 3)), 0, 1)
        found = clustered_ratio(a, b)
        # of two million draws, clipped: 0.600 and 0.7949
        truth = 0.6 / 0.7949
        missed += isinstance(found, Estimate) and not found.lo <= truth <= found.hi
    assert missed <= 9
