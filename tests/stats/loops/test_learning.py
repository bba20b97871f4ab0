"""Reading of curves: grokking planted, absent, imitated by noise; seeds/003's flat lines."""

from __future__ import annotations

import numpy as np
import pytest

from stages.stats.intervals import Estimate
from stages.stats.items import grokking
from stages.stats.loops.learning import (
    BRIEF,
    EVALUATION_ONLY,
    GENERALISED,
    GROKKING,
    NOT_FITTED,
    PLATEAU,
    TOO_FEW,
    WITHIN_NOISE,
    read_curves,
    rises,
    searched_pairs,
)

STEPS = list(range(0, 101, 5))
FITTED = [0.5, 0.7, 0.85] + [0.95] * 18
LATE = [0.1] * 12 + [0.5] + [0.9] * 8


def test_the_published_flat_lines() -> None:
    """17 of 30 and 4 of 9 at iterations 0, 5, 10, 15."""
    found = read_curves([0, 5, 10, 15], [17 / 30] * 4, [4 / 9] * 4, problems=9)
    assert found.reading == EVALUATION_ONLY
    assert found.grokking is None
    assert isinstance(found.gain, Estimate)
    assert found.gain.value == 0
    assert found.gain.lo < -0.3  # nine problems would not have shown a gain of 30 points either


def test_hashes_say_more_than_curves() -> None:
    """Sampling noise moves the curve of an unchanged model; a trained model's may stay flat."""
    noisy = [0.4, 0.5] * 10 + [0.4]
    found = read_curves(STEPS, noisy, noisy, 9, weights=["a"] * 21)
    assert found.reading == EVALUATION_ONLY
    hashes = [str(i) for i in range(21)]
    flat = read_curves(STEPS, [0.95] * 21, [0.4] * 21, 9, weights=hashes)
    assert flat.reading == PLATEAU


@pytest.mark.parametrize(
    ("train", "held_out", "reading"),
    [
        (FITTED, LATE, GROKKING),
        (FITTED, [0.1] * 21, PLATEAU),
        (FITTED, [0.1 + 0.04 * i for i in range(21)], GENERALISED),
        (FITTED, [0.1, 0.4, 0.7] + [0.9] * 18, GENERALISED),
        ([0.6 + 0.01 * i for i in range(21)], LATE, NOT_FITTED),
        (FITTED, [0.1] * 12 + [0.9] + [0.1] * 8, BRIEF),
    ],
)
def test_synthetic_curves(train: list[float], held_out: list[float], reading: str) -> None:
    found = read_curves(STEPS, train, held_out, problems=100)
    assert found.reading == reading, found.reason
    if reading == GROKKING:
        assert found.grokking is not None
        assert found.grokking.from_step == 50
        assert found.rise is not None
        assert found.rise.lo > 0


def test_nine_problems_cannot_show_grokking_by_a_third() -> None:
    late = [3 / 9] * 13 + [6 / 9] * 8
    assert grokking(STEPS, FITTED, late) is not None
    assert read_curves(STEPS, FITTED, late, problems=9).reading == WITHIN_NOISE
    assert read_curves(STEPS, FITTED, late, problems=180).reading == GROKKING


def test_noise_meets_the_definition_and_is_not_called_grokking() -> None:
    """A model of held-out accuracy 0.5 throughout, on 9 problems: the bare definition falls for it
    in most runs, the reading hardly ever."""
    rng = np.random.default_rng(0)
    named = read = 0
    for _ in range(100):
        held_out = (rng.binomial(9, 0.5, size=21) / 9).tolist()
        named += grokking(STEPS, FITTED, held_out) is not None
        read += read_curves(STEPS, FITTED, held_out, problems=9).reading == GROKKING
    assert named > 50
    assert read <= 2


def test_a_brief_rise_before_does_not_hide_grokking() -> None:
    held_out = [0.1] * 9 + [0.6] + [0.1] * 5 + [0.9] * 6
    found = read_curves(STEPS, FITTED, held_out, problems=100)
    assert found.reading == GROKKING
    assert found.grokking is not None
    assert found.grokking.from_step >= 60
    every = rises(STEPS, FITTED, held_out)
    assert every[0] == grokking(STEPS, FITTED, held_out)
    assert len(every) > 2


def test_pairs_searched_against_a_loop() -> None:
    slow = sum(a >= 40 and 0 < b - a <= 10 for a in STEPS for b in STEPS)
    assert searched_pairs(STEPS, 20) == slow


def test_curves_that_do_not_fit_are_refused() -> None:
    assert read_curves([0, 50, 100], [0.5, 0.95, 1.0], [0.1, 0.1, 0.9], 50).reading == TOO_FEW
    with pytest.raises(ValueError, match="one of each"):
        read_curves([0, 1], [0.5], [0.5, 0.5], 9)
    with pytest.raises(ValueError, match="100"):
        read_curves([0, 1], [50, 60], [0.5, 0.5], 9)
    with pytest.raises(ValueError, match="ascend"):
        read_curves([1, 0], [0.5, 0.6], [0.5, 0.5], 9)
