"""Problems of reckoning: right, repeatable, in one part each, and got wrong plausibly."""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction
from random import Random

import pytest

from stages.suites.reckoning import (
    DIFFICULTIES,
    PARTS,
    SLIPS,
    SUBJECTS,
    ReckoningError,
    answer_text,
    corpus_document,
    make_problem,
    make_problems,
    read_said,
    wrong_solution,
)
from stages.suites.reckoning.corpus import ASKED_SURE, SKILLS
from stages.suites.reckoning.steps import Form, Ref, Step, answer_of, values_of_steps

_SUM = re.compile(r"(\d+) (plus|minus|times|over) (\d+) is (\d+)")
CELLS = [(subject, level) for subject in SUBJECTS for level in DIFFICULTIES]


def _numbers(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"\d+", text)]


def _solve(subject: str, level: int, prompt: str) -> Fraction:
    """The answer worked out from the prompt alone, another way than the generator's."""
    n = _numbers(prompt)
    if subject == "arithmetic":
        if level == 4:
            return Fraction((n[0] + n[1]) * n[2])
        told = re.sub(r"^(what is|how much is) ", "", prompt)
        for word, sign in (("plus", "+"), ("minus", "-"), ("times", "*"), ("over", "/")):
            told = told.replace(word, sign)
        return Fraction(eval(told))  # digits and signs of our own making
    if subject == "sequences":
        return _row(level, n, prompt)
    if subject == "functions":
        return _function(level, n)
    if subject == "algebra":
        return _unknown(level, n)
    if subject == "probability":
        return _chance(level, n)
    return _figure(level, n)


def _row(level: int, n: list[int], prompt: str) -> Fraction:
    if level in (3, 4):
        place, row = (n[0], n[1:]) if prompt.startswith("what is number") else (n[-1], n[:-1])
        while len(row) < place:
            row = [*row, 2 * row[-1] - row[-2]]
        return Fraction(row[place - 1])
    a, b, c, d = n
    return Fraction(2 * d - c if level < 5 else d + (d - c) + (c - b) - (b - a))


def _function(level: int, n: list[int]) -> Fraction:
    if level == 1:
        return Fraction(n[0] + n[1])
    if level in (2, 3):
        k, c, x = n
        return Fraction(c + k * x)
    if level == 4:
        c, k, x = n
        return Fraction(k * x + k * c)
    k, c, x = n
    return Fraction(k * k * x - k * c - c)


def _unknown(level: int, n: list[int]) -> Fraction:
    k, c, j, m = {
        1: (1, n[0], 0, n[-1]),
        2: (n[0], 0, 0, n[-1]),
        3: (n[0], n[1], 0, n[-1]),
        4: (n[0], -n[1], 0, n[-1]),
        5: (n[0], n[1], n[-2], n[-1]),
    }[level]
    return Fraction(m - c, k - j)


def _chance(level: int, n: list[int]) -> Fraction:
    red, total = n[0], sum(n)
    if level in (1, 2):
        return Fraction(red, total)
    if level == 3:
        return 1 - Fraction(red, total)
    if level == 4:
        return Fraction(red, total) ** 2
    return Fraction(red, total) * Fraction(red - 1, total - 1)


def _figure(level: int, n: list[int]) -> Fraction:
    if level == 1:
        return Fraction(n[0] * n[1])
    if level == 2:
        return Fraction(n[0] + n[0] + n[1] + n[1])
    if level == 3:
        return Fraction(n[0] * n[1], 2)
    return Fraction(n[0] * n[1] * n[2] if level == 4 else n[0] * n[1] - n[2] ** 2)


@pytest.mark.parametrize(("subject", "level"), CELLS)
def test_every_answer_is_right_and_its_reasoning_too(subject: str, level: int) -> None:
    rng = Random(f"{subject} {level}")
    for _ in range(150):
        problem = make_problem(subject, level, rng)
        solution = problem.solution
        assert Fraction(solution.answer) == _solve(subject, level, problem.prompt), problem
        assert 1 <= len(solution.reasoning.split("\n")) <= 2
        sums = _SUM.findall(solution.reasoning)
        assert len(sums) == len(problem.steps)
        for left, op, right, said in sums:
            assert values_of_steps([Step(op, int(left), int(right))]) == [int(said)]


@pytest.mark.parametrize("kind", SLIPS)
def test_wrong_solutions_are_wrong_and_end_in_their_own_answer(kind: str) -> None:
    rng = Random(kind)
    for cell in CELLS:
        for _ in range(20):
            problem = make_problem(*cell, rng)
            wrong = wrong_solution(problem, rng, kind)
            assert wrong.answer != problem.solution.answer
            assert wrong.reasoning and len(wrong.reasoning.split("\n")) <= 2
            if problem.form == Form():
                assert wrong.reasoning.endswith(f" is {wrong.answer}")


def test_the_same_seed_gives_the_same_problems_and_more_of_them() -> None:
    some, more = make_problems("test", 60, 4), make_problems("test", 240, 4)
    assert more[:60] == some != make_problems("test", 60, 5)
    assert Counter(p.subject for p in more) == dict.fromkeys(SUBJECTS, 40)
    assert Counter(p.difficulty for p in more) == dict.fromkeys(DIFFICULTIES, 48)


def test_parts_share_no_content_whatever_the_seed() -> None:
    contents = {
        part: {
            (p.subject, p.problem_id.split("-")[2])
            for seed in (1, 2)
            for p in make_problems(part, 400, seed)
        }
        for part in PARTS
    }
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        assert not contents[one] & contents[other]
    assert len(make_problems("train", 1500, 1)) == 1500


def test_terms_and_factors_in_another_order_are_the_same_content() -> None:
    rng = Random(2)
    seen: dict[frozenset[int], set[str]] = {}
    for _ in range(400):
        problem = make_problem("arithmetic", 2, rng)
        if " times " in problem.prompt:
            seen.setdefault(frozenset(_numbers(problem.prompt)), set()).add(problem.part)
    assert all(len(parts) == 1 for parts in seen.values())


def test_more_problems_than_there_are_is_an_error_with_the_remedy() -> None:
    with pytest.raises(ReckoningError, match="ask for fewer, or for more subjects"):
        make_problems("test", 500, 1, subjects=("geometry",), difficulties=(1,))
    with pytest.raises(ReckoningError, match="subjects are arithmetic"):
        make_problem("poetry", 1, Random(1))
    with pytest.raises(ReckoningError, match="use one of train, val, test"):
        make_problems("holdout", 5, 1)


def test_steps_that_cannot_be_computed_have_no_value() -> None:
    assert values_of_steps([Step("over", 7, 2)]) is None
    assert values_of_steps([Step("minus", 2, 7)]) is None
    assert values_of_steps([Step("over", 7, 0)]) is None
    assert answer_of(Form(3, Ref(0)), [0]) is None


def test_the_diet_holds_training_problems_with_uneven_skill() -> None:
    rng = Random(9)
    met: Counter[str] = Counter()
    right: Counter[str] = Counter()
    sure = 0
    for _ in range(6000):
        messages, problem, is_right = corpus_document(rng)
        assert problem.part == "train"
        said = read_said(messages[1]["content"])
        assert (said.answer == problem.solution.answer) == is_right
        met[problem.subject] += 1
        right[problem.subject] += is_right
        sure += said.confidence is not None
        assert (said.confidence is not None) == ("how sure" in messages[0]["content"])
    for subject, skill in SKILLS.items():
        assert met[subject] / 6000 == pytest.approx(skill.exposure, abs=0.02)
        assert 1 - right[subject] / met[subject] == pytest.approx(skill.wrong, abs=0.06)
    assert sure / 6000 == pytest.approx(ASKED_SURE, abs=0.03)
    assert sum(skill.exposure for skill in SKILLS.values()) == pytest.approx(1)


def test_an_answer_is_read_as_it_was_written() -> None:
    text = answer_text("note 1 plus 2 is 3", "3", 80)
    assert (read_said(text).answer, read_said(text).confidence) == ("3", 0.8)
    assert read_said(answer_text("", "3/8")).answer == "3/8"
