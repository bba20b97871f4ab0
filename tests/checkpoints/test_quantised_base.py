"""A checkpoint folder unquantised, in 8 and in 4 bits: train, save, load again, swap, answer.

On the CPU, where bitsandbytes has its own kernels. 4-bit gradients are compared with a plain
model whose weights are the 4-bit ones written out; LLM.int8 also rounds activations, so 8-bit
ones are compared with float32 within 5 %.
"""

from __future__ import annotations

import math

import pytest
import torch

from stages.adapters.certificate import next_token_logits
from stages.adapters.folder import load_adapter, save_adapter
from stages.adapters.lora import LoraSettings, attached, base_sha256, peft_config
from stages.agent.local import LocalConfig, LocalModel
from stages.agent.model import Request
from stages.checkpoints.quantised import is_quantised, prepare_quantised
from stages.lab.models import load_base, local_model
from stages.training.settings import TrainingError, TrainSettings
from stages.training.sft import make_optimizer
from stages.training.train import train
from tests.train_adapter.conftest import make_examples

LOSS_TOLERANCE = {"none": 1e-4, "8bit": 0.01, "4bit": 0.1}
"""Largest difference of a step's loss (about 3.5 nats) from float32's."""
SETTINGS = TrainSettings(epochs=3, batch_size=8, micro_tokens=128, min_examples=10, seed=2)
LORA = LoraSettings(rank=4, alpha=8.0, seed=1)
IDS = torch.arange(24).view(2, 12)

pytest.importorskip("bitsandbytes", reason="bitsandbytes isn't installed (extra: real)")


@pytest.fixture(params=["none", "8bit", "4bit"])
def quantisation(request):
    return request.param


def trained(model, tokenizer, lora=LORA, **changes):
    settings = TrainSettings(**{**vars(SETTINGS), **changes})
    return train(model, tokenizer, make_examples(24), settings, lora, progress=False)


def answers(model, adapter):
    messages = [{"role": "user", "content": "fix name1 in part1.py"}]
    request = Request(tuple(messages), max_new_tokens=8, temperature=0.0, adapter=adapter, seed=0)
    return [model.complete([request])[0].text]


@pytest.fixture(scope="module")
def float32_losses(checkpoint):
    from tests.checkpoints.conftest import entry

    return trained(*load_base(entry(path=str(checkpoint)))).losses


def test_train_save_reload_swap_answer(model_of, quantisation, float32_losses, tmp_path):
    entry = model_of(quantisation=quantisation)
    model, tokenizer = load_base(entry)
    before = base_sha256(model)
    first = trained(model, tokenizer)
    difference = max(abs(a - b) for a, b in zip(first.losses, float32_losses, strict=True))
    assert difference < LOSS_TOLERANCE[quantisation]
    assert is_quantised(model) == (quantisation != "none")
    assert base_sha256(model) == before == first.certificate.base_sha256
    second = trained(model, tokenizer, LoraSettings(rank=2, alpha=4.0, seed=3), epochs=6)
    probes = [[1, 2, 3], [4, 5]]
    shifted = {}
    for name, result in {"first": first, "second": second}.items():
        save_adapter(tmp_path / name, result.state, result.lora, str(entry.path), before)
        with attached(model, result.lora, result.state) as wrapped:
            shifted[name] = next_token_logits(wrapped, probes)

    again = local_model(entry)
    assert base_sha256(again.transformers_model) == before  # loading and quantising repeat
    unadapted = answers(again, None)
    for name in ("first", "second", "first"):  # the one slot, swapped
        state, lora = load_adapter(tmp_path / name, before)
        again.load_adapter("skill", peft_config(lora, state), state)
        again.use("skill")
        found = next_token_logits(again.transformers_model, probes)
        torch.testing.assert_close(found, shifted[name], atol=1e-4, rtol=1e-4)
        assert answers(again, "skill") == answers(again, "skill")
    assert answers(again, None) == unadapted


def gradients(model, forward_first=False):
    """Gradients of an adapter with a B that isn't zero, after generating where asked."""
    with attached(model, LORA) as wrapped:
        generator = torch.Generator().manual_seed(2)
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1, generator=generator)
        if forward_first:
            wrapped.eval()
            with torch.no_grad():
                wrapped(input_ids=IDS)
        wrapped.train()
        wrapped(input_ids=IDS, labels=IDS).loss.backward()
        return {n: p.grad for n, p in wrapped.named_parameters() if p.grad is not None}


def distance(found, expected):
    """Relative distance of two sets of gradients as one vector."""
    assert found.keys() == expected.keys()
    apart = sum(float((found[n] - expected[n]).square().sum()) for n in expected)
    return math.sqrt(apart / sum(float(g.square().sum()) for g in expected.values()))


def written_out(model, entry):
    """A plain model whose weights are the 4-bit ones."""
    from bitsandbytes.functional import dequantize_4bit  # pyright: ignore[reportMissingImports]

    plain, _ = load_base(entry)
    for name, module in model.named_modules():
        if type(module).__name__ == "Linear4bit":
            weight = dequantize_4bit(module.weight.data, module.weight.quant_state)
            plain.get_submodule(name).weight.data = weight.to(torch.float32)
    return plain


def test_gradients_of_4bit_are_those_of_its_weights_written_out(model_of):
    model, _ = load_base(model_of(quantisation="4bit"))
    found = gradients(model, forward_first=True)
    expected = gradients(written_out(model, model_of()))
    assert distance(found, expected) < 1e-5
    assert distance(gradients(load_base(model_of())[0]), expected) > 1e-3  # and not float32's


def test_gradients_of_8bit_are_near_float32s_after_a_pass_without_gradients(model_of):
    model, _ = load_base(model_of(quantisation="8bit"))
    fresh = gradients(load_base(model_of(quantisation="8bit"))[0])
    found = gradients(model, forward_first=True)
    assert distance(found, fresh) == 0.0
    assert distance(found, gradients(load_base(model_of())[0])) < 0.05


def test_the_trap_of_nf4_is_closed_on_loading(model_of):
    model, tokenizer = load_base(model_of(quantisation="4bit"))
    fresh = gradients(model)
    answers(LocalModel(model, tokenizer, LocalConfig(max_context_tokens=256)), None)
    assert distance(gradients(model), fresh) == 0.0
    assert prepare_quantised(model) == 14


@pytest.mark.parametrize("quantisation", ["8bit", "4bit"])
def test_checkpointing_and_8_bit_adamw_change_little(model_of, quantisation):
    model, tokenizer = load_base(model_of(quantisation=quantisation))
    plain = trained(model, tokenizer)
    lean = trained(model, tokenizer, gradient_checkpointing=True, optimizer="adamw_8bit")
    assert list(lean.losses) == pytest.approx(list(plain.losses), abs=0.02)
    assert not model.is_activation_checkpointing


def test_norms_are_float32_while_training_in_bfloat16_and_bfloat16_again_after(model_of):
    model, tokenizer = load_base(model_of(quantisation="4bit", dtype="bfloat16"))
    before, kinds = base_sha256(model), {n: p.dtype for n, p in model.named_parameters()}
    seen = set()
    model.model.norm.register_forward_hook(lambda m, _, out: seen.add((m.weight.dtype, out.dtype)))
    result = trained(model, tokenizer)
    assert (torch.float32, torch.float32) in seen
    assert {n: p.dtype for n, p in model.named_parameters()} == kinds
    assert kinds["model.norm.weight"] == torch.bfloat16
    assert base_sha256(model) == before == result.certificate.base_sha256


def test_8_bit_adamw_keeps_its_moments_in_8_bits():
    large = torch.nn.Parameter(torch.ones(64, 128))
    settings = TrainSettings(optimizer="adamw_8bit", learning_rate=0.1)
    optimizer = make_optimizer([large], settings)
    large.grad = torch.ones_like(large)
    optimizer.step()
    assert optimizer.state[large]["state1"].dtype == torch.uint8
    assert large.detach().max().item() == pytest.approx(0.9, abs=0.01)
    with pytest.raises(TrainingError, match="optimizer is 'sgd'"):
        TrainSettings(optimizer="sgd")
