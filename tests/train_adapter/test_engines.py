from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from stages.adapters.lora import LoraSettings, attached
from stages.training.batches import collate, encode
from stages.training.engine import PeftEngine
from stages.training.fast_qwen2 import FastQwen2, supports
from tests.train_adapter.conftest import make_examples, make_model

SHAPES = [
    {},
    {"num_key_value_heads": 1},
    {"tie_word_embeddings": False},
    {"head_dim": 8},
    {"num_hidden_layers": 1},
]


def gradients(engine, wrapped, batch):
    wrapped.zero_grad()
    engine.refresh()
    loss = F.cross_entropy(engine.target_logits(batch), batch.targets)
    loss.backward()
    return loss.item(), {
        n: p.grad.clone() for n, p in wrapped.named_parameters() if p.grad is not None
    }


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("targets", ["all-linear", ("q_proj", "up_proj"), ("down_proj",)])
def test_fast_gradients_equal_peft_s(tokenizer, shape, targets):
    model = make_model(**shape)
    batch = collate(encode(tokenizer, make_examples(6), 256))
    with attached(model, LoraSettings(rank=3, target_modules=targets, seed=3)) as wrapped:
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        assert supports(wrapped)
        loss, expected = gradients(PeftEngine(wrapped), wrapped, batch)
        fast_loss, found = gradients(FastQwen2(wrapped), wrapped, batch)
        assert fast_loss == pytest.approx(loss, abs=1e-5)
        assert found.keys() == expected.keys()
        assert all("lora_" in name for name in found)
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-5)


def test_adapter_off_is_the_base_and_ends(tokenizer, model, lora):
    batch = collate(encode(tokenizer, make_examples(4), 256))
    with attached(model, lora) as wrapped:
        engines = (PeftEngine(wrapped), FastQwen2(wrapped))
        base = [engine.target_logits(batch).detach() for engine in engines]
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        for engine, expected in zip(engines, base, strict=True):
            engine.refresh()
            with engine.adapter_off():
                off = engine.target_logits(batch)
            assert not off.requires_grad
            torch.testing.assert_close(off, expected)
            assert (engine.target_logits(batch) - expected).abs().max() > 1e-3


def test_what_the_fast_engine_does_not_compute_goes_the_general_way():
    def supported(lora=None, dtype=torch.float32, **shape):
        model = make_model(**shape)
        for parameter in model.parameters():
            parameter.data = parameter.data.to(dtype)
        with attached(model, lora or LoraSettings(rank=2)) as wrapped:
            return supports(wrapped)

    assert supported()
    assert not supported(LoraSettings(rank=2, dropout=0.1))
    assert not supported(dtype=torch.bfloat16)
    assert not supported(hidden_act="gelu")
    assert not supported(
        LoraSettings(rank=2, target_modules=("lm_head",)), tie_word_embeddings=False
    )
    assert not supported(use_sliding_window=True, sliding_window=4, max_window_layers=0)
