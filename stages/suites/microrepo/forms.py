"""Questions and answers about a world: the forms behind synthesis formats A–E on this suite.

The skills are the conventions an issue may need, the test command and where a component lives.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from stages.suites.microrepo.conventions import read_convention, rule_text
from stages.suites.microrepo.issues import Change

QUESTIONS = {
    "guard": "how to reject negative values",
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


def facts_of(changes: Sequence[Change], command: str, component: str, path: str) -> list[Fact]:
    """Every fact that a finished session shows: the conventions used, the command, the file."""
    facts = []
    for change in changes:
        found = read_convention(change.find, change.replace) if change.convention else None
        if found:
            kind, value = found
            rule = rule_text(kind, value)
            facts.append(Fact(kind, QUESTIONS[kind], rule, change.replace.strip()))
    test = f"test {command}"
    facts.append(Fact("script", QUESTIONS["script"], test, test))
    where = QUESTIONS["file"].format(component=component)
    facts.append(Fact("file", where, f"open {path}", f"open {path}"))
    return facts


def direct(fact: Fact) -> tuple[str, str]:
    """Format A, simple question and answer."""
    return fact.question, fact.answer


def reasoned(fact: Fact, issue_text: str) -> tuple[str, str]:
    """Format B, chain of thought: from the session to the rule."""
    return fact.question, f"{issue_text} by {fact.evidence}\n{fact.answer}"


def reflected(fact: Fact, failed: str) -> tuple[str, str]:
    """Format D, reflexion: what failed, and what is right here."""
    return f"i tried {failed} and it failed", f"that is not done here\n{fact.answer}"


def contextual(fact: Fact, repo: str, command: str) -> tuple[str, str]:
    """Format E, contextual: the question and the answer carry the project's own facts."""
    return f"in {repo} tested by {command} {fact.question}", f"in {repo}\n{fact.answer}"
