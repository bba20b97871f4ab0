"""What the streams' adapters give: pairs retained, tasks resolved, the capability guard.

Retention is measured after every consolidation over all sessions so far, tasks at the registered
numbers of sessions, the guard after the last consolidation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from stages.evaluate.serving import Embedder, Routed, Serving
from stages.lab.cells import Cells, code_of
from stages.lab.chosen import guard_room
from stages.lab.context import Lab
from stages.lab.episodes import Condition, Plan, play, write_timings
from stages.lab.guard import guard_problems, run_guard
from stages.lab.pool import run_jobs
from stages.lab.splits import read_played
from stages.lab.streams import (
    Step,
    StreamPlace,
    arrived,
    examples_sha256,
    opening,
    steps_of,
    strategy_of,
    stream_examples,
    stream_of,
    stream_places,
    stream_sessions,
)
from stages.params import ParamsError, ProceduralParams, guard_of, values_of
from stages.records import (
    Example,
    RecordError,
    Task,
    Trajectory,
    read_json,
    sha256_file,
    write_jsonl,
)
from stages.strategies.store import load_state

Job = Callable[[], Path]


@dataclasses.dataclass(frozen=True)
class Material:
    """What every stream of one world and split is measured on."""

    sessions: list[Task]
    """the stream's tasks, in order"""
    test: list[Task]
    """the played test tasks"""
    examples: dict[str, list[Example]]
    """instance id -> its session's examples"""
    steps: list[Step]
    """the consolidations"""


def evaluate_streams(lab: Lab, model: Any) -> Cells:
    """Measure, or find measured, every stream; the cells say which files those are."""
    folder = lab.folder("data/evaluations") / "streams"
    cells = Cells(folder, "evaluate.streams", *lab.rooms)
    run_jobs(list(Stage(lab, cells, model).jobs()), "streams", lab.workers)
    return cells


class Stage:
    """The streams' cells: what each needs, made when it runs."""

    def __init__(self, lab: Lab, cells: Cells, model: Any) -> None:
        self.lab, self.cells, self.model = lab, cells, model
        self.local = model if hasattr(model, "transformers_model") else _weights(lab)
        self.embedder = Embedder(self.local)
        names = {arm.strategy for arm in stream_of(lab).arms.values()}
        self.codes = {name: code_of(f"strategies.{name}") for name in names}
        self.material = {
            (world, split): material_of(lab, world, split)
            for world in lab.worlds
            for split in lab.experiment.splits
        }
        self._embed_all()

    def jobs(self) -> Iterator[Job]:
        """Longest cells first: tasks after many sessions, then fewer, the guard, retention.

        A long one that starts last leaves the other cores without work.
        """
        places = stream_places(self.lab)
        for count in sorted(stream_of(self.lab).played, reverse=True):
            for place in places:
                for step in self.material[place.world, place.split].steps:
                    if step.sessions == count:
                        yield self._played(place, step)
        if guard_of(self.lab.params, self.lab.experiment) is not None:
            yield from map(self._guarded, places)
        yield from map(self._retained, places)

    def _embed_all(self) -> None:
        """Before the pool forks, so that its processes needn't each embed the same queries."""
        for material in self.material.values():
            self.embedder([opening(e) for es in material.examples.values() for e in es])
            self.embedder([self._query(task) for task in (*material.sessions, *material.test)])
        guard = guard_of(self.lab.params, self.lab.experiment)
        if isinstance(guard, ProceduralParams):
            self.embedder([[{"role": "user", "content": p.prompt}] for p in guard_problems(guard)])

    def _query(self, task: Task) -> list[dict[str, str]]:
        return [dict(message) for message in self.lab.suite.messages(task, ())]

    def _retained(self, place: StreamPlace) -> Job:
        material = self.material[place.world, place.split]
        key = [
            *self._key(place, material.steps),
            examples_sha256([e for examples in material.examples.values() for e in examples]),
        ]

        def make(path: Path) -> None:
            write_jsonl(path, (row for s in material.steps for row in self.retained(place, s)))

        return self.cells.job(f"{place.name}/retention", key, ".jsonl", make)

    def retained(self, place: StreamPlace, step: Step) -> list[dict[str, Any]]:
        """One row per example of the sessions so far, under the adapters of ``step``."""
        material = self.material[place.world, place.split]
        order = {task.instance_id: n for n, task in enumerate(material.sessions, start=1)}
        past = material.steps[: step.number]
        examples = [e for s in past for e in arrived(s, material.examples)]
        serving = self._serving(place, step)
        found = {}
        for adapter, places in serving.groups([opening(example) for example in examples]):
            forced = serving.forced(self.local, adapter, [examples[n] for n in places])
            found.update(zip(places, forced, strict=True))
        return [
            {
                "consolidation": step.number,
                "sessions": step.sessions,
                "origin": order[example.instance_id],
                "instance_id": example.instance_id,
                "example_id": example.example_id,
                "skill": example.skill,
                "kept": int(found[n].kept),
                "loss": found[n].loss,
            }
            for n, example in enumerate(examples)
        ]

    def _played(self, place: StreamPlace, step: Step) -> Job:
        tasks, settings = self.tasks(place, step), self.lab.experiment.evaluate
        plan = Plan(tasks, place.seed, settings.repeats, settings.temperature)
        name = f"{place.name}/tasks-{step.name}"
        key = {
            "stream": self._key(place, [step]),
            "agent": values_of(self.lab.agent_params),
            "sandbox": values_of(self.lab.params.sandbox),
            "suite": self.lab.suite.settings(),
            "tasks": [(task.instance_id, task.tree_hash) for task in tasks],
            "plan": (plan.seed, plan.attempts, plan.temperature),
        }

        def make(path: Path) -> None:
            records, timings = self.play(place, step, plan)
            write_jsonl(path, records)
            folder = Path("timings") / self.lab.name / "evaluations-streams"
            write_timings(folder / f"{name}.jsonl", timings)

        return self.cells.job(name, key, ".jsonl", make)

    def tasks(self, place: StreamPlace, step: Step) -> list[Task]:
        """The stream's tasks so far, those up to the next consolidation, and the test tasks."""
        material = self.material[place.world, place.split]
        nexts = [s.sessions for s in material.steps if s.sessions > step.sessions]
        return [*material.sessions[: min(nexts, default=step.sessions)], *material.test]

    def play(
        self, place: StreamPlace, step: Step, plan: Plan
    ) -> tuple[list[Trajectory], list[dict[str, Any]]]:
        """Every episode of the plan under its task's own mixture, in the plan's order."""
        serving = self._serving(place, step)
        order = {task.instance_id: n for n, task in enumerate(plan.tasks)}
        records: list[Trajectory] = []
        timings: list[dict[str, Any]] = []
        with self.lab.kept_harness() as harness:
            for adapter, places in serving.groups([self._query(task) for task in plan.tasks]):
                with serving.attached(self.model, adapter) as adapter_hash:
                    setting = Condition(place.arm, serving.label, adapter_hash)
                    part = dataclasses.replace(plan, tasks=[plan.tasks[n] for n in places])
                    played, timed = play(self.lab, self.model, harness, setting, part)
                records += played
                timings += timed

        def place_of(info: Any) -> tuple[int, int]:
            return order[info["instance_id"]], info["attempt"]

        return sorted(records, key=lambda t: place_of(t.info)), sorted(timings, key=place_of)

    def _guarded(self, place: StreamPlace) -> Job:
        params = guard_of(self.lab.params, self.lab.experiment)
        assert params is not None
        step = self.material[place.world, place.split].steps[-1]
        key = [
            *self._key(place, [step]),
            values_of(params),
            values_of(self.lab.params.sandbox),
            code_of(guard_room(params)),
        ]

        def make(path: Path) -> None:
            routed = Routed(self.model, self._serving(place, step))
            write_jsonl(path, run_guard(self.lab, routed, params, None, place.seed))

        return self.cells.job(f"{place.name}/guard-{step.name}", key, ".jsonl", make)

    def _serving(self, place: StreamPlace, step: Step) -> Serving:
        folder = place.path / step.name
        self._require_base(folder)
        strategy = strategy_of(self.lab, place.arm)
        return Serving(strategy, load_state(folder), self.embedder, str(folder))

    def _require_base(self, folder: Path) -> None:
        if read_json(folder / "facts.json")["base"] != self.lab.base_sha256():
            raise RecordError(
                f"{folder}: these adapters were trained on another base model than the one in "
                "use; on a foreign base they compute nonsense without an error. Run `dvc repro`, "
                "which trains them again."
            )

    def _key(self, place: StreamPlace, steps: Sequence[Step]) -> list[Any]:
        strategy = stream_of(self.lab).arms[place.arm].strategy
        return [
            self.lab.base_sha256(),
            values_of(self.lab.model),
            place.name,
            values_of(strategy_of(self.lab, place.arm)),
            self.codes[strategy],
            [
                (s.number, s.sessions, sha256_file(place.path / s.name / "state.json"))
                for s in steps
            ],
        ]


def material_of(lab: Lab, world: str, split: str) -> Material:
    """Sessions, examples and test tasks of one world and split."""
    sessions = stream_sessions(lab, world, split)
    return Material(
        sessions,
        read_played(lab, world, split).test,
        stream_examples(lab, world, split),
        steps_of(lab, sessions),
    )


def _weights(lab: Lab) -> Any:
    """The weights in process, where a server plays the episodes: teacher forcing needs logits."""
    from stages.lab.models import local_model

    if lab.model.kind != "local":
        raise ParamsError(
            f"experiments.{lab.name}.model: retention is measured by teacher forcing, which needs "
            f"a model of kind local, not {lab.model.kind}. Name one."
        )
    return local_model(lab.model)
