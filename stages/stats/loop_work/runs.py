"""One run as the loop metrics read it, and measures of a whole run."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stages.stats.intervals import Undefined
from stages.stats.items import grokking
from stages.stats.loop_work.results import TRAIN, LoopResults, Run, known_mean, right_at
from stages.stats.loops.rates import StepCounts, cumulative_table, window_table
from stages.stats.loops.score import PUBLISHED, MetaLearning, meta_learning

MOST_UNDEFINED = 0.1
"""Share of an arm's runs whose measure may be undefined, as a score is of a run that stopped early;
these are left out, and each is named in the details."""
BOUND = 2.0
"""A meta-learning score lies within ± this: two differences of rates."""
Measure = Callable[[Run], float | Undefined]


@dataclasses.dataclass(frozen=True)
class Answers:
    """A run's answers as a matrix."""

    items: tuple[str, ...]
    """columns"""
    correct: NDArray[np.bool_]
    """checkpoints × items (K + 1 × I): right in more than half of its samples; row 0 is base"""
    windows: tuple[tuple[int, ...], ...]
    """for each checkpoint but base, the columns that were trained first since the one before"""
    steps: tuple[int, ...]
    """step of each checkpoint (K + 1)"""


def answers(run: Run, parts: Sequence[str]) -> Answers:
    """The items of ``parts`` that every checkpoint probed."""
    there = set.intersection(*(set(point.means) for point in run.checkpoints))
    items = [item for part in parts for item in run.members(part) if item in there]
    place = {item: at for at, item in enumerate(items)}
    seen: set[str] = set()
    windows = []
    for point in run.checkpoints[1:]:
        new = [i for i in dict.fromkeys(point.facts.trained_items) if i not in seen]
        seen.update(new)
        windows.append(tuple(place[item] for item in new if item in place))
    correct = [[right_at(point, item) > 0.5 for item in items] for point in run.checkpoints]
    return Answers(
        tuple(items),
        np.array(correct, dtype=bool).reshape(len(run.checkpoints), len(items)),
        tuple(windows),
        tuple(point.facts.step for point in run.checkpoints),
    )


def step_tables(run: Run) -> tuple[list[StepCounts], list[StepCounts]]:
    """Window and cumulative counts of the trained items at each checkpoint but base."""
    found = answers(run, (TRAIN,))
    both = (found.correct, found.windows, found.steps)
    return window_table(*both), cumulative_table(*both)


def scores(run: Run) -> MetaLearning:
    """The meta-learning score under every definition."""
    return meta_learning(*step_tables(run))


def accuracy_on(part: str) -> Measure:
    """A run's final accuracy on a part."""

    def measure(run: Run) -> float | Undefined:
        values = [right_at(run.final, item) for item in run.members(part)]
        found = known_mean(values)
        return Undefined(f"{run.name} was not probed on {part}") if np.isnan(found) else found

    return measure


def curve(run: Run, part: str) -> list[float]:
    """Accuracy on a part at each checkpoint; NaN where it was not probed."""
    members = run.members(part)
    return [known_mean([right_at(point, item) for item in members]) for point in run.checkpoints]


def did_grok(run: Run, part: str) -> float | Undefined:
    """1 if the run's accuracy on ``part`` grokked, else 0; Undefined without that part or train."""
    steps = [point.facts.step for point in run.checkpoints]
    train, held_out = curve(run, TRAIN), curve(run, part)
    if np.isnan([*train, *held_out]).any():
        return Undefined(f"{run.name} was not probed on {TRAIN} and {part} at every checkpoint")
    return float(grokking(steps, train, held_out) is not None)


def _score(definition: str, run: Run) -> float | Undefined:
    found = scores(run)
    return found.alternatives[definition] if definition else found.registered


MEASURES: dict[str, Measure] = {
    "meta_learning_score": partial(_score, ""),
    "meta_learning_score_cumulative": partial(_score, PUBLISHED),
}


def by_seed(results: LoopResults, arm: str, measure: Measure) -> dict[int, list[float]] | Undefined:
    """seed -> the measure of each of its runs, those without one left out.

    Undefined, with the first reason, where more than ``MOST_UNDEFINED`` of the runs have none.
    """
    found: dict[int, list[float]] = defaultdict(list)
    missing: list[str] = []
    runs = results.outcomes(arm)
    for run in runs:
        value = measure(run)
        if isinstance(value, Undefined):
            missing.append(f"{run.name}: {value.reason}")
        else:
            found[run.seed].append(value)
    if len(missing) > MOST_UNDEFINED * len(runs):
        return Undefined(f"{len(missing)} of {len(runs)} runs have none, {missing[0]}")
    return dict(found) or Undefined(f"{arm} was not run")
