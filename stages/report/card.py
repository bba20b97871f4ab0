"""The embedded model's bars as they were measured: ``models/README.md``, beside its own card."""

from __future__ import annotations

from tabulate import tabulate

from stages.report import tables
from stages.report.read import Measured

BARS = {
    "base_at_least_15": "base resolve rate at least 15 %",
    "base_at_most_45": "base resolve rate at most 45 %",
    "knowledge_15_points": "knowledge layer at least 15 points above base",
    "skill_15_points": "skill layer at least 15 points above base",
    "skill_fewer_steps": "skill layer: fewer steps than base",
    "both_not_below_knowledge": "both not more than 5 points below knowledge",
    "both_not_below_skill": "both not more than 5 points below skill",
    "placebo_shuffled_5_points": "placebo, lessons shuffled: within 5 points of base",
    "placebo_world_5_points": "placebo, another world: within 5 points of base",
    "placebo_random_5_points": "placebo, random weights: within 5 points of base",
}
"""Criteria of the experiment ``organism`` in words."""
GUARD_LO, GUARD_HI = 0.30, 0.70
"""Range in which the guard's pass@1 should lie for each kind of problem."""


def card(organism: Measured, guarded: Measured) -> str:
    """Markdown: the bars with intervals and verdicts, every condition, the guard by kind.

    ``guarded`` is an experiment that measured the capability guard.
    """
    about = organism.details["experiment"]
    status, digest = (organism.details["registration"][key] for key in ("status", "hash"))
    parts = [
        "# The embedded model, measured",
        f"{about['title']} {status} `{digest[:12]}`, {len(about['worlds'])} worlds, "
        f"{len(about['seeds'])} seeds; 95 % intervals by task, criteria at the level that Holm's "
        "correction leaves. What the model is and how it was made: `base/README.md`. This file "
        "is written by `dvc repro card`.",
        _table(_bars(organism), ["bar", "measured", "verdict"]),
        "## Conditions",
        _table(tables.conditions(organism), tables.CONDITIONS),
        "## Capability guard",
        f"Generated code problems, base model, pass@1 by kind in `{guarded.experiment}`; wanted "
        f"between {GUARD_LO:.0%} and {GUARD_HI:.0%}, so that it can fall and rise.",
        _table(_guard(guarded), ["kind", "pass@1", "in range"]),
    ]
    return "\n\n".join(parts) + "\n"


def _bars(organism: Measured) -> tables.Rows:
    rows = []
    for name, row in organism.verdicts.items():
        _, shown, _, verdict, _ = tables.verdict(name, row)
        rows.append([BARS.get(name, name), shown, verdict])
    return rows


def _guard(guarded: Measured) -> tables.Rows:
    base = guarded.details["capability"]["pass_at_1"]["base"]
    return [
        [kind, tables.interval(row), "yes" if GUARD_LO <= row["value"] <= GUARD_HI else "no"]
        for kind, row in sorted(base.items())
    ]


def _table(rows: tables.Rows, names: list[str]) -> str:
    return tabulate(rows, names, tablefmt="github", disable_numparse=True)
