"""The guards on their real rows: what is published passes, what computes nothing fails."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import pytest

from stages.agent.model import Completion, Request
from stages.agent.sandbox import Sandbox, SandboxConfig, SandboxUnavailable, open_sandbox
from stages.stats.rates import pass_at_k
from stages.suites.guard import GuardError, GuardProblem, counts, run_guard
from stages.suites.guards import GUARDS, open_guard
from stages.suites.humaneval import HumanEval
from stages.suites.maths import Maths
from stages.suites.mbpp import Mbpp
from tests.suites.real_guards import real_params


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Patient: MBPP's reference for task 123 alone computes for seconds."""
    try:
        opened = open_sandbox(SandboxConfig(workers=1, cpu_seconds=60, wall_seconds=300.0))
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with opened:
        yield opened


@pytest.fixture(scope="module")
def humaneval() -> HumanEval:
    return HumanEval.load(real_params("humaneval", "all"))


@pytest.fixture(scope="module")
def mbpp() -> Mbpp:
    return Mbpp.load(real_params("mbpp", "sanitized"))


@pytest.fixture(scope="module")
def maths() -> Iterator[Maths]:
    with Maths.load(real_params("maths", "level2")) as guard:
        yield guard


def failed(problems: Sequence[GuardProblem], passed: Sequence[bool]) -> list[str]:
    return [p.problem_id for p, ok in zip(problems, passed, strict=True) if not ok]


def test_humaneval_references_pass_and_stubs_fail(humaneval: HumanEval, sandbox: Sandbox) -> None:
    problems = humaneval.problems()
    as_paper = [
        (p, f"{p.reference}\n\nprint('no part of it: a stop comes before'\n") for p in problems
    ]
    assert failed(problems, humaneval.grade_all(sandbox, as_paper, "paper")) == []
    as_chat = [(p, f"Here:\n```python\n{p.prompt}{p.reference}```\nIt works.") for p in problems]
    assert failed(problems, humaneval.grade_all(sandbox, as_chat, "chat")) == []
    body = [(p, f"```python\n{p.reference}```") for p in problems]
    assert failed(problems, humaneval.grade_all(sandbox, body, "chat")) == []
    for style in ("paper", "chat"):
        for stub in ("    pass\n", ""):
            passed = humaneval.grade_all(sandbox, [(p, stub) for p in problems], style)
            assert not any(passed), (style, stub)


def test_mbpp_references_pass_and_stubs_fail(mbpp: Mbpp, sandbox: Sandbox) -> None:
    """None of the 427 is broken: no id is left out."""
    problems = mbpp.problems()
    answers = [(p, f"{p.reference}\n[DONE]\nnot python (") for p in problems]
    assert failed(problems, mbpp.grade_all(sandbox, answers, "paper")) == []
    stubs = [(p, f"```python\ndef {p.entry_point}(*args):\n    pass\n```") for p in problems]
    assert not any(mbpp.grade_all(sandbox, stubs, "chat"))


def test_mbpp_full_references_pass(sandbox: Sandbox) -> None:
    """None of the 974 is broken either."""
    guard = Mbpp.load(real_params("mbpp", "full"))
    answers = [(p, p.reference) for p in guard.problems()]
    assert failed(guard.problems(), guard.grade_all(sandbox, answers, "paper")) == []


def test_maths_solutions_pass_and_the_next_problem_s_fail(maths: Maths, sandbox: Sandbox) -> None:
    problems = maths.problems()
    answers = [(p, p.reference) for p in problems]
    assert failed(problems, maths.grade_all(sandbox, answers, "chat")) == []
    short = [(p, f"{p.answer}$\n###\nProblem: 1") for p in problems]
    assert failed(problems, maths.grade_all(sandbox, short, "paper")) == []
    numbers = [p for p in problems if p.answer.isdigit()]
    moved = [(p, f"\\boxed{{{int(p.answer) + 1}}}") for p in numbers]
    assert len(numbers) > 400 and not any(maths.grade_all(sandbox, moved, "chat"))
    assert not any(maths.grade_all(sandbox, [(p, "I don't know.") for p in problems], "chat"))


def test_an_expression_copied_from_the_question_is_no_answer(
    maths: Maths, sandbox: Sandbox
) -> None:
    problem = dataclasses.replace(
        maths.problems()[0], prompt=r"Simplify $\frac{84}{144}$.", answer=r"\frac{7}{12}"
    )
    assert not maths.grade(sandbox, problem, r"\boxed{\frac{84}{144}}")
    assert maths.grade(sandbox, problem, r"\boxed{\frac{14}{24}}")


@pytest.mark.parametrize(("kind", "subset"), [("humaneval", "all"), ("mbpp", "sanitized")])
def test_prompts_ask_for_the_function_and_never_show_its_solution(kind: str, subset: str) -> None:
    guard = open_guard(real_params(kind, subset))
    for problem in guard.problems():
        for style in ("paper", "chat"):
            (message,) = guard.messages(problem, style)
            assert problem.prompt.strip() in message["content"]
            assert problem.reference not in message["content"], (problem.problem_id, style)
    with pytest.raises(GuardError, match="paper, chat"):
        guard.messages(guard.problems()[0], "terse")


def test_paper_prompts_are_the_papers(humaneval: HumanEval, mbpp: Mbpp, maths: Maths) -> None:
    first = humaneval.problems()[0]
    assert humaneval.messages(first, "paper")[0]["content"] == first.prompt
    by_id = {problem.problem_id: problem for problem in mbpp.problems()}
    text = mbpp.messages(by_id["11"], "paper")[0]["content"]
    assert text.startswith("You are an expert Python programmer, and here is your task: Write")
    examples = text.split("[DONE]\n")
    assert len(examples) == 4 and examples[-1].endswith("[BEGIN]\n")
    for example, name in zip(examples, ("2", "3", "4", "11"), strict=True):
        assert by_id[name].prompt in example and by_id[name].shown[0] in example
    assert by_id["3"].reference not in mbpp.messages(by_id["3"], "paper")[0]["content"]
    asked = maths.messages(maths.problems()[0], "paper")[0]["content"]
    assert asked.count("Problem: ") == 8 and asked.endswith(
        f"{maths.problems()[0].prompt}\nAnswer: $"
    )


class Scripted:
    """A model that knows the reference of every second sample."""

    def __init__(self, solutions: dict[str, str]) -> None:
        self.solutions, self.asked = solutions, []

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.asked += requests
        texts = [
            self.solutions[request.messages[-1]["content"]] if n % 2 else "no idea"
            for n, request in enumerate(requests)
        ]
        return [Completion(text, 9, 0, 5, 0.0, "stop") for text in texts]


def test_a_run_gives_rows_that_pass_at_k_takes(humaneval: HumanEval, sandbox: Sandbox) -> None:
    params = dataclasses.replace(
        real_params("humaneval", "all"), samples=2, temperature=0.8, style="paper"
    )
    model = Scripted({p.prompt: p.reference for p in humaneval.problems()})
    rows = run_guard(humaneval, model, sandbox, params, adapter="x", seed=1)
    assert len(rows) == 328 and [row["passed"] for row in rows] == [False, True] * 164
    assert len({request.seed for request in model.asked}) == 328
    assert {request.adapter for request in model.asked} == {"x"}
    samples, correct = counts(rows)
    assert pass_at_k(samples, correct, 1).value == 0.5  # type: ignore[union-attr]
    assert pass_at_k(samples, correct, 2).value == 1.0  # type: ignore[union-attr]


def test_guards_are_named_as_their_kind() -> None:
    assert set(GUARDS) == {"humaneval", "mbpp", "maths"}
