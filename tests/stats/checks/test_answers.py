"""Checks 19 and 29, each with its mistake planted."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest

from stages.records import read_jsonl
from stages.stats.checks import answers
from stages.suites import judge
from stages.suites.microrepo.suite import Microrepo
from stages.suites.procedural import Problem
from tests.stats.checks.run_files import TESTED, change_rows, read_record

PAIRS = read_jsonl(answers.GOLDEN, dict)


def test_19_the_judge_passes_its_golden_set(run: Path) -> None:
    assert answers.judge_is_sound(read_record()).status == "pass"


@pytest.mark.parametrize(
    "careless",
    [
        lambda answer, truth: answer == truth,
        lambda answer, truth: truth.casefold() in answer.casefold(),
        lambda answer, truth: True,
        lambda answer, truth: False,
    ],
    ids=["exact", "contains", "always", "never"],
)
def test_19_a_careless_judge_is_caught(run: Path, careless: Any) -> None:
    found = answers.judge_is_sound(read_record(), careless)
    assert found.status == "fail" and found.evidence["problems"] >= 10


def test_19_a_judge_that_evaluates_is_caught(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = inspect.getsource(judge) + "\n\ndef value(text):\n    return eval(text)\n"
    monkeypatch.setattr(inspect, "getsource", lambda module: text)
    assert "uses eval" in answers.judge_is_sound(read_record()).evidence["first_problem"]


def test_19_a_golden_set_without_false_ones_is_caught(run: Path, tmp_path: Path) -> None:
    golden = tmp_path / "golden.jsonl"
    golden.write_text('{"answer": "1", "truth": "1", "right": true}\n' * 50)
    assert answers.judge_is_sound(read_record(), golden=golden).status == "fail"


def one_constant(problem: Problem) -> Problem:
    same = [dataclasses.replace(case, expected=79) for case in problem.hidden]
    return dataclasses.replace(problem, hidden=tuple(same))


def one_case(problem: Problem) -> Problem:
    return dataclasses.replace(problem, visible=problem.visible[:1])


def no_second_set(problem: Problem) -> Problem:
    return dataclasses.replace(problem, hidden=problem.visible)


@pytest.mark.parametrize("weaken", [one_constant, one_case, no_second_set])
def test_29_problems_that_a_constant_or_table_passes_are_caught(run: Path, weaken: Any) -> None:
    record = read_record()
    assert answers.answers_compute(record).status == "pass"
    first, *others = record.guard_problems
    vars(record)["guard_problems"] = (weaken(first), *others)
    assert answers.answers_compute(record).evidence["problems"] == 1


def test_29_an_episode_resolved_by_a_literal_is_caught(run: Path) -> None:
    def cheat(row: dict[str, Any]) -> None:
        if row["info"]["outcome"] == "resolved":
            row["info"]["submission"] = "--- a/x.py\n+++ b/x.py\n-    return a\n+    return 79\n"

    change_rows(TESTED / "skill-s0.jsonl", cheat)
    found = answers.answers_compute(read_record())
    assert found.status == "fail" and found.evidence["resolved_by_a_literal"] >= 1


def test_29_tasks_that_one_literal_would_pass_are_counted(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = read_record()
    one = "def test_a():\n    assert f(1) == 2\n    assert f(3) is not None\n"
    for text, weak in ((one, 24), (f"{one}    assert f(4) == 5\n", 0)):
        monkeypatch.setattr(
            Microrepo,
            "tests",
            lambda self, task, text=text: {task.FAIL_TO_PASS[0].partition("::")[0]: text},
        )
        found = answers.answers_compute(record)
        assert found.evidence["tasks_with_one_expected_value"] == weak
