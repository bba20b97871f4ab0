"""From a model's entry in params.yaml to a complete folder on this machine, or the way to one."""

from __future__ import annotations

import re
from pathlib import Path

from stages.checkpoints.revisions import recorded_commit, require_same, revision_of
from stages.params import ModelParams, ParamsError
from stages.records import read_json

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
INDEX = "model.safetensors.index.json"
GB = 1e9


def is_hub_id(path: str) -> bool:
    """Whether a path is meant as owner/name on the hub: no folder, here or beside ``models/``."""
    if not HUB_ID.fullmatch(path) or path.startswith("models/"):
        return False
    return not Path(path).exists() and not Path(path).parent.is_dir()


def find_checkpoint(model: ModelParams) -> Path:
    """The checkpoint's folder, complete; ParamsError says what is missing and how to get it.

    A hub id is looked up in the hub's cache at the recorded commit; nothing is downloaded.
    """
    folder = cached_snapshot(model) if is_hub_id(model.path) else Path(model.path)
    if not (folder / "config.json").exists():
        raise ParamsError(
            f"models: {model.path}: no checkpoint there (config.json is missing). Make the "
            "embedded model with `dvc repro pretrain_base`, or correct the path."
        )
    require_weights(model, folder)
    return folder


def cached_snapshot(model: ModelParams) -> Path:
    """The folder of the recorded commit in the hub's cache, which may not exist or be complete.

    ParamsError when nothing was fetched yet, or the cache's own branch stands at another commit.
    """
    commit = recorded_commit(model)
    if commit is None:
        raise ParamsError(missing(model, "it was never fetched, so its commit isn't recorded"))
    repository = hub_cache() / f"models--{model.path.replace('/', '--')}"
    reference = repository / "refs" / revision_of(model)
    if reference.exists():
        require_same(model, reference.read_text(encoding="utf-8").strip())
    folder = repository / "snapshots" / commit
    if not (folder / "config.json").exists():
        raise ParamsError(missing(model, f"commit {commit[:12]} isn't in {hub_cache()}"))
    return folder


def hub_cache() -> Path:
    """The hub's cache folder (environment variable HF_HUB_CACHE, else under HF_HOME)."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that the checkpoint consists of, there or not."""
    index = folder / INDEX
    if index.exists():
        return [folder / name for name in sorted(set(read_json(index)["weight_map"].values()))]
    return [folder / "model.safetensors"]


def require_weights(model: ModelParams, folder: Path) -> None:
    """Raise ParamsError when weights are missing, or only there in a format that can hold code."""
    lacking = [path.name for path in weight_files(folder) if not path.exists()]
    if not lacking:
        return
    if list(folder.glob("*.bin")) or list(folder.glob("*.pt")):
        raise ParamsError(
            f"{folder}: holds its weights as pickle files, which can run code when they are "
            "loaded; only safetensors are read here. Take the same model's safetensors from the "
            "hub, or convert the folder on a machine you can lose."
        )
    what = f"{len(lacking)} weight files are missing, the first {lacking[0]}"
    if is_hub_id(model.path):
        raise ParamsError(missing(model, what))
    raise ParamsError(f"{folder}: {what}. Copy the folder again, whole.")


def missing(model: ModelParams, why: str) -> str:
    """The message for weights that aren't here: what to run, and how much room it takes."""
    room = (
        f"about {2 * model.parameters_b:.0f} GB on disk"
        if model.parameters_b
        else "its size is shown"
    )
    return (
        f"models: {model.path} (revision {revision_of(model)}): {why}. Fetch it ({room}): "
        f"`HF_HUB_OFFLINE=0 python -m stages.checkpoints fetch {model.path}`. Without a network "
        "here, copy a folder with its config.json, safetensors and tokenizer to this machine and "
        "use `-S model=<folder>`."
    )
