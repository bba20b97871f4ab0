"""Every condition over the test tasks; the skill adapter over its own tasks too; the guard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.evaluate.attached import Job, adapter_hash, base_hash, with_adapter
from stages.evaluate.knowledge import Index, build_index, retrieve
from stages.evaluate.retention import run_retention
from stages.lab.arms import WITH_NOTES, arm_of
from stages.lab.cells import Cells
from stages.lab.chosen import guard_room
from stages.lab.context import Lab
from stages.lab.episodes import Condition, Plan, episode_cell, read_sessions
from stages.lab.guard import run_guard
from stages.lab.imports import code_sha256
from stages.lab.places import adapter_place, examples_file
from stages.lab.pool import run_jobs
from stages.lab.splits import Half, read_played, read_split
from stages.params import SuiteParams, guard_of, values_of
from stages.records import Example, read_json, read_jsonl, sha256_file, write_jsonl

AA_SEED_OFFSET = 500
"""The A/A run is the base model again under other seeds: the noise of doing nothing."""


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
        """Longest cells first matter little here; the order is the registration's."""
        for world in self.lab.worlds:
            for split in self.lab.experiment.splits:
                trained = read_split(self.lab, world, split).train
                index = build_index(self.lab.suite, read_sessions(self.lab, world, trained))
                half = read_played(self.lab, world, split)
                self._require_same_source(world, split, index)
                for seed in self.lab.experiment.seeds:
                    yield from self._conditions(world, split, half, index, seed)
                    yield from self._skill_cells(world, split, half, seed)

    def _conditions(
        self, world: str, split: str, half: Half, index: Index, seed: int
    ) -> Iterator[Job]:
        settings = self.lab.experiment.evaluate
        for name in settings.conditions:
            if name == "base":
                continue  # baseline_eval has it
            notes = {}
            if name in WITH_NOTES:
                k = self.lab.experiment.knowledge.top_k
                notes = {task.instance_id: retrieve(index, task, k) for task in half.test}
            offset = AA_SEED_OFFSET if name == "aa" else 0
            plan = Plan(half.test, seed + offset, settings.repeats, settings.temperature)
            yield self._played(
                f"{world}/{split}/{name}-s{seed}", world, split, name, seed, notes, plan
            )

    def _skill_cells(self, world: str, split: str, half: Half, seed: int) -> Iterator[Job]:
        """The skill adapter on its own training tasks, on its own pairs, and on the guard."""
        settings = self.lab.experiment.evaluate
        guard = guard_of(self.lab.params, self.lab.experiment)
        if guard is not None:
            yield self._guarded(
                f"{world}/{split}/guard-base-s{seed}", world, split, None, seed, guard
            )
        if "skill" not in settings.conditions:
            return
        plan = Plan(half.train, seed, settings.repeats, settings.temperature)
        name = f"{world}/{split}/trained-skill-s{seed}"
        yield self._played(name, world, split, "skill", seed, {}, plan)
        yield self._retained(f"{world}/{split}/retention-skill-s{seed}", world, split, seed)
        if guard is not None:
            name = f"{world}/{split}/guard-skill-s{seed}"
            yield self._guarded(name, world, split, "skill", seed, guard)

    def _played(
        self,
        name: str,
        world: str,
        split: str,
        condition: str,
        seed: int,
        notes: dict[str, list[str]],
        plan: Plan,
    ) -> Job:
        arm = arm_of(condition)
        folder = None if arm is None else self._folder(world, split, arm, seed)
        label = None if folder is None else str(folder)
        setting = Condition(condition, label, adapter_hash(folder), notes)
        cell = episode_cell(self.lab, self.cells, lambda: self.model, name, setting, plan)
        return with_adapter(self.model, self.base_hash, folder, cell)

    def _retained(self, name: str, world: str, split: str, seed: int) -> Job:
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
        cell = self.cells.job(name, key, ".jsonl", make)
        return with_adapter(self.model, self.base_hash, folder, cell)

    def _guarded(
        self,
        name: str,
        world: str,
        split: str,
        arm: str | None,
        seed: int,
        params: SuiteParams,
    ) -> Job:
        folder = None if arm is None else self._folder(world, split, arm, seed)
        adapter = None if folder is None else str(folder)

        def make(path: Path) -> None:
            write_jsonl(path, run_guard(self.lab, self.model, params, adapter, seed))

        key = [
            self.lab.base_sha256(),
            values_of(self.lab.model),
            adapter_hash(folder),
            values_of(params),
            values_of(self.lab.params.sandbox),
            code_sha256([guard_room(params)]),
            seed,
        ]
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
