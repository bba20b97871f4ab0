"""Solution diversity: what is the same program, and edit distance against a slow table."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.stats.intervals import Estimate, Undefined
from stages.stats.loops.diversity import (
    Diversity,
    mean_distance,
    normalised_program,
    parsed,
    solution_diversity,
)

LOOP = """
def unique(values):
    seen = []
    for value in values:
        if value not in seen:
            seen.append(value)
    return seen
"""
RENAMED = '''
def remove_duplicates(items: list) -> list:
    """Keeps the first of each."""
    out = []  # in order
    for x in items:
        if x not in out: out.append(x)
    return out
'''
OTHER = "def unique(values):\n    return list(dict.fromkeys(values))\n"


def test_the_same_program_in_other_words() -> None:
    assert normalised_program(LOOP) == normalised_program(RENAMED)
    assert normalised_program(LOOP) != normalised_program(OTHER)
    assert "dict.fromkeys" in normalised_program(OTHER)


@pytest.mark.parametrize(
    "text",
    ["", "no python at all :(", "def f(:\n", '"""only a docstring"""', "x = '\\d'", "(" * 300],
)
def test_any_text_has_a_normal_form(text: str) -> None:
    assert isinstance(normalised_program(text), str)


def test_a_function_that_is_a_docstring_keeps_a_body() -> None:
    text = normalised_program('def f():\n    "nothing"\nclass C:\n    "no"\n')
    compile(text, "text", "exec")


@given(st.text(max_size=60))
def test_normal_forms_are_fixed_points_of_layout(text: str) -> None:
    once = normalised_program(text)
    assert normalised_program(once) == normalised_program(normalised_program(once))


def slow_levenshtein(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, ca in enumerate(a, start=1):
        diagonal, row[0] = row[0], i
        for j, cb in enumerate(b, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (ca != cb))
    return row[-1]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("abc", min_size=1, max_size=12), min_size=2, max_size=5))
def test_distance_against_a_table(texts: list[str]) -> None:
    pairs = [slow_levenshtein(a, b) / max(len(a), len(b)) for a, b in combinations(texts, 2)]
    assert mean_distance(texts) == pytest.approx(np.mean(pairs))


def test_a_loop_that_sees_one_pattern_is_seen() -> None:
    same = solution_diversity({f"p{i}": [LOOP, RENAMED] * 4 for i in range(10)})
    mixed = solution_diversity({f"p{i}": [LOOP, OTHER] for i in range(10)})
    assert isinstance(same, Diversity)
    assert isinstance(mixed, Diversity)
    assert isinstance(same.distance, Estimate)
    assert isinstance(mixed.distance, Estimate)
    assert (same.distinct.value, same.distance.value) == (1 / 8, 0.0)
    assert same.distance.hi > 0.2  # ten problems, all alike
    assert mixed.distinct.value == 1.0
    assert mixed.distance.value > 0.3
    assert (same.programs, same.single) == (80, 0)


def test_nothing_to_compare() -> None:
    assert isinstance(solution_diversity({"p": []}), Undefined)
    one = solution_diversity({"p": [LOOP]})
    assert isinstance(one, Diversity)
    assert isinstance(one.distance, Undefined)
    with pytest.raises(ValueError, match="no pair"):
        mean_distance(["a"])


def test_what_a_model_wrote_is_parsed_without_a_warning() -> None:
    assert parsed("x = 1if y else 2") is not None  # Python warns of such a number
    for text in ("def f(:", "x = (" * 500 + ")" * 500, "a\x00b"):
        assert parsed(text) is None
