"""seeds/001's changes table and seeds/002's generations, with the intervals they allow."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep

from stages.stats.intervals import Estimate, wilson
from stages.stats.loops.changes import (
    FELL,
    INCONCLUSIVE,
    ROSE,
    generations_fixed,
    generations_fresh,
    mover,
    published_change,
    type_changes,
    worst_change,
)

# 10 problems of each of 2 types, 8 samples of each: rates before and after, and the change
CHANGES_001 = {
    "val overall": (0.512, 0.319, 20, -19.4),
    "test overall": (0.419, 0.312, 20, -10.6),
    "remove_duplicates (val)": (0.300, 0.000, 10, -30.0),
    "fibonacci (val)": (0.725, 0.637, 10, -8.8),
}


@pytest.mark.parametrize("name", CHANGES_001)
def test_the_published_changes(name: str) -> None:
    before, after, problems, change = CHANGES_001[name]
    found = published_change(before, after, problems, samples=8)
    # Half a tenth may go either way: -19.375 was published as -19.4, -8.75 as -8.8.
    assert 100 * found.change == pytest.approx(change, abs=0.051)


def test_what_the_published_changes_show() -> None:
    """Only if samples were problems would the test set have 'degraded' at all."""
    read = {name: published_change(b, a, n, 8) for name, (b, a, n, _) in CHANGES_001.items()}
    assert read["remove_duplicates (val)"].if_independent.hi < 0
    assert read["remove_duplicates (val)"].if_copies.hi > 0
    assert read["fibonacci (val)"].if_independent.hi > 0
    assert read["test overall"].if_independent.hi > -0.001
    assert read["val overall"].if_copies.hi > 0
    with pytest.raises(ValueError, match="no count of 80"):
        published_change(0.319, 0.3, 10, 8)


@pytest.mark.parametrize(("a", "n", "b", "m"), [(4, 20, 9, 20), (24, 80, 0, 80), (0, 5, 5, 5)])
def test_mover_of_wilson_is_newcombes_interval(a: int, n: int, b: int, m: int) -> None:
    found = mover(wilson(a, n), wilson(b, m))
    lo, hi = confint_proportions_2indep(b, m, a, n, method="newcomb", compare="diff")
    assert (found.lo, found.hi) == pytest.approx((lo, hi), abs=1e-9)


def test_the_published_generations() -> None:
    rows = generations_fresh([4, 3, 9], n=20)
    assert [100 * row.accuracy.value for row in rows] == pytest.approx([20.0, 15.0, 45.0])
    assert rows[0].change is None
    last = rows[2]
    assert last.p == pytest.approx(0.18, abs=0.005)
    assert last.change is not None
    assert last.change.value == pytest.approx(0.25)
    assert last.change.lo < 0 < last.change.hi
    assert last.accuracy.lo < rows[0].accuracy.hi  # 26 to 66 against 8 to 42 per cent
    assert pytest.approx(1.25) == 9 / 4 - 1  # '+125 % relative improvement'


def test_two_hundred_fixed_problems_do_show_it() -> None:
    base = np.arange(200) < 40
    rows = generations_fixed([base, np.arange(200) < 90])
    assert rows[1].change is not None
    assert rows[1].change.lo > 0.15
    assert rows[1].p is not None
    assert rows[1].p < 1e-6
    with pytest.raises(ValueError, match="same problems"):
        generations_fixed([[0.5, 1]])


def cells(rng: np.random.Generator, rate: float) -> np.ndarray:
    return rng.binomial(8, rate, size=(25, 3)) / 8


def test_no_type_below_its_baseline_interval() -> None:
    rng = np.random.default_rng(0)
    before = {name: cells(rng, 0.5) for name in ("a", "b", "c")}
    now = {"a": cells(rng, 0.1), "b": cells(rng, 0.5), "c": cells(rng, 0.9)}
    found = type_changes(before, now)
    assert {name: change.reading for name, change in found.items()} == {
        "a": FELL,
        "b": INCONCLUSIVE,
        "c": ROSE,
    }
    assert [name for name, change in found.items() if change.below] == ["a"]
    worst = worst_change(found)
    assert worst.value == found["a"].change.value
    assert worst.alpha == pytest.approx(0.05)
    assert worst.hi < 0


def test_the_worst_of_equal_types_is_not_a_fall() -> None:
    """The least of eight changes looks like a fall; its interval holds the truth nearly always."""
    rng = np.random.default_rng(1)
    looks, says = 0, 0
    for _ in range(25):
        names = [str(i) for i in range(8)]
        worst = worst_change(
            type_changes({n: cells(rng, 0.5) for n in names}, {n: cells(rng, 0.5) for n in names})
        )
        looks += worst.value < -0.05
        says += worst.hi < 0
    assert looks > 4
    assert says <= 3


def test_types_are_compared_with_themselves() -> None:
    with pytest.raises(ValueError, match=r"\['b'\]"):
        type_changes({"a": [1]}, {"a": [1], "b": [1]})
    with pytest.raises(ValueError, match="same problems and runs"):
        type_changes({"a": [1, 0]}, {"a": [1]})


def test_a_wider_interval_moves_no_value() -> None:
    first, second = Estimate(0.2, 0.1, 0.4, 9, "item"), Estimate(0.5, 0.3, 0.6, 7, "item")
    assert (mover(first, second).value, mover(first, second).n) == (pytest.approx(0.3), 7)
