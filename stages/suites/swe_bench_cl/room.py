"""A full disk is named as such: a test that fails for want of room says nothing about a patch."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from stages.suites.swe_bench_cl.errors import HarnessError, SweBenchError

FULL = ("No space left on device", "Disk quota exceeded")
MIN_FREE_MB = 512
"""Least that must be free before a run and still be free after it, MiB."""
REMEDY = "Free some space, then run the same command again: what was finished is kept."


def remedy(words: str, usual: str) -> str:
    """What to do about a program's error message: ``usual``, unless the disk was full."""
    return REMEDY if any(phrase in words for phrase in FULL) else usual


@contextlib.contextmanager
def with_room(folder: Path) -> Iterator[None]:
    """HarnessError where the disk below ``folder`` is full, before, in or after what is run.

    After it too, since a test that met a full disk has failed for a reason of ours.
    """
    _need(folder, "before a run")
    try:
        yield
    except SweBenchError:
        _need(folder, "where it failed")  # programs don't always pass on why a write failed
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise HarnessError(f"{folder}: the disk is full ({error.strerror}). {REMEDY}") from None
    _need(folder, "after a run, whose tests may have failed for that")


def _need(folder: Path, when: str) -> None:
    free = shutil.disk_usage(folder).free >> 20
    if free < MIN_FREE_MB:
        raise HarnessError(
            f"{folder}: {free} MiB are free {when}; a run needs {MIN_FREE_MB}. {REMEDY}"
        )
