"""Answers: the judges' golden sets, and answers that pass without computing."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from stages.stats.checks.check import Finding, absent, allowed, judged
from stages.stats.loop_work.checks.golden import CASES, Pair, golden_of
from stages.stats.loop_work.checks.record import LoopRecord, where
from stages.stats.loops.diversity import parsed

Golden = Callable[[str], tuple[Sequence[Pair], int] | None]


def judge_is_sound(record: LoopRecord, golden: Golden = golden_of) -> Finding:
    """Check 19: the loop's judge of free text agrees with its golden set.

    The set holds true and false positives and negatives that judges have fallen for: subscripts
    and other Unicode, case, number formats, word boundaries, negation.
    """
    name = record.results.loop.judge.name
    found = golden(name)
    if name in CASES:
        return absent(f"judge {name!r} runs cases instead of reading text")
    if found is None:
        return allowed(
            {"answers": 0},
            [f"judge {name!r} has no golden set"],
            "Write one, with answers that look right and are wrong and the other way round, and "
            "name it in stages/stats/loop_work/checks/golden.py.",
        )
    pairs, least = found
    problems = [
        f"{pair.answer!r} to {pair.question!r} is judged {pair.judged}"
        for pair in pairs
        if pair.judged != pair.right
    ]
    right = sum(pair.right for pair in pairs)
    if len(pairs) < least or not 0 < right < len(pairs):
        problems.append(f"the golden set has {len(pairs)} answers, {right} of them right")
    return judged(
        {"answers": len(pairs), "right": right, "wrong": len(pairs) - right},
        problems,
        "Correct the judge until every answer of its golden set is judged as the set says.",
    )


def answers_compute(record: LoopRecord) -> Finding:
    """Check 29: no program that is counted or trained on only returns constants or looks them up.

    An answer that passes the visible cases and fails the hidden ones is counted, and never trained
    on.
    """
    problems: list[str] = []
    visible_only = constants = programs = 0
    for run, point in record.points():
        for attempt in point.attempts:
            lucky = attempt.visible and not attempt.correct
            visible_only += bool(lucky)
            if lucky and attempt.selected:
                problems.append(
                    f"{where(run, point)}: trained on an answer to {attempt.item_id} that passes "
                    "only the visible cases"
                )
            constant = computes(attempt.text) is False
            if constant and attempt.selected:
                problems.append(
                    f"{where(run, point)}: trained on a constant answer to {attempt.item_id}"
                )
        for row in point.probe:
            verdict = computes(row.text)
            programs += verdict is not None
            visible_only += bool(row.visible and not row.correct)
            if verdict is False and row.correct:
                constants += 1
                problems.append(
                    f"{where(run, point)}: a constant answer to {row.item_id} counts as right"
                )
    if not programs and not visible_only and not problems:
        return absent("no answer is a program, and none has hidden cases")
    return judged(
        {"programs": programs, "passed_visible_only": visible_only, "constants_right": constants},
        problems,
        "Give the problem at least five visible cases with distinct results and hidden ones on "
        "other inputs; drop such answers from training and from the counts.",
    )


def computes(text: str) -> bool | None:
    """Whether a program computes what it returns; None for what isn't a program.

    It doesn't if every value that it returns is a constant, or is looked up in a table of them.

    >>> computes("def f(n):\\n    return 79"), computes("def f(n):\\n    return n + 1")
    (False, True)
    >>> computes("def f(n):\\n    return {1: 1, 2: 3}[n]"), computes("the answer is 79")
    (False, None)
    """
    if "def " not in text:
        return None
    code = text.partition("```python")[2].partition("```")[0] if "```python" in text else text
    tree = parsed(code.replace("```", "").strip())
    if tree is None:
        return None
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    returned = [
        node.value
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Return) and node.value is not None
    ]
    if not returned:
        return None
    decides = any(isinstance(node, ast.If | ast.IfExp) for node in ast.walk(tree))
    if decides and all(_is_truth(value) for value in returned):
        return True  # `return True` after a condition on the input is an answer that computes
    return not all(_given(value) for value in returned)


def _is_truth(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, bool)


def _given(value: ast.expr) -> bool:
    """Whether an expression is a constant, or an entry of a table of constants."""
    if isinstance(value, ast.Subscript):
        return _literal(value.value)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        return value.func.attr == "get" and _literal(value.func.value)
    return _literal(value)


def _literal(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError):
        return False
    return True
