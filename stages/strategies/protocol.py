"""A stream: sessions arrive in order, and every k of them a strategy makes the next adapter.

A consolidation alternates between two sides. The strategy, which knows neither model nor disk,
plans trainings and absorbs what came out; the stage trains, measures and stores. ``consolidate``
is the whole conversation. Everything a strategy knows stands in its State, and plans follow from
State, examples and measures alone: a run killed between consolidations goes on from the stored
State, one killed within goes on from the trainings that are finished.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

from torch import Tensor

from stages.adapters.merge import Adapter
from stages.records import Example

ADAPTER = "adapter"
"""Name of the training, and of the adapter, of a strategy that has a single one."""

Penalty = Callable[[], Tensor]
"""A differentiable scalar, added to the loss once per step."""
PenaltyOf = Callable[[Mapping[str, Tensor]], Penalty]
"""From the live parameters, under the names of the adapter's state, to their penalty."""
Space = Literal["factors", "delta"]
"""What gradients are of: the factors A and B, or ΔW of each adapted module."""


@dataclasses.dataclass(frozen=True, eq=False)
class State:
    """All that a strategy carries from one consolidation to the next; see store.py."""

    seed: int = 0
    """Seed of whatever the strategy draws in this stream."""
    consolidation: int = 0
    """Consolidations behind it."""
    trained_tokens: int = 0
    """Tokens trained on so far, over all epochs and trainings."""
    examples: tuple[Example, ...] = ()
    """Examples kept, in the order of their arrival."""
    adapters: Mapping[str, Adapter] = dataclasses.field(default_factory=dict)
    """Adapters in use, by name; ``serve`` says how they are mixed."""
    tensors: Mapping[str, Tensor] = dataclasses.field(default_factory=dict)
    """What else is remembered as numbers: Fisher information, a router."""
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What else is remembered, as JSON: counts, ranks, accuracies by consolidation."""


@dataclasses.dataclass(frozen=True, eq=False)
class Training:
    """One adapter to train."""

    name: str
    """Its name within the consolidation."""
    examples: tuple[Example, ...]
    """What it is trained on."""
    rank: int | None = None
    """Rank of ΔW; None is the experiment's own. The scale alpha / rank stays the experiment's."""
    start: Adapter | None = None
    """The adapter it continues from; None starts from fresh factors (ΔW = 0)."""
    below: Adapter | None = None
    """An adapter that stays applied, frozen, under the trained one (frozen.py)."""
    penalty: PenaltyOf | None = None
    """A term added to its loss; None adds nothing at all."""
    validation: tuple[Example, ...] = ()
    """Examples whose mean loss after the training is reported; never trained on here."""


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """What to train next in a consolidation; one without trainings ends it."""

    trainings: tuple[Training, ...] = ()
    """Independent of each other: any order gives the same."""


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """What came out of a Training."""

    adapter: Adapter
    """Its tensors and settings."""
    tokens: int
    """Tokens trained on, over all epochs."""
    validation_loss: float | None = None
    """Mean loss over its validation examples, in nats per target token; None without any."""


class Measures(Protocol):
    """What a strategy may ask about examples; equal questions must get equal answers."""

    def tokens(self, examples: Sequence[Example]) -> list[int]:
        """Length of each example in tokens, prompt and targets."""
        ...

    def losses(self, adapter: Adapter | None, examples: Sequence[Example]) -> list[float]:
        """Each example's loss in nats per target token, under an adapter or the base."""
        ...

    def embeddings(self, examples: Sequence[Example]) -> Tensor:
        """Embeddings (n, d) of the examples' prompts, as ``serve`` gets those of queries."""
        ...

    def confidences(self, examples: Sequence[Example]) -> list[float]:
        """How sure the synthesis was of each example; higher is surer."""
        ...

    def gradients(
        self, adapter: Adapter, examples: Sequence[Example], of: Space
    ) -> Iterator[dict[str, Tensor]]:
        """One gradient per example, in order: that of its -log p(targets), summed, in eval mode.

        ``factors``: by the names of the adapter's state. ``delta``: by module, each (out, in).
        """
        ...


class Strategy(Protocol):
    """A frozen dataclass of one file; its fields are its parameters in params.yaml."""

    def plan(
        self,
        state: State,
        new: Sequence[Example],
        done: Mapping[str, Trained],
        measures: Measures,
    ) -> Plan:
        """What to train next, given the trainings of this consolidation that are ``done``."""
        ...

    def absorb(
        self,
        state: State,
        new: Sequence[Example],
        done: Mapping[str, Trained],
        measures: Measures,
    ) -> State:
        """The State after the consolidation; ``consolidate`` itself counts it and its tokens."""
        ...

    def serve(self, state: State, queries: Tensor) -> list[dict[str, float]]:
        """For each of the queries' embeddings (Q, d) the weights of the State's adapters.

        Adapters left out weigh nothing; factors.concatenated makes the mixture one adapter.
        """
        ...


class StrategyError(ValueError):
    """A strategy can't go on; the message says what, where and the remedy."""


def consolidate(
    strategy: Strategy,
    state: State,
    new: Sequence[Example],
    train: Callable[[Training], Trained],
    measures: Measures,
) -> State:
    """One consolidation: plan and train until nothing is left to train, then absorb.

    ``train`` may hand out a result that an earlier, killed run has stored under the training's
    name. Raises StrategyError without new examples, or for a plan that repeats a name.
    """
    if not new:
        raise StrategyError(
            f"consolidation {state.consolidation + 1}: no new examples arrived, so there is "
            "nothing to consolidate. Synthesize more per session, or raise k (sessions between "
            "consolidations)."
        )
    done: dict[str, Trained] = {}
    while trainings := strategy.plan(state, new, done, measures).trainings:
        for training in trainings:
            if training.name in done:
                raise StrategyError(
                    f"consolidation {state.consolidation + 1}: {type(strategy).__name__} plans "
                    f"a second training {training.name!r}; its plan() must look at what is done."
                )
            done[training.name] = train(training)
    after = strategy.absorb(state, new, done, measures)
    return dataclasses.replace(
        after,
        seed=state.seed,
        consolidation=state.consolidation + 1,
        trained_tokens=state.trained_tokens + sum(trained.tokens for trained in done.values()),
    )


def pass_tokens(plan: Plan, measures: Measures) -> int:
    """Tokens of one epoch over all of a plan's trainings: its cost before it is run."""
    return sum(sum(measures.tokens(training.examples)) for training in plan.trainings)
