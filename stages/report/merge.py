"""Every experiment's verdicts and checks in one file each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tabulate import tabulate

from stages.records import RecordError, write_json
from stages.report import tables
from stages.report.read import METRICS, Table, check_place, read_table

SEVERITY = ("fail", "warn", "pass", "not applicable")
"""The status of a check over several experiments is the first of these that any of them has."""
EXPLORATORY = "EXPLORATORY"
KEPT = ("verdict", "estimate", "lo", "hi", "threshold", "registration")


def merge(metrics: Path = METRICS) -> dict[str, dict[str, Table]]:
    """Write metrics/verdicts.json and metrics/audit.json; returns experiment -> criterion -> row.

    RecordError where no experiment has verdicts yet, or a file is broken.
    """
    verdicts = _tables(metrics / "verdicts")
    audits = _tables(metrics / "audit")
    short = {
        experiment: {name: {k: row[k] for k in KEPT if k in row} for name, row in rows.items()}
        for experiment, rows in verdicts.items()
    }
    write_json(metrics / "verdicts.json", short)
    write_json(metrics / "audit.json", merged_audit(audits))
    return verdicts


def _tables(folder: Path) -> dict[str, dict[str, Table]]:
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise RecordError(
            f"{folder}: there is no result of any experiment. Run `dvc repro stats@p1`, or that "
            "of another experiment, and then this again."
        )
    return {path.stem: read_table(path) for path in paths}


def merged_audit(audits: dict[str, dict[str, Table]]) -> dict[str, Table]:
    """check id -> name, level, status, and as evidence each experiment's status and evidence."""
    ids = {name for rows in audits.values() for name in rows}
    return {name: _merged_check(name, audits) for name in sorted(ids, key=check_place)}


def _merged_check(name: str, audits: dict[str, dict[str, Table]]) -> Table:
    found = {experiment: rows[name] for experiment, rows in audits.items() if name in rows}
    first = next(iter(found.values()))
    evidence: dict[str, Any] = {
        experiment: {"status": row["status"], **_as_dict(row.get("evidence", {}))}
        for experiment, row in found.items()
    }
    states = [row["status"] for row in found.values()]
    return {
        "name": first.get("name", ""),
        "level": first["level"],
        "status": min(states, key=lambda s: SEVERITY.index(s) if s in SEVERITY else 0),
        "evidence": evidence,
    }


def _as_dict(evidence: Any) -> dict[str, Any]:
    return evidence if isinstance(evidence, dict) else {"text": evidence}


def verdict_table(verdicts: dict[str, dict[str, Table]]) -> str:
    """All verdicts of all experiments, for the terminal."""
    rows = [
        [experiment, registration(row), *tables.judged(name, row)]
        for experiment, criteria in verdicts.items()
        for name, row in criteria.items()
    ]
    names = ["experiment", "registration", *tables.JUDGED]
    table = tabulate(rows, names, "simple", disable_numparse=True)
    return f"{table}\n\n{counted(row for rows in verdicts.values() for row in rows.values())}"


def registration(row: Table) -> str:
    """``REGISTERED`` with its hash's first digits, or ``EXPLORATORY``."""
    digest = str(row.get("registration", ""))
    return digest if digest == EXPLORATORY else f"REGISTERED {digest[:8]}"


def counted(rows: Iterable[Table]) -> str:
    """How many criteria came to which verdict."""
    words = Counter(str(row["verdict"]).partition(":")[0] for row in rows)
    each = ", ".join(f"{count} {word}" for word, count in sorted(words.items()))
    return f"{words.total()} criteria: {each}."


def all_verdicts(metrics: Path = METRICS) -> dict[str, dict[str, Table]]:
    """experiment -> criterion -> row, of every experiment that has verdicts; writes nothing."""
    return _tables(metrics / "verdicts")
