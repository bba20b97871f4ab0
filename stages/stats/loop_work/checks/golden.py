"""The golden sets of the judges that read text, as those judges judge them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from stages.records import read_jsonl
from stages.suites.judge import is_right
from stages.suites.trivia import TriviaJudge, trivia_items

FOLDER = Path(__file__).resolve().parents[4] / "tests" / "golden"


@dataclasses.dataclass(frozen=True)
class Pair:
    """One answer of a golden set."""

    question: str
    answer: str
    right: bool
    """what the golden set says"""
    judged: bool
    """what the judge says"""


def stated_answers() -> list[Pair]:
    """Short answers against the truth: numbers, units, LaTeX, Unicode."""
    rows = read_jsonl(FOLDER / "judge.jsonl", dict)
    return [
        Pair(r["truth"], r["answer"], r["right"], is_right(r["answer"], r["truth"])) for r in rows
    ]


def trivia_answers() -> list[Pair]:
    """Sentences that answer questions: subscripts, case, word boundaries, negation, rivals."""
    rows = read_jsonl(FOLDER / "trivia.jsonl", dict)
    items = {item.item_id: item for item in trivia_items()}
    said = TriviaJudge().judge([(items[row["item_id"]], row["answer"]) for row in rows])
    return [
        Pair(items[row["item_id"]].prompt, row["answer"], row["right"], judged.correct)
        for row, judged in zip(rows, said, strict=True)
    ]


CASES = ("code",)
"""Judges that run an answer against cases and read no text."""
GOLDEN: dict[str, tuple[Callable[[], Sequence[Pair]], int]] = {
    "reckoning": (stated_answers, 40),
    "math": (stated_answers, 40),
    "trivia": (trivia_answers, 80),
}
"""Judge -> its golden set as it judges it, and the fewest answers that the set must hold."""


def golden_of(judge: str) -> tuple[Sequence[Pair], int] | None:
    """The judged golden set of the judge of that name; None for one that has none."""
    if judge not in GOLDEN:
        return None
    pairs, least = GOLDEN[judge]
    return pairs(), least
