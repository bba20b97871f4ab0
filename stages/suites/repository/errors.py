"""The error that every part of the suite raises."""

from __future__ import annotations

from stages.records import UserError


class RepositoryError(UserError):
    """Something about the clone or its tasks that the user can mend; one paragraph."""
