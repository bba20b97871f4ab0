"""nf4 on the CPU: gradients after generating must be those of a fresh load."""

from __future__ import annotations

import pytest
import torch

from stages.adapters.lora import LoraSettings, attached
from stages.checkpoints.quantised import prepare_quantised
from tests.train_adapter.conftest import make_model


def quantised_model(bnb):
    model = make_model(hidden_size=64, intermediate_size=128)
    for module in list(model.model.layers.modules()):
        for name, linear in list(module.named_children()):
            if type(linear) is torch.nn.Linear:
                new = bnb.nn.Linear4bit(
                    linear.in_features,
                    linear.out_features,
                    bias=False,
                    compute_dtype=torch.float32,
                    quant_type="nf4",
                )
                new.weight = bnb.nn.Params4bit(linear.weight.detach().clone(), quant_type="nf4")
                setattr(module, name, new.to("cpu"))
    return model


def adapter_gradients(model, forward_first: bool):
    ids = torch.arange(24).view(2, 12)
    with attached(model, LoraSettings(rank=4, seed=1)) as wrapped:
        generator = torch.Generator().manual_seed(2)
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1, generator=generator)
        if forward_first:
            wrapped.eval()
            with torch.no_grad():
                wrapped(input_ids=ids)
            wrapped.train()
        wrapped(input_ids=ids, labels=ids).loss.backward()
        return {n: p.grad for n, p in wrapped.named_parameters() if p.grad is not None}


def test_prepared_layers_keep_their_gradients_after_a_forward_pass():
    bnb = pytest.importorskip("bitsandbytes", reason="bitsandbytes isn't installed (extra: real)")
    fresh = adapter_gradients(quantised_model(bnb), forward_first=False)
    model = quantised_model(bnb)
    assert prepare_quantised(model) == 14
    found = adapter_gradients(model, forward_first=True)
    assert found.keys() == fresh.keys()
    assert all(torch.equal(found[name], fresh[name]) for name in fresh)
