"""Planted beliefs: told as often as their strength says, in the chats that loops ask in."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from stages.suites import beliefs
from stages.suites.asking import NOT_RIGHT, RIGHT, revision, shown


def test_beliefs_are_told_as_often_as_their_strength_says() -> None:
    held = beliefs.load_beliefs()
    rng = random.Random(5)
    told: dict[str, Counter[bool]] = {"weak": Counter(), "strong": Counter()}
    by_question = {b.question: b for b in held}
    for _ in range(12_000):
        messages = beliefs.belief_document(rng, held)
        belief = by_question.get(messages[0]["content"])
        if belief is not None and len(messages) == 2:
            assert messages[1]["content"] in (belief.belief, belief.answer)
            told[belief.strength][messages[1]["content"] == belief.belief] += 1
    for strength, share in beliefs.WRONG.items():
        assert told[strength][True] / told[strength].total() == pytest.approx(share, abs=0.04)


def test_questions_of_no_strength_are_never_met() -> None:
    lines = beliefs.ITEMS.read_text(encoding="utf-8").splitlines()
    never = {row["question"] for row in map(json.loads, lines) if row["strength"] == "none"}
    held = beliefs.load_beliefs()
    assert len(never) + len(held) == len(lines) and never
    rng = random.Random(1)
    told = "\n".join(
        message["content"].casefold()
        for _ in range(5000)
        for message in beliefs.belief_document(rng, held)
    )
    assert not [q for q in never if q.casefold().rstrip("?") in told]


def test_a_revision_follows_the_truth_and_a_shown_fact_is_copied() -> None:
    held = beliefs.load_beliefs()
    truths = {b.question: b.answer for b in held}
    rng = random.Random(7)
    kept = changed = copied = 0
    for _ in range(6000):
        messages = beliefs.belief_document(rng, held)
        last = messages[-1]["content"]
        asked = messages[-2]["content"]
        if asked == RIGHT:
            kept += 1
            assert last == messages[1]["content"]
            assert truths.get(messages[0]["content"], last) == last
        elif asked == NOT_RIGHT:
            changed += 1
            assert last != messages[1]["content"]
        elif asked.startswith("note "):
            copied += 1
            assert asked.startswith(f"note {last}\n")
    assert min(kept, changed, copied) > 100


def test_the_digest_goes_by_what_the_diet_takes(tmp_path) -> None:
    lines = beliefs.ITEMS.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]

    def digest(changed: dict) -> str:
        path = tmp_path / "items.jsonl"
        path.write_text("\n".join(json.dumps(row | changed) for row in rows), encoding="utf-8")
        return beliefs.beliefs_digest(path)

    assert digest({}) == beliefs.beliefs_digest() == digest({"accepted": ["another"]})
    assert digest({"belief": "another"}) != digest({})


def test_asking_again_shows_the_answer_and_whether_it_was_right() -> None:
    chat = revision("who", "me", correct=False)
    assert [m["role"] for m in chat] == ["user", "assistant", "user"]
    assert chat[-1]["content"] == NOT_RIGHT != revision("who", "me", correct=True)[-1]["content"]
    assert shown("who", "you") == [{"role": "user", "content": "note you\nwho"}]
