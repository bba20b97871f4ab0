"""One turn: what is sent for a request, and what becomes of the answer."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Any

from stages.agent.chat import fold_roles
from stages.agent.model import Completion, Request
from stages.agent.prompts import PromptRenderer
from stages.server.answers import Answer, read_answer, read_usage
from stages.server.background import Background
from stages.server.config import ServerConfig
from stages.server.errors import (
    ContextFullError,
    NoUsageError,
    ServerError,
    ServerGoneError,
)
from stages.server.usage import Ledger

SEED_MASK = (1 << 31) - 1
"""Servers take seeds of 32 bits with a sign."""


@dataclasses.dataclass(frozen=True)
class FailedCompletion(Completion):
    """A turn that the server didn't answer: a fault of the harness, not of the agent."""

    error: str = ""
    """What went wrong, and the remedy."""


class Turns:
    """Asks for turns, pays for them, and counts those that fail in a row."""

    def __init__(
        self, config: ServerConfig, ledger: Ledger, renderer: PromptRenderer | None
    ) -> None:
        self._config, self._ledger, self._renderer = config, ledger, renderer
        self._failed_in_a_row = 0

    def count_prompt(self, request: Request) -> int | None:
        """Tokens of the request's prompt as training renders it; None without a tokenizer."""
        if self._renderer is None:
            return None
        return len(self._renderer.ids(self._messages(request)))

    async def take(self, worker: Background, request: Request, served: str) -> Completion:
        """The turn, or a FailedCompletion; raises only what ends the whole run."""
        try:
            async with worker.slots:
                completion = await self.answer(worker, request, served)
        except ContextFullError as error:
            prompt = error.prompt_tokens or error.context_tokens or self._config.context_tokens
            completion = Completion("", prompt, 0, 0, 0.0, "length")
        except ServerError as error:
            if error.stops:
                raise
            self._count_failure(error)
            message = f"{type(error).__name__}: {error}"
            return FailedCompletion("", 0, 0, 0, 0.0, "length", error=message)
        self._failed_in_a_row = 0
        return completion

    async def answer(self, worker: Background, request: Request, served: str) -> Completion:
        """The turn; raises every ServerError that is left after the retries."""
        room, ours = request.max_new_tokens, self.count_prompt(request)
        if ours is not None and self._config.context_tokens:
            room = min(room, self._config.context_tokens - ours)
            if room <= 0:
                return Completion("", ours, 0, 0, 0.0, "length")
        try:
            answer, seconds = await self._ask(worker, request, served, room)
        except ContextFullError as error:
            if error.prompt_tokens is None or error.context_tokens is None:
                raise
            left = error.context_tokens - error.prompt_tokens
            if not 0 < left < room:
                raise
            answer, seconds = await self._ask(worker, request, served, left)
        usage = answer.usage
        return Completion(
            answer.text,
            usage.prompt_tokens,
            usage.cached_tokens,
            usage.completion_tokens,
            seconds,
            answer.finish,
        )

    async def _ask(
        self, worker: Background, request: Request, served: str, room: int
    ) -> tuple[Answer, float]:
        """The answer and the seconds of the attempt that gave it, waits and failures left out."""
        body = self.body(request, served, room)

        async def once() -> tuple[Answer, float]:
            self._ledger.require_money()
            start = time.perf_counter()
            found = await worker.client.post("/chat/completions", body)
            seconds = time.perf_counter() - start
            self._pay(served, found)
            return read_answer(found, served, self._config), seconds

        return await worker.client.retrying(once, request.seed)

    def body(self, request: Request, served: str, room: int) -> dict[str, Any]:
        """The request's JSON for the model ``served``, with ``room`` tokens to write."""
        length = "max_completion_tokens" if self._config.kind == "openai" else "max_tokens"
        body: dict[str, Any] = {
            "model": served,
            "messages": self._messages(request),
            "temperature": request.temperature,
            "seed": request.seed & SEED_MASK,
            length: room,
        }
        if self._config.kind == "transformers" and request.temperature > 0:
            # It takes a temperature but goes on greedily unless told to sample, and would keep
            # to its 50 likeliest tokens.
            sampling = {"do_sample": True, "top_k": 0, "top_p": 1.0}
            body["generation_config"] = json.dumps(sampling)
        return {**body, **dict(self._config.extra_body)}

    def _messages(self, request: Request) -> list[dict[str, str]]:
        messages = list(request.messages)
        return fold_roles(messages) if self._config.fold_roles else messages

    def _pay(self, served: str, found: dict[str, Any]) -> None:
        """What a malformed answer used is paid for too."""
        try:
            self._ledger.add(served, read_usage(found))
        except NoUsageError:
            return  # read_answer raises it, unless it finds something worse

    def _count_failure(self, error: ServerError) -> None:
        self._ledger.failures += 1
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= self._config.give_up_after:
            raise ServerGoneError(
                f"{self._failed_in_a_row} turns in a row failed, the last with "
                f"{type(error).__name__}: {error} Finished cells are kept: mend the server and "
                "run the same command again to go on."
            )
