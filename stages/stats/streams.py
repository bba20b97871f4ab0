"""Streams as their files tell them: what each arm kept and solved, consolidation by consolidation.

Below ``models/adapters/NAME/streams/WORLD/SPLIT/ARM-sSEED/`` a folder per consolidation
(``c0001/facts.json`` beside its State); below the same path in ``data/evaluations/`` lie
``retention.jsonl``, ``tasks-c0001.jsonl`` and ``guard-c0001.jsonl``. A session is a training task
of the split, its place in the stream (1-based) is its origin.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from stages.lab.context import Lab
from stages.lab.splits import read_split
from stages.records import Outcome, RecordError, read_json, read_jsonl, sha256_file
from stages.stats.rates import resolved_value

STREAMS = "streams"
NUMBER = re.compile(r".*c(\d{4})(\.jsonl)?")
Values = dict[str, float]
"""instance id → value of that session or task."""
History = dict[int, Values]
"""consolidation → values after it."""
Retained = Mapping[str, Any]
"""One row of retention.jsonl."""


@dataclasses.dataclass(frozen=True, eq=False)
class Stream:
    """One arm in one world, split and seed."""

    world: str
    split: str
    arm: str
    seed: int
    order: tuple[str, ...]
    """instance ids of its sessions, in the order of their arrival"""
    facts: tuple[dict[str, Any], ...]
    """facts.json of each consolidation, in order"""
    retention: tuple[dict[str, Any], ...] = ()
    """rows: consolidation, sessions, origin, instance_id, example_id, skill, kept, loss"""
    played: dict[int, dict[str, float]] = dataclasses.field(default_factory=dict)
    """consolidation → instance id → share resolved (NaN: harness errors only)"""
    run_ids: dict[int, str] = dataclasses.field(default_factory=dict)
    """consolidation → its file of episodes, with its hash"""
    guard: tuple[dict[str, Any], ...] = ()
    """answers to the guard after the last consolidation"""
    folder: Path = Path()
    """where its States lie"""
    episodes: dict[int, Path] = dataclasses.field(default_factory=dict)
    """consolidation → file of episodes"""

    @property
    def name(self) -> str:
        return f"{self.world}/{self.split}/{self.arm}-s{self.seed}"

    @property
    def run(self) -> tuple[str, int]:
        return (self.split, self.seed)

    @property
    def sessions(self) -> dict[int, int]:
        """consolidation → sessions that had arrived by then."""
        return {fact["consolidation"]: fact["sessions"] for fact in self.facts}

    @property
    def last(self) -> int:
        """Number of the latest consolidation; 0 before the first."""
        return self.facts[-1]["consolidation"] if self.facts else 0

    def consolidation_after(self, sessions: int | None) -> int | None:
        """The consolidation made after that many sessions; the latest for None."""
        if sessions is None:
            return self.last
        return next((c for c, n in self.sessions.items() if n == sessions), None)

    def kept(self, keep: Callable[[Retained], bool] | None = None) -> History:
        """After each consolidation, the share of a session's trained examples that were kept.

        ``keep`` chooses among the examples; None is all of them.
        """
        return (
            self._all_kept if keep is None else shares(row for row in self.retention if keep(row))
        )

    @cached_property
    def _all_kept(self) -> History:
        return shares(self.retention)

    def learned(self, checkpoints: Iterable[int]) -> dict[str, int]:
        """instance id → first of ``checkpoints`` (consolidations) at which it had arrived."""
        sessions, marks = self.sessions, sorted(checkpoints)
        return {
            name: next((c for c in marks if sessions[c] >= place), 0)
            for place, name in enumerate(self.order, start=1)
        }


def shares(rows: Iterable[Retained]) -> History:
    """Consolidation → session → mean of ``kept`` over its examples."""
    found: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found[row["consolidation"]][row["instance_id"]].append(float(row["kept"]))
    return {
        c: {name: sum(values) / len(values) for name, values in by_session.items()}
        for c, by_session in sorted(found.items())
    }


@dataclasses.dataclass(frozen=True, eq=False)
class Streams:
    """Every stream of an experiment, and base on the same tasks."""

    streams: tuple[Stream, ...] = ()
    base: dict[tuple[str, int], Values] = dataclasses.field(default_factory=dict)
    """(world, seed) → instance id → share resolved by the base model"""
    base_ids: dict[tuple[str, int], str] = dataclasses.field(default_factory=dict)
    """(world, seed) → the file of base's episodes, with its hash"""

    def of(self, arm: str) -> list[Stream]:
        return [stream for stream in self.streams if stream.arm == arm]

    @property
    def arms(self) -> list[str]:
        """Arms that ran, in the registration's order."""
        return list(dict.fromkeys(stream.arm for stream in self.streams))


def stream_folder(lab: Lab, stage_output: str, world: str, split: str, arm: str, seed: int) -> Path:
    """Where a stage's output for one stream lies."""
    return lab.folder(stage_output) / STREAMS / world / split / f"{arm}-s{seed}"


def read_streams(lab: Lab) -> Streams:
    """Every registered stream that ran; RecordError for a broken file. Check 24 names a missing."""
    plan = lab.experiment.stream
    if plan is None:
        return Streams()
    found, base, base_ids = [], {}, {}
    for world in lab.worlds:
        for seed in lab.experiment.seeds:
            path = lab.folder("data/baseline") / f"{world}-s{seed}.jsonl"
            base[world, seed], base_ids[world, seed] = resolved_by_task(path), run_id_of(path)
        for split in lab.experiment.splits:
            order = [task.instance_id for task in read_split(lab, world, split).train]
            for arm in plan.arms:
                for seed in lab.experiment.seeds:
                    stream = _read(lab, world, split, arm, seed, tuple(order[: plan.sessions]))
                    found += [stream] if stream.facts else []
    return Streams(tuple(found), base, base_ids)


def _read(lab: Lab, world: str, split: str, arm: str, seed: int, order: tuple[str, ...]) -> Stream:
    states = stream_folder(lab, "models/adapters", world, split, arm, seed)
    tests = stream_folder(lab, "data/evaluations", world, split, arm, seed)
    episodes = numbered(tests, "tasks-c*.jsonl")
    guards = numbered(tests, "guard-c*.jsonl")
    retention = tests / "retention.jsonl"
    return Stream(
        world,
        split,
        arm,
        seed,
        order,
        tuple(_facts(path / "facts.json", c) for c, path in numbered(states, "c*").items()),
        tuple(read_jsonl(retention, dict)) if retention.exists() else (),
        {c: resolved_by_task(path) for c, path in episodes.items()},
        {c: run_id_of(path) for c, path in episodes.items()},
        tuple(read_jsonl(guards[max(guards)], dict)) if guards else (),
        states,
        episodes,
    )


def numbered(folder: Path, pattern: str) -> dict[int, Path]:
    """Consolidation → path, of what ``pattern`` finds in ``folder``."""
    found = {path: NUMBER.fullmatch(path.name) for path in sorted(folder.glob(pattern))}
    return {int(match[1]): path for path, match in found.items() if match}


def _facts(path: Path, consolidation: int) -> dict[str, Any]:
    facts = read_json(path)
    if not isinstance(facts, dict) or facts.get("consolidation") != consolidation:
        raise RecordError(
            f"{path}: it doesn't say that it is of consolidation {consolidation}, as its folder "
            "does. Delete the stream's folder and run `dvc repro`."
        )
    return facts


def resolved_by_task(path: Path) -> Values:
    """instance id → share of its episodes resolved; harness errors left out (NaN for no other)."""
    outcomes: dict[str, list[float]] = defaultdict(list)
    for row in read_jsonl(path, dict):
        value = resolved_value(Outcome(row["info"]["outcome"]))
        outcomes[row["info"]["instance_id"]] += [value] if value == value else []
    return {
        name: sum(values) / len(values) if values else float("nan")
        for name, values in outcomes.items()
    }


def run_id_of(path: Path) -> str:
    """A file's path with its content's hash: what two runs never share."""
    return f"{path.as_posix()}@{sha256_file(path)[:12]}"
