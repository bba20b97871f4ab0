"""An exported adapter is what it was: peft loads it, and it computes what ours does."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from stages.adapters.certificate import certify
from stages.adapters.folder import load_adapter, save_adapter
from stages.adapters.lora import (
    LoraSettings,
    State,
    adapter_state,
    attached,
    base_sha256,
    delta_weights,
)
from stages.export.__main__ import main
from stages.export.adapter import export_adapter
from stages.export.folder import ExportError
from stages.export.measured import read_measured
from stages.records import write_json
from tests.agent.tiny import tiny_qwen2

LORA = LoraSettings(rank=3, alpha=6.0)
FACTS = {"arm": "skill", "seed": 1, "world": "w", "split": "A", "source_sha256": "c" * 64}
PROBES = [[1, 7, 9, 30], [2, 40, 41]]


@pytest.fixture(scope="module")
def trained() -> State:
    generator = torch.Generator().manual_seed(0)
    with attached(tiny_qwen2(), LORA) as wrapped:
        state = adapter_state(wrapped)
    return {k: torch.randn(v.shape, generator=generator) * 0.05 for k, v in state.items()}


@pytest.fixture
def source(trained: State, tmp_path: Path) -> Path:
    folder, model = tmp_path / "models/skill-s1", tiny_qwen2()
    sha256 = base_sha256(model)
    save_adapter(folder, trained, LORA, "models/base", sha256, FACTS)
    write_json(folder / "facts.json", FACTS)
    certificate = certify(model, trained, LORA, PROBES, sha256)
    write_json(folder / "certificate.json", dataclasses.asdict(certificate))
    return folder


def metrics_at(folder: Path, **details: Any) -> Path:
    row = {"resolve_rate": 0.5, "lo": 0.4, "hi": 0.6, "n": 100, "episodes": 300, "steps": 5.0}
    write_json(folder / "p9.json", {"base": row, "skill": {**row, "resolve_rate": 0.75}})
    transfer = {"forward_transfer": {"value": 0.25, "lo": 0.1, "hi": 0.4}}
    known = {
        "registration": {"status": "REGISTERED", "hash": "abc" * 20},
        "experiment": {"seeds": [0, 1, 2], "worlds": ["w"]},
        "comparisons": {"skill": transfer},
        "synthesis": {"w/A": {"source_sha256": FACTS["source_sha256"]}},
    }
    write_json(folder / "details/p9.json", known | details)
    verdict = {"estimate": 0.25, "lo": 0.1, "hi": 0.4, "comparator": ">", "threshold": 0.0}
    write_json(folder / "verdicts/p9.json", {"transfer": verdict | {"verdict": "supported"}})
    return folder / "p9.json"


@torch.no_grad()
def logits(model: Any) -> torch.Tensor:
    return torch.stack([model(torch.tensor([probe])).logits[0, -1] for probe in PROBES])


def test_peft_computes_what_our_merged_adapter_does(
    source: Path, trained: State, tmp_path: Path
) -> None:
    from peft import PeftModel

    export_adapter(source, tmp_path / "out", "me/base")
    base = tiny_qwen2()
    merged = copy.deepcopy(base)
    with torch.no_grad():
        for name, delta in delta_weights(trained, LORA).items():
            layer: Any = merged.get_submodule(name)
            layer.weight.add_(delta)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        loaded = PeftModel.from_pretrained(copy.deepcopy(base), str(tmp_path / "out")).eval()
    torch.testing.assert_close(logits(loaded), logits(merged), rtol=1e-4, atol=1e-4)
    assert float((logits(loaded) - logits(base)).abs().max()) > 0.1
    assert loaded.peft_config["default"].base_model_name_or_path == "me/base"


def test_the_copy_is_still_an_adapter_of_ours(source: Path, tmp_path: Path) -> None:
    export_adapter(source, tmp_path / "out")
    state, lora = load_adapter(tmp_path / "out", base_sha256(tiny_qwen2()))
    kept, _ = load_adapter(source, base_sha256(tiny_qwen2()))
    assert all(torch.equal(state[key], kept[key]) for key in kept) and lora.rank == 3


def test_the_card_is_filled(source: Path, tmp_path: Path) -> None:
    measured = read_measured(metrics_at(tmp_path / "metrics"))
    export_adapter(source, tmp_path / "out", "me/base", measured)
    card = (tmp_path / "out/README.md").read_text()
    for text in (
        "base_model: me/base",
        base_sha256(tiny_qwen2()),
        "probe prompts",
        "0.750 [0.400, 0.600]",
        "+0.250 [+0.100, +0.400]",
        "supported",
        "REGISTERED abcabcabcabc",
        "3 seeds and 1 repositories",
        "world w, split A, seed 1",
    ):
        assert text in card
    assert "\nlicense:" not in card and str(tmp_path) not in card


def test_what_was_not_measured_is_said(source: Path, tmp_path: Path) -> None:
    (source / "certificate.json").unlink()
    export_adapter(source, tmp_path / "out")
    card = (tmp_path / "out/README.md").read_text()
    assert "No measurement was given" in card and "None was recorded" in card


def test_numbers_of_another_run_or_condition_are_refused(source: Path, tmp_path: Path) -> None:
    other = read_measured(metrics_at(tmp_path / "m", synthesis={"w/A": {"source_sha256": "d"}}))
    with pytest.raises(ExportError, match="trained on other sessions"):
        export_adapter(source, tmp_path / "out", None, other)
    write_json(source / "facts.json", {**FACTS, "arm": "format_B"})
    with pytest.raises(ExportError, match="no condition 'format_B'"):
        export_adapter(source, tmp_path / "out", None, read_measured(metrics_at(tmp_path / "n")))
    assert not (tmp_path / "out").exists()


def test_a_changed_or_missing_adapter_is_refused(
    source: Path, trained: State, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ExportError, match="no adapter there"):
        export_adapter(tmp_path, tmp_path / "out")
    changed = {key: value + 1 for key, value in trained.items()}
    safetensors.torch.save_file(changed, source / "adapter_model.safetensors")
    with pytest.raises(SystemExit):
        main(["adapter", str(source), "-o", str(tmp_path / "out")])
    assert "the file was changed or cut" in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "out").exists()
