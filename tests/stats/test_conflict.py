"""Conflict rates against Wilson's, recovery by hand, isotonic fits against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.isotonic import isotonic_regression

from stages.stats.conflict import conflict_rate, first_reached, isotonic, recovery
from stages.stats.intervals import Estimate, Undefined, wilson

SESSIONS = [0, 1, 5, 10, 20]


def recovering(rng: np.random.Generator, tasks: int) -> tuple[np.ndarray, np.ndarray]:
    """Success at 0 to 20 sessions and before; 90 % of the loss (0.8 to 0.2) is back at 10."""
    rates = 0.2 + 0.6 * np.array([0.0, 0.3, 0.6, 0.9, 1.0])
    return rng.binomial(3, rates, (tasks, 5)) / 3, rng.binomial(3, 0.8, tasks) / 3


@given(hnp.arrays(float, (3, 6), elements=st.floats(-1, 1)))
@settings(max_examples=30, deadline=None)
def test_isotonic_is_scikit_learns(values: np.ndarray) -> None:
    theirs = np.array([isotonic_regression(row) for row in values])
    assert isotonic(values) == pytest.approx(theirs, abs=1e-9)


def test_crossings_by_hand() -> None:
    shares = np.array([[0, 0.5, 1.0], [0, 0.2, 0.4], [1.0, 1.0, 1.0], [np.nan] * 3])
    assert first_reached(np.array([0.0, 4.0, 10.0]), shares, 0.75).tolist() == [7, math.inf, 0, 0]


def test_the_recoverys_interval_covers() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for i in range(40):
        r = recovery(SESSIONS, *recovering(rng, 60), share=0.75, resamples=200, seed=i)
        assert isinstance(r.sessions_needed, Estimate)
        covered += r.sessions_needed.lo <= 7.5 <= r.sessions_needed.hi
    assert covered >= 34


def test_what_never_recovers_has_no_end() -> None:
    success, before = recovering(np.random.default_rng(1), 60)
    r = recovery(SESSIONS, np.tile(success[:, :1], 5), before)
    assert isinstance(r.sessions_needed, Estimate)
    assert r.sessions_needed.value == r.sessions_needed.hi == math.inf
    assert r.sessions_needed.as_dict()["value"] is None
    assert r.not_reached == 1.0


def test_no_loss_leaves_nothing_to_regain() -> None:
    success, _ = recovering(np.random.default_rng(2), 30)
    r = recovery(SESSIONS, success, success[:, 0])
    assert "no loss is established" in str(r.sessions_needed)
    assert isinstance(r.regained, Undefined)
    assert set(r.success) == {0.0, 1.0, 5.0, 10.0, 20.0}


def test_tasks_that_all_agree_are_no_certainty() -> None:
    success = np.tile([0.0, 0.0, 1.0, 1.0], (12, 1))
    r = recovery([0, 1, 5, 10], success, np.ones(12), share=0.5)
    assert isinstance(r.sessions_needed, Estimate)
    assert r.sessions_needed.value == 3
    assert r.sessions_needed.hi > r.sessions_needed.lo


def test_one_decision_per_task_is_wilson_with_t() -> None:
    e, z = conflict_rate([1] * 6 + [0] * 194, [1] * 200), wilson(6, 200)
    assert isinstance(e, Estimate)
    assert (e.value, e.lo, e.hi) == pytest.approx((z.value, z.lo, z.hi), abs=2e-3)


def test_conflicts_of_one_task_count_as_one() -> None:
    spread = conflict_rate([1] * 10 + [0] * 10, [10] * 20)
    heaped = conflict_rate([10] + [0] * 19, [10] * 20)
    assert isinstance(spread, Estimate) and isinstance(heaped, Estimate)
    assert spread.value == heaped.value == 0.05
    assert heaped.hi > 1.8 * spread.hi


def test_no_conflict_is_bounded_by_tasks() -> None:
    none = conflict_rate([0] * 20, [50] * 20)
    assert isinstance(none, Estimate)
    assert none.lo == 0
    assert none.hi > 0.1
    assert isinstance(conflict_rate([0], [0]), Undefined)


def test_bad_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="conflicts"):
        conflict_rate([3], [2])
    with pytest.raises(ValueError, match="start at 0"):
        recovery([1, 2], np.ones((4, 2)), np.ones(4))
    with pytest.raises(ValueError, match="tasks × sessions"):
        recovery([0, 2], np.ones((4, 3)), np.ones(4))
    with pytest.raises(ValueError, match="share"):
        recovery([0, 2], np.ones((4, 2)), np.ones(4), share=2)
