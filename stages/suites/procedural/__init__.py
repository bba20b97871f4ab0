"""Procedural code problems: any number from a seed, in twelve kinds and ten difficulties.

A problem's function decides its split: its values on fixed inputs are hashed, so two problems
that ask for the same function in other words never stand on both sides.
"""

from __future__ import annotations

from stages.suites.procedural.generate import (
    corpus_document,
    make_problem,
    make_problems,
    split_of,
)
from stages.suites.procedural.kinds import KINDS
from stages.suites.procedural.problem import Case, Problem, ProblemError, test_program

__all__ = [
    "KINDS",
    "Case",
    "Problem",
    "ProblemError",
    "corpus_document",
    "make_problem",
    "make_problems",
    "split_of",
    "test_program",
]
