"""A range of commits as tasks: a commit that changes source and tests together shows both.

The task's base is the commit's parent, its statement the commit's message. A candidate becomes a
task when the sandbox confirms it: a test that the commit brings or changes fails on the base, and
with the commit's source every such test passes, each of several times. All others are dropped and
counted by reason.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.agent.diff import unified_diff
from stages.agent.sandbox import Sandbox
from stages.agent.workspace import materialise
from stages.suites.repository.history import Commit, History
from stages.suites.repository.plain import (
    gradable,
    is_test_file,
    is_test_path,
    test_sources,
    with_path,
)
from stages.suites.repository.rows import size_level, world_name

GOLD_RUNS = 3
"""So often the commit's source must pass, so that a test that passes by luck is seen."""
SHORT = 12  # characters of a commit's hash in an instance id
Files = Mapping[str, str]


class Dropped(Exception):
    """A candidate that can't be a task: ``reason`` is counted, ``detail`` names the test."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


@dataclasses.dataclass(frozen=True)
class Found:
    """What became of a range of commits."""

    rows: list[dict[str, Any]]
    """tasks, oldest first, with SWE-bench's fields"""
    dropped: Counter[str]
    """reason -> candidates"""
    details: list[str]
    """commit and reason of each one that was dropped"""


def make_tasks(
    history: History, commits: Iterable[Commit], sandbox: Sandbox, repo: str, test_command: str
) -> Found:
    """Judge every commit; see the module's docstring."""
    found = Found([], Counter(), [])
    for commit in commits:
        try:
            found.rows.append(_row(history, commit, sandbox, repo, test_command))
        except Dropped as dropped:
            found.dropped[dropped.reason] += 1
            detail = f" ({dropped.detail})" if dropped.detail else ""
            found.details.append(f"{commit.sha[:SHORT]}: {dropped.reason}{detail}")
    return found


def _row(
    history: History, commit: Commit, sandbox: Sandbox, repo: str, test_command: str
) -> dict[str, Any]:
    base, gold = (history.files(history.tree(name)) for name in (commit.parent, commit.sha))
    changed = {p for p in base.keys() | gold.keys() if base.get(p) != gold.get(p)}
    tests = {p for p in changed if is_test_path(p)}
    _check_shape(commit, changed, tests, gold)
    source = _taken(base, gold, changed - tests)
    patch, test_patch = unified_diff(base, source), unified_diff(source, gold)
    if "\nBinary files " in f"\n{patch}\n{test_patch}":
        raise Dropped("changes a file that isn't text")
    names, new = _tests(base, gold, tests)
    fail, stay = _judged(sandbox, base, source, gold, names, new)
    date = datetime.datetime.fromtimestamp(commit.seconds, datetime.UTC)
    return {
        "instance_id": f"{world_name(repo)}-{commit.sha[:SHORT]}",
        "repo": repo,
        "base_commit": commit.parent,
        "problem_statement": commit.message,
        "patch": patch,
        "test_patch": test_patch,
        "FAIL_TO_PASS": fail,
        "PASS_TO_PASS": stay,
        "created_at": date.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "difficulty": size_level(patch),
        "test_command": test_command,
    }


def _check_shape(commit: Commit, changed: set[str], tests: set[str], gold: Files) -> None:
    if not any(p.endswith(".py") for p in changed - tests):
        raise Dropped("changes no source file")
    if not any(is_test_file(path) and path in gold for path in tests):
        raise Dropped("changes no test file")
    if not commit.message:
        raise Dropped("has no message")


def _taken(base: Files, gold: Files, paths: set[str]) -> dict[str, str]:
    """The base with ``paths`` as they are in ``gold``."""
    mixed = {path: text for path, text in base.items() if path not in paths}
    return mixed | {path: gold[path] for path in paths if path in gold}


def _tests(base: Files, gold: Files, changed: set[str]) -> tuple[list[str], set[str]]:
    """Gradable tests of the changed test files, and those among them that the commit changed.

    Dropped where a test that the commit changed can't be graded, with the reason.
    """
    names, new = [], set()
    for path in sorted(path for path in changed if is_test_file(path) and path in gold):
        before, after = test_sources(base.get(path, "")), test_sources(gold[path])
        for function, reason in gradable(path, gold).items():
            name = f"{path}::{function}"
            touched = function not in after or before.get(function) != after[function]
            if reason and touched:
                raise Dropped("has a test that the sandbox can't grade", f"{name}: {reason}")
            if not reason:
                names.append(name)
                new |= {name} if touched else set()
    if not new:
        raise Dropped("changes no test function")
    return names, new


def _judged(
    sandbox: Sandbox, base: Files, source: Files, gold: Files, names: list[str], new: set[str]
) -> tuple[list[str], list[str]]:
    """FAIL_TO_PASS and PASS_TO_PASS of a sound candidate."""
    before = _run(sandbox, base, gold, names)
    runs = [_run(sandbox, source, gold, names) for _ in range(GOLD_RUNS)]
    for name in names:
        passes = [run[name] for run in runs]
        if name in new and not all(passes):
            kind = "a changed test fails with the commit's source"
            raise Dropped(kind if not any(passes) else "a changed test is flaky", name)
        if before[name] and not all(passes):
            raise Dropped("a test passes before the commit and fails after it", name)
    fail = [name for name in names if not before[name] and all(run[name] for run in runs)]
    if not fail:
        raise Dropped("no test fails on the base", names[0])
    return fail, [name for name in names if before[name]]


def _run(sandbox: Sandbox, files: Files, gold: Files, names: Sequence[str]) -> dict[str, bool]:
    """Test -> whether it passes in ``files``, the test files taken from ``gold``."""
    graded = {p: with_path(gold[p], gold) for p in {name.partition("::")[0] for name in names}}
    with sandbox.workspace() as workspace:
        materialise(Path(workspace), files)
        results = sandbox.run_tests(Path(workspace), graded, names)
    return {result.name: result.passed for result in results}
