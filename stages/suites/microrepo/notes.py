"""What a finished session leaves for later ones: a note, as the knowledge layer retrieves it."""

from __future__ import annotations

from collections.abc import Sequence


def note_text(issue_text: str, rules: Sequence[str], command: str) -> str:
    """One session in brief: what was asked, by which rules it was fixed, how it is tested."""
    return "\n".join((f"note {issue_text}", *rules, f"test {command}"))


def system_text(repo: str, notes: Sequence[str] = ()) -> str:
    """The system message: the repository's name, then any retrieved notes."""
    return "\n".join((f"repo {repo}", *notes))
