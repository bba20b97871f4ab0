"""``dvc repro`` with a clock beside it.

DVC says on its output when it starts a stage and when it has written the lock file after it. The
time between is the stage's, with what DVC itself does for it (hashing its outputs). Nothing is
asked of the stages, and nothing that DVC tracks learns of it.
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
_ENDS = re.compile(r"(Updating|Generating) lock file '")
_OTHER = re.compile(r"(Stage|'.+') .*(skipping|is cached)|ERROR: ")


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

    A stage whose lock file was never written (it failed, or the run was killed) is left out.
    """
    name, began = "", 0.0
    for line in lines:
        if found := _STARTS.match(line):
            name, began = found["name"], clock()
        elif name and _ENDS.match(line):
            yield name, clock() - began
            name = ""
        elif _OTHER.match(line):
            name = ""


def _passed_on(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        print(line, end="", flush=True)
        yield line


def _write(path: Path, name: str, seconds: float) -> None:
    known = read_json(path) if path.exists() else {}
    ended = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    write_json(path, {**known, name: {"seconds": round(seconds, 1), "ended": ended}})
