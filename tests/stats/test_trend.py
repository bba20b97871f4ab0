"""Slopes against numpy, errors of the interval under no trend, and what the margin decides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stages.stats.intervals import Estimate
from stages.stats.trend import amplification, session_slopes, slope_estimand
from stages.stats.verdict import INCONCLUSIVE, REFUTED, SUPPORTED


def drifting(rng: np.random.Generator, worlds: int, seeds: int, slope: float = 0.0) -> np.ndarray:
    """Errors of 20 sessions; worlds, seeds and runs have slopes of their own, sessions noise."""
    own = rng.normal(0, 0.002, (worlds, 1, 1)) + rng.normal(0, 0.002, (1, seeds, 1))
    level = 0.4 + rng.normal(0, 0.05, (worlds, seeds, 1))
    noise = rng.normal(0, 0.04, (worlds, seeds, 20))
    return np.clip(level + (slope + own) * np.arange(20) + noise, 0, 1)


@given(hnp.arrays(float, (2, 3, 6), elements=st.floats(0, 1)))
@settings(max_examples=20, deadline=None)
def test_slopes_are_polyfits_and_within_the_bound(errors: np.ndarray) -> None:
    slopes, largest = session_slopes(errors)
    for w, r in np.ndindex(2, 3):
        expected = np.polyfit(np.arange(6), errors[w, r], 1)[0]
        assert slopes[w, r] == pytest.approx(expected, abs=1e-9)
    assert np.abs(slopes).max() <= largest + 1e-12
    assert session_slopes([[0, 0, 0, 1, 1, 1]])[0][0, 0] == pytest.approx(largest)


def test_missing_sessions_are_left_out() -> None:
    slopes, _ = session_slopes([[0.1, np.nan, 0.5], [0.2, np.nan, np.nan]])
    assert slopes[0, 0] == pytest.approx(0.2)
    assert np.isnan(slopes[1, 0])
    assert session_slopes([[0.1, 0.5]], sessions=[1, 11])[0][0, 0] == pytest.approx(0.04)


@pytest.mark.parametrize(("worlds", "seeds"), [(3, 3), (8, 3)])
def test_no_trend_is_called_growth_at_most_at_alpha(worlds: int, seeds: int) -> None:
    rng = np.random.default_rng(0)
    wrong = boot = 0
    for i in range(150):
        a = amplification(drifting(rng, worlds, seeds), margin=0.02, resamples=100, seed=i)
        wrong += a.slope.lo > 0 or a.slope.hi < 0
        boot += a.bootstrap.lo > 0 or a.bootstrap.hi < 0
    print(f"{worlds} × {seeds}: interval {wrong / 150:.3f}, percentile bootstrap {boot / 150:.3f}")
    assert wrong / 150 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)
    assert boot > wrong


def test_the_margin_decides() -> None:
    rng = np.random.default_rng(1)
    flat = amplification(drifting(rng, 8, 3), margin=0.01)
    assert (flat.no_amplification, flat.equivalent, flat.grows) == (SUPPORTED, SUPPORTED, False)
    grown = amplification(drifting(rng, 8, 3, slope=0.02), margin=0.01)
    assert (grown.no_amplification, grown.grows) == (REFUTED, True)
    # Growth seen, yet smaller than what was registered as mattering: both can hold.
    small = amplification(drifting(rng, 8, 3, slope=0.008), margin=0.02)
    assert (small.no_amplification, small.grows) == (SUPPORTED, True)
    falls = amplification(drifting(rng, 8, 3, slope=-0.02), margin=0.01)
    assert (falls.no_amplification, falls.equivalent) == (SUPPORTED, REFUTED)


def test_one_run_decides_nothing() -> None:
    a = amplification([[0.2, 0.2, 0.2, 0.2]], margin=0.05)
    assert a.no_amplification == INCONCLUSIVE
    assert a.slope.n == 1


def test_errors_always_zero_keep_a_width() -> None:
    zero = amplification(np.zeros((6, 20)), margin=0.001)
    assert zero.slope.value == 0
    assert zero.slope.hi > 0.01
    assert zero.no_amplification == INCONCLUSIVE


def test_the_change_is_the_slope_over_the_span() -> None:
    a = amplification([[0.1, 0.2, 0.3], [0.2, 0.3, 0.5]], margin=0.1, sessions=[5, 10, 15])
    assert a.change.value == pytest.approx(10 * a.slope.value)
    assert a.change.hi == pytest.approx(10 * a.slope.hi)


def test_a_smaller_alpha_is_wider() -> None:
    estimand = slope_estimand(drifting(np.random.default_rng(2), 4, 3))
    widths = []
    for alpha in (0.2, 0.05, 0.001):
        e = estimand(alpha)
        assert isinstance(e, Estimate)
        widths.append(e.hi - e.lo)
    assert widths == sorted(widths)


def test_bad_errors_are_refused() -> None:
    with pytest.raises(ValueError, match="outside"):
        session_slopes([[0.1, 1.2]])
    with pytest.raises(ValueError, match="two measured"):
        session_slopes([[0.1, np.nan]])
    with pytest.raises(ValueError, match="one each"):
        session_slopes([[0.1, 0.2]], sessions=[1, 2, 3])
    with pytest.raises(ValueError, match="dimensions"):
        session_slopes([0.1, 0.2])
    with pytest.raises(ValueError, match="margin"):
        amplification([[0.1, 0.2]], margin=0)
