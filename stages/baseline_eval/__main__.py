"""The base model once per seed over the tasks that adapted runs are compared on."""

from __future__ import annotations

import functools
from functools import partial

from stages.lab.cells import Cells
from stages.lab.chosen import open_model
from stages.lab.context import Lab, run_main
from stages.lab.episodes import Condition, Plan, episode_cell
from stages.lab.pool import run_cells
from stages.lab.splits import compared_tasks


def work(lab: Lab) -> None:
    cells = Cells(lab.folder("data/baseline"), "baseline_eval", *lab.rooms, shared=True)
    listed = {world: compared_tasks(lab, world) for world in lab.worlds}
    model = functools.cache(partial(open_model, lab.model, lab.openings(listed.values())))
    settings = lab.experiment.evaluate
    jobs = []
    for world, tasks in listed.items():
        for seed in lab.experiment.seeds:
            plan = Plan(tasks, seed, settings.repeats, settings.temperature)
            name = f"{world}-s{seed}"
            jobs.append(episode_cell(lab, cells, model, name, Condition("base"), plan))
    run_cells(jobs, model, "base model", lab.workers)
    cells.sweep()


if __name__ == "__main__":
    run_main("baseline_eval", work)
