"""The local executor and the gold check on a real repository, inside the real sandbox."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from stages.agent.model import Completion, Request
from stages.records import Outcome
from stages.suites.swe_bench_cl.errors import HarnessError, SweBenchError
from stages.suites.swe_bench_cl.gold import gold_check, gold_checks, summary
from stages.suites.swe_bench_cl.grading import grade
from stages.suites.swe_bench_cl.local import LocalExecutor
from stages.suites.swe_bench_cl.memorised import probe_memory
from stages.suites.swe_bench_cl.repository import base_date, check_out, future_traces, mirror_of
from tests.suites.swe_bench_cl.conftest import SPEC, Shop, git, params

pytest.importorskip("swebench", reason="the swebench package isn't installed")

PRINTS = """diff --git a/src/shop/__init__.py b/src/shop/__init__.py
--- a/src/shop/__init__.py
+++ b/src/shop/__init__.py
@@ -1,2 +1,4 @@
 def total(prices):
     return sum(prices[1:])
+import atexit
+atexit.register(print, "\\ntest_all (test_shop.TotalTests.test_all) ... ok")
"""


def test_the_future_is_found_and_stripped(shop: Shop, tmp_path: Path) -> None:
    date = base_date(shop.folder, shop.task.meta["base_commit"])
    planted = " ".join(future_traces(shop.folder, date))
    assert f"the commit {shop.future[:12]}" in planted
    assert "the ref refs/tags/v2" in planted
    assert "the annotated tag" in planted
    assert "the reflog HEAD" in planted
    tree = check_out(shop.folder, shop.task, tmp_path)
    assert tree == git(shop.folder, "rev-parse", f"{shop.task.meta['base_commit']}^{{tree}}")
    assert future_traces(tmp_path, date) == []
    assert git(tmp_path, "rev-list", "--all", "--count") == "1"
    assert git(tmp_path, "status", "--porcelain") == ""
    with pytest.raises(subprocess.CalledProcessError):
        git(tmp_path, "cat-file", "-e", shop.future)


def test_a_dangling_commit_is_found(shop: Shop, tmp_path: Path) -> None:
    check_out(shop.folder, shop.task, tmp_path)
    hidden = git(tmp_path, "commit-tree", "HEAD^{tree}", "-m", "x", date="2022-01-01T00:00:00Z")
    date = base_date(shop.folder, shop.task.meta["base_commit"])
    found = future_traces(tmp_path, date)
    assert found == [f"the commit {hidden[:12]}, which is newer than the base commit"]


def test_a_missing_mirror_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(SweBenchError, match=r"git clone --mirror https://github.com/a/b"):
        mirror_of(tmp_path, "a/b")


def test_gold_passes_and_is_kept(executor: LocalExecutor, shop: Shop, tmp_path: Path) -> None:
    found = gold_check(executor, shop.task, 2, tmp_path)
    assert (found.sound, found.reason, found.runs) == (True, "", 2)
    assert len(found.tree) == 40

    class NoRun(LocalExecutor):
        def session(self, task):  # type: ignore[override]
            raise AssertionError("a kept check runs nothing")

    again = NoRun(executor.params, executor.specs)
    assert gold_check(again, shop.task, 2, tmp_path) == found
    changed = dataclasses.replace(shop.task, patch=shop.task.patch + "\n")
    with pytest.raises(AssertionError, match="kept check"):
        gold_check(again, changed, 2, tmp_path)


def test_an_unsound_task_is_named(executor: LocalExecutor, shop: Shop, tmp_path: Path) -> None:
    solved = dataclasses.replace(shop.task, FAIL_TO_PASS=shop.task.PASS_TO_PASS)
    broken = dataclasses.replace(
        shop.task, instance_id="acme__shop-8", patch=PRINTS, PASS_TO_PASS=()
    )
    kept = summary(gold_checks(executor, [solved, broken], 1, tmp_path))
    assert kept["tasks"] == []
    reasons = kept["failed"]
    assert isinstance(reasons, dict)
    assert "passes without the patch" in reasons["acme__shop-7"]
    assert "test_all" in reasons["acme__shop-8"]


def test_a_test_with_a_foreign_path_is_left_out(
    executor: LocalExecutor, shop: Shop, tmp_path: Path
) -> None:
    never = "test_zip.py::test_zip[/home/someone/requests/zip]"
    task = dataclasses.replace(shop.task, PASS_TO_PASS=(*shop.task.PASS_TO_PASS, never))
    found = gold_check(executor, task, 1, tmp_path)
    assert (found.sound, found.never) == (True, (never,))
    report = grade(executor, task, task.patch, found.never)
    assert (report.outcome, report.never) == (Outcome.RESOLVED, (never,))
    assert grade(executor, task, task.patch).outcome is Outcome.UNRESOLVED


def test_outcomes(executor: LocalExecutor, shop: Shop) -> None:
    task = shop.task
    resolved = grade(executor, task, task.patch)
    assert resolved.outcome is Outcome.RESOLVED
    assert resolved.tests == dict.fromkeys([*task.FAIL_TO_PASS, *task.PASS_TO_PASS], True)
    assert grade(executor, task, " \n").outcome is Outcome.EMPTY_PATCH
    nonsense = grade(executor, task, task.patch.replace("prices[1:]", "costs"))
    assert nonsense.outcome is Outcome.AGENT_ERROR
    printed = grade(executor, task, PRINTS)
    assert printed.outcome is Outcome.UNRESOLVED
    assert "said to pass and to fail" in printed.detail
    assert printed.tests[task.FAIL_TO_PASS[0]] is False


def test_a_patch_that_rewrites_the_tests_does_not_count(
    executor: LocalExecutor, shop: Shop
) -> None:
    easy = PRINTS.split("@@")[0].replace("src/shop/__init__.py", "test_shop.py") + (
        "@@ -1,4 +1,5 @@\n import unittest\n \n from shop import total\n \n+total = sum\n"
    )
    report = grade(executor, shop.task, easy)
    assert report.outcome is Outcome.UNRESOLVED
    assert report.tests[shop.task.FAIL_TO_PASS[0]] is False


def test_failures_of_ours_are_harness_errors(
    executor: LocalExecutor, shop: Shop, environments: Path
) -> None:
    torn = dataclasses.replace(
        shop.task, test_patch=shop.task.test_patch.replace("assertEqual(total([]), 0)", "nothing")
    )
    report = grade(executor, torn, shop.task.patch)
    assert report.outcome is Outcome.HARNESS_ERROR
    assert "fetch the data set again" in report.detail
    failing = LocalExecutor(
        params(shop.mirrors, environments),
        specs=lambda task: dataclasses.replace(SPEC, install="false"),
    )
    report = grade(failing, shop.task, shop.task.patch)
    assert report.outcome is Outcome.HARNESS_ERROR
    assert "failed at the base commit" in report.detail


def test_the_session_has_no_network_and_no_future(executor: LocalExecutor, shop: Shop) -> None:
    with executor.session(shop.task) as session:
        assert session.run("git log --oneline --all | wc -l").output.strip() == "1"
        assert session.run(f"git cat-file -e {shop.future}").exit_code
        assert session.run("git status --porcelain").output == ""
        reach = "import socket; socket.create_connection(('1.1.1.1', 53), 2)"
        assert session.run(f'python -c "{reach}"').exit_code == 1
        assert "OSError" in session.run(f'python -c "{reach}"').output
        assert session.run("touch /sandbox/env/x").exit_code


def test_environments_are_shared_and_kept(executor: LocalExecutor, shop: Shop) -> None:
    other = dataclasses.replace(shop.task, instance_id="acme__shop-9")
    first, second = executor.environment(shop.task), executor.environment(other)
    assert first == second
    assert executor.identity(shop.task) == executor.identity(other)


def test_refusals_of_the_local_executor(shop: Shop, environments: Path) -> None:
    for changed, words in (
        ({"python": "2.1"}, "no Python 2.1.*executor to container"),
        ({"no_local": "it needs TeX"}, "it needs TeX"),
        ({"requirements": ("no-such-package-of-ours==1",)}, "requirements can't be installed"),
    ):
        spec = dataclasses.replace(SPEC, **changed)  # type: ignore[arg-type]
        links = str(shop.mirrors)  # a folder without wheels: no index is asked
        chosen = LocalExecutor(
            params(shop.mirrors, environments, find_links=links), specs=lambda task, s=spec: s
        )
        with pytest.raises(SweBenchError, match=words):
            chosen.environment(shop.task)


class Answers:
    def __init__(self, text: str) -> None:
        self.text = text

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        assert "total" not in " ".join(m["content"] for m in requests[0].messages if "def" in m)
        return [Completion(self.text, 1, 0, 1, 0.0, "stop") for _ in requests]


def test_a_memorised_task_is_seen(executor: LocalExecutor, shop: Shop) -> None:
    known = Answers(f"I remember.\n```diff\n{shop.task.patch}```\nDone.")
    probe = probe_memory(known, executor, [shop.task], max_new_tokens=64)[0]
    assert (probe.memorised, probe.files_named) == (True, 1.0)
    probe = probe_memory(Answers("I can't know."), executor, [shop.task], max_new_tokens=64)[0]
    assert (probe.memorised, probe.report.outcome) == (False, Outcome.EMPTY_PATCH)


def test_a_harness_error_is_never_kept(executor: LocalExecutor, shop: Shop, tmp_path: Path) -> None:
    torn = dataclasses.replace(shop.task, test_patch=shop.task.test_patch.replace("[]", "()"))
    with pytest.raises(HarnessError):
        gold_check(executor, torn, 1, tmp_path)
    assert list(tmp_path.iterdir()) == []
