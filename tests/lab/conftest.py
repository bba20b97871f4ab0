from __future__ import annotations

from tests.train_adapter.conftest import tokenizer

__all__ = ["tokenizer"]
