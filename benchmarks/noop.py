"""A `dvc repro` with nothing to do: this pipeline against a dummy one of as many stages.

The dummy's stages each copy one small file into the next. Both are up to date; wall-clock of
`dvc repro TARGET`, alternating, the ratio's median with a bootstrap interval over the pairs.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.compare import median_interval, paired_ratios

TARGET = "stats@p1"
REPETITIONS = 7
SKIPPED = "didn't change, skipping"


def measure() -> list[dict[str, Any]]:
    """One row; a ratio of 1 means that the pipeline costs no more than its number of stages.

    RuntimeError when ``TARGET`` isn't up to date: then it wouldn't be a no-op.
    """
    here = Path.cwd()
    stages = up_to_date_stages(dvc(here, "repro", "--dry", TARGET))
    with tempfile.TemporaryDirectory() as folder:
        dummy = make_dummy(Path(folder), stages)
        ratios = paired_ratios(
            lambda: seconds(here, TARGET), lambda: seconds(dummy, f"s{stages - 1}"), REPETITIONS
        )
    middle, lo, hi = median_interval(ratios)
    return [
        {
            "name": "no-op dvc repro, time relative to the peer",
            "ratio": middle,
            "lo": lo,
            "hi": hi,
            "peer": f"a dummy pipeline of {stages} stages",
            "command": "python -m benchmarks --only noop",
        }
    ]


def up_to_date_stages(said: str) -> int:
    """Number of stages that `dvc repro --dry` skips; RuntimeError if it would run any."""
    if "Running stage" in said:
        raise RuntimeError(
            f"{TARGET} isn't up to date, so `dvc repro` would do work. Run `dvc repro {TARGET}` "
            "first, then this again."
        )
    return said.count(SKIPPED)


def make_dummy(folder: Path, stages: int) -> Path:
    """A Git and DVC repository of ``stages`` stages in a chain, run once."""
    lines = ["stages:"]
    for i in range(stages):
        lines += [f"  s{i}:", f"    cmd: cp f{i} f{i + 1}", f"    deps: [f{i}]"]
        lines += [f"    outs: [f{i + 1}]"]
    (folder / "dvc.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "f0").write_text("0\n", encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    dvc(folder, "init", "-q")
    for option in ("analytics", "check_update"):
        dvc(folder, "config", f"core.{option}", "false")
    dvc(folder, "repro", "-q")
    return folder


def seconds(folder: Path, target: str) -> float:
    began = time.perf_counter()
    dvc(folder, "repro", target)
    return time.perf_counter() - began


def dvc(folder: Path, *arguments: str) -> str:
    """What `dvc` prints; RuntimeError with its error."""
    command = [sys.executable, "-m", "dvc", *arguments]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"dvc {' '.join(arguments)} failed: {run.stderr.strip()[-400:]}")
    return run.stdout
