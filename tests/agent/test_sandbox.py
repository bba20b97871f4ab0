"""The sandbox's interface: commands, programs, gradings, the choice of a backend, the refusal."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.agent.sandbox import (
    Sandbox,
    SandboxConfig,
    SandboxUnavailable,
    backends,
    layout,
    open_sandbox,
)

DOUBLE = "def f(n):\n    return 2 * n\n"
CHECK = "def check(candidate):\n    assert candidate(2) == 4\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    try:
        with open_sandbox(SandboxConfig(wall_seconds=5.0, workers=2, output_bytes=2000)) as opened:
            yield opened
    except SandboxUnavailable as reason:
        pytest.skip(str(reason))


def test_a_script_runs_with_its_arguments_and_folder(sandbox: Sandbox) -> None:
    with sandbox.workspace() as folder:
        (folder / "sub").mkdir()
        (folder / "sub/near.py").write_text("WORD = 'near'\n")
        (folder / "sub/show.py").write_text(
            "import os, sys\nfrom near import WORD\nprint(WORD, sys.argv, os.getcwd(), __name__)\n"
        )
        result = sandbox.run_command("python sub/show.py 'two words' --x", folder)
    assert result.output == "near ['sub/show.py', 'two words', '--x'] /workspace __main__\n"
    assert (result.exit_code, result.timed_out, result.killed_by) == (0, False, None)


def test_what_is_printed_does_not_tell_where_this_machine_keeps_its_python(
    sandbox: Sandbox,
) -> None:
    with sandbox.workspace() as folder:
        (folder / "run.py").write_text("import json\njson.loads('{')\n")
        missing = sandbox.run_command("python / 2>&1", folder)
        inside = sandbox.run_command("python run.py 2>&1", folder)
    assert missing.output.startswith("python: can't find '__main__'")
    assert 'File "/usr/lib/python3' in inside.output
    for path in (os.path.realpath(sys.base_prefix), layout.interpreter_path()):
        assert path == "/usr" or path not in missing.output + inside.output


@pytest.mark.parametrize("command", ["python {}", "cat /dev/null | python {}", "python3 -s {}"])
def test_warm_and_fresh_interpreters_agree(sandbox: Sandbox, command: str) -> None:
    """The fast path prints what a new interpreter prints, tracebacks included."""
    program = (
        "import atexit, sys, types\natexit.register(print, 'bye')\n"
        "print(sorted({'b', 'a'}), list({'x', 'y', 'z'}), types.__name__, flush=True)\n"
        "def broken():\n    return {}['k']\nbroken()\n"
    )
    with sandbox.workspace() as folder:
        (folder / "run.py").write_text(program)
        warm = sandbox.run_command("python run.py", folder)
        other = sandbox.run_command(command.format("run.py") + " 2>&1", folder)
        assert not (folder / "__pycache__").exists()
    assert other.output == warm.output
    assert "KeyError: 'k'" in warm.output and warm.output.endswith("bye\n")


@pytest.mark.parametrize(
    ("source", "code", "output"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("raise SystemExit('no')", 1, "no\n"),
        ("import os; os._exit(7)", 7, ""),
        ("print('x', end='')", 0, "x"),
        (
            "import threading, time\ndef late(): time.sleep(.05); print('t')\n"
            "threading.Thread(target=late).start()",
            0,
            "t\n",
        ),
    ],
)
def test_exit_codes(sandbox: Sandbox, source: str, code: int, output: str) -> None:
    result = sandbox.run_program(source)
    assert (result.exit_code, result.output) == (code, output)


def test_a_missing_script(sandbox: Sandbox) -> None:
    with sandbox.workspace() as folder:
        result = sandbox.run_command("python check.py all", folder)
    assert (result.exit_code, result.output) == (2, "no file check.py\n")


def test_shell_commands_and_stdin(sandbox: Sandbox) -> None:
    with sandbox.workspace() as folder:
        assert (
            sandbox.run_command("echo one > a; cat a | tr a-z A-Z; exit 4", folder).output
            == "ONE\n"
        )
        assert (folder / "a").read_text() == "one\n"
        assert (
            sandbox.run_program("print(input(), open('a').read())", folder, "in").output
            == "in one\n\n"
        )
        (folder / "a").write_text("host")  # what either side wrote, the other may change
        assert sandbox.run_command("echo guest >> a; cat a", folder).output == "hostguest\n"


def test_a_workspace_module_shadows_the_library(sandbox: Sandbox) -> None:
    """As in a new interpreter, though the worker imported its own `random` long ago."""
    with sandbox.workspace() as folder:
        (folder / "random.py").write_text("KIND = 'mine'\n")
        (folder / "a.py").write_text("import random\nprint(random.KIND)\n")
        assert sandbox.run_command("python a.py", folder).output == "mine\n"
    assert sandbox.run_program("import random; print(hasattr(random, 'KIND'))").output == "False\n"


def test_limits(sandbox: Sandbox) -> None:
    flood = sandbox.run_program("print('x' * 100_000)")
    assert (len(flood.output), flood.exit_code) == (2000, 0)
    assert sandbox.run_program("while True: print('x' * 1000)").killed_by == "output"
    assert "MemoryError" in sandbox.run_program("x = bytearray(1 << 33)").output


def test_the_wall_limit() -> None:
    with open_sandbox(SandboxConfig(wall_seconds=0.5, cpu_seconds=1, workers=1)) as short:
        result = short.run_program("import time\ntime.sleep(9)")
        assert (result.timed_out, result.killed_by, result.exit_code) == (True, "wall", 137)
        assert short.run_program("print(1)").output == "1\n"


def test_the_cpu_limit() -> None:
    with open_sandbox(SandboxConfig(wall_seconds=60, cpu_seconds=1, workers=1)) as short:
        assert short.run_program("while True: pass").killed_by == "cpu"


def test_grading_a_workspace(sandbox: Sandbox) -> None:
    files = {
        "tests/test_a.py": "from app.core import f\nimport os\n\n"
        "def test_yes(): assert f(2) == 4\n"
        "def test_no(): assert f(2) == 5\n"
        "def test_unseen(): assert not os.path.exists('tests')\n",
        "tests/test_b.py": "from app import missing\n\ndef test_import(): pass\n",
    }
    names = [
        "tests/test_a.py::test_no",
        "tests/test_a.py::test_yes",
        "tests/test_a.py::test_gone",
        "tests/test_a.py::test_unseen",
        "tests/test_b.py::test_import",
    ]
    with sandbox.workspace() as folder:
        (folder / "app").mkdir()
        (folder / "app/__init__.py").write_text("")
        (folder / "app/core.py").write_text(DOUBLE)
        results = sandbox.run_tests(folder, files, names)
        assert sorted(path.name for path in folder.rglob("*")) == ["__init__.py", "app", "core.py"]
    assert [result.name for result in results] == names
    assert [result.passed for result in results] == [False, True, False, True, False]
    assert results[0].detail.startswith("AssertionError") and "ImportError" in results[4].detail


def test_honest_classes_and_library_frames_pass(sandbox: Sandbox) -> None:
    """The guards against tampering let dataclasses, namedtuple, logging and traceback be."""
    module = (
        "import logging, traceback\nfrom collections import namedtuple\n"
        "from dataclasses import dataclass\n\n@dataclass\nclass Point:\n    x: int\n\n"
        "class Word(str):\n    def __eq__(self, other): return self.lower() == other.lower()\n"
        "    __hash__ = str.__hash__\n\n"
        "def f():\n    logging.warning('x')\n    try:\n        1 / 0\n    except Exception:\n"
        "        text = traceback.format_exc()\n"
        "    return namedtuple('Pair', 'a b')(Point(1), text[:9])\n"
    )
    test = (
        "from m import f, Point, Word\n\ndef test_f():\n    assert f() == (Point(1), 'Traceback')\n"
        "    assert Word('A') == 'a' and Point(1) != Point(2) != 3\n"
    )
    with sandbox.workspace() as folder:
        (folder / "m.py").write_text(module)
        [result] = sandbox.run_tests(folder, {"t.py": test}, ["t.py::test_f"])
    assert result.passed, result.detail


def test_a_bad_test_name_or_file_is_an_error(sandbox: Sandbox) -> None:
    with sandbox.workspace() as folder:
        with pytest.raises(ValueError, match=r"path::function"):
            sandbox.run_tests(folder, {"t.py": ""}, ["u.py::test_f"])
        with pytest.raises(ValueError, match=r"t\.py doesn't parse: line 1"):
            sandbox.run_tests(folder, {"t.py": "def"}, ["t.py::test_f"])
    with pytest.raises(ValueError, match=r"not a workspace"):
        sandbox.run_command("ls", Path("/"))


def test_programs_in_order(sandbox: Sandbox) -> None:
    wrong = DOUBLE.replace("2 *", "3 *")
    items = [(DOUBLE if i % 3 else wrong, CHECK, "f") for i in range(20)]
    results = sandbox.map_check(items)
    assert [result.passed for result in results] == [bool(i % 3) for i in range(20)]
    assert sandbox.check_program("x = 1", CHECK, "f").detail.startswith("NameError")
    assert sandbox.check_program("def f(:", CHECK, "f").detail.startswith("SyntaxError")
    assert not sandbox.check_program(DOUBLE, "def check(candidate): pass", "f").passed


def test_every_humaneval_reference_passes(sandbox: Sandbox) -> None:
    root = os.environ.get("CARRYOVER_REAL_DATA", "../shared/data")
    path = Path(root) / "humaneval/HumanEval.jsonl.gz"
    if not path.exists():
        pytest.skip(f"no HumanEval data at {path}; set CARRYOVER_REAL_DATA to the folder of suites")
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        tasks = [json.loads(line) for line in handle]
    results = sandbox.map_check(
        (task["prompt"] + task["canonical_solution"], task["test"], task["entry_point"])
        for task in tasks
    )
    failed = [(t["task_id"], r.detail) for t, r in zip(tasks, results, strict=True) if not r.passed]
    assert (len(results), failed) == (164, [])


def nowhere(layout: object) -> list[str]:
    raise backends.NotHere("not allowed here")


def test_bubblewrap_is_tried_first_and_a_broken_one_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    log = tmp_path / "tried"
    for name in ("bwrap", "docker"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name} >> {log}\necho no luck >&2\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with open_sandbox(SandboxConfig(workers=1)) as opened:
        assert opened.backend == "unshare"
    assert log.read_text() == "bwrap\n"
    monkeypatch.setitem(backends.COMMANDS, "unshare", nowhere)
    with pytest.raises(SandboxUnavailable, match=r"bubblewrap: no luck.*container: no luck"):
        open_sandbox(SandboxConfig(workers=1))
    assert log.read_text() == "bwrap\nbwrap\ndocker\n"


def test_the_refusal_names_reasons_and_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(backends.COMMANDS, "unshare", nowhere)
    with pytest.raises(SandboxUnavailable) as refusal:
        open_sandbox(SandboxConfig())
    message = str(refusal.value)
    for part in (
        "bwrap is not on the PATH",
        "not allowed here",
        "apt-get install bubblewrap",
        "docker nor podman",
    ):
        assert part in message
    assert "\n" not in message


def test_bad_configuration() -> None:
    with pytest.raises(ValueError, match=r"choose auto, bubblewrap, unshare, container"):
        SandboxConfig(backend="jail")
    with pytest.raises(ValueError, match=r"sandbox\.cpu_seconds is 0"):
        SandboxConfig(cpu_seconds=0)
