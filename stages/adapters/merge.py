"""Merge adapters by weight: ΔW = Σ wᵢ·scaleᵢ·BᵢAᵢ, exactly (check 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from stages.adapters.arrays import Arrays
from stages.adapters.lora import PREFIX, LoraSettings, factors

if TYPE_CHECKING:
    from torch import Tensor

Adapter = tuple[Mapping[str, "Tensor"], LoraSettings]


def merge_adapters(
    adapters: Sequence[tuple[Arrays, LoraSettings]], weights: Sequence[float]
) -> tuple[Arrays, LoraSettings]:
    """One adapter whose ΔW is the weighted sum of theirs: peft's ``cat``, bit for bit.

    It stacks A (Σr, in), weighted and scaled, and B (out, Σr): the sum of the products. Written
    out, since importing peft takes longer than all other checks of an experiment; a test compares
    the two. The adapters must adapt the same modules.

    Raises ValueError for another number of weights than adapters, or other modules.
    """
    if len(adapters) != len(weights) or not adapters:
        raise ValueError(f"{len(weights)} weights for {len(adapters)} adapters; give one each.")
    scaled = [
        (factors(state), w, lora.scale) for (state, lora), w in zip(adapters, weights, strict=True)
    ]
    names = list(scaled[0][0])
    if any(list(parts) != names for parts, _, _ in scaled):
        raise ValueError("the adapters adapt different modules; train them with the same targets.")
    merged: dict[str, NDArray] = {}
    for name in names:
        a = np.concatenate([parts[name][0] * w * scale for parts, w, scale in scaled])  # Σr, in
        b = np.concatenate([parts[name][1] for parts, _, _ in scaled], axis=1)  # out, Σr
        merged |= {f"{PREFIX}{name}.lora_A.weight": a, f"{PREFIX}{name}.lora_B.weight": b}
    rank = max(a.shape[0] for a, _ in factors(merged).values())
    return merged, LoraSettings(rank, float(rank), target_modules=tuple(names))
