"""The questions: JSON Lines of our own writing, read into Items and checked line by line."""

from __future__ import annotations

import dataclasses
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from stages.records import RecordError, read_jsonl
from stages.suites.items import Item, Part
from stages.suites.trivia.judge import TriviaJudge

QUESTIONS = Path(__file__).parent / "items.jsonl"
Category = Literal["geography", "science", "mathematics", "history", "misconceptions"]
Strength = Literal["none", "weak", "strong"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
STRENGTHS: tuple[Strength, ...] = get_args(Strength)
_PREFIX = {"geography": "geo", "science": "sci", "mathematics": "math", "history": "hist"}
_REMEDY = "Mend that line."


@dataclasses.dataclass(frozen=True)
class Belief:
    """The most usual wrong answer; the ``payload`` of a trivia item."""

    belief: str
    """short, worded as ``answer`` is"""
    strength: Strength
    """how firmly the embedded model's pretraining plants it; ``none``: not at all"""


@dataclasses.dataclass(frozen=True)
class Question:
    """A line of items.jsonl."""

    item_id: str
    """the category's prefix and a number: geo_001, sci_001, math_001, hist_001, misc_001"""
    category: str
    """one of CATEGORIES"""
    question: str
    """what is asked, one line that ends with a question mark"""
    answer: str
    """the right answer, 1-4 words"""
    accepted: tuple[str, ...]
    """other wordings that are right"""
    key_terms: tuple[str, ...]
    """terms that all must be stated; ``a|b`` is met by either"""
    belief: str
    """the most usual wrong answer"""
    strength: str
    """one of STRENGTHS"""


def trivia_items(seed: int = 0, holdout: float = 0.2, path: Path = QUESTIONS) -> list[Item]:
    """All questions as Items in the file's order; ``part`` is ``train`` or ``holdout``.

    Of every category the share ``holdout`` (0 to below 1, rounded to whole items) is drawn by
    ``seed``. Raises RecordError for a line that isn't a question.
    """
    questions = read_questions(path)
    held = held_out(questions, seed, holdout)
    return [_item(row, "holdout" if row.item_id in held else "train") for row in questions]


def held_out(questions: Sequence[Question], seed: int, share: float) -> frozenset[str]:
    """Ids of the questions held out: of every category the same share, drawn by ``seed``."""
    of: dict[str, list[str]] = defaultdict(list)
    for row in questions:
        of[row.category].append(row.item_id)
    chosen: set[str] = set()
    for category, ids in of.items():
        count = round(share * len(ids))
        chosen.update(random.Random(f"{seed}/{category}").sample(sorted(ids), count))
    return frozenset(chosen)


def read_questions(path: Path = QUESTIONS) -> list[Question]:
    """The checked lines of ``path``; RecordError names file, line, field and remedy."""
    questions = read_jsonl(path, Question)
    seen: dict[str, int] = {}
    for line, row in enumerate(questions, start=1):
        where = f"{path}, line {line}"
        _require_sound(row, where)
        for field, value in (("item_id", row.item_id), ("question", row.question.casefold())):
            if (first := seen.setdefault(value, line)) != line:
                raise RecordError(
                    f"{where}: field {field!r} says the same as line {first} ({value!r}). Items "
                    "are told apart by it; give this line another, or delete it."
                )
    return questions


def _require_sound(row: Question, where: str) -> None:
    prefix, _, number = row.item_id.partition("_")
    words = len(row.answer.split())
    problems = (
        ("category", row.category not in CATEGORIES, f"is not one of {', '.join(CATEGORIES)}"),
        ("strength", row.strength not in STRENGTHS, f"is not one of {', '.join(STRENGTHS)}"),
        (
            "item_id",
            prefix != _PREFIX.get(row.category, "misc") or not (number.isdecimal()),
            f"is not {_PREFIX.get(row.category, 'misc')}_ and a number",
        ),
        (
            "question",
            not row.question.endswith("?") or "\n" in row.question,
            "is not one line that ends with a question mark",
        ),
        ("answer", not 1 <= words <= 4, "has not 1 to 4 words"),
        ("key_terms", not row.key_terms or not all(row.key_terms), "is empty or holds nothing"),
        ("accepted", not all(row.accepted), "holds an empty wording"),
        ("belief", not row.belief.strip(), "is empty"),
    )
    for field, wrong, why in problems:
        if wrong:
            value = getattr(row, field)
            raise RecordError(f"{where}: field {field!r} {why}: {value!r}. {_REMEDY}")
    _require_judged(row, where)


def _require_judged(row: Question, where: str) -> None:
    """The judge must pass every wording of the truth, and fail the wrong belief."""
    item = _item(row, "train")
    wordings = [("answer", row.answer), *(("accepted", text) for text in row.accepted)]
    expected = [(field, text, True) for field, text in wordings] + [("belief", row.belief, False)]
    verdicts = TriviaJudge().judge([(item, text) for _, text, _ in expected])
    for (field, text, right), verdict in zip(expected, verdicts, strict=True):
        if verdict.correct != right:
            raise RecordError(
                f"{where}: field {field!r}: the judge says {text!r} is "
                f"{'wrong (' + verdict.reason + ')' if right else 'right'}. {_REMEDY} Every "
                "wording of the answer must hold all key terms, and the belief must not."
            )


def _item(row: Question, part: Part) -> Item:
    strength = STRENGTHS[STRENGTHS.index(row.strength)]  # type: ignore[arg-type]
    return Item(
        item_id=row.item_id,
        part=part,
        group=row.category,
        difficulty=1 + STRENGTHS.index(strength),
        prompt=row.question,
        answer=row.answer,
        accepted=row.accepted,
        key_terms=row.key_terms,
        payload=Belief(row.belief, strength),
    )
