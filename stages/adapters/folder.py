"""An adapter on disk: an ordinary peft folder whose bytes depend on its contents only.

``adapter_config.json``, ``adapter_model.safetensors`` and ``README.md`` are peft's own files;
``provenance.json`` beside them records the hashes of the base and of the adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from stages.adapters.lora import LoraSettings, State, adapter_sha256, peft_config
from stages.records import read_json, write_atomic, write_json

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")


class AdapterError(ValueError):
    """An adapter's folder can't be used; the message says why and the remedy."""


def save_adapter(
    folder: Path,
    state: Mapping[str, Tensor],
    settings: LoraSettings,
    base_name: str,
    base_sha256: str,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write the adapter; ``base_name`` is a relative path or hub name, ``facts`` go on the card."""
    import safetensors.torch

    config = peft_config(settings, state)
    config.base_model_name_or_path = base_name
    config.inference_mode = True
    values = {
        key: sorted(value) if isinstance(value, set) else value
        for key, value in config.to_dict().items()
    }
    # One metadata key only: safetensors writes several in an order that differs by process.
    tensors = {key: state[key].contiguous() for key in sorted(state)}
    payload = safetensors.torch.save(tensors, metadata={"format": "pt"})
    provenance = {
        "adapter_sha256": adapter_sha256(state),
        "base_name": base_name,
        "base_sha256": base_sha256,
        "lora_seed": settings.seed,
        "lora_target_modules": settings.target_modules,
    }
    write_atomic(folder / "adapter_model.safetensors", payload)
    write_json(folder / "adapter_config.json", values)
    write_json(folder / "provenance.json", provenance)
    write_atomic(folder / "README.md", _card(provenance, settings, facts or {}))


def load_adapter(folder: Path, base_sha256: str) -> tuple[State, LoraSettings]:
    """The adapter's tensors and settings; AdapterError when base or tensors aren't as recorded."""
    import safetensors.torch

    return read_adapter(folder, base_sha256, safetensors.torch.load_file, adapter_sha256)


def read_adapter(
    folder: Path,
    base_sha256: str,
    read: Callable[[Path], dict[str, T]],
    hash_of: Callable[[dict[str, T]], str],
) -> tuple[dict[str, T], LoraSettings]:
    """``load_adapter`` for what ``read`` makes of the file of tensors, hashed by ``hash_of``."""
    provenance = read_json(folder / "provenance.json")
    if provenance["base_sha256"] != base_sha256:
        raise AdapterError(
            f"{folder}: this adapter was trained on another base model: "
            f"{provenance['base_name']} with hash {provenance['base_sha256'][:12]}, while the "
            f"loaded base has {base_sha256[:12]}. An adapter on a foreign base computes "
            "nonsense without an error. Load that base, or train the adapter again on this one."
        )
    state = read(folder / "adapter_model.safetensors")
    if hash_of(state) != provenance["adapter_sha256"]:
        raise AdapterError(
            f"{folder}/adapter_model.safetensors: the tensors are not those whose hash "
            f"{provenance['adapter_sha256'][:12]} stands in provenance.json; the file was "
            "changed or cut. Delete the folder and run `dvc repro` to train it again."
        )
    config = read_json(folder / "adapter_config.json")
    targets = provenance["lora_target_modules"]
    settings = LoraSettings(
        rank=config["r"],
        alpha=config["lora_alpha"],
        dropout=config["lora_dropout"],
        target_modules=targets if isinstance(targets, str) else tuple(targets),
        seed=provenance["lora_seed"],
    )
    return state, settings


def _card(provenance: Mapping[str, Any], settings: LoraSettings, facts: Mapping[str, Any]) -> str:
    rows = {
        "base": provenance["base_name"],
        "base sha256": provenance["base_sha256"],
        "adapter sha256": provenance["adapter_sha256"],
        "rank": settings.rank,
        "alpha": settings.alpha,
        **{key: facts[key] for key in sorted(facts)},
    }
    table = "\n".join(f"| {key} | {value} |" for key, value in rows.items())
    return (
        f"---\nbase_model: {provenance['base_name']}\nlibrary_name: peft\ntags:\n- lora\n---\n"
        "# Adapter\n\nA low-rank adapter trained by Carryover's train_adapter stage. It belongs "
        "to the base model named below and to no other.\n\n"
        f"| | |\n| --- | --- |\n{table}\n"
    )
