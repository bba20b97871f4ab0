"""EWC-LoRA (e04): train on with the new examples, held near θ* where Fisher information is high.

Elastic weight consolidation (Kirkpatrick et al. 2016, arXiv:1612.00796), online with one anchor,
the latest θ* (Huszár 2017, arXiv:1712.03847; Schwarz et al. 2018, arXiv:1805.06370), on an
adapter. Two spaces: ``factors`` penalises A and B each by itself, as registered; ``delta``
penalises ΔW = scale·BA with the Fisher of ΔW, after Zheng et al. 2026 (arXiv:2602.17559), because
equal ΔW can have different factors. Departures: the penalty is λ·ΣF(θ-θ*)² as registered, without
Kirkpatrick's ½; the Fisher is averaged, not summed with decay (fisher.py), and empirical; a sample
is one example, its log-likelihood summed over its targets.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from stages.adapters.lora import LoraSettings, factors
from stages.adapters.merge import Adapter
from stages.records import Example
from stages.strategies.fisher import Accumulation, accumulate, diagonal_fisher
from stages.strategies.protocol import (
    ADAPTER,
    Measures,
    Penalty,
    PenaltyOf,
    Plan,
    Space,
    State,
    StrategyError,
    Trained,
    Training,
)


@dataclasses.dataclass(frozen=True)
class Ewc:
    """One adapter, trained on under a quadratic penalty. λ = 0 is naive, bit for bit."""

    strength: float = 100.0
    """λ, the weight of the penalty against the mean loss; 0 adds nothing and estimates nothing."""
    samples: int = 100
    """Examples of the consolidation drawn for the Fisher; all of them when there are fewer."""
    accumulation: Accumulation = "running_average"
    """Fisher of the latest consolidation only (replace), or the mean over all so far."""
    space: Space = "factors"
    """What is penalised: A and B separately, or ΔW."""

    def __post_init__(self) -> None:
        if self.strength < 0 or self.samples < 1:
            raise StrategyError(
                f"ewc: strength is {self.strength} and samples {self.samples}; the one can't be "
                "negative and the other must be at least 1."
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
        anchor = state.adapters.get(ADAPTER)
        penalty = None
        if anchor is not None and self.strength > 0:
            penalty = penalty_of(anchor, state.tensors, self.strength, self.space)
        return Plan((Training(ADAPTER, tuple(new), start=anchor, penalty=penalty),))

    def absorb(
        self,
        state: State,
        new: Sequence[Example],
        done: Mapping[str, Trained],
        measures: Measures,
    ) -> State:
        adapter = done[ADAPTER].adapter
        if self.strength == 0:
            return State(adapters={ADAPTER: adapter})
        rng = random.Random(f"fisher {state.seed} {state.consolidation}")
        drawn = rng.sample(list(new), min(self.samples, len(new)))
        latest = diagonal_fisher(measures.gradients(adapter, drawn, self.space), len(drawn))
        history = state.facts.get("fisher", [])
        tensors = accumulate(state.tensors, latest.diagonal, self.accumulation, len(history))
        fact = {**latest.fact(), "tokens": sum(measures.tokens(drawn))}
        return State(
            adapters={ADAPTER: adapter}, tensors=tensors, facts={"fisher": [*history, fact]}
        )

    def serve(self, state: State, queries: Tensor) -> list[dict[str, float]]:
        return [{ADAPTER: 1.0} for _ in range(len(queries))]


def penalty_of(
    anchor: Adapter, fisher: Mapping[str, Tensor], strength: float, space: Space
) -> PenaltyOf:
    """λ·ΣF(θ-θ*)² of the parameters that it is later given; exactly 0 at the anchor θ*.

    ``fisher`` is by the names of the adapter's state for factors, by module (out, in) for ΔW.
    """
    tensors, lora = anchor

    def of(parameters: Mapping[str, Tensor]) -> Penalty:
        if space == "factors":
            return _quadratic(lambda: parameters, tensors, fisher, strength)
        device = next(iter(parameters.values())).device
        fixed = _deltas({name: tensor.to(device) for name, tensor in tensors.items()}, lora)
        return _quadratic(lambda: _deltas(parameters, lora), fixed, fisher, strength)

    return of


def _quadratic(
    values: Callable[[], Mapping[str, Tensor]],
    anchor: Mapping[str, Tensor],
    fisher: Mapping[str, Tensor],
    strength: float,
) -> Penalty:
    first = values()
    if set(first) != set(anchor) or set(first) != set(fisher):
        raise StrategyError(
            f"EWC: {len(first)} parameters, {len(anchor)} anchors and {len(fisher)} Fisher "
            "tensors don't carry the same names; the penalty would leave some of them free. Start "
            "the training from the anchor, with the same target_modules."
        )
    device = next(iter(first.values())).device
    fixed = {name: (anchor[name].to(device), fisher[name].to(device)) for name in first}

    def penalty() -> Tensor:
        now = values()
        terms = [(weight * (now[name] - at).square()).sum() for name, (at, weight) in fixed.items()]
        return strength * torch.stack(terms).sum()

    return penalty


def _deltas(parameters: Mapping[str, Tensor], lora: LoraSettings) -> dict[str, Tensor]:
    """Module -> ΔW (out, in), differentiable."""
    return {name: lora.scale * (b @ a) for name, (a, b) in factors(parameters).items()}
