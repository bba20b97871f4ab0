"""Names of worlds before and after a change: `oak_harbor~major` is `oak_harbor` after it."""

from __future__ import annotations

MARK = "~"
"""Between a world's name and the severity of its change."""


def base_world(name: str) -> str:
    """The world before the change."""
    return name.partition(MARK)[0]


def severity_of(name: str) -> str:
    """The severity in a world's name; empty before the change."""
    return name.partition(MARK)[2]
