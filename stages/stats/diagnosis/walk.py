"""The tree, walked for every negative or inconclusive verdict of an experiment.

Data count → format validity → adapter live → overfit → forgetting → harness: the order in which a
cause makes all later nodes meaningless. Every node is walked and shows its evidence; the first
suspect one is the cause that is named. It is a suspicion, not a proof: nodes look at what was
recorded, and nothing is run again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from stages.stats.diagnosis.case import SUSPECT, Case, Node
from stages.stats.diagnosis.evaluation import harness, overfit, what_was_forgotten
from stages.stats.diagnosis.training import adapter_live, data_count, format_validity
from stages.stats.results import Results
from stages.stats.verdict import INCONCLUSIVE, REFUTED

TREE = (data_count, format_validity, adapter_live, overfit, what_was_forgotten, harness)
NO_CAUSE = "none"


def diagnose(
    results: Results,
    checks: Mapping[str, Mapping[str, Any]],
    verdicts: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Criterion -> verdict, cause, remedy and nodes, for what was refuted or inconclusive.

    ``verdicts`` and ``checks`` are rows as metrics/verdicts/ and metrics/audit/ hold them.
    """
    criteria = results.lab.experiment.criteria
    return {
        name: _row(Case(results, checks, name, criteria[name].estimand, row))
        for name, row in verdicts.items()
        if row["verdict"].startswith((REFUTED, INCONCLUSIVE))
    }


def _row(case: Case) -> dict[str, Any]:
    nodes = [node(case) for node in TREE]
    cause = next((node for node in nodes if node.status == SUSPECT), None)
    return {
        "verdict": case.verdict["verdict"],
        "cause": cause.name if cause else NO_CAUSE,
        "remedy": cause.remedy if cause else _without_cause(case),
        "nodes": [_node(node) for node in nodes],
    }


def _node(node: Node) -> dict[str, Any]:
    row = {**dataclasses.asdict(node), "evidence": dict(node.evidence)}
    return row if node.remedy else {key: value for key, value in row.items() if key != "remedy"}


def _without_cause(case: Case) -> str:
    """What an unsuspicious record leaves: the effect itself, or too few units to see it."""
    if case.verdict["verdict"].startswith(REFUTED):
        return "No node is suspect: what was measured is the effect, on the wrong side."
    if case.verdict.get("undefined"):
        return f"The estimand is {case.verdict['undefined']}."
    unit = case.verdict.get("unit") or "unit"
    if needed := case.verdict.get("n_to_decide"):
        now = case.verdict.get("n")
        return f"No node is suspect: {needed} {unit}s would decide it, {now} were measured."
    return f"No node is suspect, and no number of {unit}s would decide it: the effect is too near."
