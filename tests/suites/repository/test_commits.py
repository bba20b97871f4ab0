"""A range of commits as tasks: what is taken, and why each of the others is dropped."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from stages.agent.sandbox import Sandbox
from stages.suites.repository.__main__ import main
from stages.suites.repository.commits import Found, make_tasks
from stages.suites.repository.history import History
from tests.suites.repository.conftest import SECRET, Maker, Shop


@pytest.fixture(scope="module")
def found(shop: Shop, sandbox: Sandbox) -> Found:
    history = History(shop.folder)
    span = f"{shop.commits['start']}..main"
    return make_tasks(history, history.commits(span), sandbox, "shop")


def test_commits_that_fix_and_test_become_tasks(found: Found, shop: Shop) -> None:
    fix, mean = found.rows
    assert fix["base_commit"] == shop.commits["start"]
    assert fix["instance_id"] == f"shop-{shop.commits['fix'][:12]}"
    assert fix["problem_statement"] == "The total leaves the first price out"
    assert fix["FAIL_TO_PASS"] == ["tests/test_shop.py::test_all"]
    assert fix["PASS_TO_PASS"] == ["tests/test_shop.py::test_empty"]
    assert fix["created_at"] == "2020-01-02T00:00:00Z"
    assert "test_shop" not in fix["patch"] and "b/shop.py" not in fix["test_patch"]
    assert mean["FAIL_TO_PASS"] == ["tests/test_mean.py::test_mean"]


def test_every_other_commit_is_dropped_with_its_reason(found: Found, shop: Shop) -> None:
    assert found.dropped == Counter(
        {
            "changes no test file": 1,
            "changes no source file": 1,
            "no test fails on the base": 1,
            "has a test that can't be graded plainly": 1,
            "a changed test fails with the commit's source": 1,
        }
    )
    named = "\n".join(found.details)
    assert f"{shop.commits['fixture'][:12]}: has a test that can't be graded plainly" in named
    assert "test_saved: it takes the fixture 'tmp_path'" in named


def test_a_patch_holds_nothing_of_a_later_commit(found: Found) -> None:
    fix, mean = found.rows
    assert SECRET not in json.dumps(fix) and SECRET in mean["patch"]


def test_a_package_in_src_is_found(tmp_path: Path, sandbox: Sandbox) -> None:
    make = Maker(tmp_path / "lib")
    head = "from __future__ import annotations\n\nfrom lib import one\n\n\n"
    package, tests = "src/lib/__init__.py", "tests/test_lib.py"
    make.commit("a", "Start", {package: "def one():\n    return 2\n", tests: head})
    test = f"{head}def test_one():\n    assert one() == 1\n"
    make.commit("b", "One", {package: "def one():\n    return 1\n", tests: test})
    history = History(make.folder)
    found = make_tasks(history, history.commits("HEAD~1..HEAD"), sandbox, "lib")
    assert [row["FAIL_TO_PASS"] for row in found.rows] == [["tests/test_lib.py::test_one"]]


def test_a_commit_whose_gradable_tests_are_none_is_dropped_unrun(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    make = Maker(tmp_path / "lib")
    test = "class TestOne:\n    def test_one(self):\n        assert 1\n"
    make.commit("a", "Start", {"lib.py": "x = 1\n", "tests/test_lib.py": test})
    make.commit("b", "Next", {"lib.py": "x = 2\n", "tests/test_lib.py": f"{test}\n# more\n"})
    history = History(make.folder)
    found = make_tasks(history, history.commits("HEAD~1..HEAD"), sandbox, "lib")
    assert found.dropped == {"has no test that can be graded plainly": 1}


def test_the_command_writes_tasks_and_prints_the_reasons(
    shop: Shop, sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del sandbox  # there is one
    out = tmp_path / "tasks.jsonl"
    span = f"{shop.commits['start']}..{shop.commits['tests']}"
    main(["commits", str(shop.folder), span, "--test", "plain", "-o", str(out)])
    said = capsys.readouterr().out
    assert "dropped 1: changes no test file" in said and "1 tasks from 3 commits" in said
    main(["check", str(out), "--test", "plain", "--repository", f"shop={shop.folder}"])
    assert "shop: 1 tasks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("span", "said"),
    [("main", "no range"), ("main~1..nowhere", "failed"), ("main~6..main~4", "none of the 2")],
)
def test_what_gives_no_task_is_said_and_nothing_is_written(
    shop: Shop,
    sandbox: Sandbox,
    tmp_path: Path,
    span: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del sandbox
    out = tmp_path / "tasks.jsonl"
    with pytest.raises(SystemExit):
        main(["commits", str(shop.folder), span, "--test", "plain", "-o", str(out)])
    assert said in capsys.readouterr().err and not out.exists()


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "v1.0..main" in capsys.readouterr().out
