"""Cells side by side: worker processes forked from one that has loaded the model."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from typing import Any

from tqdm import tqdm

from stages.lab.cells import Cell

_JOBS: Sequence[Callable[[], Any]] = ()


def usable_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def run_jobs(jobs: Sequence[Callable[[], Any]], label: str, workers: int = 0) -> list[Any]:
    """Run every job, results in order; one forked process per core, so nothing is loaded twice.

    Jobs must use one thread each: the parent has pinned torch to one before it forks.
    """
    global _JOBS
    workers = min(workers or usable_cores(), len(jobs))
    bar = {"desc": label, "unit": "cell", "disable": None}
    if workers <= 1:
        return [job() for job in tqdm(jobs, **bar)]
    _JOBS = jobs
    try:
        with multiprocessing.get_context("fork").Pool(workers) as pool:
            return list(tqdm(pool.imap(_call, range(len(jobs))), total=len(jobs), **bar))
    finally:
        _JOBS = ()


def run_cells(
    cells: Sequence[Cell], prepare: Callable[[], Any], label: str, workers: int = 0
) -> None:
    """Make the cells that aren't at hand; ``prepare`` is called before the fork if there are any.

    What all of them need is so loaded once, and not at all where nothing is to be made.
    """
    missing = [cell for cell in cells if not cell.at_hand()]
    if missing:
        prepare()
        run_jobs(missing, label, workers)


def _call(index: int) -> Any:
    return _JOBS[index]()
