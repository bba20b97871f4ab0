"""One row with SWE-bench's fields as a Task; a malformed one is refused by file, row and field."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from typing import Any

from stages.records import Task
from stages.suites.swe_bench_cl.errors import SweBenchError
from stages.suites.swe_bench_cl.published import DIFFICULTIES, LEVELS

REQUIRED = ("instance_id", "repo", "base_commit", "problem_statement", "patch", "difficulty")
OPTIONAL = ("created_at", "version", "environment_setup_commit", "hints_text", "test_patch")
SPECIFICATION = ("image", "eval_script", "log_parser", "eval_type")
"""Columns in which newer SWE-bench rows carry their own specification."""
CHANGED_FILE = re.compile(r"^diff --git a/(\S+) b/", re.MULTILINE)
COMMIT = re.compile(r"[0-9a-f]{40}")
INSTANCE = re.compile(r"[\w.-]+__[\w.-]+-\d+")


def task_of(row: Mapping[str, Any], where: str) -> Task:
    """The task of a row; ``where`` names file and row in a SweBenchError."""
    text = {name: _text(row, name, where, required=True) for name in REQUIRED}
    text |= {name: _text(row, name, where, required=False) for name in OPTIONAL}
    _matches(text, "instance_id", INSTANCE, "<owner>__<name>-<number>", where)
    _matches(text, "base_commit", COMMIT, "40 hexadecimal digits", where)
    if text["difficulty"] not in DIFFICULTIES:
        raise _wrong(where, "difficulty", text["difficulty"], f"one of {list(DIFFICULTIES)}")
    level = DIFFICULTIES[text["difficulty"]]
    meta: dict[str, Any] = {
        "base_commit": text["base_commit"],
        "version": text["version"],
        "environment_setup_commit": text["environment_setup_commit"],
        "hints_text": text["hints_text"],
        "difficulty_score": LEVELS.index(level) + 1,
        "modified_files": sorted(set(CHANGED_FILE.findall(text["patch"]))),
    }
    meta |= {name: row[name] for name in SPECIFICATION if row.get(name)}
    if "dependencies" in row:
        meta["dependencies"] = list(_names(row, "dependencies", where))
    return Task(
        instance_id=text["instance_id"],
        suite="swe_bench_cl",
        repo=text["repo"],
        problem_statement=text["problem_statement"],
        created_at=_date(text["created_at"], where),
        difficulty=level,
        patch=text["patch"],
        test_patch=text["test_patch"],
        FAIL_TO_PASS=_names(row, "FAIL_TO_PASS", where),
        PASS_TO_PASS=_names(row, "PASS_TO_PASS", where),
        meta=meta,
    )


def number_of(task: Task) -> int:
    """The number of the pull request that a task was made from."""
    return int(task.instance_id.rsplit("-", 1)[1])


def _text(row: Mapping[str, Any], name: str, where: str, *, required: bool) -> str:
    value = row.get(name)
    if isinstance(value, datetime.datetime):  # a Parquet file may hold dates as such
        value = value.isoformat()
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value.strip()):
        raise _wrong(where, name, value, "a text" + (" that isn't empty" if required else ""))
    return value


def _names(row: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    """A list of names: as a list, as the JSON text that the hub has, or null."""
    value = row.get(name)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            raise _wrong(where, name, value, "a list of test names, or one as JSON") from None
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(where, name, value, "a list of names")
    return tuple(value)


def _date(text: str, where: str) -> str:
    """The date as YYYY-MM-DDTHH:MM:SSZ, so that texts sort as dates do; empty when unknown."""
    if not text:
        return ""
    try:
        date = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise _wrong(where, "created_at", text, "a date in ISO 8601") from None
    if date.tzinfo is not None:
        date = date.astimezone(datetime.UTC)
    return date.strftime("%Y-%m-%dT%H:%M:%SZ")


def _matches(
    text: Mapping[str, str], name: str, pattern: re.Pattern[str], is_: str, at: str
) -> None:
    if not pattern.fullmatch(text[name]):
        raise _wrong(at, name, text[name], is_)


def _wrong(where: str, name: str, value: Any, expected: str) -> SweBenchError:
    return SweBenchError(
        f"{where}: field {name!r} is {value!r:.80}; it must be {expected}. Correct the row, or "
        "fetch the file again."
    )
