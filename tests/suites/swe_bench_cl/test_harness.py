"""The harness that stages play and grade in: one sandbox an environment, our faults named."""

from __future__ import annotations

import dataclasses

import pytest

from stages.agent.sandbox import SandboxConfig
from stages.params import SweBenchClParams
from stages.records import Outcome
from stages.suites.names import world_name
from stages.suites.swe_bench_cl.errors import HarnessError, SweBenchError
from stages.suites.swe_bench_cl.harness import open_harness
from stages.suites.swe_bench_cl.local import LocalExecutor
from stages.suites.swe_bench_cl.suite import SweBenchCl, open_swe_bench_cl
from tests.suites.swe_bench_cl.conftest import FIXED, Shop, params

pytest.importorskip("swebench", reason="the swebench package isn't installed")


def test_tasks_of_one_environment_share_a_sandbox(executor: LocalExecutor, shop: Shop) -> None:
    other = dataclasses.replace(shop.task, instance_id="acme__shop-2")
    with open_harness(executor) as harness:
        first, second = harness.runner(shop.task), harness.runner(other)
        assert first.sandbox is second.sandbox
        assert (first.task, second.task) == (shop.task, other)
        with first.sandbox.workspace() as folder:
            assert first.work == folder.parent


def test_a_change_is_graded_with_its_patch(executor: LocalExecutor, shop: Shop) -> None:
    with SweBenchCl(executor).open_harness(SandboxConfig()) as harness:
        assert harness.problem(shop.task) == ""
        assert harness.history(shop.task) == {"commits": 1, "newer": []}
        good = harness.grade(shop.task, {"src/shop/__init__.py": FIXED})
        none = harness.grade(shop.task, {})
    assert good.outcome is Outcome.RESOLVED and all(good.tests.values())
    assert "diff --git a/src/shop/__init__.py" in str(good.submission)
    assert (none.outcome, none.submission) == (Outcome.EMPTY_PATCH, "")


def test_our_fault_is_a_harness_error(
    executor: LocalExecutor, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise HarnessError("the disk is full")

    with open_harness(executor) as harness:
        monkeypatch.setattr("stages.suites.swe_bench_cl.harness.gold_check", full)
        found = harness.grade(shop.task, {"src/shop/__init__.py": FIXED})
    assert (found.outcome, found.detail) == (Outcome.HARNESS_ERROR, "the disk is full")


def chosen(shop: Shop, **changed: object) -> SweBenchClParams:
    return params(shop.mirrors, shop.mirrors, **changed)


def test_parameters_that_cannot_work_are_refused(shop: Shop) -> None:
    with pytest.raises(SweBenchError, match="path and revision are both null"):
        open_swe_bench_cl(chosen(shop, path=None))
    with pytest.raises(SweBenchError, match="containers can check and grade only"):
        open_swe_bench_cl(chosen(shop, executor="container"))
    suite = open_swe_bench_cl(chosen(shop))
    assert suite.settings()["limits"] == [60.0, 1024, 64]
    assert world_name("acme/shop") == "acme__shop"
