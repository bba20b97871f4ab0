"""An adapter read as arrays is the one that torch reads: its hash, its numbers, its errors."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.adapters.arrays import arrays_sha256, delta_norm, load_arrays
from stages.adapters.folder import AdapterError, load_adapter, save_adapter
from stages.adapters.lora import LoraSettings, State, adapter_sha256, delta_norms

LORA = LoraSettings(rank=2, alpha=6.0)


def make_state(dtype: torch.dtype = torch.float32) -> State:
    generator = torch.Generator().manual_seed(0)
    shapes = {"lora_A": (2, 7), "lora_B": (5, 2)}
    return {
        f"base_model.model.{name}.{factor}.weight": torch.randn(shape, generator=generator).to(
            dtype
        )
        for name in ("l.0.up", "l.1.up")
        for factor, shape in shapes.items()
    }


def test_arrays_are_the_tensors_with_their_hash_and_norm(tmp_path: Path) -> None:
    save_adapter(tmp_path, make_state(), LORA, "base", "b")
    state, settings = load_adapter(tmp_path, "b")
    arrays, found = load_arrays(tmp_path, "b")
    assert found == settings and arrays.keys() == state.keys()
    assert all(np.array_equal(arrays[key], state[key].numpy()) for key in state)
    assert arrays_sha256(arrays) == adapter_sha256(state)
    wanted = math.sqrt(sum(norm**2 for norm in delta_norms(state, settings).values()))
    assert delta_norm(arrays, settings) == pytest.approx(wanted, rel=1e-12)


def test_every_type_that_numpy_has_is_hashed_alike() -> None:
    for dtype in (torch.float16, torch.float32, torch.float64):
        state = make_state(dtype)
        arrays = {key: tensor.numpy() for key, tensor in state.items()}
        assert arrays_sha256(arrays) == adapter_sha256(state)


def test_what_is_not_as_recorded_is_refused(tmp_path: Path) -> None:
    save_adapter(tmp_path, make_state(), LORA, "base", "b")
    with pytest.raises(AdapterError, match="another base"):
        load_arrays(tmp_path, "c")
    other = {key: tensor + 1 for key, tensor in make_state().items()}
    save_adapter(tmp_path / "other", other, LORA, "base", "b")
    tensors = "adapter_model.safetensors"
    (tmp_path / tensors).write_bytes((tmp_path / "other" / tensors).read_bytes())
    with pytest.raises(AdapterError, match="changed or cut"):
        load_arrays(tmp_path, "b")
    save_adapter(tmp_path, make_state(torch.bfloat16), LORA, "base", "b")
    with pytest.raises(AdapterError, match="float32"):
        load_arrays(tmp_path, "b")


def test_stage_stats_starts_without_torch_and_peft() -> None:
    code = (
        "import sys, stages.stats.__main__, stages.adapters.merge, stages.adapters.certificate;"
        "sys.exit(any(m in sys.modules for m in ('torch', 'peft', 'transformers', 'pingouin')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
