"""What an agent is told of a repository and its tools, and what a session leaves behind."""

from __future__ import annotations

from collections.abc import Sequence

from stages.records import Task

NOTE_STATEMENT, NOTE_PATCH = 600, 2400
"""Most characters of an issue and of its fix that a note holds."""
TOOLS = """You fix an issue in the repository {repo}; its files lie in the current folder.
Answer with one action at a time; what it shows is the next message. The actions:
search WORD            lines that define WORD, or contain it
open FILE [FIRST LAST] a file, or some of its lines
bash COMMAND           a shell command; there is no network
test COMMAND           the same, for tests
edit FILE              followed by the lines
<<<
text to find, which must stand there once
===
text to put in its place
>>>
submit                 when the issue is fixed; your changes are then tested"""


PLAIN = (
    "Tests are plain functions without pytest; one is called with, for instance, "
    "test python -c 'from tests.test_a import *; test_b()'"
)


def system_text(repo: str, test_command: str, notes: Sequence[str] = ()) -> str:
    """The system message: the tools, how tests are run, then any retrieved notes."""
    tests = PLAIN if test_command == "plain" else f"Tests are run with: {test_command}"
    return "\n".join((TOOLS.format(repo=repo), tests, *notes))


def note_text(task: Task, fix: str) -> str:
    """An earlier issue of this repository and how upstream fixed it."""
    parts = [f"Earlier issue: {_cut(task.problem_statement, NOTE_STATEMENT)}"]
    if fix:
        parts.append(f"It was fixed by:\n{_cut(fix, NOTE_PATCH)}")
    return "\n".join(parts)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit].rstrip()} [cut]"
