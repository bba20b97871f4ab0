"""Weak areas: seeds/002's labels, and areas that are weak or only counted often."""

from __future__ import annotations

import numpy as np
import pytest

from stages.stats.intervals import Undefined
from stages.stats.loops.areas import INCONCLUSIVE, STRONG, WEAK, area_counts, weak_areas

GENERATIONS = (
    ({"arithmetic": 12, "sequences": 3, "functions": 2, "algebra": 1}, 4),
    ({"arithmetic": 10, "probability": 1, "geometry": 6}, 3),
    ({"arithmetic": 7, "geometry": 2, "algebra": 1, "functions": 1}, 9),
)


def test_the_published_labels_are_no_count_of_wrong_answers() -> None:
    """18 labels for 16 wrong answers in generation 0; later generations do add up."""
    found = [area_counts(counts, right, 20) for counts, right in GENERATIONS]
    assert [(each.labelled, each.wrong) for each in found] == [(18, 16), (17, 17), (11, 11)]
    assert [each.fits for each in found] == [False, True, True]


def test_counted_most_often_is_not_weak() -> None:
    """Every area is right in 1 of 5; arithmetic is asked most, so it has most wrong answers."""
    asked = {"arithmetic": 15, "sequences": 5, "functions": 5}
    found = weak_areas({name: np.arange(n) % 5 == 0 for name, n in asked.items()})
    assert not isinstance(found, Undefined)
    assert {area.reading for area in found.values()} == {INCONCLUSIVE}


def test_an_area_that_is_weak_is_found() -> None:
    rng = np.random.default_rng(0)
    rates = {"percent": 0.1, "sums": 0.8, "series": 0.8, "roots": 0.8}
    found = weak_areas({name: rng.random((50, 3)) < rate for name, rate in rates.items()})
    assert not isinstance(found, Undefined)
    assert [name for name, area in found.items() if area.reading == WEAK] == ["percent"]
    assert found["percent"].difference.value == pytest.approx(-0.7, abs=0.1)


def test_equal_areas_are_rarely_called_weak() -> None:
    rng = np.random.default_rng(2)
    false = 0
    for _ in range(100):
        found = weak_areas({str(i): rng.random(20) < 0.5 for i in range(5)})
        assert not isinstance(found, Undefined)
        false += any(area.reading in (WEAK, STRONG) for area in found.values())
    assert false <= 10


def test_a_default_label_is_refused() -> None:
    with pytest.raises(ValueError, match="Label every item"):
        weak_areas({"": [0, 1], "sums": [1]})
    assert isinstance(weak_areas({"arithmetic": [0, 0, 1]}), Undefined)
    with pytest.raises(ValueError, match="no count"):
        area_counts({}, 21, 20)
