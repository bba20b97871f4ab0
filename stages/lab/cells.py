"""Cells: a stage's work in pieces that survive a kill.

A cell's file is written atomically under a key that hashes everything it depends on: its own
settings, its inputs' contents and the code that makes it. A killed stage continues with the
next cell and ends with the same bytes.

Experiments have cells in common: the base model over the same tasks, an adapter of the same
examples. Where a stage says ``shared``, a finished cell is also kept in ``STORE`` under its key,
and the next experiment takes it from there instead of making it again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stages.lab.imports import ROOT, ImportGraph, hash_of
from stages.records import canonical_json, read_json, sha256_text, write_json

STORE = Path(".cells")
"""Finished cells by key, for all experiments of this clone; deleting it costs only time."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """One piece of a stage's work; calling it gives the path of the finished piece."""

    path: Path
    stamp: Path
    """The file beside it that holds the key it was made under."""
    key: str
    make: Callable[[Path], None]
    kept: Path | None
    """Where a finished one is kept for other experiments."""
    timings: Path | None

    def __call__(self) -> Path:
        """The finished cell, made now where there is none."""
        if not self.at_hand():
            self.make(self.path)
            if self.kept is not None:
                _store(self.kept, self._pairs())
            write_json(self.stamp, {"key": self.key})
        return self.path

    def at_hand(self) -> bool:
        """Whether it needn't be made: it is finished here, or was copied from the store now.

        What an earlier setting left in its place is gone afterwards.
        """
        if self.path.exists() and self.stamp.exists() and _stamp(self.stamp) == self.key:
            return True
        self.stamp.unlink(missing_ok=True)
        if self.path.is_dir():  # else what an earlier setting wrote would stay among the new files
            shutil.rmtree(self.path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.kept is None or not _fetch(self.kept, self._pairs()):
            return False
        write_json(self.stamp, {"key": self.key})
        return True

    def _pairs(self) -> list[tuple[Path, str]]:
        return [(self.path, "cell"), *([(self.timings, "timings")] if self.timings else [])]


class Cells:
    """The cells of one stage and experiment, as folders or files below ``folder``."""

    def __init__(self, folder: Path, *rooms: str, shared: bool = False) -> None:
        """``rooms``: the stage, and what the parameters chose for it.

        ``shared`` is for cells whose key says everything about their content, so that equal keys
        mean equal bytes whatever the experiment and the cell are called.
        """
        self.folder = folder
        self._shared = shared
        self._code = code_of(*rooms)
        self._used: set[Path] = set()

    def job(
        self,
        name: str,
        key: Any,
        suffix: str,
        make: Callable[[Path], None],
        timings: Path | None = None,
    ) -> Cell:
        """The cell of that name: called, it is made unless a finished one has the same key.

        ``timings`` is what ``make`` writes beside it of its wall-clock; it is shared with the cell.
        """
        path = self.folder / f"{name}{suffix}"
        stamp = self.folder / f"{name}.key.json"
        self._used |= {path, stamp}
        digest = sha256_text(canonical_json([key, self._code]))
        kept = STORE / digest if self._shared else None
        return Cell(path, stamp, digest, make, kept, timings)

    def keep(self, path: Path) -> Path:
        """Mark a file that isn't a cell as part of the output."""
        self._used.add(path)
        return path

    def sweep(self) -> None:
        """Delete what an earlier setting left behind, so that equal settings give equal bytes."""
        if not self.folder.exists():
            return
        for path in sorted(self.folder.rglob("*"), reverse=True):
            inside = path in self._used or not self._used.isdisjoint(path.parents)
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif not inside:
                path.unlink()


@functools.cache
def code_of(*rooms: str) -> str:
    """Hash of the code that the rooms reach (see imports.py), as it was when first asked for.

    Reading and parsing the files takes a tenth of a second, and a stream asks at every step.
    """
    return hash_of(_graph(), rooms)


@functools.cache
def _graph() -> ImportGraph:
    return ImportGraph(ROOT)


def _fetch(kept: Path, pairs: Sequence[tuple[Path, str]]) -> bool:
    """Copy a stored cell to its places; False if there is none."""
    if not kept.is_dir():
        return False
    for path, name in pairs:
        path.parent.mkdir(parents=True, exist_ok=True)
        if (kept / name).is_dir():
            shutil.copytree(kept / name, path)
        elif (kept / name).exists():
            shutil.copyfile(kept / name, path)
    return True


def _store(kept: Path, pairs: Sequence[tuple[Path, str]]) -> None:
    """Keep a finished cell; it appears whole or not at all, also when two processes finish one."""
    kept.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".unfinished-") as folder:
        whole = Path(folder) / kept.name
        whole.mkdir()
        for path, name in pairs:
            if path.is_dir():
                shutil.copytree(path, whole / name)
            elif path.exists():
                shutil.copyfile(path, whole / name)
        with contextlib.suppress(OSError):  # another process was first, with the same bytes
            whole.rename(kept)


def _stamp(path: Path) -> str:
    """The finished cell's key; a cut stamp counts as none."""
    try:
        return str(read_json(path)["key"])
    except (ValueError, KeyError, json.JSONDecodeError):
        return ""
