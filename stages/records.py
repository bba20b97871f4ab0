"""The records every stage passes to the next, and JSON Lines in and out.

A record is a frozen dataclass; a file of records is JSON Lines, written atomically
(temporary file, fsync, rename) with sorted keys, so equal records give equal bytes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, cast, get_origin, get_type_hints

import jsonlines

T = TypeVar("T")


class UserError(ValueError):
    """Something the user can mend; the message is one paragraph: what, where and the remedy."""


class RecordError(UserError):
    """A file can't be read or written; the message names file, line, field and remedy."""


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Turn a UserError into its paragraph on stderr and exit status 1, without a traceback."""
    try:
        yield
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None


class Outcome(StrEnum):
    """How an episode ended. A harness error is never a failure of the agent (science.md §1)."""

    RESOLVED = "resolved"
    UNRESOLVED = "unresolved"
    EMPTY_PATCH = "empty_patch"
    AGENT_ERROR = "agent_error"
    HARNESS_ERROR = "harness_error"
    TIMEOUT = "timeout"


class Pathology(StrEnum):
    """Pathologies of the loop, recorded beside the outcome (check 27)."""

    NONE = "none"
    REPEATED_ACTION = "repeated_action"
    NEVER_WROTE = "never_wrote"
    NEVER_SUBMITTED = "never_submitted"
    PATCH_AT_LIMIT = "patch_at_limit"


@dataclasses.dataclass(frozen=True)
class Task:
    """One task of a suite, with SWE-bench's field names where it has them."""

    instance_id: str
    suite: str
    repo: str
    problem_statement: str
    created_at: str
    difficulty: str
    patch: str = ""
    test_patch: str = ""
    FAIL_TO_PASS: tuple[str, ...] = ()
    PASS_TO_PASS: tuple[str, ...] = ()
    tree_hash: str = ""
    meta: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Step:
    """One action and what came back. Tokens in tokens, time in seconds."""

    action: str
    observation: str
    ok: bool
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Trajectory:
    """One episode in the mini-swe-agent trajectory format: messages plus an ``info`` block.

    ``info`` holds at least: ``instance_id``, ``condition``, ``seed``, ``attempt``, ``outcome``,
    ``pathology``, ``n_steps``, ``input_tokens``, ``output_tokens``, ``cached_tokens``,
    ``submission`` (unified diff), ``tree_hash`` (workspace before), ``adapter_hash``, ``steps``.
    """

    messages: tuple[dict[str, str], ...]
    info: dict[str, Any]
    trajectory_format: str = "mini-swe-agent-1.1"

    @property
    def trajectory_id(self) -> str:
        return sha256_text(canonical_json({"m": list(self.messages), "i": self.info}))[:16]


@dataclasses.dataclass(frozen=True)
class Example:
    """One training example.

    ``prompt`` are chat messages; ``completion`` is the assistant message to learn. For format C
    ``rejected`` is the completion to prefer less. For format T ``prompt`` may contain earlier
    assistant turns; ``train_on`` says whether the loss covers them all or the completion only.
    """

    example_id: str
    format: str
    prompt: tuple[dict[str, str], ...]
    completion: str
    rejected: str = ""
    train_on: str = "completion"
    skill: str = ""
    instance_id: str = ""
    trajectory_id: str = ""
    step: int = -1


MISSING = "{}: no such file. Run `dvc repro`, which writes it, or correct the path."


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text; NaN is a ValueError."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Hash of a file's bytes; RecordError when there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise RecordError(MISSING.format(path)) from None


def write_atomic(path: Path, data: str | bytes) -> None:
    """Write the whole file or none of it: temporary file beside it, fsync, rename.

    Raises RecordError when the file can't be written (full disk, no right to); what stood there
    before is untouched.
    """
    payload = data.encode() if isinstance(data, str) else data
    try:
        _write_beside_and_rename(path, payload)
    except OSError as error:
        raise RecordError(
            f"{path}: can't be written ({error.strerror or error}). An earlier version of the file "
            "is untouched. Free space or correct the rights, then run the same command again."
        ) from error


def _write_beside_and_rename(path: Path, payload: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON with sorted keys, atomically."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(path, text + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; errors name the file, the line and the remedy."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecordError(MISSING.format(path)) from None
    except json.JSONDecodeError as error:
        raise RecordError(
            f"{path}, line {error.lineno}: not valid JSON ({error.msg}). The file was cut or "
            "edited; delete it and run `dvc repro` to make it again."
        ) from None
    except UnicodeDecodeError:
        raise RecordError(
            f"{path}: not text in UTF-8. The file was corrupted; delete it and run `dvc repro` to "
            "make it again."
        ) from None


def write_jsonl(path: Path, records: Iterable[Any]) -> None:
    """Write records (dataclasses or plain dictionaries) as JSON Lines, atomically."""
    lines = [
        canonical_json(
            dataclasses.asdict(record) if dataclasses.is_dataclass(record) else record  # type: ignore[arg-type]
        )
        for record in records
    ]
    write_atomic(path, "".join(f"{line}\n" for line in lines))


def read_jsonl(path: Path, kind: type[T]) -> list[T]:
    """Read JSON Lines into records of ``kind``; errors name file, line, field and remedy.

    ``dict`` as kind gives the objects as they are.
    """
    remedy = "Delete the file and run `dvc repro`; if it is yours, mend that line."
    if not path.exists():
        raise RecordError(MISSING.format(path))
    with path.open("rb") as file, jsonlines.Reader(file) as reader:
        try:
            return [
                cast(T, row)
                if kind is dict
                else from_dict(kind, row, f"{path}, line {line}", remedy)
                for line, row in enumerate(reader.iter(type=dict), start=1)
            ]
        except jsonlines.InvalidLineError as error:
            raise RecordError(
                f"{path}, line {error.lineno}: not a JSON object (cut short or corrupted). {remedy}"
            ) from None


def from_dict(kind: type[T], row: dict[str, Any], where: str, remedy: str) -> T:
    """Build a record from a mapping; a field unknown, missing or of another type is an error."""
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in row:
        if name not in fields:
            raise RecordError(f"{where}: unknown field {name!r} in a {kind.__name__}. {remedy}")
    for name, field in fields.items():
        required = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if required and name not in row:
            raise RecordError(f"{where}: field {name!r} is missing in a {kind.__name__}. {remedy}")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
    for name, expected in _field_types(kind).items():
        if name in values and not _is_a(values[name], expected):
            raise RecordError(
                f"{where}: field {name!r} of a {kind.__name__} must be {expected.__name__}, but is "
                f"{values[name]!r:.80}. {remedy}"
            )
    return kind(**values)


@functools.cache
def _field_types(kind: type) -> dict[str, type]:
    return {name: get_origin(hint) or hint for name, hint in get_type_hints(kind).items()}


def _is_a(value: Any, expected: type) -> bool:
    # JSON writes 1.0 as a float and 1 as an int; Python counts bool as int.
    if expected is float:
        expected = (int, float)  # type: ignore[assignment]
    return isinstance(value, expected) and (expected is bool or not isinstance(value, bool))
