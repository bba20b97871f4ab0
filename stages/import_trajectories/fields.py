"""Fields of a foreign JSON object, checked: an error names file, line, field and remedy."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.import_trajectories.log import ImportFault


@dataclasses.dataclass(frozen=True)
class Fields:
    """An object and where it stands."""

    value: Mapping[str, Any]
    where: str
    path: str = ""

    def objects(self, name: str) -> list[Fields]:
        """A list of objects that must be there."""
        found = self.value.get(name)
        if not isinstance(found, list):
            raise self.wrong(name, "a list")
        return [self._inner(each, f"{name}[{index}]") for index, each in enumerate(found)]

    def object(self, name: str) -> Fields:
        """An object; an empty one where it is missing or null."""
        found = self.value.get(name)
        return Fields({}, self.where, name) if found is None else self._inner(found, name)

    def text(self, name: str) -> str:
        """A text; empty where it is missing or null."""
        found = self.value.get(name)
        if found is None:
            return ""
        if not isinstance(found, str):
            raise self.wrong(name, "a text")
        return self.clean(name, found)

    def number(self, name: str) -> int:
        """A whole number; 0 where it is missing or null."""
        found = self.value.get(name) or 0
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self.wrong(name, "a number")
        return int(found)

    def clean(self, name: str, text: str) -> str:
        """The text, unless UTF-8 can't hold it: half of a surrogate pair is a cut character."""
        try:
            text.encode()
        except UnicodeEncodeError:
            raise self.wrong(name, "text in Unicode; it holds half a character") from None
        return text

    def wrong(self, name: str, expected: str) -> ImportFault:
        """The error for a field; to be raised."""
        place = f"{self.path}.{name}" if self.path else name
        found = self.value.get(name)
        return ImportFault(
            f"{self.where}: field {place!r} is {found!r:.80}; it must be {expected}. Is it "
            "a log of the format that was named? Correct the file, or leave it out."
        )

    def _inner(self, value: Any, name: str) -> Fields:
        place = f"{self.path}.{name}" if self.path else name
        if not isinstance(value, Mapping):
            raise ImportFault(
                f"{self.where}: field {place!r} is {value!r:.80}; it must be an object. Correct "
                "the file, or leave it out."
            )
        return Fields(value, self.where, place)


def read_object(path: Path) -> Fields:
    """The one JSON object of a file."""
    return parse_object(_text(path), str(path), path)


def read_lines(path: Path) -> list[Fields]:
    """The objects of a JSON Lines file; empty lines are passed over."""
    lines = enumerate(_text(path).split("\n"), start=1)
    return [parse_object(line, f"{path}, line {n}", path) for n, line in lines if line.strip()]


def parse_object(text: str, where: str, path: Path) -> Fields:
    """A JSON object; ImportFault with its line where it isn't one."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        line = "" if "line" in where else f", line {error.lineno}"
        raise ImportFault(
            f"{where}{line}: not JSON ({error.msg}), cut short or of another format. Save it "
            f"again, or leave {path.name} out."
        ) from None
    except RecursionError:
        raise ImportFault(f"{where}: nested too deeply to be a log. Leave it out.") from None
    if not isinstance(value, dict):
        raise ImportFault(
            f"{where}: holds a {type(value).__name__}, not an object. Is it of the format that was "
            'named? A bare list of messages is read as format openai, written {"messages": [...]}.'
        )
    return Fields(value, where)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ImportFault(f"{path}: no such file. Correct the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ImportFault(f"{path}: can't be read ({error}). Save it again as UTF-8.") from None
