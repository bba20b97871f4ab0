"""Rows of a public data set: from a local file, or from the Hugging Face hub at one commit."""

from __future__ import annotations

import dataclasses
import gzip
import importlib.util
import json
import os
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import jsonlines

from stages.suites.guard import GuardError

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class HubSet:
    """Where a data set stands on the hub."""

    dataset: str
    """owner/name"""
    configs: tuple[str, ...]
    """configurations to read, one after the other"""
    splits: tuple[str, ...]
    """splits to read of each"""


def load_rows(path: str | None, hub: HubSet, revision: str | None) -> list[Row]:
    """Rows of ``path`` where one is given, else of the hub at ``revision``. Raises GuardError."""
    if path is not None:
        return read_rows(Path(path))
    if not revision:
        raise GuardError(
            f"revision is null and so is path: rows of {hub.dataset} could change between runs. "
            "Give the data set's commit on the hub, or the path of a file."
        )
    return _download(hub, revision)


def read_rows(path: Path) -> list[Row]:
    """Rows of a .json, .jsonl, .parquet file or of the first two with .gz behind."""
    if not path.is_file():
        raise GuardError(f"{path}: no such file. Correct the path, or give null and a revision.")
    if path.suffix == ".parquet":
        return _parquet(path)
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise GuardError(f"{path}: can't be read ({error}). Fetch the file again.") from None
    return _objects(text, path)


def need(row: Row, names: Sequence[str], where: str) -> None:
    """GuardError unless the row has the fields."""
    for name in names:
        if name not in row:
            raise GuardError(
                f"{where}: field {name!r} is missing (there are {', '.join(row)}). Is the file "
                "another data set, or another version of it?"
            )


def check_count(rows: Collection[object], expected: int, what: str) -> None:
    """GuardError unless there are as many rows as the data set was published with."""
    if len(rows) != expected:
        raise GuardError(
            f"{what}: {len(rows)} problems were read, published are {expected}. Fetch the whole "
            "file again; a part of it is no comparison with published results."
        )


def _objects(text: str, path: Path) -> list[Row]:
    """A JSON list of objects, or one object a line."""
    if text.lstrip().startswith("["):
        try:
            rows = json.loads(text)
        except json.JSONDecodeError as error:
            raise GuardError(f"{path}, line {error.lineno}: {error.msg}. Fetch it again.") from None
        bad = next((n for n, row in enumerate(rows) if not isinstance(row, dict)), None)
        if bad is not None:
            raise GuardError(f"{path}: entry {bad} is not an object. Fetch the file again.")
        return rows
    try:
        return list(jsonlines.Reader(text.split("\n")).iter(type=dict, skip_empty=True))
    except jsonlines.InvalidLineError as error:
        raise GuardError(
            f"{path}, line {error.lineno}: not a JSON object. Fetch the file again."
        ) from None


def _parquet(path: Path) -> list[Row]:
    _require("pyarrow", f"{path} is a Parquet file")
    import pyarrow  # pyright: ignore[reportMissingImports]
    import pyarrow.parquet  # pyright: ignore[reportMissingImports]

    try:
        return pyarrow.parquet.read_table(path).to_pylist()
    except pyarrow.ArrowException as error:
        raise GuardError(f"{path}: not a Parquet file ({error}). Fetch it again.") from None


def _download(hub: HubSet, revision: str) -> list[Row]:
    _require("datasets", f"{hub.dataset} comes from the hub")
    import datasets  # pyright: ignore[reportMissingImports]
    from datasets.exceptions import DatasetsError  # pyright: ignore[reportMissingImports]

    rows: list[Row] = []
    try:
        for config in hub.configs:
            for split in hub.splits:
                part = datasets.load_dataset(hub.dataset, config, split=split, revision=revision)
                rows += [dict(row) for row in part]
    except (OSError, ValueError, DatasetsError) as error:
        raise GuardError(
            f"{hub.dataset} at {revision} can't be had: {str(error).splitlines()[0]:.200} Online, "
            f"check the name and the commit at https://huggingface.co/datasets/{hub.dataset}; "
            f"offline (HF_HUB_OFFLINE={os.environ.get('HF_HUB_OFFLINE', 'unset')}), run `hf "
            f"download --repo-type dataset {hub.dataset} --revision {revision}` on a machine that "
            "is online and copy its cache, or give a file as path."
        ) from None
    return rows


def _require(module: str, why: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise GuardError(f"{why}, and {module} isn't installed: pip install '.[real]'.")
