"""Grading by pytest: fixtures, classes and parameters count; what an agent can do doesn't."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from stages.agent.sandbox import SandboxConfig, SandboxUnavailable, TestResult
from stages.agent.scripted import ScriptedModel
from stages.agent.workspace import materialise
from stages.lab.episodes import Condition, Plan, play
from stages.params import RepositoryParams
from stages.records import write_jsonl
from stages.suites.repository import Repository, RepositoryError
from stages.suites.repository.commits import make_tasks
from stages.suites.repository.history import History
from stages.suites.repository.pytest_runner import (
    PytestSandbox,
    find_environment,
    is_graded_path,
    open_pytest,
    options_of,
)
from stages.suites.texts import TextHarness
from tests.small_lab import small_lab
from tests.suites.repository.conftest import FIXED, Maker

PATH = "tests/test_shop.py"
TESTS = """import pytest
from shop import total

class TestTotal:
    @pytest.mark.parametrize("prices", [[1], [1, 2]])
    def test_sum(self, prices, known):
        assert total(prices) == known(prices)

def test_none():
    with pytest.raises(TypeError):
        total(None)
"""
CONFTEST = "import pytest\n\n@pytest.fixture\ndef known():\n    return sum\n"
ALL = {f"{PATH}::TestTotal::test_sum[prices0]", f"{PATH}::TestTotal::test_sum[prices1]"}
ALL |= {f"{PATH}::test_none"}
COMMAND = "python -m pytest -q --disable-plugin-autoload"
"""Without the development tools' own plugins, whose import takes seconds."""
WRONG = "def total(prices):\n    return 9\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[PytestSandbox]:
    config = SandboxConfig(workers=1, wall_seconds=60, cpu_seconds=60)
    try:
        opened = open_pytest(config, None, options_of(COMMAND) or [])
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    assert isinstance(opened, PytestSandbox)
    with opened:
        yield opened


def graded(sandbox: PytestSandbox, files: Mapping[str, str]) -> tuple[dict[str, TestResult], str]:
    tests = {PATH: TESTS, "tests/conftest.py": CONFTEST}
    with sandbox.workspace() as workspace:
        materialise(Path(workspace), files)
        return sandbox.run_files(workspace, tests, [PATH])


def test_fixtures_classes_and_parameters_are_graded(sandbox: PytestSandbox) -> None:
    found, failed = graded(sandbox, {"shop.py": FIXED})
    assert {name for name, result in found.items() if result.passed} == ALL and not failed
    found, _ = graded(sandbox, {"shop.py": WRONG})
    assert set(found) == ALL and not any(result.passed for result in found.values())
    assert "9 == 1" in found[f"{PATH}::TestTotal::test_sum[prices0]"].detail


LEAVE = "import os\nos._exit(0)\n"
SILENCE = "def pytest_runtest_call(item):\n    item.runtest = lambda: None\n"
BROUGHT = {
    "conftest.py": SILENCE,
    "tests/conftest.py": LEAVE,
    "pytest.ini": "[pytest]\naddopts = --collect-only\n",
    "evil.egg-info/entry_points.txt": "[pytest11]\nevil = evil\n",
    "evil.py": SILENCE,
    "json.py": LEAVE,
    "decimal.py": LEAVE,
    "pytest.py": LEAVE,
    PATH: "def test_none():\n    pass\n",
}
FORGE = f"""import json, os
names = [line[4:].split("(")[0] for line in open("{PATH}") if line.startswith("def test")]
events = []
for name in names:
    for when in ("setup", "call", "teardown"):
        outcome = "failed" if name == names[-1] and when == "call" else "passed"
        events.append(["test", "{PATH}::" + name, when, outcome, ""])
for event in [*events, ["end", 0]]:
    for fd in range(3, 30):
        try:
            os.write(fd, (json.dumps(event) + "\\n").encode())
        except OSError:
            pass
os._exit(0)
"""
CHEATS = {
    "prints and leaves": {
        "shop.py": f"print('{PATH}::test_none PASSED')\nimport os\nos._exit(0)\n"
    },
    "exits": {"shop.py": "import sys\nsys.exit(0)\n"},
    "patches pytest": {
        "shop.py": f"import _pytest.python as p\np.Function.runtest = lambda self: None\n{WRONG}"
    },
    "patches reports": {
        "shop.py": "import _pytest.reports as r\nmake = r.TestReport.from_item_and_call\n"
        "def passed(item, call):\n    report = make(item, call)\n    report.outcome = 'passed'\n"
        f"    return report\nr.TestReport.from_item_and_call = staticmethod(passed)\n{WRONG}"
    },
    "writes reports": {
        "shop.py": "import json, os\nfor fd in range(3, 30):\n    for when in 'setup call teardown'"
        f".split():\n        line = json.dumps(['test', '{PATH}::test_none', when, 'passed', ''])\n"
        "        try:\n            os.write(fd, (line + '\\n').encode())\n"
        f"        except OSError:\n            pass\n{WRONG}"
    },
    "imports in vain": {"shop.py": "import nowhere\n"},
    "reads the canary's name and writes every report": {"shop.py": FORGE},
    "brings conftests, plugins and modules": {"shop.py": WRONG, **BROUGHT},
    "reaches for its parent": {
        "shop.py": "import os\nfor name in ('mem', 'fd/1', 'environ'):\n    try:\n"
        f"        open(f'/proc/{{os.getppid()}}/{{name}}', 'rb').read(1)\n    except OSError:\n"
        "        continue\n    os._exit(0)\nif os.path.exists('.carryover'):\n    os._exit(0)\n"
        f"{FIXED}"
    },
}


@pytest.mark.parametrize("name", CHEATS)
def test_who_cheats_passes_nothing(sandbox: PytestSandbox, name: str) -> None:
    found, failed = graded(sandbox, CHEATS[name])
    passed = {test for test, result in found.items() if result.passed}
    if name == "reaches for its parent":  # its reach is refused, so its honest code counts
        assert passed == ALL
    else:
        assert not passed
        assert failed or set(found) == ALL


def test_what_an_agent_leaves_about_is_no_part_of_grading(sandbox: PytestSandbox) -> None:
    found, failed = graded(sandbox, {"shop.py": FIXED, **BROUGHT})
    assert {name for name, result in found.items() if result.passed} == ALL and not failed


def test_commits_become_tasks_that_the_pipeline_plays(
    sandbox: PytestSandbox, tmp_path: Path
) -> None:
    make = Maker(tmp_path / "shop")
    bad = "def total(prices):\n    return sum(prices[:1])\n"
    tests = {PATH: TESTS.replace("[[1], [1, 2]]", "[[1]]"), "tests/conftest.py": CONFTEST}
    make.commit("a", "Start", {"shop.py": bad, **tests})
    make.commit("b", "The total stops at the first price", {"shop.py": FIXED, PATH: TESTS})
    history = History(make.folder)
    found = make_tasks(history, history.commits("main~1..main"), sandbox, "shop")
    (row,) = found.rows
    assert row["FAIL_TO_PASS"] == [f"{PATH}::TestTotal::test_sum[prices1]"]
    write_jsonl(tmp_path / "tasks.jsonl", found.rows)
    suite = Repository(
        RepositoryParams(
            kind="repository",
            repositories={"shop": str(make.folder)},
            tasks=str(tmp_path / "tasks.jsonl"),
            test_command=COMMAND,
            environment=None,
            unsupported="refuse",
        )
    )
    lab = dataclasses.replace(small_lab(), suite=suite)  # pyright: ignore[reportArgumentType]
    (task,) = suite.tasks("shop")
    harness = TextHarness(suite, sandbox)
    assert harness.problem(task) == ""
    edit = "edit shop.py\n<<<\n    return sum(prices[:1])\n===\n    return sum(prices)\n>>>"
    script = {task.instance_id: [edit, f"test {COMMAND}"]}
    plan = Plan([task], seed=0, attempts=1, temperature=0.0)
    (record,), _ = play(lab, ScriptedModel(script), harness, Condition("base"), plan)
    assert record.info["outcome"] == "resolved"
    assert "2 passed" in record.info["steps"][1]["observation"]


def test_tests_that_do_not_run_drop_their_commit_with_the_reason(
    sandbox: PytestSandbox, tmp_path: Path
) -> None:
    make = Maker(tmp_path / "shop")
    make.commit("a", "Start", {"shop.py": WRONG, PATH: TESTS})
    make.commit("b", "Fix", {"shop.py": FIXED, PATH: f"import nowhere\n{TESTS}"})
    history = History(make.folder)
    found = make_tasks(history, history.commits("main~1..main"), sandbox, "shop")
    assert found.dropped == {"its tests can't be run with the commit's source": 1}
    assert "No module named 'nowhere'" in found.details[0]


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("plain", None),
        ("pytest", []),
        ("python3.11 -m pytest -q -W=ignore", ["-q", "-W=ignore"]),
        ("python -m pytest --import-mode=prepend", ["--import-mode=prepend"]),
    ],
)
def test_options_are_read(command: str, options: list[str] | None) -> None:
    assert options_of(command) == options


@pytest.mark.parametrize(
    "command",
    [
        "python -m unittest",
        "make test",
        "tox -e py && pytest",
        "pytest -x",
        "pytest -k name",
        "pytest -n4",
        "pytest --maxfail=1",
        "pytest tests/unit",
        "pytest -p evil",
    ],
)
def test_commands_that_cannot_be_graded_are_refused(command: str) -> None:
    with pytest.raises(RepositoryError):
        options_of(command)


def test_an_environment_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="can't be run"):
        find_environment(str(tmp_path))


def test_what_belongs_to_the_tests_comes_from_the_task() -> None:
    own = ("tests/data.json", "conftest.py", "lib/pytest.ini", "a.egg-info/entry_points.txt")
    assert all(is_graded_path(path) for path in own)
    assert not is_graded_path("shop/testing.py")
