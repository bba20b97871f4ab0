"""An adapter on a model for as long as one cell needs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.adapters.folder import load_adapter
from stages.adapters.lora import base_sha256, peft_config
from stages.lab.cells import Cell
from stages.lab.chosen import load_base
from stages.lab.context import Lab
from stages.records import read_json

Job = Callable[[], Path]


def base_hash(lab: Lab, model: Any) -> str:
    """Hash of the base's weights: those in use, or those that a server's adapters were made for."""
    weights = getattr(model, "transformers_model", None)
    return base_sha256(load_base(lab.model)[0] if weights is None else weights)


def adapter_hash(folder: Path | None) -> str:
    """Hash of an adapter's tensors; empty for none."""
    return "" if folder is None else str(read_json(folder / "provenance.json")["adapter_sha256"])


def with_adapter(model: Any, base: str, folder: Path | None, cell: Cell) -> Job:
    """The cell, made with the adapter under its folder's name, on this base only, gone after."""
    if folder is None:
        return cell
    name = str(folder)

    def run() -> Path:
        if cell.at_hand():
            return cell.path
        state, lora = load_adapter(folder, base)
        model.load_adapter(name, peft_config(lora, state), state)
        try:
            return cell()
        finally:
            model.drop_adapter(name)

    return run
