"""What is written depends on what an experiment uses, and on nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from stages.choose.__main__ import work
from stages.lab.context import Lab
from stages.params import ModelParams, ProceduralParams
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
