"""The base model over the training tasks, several attempts each: what the adapters learn from.

When a session is over the upstream fix is merged; its diff and the line it leaves in the history
become part of the record, as they would be for anyone who looks back at the session.
"""

from __future__ import annotations

import dataclasses
import functools
from functools import partial

from stages.lab.cells import Cells
from stages.lab.chosen import open_model
from stages.lab.context import Lab, run_main
from stages.lab.episodes import Condition, Plan, episode_cell
from stages.lab.pool import run_cells
from stages.lab.splits import training_tasks
from stages.records import Task, Trajectory

SEED_OFFSET = 1_000
"""Collection draws from other seeds than evaluation, so that no episode serves twice."""


def work(lab: Lab) -> None:
    folder = lab.folder("data/trajectories")
    cells = Cells(folder, "collect_trajectories", *lab.rooms, shared=True)
    listed = {world: training_tasks(lab, world) for world in lab.all_worlds}
    model = functools.cache(partial(open_model, lab.model, lab.openings(listed.values())))
    settings = lab.experiment.collect
    jobs = []
    for world, tasks in listed.items():
        by_id = {task.instance_id: task for task in tasks}
        plan = Plan(tasks, SEED_OFFSET, settings.attempts, settings.temperature)

        def merged(trajectory: Trajectory, by_id: dict[str, Task] = by_id) -> Trajectory:
            task = by_id[trajectory.info["instance_id"]]
            return dataclasses.replace(
                trajectory, info={**trajectory.info, **lab.suite.upstream(task)}
            )

        jobs.append(episode_cell(lab, cells, model, world, Condition("base"), plan, merged))
    run_cells(jobs, model, "sessions", lab.workers)
    cells.sweep()


if __name__ == "__main__":
    run_main("collect_trajectories", work)
