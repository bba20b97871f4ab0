"""What a process keeps open for its jobs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stages.lab.pool import kept_open, run_jobs


@contextmanager
def noted(folder: Path, name: str) -> Iterator[str]:
    """Leaves a file for every opening and closing, by process."""
    with (folder / f"opened-{os.getpid()}").open("a") as file:
        file.write(f"{name}\n")
    try:
        yield name
    finally:
        with (folder / f"closed-{os.getpid()}").open("a") as file:
            file.write(f"{name}\n")


def use(folder: Path, name: str):
    def job() -> tuple[str, bool]:
        with kept_open(name, lambda: noted(folder, name)) as opened:
            closed = folder / f"closed-{os.getpid()}"
            return opened, closed.exists() and opened in closed.read_text()

    return job


def lines(folder: Path, kind: str) -> dict[str, list[str]]:
    return {
        path.name.partition("-")[2]: sorted(path.read_text().split())
        for path in folder.glob(f"{kind}-*")
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_jobs_of_a_process_share_what_is_open_and_it_is_closed_at_the_end(
    tmp_path: Path, workers: int
) -> None:
    names = ["a", "b", "a", "a", "b", "a"] * 3
    found = run_jobs([use(tmp_path, name) for name in names], "jobs", workers)
    assert found == [(name, False) for name in names]
    opened, closed = lines(tmp_path, "opened"), lines(tmp_path, "closed")
    assert opened == closed and 1 <= len(opened) <= workers
    assert all(len(each) == len(set(each)) for each in opened.values())


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_closes_it_too(tmp_path: Path, workers: int) -> None:
    def broken() -> None:
        time.sleep(0.2)  # until the other process, if there is one, has begun
        raise ValueError("cell 3")

    def long() -> None:
        use(tmp_path, "b")()
        time.sleep(30)

    jobs = [use(tmp_path, "a"), broken, long] if workers == 1 else [long, broken]
    began = time.monotonic()
    with pytest.raises(ValueError, match="cell 3"):
        run_jobs(jobs, "jobs", workers)
    assert time.monotonic() - began < 20  # nobody waits for the long one
    closed = lines(tmp_path, "closed")
    assert closed == lines(tmp_path, "opened")
    assert list(closed.values()) == [["a"] if workers == 1 else ["b"]]


def test_outside_of_jobs_each_use_opens_its_own(tmp_path: Path) -> None:
    for _ in range(2):
        assert use(tmp_path, "a")()[1] in (False, True)
    assert lines(tmp_path, "opened") == lines(tmp_path, "closed")
    assert lines(tmp_path, "opened") == {str(os.getpid()): ["a", "a"]}


def test_two_calls_share_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        run_jobs([use(tmp_path, "a")] * 2, "jobs", workers=1)
    assert lines(tmp_path, "opened") == {str(os.getpid()): ["a", "a"]}


WORKING = """
import sys, time
from pathlib import Path
from stages.lab.pool import run_jobs

def job():
    while True:
        Path(sys.argv[1]).open("a").write("x")
        time.sleep(0.05)

run_jobs([job, job], "jobs", workers=2)
"""


def test_workers_end_with_a_stage_that_is_killed(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    stage = subprocess.Popen([sys.executable, "-c", WORKING, str(trace)], stderr=subprocess.PIPE)
    until(lambda: trace.exists() and trace.stat().st_size > 10)
    stage.send_signal(signal.SIGKILL)
    stage.communicate(timeout=30)  # its workers hold the pipe open until they end
    size = trace.stat().st_size
    time.sleep(0.3)
    assert trace.stat().st_size == size


def until(true) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)
