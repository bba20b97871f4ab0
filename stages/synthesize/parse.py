"""What a teacher's answer says, read strictly: JSON of one shape, or a reason why it is none."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from typing import Any

from stages.records import Trajectory

_PLAIN = ("question", "answer", "skill")
TEXTS: dict[str, tuple[str, ...]] = {
    "A": _PLAIN,
    "B": _PLAIN,
    "C": ("question", "answer", "rejected", "skill"),
    "D": _PLAIN,
    "E": _PLAIN,
}
"""Fields of an example that hold text, by format."""
NUMBERS = ("attempt", "step")
_FENCED = re.compile(r"```(?:json)?\n(.*)\n```", re.DOTALL)
_SORRY = re.compile(
    r"(i('| a)?m sorry|sorry|i cannot|i can't|i('| a)m unable|i won't|as an ai)\b",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class Pair:
    """One example as the teacher wrote it, with the step it says it rests on."""

    question: str
    answer: str
    skill: str
    source: Trajectory
    step: int
    rejected: str = ""


class _Unsound(ValueError):
    """The reason why something isn't an example."""


def read_answer(
    format_name: str, text: str, finish: str, attempts: Sequence[Trajectory]
) -> tuple[list[Pair], list[str]]:
    """The examples in an answer, and a reason for each that is none.

    Taken is one JSON object, with or without one code fence around the whole, after a reasoning
    model's ``</think>``. Reasons: ``refused``, ``cut off``, ``not JSON``, ``wrong fields``, ``empty
    text``, ``no such step``, ``rejected equals answer``, ``nothing to teach``.
    """
    try:
        rows = _rows(text, finish)
    except _Unsound as reason:
        return [], [str(reason)]
    pairs: list[Pair] = []
    missing: list[str] = []
    for row in rows:
        try:
            pairs.append(_pair(format_name, row, attempts))
        except _Unsound as reason:
            missing.append(str(reason))
    return pairs, missing if rows else ["nothing to teach"]


def _rows(text: str, finish: str) -> list[Any]:
    said = text.rpartition("</think>")[2].strip()
    if fenced := _FENCED.fullmatch(said):
        said = fenced.group(1)
    try:
        value = json.loads(said, object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        if finish == "length":
            raise _Unsound("cut off") from None
        raise _Unsound(
            "refused" if _SORRY.match(said.replace("\u2019", "'")) else "not JSON"
        ) from None
    if isinstance(value, dict) and set(value) == {"refusal"}:
        raise _Unsound("refused")
    if not isinstance(value, dict) or set(value) != {"examples"}:
        raise _Unsound("wrong fields")
    if not isinstance(value["examples"], list):
        raise _Unsound("wrong fields")
    return value["examples"]


def _pair(format_name: str, row: Any, attempts: Sequence[Trajectory]) -> Pair:
    texts = TEXTS[format_name]
    if not isinstance(row, dict) or set(row) != {*texts, *NUMBERS}:
        raise _Unsound("wrong fields")
    if any(type(row[name]) is not str for name in texts):
        raise _Unsound("wrong fields")
    if any(type(row[name]) is not int for name in NUMBERS):  # True is an int to isinstance
        raise _Unsound("wrong fields")
    said = {name: row[name].strip() for name in texts}
    if not all(said.values()):
        raise _Unsound("empty text")
    attempt, step = row["attempt"], row["step"]
    if not 0 <= attempt < len(attempts):
        raise _Unsound("no such step")
    if not 0 <= step < len(attempts[attempt].info["steps"]):
        raise _Unsound("no such step")
    if said.get("rejected") == said["answer"]:
        raise _Unsound("rejected equals answer")
    return Pair(**said, source=attempts[attempt], step=step)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a field stands twice")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
