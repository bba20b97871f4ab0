"""A fix as an agent's actions: what a scripted agent plays, and what format T teaches."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping, Sequence

from stages.agent.actions import Action, ActionError, format_action

AROUND = 10
"""Lines shown before and after the ones that change."""


def edits_gold(before: Mapping[str, str], after: Mapping[str, str | None]) -> list[str]:
    """Actions that open each file of the gold patch where it changes, and edit its lines.

    ``before``: the repository; ``after``: the changed files' texts, None for a deleted one.
    """
    script = []
    for path, text in after.items():
        if text is None:
            script.append(f"bash rm {shlex.quote(path)}")
        elif path not in before:
            script.append(_writes(path, text))
        else:
            first, last = _changed(before[path], text)
            script += [f"open {path} {first} {last}", *_edits(path, before[path], text)]
    return script


def _changed(old: str, new: str) -> tuple[int, int]:
    """First and last line to look at, from 1: those that change and some around them."""
    lines = old.split("\n")
    blocks = difflib.SequenceMatcher(None, lines, new.split("\n"), autojunk=False).get_opcodes()
    changed = [block for block in blocks if block[0] != "equal"]
    first, last = (changed[0][1], changed[-1][2]) if changed else (0, 0)
    return max(1, first + 1 - AROUND), min(len(lines), max(first + 1, last) + AROUND)


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
