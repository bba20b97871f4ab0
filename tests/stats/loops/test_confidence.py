"""Confidence: seeds/002's means, the reliability diagram against scikit-learn, clusters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from stages.stats.intervals import Estimate, Undefined
from stages.stats.loops.confidence import (
    Confidence,
    confidence_report,
    gap_change,
    published_confidence,
)

ANSWERS = st.lists(
    st.tuples(st.integers(0, 1000).map(lambda c: c / 1000), st.booleans()), min_size=2, max_size=50
)


def report(confidence: np.ndarray, correct: np.ndarray) -> Confidence:
    return confidence_report(confidence, correct, range(len(confidence)), resamples=100)


def test_better_calibrated_is_not_shown() -> None:
    """0.83 at 20 %, 0.91 at 45 %: confident by 46 points too much still, and no change shown."""
    before, after = published_confidence(0.83, 4, 20), published_confidence(0.91, 9, 20)
    assert (before.least_ece, after.least_ece) == (pytest.approx(0.63), pytest.approx(0.46))
    assert after.gap.lo > 0.2
    change = gap_change((0.83, 4, 20), (0.91, 9, 20))
    assert change.lo < 0 < change.hi


def test_mean_confidence_is_not_calibration() -> None:
    """Mean confidence equal to accuracy, and every answer as wrong as can be."""
    found = report(np.repeat([1.0, 0.0], 50), np.repeat([0, 1], 50))
    assert found.gap.value == pytest.approx(0)
    assert found.calibration.ece.value == 1.0
    rows = [(row.answers, row.confidence) for row in (found.bins[0], found.bins[9])]
    assert rows == [(50, 0.0), (50, 1.0)]
    accuracy = found.bins[9].accuracy
    assert isinstance(accuracy, Estimate)
    assert (accuracy.value, accuracy.hi < 0.1) == (0.0, True)


@settings(max_examples=40, deadline=None)
@given(ANSWERS)
def test_bins_against_scikit_learn(answers: list[tuple[float, bool]]) -> None:
    confidence, correct = (np.array(each) for each in zip(*answers, strict=True))
    found = report(confidence, correct)
    assert sum(row.answers for row in found.bins) == len(answers)
    # scikit-learn's bins hold their lower edge and ours the upper one: off the edges they agree.
    if not np.isclose(np.mod(confidence * 10, 1), 0).any():
        share, mean = calibration_curve(correct, confidence, n_bins=10)
        full = [row for row in found.bins if row.answers]
        assert [row.confidence for row in full] == pytest.approx(list(mean))
        values = [row.accuracy.value for row in full if isinstance(row.accuracy, Estimate)]
        assert values == pytest.approx(list(share))
    gaps = [
        row.answers * abs(row.accuracy.value - row.confidence)
        for row in found.bins
        if isinstance(row.accuracy, Estimate) and not isinstance(row.confidence, Undefined)
    ]
    assert sum(gaps) / len(answers) == pytest.approx(found.calibration.ece.value)
    assert abs(found.gap.value) <= found.calibration.ece.value + 1e-12
    assert found.gap.lo <= found.gap.value <= found.gap.hi


def test_samples_of_one_problem_are_one_problem() -> None:
    rng = np.random.default_rng(1)
    right = np.repeat(rng.random(20) < 0.4, 10)
    confidence = np.full(200, 0.85)
    problems = np.repeat(np.arange(20), 10).tolist()
    nested = confidence_report(confidence, right, problems, resamples=200)
    alone = report(confidence, right)
    for ours, other in ((nested.gap, alone.gap), (nested.bins[8].accuracy, alone.bins[8].accuracy)):
        assert isinstance(ours, Estimate)
        assert isinstance(other, Estimate)
        assert ours.value == other.value
        assert ours.hi - ours.lo > 2 * (other.hi - other.lo)
        assert ours.n == 20
    assert isinstance(nested.bins[0].accuracy, Undefined)


def test_all_wrong_at_one_confidence_is_no_certainty() -> None:
    found = report(np.full(8, 0.9), np.zeros(8))
    assert found.gap.value == pytest.approx(0.9)
    assert found.gap.lo < 0.6
    one = report(np.array([0.9]), np.array([1]))
    assert one.gap.hi - one.gap.lo > 0.7
    with pytest.raises(ValueError, match="100"):
        published_confidence(83, 4, 20)
