"""Questions and answers about a world: the forms behind synthesis formats A–E on this suite.

The skills are the conventions an issue may need, the test command and where a component lives.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from stages.suites.microrepo.conventions import read_convention
from stages.suites.microrepo.issues import Change

QUESTIONS = {
    "guard": "how are negative values rejected",
    "rounding": "how are results rounded",
    "unit": "what are house units",
    "index": "how to pick entry n",
    "wrapper": "how to allow zero",
    "naming": "what is the house alias",
    "script": "how are tests run",
    "file": "where is {component}",
}
"""One question per skill; ``file`` names the component."""


@dataclasses.dataclass(frozen=True)
class Fact:
    """One thing a session teaches: the skill, its question, the answer, and the line seen."""

    skill: str
    question: str
    answer: str
    evidence: str


def general_answer(skill: str, value: str) -> str:
    """A convention's value in general form, with ``x`` for the expression: ``round(x, 2)``."""
    if skill == "index":
        return f"items[{value}]"
    if skill == "wrapper":
        return f"{value}(x, y)"
    if skill == "naming":
        return f"{value}_name"
    return value.format(x="x")


def facts_of(changes: Sequence[Change], command: str, component: str, path: str) -> list[Fact]:
    """Every fact that a finished session shows: the conventions used, the command, the file."""
    facts = []
    for change in changes:
        found = read_convention(change.find, change.replace) if change.convention else None
        if found:
            kind, value = found
            answer = general_answer(kind, value)
            facts.append(Fact(kind, QUESTIONS[kind], answer, change.replace.strip()))
    facts.append(Fact("script", QUESTIONS["script"], command, f"test {command}"))
    where = QUESTIONS["file"].format(component=component)
    facts.append(Fact("file", where, path, f"open {path}"))
    return facts


def direct(fact: Fact) -> tuple[str, str]:
    """Format A, simple question and answer."""
    return fact.question, fact.answer


def reasoned(fact: Fact, issue_text: str) -> tuple[str, str]:
    """Format B, chain of thought: from the session to the rule."""
    return fact.question, f"{issue_text} was done by {fact.evidence} so {fact.answer}"


def reflected(fact: Fact, failed: str) -> tuple[str, str]:
    """Format D, reflexion: what failed, and what is right here."""
    return f"i tried {failed} and it failed", f"here it is {fact.answer} so {fact.evidence}"


def contextual(fact: Fact, repo: str, command: str) -> tuple[str, str]:
    """Format E, contextual: the question and the answer carry the project's own facts."""
    return f"in {repo} tested by {command} {fact.question}", f"in {repo} it is {fact.answer}"
