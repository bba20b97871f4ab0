"""EWC for a loop: hold the adapter near where a step starts from, where other skills depend on it.

The Fisher information is that of answers which are to be kept (verified ones of the groups that
are not trained on), by per-sample gradients at the start of the step; the penalty is that of e04
(stages/strategies/ewc.py) on A and B. A fresh adapter's B is zero, so there A has no Fisher
information and is held by nothing, while B is held near zero: near the base.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from stages.adapters.lora import LoraSettings, State, adapter_state, attached
from stages.checkpoints.quantised import prepare_quantised, prepared_for_training
from stages.records import Example
from stages.strategies.ewc import penalty_of
from stages.strategies.fisher import Fisher, diagonal_fisher, per_sample_gradients
from stages.strategies.protocol import PenaltyOf
from stages.training.batches import Row, collate, encode
from stages.training.engine import Engine
from stages.training.settings import TrainSettings
from stages.training.sft import reproducible
from stages.training.train import engine_for, named_parameters


@dataclasses.dataclass(frozen=True, eq=False)
class Protection:
    """A penalty with the evidence that it was estimated rightly (check 8)."""

    penalty: PenaltyOf
    """what ``train`` takes as its penalty"""
    fact: dict[str, float | int]
    """the Fisher's samples, trace and norms, and the tokens it cost"""


def protection(
    base: tuple[Any, Any],
    examples: Sequence[Example],
    strength: float,
    settings: TrainSettings,
    lora: LoraSettings,
    start: Mapping[str, Tensor] | None = None,
) -> Protection:
    """The penalty λ·ΣF(θ - θ*)², θ* being ``start`` or the fresh adapter that training begins with.

    Raises StrategyError when there is no example or their gradients aren't per sample (check 8).
    """
    rows = encode(base[1], examples, settings.max_length)
    anchor, fisher = _fisher(base, rows, settings, lora, start)
    tokens = sum(len(row.ids) for row in rows)
    penalty = penalty_of((anchor, lora), fisher.diagonal, strength, "factors")
    return Protection(penalty, {**fisher.fact(), "tokens": tokens})


def _fisher(
    base: tuple[Any, Any],
    rows: Sequence[Row],
    settings: TrainSettings,
    lora: LoraSettings,
    start: Mapping[str, Tensor] | None,
) -> tuple[State, Fisher]:
    """The adapter's tensors as training begins, and the Fisher information there."""
    model = base[0]
    prepare_quantised(model)
    with (
        reproducible(settings.threads, settings.seed),
        prepared_for_training(model),
        attached(model, lora, start) as wrapped,
    ):
        engine = engine_for(wrapped, settings)
        wrapped.eval()
        engine.refresh()
        losses = [_summed(engine, row) for row in rows]
        gradients = per_sample_gradients(named_parameters(wrapped), losses)
        return adapter_state(wrapped), diagonal_fisher(gradients, len(rows))


def _summed(engine: Engine, row: Row) -> Callable[[], Tensor]:
    """-log p(targets) of one row, summed over its tokens."""
    batch = collate([row])

    def loss() -> Tensor:
        logits = engine.target_logits(batch)
        return F.cross_entropy(logits, batch.targets.to(logits.device), reduction="sum")

    return loss
