"""Requests to a server, each under a total deadline, asked again where that may help.

httpx2 rather than the openai package: it is there already (huggingface_hub needs it), and the
parts that matter here (a deadline over the whole answer, jitter from a seed, an error's name)
would have to go around that package's own retries anyway.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx2

from stages.server.answers import SHOWN, parse_body
from stages.server.config import ServerConfig
from stages.server.errors import (
    AuthenticationError,
    ContextFullError,
    RateLimitedError,
    RequestRefusedError,
    ServerError,
    ServerFaultError,
    TimedOutError,
    UnreachableError,
    UnusableAnswerError,
)
from stages.server.retries import parse_retry_after, wait_s

T = TypeVar("T")
MOST_BYTES = 16 << 20
"""Longest body read; a server that sends more is at fault."""
_LIMIT = re.compile(r"maximum context length is (\d+)")
_PROMPT = re.compile(r"(?<!at least )\b(\d+) (?:input tokens|in the messages)|resulted in (\d+)")


class Client:
    """One server, asked from one event loop."""

    def __init__(self, config: ServerConfig, key: str) -> None:
        self._config, self._key = config, key
        self._http = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=None,  # the deadline below covers the whole answer, a slow trickle too
            limits=httpx2.Limits(max_connections=config.concurrency),
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def retrying(self, once: Callable[[], Awaitable[T]], seed: int) -> T:
        """``once()``, again after each error that may pass, up to the configured attempts."""
        rng = random.Random(f"{self._config.seed} {seed}")
        for attempt in range(1, self._config.attempts + 1):
            try:
                return await once()
            except ServerError as error:
                if not error.retry or attempt == self._config.attempts:
                    raise
                await asyncio.sleep(wait_s(self._config, rng, attempt, error))
        raise AssertionError("the loop above returns or raises")

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST ``body`` once to ``url`` + ``path``; the JSON object that came back."""
        return parse_body(await self.text("POST", path, body))

    async def get(self, path: str) -> dict[str, Any]:
        """GET ``url`` + ``path`` once; the JSON object that came back."""
        return parse_body(await self.text("GET", path))

    async def text(self, method: str, path: str, body: dict[str, Any] | None = None) -> str:
        """One request; the body's text of a 2xx answer, with the key blacked out."""
        url = self._config.url.rstrip("/") + path
        try:
            async with asyncio.timeout(self._config.timeout_s):
                response, text = await self._receive(method, url, body)
        except TimeoutError:
            raise TimedOutError(
                f"{url}: no whole answer within {self._config.timeout_s:g} s. Raise `timeout_s`, "
                "lower `concurrency`, or look whether the server hangs."
            ) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise UnreachableError(
                f"{url}: {self._hide(str(error)) or type(error).__name__}. Is the server running, "
                "and is `url` its address?"
            ) from None
        if not response.is_success:
            raise self._refusal(url, response, text)
        return text

    async def _receive(
        self, method: str, url: str, body: dict[str, Any] | None
    ) -> tuple[httpx2.Response, str]:
        async with self._http.stream(method, url, json=body) as response:
            data = bytearray()
            async for chunk in response.aiter_bytes():
                data += chunk
                if len(data) > MOST_BYTES:
                    raise UnusableAnswerError(
                        f"{url}: the answer is longer than {MOST_BYTES >> 20} MiB. See whether "
                        "`url` leads to an OpenAI-compatible server."
                    )
        return response, self._hide(data.decode("utf-8", "replace"))

    def _hide(self, text: str) -> str:
        """The text without the key, which some servers repeat in their errors."""
        return text.replace(self._key, "[key]") if self._key else text

    def _refusal(self, url: str, response: httpx2.Response, text: str) -> ServerError:
        code, said = response.status_code, " ".join(text.split())[:SHOWN]
        where = f"{url}: the server answered {code} ({said})"
        if code in (401, 403):
            name = self._config.api_key_env
            remedy = f"Correct the key in {name}" if name else "Name its key in `api_key_env`"
            return AuthenticationError(f"{where}. {remedy}.")
        if limit := _context(text):
            return ContextFullError(
                f"{where}. Lower the agent's max_tokens, or serve a longer context.", *limit
            )
        error: ServerError
        if code == 429:
            error = RateLimitedError(f"{where}. Lower `concurrency`, or wait and run it again.")
        elif code == 408 or code >= 500:
            error = ServerFaultError(f"{where}. Look into the server's log.")
        else:
            return RequestRefusedError(f"{where}. Correct `url`, `model` or `kind`.")
        error.retry_after_s = parse_retry_after(response.headers.get("Retry-After"))
        return error


def _context(text: str) -> tuple[int | None, int | None] | None:
    """(prompt tokens, context tokens) where the server complains of a full context, else None."""
    limit, prompt = _LIMIT.search(text), _PROMPT.search(text)
    if limit is None:
        return (None, None) if "context_length_exceeded" in text else None
    used = next((int(group) for group in prompt.groups() if group), None) if prompt else None
    return used, int(limit.group(1))
