"""The model backend behind a server, from the model's parameters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.agent.model import Request
from stages.lab.models import load_tokenizer, local_model, quiet_libraries
from stages.params import ModelParams, ServerParams
from stages.records import sha256_file
from stages.server.adapters import MergedAdapters, VllmAdapters
from stages.server.config import Prices, ServerConfig
from stages.server.export import export_for_serving
from stages.server.model import ServerModel
from stages.server.parity import require_parity

PARITY_TOKENS = 64
"""Length of the answers that the parity check compares, tokens."""


def served_model(model: ModelParams) -> ServerModel:
    """A client that the server has answered once, with the checkpoint's own tokenizer.

    ServerError when the server is dead, wants another key, serves another model or renders chats
    to other token counts than training does.
    """
    server = model.server
    assert server is not None, "chosen.open_model asks for a served model only"
    served = ServerModel(config_of(model, server), load_tokenizer(model), _host(model, server))
    served.check()
    served.close()  # its threads don't survive the fork into worker processes
    return served


def config_of(model: ModelParams, server: ServerParams) -> ServerConfig:
    """The client's settings."""
    return ServerConfig(
        url=server.url,
        model=server.model or str(_servable(model, server)),
        kind=server.kind,
        api_key_env=server.api_key_env,
        concurrency=server.concurrency,
        timeout_s=server.timeout_s,
        context_tokens=model.context_tokens,
        fold_roles=server.fold_roles,
        prices=Prices(
            input_per_million=server.input_per_million,
            cached_per_million=server.cached_per_million,
            output_per_million=server.output_per_million,
            limit=server.spending_limit,
        ),
        ledger=server.ledger,
    )


def _servable(model: ModelParams, server: ServerParams) -> Path:
    """The checkpoint's copy that servers read as we do, made when it isn't there."""
    weights = Path(model.path) / "model.safetensors"
    copy = (Path(server.folder) / f"base-{sha256_file(weights)[:16]}").resolve()
    if copy.exists():
        return copy
    with quiet_libraries():
        return export_for_serving(Path(model.path), copy)


def _host(model: ModelParams, server: ServerParams) -> Any:
    """How adapters get onto the server; None for servers that take none at run time."""
    folder = Path(server.folder)
    if server.kind == "vllm":
        return VllmAdapters(folder)
    if server.kind == "transformers":
        return MergedAdapters(Path(model.path), folder)
    return None


def require_same_actions(
    model: ModelParams, served: ServerModel, openings: Sequence[Sequence[dict[str, str]]]
) -> None:
    """Stop (ParityError) unless server and weights in process answer the openings alike (check 6).

    As many as ``server.parity_prompts`` says are asked, greedily; 0 asks none, for weights that
    this machine can't hold.
    """
    assert model.server is not None
    count = model.server.parity_prompts
    if not count:
        return
    asked = [
        Request(tuple(chat), None, 0.0, PARITY_TOKENS, number, ("parity", number))
        for number, chat in enumerate(openings[:count])
    ]
    require_parity(local_model(model), served, asked, at_least=count)
    served.close()
