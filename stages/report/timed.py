"""``dvc repro`` with a clock beside it.

DVC says on its output when it starts a stage, and when it goes on after it: an empty line, then the
next stage or that all is done. The time between is the stage's, with what DVC itself does for it
(hashing its outputs, writing the lock file). The line about the lock file is no end: DVC leaves it
out where a stage's outputs are what the file already has. Nothing is asked of the stages, and
nothing that DVC tracks learns of it.
"""

from __future__ import annotations

import datetime
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from stages.records import read_json, write_json
from stages.report.times import FILE

_STARTS = re.compile(r"Running stage '(?P<name>[^']+)':")
_GOES_ON = re.compile(
    r"Running stage '"
    r"|(Stage )?'.+' (didn't change, skipping|is cached - skipping run)"
    r"|To track the changes with git, run:"
    r"|Use `dvc push`"
)


def timed_repro(arguments: Sequence[str], path: Path = FILE) -> int:
    """Run ``dvc repro ARGUMENTS`` and write down each stage as it ends; returns its exit status."""
    command = [sys.executable, "-m", "dvc", "repro", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, errors="replace", env=environment
    ) as process:
        assert process.stdout is not None
        for name, seconds in stage_seconds(_passed_on(process.stdout)):
            _write(path, name, seconds)
    return process.returncode


def stage_seconds(
    lines: Iterable[str], clock: Callable[[], float] = time.monotonic
) -> Iterator[tuple[str, float]]:
    """(stage, seconds) of every stage that ran to its end, as the lines come in.

    DVC stops at the first failure and says so elsewhere (on its error output), so that a stage
    after which it does not go on has failed, or the run was killed: it is left out.
    """
    name, began, empty = "", 0.0, None
    for line in lines:
        now = clock()
        if _GOES_ON.match(line):
            if name:  # what comes after the empty line is already the next stage's check
                yield name, (now if empty is None else empty) - began
            found = _STARTS.match(line)
            name, began = (found["name"], now) if found else ("", 0.0)
        empty = now if line == "\n" else None


def _passed_on(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        print(line, end="", flush=True)
        yield line


def _write(path: Path, name: str, seconds: float) -> None:
    known = read_json(path) if path.exists() else {}
    ended = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    write_json(path, {**known, name: {"seconds": round(seconds, 1), "ended": ended}})
