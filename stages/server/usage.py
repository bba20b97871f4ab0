"""Tokens used, what they cost, and the limit on it."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path

from stages.records import RecordError, canonical_json
from stages.server.config import Prices
from stages.server.errors import SpendingLimitError


@dataclasses.dataclass(frozen=True)
class Usage:
    """Tokens of one answer, or of many."""

    prompt_tokens: int = 0
    """Tokens of the prompts, cached ones included."""
    cached_tokens: int = 0
    """How many of them the server had cached."""
    completion_tokens: int = 0
    """Tokens written."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
        )

    def cost(self, prices: Prices) -> float:
        """In the prices' currency."""
        fresh = self.prompt_tokens - self.cached_tokens
        return (
            fresh * prices.input_per_million
            + self.cached_tokens * prices.cached_per_million
            + self.completion_tokens * prices.output_per_million
        ) / 1e6


class Ledger:
    """Adds up the usage, on disk too where a path is given, so that a limit outlives a kill.

    One line an answer is appended at once; a last line that a kill cut off is mended over.
    """

    def __init__(self, prices: Prices, path: Path | None = None) -> None:
        self.prices, self._path = prices, path
        self._lock = threading.Lock()
        self.total, self.answers, self.failures = Usage(), 0, 0
        if path is not None and path.exists():
            self._read(path)

    @property
    def spent(self) -> float:
        """Cost so far, in the prices' currency."""
        return self.total.cost(self.prices)

    def add(self, model: str, usage: Usage) -> None:
        """Record one answer, usable or not: it was paid for."""
        with self._lock:
            self.total += usage
            self.answers += 1
            if self._path is not None:
                self._append({"model": model, **dataclasses.asdict(usage)})

    def require_money(self) -> None:
        """Raise SpendingLimitError when the limit is reached; what is in flight is still paid."""
        limit = self.prices.limit
        if limit is not None and self.spent >= limit:
            raise SpendingLimitError(
                f"{self.spent:.4g} {self.prices.currency} are spent, the limit is {limit:g} "
                f"({self.answers} answers, {self.total.prompt_tokens} prompt tokens, "
                f"{self.total.completion_tokens} written). Finished cells are kept: raise "
                "`prices.limit` and run the same command again to go on."
            )

    def _append(self, row: dict[str, object]) -> None:
        assert self._path is not None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(canonical_json(row) + "\n")
        except OSError as error:
            raise RecordError(
                f"{self._path}: the tokens of an answer can't be recorded "
                f"({error.strerror or error}), so the spending limit would be blind. Free space "
                "or correct the rights, then run the same command again."
            ) from error

    def _read(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                row = json.loads(line)
                usage = Usage(row["prompt_tokens"], row["cached_tokens"], row["completion_tokens"])
                self.total += usage
            except (ValueError, KeyError, TypeError):
                raise RecordError(
                    f"{path}, line {number}: not a line of a ledger. Mend the line, or delete "
                    "the file to count from zero."
                ) from None
            self.answers += 1
        if whole != text:
            path.write_text(whole, encoding="utf-8")
