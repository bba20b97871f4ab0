from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from stages.self_improve.weak import weak_groups, wilson_upper


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_bound_is_wilsons(counts):
    right, asked = counts
    upper = proportion_confint(right, asked, alpha=0.05, method="wilson")[1]
    assert wilson_upper(right, asked) == pytest.approx(upper, abs=1e-9)


def answers(**rates: tuple[int, int]) -> list[tuple[str, bool]]:
    return [(g, i < right) for g, (right, asked) in rates.items() for i in range(asked)]


def test_one_wrong_answer_makes_no_weak_area():
    """The report's generation 0: one 'algebra' problem wrong of twenty, and it was weak."""
    assert weak_groups(answers(algebra=(0, 1), arithmetic=(9, 10), geometry=(9, 9))) == ()


def test_what_enough_problems_show_is_weak_weakest_first():
    found = weak_groups(answers(a=(1, 40), b=(8, 40), c=(38, 40), d=(36, 40)))
    assert found == ("a", "b")


def test_where_nothing_differs_nothing_is_weak():
    assert weak_groups(answers(a=(20, 40), b=(21, 40), c=(19, 40))) == ()
    assert weak_groups([]) == ()


def test_a_default_label_is_no_weak_area():
    """Planted: problems without a subject, which the report counted as 'arithmetic'."""
    with pytest.raises(ValueError, match="has no group"):
        weak_groups([("algebra", True), ("", False), ("", False)])
