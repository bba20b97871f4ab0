"""Warm workers lent out one by one, and many gradings spread over all of them."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from stages.agent.sandbox.config import TestResult
from stages.agent.sandbox.guest import wire
from stages.agent.sandbox.worker import Worker, WorkerLost

AHEAD = 2  # requests in a worker's pipe: it never waits for the host between two programs
Item = tuple[str, str, str]
"""program, test, entry point"""


class Pool:
    """`count` workers, started at the first use, or by `start`; for several threads."""

    def __init__(self, make: Callable[[int], Worker], count: int) -> None:
        self.make, self.count = make, count
        self.workers: list[Worker] = []
        self._free: queue.LifoQueue[Worker] = queue.LifoQueue()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start every worker that isn't there yet; NotHere when one can't start."""
        with self._lock:
            while len(self.workers) < self.count:
                worker = self.make(len(self.workers))
                self.workers.append(worker)
                self._free.put(worker)

    def stop(self) -> None:
        """End every worker."""
        for worker in self.workers:
            worker.stop()

    @contextmanager
    def lend(self) -> Iterator[Worker]:
        """A worker for one thread; waits while all are lent."""
        self.start()
        worker = self._free.get()
        try:
            yield worker
        finally:
            self._free.put(worker)

    def map_check(self, items: list[Item]) -> list[TestResult]:
        """Grade the items on all workers at once; results in the order of the items."""
        results: list[TestResult | None] = [None] * len(items)
        todo, lock = iter(enumerate(items)), threading.Lock()

        def take() -> tuple[int, Item] | None:
            with lock:
                return next(todo, None)

        def serve() -> None:
            with self.lend() as worker:
                _pipeline(worker, take, results)

        threads = min(self.count, len(items))
        if threads <= 1:
            serve()
        else:
            with ThreadPoolExecutor(threads) as pool:
                for future in [pool.submit(serve) for _ in range(threads)]:
                    future.result()
        return [result for result in results if result is not None]


def ask(worker: Worker, request: dict[str, Any], tests: bytes) -> dict[str, Any]:
    try:
        worker.send(request, tests)
        return worker.receive()
    except WorkerLost as lost:
        return {"failed": str(lost)}


def _check_request(item: Item) -> tuple[dict[str, Any], bytes]:
    program, test, entry_point = item
    return {"kind": "check", "program": program}, wire.pack([test, entry_point])


def _pipeline(worker: Worker, take: Any, results: list[TestResult | None]) -> None:
    """Keep `AHEAD` requests in the worker's pipe; after a loss, ask each of them again alone."""
    waiting: deque[tuple[int, Item]] = deque()
    while True:
        try:
            while len(waiting) < AHEAD and (item := take()) is not None:
                waiting.append(item)
                worker.send(*_check_request(item[1]))
            if not waiting:
                return
            reply = worker.receive()
            index, (_, _, entry_point) = waiting.popleft()
            results[index] = verdicts_of(reply, [entry_point])[0]
        except WorkerLost:
            for index, item in waiting:
                results[index] = verdicts_of(ask(worker, *_check_request(item)), [item[2]])[0]
            waiting.clear()


def verdicts_of(reply: dict[str, Any], names: list[str]) -> list[TestResult]:
    verdicts = reply.get("verdicts", [])
    if len(verdicts) != len(names):
        why = reply.get("failed") or (verdicts[0][1:] if verdicts else "no verdict came back")
        return [TestResult(name, False, why, complete=False) for name in names]
    return [TestResult(n, v[:1] == "1", v[1:]) for n, v in zip(names, verdicts, strict=True)]
