"""How long to wait before asking again."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from stages.server.config import ServerConfig
from stages.server.errors import ServerError


def wait_s(config: ServerConfig, rng: random.Random, attempt: int, error: ServerError) -> float:
    """Seconds to wait after the failed ``attempt`` (from 1).

    Doubled each time, with a jitter between half and the whole of it, so that requests turned
    away together don't come back together; at least what the server asked for. Raises ``error``
    when it asked for more than the longest wait.
    """
    grown = min(config.max_wait_s, config.backoff_s * 2.0 ** (attempt - 1))
    jittered = grown * rng.uniform(0.5, 1.0)
    asked = error.retry_after_s
    if asked is None:
        return jittered
    if asked > config.max_wait_s:
        raise error
    return max(jittered, asked)


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds in a Retry-After header (a number or an HTTP date, RFC 9110 §10.2.3), or None."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (
            date.replace(tzinfo=date.tzinfo or UTC) - (now or datetime.now(UTC))
        ).total_seconds()
    return max(0.0, seconds) if seconds < float("inf") else None
