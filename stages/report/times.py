"""Seconds that each stage of each experiment took, as ``timed.py`` wrote them down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tabulate import tabulate

from stages.records import read_json

FILE = Path("timings/stages.json")
"""DVC's name of a stage -> {seconds, ended}; not in Git, since it is of this machine."""
SHARED = "(shared)"
"""Stages that belong to no experiment: the base model, the merged report, the card."""


def times_table(path: Path = FILE) -> str:
    """Seconds by experiment and stage, with both totals; how to measure them if none are there."""
    if not path.exists():
        return (
            f"Seconds: none on this machine ({path}). `python -m stages.report --timed` runs "
            "`dvc repro` and writes down how long each stage takes."
        )
    measured = read_json(path)
    stages = list(dict.fromkeys(_parts(name)[0] for name in measured))
    experiments = sorted({_parts(name)[1] for name in measured})
    rows = [_row(experiment, stages, measured) for experiment in experiments]
    sums = [[row[at] or 0.0 for row in rows] for at in range(1, len(stages) + 2)]
    total = ["total", *map(sum, sums)]
    names = ["seconds", *short_names(stages), "total"]
    table = tabulate([*rows, total], names, "simple", floatfmt=".0f", missingval="–")
    ended = sorted(row["ended"] for row in measured.values())
    return (
        f"{table}\n\n{len(measured)} stages that ran between {ended[0]} and {ended[-1]}, "
        f"{total[-1] / 60:.1f} minutes; a stage that DVC found unchanged keeps its last run's."
    )


def _parts(name: str) -> tuple[str, str]:
    """``evaluate@p1`` -> (evaluate, p1); the cells of a matrix (``stats@p3--tiny``) are its own."""
    stage, _, experiment = name.partition("@")
    return stage, experiment.partition("--")[0] or SHARED


def _row(experiment: str, stages: list[str], measured: dict[str, Any]) -> list[Any]:
    found: dict[str, float] = {}
    for name, row in measured.items():
        stage, owner = _parts(name)
        if owner == experiment:
            found[stage] = found.get(stage, 0.0) + row["seconds"]
    return [experiment, *(found.get(stage) for stage in stages), sum(found.values())]


def short_names(stages: list[str]) -> list[str]:
    """Each name's first word, where no two stages share it."""
    first = [stage.partition("_")[0] for stage in stages]
    return [
        word if first.count(word) == 1 else stage for word, stage in zip(first, stages, strict=True)
    ]
