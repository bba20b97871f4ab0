"""Download a hub model at the commit that its revision stands for, safetensors only."""

from __future__ import annotations

import fnmatch
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from stages.checkpoints.resolve import GB, hub_cache
from stages.checkpoints.revisions import record, require_same, revision_of
from stages.params import ModelParams, ParamsError

SMALL_FILES = ("*.json", "*.jinja", "merges.txt", "vocab.txt", "tokenizer.model")
WEIGHTS = ("*.safetensors",)


class Hub(Protocol):
    """What is asked of the hub."""

    def files(self, name: str, revision: str) -> tuple[str, dict[str, int]]:
        """The revision's commit, and its files with their sizes in bytes."""
        ...

    def download(self, name: str, commit: str, patterns: tuple[str, ...]) -> Path:
        """The folder of the commit, with every file that matches a pattern."""
        ...


class HuggingFace:
    """The hub itself, through its own client."""

    def files(self, name: str, revision: str) -> tuple[str, dict[str, int]]:
        from huggingface_hub import HfApi

        info = HfApi().model_info(name, revision=revision, files_metadata=True)
        return str(info.sha), {f.rfilename: f.size or 0 for f in info.siblings or ()}

    def download(self, name: str, commit: str, patterns: tuple[str, ...]) -> Path:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(name, revision=commit, allow_patterns=list(patterns)))


def fetch(
    model: ModelParams, weights: bool = True, accept: bool = False, hub: Hub | None = None
) -> Path:
    """Download the model and record its commit; the folder it lies in.

    ``weights=False`` takes the few kilobytes that `show` needs. ParamsError when the hub can't be
    reached or doesn't know the revision, when another commit was recorded (unless ``accept``),
    when there are no safetensors, and when the disk has no room.
    """
    hub = hub or HuggingFace()
    name, revision = model.path, revision_of(model)
    commit, sizes = asked(lambda: hub.files(name, revision), model)
    require_same(model, commit, "accept" if accept else "")
    if not any(fnmatch.fnmatch(file, WEIGHTS[0]) for file in sizes):
        raise ParamsError(
            f"models: {name} (revision {revision}) has no safetensors on the hub, and weights "
            "that are pickle files can run code. Take a copy that was converted."
        )
    patterns = SMALL_FILES + (WEIGHTS if weights else ())
    require_room(name, {f: s for f, s in sizes.items() if _matches(f, patterns)})
    folder = asked(lambda: hub.download(name, commit, patterns), model)
    record(model, commit, accept)
    return folder


def require_room(name: str, sizes: dict[str, int], cache: Path | None = None) -> None:
    """Raise ParamsError when the disk that holds the hub's cache can't take the files."""
    place = cache or hub_cache()
    disk = next(p for p in (place, *place.parents) if p.exists())
    free, needed = shutil.disk_usage(disk).free, sum(sizes.values())
    if needed > free:
        raise ParamsError(
            f"models: {name} takes {needed / GB:.1f} GB in {place}, where {free / GB:.1f} GB are "
            "free. Make room, or point HF_HUB_CACHE at a folder on a larger disk."
        )


def asked(call: Callable[[], Any], model: ModelParams) -> Any:
    """``call()``, with the hub's refusals and a dead network said in one paragraph."""
    from huggingface_hub import errors

    at = f"models: {model.path} (revision {revision_of(model)})"
    command = f"`HF_HUB_OFFLINE=0 python -m stages.checkpoints fetch {model.path}`"
    try:
        return call()
    except errors.GatedRepoError:
        remedy = "its owner wants its licence accepted: do so on its page, then `hf auth login`"
    except errors.RevisionNotFoundError:
        remedy = "the hub knows no such revision; correct `revision` in params.yaml, or leave it"
    except errors.RepositoryNotFoundError:
        remedy = "the hub knows no such model (or hides it from you); correct `path`"
    except (errors.OfflineModeIsEnabled, errors.HfHubHTTPError, OSError) as error:
        remedy = (
            f"the hub can't be used from here ({type(error).__name__}). Try again with a network "
            f"({command}), or copy a folder with the model to this machine and use `-S "
            "model=<folder>`"
        )
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("httpx", "httpx2", "httpcore"):
            raise
        remedy = f"there is no way to the hub ({error}). With a network run {command}"
    raise ParamsError(f"{at}: {remedy}.")


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
