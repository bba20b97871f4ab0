"""Rows with SWE-bench's fields, read strictly: an error names file, line, field and remedy."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.records import read_jsonl
from stages.suites.repository.errors import RepositoryError

TEXTS = ("instance_id", "repo", "base_commit", "problem_statement", "patch", "test_patch")
LEVELS = ("easy", "medium", "hard")
EASY_LINES, MEDIUM_LINES = 5, 30
"""Most changed lines of a task called easy or medium where its row doesn't say."""


@dataclasses.dataclass(frozen=True)
class Row:
    """One task as its file has it, and where it stands there."""

    where: str
    instance_id: str
    repo: str
    base_commit: str
    problem_statement: str
    patch: str
    test_patch: str
    created_at: str
    difficulty: str
    FAIL_TO_PASS: tuple[str, ...]
    PASS_TO_PASS: tuple[str, ...]


def read_rows(path: Path) -> list[Row]:
    """Every row of a JSON Lines file; RecordError or RepositoryError names the first bad one."""
    rows = [
        _row(value, f"{path}, line {line}")
        for line, value in enumerate(read_jsonl(path, dict), start=1)
    ]
    first: dict[str, Row] = {}
    for row in rows:
        other = first.setdefault(row.instance_id, row)
        if other is not row:
            raise RepositoryError(
                f"{row.where}: field 'instance_id' is {row.instance_id!r}, as in {other.where}. "
                "Give each task its own."
            )
    return rows


def size_level(patch: str) -> str:
    """Difficulty by the number of lines that the gold patch adds and removes.

    >>> size_level("--- a/x\\n+++ b/x\\n@@ -1 +1 @@\\n-a\\n+b\\n")
    'easy'
    """
    changed = sum(
        line[:1] in ("+", "-") and line[:4] not in ("+++ ", "--- ") for line in patch.splitlines()
    )
    return LEVELS[(changed > EASY_LINES) + (changed > MEDIUM_LINES)]


def _row(value: Mapping[str, Any], where: str) -> Row:
    text = {name: _text(value, name, where) for name in TEXTS}
    if "/" in text["instance_id"] or text["instance_id"].startswith("."):
        raise _wrong(where, "instance_id", text["instance_id"], "a name without '/', for files")
    for name in ("instance_id", "repo", "base_commit", "problem_statement", "patch"):
        if not text[name].strip():
            raise _wrong(where, name, text[name], "a text that isn't empty")
    fail = _names(value, "FAIL_TO_PASS", where)
    if not fail:
        raise _wrong(
            where, "FAIL_TO_PASS", [], "at least one test: nothing else shows a task solved"
        )
    level = value.get("difficulty") or size_level(text["patch"])
    if level not in LEVELS:  # SWE-bench Verified's texts such as "15 min - 1 hour"
        level = size_level(text["patch"])
    return Row(
        where=where,
        **text,
        created_at=_date(value, where),
        difficulty=level,
        FAIL_TO_PASS=fail,
        PASS_TO_PASS=_names(value, "PASS_TO_PASS", where),
    )


def _text(value: Mapping[str, Any], name: str, where: str) -> str:
    if not isinstance(value.get(name), str):
        raise _wrong(where, name, value.get(name), "a text")
    return value[name]


def _names(value: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    """A list of test names, or one as JSON text, as SWE-bench's files have it."""
    names = value.get(name)
    if isinstance(names, str):
        try:
            names = json.loads(names)
        except json.JSONDecodeError:
            raise _wrong(where, name, names, "a list of tests, or one as JSON") from None
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise _wrong(where, name, names, "a list of tests such as 'tests/test_a.py::test_b'")
    return tuple(names)


def _date(value: Mapping[str, Any], where: str) -> str:
    """The date as YYYY-MM-DDTHH:MM:SSZ, so that texts sort as dates do."""
    text = _text(value, "created_at", where)
    try:
        date = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise _wrong(where, "created_at", text, "a date in ISO 8601") from None
    if date.tzinfo is not None:
        date = date.astimezone(datetime.UTC)
    return date.strftime("%Y-%m-%dT%H:%M:%SZ")


def _wrong(where: str, name: str, value: Any, expected: str) -> RepositoryError:
    return RepositoryError(
        f"{where}: field {name!r} is {value!r:.80}; it must be {expected}. Correct that line."
    )
