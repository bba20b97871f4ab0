"""Whole sequences through the compact form, without a cache: rows one after the other, no padding.

A small Qwen2 in fp32 on a CPU has a compact form, with the adapter in use merged into its copy of
the weights. An adapter that peft hasn't seen may be added to the copy: attaching it to the model
first would take longer than a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.adapters.lean_peft import peft
from stages.adapters.lora import delta_weights
from stages.adapters.merge import Adapter
from stages.agent import compact
from stages.agent.compact import CompactQwen2


def compact_of(model: Any, positions: int, adapter: Adapter | None = None) -> CompactQwen2 | None:
    """The model with its active adapter in compact form, or None where it has none.

    ``adapter`` is one to add. Raises ValueError when that doesn't fit the model.
    """
    inner = inner_of(model)
    parameter = next(inner.parameters())
    if parameter.dtype != torch.float32 or parameter.device.type != "cpu":
        return None
    if not compact.supports(inner.config) or not _plain(inner):
        return None
    added = None if adapter is None else delta_weights(*adapter)
    return compact.from_transformers(model, positions, _active(model), added)


def inner_of(model: Any) -> Any:
    """The model whose layers hold the adapters: peft's own shell has no forward without one."""
    return model.base_model.model if isinstance(model, peft.PeftModel) else model


def _plain(model: Any) -> bool:
    """Whether W + scale·B·A is all that its adapted layers add."""
    layers = [module for module in model.modules() if hasattr(module, "lora_A")]
    return not any(module.merged or any(module.use_dora.values()) for module in layers)


def _active(model: Any) -> str | None:
    """The adapter that the model computes with; None: the base."""
    if not isinstance(model, peft.PeftModel):
        return None
    layers = [module for module in model.modules() if hasattr(module, "lora_A")]
    return None if layers[0].disable_adapters else str(model.active_adapter)


def hidden_states(
    small: CompactQwen2, rows: Sequence[Sequence[int]], kept: Sequence[int] | None = None
) -> Tensor:
    """Last hidden states (T, d) of the rows' tokens, one row after the other.

    After the last norm, but for its gain, which the compact form has in its head. ``kept``: only
    the states at these places (N, d).
    """
    lengths = [len(row) for row in rows]
    ids = torch.tensor([token for row in rows for token in row])
    positions = torch.cat([torch.arange(length) for length in lengths])
    index = None if kept is None else torch.tensor(list(kept), dtype=torch.long)
    return small.forward(ids, positions, _attend(small, lengths, index), index)


def _attend(small: CompactQwen2, lengths: Sequence[int], kept_N: Tensor | None) -> compact.Attend:
    """Causal attention of each row to itself, rows one after the other."""
    heads, kv_heads, size = small.heads, small.kv_heads, small.head_dim

    def attend(layer: int, qkv: Tensor) -> Tensor:
        parts = qkv.unflatten(1, (-1, size)).split((heads, kv_heads, kv_heads), 1)
        query, key, value = (part.transpose(0, 1)[None] for part in parts)  # 1, H, T, D
        outputs, at = [], 0
        for length in lengths:
            own = slice(at, at + length)
            out = F.scaled_dot_product_attention(
                query[:, :, own],
                key[:, :, own],
                value[:, :, own],
                is_causal=True,
                scale=1.0,
                enable_gqa=heads != kv_heads,
            )
            outputs.append(out[0].transpose(0, 1).flatten(1))
            at += length
        mixed = torch.cat(outputs)
        return mixed if kept_N is None or layer < len(small.layers) - 1 else mixed[kept_N]

    return attend
