"""Search and replace in a file's text: exact, then whitespace-insensitive, then fuzzy.

The three passes and the refusal of an ambiguous match follow the edit tools of SWE-agent and
aider; here the threshold of the fuzzy pass is a registered parameter.
"""

from __future__ import annotations

import dataclasses
import re
from bisect import bisect_left
from collections.abc import Sequence

from rapidfuzz import fuzz

_FENCE = re.compile(r"```[\w+-]*\n(.*?)\n?```\s*", re.DOTALL)


class MatchError(ValueError):
    """The text to find stands nowhere, or in several places; the message goes to the agent."""


@dataclasses.dataclass(frozen=True)
class Span:
    """Where the text stands: offsets [start, end) into the text, and the replacement to use."""

    start: int
    end: int
    replacement: str


def strip_fence(text: str) -> str:
    """The content of a Markdown code fence that encloses the whole text; else the text itself."""
    fenced = _FENCE.fullmatch(text.strip("\n"))
    return fenced.group(1) if fenced else text


def replace_once(text: str, find: str, replace: str, fuzzy_ratio: float) -> str:
    """``text`` with its only match of ``find`` replaced; MatchError for none or several.

    Matching sees line feeds only; the replacement gets the line ending of the place it goes to.
    ``fuzzy_ratio`` in (0, 1]; 0 switches the fuzzy pass off.
    """
    plain = text.replace("\r\n", "\n")
    find, replace = find.replace("\r\n", "\n"), replace.replace("\r\n", "\n")
    span = _locate(plain, find, replace, fuzzy_ratio)
    if len(plain) == len(text):
        return text[: span.start] + span.replacement + text[span.end :]
    returns = _positions_of_returns(text)
    start = span.start + bisect_left(returns, span.start)
    end = span.end + bisect_left(returns, span.end)
    line_end = text.find("\n", start)
    ending = "\r\n" if line_end < 1 or text[line_end - 1] == "\r" else "\n"
    return text[:start] + span.replacement.replace("\n", ending) + text[end:]


def _positions_of_returns(text: str) -> list[int]:
    """Offsets, in the text without carriage returns, of the line feeds that had one before."""
    positions: list[int] = []
    at = text.find("\r\n")
    while at >= 0:
        positions.append(at - len(positions))
        at = text.find("\r\n", at + 2)
    return positions


def _locate(text: str, find: str, replace: str, fuzzy_ratio: float) -> Span:
    starts = _starts(text, find)
    if len(starts) == 1:
        return Span(starts[0], starts[0] + len(find), replace)
    if starts:
        raise MatchError(f"ambiguous: {len(starts)} matches")
    lines, wanted = text.split("\n"), find.split("\n")
    hits = _whitespace_hits(lines, wanted)
    if not hits and fuzzy_ratio > 0:
        hits = _fuzzy_hits(lines, wanted, fuzzy_ratio)
    if not hits:
        raise MatchError("no match")
    if len(hits) > 1:
        raise MatchError(f"ambiguous: {len(hits)} matches")
    first, last = hits[0]
    start = sum(len(line) + 1 for line in lines[:first])
    end = start + len("\n".join(lines[first : last + 1]))
    return Span(start, end, _reindent(replace, _lead(wanted), _lead(lines[first : last + 1])))


def _starts(text: str, find: str) -> list[int]:
    """Every place where ``find`` begins; those that overlap count, each could be meant."""
    starts: list[int] = []
    at = text.find(find)
    while at >= 0:
        starts.append(at)
        at = text.find(find, at + 1)
    return starts


def _whitespace_hits(lines: Sequence[str], wanted: Sequence[str]) -> list[tuple[int, int]]:
    """First and last line of every place that equals ``wanted`` but for white space."""
    target = [squeezed for line in wanted if (squeezed := "".join(line.split()))]
    numbered = [(n, s) for n, line in enumerate(lines) if (s := "".join(line.split()))]
    if not target:
        return []
    size = len(target)
    return [
        (numbered[at][0], numbered[at + size - 1][0])
        for at in range(len(numbered) - size + 1)
        if [squeezed for _, squeezed in numbered[at : at + size]] == target
    ]


def _fuzzy_hits(
    lines: Sequence[str], wanted: Sequence[str], fuzzy_ratio: float
) -> list[tuple[int, int]]:
    """The best windows at or above the ratio that don't overlap a better one."""
    wanted = [line.strip() for line in wanted]
    while wanted and not wanted[0]:
        wanted.pop(0)
    while wanted and not wanted[-1]:
        wanted.pop()
    size = len(wanted)
    stripped = [line.strip() for line in lines]
    target = "\n".join(wanted)
    if not target:
        return []
    scored = []
    for at in range(len(lines) - size + 1):
        score = fuzz.ratio(
            target, "\n".join(stripped[at : at + size]), score_cutoff=100 * fuzzy_ratio
        )
        if score > 0:
            scored.append((-score, at))
    kept: list[int] = []
    for _, at in sorted(scored):
        if all(abs(at - other) >= size for other in kept):
            kept.append(at)
    return [(at, at + size - 1) for at in kept]


def _lead(lines: Sequence[str]) -> str:
    """Indentation of the first line that isn't blank."""
    for line in lines:
        if line.strip():
            return line[: len(line) - len(line.lstrip())]
    return ""


def _reindent(text: str, old: str, new: str) -> str:
    """Move ``text`` from indentation ``old`` to ``new``, keeping what lies deeper."""
    return "\n".join(_shift(line, old, new) if line.strip() else line for line in text.split("\n"))


def _shift(line: str, old: str, new: str) -> str:
    if line.startswith(old):
        return new + line[len(old) :]
    body = line.lstrip()
    shallower = len(old) - (len(line) - len(body))
    return new[: max(0, len(new) - shallower)] + body
