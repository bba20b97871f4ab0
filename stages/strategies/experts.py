"""Mixture of LoRA experts (e03): an adapter per category of skill, mixed by a router per query.

Each category's expert is trained on its own examples only; for a query the router weighs them and
W' = W + Σ wᵢ·scale·BᵢAᵢ, through concatenated factors (factors.py). After Wu, Huang & Wei 2024
(arXiv:2404.13628), who learn a gate in every layer over frozen adapters, and LoraHub (Huang et al.
2023, arXiv:2307.13269). Departures: as registered, one router for the whole model, an MLP on query
embeddings; the ranks of the experts sum to the single adapter's; experts are trained on as a
stream arrives (naively, within their category), while the router is fitted anew to all queries so
far, whose embeddings are kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from stages.records import Example
from stages.strategies.protocol import (
    Measures,
    Plan,
    State,
    StrategyError,
    Trained,
    Training,
)
from stages.strategies.router import (
    RouterSettings,
    rounded,
    router_logits,
    top_k_weights,
    train_router,
)

QUERIES, LABELS = "router_queries", "router_labels"


@dataclasses.dataclass(frozen=True)
class Experts:
    """One adapter per category of skill."""

    taxonomy: Mapping[str, tuple[str, ...]]
    """Category -> the skills that it holds, each in one. An example of several (``guard+naming``)
    belongs where that very value stands, else where its first skill does."""
    rank_sum: int = 16
    """Rank of all experts together."""
    top_k: int = 1
    """Experts mixed per query."""
    router: RouterSettings = dataclasses.field(default_factory=RouterSettings)
    """The router's shape and training."""
    weight_steps: int | None = None
    """Weights are rounded to multiples of 1 / so many: queries then share mixtures; null: not."""

    def __post_init__(self) -> None:
        skills = [skill for held in self.taxonomy.values() for skill in held]
        if twice := {skill for skill in skills if skills.count(skill) > 1}:
            raise StrategyError(f"experts: skill {min(twice)!r} stands in two categories.")
        if not 1 <= self.top_k <= len(self.taxonomy) <= self.rank_sum:
            raise StrategyError(
                f"experts: top_k {self.top_k}, {len(self.taxonomy)} categories, rank_sum "
                f"{self.rank_sum}; needed is 1 <= top_k <= categories <= rank_sum."
            )
        if self.weight_steps is not None and self.weight_steps < 1:
            raise StrategyError(
                f"experts: weight_steps is {self.weight_steps}; it must be at least 1, or null."
            )

    @property
    def ranks(self) -> dict[str, int]:
        """Rank by category, as even as the sum allows; the first ones get what is left over."""
        share, over = divmod(self.rank_sum, len(self.taxonomy))
        return {name: share + (i < over) for i, name in enumerate(self.taxonomy)}

    def category(self, example: Example) -> str:
        """The category of an example's skill; StrategyError for a skill that is in none."""
        for skill in (example.skill, example.skill.split("+")[0]):
            for name, skills in self.taxonomy.items():
                if skill in skills:
                    return name
        raise StrategyError(
            f"experts: example {example.example_id} has skill {example.skill!r}, which no category "
            "holds. Add it to one in the experiment's taxonomy."
        )

    def plan(
        self,
        state: State,
        new: Sequence[Example],
        done: Mapping[str, Trained],
        measures: Measures,
    ) -> Plan:
        if done:
            return Plan()
        groups: dict[str, list[Example]] = {name: [] for name in self.taxonomy}
        for example in new:
            groups[self.category(example)].append(example)
        return Plan(
            tuple(
                Training(name, tuple(group), self.ranks[name], state.adapters.get(name))
                for name, group in groups.items()
                if group
            )
        )

    def absorb(
        self,
        state: State,
        new: Sequence[Example],
        done: Mapping[str, Trained],
        measures: Measures,
    ) -> State:
        names = list(self.taxonomy)
        labels = torch.tensor([names.index(self.category(example)) for example in new])
        queries = measures.embeddings(new).float()
        if QUERIES in state.tensors:
            queries = torch.cat([state.tensors[QUERIES], queries])  # n, d
            labels = torch.cat([state.tensors[LABELS], labels])  # n
        sessions = [*state.facts.get("sessions", []), *map(_session, new)]
        router = train_router(queries, labels, sessions, len(names), self.router, state.seed)
        fact: dict[str, Any] = {"right": router.right, "held_out": router.held_out}
        return State(
            adapters={**state.adapters, **{name: done[name].adapter for name in done}},
            tensors={**router.tensors, QUERIES: queries, LABELS: labels},
            facts={"sessions": sessions, "router": [*state.facts.get("router", []), fact]},
        )

    def serve(self, state: State, queries: Tensor) -> list[dict[str, float]]:
        names = list(self.taxonomy)
        available = torch.tensor([name in state.adapters for name in names])
        logits = router_logits(dict(state.tensors), queries)
        weights = top_k_weights(logits, self.top_k, available)  # Q, E
        if self.weight_steps is not None:
            weights = rounded(weights, self.weight_steps)
        return [
            {name: float(w) for name, w in zip(names, row, strict=True) if w > 0} for row in weights
        ]


def _session(example: Example) -> str:
    return example.trajectory_id or example.instance_id or example.example_id
