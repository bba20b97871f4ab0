"""Item states as letters, their transitions, and the sets of items that several seeds agree on.

I improved, S stuck, R retained, X regressed, each against the item's own base answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.stats.clusters import clustered_proportion
from stages.stats.intervals import Estimate, Undefined
from stages.stats.items import ItemState, item_states

LETTERS = {
    ItemState.IMPROVED: "I",
    ItemState.STUCK: "S",
    ItemState.RETAINED: "R",
    ItemState.REGRESSED: "X",
}


def trajectories(correct: ArrayLike) -> list[str]:
    """One string per item (I), its state at checkpoints 1 … K; row 0 of ``correct`` is the base.

    >>> trajectories([[0, 1], [0, 1], [1, 0]])
    ['SI', 'RX']
    """
    answers = np.asarray(correct, dtype=bool)
    if answers.ndim != 2 or len(answers) < 2:
        raise ValueError(
            f"correct has shape {answers.shape}; give the base answers' row and at least one "
            "checkpoint's, with one column per item."
        )
    rows = [[LETTERS[state] for state in item_states(answers[0], row)] for row in answers[1:]]
    return ["".join(letters) for letters in zip(*rows, strict=True)]


def transitions(trajectory: str) -> int:
    """How often the state changed between successive checkpoints; the base is no checkpoint.

    ``items.oscillation`` also counts the step from base to checkpoint 1. Source: seeds/000, table
    of oscillating items. ValueError for letters that no one item can have: I and S need a wrong
    base answer, R and X a right one.

    >>> transitions("SSISISIS"), transitions("ISISSSI"), transitions("IISISSS")
    (6, 4, 3)
    """
    if not (set(trajectory) <= {"I", "S"} or set(trajectory) <= {"R", "X"}):
        raise ValueError(
            f"The trajectory {trajectory!r} mixes states of items right and wrong at base. Give "
            "one item's letters: I and S, or R and X."
        )
    return sum(before != after for before, after in pairwise(trajectory))


def oscillation_rate(correct: ArrayLike, alpha: float = 0.05) -> Estimate | Undefined:
    """Share of steps between checkpoints at which an item changed its answer, in [0, 1].

    Interval over items: the steps of one item depend on each other and are averaged first.
    Undefined for fewer than two checkpoints after the base.

    >>> oscillation_rate([[0, 0], [0, 0], [1, 0], [0, 0]]).value
    0.5
    """
    answers = np.asarray(correct, dtype=bool)
    if answers.ndim != 2 or len(answers) < 3 or not answers.shape[1]:
        return Undefined("it takes two checkpoints after the base, and an item")
    changed = np.diff(answers[1:].astype(int), axis=0) != 0
    return clustered_proportion(changed.mean(axis=0), alpha, "item")


@dataclass(frozen=True)
class StuckCount:
    """Items of one run that were wrong at base and did not learn."""

    at_end: int
    """wrong at base and at the last checkpoint"""
    always: int
    """wrong at base and at every checkpoint"""
    wrong: int
    """wrong at base"""


def stuck_count(correct: ArrayLike, items: Sequence[int] | None = None) -> StuckCount:
    """Stuck items, over ``items`` (indices; by default all).

    >>> stuck_count([[0, 0, 1], [0, 1, 0], [0, 0, 0]])
    StuckCount(at_end=2, always=1, wrong=2)
    """
    answers = np.asarray(correct, dtype=bool)
    answers = answers if items is None else answers[:, list(items)]
    wrong = ~answers[0]
    return StuckCount(
        at_end=int(np.sum(wrong & ~answers[-1])),
        always=int(np.sum(wrong & ~answers.any(axis=0))),
        wrong=int(np.sum(wrong)),
    )


@dataclass(frozen=True)
class ItemSets:
    """Items by what the seeds made of them at their last checkpoint, in the order of the ids."""

    universally_stuck: tuple[str, ...]
    """wrong at base and at the end in every seed"""
    universally_improved: tuple[str, ...]
    """wrong at base and right at the end in every seed"""
    seed_dependent: tuple[str, ...]
    """improved in one seed at least, stuck in another"""
    forgotten: tuple[str, ...]
    """right at base and wrong at the end in at least one seed"""
    forgotten_ever: tuple[str, ...]
    """right at base and wrong at any checkpoint in at least one seed"""
    retained: tuple[str, ...]
    """right at base and at the end in every seed"""
    base_differs: tuple[str, ...]
    """right at base in one seed and wrong in another: the base's own decoding noise"""


def item_sets(item_ids: Sequence[str], runs: Sequence[ArrayLike]) -> ItemSets:
    """Sets over seeds; ``runs`` has one ``correct`` matrix (K + 1) × I per seed, same items.

    By chance alone an item answered at random is 'seed-dependent' more often the more seeds there
    are: compare with the same sets over repeats of one seed. Source: seeds/000, 'Three failure
    modes', which counts the state at the end.

    >>> s = item_sets(["a", "b"], [[[0, 1], [1, 0]], [[0, 1], [0, 1]]])
    >>> s.seed_dependent, s.forgotten, s.universally_stuck
    (('a',), ('b',), ())
    """
    answers = [np.asarray(run, dtype=bool) for run in runs]
    odd = [run.shape for run in answers if run.ndim != 2 or run.shape[1] != len(item_ids)]
    if not answers or odd:
        raise ValueError(
            f"{len(answers)} runs for {len(item_ids)} items, of other shapes: {odd}. Give at least "
            "one run, each of checkpoints × the same items."
        )
    ends = [trajectories(run) for run in answers]
    last = np.array([[trajectory[-1] for trajectory in run] for run in ends])
    ever = np.array([["X" in trajectory for trajectory in run] for run in ends])
    base = np.array([run[0] for run in answers])

    def chosen(mask: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(item for item, keep in zip(item_ids, mask, strict=True) if keep)

    return ItemSets(
        universally_stuck=chosen((last == "S").all(axis=0)),
        universally_improved=chosen((last == "I").all(axis=0)),
        seed_dependent=chosen((last == "I").any(axis=0) & (last == "S").any(axis=0)),
        forgotten=chosen((last == "X").any(axis=0)),
        forgotten_ever=chosen(ever.any(axis=0)),
        retained=chosen((last == "R").all(axis=0)),
        base_differs=chosen(base.any(axis=0) & ~base.all(axis=0)),
    )
