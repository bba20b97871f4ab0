"""What is written depends on what an experiment uses, and on nothing else."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from stages.choose.__main__ import main, work
from stages.lab.context import Lab
from stages.params import ArmParams, Experiment, ModelParams, ProceduralParams, load_params
from tests.small_lab import small_lab


def written(lab: Lab) -> str:
    work(lab)
    return Path("data/chosen/p1.json").read_text()


def test_an_unused_model_or_suite_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = small_lab()
    monkeypatch.chdir(tmp_path)
    before = written(lab)
    params = lab.params
    other: ModelParams = dataclasses.replace(params.models["qwen-3b"], max_live=1)
    unused = dataclasses.replace(params, models={**params.models, "qwen-3b": other})
    assert written(dataclasses.replace(lab, params=unused)) == before
    guard = params.suites["procedural"]
    assert isinstance(guard, ProceduralParams)
    harder = dataclasses.replace(guard, difficulties=(9,))
    used = dataclasses.replace(params, suites={**params.suites, "procedural": harder})
    assert written(dataclasses.replace(lab, params=used)) != before
    model = dataclasses.replace(lab.model, threads=2)
    assert written(dataclasses.replace(lab, model=model)) != before
    agent = dataclasses.replace(params.agent, max_steps=3)
    changed = dataclasses.replace(params, agent=agent)
    assert written(dataclasses.replace(lab, params=changed)) != before


def test_a_block_and_its_arms_tell_what_stats_and_training_depend_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = small_lab()
    monkeypatch.chdir(tmp_path)

    def contents(experiment: Experiment) -> tuple[str, str, str]:
        chosen = written(dataclasses.replace(lab, experiment=experiment))
        folder = Path("data/chosen")
        return (
            chosen,
            (folder / "blocks/p1.json").read_text(),
            (folder / "arms/p1.json").read_text(),
        )

    plain = lab.experiment
    chosen, block, arms = contents(plain)
    assert contents(dataclasses.replace(plain, alpha=0.01))[1] != block
    assert contents(dataclasses.replace(plain, alpha=0.01))[::2] == (chosen, arms)
    arm = {"advised": ArmParams(advice="Look first.")}
    assert contents(dataclasses.replace(plain, arms=arm))[2] != arms
    assert contents(dataclasses.replace(plain, arms=arm))[0] == chosen


def test_every_experiment_that_runs_has_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy("params.yaml", tmp_path)
    shutil.copytree("models", tmp_path / "models", ignore=shutil.ignore_patterns("adapters"))
    monkeypatch.chdir(tmp_path)
    main([])
    params = load_params()

    def found(folder: str) -> set[str]:
        return {path.stem for path in Path("data/chosen", folder).glob("*.json")}

    assert found("") == found("blocks") == params.run.keys() | params.loops.keys()
    assert found("arms") == params.run.keys()
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("suite: microrepo\n", "suite: microrep\n", 1))
    with pytest.raises(SystemExit, match=r"choose: params.yaml: .*suite.*microrep"):
        main([])
