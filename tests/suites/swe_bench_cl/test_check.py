"""The check of real tasks, and the suite behind it, on the small repository."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from stages.agent.loop import run_episodes
from stages.agent.sandbox import SandboxConfig
from stages.agent.scripted import ScriptedModel
from stages.agent.spec import EpisodeSpec
from stages.agent.workspace import tree_hash_of_files
from stages.records import Outcome, Trajectory
from stages.suites.gold_actions import edits_gold
from stages.suites.swe_bench_cl import __main__ as command
from stages.suites.swe_bench_cl import check
from stages.suites.swe_bench_cl.errors import HarnessError, SweBenchError
from stages.suites.swe_bench_cl.local import LocalExecutor
from stages.suites.swe_bench_cl.suite import SweBenchCl
from tests.suites.swe_bench_cl.conftest import BUGGY, FIXED, SPEC, Shop

pytest.importorskip("swebench", reason="the swebench package isn't installed")


@pytest.fixture(scope="module")
def suite(
    executor: LocalExecutor, shop: Shop, tmp_path_factory: pytest.TempPathFactory
) -> SweBenchCl:
    """Its environment is the one of all tests here, its kept results are its own."""
    folder = tmp_path_factory.mktemp("kept")
    made = executor.environment(shop.task).folder
    (folder / made.name).symlink_to(made, target_is_directory=True)
    own = dataclasses.replace(executor.params, environments=str(folder), gold_runs=1)
    return SweBenchCl(LocalExecutor(own, executor.specs))


@pytest.fixture(scope="module")
def found(suite: SweBenchCl, shop: Shop) -> check.TaskCheck:
    return check.check_task(suite, shop.task)


def test_a_task_is_proven_and_kept(
    suite: SweBenchCl, shop: Shop, found: check.TaskCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert found.outcomes == {
        "nothing": "empty_patch",
        "says passed": "empty_patch",
        "plants passed": "unresolved",
        "edits gold": "resolved",
    }
    assert found.proven
    assert "said to pass and to fail" in found.details["plants passed"]
    assert set(found.seconds) == {"gold", *check.AGENTS}
    monkeypatch.setattr(check, "gold_check", None)  # a kept check runs nothing
    assert check.check_task(suite, shop.task) == found
    assert "| yes" in check.table([found])
    assert "seconds" not in json.dumps(check.record([found]))


def test_a_winning_liar_is_not_proven(found: check.TaskCheck) -> None:
    fooled = dataclasses.replace(found, outcomes=found.outcomes | {"says passed": "resolved"})
    beaten = dataclasses.replace(found, outcomes=found.outcomes | {"edits gold": "unresolved"})
    assert not fooled.proven
    assert not beaten.proven


def test_a_harness_error_in_an_agent_is_not_kept(
    suite: SweBenchCl, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = dataclasses.replace(shop.task, instance_id="acme__shop-12")
    monkeypatch.setattr("stages.suites.swe_bench_cl.runner.check_out", _full_disk)
    with pytest.raises(HarnessError, match="the disk is full"):
        check.check_task(suite, task)
    kept = sorted(Path(suite.executor.params.environments).glob("*.json"))
    names = [path.name for path in kept if "acme__shop-12" in path.read_text()]
    assert len(names) == 1
    assert names[0].startswith("gold-")


def _full_disk(*_: object) -> str:
    raise HarnessError("the disk is full")


def test_an_agent_works_in_the_installed_project(suite: SweBenchCl, shop: Shop) -> None:
    script = [
        'bash python -c "import shop; print(shop.total([1, 2, 3]))"',
        "bash git status --porcelain --ignored; git log --oneline --all | wc -l",
        "test python -m unittest",
        "search total",
        "bash echo built > built.log; rm -f test_shop.py; echo new > new.txt",
        "submit",
    ]
    result = check.play(suite, shop.task, script)
    told = [step.observation for step in result.steps]
    assert told[0] == "5"
    assert told[1] == "1"
    assert "OK" in told[2]
    assert "carryover" not in told[3]
    with suite.open_harness(SandboxConfig()) as harness:
        patch = harness.submission(shop.task, result.changes)
    assert set(re.findall(r"^diff --git a/(\S+)", patch, re.MULTILINE)) == {
        "built.log",
        "test_shop.py",
        "new.txt",
    }


def test_edits_before_the_first_command_stay(suite: SweBenchCl, shop: Shop) -> None:
    edit = "edit src/shop/__init__.py\n<<<\nprices[1:]\n===\nprices\n>>>"
    result = check.play(suite, shop.task, [edit, "bash git diff --stat", "submit"])
    assert "1 file changed" in result.steps[1].observation
    with suite.open_harness(SandboxConfig()) as harness:
        assert harness.grade(shop.task, result.changes).outcome is Outcome.RESOLVED


def test_the_suite_as_stages_ask(
    suite: SweBenchCl, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = shop.task
    files = suite.files(task)
    assert files["src/shop/__init__.py"] == BUGGY
    assert suite.gold_files(task) == {**files, "src/shop/__init__.py": FIXED}
    assert "test_all" in suite.tests(task)["test_shop.py"]
    system, user = suite.messages(task, ["a note"])
    assert "a note" in system["content"]
    assert user["content"] == task.problem_statement
    listed = {"acme__shop": [task], "acme__far": [task] * 9, "acme__near": [task] * 2}
    monkeypatch.setitem(vars(suite), "sequences", listed)
    assert suite.tasks("acme__shop")[0].tree_hash == tree_hash_of_files(files)
    assert suite.partner("acme__shop", ["acme__shop", "acme__far", "acme__near"]) == "acme__near"
    with pytest.raises(SweBenchError, match="isn't a repository of these tasks"):
        suite.tasks("acme__none")


def test_a_note_is_read_from_the_record(suite: SweBenchCl, shop: Shop) -> None:
    steps = [
        {"action": "test python -m unittest", "ok": True},
        {"action": "test python -m nothing", "ok": False},
        {"action": "submit", "ok": True},
    ]
    info = {"steps": steps, **suite.upstream(shop.task)}
    assert suite.note(shop.task, Trajectory((), info)) == (
        "note The first price is missing from the total.\n"
        "fixed in src/shop/__init__.py\n"
        "test python -m unittest"
    )


def test_an_unsound_task_is_never_graded(suite: SweBenchCl, shop: Shop) -> None:
    task = dataclasses.replace(shop.task, FAIL_TO_PASS=("test_al (test_shop.TotalTests.test_al)",))
    said = r"can't pass: it is none of the 2 tests.*nearest is"
    with (
        suite.open_harness(SandboxConfig()) as harness,
        pytest.raises(SweBenchError, match=said),
    ):
        harness.grade(task, {"src/shop/__init__.py": FIXED})
    found = check.check_task(suite, task)
    assert (found.proven, found.outcomes) == (False, {})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a\nb\na\nb\n", "a\nb\na\nc\n"),
        ("x\n" * 30, "x\n" * 14 + "y\n" + "x\n" * 16),
        ("a\n\n\nb\n", "a\n\nnew\n\nb\n"),
        ("def f():\n    pass\n", "import os\n\n\ndef f():\n    return os\n"),
        ("one\ntwo\nthree\n", "two\n"),
        ("title\n===\n", "other\n===\n"),
        ("no end", "no end\n"),
    ],
)
def test_scripted_edits_lead_to_the_gold_text(before: str, after: str, tmp_path: Path) -> None:
    class NoBash:
        def run_command(self, command: str, workspace: Path) -> object:
            if command.startswith("mkdir"):
                (workspace / "a.txt").write_text(after)
            return type("Done", (), {"exit_code": 0, "output": "", "timed_out": False})()

    script = [*edits_gold({"a.txt": before}, {"a.txt": after}), "submit"]
    spec = EpisodeSpec("t", {"a.txt": before}, ({"role": "user", "content": "x"},))
    model = ScriptedModel({"t": script})
    result = run_episodes(model, [spec], check.CONFIG, NoBash(), root=tmp_path)[0]  # type: ignore[arg-type]
    assert result.changes == {"a.txt": after}


def test_the_command(
    shop: Shop,
    environments: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(LocalExecutor, "__init__", _init_with_spec)
    monkeypatch.setattr(command, "read_sequences", lambda path: {"acme/shop": [shop.task]})
    out = tmp_path / "record.json"
    always = ["--rows", "rows.jsonl", "--mirrors", str(shop.mirrors), "--runs", "1"]
    always += ["--environments", str(environments), "--memory-mb", "1024", "--out", str(out)]
    command.main(["check", shop.task.instance_id, *always])
    assert re.search(r"acme__shop-7 *\| passes 1x", capsys.readouterr().out)
    first = out.read_bytes()
    assert json.loads(first)["tasks"][0]["proven"] is True
    command.main(["check", shop.task.instance_id, *always])
    assert out.read_bytes() == first
    with pytest.raises(SystemExit):
        command.main(["check", "acme__shop-8", *always])
    assert "of its repository there are acme__shop-7" in capsys.readouterr().err
    bare = dataclasses.replace(shop.task, test_patch="")
    monkeypatch.setattr(command, "read_sequences", lambda path: {"acme/shop": [bare]})
    with pytest.raises(SystemExit):
        command.main(["check", shop.task.instance_id, *always])
    assert "acme__shop-7 has no tests" in capsys.readouterr().err


def _init_with_spec(self: LocalExecutor, chosen: object) -> None:
    self.params, self.specs = chosen, lambda task: SPEC  # type: ignore[assignment]
