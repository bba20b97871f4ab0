"""A Qwen2-shaped checkpoint as a folder, and its entry under `models:`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.params import AdapterParams, ModelParams
from tests.train_adapter.conftest import make_model, make_tokenizer

TUNING = AdapterParams(
    rank=4,
    alpha=8.0,
    dropout=0.0,
    target_modules=(),
    learning_rate=0.002,
    dpo_learning_rate=0.0005,
    epochs=3,
    micro_tokens=128,
    gradient_checkpointing=False,
    optimizer="adamw",
)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    tokenizer = make_tokenizer()
    make_model(len(tokenizer), hidden_size=64, intermediate_size=128).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def entry(**changes: Any) -> ModelParams:
    values: dict[str, Any] = {
        "kind": "local",
        "path": "owner/name",
        "dtype": "float32",
        "quantisation": "none",
        "device": "cpu",
        "threads": 1,
        "max_live": 4,
        "context_tokens": 256,
    }
    return ModelParams(**(values | changes))


@pytest.fixture
def model_of(checkpoint: Path) -> Callable[..., ModelParams]:
    """The checkpoint's entry with some values changed."""
    return lambda **changes: entry(**({"path": str(checkpoint)} | changes))
