"""What a finished session leaves for later ones: a note, as the knowledge layer retrieves it."""

from __future__ import annotations

from collections.abc import Sequence

from stages.agent.actions import Action, format_action


def note_text(issue_text: str, path: str, command: str, changes: Sequence[tuple[str, str]]) -> str:
    """One session as its actions: what was asked, what fixed it, under which command it passed.

    ``changes`` are pairs of a line and what it became. Quoting the edits as an agent writes them
    lets a reader go on from one, as it would from an example.
    """
    edits = [format_action(Action("edit", path, find, replace)) for find, replace in changes]
    return "\n".join((f"note {issue_text}", *edits, f"test {command}"))


def system_text(repo: str, notes: Sequence[str] = ()) -> str:
    """The system message: the repository's name, then any retrieved notes."""
    return "\n".join((f"repo {repo}", *notes))
