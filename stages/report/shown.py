"""Which tables a result is shown by: an experiment's or a loop's."""

from __future__ import annotations

from stages.report import loop, tables
from stages.report.read import Measured


def results(measured: Measured) -> list[tuple[tables.Rows, list[str]]]:
    """The tables of results with their column names; empty ones are left out."""
    if loop.is_loop(measured):
        found = [(loop.arms(measured), loop.ARMS), (loop.differences(measured), loop.DIFFERENCES)]
    else:
        conditions, transfer = tables.conditions(measured), tables.transfer(measured)
        found = [(conditions, tables.CONDITIONS), (transfer, tables.TRANSFER)]
    return [(rows, names) for rows, names in found if rows]


def single_values(measured: Measured) -> tables.Rows:
    """Name and text of what was measured beside the tables."""
    return loop.values(measured) if loop.is_loop(measured) else tables.single_values(measured)


def rates(measured: Measured) -> list[str]:
    """``condition rate`` or ``arm accuracy``, for a row of the log."""
    if loop.is_loop(measured):
        return loop.figures(measured)
    return [
        f"{name} {tables.number(row['resolve_rate'])}"
        for name, row in measured.conditions.items()
        if isinstance(row, dict) and isinstance(row.get("resolve_rate"), (int, float))
    ]
