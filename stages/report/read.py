"""What stats wrote of one experiment, in the order in which a reader wants it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from stages.records import RecordError, read_json

METRICS = Path("metrics")
ORDER = ("base", "aa", "knowledge", "skill", "both")
"""Conditions in a table; others (placebos, formats) follow by name."""
Table = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Measured:
    """The four files of an experiment."""

    experiment: str
    conditions: dict[str, Table]
    """condition -> resolve_rate, lo, hi, n, steps, tokens"""
    details: Table
    """registration, comparisons, capability, retention, …"""
    verdicts: dict[str, Table]
    """criterion -> verdict, estimate, lo, hi, threshold, …"""
    audit: dict[str, Table]
    """check id -> name, level, status, evidence, and a remedy or a reason"""


def read_measured(experiment: str, metrics: Path = METRICS) -> Measured:
    """Read metrics/{,details/,verdicts/,audit/}<experiment>.json.

    RecordError names the file that is missing or broken, and the command that makes it.
    """
    name = f"{experiment}.json"
    conditions = read_table(metrics / name)
    audit = read_table(metrics / "audit" / name)
    return Measured(
        experiment,
        {key: conditions[key] for key in sorted(conditions, key=place)},
        read_table(metrics / "details" / name),
        read_table(metrics / "verdicts" / name),
        {key: audit[key] for key in sorted(audit, key=check_place)},
    )


def read_table(path: Path) -> Table:
    """A JSON object; RecordError where the file is missing, broken or something else."""
    if not path.exists():
        raise RecordError(
            f"{path}: no such file, so there is no result to show. Run `dvc repro "
            f"stats@{path.stem}`, which writes it, or name an experiment that was run."
        )
    table = read_json(path)
    if not isinstance(table, dict):
        raise RecordError(
            f"{path}: holds a {type(table).__name__}, not an object. Delete the file and run "
            f"`dvc repro stats@{path.stem}`."
        )
    return table


def place(condition: str) -> tuple[int, str]:
    """Where a condition stands in a table."""
    return (ORDER.index(condition) if condition in ORDER else len(ORDER), condition)


def check_place(check: str) -> tuple[int, str]:
    """Where a check stands: by its number."""
    return (int(check) if check.isdigit() else 10**6, check)
