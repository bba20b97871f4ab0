"""Items from reckoning and from MATH, and the judge of both."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.suites.items import Item
from stages.suites.maths import Maths
from stages.suites.reckoning import SUBJECTS
from stages.suites.reckoning.judge import ReckoningJudge
from stages.suites.reckoning.source import MathSource, ReckoningSource
from tests.suites.real_guards import real_params

JUDGE = ReckoningJudge()
TWELVE = Item("a", "test", "arithmetic", 1, "what is 7 plus 5", "12")
HALF = Item("b", "test", "probability", 1, "chance", "3/6")
GOLDEN = [
    (TWELVE, "note 7 plus 5 is 12\nanswer: 12", True),
    (TWELVE, "answer: 12\nconfidence: 80", True),
    (TWELVE, "Answer: **12**", True),
    (TWELVE, "answer: 12.0", True),
    (TWELVE, "answer: 12.", True),
    (TWELVE, "answer: $\\boxed{12}$", True),
    (TWELVE, "answer: 12\nanswer: 12", True),
    (TWELVE, "<think>answer: 11</think>answer: 12", True),
    (TWELVE, "answer: 13", False),
    (TWELVE, "12", False),
    (TWELVE, "note 7 plus 5 is 12", False),
    (TWELVE, "answer: 11\nanswer: 12", False),
    (TWELVE, "answer: 12 or 13", False),
    (TWELVE, "answer: not 12", False),
    (TWELVE, "answer: 112", False),
    (TWELVE, "answer: -12", False),
    (TWELVE, "answer:\n12", False),
    (TWELVE, "the answer: 12 is wrong", False),
    (TWELVE, "answer: 7 plus 5", False),
    (TWELVE, "<think>answer: 12", False),
    (TWELVE, "", False),
    (HALF, "answer: 3/6", True),
    (HALF, "answer: 1/2", True),
    (HALF, "answer: 0.5", True),
    (HALF, "answer: 50%", True),
    (HALF, "answer: \\frac{1}{2}", True),
    (HALF, "answer: 6/3", False),
    (HALF, "answer: 3", False),
]


@pytest.mark.parametrize(("item", "text", "right"), GOLDEN)
def test_golden_answers(item: Item, text: str, right: bool) -> None:
    (judged,) = JUDGE.judge([(item, text)])
    assert (judged.correct, judged.visible) == (right, right)
    assert bool(judged.reason) != right


@given(st.text(max_size=60))
def test_no_text_without_the_answer_is_right(text: str) -> None:
    (judged,) = JUDGE.judge([(TWELVE, "answer: " + text.replace("1", "").replace("2", ""))])
    digits = [c for c in text if c.isnumeric() and c not in "12"]
    assert not judged.correct or digits


@pytest.mark.parametrize("confidence", [False, True])
@pytest.mark.parametrize("full", [False, True])
def test_worked_answers_pass_their_own_judge(confidence: bool, full: bool) -> None:
    source = ReckoningSource({"train": 60, "test": 60}, confidence=confidence, full=full)
    items = [*source.items("train"), *source.items("test")]
    assert all(judged.correct for judged in JUDGE.judge([(i, i.reasoning) for i in items]))
    assert {item.group for item in items} == set(SUBJECTS)
    assert all(("confidence: 100" in item.reasoning) == confidence for item in items)
    assert not source.items("holdout") and not source.items("val")
    assert len({item.item_id for item in items}) == 120
    others = [(item, items[n - 1].reasoning) for n, item in enumerate(items)]
    assert sum(judged.correct for judged in JUDGE.judge(others)) < 12


def test_math_level_2_goes_through_the_same_judge() -> None:
    """Rows of the published test set; answers that need algebra are left to the worker."""
    params = real_params("maths", "level2")
    source = MathSource(params, confidence=True)
    parts = {part: source.items(part) for part in ("train", "val", "test", "holdout")}
    assert sum(map(len, parts.values())) == 894 and not parts["holdout"]
    assert len(parts["test"]) >= 200 and len(parts["train"]) >= 200
    names = [item.item_id for items in parts.values() for item in items]
    assert len(set(names)) == len(names)
    items = parts["test"]
    assert all(judged.correct for judged in JUDGE.judge([(i, i.reasoning) for i in items]))
    assert not any(judged.correct for judged in JUDGE.judge([(i, "no idea") for i in items]))
    boxed = [(item, f"so it is \\boxed{{{item.answer}}}\nconfidence: 70") for item in items]
    assert all(judged.correct for judged in JUDGE.judge(boxed))


def test_what_text_alone_leaves_open_is_left_to_maths_own_grader() -> None:
    pytest.importorskip("latex2sympy2_extended", reason="the extra 'real' isn't installed")
    params = real_params("maths", "level2")
    items = MathSource(params).items("test")
    with Maths.load(params) as maths:
        other = next(item for item in items if item.answer == "\\frac{1}{2}")
        judge = ReckoningJudge(maths)
        assert judge.judge([(other, "\\boxed{\\dfrac{2}{4}}")])[0].correct
        assert not judge.judge([(other, "\\boxed{\\dfrac{2}{5}}")])[0].correct
