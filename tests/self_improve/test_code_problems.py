from __future__ import annotations

import dataclasses

import pytest

from stages.agent.sandbox import SandboxConfig, SandboxUnavailable, open_sandbox
from stages.agent.sandbox.config import TestResult
from stages.self_improve.choose import Choice, loopholes
from stages.self_improve.code_problems import (
    TEN_KINDS,
    CodeJudge,
    CodeProblemError,
    CodeProblems,
    item_of,
)
from stages.self_improve.parts import Attempt
from stages.suites.procedural import make_problem

SOURCE = CodeProblems(per_kind={"train": 3, "val": 2, "test": 2})


def test_ten_kinds_with_parts_that_share_no_problem_and_no_function():
    parts = {part: SOURCE.items(part) for part in ("train", "val", "test")}
    assert {part: len(items) for part, items in parts.items()} == {
        "train": 30,
        "val": 20,
        "test": 20,
    }
    assert {item.group for item in parts["test"]} == set(TEN_KINDS)
    assert len(TEN_KINDS) == 10
    functions = {part: {i.item_id.split("-")[2] for i in items} for part, items in parts.items()}
    assert not functions["train"] & (functions["val"] | functions["test"])
    assert SOURCE.items("holdout") == []
    assert SOURCE.items("test") == SOURCE.items("test")


def test_every_problem_has_five_distinct_visible_cases_and_hidden_ones():
    problem = make_problem("count", 1, 0)
    assert len({repr(c.expected) for c in problem.visible}) >= 5
    same = dataclasses.replace(problem, visible=(problem.visible[0],) * 5)
    for poor in (same, dataclasses.replace(problem, hidden=())):
        with pytest.raises(CodeProblemError, match="check 29"):
            item_of(poor, "train")


def test_unknown_kinds_and_parts_are_refused():
    with pytest.raises(CodeProblemError, match="fibonacci"):
        CodeProblems(kinds=("fibonaci",))
    with pytest.raises(CodeProblemError, match="dev"):
        CodeProblems(per_kind={"dev": 3})


class Counting:
    """A sandbox that runs nothing: passes what the answers' texts say."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    def map_check(self, items):
        self.asked += items
        return [
            TestResult(entry, program == "all" or (program == "shown" and shows(test)), "")
            for program, test, entry in items
        ]


def shows(test: str) -> bool:
    """Whether a test program has the five visible cases."""
    return test.count("\n        (") == 5


def test_each_answer_is_run_once_and_the_hidden_cases_only_where_the_visible_pass():
    sandbox = Counting()
    judge = CodeJudge(sandbox)  # type: ignore[arg-type]
    item = SOURCE.items("train")[0]
    pairs = [(item, text) for text in ("all", "shown", "none", "all", "none")]
    verdicts = judge.judge(pairs)
    assert [(v.correct, v.visible) for v in verdicts] == [
        (True, True),
        (False, True),
        (False, False),
        (True, True),
        (False, False),
    ]
    assert len(sandbox.asked) == 3 + 2
    judge.judge(pairs)
    assert len(sandbox.asked) == 5


def test_the_sandbox_tells_solutions_constants_and_look_ups_apart():
    """Planted: `return 79` and a table of the visible cases (check 29)."""
    try:
        sandbox = open_sandbox(SandboxConfig(workers=1))
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    item = next(i for i in SOURCE.items("train") if i.group == "fibonacci")
    problem = item.payload
    opening = f"def {problem.entry_point}(*args):\n    return "
    table = {repr(case.args): case.expected for case in problem.visible}
    answers = [
        problem.solution,
        f"```python\n{problem.solution}\n```",
        problem.buggy[0],
        f"{opening}{problem.visible[0].expected!r}",
        f"{opening}{table!r}.get(repr(args))",
        "raise AssertionError('hidden')",
    ]
    with sandbox:
        judged = CodeJudge(sandbox).judge([(item, text) for text in answers])
    assert [v.correct for v in judged] == [True, True, False, False, False, False]
    assert [v.visible for v in judged][3:] == [False, True, False]
    attempts = [
        Attempt(item, n, t, v, 9, "stop")
        for n, (t, v) in enumerate(zip(answers, judged, strict=True))
    ]
    assert loopholes(attempts) == {"fibonacci": 1}
    assert {e.completion for e in Choice().select(attempts)} == set(answers[:2])
