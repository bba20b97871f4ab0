"""Write an experiment's tasks in order, its splits, and what they were checked for."""

from __future__ import annotations

import dataclasses

from stages.generate_splits.gold import gold_runs
from stages.generate_splits.leaks import answers_in_question, confounding, overlaps
from stages.generate_splits.splits import make_split, order_tasks
from stages.lab.cells import Cells
from stages.lab.context import Lab, run_main
from stages.records import write_json, write_jsonl


def work(lab: Lab) -> None:
    folder = lab.folder("data/splits")
    files = Cells(folder, "generate_splits.gold", *lab.rooms, shared=True)
    splits, report = {}, {}
    listed = {world: lab.suite.tasks(world) for world in lab.all_worlds}
    gold = gold_runs(lab, files, listed)
    for world in lab.all_worlds:
        sound = set(gold[world]["tasks"])
        usable = [task for task in listed[world] if task.instance_id in sound]
        tasks = order_tasks(usable, lab.experiment.order)
        by_id = {task.instance_id: task for task in tasks}
        made = {name: make_split(name, tasks) for name in lab.experiment.splits}
        for name, split in made.items():
            found = overlaps(split, by_id)
            if found["shared_ids"]:
                raise ValueError(
                    f"{world}, split {name}: {found['shared_ids'][0]} stands in both halves; "
                    "two tasks of the suite have the same id."
                )
            # A test task that repeats a training task is dropped, and counted.
            twins = {pair[0] for pair in found["near_duplicates"]}
            made[name] = dataclasses.replace(
                split, test=tuple(i for i in split.test if i not in twins)
            )
            report[f"{world}/{name}"] = {**found, **confounding(made[name], by_id)}
        report[world] = {"answers_in_question": answers_in_question(tasks)}
        splits[world] = {name: dataclasses.asdict(split) for name, split in made.items()}
        write_jsonl(files.keep(folder / f"tasks-{world}.jsonl"), tasks)
    write_json(files.keep(folder / "splits.json"), splits)
    write_json(files.keep(folder / "leaks.json"), report)
    write_json(files.keep(folder / "gold.json"), gold)
    files.sweep()
    for world in lab.worlds:
        sizes = {name: len(s["train"]) for name, s in splits[world].items()}
        dropped = len(gold[world]["failed"])
        print(f"{world}: {len(listed[world])} tasks, {dropped} dropped, training halves {sizes}")


if __name__ == "__main__":
    run_main("generate_splits", work)
