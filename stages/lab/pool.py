"""Cells side by side: worker processes forked from one that has loaded the model.

What a worker's cells share, such as a sandbox, it opens once and closes when it ends.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from multiprocessing.util import Finalize
from typing import Any, TypeVar

from tqdm import tqdm

from stages.lab.cells import Cell

ORPHAN_SECONDS = 0.5
"""How often a worker looks whether its parent lives."""
_JOBS: Sequence[Callable[[], Any]] = ()
T = TypeVar("T")


class _Kept:
    """What this process has opened for all its jobs."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.opened: dict[Hashable, Any] = {}

    def close(self) -> None:
        self.opened.clear()
        self.stack.close()


_KEPT: _Kept | None = None
"""None outside of ``run_jobs``"""


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
        with _keeping():
            return [job() for job in tqdm(jobs, **bar)]
    _JOBS = jobs
    try:
        fork = multiprocessing.get_context("fork")
        with fork.Pool(workers, _start_worker, (os.getpid(),)) as pool:
            ended = pool.imap_unordered(_call, range(len(jobs)))  # an error is told at once
            results = dict(tqdm(ended, total=len(jobs), **bar))
            pool.close()
            pool.join()  # so that workers close what they keep open; leaving `with` kills them
            return [results[index] for index in range(len(jobs))]
    finally:
        _JOBS = ()


@contextmanager
def kept_open(key: Hashable, open_it: Callable[[], AbstractContextManager[T]]) -> Iterator[T]:
    """What ``open_it`` opens; in a job of ``run_jobs``, open until this process has done its jobs.

    Jobs of one ``run_jobs`` share by equal keys. Outside of a job it is closed at the end.
    """
    if _KEPT is None:
        with open_it() as opened:
            yield opened
        return
    if key not in _KEPT.opened:
        _KEPT.opened[key] = _KEPT.stack.enter_context(open_it())
    yield _KEPT.opened[key]


@contextmanager
def _keeping() -> Iterator[None]:
    global _KEPT
    outer, _KEPT = _KEPT, _Kept()
    try:
        yield
    finally:
        _KEPT.close()
        _KEPT = outer


def _start_worker(parent: int) -> None:
    global _KEPT
    _KEPT = _Kept()
    Finalize(_KEPT, _KEPT.close, exitpriority=10)
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    signal.signal(signal.SIGTERM, lambda *_: None)  # what it means, _watch does
    threading.Thread(target=_watch, args=(parent, told, _KEPT), daemon=True).start()


def _watch(parent: int, told: int, kept: _Kept) -> None:
    """End this worker when another's job has failed, closing what it keeps open, or its parent has.

    A job may be deep in arithmetic, or wait for the next one, where a signal's handler comes too
    late or never. A worker whose stage was killed would else finish its job beside the next run's.
    """
    while os.getppid() == parent:
        if select.select([told], [], [], ORPHAN_SECONDS)[0] and signal.SIGTERM in os.read(told, 64):
            try:
                kept.close()
            finally:
                os._exit(1)
    os._exit(1)


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


def _call(index: int) -> tuple[int, Any]:
    return index, _JOBS[index]()
