"""A stream of sessions: which arrive when, when they are consolidated, and where that lies.

Sessions are the first training tasks of a split, in order; every ``every`` of them are one
consolidation, and the last takes what is left. One answer for who trains and who evaluates.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.lab.context import Lab
from stages.lab.places import examples_file
from stages.lab.splits import read_split
from stages.params import ParamsError, StreamParams, build
from stages.records import Example, Task, canonical_json, read_jsonl, sha256_text
from stages.strategies.table import strategy_class


@dataclasses.dataclass(frozen=True)
class StreamPlace:
    """One stream: an arm's strategy over the sessions of one world and split, with one seed."""

    root: Path
    """folder of all streams of the experiment"""
    world: str
    split: str
    arm: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.world}/{self.split}/{self.arm}-s{self.seed}"

    @property
    def path(self) -> Path:
        return self.root / self.name


@dataclasses.dataclass(frozen=True)
class Step:
    """One consolidation of a stream."""

    number: int
    """its place among the consolidations, from 1"""
    sessions: int
    """sessions that have arrived by then"""
    new: tuple[str, ...]
    """instance ids of those that arrived since the one before, in order"""

    @property
    def name(self) -> str:
        """Its folder: c0001, c0002, ..."""
        return f"c{self.number:04}"


def stream_of(lab: Lab) -> StreamParams:
    """The experiment's stream; ParamsError when it has none or its numbers don't fit."""
    stream, where = lab.experiment.stream, f"params.yaml: experiments.{lab.name}.stream"
    if stream is None:
        raise ParamsError(f"{where} is null. Write one, or leave the stage to the conditions.")
    if not 1 <= stream.every <= stream.sessions:
        raise ParamsError(
            f"{where}: every is {stream.every} and sessions {stream.sessions}; needed is "
            "1 <= every <= sessions."
        )
    ends = session_counts(stream)
    if wrong := [count for count in stream.played if count not in ends]:
        raise ParamsError(
            f"{where}.played: {wrong[0]} is no consolidation. With every {stream.every} they come "
            f"after {', '.join(map(str, ends))} sessions."
        )
    if bad := [arm for arm in stream.arms if "/" in arm or not arm]:
        raise ParamsError(f"{where}.arms: {bad[0]!r} can't name a folder. Rename the arm.")
    return stream


def session_counts(stream: StreamParams) -> list[int]:
    """Sessions behind each consolidation, rising; the last one has all."""
    return [*range(stream.every, stream.sessions, stream.every), stream.sessions]


def strategy_of(lab: Lab, arm: str) -> Any:
    """The arm's strategy; ParamsError names file, arm, key and the nearest one there is."""
    chosen = stream_of(lab).arms[arm]
    where = f"params.yaml: experiments.{lab.name}.stream.arms.{arm}"
    try:
        kind = strategy_class(chosen.strategy)
    except ValueError as error:
        raise ParamsError(f"{where}.strategy: {error}") from None
    try:
        return build(kind, chosen.settings, f"{where}.settings")
    except ParamsError:
        raise
    except ValueError as error:  # what the class itself refuses
        raise ParamsError(f"{where}.settings: {error}") from None


def require_strategies(lab: Lab) -> None:
    """Read every arm's settings, so that a wrong one is told before anything runs."""
    for arm in stream_of(lab).arms:
        strategy_of(lab, arm)


def stream_place(lab: Lab, world: str, split: str, arm: str, seed: int) -> StreamPlace:
    """The place of one stream of the experiment."""
    return StreamPlace(lab.folder("models/adapters") / "streams", world, split, arm, seed)


def stream_places(lab: Lab) -> tuple[StreamPlace, ...]:
    """Every stream that the registration asks for, there or not."""
    return tuple(
        stream_place(lab, world, split, arm, seed)
        for world in lab.worlds
        for split in lab.experiment.splits
        for arm in stream_of(lab).arms
        for seed in lab.experiment.seeds
    )


def stream_sessions(lab: Lab, world: str, split: str) -> list[Task]:
    """The tasks whose sessions arrive, in order; ParamsError when the split has fewer."""
    wanted, half = stream_of(lab).sessions, read_split(lab, world, split).train
    if len(half) < wanted:
        raise ParamsError(
            f"params.yaml: experiments.{lab.name}.stream.sessions is {wanted}, but {world}'s split "
            f"{split} has {len(half)} training tasks. Lower it, or take a larger suite."
        )
    return half[:wanted]


def steps_of(lab: Lab, sessions: Sequence[Task]) -> list[Step]:
    """The stream's consolidations, in order."""
    steps, before = [], 0
    for number, count in enumerate(session_counts(stream_of(lab)), start=1):
        arrived = tuple(task.instance_id for task in sessions[before:count])
        steps.append(Step(number, count, arrived))
        before = count
    return steps


def stream_examples(lab: Lab, world: str, split: str) -> dict[str, list[Example]]:
    """Instance id -> the different examples of its session, for every session of the stream.

    Repeats, which fill a token budget when examples are few, are left out: how often an example is
    trained on is the strategy's to say.
    """
    found: dict[str, dict[str, Example]] = {
        task.instance_id: {} for task in stream_sessions(lab, world, split)
    }
    for example in read_jsonl(examples_file(lab, world, split, "skill"), Example):
        if example.instance_id in found:
            found[example.instance_id].setdefault(example.example_id, example)
    return {name: list(examples.values()) for name, examples in found.items()}


def arrived(step: Step, examples: Mapping[str, Sequence[Example]]) -> list[Example]:
    """What a consolidation gets: its sessions' examples, in the order of their arrival."""
    return [example for name in step.new for example in examples[name]]


def examples_sha256(examples: Sequence[Example]) -> str:
    """Hash of all that the examples say, in their order."""
    return sha256_text(canonical_json([dataclasses.asdict(example) for example in examples]))


def opening(example: Example) -> list[dict[str, str]]:
    """The query that a session began with: its chat before the agent's first turn."""
    turns = [n for n, message in enumerate(example.prompt) if message["role"] == "assistant"]
    return [dict(message) for message in example.prompt[: turns[0] if turns else None]]
