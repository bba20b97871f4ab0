"""Selection over generations: pick a population's best, train on from it by new seeds, repeat.

Generation 1 of a lineage are runs of another arm; generation g's are the lineage's own runs, with
repeats (g - 2)·population and up. What a run is picked by is measured on the part train alone.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

from stages.lab.loops import CheckpointPlace, OpenLoop, RunPlace, seeds_of
from stages.params import ParamsError, SelectionParams
from stages.records import write_json

LEAST_WINDOW, LEAST_CHECKPOINTS = 5, 3
"""A meta-learning score needs this many items in every window, and checkpoints after the first."""
Trainer = Callable[[RunPlace, RunPlace], Any]
"""Makes a run that goes on from what another one kept."""


@dataclasses.dataclass(frozen=True)
class Merit:
    """What a run can be picked by."""

    run: str
    accuracy: float
    """share of the part train answered right at the last checkpoint"""
    meta_learning: float | None
    """science.md §1, on window rates; null where it is undefined"""
    stability: float
    """1 - changes between right and wrong, per item and pair of successive checkpoints"""


def run_lineage(opened: OpenLoop, arm: str, seed: int, train: Trainer) -> None:
    """Every generation of a lineage in turn, and the file that says what was picked and why."""
    plan = opened.loop.arms[arm].selection
    assert plan is not None, "only selecting arms have lineages"
    population = first_generation(opened, arm, seed)
    rows = []
    for generation in range(1, plan.generations + 1):
        merits = [merit(run) for run in population]
        chosen = pick(merits, plan.by, f"{arm} {seed} {generation}")
        rows.append(
            {
                "generation": generation,
                "candidates": [dataclasses.asdict(row) for row in merits],
                "chosen": merits[chosen].run,
            }
        )
        if generation < plan.generations:
            parent = population[chosen]
            population = [
                opened.run(arm, seed, (generation - 1) * plan.population + member)
                for member in range(plan.population)
            ]
            for run in population:
                train(run, parent)
    write_json(opened.selection(arm, seed), rows)


def first_generation(opened: OpenLoop, arm: str, seed: int) -> list[RunPlace]:
    """The lineage's own slice of the other arm's seeds; ParamsError when there are too few."""
    plan: SelectionParams | None = opened.loop.arms[arm].selection
    assert plan is not None, "only selecting arms have lineages"
    lineage = seeds_of(opened.loop, arm).index(seed)
    seeds = seeds_of(opened.loop, plan.first)[lineage * plan.population :][: plan.population]
    if len(seeds) < plan.population:
        raise ParamsError(
            f"loops.{opened.name}.arms.{arm}: {plan.first!r} has too few seeds for populations of "
            f"{plan.population} in every lineage. Give it more, or this arm fewer seeds."
        )
    return [opened.run(plan.first, own, 0) for own in seeds]


def pick(merits: Sequence[Merit], by: str, draw: str) -> int:
    """Index of the best; ties go to the higher accuracy, then to the first. ``random`` draws.

    A run whose score is undefined is worse than any other.
    """
    if by == "random":
        return random.Random(draw).randrange(len(merits))

    def worth(place: int) -> tuple[float, float, int]:
        value = getattr(merits[place], by)
        return (float("-inf") if value is None else value, merits[place].accuracy, -place)

    return max(range(len(merits)), key=worth)


def merit(run: RunPlace) -> Merit:
    """What a finished run can be picked by."""
    places = run.checkpoints()
    states = [right_items(place) for place in places]
    last = states[-1]
    changes = [
        sum(a[name] != b[name] for name in a) / max(1, len(a))
        for a, b in itertools.pairwise(states)
    ]
    windows = [place.facts().trained_items for place in places[1:]]
    return Merit(
        run.name,
        round(sum(last.values()) / max(1, len(last)), 6),
        meta_learning_score(states, windows),
        round(1 - sum(changes) / max(1, len(changes)), 6),
    )


def right_items(place: CheckpointPlace) -> dict[str, bool]:
    """Item id of the part train -> whether at least half of its answers are right."""
    found: dict[str, list[int]] = {}
    for row in place.probe():
        if row.part == "train":
            found.setdefault(row.item_id, []).append(row.visible)
    return {name: 2 * sum(values) >= len(values) for name, values in found.items()}


def meta_learning_score(
    states: Sequence[dict[str, bool]], windows: Sequence[Sequence[str]]
) -> float | None:
    """(late - early improvement) + (early - late forgetting), rates of each window's own items.

    ``states`` begin with the base's; early and late are the first and last third of the windows. A
    rate without items to improve (or forget) is left out of its mean; None where one is then
    empty, or there are too few checkpoints or items (science.md §1).
    """
    if len(windows) < LEAST_CHECKPOINTS or min(map(len, windows)) < LEAST_WINDOW:
        return None
    third = max(1, len(windows) // 3)
    rates = [_rates(states[0], states[n + 1], window) for n, window in enumerate(windows)]
    means = []
    for kind in (0, 1):
        for part in (rates[:third], rates[-third:]):
            values = [value for rate in part if (value := rate[kind]) is not None]
            if not values:
                return None
            means.append(sum(values) / len(values))
    early_better, late_better, early_worse, late_worse = means
    return round((late_better - early_better) + (early_worse - late_worse), 6)


def _rates(
    base: dict[str, bool], now: dict[str, bool], window: Sequence[str]
) -> tuple[float | None, float | None]:
    """Improved of those wrong at first, and forgotten of those right at first."""
    wrong = [name for name in window if not base[name]]
    right = [name for name in window if base[name]]
    better = sum(now[name] for name in wrong) / len(wrong) if wrong else None
    worse = sum(not now[name] for name in right) / len(right) if right else None
    return better, worse
