"""The report's rule 'best 2 splits from Phase 2, those that showed least variance': EXPLORATORY.

It selects on the outcome, so the registered splits are named beforehand and this decides nothing:
it says which two the rule would have taken, and what the matrix found in them if it ran them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.records import read_json
from stages.stats.phase.estimands import SKILL, mean_transfer
from stages.stats.phase.matrix import METRICS, Matrix
from stages.stats.summary import rounded
from stages.stats.verdict import EXPLORATORY

SOURCE = "p2"
"""The experiment that compared splits."""


def best_two_splits(matrix: Matrix, metrics: Path = METRICS) -> dict[str, Any]:
    """The two splits of ``p2`` whose forward transfer has the narrowest interval.

    A split's spread is half the width of its interval, in resolve rate: the report doesn't say
    which variance it means, and one number a split has no other. Equal spreads go by name.
    """
    path = metrics / "details" / f"{SOURCE}.json"
    found = read_json(path).get("by_split", {}) if path.exists() else {}
    spreads = {
        split: (row["hi"] - row["lo"]) / 2
        for split, row in found.get("forward_transfer", {}).items()
        if isinstance(row, dict)
    }
    if len(spreads) < 2:
        return {"status": EXPLORATORY, "undefined": f"{path} has no two splits: run stats@{SOURCE}"}
    chosen = sorted(sorted(spreads, key=lambda split: (spreads[split], split))[:2])
    run = set(matrix.lab.experiment.splits)
    alpha = matrix.lab.experiment.alpha
    lacking = sorted(set(chosen) - run)
    here = mean_transfer(matrix, SKILL, lambda cell: cell.split in chosen)(alpha)
    return rounded(
        {
            "status": EXPLORATORY,
            "rule": "least variance in p2, which selects on the outcome",
            "spread": spreads,
            "chosen": chosen,
            "registered": sorted(run),
            "not_in_the_matrix": lacking,
            "forward_transfer": here if not lacking else _how(matrix, chosen),
        }
    )


def _how(matrix: Matrix, chosen: list[str]) -> str:
    splits = ",".join(chosen)
    return f"not run; -S 'experiments.{matrix.lab.name}.splits=[{splits}]' runs them"
