"""Reading what generate_splits wrote."""

from __future__ import annotations

import dataclasses

from stages.lab.context import Lab
from stages.records import Task, read_json, read_jsonl


@dataclasses.dataclass(frozen=True)
class Half:
    """The training and test tasks of one world and split, in order."""

    train: list[Task]
    test: list[Task]


def read_tasks(lab: Lab, world: str) -> list[Task]:
    """Every task of a world, in the experiment's order."""
    return read_jsonl(lab.folder("data/splits") / f"tasks-{world}.jsonl", Task)


def read_split(lab: Lab, world: str, split: str) -> Half:
    """The two halves of one split."""
    tasks = {task.instance_id: task for task in read_tasks(lab, world)}
    ids = read_json(lab.folder("data/splits") / "splits.json")[world][split]
    return Half([tasks[name] for name in ids["train"]], [tasks[name] for name in ids["test"]])


def read_played(lab: Lab, world: str, split: str) -> Half:
    """Of both halves the tasks that conditions are evaluated on: ``evaluate.tasks`` at most."""
    half, most = read_split(lab, world, split), lab.experiment.evaluate.tasks
    return Half(half.train[:most], half.test[:most])


def compared_tasks(lab: Lab, world: str) -> list[Task]:
    """Tasks that conditions are evaluated on in some split of the experiment, in order."""
    halves = [read_played(lab, world, split) for split in lab.experiment.splits]
    wanted = {task.instance_id for half in halves for task in (*half.train, *half.test)}
    return [task for task in read_tasks(lab, world) if task.instance_id in wanted]


def training_tasks(lab: Lab, world: str) -> list[Task]:
    """Tasks that some split of the experiment trains on, in order."""
    splits = read_json(lab.folder("data/splits") / "splits.json")[world]
    wanted = {name for split in splits.values() for name in split["train"]}
    return [task for task in read_tasks(lab, world) if task.instance_id in wanted]
