"""Scripted teachers, and what they answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from stages.agent.model import Completion, Request


class Scripted:
    """Answers each request by a function and counts them; may die after so many."""

    def __init__(self, say: Callable[[Request], str], dies_after: int = 10**9) -> None:
        self.say, self.left, self.asked = say, dies_after, 0

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        if self.left < len(requests):
            raise KeyboardInterrupt
        self.left -= len(requests)
        self.asked += len(requests)
        return [Completion(self.say(r), 100, 0, 20, 0.0, "stop") for r in requests]


def row(**changed: Any) -> dict[str, Any]:
    """A sound example of formats A, B, D and E, with some fields changed; None leaves one out."""
    sound = {"question": "how", "answer": "so", "skill": "s", "attempt": 0, "step": 0}
    return {k: v for k, v in (sound | changed).items() if v is not None}


def answer(*rows: Any) -> str:
    return json.dumps({"examples": rows})


def good(request: Request) -> str:
    """Two short examples; C's with what was rejected."""
    name, instance = request.key  # type: ignore[misc]
    more = {"rejected": "not so"} if name == "C" else {}
    return answer(*(row(question=f"how {n} {instance}", step=n, **more) for n in range(2)))
