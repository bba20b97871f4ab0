from __future__ import annotations

import pytest
import torch
from peft import PeftModel

from stages.adapters.certificate import next_token_logits
from stages.adapters.folder import AdapterError, load_adapter, save_adapter
from stages.adapters.lora import (
    LoraSettings,
    adapter_sha256,
    adapter_state,
    attached,
    base_sha256,
    delta_norms,
    delta_weights,
    factors,
    peft_config,
)
from tests.train_adapter.conftest import make_model


def random_state(model, lora, seed=0):
    with attached(model, lora) as wrapped:
        state = adapter_state(wrapped)
    generator = torch.Generator().manual_seed(seed)
    return {k: torch.randn(v.shape, generator=generator) * 0.1 for k, v in state.items()}


def test_all_linear_layers_but_the_head_are_adapted(model, lora):
    modules = factors(random_state(model, lora))
    assert len(modules) == 2 * 7
    assert not any("lm_head" in name for name in modules)


def test_the_model_is_as_before_after_detaching(model, lora):
    before, names = base_sha256(model), [n for n, _ in model.named_modules()]
    with attached(model, lora):
        pass
    with attached(model, lora):
        pass
    assert base_sha256(model) == before
    assert [n for n, _ in model.named_modules()] == names
    assert all(p.requires_grad for p in model.parameters())


def test_initial_values_follow_the_seed_only(model, lora):
    torch.manual_seed(99)
    with attached(model, lora) as wrapped:
        first = adapter_sha256(adapter_state(wrapped))
    torch.manual_seed(7)
    with attached(model, lora) as wrapped:
        assert adapter_sha256(adapter_state(wrapped)) == first
    with attached(model, LoraSettings(rank=4, alpha=8.0, seed=2)) as wrapped:
        assert adapter_sha256(adapter_state(wrapped)) != first


def test_delta_weights_are_what_peft_adds(model, lora):
    state = random_state(model, lora)
    with attached(model, lora, state) as wrapped:
        layer = wrapped.get_base_model().model.layers[1].mlp.down_proj
        torch.testing.assert_close(
            layer.get_delta_weight("default"),
            delta_weights(state, lora)["model.layers.1.mlp.down_proj"],
        )
    for name, delta in delta_weights(state, lora).items():
        assert delta_norms(state, lora)[name] == pytest.approx(float(delta.norm()), rel=1e-5)


def test_modules_may_have_ranks_of_their_own_at_one_scale(model, lora, tmp_path):
    state = random_state(model, lora)
    key = "base_model.model.model.layers.0.mlp.up_proj.lora_"
    state[f"{key}A.weight"] = torch.randn(2, 32)
    state[f"{key}B.weight"] = torch.randn(48, 2)
    with attached(model, lora, state) as wrapped:
        layer = wrapped.get_base_model().model.layers[0].mlp.up_proj
        assert layer.scaling["default"] == lora.scale
        torch.testing.assert_close(
            layer.get_delta_weight("default"),
            delta_weights(state, lora)["model.layers.0.mlp.up_proj"],
        )
        assert adapter_sha256(adapter_state(wrapped)) == adapter_sha256(state)
    save_adapter(tmp_path / "a", state, lora, "models/base", "0" * 64)
    assert adapter_sha256(load_adapter(tmp_path / "a", "0" * 64)[0]) == adapter_sha256(state)


def test_a_foreign_state_is_refused(model, lora):
    state = random_state(make_model(num_hidden_layers=3), lora)
    with pytest.raises(ValueError, match="doesn't fit the model"), attached(model, lora, state):
        pass
    assert not hasattr(model, "peft_config")


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks for it
def test_saved_folder_is_peft_s_own_and_its_bytes_repeat(model, lora, tmp_path):
    state, base = random_state(model, lora), base_sha256(model)
    for name in ("one", "two"):
        save_adapter(tmp_path / name, state, lora, "models/base", base, {"steps": 3})
    files = sorted(p.name for p in (tmp_path / "one").iterdir())
    assert files == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "provenance.json",
    ]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    with attached(model, lora, state) as wrapped:
        expected = next_token_logits(wrapped, [[1, 2, 3]])
    loaded = PeftModel.from_pretrained(make_model(), tmp_path / "one")
    torch.testing.assert_close(next_token_logits(loaded, [[1, 2, 3]]), expected)


def test_loading_gives_back_tensors_and_settings(model, lora, tmp_path):
    state, base = random_state(model, lora), base_sha256(model)
    save_adapter(tmp_path / "a", state, lora, "models/base", base)
    loaded, settings = load_adapter(tmp_path / "a", base)
    assert adapter_sha256(loaded) == adapter_sha256(state)
    assert settings == lora


def test_an_adapter_of_another_base_is_refused(model, lora, tmp_path):
    save_adapter(tmp_path, random_state(model, lora), lora, "models/base", base_sha256(model))
    other = base_sha256(make_model(num_hidden_layers=3))
    with pytest.raises(AdapterError, match=r"trained on another base model: models/base"):
        load_adapter(tmp_path, other)


def test_changed_tensors_are_refused(model, lora, tmp_path):
    state = random_state(model, lora)
    save_adapter(tmp_path, state, lora, "models/base", "0" * 64)
    config = (tmp_path / "provenance.json").read_text()
    save_adapter(tmp_path, random_state(model, lora, 1), lora, "models/base", "0" * 64)
    (tmp_path / "provenance.json").write_text(config)
    with pytest.raises(AdapterError, match="changed or cut"):
        load_adapter(tmp_path, "0" * 64)


def test_config_names_only_the_state_s_modules(model):
    lora = LoraSettings(rank=4, target_modules=("q_proj", "v_proj"))
    state = random_state(model, lora)
    assert peft_config(lora, state).target_modules == {"q_proj", "v_proj"}
