"""Which commit a hub model's revision stood for when it was first fetched.

models/revisions.json is tracked by Git: ``{"owner/name@main": "<commit>"}``. What `main` means on
the hub may change under a run; what is recorded here doesn't, until someone accepts it.
"""

from __future__ import annotations

from pathlib import Path

from stages.params import ModelParams, ParamsError
from stages.records import read_json, write_json

FILE = Path("models/revisions.json")


def revision_of(model: ModelParams) -> str:
    """The branch, tag or commit asked for; an empty one is main."""
    return model.revision or "main"


def recorded_commit(model: ModelParams, file: Path | None = None) -> str | None:
    """The commit recorded for the model's revision, or None before its first download."""
    file = file or FILE
    return read_json(file).get(_key(model)) if file.exists() else None


def record(model: ModelParams, commit: str, accept: bool = False, file: Path | None = None) -> None:
    """Write the revision's commit; ParamsError when another one stands there, unless accepted."""
    file = file or FILE
    require_same(model, commit, "accept" if accept else "", file)
    entries = read_json(file) if file.exists() else {}
    write_json(file, {**entries, _key(model): commit})


def require_same(
    model: ModelParams, commit: str, accepted: str = "", file: Path | None = None
) -> None:
    """Raise ParamsError when ``commit`` isn't the recorded one (and nobody accepted it)."""
    file = file or FILE
    known = recorded_commit(model, file)
    if known in (None, commit) or accepted:
        return
    raise ParamsError(
        f"{file}: {_key(model)} was recorded as commit {known}, and is {commit} now: the owner "
        "changed the model, and results on both would be mixed. To take the new one (everything "
        f"made with the old one is made again): `HF_HUB_OFFLINE=0 python -m stages.checkpoints "
        f"accept {model.path}`. To stay with the old one, set its `revision` in params.yaml to "
        f"{known} and run `HF_HUB_OFFLINE=0 python -m stages.checkpoints fetch {model.path}`."
    )


def _key(model: ModelParams) -> str:
    return f"{model.path}@{revision_of(model)}"
