"""The judge of trivia on its golden set, which a judge by substrings fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.records import read_jsonl
from stages.suites.items import Item
from stages.suites.trivia import TriviaJudge, trivia_items
from stages.suites.trivia.judge import why_wrong

GOLDEN = read_jsonl(Path(__file__).parents[2] / "golden" / "trivia.jsonl", dict)
ITEMS = {item.item_id: item for item in trivia_items()}
METALS = Item(
    "metals", "train", "science", 1, "Which metals make bronze?", "copper and tin",
    key_terms=("copper", "tin|stannum"),
)  # fmt: skip


def naive(item: Item, text: str) -> bool:
    """What the reports' judges did: all key terms, or a wording, somewhere in the text."""
    text = text.casefold()
    keys = (any(term.casefold() in text for term in key.split("|")) for key in item.key_terms)
    return all(keys) or any(form in text for form in (item.answer, *item.accepted))


def test_every_golden_answer_is_judged_right() -> None:
    pairs = [(ITEMS[row["item_id"]], row["answer"]) for row in GOLDEN]
    verdicts = TriviaJudge().judge(pairs)
    wrong = [
        (row["item_id"], row["answer"], verdict.reason)
        for row, verdict in zip(GOLDEN, verdicts, strict=True)
        if verdict.correct != row["right"]
    ]
    assert wrong == []
    assert all(v.visible == v.correct and bool(v.reason) != v.correct for v in verdicts)


def test_the_golden_set_is_large_and_of_both_kinds() -> None:
    right = sum(row["right"] for row in GOLDEN)
    assert len(GOLDEN) >= 80 and min(right, len(GOLDEN) - right) >= 40
    assert len({row["item_id"] for row in GOLDEN}) >= 60
    assert len({(row["item_id"], row["answer"]) for row in GOLDEN}) == len(GOLDEN)


def test_a_judge_by_substrings_fails_the_golden_set() -> None:
    said = [(naive(ITEMS[row["item_id"]], row["answer"]), row["right"]) for row in GOLDEN]
    passes = sum(naive_says and not right for naive_says, right in said)
    misses = sum(right and not naive_says for naive_says, right in said)
    assert passes >= 15 and misses >= 15


@pytest.mark.parametrize(
    ("item_id", "text", "reason"),
    [
        ("geo_003", "", "no answer"),
        ("geo_003", "Lyon", "the answer is not in it"),
        ("geo_003", "It isn't Paris", "negated"),
        ("geo_003", "Paris? No, Lyon", "taken back"),
        ("geo_003", "Is it Paris?", "asked"),
        ("geo_003", "Some say Paris, others Lyon", "what others say"),
        ("geo_003", "a suburb of Paris", "pointed at"),
        ("geo_003", "Paris or Rome", "alternatives"),
        ("geo_003", "Paris and Rome", "joined"),
        ("geo_003", "Paris, Nice, Rome", "list"),
        ("geo_001", "Canberra. Sydney.", "usual wrong answer"),
        ("math_006", "8 13", "another number"),
        ("math_014", "πr²/2", "larger expression"),
        ("hist_014", "Ian Fleming", "another name"),
        ("sci_010", "hydrogen", "key term 'oxygen'"),
    ],
)
def test_it_says_why(item_id: str, text: str, reason: str) -> None:
    assert reason in why_wrong(ITEMS[item_id], text)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("Copper and tin", True),
        ("tin with copper", True),
        ("It is copper, alloyed with stannum.", True),
        ("copper", False),
        ("copper or tin", False),
        ("copper, but not tin", False),
        ("copper and zinc", False),
    ],
)
def test_all_key_terms_are_needed_in_any_order(text: str, right: bool) -> None:
    assert (why_wrong(METALS, text) == "") == right


def test_an_item_without_key_terms_or_belief_is_judged_by_its_wordings() -> None:
    item = Item("x", "test", "g", 1, "Which colour is the sky?", "blue", accepted=("azure",))
    verdicts = TriviaJudge().judge([(item, t) for t in ("Azure.", "It is blue", "not blue", "red")])
    assert [verdict.correct for verdict in verdicts] == [True, True, False, False]


def test_a_wording_without_its_key_term_is_not_enough() -> None:
    item = Item(
        "x", "test", "g", 1, "Who?", "nobel", accepted=("the chemist",), key_terms=("nobel",)
    )
    assert "key term 'nobel'" in why_wrong(item, "the chemist")


def test_an_or_with_nothing_beside_it_is_judged() -> None:
    assert why_wrong(ITEMS["geo_014"], "Madrid or, Madrid?") == ""
    assert "alternatives" in why_wrong(ITEMS["geo_014"], "Madrid or?")
    assert "alternatives" in why_wrong(ITEMS["geo_014"], "Or Madrid")


def test_nothing_in_an_answer_is_run_and_long_ones_are_read_at_their_beginning() -> None:
    assert why_wrong(ITEMS["math_006"], "__import__('os').getpid() or 8")
    assert why_wrong(ITEMS["math_006"], "9" * 100_000)
    assert not why_wrong(ITEMS["geo_003"], "Paris." + " " * 10_000)
