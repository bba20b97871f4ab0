"""Outcomes by all that they follow from: of this process, and in a file shared with others.

Only for what follows from texts alone, and ended by itself. An outcome's key is a hash of what was
asked, of the limits, of this room's code and of the interpreter, so that a change of any of them
asks anew. The file only saves time: it may be deleted, and what is wrong with it is told and done
without.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sqlite3
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.agent.sandbox.config import LIMITS, SandboxConfig
from stages.agent.sandbox.layout import interpreter_path

WAIT_SECONDS = 30.0
"""For another process that is writing."""


class Memory:
    """Plain values by kind and question; for several threads and, with a file, processes."""

    def __init__(self, config: SandboxConfig) -> None:
        limits = {name: getattr(config, name) for name in LIMITS}
        self._place = _encoded([limits, _code(), interpreter_path(), sys.version])
        self._known: dict[bytes, Any] = {}
        self._path = config.memory
        self._lock = threading.Lock()
        self._opened: tuple[int, sqlite3.Connection] | None = None

    def key(self, kind: str, asked: Any) -> bytes:
        """Identifies a question; ``asked`` is anything that JSON can write."""
        return hashlib.sha256(self._place + _encoded([kind, asked])).digest()

    def get(self, key: bytes) -> Any:
        """The outcome, None where there is none."""
        found = self._known.get(key)
        if found is None and self._path is not None:
            with self._lock:
                found = self._read(key)
            if found is not None:
                self._known[key] = found
        return found

    def put(self, outcomes: Mapping[bytes, Any]) -> None:
        """Remember outcomes, each a value that JSON can write and that isn't None."""
        self._known |= outcomes
        if self._path is not None and outcomes:
            with self._lock:
                self._write(outcomes)

    def _read(self, key: bytes) -> Any:
        try:
            row = self._file().execute("SELECT outcome FROM outcomes WHERE key = ?", (key,))
            found = row.fetchone()
            return None if found is None else json.loads(found[0])
        except (sqlite3.Error, OSError, ValueError) as error:
            return self._give_up(error)

    def _write(self, outcomes: Mapping[bytes, Any]) -> None:
        rows = [(key, json.dumps(outcome)) for key, outcome in outcomes.items()]
        try:
            file = self._file()
            with file:  # one transaction
                file.executemany("INSERT OR IGNORE INTO outcomes VALUES (?, ?)", rows)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    def _file(self) -> sqlite3.Connection:
        """This process's own connection: one that was opened before a fork isn't used after."""
        if self._opened is None or self._opened[0] != os.getpid():
            assert self._path is not None
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
            file = sqlite3.connect(self._path, timeout=WAIT_SECONDS, check_same_thread=False)
            file.execute("PRAGMA journal_mode = WAL")
            file.execute("PRAGMA synchronous = OFF")  # what a power cut takes is found out again
            file.execute(
                "CREATE TABLE IF NOT EXISTS outcomes (key BLOB PRIMARY KEY, outcome TEXT NOT NULL)"
                " WITHOUT ROWID"
            )
            self._opened = os.getpid(), file
        return self._opened[1]

    def _give_up(self, error: Exception) -> None:
        print(
            f"{self._path}: what sandboxes found out earlier can't be used ({error}), so it is "
            "found out again. Delete the file.",
            file=sys.stderr,
        )
        self._path = None


@functools.cache
def _code() -> str:
    """Hash of this room's files: how programs are run and graded."""
    digest = hashlib.sha256()
    room = Path(__file__).parent
    for path in sorted(room.rglob("*.py")):
        digest.update(_encoded([path.relative_to(room).as_posix(), path.read_text("utf-8")]))
    return digest.hexdigest()


def _encoded(value: Any) -> bytes:
    """Equal values give equal bytes; text that isn't Unicode is written too."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True).encode()
