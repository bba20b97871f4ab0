"""The suite in the pipeline: what an agent sees, what is graded, and who gets it resolved."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from stages.agent.sandbox import Sandbox
from stages.agent.scripted import ScriptedModel
from stages.agent.workspace import materialise, tree_hash
from stages.generate_splits.splits import order_tasks
from stages.lab.context import Lab
from stages.lab.episodes import Condition, Plan, play
from stages.params import RepositoryParams
from stages.params.strict import build
from stages.records import Outcome, Task, write_jsonl
from stages.suites.repository import Repository, RepositoryError
from stages.suites.repository.commits import make_tasks
from stages.suites.repository.history import History
from stages.suites.texts import TextHarness
from tests.small_lab import small_lab
from tests.suites.repository.conftest import SECRET, Shop

EDIT = "edit shop.py\n<<<\n    return sum(prices[1:])\n===\n    return sum(prices)\n>>>"
SILENCE = "edit tests/test_shop.py\n<<<\n    assert total([]) == 0\n===\n    pass\n>>>"
PRINT = "bash echo 'tests/test_shop.py::test_all PASSED' ; echo '1 passed'"
CONFTEST = "bash printf 'def pytest_runtest_call(item): pass\\n' > tests/conftest.py"
EXIT = (
    "edit shop.py\n<<<\n    return sum(prices[1:])\n===\n    import os\n    os._exit(0)\n>>>",
    "edit shop.py\n<<<\ndef total(prices):\n===\nimport sys\nsys.exit(0)\ndef total(prices):\n>>>",
)
EQUAL = (
    "edit shop.py\n<<<\n    return sum(prices[1:])\n===\n"
    "    class Any(int):\n        __eq__ = lambda *other: True\n    return Any()\n>>>"
)


@pytest.fixture(scope="module")
def rows(shop: Shop, sandbox: Sandbox) -> list[dict[str, Any]]:
    history = History(shop.folder)
    return make_tasks(history, history.commits("main~7..main"), sandbox, "acme/shop").rows


def suite_of(shop: Shop, rows: list[dict[str, Any]], folder: Path, **values: Any) -> Repository:
    path = folder / "tasks.jsonl"
    write_jsonl(path, rows)
    given = {
        "kind": "repository",
        "repositories": {"acme__shop": str(shop.folder)},
        "tasks": str(path),
        "test_command": "plain",
        "environment": None,
        "unsupported": "refuse",
    }
    return Repository(build(RepositoryParams, given | values))


@pytest.fixture
def suite(shop: Shop, rows: list[dict[str, Any]], tmp_path: Path) -> Repository:
    return suite_of(shop, rows, tmp_path)


@pytest.fixture
def lab(suite: Repository) -> Lab:
    return dataclasses.replace(small_lab(), suite=suite)  # pyright: ignore[reportArgumentType]


def outcome(lab: Lab, sandbox: Sandbox, task: Task, *actions: str) -> str:
    plan = Plan([task], seed=0, attempts=1, temperature=0.0)
    model = ScriptedModel({task.instance_id: actions})
    (record,), _ = play(lab, model, TextHarness(lab.suite, sandbox), Condition("base"), plan)
    return record.info["outcome"]


def test_tasks_come_by_date_with_the_recorded_tree(suite: Repository, tmp_path: Path) -> None:
    tasks = suite.tasks("acme__shop")
    assert [task.created_at[:10] for task in tasks] == ["2020-01-02", "2020-01-08"]
    assert order_tasks(tasks, "difficulty") == tasks
    materialise(tmp_path / "w", suite.files(tasks[0]))
    assert tree_hash(tmp_path / "w") == tasks[0].tree_hash


def test_a_workspace_holds_no_history_and_nothing_newer_than_its_base(suite: Repository) -> None:
    for task in suite.tasks("acme__shop"):
        files = suite.files(task)
        assert not [path for path in files if ".git" in path.split("/")]
        assert SECRET not in json.dumps(files)
        hidden = {name.partition("::")[0] for name in task.FAIL_TO_PASS}
        for path in hidden:
            assert files.get(path) != suite.tests(task)[path]


def test_the_gold_check_of_the_pipeline_passes(lab: Lab, sandbox: Sandbox) -> None:
    for task in lab.suite.tasks("acme__shop"):
        assert TextHarness(lab.suite, sandbox).problem(task) == ""


def test_who_edits_the_gold_line_resolves_a_task(lab: Lab, sandbox: Sandbox) -> None:
    first, _ = lab.suite.tasks("acme__shop")
    assert outcome(lab, sandbox, first, EDIT) == Outcome.RESOLVED
    assert outcome(lab, sandbox, first) == Outcome.EMPTY_PATCH


@pytest.mark.parametrize(
    "actions", [(SILENCE,), (PRINT, SILENCE), (CONFTEST,), EXIT[:1], EXIT[1:], (EQUAL,)]
)
def test_who_cheats_does_not(lab: Lab, sandbox: Sandbox, actions: tuple[str, ...]) -> None:
    first, _ = lab.suite.tasks("acme__shop")
    assert outcome(lab, sandbox, first, *actions) == Outcome.UNRESOLVED


def test_the_chat_names_tools_tests_and_notes(
    suite: Repository, shop: Shop, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    first, _ = suite.tasks("acme__shop")
    system, user = suite.messages(first, ["Earlier issue: a note"])
    assert "without pytest" in system["content"] and "a note" in system["content"]
    assert user == {"role": "user", "content": "The total leaves the first price out"}
    other = suite_of(shop, rows, tmp_path, test_command="python -m pytest -q")
    assert "python -m pytest -q" in other.messages(first)[0]["content"]


def test_a_note_holds_the_fix_and_an_upstream_fix_is_the_patch(
    suite: Repository, lab: Lab, sandbox: Sandbox
) -> None:
    first, _ = suite.tasks("acme__shop")
    plan = Plan([first], seed=0, attempts=1, temperature=0.0)
    harness, model = TextHarness(suite, sandbox), ScriptedModel({first.instance_id: []})
    (record,), _ = play(lab, model, harness, Condition("b"), plan)
    told = dataclasses.replace(record, info={**record.info, **suite.upstream(first)})
    note = suite.note(first, told)
    assert "leaves the first price out" in note and "+    return sum(prices)" in note


def test_a_single_repository_has_no_partner(suite: Repository) -> None:
    with pytest.raises(RepositoryError, match="only repository"):
        suite.partner("acme__shop", ["acme__shop"])


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("base_commit", "0" * 40, "line 1.*base_commit"),
        ("patch", "--- a/nowhere.py\n+++ b/nowhere.py\n@@ -1 +1 @@\n-a\n+b\n", "line 1.*patch"),
        ("FAIL_TO_PASS", [], "line 1: field 'FAIL_TO_PASS'"),
        ("FAIL_TO_PASS", ["tests/test_shop.py::Tests::test_all"], "line 1.*no such test"),
        ("PASS_TO_PASS", "tests/test_shop.py", "line 1: field 'PASS_TO_PASS'"),
        ("created_at", "yesterday", "line 1: field 'created_at'"),
        ("problem_statement", None, "line 1: field 'problem_statement'"),
        ("repo", "another", "no row has 'acme__shop'"),
        ("instance_id", "../x", "line 1: field 'instance_id'"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(
    shop: Shop, rows: list[dict[str, Any]], tmp_path: Path, field: str, value: Any, said: str
) -> None:
    path = tmp_path / "tasks.jsonl"
    row = {**rows[0], "instance_id": "shop-1", field: value}
    write_jsonl(path, [row])
    params = RepositoryParams(
        kind="repository",
        repositories={"acme__shop": str(shop.folder)},
        tasks=str(path),
        test_command="plain",
        environment=None,
        unsupported="refuse",
    )
    with pytest.raises(RepositoryError, match=said):
        Repository(params).tasks("acme__shop")


def test_a_test_that_cannot_be_graded_is_refused_or_left_out(
    shop: Shop, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    odd = {
        **rows[0],
        "instance_id": "odd",
        "test_patch": rows[0]["test_patch"].replace("def test_all()", "def test_all(tmp_path)"),
    }
    with pytest.raises(RepositoryError, match=r"line 3: .*test_all can't be graded: it takes the"):
        suite_of(shop, [*rows, odd], tmp_path).tasks("acme__shop")
    left = suite_of(shop, [*rows, odd], tmp_path, unsupported="leave_out").tasks("acme__shop")
    assert "odd" not in {task.instance_id for task in left} and len(left) == 2
