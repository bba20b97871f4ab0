"""How targets get their logits: one Protocol, with a general and a fast implementation."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from stages.checkpoints.quantised import compute_dtype
from stages.training.batches import MicroBatch


class Engine(Protocol):
    """A model with an adapter, seen by a training loop."""

    name: str

    def parameters(self) -> list[nn.Parameter]:
        """The adapter's parameters, the only ones that get gradients."""
        ...

    def refresh(self) -> None:
        """To be called after the parameters were changed, before the next forward pass."""
        ...

    def target_logits(self, batch: MicroBatch) -> Tensor:
        """Logits (N, vocabulary) at the batch's N targets, in fp32."""
        ...

    def adapter_off(self) -> contextlib.AbstractContextManager[None]:
        """Inside it the model is the base model, without gradients."""
        ...


class PeftEngine:
    """Any causal language model of transformers, through peft's own modules."""

    name = "peft"

    def __init__(self, wrapped: Any) -> None:
        self.model = wrapped
        self.mixed = compute_dtype(wrapped.get_base_model())
        self.device = next(wrapped.parameters()).device
        inner = wrapped.get_base_model()
        self.keeps = "logits_to_keep" in inspect.signature(inner.forward).parameters

    def parameters(self) -> list[nn.Parameter]:
        return [p for p in self.model.parameters() if p.requires_grad]

    def refresh(self) -> None:
        return None

    def target_logits(self, batch: MicroBatch) -> Tensor:
        batch = batch.to(self.device)
        width = batch.ids.shape[1]
        column = batch.index % width
        # Only columns that some row needs pass through the output head, where the model can.
        kept, place = torch.unique(column, return_inverse=True)
        extra = {"logits_to_keep": kept} if self.keeps else {}
        attention = torch.arange(width, device=self.device)[None] < batch.lengths[:, None]  # B, S
        with torch.autocast(self.device.type, self.mixed, enabled=self.mixed is not None):
            logits = self.model(
                input_ids=batch.ids, attention_mask=attention.long(), use_cache=False, **extra
            ).logits  # B, K, V
        return logits[batch.row, place if self.keeps else column].float()

    @contextlib.contextmanager
    def adapter_off(self) -> Iterator[None]:
        training = self.model.training
        self.model.eval()
        with torch.no_grad(), self.model.disable_adapter():
            yield
        self.model.train(training)
