"""Problems for evaluation, with cases, and documents for a language model's corpus, without."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from stages.suites.procedural.inputs import (
    MIN_DISTINCT,
    digest,
    draw_input,
    signature,
    split_of_digest,
)
from stages.suites.procedural.kinds import KIND_TABLE, KINDS, draw_draft
from stages.suites.procedural.problem import SPLITS, Case, Problem, ProblemError
from stages.suites.procedural.recipe import Draft

ENTRY_POINTS = ("f", "g", "h")
N_VISIBLE, N_HIDDEN, N_BUGGY = 5, 8, 6
_TRIES = 400


def make_problem(kind: str, difficulty: int, rng_seed: int) -> Problem:
    """The problem of this kind, difficulty (1 to 10) and seed, of whichever split it falls in."""
    _check(kind, difficulty)
    return _make(kind, difficulty, Random(f"{kind} {difficulty} {rng_seed}"), None, set())


def make_problems(
    split: str, per_kind: int, seed: int, difficulties: Sequence[int] = tuple(range(1, 11))
) -> list[Problem]:
    """``per_kind`` problems of each kind, spread evenly over ``difficulties``, no function twice.

    Raises ProblemError when a kind has fewer functions of that difficulty in ``split``.
    """
    if split not in SPLITS:
        raise ProblemError(f"split {split!r} doesn't exist; use one of {', '.join(SPLITS)}.")
    problems: list[Problem] = []
    for kind in KINDS:
        rng = Random(f"{split} {kind} {seed}")
        seen: set[str] = set()
        for index in range(per_kind):
            difficulty = difficulties[index % len(difficulties)]
            _check(kind, difficulty)
            problems.append(_make(kind, difficulty, rng, split, seen))
    return problems


def corpus_document(rng: Random) -> tuple[list[dict[str, str]], bool]:
    """Chat messages of one training problem and a solution, and whether the solution is right.

    Only functions of the train split occur. A wrong solution differs from the reference on the
    probes; no program is executed here.
    """
    while True:
        kind = KINDS[int(rng.random() * len(KINDS))]
        draft, values = _draw(kind, 1 + int(rng.random() * 10), rng)
        if draft is not None and split_of_digest(digest(values)) == "train":
            break
    correct = rng.random() < KIND_TABLE[kind].correct_rate
    entry_point = rng.choice(ENTRY_POINTS)
    answer = draft if correct else _mutant(draft, values, KIND_TABLE[kind].domain, rng)
    messages = [
        {"role": "user", "content": draft.prompt(entry_point)},
        {"role": "assistant", "content": (answer or draft).program(entry_point)},
    ]
    return messages, correct or answer is None


def split_of(problem: Problem) -> str:
    """The split this problem belongs to."""
    return split_of_digest(problem.problem_id.rpartition("-")[2])


def _check(kind: str, difficulty: int) -> None:
    if kind not in KIND_TABLE:
        raise ProblemError(f"kind {kind!r} doesn't exist; use one of {', '.join(KINDS)}.")
    if not 1 <= difficulty <= 10:
        raise ProblemError(f"difficulty {difficulty} is out of range; use 1 to 10.")


def _draw(kind: str, difficulty: int, rng: Random) -> tuple[Draft | None, tuple[Any, ...]]:
    """A draft with at least five distinct values on the probes; None when this try has fewer."""
    draft = draw_draft(kind, difficulty, rng)
    values = signature(draft, KIND_TABLE[kind].domain)
    distinct = set(map(str, values))
    return (draft if len(distinct) >= MIN_DISTINCT else None), values


def _mutant(draft: Draft, values: tuple[Any, ...], domain: str, rng: Random) -> Draft | None:
    """A wrong reading of the draft that gives other values on the probes."""
    for _ in range(20):
        mutant = draft.mutate(rng)
        if mutant is not None and signature(mutant, domain) != values:
            return mutant
    return None


def _make(kind: str, difficulty: int, rng: Random, split: str | None, seen: set[str]) -> Problem:
    """A problem of ``split`` whose function isn't in ``seen``; adds it there."""
    domain = KIND_TABLE[kind].domain
    for _ in range(_TRIES):
        draft, values = _draw(kind, difficulty, rng)
        name = digest(values)
        if draft is None or name in seen or (split and split_of_digest(name) != split):
            continue
        entry_point = rng.choice(ENTRY_POINTS)
        solution = draft.program(entry_point)
        cases = _cases(solution, entry_point, domain, len(draft.args), rng)
        if cases is None:
            continue
        buggy = _buggy(draft, values, entry_point, cases, domain, rng)
        if len(buggy) < 2:
            continue
        seen.add(name)
        return Problem(
            problem_id=f"{kind}-{difficulty}-{name}",
            kind=kind,
            difficulty=difficulty,
            prompt=draft.prompt(entry_point),
            entry_point=entry_point,
            solution=solution,
            visible=tuple(cases[:N_VISIBLE]),
            hidden=tuple(cases[N_VISIBLE:]),
            buggy=buggy,
        )
    raise ProblemError(
        f"no new problem of kind {kind!r}, difficulty {difficulty} found in split {split!r} after "
        f"{_TRIES} tries ({len(seen)} made so far). Ask for fewer problems per kind, or spread "
        "them over more difficulties."
    )


def call(program: str, entry_point: str, args: tuple[Any, ...]) -> Any:
    """Result of one of this package's own programs; never give it a model's text."""
    scope: dict[str, Any] = {}
    exec(program, scope)
    return scope[entry_point](*args)


def _cases(
    solution: str, entry_point: str, domain: str, arity: int, rng: Random
) -> list[Case] | None:
    """Visible cases with pairwise distinct results, then hidden ones with other inputs."""
    visible: list[Case] = []
    hidden: list[Case] = []
    inputs: list[tuple[Any, ...]] = []
    for _ in range(_TRIES):
        args = draw_input(domain, rng)[:arity]
        if args in inputs:
            continue
        inputs.append(args)
        case = Case(args, call(solution, entry_point, args))
        if len(visible) < N_VISIBLE:
            if all(case.expected != other.expected for other in visible):
                visible.append(case)
        elif len(hidden) < N_HIDDEN:
            hidden.append(case)
        if len(hidden) == N_HIDDEN:
            break
    if len(hidden) < N_HIDDEN or len({str(case.expected) for case in hidden}) < 2:
        return None
    return [*visible, *hidden]


def _buggy(
    draft: Draft, values: tuple[Any, ...], entry_point: str, cases: list[Case], domain: str,
    rng: Random,
) -> tuple[str, ...]:
    """Up to six wrong programs, each failing one of ``cases`` when executed."""
    found: dict[str, None] = {}
    for _ in range(5 * N_BUGGY):
        mutant = _mutant(draft, values, domain, rng)
        if mutant is None:
            continue
        program = mutant.program(entry_point)
        if any(call(program, entry_point, case.args) != case.expected for case in cases):
            found[program] = None
        if len(found) == N_BUGGY:
            break
    return tuple(found)
