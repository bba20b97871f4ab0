"""The report's items beside the places where they stand, and what is wrong with either."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from stages.crosstable.pointers import Places
from stages.params.strict import read_yaml
from stages.records import RecordError

ITEMS = Path(__file__).parent / "items.yaml"
KINDS = ("independent", "dependent", "control", "criterion")
HEADINGS = ["kind", "the report's item", "where it stands", "how it differs"]
SUPPLEMENTS = {"x1", "x2", "x3", "x4"}
"""Experiments that the report ran without registering: they have no variables of its words."""


@dataclasses.dataclass(frozen=True)
class Item:
    """One variable, control or criterion of the report."""

    experiment: str
    """its name in params.yaml"""
    kind: str
    """one of ``KINDS``"""
    text: str
    """what the report asks for, in our words"""
    at: tuple[str, ...]
    """pointers to where it stands"""
    differs: str = ""
    """how what stands there departs from the report; '' if it doesn't"""


def read_items(path: Path = ITEMS) -> list[Item]:
    """The items of items.yaml in its order; RecordError names a row that isn't one."""
    return [
        _item(path, experiment, row) for experiment, rows in read_yaml(path).items() for row in rows
    ]


def _item(path: Path, experiment: str, row: Sequence[object]) -> Item:
    shaped = 3 <= len(row) <= 4 and not isinstance(row[2], str) and isinstance(row[2], Sequence)
    if not shaped or row[0] not in KINDS:
        raise RecordError(
            f"{path}: {experiment}: {list(row)!r} is no row. Write [kind, item, [where, ...], how "
            f"it differs], where kind is one of {', '.join(KINDS)}."
        )
    kind, text, at, *differs = row
    pointers = tuple(str(pointer) for pointer in at)  # type: ignore[attr-defined]
    return Item(experiment, str(kind), str(text), pointers, "".join(map(str, differs)))


def problems(items: Sequence[Item], places: Places) -> list[str]:
    """One line for each empty cell, pointer to nothing, and experiment without some kind."""
    found = []
    for item in items:
        name = f"{item.experiment}, {item.kind} {item.text!r}"
        if not item.at:
            found.append(f"{name}: nothing is named where it stands")
        elif not places.declared(item.experiment):
            found.append(f"{name}: params.yaml has no experiment {item.experiment}")
        else:
            lost = [places.missing(pointer, item.experiment) for pointer in item.at]
            found += [f"{name}: {reason}" for reason in lost if reason]
    for experiment, kinds in _kinds(items).items():
        lost = [kind for kind in KINDS if kind not in kinds]
        if lost and experiment not in SUPPLEMENTS:
            found.append(f"{experiment}: no {', '.join(lost)} of the report is listed")
    return found


def _kinds(items: Sequence[Item]) -> Mapping[str, set[str]]:
    kinds: dict[str, set[str]] = {}
    for item in items:
        kinds.setdefault(item.experiment, set()).add(item.kind)
    return kinds


def markdown(items: Sequence[Item], places: Places) -> str:
    """CROSSTABLE.md: one table per experiment; equal inputs give equal bytes."""
    parts = [
        "# What the report registers, and where it stands here",
        "Every independent variable, dependent variable, control and criterion of the report's "
        "experiments and supplements. `parameter` names a key below `experiments.NAME` in "
        "`params.yaml` (from the top with a slash), `criterion` one of its criteria, `metric` a "
        "key of `metrics/NAME.json`, `detail` of `metrics/details/NAME.json`, `check` a line of "
        "the audit, `code` a file below `stages/` and a name in it. Written by `python -m "
        "stages.crosstable` from `stages/crosstable/items.yaml`; a pointer to nothing is an error.",
    ]
    for experiment in dict.fromkeys(item.experiment for item in items):
        block = places.params["experiments"].get(experiment)
        title = block["title"] if block else "not in params.yaml"
        rows = [_row(item) for item in items if item.experiment == experiment]
        table = tabulate(rows, HEADINGS, "github", disable_numparse=True)
        parts += [f"## {experiment}: {title}", table]
    return "\n\n".join(parts) + "\n"


def _row(item: Item) -> list[str]:
    where = "; ".join(_shown(pointer) for pointer in item.at) or "**nothing yet**"
    return [item.kind, item.text, where, item.differs]


def _shown(pointer: str) -> str:
    word, _, rest = pointer.partition(" ")
    return f"{word} `{rest}`"
