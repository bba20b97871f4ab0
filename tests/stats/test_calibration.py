"""ECE against a slow loop, Brier against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from stages.stats.calibration import calibration

ANSWERS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def slow_ece(confidence: list[float], correct: list[bool]) -> float:
    total = 0.0
    for m in range(1, 11):
        inside = [
            i
            for i, c in enumerate(confidence)
            if ((m - 1) / 10 < c <= m / 10) or (m == 1 and c == 0)
        ]
        if inside:
            acc = sum(correct[i] for i in inside) / len(inside)
            conf = sum(confidence[i] for i in inside) / len(inside)
            total += len(inside) / len(confidence) * abs(acc - conf)
    return total


@given(ANSWERS)
def test_against_a_loop_and_sklearn(answers: list[tuple[float, bool]]) -> None:
    # Confidences as stated by models have few digits; at 17 a bin's edge is a matter of rounding.
    confidence = [round(c, 3) for c, _ in answers]
    correct = [right for _, right in answers]
    ours = calibration(confidence, correct, resamples=200)
    assert ours.ece.value == pytest.approx(slow_ece(confidence, correct), abs=1e-12)
    if len(set(correct)) == 2:
        assert ours.brier.value == pytest.approx(brier_score_loss(correct, confidence), abs=1e-12)
    assert ours.accuracy == pytest.approx(np.mean(correct))
    assert ours.mean_confidence == pytest.approx(np.mean(confidence))
    for e in (ours.ece, ours.brier):
        assert 0 <= e.lo <= e.value <= e.hi <= 1
        assert e.hi > e.lo


def test_mean_confidence_is_not_calibration() -> None:
    # Mean confidence equals accuracy, and yet every answer is as wrong as can be.
    ours = calibration([1.0] * 50 + [0.0] * 50, [0] * 50 + [1] * 50)
    assert ours.mean_confidence == ours.accuracy == 0.5
    assert (ours.ece.value, ours.brier.value) == (1.0, 1.0)


def test_interval_covers_a_calibrated_model_closely() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0, 1, 1500)
    ours = calibration(confidence, rng.random(1500) < confidence)
    assert ours.ece.value < 0.06
    assert ours.brier.lo < 1 / 6 < ours.brier.hi  # E[c(1-c)] of a uniform c


def test_clusters_widen_the_interval_and_seeds_repeat_it() -> None:
    rng = np.random.default_rng(1)
    tasks = np.repeat(np.arange(30), 10)
    right = np.repeat(rng.random(30) < 0.5, 10)
    confidence = np.full(300, 0.7)
    alone = calibration(confidence, right)
    nested = calibration(confidence, right, clusters=tasks.tolist())
    assert nested.brier.n == 30
    assert nested.brier.hi - nested.brier.lo > 2 * (alone.brier.hi - alone.brier.lo)
    assert calibration(confidence, right) == alone


def test_certain_and_right_once_is_not_certainty() -> None:
    ours = calibration([1.0], [1])
    assert (ours.ece.value, ours.brier.value) == (0.0, 0.0)
    assert ours.ece.hi > 0.7


@pytest.mark.parametrize("confidence", [[1.5, 0.5], [0.5], [np.nan, 0.5]])
def test_bad_confidences_are_refused(confidence: list[float]) -> None:
    with pytest.raises(ValueError, match="confidence"):
        calibration(confidence, [1, 0])
