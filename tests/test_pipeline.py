"""dvc.yaml and params.yaml name the same experiments and parameters."""

from __future__ import annotations

from pathlib import Path

from stages.params import cells_of, load_params
from stages.params.strict import read_yaml

ROOT = Path(__file__).parent.parent
STAGES = read_yaml(ROOT / "dvc.yaml")["stages"]
PARAMS = load_params(ROOT / "params.yaml")


def test_every_stage_runs_what_params_say() -> None:
    lists = [stage["foreach"] for stage in STAGES.values() if "foreach" in stage]
    by_name = [names for names in lists if isinstance(names, str)]
    assert set(by_name) == {"${run}", "${organisms}", "${loops}"}
    matrices = {name for names in lists if not isinstance(names, str) for name in names}
    assert all(PARAMS.experiments[name].models for name in matrices)
    for name in matrices:  # what is analysed together is run
        assert {*cells_of(PARAMS, name, by_model=True)} <= PARAMS.run.keys()
    assert {"p1", "p2", "e06", "organism"} <= set(PARAMS.run)


def test_every_watched_parameter_stands_in_every_experiment() -> None:
    """DVC refuses a stage whose parameter is missing, so a default must be written out."""
    experiments = read_yaml(ROOT / "params.yaml")["experiments"]
    names = {
        name.removeprefix("experiments.${item}.")
        for stage in STAGES.values()
        for name in stage.get("do", {}).get("params", ())
        if name.startswith("experiments.${item}.")
    }
    assert len(names) > 10
    for path in names:
        for name, block in experiments.items():
            found = block
            for part in path.split("."):
                assert part in found, f"experiments.{name}.{path}"
                found = found[part]
