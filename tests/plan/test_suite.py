"""What a plan knows of a suite before anything was downloaded, and what it misses."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from stages.params import GuardParams, RepositoryParams, SweBenchClParams, load_params
from stages.plan.suite import known_tasks, suite_lacks

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
SUITE = PARAMS.suites["swe_bench_cl"]


def test_published_sequences_are_counted() -> None:
    assert known_tasks(SUITE, ("django__django",))[0] == 50
    mean, source = known_tasks(SUITE, PARAMS.experiments["r3"].worlds)
    assert (mean, "published" in source) == (35, True)  # 273 tasks of 8 repositories, rounded up
    assert known_tasks(PARAMS.suites["own"], ("shop",))[0] == 0


def test_what_is_missing_is_said_with_its_remedy(tmp_path: Path) -> None:
    pytest.importorskip("swebench", reason="the swebench package isn't installed")
    assert isinstance(SUITE, SweBenchClParams)
    suite = dataclasses.replace(SUITE, repositories=str(tmp_path))
    path, mirror = suite_lacks(suite, ("pytest-dev__pytest",))
    assert "none is named" in path
    assert "git clone --mirror https://github.com/pytest-dev/pytest" in mirror
    (tmp_path / "pytest-dev__pytest.git").mkdir()
    assert suite_lacks(suite, ("pytest-dev__pytest",)) == [path]


def test_a_guard_and_an_own_repository_want_their_files(tmp_path: Path) -> None:
    guard, own = PARAMS.suites["humaneval"], PARAMS.suites["own"]
    assert isinstance(guard, GuardParams)
    assert isinstance(own, RepositoryParams)
    assert len(suite_lacks(guard, ())) == 1
    assert suite_lacks(dataclasses.replace(guard, revision="0" * 40), ()) == []
    (tmp_path / "tasks.jsonl").touch()
    there = dataclasses.replace(
        own, tasks=str(tmp_path / "tasks.jsonl"), repositories={"shop": str(tmp_path)}
    )
    assert suite_lacks(there, ("shop",)) == []
    assert "the clone of other" in suite_lacks(there, ("other",))[0]
    assert suite_lacks(PARAMS.suites["microrepo"], ("oak_harbor",)) == []
