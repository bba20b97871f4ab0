"""Problems from a seed: any number, each computed content once, in the part its content decides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from random import Random

from stages.suites.reckoning.problem import PARTS, Problem, ReckoningError
from stages.suites.reckoning.steps import content
from stages.suites.reckoning.subjects import SUBJECTS

DIFFICULTIES = (1, 2, 3, 4, 5)
_PATIENCE = 1000
"""Drafts in a row that may bring nothing new before a cell counts as exhausted."""


def make_problem(subject: str, difficulty: int, rng: Random) -> Problem:
    """One problem, of whatever part."""
    if subject not in SUBJECTS or difficulty not in DIFFICULTIES:
        raise ReckoningError(
            f"no problems of subject {subject!r} and difficulty {difficulty}: subjects are "
            f"{', '.join(SUBJECTS)}, difficulties 1 to 5."
        )
    draft = SUBJECTS[subject](difficulty, rng)
    digest = hashlib.sha256(f"{subject} {content(draft.steps, draft.form)}".encode()).hexdigest()
    return Problem(
        problem_id=f"{subject}-{difficulty}-{digest[:10]}",
        part=_part(digest),
        subject=subject,
        difficulty=difficulty,
        prompt=rng.choice(draft.wordings),
        steps=draft.steps,
        form=draft.form,
    )


def make_problems(
    part: str,
    count: int,
    seed: int,
    subjects: Sequence[str] = tuple(SUBJECTS),
    difficulties: Sequence[int] = DIFFICULTIES,
) -> list[Problem]:
    """``count`` problems of ``part``, no two alike, subjects and difficulties in turn.

    The same seed gives the same problems, and a larger count the same ones first. A cell of
    subject and difficulty that has no further problem is passed over; ReckoningError when none has.
    """
    if part not in PARTS:
        raise ReckoningError(f"part {part!r}: use one of {', '.join(PARTS)}.")
    cells = [(subject, level) for level in difficulties for subject in subjects]
    rngs = {cell: Random(f"reckoning {part} {seed} {cell}") for cell in cells}
    made: dict[str, Problem] = {}
    while len(made) < count:
        before = len(made)
        for cell in list(rngs):
            if len(made) < count and not _add_fresh(part, cell, rngs[cell], made):
                del rngs[cell]
        if len(made) == before and not rngs:
            raise ReckoningError(
                f"there are {before} problems for {part} of these subjects and difficulties, not "
                f"{count}: ask for fewer, or for more subjects and difficulties."
            )
    return list(made.values())


def _add_fresh(part: str, cell: tuple[str, int], rng: Random, made: dict[str, Problem]) -> bool:
    """Add one problem under the content it asks for; False when none was found."""
    for _ in range(_PATIENCE):
        problem = make_problem(*cell, rng)
        key = problem.subject + problem.problem_id.rpartition("-")[2]
        if problem.part == part and key not in made:
            made[key] = problem
            return True
    return False


def _part(digest: str) -> str:
    """Six of ten contents are for training, two each for validation and test."""
    tenth = int(digest[:8], 16) % 10
    return PARTS[0] if tenth < 6 else PARTS[1] if tenth < 8 else PARTS[2]
