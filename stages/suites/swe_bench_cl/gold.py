"""Before any model runs: a task is sound, three times over, or isn't used (checks 1 and 2)."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from stages.records import Task, canonical_json, from_dict, read_json, sha256_text, write_json
from stages.suites.swe_bench_cl.errors import HarnessError, SweBenchError
from stages.suites.swe_bench_cl.executor import Executor, run_tests
from stages.suites.swe_bench_cl.grading import FORMAT, Report, judge, require_swebench, statuses


@dataclasses.dataclass(frozen=True)
class GoldCheck:
    """What the gold check found of one task."""

    instance_id: str
    sound: bool
    """the base fails every FAIL_TO_PASS test, the gold patch passes all, each time"""
    reason: str
    """why it isn't sound; empty when it is"""
    runs: int
    """times that the gold patch ran"""
    never: tuple[str, ...]
    """PASS_TO_PASS tests that hold a path of their maker's machine and never appear here"""
    tree: str
    """Git's hash of the base tree; empty when the repository couldn't be had"""


def gold_check(executor: Executor, task: Task, runs: int, cache: Path) -> GoldCheck:
    """Check one task, or return what an equal check found before.

    ``cache``: folder of earlier checks, by the hash of everything that they depend on. What
    fails on our side raises HarnessError and is never kept.
    """
    require_swebench()
    if not (task.test_patch and task.FAIL_TO_PASS):
        raise SweBenchError(
            f"{task.instance_id} has no tests, so there is nothing to check its patch by. Give a "
            "file with the complete rows of SWE-bench Verified as swe_bench_cl.path."
        )
    content = canonical_json([dataclasses.asdict(task), executor.identity(task), runs, FORMAT])
    path = cache / f"gold-{sha256_text(content)[:24]}.json"
    if path.is_file():
        return from_dict(GoldCheck, read_json(path), str(path), "Delete the file.")
    found = _check(executor, task, runs)
    write_json(path, dataclasses.asdict(found))
    return found


def gold_checks(
    executor: Executor, tasks: Iterable[Task], runs: int, cache: Path
) -> dict[str, GoldCheck]:
    """Instance id -> its check; a harness error makes a task unsound for now and names why."""
    found = {}
    for task in tasks:
        try:
            found[task.instance_id] = gold_check(executor, task, runs, cache)
        except HarnessError as error:
            found[task.instance_id] = GoldCheck(
                task.instance_id, False, f"harness error: {error}", 0, (), ""
            )
    return found


def summary(checks: Mapping[str, GoldCheck]) -> dict[str, object]:
    """``runs``, ``tasks`` (sound ids) and ``failed`` (id -> why): what check 2 reads."""
    return {
        "runs": min((check.runs for check in checks.values() if check.sound), default=0),
        "tasks": [name for name, check in checks.items() if check.sound],
        "failed": {name: check.reason for name, check in checks.items() if not check.sound},
    }


def _check(executor: Executor, task: Task, runs: int) -> GoldCheck:
    base = _run(executor, task, "")
    after = [_run(executor, task, task.patch) for _ in range(runs)]
    # A test that no run shows at all, and whose name holds an absolute path, belongs to the
    # machine that listed it; any other test that doesn't pass makes the task unsound.
    seen = base.shown.union(*(run.shown for run in after))
    never = tuple(name for name in task.PASS_TO_PASS if _has_path(name) and name not in seen)
    return GoldCheck(task.instance_id, *_judged(task, base, after, never), runs, never, base.tree)


@dataclasses.dataclass(frozen=True)
class _Run:
    report: Report
    shown: frozenset[str]
    """tests that the log names, whatever it says of them"""
    tree: str


def _run(executor: Executor, task: Task, patch: str) -> _Run:
    run, parser = run_tests(executor, task, patch), executor.log_parser(task)
    shown = frozenset(statuses(run.log, parser)) if run.ended == "complete" else frozenset[str]()
    return _Run(judge(task, run, parser), shown, run.tree)


def _judged(task: Task, base: _Run, after: list[_Run], never: Collection[str]) -> tuple[bool, str]:
    """Whether the task is sound; why not."""
    for name in task.FAIL_TO_PASS:
        if base.report.tests.get(name, False):
            return False, f"{name} passes without the patch"
    counted = [n for n in (*task.FAIL_TO_PASS, *task.PASS_TO_PASS) if n not in never]
    for number, run in enumerate(after, start=1):
        for name in counted:
            if not run.report.tests.get(name, False):
                return False, _why(name, run, number)
    return True, ""


def _why(name: str, run: _Run, number: int) -> str:
    """Why the gold patch's run doesn't pass a test: no log, no such test in it, or a failure."""
    if not run.shown:
        detail = run.report.detail or "its log names no test"
        return f"{name} isn't seen to pass with the gold patch, run {number} ({detail})"
    if name in run.shown:
        return f"{name} fails with the gold patch, run {number}"
    near = difflib.get_close_matches(name, sorted(run.shown), n=1)
    return (
        f"{name} can't pass: it is none of the {len(run.shown)} tests that run {number} of the "
        f"gold patch shows{f' (the nearest is {near[0]})' if near else ''}. Correct FAIL_TO_PASS "
        "or PASS_TO_PASS of its row, or leave the task out"
    )


def _has_path(name: str) -> bool:
    """Whether a test's parameters hold an absolute path of at least two folders.

    >>> _has_path("test_a.py::test_b[/home/me/x.py]"), _has_path("test_a.py::test_b[http://x/y]")
    (True, False)
    """
    _, _, parameters = name.partition("[")
    words = parameters.replace("]", " ").replace("-", " ").split()
    return any(word.startswith("/") and word.count("/") >= 2 and word[1] != "/" for word in words)
