"""Arithmetic on adapters through their factors; ΔW itself is never formed.

An adapter's ΔW is scale·B·A per module, with A (r, in) and B (out, r).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stages.adapters.lora import PREFIX, LoraSettings, State, factors
from stages.adapters.merge import Adapter

Parts = Mapping[str, tuple[Tensor, Tensor]]
"""Module -> (A (r, in), B (out, r))."""


def with_rank(lora: LoraSettings, rank: int) -> LoraSettings:
    """The same settings at another rank and the same scale alpha / rank.

    The scale stays so that an arm with a lower rank differs in its rank only, not in how far a
    step of the optimizer moves ΔW.
    """
    return dataclasses.replace(lora, rank=rank, alpha=lora.scale * rank)


def adapter_from(parts: Parts, like: LoraSettings) -> Adapter:
    """An adapter of scale 1 (alpha = rank) from factors per module; rank is the largest one."""
    state: State = {}
    for name in sorted(parts):
        a, b = parts[name]
        state[f"{PREFIX}{name}.lora_A.weight"] = a.contiguous()
        state[f"{PREFIX}{name}.lora_B.weight"] = b.contiguous()
    rank = max(a.shape[0] for a, _ in parts.values())
    return state, dataclasses.replace(like, rank=rank, alpha=float(rank))


def concatenated(adapters: Sequence[Adapter], weights: Sequence[float]) -> Adapter:
    """One adapter with ΔW = Σ wᵢ·scaleᵢ·BᵢAᵢ exactly: A's stacked, weighted B's side by side.

    Adapters of weight 0 are left out; a single one of weight 1 comes back as it is, bit for bit.
    (Σ√w·B)(Σ√w·A), peft's ``linear``, has cross terms BᵢAⱼ and is never formed (check 7).

    Raises ValueError for other numbers of weights, no weight at all, or differing modules.
    """
    used = [(adapter, w) for adapter, w in zip(adapters, weights, strict=True) if w != 0.0]
    if not used:
        raise ValueError("no adapter with a weight other than zero; serve the base model instead.")
    if len(used) == 1 and used[0][1] == 1.0:
        return used[0][0]
    each = [(factors(state), w * lora.scale) for (state, lora), w in used]
    names = set(each[0][0])
    if any(set(parts) != names for parts, _ in each):
        raise ValueError("the adapters adapt different modules; train them with the same targets.")
    return adapter_from(
        {
            name: (
                torch.cat([parts[name][0] for parts, _ in each]),  # Σr, in
                torch.cat([by * parts[name][1] for parts, by in each], dim=1),  # out, Σr
            )
            for name in names
        },
        used[0][0][1],
    )


def mixture(adapters: Mapping[str, Adapter], weights: Mapping[str, float]) -> Adapter:
    """The one adapter that a strategy's ``serve`` asks for, for one query."""
    names = sorted(weights)
    return concatenated([adapters[name] for name in names], [weights[name] for name in names])
