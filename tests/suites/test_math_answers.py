"""The comparison of MATH answers: its golden set, its real answers, and what it must not cost."""

from __future__ import annotations

import ast
import inspect
import random
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.records import read_jsonl
from stages.suites.guards import open_guard
from stages.suites.maths import (
    AlgebraUnavailable,
    AlgebraWorker,
    algebra,
    canonical,
    compare,
    is_equal,
    literals,
    units,
    values,
    worker,
)
from stages.suites.maths.boxed import last_boxed, stated_answer
from tests.suites.real_guards import real_params

PAIRS = read_jsonl(Path(__file__).parents[1] / "golden" / "math_answers.jsonl", dict)
MISMATCHED = 200


@pytest.fixture(scope="module")
def same() -> Iterator[AlgebraWorker]:
    pytest.importorskip("latex2sympy2_extended", reason="the extra 'real' isn't installed")
    with AlgebraWorker(cpu_s=1.0) as running:
        yield running


def said(truth: str) -> str:
    """What an answer says, without unit, brackets and spaces: 45° and 45 aren't two answers."""
    value = values.read_answer(truth)
    if isinstance(value, values.Number):
        return str(value.value)
    return re.sub(r"[\s()]|\\text", "", canonical.canonical(truth)).strip("{}")


def never(kind: str, answer: str, truth: str) -> bool:
    """For answers that numbers and structure decide alone."""
    raise AssertionError(f"{answer} ~ {truth} needs algebra")


def undecided(kind: str, answer: str, truth: str) -> bool:
    """For answers whose algebra doesn't matter."""
    del kind, answer, truth
    return False


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair['answer']} ~ {pair['truth']}")
def test_golden_pairs(pair: dict, same: AlgebraWorker) -> None:
    assert is_equal(pair["answer"], pair["truth"], same) == pair["right"], pair["why"]


def test_the_golden_set_is_large_has_both_kinds_and_says_why() -> None:
    right = sum(pair["right"] for pair in PAIRS)
    assert len(PAIRS) >= 100 and 40 <= right <= len(PAIRS) - 40
    assert all(pair["why"] for pair in PAIRS)
    assert len({(pair["answer"], pair["truth"]) for pair in PAIRS}) == len(PAIRS)


def test_every_real_answer_equals_itself_and_no_other_one(same: AlgebraWorker) -> None:
    """Mismatched pairs are drawn among the answers with structure too: numbers are easy."""
    truths = [problem.answer for problem in open_guard(real_params("maths", "level2")).problems()]
    assert [truth for truth in truths if not is_equal(truth, truth, never)] == []
    distinct = list({said(truth): truth for truth in truths}.values())
    structured = [t for t in distinct if not isinstance(values.read_answer(t), values.Number)]
    rng = random.Random(3)
    pairs = [rng.sample(distinct, 2) for _ in range(MISMATCHED // 2)]
    pairs += [rng.sample(structured, 2) for _ in range(MISMATCHED // 2)]
    assert [pair for pair in pairs if is_equal(pair[0], pair[1], same)] == []


def test_every_real_answer_is_known_in_other_spellings_and_not_with_another_digit(
    same: AlgebraWorker,
) -> None:
    for problem in open_guard(real_params("maths", "level2")).problems():
        truth = problem.answer
        for spelled in (
            f"$ {truth} $",
            rf"\({truth}\).",
            truth.replace(r"\frac", r"\dfrac").replace("(", r"\left(").replace(")", r"\right)"),
            truth.replace(r"\text", r"\mathrm").replace("^\\circ", r"^{\circ}"),
            re.sub(r"\\!|\\,", "", truth).replace("-", "\N{MINUS SIGN}"),
            re.sub(r"(?<=[-+=])|(?=[-+=])", " ", truth),
        ):
            assert is_equal(spelled, truth, same), (spelled, truth)
        other = re.sub(r"\d(?=\D*$)", lambda found: str((int(found[0]) + 1) % 10), truth)
        if other != truth:
            assert not is_equal(other, truth, same), (other, truth)
            assert not is_equal(truth, other, same), (truth, other)


def test_what_costs_too_much_is_given_up_and_the_next_question_answered(
    same: AlgebraWorker,
) -> None:
    before = same.given_up
    for tower in (r"8^{8^{8^{8^{8}}}}", "(9!)!", r"\sqrt{5}^{99999}"):
        assert not is_equal(tower, r"\sqrt{7}", same), tower
    assert same.given_up == before
    assert not is_equal(r"\binom{99999999}{44444444}", r"\sqrt{7}", same)
    assert same.given_up == before + 1
    assert is_equal(r"\sqrt{12}", r"2\sqrt{3}", same)


def test_a_worker_that_cannot_start_is_an_error_not_a_verdict(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(worker, "ROOT", tmp_path)
    monkeypatch.setattr(worker.importlib.util, "find_spec", lambda name: "installed")
    with AlgebraWorker() as lost, pytest.raises(AlgebraUnavailable, match="doesn't start"):
        is_equal("x+1", "1+x", lost)
    monkeypatch.setattr(worker.importlib.util, "find_spec", lambda name: None)
    with AlgebraWorker() as absent, pytest.raises(AlgebraUnavailable, match="pip install"):
        is_equal("x+1", "1+x", absent)


def test_nothing_is_evaluated() -> None:
    for module in (algebra, canonical, compare, literals, units, values, worker):
        names = {
            n.id for n in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(n, ast.Name)
        }
        assert not names & {"eval", "exec", "compile", "sympify", "parse_expr"}, module


@given(st.fractions(max_denominator=10**6))
def test_a_fraction_is_read_in_every_format(value: Fraction) -> None:
    top, below = value.numerator, value.denominator
    forms = [f"{top}/{below}", rf"\frac{{{top}}}{{{below}}}", rf"$\dfrac{{{top}}}{{{below}}}$"]
    sign, (whole, rest) = ("-" if top < 0 else ""), divmod(abs(top), below)
    forms.append(rf"{sign}{whole}\frac{{{rest}}}{{{below}}}")
    for text in forms:
        assert is_equal(text, rf"\frac{{{top}}}{{{below}}}", never), text
    assert not is_equal(forms[0], rf"\frac{{{top + 1}}}{{{below}}}", never)


@given(st.integers(0, 10**12), st.integers(0, 999))
def test_a_decimal_is_read_with_and_without_thousands(whole: int, part: int) -> None:
    truth = f"{whole}.{part:03}"
    for text in (f"{whole:,}.{part:03}", f"{whole:,}.{part:03}0".replace(",", r",\!")):
        assert is_equal(text, truth, never), text


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_read_without_an_error(answer: str, truth: str) -> None:
    assert is_equal(answer, truth, undecided) in (True, False)
    if values.read_answer(answer) is not None:
        canonical.canonical(canonical.canonical(answer))


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        (r"so \boxed{\frac{1}{2}} it is", r"\frac{1}{2}"),
        (r"\boxed{1}, no: \boxed{2}", "2"),
        (r"\boxed{1}, no: \boxed{2", "1"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\fbox{7}", "7"),
        (r"$\boxed 5$", "5"),
        ("5", None),
    ],
)
def test_the_last_complete_box_is_found(text: str, inside: str | None) -> None:
    assert last_boxed(text) == inside


def test_without_a_box_the_stated_answer_is_taken() -> None:
    assert stated_answer("Final Answer: The final answer is $5$. I hope it is correct.") == "$5$"
    assert stated_answer("The answer is 5\n**The answer is: 6.**") == "6."
    assert stated_answer("so it must be 5") is None
