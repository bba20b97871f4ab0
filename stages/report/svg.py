"""Points with intervals, and lines, as inline SVG; colours come from the page's own style."""

from __future__ import annotations

import html
from typing import Any

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 260, 56, 12, 90
Row = dict[str, Any]


def points(rows: list[Row], x: str, y: str, label: str) -> str:
    """One point with its interval ``lo``–``hi`` per row, in the rows' order; '' without rows."""
    drawn = [row for row in rows if isinstance(row.get(y), (int, float))]
    if not drawn:
        return ""
    low = min(0.0, *(row["lo"] for row in drawn))
    high = max(row["hi"] for row in drawn) or 1.0
    step = (WIDTH - LEFT) / len(drawn)
    parts = [_axis(low, high, label)]
    for i, row in enumerate(drawn):
        at = LEFT + step * (i + 0.5)
        lo, middle, hi = (_height(row[key], low, high) for key in ("lo", y, "hi"))
        name = html.escape(str(row[x]))
        tip = f"{name}: {row[y]:.3f} [{row['lo']:.3f}, {row['hi']:.3f}]"
        parts.append(
            f'<g class="s0"><title>{tip}</title>'
            f'<path d="M{at:.1f} {lo:.1f}V{hi:.1f}"/>'
            f'<circle cx="{at:.1f}" cy="{middle:.1f}" r="4"/></g>'
            f'<text transform="translate({at:.1f} {HEIGHT - BOTTOM + 14}) rotate(-30)" '
            f'text-anchor="end">{name}</text>'
        )
    return _svg(parts)


def lines(rows: list[Row], label: str) -> str:
    """Loss over steps, one line per seed and a colour per arm; '' without rows."""
    curves: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for row in rows:
        curves.setdefault((row["arm"], row["seed"]), []).append((row["step"], row["loss"]))
    if not curves:
        return ""
    high = max(loss for curve in curves.values() for _, loss in curve) or 1.0
    last = max(step for curve in curves.values() for step, _ in curve)
    width = (WIDTH - LEFT) / max(1, last - 1)
    arms = sorted({arm for arm, _ in curves}, reverse=True)
    parts = [_axis(0.0, high, label)]
    for (arm, _), curve in curves.items():
        path = " ".join(
            f"{LEFT + width * (step - 1):.1f},{_height(loss, 0.0, high):.1f}"
            for step, loss in curve
        )
        parts.append(f'<polyline class="s{arms.index(arm)}" points="{path}"/>')
    for i, arm in enumerate(arms):
        at = LEFT + 150 * i
        parts.append(f'<g class="s{i}"><path d="M{at} {HEIGHT - 30}h20"/></g>')
        parts.append(f'<text x="{at + 26}" y="{HEIGHT - 26}">{html.escape(arm)}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - BOTTOM + 18}">1</text>')
    end = f"{last:g} optimizer steps"
    parts.append(f'<text x="{WIDTH}" y="{HEIGHT - BOTTOM + 18}" text-anchor="end">{end}</text>')
    return _svg(parts)


def _height(value: float, low: float, high: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low)


def _axis(low: float, high: float, label: str) -> str:
    """Four grid lines with their values, and the unit."""
    parts = [f'<text x="{LEFT}" y="{HEIGHT - 6}" class="unit">{html.escape(label)}</text>']
    for i in range(5):
        value = low + (high - low) * i / 4
        y = _height(value, low, high)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>')
    return "".join(parts)


def _svg(parts: list[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(parts)}</svg>'
