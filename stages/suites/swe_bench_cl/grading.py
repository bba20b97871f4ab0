"""The log of a test run as an outcome: swebench's parsers and report, our outcome types on top."""

from __future__ import annotations

import dataclasses
import importlib.util
import tempfile
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from stages.records import Outcome, Task
from stages.suites.swe_bench_cl.errors import HarnessError, SweBenchError
from stages.suites.swe_bench_cl.executor import Executor, TestRun, run_tests

FORMAT = 2
"""Changes with how a log is judged, so that what was kept before is judged again."""
GOOD, BAD = frozenset({"PASSED", "XFAIL"}), frozenset({"FAILED", "ERROR"})
OUTCOMES = {
    "timeout": Outcome.TIMEOUT,
    "killed": Outcome.UNRESOLVED,
    "patch_refused": Outcome.AGENT_ERROR,
    "build_failed": Outcome.UNRESOLVED,
}


@dataclasses.dataclass(frozen=True)
class Report:
    """What grading found of one patch."""

    instance_id: str
    outcome: Outcome
    tests: Mapping[str, bool] = dataclasses.field(default_factory=dict)
    """FAIL_TO_PASS and PASS_TO_PASS test -> whether it passed; empty when none ran"""
    never: tuple[str, ...] = ()
    """PASS_TO_PASS tests left out, since they can't pass on any machine but their maker's"""
    detail: str = ""
    """why, where the tests don't say it"""


def grade(executor: Executor, task: Task, patch: str, never: Collection[str] = ()) -> Report:
    """Run and judge a patch. What fails on our side is a harness error, never the agent's failure.

    ``never``: PASS_TO_PASS tests that the task's gold check found impossible.
    """
    require_swebench()
    if not patch.strip():
        return Report(task.instance_id, Outcome.EMPTY_PATCH, never=tuple(never))
    try:
        run = run_tests(executor, task, patch)
        return judge(task, run, executor.log_parser(task), never)
    except HarnessError as error:
        return Report(task.instance_id, Outcome.HARNESS_ERROR, detail=str(error))


def judge(task: Task, run: TestRun, parser: str, never: Collection[str] = ()) -> Report:
    """The report of one run: resolved only when every test that counts passed."""
    left_out = tuple(name for name in task.PASS_TO_PASS if name in never)
    if run.ended != "complete":
        return Report(task.instance_id, OUTCOMES[run.ended], never=left_out, detail=run.detail)
    found = _report(task, run.log, parser, left_out)
    if "tests_status" not in found:
        reason = found.get("infra_failure_reason", "no test result in the log")
        return Report(task.instance_id, Outcome.UNRESOLVED, never=left_out, detail=reason)
    disputed = disputed_tests(run.log, parser)
    tests = {
        name: verdict == "success" and name not in disputed
        for kind in ("FAIL_TO_PASS", "PASS_TO_PASS")
        for verdict in ("failure", "success")
        for name in found["tests_status"][kind][verdict]
    }
    resolved = found["resolved"] and bool(tests) and all(tests.values())
    said_both = sorted(disputed.intersection(tests))
    return Report(
        task.instance_id,
        Outcome.RESOLVED if resolved else Outcome.UNRESOLVED,
        tests,
        left_out,
        f"{said_both[0]} is said to pass and to fail" if said_both else "",
    )


def disputed_tests(log: str, parser: str) -> set[str]:
    """Tests that the log says both of: a patch that prints its own 'PASSED' lines is seen so.

    A parser keeps one status a test, so it is asked line by line too: forged lines can stand before
    the true one (in the captured output of a test that starts a process) and after it.
    """
    said: dict[str, set[str]] = {}
    for lines in (_body(log), *({line} for line in set(_body(log)))):
        for name, status in _parsed(lines, parser).items():
            said.setdefault(name, set()).add(status)
    return {name for name, found in said.items() if found & GOOD and found & BAD}


def statuses(log: str, parser: str) -> dict[str, str]:
    """Test -> PASSED, FAILED, ERROR, SKIPPED or XFAIL, by swebench's parser of that name."""
    return _parsed(_body(log), parser)


def _body(log: str) -> list[str]:
    """The lines between the marks."""
    body = log.split(">>>>> Start Test Output", 1)[-1].rsplit(">>>>> End Test Output", 1)[0]
    return body.split("\n")


def _parsed(lines: Iterable[str], parser: str) -> dict[str, str]:
    from swebench.harness.log_parsers import PARSER_REGISTRY  # pyright: ignore[reportMissingImports]

    # The parsers of these eight repositories don't look at the specification.
    return PARSER_REGISTRY[parser]("\n".join(lines), None)  # pyright: ignore[reportArgumentType]


def require_swebench() -> None:
    """SweBenchError unless the swebench package is here."""
    if importlib.util.find_spec("swebench") is None:
        raise SweBenchError(
            "SWE-Bench-CL is graded by the swebench package, which isn't installed: "
            "pip install 'swebench>=5.0,<6'."
        )


def _report(task: Task, log: str, parser: str, left_out: Collection[str]) -> dict[str, Any]:
    from swebench.harness.grading import get_eval_report  # pyright: ignore[reportMissingImports]
    from swebench.types import TestSpec  # pyright: ignore[reportMissingImports]

    spec = TestSpec(
        instance_id=task.instance_id,
        image="",
        eval_script_list=[],
        repo=task.repo,
        version=str(task.meta.get("version", "")),
        FAIL_TO_PASS=list(task.FAIL_TO_PASS),
        PASS_TO_PASS=[name for name in task.PASS_TO_PASS if name not in left_out],
        log_parser=parser,
        eval_type="pass_and_fail",
    )
    said = {"instance_id": task.instance_id, "model_name_or_path": "", "model_patch": "x"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.txt"
        path.write_text(log, encoding="utf-8")
        return get_eval_report(spec, said, str(path), True)[task.instance_id]
