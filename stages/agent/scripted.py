"""A model that replays written answers: a whole run is testable without weights."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from stages.agent.model import Completion, Request


class ScriptError(ValueError):
    """The script has no answers for an episode."""


class ScriptedModel:
    """Replays ``answers[key]``, one answer a turn; past the end it says ``submit``.

    The key is the request's; ``answers`` may also be given per task: a key that is a tuple is
    looked up whole, then by its first element (the instance id).
    """

    def __init__(self, answers: Mapping[Any, Sequence[str]]) -> None:
        self._answers = answers
        self.rounds: list[int] = []
        """How many requests came with each call."""

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.rounds.append(len(requests))
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Completion:
        turn = sum(message["role"] == "assistant" for message in request.messages)
        script = self._script(request.key)
        text = script[turn] if turn < len(script) else "submit"
        words = sum(len(message["content"].split()) for message in request.messages)
        return Completion(text, words, 0, len(text.split()), 0.0, "stop")

    def _script(self, key: Hashable) -> Sequence[str]:
        if key in self._answers:
            return self._answers[key]
        if isinstance(key, tuple) and key and key[0] in self._answers:
            return self._answers[key[0]]
        raise ScriptError(
            f"the script has no answers for episode {key!r}. Give it a list under that key or "
            "under the task's instance id."
        )
