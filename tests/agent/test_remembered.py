"""A sandbox that runs equal things once, and when it must not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from stages.agent.actions import Action
from stages.agent.sandbox import RememberedSandbox, RunResult, TestResult, remembered_sandbox
from stages.agent.sandbox.config import SandboxConfig, SandboxUnavailable
from stages.agent.tools import ToolOptions, execute

SOUND = RunResult(0, "passed\n", False, None, 0.25)


class Counted:
    """Stands for the sandbox below: counts what reaches it, and writes where it is told to."""

    def __init__(
        self,
        result: RunResult = SOUND,
        writes: str = "",
        makes: str = "",
        complete: bool = True,
    ) -> None:
        self.result, self.writes, self.makes, self.complete = result, writes, makes, complete
        self.config = SandboxConfig()
        self.runs: list[str] = []
        self.checks: list[tuple[str, str, str]] = []

    def run_command(self, command: str, workspace: Path) -> RunResult:
        self.runs.append(command)
        if self.writes:
            (workspace / self.writes).write_text(str(len(self.runs)))
        if self.makes:
            (workspace / self.makes).mkdir()
        return self.result

    def map_check(self, items: Sequence[tuple[str, str, str]]) -> list[TestResult]:
        self.checks += items
        return [TestResult(e, p == "good", "", complete=self.complete) for p, _, e in items]


def remembered(below: Counted) -> RememberedSandbox:
    return RememberedSandbox(below)  # type: ignore[arg-type]


def test_a_command_runs_once_in_equal_files_and_again_in_others(tmp_path: Path) -> None:
    below = Counted()
    sandbox = remembered(below)
    (tmp_path / "a.py").write_text("A = 1\n")
    first = sandbox.run_command("python a.py", tmp_path)
    again = sandbox.run_command("python a.py", tmp_path)
    assert (first, again) == (SOUND, dataclasses.replace(SOUND, saved_seconds=0.25))
    assert below.runs == ["python a.py"]
    sandbox.run_command("python -O a.py", tmp_path)
    (tmp_path / "a.py").write_text("A = 2\n")
    sandbox.run_command("python a.py", tmp_path)
    (tmp_path / "a.py").chmod(0o755)
    sandbox.run_command("python a.py", tmp_path)
    assert len(below.runs) == 4


@pytest.mark.parametrize("killed_by", ["wall", "cpu", "memory", "files", "output", "worker"])
def test_what_a_limit_ended_runs_again(tmp_path: Path, killed_by: str) -> None:
    below = Counted(dataclasses.replace(SOUND, killed_by=killed_by))
    sandbox = remembered(below)
    for _ in range(2):
        assert sandbox.run_command("python a.py", tmp_path).killed_by == killed_by
    assert len(below.runs) == 2


def test_a_command_that_writes_runs_again_though_the_files_are_put_back(tmp_path: Path) -> None:
    below = Counted(writes="left.txt")
    sandbox = remembered(below)
    for _ in range(2):
        sandbox.run_command("python a.py", tmp_path)
        assert (tmp_path / "left.txt").read_text() == str(len(below.runs))
        (tmp_path / "left.txt").unlink()
    assert len(below.runs) == 2


def test_a_command_that_makes_only_a_folder_runs_again(tmp_path: Path) -> None:
    below = Counted(makes="drafts")
    sandbox = remembered(below)
    for _ in range(2):
        sandbox.run_command("mkdir drafts", tmp_path)
        (tmp_path / "drafts").rmdir()  # fails unless it was made
    assert len(below.runs) == 2


def test_each_different_program_is_checked_once_and_answers_keep_their_order() -> None:
    below = Counted()
    sandbox = remembered(below)
    good, bad, other = ("good", "t", "f"), ("bad", "t", "f"), ("good", "t2", "f")
    assert [r.passed for r in sandbox.map_check([bad, good, bad, good])] == [0, 1, 0, 1]
    assert [r.passed for r in sandbox.map_check([other, good])] == [1, 1]
    assert sandbox.check_program(*bad).passed is False
    assert below.checks == [bad, good, other]


def test_a_check_that_a_limit_ended_is_made_again() -> None:
    below = Counted(complete=False)
    sandbox = remembered(below)
    for _ in range(2):
        sandbox.map_check([("good", "t", "f"), ("good", "t", "f")])
    assert len(below.checks) == 2


def test_the_real_one_remembers_what_ended_by_itself_and_not_what_a_limit_ended() -> None:
    check = "def check(candidate):\n    assert candidate() == 1\n"
    loop = "def f():\n    while True:\n        pass\n"
    try:
        with remembered_sandbox(SandboxConfig(workers=1, wall_seconds=1.0)) as sandbox:
            for program, passed in (("def f():\n    return 1\n", True), (loop, False)):
                results = [sandbox.check_program(program, check, "f") for _ in range(2)]
                assert [result.passed for result in results] == [passed, passed]
                assert results[0].complete is passed
            items = [(program, check, "f") for program in ("def f():\n    return 1\n", loop)]
            known = [sandbox.memory.get(sandbox.memory.key("check", item)) for item in items]
            assert [outcome is None for outcome in known] == [False, True]
    except SandboxUnavailable as reason:
        pytest.skip(str(reason))


def test_a_remembered_command_counts_with_the_time_that_it_took(tmp_path: Path) -> None:
    sandbox = remembered(Counted())
    action = Action("test", "python a.py")
    seen = [execute(action, tmp_path, sandbox, ToolOptions()) for _ in range(2)]
    assert [(o.text, o.ok, o.saved_seconds) for o in seen] == [
        ("passed", True, 0.0),
        ("passed", True, 0.25),
    ]
