"""Train one adapter: examples in, certified tensors and losses out."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from stages.adapters.certificate import Certificate, certify, require_norm
from stages.adapters.lora import LoraSettings, State, adapter_state, attached, base_sha256
from stages.agent.chat import render_prompt
from stages.checkpoints.quantised import prepare_quantised, prepared_for_training
from stages.records import Example
from stages.training.batches import Row, encode
from stages.training.dpo import run_dpo
from stages.training.engine import Engine, PeftEngine
from stages.training.fast_qwen2 import FastQwen2, supports
from stages.training.settings import TrainingError, TrainSettings
from stages.training.sft import Penalty, reproducible, run_sft
from stages.training.sharing import computed_tokens, share_prefixes

N_PROBES = 8
"""Probe prompts of the certificate, when none are given: the first examples' own."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class UncertifiedAdapter:
    """An adapter with what its training showed."""

    state: State
    """The adapter's tensors, under peft's names."""
    lora: LoraSettings
    """What it was attached with."""
    settings: TrainSettings
    """What it was trained with."""
    losses: tuple[float, ...]
    """Loss of every optimizer step."""
    tokens: int
    """Training tokens processed, prompts and targets, over all epochs, without padding."""
    target_tokens: int
    """Of these, the tokens that the loss covered."""
    computed_tokens: int
    """Tokens that passed through the model in training: fewer than ``tokens`` where some are
    shared (see sharing.py)."""
    n_examples: int
    """Different examples trained on."""
    engine: str
    """Which implementation computed it: fast_qwen2 or peft."""
    seconds: float = dataclasses.field(compare=False, default=0.0)
    """Wall-clock of the training loop; never part of an output that must be reproducible."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedAdapter(UncertifiedAdapter):
    """A trained adapter with the proof that it changes what the model says."""

    certificate: Certificate
    """That the adapter is live, and its hash."""


def train(
    model: Any,
    tokenizer: Any,
    examples: Sequence[Example],
    settings: TrainSettings,
    lora: LoraSettings,
    start: Mapping[str, Tensor] | None = None,
    penalty: Any = None,
    probes: Sequence[Sequence[int]] | None = None,
    progress: bool = True,
) -> TrainedAdapter:
    """Train an adapter on ``model``, which is left as it was; same inputs, same bytes.

    ``start`` continues from an adapter's tensors. ``penalty`` is a function that gets the
    adapter's named parameters (by peft's names) and returns a Penalty for ``run_sft``.
    ``probes`` are prompts of token ids for the certificate.

    Raises TrainingError (checks 9, 10, 11) and NotLive (check 5), each with its remedy.
    """
    done = train_uncertified(model, tokenizer, examples, settings, lora, start, penalty, progress)
    if probes is None:
        probes = [render_prompt(tokenizer, e.prompt) for e in examples[:N_PROBES]]
    with reproducible(settings.threads, settings.seed):
        certificate = certify(model, done.state, lora, probes, base_sha256(model))
    return TrainedAdapter(**vars(done), certificate=certificate)


def train_uncertified(
    model: Any,
    tokenizer: Any,
    examples: Sequence[Example],
    settings: TrainSettings,
    lora: LoraSettings,
    start: Mapping[str, Tensor] | None = None,
    penalty: Any = None,
    progress: bool = True,
) -> UncertifiedAdapter:
    """As ``train``, for who proves what becomes of the adapter: a mixture, a sum.

    Raises NotLive when ΔW is zero or not finite; what the model says is not looked at.
    """
    require_enough(examples, settings)
    prepare_quantised(model)
    rows = encode(tokenizer, examples, settings.max_length)
    rejected = _rejected_rows(tokenizer, examples, settings)
    every = [*rows, *rejected]
    if settings.method == "sft" and settings.share_prefixes:
        rows = share_prefixes(rows)
    with (
        reproducible(settings.threads, settings.seed),
        prepared_for_training(model),
        attached(model, lora, start) as wrapped,
    ):
        engine = engine_for(wrapped, settings)
        term = None if penalty is None else penalty(named_parameters(wrapped))
        began = time.perf_counter()
        losses = _run(engine, rows, rejected, settings, term, progress, start is None)
        seconds = time.perf_counter() - began
        state = adapter_state(wrapped)
    require_norm(state, lora)
    return UncertifiedAdapter(
        state=state,
        lora=lora,
        settings=settings,
        losses=tuple(losses),
        tokens=settings.epochs * sum(len(row.ids) for row in every),
        target_tokens=settings.epochs * sum(row.n_targets for row in every),
        computed_tokens=computed_tokens(
            list(zip(rows, rejected, strict=True)) if rejected else [[row] for row in rows],
            settings,
        ),
        n_examples=len({example.example_id for example in examples}),
        engine=engine.name,
        seconds=seconds,
    )


def engine_for(wrapped: Any, settings: TrainSettings) -> Engine:
    """The fast engine where it is exact, else the general one, in training mode."""
    wrapped.train()
    if supports(wrapped) and not settings.gradient_checkpointing:
        return FastQwen2(wrapped)
    if settings.gradient_checkpointing:
        wrapped.get_base_model().activation_checkpointing_enable({"use_reentrant": False})
    return PeftEngine(wrapped)


def named_parameters(wrapped: Any) -> dict[str, Tensor]:
    """The adapter's live parameters under the names of its state."""
    return {
        name.replace(".default.", "."): parameter
        for name, parameter in wrapped.named_parameters()
        if ".lora_" in name
    }


def require_enough(examples: Sequence[Example], settings: TrainSettings) -> None:
    """Raise TrainingError below the registered minimum of different examples (check 11)."""
    found = len({example.example_id for example in examples})
    if found == 0 or (found < settings.min_examples and not settings.allow_small):
        raise TrainingError(
            f"training is refused: {found} different examples are fewer than the registered "
            f"minimum of {settings.min_examples} (check 11). Adapters trained on so few were "
            "worse than their base in every published run. Collect more trajectories or "
            "synthesize more per session; if the experiment is a pilot, say so in its "
            "registration (allow_small), and its results will be marked as such."
        )


def _rejected_rows(
    tokenizer: Any, examples: Sequence[Example], settings: TrainSettings
) -> list[Row]:
    if settings.method != "dpo":
        return []
    without = [e.example_id for e in examples if not e.rejected or e.rejected == e.completion]
    if without:
        raise TrainingError(
            f"method dpo: {len(without)} of {len(examples)} examples ({', '.join(without[:5])}) "
            "have no rejected answer that differs from the chosen one. Train on format C, or "
            "use method sft."
        )
    return encode(tokenizer, examples, settings.max_length, rejected=True)


def _run(
    engine: Engine,
    rows: list[Row],
    rejected: list[Row],
    settings: TrainSettings,
    penalty: Penalty | None,
    progress: bool,
    fresh: bool,
) -> list[float]:
    if settings.method == "dpo":
        pairs = list(zip(rows, rejected, strict=True))
        return run_dpo(engine, pairs, settings, penalty, progress, fresh)
    return run_sft(engine, rows, settings, penalty, progress)
