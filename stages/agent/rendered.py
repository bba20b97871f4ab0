"""A rendered training example, remembered: it is counted, trained on and measured many times."""

from __future__ import annotations

import functools
from array import array
from collections.abc import Sequence
from typing import Any

from stages.agent import chat
from stages.agent.chat import Message

REMEMBERED = 4096
"""Examples kept: as many as an experiment on generated worlds synthesizes."""


def render_example(
    tokenizer: Any, prompt: Sequence[Message], completion: str, train_on: str = "completion"
) -> tuple[list[int], list[bool]]:
    """What chat.render_example gives, lists of the caller's own."""
    template = getattr(tokenizer, "chat_template", None)
    turns = tuple(tuple(message.items()) for message in prompt)
    ids, mask = _rendered(tokenizer, template, turns, completion, train_on)
    return ids.tolist(), list(map(bool, mask))


@functools.lru_cache(maxsize=REMEMBERED)
def _rendered(
    tokenizer: Any,
    template: str | None,
    turns: tuple[tuple[tuple[str, str], ...], ...],
    completion: str,
    train_on: str,
) -> tuple[array[int], bytes]:
    """Ids and mask in little memory."""
    del template  # a tokenizer may get another one
    ids, mask = chat.render_example(
        tokenizer, [dict(message) for message in turns], completion, train_on
    )
    return array("i", ids), bytes(mask)
