"""Run tasks under one condition and grade what came out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.agent.episode import EpisodeResult, EpisodeSpec
from stages.agent.loop import run_episodes
from stages.agent.model import Model
from stages.agent.sandbox import Sandbox
from stages.agent.workspace import materialise
from stages.lab.cells import Cells
from stages.lab.context import Lab
from stages.params import values_of
from stages.records import (
    Outcome,
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
    lab: Lab, model: Model, sandbox: Sandbox, condition: Condition, plan: Plan
) -> tuple[list[Trajectory], list[dict[str, Any]]]:
    """Every episode's graded trajectory, and the timings, which are no part of the record."""
    specs = [
        _spec(lab, condition, task, plan.seed, attempt)
        for task in plan.tasks
        for attempt in range(plan.attempts)
    ]
    results = run_episodes(
        model,
        specs,
        lab.agent(plan.temperature),
        sandbox,
        max_live=lab.model.max_live,
        count_tokens=getattr(model, "count_tokens", None),
    )
    tasks = {task.instance_id: task for task in plan.tasks}
    graded = [grade(lab, sandbox, tasks[r.spec.instance_id], r) for r in results]
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


def grade(lab: Lab, sandbox: Sandbox, task: Task, result: EpisodeResult) -> Trajectory:
    """Put the changed files in place, bring in the hidden tests, and name the outcome."""
    tests: dict[str, bool] = {}
    outcome = result.outcome
    if outcome is None:
        tests = run_tests(lab, sandbox, task, result.changes)
        outcome = Outcome.RESOLVED if all(tests.values()) else Outcome.UNRESOLVED
    trajectory = result.trajectory(outcome)
    return dataclasses.replace(trajectory, info={**trajectory.info, "tests": tests})


def run_tests(
    lab: Lab, sandbox: Sandbox, task: Task, changes: Mapping[str, str | None]
) -> dict[str, bool]:
    """FAIL_TO_PASS and PASS_TO_PASS, each in the task's files with ``changes`` applied."""
    names = [*task.FAIL_TO_PASS, *task.PASS_TO_PASS]
    if not task.FAIL_TO_PASS:
        raise ValueError(
            f"{task.instance_id} has no FAIL_TO_PASS tests, so nothing can show that it is "
            "resolved. Leave it out of the suite's list, or use the complete data set."
        )
    files = {**lab.suite.files(task), **changes}
    present = {path: text for path, text in files.items() if text is not None}
    with sandbox.workspace() as workspace:
        materialise(Path(workspace), present)
        results = sandbox.run_tests(Path(workspace), lab.suite.tests(task), names)
    return {result.name: result.passed for result in results}


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
    model: Model,
    name: str,
    condition: Condition,
    plan: Plan,
    finish: Callable[[Trajectory], Trajectory] = lambda trajectory: trajectory,
) -> Callable[[], Path]:
    """The cell that plays ``plan`` under ``condition`` and writes its trajectories."""
    key = {
        "base": lab.base_sha256(),
        "model": values_of(lab.model),
        "agent": values_of(lab.params.agent),
        "sandbox": values_of(lab.params.sandbox),
        "tasks": [(task.instance_id, task.tree_hash) for task in plan.tasks],
        "plan": (plan.seed, plan.attempts, plan.temperature),
        "condition": (condition.name, condition.adapter_hash, sorted(condition.notes.items())),
    }

    def make(path: Path) -> None:
        with lab.open_sandbox() as sandbox:
            records, timings = play(lab, model, sandbox, condition, plan)
        write_jsonl(path, map(finish, records))
        folder = Path("timings") / lab.name
        write_timings(folder / f"{cells.folder.parent.name}-{name}.jsonl", timings)

    return cells.job(name, key, ".jsonl", make)


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
