"""The result on one screen."""

from __future__ import annotations

import textwrap

from tabulate import tabulate

from stages.report import phase, shown, tables
from stages.report.read import Measured

WIDTH = 96
LABEL = 28
"""Columns of a single value's name."""
MAX_LINES = 60
COLOURS = {"supported": "32", "refuted": "31", "inconclusive": "33", "EXPLORATORY": "35"}


def screen(measured: Measured, colour: bool = False) -> str:
    """``MAX_LINES`` lines of ``WIDTH`` columns, where the tables of results leave room for that.

    ``colour`` marks verdicts with ANSI codes; without it the text is plain.
    """
    body = [*heading(measured), "", *_results(measured, colour), *_single(measured)]
    found = _audit(measured)
    why = diagnosis(measured)
    room = MAX_LINES - len(body) - 1
    least = min(len(found), 3)
    if len(why) > room - least - 1:
        cut = f"  … the rest: `python -m stages.report {measured.experiment} --diagnosis`"
        why = [*why[: max(0, room - least - 2)], cut]
    room -= len(why)
    if len(found) > room:
        cut = f"  … the rest stands in metrics/audit/{measured.experiment}.json"
        found = [*found[: max(0, room - 1)], cut]
    return "\n".join([*body, *why, "", *found])


def diagnosis(measured: Measured) -> list[str]:
    """The six nodes of each negative or inconclusive verdict, then cause and remedy."""
    rows = tables.diagnoses(measured)
    if not rows:
        return []
    lines = ["", *plain_table(rows, tables.DIAGNOSIS)]
    for name, cause, remedy in tables.remedies(measured):
        lines += wrapped(f"{name}: {cause}. {remedy}", "  ")
    return lines


def evidence(measured: Measured) -> str:
    """Every node of every diagnosis with its evidence and the file that it comes from."""
    lines = heading(measured)
    for name, row in measured.details.get("diagnosis", {}).items():
        lines += ["", f"{name}: {row['verdict']}; cause: {row['cause']}"]
        lines += wrapped(row["remedy"], "  ")
        for node in row["nodes"]:
            text = f"{node['name']}: {node['status']}; {tables.node_evidence(node)}"
            lines += wrapped(f"{text} ({node['source']})", "    ")
    if not measured.details.get("diagnosis"):
        lines += ["", "No verdict is negative or inconclusive, so there is nothing to explain."]
    return "\n".join(lines)


def heading(measured: Measured) -> list[str]:
    """Title, registration and hypothesis."""
    about = measured.details.get("experiment", {})
    status, digest = (measured.details["registration"][key] for key in ("status", "hash"))
    facts = [about.get("kind", ""), *about.get("worlds", [])[:3]]
    more = len(about.get("worlds", [])) - 3
    facts += [f"and {more} worlds"] if more > 0 else []
    facts += [f"splits {''.join(about['splits'])}"] if about.get("splits") else []
    facts += [f"{len(about['seeds'])} seeds"] if about.get("seeds") else []
    lines = [f"{measured.experiment}  {about.get('title', '')}".rstrip()]
    lines.append(f"{status.upper()} {digest[:12]}  {', '.join(filter(None, facts))}")
    if status.upper() != "REGISTERED":
        lines += wrapped("Run under values that are not registered: estimates, but no verdict.")
    lines += wrapped(about.get("hypothesis", ""))
    return lines + wrapped(phase.negatives(measured.details))


def _results(measured: Measured, colour: bool) -> list[str]:
    judged = tables.verdicts(measured)
    for row in judged:
        row[3] = painted(row[3], colour)
    parts = [*shown.results(measured), (judged, tables.VERDICTS)]
    lines: list[str] = []
    for rows, names in parts:
        if rows:
            lines += [*plain_table(rows, names), ""]
    return lines


def plain_table(rows: tables.Rows, names: list[str]) -> list[str]:
    """Columns of figures to the right, the rest to the left."""
    figures = {"tasks", "steps", "tokens in", "cached", "out", "d_z", "runs", "examples"}
    aligned = ["right" if n in figures or n.endswith(" p") else "left" for n in names]
    text = tabulate(rows, names, tablefmt="simple", disable_numparse=True, colalign=aligned)
    return [line.rstrip() for line in text.splitlines()]


def _single(measured: Measured) -> list[str]:
    lines = []
    for name, text in shown.single_values(measured):
        first = f"{name:<{LABEL}}"
        lines += textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=" " * LABEL)
    return lines


def _audit(measured: Measured) -> list[str]:
    lines = [f"audit: {tables.audit_counts(measured)}"]
    for name, evidence, remedy in tables.failed_checks(measured):
        lines += wrapped(f"{name}: {evidence}. {remedy}", "  ")
    return lines


def wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")


def painted(verdict: str, colour: bool) -> str:
    code = COLOURS.get(verdict.split(":")[0])
    return f"\x1b[{code}m{verdict}\x1b[0m" if colour and code else verdict


def markdown(measured: Measured) -> str:
    """The tables of conditions and verdicts in Markdown, to quote in a document."""
    status, digest = (measured.details["registration"][key] for key in ("status", "hash"))
    parts = [
        f"`{measured.experiment}`, {status.upper()} `{digest[:12]}`",
        *(
            tabulate(rows, names, tablefmt="github", disable_numparse=True)
            for rows, names in shown.results(measured)[:1]
        ),
        tabulate(
            tables.verdicts(measured), tables.VERDICTS, tablefmt="github", disable_numparse=True
        ),
        f"Audit: {tables.audit_counts(measured)}.",
    ]
    return "\n\n".join(parts)
