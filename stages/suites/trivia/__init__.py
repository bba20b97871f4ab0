"""A hundred questions of general knowledge, and the judge of answers to them."""

from __future__ import annotations

from stages.suites.trivia.judge import TriviaJudge
from stages.suites.trivia.questions import Belief, trivia_items

__all__ = ["Belief", "TriviaJudge", "trivia_items"]
