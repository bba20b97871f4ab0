"""What a finished session leaves for later ones: a note, as the knowledge layer retrieves it."""

from __future__ import annotations

from collections.abc import Sequence


def note_text(issue_text: str, path: str, command: str, added_lines: Sequence[str]) -> str:
    """One session in one line: what was asked, where it was, how it is tested, what fixed it."""
    fix = " and ".join(line.strip() for line in added_lines)
    return f"note {issue_text}; file {path}; test {command}; fix {fix}"


def system_text(repo: str, notes: Sequence[str] = ()) -> str:
    """The system message: the repository's name, then any retrieved notes."""
    return "\n".join((f"repo {repo}", *notes))
