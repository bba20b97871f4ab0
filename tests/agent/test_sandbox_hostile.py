"""Hostile programs: contained, graded as failures, and the next program graded as if alone."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.agent.sandbox import Sandbox, SandboxConfig, SandboxUnavailable, open_sandbox
from tests.agent.hostile import PROGRAMS, TEST

CLEAN = "import csv, socket\n\ndef f(n):\n    return 2 * n + 1\n"
LIMITS = SandboxConfig(
    cpu_seconds=1, wall_seconds=1.5, memory_mb=512, processes=32, file_size_mb=16, workers=1
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    try:
        with open_sandbox(LIMITS) as opened:
            yield opened
    except SandboxUnavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def assert_clean(sandbox: Sandbox) -> None:
    assert sandbox.check_program(CLEAN, TEST, "f").passed
    with sandbox.workspace() as folder:
        assert sandbox.run_command("ls -A", folder).output == ""
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert b"98765.4" not in cmdline.read_bytes()
        except OSError:  # ended meanwhile
            continue


def test_there_are_enough() -> None:
    assert len(PROGRAMS) >= 25


@pytest.mark.parametrize("name", PROGRAMS)
def test_contained(sandbox: Sandbox, port: int, name: str) -> None:
    places = [str(Path.cwd()), str(Path.cwd().parent), str(Path.home()), "/home", "/var", "/opt"]
    program = PROGRAMS[name].replace("PORT", str(port)).replace("SECRET_PLACES", repr(places))
    assert not sandbox.check_program(program, TEST, "f").passed
    assert_clean(sandbox)


@pytest.mark.parametrize("name", PROGRAMS)
def test_contained_as_a_module(sandbox: Sandbox, port: int, name: str) -> None:
    """The same as a file of a workspace, graded by plain test functions that import it."""
    places = [str(Path.cwd()), str(Path.home()), "/home", "/var"]
    program = PROGRAMS[name].replace("PORT", str(port)).replace("SECRET_PLACES", repr(places))
    test = (
        "from answer import f\n\n\ndef test_f():\n    hidden_marker = 'q7-hidden'\n"
        "    assert f(20) == 41\n    assert f(0) == 1 and not all([False])\n"
    )
    with sandbox.workspace() as folder:
        (folder / "answer.py").write_text(program)
        [result] = sandbox.run_tests(folder, {"tests/test_f.py": test}, ["tests/test_f.py::test_f"])
    assert not result.passed
    assert_clean(sandbox)


@pytest.mark.parametrize(
    "name",
    [
        "sitecustomize.py",
        "usercustomize.py",
        "conftest.py",
        "tests/conftest.py",
        "json.py",
        "unittest.py",
        "grading.py",
    ],
)
def test_planted_files_do_not_help(sandbox: Sandbox, name: str) -> None:
    evil = (
        "import builtins, os\nbuiltins.all = lambda x: True\n"
        "def pytest_runtest_makereport(item, call): call.excinfo = None\nos._exit(0)\n"
    )
    test = "from answer import f\n\n\ndef test_f():\n    assert f(20) == 41\n"
    with sandbox.workspace() as folder:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(evil)
        (folder / "answer.py").write_text("def f(n):\n    return 0\n")
        [result] = sandbox.run_tests(folder, {"t.py": test}, ["t.py::test_f"])
    assert not result.passed
    assert_clean(sandbox)


def test_a_planted_test_file_is_not_the_one_that_counts(sandbox: Sandbox) -> None:
    with sandbox.workspace() as folder:
        (folder / "test_f.py").write_text("def test_f(): pass\n")
        (folder / "answer.py").write_text("f = lambda n: 0\n")
        test = "from answer import f\ndef test_f(): assert f(20) == 41\n"
        [result] = sandbox.run_tests(folder, {"test_f.py": test}, ["test_f.py::test_f"])
    assert not result.passed


def test_neighbours_are_out_of_reach(sandbox: Sandbox) -> None:
    """A run neither sees nor changes another task's workspace, by path, symlink or process."""
    with sandbox.workspace() as mine, sandbox.workspace() as other:
        (other / "notes.txt").write_text("untouched")
        for target in (other, Path("/sandbox/work") / other.name, Path("..") / other.name):
            command = (
                f"ln -sfn {target} door; echo x > door/notes.txt; cat door/notes.txt; "
                f"rm -r {target}"
            )
            assert "untouched" not in sandbox.run_command(command, mine).output
        assert (other / "notes.txt").read_text() == "untouched"
        assert [path.name for path in other.iterdir()] == ["notes.txt"]


def test_nothing_left_behind_runs_on(sandbox: Sandbox) -> None:
    with sandbox.workspace() as folder:
        ticking = "(while true; do date > tick; sleep 0.01; done) & nohup sleep 98765.4 &"
        sandbox.run_command(ticking, folder)
        before = (folder / "tick").read_bytes() if (folder / "tick").exists() else None
        sandbox.run_command("sleep 0.1", folder)
        assert before == ((folder / "tick").read_bytes() if (folder / "tick").exists() else None)
    assert_clean(sandbox)


def test_the_environment_is_scrubbed(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with sandbox.workspace() as folder:
        output = sandbox.run_command("env; cat /proc/*/environ /proc/*/cmdline", folder).output
    assert "HOME=/tmp" in output
    assert str(Path.cwd()) not in output and str(Path(sys.executable).parent) not in output


def test_a_killed_worker_is_replaced(sandbox: Sandbox) -> None:
    """Whatever ends the worker itself costs that run only."""
    sandbox._graders.workers[0].process.kill()
    result = sandbox.check_program(CLEAN, TEST, "f")
    assert not result.passed or result.detail == ""
    assert_clean(sandbox)
