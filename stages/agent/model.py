"""The model as the loop sees it: requests in, completions out."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Protocol, runtime_checkable

from stages.agent.chat import Message


@dataclasses.dataclass(frozen=True)
class Request:
    """One assistant turn to write."""

    messages: tuple[Message, ...]
    """The chat so far."""
    adapter: str | None = None
    """Name of a loaded adapter; None is the base model."""
    temperature: float = 0.0
    """Softmax temperature; 0 is greedy."""
    max_new_tokens: int = 128
    """Most tokens to write."""
    seed: int = 0
    """Decides every random choice of this turn, whatever else is in the batch."""
    key: Hashable = None
    """Names the episode, so that a cache of its earlier turns can be used again."""


@dataclasses.dataclass(frozen=True)
class Completion:
    """One written turn. Tokens in tokens, time in seconds."""

    text: str
    input_tokens: int
    """Length of the whole prompt, cached part included."""
    cached_tokens: int
    """How many of the prompt's tokens were not computed again."""
    output_tokens: int
    """Tokens written, the closing one included. 0 with ``finish="length"``: the prompt itself
    was longer than the model's context."""
    seconds: float
    """Share of the wall time that this turn took."""
    finish: str
    """``stop`` or ``length``."""
    error: str = ""
    """What kept the harness (a dead server, say) from an answer; empty: this is the answer."""


class Model(Protocol):
    """Anything that answers chats."""

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer all requests, in their order."""
        ...


class Stream(Protocol):
    """Hands back each turn as it ends, so that no row waits for the slowest.

    ``submit`` queues requests; ``poll`` works until at least one of them has ended and returns
    those that have, with the tag each was queued under; ``forget`` frees an episode's cache.
    Which turns one ``poll`` returns depends on the requests alone, never on the clock.
    """

    def submit(self, requests: Sequence[tuple[int, Request]]) -> None: ...
    def poll(self) -> list[tuple[int, Completion]]: ...
    def forget(self, key: Hashable) -> None: ...


@runtime_checkable
class StreamingModel(Protocol):
    """A model that can also answer turn by turn."""

    def stream(self) -> Stream | None:
        """A fresh stream, or None when this model, as loaded, answers whole batches only."""
        ...
