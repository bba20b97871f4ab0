"""Where a server is, how it is asked, and what it costs."""

from __future__ import annotations

import dataclasses
import os
from typing import Literal
from urllib.parse import urlsplit

from stages.server.errors import ServerConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prices:
    """What tokens cost, and how much may be spent."""

    currency: str = "USD"
    """Name of the currency; only printed."""
    input_per_million: float = 0.0
    """Price of a million prompt tokens that weren't cached."""
    cached_per_million: float = 0.0
    """Price of a million prompt tokens that the server had cached."""
    output_per_million: float = 0.0
    """Price of a million written tokens."""
    limit: float | None = None
    """Most to spend, earlier runs on the same ledger included; None: no limit."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """An OpenAI-compatible endpoint."""

    url: str
    """Address up to the version, such as http://localhost:8000/v1."""
    model: str
    """Name under which the server knows the base model."""
    kind: Literal["openai", "vllm", "ollama", "transformers"] = "openai"
    """Which server: they differ in the name they answer with and in how sampling is asked for."""
    also_called: tuple[str, ...] = ()
    """Other names the server may answer with for the base model (a dated version, say)."""
    api_key_env: str = ""
    """Environment variable that holds the key; empty: the server wants none."""
    concurrency: int = 8
    """Most requests in flight. Above 1, `transformers serve` mixes up the seeds of its samples."""
    timeout_s: float = 300.0
    """Most time for one whole answer, seconds, from the connection to the last byte."""
    attempts: int = 6
    """Most times a turn is asked for."""
    backoff_s: float = 1.0
    """Wait before the second attempt, seconds; doubled each time, less up to half by chance."""
    max_wait_s: float = 120.0
    """Longest wait between attempts, seconds; a server that asks for a longer one has failed."""
    give_up_after: int = 32
    """Turns failing in a row, none succeeding between them, after which the run stops."""
    seed: int = 0
    """Seed of the waits' jitter."""
    context_tokens: int = 0
    """Longest chat with its answer, tokens; 0 leaves it to the server."""
    fold_roles: bool = False
    """Whether system and tool texts join the user's turns, for servers that refuse those roles."""
    extra_body: tuple[tuple[str, str | int | float | bool], ...] = ()
    """Further top-level fields of each request, by name."""
    prices: Prices = Prices()
    """What tokens cost."""
    ledger: str = ""
    """File (JSON Lines) that keeps the tokens of every answer across runs; empty keeps none."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ServerConfigError(
                "the server's url must begin with http:// or https:// and name a host, such as "
                "http://localhost:8000/v1. Correct `url`."
            )
        if parts.username or parts.password or parts.query:
            # The url itself stays out of the message: what stands there may be a key.
            raise ServerConfigError(
                "the server's url holds a name, a password or a query, which would be logged "
                "with it. Put the key into an environment variable and its name into "
                "`api_key_env`."
            )
        for name in ("concurrency", "attempts", "give_up_after", "timeout_s"):
            if getattr(self, name) <= 0:
                raise ServerConfigError(f"the server's {name} must be above 0. Correct it.")


def read_key(config: ServerConfig) -> str:
    """The key from its environment variable, "" where none is wanted.

    ServerConfigError names the variable, never what is in it.
    """
    name = config.api_key_env
    if not name:
        return ""
    key = os.environ.get(name, "").strip()
    if not key:
        raise ServerConfigError(
            f"the environment variable {name} is empty or not set, and {config.url} wants its key "
            f"there. Run `export {name}=…`, or clear `api_key_env` if the server wants none."
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ServerConfigError(
            f"the environment variable {name} doesn't hold a key: there are spaces, control or "
            "non-ASCII characters in it. Copy the key again."
        )
    return key
