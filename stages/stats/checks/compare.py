"""Paired comparisons of episodes against base, by task and crossed with runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stages.stats.checks.episodes import Episode
from stages.stats.checks.record import BASE, Record
from stages.stats.clusters import clustered_difference, tabulate_cells
from stages.stats.intervals import Estimate
from stages.stats.results import TEST

Value = Callable[[Episode], float]


def shift(
    record: Record,
    condition: str,
    value: Value,
    half: str = TEST,
    bound: float = 1.0,
    alpha: float | None = None,
) -> Estimate | None:
    """Mean of ``value`` under the condition - base with interval; None without common episodes."""
    base = {(e.task, e.run): value(e) for e in record.select(BASE, half)}
    rows = [
        (e.task, e.run, value(e) - base[e.task, e.run])
        for e in record.select(condition, half)
        if (e.task, e.run) in base
    ]
    if not rows:
        return None
    level = record.lab.experiment.alpha if alpha is None else alpha
    return clustered_difference(tabulate_cells(rows), level, bound=bound)


def share(value: Callable[[Episode], int]) -> Value:
    """Of an episode's answers, the share that ``value`` counts."""
    return lambda episode: value(episode) / max(1, len(episode.output_tokens))


def average(episodes: Sequence[Episode], value: Value) -> float:
    """Plain mean over episodes; 0 for none."""
    return sum(map(value, episodes)) / max(1, len(episodes))


def interval(name: str, estimate: Estimate) -> dict[str, float]:
    """The three numbers of an estimate, flat."""
    return {name: estimate.value, f"{name}_lo": estimate.lo, f"{name}_hi": estimate.hi}
