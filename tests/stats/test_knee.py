"""Knees by hand, against a grid search, under a straight line, and their interval's coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stages.stats.curves import checked_curve
from stages.stats.intervals import Estimate, Undefined
from stages.stats.knee import breakpoints, find_knee, kneedle, two_pieces

BUDGETS = np.array([3.0, 5.0, 10.0, 20.0, 50.0])


def bent(rng: np.random.Generator, replicates: int, noise: float) -> np.ndarray:
    """Retention over ln(budget), bent at 12 pairs; each replicate has a level of its own."""
    rise = 0.2 * np.minimum(np.log(BUDGETS), np.log(12))
    return rise + rng.normal(0, noise, (replicates, 5)) + rng.normal(0, 0.1, (replicates, 1))


@given(
    hnp.arrays(float, (2, 6), elements=st.floats(-1, 1)),
    st.lists(st.integers(0, 30), min_size=6, max_size=6, unique=True),
)
@settings(max_examples=40, deadline=None)
def test_the_search_is_exact(cells: np.ndarray, levels: list[int]) -> None:
    curve = checked_curve(levels, cells)

    def rss(at: float) -> float:
        fit = np.linalg.lstsq(two_pieces(curve, at), curve.y, rcond=None)[0]
        return float(np.sum((curve.y - two_pieces(curve, at) @ fit) ** 2))

    found = float(breakpoints(curve, curve.y[None, :])[0])
    inner = curve.levels[1], curve.levels[-2]
    assert inner[0] <= found <= inner[1]
    assert rss(found) <= min(rss(at) for at in np.linspace(*inner, 60)) + 1e-9


def test_a_breakpoint_between_levels_is_found() -> None:
    x = np.arange(10.0)
    knee = find_knee(x, 1 - 0.1 * np.minimum(x, 4.3), improves="down", resamples=50)
    assert isinstance(knee.at, Estimate)
    assert knee.at.value == pytest.approx(4.3)
    assert knee.slope_before == pytest.approx(-0.1)
    assert knee.slope_after == pytest.approx(0, abs=1e-9)
    assert knee.kneedle == 4.0


def test_a_line_has_no_knee() -> None:
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(150):
        line = 0.01 * BUDGETS + rng.normal(0, 0.05, (3, 5)) + rng.normal(0, 0.1, (3, 1))
        found += isinstance(find_knee(BUDGETS, line, resamples=1).at, Estimate)
    assert found / 150 <= 0.05


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(1)
    knees = [find_knee(BUDGETS, bent(rng, 3, 0.03), log=True, resamples=200) for _ in range(100)]
    found = [knee.at for knee in knees if isinstance(knee.at, Estimate)]
    covered = sum(at.lo <= 12 <= at.hi for at in found) / len(found)
    print(f"found {len(found)} of 100, covered {covered:.2f}")
    assert len(found) >= 85
    assert covered >= 0.86


def test_a_replicates_own_level_is_no_noise() -> None:
    cells = bent(np.random.default_rng(2), 4, 0.01)
    shifted = cells + np.array([[0.0], [5.0], [-3.0], [40.0]])
    one, other = (find_knee(BUDGETS, c, log=True, resamples=20).at for c in (cells, shifted))
    assert isinstance(one, Estimate)
    assert isinstance(other, Estimate)
    assert other.value == pytest.approx(one.value)
    missing = cells.copy()
    missing[0, 3] = np.nan
    assert isinstance(find_knee(BUDGETS, missing, log=True, resamples=20).at, Estimate)


def test_equal_seeds_give_equal_intervals() -> None:
    cells = bent(np.random.default_rng(3), 3, 0.02)
    assert find_knee(BUDGETS, cells, log=True, seed=5) == find_knee(
        BUDGETS, cells, log=True, seed=5
    )


def test_a_break_that_speeds_up_is_no_knee() -> None:
    x = np.arange(12.0)
    threshold = 0.02 * x + 0.2 * np.maximum(x - 6, 0)
    assert "faster after" in str(find_knee(x, threshold).at)
    assert "does not improve" in str(find_knee(x, -0.1 * np.minimum(x, 5)).at)


def test_too_few_levels_or_points_say_so() -> None:
    assert "3 levels" in str(find_knee([1, 2, 3], [0, 1, 1]).at)
    five = find_knee([1, 2, 3, 4, 5], [0, 1, 2, 2, 2])
    assert "too few for AICc" in str(five.at)
    flat = find_knee(range(8), np.ones(8))
    assert isinstance(flat.at, Undefined)
    assert isinstance(flat.kneedle, Undefined)


def test_kneedle_names_the_papers_knee() -> None:
    # Satopää et al., figure 2: f(x) = -1/(x + 0.1) + 5 on ten points, knee at 0.22.
    x = np.arange(10) / 9
    assert kneedle(x, -1 / (x + 0.1) + 5) == pytest.approx(2 / 9)
    assert kneedle(x, 1 / (x + 0.1), "down") == pytest.approx(2 / 9)
    assert isinstance(kneedle(x, x), Undefined)
    assert isinstance(kneedle(x, x**3), Undefined)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="'up' or 'down'"):
        find_knee([1, 2, 3, 4], [1, 2, 3, 4], improves="left")
    with pytest.raises(ValueError, match="no logarithm"):
        find_knee([0, 1, 2, 3], [1, 2, 3, 4], log=True)
