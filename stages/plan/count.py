"""What an experiment's registration makes: cells, episodes and adapters, stage by stage."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from stages.lab.arms import arms_of
from stages.params import Experiment, SuiteParams
from stages.plan.designs import arms_work, stream_work
from stages.plan.suite import known_tasks
from stages.records import read_json, read_jsonl

SPLITS_FOLDER = Path("data/splits")


@dataclasses.dataclass(frozen=True)
class Tasks:
    """Tasks of one repository."""

    count: int
    """All tasks."""
    source: str
    """Where the number is from."""


@dataclasses.dataclass(frozen=True)
class StagePlan:
    """One stage's work."""

    stage: str
    cells: int
    """Files made, each once and each resumable."""
    episodes: int
    adapters: int = 0
    passes: float = 0.0
    """Training, in budgets: one is ``synthesis.tokens`` over all epochs."""


def tasks_per_world(
    experiment: str, worlds: tuple[str, ...], suite: SuiteParams, given: int | None
) -> Tasks:
    """Tasks of a repository: as given, as generate_splits wrote them, or as the suite makes them.

    Of several repositories the mean, rounded up. A count of 0 says that nothing here knows.
    """
    if given is not None:
        return Tasks(given, "given by --tasks")
    files = [SPLITS_FOLDER / experiment / f"tasks-{world}.jsonl" for world in worlds]
    if files and all(file.exists() for file in files):
        total = sum(len(read_jsonl(file, dict)) for file in files)
        return Tasks(-(-total // len(files)), f"{files[0].parent}, mean of {len(files)}")
    return Tasks(*known_tasks(suite, worlds))


def trained_tasks(experiment: Experiment, name: str, tasks: int) -> int:
    """Tasks of a repository that some split trains on: all, from two splits on, at most."""
    file = SPLITS_FOLDER / name / "splits.json"
    if name and file.exists():
        halves = read_json(file).values()
        return max(len({t for s in splits.values() for t in s["train"]}) for splits in halves)
    return tasks // 2 if len(experiment.splits) == 1 else tasks


def stage_plans(experiment: Experiment, name: str, tasks: int) -> list[StagePlan]:
    """Cells and episodes of every stage that plays or trains, for ``tasks`` per repository."""
    worlds, splits, seeds = (
        len(experiment.worlds),
        len(experiment.splits),
        len(experiment.seeds),
    )
    runs = worlds * splits * seeds
    evaluate, conditions = experiment.evaluate, experiment.evaluate.conditions
    half = min(tasks - tasks // 2, evaluate.tasks or tasks)
    trained_half = min(tasks // 2, evaluate.tasks or tasks)
    # The splits may have compared tasks in common: at most so many.
    compared = min(tasks, splits * (half + trained_half))
    # The placebo of another world collects that world's sessions too.
    collected = worlds * (2 if worlds == 1 and "placebo_world" in conditions else 1)
    adapters = runs * len(arms_of(experiment))
    played = runs * sum(condition != "base" for condition in conditions)
    skill = runs if "skill" in conditions else 0
    guards = (runs + skill) if experiment.guard else 0
    more = arms_work(experiment, half, tasks // 2) + stream_work(experiment, half)
    return [
        StagePlan(
            "collect_trajectories",
            collected,
            collected * experiment.collect.attempts * trained_tasks(experiment, name, tasks),
        ),
        StagePlan("baseline_eval", worlds * seeds, worlds * seeds * compared * evaluate.repeats),
        StagePlan(
            "train_adapter",
            adapters + more.trained_cells,
            more.written_episodes,
            adapters + more.adapters,
            adapters + more.passes,
        ),
        StagePlan(
            "evaluate",
            played + 2 * skill + guards + more.played_cells,
            (played * half + skill * trained_half) * evaluate.repeats + more.episodes,
        ),
    ]
