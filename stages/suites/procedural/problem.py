"""One procedural problem, its cases, and the test program that grades an answer."""

from __future__ import annotations

import dataclasses
from typing import Any

SPLITS = ("train", "val", "test")


class ProblemError(ValueError):
    """A problem can't be made as asked; the message names the argument and the remedy."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One call and its result: ``entry_point(*args) == expected``."""

    args: tuple[Any, ...]
    expected: Any


@dataclasses.dataclass(frozen=True)
class Problem:
    """One problem: what the model reads, what it should write, and how an answer is judged."""

    problem_id: str
    """Kind, difficulty, digest of the function asked for, digest of the prompt; joined by ``-``."""
    kind: str
    """One of ``KINDS``."""
    difficulty: int
    """1 to 10; more means more operations or conditions."""
    prompt: str
    """The user's message, at most about 40 word tokens."""
    entry_point: str
    """Name of the function to write."""
    solution: str
    """Reference program, at most about 60 word tokens."""
    visible: tuple[Case, ...]
    """Cases a loop may verify against; their expected values are pairwise distinct (check 29)."""
    hidden: tuple[Case, ...]
    """Cases with other inputs, for grading only."""
    buggy: tuple[str, ...]
    """Plausible wrong programs, each failing at least one case."""


def test_program(problem: Problem) -> str:
    """Text of a HumanEval-style ``check(candidate)`` over visible, then hidden cases.

    A result must equal the expected value and have its type, so that an object whose ``__eq__``
    says yes to everything doesn't pass.
    """
    rows = "".join(
        f"        ({case.args!r}, {case.expected!r}),\n"
        for case in (*problem.visible, *problem.hidden)
    )
    return (
        "def check(candidate):\n"
        f"    cases = [\n{rows}    ]\n"
        "    for args, expected in cases:\n"
        "        result = candidate(*args)\n"
        "        assert type(result) is type(expected) and result == expected, args\n"
    )


test_program.__test__ = False  # type: ignore[attr-defined]  # pytest collects names like this one
