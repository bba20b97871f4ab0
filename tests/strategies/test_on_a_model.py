"""The strategies' numbers on a transformers model, as the stage gets them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from stages.adapters.certificate import next_token_logits
from stages.adapters.lora import LoraSettings, adapter_sha256, attached, base_sha256
from stages.adapters.merge import Adapter
from stages.agent.chat import render_example
from stages.strategies.ewc import penalty_of
from stages.strategies.factors import concatenated
from stages.strategies.fisher import diagonal_fisher, per_sample_gradients
from stages.strategies.frozen import added_to
from stages.strategies.protocol import StrategyError
from stages.strategies.spectra import truncate
from stages.training.batches import collate, encode
from stages.training.engine import Engine, PeftEngine
from stages.training.fast_qwen2 import FastQwen2
from stages.training.settings import TrainSettings
from stages.training.train import named_parameters, train
from tests.train_adapter.conftest import make_examples, make_model, make_tokenizer

LORA = LoraSettings(rank=4, alpha=8.0, seed=1)
SETTINGS = TrainSettings(
    epochs=2, batch_size=8, micro_tokens=128, min_examples=8, seed=2, learning_rate=5e-3
)
PROBES = [[6, 7, 8], [9, 10]]


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="module")
def model():
    return make_model()


@pytest.fixture(scope="module")
def adapter(model, tokenizer) -> Adapter:
    done = train(model, tokenizer, make_examples(16), SETTINGS, LORA, progress=False)
    return done.state, done.lora


def sample_losses(engine: Engine, tokenizer, examples) -> list[Callable[[], Tensor]]:
    """-log p(targets) of one example at a time, through a training engine."""

    def loss(row) -> Callable[[], Tensor]:
        batch = collate([row])
        return lambda: F.cross_entropy(engine.target_logits(batch), batch.targets, reduction="sum")

    return [loss(row) for row in encode(tokenizer, examples, 1024)]


@pytest.mark.parametrize("kind", [PeftEngine, FastQwen2])
def test_fisher_through_an_engine_is_that_of_a_plain_backward_pass(
    model, tokenizer, adapter, kind
) -> None:
    examples = make_examples(6)
    with attached(model, adapter[1], adapter[0]) as wrapped:
        wrapped.eval()
        parameters = named_parameters(wrapped)
        engine = kind(wrapped)
        engine.refresh()
        losses = sample_losses(engine, tokenizer, examples)
        found = diagonal_fisher(per_sample_gradients(parameters, losses), len(examples))
        wanted = {name: torch.zeros_like(p, dtype=torch.float64) for name, p in parameters.items()}
        for example in examples:
            ids, mask = render_example(
                tokenizer, example.prompt, example.completion, example.train_on
            )
            wrapped.zero_grad()
            labels = torch.tensor([[i if m else -100 for i, m in zip(ids, mask, strict=True)]])
            out = wrapped(input_ids=torch.tensor([ids]), labels=labels)
            (out.loss * sum(mask[1:])).backward()  # transformers gives the mean over targets
            for name, parameter in parameters.items():
                assert parameter.grad is not None
                wanted[name] += parameter.grad.double().square() / len(examples)
    for name, diagonal in found.diagonal.items():
        error = (diagonal.double() - wanted[name]).norm() / wanted[name].norm()
        assert float(error) <= 1e-5


def test_gradients_of_delta_are_those_of_the_layers_weights(model, tokenizer, adapter) -> None:
    [example] = make_examples(1)
    with attached(model, adapter[1], adapter[0]) as wrapped:
        wrapped.eval()
        layers = {
            name.removeprefix("base_model.model."): module.base_layer.weight
            for name, module in wrapped.named_modules()
            if hasattr(module, "lora_A")
        }
        for weight in layers.values():
            weight.requires_grad_(True)
        losses = sample_losses(PeftEngine(wrapped), tokenizer, [example])
        [delta] = per_sample_gradients(layers, losses)
        [factor] = per_sample_gradients(named_parameters(wrapped), losses)
    for name, gradient in delta.items():  # dL/dA = scale·Bᵀ·dL/dΔW
        key = f"base_model.model.{name}.lora_"
        through = LORA.scale * adapter[0][f"{key}B.weight"].T @ gradient
        torch.testing.assert_close(factor[f"{key}A.weight"], through, rtol=1e-3, atol=1e-6)


def test_training_under_a_penalty_stays_nearer_and_without_strength_is_naive(
    model, tokenizer, adapter
) -> None:
    def distance(strength: float) -> tuple[float, str]:
        fisher = {name: torch.ones_like(tensor) for name, tensor in adapter[0].items()}
        penalty = penalty_of(adapter, fisher, strength, "factors") if strength else None
        done = train(
            model,
            tokenizer,
            make_examples(24)[8:],
            SETTINGS,
            LORA,
            start=adapter[0],
            penalty=penalty,
            progress=False,
        )
        moved = sum(float((done.state[k] - v).norm()) for k, v in adapter[0].items())
        return moved, adapter_sha256(done.state)

    naive, free, held = distance(0.0), distance(1e-30), distance(1e3)
    assert naive == free  # a penalty too weak to change a float changes nothing else either
    assert held[0] < 0.7 * naive[0]


def test_an_adapter_can_lie_under_another(model, tokenizer, adapter) -> None:
    settings = dataclasses.replace(SETTINGS, seed=5)
    before = base_sha256(model)
    with added_to(model, adapter):
        assert base_sha256(model) != before
        upper = train(model, tokenizer, make_examples(16), settings, LORA, progress=False)
        with attached(model, upper.lora, upper.state) as wrapped:
            wanted = next_token_logits(wrapped, PROBES)
    assert base_sha256(model) == before
    both = concatenated([adapter, (upper.state, upper.lora)], [1.0, 1.0])
    with attached(model, both[1], both[0]) as wrapped:
        torch.testing.assert_close(next_token_logits(wrapped, PROBES), wanted, atol=1e-4, rtol=1e-4)
    with added_to(model, None):
        assert base_sha256(model) == before


def test_a_quantised_base_is_refused(model, adapter) -> None:
    weight = model.model.layers[0].mlp.up_proj.weight
    kept = weight.data
    weight.requires_grad_(False)
    weight.data = torch.zeros_like(kept, dtype=torch.uint8)
    try:
        with pytest.raises(StrategyError, match="quantised"), added_to(model, adapter):
            pass
    finally:
        weight.data = kept


def test_a_cut_adapter_is_an_adapter(model, adapter) -> None:
    full, half = truncate(adapter, 4)[0], truncate(adapter, 2)[0]
    shown = []
    for state, lora in (adapter, full, half):
        with attached(model, lora, state) as wrapped:
            shown.append(next_token_logits(wrapped, PROBES))
    torch.testing.assert_close(shown[1], shown[0], atol=1e-4, rtol=1e-4)
    assert float((shown[2] - shown[0]).abs().max()) > 1e-3
