from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from stages.agent.actions import Action, parse_action
from stages.agent.tools import ToolOptions, execute
from stages.agent.workspace import materialise

FILES = {
    "ledger.py": "def total(entries):\n    return sum(entries)\n\n\ndef mean(entries):\n"
    "    return total(entries) / len(entries)\n",
    "lib/money.py": "from ledger import total\n\nRATE = 2\n",
    "README.md": "total is in ledger.py\n",
}


@dataclasses.dataclass
class Result:
    exit_code: int
    output: str
    timed_out: bool = False


@dataclasses.dataclass
class FakeRunner:
    result: Result

    def run_command(self, command: str, workspace: Path) -> Result:
        self.asked = (command, workspace)
        return self.result


RUNNER = FakeRunner(Result(0, "ok\n"))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    materialise(tmp_path / "w", FILES)
    return tmp_path / "w"


def do(text: str, workspace: Path, runner: FakeRunner = RUNNER, **options: Any):
    return execute(parse_action(text), workspace, runner, ToolOptions(**options))


def edit(path: str, find: str, replace: str, workspace: Path, **options: Any):
    return do(f"edit {path}\n<<<\n{find}\n===\n{replace}\n>>>", workspace, **options)


def test_open_shows_the_exact_text(workspace: Path) -> None:
    assert do("open ledger.py", workspace).text == FILES["ledger.py"].removesuffix("\n")
    assert do("open ledger.py 1 2", workspace).text == FILES["ledger.py"][:43].rstrip("\n")
    assert do("open ledger.py 5", workspace).text.startswith("def mean")
    assert do("open ledger.py 9 12", workspace).text == "ledger.py has 6 lines"
    assert do("open nothing.py", workspace).text == "no file nothing.py"
    assert do("open lib", workspace).text == "no file lib"


def test_open_cuts_a_long_file_at_a_line(workspace: Path) -> None:
    (workspace / "long.py").write_text("x = 1\n" * 100)
    shown = do("open long.py", workspace, max_open_chars=20).text
    assert shown == "x = 1\n" * 3 + "[cut: 97 more lines]"


def test_search_prefers_definitions(workspace: Path) -> None:
    assert do("search total", workspace).text == "found: ledger.py line 1"
    assert do("search entries)", workspace).text.count("found: ") == 4
    assert do("search RATE", workspace).text == "found: lib/money.py line 3"
    assert do("search nowhere", workspace).text == "not found"
    (workspace / "many.py").write_text("RATE\n" * 30)
    assert do("search RATE", workspace).text.count("\n") == 9


@pytest.mark.parametrize("path", ["../w2/x.py", "/etc/passwd", "lib/../../x.py", "~/x"])
def test_paths_outside_are_refused(path: str, workspace: Path) -> None:
    assert do(f"open {path}", workspace).text == f"not allowed: {path}"
    assert edit(path, "a", "b", workspace).text == f"not allowed: {path}"


def test_symbolic_links_lead_nowhere(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("def hidden(): pass\n")
    (workspace / "link.py").symlink_to(tmp_path / "secret.py")
    (workspace / "out").symlink_to(tmp_path)
    assert do("open link.py", workspace).text == "not allowed: link.py"
    assert do("open out/secret.py", workspace).text == "not allowed: out/secret.py"
    assert do("search hidden", workspace).text == "not found"
    assert edit("link.py", "hidden", "shown", workspace).text == "not allowed: link.py"
    os.mkfifo(workspace / "pipe.py")
    assert do("open pipe.py", workspace).text == "no file pipe.py"
    assert do("search hidden", workspace).text == "not found"


def test_edit_exact(workspace: Path) -> None:
    assert edit("ledger.py", "sum(entries)", "max(entries)", workspace).text == "edited"
    assert "return max(entries)" in (workspace / "ledger.py").read_text()
    assert edit("ledger.py", "entries", "e", workspace).text == "ambiguous: 5 matches"
    assert edit("ledger.py", "import os", "e", workspace).text == "no match"
    assert edit("x.py", "import os", "e", workspace).text == "no file x.py"


def test_edit_ignores_white_space_and_reindents(workspace: Path) -> None:
    told = edit("ledger.py", "return  sum( entries )", "if entries:\n    return 0", workspace)
    assert told.text == "edited"
    assert "    if entries:\n        return 0\n\n" in (workspace / "ledger.py").read_text()


def test_places_that_overlap_are_ambiguous(workspace: Path) -> None:
    (workspace / "rule.py").write_text("x = 1\n\n\n\ny = 2\n")
    assert edit("rule.py", "\n\n\n", "\n", workspace).text == "ambiguous: 2 matches"
    assert (workspace / "rule.py").read_text() == "x = 1\n\n\n\ny = 2\n"


def test_edit_fuzzy_above_the_ratio_only(workspace: Path) -> None:
    find = "    return totals(entries) / len(entries)"
    assert edit("ledger.py", find, "    return 1", workspace, fuzzy_ratio=0.0).text == "no match"
    assert edit("ledger.py", find, "    return 1", workspace, fuzzy_ratio=0.999).text == "no match"
    assert edit("ledger.py", find, "    return 1", workspace, fuzzy_ratio=0.9).text == "edited"
    assert (workspace / "ledger.py").read_text().endswith("def mean(entries):\n    return 1\n")
    (workspace / "twice.py").write_text("value = first(a)\n\n\nvalue = first(b)\n")
    assert edit("twice.py", "value = first(c)", "x", workspace).text == "ambiguous: 2 matches"


def test_edit_keeps_line_endings(workspace: Path) -> None:
    path = workspace / "dos.py"
    path.write_bytes(b"a = 1\r\nb = 2\r\nc = 3\nd = 4\r\n")
    assert edit("dos.py", "b = 2\nc = 3", "b = 5\nc = 6", workspace).text == "edited"
    assert path.read_bytes() == b"a = 1\r\nb = 5\r\nc = 6\nd = 4\r\n"
    path.write_bytes(b"a = 1\r\nb = '\xff'\r\n")
    assert edit("dos.py", "a = 1", "a = 2\na = 3", workspace).wrote
    assert path.read_bytes() == b"a = 2\r\na = 3\r\nb = '\xff'\r\n"


def test_edit_strips_fences_by_option(workspace: Path) -> None:
    find, replace = "```python\nRATE = 2\n```", "```python\nRATE = 3\n```"
    assert edit("lib/money.py", find, replace, workspace, strip_fences=False).text == "no match"
    assert edit("lib/money.py", find, replace, workspace).text == "edited"
    assert (workspace / "lib/money.py").read_text().endswith("\nRATE = 3\n")


def test_edit_tells_of_broken_python(workspace: Path) -> None:
    told = edit("ledger.py", "    return sum(entries)", "return (", workspace)
    assert told.text == "edited but the file no longer parses: line 2"
    assert told.wrote
    assert told.unparsed
    assert edit("README.md", "total is", "total (", workspace).text == "edited"


@pytest.mark.parametrize(
    ("line", "result", "text", "ok"),
    [
        ("test python check.py", Result(1, "1 failed\n"), "1 failed", False),
        ("test python check.py", Result(0, "passed\n"), "passed", True),
        ("test python check.py", Result(0, ""), "exit code 0", True),
        ("bash ls x", Result(2, "ls: no x\n"), "ls: no x\nexit code 2", False),
        ("bash sleep 99", Result(-9, "", True), "timed out", False),
    ],
)
def test_commands(line: str, result: Result, text: str, ok: bool, workspace: Path) -> None:
    runner = FakeRunner(result)
    observation = do(line, workspace, runner)
    assert (observation.text, observation.ok) == (text, ok)
    assert runner.asked == (line.split(" ", 1)[1], workspace)


def test_long_output_keeps_head_and_tail(workspace: Path) -> None:
    runner = FakeRunner(Result(0, "a" * 50 + "b" * 50))
    shown = do("bash x", workspace, runner, max_output_chars=20).text
    assert shown == "a" * 10 + "\n[cut: 80 characters]\n" + "b" * 10


def test_submit_says_nothing(workspace: Path) -> None:
    assert execute(Action("submit"), workspace, RUNNER, ToolOptions()).text == ""
