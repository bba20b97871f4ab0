"""An adapter merged against unmerged, as check 6 reads it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from stages.adapters.certificate import NotLive
from stages.adapters.lora import adapter_sha256
from stages.evaluate import parity
from stages.evaluate.parity import PROMPTS, measure_parity, openings
from stages.records import read_json
from stages.stats.checks.decoding import parity_of_first
from tests.evaluate.test_streams import (
    ARMS,
    consolidated,
    model,
    random_adapter,
    small_base,
    stream_lab,
    write_inputs,
)

__all__ = ["model"]
FOUND = Path("data/evaluations/p1/parity.json")


@pytest.fixture
def lab(model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    lab = stream_lab(ARMS)
    write_inputs(lab, Path())
    consolidated(lab)
    monkeypatch.setattr(parity, "load_base", lambda params: small_base())
    return lab


def test_a_stream_s_last_adapter_is_compared_on_its_tasks_openings(lab) -> None:
    measure_parity(lab)
    found = read_json(FOUND)
    assert found["adapter_sha256"] == adapter_sha256(random_adapter(3)[0])
    assert found["n_probes"] == len(openings(lab)) <= PROMPTS
    assert 0 <= found["max_logit_difference"] < 1e-3 and found["argmax_agreement"] == 1


def test_another_adapter_is_compared_anew_and_the_same_is_not(lab, monkeypatch) -> None:
    measure_parity(lab)
    first = read_json(FOUND)
    monkeypatch.setattr(parity, "merge_parity", None)
    measure_parity(lab)
    assert read_json(FOUND) == first
    monkeypatch.setattr(parity, "merge_parity", lambda *_: disagree())
    monkeypatch.setattr(parity, "first_adapter", lambda lab: random_adapter(7))
    measure_parity(lab)
    assert read_json(FOUND)["not_live"] == "merged and unmerged adapter disagree"


def disagree() -> None:
    raise NotLive("merged and unmerged adapter disagree")


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"device": "cuda:0"}, "runs on a CPU"), ({"quantisation": "8bit"}, "runs on a CPU")],
)
def test_what_is_not_compared_says_why(lab, changes: dict, told: str, monkeypatch) -> None:
    monkeypatch.setattr(type(lab), "base_sha256", lambda lab: "base")
    measure_parity(dataclasses.replace(lab, model=dataclasses.replace(lab.model, **changes)))
    assert told in read_json(FOUND)["not_tried"]


def test_without_an_adapter_there_is_nothing_to_compare(lab, monkeypatch) -> None:
    monkeypatch.setattr(parity, "first_adapter", lambda lab: None)
    measure_parity(lab)
    assert read_json(FOUND) == {"not_tried": "the experiment has no adapter"}
    record = SimpleNamespace(lab=lab)
    found = parity_of_first(record)  # type: ignore[arg-type]
    assert found == "not tried: the experiment has no adapter"
