"""Collapse of style (check 30): how a checkpoint answers, against base, whatever it answers.

Training a bare answer took responses from about 711 to about 10 tokens in seeds/000's own system,
and the holdout from 12 of 21 to 6 of 21, while the trained items looked fine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.stats.clusters import clustered_difference
from stages.stats.intervals import Estimate
from stages.stats.paired import hodges_lehmann

SHRINK, GROWTH = 0.5, 2.0
"""Lengths may halve or double: beyond that answers are of another kind."""
SHARE = 0.10
"""Ten points more empty, truncated, or unreasoned answers than base."""
COLLAPSED, KEPT, INCONCLUSIVE = "collapsed", "kept", "inconclusive"
SIGNALS = ("length", "empty", "truncated", "unreasoned")


@dataclass(frozen=True)
class Answer:
    """How one item was answered, averaged over its samples and runs."""

    tokens: float
    """length of the response, tokens"""
    empty: float
    """share of its samples without any text, in [0, 1]"""
    truncated: float
    """share cut off at the limit of new tokens, in [0, 1]"""
    unreasoned: float | None = None
    """share without the reasoning that base gives, in [0, 1]; None where none is asked for"""


@dataclass(frozen=True)
class Signal:
    """One sign of collapse on one part of the items."""

    change: Estimate
    """length: ratio to base (1 unchanged); others: share now - share at base"""
    reading: str
    """``COLLAPSED`` if the whole interval lies beyond the limits, ``KEPT`` if inside, else
    ``INCONCLUSIVE``"""


@dataclass(frozen=True)
class Style:
    """All signals on all parts."""

    parts: dict[str, dict[str, Signal]]
    """'trained', 'held-out', 'guard' -> signal -> its change"""
    reading: str
    """``COLLAPSED`` if any signal is, ``KEPT`` if all are kept, else ``INCONCLUSIVE``"""
    reason: str
    """the signals that say so"""


def style(
    base: Mapping[str, Mapping[str, Answer]],
    now: Mapping[str, Mapping[str, Answer]],
    alpha: float = 0.05,
) -> Style:
    """Style now against base: part -> item id -> its answer, the same items in both.

    The rule: a signal says collapse if its interval, at 1 - α/M for all M signals of all parts,
    lies wholly beyond its limit: length ratio below ``SHRINK`` or above ``GROWTH``, a share more
    than ``SHARE`` above base's. Length ratio: exp of the Hodges–Lehmann shift of log(1 + tokens)
    over items; it takes as many items as ``paired.hodges_lehmann`` asks for (6 at α = 0.05, 12 at
    α/100) to have ends. Shares: paired by item, score interval.

    Source: science.md, section 4, check 30, and section 6; limits are this project's own.

    >>> talk = {str(i): Answer(700 + i, 0, 0) for i in range(12)}
    >>> bare = {str(i): Answer(10, 0, 0) for i in range(12)}
    >>> found = style({"held-out": talk}, {"held-out": bare})
    >>> found.reading, found.reason
    ('collapsed', 'held-out: length')
    """
    _check(base, now)
    names = {part: _signals(base[part]) for part in base}
    level = alpha / max(1, sum(len(each) for each in names.values()))
    parts = {
        part: {name: _signal(name, base[part], now[part], level) for name in names[part]}
        for part in base
    }
    flat = {(part, name): s.reading for part, all_ in parts.items() for name, s in all_.items()}
    for reading in (COLLAPSED, INCONCLUSIVE):
        told = [f"{part}: {name}" for (part, name), each in flat.items() if each == reading]
        if told:
            return Style(parts, reading, ", ".join(told))
    return Style(parts, KEPT, "")


def _check(
    base: Mapping[str, Mapping[str, Answer]], now: Mapping[str, Mapping[str, Answer]]
) -> None:
    if not base or base.keys() != now.keys():
        raise ValueError(
            f"Parts {sorted(base)} at base and {sorted(now)} now: probe the same parts at both."
        )
    for part, answers in base.items():
        if not answers or answers.keys() != now[part].keys():
            odd = sorted(answers.keys() ^ now[part].keys())[:1]
            raise ValueError(
                f"Part {part!r} has {len(answers)} items at base and {len(now[part])} now (first "
                f"that differs: {odd}). Lengths compare on the same items."
            )


def _signals(answers: Mapping[str, Answer]) -> Sequence[str]:
    reasoned = all(answer.unreasoned is not None for answer in answers.values())
    return SIGNALS if reasoned else SIGNALS[:-1]


def _signal(
    name: str, base: Mapping[str, Answer], now: Mapping[str, Answer], alpha: float
) -> Signal:
    if name == "length":
        before, after = ([math.log1p(arm[i].tokens) for i in base] for arm in (base, now))
        shift = hodges_lehmann(before, after, alpha, "item")
        ends = (math.exp(min(end, 700.0)) for end in (shift.value, shift.lo, shift.hi))
        ratio = Estimate(*ends, shift.n, "item", alpha)
        return Signal(ratio, _read(ratio, SHRINK, GROWTH))
    pairs = [(getattr(now[item], name), getattr(base[item], name)) for item in base]
    if any(value is None for pair in pairs for value in pair):
        raise ValueError(
            f"Some answers say whether they are {name} and some do not. Say it of every item of a "
            "part, at base and now, or of none."
        )
    change = clustered_difference(np.array([a - b for a, b in pairs]), alpha, "item")
    return Signal(change, _read(change, -math.inf, SHARE))


def _read(change: Estimate, low: float, high: float) -> str:
    if change.hi < low or change.lo > high:
        return COLLAPSED
    return KEPT if low <= change.lo and change.hi <= high else INCONCLUSIVE
