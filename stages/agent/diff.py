"""Unified diffs in Git's form, in a fixed order, that ``git apply`` takes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

CONTEXT_LINES = 3


def unified_diff(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """The change from ``before`` to ``after`` (relative path -> text), files sorted by path.

    A file that isn't text in either state is named ``Binary files … differ``, as Git does.
    """
    names = sorted(before.keys() | after.keys())
    return "".join(
        _file_diff(name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    )


def changed_files(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str | None]:
    """New text of every file that differs; None for a deleted one."""
    names = sorted(before.keys() | after.keys())
    return {name: after.get(name) for name in names if before.get(name) != after.get(name)}


def _file_diff(name: str, old: str | None, new: str | None) -> str:
    head = [f"diff --git a/{name} b/{name}\n"]
    if old is None:
        head.append("new file mode 100644\n")
    if new is None:
        head.append("deleted file mode 100644\n")
    source = "/dev/null" if old is None else f"a/{name}"
    target = "/dev/null" if new is None else f"b/{name}"
    if _binary(old) or _binary(new):
        return "".join([*head, f"Binary files {source} and {target} differ\n"])
    lines = difflib.unified_diff(
        _lines(old or ""), _lines(new or ""), source, target, n=CONTEXT_LINES
    )
    marked = [
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    ]
    return "".join(head + marked)


def _lines(text: str) -> list[str]:
    """Lines with their ends, split at line feeds only: a form feed is part of its line."""
    parts = text.split("\n")
    return [f"{part}\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _binary(text: str | None) -> bool:
    if text is None:
        return False
    return "\0" in text or any("\udc80" <= char <= "\udcff" for char in text)
