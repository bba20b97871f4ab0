"""seeds/000's step table from its own counts; tables against ``stages.stats.items``."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from statsmodels.stats.proportion import proportion_confint

from stages.stats.intervals import Estimate, Undefined
from stages.stats.items import cumulative_rates, window_rates
from stages.stats.loops.rates import (
    StepCounts,
    count_changes,
    cumulative_table,
    fixed_table,
    window_table,
)

HISTORIES = st.tuples(st.integers(2, 6), st.integers(1, 15)).flatmap(
    lambda shape: hnp.arrays(bool, shape)
)

SEED_456 = (
    (StepCounts(20, 4, 11, 0, 9), 20, 36.4, 0.0, 4),
    (StepCounts(50, 2, 23, 5, 27), 50, 8.7, 18.5, -3),
    (StepCounts(80, 7, 39, 5, 41), 80, 17.9, 12.2, 2),
)


@pytest.mark.parametrize(("counts", "items", "improved", "forgotten", "net"), SEED_456)
def test_the_published_step_table(
    counts: StepCounts, items: int, improved: float, forgotten: float, net: int
) -> None:
    gain, loss = counts.improvement(), counts.forgetting()
    assert isinstance(gain, Estimate)
    assert isinstance(loss, Estimate)
    assert round(100 * gain.value, 1) == improved
    assert round(100 * loss.value, 1) == forgotten
    assert (counts.net, counts.items) == (net, items)


def test_the_best_single_checkpoint_is_within_the_noise_of_the_worst() -> None:
    """36.4 % of 11 items: 'the best checkpoint of the whole experiment' reaches down to 15 %."""
    best, worst = (row[0].improvement() for row in SEED_456[:2])
    assert isinstance(best, Estimate)
    assert isinstance(worst, Estimate)
    assert best.lo < worst.hi
    assert (best.lo, best.hi) == pytest.approx(proportion_confint(4, 11, method="wilson"))


def test_counts_from_answers_in_order() -> None:
    base = [0] * 11 + [1] * 9
    now = [1] * 4 + [0] * 7 + [1] * 9
    assert count_changes(base, now, range(20), 20) == SEED_456[0][0]


@given(HISTORIES)
def test_the_same_rates_as_items(correct: np.ndarray) -> None:
    checkpoints, items = correct.shape
    windows = [list(range(k, items, checkpoints - 1)) for k in range(checkpoints - 1)]
    steps = list(range(checkpoints))
    pairs = (
        (window_table(correct, windows, steps), window_rates(correct, windows)),
        (cumulative_table(correct, windows, steps), cumulative_rates(correct, windows)),
    )
    for table, rates in pairs:
        assert [row.loop_rates() for row in table] == rates
        assert [row.step for row in table] == steps[1:]
    fixed = fixed_table(correct, range(items), steps)
    assert fixed[-1] == cumulative_table(correct, windows, steps)[-1]
    # Over a fixed set, net learning is just the change in right answers.
    assert [row.net for row in fixed] == [int(r.sum()) - int(correct[0].sum()) for r in correct[1:]]


def test_an_empty_side_is_undefined_not_zero() -> None:
    row = count_changes([1, 1], [1, 0], [0, 1])
    assert row.improvement() == Undefined("no item was wrong")
    assert row.as_dict()["improvement"] == "undefined: no item was wrong"
    assert row.as_dict()["forgetting"]["value"] == 0.5


def test_what_cannot_be_counted_is_refused() -> None:
    with pytest.raises(ValueError, match="not possible"):
        StepCounts(1, improved=3, wrong=2, forgotten=0, right=0)
    with pytest.raises(ValueError, match="two windows"):
        window_table(np.zeros((3, 2)), [[0, 1], [1]], [0, 1, 2])
    with pytest.raises(ValueError, match="stands twice"):
        count_changes([0, 1], [0, 1], [0, 0])
    with pytest.raises(ValueError, match="2 step numbers"):
        window_table(np.zeros((3, 2)), [[0], [1]], [1, 2])
