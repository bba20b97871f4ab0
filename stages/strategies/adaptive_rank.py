"""Adaptive rank with SVD consolidation (e05): new sessions at the rank they need, old ones cut.

Every consolidation gets an adapter of its own, at the knee of its validation loss over probed
ranks; ΔW in use is the sum of all. When the ranks together exceed the budget, the oldest N are
merged and cut by truncated SVD. Sources: rank by need, AdaLoRA (Zhang et al. 2023,
arXiv:2303.10512), which prunes singular values while it trains; a sum of adapters over frozen
earlier ones, O-LoRA (Wang et al. 2023, arXiv:2310.14152). Departures: rank is chosen per
consolidation by probing, as registered, and is equal in all modules; a new adapter is trained over
the earlier ones, which stay applied, so that the sum is what was trained, but its factors aren't
held orthogonal to theirs.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from stages.adapters.merge import Adapter
from stages.records import Example
from stages.strategies.factors import concatenated
from stages.strategies.protocol import (
    Measures,
    Plan,
    State,
    StrategyError,
    Trained,
    Training,
)
from stages.strategies.spectra import truncate

FINAL = "final"


@dataclasses.dataclass(frozen=True)
class AdaptiveRank:
    """An adapter per consolidation, under a budget of rank."""

    budget: int = 32
    """Rank of all adapters together."""
    trigger: float = 1.0
    """Compression starts when the ranks exceed this share of the budget."""
    target_rank: int = 2
    """Rank that merged adapters are cut to."""
    n_merged: int = 2
    """Oldest adapters merged per compression."""
    probes: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Ranks probed, rising. A single one is a fixed rank: nothing is probed."""
    tolerance: float = 0.02
    """A higher rank must lower the validation loss by more than this share to be worth it."""
    validation_share: float = 0.2
    """Share of the new examples that probes are validated on; the final training has them too."""

    def __post_init__(self) -> None:
        if not self.probes or list(self.probes) != sorted({*self.probes}) or self.probes[0] < 1:
            raise StrategyError(f"adaptive_rank: probes {self.probes} aren't rising ranks.")
        if self.n_merged < 2 or self.target_rank < 1:
            raise StrategyError(
                f"adaptive_rank: n_merged is {self.n_merged} and target_rank {self.target_rank}; "
                "needed are at least 2 and 1, else a compression frees nothing."
            )
        if self.probes[-1] + self.target_rank > self.trigger * self.budget:
            raise StrategyError(
                f"adaptive_rank: the highest probe {self.probes[-1]} and target_rank "
                f"{self.target_rank} exceed trigger {self.trigger} × budget {self.budget}: a new "
                "adapter would be cut at once. Raise the budget or probe lower ranks."
            )

    def plan(
        self,
        state: State,
        new: Sequence[Example],
        done: Mapping[str, Trained],
        measures: Measures,
    ) -> Plan:
        if FINAL in done:
            return Plan()
        below = applied(state)
        if done or len(self.probes) == 1:
            return Plan((Training(FINAL, tuple(new), self.chosen(done), below=below),))
        fit, validation = self.split(state, new)
        return Plan(
            tuple(
                Training(_probe(rank), fit, rank, below=below, validation=validation)
                for rank in self.probes
            )
        )

    def split(
        self, state: State, new: Sequence[Example]
    ) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
        """What probes are trained on, and what they are validated on: a seeded draw."""
        if len(new) < 2:
            raise StrategyError(
                f"adaptive_rank: {len(new)} new example can't be split into training and "
                "validation. Synthesize more per session, or raise k."
            )
        rng = random.Random(f"probes {state.seed} {state.consolidation}")
        count = min(len(new) - 1, max(1, round(self.validation_share * len(new))))
        held = set(rng.sample(range(len(new)), count))
        fit = tuple(example for i, example in enumerate(new) if i not in held)
        return fit, tuple(new[i] for i in sorted(held))

    def chosen(self, done: Mapping[str, Trained]) -> int:
        """The rank at the knee of the finished probes' validation losses; a single one as it is."""
        if len(self.probes) == 1:
            return self.probes[0]
        return knee(self.probes, _losses(self.probes, done), self.tolerance)

    def absorb(
        self,
        state: State,
        new: Sequence[Example],
        done: Mapping[str, Trained],
        measures: Measures,
    ) -> State:
        number = f"{state.consolidation + 1:04}"
        adapters = {**state.adapters, f"{number}-{number}": done[FINAL].adapter}
        kept, compressions = self.compress(adapters)
        fact = {
            "rank": self.chosen(done),
            "probed": list(self.probes),
            "validation_losses": _losses(self.probes, done),
            "compressions": compressions,
            "total_rank": total_rank(kept),
        }
        facts = {"consolidations": [*state.facts.get("consolidations", []), fact]}
        return State(adapters=kept, facts=facts)

    def compress(
        self, adapters: Mapping[str, Adapter]
    ) -> tuple[dict[str, Adapter], list[dict[str, Any]]]:
        """Merge and cut the oldest until the ranks fit; the newest is never touched.

        Returns the adapters and, per compression, what was merged and the share of ‖ΔW‖² kept.
        """
        kept, log = dict(adapters), []
        while total_rank(kept) > self.trigger * self.budget:
            old = sorted(kept)[:-1][: self.n_merged]
            merged = concatenated([kept[name] for name in old], [1.0] * len(old))
            cut, energy = truncate(merged, self.target_rank)
            before = sum(kept.pop(name)[1].rank for name in old)
            name = f"{old[0].split('-')[0]}-{old[-1].split('-')[1]}"
            kept[name] = cut
            log.append({"merged": old, "rank": [before, cut[1].rank], "energy_kept": energy})
        return kept, log

    def serve(self, state: State, queries: Tensor) -> list[dict[str, float]]:
        return [dict.fromkeys(state.adapters, 1.0) for _ in range(len(queries))]


def knee(ranks: Sequence[int], losses: Sequence[float], tolerance: float) -> int:
    """The minimum sufficient rank: the lowest that no higher one beats by more than ``tolerance``.

    Tolerance is a share of the rank's own loss. Departure from geometric knees (Kneedle, Satopää
    et al. 2011, ICDCSW): over five points they find a knee in noise as well, while a flat curve
    here gives the lowest rank. Raises ValueError for unequal numbers of ranks and losses.
    """
    pairs = list(zip(ranks, losses, strict=True))
    for place, (rank, loss) in enumerate(pairs[:-1]):
        if min(later for _, later in pairs[place + 1 :]) >= loss - tolerance * abs(loss):
            return rank
    return pairs[-1][0]


def total_rank(adapters: Mapping[str, Adapter]) -> int:
    """Rank of all adapters together: the cost that a budget limits, and retention is divided by."""
    return sum(lora.rank for _, lora in adapters.values())


def applied(state: State) -> Adapter | None:
    """All of the State's adapters as one; None when there are none yet."""
    names = sorted(state.adapters)
    adapters = [state.adapters[name] for name in names]
    return concatenated(adapters, [1.0] * len(adapters)) if adapters else None


def _probe(rank: int) -> str:
    return f"probe-{rank:02}"


def _losses(ranks: Sequence[int], done: Mapping[str, Trained]) -> list[float]:
    """The probes' validation losses; none where a fixed rank left nothing to probe."""
    if len(ranks) == 1:
        return []
    losses = []
    for rank in ranks:
        loss = done[_probe(rank)].validation_loss
        if loss is None:
            raise StrategyError(
                f"adaptive_rank: {_probe(rank)} came back without a validation loss; the stage "
                "must measure it on the training's validation examples."
            )
        losses.append(loss)
    return losses
