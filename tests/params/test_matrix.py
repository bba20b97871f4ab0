"""A matrix of models and repositories: its cells, their names, and the one registration of all."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from stages.params import (
    ParamsError,
    agent_of,
    cells_of,
    experiment_of,
    load_params,
    model_of,
    register,
    status,
)
from stages.params.registration import registration_hash

ROOT = Path(__file__).parents[2]
PARAMS = load_params(ROOT / "params.yaml")
CELL = "r3--qwen-coder-7b--django__django"


def test_phase_three_is_eight_repositories_by_four_models_by_two_splits() -> None:
    names = cells_of(PARAMS, "r3")
    assert len(names) == len(set(names)) == 32
    assert len(PARAMS.experiments["r3"].splits) == 2
    assert CELL in names
    assert cells_of(PARAMS, "p1") == []


def test_a_cell_is_an_experiment_of_one_model_and_one_repository() -> None:
    matrix, cell = PARAMS.experiments["r3"], experiment_of(PARAMS, CELL)
    assert (cell.model, cell.worlds, cell.models) == ("qwen-coder-7b", ("django__django",), ())
    assert model_of(PARAMS, cell) == PARAMS.models["qwen-coder-7b"]
    rest = dataclasses.replace(cell, model=None, models=matrix.models, worlds=matrix.worlds)
    assert rest == matrix


def test_a_cell_may_hold_all_of_a_model_s_repositories() -> None:
    """p3 on the laptop: four entries of `run`, and both forms read the same values."""
    names = cells_of(PARAMS, "p3", by_model=True)
    assert names == [f"p3--{model}" for model in PARAMS.experiments["p3"].models]
    assert set(names) <= PARAMS.run.keys()
    whole = experiment_of(PARAMS, "p3--tiny_short")
    one = experiment_of(PARAMS, "p3--tiny_short--blue_mill")
    assert whole.worlds == PARAMS.experiments["p3"].worlds and len(whole.worlds) == 8
    assert (whole.model, whole.models) == ("tiny_short", ())
    assert dataclasses.replace(whole, worlds=("blue_mill",)) == one
    assert len(whole.splits) * len(whole.worlds) * len(names) == 64


@pytest.mark.parametrize(
    "name", ["r3--tiny", "r3--tiny--django__django", f"{CELL}--A", "p1--tiny--oak_harbor"]
)
def test_what_is_no_cell_is_refused(name: str) -> None:
    with pytest.raises(ParamsError, match="there is no such cell"):
        experiment_of(PARAMS, name)


def test_a_misspelt_cell_is_told_its_nearest() -> None:
    with pytest.raises(ParamsError, match=f"Did you mean '{CELL}'"):
        experiment_of(PARAMS, "r3--qwen-coder-7b--djanga__django")


def test_cells_share_the_registration_of_their_matrix(tmp_path: Path) -> None:
    digest = register_at(tmp_path)
    assert status(PARAMS, CELL, tmp_path) == ("REGISTERED", digest)
    model = dataclasses.replace(PARAMS.models["qwen-3b"], context_tokens=1)
    other = dataclasses.replace(PARAMS, models={**PARAMS.models, "qwen-3b": model})
    assert status(other, CELL, tmp_path)[0] == "EXPLORATORY"  # another cell's model, one matrix


def test_a_matrix_of_organisms_counts_each_one_s_weights(tmp_path: Path) -> None:
    names = [Path(PARAMS.models[name].path) for name in PARAMS.experiments["p3"].models]
    for folder in names:
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "model.safetensors").write_bytes(str(folder).encode())
    digest = register(PARAMS, "p3", "2026-11-21", tmp_path)
    assert status(PARAMS, "p3--tiny", tmp_path) == ("REGISTERED", digest)
    for folder in names:
        weights = tmp_path / folder / "model.safetensors"
        weights.write_bytes(b"other")
        assert status(PARAMS, "p3--tiny", tmp_path)[0] == "EXPLORATORY"
        weights.write_bytes(str(folder).encode())
    weights = tmp_path / "models/organisms/narrow/model.safetensors"
    weights.unlink()
    with pytest.raises(ParamsError, match="dvc repro pretrain_organism@narrow"):
        status(PARAMS, "p3", tmp_path)


def register_at(root: Path) -> str:
    (root / "models/base").mkdir(parents=True)
    (root / "models/base/model.safetensors").write_bytes(b"weights")
    return register(PARAMS, "r3", "2026-11-21", root)


def test_an_experiment_s_own_agent_is_part_of_its_hash_and_no_other_s() -> None:
    r1 = PARAMS.experiments["r1"]
    assert r1.agent is not None
    assert agent_of(PARAMS, r1) == r1.agent
    assert agent_of(PARAMS, PARAMS.experiments["p1"]) == PARAMS.agent
    changed = dataclasses.replace(PARAMS, agent=dataclasses.replace(PARAMS.agent, max_steps=1))
    assert registration_hash(changed, "r1", "") == registration_hash(PARAMS, "r1", "")
    assert registration_hash(changed, "p1", "") != registration_hash(PARAMS, "p1", "")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("  p1: p2", "run.p1 is 'p2'"),
        ("  p1: p1\n  p9: p9", "there is no 'p9'"),
        ("  p1: p1\n  r3--qwen-3b--flask: r3", "no such cell"),
    ],
)
def test_what_is_run_must_exist_and_watch_its_own_values(
    line: str, said: str, tmp_path: Path
) -> None:
    text = (ROOT / "params.yaml").read_text()
    assert "\n  p1: p1\n" in text
    path = tmp_path / "params.yaml"
    path.write_text(text.replace("\n  p1: p1\n", f"\n{line}\n", 1))
    with pytest.raises(ParamsError, match=said):
        load_params(path)


def test_where_things_lie_is_no_part_of_a_registration() -> None:
    suite, guard = PARAMS.suites["swe_bench_cl"], PARAMS.suites["humaneval"]
    moved = dataclasses.replace(suite, path="rows.json", environments="/data/envs", at_once=8)
    there = {"swe_bench_cl": moved, "humaneval": dataclasses.replace(guard, path="rows.jsonl")}
    placed = dataclasses.replace(PARAMS, suites={**PARAMS.suites, **there})
    assert registration_hash(placed, "r1", "") == registration_hash(PARAMS, "r1", "")
    other = dataclasses.replace(moved, wall_seconds=1.0)
    changed = dataclasses.replace(PARAMS, suites={**PARAMS.suites, "swe_bench_cl": other})
    assert registration_hash(changed, "r1", "") != registration_hash(PARAMS, "r1", "")
