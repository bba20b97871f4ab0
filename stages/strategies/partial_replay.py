"""Partial replay (e02): train on, with the new examples and a draw from a fixed buffer.

Experience replay for continual learning (Rolnick et al. 2018, arXiv:1811.11682; Chaudhry et al.
2019, arXiv:1902.10486) with the registered priorities in place of reservoir sampling. One ranking
serves both ends: when the buffer is full the lowest-ranked are evicted, and replay is drawn by
rank (priorities.py). Departures: the buffer counts examples, not steps; the loss of 'difficulty'
is measured anew at every consolidation, under the adapter as it then stands.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Literal

from torch import Tensor

from stages.adapters.merge import Adapter
from stages.records import Example
from stages.strategies.priorities import draw, farthest_points, highest_first, newest_first
from stages.strategies.protocol import (
    ADAPTER,
    Measures,
    Plan,
    State,
    StrategyError,
    Trained,
    Training,
)

Priority = Literal["recency", "difficulty", "diversity", "confidence"]


@dataclasses.dataclass(frozen=True)
class PartialReplay:
    """One adapter, trained on with some of the past mixed in."""

    buffer: int | None = 500
    """Examples kept; null keeps all."""
    priority: Priority = "recency"
    """What ranks an example high: late arrival, high current loss, coverage, sure synthesis."""
    mixing_ratio: float | None = 1.0
    """Examples replayed per new one, as far as the buffer has them; null replays the buffer."""
    sharpness: float = 1.0
    """Replay is drawn with P ∝ rank^-sharpness; 0 draws evenly."""
    from_scratch: bool = False
    """True starts every training from fresh factors, as full replay does."""

    def __post_init__(self) -> None:
        for name in ("buffer", "mixing_ratio", "sharpness"):
            if (value := getattr(self, name)) is not None and value < 0:
                raise StrategyError(f"partial_replay: {name} is {value}; it can't be negative.")

    def plan(
        self,
        state: State,
        new: Sequence[Example],
        done: Mapping[str, Trained],
        measures: Measures,
    ) -> Plan:
        if done:
            return Plan()
        replayed = self.replayed(state, len(new), measures)
        start = None if self.from_scratch else state.adapters.get(ADAPTER)
        return Plan((Training(ADAPTER, (*replayed, *new), start=start),))

    def replayed(self, state: State, n_new: int, measures: Measures) -> tuple[Example, ...]:
        """What is drawn from the buffer beside ``n_new`` new examples, in order of arrival."""
        kept, count = state.examples, self._draws(state, n_new)
        if count == len(kept):
            return kept
        order = self._ranked(kept, state.adapters.get(ADAPTER), measures)
        rng = random.Random(f"replay {state.seed} {state.consolidation}")
        return tuple(kept[i] for i in draw(order, count, self.sharpness, rng))

    def absorb(
        self,
        state: State,
        new: Sequence[Example],
        done: Mapping[str, Trained],
        measures: Measures,
    ) -> State:
        adapter = done[ADAPTER].adapter
        pool = (*state.examples, *new)
        kept, ranked = pool, []
        if self._draws(state, len(new)) < len(state.examples):
            ranked.append(state.examples)
        if self.buffer is not None and len(pool) > self.buffer:
            best = self._ranked(pool, adapter, measures)[: self.buffer]
            kept = tuple(pool[i] for i in sorted(best))
            ranked.append(pool)
        return State(
            examples=kept,
            adapters={ADAPTER: adapter},
            facts={
                "replayed": [*state.facts.get("replayed", []), self._draws(state, len(new))],
                "scored_tokens": state.facts.get("scored_tokens", 0)
                + self._scored_tokens(ranked, measures),
            },
        )

    def serve(self, state: State, queries: Tensor) -> list[dict[str, float]]:
        return [{ADAPTER: 1.0} for _ in range(len(queries))]

    def _draws(self, state: State, n_new: int) -> int:
        """How many examples are replayed beside so many new ones."""
        if self.mixing_ratio is None:
            return len(state.examples)
        return min(len(state.examples), round(self.mixing_ratio * n_new))

    def _ranked(
        self, examples: Sequence[Example], adapter: Adapter | None, measures: Measures
    ) -> list[int]:
        if self.priority == "recency":
            return newest_first(len(examples))
        if self.priority == "diversity":
            return farthest_points(measures.embeddings(examples))
        if self.priority == "confidence":
            return highest_first(measures.confidences(examples))
        return highest_first(measures.losses(adapter, examples))

    def _scored_tokens(self, ranked: Sequence[Sequence[Example]], measures: Measures) -> int:
        """Tokens that passed forward through the model only to rank examples by their loss."""
        if self.priority != "difficulty":
            return 0
        return sum(sum(measures.tokens(examples)) for examples in ranked)
