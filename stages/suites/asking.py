"""How a loop comes back to an answer: told whether it was right, or shown the right one.

The organism's diet holds both, so a base model without instructions knows what is asked of it.
"""

from __future__ import annotations

from stages.agent.chat import Message

RIGHT = "that is right answer again"
NOT_RIGHT = "that is not right answer again"
SHOWN = "note {fact}\n{question}"
"""A question with the right fact in its context."""


def revision(question: str, answer: str, correct: bool) -> list[Message]:
    """The chat that asks for a revision of ``answer``, saying whether it was right."""
    return [
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer},
        {"role": "user", "content": RIGHT if correct else NOT_RIGHT},
    ]


def shown(question: str, fact: str) -> list[Message]:
    """The chat that asks again with ``fact``, the right answer, in context."""
    return [{"role": "user", "content": SHOWN.format(fact=fact, question=question)}]
