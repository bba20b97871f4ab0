"""Adapters on 4-bit and 8-bit bases (bitsandbytes), and their trap on the CPU."""

from __future__ import annotations

from typing import Any


def prepare_quantised(model: Any) -> int:
    """Make nf4 layers trainable on the CPU; returns how many layers were prepared.

    bitsandbytes repacks a 4-bit weight for the CPU in the first pass without gradients; training
    afterwards fails or, in layers without a bias, gets gradients that are wrong by about 100 %.
    Call this before the model's first use. On a model without such layers it does nothing.
    """
    prepared = 0
    for module in model.modules():
        if type(module).__name__ == "Linear4bit":
            module.support_avx512bf16_for_cpu = False
            prepared += 1
    return prepared
