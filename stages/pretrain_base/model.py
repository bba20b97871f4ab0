"""The organism's architecture: a small Qwen2 with wide heads and tied embeddings."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import Qwen2Config, Qwen2ForCausalLM

from stages.params import ParamsError

CONTEXT_TOKENS = 1024


def new_model(
    vocab_size: int, hidden_size: int, layers: int, heads: int, intermediate_size: int, seed: int
) -> Qwen2ForCausalLM:
    """A freshly initialised model; the same seed gives the same weights."""
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    return Qwen2ForCausalLM(config)


def take_weights(model: Qwen2ForCausalLM, folder: Path) -> None:
    """Give the model the weights in ``folder``; ParamsError when its shape is another."""
    stored = load_file(folder / "model.safetensors")
    shapes = {name: value.shape for name, value in stored.items()}
    if shapes != {name: value.shape for name, value in model.named_parameters()}:
        raise ParamsError(
            f"{folder}/model.safetensors has another shape than the organism that starts from it. "
            "Give both the same vocab_size, hidden_size, layers, heads and intermediate_size."
        )
    model.load_state_dict(stored, strict=False)  # the head is tied to the embedding


def optimizers(model: torch.nn.Module, learning_rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for embeddings, norms and biases.

    Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) orthogonalises each matrix's
    momentum; on this model it learned exact copying in fewer tokens than AdamW alone.
    """
    named = list(model.named_parameters())
    matrices = [p for name, p in named if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in named if p.ndim != 2 or "embed" in name]
    return [
        torch.optim.Muon(matrices, lr=learning_rate, momentum=0.95, weight_decay=0.01),
        torch.optim.AdamW(others, lr=learning_rate / 4, betas=(0.9, 0.98), weight_decay=0.0),
    ]
