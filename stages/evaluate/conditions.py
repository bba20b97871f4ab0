"""Every condition over the test tasks; the skill adapter over its own tasks too; the guard."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.evaluate.attached import Job, adapter_hash, base_hash, with_adapter
from stages.evaluate.knowledge import Index, build_index, retrieve
from stages.evaluate.retention import run_retention
from stages.lab.arms import WITH_NOTES, arm_of
from stages.lab.cells import Cells, code_of
from stages.lab.chosen import guard_room
from stages.lab.context import Lab
from stages.lab.episodes import Condition, Plan, episode_cell, read_sessions
from stages.lab.guard import run_guard
from stages.lab.places import adapter_place, examples_file
from stages.lab.pool import run_jobs
from stages.lab.splits import Half, read_played, read_split
from stages.params import SuiteParams, guard_of, values_of
from stages.records import Example, read_json, read_jsonl, sha256_file, write_jsonl

AA_SEED_OFFSET = 500
"""The A/A run is the base model again under other seeds: the noise of doing nothing."""


@dataclasses.dataclass(frozen=True)
class Corner:
    """One world and split, with what its cells share."""

    world: str
    split: str
    half: Half
    index: Index


def evaluate_conditions(lab: Lab, model: Any) -> Cells:
    """Play, or find played, every condition; the cells say which files those are."""
    folder = lab.folder("data/evaluations")
    cells = Cells(folder, "evaluate.conditions", *lab.rooms, shared=True)
    run_jobs(list(Stage(lab, cells, model).jobs()), "conditions", lab.workers)
    return cells


class Stage:
    """The conditions' cells: what each needs, made when it runs."""

    def __init__(self, lab: Lab, cells: Cells, model: Any) -> None:
        self.lab, self.cells, self.model = lab, cells, model
        self.base_hash = base_hash(lab, model)

    def jobs(self) -> Iterator[Job]:
        """Longest cells first: one that starts last leaves the other cores without work."""
        guard = guard_of(self.lab.params, self.lab.experiment)
        corners = [self._corner(w, s) for w in self.lab.worlds for s in self.lab.experiment.splits]
        runs = [(corner, seed) for corner in corners for seed in self.lab.experiment.seeds]
        if guard is not None:
            for corner, seed in runs:
                yield from self._guards(corner, seed, guard)
        for corner, seed in runs:
            yield from self._conditions(corner, seed)
        if "skill" in self.lab.experiment.evaluate.conditions:
            for corner, seed in runs:
                yield self._retained(corner.world, corner.split, seed)

    def _corner(self, world: str, split: str) -> Corner:
        trained = read_split(self.lab, world, split).train
        index = build_index(self.lab.suite, read_sessions(self.lab, world, trained))
        self._require_same_source(world, split, index)
        return Corner(world, split, read_played(self.lab, world, split), index)

    def _guards(self, corner: Corner, seed: int, guard: SuiteParams) -> Iterator[Job]:
        """The guard's problems, answered by the base and by the skill adapter."""
        yield self._guarded(corner, None, seed, guard)
        if "skill" in self.lab.experiment.evaluate.conditions:
            yield self._guarded(corner, "skill", seed, guard)

    def _conditions(self, corner: Corner, seed: int) -> Iterator[Job]:
        """Every condition on the test tasks, and the skill adapter on its own training tasks."""
        settings = self.lab.experiment.evaluate
        for name in settings.conditions:
            if name == "base":
                continue  # baseline_eval has it
            notes = {}
            if name in WITH_NOTES:
                k = self.lab.experiment.knowledge.top_k
                notes = {t.instance_id: retrieve(corner.index, t, k) for t in corner.half.test}
            offset = AA_SEED_OFFSET if name == "aa" else 0
            plan = Plan(corner.half.test, seed + offset, settings.repeats, settings.temperature)
            yield self._played(corner, name, name, seed, notes, plan)
        if "skill" in settings.conditions:
            plan = Plan(corner.half.train, seed, settings.repeats, settings.temperature)
            yield self._played(corner, "trained-skill", "skill", seed, {}, plan)

    def _played(
        self,
        corner: Corner,
        name: str,
        condition: str,
        seed: int,
        notes: dict[str, list[str]],
        plan: Plan,
    ) -> Job:
        arm = arm_of(condition)
        folder = None if arm is None else self._folder(corner.world, corner.split, arm, seed)
        label = None if folder is None else str(folder)
        setting = Condition(condition, label, adapter_hash(folder), notes)
        place = f"{corner.world}/{corner.split}/{name}-s{seed}"
        cell = episode_cell(self.lab, self.cells, lambda: self.model, place, setting, plan)
        return with_adapter(self.model, self.base_hash, folder, cell)

    def _retained(self, world: str, split: str, seed: int) -> Job:
        """The skill adapter on its own pairs."""
        folder = self._folder(world, split, "skill", seed)
        source = examples_file(self.lab, world, split, "skill")

        order = [t.instance_id for t in read_split(self.lab, world, split).train]

        def make(path: Path) -> None:
            examples = read_jsonl(source, Example)
            write_jsonl(path, run_retention(self.model, examples, order, str(folder)))

        key = [
            self.lab.base_sha256(),
            values_of(self.lab.model),
            adapter_hash(folder),
            sha256_file(source),
            order,
        ]
        cell = self.cells.job(f"{world}/{split}/retention-skill-s{seed}", key, ".jsonl", make)
        return with_adapter(self.model, self.base_hash, folder, cell)

    def _guarded(self, corner: Corner, arm: str | None, seed: int, params: SuiteParams) -> Job:
        folder = None if arm is None else self._folder(corner.world, corner.split, arm, seed)
        adapter = None if folder is None else str(folder)

        def make(path: Path) -> None:
            write_jsonl(path, run_guard(self.lab, self.model, params, adapter, seed))

        key = [
            self.lab.base_sha256(),
            values_of(self.lab.model),
            adapter_hash(folder),
            values_of(params),
            values_of(self.lab.params.sandbox),
            code_of(guard_room(params)),
            seed,
        ]
        name = f"{corner.world}/{corner.split}/guard-{arm or 'base'}-s{seed}"
        cell = self.cells.job(name, key, ".jsonl", make)
        return with_adapter(self.model, self.base_hash, folder, cell)

    def _folder(self, world: str, split: str, arm: str, seed: int) -> Path:
        return adapter_place(self.lab, world, split, arm, seed).path

    def _require_same_source(self, world: str, split: str, index: Index) -> None:
        manifest = self.lab.folder("data/synthetic") / world / split / "manifest.json"
        trained = read_json(manifest)["source_sha256"]
        if trained != index.source_sha256:
            raise ValueError(
                f"{manifest}: the adapter's sessions ({trained[:12]}) are not those of the "
                f"retrieval index ({index.source_sha256[:12]}), so the conditions would compare "
                "information, not mechanisms. Run `dvc repro` so that both follow the same "
                "trajectories."
            )
