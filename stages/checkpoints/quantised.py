"""Bases in 4 and 8 bits (bitsandbytes): how they are loaded, trained on, and their trap on CPUs."""

from __future__ import annotations

import contextlib
import importlib.util
import warnings
from collections.abc import Iterator
from typing import Any

from stages.params import ModelParams, ParamsError


def quantisation_config(model: ModelParams) -> Any:
    """transformers' BitsAndBytesConfig for 8bit and 4bit; ParamsError without bitsandbytes.

    4bit is nf4 with double quantisation, computing in the model's dtype (Dettmers et al. 2023,
    arXiv:2305.14314, section 3).
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ParamsError(
            f"models: {model.path}: quantisation {model.quantisation} needs bitsandbytes, which "
            "isn't installed. Run `pip install -r requirements-real.lock`, or set quantisation "
            "to none."
        )
    import torch
    from transformers import BitsAndBytesConfig

    if model.quantisation == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, model.dtype),
    )


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


def is_quantised(model: Any) -> bool:
    """Whether transformers loaded the model through bitsandbytes."""
    return bool(
        getattr(model, "is_loaded_in_4bit", False) or getattr(model, "is_loaded_in_8bit", 0)
    )


def compute_dtype(model: Any) -> Any:
    """The type a quantised base computes in when that isn't float32, else None.

    Prepared for training its stream is float32, so its products must be asked for in this type.
    """
    import torch

    narrow = (torch.bfloat16, torch.float16)
    return model.config.dtype if is_quantised(model) and model.config.dtype in narrow else None


@contextlib.contextmanager
def prepared_for_training(model: Any) -> Iterator[None]:
    """Inside it a quantised base is as peft's ``prepare_model_for_kbit_training`` makes it.

    That freezes it and holds what isn't quantised (norms, embeddings, output head) in float32;
    afterwards everything has its own type again, so that the base's hash stays. A base that isn't
    quantised is left alone. Gradient checkpointing is the training's own switch.
    """
    if not is_quantised(model):
        yield
        return
    from stages.adapters.lean_peft import peft

    before = {name: (p.dtype, p.requires_grad) for name, p in model.named_parameters()}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        peft.prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    try:
        yield
    finally:
        for name, parameter in model.named_parameters():
            dtype, needs_grad = before[name]
            if parameter.dtype != dtype:
                parameter.data = parameter.data.to(dtype)
            parameter.requires_grad_(needs_grad)
