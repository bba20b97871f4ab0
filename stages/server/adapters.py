"""Adapters on a server, each under a name that holds its tensors' hash (check 5).

The server repeats the name it was asked for in every answer, and an answer under another name is
refused; so an episode that ended was played with the adapter whose hash stands in the name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from safetensors.torch import load_file, save
from torch import Tensor

from stages.adapters.lora import adapter_sha256
from stages.records import write_atomic, write_json
from stages.server.errors import ServedAdapterError, ServerError
from stages.server.export import export_for_serving
from stages.server.model import ServerModel

HASH_CHARACTERS = 16
"""Of the hash in a served name: 64 bits."""


@dataclasses.dataclass(frozen=True)
class VllmAdapters:
    """Loads adapters into a running vLLM (started with --enable-lora and, in its environment,
    VLLM_ALLOW_RUNTIME_LORA_UPDATING=True)."""

    folder: Path
    """Where adapters are written for the server, one folder each."""
    seen_as: str = ""
    """The same folder as the server sees it (in a container, say); empty: the same path."""

    def load(self, model: ServerModel, config: Any, state: Mapping[str, Tensor]) -> str:
        """Write, load and look up the adapter; ServedAdapterError unless the server lists it."""
        served = served_name(state)
        path = self.folder / served
        write_peft_folder(path, config, state)
        root = str(PurePosixPath(self.seen_as or self.folder.resolve()) / served)
        if _listed(model, served) is None:
            _ask(model, "/load_lora_adapter", {"lora_name": served, "lora_path": root})
        entry = _listed(model, served)
        if entry is None or entry.get("root", root) != root:
            found = "nothing" if entry is None else f"one from {entry['root']}"
            raise ServedAdapterError(
                f"{model.config.url} was given the adapter {served} from {root}, but lists "
                f"{found} under that name: another adapter would be evaluated (check 5). Unload "
                "it there, or start the server again."
            )
        return served

    def drop(self, model: ServerModel, served: str) -> None:
        """Unload the adapter and see it gone."""
        _ask(model, "/unload_lora_adapter", {"lora_name": served})
        if _listed(model, served) is not None:
            raise ServedAdapterError(
                f"{model.config.url} still lists {served} after unloading it. Start it again."
            )


@dataclasses.dataclass(frozen=True)
class MergedAdapters:
    """Serves each adapter as a merged copy of the base, for `transformers serve`, which loads a
    folder by its name and knows no adapters."""

    base: Path
    """The base model's checkpoint."""
    folder: Path
    """Where merged copies are written, one folder each."""

    def load(self, model: ServerModel, config: Any, state: Mapping[str, Tensor]) -> str:
        """Write the merged copy; the name is its path, and the first answer loads it."""
        del model
        path = self.folder.resolve() / served_name(state)
        export_for_serving(self.base, path, (config, state))
        return str(path)

    def drop(self, model: ServerModel, served: str) -> None:
        """Leave it to the server, which forgets idle models by itself."""


def served_name(state: Mapping[str, Tensor]) -> str:
    """The name that an adapter of these tensors is served under."""
    return f"carryover-{adapter_sha256(state)[:HASH_CHARACTERS]}"


def served_hash(model: ServerModel, adapter: str) -> str:
    """The first characters of the hash that the server echoes, by answering one token.

    Compare with the start of the trained adapter's hash (check 5). Raises WrongModelError when
    another name came back.
    """
    model.check(adapter)
    return PurePosixPath(model.served_name(adapter)).name.removeprefix("carryover-")


def write_peft_folder(path: Path, config: Any, state: Mapping[str, Tensor]) -> None:
    """Write an adapter as peft's folder; one that is there must hold the same tensors."""
    weights = path / "adapter_model.safetensors"
    if not weights.exists() or adapter_sha256(load_file(weights)) != adapter_sha256(state):
        tensors = {key: state[key].detach().cpu().contiguous() for key in sorted(state)}
        write_atomic(weights, save(tensors, metadata={"format": "pt"}))
    values = {k: sorted(v) if isinstance(v, set) else v for k, v in config.to_dict().items()}
    write_json(path / "adapter_config.json", values)


def _listed(model: ServerModel, served: str) -> dict[str, Any] | None:
    """The server's entry for a served name, None when it has none."""
    worker = model.worker
    found = worker.submit(worker.client.retrying(lambda: worker.client.get("/models"), 0)).result()
    entries = found.get("data") or []
    return next((entry for entry in entries if entry.get("id") == served), None)


def _ask(model: ServerModel, path: str, body: dict[str, Any]) -> None:
    worker = model.worker
    once = worker.client.retrying(lambda: worker.client.text("POST", path, body), 0)
    try:
        worker.submit(once).result()
    except ServerError as error:
        raise ServedAdapterError(
            f"the adapter {body['lora_name']} can't be changed on the server: {error} vLLM takes "
            "adapters at run time when it is started with --enable-lora, a --max-lora-rank as "
            "large as theirs, and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True in its environment."
        ) from None
