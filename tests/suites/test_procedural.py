from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from functools import lru_cache
from statistics import mean

import pytest

from stages.suites.procedural import (
    KINDS,
    Problem,
    ProblemError,
    corpus_document,
    make_problem,
    make_problems,
    split_of,
    test_program,
)
from stages.suites.procedural.cases import call, fails
from stages.suites.procedural.central import OPERATIONS
from stages.suites.procedural.inputs import probes
from stages.suites.procedural.kinds import KIND_TABLE, draw_draft
from tests.suites.prompt_reader import solve

WORD_TOKEN = re.compile(r" ?\w+|[^\w\s]+|\n\s*")
SPLITS = ("train", "val", "test")


def tokens(text: str) -> int:
    return len(WORD_TOKEN.findall(text))


@lru_cache
def problems(split: str) -> tuple[Problem, ...]:
    return tuple(make_problems(split, per_kind=30, seed=7))


@lru_cache
def documents() -> tuple[tuple[list[dict[str, str]], bool], ...]:
    rng = random.Random(3)
    return tuple(corpus_document(rng) for _ in range(3000))


def check(problem: Problem, program: str) -> bool:
    """Whether the program passes the problem's test program, in this process."""
    scope: dict = {}
    exec(program, scope)
    exec(test_program(problem), scope)
    try:
        scope["check"](scope[problem.entry_point])
    except Exception:
        return False
    return True


@pytest.mark.parametrize("split", SPLITS)
def test_reference_passes_and_agrees_with_a_second_implementation(split):
    for problem in problems(split):
        assert check(problem, problem.solution), problem.problem_id
        for case in (*problem.visible, *problem.hidden):
            assert call(problem.solution, problem.entry_point, case.args) == case.expected
            assert solve(problem.prompt, case.args) == case.expected, problem.prompt


@pytest.mark.parametrize("split", SPLITS)
def test_every_buggy_program_fails_a_case(split):
    for problem in problems(split):
        assert len(problem.buggy) >= 2
        assert len(set(problem.buggy)) == len(problem.buggy)
        for program in problem.buggy:
            assert not check(problem, program), (problem.prompt, program)


def test_cases_are_enough_distinct_and_disjoint():
    for problem in (p for split in SPLITS for p in problems(split)):
        results = [repr(case.expected) for case in problem.visible]
        assert len(set(results)) == len(results) >= 5
        assert len(problem.hidden) >= 5
        inputs = [repr(case.args) for case in (*problem.visible, *problem.hidden)]
        assert len(set(inputs)) == len(inputs), problem.problem_id


def test_answers_that_do_not_compute_fail_the_hidden_cases():
    """Check 29: constants, and look-up of the visible cases with each constant as fallback."""
    for problem in problems("val"):
        table = {repr(case.args): case.expected for case in problem.visible}
        values = [None, 0, *(case.expected for case in (*problem.visible, *problem.hidden))]
        for value in values:
            constant = f"def {problem.entry_point}(*args):\n    return {value!r}"
            found = f"{table!r}.get(repr(args), {value!r})"
            lookup = f"def {problem.entry_point}(*args):\n    return {found}"
            assert fails(constant, problem.entry_point, problem.visible)
            assert not fails(lookup, problem.entry_point, problem.visible)
            assert fails(lookup, problem.entry_point, problem.hidden)


def test_an_object_equal_to_everything_fails():
    problem = problems("val")[0]
    cheat = (
        "class Same(int):\n    def __eq__(self, other):\n        return True\n"
        f"def {problem.entry_point}(*args):\n    return Same()\n"
    )
    assert not check(problem, cheat)


def test_splits_are_disjoint_by_prompt_and_by_function():
    functions, prompts = defaultdict(set), defaultdict(set)
    for split in SPLITS:
        for problem in problems(split):
            assert split_of(problem) == split
            arity = len(problem.visible[0].args)
            values = [
                call(problem.solution, problem.entry_point, args[:arity])
                for args in probes(KIND_TABLE[problem.kind].domain)
            ]
            functions[repr(values)].add(split)
            prompts[problem.prompt].add(split)
    assert all(len(found) == 1 for found in (*functions.values(), *prompts.values()))


def test_corpus_holds_no_function_of_val_or_test():
    held_out = {p.prompt.split(": ")[1] for split in ("val", "test") for p in problems(split)}
    assert not held_out & {doc[0]["content"].split(": ")[1] for doc, _ in documents()}


def test_no_problem_comes_twice():
    for split in SPLITS:
        found = problems(split)
        assert len({p.problem_id for p in found}) == len(found) == 30 * len(KINDS)
        assert len({p.prompt for p in found}) == len(found)
        assert Counter(p.kind for p in found) == dict.fromkeys(KINDS, 30)


def test_deterministic():
    assert make_problem("rpn", 4, 11) == make_problem("rpn", 4, 11)
    assert make_problem("rpn", 4, 11) != make_problem("rpn", 4, 12)
    assert tuple(make_problems("val", 30, 7)) == problems("val")
    first, second = random.Random(5), random.Random(5)
    assert [corpus_document(first) for _ in range(50)] == [
        corpus_document(second) for _ in range(50)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_harder_problems_have_longer_solutions(kind):
    rng = random.Random(1)
    sizes = [
        mean(tokens(draw_draft(kind, difficulty, rng).program("f")) for _ in range(300))
        for difficulty in range(1, 11)
    ]
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0] + 7


def test_prompts_and_solutions_are_short_and_from_a_small_vocabulary():
    words: set[str] = set()
    for document, _ in documents():
        prompt, answer = (message["content"] for message in document)
        assert tokens(prompt) <= 48
        assert tokens(answer) <= 62
        words.update(token.strip() for token in WORD_TOKEN.findall(prompt + "\n" + answer))
    assert len(words) < 160
    assert all(int(word) <= 20 for word in words if word.isdigit())


def test_no_central_operation_is_crowded_out():
    """Drafts with few distinct values are drawn again; that must not silence an operation."""
    bodies = [document[0]["content"].split(": ")[1] for document, _ in documents()]
    for kind in KIND_TABLE.values():
        for name in kind.central:
            words = OPERATIONS[name].phrase.split(" {")[0]
            share = mean(words in body for body in bodies) * len(KINDS) * len(kind.central)
            assert share > 0.5, name


def test_stated_costs_are_the_tokens_of_the_code():
    """Difficulty is a budget of tokens."""
    rng = random.Random(0)
    for name, operation in OPERATIONS.items():
        if operation.phrase:
            code = operation.code.format(v="a", k=operation.draw(rng))
            assert tokens("\n    " + code) == operation.cost, name


@pytest.mark.parametrize("kind", KINDS)
def test_drafts_and_their_mutants_compute_what_their_programs_compute(kind):
    rng = random.Random(kind)
    for index in range(400):
        draft = draw_draft(kind, 1 + index % 10, rng)
        mutant = draft.mutate(rng)
        for version in (draft, mutant) if mutant else (draft,):
            for args in probes(KIND_TABLE[kind].domain)[:6]:
                args = args[: len(version.args)]
                assert version.run(args) == call(version.program("f"), "f", args), version


def test_corpus_documents_are_right_as_often_as_stated():
    by_domain = defaultdict(list)
    for document, correct in documents():
        answer = document[1]["content"]
        assert [message["role"] for message in document] == ["user", "assistant"]
        wrong = any(
            call(answer, answer[4], args) != solve(document[0]["content"], args)
            for args in _probe_inputs(document[0]["content"])
        )
        assert wrong != correct, document
        by_domain[_domain_of(document[0]["content"])].append(correct)
    for domain, outcomes in by_domain.items():
        assert 0.66 < mean(outcomes) < 0.93, (domain, len(outcomes))


def _domain_of(prompt: str) -> str:
    """The domain of the prompt's inputs, told from its parameters and words."""
    names = prompt[prompt.index("(") + 1 : prompt.index(")")]
    body = prompt.split(": ")[1]
    if names == "s":
        return "text"
    if names == "n":
        return "index" if "fibonacci" in body else "number"
    if "gcd" in body:
        return "pair"
    scalar = body.startswith(("rpn ", "a plus", "a minus", "a times"))
    return "triple" if scalar else "list"


def _probe_inputs(prompt: str) -> list[tuple]:
    arity = prompt[: prompt.index(")")].count(",") + 1
    return [args[:arity] for args in probes(_domain_of(prompt))]


def test_errors_name_the_argument_and_the_remedy():
    with pytest.raises(ProblemError, match=r"kind 'rnp'.*rpn"):
        make_problem("rnp", 1, 0)
    with pytest.raises(ProblemError, match=r"difficulty 11.*1 to 10"):
        make_problem("rpn", 11, 0)
    with pytest.raises(ProblemError, match=r"split 'dev'.*val"):
        make_problems("dev", 1, 0)
    with pytest.raises(ProblemError, match="Ask for fewer"):
        make_problems("test", 500, 0, difficulties=(1,))
