"""The hundred questions, the split, and what the loader says of lines that aren't questions."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from stages.records import RecordError
from stages.suites.trivia import Belief, trivia_items
from stages.suites.trivia.questions import CATEGORIES, QUESTIONS, read_questions

NAMED = {  # the report's items, by its ids where it gives one
    "geo_003": ("France", "paris"),
    "geo_013": ("Philippines", "manila"),
    "sci_011": ("Red Planet", "mars"),
    "sci_013": ("formula of water", "h2o"),
    "math_006": ("Fibonacci", "8"),
    "math_014": ("area of a circle", "pi r squared"),
    "geo_002": ("Canada", "ottawa"),
    "geo_004": ("Nigeria", "abuja"),
    "geo_005": ("Morocco", "rabat"),
    "hist_004": ("dynamite", "alfred nobel"),
    "misc_001": ("largest organ", "skin"),
}
LINE = {
    "item_id": "geo_900",
    "category": "geography",
    "question": "What is the capital of Peru?",
    "answer": "lima",
    "accepted": [],
    "key_terms": ["lima"],
    "belief": "cusco",
    "strength": "weak",
}


def test_a_hundred_questions_in_five_categories_hold_the_reports_own() -> None:
    items = {item.item_id: item for item in trivia_items()}
    assert len(items) == 100
    assert Counter(item.group for item in items.values()) == dict.fromkeys(CATEGORIES, 20)
    for item_id, (words, answer) in NAMED.items():
        assert words in items[item_id].prompt and items[item_id].answer == answer


def test_beliefs_are_planted_in_three_strengths() -> None:
    beliefs = [item.payload for item in trivia_items()]
    assert all(isinstance(belief, Belief) for belief in beliefs)
    shares = Counter(belief.strength for belief in beliefs)
    assert all(28 <= shares[strength] <= 40 for strength in ("none", "weak", "strong"))


def test_the_file_is_written_as_json_lines_with_short_answers() -> None:
    lines = QUESTIONS.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["item_id"] for line in lines] == [i.item_id for i in trivia_items()]
    assert all(item.answer == item.answer.lower() for item in trivia_items())
    assert all(len(item.prompt) <= 60 for item in trivia_items())


def test_the_split_is_80_to_20_in_every_category_and_decided_by_the_seed() -> None:
    for seed in range(5):
        held = [item for item in trivia_items(seed) if item.part == "holdout"]
        assert Counter(item.group for item in held) == dict.fromkeys(CATEGORIES, 4)
        assert {item.part for item in trivia_items(seed)} == {"train", "holdout"}
        assert trivia_items(seed) == trivia_items(seed)
    assert trivia_items(0) != trivia_items(1)
    assert all(item.part == "train" for item in trivia_items(holdout=0))


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("item_id", "sci_900", "is not geo_ and a number"),
        ("item_id", "geo_x", "is not geo_ and a number"),
        ("category", "geografy", "is not one of geography"),
        ("strength", "medium", "is not one of none, weak, strong"),
        ("question", "Name the capital of Peru.", "question mark"),
        ("answer", "", "1 to 4 words"),
        ("answer", "the city that is called Lima", "1 to 4 words"),
        ("key_terms", [], "is empty"),
        ("accepted", ["lima", ""], "empty wording"),
        ("accepted", ["city of kings"], "the judge says 'city of kings' is wrong"),
        ("key_terms", ["peru"], "the judge says 'lima' is wrong"),
        ("belief", " ", "is empty"),
        ("belief", "Lima", "the judge says 'Lima' is right"),
        ("answer", 7, "'answer'"),
        ("colour", "red", "unknown field 'colour'"),
    ],
)
def test_a_bad_line_is_named_with_its_field_and_remedy(
    tmp_path: Path, field: str, value: object, says: str
) -> None:
    path = tmp_path / "mine.jsonl"
    good = LINE | {"item_id": "geo_901", "question": "What is the capital of Chad?"}
    path.write_text("\n".join(map(json.dumps, (good, LINE | {field: value}))) + "\n")
    with pytest.raises(RecordError, match=r"line 2") as error:
        read_questions(path)
    assert says in str(error.value) and field in str(error.value) and str(path) in str(error.value)
    assert "mend" in str(error.value).casefold()


def test_two_lines_with_one_name_or_question_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    for other in ({"question": "What is Peru's capital?"}, {"item_id": "geo_901"}):
        path.write_text("\n".join(map(json.dumps, (LINE, LINE | other))) + "\n")
        with pytest.raises(RecordError, match="says the same as line 1"):
            read_questions(path)


def test_questions_of_ones_own_take_the_files_place(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps(LINE) + "\n")
    (item,) = trivia_items(holdout=0.0, path=path)
    assert (item.prompt, item.payload) == (LINE["question"], Belief("cusco", "weak"))
