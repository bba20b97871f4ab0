"""A strict reader of YAML into frozen dataclasses.

Every key must be known, present and of the declared type; an error names file, line, key path
and the nearest valid key. The parser is the one DVC reads the same file with (YAML 1.2).
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from stages.records import UserError

T = TypeVar("T")
_ANCHOR = re.compile(r"&\w")


class ParamsError(UserError):
    """A parameter is unknown, missing or wrong; the message names file, line, key and remedy."""


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where a value stands: file, key path from the top, line (None when it is not known)."""

    file: str
    path: tuple[str, ...] = ()
    line: int | None = None

    def __str__(self) -> str:
        line = "" if self.line is None else f", line {self.line}"
        return f"{self.file}{line}: {'.'.join(self.path) or 'the top level'}"

    def under(self, block: Any, key: Any) -> _Place:
        """The place of ``block[key]``, where ``block`` stands here."""
        return _Place(self.file, (*self.path, str(key)), _line_of(block, key) or self.line)


def read_yaml(path: Path) -> Mapping[str, Any]:
    """The mapping in a YAML file, with its line numbers kept; ParamsError says what is wrong."""
    try:
        document = YAML(typ="rt", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(
            f"{path}: no such file. Run the command from the repository's root, where it lies."
        ) from None
    except MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f", line {error.problem_mark.line + 1}"
        raise ParamsError(f"{path}{line}: {error.problem}. Mend that line.") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"{path}: not readable as YAML ({error}). Mend the file.") from None
    if not isinstance(document, Mapping):
        raise ParamsError(f"{path}: holds no keys. Write `key: value` lines at its top level.")
    return document


def read_yaml_quickly(path: Path) -> Any:
    """The same values as ``read_yaml``'s, five times faster and without the numbers of the lines.

    None where only the slower reading tells what stands there: an unreadable file, or one with
    anchors, whose aliases this parser dissolves.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return None if _ANCHOR.search(text) else YAML(typ="safe").load(text)
    except (OSError, YAMLError, UnicodeDecodeError):
        return None


def build(kind: type[T], mapping: Mapping[str, Any], where: str = "params.yaml") -> T:
    """Build the dataclass ``kind`` from ``mapping``; ParamsError names ``where`` and the key.

    Understands nested dataclasses, unions of dataclasses told apart by a Literal field ``kind``,
    ``tuple[X, ...]``, ``dict[str, X]``, ``Mapping[str, X]``, ``X | None``, Literal and Any (taken
    as it stands); takes a whole number for a float. A field with a default may be left out.
    """
    return _dataclass(kind, mapping, _Place(where))


def nearest(name: object, known: Iterable[str]) -> str:
    """A sentence that lists the known names and, if one is near, suggests it."""
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return f"{hint}Known: {', '.join(names) or 'none'}."


def _line_of(block: Any, key: Any) -> int | None:
    """The line a key or item stands on, from 1; for a merged key, the line in its anchor."""
    if not isinstance(block, CommentedMap | CommentedSeq):
        return None
    own = block.lc.data or {}
    if key in own:
        return own[key][0] + 1
    anchors = block.merge if isinstance(block, CommentedMap) else []
    return next((_line_of(anchor, key) for anchor in anchors if key in anchor), None)


def _dataclass(kind: Any, value: Any, place: _Place) -> Any:
    if not isinstance(value, Mapping):
        raise _wrong_type("a mapping of keys", value, place)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in value:
        if key not in fields:
            raise ParamsError(
                f"{place.under(value, key)}: unknown key {str(key)!r}. {nearest(key, fields)}"
            )
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in value:
            values[name] = _convert(hints[name], value[name], place.under(value, name))
        elif field.default is field.default_factory:  # both MISSING: it has no default
            raise ParamsError(f"{place}: the key {name!r} is missing. Add it: {_say(hints[name])}.")
    return kind(**values)


def _convert(hint: Any, value: Any, place: _Place) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, value, place)
    if origin in (Union, types.UnionType):
        return _union(arguments, value, place)
    if origin is Literal:
        if value not in arguments or isinstance(value, bool):
            raise ParamsError(f"{place} is {value!r}. {nearest(value, map(str, arguments))}")
        return arguments[arguments.index(value)]
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise _wrong_type(_say(hint), value, place)
        return tuple(_convert(arguments[0], v, place.under(value, i)) for i, v in enumerate(value))
    if hint is Any:
        return _plain(value)
    if origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise _wrong_type(_say(hint), value, place)
        return {str(k): _convert(arguments[1], v, place.under(value, k)) for k, v in value.items()}
    return _scalar(hint, value, place)


def _plain(value: Any) -> Any:
    """Python's own containers and scalars in place of ruamel's, which carry line numbers."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _union(members: tuple[Any, ...], value: Any, place: _Place) -> Any:
    if value is None and types.NoneType in members:
        return None
    members = tuple(member for member in members if member is not types.NoneType)
    if len(members) == 1:
        return _convert(members[0], value, place)
    kinds = {
        kind: member for member in members for kind in get_args(get_type_hints(member)["kind"])
    }
    if not isinstance(value, Mapping):
        raise _wrong_type("a mapping of keys", value, place)
    if "kind" not in value:
        raise ParamsError(f"{place}: the key 'kind' is missing. {nearest('', kinds)}")
    if value["kind"] not in kinds:
        at = place.under(value, "kind")
        raise ParamsError(f"{at} is {value['kind']!r}. {nearest(value['kind'], kinds)}")
    return _dataclass(kinds[value["kind"]], value, place)


def _scalar(hint: Any, value: Any, place: _Place) -> Any:
    # bool is a subclass of int, and ruamel's numbers are subclasses of Python's.
    good = isinstance(value, bool) == (hint is bool) and (
        isinstance(value, hint) or (hint is float and isinstance(value, int))
    )
    if not good:
        raise _wrong_type(_say(hint), value, place)
    if hint is float and not math.isfinite(value):
        raise _wrong_type("a finite number", value, place)
    return hint(value)


def _wrong_type(expected: str, value: Any, place: _Place) -> ParamsError:
    got = "nothing" if value is None else f"{value!r}"
    return ParamsError(f"{place} must be {expected}, but is {got}. Correct the value.")


def _say(hint: Any) -> str:
    """A type in words, for messages."""
    origin, arguments = get_origin(hint), get_args(hint)
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    if hint in words:
        return words[hint]
    if origin is tuple:
        return f"a list, each item {_say(arguments[0])}"
    if origin is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if origin in (Union, types.UnionType):
        return " or ".join(_say(a) for a in arguments if a is not types.NoneType)
    return "a mapping of keys"
