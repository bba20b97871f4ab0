"""Retrieval, retention and the guard."""

from __future__ import annotations

import dataclasses
import json

import pytest

from stages.agent.model import Completion, Request
from stages.evaluate.knowledge import Index, build_index, retrieve
from stages.evaluate.retention import run_retention
from stages.lab.guard import guard_problems, run_guard, run_procedural
from stages.params import GuardParams, ParamsError, ProceduralParams
from stages.records import Example, Task, Trajectory
from stages.suites.procedural import make_problems
from tests.small_lab import sandbox_or_skip, small_lab

PARAMS = ProceduralParams(
    kind="procedural", per_kind=1, difficulties=(2,), samples=2, temperature=0.5, seed=3
)


class Notes:
    """A suite whose notes are the tasks' texts."""

    def note(self, task: Task, trajectory: Trajectory) -> str:
        return f"note {task.problem_statement} attempt {trajectory.info['attempt']}"


def task(name: str, text: str) -> Task:
    return Task(name, "made", "oak", text, "2024-01-01", "easy")


def index_of(*texts: str) -> Index:
    sessions = [
        (task(f"t{n}", text), [Trajectory((), {"attempt": a, "n": n}) for a in (0, 1)])
        for n, text in enumerate(texts)
    ]
    return build_index(Notes(), sessions)  # type: ignore[arg-type]


def test_a_task_never_gets_its_own_note():
    texts = ("in billing: total must be rounded", "in login: blend must be rounded", "in mail: x")
    index = index_of(*texts)
    for n, text in enumerate(texts):
        for k in (1, 2, 3, 9):
            got = retrieve(index, task(f"t{n}", text), k)
            assert len(got) == min(k, 2)
            assert f"note {text} attempt 0" not in got


def test_the_most_similar_note_stands_last_and_notes_are_of_first_attempts():
    index = index_of("alpha beta", "alpha gamma", "delta epsilon")
    got = retrieve(index, task("new", "alpha gamma"), 2)
    assert got == ["note alpha beta attempt 0", "note alpha gamma attempt 0"]


def test_ties_go_to_the_later_session():
    index = index_of("same words", "same words", "same words", "same words")
    index = dataclasses.replace(index, notes=("n0", "n1", "n2", "n3"))
    assert retrieve(index, task("new", "same words"), 2) == ["n2", "n3"]
    assert retrieve(index, task("t3", "same words"), 2) == ["n1", "n2"]
    assert retrieve(index, task("new", "nothing known"), 2) == ["n2", "n3"]


def test_no_notes_are_no_notes():
    assert retrieve(index_of("a word", "two words"), task("new", "word"), 0) == []


def test_the_index_is_named_by_every_attempt():
    assert index_of("a b").source_sha256 == index_of("c d").source_sha256
    assert index_of("a b").source_sha256 != index_of("a b", "c d").source_sha256


def test_retrieval_on_real_notes_finds_the_convention_asked_for():
    lab = small_lab(60)
    tasks = lab.suite.tasks("blue_mill")
    sessions = []
    for t in tasks[:30]:
        info = {"attempt": 0, "instance_id": t.instance_id, "steps": [], **lab.suite.upstream(t)}
        sessions.append((t, [Trajectory((), info)]))
    index = build_index(lab.suite, sessions)
    asked = [t for t in tasks[30:] if t.meta["kinds"] == ["rounding"]]
    assert asked
    for t in asked:
        assert any("\nrounded: " in note for note in retrieve(index, t, 3))


class Fixed:
    """A model that says what ``answer(request)`` says, and remembers what it was asked."""

    def __init__(self, answer) -> None:  # type: ignore[no-untyped-def]
        self.answer = answer
        self.asked: list[Request] = []

    def complete(self, requests):  # type: ignore[no-untyped-def]
        self.asked += requests
        return [Completion(self.answer(r), 5, 0, 7, 0.0, "stop") for r in requests]


def test_retention_asks_every_turn_that_was_trained_on():
    system = {"role": "system", "content": "repo oak"}
    session = Example(
        "e1",
        "T",
        (
            system,
            {"role": "user", "content": "fix"},
            {"role": "assistant", "content": "open a.py"},
            {"role": "tool", "content": "text"},
        ),
        "submit",
        train_on="assistant",
        skill="unit",
        instance_id="t2",
    )
    pair = Example("e2", "A", (system, {"role": "user", "content": "q"}), "r", instance_id="t1")
    model = Fixed(lambda request: "submit")
    rows = run_retention(model, [session, pair, session], ["t1", "t2"], "skill-s0")
    assert rows == [
        {"instance_id": "t2", "origin": 2, "skill": "unit", "turn": 0, "right": False},
        {"instance_id": "t2", "origin": 2, "skill": "unit", "turn": 1, "right": True},
        {"instance_id": "t1", "origin": 1, "skill": "", "turn": 0, "right": False},
    ]
    assert [len(request.messages) for request in model.asked] == [2, 4, 2]
    assert all(request.temperature == 0.0 for request in model.asked)
    assert {request.adapter for request in model.asked} == {"skill-s0"}
    assert len({request.key for request in model.asked}) == 3


def test_the_guard_grades_every_answer_to_every_problem():
    problems = guard_problems(PARAMS)
    right = {problem.prompt: problem.solution for problem in problems[::2]}
    model = Fixed(lambda request: right.get(request.messages[0]["content"], "no program"))
    with sandbox_or_skip() as sandbox:
        rows = run_procedural(model, sandbox, PARAMS, problems, None, seed=4)
    assert [(row["problem_id"], row["sample"]) for row in rows] == [
        (problem.problem_id, sample) for problem in problems for sample in (0, 1)
    ]
    ids = {problem.problem_id for problem in problems[::2]}
    assert all(row["passed"] == (row["problem_id"] in ids) for row in rows)
    assert rows[0].keys() == {
        "problem_id",
        "kind",
        "difficulty",
        "sample",
        "passed",
        "tokens",
        "finish",
    }
    seeds = [request.seed for request in model.asked]
    assert len(set(seeds)) == len(seeds)
    assert {request.temperature for request in model.asked} == {0.5}


HUMANEVAL_ROW = {
    "prompt": 'def double(n):\n    """Twice n."""\n',
    "entry_point": "double",
    "canonical_solution": "    return 2 * n\n",
    "test": "def check(candidate):\n    assert candidate(3) == 6\n",
}


def test_a_public_guard_is_asked_and_graded_as_its_parameters_say(tmp_path):
    rows = [{"task_id": f"HumanEval/{n}", **HUMANEVAL_ROW} for n in range(164)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    params = GuardParams(
        kind="humaneval",
        subset="all",
        path=str(path),
        revision=None,
        style="paper",
        samples=1,
        temperature=0.0,
        max_new_tokens=20,
        cpu_seconds=5,
    )
    answers = iter(["    return n + n\n", "    return n\n"] * 82)
    model = Fixed(lambda request: next(answers))
    with sandbox_or_skip():
        graded = run_guard(small_lab(), model, params, "skill-s0", seed=1)
    assert [row["passed"] for row in graded] == [True, False] * 82
    assert {row["kind"] for row in graded} == {"humaneval"}
    assert {request.adapter for request in model.asked} == {"skill-s0"}


def test_a_suite_without_problems_is_no_guard():
    lab = small_lab()
    with pytest.raises(ParamsError, match="is of kind microrepo, which has repositories"):
        run_guard(lab, Fixed(lambda request: ""), lab.params.suites["microrepo"], None, 0)


def test_guard_problems_are_the_test_split_and_repeat():
    problems = guard_problems(PARAMS)
    again = make_problems("test", PARAMS.per_kind, PARAMS.seed, PARAMS.difficulties)
    assert problems == tuple(again)
    assert len({problem.kind for problem in problems}) == len(problems) > 5
    other = guard_problems(dataclasses.replace(PARAMS, seed=4))
    assert [p.problem_id for p in other] != [p.problem_id for p in problems]


def test_seeds_of_samples_differ_between_runs():
    problems = guard_problems(PARAMS)[:2]
    seen: list[int] = []
    with sandbox_or_skip() as sandbox:
        for seed in (0, 1):
            model = Fixed(lambda request: "no program")
            run_procedural(model, sandbox, PARAMS, problems, None, seed)
            seen += [request.seed for request in model.asked]
    assert len(set(seen)) == len(seen) == 8
