"""Maths as items for loops: generated ones, and MATH level 2."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence

from stages.suites.guard import GuardParams, GuardProblem
from stages.suites.items import Item, Part
from stages.suites.maths.suite import INSTRUCTION, Maths
from stages.suites.reckoning.answers import answer_text, ask
from stages.suites.reckoning.generate import DIFFICULTIES, make_problems
from stages.suites.reckoning.problem import Problem
from stages.suites.reckoning.subjects import SUBJECTS

SIZES: dict[Part, int] = {"train": 600, "val": 150, "test": 240}
"""Problems of each part; a balanced test of 240 has 40 of each subject."""
WORKED_CONFIDENCE = 100
"""Per cent that a worked answer states where the question asks for it: it is right."""
MATH_CONFIDENCE = (
    " After it write a last line `confidence: ` with how sure you are of the answer, a whole "
    "number from 0 to 100."
)
MATH_TENTHS: dict[Part, range] = {"train": range(5), "val": range(5, 6), "test": range(6, 10)}
"""Tenths of MATH's problems, by a hash of their names, that each part takes."""


@dataclasses.dataclass(frozen=True)
class ReckoningSource:
    """Generated problems; the same settings give the same items."""

    sizes: Mapping[Part, int] = dataclasses.field(default_factory=lambda: dict(SIZES))
    """problems of each part; a part that isn't named has none"""
    seed: int = 0
    """decides which problems"""
    subjects: tuple[str, ...] = tuple(SUBJECTS)
    """subjects, in equal numbers"""
    difficulties: tuple[int, ...] = DIFFICULTIES
    """difficulties, in equal numbers"""
    confidence: bool = False
    """whether the question asks for a stated confidence"""
    full: bool = False
    """whether the question explains the form of the answer, for models that haven't learned it"""

    def items(self, part: Part) -> Sequence[Item]:
        """The part's problems, subjects and difficulties in turn."""
        count = self.sizes.get(part, 0)
        if not count:
            return []
        problems = make_problems(part, count, self.seed, self.subjects, self.difficulties)
        return [self._item(problem, part) for problem in problems]

    def _item(self, problem: Problem, part: Part) -> Item:
        solution = problem.solution
        sure = WORKED_CONFIDENCE if self.confidence else None
        return Item(
            item_id=problem.problem_id,
            part=part,
            group=problem.subject,
            difficulty=problem.difficulty,
            prompt=ask(problem.prompt, self.confidence, self.full),
            answer=solution.answer,
            reasoning=answer_text(solution.reasoning, solution.answer, sure),
        )


class MathSource:
    """MATH level 2 (894 problems), cut into parts by the hash of their names."""

    def __init__(self, params: GuardParams, confidence: bool = False) -> None:
        """``params`` as the guard's; ``confidence``: ask for a stated one."""
        self.params, self.confidence = params, confidence

    def items(self, part: Part) -> Sequence[Item]:
        """The part's problems in the data set's order; ``payload`` is the guard's problem."""
        mine = MATH_TENTHS.get(part, range(0))
        return [self._item(p, part) for p in self._problems if _tenth(p.problem_id) in mine]

    @functools.cached_property
    def _problems(self) -> Sequence[GuardProblem]:
        with Maths.load(self.params) as maths:
            return maths.problems()

    def _item(self, problem: GuardProblem, part: Part) -> Item:
        prompt = INSTRUCTION.format(problem=problem.prompt)
        sure = f"\nconfidence: {WORKED_CONFIDENCE}" if self.confidence else ""
        return Item(
            item_id=problem.problem_id,
            part=part,
            group=problem.category,
            difficulty=2,
            prompt=prompt + MATH_CONFIDENCE if self.confidence else prompt,
            answer=problem.answer,
            reasoning=problem.reference + sure,
            payload=problem,
        )


def _tenth(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 10
