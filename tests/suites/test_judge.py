"""The judge of short answers, on its golden set and on what a model might try."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.records import read_jsonl
from stages.suites.judge import is_right, normalised, number

PAIRS = read_jsonl(Path(__file__).parents[1] / "golden" / "judge.jsonl", dict)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair['answer']} ~ {pair['truth']}")
def test_golden_pairs(pair: dict) -> None:
    assert is_right(pair["answer"], pair["truth"]) == pair["right"]


def test_the_golden_set_is_large_and_has_both_kinds() -> None:
    assert len(PAIRS) >= 40 and 10 <= sum(pair["right"] for pair in PAIRS) <= len(PAIRS) - 10


@given(st.integers(-(10**12), 10**12))
def test_a_whole_number_is_read_in_every_format(value: int) -> None:
    for text in (str(value), f"{value:,}", f"$\\boxed{{{value}}}$", f"{value}.0"):
        assert number(normalised(text)) == Fraction(value)


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_judged_the_same_both_ways(answer: str, truth: str) -> None:
    if normalised(answer) and normalised(truth):
        assert is_right(answer, truth) == is_right(truth, answer)
        assert is_right(answer, answer)
