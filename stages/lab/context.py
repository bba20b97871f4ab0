"""The open experiment: its parameters, suite, model and folders, the same for every stage."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from stages.agent.episode import AgentConfig
from stages.agent.sandbox import SandboxConfig
from stages.params import (
    Experiment,
    MicrorepoParams,
    ModelParams,
    Params,
    ParamsError,
    experiment_of,
    guard_of,
    load_params,
    model_of,
    organism_fingerprint,
    status,
    suite_of,
)
from stages.records import RecordError, sha256_text
from stages.suites.microrepo.suite import Microrepo


@dataclasses.dataclass(frozen=True)
class Lab:
    """One experiment as params.yaml has it now."""

    name: str
    params: Params
    experiment: Experiment
    model: ModelParams
    suite: Microrepo

    @property
    def worlds(self) -> tuple[str, ...]:
        return self.experiment.worlds

    @property
    def placebo_worlds(self) -> dict[str, str]:
        """For each world the one whose sessions its placebo is trained on: the suite's choice."""
        if "placebo_world" not in self.experiment.evaluate.conditions:
            return {}
        suite = suite_of(self.params, self.experiment)
        worlds = suite.worlds if isinstance(suite, MicrorepoParams) else ()
        return {world: self.suite.partner(world, worlds) for world in self.worlds}

    @property
    def all_worlds(self) -> tuple[str, ...]:
        """The experiment's worlds and the placebos', each once."""
        return tuple(dict.fromkeys((*self.worlds, *self.placebo_worlds.values())))

    def folder(self, stage_output: str) -> Path:
        """Where a stage's output for this experiment lies, for instance ``data/splits/p1``."""
        return Path(stage_output) / self.name

    def agent(self, temperature: float) -> AgentConfig:
        values = dataclasses.asdict(self.params.agent)
        return AgentConfig(temperature=temperature, **values)

    def sandbox(self, workers: int = 1) -> SandboxConfig:
        values = {**dataclasses.asdict(self.params.sandbox), "workers": workers}
        return SandboxConfig(**values)

    def registration(self) -> tuple[str, str]:
        """``REGISTERED`` or ``EXPLORATORY``, and the hash of the values in force."""
        return status(self.params, self.name)

    def base_sha256(self) -> str:
        """What identifies the base model: the organism's bytes, or the model's own settings."""
        organism = organism_fingerprint(self.model)
        return organism or sha256_text(repr(self.model))


def open_lab(name: str) -> Lab:
    """Read params.yaml and open experiment ``name``; ParamsError names what is wrong."""
    params = load_params()
    experiment = experiment_of(params, name)
    guard_of(params, experiment)
    suite = suite_of(params, experiment)
    if not isinstance(suite, MicrorepoParams):
        raise ParamsError(
            f"experiments.{name}: suite {experiment.suite or params.suite!r} is of kind "
            f"{suite.kind}, which has no repositories to work in. Choose one of kind microrepo."
        )
    unknown = [world for world in experiment.worlds if world not in suite.worlds]
    if unknown:
        raise ParamsError(
            f"experiments.{name}.worlds: {unknown[0]!r} is not a world of the suite; it has "
            f"{', '.join(suite.worlds)}."
        )
    return Lab(
        name,
        params,
        experiment,
        model_of(params, experiment),
        Microrepo(suite.tasks_per_world, suite.seed),
    )


def run_main(stage: str, work) -> None:  # type: ignore[no-untyped-def]
    """A stage's ``main``: one experiment's name on the command line, errors as one paragraph."""
    parser = argparse.ArgumentParser(
        prog=f"python -m stages.{stage}", description=sys.modules["__main__"].__doc__
    )
    parser.add_argument("experiment", help="its name in params.yaml, where its values stand")
    name = parser.parse_args().experiment
    try:
        work(open_lab(name))
    except expected_errors() as error:
        sys.exit(f"{stage}: {error}")


def expected_errors() -> tuple[type[Exception], ...]:
    """Errors that carry their own remedy; anything else is a defect and keeps its traceback."""
    from stages.agent.sandbox import SandboxUnavailable

    return (ParamsError, RecordError, SandboxUnavailable, OSError, ValueError)
