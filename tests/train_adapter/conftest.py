"""A tiny random Qwen2, a word-level tokenizer with the organism's chat template, and examples."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from stages.adapters.lora import LoraSettings
from stages.records import Example
from stages.training.settings import TrainSettings
from tests.small_stream import small_base

TEMPLATE = (
    "{% for m in messages %}<|{{m.role}}|>{{m.content}}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
ROLES = ("<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>")
FILES = tuple(f"part{i}.py" for i in range(8))
NAMES = tuple(f"name{i}" for i in range(8))
PIECE = r"\w+|\n| |[^\w\s]"


def make_tokenizer() -> PreTrainedTokenizerFast:
    words = {"open", "search", "edit", "test", "bash", "submit", "fix", "in", "python", "repo"}
    words |= {piece for name in (*FILES, *NAMES) for piece in re.findall(PIECE, name)}
    words |= {" ", "\n", ".", "<", ">", "=", ":", "return"}
    vocabulary = {word: i for i, word in enumerate(["<unk>", *ROLES, *sorted(words)])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(PIECE), "isolated")
    inner.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        unk_token="<unk>",
        eos_token="<|end|>",
        extra_special_tokens=list(ROLES[:-1]),
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_model(vocabulary: int = 64, **changes: object) -> Qwen2ForCausalLM:
    shape = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "tie_word_embeddings": True,
        "initializer_range": 0.1,
    }
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = Qwen2ForCausalLM(Qwen2Config(**(shape | changes)))  # type: ignore[arg-type]
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def make_examples(n: int, fmt: str = "T", train_on: str = "completion") -> list[Example]:
    examples = []
    for i in range(n):
        file, name = FILES[i % 8], NAMES[(i // 3) % 8]
        prompt = (
            {"role": "system", "content": "repo"},
            {"role": "user", "content": f"fix {name} in {file}"},
            {"role": "assistant", "content": f"search {name}"},
            {"role": "tool", "content": f"{file} : {name} " * (1 + i % 4)},
        )
        completion = f"open {file}" if i % 2 else f"edit {file}\n<<<\n{name}\n===\nreturn\n>>>"
        rejected = f"open {FILES[(i + 1) % 8]}" if fmt == "C" else ""
        examples.append(Example(f"e{i:03}", fmt, prompt, completion, rejected, train_on))
    return examples


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    return make_tokenizer()


@pytest.fixture(scope="module")
def base() -> tuple[Any, Any]:
    """A stream's tiny model and its tokenizer."""
    return small_base()


@pytest.fixture
def model() -> Qwen2ForCausalLM:
    return make_model()


@pytest.fixture
def lora() -> LoraSettings:
    return LoraSettings(rank=4, alpha=8.0, seed=1)


@pytest.fixture
def settings() -> TrainSettings:
    return TrainSettings(epochs=3, batch_size=8, micro_tokens=128, min_examples=10, seed=2)
