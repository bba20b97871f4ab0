"""An event loop in a thread of its own, with the server's client in it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from stages.server.client import Client
from stages.server.config import ServerConfig

T = TypeVar("T")


class Background:
    """Runs coroutines for callers that block; ``close`` ends thread and connections."""

    def __init__(self, config: ServerConfig, key: str) -> None:
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)
        self._thread.start()
        self.client, self.slots = self.submit(self._open(config, key)).result()

    @staticmethod
    async def _open(config: ServerConfig, key: str) -> tuple[Client, asyncio.Semaphore]:
        return Client(config, key), asyncio.Semaphore(config.concurrency)

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Drop what is in flight and end. Can be called twice."""
        if self._loop.is_closed() or os.getpid() != self._process:
            return  # a forked process has a copy of this without its thread
        with contextlib.suppress(TimeoutError):
            self.submit(self._finish()).result(timeout=5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            self._loop.close()

    async def _finish(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.client.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
