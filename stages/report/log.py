"""EXPERIMENTS.md's generated rows: one per run, dated, appended and never rewritten.

Between the two marks stands a table whose last column belongs to people. A run is known by what its
row says without the date and that column: a result that a row tells already adds nothing, any other
result adds a row, and rows that stand there keep every character. Outside the marks nothing is read
or written.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stages.records import RecordError, write_atomic
from stages.report import shown, tables
from stages.report.read import Measured

FILE = Path("EXPERIMENTS.md")
BEGIN = "<!-- rows of `python -m stages.report --experiments`; the last column is yours -->"
END = "<!-- end of the generated rows -->"
COLUMNS = ("date", "experiment", "registration", "verdicts", "n", "key figures", "in words")
FIGURES = 12
"""Conditions whose resolve rates a row names; the rest stands in metrics/."""
ORDER = ("refuted", "inconclusive", "EXPLORATORY", "supported")


def add_rows(measured: Sequence[Measured], date: str, path: Path = FILE) -> int:
    """Add a row of ``date`` for each result that no row tells yet, newest first; returns how many.

    RecordError where the marks are missing or the table between them isn't one.
    """
    text = path.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise RecordError(
            f"{path}: the generated rows stand between the lines {BEGIN!r} and {END!r}, and these "
            "aren't there once each, in this order. Put them back where the rows belong."
        )
    before, rest = text.split(BEGIN)
    between, after = rest.split(END)
    kept = [line for line in between.splitlines() if line.startswith("|")][2:]
    known = {_identity(line, path) for line in kept}
    cells = [_cells(one) for one in measured]
    new = [_line((date, *row, "")) for row in cells if row not in known]
    head = [_line(COLUMNS), _line(["---"] * len(COLUMNS))]
    table = "\n".join([BEGIN, "", *head, *new, *kept, "", END])
    write_atomic(path, f"{before}{table}{after}")
    return len(new)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _identity(line: str, path: Path) -> tuple[str, ...]:
    """A row's cells without its date and its last column."""
    cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
    if len(cells) == len(COLUMNS) - 1:
        cells.append("")
    if len(cells) != len(COLUMNS):
        raise RecordError(
            f"{path}: the row {line[:60]!r} has {len(cells)} cells, not {len(COLUMNS)}. A bar in "
            "your sentence must be written `&#124;`."
        )
    return tuple(cells[1:-1])


def _cells(measured: Measured) -> tuple[str, ...]:
    registered = measured.details["registration"]
    texts = (
        measured.experiment,
        f"{registered['status'].upper()} {registered['hash'][:12]}",
        verdicts(measured),
        _units(measured),
        figures(measured),
    )
    return tuple(" ".join(text.replace("|", "&#124;").split()) for text in texts)


def verdicts(measured: Measured) -> str:
    """Every criterion, what is negative first: ``T_over_A refuted +0.014 [-0.028, +0.065]``."""

    def place(item: tuple[str, dict]) -> int:
        word = item[1]["verdict"].partition(":")[0]
        return ORDER.index(word) if word in ORDER else len(ORDER)

    rows = [
        (name, *tables.verdict(name, row)[1:4])
        for name, row in sorted(measured.verdicts.items(), key=place)
    ]
    return "; ".join(f"{name} ({asked}) {said} {shown}" for name, shown, asked, said in rows)


def _units(measured: Measured) -> str:
    """``117 tasks``, or each number where criteria count different units."""
    rows = measured.verdicts.values()
    found = dict.fromkeys(f"{row['n']} {_plural(row['unit'])}" for row in rows if row.get("n"))
    return ", ".join(found) or "–"


def figures(measured: Measured) -> str:
    """Resolve rates by condition (accuracies by arm), and which checks stop verdicts or warn."""
    rates = shown.rates(measured)
    more = f", and {len(rates) - FIGURES} more" * (len(rates) > FIGURES)
    parts = [", ".join(rates[:FIGURES]) + more] if rates else []
    found = {"stops": _unsound(measured, "stop"), "warns": _unsound(measured, "warn")}
    said = [f"{word} {', '.join(ids)}" for word, ids in found.items() if ids]
    parts.append(f"audit: {' and '.join(said) or 'nothing found'}")
    return "; ".join(parts)


def _unsound(measured: Measured, level: str) -> list[str]:
    """Ids of the checks that failed and stop, or that only warn."""
    return [
        name
        for name, row in measured.audit.items()
        if row["status"] in tables.SAID
        and (row["level"] == "stop" and row["status"] == "fail") == (level == "stop")
    ]


def _plural(unit: str) -> str:
    """``task`` -> ``tasks``, ``task (levels)`` -> ``tasks (levels)``."""
    first, space, rest = unit.partition(" ")
    return f"{first}s{space}{rest}"
