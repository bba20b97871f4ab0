"""The agent at play inside the training stage: with an adapter, or the base with notes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.adapters.folder import load_adapter
from stages.adapters.lora import peft_config
from stages.lab.context import Lab
from stages.lab.episodes import NO_NOTES, Condition, Plan, play
from stages.records import Task, Trajectory, read_json


@dataclasses.dataclass(frozen=True)
class Player:
    """Plays sessions of an open experiment."""

    lab: Lab
    model: Any
    """the backend, as ``stages.lab.chosen.open_model`` gives it"""
    base_sha256: str
    """hash of the base's weights, which adapters must have been made for"""

    def play(
        self,
        name: str,
        tasks: Sequence[Task],
        seed: int,
        attempts: int = 1,
        temperature: float = 0.0,
        adapter: Path | None = None,
        notes: Mapping[str, Sequence[str]] = NO_NOTES,
    ) -> list[Trajectory]:
        """Graded trajectories, attempts of a task together; without wall-clock, so repeatable."""
        digest = "" if adapter is None else read_json(adapter / "provenance.json")["adapter_sha256"]
        label = None if adapter is None else str(adapter)
        condition = Condition(name, label, digest, notes)
        plan = Plan(tasks, seed, attempts, temperature)
        with self._attached(adapter), self.lab.kept_harness() as harness:
            played, _ = play(self.lab, self.model, harness, condition, plan)
        return played

    @contextmanager
    def _attached(self, folder: Path | None) -> Iterator[None]:
        if folder is None:
            yield
            return
        state, lora = load_adapter(folder, self.base_sha256)
        self.model.load_adapter(str(folder), peft_config(lora, state), state)
        try:
            yield
        finally:
            self.model.drop_adapter(str(folder))
