"""Thresholds by hand, under no effect, and beyond the sizes that were run."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stages.stats.clusters import clustered_difference
from stages.stats.intervals import Estimate, Undefined
from stages.stats.sample_size import sample_size_curve, sustained_above

SIZES = [18, 65, 100, 200, 400]


def measured(gains: list[float], tasks: int = 40, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (tasks, 2, 5)
    return (rng.random(shape) < gains).astype(float) - (rng.random(shape) < 0.02)


def test_effects_are_clustered_differences_and_the_threshold_is_theirs() -> None:
    cells = measured([0.0, 0.0, 0.02, 0.7, 0.8])
    curve = sample_size_curve(SIZES, cells, resamples=30)
    for k, size in enumerate(SIZES):
        assert curve.effects[size] == clustered_difference(cells[:, :, k])
    assert isinstance(curve.first, Estimate)
    assert isinstance(curve.sustained, Estimate)
    assert curve.first.value == curve.sustained.value == 200
    assert curve.first.lo <= 200 <= curve.first.hi
    assert sum(curve.frequency.values()) + curve.none_found == pytest.approx(1)


def test_a_lucky_small_size_is_not_sustained() -> None:
    curve = sample_size_curve(SIZES, measured([0.6, 0.0, 0.0, 0.0, 0.7]), resamples=15)
    assert isinstance(curve.first, Estimate)
    assert isinstance(curve.sustained, Estimate)
    assert (curve.first.value, curve.sustained.value) == (18, 400)


def test_no_effect_has_no_threshold() -> None:
    curve = sample_size_curve(SIZES, np.zeros((20, 5)), resamples=5)
    assert isinstance(curve.first, Undefined)
    assert isinstance(curve.sustained, Undefined)
    assert curve.none_found == 1.0
    harm = sample_size_curve(SIZES, -measured([0.7, 0.0, 0.0, 0.0, 0.0]), resamples=5)
    assert harm.harmful == [18]


def test_sustained_steps_down() -> None:
    assert sustained_above([1, 2, 3], [False, True, True]) == 2
    assert math.isinf(sustained_above([1, 2, 3], [True, True, False]))


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="tasks × runs"):
        sample_size_curve(SIZES, np.zeros((4, 3)))
    with pytest.raises(ValueError, match="must rise"):
        sample_size_curve([5, 5], np.zeros((4, 2)))
    with pytest.raises(ValueError, match="no measured"):
        sample_size_curve([5, 6], np.array([[0.0, np.nan]]))
