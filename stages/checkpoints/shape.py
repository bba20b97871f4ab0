"""A model's size from its config.json alone, before any weight is fetched or read."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Shape:
    """What memory depends on."""

    parameters: int
    """All parameters, shared ones once."""
    linear: tuple[tuple[str, int, int], ...]
    """Name, inputs and outputs of every linear layer but the output head."""
    layers: int
    """Blocks."""
    hidden: int
    """Width of the residual stream."""
    intermediate: int
    """Width of the feed-forward layers."""
    kv_width: int
    """Numbers of the keys (or the values) of one token in one layer."""
    vocabulary: int
    """Tokens in the vocabulary."""

    @property
    def linear_parameters(self) -> int:
        """Weights that quantisation applies to."""
        return sum(inputs * outputs for _, inputs, outputs in self.linear)


def shape_of(folder: Path) -> Shape:
    """Build the architecture without storage (torch's meta device) and count."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config: Any = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    head = model.get_output_embeddings()
    linear = tuple(
        (name, module.in_features, module.out_features)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    )
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    return Shape(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        linear=linear,
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        intermediate=config.intermediate_size,
        kv_width=head_dim * (getattr(config, "num_key_value_heads", None) or heads),
        vocabulary=config.vocab_size,
    )
