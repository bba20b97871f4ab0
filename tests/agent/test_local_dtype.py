"""Number types that the compact engine has no form for go through transformers' own forward."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoTokenizer, Qwen2ForCausalLM

from stages.agent.local import LocalConfig, LocalModel
from stages.agent.model import Request


@pytest.mark.parametrize(("dtype", "compact"), [(torch.float32, True), (torch.bfloat16, False)])
def test_a_base_plays_in_any_number_type(dtype: torch.dtype, compact: bool) -> None:
    base = Qwen2ForCausalLM.from_pretrained("models/base", dtype=dtype).eval()
    model = LocalModel(base, AutoTokenizer.from_pretrained("models/base"), LocalConfig())
    assert model.compact is compact
    asked = Request(({"role": "user", "content": "the total must add"},), max_new_tokens=8)
    (answer,) = model.complete([asked])
    assert 1 <= answer.output_tokens <= 8
    assert not answer.error
