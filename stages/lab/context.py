"""The open experiment: its parameters, suite, model and folders, the same for every stage."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from stages.agent.chat import Message
from stages.agent.episode import AgentConfig
from stages.agent.sandbox import SandboxConfig
from stages.lab import chosen
from stages.lab.alone import alone
from stages.lab.cells import STORE
from stages.lab.pool import kept_open
from stages.params import (
    AgentParams,
    Experiment,
    ModelParams,
    Params,
    ParamsError,
    agent_of,
    experiment_of,
    guard_of,
    load_params,
    model_of,
    status,
    suite_of,
)
from stages.records import RecordError, Task
from stages.suites.suite import Harness, Suite

OUTCOMES: str | None = str(STORE / "outcomes.sqlite")
"""What sandboxes have found out in generated worlds, for all experiments of this clone."""


@dataclasses.dataclass(frozen=True)
class Lab:
    """One experiment as params.yaml has it now."""

    name: str
    params: Params
    experiment: Experiment
    model: ModelParams
    suite: Suite

    @property
    def worlds(self) -> tuple[str, ...]:
        return self.experiment.worlds

    @property
    def placebo_worlds(self) -> dict[str, str]:
        """For each world the one whose sessions its placebo is trained on: the suite's choice."""
        if "placebo_world" not in self.experiment.evaluate.conditions:
            return {}
        others = chosen.worlds_of(suite_of(self.params, self.experiment))
        return {world: self.suite.partner(world, others) for world in self.worlds}

    @property
    def rooms(self) -> tuple[str, ...]:
        """The rooms that the parameters chose: part of the code of every cell."""
        return chosen.rooms(suite_of(self.params, self.experiment), self.model)

    @property
    def all_worlds(self) -> tuple[str, ...]:
        """The experiment's worlds and the placebos', each once."""
        return tuple(dict.fromkeys((*self.worlds, *self.placebo_worlds.values())))

    def openings(self, halves: Iterable[Sequence[Task]]) -> list[list[Message]]:
        """The opening chat of every task."""
        return [list(self.suite.messages(task, ())) for tasks in halves for task in tasks]

    def folder(self, stage_output: str) -> Path:
        """Where a stage's output for this experiment lies, for instance ``data/splits/p1``."""
        return Path(stage_output) / self.name

    @property
    def agent_params(self) -> AgentParams:
        """The agent's loop in this experiment."""
        return agent_of(self.params, self.experiment)

    def agent(self, temperature: float) -> AgentConfig:
        values = dataclasses.asdict(self.agent_params)
        return AgentConfig(temperature=temperature, **values)

    def sandbox(self, workers: int = 1) -> SandboxConfig:
        """The limits of one run of model-written code."""
        return sandbox_of(self.params, workers)

    def open_harness(self, workers: int = 1) -> AbstractContextManager[Harness]:
        """Where the suite's tasks are played and graded; closed at the end."""
        return self.suite.open_harness(self.sandbox(workers))

    def kept_harness(self) -> AbstractContextManager[Harness]:
        """One of one worker, which the jobs of a process share."""
        return kept_open(("harness", self.name), self.open_harness)

    def registration(self) -> tuple[str, str]:
        """``REGISTERED`` or ``EXPLORATORY``, and the hash of the values in force."""
        return status(self.params, self.name)

    def base_sha256(self) -> str:
        """What identifies the base model."""
        return chosen.base_sha256(self.model)

    @property
    def workers(self) -> int:
        """Processes that work side by side; 0 is one a core."""
        return chosen.workers(self.model)


def sandbox_of(params: Params, workers: int = 1) -> SandboxConfig:
    """The limits of one run of model-written code, and where outcomes are remembered."""
    values = {**dataclasses.asdict(params.sandbox), "workers": workers}
    return SandboxConfig(**values, memory=OUTCOMES)


def open_lab(name: str, params: Params | None = None) -> Lab:
    """Open experiment ``name`` of params.yaml, which is read unless given.

    ParamsError says what is wrong.
    """
    params = params or load_params()
    experiment = experiment_of(params, name)
    guard_of(params, experiment)
    suite = suite_of(params, experiment)
    opened = chosen.open_suite(
        suite, f"experiments.{name}: suite {experiment.suite or params.suite!r}"
    )
    known = chosen.worlds_of(suite)
    unknown = [world for world in experiment.worlds if world not in known]
    if unknown:
        raise ParamsError(
            f"experiments.{name}.worlds: {unknown[0]!r} is not a world of the suite; it has "
            f"{', '.join(known)}."
        )
    return Lab(name, params, experiment, model_of(params, experiment), opened)


def run_main(stage: str, work) -> None:  # type: ignore[no-untyped-def]
    """A stage's ``main``: one experiment's name on the command line, errors as one paragraph."""
    parser = argparse.ArgumentParser(
        prog=f"python -m stages.{stage}", description=sys.modules["__main__"].__doc__
    )
    parser.add_argument("experiment", help="its name in params.yaml, where its values stand")
    name = parser.parse_args().experiment
    try:
        lab = open_lab(name)
        with alone(stage, name):
            work(lab)
    except expected_errors() as error:
        sys.exit(f"{stage}: {error}")


def expected_errors() -> tuple[type[Exception], ...]:
    """Errors that carry their own remedy; anything else is a defect and keeps its traceback."""
    from stages.agent.sandbox import SandboxUnavailable

    return (ParamsError, RecordError, SandboxUnavailable, OSError, ValueError)
