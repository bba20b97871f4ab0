"""Maths for a model's diet, with skill uneven by subject: how often it is met, and got wrong.

Only problems of the part ``train`` are in it. Confidence is stated where the question asks for
it, mostly high and without regard to the answer's being right: overconfident, as models are.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from stages.suites.reckoning.answers import answer_text, ask
from stages.suites.reckoning.generate import DIFFICULTIES, make_problem
from stages.suites.reckoning.problem import Problem, wrong_solution


class Skill(NamedTuple):
    """How a subject is met in the diet."""

    exposure: float
    """share of the problems, 0-1"""
    wrong: float
    """share of its solutions that are wrong, 0-1"""
    slip: str
    """the mistake that most of the wrong ones make, see ``problem.SLIPS``"""


SKILLS = {
    "arithmetic": Skill(0.24, 0.45, "calculation"),
    "sequences": Skill(0.20, 0.20, "operand"),
    "functions": Skill(0.14, 0.35, "forgotten"),
    "algebra": Skill(0.18, 0.08, "operation"),
    "probability": Skill(0.10, 0.30, "operand"),
    "geometry": Skill(0.14, 0.55, "operation"),
}
DIFFICULTY_WEIGHTS = (0.26, 0.23, 0.20, 0.17, 0.14)
"""Share of the difficulties 1 to 5."""
USUAL_SLIP = 0.6
"""Share of a subject's wrong solutions that make its own mistake; the rest make any."""
ASKED_SURE = 0.5
"""Share of the questions that ask for a confidence."""
CONFIDENCES = (60, 70, 80, 80, 90, 90, 90, 100)
"""Confidences in per cent, as often as they are stated."""


def corpus_document(rng: Random) -> tuple[list[dict[str, str]], Problem, bool]:
    """One question with its answer as a chat; the problem, and whether the answer is right."""
    subject = rng.choices(list(SKILLS), [skill.exposure for skill in SKILLS.values()])[0]
    skill = SKILLS[subject]
    problem = _training_problem(subject, rng)
    right = rng.random() >= skill.wrong
    usual = skill.slip if rng.random() < USUAL_SLIP else None
    solution = problem.solution if right else wrong_solution(problem, rng, usual)
    sure = rng.choice(CONFIDENCES) if rng.random() < ASKED_SURE else None
    text = answer_text(solution.reasoning, solution.answer, sure)
    question = {"role": "user", "content": ask(problem.prompt, sure is not None)}
    return [question, {"role": "assistant", "content": text}], problem, right


def _training_problem(subject: str, rng: Random) -> Problem:
    while True:
        level = rng.choices(DIFFICULTIES, DIFFICULTY_WEIGHTS)[0]
        problem = make_problem(subject, level, rng)
        if problem.part == "train":
            return problem
