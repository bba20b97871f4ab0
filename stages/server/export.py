"""A copy of a checkpoint that servers read as we do, with an adapter merged in where one is given.

transformers (5.23), and the servers built on it, give every checkpoint of model type qwen2 Qwen's
own pre-tokenizer, whatever its tokenizer_config.json says. A Qwen2 with a tokenizer of its own,
as the embedded model is, is then served on other token ids than it was trained on. The same
weights are a Llama whose output projections have a bias of zero, and a Llama keeps its tokenizer.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.records import write_atomic, write_json
from stages.server.errors import ServerConfigError

SENTENCE = "def total(entries):\n    return max(entries)  # 17 apples\n\nopen ledger.py 10 40\n"
"""Says by its token ids whether two tokenizers are the same."""
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def export_for_serving(
    base: Path,
    folder: Path,
    adapter: tuple[Any, Mapping[str, Any]] | None = None,
) -> Path:
    """Write ``base`` to ``folder`` (replacing it) so that AutoTokenizer reads it as training does.

    ``adapter`` is peft's config and state dict, merged into the weights. Raises
    ServerConfigError when no way was found that keeps the tokenizer, or the adapter doesn't fit.
    """
    import torch
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng():
        model: Any = AutoModelForCausalLM.from_pretrained(
            base, use_safetensors=True, trust_remote_code=False, local_files_only=True
        )
        if adapter is not None:
            model = _merged(model, *adapter)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        copy = Path(temporary) / "copy"
        model.save_pretrained(copy)
        for name in TOKENIZER_FILES:
            if (base / name).exists():
                shutil.copyfile(base / name, copy / name)
        if not _reads_the_same(base, copy):
            _save_as_llama(model, copy)
        if not _reads_the_same(base, copy):
            raise ServerConfigError(
                f"{base}: AutoTokenizer reads a copy of this checkpoint with other token ids than "
                "its own tokenizer.json gives, so a server would feed the model prompts it never "
                "saw. Serve it with a server that takes the tokenizer from its file."
            )
        shutil.rmtree(folder, ignore_errors=True)
        copy.rename(folder)
    return folder


def _reads_the_same(base: Path, copy: Path) -> bool:
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    own: Any = PreTrainedTokenizerFast.from_pretrained(base)
    served: Any = AutoTokenizer.from_pretrained(copy, local_files_only=True)
    return served(SENTENCE)["input_ids"] == own(SENTENCE)["input_ids"]


def _merged(model: Any, config: Any, state: Mapping[str, Any]) -> Any:
    from stages.adapters.lean_peft import peft

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        wrapped: Any = peft.get_peft_model(model, config)
    try:
        result = peft.set_peft_model_state_dict(wrapped, dict(state))
        wrong = [*result.unexpected_keys, *(key for key in result.missing_keys if "lora_" in key)]
    except RuntimeError as error:
        wrong = [str(error)]
    if wrong:
        raise ServerConfigError(
            f"the adapter doesn't fit the base model: {wrong[0]}. Merge it into the base it was "
            "trained on."
        )
    return wrapped.merge_and_unload()


def _save_as_llama(model: Any, copy: Path) -> None:
    """Overwrite the copy's config and weights by the same function as a Llama (Qwen2 only)."""
    import torch
    from safetensors.torch import save

    config = model.config
    if config.model_type != "qwen2" or config.use_sliding_window:
        return
    values = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    for key in ("use_sliding_window", "sliding_window", "max_window_layers", "layer_types"):
        values.pop(key, None)
    values |= {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": True,  # on q, k, v as in a Qwen2, and on the output too
        "mlp_bias": False,
        "head_dim": config.hidden_size // config.num_attention_heads,
    }
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    if config.tie_word_embeddings:
        tensors.pop("lm_head.weight", None)
    for layer in range(config.num_hidden_layers):
        weight = tensors[f"model.layers.{layer}.self_attn.o_proj.weight"]
        name = f"model.layers.{layer}.self_attn.o_proj.bias"
        tensors[name] = torch.zeros(weight.shape[0], dtype=weight.dtype)
    for path in copy.glob("*.safetensors*"):
        path.unlink()
    write_atomic(copy / "model.safetensors", save(tensors, metadata={"format": "pt"}))
    write_json(copy / "config.json", values)
