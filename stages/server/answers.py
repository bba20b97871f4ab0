"""From the body of an answer to a completion; each way of being malformed has its name."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from stages.server.config import ServerConfig
from stages.server.errors import (
    CutAnswerError,
    NoChoiceError,
    NoUsageError,
    ServerError,
    UnusableAnswerError,
    WrongModelError,
)
from stages.server.usage import Usage

SHOWN = 200
"""Characters of a strange body that a message shows."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """One answer as the server gave it."""

    text: str
    finish: str
    """``stop`` or ``length``."""
    usage: Usage


def parse_body(body: str) -> dict[str, Any]:
    """The JSON object in a body; CutAnswerError when it isn't one."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise CutAnswerError(
            f"the answer isn't whole JSON ({error}); it reads {body[:SHOWN]!r}. A proxy or the "
            "server cut it off, or `url` leads to something else than an OpenAI-compatible server."
        ) from None
    if not isinstance(value, dict):
        raise UnusableAnswerError(
            f"the answer is JSON but no object: {body[:SHOWN]!r}. See whether `url` leads to an "
            "OpenAI-compatible server."
        )
    return value


def read_usage(body: dict[str, Any]) -> Usage:
    """Prompt, cached and written tokens; NoUsageError when they aren't there."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        raise NoUsageError(
            "the answer names no token usage, so tokens and cost would be wrong. Switch usage on "
            "at the server, or use a version that reports it."
        )
    details = usage.get("prompt_tokens_details") or {}
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    counts = [usage.get("prompt_tokens"), cached or 0, usage.get("completion_tokens")]
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in counts):
        raise NoUsageError(
            f"the answer's token usage is {canonical(usage)}, without whole numbers "
            "prompt_tokens and completion_tokens. Use a version of the server that reports them."
        )
    return Usage(*counts)  # type: ignore[arg-type]


def read_answer(body: dict[str, Any], asked: str, config: ServerConfig) -> Answer:
    """The answer to a request for the model ``asked``; a ServerError says what is wrong."""
    _require_model(body.get("model"), asked, config)
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise NoChoiceError(
            f"the answer holds no choice with a message: choices is {canonical(choices)}. Look "
            "into the server's log."
        )
    finish = choice.get("finish_reason") or "stop"
    return Answer(
        _text(message, finish), "length" if finish == "length" else "stop", read_usage(body)
    )


def _text(message: dict[str, Any], finish: str) -> str:
    content = message.get("content")
    problem: ServerError | None = None
    if message.get("tool_calls"):
        problem = UnusableAnswerError(
            "the server turned the model's text into tool calls, so the action it wrote is lost. "
            "Switch the server's tool-call parser off (vLLM: no --enable-auto-tool-choice)."
        )
    elif finish == "content_filter" or message.get("refusal"):
        problem = UnusableAnswerError(
            "the server's content filter withheld the answer, which says nothing about the agent. "
            "Use a server without one."
        )
    elif content is not None and not isinstance(content, str):
        problem = UnusableAnswerError(
            f"the message's content is {canonical(content)}, not text. Use a text model."
        )
    if problem is not None:
        raise problem
    return content or ""  # null: the model wrote its end at once, or only reasoning


def _require_model(found: Any, asked: str, config: ServerConfig) -> None:
    known = {asked}
    if config.kind == "transformers":
        known.add(f"{asked}@main")  # it answers with the revision
    if asked == config.model:
        known |= set(config.also_called)
    if found not in known:
        raise WrongModelError(
            f"asked for the model {asked!r}, but {found!r} answered: the episode would be counted "
            "for another model. Correct `model`, or, if it is the same one, name it in "
            "`also_called`."
        )


def canonical(value: Any) -> str:
    """A value as short JSON for a message."""
    return json.dumps(value, sort_keys=True, default=str)[:SHOWN]
