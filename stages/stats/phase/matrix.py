"""The cells of a matrix that are there, read; those that are not, with what would make them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from stages.lab.context import Lab
from stages.params import experiment_of, model_of
from stages.params.load import CELL
from stages.records import RecordError, read_json
from stages.stats.results import Results, read_results

METRICS = Path("metrics")


@dataclasses.dataclass(frozen=True)
class Cell:
    """One repository × model × split, as it was measured."""

    model: str
    world: str
    split: str
    source: str
    """the entry of `run` that measured it, such as ``p3--tiny`` or ``r3--qwen-3b--a__b``"""
    results: Results
    """its rows alone"""

    @property
    def name(self) -> str:
        return f"{self.model}, {self.world}, {self.split}"


@dataclasses.dataclass(frozen=True)
class Missing:
    """A repository × model that isn't there, in any split."""

    model: str
    world: str
    why: str
    remedy: str
    """the command that makes it"""


@dataclasses.dataclass(frozen=True)
class Matrix:
    """What there is of a matrix."""

    lab: Lab
    """the matrix's own experiment"""
    cells: tuple[Cell, ...]
    missing: tuple[Missing, ...]

    @property
    def sources(self) -> list[str]:
        """Entries of `run` that cells come from, each once."""
        return list(dict.fromkeys(cell.source for cell in self.cells))

    @property
    def incomplete(self) -> str:
        """How many cells are missing, in words; empty where all are there."""
        splits = len(self.lab.experiment.splits)
        due = len(self.lab.experiment.models) * len(self.lab.worlds) * splits
        lacking = len(self.missing) * splits
        return f"{lacking} of {due} cells are missing" if lacking else ""

    def pooled(self) -> Results:
        """All cells' rows as one experiment's, where a run is one of (model, split, seed)."""
        rows = [
            dataclasses.replace(row, split=f"{cell.model}/{row.split}")
            for cell in self.cells
            for row in cell.results.rows
        ]
        guard: dict[str, list] = {}
        for cell in self.cells:
            for arm, answers in cell.results.guard.items():
                marked = ({**a, "split": f"{cell.model}/{a['split']}"} for a in answers)
                guard.setdefault(arm, []).extend(marked)
        return Results(self.lab, tuple(rows), guard, [], {}, {}, {})


def read_matrix(lab: Lab, metrics: Path = METRICS) -> Matrix:
    """Read every cell whose statistics were made from the values in force.

    A repository's cell may be an entry of `run` of its own or part of its model's; where both were
    run, its own counts. Nothing that is missing, or was made from other values, is pooled.
    """
    wanted = lab.registration()[1]
    cells: list[Cell] = []
    missing: list[Missing] = []
    for model in lab.experiment.models:
        read: dict[str, Results | str] = {}
        for world in lab.worlds:
            name = _entry(lab, model, world, metrics)
            if name not in read:
                read[name] = _read(lab, name, wanted, metrics)
            found = read[name]
            if isinstance(found, str):
                missing.append(Missing(model, world, found, _remedy(lab, name)))
                continue
            for split in lab.experiment.splits:
                cells.append(Cell(model, world, split, name, _part(found, world, split)))
    return Matrix(lab, tuple(cells), tuple(missing))


def _entry(lab: Lab, model: str, world: str, metrics: Path) -> str:
    """The entry of `run` that measured a cell, or would."""
    whole = CELL.join((lab.name, model))
    own = CELL.join((whole, world))
    made = [n for n in (own, whole) if (metrics / "details" / f"{n}.json").exists()]
    return made[0] if made else whole if whole in lab.params.run else own


def _read(lab: Lab, name: str, wanted: str, metrics: Path) -> Results | str:
    """The results of one entry of `run`, or why they don't count."""
    details = metrics / "details" / f"{name}.json"
    if not details.exists():
        return "it was not run"
    made = read_json(details)["registration"]["hash"]
    if made != wanted:
        return f"it was run with other values ({made[:12]}, now {wanted[:12]})"
    experiment = experiment_of(lab.params, name)
    own = Lab(name, lab.params, experiment, model_of(lab.params, experiment), lab.suite)
    try:
        return read_results(own)
    except (RecordError, OSError) as error:
        return f"its data are not whole: {error}"


def _remedy(lab: Lab, name: str) -> str:
    repro = f"dvc repro stats@{name}"
    if name in lab.params.run:
        return repro
    return f"write `{name}: {lab.name}` under `run` in params.yaml, then {repro}"


def _part(results: Results, world: str, split: str) -> Results:
    here = (world, split)
    return dataclasses.replace(
        results,
        rows=tuple(row for row in results.rows if (row.world, row.split) == here),
        guard={
            arm: [row for row in rows if (row["world"], row["split"]) == here]
            for arm, rows in results.guard.items()
        },
        retention=[row for row in results.retention if (row["world"], row["split"]) == here],
    )
