"""dvc.yaml and params.yaml name the same experiments and suites."""

from __future__ import annotations

from pathlib import Path

from stages.params import load_params
from stages.params.strict import read_yaml

ROOT = Path(__file__).parent.parent
STAGES = read_yaml(ROOT / "dvc.yaml")["stages"]
PARAMS = load_params(ROOT / "params.yaml")


def test_every_experiment_is_in_the_pipeline_with_its_own_suite() -> None:
    declared = {name: item["suite"] for name, item in STAGES["generate_splits"]["foreach"].items()}
    assert declared == {
        name: experiment.suite or PARAMS.suite for name, experiment in PARAMS.experiments.items()
    }


def test_every_stage_runs_every_experiment() -> None:
    lists = [set(stage["foreach"]) for stage in STAGES.values() if "foreach" in stage]
    assert lists and all(names == set(PARAMS.experiments) for names in lists)
