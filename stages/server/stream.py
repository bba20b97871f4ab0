"""Turns handed back as the server answers them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait

from stages.agent.model import Completion, Request


class ServerStream:
    """A ``Stream`` over a server: whichever answer comes first.

    Which turns one ``poll`` returns depends on the network; what they are doesn't.
    """

    def __init__(self, start: Callable[[Request], Future[Completion]]) -> None:
        self._start = start
        self._tags: dict[Future[Completion], int] = {}

    def submit(self, requests: Sequence[tuple[int, Request]]) -> None:
        for tag, request in requests:
            self._tags[self._start(request)] = tag

    def poll(self) -> list[tuple[int, Completion]]:
        """Wait for an answer; an error that ends the run drops the others in flight."""
        finished, _ = wait(self._tags, return_when=FIRST_COMPLETED)
        done = sorted((self._tags.pop(future), future.result) for future in finished)
        try:
            return [(tag, result()) for tag, result in done]
        except BaseException:
            for future in self._tags:
                future.cancel()
            raise

    def forget(self, key: Hashable) -> None:
        """Nothing to free here: the server looks after its own cache."""
