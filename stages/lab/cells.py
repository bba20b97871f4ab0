"""Cells: a stage's work in pieces that survive a kill.

A cell's file is written atomically under a key that hashes everything it depends on: its own
settings, its inputs' contents and the code that makes it. A killed stage continues with the
next cell and ends with the same bytes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.lab.imports import code_sha256
from stages.records import canonical_json, read_json, sha256_text, write_json


class Cells:
    """The cells of one stage and experiment, as folders or files below ``folder``."""

    def __init__(self, folder: Path, *rooms: str) -> None:
        """``rooms``: the stage, and what the parameters chose for it."""
        self.folder = folder
        self._code = code_sha256(rooms)
        self._used: set[Path] = set()

    def job(
        self, name: str, key: Any, suffix: str, make: Callable[[Path], None]
    ) -> Callable[[], Path]:
        """A call that gives the cell's path, making it unless a finished one has the same key."""
        path = self.folder / f"{name}{suffix}"
        stamp = self.folder / f"{name}.key.json"
        self._used |= {path, stamp}
        digest = sha256_text(canonical_json([key, self._code]))

        def run() -> Path:
            if path.exists() and stamp.exists() and _stamp(stamp) == digest:
                return path
            stamp.unlink(missing_ok=True)
            if path.is_dir():  # else what an earlier setting wrote would stay among the new files
                shutil.rmtree(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            make(path)
            write_json(stamp, {"key": digest})
            return path

        return run

    def keep(self, path: Path) -> Path:
        """Mark a file that isn't a cell as part of the output."""
        self._used.add(path)
        return path

    def sweep(self) -> None:
        """Delete what an earlier setting left behind, so that equal settings give equal bytes."""
        if not self.folder.exists():
            return
        for path in sorted(self.folder.rglob("*"), reverse=True):
            inside = any(used == path or used in path.parents for used in self._used)
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif not inside:
                path.unlink()


def _stamp(path: Path) -> str:
    """The finished cell's key; a cut stamp counts as none."""
    try:
        return str(read_json(path)["key"])
    except (ValueError, KeyError, json.JSONDecodeError):
        return ""
