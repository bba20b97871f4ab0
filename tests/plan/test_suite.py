"""What a plan knows of a suite before anything was downloaded, and what it misses."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from stages.params import GuardParams, Params, RepositoryParams, SweBenchClParams, load_params
from stages.plan.__main__ import Plan, make_plan
from stages.plan.__main__ import _worlds as planned_worlds
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


def planned(tmp_path: Path, names: tuple[str, ...], text: str) -> tuple[Params, Plan]:
    """p1 over repositories of one's own, each a folder, of whose tasks ``text`` is the file."""
    (tmp_path / "tasks.jsonl").write_text(text)
    own = PARAMS.suites["own"]
    assert isinstance(own, RepositoryParams)
    folders = {name: str(tmp_path / name) for name in names}
    suite = dataclasses.replace(own, repositories=folders, tasks=str(tmp_path / "tasks.jsonl"))
    p1 = dataclasses.replace(PARAMS.experiments["p1"], suite="own", worlds=names[:1])
    params = dataclasses.replace(
        PARAMS,
        suites={**PARAMS.suites, "own": suite},
        experiments={**PARAMS.experiments, "p1": p1},
    )
    return params, make_plan(params, "p1", tasks=10)


def test_a_placebo_without_another_repository_is_missed(tmp_path: Path) -> None:
    params, plan = planned(tmp_path, ("shop",), "")
    missing: list[str] = []
    assert planned_worlds(params, plan, missing) == ("shop",)
    assert "there are no foreign sessions" in missing[0]
    p1 = params.experiments["p1"]
    evaluate = dataclasses.replace(p1.evaluate, conditions=("base", "skill"))
    alone = dataclasses.replace(plan, experiment=dataclasses.replace(p1, evaluate=evaluate))
    assert planned_worlds(params, alone, missing := []) == ("shop",)
    assert missing == []


def test_the_placebo_s_repository_is_planned_for_too() -> None:
    plan = make_plan(PARAMS, "p1")
    worlds = planned_worlds(PARAMS, plan, [])
    assert len(worlds) == 2
    assert worlds[0] == "oak_harbor"
