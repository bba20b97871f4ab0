"""Numbers, superscripts, subscripts and look-alikes as tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.suites.trivia.words import LONGEST, tokens

_TEENS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
UNITS = _TEENS.split()
_TIES = "_ _ twenty thirty forty fifty sixty seventy eighty ninety"
TIES = _TIES.split()


def spelled(value: int, joint: str) -> str:
    """Up to 999,999 in words; ``joint`` stands after hundred and thousand."""
    if value < 20:
        return UNITS[value]
    if value < 100:
        return TIES[value // 10] + (f"-{UNITS[value % 10]}" if value % 10 else "")
    size, name = (1000, "thousand") if value >= 1000 else (100, "hundred")
    above, rest = divmod(value, size)
    between = joint if rest < 100 else " "
    return f"{spelled(above, joint)} {name}" + (f"{between}{spelled(rest, joint)}" if rest else "")


@given(st.integers(0, 999_999), st.sampled_from([" ", " and "]))
def test_number_words_are_the_number(value: int, joint: str) -> None:
    assert tokens(spelled(value, joint)) == (f"#{value}",)
    assert tokens(f"{value:,}") == tokens(f"{value}.0") == (f"#{value}",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("H₂O", "h2o"),
        ("πr²", "pi r ^ #2"),
        ("r⁻¹²", "r ^ #-12"),
        ("r⁴/2", "r ^ #4 / #2"),
        ("10²", "#10 ^ #2"),
        ("3½", "#7/2"),
        ("3.50", "#7/2"),
        ("three and a half", "#7/2"),
        ("1\u202f000", "#1000"),
        ("minus five", "#-5"),
        ("7 minus 5", "#7 minus #5"),
        ("\N{MINUS SIGN}5", "#-5"),
        ("8-9", "#8 - #9"),
        ("25 %", "#25"),
        ("25%", "#1/4"),
        ("twenty-five per cent", "#1/4"),
        ("2 million", "#2000000"),
        ("nineteen forty-five", "#1945"),
        ("eight nine", "#8 #9"),
        ("8th", "8th"),
        ("٤٢", "#42"),
        ("is the one", "is the one"),
        ("non-metal", "not metal"),
        ("well-known", "well-known"),
        ("Bogotá", "bogota"),
        ("D.C.", "dc"),
        ("x ≠ y", "x = not y"),
        ("~~Lyon~~ Paris", "paris"),
        ("1/0", "1/0"),
    ],
)
def test_tokens(text: str, expected: str) -> None:
    assert " ".join(tokens(text)) == expected


def test_a_hyphenated_phrase_is_read_as_its_words_where_it_is_looked_for() -> None:
    assert tokens("blue-whale", [("blue", "whale")]) == ("blue", "whale")
    assert tokens("blue-whale") == ("blue-whale",)


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    assert tokens("9" * 100_000) == tokens("9" * LONGEST)
