"""HumanEval as a guard: the paper's bare completion, or a chat that asks for the whole function.

Source: Chen et al. (2021), arXiv:2107.03374; data openai/human-eval (MIT).
"""

from __future__ import annotations

from collections.abc import Sequence

from stages.agent.chat import Message
from stages.agent.sandbox import Sandbox
from stages.suites.completions import code_of, cut_at, defines, joined
from stages.suites.guard import GuardError, GuardParams, GuardProblem, check_style
from stages.suites.rows import HubSet, Row, check_count, load_rows, need

HUB = HubSet("openai/openai_humaneval", ("openai_humaneval",), ("test",))
COUNT = 164
STOPS = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
"""Where the paper ends a sample (section 2.2): what follows the function isn't part of it."""
INSTRUCTION = (
    "Complete this Python function. Answer with the whole function, with its imports, in one "
    "code block.\n\n```python\n{prompt}```"
)


class HumanEval:
    """The 164 problems with their prompts and grader."""

    name = "humaneval"

    def __init__(self, rows: Sequence[Row]) -> None:
        """Problems from the published rows; GuardError when a field or a problem is missing."""
        self._problems = [_problem(row, f"HumanEval row {n}") for n, row in enumerate(rows, 1)]
        check_count({p.problem_id for p in self._problems}, COUNT, "HumanEval")

    @classmethod
    def load(cls, params: GuardParams) -> HumanEval:
        """The guard that ``params`` describe."""
        if params.subset != "all":
            raise GuardError(f"subset {params.subset!r} of humaneval doesn't exist; use all.")
        return cls(load_rows(params.path, HUB, params.revision))

    def problems(self) -> Sequence[GuardProblem]:
        return self._problems

    def messages(self, problem: GuardProblem, style: str) -> list[Message]:
        check_style(style)
        chat = INSTRUCTION.format(prompt=problem.prompt)
        return [{"role": "user", "content": problem.prompt if style == "paper" else chat}]

    def program(self, problem: GuardProblem, completion: str, style: str) -> str:
        """The program that a completion stands for.

        Paper: the prompt continued, up to the first stop. Chat: the function in the answer's code
        block, behind the prompt with its imports and helpers; a block that holds only the body
        continues the prompt.
        """
        check_style(style)
        if style == "paper":
            return problem.prompt + cut_at(completion, STOPS)
        code = code_of(completion, problem.entry_point)
        if defines(code, problem.entry_point):
            return joined(problem.prompt, code)
        return problem.prompt + code

    def grade(
        self, sandbox: Sandbox, problem: GuardProblem, completion: str, style: str = "chat"
    ) -> bool:
        return self.grade_all(sandbox, [(problem, completion)], style)[0]

    def grade_all(
        self, sandbox: Sandbox, answers: Sequence[tuple[GuardProblem, str]], style: str = "chat"
    ) -> list[bool]:
        items = [
            (self.program(problem, text, style), problem.test, problem.entry_point)
            for problem, text in answers
        ]
        return [result.passed for result in sandbox.map_check(items)]


def _problem(row: Row, where: str) -> GuardProblem:
    need(row, ("task_id", "prompt", "canonical_solution", "test", "entry_point"), where)
    return GuardProblem(
        problem_id=row["task_id"],
        category="",
        prompt=row["prompt"],
        reference=row["canonical_solution"],
        entry_point=row["entry_point"],
        test=row["test"],
    )
