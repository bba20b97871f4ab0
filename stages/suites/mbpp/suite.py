"""MBPP as a guard: the paper's three-shot prompt, or a chat; sanitized (427) or full (974).

Source: Austin et al. (2021), arXiv:2108.07732; data google-research `mbpp/` (CC-BY-4.0).
"""

from __future__ import annotations

from collections.abc import Sequence

from stages.agent.chat import Message
from stages.agent.sandbox import Sandbox
from stages.suites.completions import code_of, cut_at, without_thoughts
from stages.suites.guard import GuardError, GuardParams, GuardProblem, check_style
from stages.suites.mbpp.problem import read_problem
from stages.suites.rows import HubSet, Row, check_count, load_rows

DATASET = "google-research-datasets/mbpp"
SPLITS = ("prompt", "test", "validation", "train")
COUNTS = {"sanitized": 427, "full": 974}
SHOTS = 3
FIRST_SHOT = 2
"""The paper's examples are the tasks 2, 3 and 4; a problem is never its own example."""
TASK = (
    "You are an expert Python programmer, and here is your task: {prompt} Your code should pass "
    "these tests:\n\n{tests}\n"
)
STOP = "[DONE]"
CHAT = TASK + "\nAnswer with the program in one code block."


class Mbpp:
    """The problems of one version with their prompts and grader."""

    name = "mbpp"

    def __init__(self, rows: Sequence[Row], subset: str) -> None:
        """Problems from the published rows; GuardError when one is missing or broken."""
        _check_subset(subset)
        problems = [read_problem(row, f"MBPP row {n}") for n, row in enumerate(rows, 1)]
        self._problems = sorted(problems, key=lambda problem: int(problem.problem_id))
        check_count({p.problem_id for p in self._problems}, COUNTS[subset], f"MBPP {subset}")

    @classmethod
    def load(cls, params: GuardParams) -> Mbpp:
        """The guard that ``params`` describe."""
        _check_subset(params.subset)
        hub = HubSet(DATASET, (params.subset,), SPLITS)
        return cls(load_rows(params.path, hub, params.revision), params.subset)

    def problems(self) -> Sequence[GuardProblem]:
        return self._problems

    def messages(self, problem: GuardProblem, style: str) -> list[Message]:
        check_style(style)
        tests = "\n".join(problem.shown)
        if style == "chat":
            text = CHAT.format(prompt=problem.prompt, tests=tests)
        else:
            shots = [_shot(shot) + f"{shot.reference}\n{STOP}\n" for shot in self._shots(problem)]
            text = "".join([*shots, _shot(problem)])
        return [{"role": "user", "content": text}]

    def program(self, problem: GuardProblem, completion: str, style: str) -> str:
        """The program that a completion stands for: up to the paper's [DONE], or in the fences."""
        check_style(style)
        if style == "chat":
            return code_of(completion, problem.entry_point)
        return cut_at(without_thoughts(completion), (STOP,)).removeprefix("[BEGIN]").lstrip("\n")

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

    def _shots(self, problem: GuardProblem) -> list[GuardProblem]:
        others = [
            other
            for other in self._problems
            if int(other.problem_id) >= FIRST_SHOT and other.problem_id != problem.problem_id
        ]
        return others[:SHOTS]


def _shot(problem: GuardProblem) -> str:
    asked = TASK.format(prompt=problem.prompt, tests="\n".join(problem.shown))
    return f"{asked}[BEGIN]\n"


def _check_subset(subset: str) -> None:
    if subset not in COUNTS:
        names = " or ".join(COUNTS)
        raise GuardError(f"subset {subset!r} of mbpp doesn't exist; use {names}.")
