"""Prompts to token ids, each message tokenised once.

An agent's chat grows by two messages a turn; rendering and tokenising all of it again each turn
costs more than the small model's own work on it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from stages.agent.chat import Message, render_prompt

ROLES = ("system", "user", "assistant", "tool")
_PROBES: tuple[tuple[Message, ...], ...] = (
    ({"role": "user", "content": "open a.py\n"},),
    (
        {"role": "system", "content": " a repository\n\nwith notes "},
        {"role": "user", "content": "1 + 2\n"},
        {"role": "assistant", "content": "edit a.py\n<<<\n    x\n===\n\ty\n>>>"},
        {"role": "tool", "content": "edited"},
        {"role": "assistant", "content": "submit"},
        {"role": "tool", "content": "    def total(a):\r\n"},
    ),
)


class PromptRenderer:
    """``ids(messages)`` equals ``chat.render_prompt``; piece by piece where that is exact.

    A template renders piecewise when each message's text doesn't depend on its neighbours and
    begins and ends at a special token. That is tried on probes; where it fails, every prompt is
    rendered whole.
    """

    def __init__(self, tokenizer: Any, cache_size: int = 65_536) -> None:
        self._tokenizer = tokenizer
        self._piece = functools.lru_cache(cache_size)(self._render_piece)
        self._opening: list[int] = []
        try:
            self._frames = {role: self._frame(role) for role in ROLES}
            self._opening = self._encode(self._generation_prompt())
            self.piecewise = all(
                self._joined(probe) == render_prompt(tokenizer, probe) for probe in _PROBES
            )
        except Exception:  # a template may refuse a role or a lone message, each in its own way
            self.piecewise = False

    def ids(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of the chat followed by the opening of an assistant turn."""
        if self.piecewise:
            return self._joined(messages)
        return render_prompt(self._tokenizer, messages)

    def closing_ids(self) -> set[int]:
        """Tokens that end an assistant turn: the tokenizer's own and the template's."""
        closing = {self._tokenizer.eos_token_id} - {None}
        if self.piecewise:
            ids = self._encode(self._frames["assistant"][1])
            closing |= set(ids[:1])
        return closing

    def count_tokens(self, text: str) -> int:
        return len(self._encode(text))

    def _joined(self, messages: Sequence[Message]) -> list[int]:
        ids: list[int] = []
        for message in messages:
            ids += self._piece(message["role"], message["content"])
        return ids + self._opening

    def _render_piece(self, role: str, content: str) -> list[int]:
        before, after = self._frames[role]
        return self._encode(f"{before}{content}{after}")

    def _frame(self, role: str) -> tuple[str, str]:
        mark = "CONTENT"
        text = self._tokenizer.apply_chat_template(
            [{"role": role, "content": mark}], tokenize=False, add_generation_prompt=False
        )
        before, _, after = text.partition(mark)
        return before, after

    def _generation_prompt(self) -> str:
        message = [{"role": "user", "content": "CONTENT"}]
        plain, opened = (
            self._tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=add)
            for add in (False, True)
        )
        return opened[len(plain) :]

    def _encode(self, text: str) -> list[int]:
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        if backend is None:
            return self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return backend.encode(text, add_special_tokens=False).ids
