"""What a killed pretraining continues from: weights, optimizers' states and the place in the diet.

The file lies outside the model's folder, under a key that hashes parameters, tokenizer and code,
and goes when the training is done. Tensors are kept as safetensors.
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from stages.records import read_json, write_json

Optimizers = list[torch.optim.Optimizer]


@dataclasses.dataclass
class Progress:
    """How far the training has come."""

    batches: int = 0
    """Batches taken from the diet by each worker."""
    next_probe: int = 0
    """Tokens at which the next probe is due."""
    loss: float = 0.0
    """Running mean of the loss."""
    log: list[dict[str, float]] = dataclasses.field(default_factory=list)
    """Rows of ``training.json`` so far."""


def save(folder: Path, key: str, model: torch.nn.Module, steps: Optimizers, at: Progress) -> None:
    """Write the state into a new folder, then swap it in, so that a kill leaves a whole one."""
    new = folder.with_name(folder.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    save_file(_tensors(model, steps), new / "state.safetensors")
    write_json(new / "progress.json", {"key": key, **dataclasses.asdict(at)})
    shutil.rmtree(folder, ignore_errors=True)
    new.rename(folder)


def load(folder: Path, key: str, model: torch.nn.Module, steps: Optimizers) -> Progress:
    """Put the state back and say how far it had come; a fresh start where none fits ``key``."""
    if not folder.exists():
        return Progress()
    progress = read_json(folder / "progress.json")
    if progress.pop("key") != key:
        return Progress()
    stored = load_file(folder / "state.safetensors")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(stored[f"model.{name}"])
    for index, step in enumerate(steps):
        state = step.state_dict()
        prefix = f"optimizer.{index}."
        state["state"] = _states(stored, prefix)
        step.load_state_dict(state)
    return Progress(**progress)


def remove(folder: Path) -> None:
    """Delete the state of a finished training."""
    shutil.rmtree(folder, ignore_errors=True)


def _tensors(model: torch.nn.Module, steps: Optimizers) -> dict[str, torch.Tensor]:
    tensors = {f"model.{name}": p.detach().clone() for name, p in model.named_parameters()}
    for index, step in enumerate(steps):
        for number, state in step.state_dict()["state"].items():
            for name, value in state.items():
                tensors[f"optimizer.{index}.{number}.{name}"] = value.detach().clone()
    return tensors


def _states(stored: dict[str, torch.Tensor], prefix: str) -> dict[int, dict[str, Any]]:
    states: dict[int, dict[str, Any]] = {}
    for key, value in stored.items():
        if key.startswith(prefix):
            number, name = key.removeprefix(prefix).split(".")
            states.setdefault(int(number), {})[name] = value
    return states
