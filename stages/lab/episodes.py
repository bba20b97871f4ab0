"""Run tasks under one condition and grade what came out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from stages.agent.episode import EpisodeResult, EpisodeSpec
from stages.agent.loop import TOOL_THREADS, run_episodes
from stages.agent.model import Model
from stages.lab.cells import Cell, Cells
from stages.lab.context import Lab
from stages.params import values_of
from stages.records import (
    RecordError,
    Step,
    Task,
    Trajectory,
    canonical_json,
    read_jsonl,
    sha256_text,
    write_atomic,
    write_jsonl,
)
from stages.suites.suite import Harness

NO_NOTES: Mapping[str, Sequence[str]] = {}


@dataclasses.dataclass(frozen=True)
class Condition:
    """What the agent gets besides the task."""

    name: str
    adapter: str | None = None
    adapter_hash: str = ""
    notes: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    """Retrieved notes per instance id."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Which tasks, how often, and how they are sampled."""

    tasks: Sequence[Task]
    seed: int
    attempts: int
    temperature: float


def play(
    lab: Lab, model: Model, harness: Harness, condition: Condition, plan: Plan
) -> tuple[list[Trajectory], list[dict[str, Any]]]:
    """Every episode's graded trajectory, and the timings, which are no part of the record."""
    specs = [
        _spec(lab, condition, task, plan.seed, attempt)
        for task in plan.tasks
        for attempt in range(plan.attempts)
    ]
    tasks = {task.instance_id: task for task in plan.tasks}
    results = run_episodes(
        model,
        specs,
        lab.agent(plan.temperature),
        lambda spec: harness.runner(tasks[spec.instance_id]),
        max_live=lab.model.max_live,
        tool_threads=max(TOOL_THREADS, harness.at_once),
        count_tokens=getattr(model, "count_tokens", None),
    )

    def judged(result: EpisodeResult) -> Trajectory:
        return grade(harness, tasks[result.spec.instance_id], result)

    with ThreadPoolExecutor(harness.at_once) as pool:
        graded = list(pool.map(judged, results))
    return [timeless(t) for t in graded], [timing(t) for t in graded]


def _spec(lab: Lab, condition: Condition, task: Task, seed: int, attempt: int) -> EpisodeSpec:
    notes = condition.notes.get(task.instance_id, ())
    return EpisodeSpec(
        instance_id=task.instance_id,
        files=lab.suite.files(task),
        messages=tuple(lab.suite.messages(task, notes)),
        seed=_mixed_seed(seed, attempt, task.instance_id),
        attempt=attempt,
        condition=condition.name,
        adapter=condition.adapter,
        adapter_hash=condition.adapter_hash,
        tree_hash=task.tree_hash,
    )


def _mixed_seed(seed: int, attempt: int, instance_id: str) -> int:
    """One number per task, seed and attempt, so that no two episodes share their noise."""
    return int(sha256_text(f"{seed} {attempt} {instance_id}")[:8], 16)


def grade(harness: Harness, task: Task, result: EpisodeResult) -> Trajectory:
    """The record with its outcome: where there is a patch, what the suite's tests say of it."""
    if result.outcome is not None:
        trajectory = result.trajectory()
        return dataclasses.replace(trajectory, info={**trajectory.info, "tests": {}})
    found = harness.grade(task, result.changes)
    trajectory = result.trajectory(found.outcome)
    more: dict[str, Any] = {"tests": dict(found.tests)}
    if found.submission is not None:
        more["submission"] = found.submission
    if found.detail:
        more["grading"] = found.detail
    return dataclasses.replace(trajectory, info={**trajectory.info, **more})


def timeless(trajectory: Trajectory) -> Trajectory:
    """The record without wall-clock, so that equal runs give equal bytes."""
    steps = [
        dataclasses.asdict(dataclasses.replace(Step(**step), seconds=0.0))
        for step in trajectory.info["steps"]
    ]
    return dataclasses.replace(trajectory, info={**trajectory.info, "steps": steps})


def timing(trajectory: Trajectory) -> dict[str, Any]:
    """Seconds per action of one episode."""
    info = trajectory.info
    names = ("instance_id", "condition", "seed", "attempt")
    return {
        **{name: info[name] for name in names},
        "ok": [step["ok"] for step in info["steps"]],
        "seconds": [round(step["seconds"], 6) for step in info["steps"]],
    }


def write_timings(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Timings go to their own files, which DVC doesn't track."""
    write_atomic(path, "".join(f"{canonical_json(row)}\n" for row in rows))


def episode_cell(
    lab: Lab,
    cells: Cells,
    model: Callable[[], Model],
    name: str,
    condition: Condition,
    plan: Plan,
    finish: Callable[[Trajectory], Trajectory] = lambda trajectory: trajectory,
) -> Cell:
    """The cell that plays ``plan`` under ``condition`` and writes its trajectories.

    ``model`` opens the model, or gives the open one; it is asked when the cell is made.
    """
    key = {
        "base": lab.base_sha256(),
        "model": values_of(lab.model),
        "agent": values_of(lab.agent_params),
        "sandbox": values_of(lab.params.sandbox),
        "suite": lab.suite.settings(),
        "tasks": [(task.instance_id, task.tree_hash) for task in plan.tasks],
        "plan": (plan.seed, plan.attempts, plan.temperature),
        "condition": (condition.name, condition.adapter_hash, sorted(condition.notes.items())),
    }

    clock = Path("timings") / lab.name / f"{cells.folder.parent.name}-{name}.jsonl"

    def make(path: Path) -> None:
        with lab.kept_harness() as harness:
            records, timings = play(lab, model(), harness, condition, plan)
        write_jsonl(path, map(finish, records))
        write_timings(clock, timings)

    return cells.job(name, key, ".jsonl", make, clock)


def read_sessions(
    lab: Lab, world: str, tasks: Sequence[Task]
) -> list[tuple[Task, list[Trajectory]]]:
    """The collected attempts at each of ``tasks``, in their order."""
    path = lab.folder("data/trajectories") / f"{world}.jsonl"
    by_task: dict[str, list[Trajectory]] = {}
    for trajectory in read_jsonl(path, Trajectory):
        by_task.setdefault(str(trajectory.info["instance_id"]), []).append(trajectory)
    missing = [task.instance_id for task in tasks if task.instance_id not in by_task]
    if missing:
        raise RecordError(
            f"{path}: there is no session of {missing[0]} ({len(missing)} of {len(tasks)} tasks "
            "are missing), so the file is older than the splits. Run `dvc repro`."
        )
    return [(task, by_task[task.instance_id]) for task in tasks]
