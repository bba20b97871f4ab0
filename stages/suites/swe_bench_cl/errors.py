"""The errors that the suite's parts raise."""

from __future__ import annotations

from stages.records import UserError


class SweBenchError(UserError):
    """Something about the tasks or the machine that the user can mend; one paragraph."""


class HarnessError(UserError):
    """Something of ours failed, not of the agent's; the message says what and the remedy."""
