"""Teacher forcing through the compact form gives transformers' numbers."""

from __future__ import annotations

import pytest
import torch

from stages.adapters.lora import LoraSettings, attached
from stages.agent.whole import compact_of
from stages.lab import forcing
from stages.lab.forcing import embed, force
from tests.train_adapter.conftest import make_examples, make_model, make_tokenizer
from tests.train_adapter.test_lora import random_state

LORA = LoraSettings(rank=4, alpha=8)
EXAMPLES = [*make_examples(9), *make_examples(9, train_on="assistant")]
PROMPTS = [[dict(message) for message in example.prompt] for example in EXAMPLES[:5]]


@pytest.fixture(params=[2, 1], ids=["kv2", "kv1"])
def base(request: pytest.FixtureRequest):
    tokenizer = make_tokenizer()
    return make_model(len(tokenizer), num_key_value_heads=request.param), tokenizer


def by_transformers(monkeypatch: pytest.MonkeyPatch, work):
    with monkeypatch.context() as patch:
        patch.setattr(forcing, "compact_of", lambda model, positions, adapter=None: None)
        return work()


def same(found, wanted) -> None:
    assert [f.tokens for f in found] == [f.tokens for f in wanted]
    assert [f.kept for f in found] == [f.kept for f in wanted]
    assert [f.loss for f in found] == pytest.approx([f.loss for f in wanted], rel=1e-5)


def test_of_the_base_and_under_an_adapter(base, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = base
    assert compact_of(model, 8) is not None
    plain = force(model, tokenizer, EXAMPLES)
    same(plain, by_transformers(monkeypatch, lambda: force(model, tokenizer, EXAMPLES)))
    with attached(model, LORA, random_state(model, LORA)) as wrapped:
        wrapped.train()
        found = force(wrapped, tokenizer, EXAMPLES)
        assert wrapped.training
        same(found, by_transformers(monkeypatch, lambda: force(wrapped, tokenizer, EXAMPLES)))
        assert [f.loss for f in found] != [f.loss for f in plain]
        wrapped.base_model.disable_adapter_layers()
        same(force(wrapped, tokenizer, EXAMPLES), plain)
    assert force(model, tokenizer, EXAMPLES) == plain


def test_an_adapter_that_is_added_gives_what_it_gives_attached(
    base, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = base
    state = random_state(model, LORA)
    added = force(model, tokenizer, EXAMPLES, (state, LORA))
    with attached(model, LORA, state) as wrapped:
        same(added, force(wrapped, tokenizer, EXAMPLES))
    same(
        added,
        by_transformers(monkeypatch, lambda: force(model, tokenizer, EXAMPLES, (state, LORA))),
    )
    assert [f.loss for f in added] != [f.loss for f in force(model, tokenizer, EXAMPLES)]


@pytest.mark.parametrize("mistake", ["another module", "another size"])
def test_an_added_adapter_that_does_not_fit_is_refused(base, mistake: str) -> None:
    model, tokenizer = base
    state = random_state(model, LORA)
    if mistake == "another module":
        state = {k.replace("layers.1", "layers.7"): v for k, v in state.items()}
    else:
        state = {k: v[:-1] if "lora_B" in k else v for k, v in state.items()}
    with pytest.raises(ValueError, match="adapter doesn't fit the model"):
        force(model, tokenizer, EXAMPLES, (state, LORA))


def test_of_several_adapters_it_is_the_active_one(base, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = base
    with attached(model, LORA, random_state(model, LORA)) as wrapped:
        first = force(wrapped, tokenizer, EXAMPLES)
        wrapped.add_adapter("other", wrapped.peft_config["default"])
        wrapped.set_adapter("other")
        other = force(wrapped, tokenizer, EXAMPLES)
        same(other, by_transformers(monkeypatch, lambda: force(wrapped, tokenizer, EXAMPLES)))
        assert [f.loss for f in other] != [f.loss for f in first]
        wrapped.set_adapter("default")
        assert force(wrapped, tokenizer, EXAMPLES) == first


def test_an_example_s_numbers_do_not_hang_on_the_others(base) -> None:
    model, tokenizer = base
    together = force(model, tokenizer, EXAMPLES)
    alone = [force(model, tokenizer, [example])[0] for example in EXAMPLES]
    same(alone, together)
    assert force(model, tokenizer, []) == []


def test_embeddings(base, monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = base
    found, tokens = embed(model, tokenizer, PROMPTS)
    wanted, counted = by_transformers(monkeypatch, lambda: embed(model, tokenizer, PROMPTS))
    assert tokens == counted
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    for number, prompt in enumerate(PROMPTS):  # to the byte: no other prompt moves a bit
        assert torch.equal(embed(model, tokenizer, [prompt])[0][0], found[number])


def test_merged_weights_and_other_types_go_through_transformers(base) -> None:
    model, tokenizer = base
    with attached(model, LORA, random_state(model, LORA)) as wrapped:
        wrapped.merge_adapter()
        assert compact_of(wrapped, 8) is None
        assert force(wrapped, tokenizer, EXAMPLES[:1])
        wrapped.unmerge_adapter()
    assert compact_of(model.double(), 8) is None
