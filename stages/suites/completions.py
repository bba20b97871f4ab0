"""The program in what a model wrote: cut at a paper's stop sequences, or taken out of fences."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<mark>`{3,}|~{3,})(?P<info>[^\n`]*)$")
_FUTURE = re.compile(r"^from __future__ import [^\n]+\n?", re.MULTILINE)
_PYTHON = ("", "python", "py", "python3", "py3")


def cut_at(text: str, stops: Sequence[str]) -> str:
    """``text`` up to the first of the stop sequences."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return text[: min(places)] if places else text


def without_thoughts(text: str) -> str:
    """What follows a reasoning model's ``</think>``; nothing when its thoughts never end."""
    before, mark, after = text.rpartition("</think>")
    if mark:
        return after
    return "" if "<think>" in before + after else text


def code_of(text: str, entry_point: str) -> str:
    """The program of a chat answer.

    The last fenced block that defines ``entry_point``, else the longest Python block, else the
    whole text. A fence that never closes (the answer was cut off) runs to the end.
    """
    text = without_thoughts(text)
    blocks = [block for info, block in _blocks(text) if info in _PYTHON]
    at_margin = (
        block if defines(block, entry_point) else textwrap.dedent(block) for block in blocks
    )
    defining = [block for block in at_margin if defines(block, entry_point)]
    if defining:
        return defining[-1]
    return max(blocks, key=len) if blocks else text


def defines(program: str, name: str) -> bool:
    """Whether a line at the left margin makes ``name``: a function, a class or an assignment."""
    pattern = rf"^(?:(?:async\s+)?def\s+{re.escape(name)}\s*\(|class\s+{re.escape(name)}\b|"
    return re.search(rf"{pattern}{re.escape(name)}\s*=)", program, re.MULTILINE) is not None


def joined(before: str, program: str) -> str:
    """``program`` behind ``before``, its ``__future__`` imports moved to the front."""
    futures = "".join(found[0].rstrip("\n") + "\n" for found in _FUTURE.finditer(program))
    return f"{futures}{before}\n{_FUTURE.sub('', program)}"


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """First word of each fence's info, lower case, and the block, its fence's indent taken off."""
    fence, lines = None, []
    for line in text.split("\n"):
        found = _FENCE.match(line.rstrip())
        if fence is None:
            fence, lines = found, []
        elif found and found["mark"].startswith(fence["mark"]) and not found["info"].strip():
            yield _block(fence, lines)
            fence = None
        else:
            lines.append(line)
    if fence is not None:
        yield _block(fence, lines)


def _block(fence: re.Match[str], lines: list[str]) -> tuple[str, str]:
    indent = fence["indent"]
    inside = [line.removeprefix(indent) for line in lines] if indent else lines
    info = fence["info"].strip().split(maxsplit=1)
    return (info[0].casefold() if info else ""), "\n".join(inside)
