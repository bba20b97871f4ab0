"""A tiny random Qwen2 and a byte tokenizer with the organism's roles and template."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

TEMPLATE = (
    "{% for m in messages %}<|{{m.role}}|>{{m.content}}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>"]


def tiny_tokenizer(words: list[str] | None = None) -> PreTrainedTokenizerFast:
    """Bytes, and ``words`` as tokens of their own."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: n for n, token in enumerate(SPECIAL + alphabet)}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens(SPECIAL)
    inner.add_tokens(words or [])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        additional_special_tokens=SPECIAL[1:5],
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def tiny_qwen2(
    hidden: int = 64, layers: int = 2, heads: int = 2, kv_heads: int = 1, vocabulary: int = 300
) -> Qwen2ForCausalLM:
    """Random weights, biases and norms included, spread enough that no two logits are close."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = Qwen2Config(
            vocab_size=vocabulary,
            hidden_size=hidden,
            intermediate_size=3 * hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=kv_heads,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            initializer_range=0.08,
            pad_token_id=0,
            bos_token_id=None,
            eos_token_id=5,
        )
        model = Qwen2ForCausalLM(config)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "bias" in name or "norm" in name:
                    parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()
