"""A matrix of made-up cells: each repository × model × split with outcomes as the test says."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.lab.context import Lab
from stages.params import experiment_of, load_params
from stages.records import Outcome, write_json
from stages.stats import summary
from stages.stats.phase import matrix as phase_matrix
from stages.stats.phase import tables
from stages.stats.results import TEST, Results, Row
from stages.suites.microrepo.suite import Microrepo
from tests.small_lab import ROOT

TASKS = 6
Rate = Callable[[str, str, str, str], float]
"""(model, world, split, condition) -> probability of resolving a task."""


def matrix_lab(name: str = "p3") -> Lab:
    params = load_params(ROOT / "params.yaml")
    experiment = experiment_of(params, name)
    return Lab(name, params, experiment, params.models["tiny"], Microrepo(12, 7))


def made_up(lab: Lab, model: str, rate: Rate, shared: bool = False) -> Results:
    """What read_results would give for one model's cells; base has one run for both splits.

    ``shared``: both splits test on the same tasks.
    """
    experiment = lab.experiment
    rows = []
    for world in experiment.worlds:
        for split in experiment.splits:
            for condition in experiment.evaluate.conditions:
                file = world if condition == "base" else f"{world}/{split}"
                for n in range(TASKS):
                    task = f"{world}_{n}" if shared else f"{world}_{split}_{n}"
                    drawn = random.Random(f"{model} {file} {condition} {task}").random()
                    good = drawn < rate(model, world, split, condition)
                    outcome = Outcome.RESOLVED if good else Outcome.UNRESOLVED
                    rows.append(_row(model, world, split, condition, task, outcome, file))
    return Results(lab, tuple(rows), {}, [], {}, {}, {})


def _row(
    model: str, world: str, split: str, condition: str, task: str, outcome: Outcome, file: str
) -> Row:
    return Row(
        world=world,
        split=split,
        half=TEST,
        condition=condition,
        seed=0,
        attempt=0,
        instance_id=task,
        outcome=outcome,
        pathology="none",
        difficulty="easy",
        kinds=("unit",),
        steps=5 if condition == "base" else 4,
        ok_steps=4,
        input_tokens=10,
        output_tokens=5,
        cached_tokens=0,
        submitted_empty=False,
        run_id=f"{model}-{file}-{condition}",
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder of metrics, and a call that runs entries of `run` there."""
    monkeypatch.setattr(Lab, "registration", lambda self: ("REGISTERED", "ab" * 32))
    # Seconds each, and tested by themselves.
    monkeypatch.setattr(tables, "logistic", lambda matrix: {})
    monkeypatch.setattr(summary, "comparisons", lambda results: {})

    def run(
        rate: Rate,
        *names: str,
        hash_: str = "ab" * 32,
        failed: str = "",
        shared: bool = False,
    ) -> Path:
        def read(lab: Lab) -> Results:
            model = lab.name.split("--")[1]
            return made_up(lab, model, rate, shared)

        monkeypatch.setattr(phase_matrix, "read_results", read)
        for name in names:
            registration = {"registration": {"status": "REGISTERED", "hash": hash_}}
            write_json(tmp_path / "metrics/details" / f"{name}.json", registration)
            check = {"name": "gold", "level": "stop", "status": "pass", "evidence": {"tasks": 3}}
            if name == failed:
                problem = {"problems": 1, "first_problem": f"a patch of {name}"}
                check |= {"status": "fail", "evidence": problem, "remedy": "Mend it."}
            write_json(tmp_path / "metrics/audit" / f"{name}.json", {"2": check})
        return tmp_path

    return run


def model_labs(lab: Lab) -> list[str]:
    """The entries of `run` that hold one model each."""
    return [f"{lab.name}--{model}" for model in lab.experiment.models]
