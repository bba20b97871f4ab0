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
from stages.suites.names import world_name
from stages.suites.repository.history import Commit, History
from stages.suites.repository.plain import (
    gradable,
    is_test_file,
    is_test_path,
    test_sources,
    with_path,
)
from stages.suites.repository.pytest_runner import PytestSandbox, is_graded_path
from stages.suites.repository.rows import size_level

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


def make_tasks(history: History, commits: Iterable[Commit], sandbox: Sandbox, repo: str) -> Found:
    """Judge every commit; see the module's docstring."""
    found = Found([], Counter(), [])
    for commit in commits:
        try:
            found.rows.append(_row(history, commit, sandbox, repo))
        except Dropped as dropped:
            found.dropped[dropped.reason] += 1
            detail = f" ({dropped.detail})" if dropped.detail else ""
            found.details.append(f"{commit.sha[:SHORT]}: {dropped.reason}{detail}")
    return found


def _row(history: History, commit: Commit, sandbox: Sandbox, repo: str) -> dict[str, Any]:
    base, gold = (history.files(history.tree(name)) for name in (commit.parent, commit.sha))
    changed = {p for p in base.keys() | gold.keys() if base.get(p) != gold.get(p)}
    tests = {p for p in changed if is_test_path(p)}
    _check_shape(commit, changed, tests, gold)
    source = _taken(base, gold, changed - tests)
    patch, test_patch = unified_diff(base, source), unified_diff(source, gold)
    if "\nBinary files " in f"\n{patch}\n{test_patch}":
        raise Dropped("changes a file that isn't text")
    paths = sorted(path for path in tests if is_test_file(path) and path in gold)
    judge = Judge(sandbox, gold, paths)
    fail, stay = _judged(judge, base, source, touched(base, gold, paths))
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


def touched(base: Files, gold: Files, paths: Sequence[str]) -> set[str]:
    """Tests, as ``path::function`` or ``path::Class::method``, that are new or not as before."""
    found = set()
    for path in paths:
        before, after = test_sources(base.get(path, "")), test_sources(gold[path])
        changed = [name for name in after if before.get(name) != after[name]]
        found |= {f"{path}::{n}" for n in changed if n.rpartition("::")[2].startswith("test")}
    return found


class Judge:
    """Runs a candidate's test files, plainly or by pytest, as its sandbox does."""

    def __init__(self, sandbox: Sandbox, gold: Files, paths: Sequence[str]) -> None:
        self.sandbox, self.gold, self.paths = sandbox, gold, paths

    def run(self, files: Files, changed: set[str], must_end: bool = False) -> dict[str, bool]:
        """Test -> whether it passes in ``files``, all that belongs to tests taken from the commit.

        Dropped where one of the ``changed`` tests can't be graded, and, if the run ``must_end``,
        where none of the tests has a result.
        """
        with self.sandbox.workspace() as workspace:
            materialise(Path(workspace), files)
            if isinstance(self.sandbox, PytestSandbox):
                graded = {p: text for p, text in self.gold.items() if is_graded_path(p)}
                found, failed = self.sandbox.run_files(workspace, graded, self.paths)
                results = list(found.values())
            else:
                graded = {path: with_path(self.gold[path], self.gold) for path in self.paths}
                results = self.sandbox.run_tests(workspace, graded, self._plain(changed))
                failed = ""
        if must_end and not results and failed:
            raise Dropped("its tests can't be run with the commit's source", failed)
        return {result.name: result.passed for result in results}

    def _plain(self, changed: set[str]) -> list[str]:
        names = []
        for path in self.paths:
            for function, reason in gradable(path, self.gold).items():
                name = f"{path}::{function}"
                if reason and name in changed:
                    raise Dropped("has a test that can't be graded plainly", f"{name}: {reason}")
                names += [] if reason else [name]
        if not names:
            raise Dropped("has no test that can be graded plainly", ", ".join(self.paths))
        return names


def _judged(
    judge: Judge, base: Files, source: Files, changed: set[str]
) -> tuple[list[str], list[str]]:
    """FAIL_TO_PASS and PASS_TO_PASS of a sound candidate."""
    first = judge.run(source, changed, must_end=True)
    before = judge.run(base, changed)
    runs = [first, *(judge.run(source, changed) for _ in range(GOLD_RUNS - 1))]
    names = sorted(set[str]().union(*runs))
    absent = changed - {name.partition("[")[0] for name in names}
    if absent:
        raise Dropped("a changed test isn't run", min(absent))
    for name in names:
        passes = [run.get(name, False) for run in runs]
        if name.partition("[")[0] in changed and not all(passes):
            kind = "a changed test fails with the commit's source"
            raise Dropped(kind if not any(passes) else "a changed test is flaky", name)
        if before.get(name) and not all(passes):
            raise Dropped("a test passes before the commit and fails after it", name)
    sound = [name for name in names if all(run.get(name, False) for run in runs)]
    fail = [name for name in sound if not before.get(name)]
    if not fail:
        raise Dropped("no test fails on the base", ", ".join(judge.paths))
    return fail, [name for name in sound if before.get(name)]
