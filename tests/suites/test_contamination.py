"""The n-gram check on planted leaks, and on guards that are known not to hold each other."""

from __future__ import annotations

import pytest

from stages.suites.contamination import COMMON_ITEMS, find_overlaps, words
from stages.suites.guard import GuardProblem
from stages.suites.guards import open_guard
from tests.suites.real_guards import real_params

QUESTION = "Write a function that counts the vowels of a word but not those at its very end."
SOLUTION = "def f(word):\n    return sum(letter in 'aeiou' for letter in word[:-1])"
NOISE = "The quick brown fox jumps over the lazy dog while the cat looks at both of them. " * 9


def problem(number: int, prompt: str = QUESTION, reference: str = SOLUTION) -> GuardProblem:
    return GuardProblem(str(number), "", prompt, reference)


def flagged(*texts: str) -> set[tuple[str, str]]:
    found = find_overlaps([problem(1)], [(str(n), text) for n, text in enumerate(texts)])
    return {(overlap.part, overlap.source) for overlap in found if overlap.contaminated}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (f"{QUESTION}\n{SOLUTION}", {"question", "solution"}),
        (f"{NOISE}{QUESTION} def g(w): return 0", {"question"}),
        (f"Another task. {SOLUTION.upper()}", {"solution"}),
        (QUESTION.replace(" ", "\n  "), {"question"}),
        ("Write a function that counts the vowels", set()),
        (NOISE, set()),
        ("", set()),
    ],
)
def test_planted_texts_are_found(text: str, parts: set[str]) -> None:
    assert flagged(NOISE, text, NOISE) == {(part, "1") for part in parts}


def test_a_leak_spread_over_two_texts_is_judged_by_the_fuller_one() -> None:
    half = len(QUESTION) // 2
    (found, *_) = find_overlaps([problem(1)], [("a", QUESTION[:half]), ("b", QUESTION[half:])])
    assert 0 < found.share < 0.5 and found.longest < len(words(QUESTION))


def test_the_longest_run_is_in_words() -> None:
    (found, *_) = find_overlaps([problem(1)], [("a", f"{NOISE}{QUESTION}{NOISE}")])
    assert found.part == "question" and found.share == 1.0
    assert found.longest == len(words(QUESTION))


def test_boilerplate_of_many_items_counts_for_none() -> None:
    """The opening that every item shares is no evidence; what makes an item its own is."""
    opening = "Solve this with a program in Python and give nothing but the program: "
    many = [problem(n, f"{opening}{n} {'x' * (n + 1)}", "") for n in range(COMMON_ITEMS)]
    assert not any(found.contaminated for found in find_overlaps(many, [("a", opening)]))
    few = many[: COMMON_ITEMS - 1]
    assert any(found.contaminated for found in find_overlaps(few, [("a", opening)]))


def test_real_guards_hold_themselves_and_not_each_other() -> None:
    """Every HumanEval item is found by its question alone; none of it stands in MBPP."""
    humaneval = open_guard(real_params("humaneval", "all")).problems()
    mbpp = open_guard(real_params("mbpp", "sanitized")).problems()
    found = find_overlaps(humaneval, [(p.problem_id, p.prompt) for p in humaneval])
    assert {f.problem_id for f in found if f.contaminated} == {p.problem_id for p in humaneval}
    assert {f.problem_id for f in found if f.contaminated and f.source == f.problem_id}
    texts = [(p.problem_id, f"{p.prompt}\n{p.reference}") for p in mbpp]
    assert not any(found.contaminated for found in find_overlaps(humaneval, texts))
