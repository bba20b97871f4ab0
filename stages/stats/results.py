"""What the earlier stages measured, as rows: one per episode, answer and trained turn."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from stages.lab.arm_adapters import arm_episodes, arms_in
from stages.lab.context import Lab
from stages.lab.splits import read_played, read_tasks
from stages.records import Outcome, Task, Trajectory, read_json, read_jsonl, sha256_file
from stages.stats.clusters import Cells, tabulate_cells
from stages.stats.rates import resolved_value
from stages.stats.streams import Streams, read_streams

TEST, TRAIN = "test", "train"


@dataclasses.dataclass(frozen=True)
class Row:
    """One episode. ``run_id`` names the file it came from; two conditions never share one."""

    world: str
    split: str
    half: str
    condition: str
    seed: int
    attempt: int
    instance_id: str
    outcome: Outcome
    pathology: str
    difficulty: str
    kinds: tuple[str, ...]
    steps: int
    ok_steps: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    submitted_empty: bool
    run_id: str
    actions: tuple[str, ...] = ()
    context_tokens: int = 0
    """longest prompt of the episode, tokens"""

    @property
    def task(self) -> tuple[str, str]:
        return (self.world, self.instance_id)

    @property
    def run(self) -> tuple[str, int, int]:
        return (self.split, self.seed, self.attempt)

    @property
    def resolved(self) -> float:
        """1 resolved, 0 not, NaN for a harness error, which is no failure of the agent."""
        return resolved_value(self.outcome)


@dataclasses.dataclass(frozen=True)
class Results:
    """Everything that one experiment's runs left behind."""

    lab: Lab
    rows: tuple[Row, ...]
    guard: dict[str, list[dict[str, Any]]]
    """``base`` and ``skill`` -> rows with their world, split and seed"""
    retention: list[dict[str, Any]]
    losses: dict[str, list[float]]
    """``world/split/arm-sN`` -> loss per step"""
    facts: dict[str, dict[str, Any]]
    certificates: dict[str, dict[str, Any]]
    streams: Streams = dataclasses.field(default_factory=Streams)
    """what a stream's arms kept and solved; their last episodes stand among the rows too"""

    @property
    def conditions(self) -> list[str]:
        """Conditions, then arms, then a stream's arms, in the registration's order: what ran."""
        ran = {row.condition for row in self.rows}
        return [name for name in self.declared if name in ran]

    @property
    def declared(self) -> tuple[str, ...]:
        """Every condition and arm that the registration names."""
        experiment = self.lab.experiment
        streams = experiment.stream.arms if experiment.stream else {}
        return (*experiment.evaluate.conditions, *(experiment.arms or {}), *streams)

    def select(self, condition: str, half: str = TEST) -> list[Row]:
        return [row for row in self.rows if row.condition == condition and row.half == half]

    def cells(
        self, condition: str, half: str = TEST, value: Callable[[Row], float] | None = None
    ) -> Cells:
        """Tasks × runs of ``value`` (by default: resolved)."""
        return tabulate(self.select(condition, half), value)

    def differences(
        self,
        base: str,
        adapted: str,
        half: str = TEST,
        value: Callable[[Row], float] | None = None,
        keep: Callable[[Row], bool] = lambda row: True,
    ) -> Cells:
        """adapted - base of the same task in the same run, tasks × runs.

        Raises ValueError when both come from one file: that difference would be zero by mistake.
        """
        first = [row for row in self.select(base, half) if keep(row)]
        second = [row for row in self.select(adapted, half) if keep(row)]
        shared = {row.run_id for row in first} & {row.run_id for row in second}
        if shared:
            raise ValueError(
                f"{base} and {adapted} are computed from one run, {sorted(shared)[0]} (check 4). "
                "Evaluate each condition on its own."
            )
        get = value or (lambda row: row.resolved)
        of_base = {(row.task, row.run): get(row) for row in first}
        return tabulate_cells(
            (row.task, row.run, get(row) - of_base[row.task, row.run])
            for row in second
            if (row.task, row.run) in of_base
        )


def tabulate(rows: Iterable[Row], value: Callable[[Row], float] | None = None) -> Cells:
    """Tasks × runs of ``value`` (by default: resolved)."""
    get = value or (lambda row: row.resolved)
    return tabulate_cells((row.task, row.run, get(row)) for row in rows)


def read_results(lab: Lab) -> Results:
    """Read every file of the experiment; RecordError names one that is missing or broken.

    Base's episodes belong to a world and not to a split; of them those count whose tasks the other
    conditions of the split were evaluated on, so that a table's numbers cover the same tasks.
    """
    rows: list[Row] = []
    guard: dict[str, list[dict[str, Any]]] = {}
    retention: list[dict[str, Any]] = []
    for world in lab.worlds:
        tasks = {task.instance_id: task for task in read_tasks(lab, world)}
        baseline = {
            seed: lab.folder("data/baseline") / f"{world}-s{seed}.jsonl"
            for seed in lab.experiment.seeds
        }
        played = {seed: read_jsonl(path, Trajectory) for seed, path in baseline.items()}
        for split in lab.experiment.splits:
            half = read_played(lab, world, split)
            halves = {t.instance_id: TRAIN for t in half.train}
            halves |= {t.instance_id: TEST for t in half.test}
            for seed, path in baseline.items():
                rows += _rows(played[seed], tasks, world, split, "base", seed, halves, path)
            folder = lab.folder("data/evaluations") / world / split
            for seed in lab.experiment.seeds:
                for name in lab.experiment.evaluate.conditions:
                    if name != "base":
                        path = folder / f"{name}-s{seed}.jsonl"
                        read = read_jsonl(path, Trajectory)
                        rows += _rows(read, tasks, world, split, name, seed, halves, path)
                if "skill" in lab.experiment.evaluate.conditions:
                    path = folder / f"trained-skill-s{seed}.jsonl"
                    read = read_jsonl(path, Trajectory)
                    rows += _rows(read, tasks, world, split, "skill", seed, halves, path)
                for name in arms_in(lab, world):
                    path = arm_episodes(lab, world, split, name, seed)
                    read = read_jsonl(path, Trajectory)
                    rows += _rows(read, tasks, world, split, name, seed, halves, path)
                _extras(folder, {"world": world, "split": split, "seed": seed}, guard, retention)
    streams = read_streams(lab)
    rows += _last_of_streams(lab, streams)
    adapters = lab.folder("models/adapters")
    return Results(
        lab,
        tuple(rows),
        guard,
        retention,
        _by_adapter(adapters, "losses.json"),
        _by_adapter(adapters, "facts.json"),
        _by_adapter(adapters, "certificate.json"),
        streams,
    )


def _last_of_streams(lab: Lab, streams: Streams) -> list[Row]:
    """The test tasks after each stream's last consolidation, as a condition of the arm's name."""
    rows: list[Row] = []
    tasks = {world: {t.instance_id: t for t in read_tasks(lab, world)} for world in lab.worlds}
    for stream in streams.streams:
        if not stream.episodes:
            continue
        path = stream.episodes[max(stream.episodes)]
        test = read_played(lab, stream.world, stream.split).test
        rows += _rows(
            read_jsonl(path, Trajectory),
            tasks[stream.world],
            stream.world,
            stream.split,
            stream.arm,
            stream.seed,
            {task.instance_id: TEST for task in test},
            path,
        )
    return rows


def _by_adapter(folder: Path, file: str) -> dict[str, Any]:
    """One file of every condition's and arm's adapter, by ``world/split/arm-sN``."""
    found = {}
    for path in sorted(folder.rglob(file)):
        parts = path.parent.relative_to(folder).parts
        if parts[0] != "streams":  # a stream's have one folder per consolidation
            found["/".join(parts[parts[0] == "arms" :])] = read_json(path)
    return found


def _extras(
    folder: Path,
    place: dict[str, Any],
    guard: dict[str, list[dict[str, Any]]],
    retention: list[dict[str, Any]],
) -> None:
    for arm in ("base", "skill"):
        path = folder / f"guard-{arm}-s{place['seed']}.jsonl"
        if path.exists():
            guard.setdefault(arm, []).extend({**place, **row} for row in read_jsonl(path, dict))
    path = folder / f"retention-skill-s{place['seed']}.jsonl"
    if path.exists():
        retention.extend({**place, **row} for row in read_jsonl(path, dict))


def _rows(
    trajectories: list[Trajectory],
    tasks: dict[str, Task],
    world: str,
    split: str,
    condition: str,
    seed: int,
    halves: dict[str, str],
    path: Path,
) -> list[Row]:
    run_id = f"{path.as_posix()}@{sha256_file(path)[:12]}"
    rows = []
    for trajectory in trajectories:
        info = trajectory.info
        task = tasks[info["instance_id"]]
        if task.instance_id not in halves:
            continue  # the split left it out, or the conditions were not evaluated on it
        rows.append(
            Row(
                world=world,
                split=split,
                half=halves[task.instance_id],
                condition=condition,
                seed=seed,
                attempt=info["attempt"],
                instance_id=task.instance_id,
                outcome=Outcome(info["outcome"]),
                pathology=info["pathology"],
                difficulty=task.difficulty,
                kinds=tuple(task.meta.get("kinds", ())),
                steps=info["n_steps"],
                ok_steps=sum(step["ok"] for step in info["steps"]),
                input_tokens=info["input_tokens"],
                output_tokens=info["output_tokens"],
                cached_tokens=info["cached_tokens"],
                submitted_empty=info["exit_status"] == "submitted" and not info["submission"],
                run_id=run_id,
                actions=tuple(step["action"].split(" ")[0] for step in info["steps"]),
                context_tokens=max((s.get("input_tokens", 0) for s in info["steps"]), default=0),
            )
        )
    return rows


def mean(values: Iterable[float]) -> float:
    """Plain mean over what isn't NaN; NaN for nothing."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan
