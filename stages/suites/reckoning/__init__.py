"""Reckoning: maths problems with a line or two of reasoning, any number from a seed.

Six subjects, five difficulties. What is computed decides the part, so that the same sum in other
words never stands on both sides.
"""

from __future__ import annotations

from stages.suites.reckoning.answers import Said, answer_text, ask, read_said
from stages.suites.reckoning.corpus import corpus_document
from stages.suites.reckoning.generate import DIFFICULTIES, make_problem, make_problems
from stages.suites.reckoning.problem import (
    PARTS,
    SLIPS,
    Problem,
    ReckoningError,
    Solution,
    wrong_solution,
)
from stages.suites.reckoning.subjects import SUBJECTS

__all__ = [
    "DIFFICULTIES",
    "PARTS",
    "SLIPS",
    "SUBJECTS",
    "Problem",
    "ReckoningError",
    "Said",
    "Solution",
    "answer_text",
    "ask",
    "corpus_document",
    "make_problem",
    "make_problems",
    "read_said",
    "wrong_solution",
]
