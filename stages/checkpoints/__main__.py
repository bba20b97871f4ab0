"""Fetch a real model, accept a changed one, or print what it takes."""

from __future__ import annotations

import argparse
import sys

from tabulate import tabulate

from stages.checkpoints.fetch import fetch
from stages.checkpoints.memory import estimate
from stages.checkpoints.resolve import GB, cached_snapshot, is_hub_id
from stages.checkpoints.shape import shape_of
from stages.params import ModelParams, ParamsError, load_params, named_model
from stages.records import UserError


def model_named(name: str) -> ModelParams:
    """An entry of `models`, the entry that has this path, or `custom` with this path."""
    params = load_params()
    same = [model for model in params.models.values() if model.path == name]
    return same[0] if same and name not in params.models else named_model(params, name)


def sizes(model: ModelParams) -> str:
    """A table of what the model takes, from its config.json alone."""
    from pathlib import Path

    folder = cached_snapshot(model) if is_hub_id(model.path) else Path(model.path)
    if not (folder / "config.json").exists():
        raise ParamsError(f"models: {model.path}: no config.json there. Correct the path.")
    shape = shape_of(folder)
    found = estimate(model, shape)
    rows = [
        ("parameters", f"{shape.parameters / 1e9:.2f} billion"),
        ("weights in memory", f"{found.weights / GB:.1f} GB ({model.dtype}, {model.quantisation})"),
        ("cache of one chat", f"{found.cache / model.max_live / GB:.2f} GB"),
        (f"playing {model.max_live} chats", f"{found.playing / GB:.1f} GB"),
    ]
    if model.adapter is not None:
        rows.append(("training an adapter", f"{found.training / GB:.1f} GB"))
    return tabulate(rows, tablefmt="plain")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m stages.checkpoints", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    for name, text in (
        ("fetch", "download it; records the commit of its revision the first time"),
        ("accept", "download it and record the commit its revision stands for now"),
        ("show", "print what it takes, from its config.json"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("model", help="name under `models:` in params.yaml, or its hub id")
        if name == "fetch":
            action.add_argument(
                "--config-only", action="store_true", help="a few kilobytes, enough for `show`"
            )
    chosen = parser.parse_args(arguments)
    try:
        model = model_named(chosen.model)
        if chosen.action == "show":
            print(sizes(model))
            return
        small = getattr(chosen, "config_only", False)
        print(fetch(model, weights=not small, accept=chosen.action == "accept"))
    except UserError as error:
        sys.exit(f"checkpoints: {error}")


if __name__ == "__main__":
    main()
