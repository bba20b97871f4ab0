"""Streams made by hand, for the estimands of streams."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from stages.lab.context import Lab
from stages.params import StrategyParams, StreamParams
from stages.stats.results import Results
from stages.stats.streams import Stream, Streams
from tests.small_lab import small_lab

WORLD, SPLIT = "oak", "A"
KEPT = Mapping[int, Sequence[Sequence[int]]]
"""consolidation → per session (in order) whether each of its examples was kept."""


def made_stream(
    arm: str,
    kept: KEPT,
    *,
    seed: int = 0,
    every: int = 1,
    played: Mapping[int, Sequence[float]] | None = None,
    skills: Sequence[str] = ("unit",),
    facts: Mapping[str, Any] | None = None,
) -> Stream:
    """``played`` gives success on the tasks in order; example n of a session has skill n."""
    n = max(len(sessions) for sessions in kept.values())
    order = tuple(f"t{place}" for place in range(1, n + 1))
    retention = [
        {
            "consolidation": c,
            "sessions": c * every,
            "origin": place,
            "instance_id": f"t{place}",
            "example_id": f"t{place}-{number}",
            "skill": skills[number % len(skills)],
            "kept": value,
            "loss": 0.5,
        }
        for c, sessions in kept.items()
        for place, examples in enumerate(sessions, start=1)
        for number, value in enumerate(examples)
    ]
    return Stream(
        WORLD,
        SPLIT,
        arm,
        seed,
        order,
        tuple({"consolidation": c, "sessions": c * every, **(facts or {})} for c in sorted(kept)),
        tuple(retention),
        {c: dict(zip(order, values, strict=False)) for c, values in (played or {}).items()},
        {c: f"{arm}-{seed}-{c}" for c in played or {}},
    )


@cache
def plain_lab() -> Lab:
    """The pilot, read from params.yaml once: that takes longer than all else here."""
    return small_lab()


def made_results(
    streams: Sequence[Stream],
    *,
    base: Sequence[float] = (),
    settings: Mapping[str, dict[str, Any]] | None = None,
    guard: dict[str, list[dict[str, Any]]] | None = None,
    strategy: str = "naive",
) -> Results:
    """Results of nothing but these streams, with their arms registered."""
    arms = {
        s.arm: StrategyParams(strategy=strategy, settings=(settings or {}).get(s.arm, {}))
        for s in streams
    }
    sessions = len(streams[0].order)
    plan = StreamParams(sessions=sessions, every=1, played=(sessions,), arms=arms)
    lab = plain_lab()
    lab = dataclasses.replace(lab, experiment=dataclasses.replace(lab.experiment, stream=plan))
    tasks = {f"t{n}": value for n, value in enumerate(base, start=1)}
    runs = {(s.world, s.seed) for s in streams}
    measured = Streams(
        tuple(streams), dict.fromkeys(runs, tasks), {run: f"base-{run[1]}" for run in runs}
    )
    return dataclasses.replace(
        Results(lab, (), guard or {}, [], {}, {}, {}),
        streams=measured,
    )
