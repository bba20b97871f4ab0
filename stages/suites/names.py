"""Names of repositories that can name files."""

from __future__ import annotations


def world_name(repo: str) -> str:
    """A repository's name as stages use it, for files too: ``owner/name`` is ``owner__name``."""
    return repo.replace("/", "__")
