"""A whole pretraining with two workers on a few thousand tokens."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from stages.lab.models import load_tokenizer
from stages.params import load_params
from stages.pretrain_base import __main__ as main
from stages.pretrain_base import diet as whole_diet
from stages.pretrain_base import train
from stages.pretrain_base.card import write_card
from stages.pretrain_base.diet import corpus_digest
from stages.pretrain_base.model import new_model, optimizers
from stages.pretrain_base.train import _set_rates, pretrain
from stages.records import read_json, sha256_file, sha256_text, write_json
from tests.small_lab import ROOT, small_lab


def test_two_workers_train_and_repeat_byte_for_byte(params, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "TOKENIZER_DOCUMENTS", 500)
    monkeypatch.setattr(whole_diet, "DIGEST_DOCUMENTS", 50)
    made = []
    for name in ("first", "second"):
        folder = tmp_path / name
        pretrain(params, folder)
        write_card(params, folder)
        made.append({path.name: sha256_file(path) for path in sorted(folder.iterdir())})
    assert made[0] == made[1]
    assert made[0].keys() >= {
        "README.md",
        "config.json",
        "diet.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_check.json",
        "training.json",
    }
    log = read_json(tmp_path / "first" / "training.json")
    assert log[-1]["tokens"] >= params.tokens
    assert log[-1]["loss"] < log[0]["loss"]
    assert {"easy_tokens", "medium_noted_sessions", "hard_noted_tokens"} <= log[-1].keys()
    diet = read_json(tmp_path / "first" / "diet.json")
    assert diet["corpus_sha256"] == corpus_digest(params)
    assert diet["params"]["tokens"] == params.tokens
    text = (tmp_path / "first" / "README.md").read_text()
    assert made[0]["model.safetensors"] in text and str(tmp_path) not in text
    model = small_lab().model
    tokenizer = load_tokenizer(type(model)(**{**vars(model), "path": str(tmp_path / "first")}))
    assert tokenizer.pad_token_id == 0


def test_the_same_seed_gives_the_same_weights():
    one, two, other = (new_model(50, 16, 1, 2, 24, seed) for seed in (1, 1, 2))
    same = [torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True)]
    assert all(same)
    assert not torch.equal(next(one.parameters()), next(other.parameters()))
    assert one.lm_head.weight is one.model.embed_tokens.weight


def test_every_parameter_has_one_optimizer():
    model = new_model(50, 16, 2, 2, 24, 1)
    groups = [group for step in optimizers(model, 0.01) for group in step.param_groups]
    owned = [parameter for group in groups for parameter in group["params"]]
    assert {id(p) for p in owned} == {id(p) for p in model.parameters()}
    assert len(owned) == len(list(model.parameters()))
    assert id(model.model.embed_tokens.weight) in {id(p) for p in groups[1]["params"]}


def test_rates_warm_up_stay_and_decay():
    model = new_model(50, 16, 1, 2, 24, 1)
    steps = optimizers(model, 0.01)
    rates = [group["lr"] for step in steps for group in step.param_groups]
    seen = []
    for done in (0.0, 0.005, 0.2, 0.4, 0.7, 1.0, 1.2):
        _set_rates(steps, rates, done)
        seen.append(steps[0].param_groups[0]["lr"] / 0.01)
    assert seen[:4] == [0.01, 0.51, 1.0, 1.0]
    assert math.isclose(seen[4], 0.51) and math.isclose(seen[5], 0.02) and seen[6] == seen[5]


def test_a_finished_model_is_recognised_until_anything_changed(tmp_path):
    weights, record = tmp_path / main.WEIGHTS, tmp_path / main.MADE_FROM
    weights.write_bytes(b"weights")
    params = load_params(ROOT / "params.yaml").organism
    key = main.made_from(params)
    assert not main.is_made(key, tmp_path)
    write_json(record, {"key": key, "weights_sha256": sha256_text("weights")})
    assert main.is_made(key, tmp_path)
    assert not main.is_made(main.made_from(dataclasses.replace(params, tokens=1)), tmp_path)
    weights.write_bytes(b"weightS")
    assert not main.is_made(key, tmp_path)


def test_the_committed_models_are_not_made_again(capsys, monkeypatch):
    """models/base keeps its record though further organisms are made by the same stage."""
    monkeypatch.chdir(ROOT)
    params = load_params()
    for arguments in ([], *([name] for name in params.organisms)):
        main.main(arguments)
        assert "was made from these values by this code" in capsys.readouterr().out


def test_an_unknown_organism_is_told_the_known_ones(monkeypatch):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit, match="there is no 'narow'"):
        main.main(["narow"])


def test_organisms_differ_from_the_embedded_one_and_from_each_other():
    params = load_params(ROOT / "params.yaml")
    keys = [main.made_from(p) for p in (params.organism, *params.organisms.values())]
    assert len(set(keys)) == len(keys) >= 2
