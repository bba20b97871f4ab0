"""Answers: the judge of free text, and answers that pass without computing."""

from __future__ import annotations

import ast
import contextlib
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from stages.records import Outcome, Task, read_jsonl
from stages.stats.checks.check import Finding, absent, judged
from stages.stats.checks.record import Record
from stages.suites import judge
from stages.suites.procedural import Problem

GOLDEN = Path(__file__).resolve().parents[3] / "tests" / "golden" / "judge.jsonl"
MIN_GOLDEN = 40
MIN_VISIBLE = 5
FORBIDDEN = ("eval", "exec", "compile")


def judge_is_sound(
    record: Record,
    is_right: Callable[[str, str], bool] = judge.is_right,
    golden: Path = GOLDEN,
) -> Finding:
    """Check 19: the judge of free-text answers agrees with its golden set and never evaluates code.

    The golden set holds true and false positives and negatives that judges have fallen for.
    """
    del record  # the judge is the same in every experiment
    pairs = read_jsonl(golden, dict)
    problems = [
        f"{p['answer']!r} for {p['truth']!r} is judged {not p['right']}"
        for p in pairs
        if is_right(p["answer"], p["truth"]) != p["right"]
    ]
    right = sum(pair["right"] for pair in pairs)
    if len(pairs) < MIN_GOLDEN or not 0 < right < len(pairs):
        problems.append(f"the golden set has {len(pairs)} pairs, {right} of them right")
    names = {n.id for n in ast.walk(ast.parse(inspect.getsource(judge))) if isinstance(n, ast.Name)}
    problems += [f"the judge uses {name}" for name in FORBIDDEN if name in names]
    return judged(
        {"pairs": len(pairs), "right": right, "wrong": len(pairs) - right},
        problems,
        "Correct stages/suites/judge.py until every pair of the golden set is judged as it says.",
    )


def answers_compute(record: Record) -> Finding:
    """Check 29: no constant and no table of the visible cases passes.

    Guard problems need five visible cases with distinct results and hidden ones on other inputs.
    Of the repositories' tasks, one is counted as weak when the same literal is expected by every
    test of the function. A resolved episode whose patch only returns a literal, where upstream's
    doesn't, passed without computing; trained targets must not hold one. ``passed_own_test_only``
    counts episodes that pass what they can see and fail the hidden tests.
    """
    problems = [f"{p.problem_id}: {why}" for p in record.guard_problems if (why := _weakness(p))]
    tasks = {
        (world, task.instance_id): task
        for world in record.lab.worlds
        for task in record.tasks[world].values()
    }
    if not tasks and not record.guard_problems:
        return absent("nothing is graded by tests")
    constant_gold = {place for place, task in tasks.items() if _constant_patch(task)}
    weak = sum(_one_literal(t, record.lab.suite.tests(t)) for t in tasks.values())
    lucky = [
        e
        for e in record.episodes
        if e.constant and e.outcome == Outcome.RESOLVED and e.task not in constant_gold
    ]
    problems += [f"{e.path}: {e.instance_id} is resolved by a literal" for e in lucky]
    only_visible = sum(
        e.last_test == "passed" and e.outcome == Outcome.UNRESOLVED for e in record.episodes
    )
    return judged(
        {
            "guard_problems": len(record.guard_problems),
            "tasks": len(tasks),
            "tasks_with_one_expected_value": weak,
            "passed_own_test_only": only_visible,
            "resolved_by_a_literal": len(lucky),
        },
        problems,
        "Add cases with other results to the problem's hidden tests; drop such answers from "
        "training and from the counts.",
    )


def _weakness(problem: Problem) -> str:
    """Why a problem lets an answer pass that doesn't compute; empty when it lets none."""
    visible = {repr(case.args) for case in problem.visible}
    results = {repr(case.expected) for case in problem.visible}
    hidden = {repr(case.args) for case in problem.hidden}
    if len(problem.visible) < MIN_VISIBLE or len(results) < len(problem.visible):
        return f"{len(results)} distinct results in {len(problem.visible)} visible cases"
    if not hidden or hidden & visible:
        return "the hidden cases repeat the visible ones"
    if len({repr(case.expected) for case in problem.hidden}) < 2:
        return "one constant passes every hidden case"
    return ""


def _constant_patch(task: Task) -> bool:
    """Whether upstream's own fix returns a literal, so that a literal is the right answer."""
    added = [line[1:].strip() for line in task.patch.splitlines() if line.startswith("+")]
    returned = [line.removeprefix("return ") for line in added if line.startswith("return ")]
    return any(_is_literal(text) for text in returned)


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return False
    return True


def _nodes(path: str, text: str) -> Iterator[ast.AST]:
    """The syntax tree of a file; nothing of what isn't Python, or isn't this Python's."""
    if path.endswith(".py"):
        with contextlib.suppress(SyntaxError):
            yield from ast.walk(ast.parse(text))


def _one_literal(task: Task, files: Mapping[str, str]) -> bool:
    """Whether some function that FAIL_TO_PASS calls equals one and the same value in all tests."""
    hidden = {name.partition("::")[0] for name in task.FAIL_TO_PASS}
    expected: dict[str, set[str]] = defaultdict(set)
    called: set[str] = set()
    for path, text in files.items():
        for node in _nodes(path, text):
            if isinstance(node, ast.Assert) and isinstance(node.test, ast.Compare):
                call, value = node.test.left, node.test.comparators[0]
                equal = isinstance(node.test.ops[0], ast.Eq)
                if equal and isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                    expected[call.func.id].add(ast.dump(value))
                    called |= {call.func.id} if path in hidden else set()
    return any(len(expected[name]) == 1 for name in called)
