r"""The judge of maths answers: what ``answer:`` or ``\boxed`` states, compared exactly.

Strict: without a stated answer, or with two that differ, an answer is wrong, whatever else it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from stages.agent.sandbox import Sandbox
from stages.suites.completions import without_thoughts
from stages.suites.guard import GuardProblem
from stages.suites.items import Item, Judged
from stages.suites.judge import is_right
from stages.suites.maths.boxed import stated_answer
from stages.suites.maths.suite import Maths
from stages.suites.reckoning.answers import read_said

NO_SANDBOX = cast(Sandbox, None)
"""MATH's grader takes a sandbox as every guard's does, and uses none: it runs nothing."""


class ReckoningJudge:
    """Judges generated problems, and with ``maths`` open rows of MATH too."""

    def __init__(self, maths: Maths | None = None) -> None:
        """``maths`` decides what exact numbers and texts leave open, such as algebra."""
        self.maths = maths

    def judge(self, pairs: Sequence[tuple[Item, str]]) -> list[Judged]:
        """One verdict per (item, answer), in their order. Nothing of an answer is run."""
        return [self._judged(item, without_thoughts(text)) for item, text in pairs]

    def _judged(self, item: Item, text: str) -> Judged:
        problem = item.payload if isinstance(item.payload, GuardProblem) else None
        said = read_said(text).answer if problem is None else stated_answer(text)
        if said is None:
            return Judged(False, False, "states no answer, or several")
        right = any(is_right(said, truth) for truth in (item.answer, *item.accepted))
        if not right and problem is not None and self.maths is not None:
            right = self.maths.grade(NO_SANDBOX, problem, text)
        return Judged(right, right, "" if right else f"states {said[:40]}")
