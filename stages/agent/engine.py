"""Continuous batching over a slot cache: rows join and leave the batch at any token.

An episode keeps its slot between turns, so a turn computes only what is new in the chat; what
another slot has of the same beginning is copied from there (as the prefix caches of servers do:
Zheng et al. 2024, arXiv:2312.07104), a quarter of an experiment's prompt tokens. What one
``poll`` does follows from the requests alone, never from the clock.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence

import numpy as np
import torch

from stages.agent.cache import SlotCache
from stages.agent.model import Completion, Request
from stages.agent.sampling import choose, uniforms

PREFILL_TOKENS = 2048
"""Most prompt tokens computed in one pass: more would only fall out of the processor's cache."""
SHARED_LEAST = 16
"""Tokens that another slot must have more of the same beginning, to be copied from there."""
SEED_MASK = (1 << 64) - 1


@dataclasses.dataclass
class _Turn:
    """A request that has a slot."""

    tag: int
    request: Request
    prompt_tokens: int
    cached_tokens: int
    max_tokens: int


class Engine:
    """A ``Stream`` for one set of weights."""

    def __init__(
        self,
        cache: SlotCache,
        render: Callable[[Request], Sequence[int]],
        decode_text: Callable[[Sequence[int]], str],
        stop_ids: Sequence[int],
    ) -> None:
        slots = cache.slots
        self._cache, self._render, self._decode_text = cache, render, decode_text
        self._stops = np.zeros(cache.model.embed.shape[0], bool)
        self._stops[list(stop_ids)] = True
        self._waiting: deque[tuple[int, Request, np.ndarray]] = deque()
        self._finished: list[tuple[int, Completion]] = []
        self._turns: dict[int, _Turn] = {}
        self._slot_of: dict[Hashable, int] = {}
        self._key_of: list[Hashable] = [None] * slots
        self._taken = np.zeros(slots, bool)
        self._active = np.zeros(slots, bool)
        self._used = np.zeros(slots, np.int64)
        self._tick = 0
        self._count = np.zeros(slots, np.int64)
        self._limit = np.zeros(slots, np.int64)
        self._seeds = np.zeros(slots, np.uint64)
        self._heat = np.zeros(slots, np.float64)
        self._seconds = np.zeros(slots, np.float64)

    @property
    def busy(self) -> bool:
        return bool(self._waiting or self._turns or self._finished)

    def submit(self, requests: Sequence[tuple[int, Request]]) -> None:
        for tag, request in requests:
            self._waiting.append((tag, request, np.asarray(self._render(request), np.int64)))

    def forget(self, key: Hashable) -> None:
        """Free the slot of an episode that has ended."""
        slot = self._slot_of.pop(key, None)
        if slot is not None:
            self._taken[slot] = False
            self._cache.keep_prefix(slot, np.zeros(1, np.int64))

    @torch.inference_mode()
    def poll(self) -> list[tuple[int, Completion]]:
        """Work until a turn ends; those that ended, oldest request first."""
        while not self._finished and (self._waiting or self._turns):
            while self._admit():
                pass
            if not self._finished:
                self._step()
        finished, self._finished = sorted(self._finished, key=lambda item: item[0]), []
        return finished

    def _admit(self) -> bool:
        """Give waiting requests slots and compute their prompts; False when none had room.

        One that begins like another of this pass waits for the next, to copy that beginning.
        """
        slots: list[int] = []
        later: list[tuple[int, Request, np.ndarray]] = []
        coming = np.zeros_like(self._cache.lengths)
        tokens = 0
        start = time.perf_counter()
        while self._waiting and tokens < PREFILL_TOKENS:
            tag, request, ids = self._waiting.popleft()
            if slots and self._would_gain(ids, coming):
                later.append((tag, request, ids))
                continue
            own = request.key in self._slot_of
            slot = self._slot(request.key)
            if slot is None:
                later.append((tag, request, ids))
                break
            tokens += self._open_turn(slot, tag, request, ids, own)
            if slot in self._turns:
                slots.append(slot)
                coming[slot] = len(ids)
        self._waiting.extendleft(reversed(later))
        if not slots:
            return False
        ends = [self._turns[slot].prompt_tokens for slot in slots]
        logits = self._cache.prefill(slots, ends)
        self._emit(np.array(slots), logits, start)
        return True

    def _would_gain(self, ids: np.ndarray, coming: np.ndarray) -> bool:
        """Whether the prompts of this pass, once stored, have more of its beginning."""
        gain = self._cache.nearest(ids, coming)[1]
        if gain < SHARED_LEAST:
            return False
        return gain - self._cache.nearest(ids, self._cache.lengths)[1] >= SHARED_LEAST

    def _slot(self, key: Hashable) -> int | None:
        """The episode's own slot, else a free one, else the idle one longest unused."""
        if key is not None and key in self._slot_of:
            slot = self._slot_of[key]
            if slot in self._turns:
                raise ValueError(f"two requests at once for episode {key!r}: keys must be unique.")
            return slot
        free = np.flatnonzero(~self._taken)
        if len(free):
            slot = int(free[0])
        else:
            idle = np.flatnonzero(~self._active)
            if not len(idle):
                return None
            slot = int(idle[self._used[idle].argmin()])
            self.forget(self._key_of[slot])
        self._taken[slot] = True
        self._key_of[slot] = key
        if key is not None:
            self._slot_of[key] = slot
        return slot

    def _open_turn(self, slot: int, tag: int, request: Request, ids: np.ndarray, own: bool) -> int:
        """Set a turn up; how many of its prompt's tokens must be computed.

        Only what the slot holds of its ``own`` episode counts as cached: it is chance what others
        have left or are about, and an episode's record mustn't tell of its neighbours.
        """
        room = self._cache.positions - len(ids)
        if room < 1:
            self._finished.append((tag, Completion("", len(ids), 0, 0, 0.0, "length")))
            if request.key is None:
                self._taken[slot] = False
            return 0
        stored = self._cache.keep_prefix(slot, ids)
        cached = stored if own else 0
        if len(ids) - stored > SHARED_LEAST:
            like, same = self._cache.nearest(ids, self._cache.lengths)
            if same - stored >= SHARED_LEAST:
                self._cache.copy_prefix(like, slot, same)
                stored = same
        limit = min(request.max_new_tokens, room)
        self._turns[slot] = _Turn(tag, request, len(ids), cached, limit)
        self._active[slot] = True
        self._count[slot] = 0
        self._limit[slot] = limit
        self._seeds[slot] = np.uint64(request.seed & SEED_MASK)
        self._heat[slot] = request.temperature
        self._seconds[slot] = 0.0
        self._tick += 1
        self._used[slot] = self._tick
        return len(ids) - stored

    def _step(self) -> None:
        """One token for every active row."""
        start = time.perf_counter()
        self._compact()
        active = np.flatnonzero(self._active)
        if not len(active):
            return
        logits = self._cache.decode(int(active[-1]) + 1, active)
        self._emit(active, logits, start)

    def _emit(self, slots: np.ndarray, logits: torch.Tensor, start: float) -> None:
        """Choose the next token of each slot and close the turns that end with it."""
        draws = uniforms(self._seeds[slots], self._count[slots].astype(np.uint64))
        tokens = choose(logits, self._heat[slots], draws)
        self._count[slots] += 1
        self._cache.ids[slots, self._cache.lengths[slots]] = tokens
        self._seconds[slots] += (time.perf_counter() - start) / len(slots)
        stopped = self._stops[tokens]
        ended = stopped | (self._count[slots] >= self._limit[slots])
        for slot, stop in zip(slots[ended].tolist(), stopped[ended].tolist(), strict=True):
            self._close_turn(slot, stop)

    def _close_turn(self, slot: int, stopped: bool) -> None:
        turn = self._turns.pop(slot)
        self._active[slot] = False
        count = int(self._count[slot])
        written = self._cache.ids[slot, turn.prompt_tokens : turn.prompt_tokens + count]
        text = self._decode_text(written[: count - stopped].tolist())
        finish = "stop" if stopped else "length"
        seconds = float(self._seconds[slot])
        done = Completion(text, turn.prompt_tokens, turn.cached_tokens, count, seconds, finish)
        self._finished.append((turn.tag, done))
        if turn.request.key is None:
            self._taken[slot] = False

    def _compact(self) -> None:
        """When a quarter of the rows would compute for nothing, move the last ones down."""
        rows = int(np.flatnonzero(self._active)[-1]) + 1 if self._active.any() else 0
        if 4 * int(self._taken[:rows].sum()) >= 3 * rows:
            return
        while True:
            top = int(np.flatnonzero(self._taken)[-1])
            hole = int(np.flatnonzero(~self._taken)[0])
            if hole > top:
                return
            self._relocate(top, hole)

    def _relocate(self, source: int, target: int) -> None:
        self._cache.move(source, target)
        arrays = (self._taken, self._active, self._used, self._count, self._limit, self._seeds)
        for array in (*arrays, self._heat, self._seconds):
            array[target] = array[source]
        self._taken[source] = self._active[source] = False
        self._key_of[target] = self._key_of[source]
        if self._key_of[target] is not None:
            self._slot_of[self._key_of[target]] = target
        if source in self._turns:
            self._turns[target] = self._turns.pop(source)
        self._cache.keep_prefix(source, np.zeros(1, np.int64))
