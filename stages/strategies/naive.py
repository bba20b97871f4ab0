"""Naive sequential updates: train on, with the new examples only.

The lower reference of the replay, expert and regularised strategies: plain fine-tuning, known to
forget (McCloskey & Cohen 1989, Psychology of Learning and Motivation 24; for language models Luo
et al. 2023, arXiv:2308.08747). Departure: an adapter is tuned, the base never is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from torch import Tensor

from stages.records import Example
from stages.strategies.protocol import ADAPTER, Measures, Plan, State, Trained, Training


@dataclasses.dataclass(frozen=True)
class Naive:
    """One adapter, trained on from where it stands; nothing is replayed."""

    def plan(
        self,
        state: State,
        new: Sequence[Example],
        done: Mapping[str, Trained],
        measures: Measures,
    ) -> Plan:
        if done:
            return Plan()
        return Plan((Training(ADAPTER, tuple(new), start=state.adapters.get(ADAPTER)),))

    def absorb(
        self,
        state: State,
        new: Sequence[Example],
        done: Mapping[str, Trained],
        measures: Measures,
    ) -> State:
        return State(adapters={ADAPTER: done[ADAPTER].adapter})

    def serve(self, state: State, queries: Tensor) -> list[dict[str, float]]:
        return [{ADAPTER: 1.0} for _ in range(len(queries))]
