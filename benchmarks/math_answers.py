"""Our comparison of MATH answers against math-verify's, on the golden set: errors and time.

Both judge every pair of tests/golden/math_answers.jsonl in one process each, one after the other;
a peer that doesn't answer within ``PATIENCE_S`` is ended, which counts as 'not the same'. Wall
seconds, without the start. ``python -m benchmarks.math_answers`` names every
pair that either judges otherwise than the golden set.
"""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from stages.records import read_jsonl
from stages.suites.maths import AlgebraWorker, is_equal

COMMAND = "python -m benchmarks.math_answers"
GOLDEN = Path("tests/golden/math_answers.jsonl")
PATIENCE_S = 60.0
Judge = Callable[[str, str], bool]


def measure() -> list[dict[str, Any]]:
    """One row: math-verify's time over ours, and the errors of both."""
    pairs = read_jsonl(GOLDEN, dict)
    with ours() as judge:
        own, own_s = judged(judge, pairs)
    with peer() as judge:
        their, their_s = judged(judge, pairs)
    return [
        {
            "name": "MATH answers judged/s",
            "ratio": their_s / own_s,
            "lo": None,
            "hi": None,
            "peer": "math-verify's parse and verify",
            "command": COMMAND,
            "pairs": len(pairs),
            "our_false_positives": len(errors(own, pairs, True)),
            "our_false_negatives": len(errors(own, pairs, False)),
            "their_false_positives": len(errors(their, pairs, True)),
            "their_false_negatives": len(errors(their, pairs, False)),
            "our_seconds": own_s,
            "their_seconds": their_s,
        }
    ]


def judged(judge: Judge, pairs: list[dict[str, Any]]) -> tuple[list[bool], float]:
    """The verdicts, and the wall seconds that they took."""
    judge("x+1", "1+x")
    began = time.perf_counter()
    verdicts = [judge(pair["answer"], pair["truth"]) for pair in pairs]
    return verdicts, time.perf_counter() - began


def errors(verdicts: list[bool], pairs: list[dict[str, Any]], positive: bool) -> list[dict]:
    """False positives, or false negatives."""
    return [
        pair
        for pair, verdict in zip(pairs, verdicts, strict=True)
        if verdict != pair["right"] and verdict == positive
    ]


@contextlib.contextmanager
def ours() -> Iterator[Judge]:
    with AlgebraWorker() as worker:
        yield lambda answer, truth: is_equal(answer, truth, worker)


@contextlib.contextmanager
def peer() -> Iterator[Judge]:
    """math-verify in a process of its own, replaced when it hangs."""
    held: list[subprocess.Popen[str]] = []

    def stop() -> None:
        for process in held:
            process.kill()
            process.communicate()
        held.clear()

    def judge(answer: str, truth: str) -> bool:
        if not held:
            command = [sys.executable, "-m", "benchmarks.math_answers", "--serve"]
            held.append(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
        process = held[0]
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps([answer, truth]) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE_S)
        line = process.stdout.readline() if ready else ""
        if not line:
            stop()
        return line.strip() == "true"

    try:
        yield judge
    finally:
        stop()


def serve() -> None:
    """Judge pairs from stdin by math-verify, each answer in the box that its parser looks for."""
    import logging

    from math_verify import parse, verify  # pyright: ignore[reportMissingImports]

    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        answer, truth = json.loads(line)
        same = verify(parse(f"\\boxed{{{truth}}}"), parse(f"\\boxed{{{answer}}}"))
        print(json.dumps(bool(same)), flush=True)


def main() -> None:
    """Print each disagreement with the golden set, and the totals."""
    if "--serve" in sys.argv:
        serve()
        return
    pairs = read_jsonl(GOLDEN, dict)
    for name, opened in (("ours", ours), ("math-verify", peer)):
        with opened() as judge:
            verdicts, seconds = judged(judge, pairs)
        for positive, kind in ((True, "false positive"), (False, "false negative")):
            found = errors(verdicts, pairs, positive)
            for pair in found:
                print(f"{name}, {kind}: {pair['answer']} for {pair['truth']} ({pair['why']})")
            print(f"{name}: {len(found)} {kind}s of {len(pairs)} pairs, {seconds:.1f} s")


if __name__ == "__main__":
    main()
