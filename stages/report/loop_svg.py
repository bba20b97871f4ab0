"""A loop's plots as inline SVG: learning curves with bands, strips of states, reliability."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 240, 48, 12, 64
CELL = 5
STATES = {"improved": "s0", "stuck": "grey", "retained": "s2", "regressed": "s1"}
COLOURS = 6
"""Arms in one picture; the page's style has so many colours. DVC's plot has them all."""
Row = dict[str, Any]


def learning(rows: Sequence[Row], part: str) -> str:
    """Accuracy over steps with its band, one line per arm; '' without rows of the part."""
    curves: dict[str, list[Row]] = {}
    for row in rows:
        if row["part"] == part:
            curves.setdefault(row["arm"], []).append(row)
    shown = {arm: sorted(curve, key=lambda r: r["step"]) for arm, curve in curves.items()}
    if not shown:
        return ""
    last = max(curve[-1]["step"] for curve in shown.values()) or 1
    parts = [_axis(f"accuracy on part {part}, by step up to {last:g}")]
    for number, (arm, curve) in enumerate(list(shown.items())[:COLOURS]):
        xs = [LEFT + (WIDTH - LEFT) * row["step"] / last for row in curve]
        band = [*zip(xs, curve, strict=True)]
        edge = [f"{x:.1f},{_y(r['hi']):.1f}" for x, r in band]
        edge += [f"{x:.1f},{_y(r['lo']):.1f}" for x, r in reversed(band)]
        line = " ".join(f"{x:.1f},{_y(r['accuracy']):.1f}" for x, r in band)
        parts.append(
            f'<g class="s{number}"><polygon class="band" points="{" ".join(edge)}"/>'
            f'<polyline points="{line}"/></g>'
        )
        parts.append(_key(number, arm))
    return _svg(parts, HEIGHT)


def strip(rows: Sequence[Row], arm: str) -> str:
    """State of each item (a line) at each checkpoint (a column) of one arm's first run."""
    own = [row for row in rows if row["arm"] == arm]
    if not own:
        return ""
    items = list(dict.fromkeys(row["item"] for row in own))
    columns = max(row["checkpoint"] for row in own)
    width = min(24.0, (WIDTH - LEFT) / columns)
    parts = [
        f'<rect class="{STATES[row["state"]]}" x="{LEFT + width * (row["checkpoint"] - 1):.1f}" '
        f'y="{TOP + CELL * items.index(row["item"])}" width="{width - 1:.1f}" '
        f'height="{CELL - 1}"><title>{html.escape(row["item"])}: {row["state"]}</title></rect>'
        for row in own
    ]
    bottom = TOP + CELL * len(items) + 18
    for number, (state, style) in enumerate(STATES.items()):
        at = LEFT + 130 * number
        parts.append(f'<rect class="{style}" x="{at}" y="{bottom}" width="12" height="12"/>')
        parts.append(f'<text x="{at + 18}" y="{bottom + 11}">{state}</text>')
    parts.append(
        f'<text x="{LEFT}" y="{bottom + 32}">{html.escape(arm)}: items by checkpoint</text>'
    )
    return _svg(parts, bottom + 40)


def reliability(rows: Sequence[Row]) -> str:
    """Share right by confidence at the final checkpoint, a point per bin and arm."""
    own = [row for row in rows if row["when"] == "final"]
    if not own:
        return ""
    arms = list(dict.fromkeys(row["arm"] for row in own))[:COLOURS]
    parts = [_axis("share right, by confidence from 0 to 1")]
    parts.append(f'<path class="grid" d="M{LEFT} {_y(0):.1f}L{WIDTH} {_y(1):.1f}"/>')
    for row in own:
        if row["arm"] in arms:
            x = LEFT + (WIDTH - LEFT) * row["confidence"]
            tip = f"{row['arm']}: {row['accuracy']:.2f} of {row['answers']} answers"
            parts.append(
                f'<g class="s{arms.index(row["arm"])}"><title>{html.escape(tip)}</title>'
                f'<path d="M{x:.1f} {_y(row["lo"]):.1f}V{_y(row["hi"]):.1f}"/>'
                f'<circle cx="{x:.1f}" cy="{_y(row["accuracy"]):.1f}" r="4"/></g>'
            )
    return _svg([*parts, *(_key(number, arm) for number, arm in enumerate(arms))], HEIGHT)


def _y(share: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)


def _key(number: int, arm: str) -> str:
    at, line = LEFT + 190 * (number % 3), HEIGHT - 44 + 16 * (number // 3)
    return (
        f'<g class="s{number}"><path d="M{at} {line}h18"/></g>'
        f'<text x="{at + 24}" y="{line + 4}">{html.escape(arm)}</text>'
    )


def _axis(label: str) -> str:
    parts = [f'<text x="{LEFT}" y="{HEIGHT - 4}" class="unit">{html.escape(label)}</text>']
    for i in range(5):
        y = _y(i / 4)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{i / 4:.2f}</text>')
    return "".join(parts)


def _svg(parts: Sequence[str], height: int) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(parts)}</svg>'
