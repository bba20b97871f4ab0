"""Problems for evaluation, with cases, and documents for a language model's corpus, without."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from stages.suites.procedural.cases import draw_cases, fails
from stages.suites.procedural.inputs import MIN_DISTINCT, digest, signature, split_of_digest
from stages.suites.procedural.kinds import KIND_TABLE, KINDS, draw_draft
from stages.suites.procedural.problem import SPLITS, Problem, ProblemError
from stages.suites.procedural.recipe import Draft

ENTRY_POINTS = ("f", "g", "h")
N_BUGGY, MIN_BUGGY = 6, 2
_TRIES = 400


def make_problem(kind: str, difficulty: int, rng_seed: int) -> Problem:
    """The problem of this kind, difficulty (1 to 10) and seed, of whichever split it falls in."""
    _check(kind, difficulty)
    return _make(kind, difficulty, Random(f"{kind} {difficulty} {rng_seed}"), None, set())


def make_problems(
    split: str, per_kind: int, seed: int, difficulties: Sequence[int] = tuple(range(1, 11))
) -> list[Problem]:
    """``per_kind`` problems of each kind, spread evenly over ``difficulties``, no prompt twice.

    No function comes twice either while the split has others of that kind and difficulty (see
    ``_make``). Raises ProblemError when it has run out of prompts too.
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

    Only functions of the train split occur, easy ones more often than hard ones. A wrong solution
    differs from the reference on the probes; no program is executed here.
    """
    kind, difficulty = KINDS[int(rng.random() * len(KINDS))], 1 + int(rng.random() ** 2 * 10)
    while True:
        draft, values = _draw(kind, difficulty, rng)
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
    return split_of_digest(problem.problem_id.split("-")[2])


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
    """A problem of ``split`` whose prompt isn't in ``seen``; adds prompt and function there.

    A function not in ``seen`` is preferred. Where a kind's easiest functions run out, the same
    function in another wording or under another name comes next.
    """
    spare: Problem | None = None
    for _ in range(_TRIES):
        draft, values = _draw(kind, difficulty, rng)
        name = digest(values)
        if draft is None or (split and split_of_digest(name) != split):
            continue
        if name in seen and spare is not None:
            continue
        entry_point = rng.choice(ENTRY_POINTS)
        if draft.prompt(entry_point) in seen:
            continue
        problem = _problem(kind, difficulty, draft, values, entry_point, rng)
        if problem is not None and name in seen:
            spare = problem
        elif problem is not None:
            seen.update((name, problem.prompt))
            return problem
    if spare is not None:
        seen.add(spare.prompt)
        return spare
    raise ProblemError(
        f"no new problem of kind {kind!r}, difficulty {difficulty} found in split {split!r} after "
        f"{_TRIES} tries. Ask for fewer problems per kind, or spread them over more difficulties."
    )


def _problem(
    kind: str,
    difficulty: int,
    draft: Draft,
    values: tuple[Any, ...],
    entry_point: str,
    rng: Random,
) -> Problem | None:
    """The draft with its cases and buggy programs; None when there are too few of either."""
    domain = KIND_TABLE[kind].domain
    prompt, solution = draft.prompt(entry_point), draft.program(entry_point)
    cases = draw_cases(solution, entry_point, domain, len(draft.args), rng)
    if cases is None:
        return None
    buggy: dict[str, None] = {}
    for _ in range(5 * N_BUGGY):
        mutant = _mutant(draft, values, domain, rng)
        program = mutant.program(entry_point) if mutant else solution
        if fails(program, entry_point, (*cases[0], *cases[1])):
            buggy[program] = None
        if len(buggy) == N_BUGGY:
            break
    if len(buggy) < MIN_BUGGY:
        return None
    name = f"{kind}-{difficulty}-{digest(values)}-{digest(prompt)}"
    return Problem(name, kind, difficulty, prompt, entry_point, solution, *cases, tuple(buggy))
