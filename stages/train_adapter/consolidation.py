"""One consolidation: the trainings that a strategy plans, certified, and what they cost.

Floating-point operations are counted, not measured: 6·N per token that is trained on, 2·N per token
that only passes forward (Kaplan et al. 2020, arXiv:2001.08361, section 2.1: 2·N forward, twice that
backward), N being all parameters of the base. Departure: the base is frozen, which saves the
gradients of its weights, so LoRA's true count is nearer 4·N; the ratio of two arms is the same.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.adapters.certificate import certify, require_changed, served_logits
from stages.adapters.lora import LoraSettings, adapter_sha256, base_sha256
from stages.adapters.merge import Adapter
from stages.agent.chat import render_prompt
from stages.lab.cells import Cells
from stages.lab.forcing import force
from stages.lab.streams import examples_sha256
from stages.params import values_of
from stages.records import Example
from stages.strategies.factors import mixture, with_rank
from stages.strategies.frozen import added_to
from stages.strategies.protocol import ADAPTER, State, Strategy, Trained, Training, consolidate
from stages.strategies.store import load_state, save_state
from stages.train_adapter.measures import ModelMeasures
from stages.training.settings import TrainSettings
from stages.training.sft import reproducible
from stages.training.train import UncertifiedAdapter, train_uncertified

TRAIN_FLOPS, FORWARD_FLOPS = 6, 2
"""Operations per parameter and token, forward and backward, and forward alone."""

STREAM_PROBES = 2
"""Probe prompts of a certificate: fewer than a single adapter's, since a stream has hundreds of
mixtures to certify, and one prompt already tells a live adapter from a dead one."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How every training of a consolidation is done, but for what the strategy asks for."""

    settings: TrainSettings
    lora: LoraSettings


class Consolidation:
    """One consolidation of one stream, at work."""

    def __init__(
        self, base: tuple[Any, Any], recipe: Recipe, cells: Cells, base_key: Any, own_key: Any
    ) -> None:
        """``cells`` keep finished trainings until the whole is stored.

        ``base_key`` is the base model's; ``own_key`` tells this consolidation from all others.
        """
        self.base, self.recipe, self.cells = base, recipe, cells
        self.keys = base_key, own_key
        self.measures = ModelMeasures(base, recipe.settings)
        self.losses: dict[str, list[float]] = {}
        self._records: list[dict[str, Any]] = []
        self._seconds: dict[str, float] = {}
        self._began = time.perf_counter()
        self._strategy: Strategy | None = None

    def work(self, strategy: Strategy, state: State, new: Sequence[Example]) -> State:
        """The State after the consolidation."""
        self._strategy = strategy
        return consolidate(strategy, state, new, self.trained, self.measures)

    def trained(self, training: Training) -> Trained:
        """The training's result, from wherever an equal one was finished.

        Arms plan many equal ones: until a buffer is full, until a first merge, or always where
        they differ in what they serve. A penalty is a function, which no key tells from another:
        its training is the consolidation's own.
        """

        def make(folder: Path) -> None:
            adapter, record = run_training(self.base, training, self.recipe)
            save_state(folder, State(adapters={ADAPTER: adapter}, facts=record))

        base_key, own_key = self.keys
        key = [base_key, training_key(training, self.recipe)]
        if training.penalty is not None:
            key += [own_key, training.name]
        stored = load_state(self.cells.job(training.name, key, "", make)())
        record = {"name": training.name, **stored.facts}
        self.losses[training.name] = record.pop("losses")
        self._seconds[training.name] = record.pop("seconds")
        self._records.append(record)
        return Trained(stored.adapters[ADAPTER], record["tokens"], record["validation_loss"])

    def certificates(self, state: State, new: Sequence[Example]) -> list[dict[str, Any]]:
        """Check 5 for every mixture of adapters that the newest sessions' queries are served.

        NotLive when one of them changes nothing.
        """
        assert self._strategy is not None
        model, tokenizer = self.base
        few = list(new)[:STREAM_PROBES]
        probes = [render_prompt(tokenizer, example.prompt) for example in few]
        served = self._strategy.serve(state, self.measures.embeddings(few))
        different = {tuple(sorted(weights.items())): weights for weights in served}
        found, hashed = [], base_sha256(model)
        with reproducible(self.recipe.settings.threads, self.recipe.settings.seed):
            base_logits = served_logits(model, probes)
            for _, weights in sorted(different.items()):
                tensors, lora = mixture(state.adapters, weights)
                proof = certify(model, tensors, lora, probes, hashed, base_logits)
                found.append({"weights": weights, **dataclasses.asdict(proof)})
        return found

    def facts(self, state: State, flops_before: float) -> dict[str, Any]:
        """What was trained and what it cost; ``trained_tokens`` and ``flops`` count the stream."""
        meter = self.measures.meter
        validated = sum(record["validation_tokens"] for record in self._records)
        forward = meter.scored_tokens + validated
        trained = sum(record["computed_tokens"] for record in self._records)
        size = sum(parameter.numel() for parameter in self.base[0].parameters())
        spent = size * (TRAIN_FLOPS * (trained + meter.fisher_tokens) + FORWARD_FLOPS * forward)
        return {
            "trainings": self._records,
            "fisher_tokens": meter.fisher_tokens,
            "scored_tokens": forward,
            "probe_tokens": sum(r["tokens"] for r in self._records if r["validation_tokens"]),
            "trained_tokens": state.trained_tokens,
            "flops": flops_before + float(spent),
            "total_rank": sum(lora.rank for _, lora in state.adapters.values()),
            "strategy": dict(state.facts),
        }

    def timings(self) -> Mapping[str, Any]:
        """Seconds of each training, of the Fisher information and of all; no part of an output."""
        return {
            "trainings": self._seconds,
            "fisher": self.measures.meter.fisher_seconds,
            "total": time.perf_counter() - self._began,
        }


def run_training(
    base: tuple[Any, Any], training: Training, recipe: Recipe
) -> tuple[tuple[Any, LoraSettings], dict[str, Any]]:
    """Train what a strategy asks for: the adapter, and its record.

    What is served of it is certified when the consolidation is whole. Raises what
    ``train_uncertified`` raises, and NotLive when no weight changed (check 22).
    """
    model, tokenizer = base
    lora, start = recipe.lora, None
    if training.rank is not None:
        lora = with_rank(lora, training.rank)
    if training.start is not None:
        start, lora = training.start
    with added_to(model, training.below):
        done = train_uncertified(
            model,
            tokenizer,
            training.examples,
            recipe.settings,
            lora,
            start=start,
            penalty=training.penalty,
            progress=False,
        )
        if start is not None:
            require_changed(start, done.state)
        validated = []
        if training.validation:
            with reproducible(recipe.settings.threads, recipe.settings.seed):
                validated = force(model, tokenizer, training.validation, (done.state, done.lora))
    return (done.state, done.lora), _record(training, done, validated)


def training_key(training: Training, recipe: Recipe) -> list[Any]:
    """All that its result depends on, but for the base and a penalty; its name is no part of it."""
    return [
        values_of(recipe.settings),
        values_of(recipe.lora),
        training.rank,
        *(examples_sha256(each) for each in (training.examples, training.validation)),
        *(_adapter_key(each) for each in (training.start, training.below)),
    ]


def _adapter_key(adapter: Adapter | None) -> list[Any]:
    return [] if adapter is None else [adapter_sha256(adapter[0]), values_of(adapter[1])]


def _record(
    training: Training, done: UncertifiedAdapter, validated: Sequence[Any]
) -> dict[str, Any]:
    losses = [forced.loss for forced in validated]
    return {
        "rank": done.lora.rank,
        "examples": len(training.examples),
        "tokens": done.tokens,
        "computed_tokens": done.computed_tokens,
        "steps": len(done.losses),
        "first_loss": done.losses[0],
        "last_loss": done.losses[-1],
        "weights_sha256": adapter_sha256(done.state),
        "validation_loss": sum(losses) / len(losses) if losses else None,
        "validation_tokens": sum(forced.tokens for forced in validated),
        "losses": list(done.losses),
        "seconds": done.seconds,
    }
