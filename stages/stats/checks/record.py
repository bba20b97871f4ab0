"""An experiment's files as the checks read them, each once and only when asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from stages.lab.arm_adapters import arm_episodes, arm_place, arms_in
from stages.lab.arms import PLACEBOS, arm_of, arms_of
from stages.lab.context import Lab
from stages.lab.places import AdapterPlace, adapter_places, examples_file
from stages.lab.splits import Half, read_played, read_split, read_tasks
from stages.params import ExamplesParams, GuardParams, ProceduralParams, guard_of
from stages.params.load import CELL
from stages.records import Example, Task, Trajectory, read_json, read_jsonl
from stages.stats.checks.episodes import Episode, read_episode
from stages.stats.estimands import criterion_estimand
from stages.stats.intervals import Estimate, Undefined
from stages.stats.results import TEST, TRAIN, Results
from stages.stats.streams import Stream
from stages.suites.procedural import Problem, make_problems

BASE = "base"


@dataclasses.dataclass(frozen=True)
class TrainingSet:
    """The examples of one file that some adapter was trained on."""

    path: Path
    world: str
    split: str
    examples: tuple[Example, ...]


class Record:
    """Everything the checks look at. Raises RecordError where a file is broken."""

    def __init__(self, lab: Lab, results: Results) -> None:
        self.lab, self.results = lab, results
        self._played_by: dict[str, dict[int, tuple[Episode, ...]]] = {}

    @cached_property
    def tasks(self) -> dict[str, dict[str, Task]]:
        """World -> instance id -> task, in the experiment's order."""
        return {w: {t.instance_id: t for t in read_tasks(self.lab, w)} for w in self.lab.all_worlds}

    @cached_property
    def halves(self) -> dict[tuple[str, str], Half]:
        """(world, split) -> its training and test tasks."""
        return {
            (world, split): read_split(self.lab, world, split)
            for world in self.lab.all_worlds
            for split in self.lab.experiment.splits
        }

    def own_halves(self) -> Iterator[tuple[tuple[str, str], Half]]:
        """Those of the experiment's own worlds, without the placebos'."""
        return ((p, half) for p, half in self.halves.items() if p[0] in self.lab.worlds)

    @cached_property
    def played(self) -> dict[tuple[str, str], Half]:
        """(world, split) -> the tasks that every condition was evaluated on, own worlds only."""
        return {place: read_played(self.lab, *place) for place, _ in self.own_halves()}

    @cached_property
    def gold(self) -> dict[str, dict[str, Any]]:
        """What generate_splits wrote of the gold run; empty where it wrote nothing."""
        path = self.lab.folder("data/splits") / "gold.json"
        return read_json(path) if path.exists() else {}

    @cached_property
    def episodes(self) -> tuple[Episode, ...]:
        """Every recorded episode of base and of the other conditions."""
        return tuple(self._episodes())

    @cached_property
    def every_episode(self) -> tuple[Episode, ...]:
        """Also those that streams played before their last consolidation."""
        earlier = [
            episode
            for stream in self.results.streams.streams
            for number, episodes in self.played_by(stream).items()
            if number < max(stream.episodes)
            for episode in episodes
        ]
        return (*self.episodes, *earlier)

    def select(self, condition: str, half: str = TEST) -> list[Episode]:
        """Episodes of a condition on one half; base's are read once and belong to every split."""
        if condition != BASE:
            return [e for e in self.episodes if e.condition == condition and e.half == half]
        chosen = []
        by_world: dict[str, list[Episode]] = {}
        for episode in self.episodes:
            if episode.condition == BASE:
                by_world.setdefault(episode.world, []).append(episode)
        for (world, split), tasks in self.played.items():
            wanted = {task.instance_id for task in (tasks.test if half == TEST else tasks.train)}
            chosen += [
                dataclasses.replace(episode, split=split, half=half)
                for episode in by_world.get(world, [])
                if episode.instance_id in wanted
            ]
        return chosen

    @cached_property
    def training(self) -> tuple[TrainingSet, ...]:
        """Each file of examples that an arm of this experiment is trained on, once."""
        found = {}
        for world in self.lab.worlds:
            for split in self.lab.experiment.splits:
                for arm in arms_of(self.lab.experiment):
                    path = examples_file(self.lab, world, split, arm)
                    found[path] = (path.parent.parent.name, split)
        sets = [
            TrainingSet(path, world, split, tuple(read_jsonl(path, Example)))
            for path, (world, split) in found.items()
        ]
        return (*sets, *self._arm_sets())

    @cached_property
    def arms(self) -> tuple[tuple[AdapterPlace, ExamplesParams], ...]:
        """The adapters that the arms' own examples train, there or not."""
        return tuple(
            (arm_place(self.lab, world, split, name, seed), arm.examples)
            for world in self.lab.worlds
            for name, arm in arms_in(self.lab, world).items()
            if arm.examples is not None and arm.adapter is None
            for split in self.lab.experiment.splits
            for seed in self.lab.experiment.seeds
        )

    def _arm_sets(self) -> Iterator[TrainingSet]:
        """What each arm's adapter was trained on, every example once; check 24 has what lacks."""
        for place, params in self.arms:
            path = place.path / "examples.jsonl"
            if path.exists():
                rows = {e.example_id: e for e in read_jsonl(path, Example)}
                world = params.world or place.world
                yield TrainingSet(path, world, place.split, tuple(rows.values()))

    @cached_property
    def adapters(self) -> tuple[AdapterPlace, ...]:
        """The adapters that the registration asks for, there or not."""
        return adapter_places(self.lab)

    @property
    def trained_conditions(self) -> list[str]:
        """Conditions that ran with an adapter and are no placebo."""
        return [name for name in self.results.conditions if self._adapted(name)]

    def _adapted(self, name: str) -> bool:
        experiment = self.lab.experiment
        if name in experiment.evaluate.conditions:
            return arm_of(name) is not None and name not in PLACEBOS
        arm = (experiment.arms or {}).get(name)
        return arm is None or arm.examples is not None or arm.adapter is not None

    @cached_property
    def estimates(self) -> dict[str, Estimate | Undefined]:
        """Every registered criterion's estimate at the experiment's level.

        None of a matrix's cell: its criteria are asked of the whole matrix.
        """
        experiment = self.lab.experiment
        if CELL in self.lab.name:
            return {}
        return {
            name: criterion_estimand(self.results, criterion)(experiment.alpha)
            for name, criterion in experiment.criteria.items()
        }

    @cached_property
    def guard_problems(self) -> tuple[Problem, ...]:
        """The guard's generated problems, made again from their seed; empty for another guard."""
        params = guard_of(self.lab.params, self.lab.experiment)
        if not isinstance(params, ProceduralParams):
            return ()
        return tuple(make_problems("test", params.per_kind, params.seed, params.difficulties))

    @cached_property
    def guard_items(self) -> tuple[tuple[str, str], ...]:
        """Id and text (question, then solution) of every problem of the guard, made or public."""
        params = guard_of(self.lab.params, self.lab.experiment)
        if isinstance(params, GuardParams):
            from stages.suites.guards import open_guard

            public = open_guard(params).problems()
            return tuple((p.problem_id, f"{p.prompt}\n{p.reference}") for p in public)
        made = self.guard_problems
        return tuple((p.problem_id, f"{p.prompt}\n{p.solution}") for p in made)

    @cached_property
    def measure(self) -> Callable[[Example], tuple[int, int]]:
        """Example -> its length and how many tokens the loss covers, as training renders it."""
        from stages.agent.chat import render_example
        from stages.lab.chosen import load_tokenizer

        tokenizer = load_tokenizer(self.lab.model)

        def measure(example: Example) -> tuple[int, int]:
            ids, mask = render_example(
                tokenizer, example.prompt, example.completion, example.train_on
            )
            return len(ids), sum(mask)

        return measure

    def _episodes(self) -> Iterator[Episode]:
        experiment, seeds = self.lab.experiment, self.lab.experiment.seeds
        for world in self.lab.worlds:
            for seed in seeds:
                path = self.lab.folder("data/baseline") / f"{world}-s{seed}.jsonl"
                yield from self._read(path, world, "", BASE, seed, "")
            for split in experiment.splits:
                folder = self.lab.folder("data/evaluations") / world / split
                for seed in seeds:
                    for name in experiment.evaluate.conditions:
                        if name != BASE:
                            path = folder / f"{name}-s{seed}.jsonl"
                            yield from self._read(path, world, split, name, seed, TEST)
                    path = folder / f"trained-skill-s{seed}.jsonl"
                    if path.exists():
                        yield from self._read(path, world, split, "skill", seed, TRAIN)
                    for name in arms_in(self.lab, world):
                        path = arm_episodes(self.lab, world, split, name, seed)
                        yield from self._read(path, world, split, name, seed, TEST)
        for stream in self.results.streams.streams:
            yield from self.played_by(stream).get(max(stream.episodes, default=0), ())

    def played_by(self, stream: Stream) -> dict[int, tuple[Episode, ...]]:
        """Consolidation → the episodes after it; test tasks have the half 'test'."""
        if stream.name not in self._played_by:
            self._played_by[stream.name] = self._read_stream(stream)
        return self._played_by[stream.name]

    def _read_stream(self, stream: Stream) -> dict[int, tuple[Episode, ...]]:
        test = {task.instance_id for task in self.played[stream.world, stream.split].test}
        place = (stream.world, stream.split, stream.arm, stream.seed)
        found = {}
        for number, path in stream.episodes.items():
            read = self._read(path, *place, TRAIN)
            found[number] = tuple(
                dataclasses.replace(e, half=TEST) if e.instance_id in test else e for e in read
            )
        return found

    def served(self, stream: Stream) -> dict[int, set[str]]:
        """Consolidation → hashes of the adapters that its episodes were played with."""
        return {
            number: {episode.adapter_hash for episode in episodes}
            for number, episodes in self.played_by(stream).items()
        }

    def _read(
        self, path: Path, world: str, split: str, condition: str, seed: int, half: str
    ) -> Iterator[Episode]:
        tasks, most = self.tasks[world], self.lab.agent_params.max_new_tokens
        if not path.exists():
            return  # check 24 names what is missing
        for trajectory in read_jsonl(path, Trajectory):
            task = tasks.get(trajectory.info["instance_id"])
            opening = self.lab.suite.messages(task) if task else []
            place = {"world": world, "split": split, "condition": condition, "half": half}
            yield read_episode(
                trajectory, opening, most, {**place, "seed": seed, "path": path.as_posix()}
            )
