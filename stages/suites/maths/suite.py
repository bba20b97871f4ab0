r"""MATH as a guard: the paper's few-shot prompt for short answers, or a chat that asks for a box.

Source: Hendrycks et al. (2021), arXiv:2103.03874; data hendrycks/math (MIT).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from stages.agent.chat import Message
from stages.agent.sandbox import Sandbox
from stages.suites.completions import without_thoughts
from stages.suites.guard import GuardError, GuardParams, GuardProblem, check_style
from stages.suites.maths.boxed import last_boxed, stated_answer
from stages.suites.maths.canonical import canonical
from stages.suites.maths.compare import is_equal
from stages.suites.maths.examples import paper_prompt
from stages.suites.maths.values import Number, read_answer
from stages.suites.maths.worker import AlgebraWorker
from stages.suites.rows import HubSet, Row, check_count, load_rows, need

SUBJECTS = (
    "algebra",
    "counting_and_probability",
    "geometry",
    "intermediate_algebra",
    "number_theory",
    "prealgebra",
    "precalculus",
)
HUB = HubSet("EleutherAI/hendrycks_math", SUBJECTS, ("test",))
LEVEL, COUNT = "Level 2", 894
_END = re.compile(r"(?<!\\)\$|###|\n")
"""Where the paper ends an answer; an escaped dollar is money, and its tokens never ended there."""
INSTRUCTION = "{problem}\n\nReason step by step, and put your final answer within \\boxed{{}}."


class Maths:
    """The problems of level 2 with their prompts and grader. A context manager."""

    name = "maths"

    def __init__(self, rows: Sequence[Row], worker: AlgebraWorker | None = None) -> None:
        """Problems of level 2 among the published test rows; GuardError when one is missing."""
        chosen = [(n, row) for n, row in enumerate(rows, 1) if row.get("level", LEVEL) == LEVEL]
        self._problems = [_problem(row, n) for n, row in chosen]
        check_count({p.problem_id for p in self._problems}, COUNT, f"MATH test, {LEVEL}")
        self.worker = worker or AlgebraWorker()

    @classmethod
    def load(cls, params: GuardParams) -> Maths:
        """The guard that ``params`` describe."""
        if params.subset != "level2":
            raise GuardError(f"subset {params.subset!r} of maths doesn't exist; use level2.")
        return cls(load_rows(params.path, HUB, params.revision))

    def __enter__(self) -> Maths:
        return self

    def __exit__(self, *exception: object) -> None:
        self.worker.close()

    def problems(self) -> Sequence[GuardProblem]:
        return self._problems

    def messages(self, problem: GuardProblem, style: str) -> list[Message]:
        check_style(style)
        if style == "chat":
            text = INSTRUCTION.format(problem=problem.prompt)
        else:
            text = paper_prompt(problem.prompt)
        return [{"role": "user", "content": text}]

    def answer(self, completion: str, style: str) -> str | None:
        """The final answer that a completion gives; None when it gives none."""
        check_style(style)
        text = without_thoughts(completion)
        if style == "paper":
            return _END.split(text.strip().removeprefix("$"))[0].strip() or None
        return stated_answer(text)

    def grade(
        self, sandbox: Sandbox, problem: GuardProblem, completion: str, style: str = "chat"
    ) -> bool:
        """Whether the answer given is the true one. Nothing of it is run, in or out of a sandbox.

        An expression copied from the question is no answer, even where it equals the truth.
        """
        del sandbox
        answer = self.answer(completion, style)
        if answer is None or not is_equal(answer, problem.answer, self.worker):
            return False
        return not _is_copied(answer, problem)

    def grade_all(
        self, sandbox: Sandbox, answers: Sequence[tuple[GuardProblem, str]], style: str = "chat"
    ) -> list[bool]:
        return [self.grade(sandbox, problem, text, style) for problem, text in answers]


def _problem(row: Row, number: int) -> GuardProblem:
    need(row, ("problem", "level", "type", "solution"), f"MATH row {number}")
    answer = last_boxed(row["solution"])
    if answer is None:
        raise GuardError(f"MATH row {number}: its solution holds no \\boxed. Fetch it again.")
    return GuardProblem(
        problem_id=f"{row['type']}/{row.get('idx', number)}",
        category=row["type"],
        prompt=row["problem"],
        reference=row["solution"],
        answer=answer,
    )


def _is_copied(answer: str, problem: GuardProblem) -> bool:
    """Whether an answer that the truth spells otherwise stands in the question as it is."""
    given, truth = (canonical(text).replace(" ", "") for text in (answer, problem.answer))
    if given == truth or _is_plain(answer):
        return False
    question = canonical(problem.prompt, limit=None).replace(" ", "")
    return given in question


def _is_plain(answer: str) -> bool:
    value = read_answer(answer)
    return isinstance(value, Number) and "/" not in answer and "frac" not in answer
