"""What a base model's results hang on: the commit it was published as, or the bytes in a folder."""

from __future__ import annotations

import functools
from pathlib import Path

from stages.checkpoints.resolve import is_hub_id, weight_files
from stages.checkpoints.revisions import recorded_commit
from stages.params import ModelParams
from stages.params.values import values_of
from stages.records import canonical_json, sha256_file, sha256_text


def checkpoint_sha256(model: ModelParams) -> str:
    """SHA-256 over the model's settings and its contents: commit of a hub id, files of a folder.

    A folder is read whole the first time in a process (about a gigabyte a second); one that isn't
    there counts as empty.
    """
    if model.kind != "local":
        return sha256_text(canonical_json(values_of(model)))
    if is_hub_id(model.path):
        return sha256_text(canonical_json([values_of(model), recorded_commit(model)]))
    folder = Path(model.path)
    files = [*sorted(folder.glob("*.json")), *weight_files(folder)]
    contents = [[p.name, _file_sha256(p, *_stamp(p))] for p in files if p.exists()]
    return sha256_text(canonical_json([values_of(model), contents]))


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


@functools.lru_cache(maxsize=256)
def _file_sha256(path: Path, size: int, changed_ns: int) -> str:
    """The file's hash; size and time of change are there to tell a changed file from a known."""
    return sha256_file(path)
