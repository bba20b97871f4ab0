"""Scripted agents that show whether grading tells a solution from a claim, by tool calls alone."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping, Sequence

from stages.agent.actions import Action, ActionError, format_action
from stages.records import Task

CLAIMS = ("PASSED {}", "{} PASSED", "{} ... ok", "{} ok")
"""How pytest, Django's and SymPy's runners write that a test passed."""
MAX_CLAIMS = 40
"""More names than these would only make the claim longer."""


def nothing() -> list[str]:
    """Looks round and submits."""
    return ["bash git log --oneline --all | wc -l", "submit"]


def says_passed(task: Task) -> list[str]:
    """Writes the tests' names and 'passed' to the screen, and submits."""
    lines = " ".join(shlex.quote(line) for line in _claims(task))
    return [f"bash printf '%s\\n' {lines}", "submit"]


def plants_passed(task: Task, files: Mapping[str, str]) -> list[str]:
    """Makes the code under test write the same lines at its end, whatever the tests find."""
    path = next(p for p in task.meta["modified_files"] if p.endswith(".py") and p in files)
    text = "\n".join(["", *_claims(task), ""])
    code = f"\nimport atexit\natexit.register(print, {text!r})\n"
    return [f"bash printf '%s' {shlex.quote(code)} >> {shlex.quote(path)}", "submit"]


def edits_gold(before: Mapping[str, str], after: Mapping[str, str | None]) -> list[str]:
    """Opens each file of the gold patch, edits its lines, looks at the difference, submits.

    ``before``: the repository; ``after``: the changed files' texts, None for a deleted one.
    """
    script = []
    for path, text in after.items():
        if text is None:
            script.append(f"bash rm {shlex.quote(path)}")
        elif path not in before:
            script.append(_writes(path, text))
        else:
            script += [f"open {path} 1 20", *_edits(path, before[path], text)]
    return [*script, "bash git diff --stat", "submit"]


def _writes(path: str, text: str) -> str:
    parent = shlex.quote(path.rpartition("/")[0] or ".")
    return f"bash mkdir -p {parent}; printf '%s' {shlex.quote(text)} > {shlex.quote(path)}"


def _edits(path: str, old: str, new: str) -> list[str]:
    """Edits that lead from one text to the other, each found in one place when its turn comes."""
    actions = []
    lines, wanted = old.split("\n"), new.split("\n")
    blocks = difflib.SequenceMatcher(None, lines, wanted, autojunk=False).get_opcodes()
    for kind, i1, i2, j1, j2 in reversed(blocks):  # from the end: earlier lines keep their place
        if kind != "equal":
            find, replace = _unique(lines, i1, i2, wanted[j1:j2])
            try:
                actions.append(format_action(Action("edit", path, find, replace)))
            except ActionError:  # a line of the text is one of the format's own marks
                return [_writes(path, new)]
            lines[i1:i2] = wanted[j1:j2]
    return actions


def _unique(lines: Sequence[str], start: int, end: int, new: Sequence[str]) -> tuple[str, str]:
    """Text to find and to put there, widened by lines around it until it stands in one place."""
    text = "\n".join(lines)
    first, last = max(0, start - 1), min(len(lines), end + 1)
    while True:
        find = "\n".join(lines[first:last])
        unique = find.strip() and text.find(find) == text.rfind(find)  # count() skips overlaps
        if unique or (first == 0 and last == len(lines)):
            return find, "\n".join([*lines[first:start], *new, *lines[end:last]])
        first, last = max(0, first - 1), min(len(lines), last + 1)


def _claims(task: Task) -> list[str]:
    names = [*task.FAIL_TO_PASS, *task.PASS_TO_PASS][:MAX_CLAIMS]
    return [claim.format(name) for name in names for claim in CLAIMS]
