"""peft's own merging of adapters, to compare with: ``cat`` is exact, ``linear`` is not."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from stages.adapters.arrays import Arrays
from stages.adapters.lean_peft import peft
from stages.adapters.lora import LoraSettings, State, factors
from stages.adapters.merge import Adapter


def merged_by_peft(
    adapters: Sequence[tuple[Arrays, LoraSettings]], weights: Sequence[float], how: str
) -> tuple[Arrays, LoraSettings]:
    """What peft's ``add_weighted_adapter`` makes of adapters of the same modules.

    ``linear`` adds A and B apart, and (Σ√w·B)(Σ√w·A) has cross terms BᵢAⱼ.
    """
    labels = [f"part{index}" for index in range(len(adapters))]
    with torch.random.fork_rng():  # peft draws initial values that the tensors then replace
        wrapped = _holding([(as_tensors(arrays), lora) for arrays, lora in adapters])
        wrapped.add_weighted_adapter(labels, list(weights), "merged", combination_type=how)
    tensors = peft.get_peft_model_state_dict(wrapped, adapter_name="merged")
    state = {key: tensors[key].detach().numpy() for key in sorted(tensors)}
    config = wrapped.peft_config["merged"]
    modules = tuple(factors(state))
    return state, LoraSettings(config.r, config.lora_alpha, target_modules=modules)


def as_tensors(arrays: Arrays) -> State:
    return {key: torch.from_numpy(array) for key, array in arrays.items()}


def as_arrays(state: Mapping[str, Tensor]) -> Arrays:
    return {key: tensor.numpy() for key, tensor in state.items()}


def _holding(adapters: Sequence[Adapter]) -> Any:
    """A peft model over a bare skeleton of the adapted layers, with every adapter loaded."""
    wrapped: Any = None
    for index, (state, lora) in enumerate(adapters):
        parts = factors(state)
        ranks = {name: a.shape[0] for name, (a, _) in parts.items()}
        config = peft.LoraConfig(
            r=lora.rank,
            lora_alpha=lora.alpha,  # type: ignore[arg-type]
            target_modules=sorted(parts),
            rank_pattern={n: r for n, r in ranks.items() if r != lora.rank},
            alpha_pattern={n: lora.scale * r for n, r in ranks.items() if r != lora.rank},  # type: ignore[arg-type]
        )
        label = f"part{index}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if wrapped is None:
                wrapped = peft.get_peft_model(_skeleton(parts), config, adapter_name=label)
            else:
                wrapped.add_adapter(label, config)
            peft.set_peft_model_state_dict(wrapped, dict(state), adapter_name=label)
    return wrapped


def _skeleton(parts: Mapping[str, tuple[Tensor, Tensor]]) -> nn.Module:
    """Modules under the adapted layers' names and shapes; their weights are never read."""
    root = nn.Module()
    for name, (a, b) in parts.items():
        *path, last = name.split(".")
        place = root
        for part in path:
            if not hasattr(place, part):
                place.add_module(part, nn.Module())
            place = getattr(place, part)
        layer = nn.utils.skip_init(nn.Linear, a.shape[1], b.shape[0], bias=False)
        place.add_module(last, layer)
    return root
