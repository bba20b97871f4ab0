"""Every arm of the experiment over the test tasks, played as conditions are."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from stages.agent.chat import Message
from stages.evaluate.attached import Job, adapter_hash, base_hash, with_adapter
from stages.evaluate.knowledge import Index, build_index, retrieve
from stages.lab.arm_adapters import ARMS, adapter_of, arms_in
from stages.lab.cells import Cells
from stages.lab.context import Lab
from stages.lab.episodes import Condition, Plan, episode_cell, read_sessions
from stages.lab.pool import run_jobs
from stages.lab.splits import read_played, read_split
from stages.params import AgentChanges, ArmParams
from stages.records import Task
from stages.suites.suite import Suite


def evaluate_arms(lab: Lab, model: Any) -> Cells:
    """Play, or find played, every arm; the cells say which files those are."""
    cells = Cells(lab.folder("data/evaluations") / ARMS, "evaluate.arms", *lab.rooms)
    run_jobs(list(_jobs(lab, cells, model)), ARMS, lab.workers)
    return cells


def _jobs(lab: Lab, cells: Cells, model: Any) -> Iterator[Job]:
    base = base_hash(lab, model)
    for world in lab.worlds:
        for split in lab.experiment.splits:
            tasks = read_played(lab, world, split).test
            notes = _notes(lab, world, split, tasks)
            for name, arm in arms_in(lab, world).items():
                shown = notes if arm.notes else {}
                play = partial(_played, arm_lab(lab, arm), cells, model, base)
                for seed in lab.experiment.seeds:
                    yield play(world, split, name, seed, tasks, shown)


def _notes(lab: Lab, world: str, split: str, tasks: Sequence[Task]) -> dict[str, list[str]]:
    """Notes of the world's own training sessions, by task; none unless an arm shows them."""
    if not any(arm.notes for arm in arms_in(lab, world).values()):
        return {}
    index = session_index(lab, world, split)
    return {
        task.instance_id: retrieve(index, task, lab.experiment.knowledge.top_k) for task in tasks
    }


def session_index(lab: Lab, world: str, split: str) -> Index:
    """The knowledge layer over a world's training sessions."""
    return build_index(lab.suite, read_sessions(lab, world, read_split(lab, world, split).train))


def _played(
    lab: Lab,
    cells: Cells,
    model: Any,
    base: str,
    world: str,
    split: str,
    name: str,
    seed: int,
    tasks: list[Task],
    notes: Mapping[str, list[str]],
) -> Job:
    settings = lab.experiment.evaluate
    place = adapter_of(lab, world, split, name, seed)
    folder = None if place is None else place.path
    label = None if folder is None else str(folder)
    setting = Condition(name, label, adapter_hash(folder), notes)
    plan = Plan(tasks, seed, settings.repeats, settings.temperature)
    place = f"{world}/{split}/{name}-s{seed}"
    cell = episode_cell(lab, cells, lambda: model, place, setting, plan)
    return with_adapter(model, base, folder, cell)


def arm_lab(lab: Lab, arm: ArmParams) -> Lab:
    """The experiment as an arm plays it: its switches of the agent's loop, its advice."""
    agent = dataclasses.replace(lab.agent_params, **_switched(arm.agent or AgentChanges()))
    experiment = dataclasses.replace(lab.experiment, agent=agent)
    suite: Any = Advised(lab.suite, arm.advice) if arm.advice else lab.suite
    return dataclasses.replace(lab, experiment=experiment, suite=suite)


def _switched(changes: AgentChanges) -> dict[str, Any]:
    return {name: value for name, value in vars(changes).items() if value is not None}


class Advised:
    """A suite whose system message ends with one more text; everything else is the suite's own."""

    def __init__(self, suite: Suite, advice: str) -> None:
        self._suite, self._advice = suite, advice

    def __getattr__(self, name: str) -> Any:
        return getattr(self._suite, name)

    def settings(self) -> Mapping[str, Any]:
        return {**self._suite.settings(), "advice": self._advice}

    def messages(self, task: Task, notes: Sequence[str] = ()) -> list[Message]:
        first, *others = self._suite.messages(task, notes)
        if first["role"] != "system":
            return [{"role": "system", "content": self._advice}, first, *others]
        return [{**first, "content": f"{first['content']}\n{self._advice}"}, *others]
