"""Sizes from config.json against what loading and training really take."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from stages.adapters.lora import LoraSettings, adapter_state, attached
from stages.checkpoints import memory
from stages.checkpoints.memory import (
    adapter_parameters,
    available_bytes,
    estimate,
    main_memory_bytes,
    require_memory,
)
from stages.checkpoints.shape import shape_of
from stages.lab.models import load_base
from stages.params import ParamsError, load_params
from tests.checkpoints.conftest import TUNING
from tests.small_lab import ROOT

QWEN_7B = {
    "model_type": "qwen2",
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 152064,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": False,
}
"""The published shape of Qwen2.5-Coder-7B-Instruct."""


@pytest.fixture(scope="module")
def qwen_7b(tmp_path_factory):
    folder = tmp_path_factory.mktemp("qwen")
    (folder / "config.json").write_text(json.dumps(QWEN_7B))
    return shape_of(folder)


def stored_bytes(model):
    """Bytes of the parameters and of what bitsandbytes keeps beside them."""
    total = sum(p.numel() * p.element_size() for p in model.parameters())
    for module in model.modules():
        state = getattr(getattr(module, "weight", None), "quant_state", None)
        if state is not None:
            total += state.absmax.numel() * state.absmax.element_size()
            total += state.state2.absmax.numel() * 4 if state.nested else 0
    return total


@pytest.mark.parametrize("quantisation", ["none", "8bit", "4bit"])
def test_weights_are_estimated_to_a_percent(model_of, checkpoint, quantisation):
    if quantisation != "none":
        pytest.importorskip("bitsandbytes", reason="bitsandbytes isn't installed (extra: real)")
    entry = model_of(quantisation=quantisation)
    model, _ = load_base(entry)
    found = estimate(entry, shape_of(checkpoint)).weights
    assert found == pytest.approx(stored_bytes(model), rel=0.01)


def test_an_adapter_is_counted_to_the_number(model_of, checkpoint):
    model, _ = load_base(model_of())
    for targets in ((), ("q_proj", "down_proj")):
        tuning = dataclasses.replace(TUNING, target_modules=targets)
        with attached(model, LoraSettings(rank=4, target_modules=targets or "all-linear")) as peft:
            state = adapter_state(peft)
        real = sum(tensor.numel() for tensor in state.values())
        assert adapter_parameters(shape_of(checkpoint), tuning) == real


def test_the_7b_shape_has_its_published_size(qwen_7b):
    assert qwen_7b.parameters / 1e9 == pytest.approx(7.61, abs=0.01)  # its card
    assert (qwen_7b.parameters - 2 * 152064 * 3584) / 1e9 == pytest.approx(6.53, abs=0.01)
    entry = load_params(ROOT / "params.yaml").models["qwen-coder-7b"]
    found = estimate(entry, qwen_7b)
    assert found.weights / 1e9 == pytest.approx(5.6, abs=0.1)
    assert (
        found.training
        < 24e9
        < estimate(
            dataclasses.replace(entry, quantisation="none", dtype="float32"), qwen_7b
        ).training
    )
    per_token = found.cache / entry.max_live / entry.context_tokens
    assert per_token == 2 * 28 * 4 * 128 * 2


def test_checkpointing_and_8_bit_moments_need_less(qwen_7b):
    entry = load_params(ROOT / "params.yaml").models["qwen-coder-7b"]
    assert entry.adapter is not None
    wasteful = dataclasses.replace(entry.adapter, gradient_checkpointing=False, optimizer="adamw")
    lean = estimate(entry, qwen_7b)
    full = estimate(dataclasses.replace(entry, adapter=wasteful), qwen_7b)
    assert full.activations > 5 * lean.activations
    assert full.optimizer == 2 * lean.optimizer


def test_too_little_memory_is_said_before_loading(model_of, checkpoint, monkeypatch):
    require_memory(model_of(), checkpoint)
    monkeypatch.setattr(memory, "SMALL_BYTES", 0)
    monkeypatch.setattr(memory, "main_memory_bytes", lambda: 1e5)
    with pytest.raises(ParamsError, match=r"weights \(0\.0 GB as float32.*don't fit cpu.*4bit"):
        require_memory(model_of(), checkpoint)
    monkeypatch.setattr(memory, "main_memory_bytes", lambda: 1e12)
    require_memory(model_of(), checkpoint)


def test_a_gpu_that_is_not_there_is_said():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(ParamsError, match="device is cuda:0, but torch finds no GPU"):
        available_bytes("cuda:0")
    assert 1e8 < main_memory_bytes() == pytest.approx(available_bytes("auto"), rel=0.2)
