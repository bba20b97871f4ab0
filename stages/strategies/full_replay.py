"""Full replay (e01): a fresh adapter on everything so far; the upper bound of retention.

Joint training on all data, the bound that continual learning is measured against (Chaudhry et al.
2019, arXiv:1902.10486, among many; Robins 1995, Connection Science 7, for rehearsal itself).
Departure: as registered, every consolidation starts again from fresh factors, so its cost grows
with the stream.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from torch import Tensor

from stages.records import Example
from stages.strategies.protocol import ADAPTER, Measures, Plan, State, Trained, Training


@dataclasses.dataclass(frozen=True)
class FullReplay:
    """One adapter, trained from scratch on all examples in the order of their arrival."""

    def plan(
        self,
        state: State,
        new: Sequence[Example],
        done: Mapping[str, Trained],
        measures: Measures,
    ) -> Plan:
        if done:
            return Plan()
        return Plan((Training(ADAPTER, (*state.examples, *new)),))

    def absorb(
        self,
        state: State,
        new: Sequence[Example],
        done: Mapping[str, Trained],
        measures: Measures,
    ) -> State:
        return State(examples=(*state.examples, *new), adapters={ADAPTER: done[ADAPTER].adapter})

    def serve(self, state: State, queries: Tensor) -> list[dict[str, float]]:
        return [{ADAPTER: 1.0} for _ in range(len(queries))]
