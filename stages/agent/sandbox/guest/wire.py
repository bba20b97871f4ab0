"""Length-prefixed frames over file descriptors; nothing received is ever unpickled."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Sequence

MAX_FRAME = 64 * 1024 * 1024
# References kept from before any candidate runs: a program that patches `os` changes nothing here.
_read, _write = os.read, os.write


class WireError(OSError):
    """The other side closed the pipe, sent an oversized frame, or ran past the deadline."""


def read_exact(fd: int, size: int, deadline: float | None = None) -> bytes:
    """`size` bytes from `fd`; raises WireError at end of file or past `deadline` (monotonic)."""
    chunks = b""
    while len(chunks) < size:
        if deadline is not None:
            poller = select.poll()
            poller.register(fd, select.POLLIN)
            if not poller.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise WireError("no answer before the deadline")
        chunk = _read(fd, size - len(chunks))
        if not chunk:
            raise WireError("the other side closed the pipe")
        chunks += chunk
    return chunks


def read_frame(fd: int, deadline: float | None = None) -> bytes:
    """The body of the next frame."""
    size = int.from_bytes(read_exact(fd, 4, deadline), "big")
    if size > MAX_FRAME:
        raise WireError(f"a frame of {size} bytes is over the limit of {MAX_FRAME}")
    return read_exact(fd, size, deadline)


def frame(body: bytes) -> bytes:
    """`body` behind its length."""
    return len(body).to_bytes(4, "big") + body


def write_all(fd: int, data: bytes) -> None:
    """Every byte of `data`, however short the writes are."""
    while data:
        data = data[_write(fd, data) :]


def pack(fields: Sequence[str]) -> bytes:
    """Fields as frames behind one another. Not JSON: a candidate could have patched json."""
    return b"".join([frame(field.encode("utf-8", "surrogatepass")) for field in fields])


def unpack(body: bytes) -> list[str]:
    """The inverse of `pack`; a truncated body raises WireError."""
    fields, at = [], 0
    while at < len(body):
        end = at + 4 + int.from_bytes(body[at : at + 4], "big")
        if end > len(body):
            raise WireError("a field is longer than its frame")
        fields.append(body[at + 4 : end].decode("utf-8", "replace"))
        at = end
    return fields
