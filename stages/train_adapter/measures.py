"""What a strategy may ask about examples, asked of the model, with every token counted."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from stages.adapters.lora import adapter_sha256, attached
from stages.adapters.merge import Adapter
from stages.agent.rendered import render_example
from stages.checkpoints.quantised import prepare_quantised, prepared_for_training
from stages.lab.forcing import embed, force
from stages.lab.streams import opening
from stages.records import Example
from stages.strategies.fisher import per_sample_gradients
from stages.strategies.protocol import Space, StrategyError
from stages.training.batches import Row, collate, encode
from stages.training.engine import PeftEngine
from stages.training.settings import TrainSettings
from stages.training.sft import reproducible
from stages.training.train import engine_for, named_parameters


@dataclasses.dataclass
class Meter:
    """What measuring has cost since the consolidation began."""

    fisher_tokens: int = 0
    """tokens that passed forward and backward for per-sample gradients"""
    scored_tokens: int = 0
    """tokens that passed forward only: losses, embeddings, validation"""
    fisher_seconds: float = 0.0
    """wall-clock of the gradients; never part of an output"""


class ModelMeasures:
    """Measures over the base model; of one consolidation, since what was asked is remembered."""

    def __init__(self, base: tuple[Any, Any], settings: TrainSettings) -> None:
        self.model, self.tokenizer = base
        self.settings, self.meter = settings, Meter()
        self._lengths: dict[str, int] = {}
        self._losses: dict[tuple[str, str], float] = {}
        self._embeddings: dict[str, Tensor] = {}

    def tokens(self, examples: Sequence[Example]) -> list[int]:
        """Length of each example in tokens, prompt and targets."""
        for example in examples:
            if example.example_id not in self._lengths:
                ids, _ = render_example(
                    self.tokenizer, example.prompt, example.completion, example.train_on
                )
                self._lengths[example.example_id] = len(ids)
        return [self._lengths[example.example_id] for example in examples]

    def losses(self, adapter: Adapter | None, examples: Sequence[Example]) -> list[float]:
        """Each example's loss in nats per target token, under an adapter or the base."""
        under = "" if adapter is None else adapter_sha256(adapter[0])
        asked = [e for e in _different(examples) if (under, e.example_id) not in self._losses]
        if asked:
            for example, loss in zip(asked, self._forced(adapter, asked), strict=True):
                self._losses[under, example.example_id] = loss
        return [self._losses[under, example.example_id] for example in examples]

    def embeddings(self, examples: Sequence[Example]) -> Tensor:
        """Embeddings (n, d) of the queries that the examples' sessions began with (forcing.py)."""
        import torch

        asked = [e for e in _different(examples) if e.example_id not in self._embeddings]
        if asked:
            with reproducible(self.settings.threads, self.settings.seed):
                found, tokens = embed(self.model, self.tokenizer, [opening(e) for e in asked])
            self.meter.scored_tokens += tokens
            self._embeddings |= {e.example_id: row for e, row in zip(asked, found, strict=True)}
        return torch.stack([self._embeddings[example.example_id] for example in examples])

    def confidences(self, examples: Sequence[Example]) -> list[float]:
        """Minus each example's loss under the base.

        Departure from the registration's "higher-confidence synthesized pairs": the synthesis by
        rules is exact and states no confidence, so how likely the base itself finds the pair
        stands in for it.
        """
        return [-loss for loss in self.losses(None, examples)]

    def gradients(
        self, adapter: Adapter, examples: Sequence[Example], of: Space
    ) -> Iterator[dict[str, Tensor]]:
        """One gradient per example of its -log p(targets), summed over its tokens, in eval mode."""
        state, lora = adapter
        began = time.perf_counter()
        rows = encode(self.tokenizer, examples, self.settings.max_length)
        prepare_quantised(self.model)
        with (
            reproducible(self.settings.threads, self.settings.seed),
            prepared_for_training(self.model),
            attached(self.model, lora, state) as wrapped,
        ):
            engine = engine_for(wrapped, self.settings)
            wrapped.eval()
            if of == "factors":
                parameters = named_parameters(wrapped)
            else:
                engine, parameters = PeftEngine(wrapped), _layer_weights(wrapped)
            engine.refresh()
            losses = [_summed(engine, row) for row in rows]
            yield from per_sample_gradients(parameters, losses)
        self.meter.fisher_tokens += sum(len(row.ids) for row in rows)
        self.meter.fisher_seconds += time.perf_counter() - began

    def _forced(self, adapter: Adapter | None, examples: Sequence[Example]) -> list[float]:
        with reproducible(self.settings.threads, self.settings.seed):
            found = force(self.model, self.tokenizer, examples, adapter)
        self.meter.scored_tokens += sum(forced.tokens for forced in found)
        return [forced.loss for forced in found]


def _different(examples: Sequence[Example]) -> list[Example]:
    return list({example.example_id: example for example in examples}.values())


def _layer_weights(wrapped: Any) -> dict[str, Tensor]:
    """Module -> the adapted layer's own weight (out, in): its gradient is that of ΔW."""
    weights = {
        name.removeprefix("base_model.model."): module.base_layer.weight
        for name, module in wrapped.named_modules()
        if hasattr(module, "lora_A")
    }
    for name, weight in weights.items():
        if not weight.is_floating_point():
            raise StrategyError(
                f"{name} is quantised, so there is no gradient with respect to its weight. Use "
                "space: factors, or the base in bf16 or fp32."
            )
        weight.requires_grad_(True)
    return weights


def _summed(engine: Any, row: Row) -> Any:
    batch = collate([row])

    def loss() -> Tensor:
        logits = engine.target_logits(batch)
        return F.cross_entropy(logits, batch.targets.to(logits.device), reduction="sum")

    return loss
