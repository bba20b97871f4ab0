"""From streams to cells of sessions × runs, and to the matrix a(i, j).

The unit of replication is the session (or task), crossed with runs (split and seed). Sessions are
gathered in blocks: those that arrived between one checkpoint and the next.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from stages.stats.clusters import Cells, tabulate_cells
from stages.stats.continual import AccuracyMatrix
from stages.stats.streams import History, Retained, Stream, Streams

Key = tuple[tuple[str, str], tuple[str, int]]
"""((world, instance id), (split, seed))"""
Found = dict[Key, float]


def key_of(stream: Stream, instance_id: str) -> Key:
    return ((stream.world, instance_id), stream.run)


def as_cells(found: Mapping[Key, float]) -> Cells:
    """Sessions × runs."""
    return tabulate_cells((task, run, value) for (task, run), value in sorted(found.items()))


def paired(first: Mapping[Key, float], second: Mapping[Key, float]) -> Found:
    """first - second where both were measured."""
    return {key: first[key] - second[key] for key in first if key in second}


def both(first: Mapping[Key, float], second: Mapping[Key, float]) -> tuple[Cells, Cells]:
    """The cells of both, of the sessions and runs that both measured."""
    shared = sorted(first.keys() & second.keys())
    return as_cells({k: first[k] for k in shared}), as_cells({k: second[k] for k in shared})


def retained(
    streams: Sequence[Stream],
    after: int | None = None,
    keep: Callable[[Retained], bool] | None = None,
) -> Found:
    """Share of each session's trained examples that is kept after the latest consolidation.

    ``after`` names another one by its number of sessions.
    """
    found: Found = {}
    for stream in streams:
        number = stream.consolidation_after(after)
        values = {} if number is None else stream.kept(keep).get(number, {})
        found |= {key_of(stream, name): value for name, value in values.items()}
    return found


def near(streams: Sequence[Stream], values: Mapping[Key, float], origin: int, reach: int) -> Found:
    """Of ``values``, those of sessions within ``reach`` places of ``origin`` (1-based)."""
    places = {
        key_of(stream, name): place
        for stream in streams
        for place, name in enumerate(stream.order, start=1)
    }
    return {key: value for key, value in values.items() if abs(places[key] - origin) <= reach}


def drops(streams: Sequence[Stream], histories: Sequence[History], last_too: bool = False) -> Found:
    """Of each session the peak of its block since it arrived, less its value at the end.

    The peak's consolidation is that of the block's mean over sessions and seeds, l from the block's
    own checkpoint to the one before the last, so a session's own luck doesn't choose its peak
    alone; the mean of several noisy checkpoints' maximum still errs upwards, for every arm alike.
    Blocks of the last checkpoint have nothing after them and are left out (j < N); ``last_too``
    counts them as 0. Source: Chaudhry et al. (2018), ECCV, eq. 3, whose tasks are these blocks.
    """
    found: Found = {}
    groups: dict[tuple[str, str], list[tuple[Stream, History]]] = defaultdict(list)
    for stream, history in zip(streams, histories, strict=True):
        groups[stream.world, stream.split].append((stream, history))
    for members in groups.values():
        marks = sorted(set.intersection(*(set(history) for _, history in members)))
        learned = members[0][0].learned(marks) if marks else {}
        for mark in marks if last_too else marks[:-1]:
            block = [name for name, at in learned.items() if at == mark]
            found |= _block_drops(members, block, marks[marks.index(mark) :])
    return found


def _block_drops(
    members: Sequence[tuple[Stream, History]], block: Sequence[str], marks: Sequence[int]
) -> Found:
    """Drops of one block's sessions; ``marks`` run from its own checkpoint to the last."""
    earlier = list(marks[:-1]) or list(marks)
    means = [
        _mean(history[c][name] for _, history in members for name in block if name in history[c])
        for c in earlier
    ]
    if not means or np.isnan(means).all():
        return {}
    peak = earlier[int(np.nanargmax(means))]
    return {
        key_of(stream, name): history[peak][name] - history[marks[-1]][name]
        for stream, history in members
        for name in block
        if name in history[peak] and name in history[marks[-1]]
    }


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return sum(known) / len(known) if known else float("nan")


def next_gains(streams: Streams, arm: str) -> Found:
    """After each checkpoint but the last, success on the next tasks - base's, paired by task.

    The next tasks are the next block's, as far as they were played before they were trained on.
    """
    found: Found = {}
    for stream in streams.of(arm):
        base, sessions = streams.base[stream.world, stream.seed], stream.sessions
        for number, following in pairwise(sorted(stream.played)):
            values = stream.played[number]
            for name in stream.order[sessions[number] : sessions[following]]:
                if name in values and name in base:
                    found[key_of(stream, name)] = values[name] - base[name]
    return found


def accuracy_matrix(stream: Stream, base: Mapping[str, float], base_id: str) -> AccuracyMatrix:
    """a(i, j) of one stream: i its checkpoints, base first; j the blocks that arrived by then.

    Above the diagonal only a(i, i + 1) was played, over the next tasks alone; other places there
    are NaN, and metrics that need them raise ValueError.
    """
    marks = sorted(stream.played)
    learned = stream.learned(marks)
    blocks = [[name for name, at in learned.items() if at == mark] for mark in marks]
    values = np.full((len(marks) + 1, len(marks)), np.nan)
    for i, row in enumerate([base, *(stream.played[mark] for mark in marks)]):
        for j, block in enumerate(blocks):
            values[i, j] = _mean(row[name] for name in block if name in row)
    return AccuracyMatrix(values, (base_id, *(stream.run_ids[mark] for mark in marks)))


FEWEST_RUNS = 3


def by_age(streams: Sequence[Stream]) -> tuple[np.ndarray, np.ndarray]:
    """Ages in consolidations since a session arrived, + 1 (K), and what is kept by then (R × K).

    A replicate's value at an age is the mean over its sessions that have been that old, at
    whichever consolidation: older ages come from earlier sessions only. Replicates are runs; with
    fewer than 3 of them each place within a consolidation, of each run: other sessions, the same
    trainings, so that what is found speaks of these runs only.
    """
    curves: dict[tuple[str, int], dict[int, list[float]]] = {}
    for stream in streams:
        history = stream.kept()
        learned = stream.learned(history)
        threads = _threads(stream, learned) if len(streams) < FEWEST_RUNS else {}
        for number, values in history.items():
            for name, value in values.items():
                curve = curves.setdefault((stream.name, threads.get(name, 0)), defaultdict(list))
                curve[number - learned[name] + 1].append(value)
    ages = sorted({age for curve in curves.values() for age in curve})
    cells = [[_mean(curve.get(age, [])) for age in ages] for _, curve in sorted(curves.items())]
    return np.array(ages, dtype=float), np.array(cells, dtype=float)


def _threads(stream: Stream, learned: Mapping[str, int]) -> dict[str, int]:
    """Session → its place within the consolidation that it arrived in."""
    seen: dict[int, int] = defaultdict(int)
    places = {}
    for name in stream.order:
        seen[learned[name]] += 1
        places[name] = seen[learned[name]]
    return places


def last_fact(stream: Stream, name: str) -> float | None:
    """A number of the latest consolidation's facts; None where it has none."""
    value: Any = stream.facts[-1].get(name) if stream.facts else None
    return None if value is None else float(value)
