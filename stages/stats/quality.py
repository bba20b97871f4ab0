"""What an arm's training pairs were like, as the training side wrote it beside each adapter.

``pairs.jsonl`` has one row per different pair (session, who wrote it, what is wrong with it),
``ARM-sN.generations/gNN/pairs.jsonl`` those that a generation wrote, ``planted.jsonl`` the trained
agent's own answers to sessions whose external pair had a known error, ``retention.jsonl`` which of
all the sessions' pairs the adapter gives back.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stages.lab.arm_adapters import arm_place, arms_in
from stages.records import read_json, read_jsonl
from stages.stats.results import Results

Unit = tuple[str, str]
"""world and instance id of the session that a pair is of"""
Run = tuple[str, int]
"""split and seed"""
Measured = dict[tuple[Unit, Run], float]


@dataclasses.dataclass(frozen=True)
class Training:
    """What one adapter of an arm was trained on."""

    world: str
    run: Run
    pairs: list[dict[str, Any]]
    """of the adapter itself"""
    written: list[dict[str, Any]]
    """of its generations, with the number of the one that wrote each"""
    planted: list[dict[str, Any]]
    facts: dict[str, Any]
    generations: list[dict[str, Any]]
    """each generation's own facts"""


def trainings(results: Results, arm: str) -> list[Training]:
    """Every adapter of the arm that is there, by world, split and seed."""
    lab = results.lab
    return [
        _read(world, split, seed, arm_place(lab, world, split, arm, seed).path)
        for world in lab.worlds
        if arm in arms_in(lab, world)
        for split in lab.experiment.splits
        for seed in lab.experiment.seeds
        if (arm_place(lab, world, split, arm, seed).path / "pairs.jsonl").exists()
    ]


def _read(world: str, split: str, seed: int, folder: Path) -> Training:
    generations = sorted(folder.with_name(f"{folder.name}.generations").glob("g*/generation.json"))
    planted = folder / "planted.jsonl"
    return Training(
        world,
        (split, seed),
        read_jsonl(folder / "pairs.jsonl", dict),
        [row for path in generations for row in read_jsonl(path.with_name("pairs.jsonl"), dict)],
        read_jsonl(planted, dict) if planted.exists() else [],
        read_json(folder / "facts.json"),
        [read_json(path) for path in generations],
    )


def noisy(
    found: Iterable[Training],
    rows_of: Callable[[Training], Iterable[dict[str, Any]]] = lambda training: training.pairs,
) -> Measured:
    """Session and run → share of its pairs that have a wrong target; unscored pairs don't count."""
    groups: dict[tuple[Unit, Run], list[bool]] = defaultdict(list)
    for training in found:
        for row in rows_of(training):
            if row["faults"] is not None:
                key = ((training.world, row["instance_id"]), training.run)
                groups[key].append(bool(row["faults"]))
    return {key: float(np.mean(values)) for key, values in groups.items()}


def retained(results: Results, arm: str) -> Measured:
    """Session and run → share of its pairs that the arm's adapter gives back."""
    lab = results.lab
    groups: dict[tuple[Unit, Run], list[bool]] = defaultdict(list)
    for one in trainings(results, arm):
        place = arm_place(lab, one.world, one.run[0], arm, one.run[1])
        for row in read_jsonl(place.path / "retention.jsonl", dict):
            groups[(one.world, row["instance_id"]), one.run].append(row["kept"])
    return {key: float(np.mean(values)) for key, values in groups.items()}


def own_kept(training: Training) -> Iterator[dict[str, Any]]:
    """The pairs that the agent wrote itself and that were trained on."""
    return (row for row in training.written if row["generation"] and row["kept"])


def places(found: Iterable[Training]) -> dict[Unit, int]:
    """Session → its place in the stream of training sessions, from 1."""
    return {
        (training.world, row["instance_id"]): row["session"]
        for training in found
        for row in (*training.pairs, *training.written)
    }


def quality(results: Results) -> dict[str, Any]:
    """For metrics/details: every trained arm's selection and noise, generation by generation."""
    names = ("selection", "noise_ratio", "noisy_pairs", "noise_faults", "pairs_by_agent")
    told = ("generation", "sessions", "resolved", "written", "kept", "missing", "own", "own_kept")
    return {
        arm: {
            f"{one.world}/{one.run[0]}-s{one.run[1]}": {
                **{name: one.facts.get(name) for name in (*names, "computed_tokens", "last_loss")},
                "generations": [{name: g.get(name) for name in told} for g in one.generations],
                "planted": len(one.planted),
                "corrected": sum(row["corrected"] for row in one.planted),
                "repeated": sum(row["repeated"] for row in one.planted),
            }
            for one in trainings(results, arm)
        }
        for arm in results.lab.experiment.arms or {}
        if trainings(results, arm)
    }
