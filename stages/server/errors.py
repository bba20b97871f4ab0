"""What can go wrong with a server, each with a name.

``retry`` says whether asking again may help; ``stops`` whether the whole run ends. Every other
error, left over after the retries, is a harness error of the one episode that asked.
"""

from __future__ import annotations

from stages.records import UserError


class ServerError(UserError):
    """A turn that a server didn't answer, or not in a usable way."""

    retry = False
    stops = False
    retry_after_s: float | None = None
    """Seconds the server asked to wait; None: it didn't."""


class ServerConfigError(ServerError):
    """The settings of the server can't be used."""

    stops = True


class AuthenticationError(ServerError):
    """The server refuses the key (401, 403)."""


class RequestRefusedError(ServerError):
    """The server calls the request wrong (another 4xx)."""


class ContextFullError(ServerError):
    """The prompt with its answer is longer than the served model's context."""

    def __init__(self, message: str, prompt_tokens: int | None, context_tokens: int | None) -> None:
        super().__init__(message)
        self.prompt_tokens, self.context_tokens = prompt_tokens, context_tokens


class RateLimitedError(ServerError):
    """Too many requests (429)."""

    retry = True


class ServerFaultError(ServerError):
    """The server failed (5xx, 408)."""

    retry = True


class TimedOutError(ServerError):
    """No whole answer came in time, however slowly it trickled."""

    retry = True


class UnreachableError(ServerError):
    """No connection, or one that broke."""

    retry = True


class CutAnswerError(ServerError):
    """The answer isn't whole JSON."""

    retry = True


class NoChoiceError(ServerError):
    """The answer holds no choice with a message."""

    retry = True


class WrongModelError(ServerError):
    """Another model answered than the one asked."""


class NoUsageError(ServerError):
    """The answer doesn't say how many tokens it took."""


class UnusableAnswerError(ServerError):
    """A field of the answer has another type, or another content, than the protocol's."""


class SpendingLimitError(ServerError):
    """The limit on spending is reached."""

    stops = True


class ServerGoneError(ServerError):
    """Turn after turn failed, with no success between them."""

    stops = True


class TemplateError(ServerError):
    """The server renders a chat to another number of tokens than training does."""

    stops = True


class ServedAdapterError(ServerError):
    """The server doesn't serve the adapter that was asked for (check 5)."""

    stops = True
