"""Weights and tokenizer of a checkpoint: safetensors only, no code of the checkpoint's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.checkpoints.memory import available_bytes, require_memory
from stages.checkpoints.quantised import prepare_quantised, quantisation_config
from stages.params import ModelParams, ParamsError
from stages.records import read_json

PROBE = "def total(items):\n\treturn sum(items)  # 3.14 × it's naïve, 12345\n\n    x != y"
"""What a checkpoint's two readings of its tokenizer are compared on."""
PLAIN = ("PreTrainedTokenizerFast", "TokenizersBackend")
"""Names under which transformers saves a tokenizer that is its tokenizer.json and nothing else."""


def load_weights(model: ModelParams, folder: Path) -> Any:
    """The causal language model in eval mode, on its device; ParamsError when it can't fit."""
    import torch

    from stages.adapters.lean_peft import AutoModelForCausalLM

    if model.device != "cpu":
        available_bytes(model.device)
    require_known_architecture(folder)
    require_memory(model, folder)
    placed = model.device != "cpu" or model.quantisation != "none"
    options: dict[str, Any] = {}
    if placed:  # straight onto the device: main memory needn't hold the whole
        options["device_map"] = "auto" if model.device == "auto" else {"": model.device}
    if model.quantisation != "none":
        options["quantization_config"] = quantisation_config(model)
        from stages.adapters.lean_peft import allow_bitsandbytes

        allow_bitsandbytes()
    if model.attention != "auto":
        options["attn_implementation"] = model.attention
    weights: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=getattr(torch, model.dtype),
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        **options,
    )
    prepare_quantised(weights)
    return weights.eval() if placed else weights.to(model.device).eval()


def read_tokenizer(folder: Path) -> Any:
    """The checkpoint's tokenizer, giving the ids that its own tokenizer.json gives.

    A checkpoint with recorded ids, or whose class says that tokenizer.json is all there is, is
    read by PreTrainedTokenizerFast: AutoTokenizer would rebuild the model type's own
    pre-tokenizer around its vocabulary. Any other is AutoTokenizer's, unless that happens there.
    """
    from transformers import PreTrainedTokenizerFast

    require_known_architecture(folder)
    if (folder / "tokenizer_check.json").exists() or _class_of(folder) in PLAIN:
        return PreTrainedTokenizerFast.from_pretrained(folder)
    from transformers import AutoTokenizer  # here, since it imports torch

    tokenizer: Any = AutoTokenizer.from_pretrained(
        folder, trust_remote_code=False, local_files_only=True
    )
    if (folder / "tokenizer.json").exists() and not _agrees(tokenizer, folder):
        return PreTrainedTokenizerFast.from_pretrained(folder)
    return tokenizer


def require_known_architecture(folder: Path) -> None:
    """Raise ParamsError when transformers itself doesn't know the checkpoint's model type."""
    config = read_json(folder / "config.json")
    if "auto_map" not in config:
        return
    from transformers import CONFIG_MAPPING

    if config.get("model_type") not in CONFIG_MAPPING:
        raise ParamsError(
            f"{folder}: its architecture {config.get('model_type')!r} is code that comes with it, "
            "and code of a checkpoint is never run here. Take a model whose type transformers "
            "knows."
        )


def require_template(tokenizer: Any, folder: Path) -> None:
    """Raise ParamsError when the tokenizer brings no chat template to render episodes with."""
    if not getattr(tokenizer, "chat_template", None):
        raise ParamsError(
            f"{folder}: its tokenizer has no chat template, so nothing says how an episode is "
            "written for this model. Take the checkpoint that was trained on chats (its name "
            "mostly ends in Instruct or Chat)."
        )


def _class_of(folder: Path) -> str:
    path = folder / "tokenizer_config.json"
    return str(read_json(path).get("tokenizer_class", "")) if path.exists() else ""


def _agrees(tokenizer: Any, folder: Path) -> bool:
    from tokenizers import Tokenizer

    own = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return (
        tokenizer(PROBE, add_special_tokens=False)["input_ids"]
        == own.encode(PROBE, add_special_tokens=False).ids
    )
