"""An adapter held fixed under another one while that one trains."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from stages.adapters.lora import delta_weights
from stages.adapters.merge import Adapter
from stages.strategies.protocol import StrategyError


@contextlib.contextmanager
def added_to(model: Any, adapter: Adapter | None) -> Iterator[None]:
    """Inside it the base's weights are W + ΔW; after it they are W again, bit for bit.

    W is kept aside, since subtracting ΔW leaves rounding behind. None changes nothing. Raises
    StrategyError for a quantised base, whose weights can't hold the sum.
    """
    if adapter is None:
        yield
        return
    deltas = delta_weights(*adapter)
    weights = {name: model.get_submodule(name).weight for name in deltas}
    packed = [name for name, weight in weights.items() if not weight.is_floating_point()]
    if packed:
        raise StrategyError(
            f"{packed[0]} and {len(packed) - 1} more modules of the base are quantised: an adapter "
            "can't be added to them. Use the base in bf16 or fp32 for this strategy."
        )
    kept = {name: weight.detach().clone() for name, weight in weights.items()}
    try:
        with torch.no_grad():
            for name, delta in deltas.items():
                weights[name].add_(delta.to(weights[name]))
        yield
    finally:
        with torch.no_grad():
            for name, weight in kept.items():
                weights[name].copy_(weight)
