"""The registered loops with values set as ``--set-param`` sets them: another checkpoint, MATH."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.checkpoints.load import read_tokenizer
from stages.lab.loops import OpenLoop, open_loop
from stages.records import read_json
from stages.self_improve.work import work
from tests.small_lab import ROOT
from tests.suites.real_guards import real_params
from tests.train_adapter.conftest import make_model

SCHOLAR = ROOT / "models/organisms/scholar"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as transformers writes it: a wider Qwen2 with grouped heads, of random weights."""
    folder = tmp_path_factory.mktemp("checkpoint")
    tokenizer = read_tokenizer(SCHOLAR)
    shape = {"hidden_size": 96, "intermediate_size": 160, "max_position_embeddings": 1024}
    make_model(len(tokenizer), **shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def opened_with(folder: Path, name: str, **values: Any) -> OpenLoop:
    """Loop ``name`` of params.yaml with values below its block set, its files below ``folder``."""
    params = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    params["loops"][name] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    return open_loop(name, folder)


def test_l01_starts_on_a_folder_shaped_like_qwen2(checkpoint: Path, tmp_path: Path) -> None:
    values = {"kind": "pilot", "seeds": [0], "repeats": 1, "steps": 4, "checkpoint_every": 2}
    small = {"max_new_tokens": 4, "guard": None, "arms": {"main": {}}, "criteria": {}}
    opened = opened_with(tmp_path, "l01", model=str(checkpoint), **values, **small)
    assert opened.model.path == str(checkpoint)
    work(opened)
    run = opened.run("main", 0, 0)
    assert [place.facts().step for place in run.checkpoints()] == [0, 2, 4]
    assert run.end().reason == "done"
    provenance = read_json(run.checkpoints()[-1].adapter / "provenance.json")
    assert provenance["base_sha256"] and provenance["adapter_sha256"]


def test_l03_grades_rows_of_math(tmp_path: Path) -> None:
    """Of a model that has never met such a problem no answer is right, and nothing is trained."""
    path = real_params("maths", "level2").path
    part = {"name": "math", "settings": {"path": path}}
    values = {"kind": "pilot", "seeds": [1], "steps": 1, "attempts": 1, "max_new_tokens": 4}
    arm = {"self_test": 7, "items": 3, "solutions": "new", "keep": 1}
    opened = opened_with(
        tmp_path,
        "l03",
        source=part,
        judge=copy.deepcopy(part),  # an alias in YAML would be refused
        guard=None,
        criteria={},
        arms={"own": arm},
        model=str(SCHOLAR),
        **values,
    )
    work(opened)
    run = opened.run("own", 1, 0)
    probe = run.checkpoints()[0].probe()
    assert len(probe) > 300 and {row.part for row in probe} == {"test"}
    assert not any(row.correct for row in probe)
    assert run.end().reason == "unchanged"


def test_l03_trains_in_8_bit_as_its_report_does(tmp_path: Path) -> None:
    """An int8 base, AdamW's moments in 8 bits; the worked answers are there to learn from."""
    pytest.importorskip("bitsandbytes", reason="bitsandbytes isn't installed (extra: real)")
    settings = {"sizes": {"train": 40, "test": 12}, "seed": 1, "confidence": True}
    arm = {"items": 24, "solutions": "new", "keep": 1, "teacher": "source"}
    opened = opened_with(
        tmp_path,
        "l03",
        source={"name": "reckoning", "settings": settings},
        guard=None,
        criteria={},
        arms={"eight": {**arm, "quantisation": "8bit", "optimizer": "adamw_8bit"}},
        kind="pilot",
        seeds=[1],
        steps=1,
    )
    work(opened)
    run = opened.run("eight", 1, 0)
    facts = run.checkpoints()[-1].facts()
    assert run.end().reason == "done" and facts.examples == 24
    first, last = facts.losses
    assert last < first
