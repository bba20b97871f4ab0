"""A stream's State on disk: state.json, and the tensors beside it under their own hash.

The JSON names the tensors' file by its content, so renaming the JSON into place is the one moment
at which the new State replaces the old: a kill leaves either the one or the other, whole.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from stages.adapters.lora import LoraSettings, adapter_sha256
from stages.adapters.merge import Adapter
from stages.records import (
    Example,
    RecordError,
    from_dict,
    read_json,
    write_atomic,
    write_json,
)
from stages.strategies.protocol import State

REMEDY = "Delete the folder and run `dvc repro`: the stream starts again from its first session."
FIELDS = {field.name for field in dataclasses.fields(State)}


def save_state(folder: Path, state: State) -> None:
    """Write the State; equal States give equal bytes. Tensors of earlier ones are deleted."""
    tensors = _flat(state)
    name = f"tensors-{adapter_sha256(tensors)}.safetensors"
    write_atomic(folder / name, safetensors.torch.save(tensors, metadata={"format": "pt"}))
    loras = {key: dataclasses.asdict(lora) for key, (_, lora) in state.adapters.items()}
    values = {
        **{field: getattr(state, field) for field in FIELDS},
        "examples": [dataclasses.asdict(example) for example in state.examples],
        "adapters": loras,
        "tensors": name,
        "facts": dict(state.facts),
    }
    write_json(folder / "state.json", values)
    for other in folder.glob("tensors-*.safetensors"):
        if other.name != name:
            other.unlink()


def load_state(folder: Path) -> State:
    """The State that was saved; RecordError when a file is missing, foreign or changed."""
    path = folder / "state.json"
    values = read_json(path)
    if not isinstance(values, dict) or set(values) != FIELDS:
        raise RecordError(f"{path}: its fields aren't {', '.join(sorted(FIELDS))}. {REMEDY}")
    tensors = _tensors(folder / str(values["tensors"]))
    values["examples"] = tuple(
        from_dict(Example, row, f"{path}, example {number}", REMEDY)
        for number, row in enumerate(values["examples"], start=1)
    )
    values["adapters"] = {
        name: _adapter(name, lora, tensors) for name, lora in values["adapters"].items()
    }
    values["tensors"] = _below("tensors/", tensors)
    return State(**values)


def _flat(state: State) -> dict[str, Tensor]:
    named = {f"tensors/{key}": tensor for key, tensor in state.tensors.items()}
    for name, (tensors, _) in state.adapters.items():
        if "/" in name:
            raise ValueError(f"adapter {name!r}: a name with a slash can't be stored; rename it.")
        named |= {f"adapters/{name}/{key}": tensor for key, tensor in tensors.items()}
    # clones: safetensors refuses tensors that share memory
    return {key: named[key].detach().cpu().contiguous().clone() for key in sorted(named)}


def _tensors(path: Path) -> dict[str, Tensor]:
    if not path.exists():
        raise RecordError(f"{path}: no such file, though state.json names it. {REMEDY}")
    try:
        tensors = safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise RecordError(f"{path}: not readable as safetensors ({error}). {REMEDY}") from None
    if path.name != f"tensors-{adapter_sha256(tensors)}.safetensors":
        raise RecordError(f"{path}: its tensors aren't those that its name hashes. {REMEDY}")
    return tensors


def _adapter(name: str, lora: dict[str, Any], tensors: dict[str, Tensor]) -> Adapter:
    targets = lora["target_modules"]
    settings = LoraSettings(
        **{**lora, "target_modules": targets if isinstance(targets, str) else tuple(targets)}
    )
    return _below(f"adapters/{name}/", tensors), settings


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
