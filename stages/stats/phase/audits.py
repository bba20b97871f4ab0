"""The union of the cells' audits: a check fails for the matrix where it fails for any cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.records import read_json
from stages.stats.phase.matrix import METRICS, Matrix

SEVERITY = ("fail", "warn", "pass", "not applicable")
"""The status of a check over several cells is the first of these that any of them has."""


def union(matrix: Matrix, metrics: Path = METRICS) -> dict[str, dict[str, Any]]:
    """check id -> name, level, worst status, and each source's status with its first problem."""
    audits = {name: read_json(metrics / "audit" / f"{name}.json") for name in matrix.sources}
    ids = dict.fromkeys(number for rows in audits.values() for number in rows)
    return {
        number: _check({s: rows[number] for s, rows in audits.items() if number in rows})
        for number in sorted(ids, key=lambda number: (len(number), number))
    }


def _check(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    worst = min(found.values(), key=lambda row: SEVERITY.index(row["status"]))
    evidence = {source: _short(row) for source, row in found.items()}
    row = {key: worst[key] for key in ("name", "level", "status")}
    kept = {key: worst[key] for key in ("remedy", "reason") if key in worst}
    return {**row, "evidence": _first(worst, evidence), **kept}


def _first(worst: dict[str, Any], evidence: dict[str, Any]) -> dict[str, Any]:
    """The worst cell's first problem stands in front, where tables look for it."""
    problem = worst["evidence"].get("first_problem")
    return {"first_problem": problem, **evidence} if problem else evidence


def _short(row: dict[str, Any]) -> dict[str, Any]:
    kept = ("problems", "first_problem")
    return {
        "status": row["status"],
        **{k: row["evidence"][k] for k in kept if k in row["evidence"]},
    }
