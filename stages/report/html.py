"""One page that holds everything: tables, plots and episodes, without a script or a request.

Equal inputs give equal bytes. Whatever a model wrote is escaped.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from tabulate import tabulate

from stages.records import Trajectory, read_json
from stages.report import loop, loop_svg, shown, svg, tables
from stages.report.read import Measured
from stages.report.sessions import sessions
from stages.report.terminal import heading

STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --paper: #fff; --soft: #f3f4f6; --line: #8886;
  --mid: #6b7280; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --paper: #1e1e1e; --soft: #2a2a2a; --mid: #a0a5ad; } }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: var(--ink);
  background: var(--paper); font: 15px/1.5 system-ui, sans-serif; }
table { border-collapse: collapse; display: block; overflow-x: auto; margin: 1rem 0; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid var(--line); text-align: left;
  font-variant-numeric: tabular-nums; }
pre { margin: 0; padding: .5rem; background: var(--soft); white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: 13px; }
summary { cursor: pointer; padding: .2rem 0; }
figure { margin: 1rem 0; max-width: 44rem; }
svg text { fill: var(--mid); font-size: 12px; }
svg path, polyline { fill: none; stroke-width: 2; stroke: currentColor; }
svg .grid { stroke: var(--line); stroke-width: 1; }
.s0 { color: #3a86d0; } .s1 { color: #d55e00; } .s2 { color: #009e73; }
.s3 { color: #b565a7; } .s4 { color: #a07d00; } .s5 { color: #c8505a; } .grey { color: #808080; }
circle, rect { fill: currentColor; } .band { fill: currentColor; opacity: .15; }
.role { color: var(--mid); font-size: 12px; margin-top: .5rem; }
"""


def page(measured: Measured, data: Path = Path("data"), plots: Path = Path("plots")) -> str:
    """The whole page as text; RecordError names a plot's rows or episodes that can't be read."""
    name = escape(measured.experiment)
    top, registered, *rest = heading(measured)
    parts = [
        f"<h1>{escape(top)}</h1><p><strong>{escape(registered)}</strong></p>",
        f"<p>{escape(' '.join(line.strip() for line in rest))}</p>",
        _table(tables.verdicts(measured), tables.VERDICTS),
        *_diagnosis(measured),
        *(_table(rows, names) for rows, names in shown.results(measured)),
        _table(shown.single_values(measured), ["measured", "value"]),
        *_figures(plots / measured.experiment),
        *_loop_figures(plots / measured.experiment),
        f"<h2>Audit</h2><p>{escape(tables.audit_counts(measured))}</p>",
        _table(tables.failed_checks(measured), ["check", "evidence", "remedy"]),
        "" if loop.is_loop(measured) else _browser(sessions(measured.experiment, data)),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        '<meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _table(rows: tables.Rows, names: list[str]) -> str:
    return tabulate(rows, names, tablefmt="html", disable_numparse=True) if rows else ""


def _diagnosis(measured: Measured) -> list[str]:
    """Why a verdict is negative or inconclusive: cause and remedy, and every node's evidence."""
    rows = tables.remedies(measured)
    if not rows:
        return []
    nodes = _table(tables.nodes(measured), tables.NODES)
    return [
        "<h2>Diagnosis</h2>",
        "<p>Of each negative or inconclusive verdict the first suspect node.</p>",
        _table(rows, ["criterion", "cause", "remedy"]),
        f"<details><summary>every node with its evidence</summary>{nodes}</details>",
    ]


def _figures(folder: Path) -> list[str]:
    """The plots whose rows are there."""
    rows = {
        name: read_json(folder / f"{name}.json") if (folder / f"{name}.json").exists() else []
        for name in ("conditions", "steps", "retention", "loss")
    }
    drawn = [
        svg.points(
            rows["conditions"], "condition", "resolve_rate", "resolve rate (share of test tasks)"
        ),
        svg.points(rows["steps"], "condition", "steps", "steps of an episode"),
        svg.points(
            rows["retention"],
            "origin",
            "rate",
            "trained turns kept (share), by the session's place",
        ),
        svg.lines(rows["loss"], "loss (nats per target token)"),
    ]
    return [f"<figure>{figure}</figure>" for figure in drawn if figure]


def _loop_figures(folder: Path) -> list[str]:
    """The plots of a loop whose rows are there: curves by part, strips by arm, reliability."""
    rows = {
        name: read_json(folder / f"{name}.json") if (folder / f"{name}.json").exists() else []
        for name in ("learning", "strip", "reliability")
    }
    parts = dict.fromkeys(row["part"] for row in rows["learning"])
    arms = dict.fromkeys(row["arm"] for row in rows["strip"])
    drawn = [
        *(loop_svg.learning(rows["learning"], part) for part in parts),
        loop_svg.reliability(rows["reliability"]),
        *(loop_svg.strip(rows["strip"], arm) for arm in arms),
    ]
    return [f"<figure>{figure}</figure>" for figure in drawn if figure]


def _browser(episodes: dict[str, list[Trajectory]]) -> str:
    if not episodes:
        return "<h2>Episodes</h2><p>None are on this machine; `dvc repro` makes them.</p>"
    parts = ["<h2>Episodes</h2><p>Of each condition the first ones resolved and not.</p>"]
    for name, chosen in episodes.items():
        parts.append(f"<h3>{escape(name)}</h3>")
        parts += [_episode(episode) for episode in chosen]
    return "\n".join(parts)


def _episode(episode: Trajectory) -> str:
    info = episode.info
    facts = f"{info['instance_id']}: {info['outcome']}, {info['n_steps']} steps"
    if info.get("pathology", "none") != "none":
        facts += f", {info['pathology']}"
    messages = "".join(
        f'<div class="role">{escape(str(message.get("role", "")))}</div>'
        f"<pre>{escape(str(message.get('content', '')))}</pre>"
        for message in episode.messages
    )
    return f"<details><summary>{escape(facts)}</summary>{messages}</details>"
