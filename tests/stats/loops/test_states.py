"""seeds/000's oscillating items and failure modes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stages.stats.intervals import Estimate, Undefined
from stages.stats.items import oscillation
from stages.stats.loops.states import (
    item_sets,
    oscillation_rate,
    stuck_count,
    trajectories,
    transitions,
)

HISTORIES = st.tuples(st.integers(3, 9), st.integers(1, 12)).flatmap(
    lambda shape: hnp.arrays(bool, shape)
)


@pytest.mark.parametrize(
    ("item", "trajectory", "count"),
    [
        ("math_014", "S → S → I → S → I → S → I → S", 6),
        ("hist_004", "I → S → I → S → S → S → I", 4),
        ("sci_018", "I → I → S → I → S → S → S", 3),
    ],
)
def test_the_published_transitions(item: str, trajectory: str, count: int) -> None:
    letters = trajectory.replace(" → ", "")
    assert transitions(letters) == count, item
    answers = [[0], *([int(letter == "I")] for letter in letters)]
    assert trajectories(answers) == [letters]


@given(HISTORIES)
def test_transitions_are_oscillation_without_the_base(correct: np.ndarray) -> None:
    counts = [transitions(t) for t in trajectories(correct)]
    assert counts == oscillation(correct[1:]).tolist()
    rate = oscillation_rate(correct)
    assert isinstance(rate, Estimate)
    assert rate.value == pytest.approx(np.mean(counts) / (len(correct) - 2))
    assert rate.n == correct.shape[1]


def test_one_checkpoint_has_no_transitions() -> None:
    assert isinstance(oscillation_rate([[0], [1]]), Undefined)
    with pytest.raises(ValueError, match="mixes states"):
        transitions("IR")
    with pytest.raises(ValueError, match="shape"):
        trajectories([[0, 1]])


SEEDS = {
    # 42, 123, 456: items of the report's table and one of each other kind, state at the end
    "sci_011": "SII",
    "math_006": "ISS",
    "geo_013": "SIS",
    "geo_003": "SSS",
    "kept": "RRR",
    "lost": "RXR",
    "learned": "III",
}


def final_states(letters: str) -> np.ndarray:
    """Two checkpoints per seed, all ends known: base and last."""
    return np.array([[letter in right for letter in letters] for right in ("RX", "RI")])


def test_the_published_failure_modes() -> None:
    runs = [final_states("".join(v[seed] for v in SEEDS.values())) for seed in range(3)]
    found = item_sets(list(SEEDS), runs)
    assert found.seed_dependent == ("sci_011", "math_006", "geo_013")
    assert found.universally_stuck == ("geo_003",)
    assert found.forgotten == found.forgotten_ever == ("lost",)
    assert found.retained == ("kept",)
    assert found.universally_improved == ("learned",)
    assert found.base_differs == ()
    assert [stuck_count(run).at_end for run in runs] == [3, 2, 3]
    assert stuck_count(runs[0], items=[0, 1]).at_end == 1


def test_regained_items_were_forgotten_once_and_base_noise_is_named() -> None:
    regained = np.array([[1, 0], [0, 0], [1, 0]])
    found = item_sets(["a", "b"], [regained, np.array([[1, 1], [1, 1], [1, 1]])])
    assert (found.forgotten, found.forgotten_ever, found.retained) == ((), ("a",), ("a",))
    assert found.base_differs == ("b",)
    with pytest.raises(ValueError, match="other shapes"):
        item_sets(["a"], [regained])


def test_stuck_at_the_end_is_not_stuck_always() -> None:
    found = stuck_count([[0, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 0]])
    assert (found.at_end, found.always, found.wrong) == (2, 1, 3)
