"""Capability guards: public problem sets that have nothing to do with the sessions learned from.

A model that got better at its repository and worse at these has paid for it. HumanEval, MBPP and
MATH share one Protocol; ``open_guard`` (in ``guards.py``) gives the one that parameters name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol

from stages.agent.chat import Message
from stages.agent.model import Model, Request
from stages.agent.sandbox import Sandbox
from stages.params import GuardParams
from stages.records import UserError

STYLES = ("paper", "chat")


class GuardError(UserError):
    """A guard can't be had as asked; the message names file, row or parameter and the remedy."""


@dataclasses.dataclass(frozen=True)
class GuardProblem:
    """One problem. Fields that its set doesn't have are empty."""

    problem_id: str
    """the data set's own id"""
    category: str
    """subject (MATH) or part of the data set (MBPP)"""
    prompt: str
    """the question as the data set has it"""
    reference: str
    """the data set's own solution: a program, or a worked solution"""
    entry_point: str = ""
    """name of the function to write"""
    shown: tuple[str, ...] = ()
    """asserts that the prompt shows (MBPP)"""
    test: str = ""
    """program that defines check(candidate)"""
    answer: str = ""
    """the true answer (MATH)"""


class Guard(Protocol):
    """A problem set with its prompts and its grader."""

    name: str

    def problems(self) -> Sequence[GuardProblem]:
        """Every problem, in the data set's order; their number is checked on loading."""
        ...

    def messages(self, problem: GuardProblem, style: str) -> list[Message]:
        """The chat that asks for a solution."""
        ...

    def grade(
        self, sandbox: Sandbox, problem: GuardProblem, completion: str, style: str = "chat"
    ) -> bool:
        """Whether the completion solves the problem; programs run inside the sandbox only."""
        ...

    def grade_all(
        self, sandbox: Sandbox, answers: Sequence[tuple[GuardProblem, str]], style: str = "chat"
    ) -> list[bool]:
        """``grade`` of every (problem, completion), on all workers, order kept."""
        ...


def check_style(style: str) -> None:
    """GuardError for a style that doesn't exist."""
    if style not in STYLES:
        raise GuardError(f"style {style!r} doesn't exist; use one of {', '.join(STYLES)}.")


def run_guard(
    guard: Guard,
    model: Model,
    sandbox: Sandbox,
    params: GuardParams,
    adapter: str | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """``samples`` graded answers to every problem, one row each, problem by problem.

    Rows hold problem_id, kind (its category, else the guard's name), sample (0-based), passed,
    tokens (written) and finish.
    """
    owners = [(p, n) for p in guard.problems() for n in range(params.samples)]
    requests = [
        Request(
            messages=tuple(guard.messages(problem, params.style)),
            adapter=adapter,
            temperature=params.temperature,
            max_new_tokens=params.max_new_tokens,
            seed=(seed * 1009 + sample) * 100_003 + number // params.samples,
            key=(guard.name, problem.problem_id, sample, seed),
        )
        for number, (problem, sample) in enumerate(owners)
    ]
    completions = model.complete(requests)
    answers = [(p, done.text) for (p, _), done in zip(owners, completions, strict=True)]
    passed = guard.grade_all(sandbox, answers, params.style)
    return [
        {
            "problem_id": problem.problem_id,
            "kind": problem.category or guard.name,
            "sample": sample,
            "passed": ok,
            "tokens": completion.output_tokens,
            "finish": completion.finish,
        }
        for (problem, sample), completion, ok in zip(owners, completions, passed, strict=True)
    ]


def counts(rows: Sequence[dict[str, Any]]) -> tuple[list[int], list[int]]:
    """Samples and passed samples per problem: what ``stages.stats.rates.pass_at_k`` takes.

    >>> counts([{"problem_id": "a", "passed": True}, {"problem_id": "a", "passed": False}])
    ([2], [1])
    """
    samples: dict[str, int] = {}
    correct: dict[str, int] = {}
    for row in rows:
        name = row["problem_id"]
        samples[name] = samples.get(name, 0) + 1
        correct[name] = correct.get(name, 0) + bool(row["passed"])
    return list(samples.values()), list(correct.values())
