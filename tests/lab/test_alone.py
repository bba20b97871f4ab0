"""Two runs of one stage of one experiment don't mix their files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stages.lab.alone import alone
from tests.lab.test_pool import until
from tests.small_lab import ROOT

STAGE = """
import sys, time
from pathlib import Path
from stages.lab.alone import alone
from stages.lab.cells import Cells
from stages.lab.pool import run_jobs

def make(folder):
    folder.mkdir()
    for name in "abcdefgh":
        (folder / name).write_text(sys.argv[1])
        Path(f"{sys.argv[1]}-began").touch()
        time.sleep(float(sys.argv[2]))

with alone("train_adapter", sys.argv[3]):
    cells = Cells(Path("adapters"), "stats", shared=True)
    run_jobs([cells.job(name, [name], "", make) for name in sys.argv[4:]], "cells", workers=2)
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a stage: (who writes, seconds a file, experiment, cells); killed at the end."""
    monkeypatch.chdir(tmp_path)
    started: list[subprocess.Popen[str]] = []

    def run(who: str, seconds: float, experiment: str, *cells: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", STAGE, who, str(seconds), experiment, *cells]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_run_waits_for_the_one_that_was_left_over(start) -> None:
    left_over = start("first", 0.1, "p1", "one", "two")
    until(Path("first-began").exists)
    _, said = start("second", 0.0, "p1", "one", "two").communicate(timeout=60)
    assert f"process {left_over.pid} is still at work on p1" in said
    assert f"kill {left_over.pid}" in said
    assert left_over.wait() == 0 and not Path("second-began").exists()
    assert whole("first")


def test_nor_does_it_mix_with_the_workers_of_one_that_was_killed(start) -> None:
    killed = start("first", 0.1, "p1", "one", "two")
    until(Path("first-began").exists)
    killed.send_signal(signal.SIGKILL)
    assert start("second", 0.0, "p1", "one", "two").wait(timeout=60) == 0
    assert whole("second")


def test_other_experiments_wait_for_nobody(start) -> None:
    start("first", 1.0, "p1", "one", "two")
    until(Path("first-began").exists)
    _, said = start("second", 0.0, "p2", "three").communicate(timeout=60)
    assert "is still at work" not in said and Path("second-began").exists()


def test_it_is_free_again_after_an_error(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="cell 3"), alone("evaluate", "p1"):
        raise ValueError("cell 3")
    with alone("evaluate", "p1"), alone("evaluate", "p2"):
        assert Path(".cells/at-work/evaluate-p1").read_text() == f"{os.getpid()}\n"


def whole(who: str) -> bool:
    """Whether both cells, and what is stored of them, have all that this run writes."""
    folders = [Path("adapters/one"), Path("adapters/two"), *Path(".cells").glob("*/cell")]
    texts = [[file.read_text() for file in folder.iterdir()] for folder in folders]
    return len(folders) == 4 and texts == [[who] * 8] * 4
