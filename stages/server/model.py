"""A model behind an OpenAI-compatible server, as the loop sees it.

Requests are in flight together; each turn depends on its own request alone, so results don't
depend on which answer comes first.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

from stages.agent.model import Completion, Request
from stages.agent.prompts import PromptRenderer
from stages.server.background import Background
from stages.server.config import ServerConfig, read_key
from stages.server.errors import ServedAdapterError, TemplateError
from stages.server.stream import ServerStream
from stages.server.turns import Turns
from stages.server.usage import Ledger

PROBES = (
    ({"role": "user", "content": "open a.py"},),
    (
        {"role": "system", "content": "repository oak\n\nwith notes"},
        {"role": "user", "content": "total is wrong: 1 + 2\n"},
        {"role": "assistant", "content": "edit a.py\n<<<\n    x\n===\n\ty\n>>>"},
        {"role": "tool", "content": "edited"},
    ),
)


class AdapterHost(Protocol):
    """How adapters get onto a server."""

    def load(self, model: ServerModel, config: Any, state: Mapping[str, Any]) -> str:
        """Serve the adapter; the name to ask for it by, its hash in it."""
        ...

    def drop(self, model: ServerModel, served: str) -> None:
        """Serve the adapter no longer."""
        ...


class ServerModel:
    """Answers chats through a server.

    With a ``tokenizer`` (the served model's own), prompts are counted before they are sent, so a
    full context ends an episode just as it does in process.
    """

    def __init__(
        self, config: ServerConfig, tokenizer: Any = None, host: AdapterHost | None = None
    ) -> None:
        self.config, self.host = config, host
        self.ledger = Ledger(config.prices, Path(config.ledger) if config.ledger else None)
        self._renderer = None if tokenizer is None else PromptRenderer(tokenizer)
        self._turns = Turns(config, self.ledger, self._renderer)
        self._served: dict[str, str] = {}
        """Names on the server by ours."""
        self._workers: dict[int, Background] = {}
        """By process: threads and connections don't survive a fork."""
        read_key(config)  # a missing key is told before any work

    def __enter__(self) -> ServerModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connections; a later request opens new ones."""
        worker = self._workers.pop(os.getpid(), None)
        if worker is not None:
            worker.close()

    @property
    def worker(self) -> Background:
        """This process's event loop and client."""
        if os.getpid() not in self._workers:
            worker = Background(self.config, read_key(self.config))
            self._workers[os.getpid()] = worker
            weakref.finalize(self, worker.close)
        return self._workers[os.getpid()]

    def count_tokens(self, text: str) -> int:
        """By the tokenizer; without one, four characters a token, the usual rule of thumb."""
        if self._renderer is None:
            return len(text) // 4 + 1
        return self._renderer.count_tokens(text)

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer all requests, in their order; a failed one gives a FailedCompletion.

        Raises only what ends the whole run: SpendingLimitError, ServerGoneError, and
        ServedAdapterError for an adapter that isn't loaded.
        """
        futures = [self.start(request) for request in requests]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def stream(self) -> ServerStream:
        """A fresh stream over the same connections."""
        return ServerStream(self.start)

    def start(self, request: Request) -> Future[Completion]:
        """Send one request; its future raises only what ends the whole run."""
        served = self.served_name(request.adapter)
        return self.worker.submit(self._turns.take(self.worker, request, served))

    def load_adapter(self, name: str, config: Any, state: Mapping[str, Any]) -> None:
        """Serve an adapter under ``name`` (peft's config and state dict, as LocalModel takes them).

        ServedAdapterError when the server doesn't echo the hash of just these tensors.
        """
        if self.host is None:
            raise ServedAdapterError(
                f"{self.config.url} serves no adapters as configured. Use vLLM, which loads them "
                "at run time, or `transformers serve` with merged copies."
            )
        if name in self._served:
            self.drop_adapter(name)
        self._served[name] = self.host.load(self, config, state)

    def drop_adapter(self, name: str) -> None:
        """Serve it no longer."""
        served = self.served_name(name)
        del self._served[name]
        assert self.host is not None, "load_adapter refuses without a host"
        self.host.drop(self, served)

    def served_name(self, adapter: str | None) -> str:
        """The name on the server of an adapter (its hash is in it), or of the base."""
        if adapter is None:
            return self.config.model
        if adapter not in self._served:
            raise ServedAdapterError(
                f"adapter {adapter!r} isn't loaded (loaded: {', '.join(sorted(self._served))}). "
                "Call load_adapter first, or correct the name."
            )
        return self._served[adapter]

    def check(self, adapter: str | None = None) -> None:
        """Ask for one token, so that a dead server or a wrong key or model is told before a run.

        With a tokenizer the server's count of the prompt must be our own: else its chat template
        or its tokenizer is another one than training used (TemplateError).
        """
        served = self.served_name(adapter)
        for messages in PROBES if self._renderer else PROBES[:1]:
            request = Request(messages, adapter, max_new_tokens=1)
            answer = self._turns.answer(self.worker, request, served)
            theirs = self.worker.submit(answer).result().input_tokens
            ours = self._turns.count_prompt(request)
            if ours is not None and theirs != ours:
                raise TemplateError(
                    f"{self.config.url}: the chat that ends with {messages[-1]['content']!r} has "
                    f"{theirs} tokens there and {ours} in training, so the model would read other "
                    "prompts than it learned from. Serve it with the same chat template and "
                    "tokenizer (export_for_serving makes a copy that keeps them)."
                )
