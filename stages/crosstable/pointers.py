"""Where an item of the report stands here, and whether that place exists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.params.strict import read_yaml
from stages.records import read_json

FOLDERS = {"metric": "metrics", "detail": "metrics/details", "check": "metrics/audit"}
"""Kinds of pointers into results, and where those lie."""
WORDS = ("parameter", "criterion", *FOLDERS, "code")


class Places:
    """params.yaml, metrics/ and the code below one root, each file read once."""

    def __init__(self, root: Path = Path()) -> None:
        self.root = root
        self.params = read_yaml(root / "params.yaml")
        self._tables: dict[Path, Any] = {}

    def declared(self, experiment: str) -> bool:
        """Whether params.yaml has the experiment."""
        return experiment in self.params["experiments"]

    def missing(self, pointer: str, experiment: str) -> str:
        """Why ``pointer`` of an experiment points at nothing; '' where it resolves.

        Pointers into results are looked up only where the experiment's results are there.
        """
        word, _, rest = pointer.partition(" ")
        if word not in WORDS or not rest:
            return f"{pointer!r} is no pointer: write one of {', '.join(WORDS)}, then its name"
        if word == "code":
            return self._missing_code(rest)
        if word in FOLDERS:
            path = self.root / FOLDERS[word] / f"{experiment}.json"
            where = path.relative_to(self.root).as_posix()
            return _missing_key(self._table(path), rest, where) if path.exists() else ""
        at = f"experiments.{experiment}.{'criteria.' * (word == 'criterion')}{rest}"
        at = rest[1:] if rest.startswith("/") else at
        return _missing_key(self.params, at, "params.yaml")

    def _table(self, path: Path) -> Any:
        if path not in self._tables:
            self._tables[path] = read_json(path)
        return self._tables[path]

    def _missing_code(self, rest: str) -> str:
        file, _, name = rest.partition(" ")
        path = self.root / "stages" / file
        if not path.is_file():
            return f"there is no file stages/{file}"
        pattern = rf"^\s*(def|class) {re.escape(name)}\b|^{re.escape(name)}\b.*="
        found = re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
        return "" if name and found else f"stages/{file} defines no {name!r}"


def _missing_key(table: Any, path: str, where: str) -> str:
    """'' if ``table`` has something under the dotted ``path``."""
    found = table
    for part in path.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return f"{where} has no {path} (there is no {part!r})"
        found = found[part]
    return f"{where}: {path} is empty" if found in (None, {}, [], "") else ""
