"""Wall time of the pilot in a fresh clone, by stage.

The clone holds the last commit; its cache is empty, so every stage runs but the embedded model's,
which is committed. A stage's time goes from DVC's line about it to the next line, so it includes
hashing and caching of its outputs. The peer is the budget of five minutes on two cores; it is one
run, so there is no interval.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TARGET = "stats@p1"
BUDGET_S = 300.0
STARTED = re.compile(r"(?:Running stage|Stage) '([^']+)'")
EXPENSIVE = "pretrain_base"


def measure() -> list[dict[str, Any]]:
    """One row; above 1 the pilot stays within the budget. ``stages`` holds seconds by stage."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", str(Path.cwd()), str(clone)], check=True)
        stages = time_stages(repro(clone))
    total = sum(stages.values())
    return [
        {
            "name": "pilot, share of the budget's time",
            "ratio": BUDGET_S / total,
            "lo": None,
            "hi": None,
            "peer": f"a budget of {BUDGET_S:.0f} s on two cores",
            "command": "python -m benchmarks --only pilot",
            "seconds": round(total, 1),
            "stages": {name: round(value, 1) for name, value in stages.items()},
        }
    ]


def repro(clone: Path) -> Iterable[tuple[float, str]]:
    """(seconds since the start, line) of `dvc repro`, ended by one empty line.

    RuntimeError if it fails, or would train the embedded model, which takes up to an hour.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "dvc", "repro", TARGET],
        cwd=clone,
        env={**os.environ, "PATH": path, "PYTHONPATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as run:
        assert run.stdout is not None
        last = ""
        try:
            for line in run.stdout:
                if line.startswith(f"Running stage '{EXPENSIVE}'"):
                    raise RuntimeError(
                        f"{EXPENSIVE} isn't up to date in the last commit, and takes up to an "
                        "hour. Run `make organism`, commit models/base and dvc.lock, then this "
                        "again."
                    )
                last = line.strip() or last
                yield time.perf_counter() - began, line
        except BaseException:  # DVC killed alone would leave its stage running
            os.killpg(run.pid, signal.SIGKILL)
            raise
    if run.returncode:
        raise RuntimeError(f"dvc repro {TARGET} failed in the clone: {last[-400:]}")
    yield time.perf_counter() - began, ""


def time_stages(lines: Iterable[tuple[float, str]]) -> dict[str, float]:
    """Stage -> seconds, in order; ``start`` is DVC's own time before the first stage."""
    seconds: dict[str, float] = {}
    stage, since = "start", 0.0
    for at, line in lines:
        found = STARTED.match(line)
        if found or not line:
            seconds[stage] = seconds.get(stage, 0.0) + at - since
            stage, since = (found[1] if found else stage), at
    return seconds
