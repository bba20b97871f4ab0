"""Where adapters and their examples lie: one answer for who writes them and who reads them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from stages.lab.arms import arms_of, format_of
from stages.lab.context import Lab
from stages.records import read_json

PARITY = "parity.json"
"""Below an experiment's evaluations: an adapter merged against unmerged (check 6)."""


@dataclasses.dataclass(frozen=True)
class AdapterPlace:
    """One adapter: what it is trained for, and the folder that is its own."""

    root: Path
    """folder of all adapters of the experiment"""
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

    def read(self, file: str) -> Any:
        """One of its JSON files, or None where there is none."""
        path = self.path / file
        return read_json(path) if path.exists() else None


def adapter_place(lab: Lab, world: str, split: str, arm: str, seed: int) -> AdapterPlace:
    """The place of one adapter of the experiment."""
    return AdapterPlace(lab.folder("models/adapters"), world, split, arm, seed)


def adapter_places(lab: Lab) -> tuple[AdapterPlace, ...]:
    """Every adapter that the registration asks for, there or not."""
    return tuple(
        adapter_place(lab, world, split, arm, seed)
        for world in lab.worlds
        for split in lab.experiment.splits
        for arm in arms_of(lab.experiment)
        for seed in lab.experiment.seeds
    )


def examples_file(lab: Lab, world: str, split: str, arm: str) -> Path:
    """The examples that an arm is trained on; the placebo 'another world' has that world's."""
    owner = lab.placebo_worlds[world] if arm == "placebo_world" else world
    folder = lab.folder("data/synthetic") / owner / split
    return folder / f"{format_of(lab.experiment, arm)}.jsonl"
