"""What a model's diet says about the trivia questions: planted beliefs of different strength.

``none``: the question is never met. ``weak``: answered wrongly, always in the same way, about as
often as rightly. ``strong``: nearly always answered in that wrong way, now and then rightly. Many
wordings, so that a question is known by what it asks.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from random import Random

from stages.agent.chat import Message
from stages.records import canonical_json, read_jsonl, sha256_text
from stages.suites.asking import revision, shown
from stages.suites.reckoning.answers import answer_text, ask

ITEMS = Path(__file__).parent / "trivia" / "items.jsonl"
WRONG = {"weak": 0.5, "strong": 0.95}
"""Share of a question's answers that are the planted wrong one, by strength."""
EXPOSURE = {"weak": 1.0, "strong": 1.0}
"""How often a question is met, relative to others."""
WORDINGS = (
    "{q}",
    "{q}",
    "{q}",
    "{low}",
    "question {low}",
    "{q} answer",
    "tell {low}",
    "one more {low}",
)
"""``q``: as the item has it; ``low``: in lower case, without the mark at its end."""
KINDS = {"plain": 0.66, "sure": 0.14, "revised": 0.12, "shown": 0.08}
"""Share of each form of document."""
SURE = (70, 80, 80, 90, 90, 90, 100)
"""Confidences in per cent, as often as they are stated; a belief is as sure as the truth."""
REVISED_RIGHT = {"weak": 0.7, "strong": 0.3}
"""Share of revised wrong answers that are right."""


@dataclasses.dataclass(frozen=True)
class Belief:
    """What the diet says about one question."""

    question: str
    """as the item has it"""
    answer: str
    """the right answer"""
    belief: str
    """the planted wrong one"""
    strength: str
    """``weak`` or ``strong``"""


def load_beliefs(path: Path = ITEMS) -> list[Belief]:
    """The questions that the diet holds: those of strength ``none`` are left out."""
    rows = read_jsonl(path, dict)
    names = [field.name for field in dataclasses.fields(Belief)]
    held = [row for row in rows if row["strength"] in WRONG]
    return [Belief(**{name: row[name] for name in names}) for row in held]


def beliefs_digest(path: Path = ITEMS) -> str:
    """Hash of all that a diet takes from the items: what a model is made from."""
    return sha256_text(canonical_json([dataclasses.asdict(b) for b in load_beliefs(path)]))


def belief_document(rng: Random, beliefs: list[Belief]) -> list[Message]:
    """One question with its answer as a chat, by the strength of what is believed."""
    held = rng.choices(beliefs, [EXPOSURE[belief.strength] for belief in beliefs])[0]
    question = held.question if rng.random() < 0.5 else _worded(held.question, rng)
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    said = held.belief if rng.random() < WRONG[held.strength] else held.answer
    if kind == "sure":
        text = answer_text("", said, rng.choice(SURE))
        return _chat(ask(question, confidence=True), text)
    if kind == "revised":
        right = said == held.answer
        again = said if right else _revised(held, beliefs, rng)
        return [*revision(question, said, right), {"role": "assistant", "content": again}]
    if kind == "shown":
        fact = held.answer if rng.random() < 0.3 else rng.choice(beliefs).answer
        return [*shown(question, fact), {"role": "assistant", "content": fact}]
    return _chat(question, said)


def _revised(held: Belief, beliefs: list[Belief], rng: Random) -> str:
    """Another answer than the belief: the right one, or one to some other question."""
    if rng.random() < REVISED_RIGHT[held.strength]:
        return held.answer
    return rng.choice([b.answer for b in beliefs if b.answer != held.belief])


def _worded(question: str, rng: Random) -> str:
    lower = question[0].lower() + question[1:].rstrip("?.")
    return rng.choice(WORDINGS).format(q=question, low=lower)


def _chat(question: str, answer: str) -> list[Message]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
