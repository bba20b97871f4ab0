"""One maths problem with its reasoning, and plausible wrong solutions of it."""

from __future__ import annotations

import dataclasses
from random import Random

from stages.suites.reckoning.steps import Form, Step, answer_of, reasoning_of, values_of_steps

PARTS = ("train", "val", "test")
TRIES = 40
_SIBLINGS = {"plus": ("minus", "times"), "minus": ("plus",), "times": ("plus",), "over": ("minus",)}


class ReckoningError(ValueError):
    """Problems can't be had as asked; the message names the argument and the remedy."""


@dataclasses.dataclass(frozen=True)
class Solution:
    """Reasoning and answer, right or wrong."""

    reasoning: str
    """One or two lines."""
    answer: str
    """A whole number or a fraction, ``12`` or ``3/8``."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """One generated maths problem."""

    problem_id: str
    """Subject, difficulty and digest of what is computed; joined by ``-``."""
    part: str
    """``train``, ``val`` or ``test``: decided by what is computed."""
    subject: str
    """One of ``SUBJECTS``."""
    difficulty: int
    """1 to 5; more means more steps or larger numbers."""
    prompt: str
    """The question in words."""
    steps: tuple[Step, ...]
    """What is computed."""
    form: Form
    """How the answer comes from the steps."""

    @property
    def solution(self) -> Solution:
        """The right solution."""
        made = _solution(self.steps, self.form)
        if made is None:
            raise ReckoningError(f"{self.problem_id}: its steps can't be computed. Draw another.")
        return made


def wrong_solution(problem: Problem, rng: Random, kind: str | None = None) -> Solution:
    """A solution that is consistent in itself and has another answer than the right one.

    ``kind`` is one of ``SLIPS``; None draws one. Where that kind comes to nothing, a
    miscalculation stands in for it.
    """
    right = problem.solution.answer
    for attempt in range(TRIES):
        name = kind or rng.choice(list(SLIPS))
        slip = SLIPS[name] if attempt < TRIES // 2 else _calculation
        steps = slip(problem.steps, problem.form, rng)
        made = None if steps is None else _solution(steps, problem.form)
        if made is not None and made.answer != right:
            return made
    raise ReckoningError(f"{problem.problem_id}: no wrong solution found. Draw another problem.")


def _solution(steps: tuple[Step, ...], form: Form) -> Solution | None:
    values = values_of_steps(steps)
    answer = None if values is None else answer_of(form, values)
    if values is None or answer is None:
        return None
    return Solution(reasoning_of(steps, values), answer)


def _calculation(steps: tuple[Step, ...], form: Form, rng: Random) -> tuple[Step, ...] | None:
    """A result off by a little, or by ten."""
    del form
    return _changed(steps, rng, lambda step: step._replace(off=rng.choice((-10, -2, -1, 1, 2, 10))))


def _operand(steps: tuple[Step, ...], form: Form, rng: Random) -> tuple[Step, ...] | None:
    """A number read wrong by one."""
    del form

    def change(step: Step) -> Step:
        shift = rng.choice((-1, 1))
        if isinstance(step.right, int):
            return step._replace(right=max(0, step.right + shift))
        return step if not isinstance(step.left, int) else step._replace(left=step.left + shift)

    return _changed(steps, rng, change)


def _operation(steps: tuple[Step, ...], form: Form, rng: Random) -> tuple[Step, ...] | None:
    """An operation taken for another."""
    del form
    return _changed(steps, rng, lambda step: step._replace(op=rng.choice(_SIBLINGS[step.op])))


def _forgotten(steps: tuple[Step, ...], form: Form, rng: Random) -> tuple[Step, ...] | None:
    """The last step left out; not where the answer is made of several."""
    del rng
    return steps[:-1] if len(steps) > 1 and form == Form() else None


SLIPS = {
    "calculation": _calculation,
    "operand": _operand,
    "operation": _operation,
    "forgotten": _forgotten,
}
"""Kinds of mistakes by name."""


def _changed(steps, rng, change):  # type: ignore[no-untyped-def]
    index = rng.randrange(len(steps))
    return (*steps[:index], change(steps[index]), *steps[index + 1 :])
