"""What strategies ask of the model: losses, embeddings, gradients, each counted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stages.adapters.lora import LoraSettings
from stages.lab.forcing import embed
from stages.lab.streams import opening
from stages.train_adapter.measures import ModelMeasures
from stages.training.settings import TrainSettings
from tests.small_stream import RANK, stream_lab, write_inputs
from tests.train_adapter.test_lora import random_state


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_what_a_strategy_asks_is_answered_alike_and_counted_once(base):
    lab = stream_lab({})
    examples = write_inputs(lab, Path())[:4]
    measures = ModelMeasures(base, TrainSettings(epochs=1, min_examples=1))
    first = measures.losses(None, examples)
    spent = measures.meter.scored_tokens
    assert spent == sum(measures.tokens(examples))
    assert measures.losses(None, examples) == first
    assert measures.confidences(examples) == [-loss for loss in first]
    assert measures.meter.scored_tokens == spent
    model, tokenizer = base
    wanted, _ = embed(model, tokenizer, [opening(example) for example in examples])
    torch.testing.assert_close(measures.embeddings(examples), wanted, atol=0, rtol=0)


@pytest.mark.parametrize("space", ["factors", "delta"])
def test_gradients_are_one_per_example(base, space):
    examples = write_inputs(stream_lab({}), Path())[:3]
    lora = LoraSettings(rank=RANK, alpha=2.0 * RANK)
    adapter = random_state(base[0], lora), lora
    measures = ModelMeasures(base, TrainSettings(epochs=1, min_examples=1))
    found = list(measures.gradients(adapter, examples, space))
    alone = [next(iter(measures.gradients(adapter, [e], space))) for e in examples]
    for together, by_itself in zip(found, alone, strict=True):
        for name, gradient in together.items():
            torch.testing.assert_close(gradient, by_itself[name], atol=1e-6, rtol=1e-5)
    if space == "delta":  # dL/dA = scale·Bᵀ·dL/dΔW
        [factor] = measures.gradients(adapter, examples[:1], "factors")
        for name, gradient in found[0].items():
            key = f"base_model.model.{name}.lora_"
            through = adapter[1].scale * adapter[0][f"{key}B.weight"].T @ gradient
            torch.testing.assert_close(factor[f"{key}A.weight"], through, rtol=1e-3, atol=1e-5)
