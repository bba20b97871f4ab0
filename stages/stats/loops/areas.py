"""Weak areas by interval: seeds/002 called a label weak because it counted it most often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stages.stats.clusters import clustered_proportion
from stages.stats.intervals import Estimate, Undefined
from stages.stats.loops.changes import mover

WEAK, STRONG, INCONCLUSIVE = "weak", "strong", "inconclusive"


@dataclass(frozen=True)
class Area:
    """One area of the self-test against all others."""

    accuracy: Estimate
    """share right, interval over its items"""
    rest: Estimate
    """share right of all other areas' items"""
    difference: Estimate
    """accuracy - rest"""
    reading: str
    """``WEAK`` or ``STRONG`` if the whole interval says so, else ``INCONCLUSIVE``"""


def weak_areas(areas: Mapping[str, ArrayLike], alpha: float = 0.05) -> dict[str, Area] | Undefined:
    """Areas of a self-test, name -> its items' outcomes (items, or items × runs, in [0, 1]).

    Each is compared with all items of the others at 1 - α/G for G areas (Bonferroni): 'arithmetic'
    with 12 of 16 wrong answers is weak only if it was asked less often than that share. Undefined
    for fewer than two areas. ValueError for an area without a name: it would be a default, and a
    default is no finding. References: as ``changes.mover``.

    >>> found = weak_areas({"sums": [0] * 12, "series": [1] * 12})
    >>> found["sums"].reading, found["series"].reading
    ('weak', 'strong')
    """
    unnamed = [name for name in areas if not name.strip()]
    if unnamed:
        raise ValueError(
            f"An area is called {unnamed[0]!r}. Label every item of the self-test, or leave it out."
        )
    if len(areas) < 2:
        return Undefined(f"{len(areas)} areas, at least 2 are needed to compare")
    level = alpha / len(areas)
    cells = {name: _matrix(outcomes) for name, outcomes in areas.items()}
    found: dict[str, Area] = {}
    for name, own in cells.items():
        others = _stacked([other for key, other in cells.items() if key != name])
        accuracy, rest = (clustered_proportion(each, level, "item") for each in (own, others))
        difference = mover(rest, accuracy)
        reading = WEAK if difference.hi < 0 else STRONG if difference.lo > 0 else INCONCLUSIVE
        found[name] = Area(accuracy, rest, difference, reading)
    return found


def _matrix(outcomes: ArrayLike) -> np.ndarray:
    cells = np.asarray(outcomes, dtype=float)
    return cells[:, None] if cells.ndim == 1 else cells


def _stacked(parts: list[np.ndarray]) -> np.ndarray:
    """All items in one matrix, NaN where an area has fewer runs than another."""
    runs = max(part.shape[1] for part in parts)
    padded = [
        np.pad(part, ((0, 0), (0, runs - part.shape[1])), constant_values=np.nan) for part in parts
    ]
    return np.vstack(padded)


@dataclass(frozen=True)
class AreaCounts:
    """Counts of labels as seeds/002 printed them, against the wrong answers there were."""

    labelled: int
    """labels counted"""
    wrong: int
    """wrong answers"""

    @property
    def fits(self) -> bool:
        """Whether every wrong answer has one label: otherwise the labels are of something else."""
        return self.labelled == self.wrong


def area_counts(counts: Mapping[str, int], right: int, n: int) -> AreaCounts:
    """Labels counted against the ``n - right`` wrong answers of the same test.

    >>> area_counts({"arithmetic": 12, "sequences": 3, "functions": 2, "algebra": 1}, 4, 20)
    AreaCounts(labelled=18, wrong=16)
    """
    if not 0 <= right <= n:
        raise ValueError(f"{right} right of {n} is no count. Give 0 to n right answers.")
    return AreaCounts(sum(counts.values()), n - right)
