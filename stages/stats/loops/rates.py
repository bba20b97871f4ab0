"""Improvement and forgetting at each checkpoint of a loop, as counts, rates and intervals.

``correct`` is checkpoints × items (K + 1) × I, row 0 the base model; ``windows[k - 1]`` holds the
indices of the items trained between checkpoints k - 1 and k; ``steps`` has the K + 1 step numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from stages.stats.intervals import Estimate, Undefined, wilson
from stages.stats.items import LoopRates, checked_answers

ITEM = "item"


@dataclass(frozen=True)
class StepCounts:
    """What became of a set of items at one checkpoint, against their base answers."""

    step: float
    """the checkpoint's step number"""
    improved: int
    """items wrong at base and right now"""
    wrong: int
    """items wrong at base"""
    forgotten: int
    """items right at base and wrong now"""
    right: int
    """items right at base"""

    def __post_init__(self) -> None:
        if not (0 <= self.improved <= self.wrong and 0 <= self.forgotten <= self.right):
            raise ValueError(
                f"Step {self.step}: {self.improved} improved of {self.wrong} wrong and "
                f"{self.forgotten} forgotten of {self.right} right is not possible. Count each "
                "item once, by its base answer."
            )

    @property
    def items(self) -> int:
        """Items in the set."""
        return self.wrong + self.right

    @property
    def net(self) -> int:
        """Net learning: items improved - items forgotten."""
        return self.improved - self.forgotten

    def improvement(self, alpha: float = 0.05) -> Estimate | Undefined:
        """Improved / initially wrong, in [0, 1], Wilson interval over items."""
        if not self.wrong:
            return Undefined("no item was wrong")
        return wilson(self.improved, self.wrong, alpha, ITEM)

    def forgetting(self, alpha: float = 0.05) -> Estimate | Undefined:
        """Forgotten / initially right, in [0, 1], Wilson interval over items."""
        if not self.right:
            return Undefined("no item was right")
        return wilson(self.forgotten, self.right, alpha, ITEM)

    def loop_rates(self) -> LoopRates:
        """The same as bare rates, which the meta-learning score averages."""
        gained, lost = self.improvement(), self.forgetting()
        return LoopRates(
            gained if isinstance(gained, Undefined) else gained.value,
            lost if isinstance(lost, Undefined) else lost.value,
            self.items,
        )

    def as_dict(self, alpha: float = 0.05) -> dict[str, Any]:
        """One row for a JSON file: counts, net learning, both rates (or why there is none)."""
        rates = {"improvement": self.improvement(alpha), "forgetting": self.forgetting(alpha)}
        shown = {n: r.as_dict() if isinstance(r, Estimate) else str(r) for n, r in rates.items()}
        counts = {"improved": self.improved, "wrong": self.wrong}
        counts |= {"forgotten": self.forgotten, "right": self.right}
        return {"step": self.step, "items": self.items, **counts, "net": self.net, **shown}


def count_changes(
    base: ArrayLike, now: ArrayLike, items: Sequence[int], step: float = 0.0
) -> StepCounts:
    """Counts over ``items`` (indices, each once) of answers now (I) against base (I).

    Source: seeds/000, table of seed 456; adaptible 1.0.0a3, eval/meta.py.

    >>> c = count_changes([0, 0, 1, 1], [1, 0, 1, 0], items=[0, 1, 2, 3], step=20)
    >>> c.improved, c.wrong, c.forgotten, c.right, c.net
    (1, 2, 1, 2, 0)
    """
    if len(set(items)) != len(items):
        raise ValueError("An item stands twice in one set. Windows are disjoint: list items once.")
    chosen = np.asarray(items, dtype=int)
    before, after = np.asarray(base, dtype=bool)[chosen], np.asarray(now, dtype=bool)[chosen]
    return StepCounts(
        step,
        improved=int(np.sum(~before & after)),
        wrong=int(np.sum(~before)),
        forgotten=int(np.sum(before & ~after)),
        right=int(np.sum(before)),
    )


def window_table(
    correct: ArrayLike, windows: Sequence[Sequence[int]], steps: Sequence[float]
) -> list[StepCounts]:
    """Counts at checkpoints 1 … K over the items trained since the previous one (disjoint).

    ValueError if an item stands in two windows: a second pass over the items has no window rates.

    >>> rows = window_table([[0, 0], [1, 0], [1, 1]], windows=[[0], [1]], steps=[0, 1, 2])
    >>> [(row.improved, row.wrong) for row in rows]
    [(1, 1), (1, 1)]
    """
    trained = [item for window in windows for item in window]
    if len(set(trained)) != len(trained):
        raise ValueError(
            "An item stands in two windows, so their rates are not independent. Give each item to "
            "the window that trained it first, or report the cumulative rates."
        )
    return _table(correct, windows, windows, steps)


def cumulative_table(
    correct: ArrayLike, windows: Sequence[Sequence[int]], steps: Sequence[float]
) -> list[StepCounts]:
    """Counts at checkpoints 1 … K over all items trained so far: late contains early.

    This is how seeds/000 counted (20, 50 and 80 items at steps 20, 50 and 80).

    >>> rows = cumulative_table([[0, 0], [1, 0], [1, 1]], windows=[[0], [1]], steps=[0, 1, 2])
    >>> [(row.improved, row.wrong) for row in rows]
    [(1, 1), (2, 2)]
    """
    seen: dict[int, None] = {}
    sets: list[list[int]] = []
    for window in windows:
        seen.update(dict.fromkeys(window))
        sets.append(list(seen))
    return _table(correct, windows, sets, steps)


def fixed_table(
    correct: ArrayLike, items: Sequence[int], steps: Sequence[float]
) -> list[StepCounts]:
    """Counts at checkpoints 1 … K over the same ``items`` each time, such as the holdout.

    >>> [row.net for row in fixed_table([[0, 1], [1, 1], [0, 0]], [0, 1], steps=[0, 10, 20])]
    [1, -1]
    """
    answers = np.asarray(correct, dtype=bool)
    sets = [list(items)] * (len(answers) - 1)
    return _table(answers, sets, sets, steps)


def _table(
    correct: ArrayLike,
    windows: Sequence[Sequence[int]],
    sets: Sequence[Sequence[int]],
    steps: Sequence[float],
) -> list[StepCounts]:
    answers = checked_answers(correct, windows)
    if len(steps) != len(answers):
        raise ValueError(
            f"{len(steps)} step numbers for {len(answers)} checkpoints: give one for each, the "
            "base model's first."
        )
    return [
        count_changes(answers[0], answers[k + 1], items, steps[k + 1])
        for k, items in enumerate(sets)
    ]
