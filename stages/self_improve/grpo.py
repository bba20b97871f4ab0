"""Group relative policy optimization with a judge as the reward (Shao et al. 2024,
arXiv:2402.03300, section 4.1), as trl 1.16 computes it with its loss_type "grpo".

Several answers to one prompt are one group; an answer's advantage is how much better than its
group it was. Every token of an answer has that advantage, and its probability ratio to the policy
that wrote it is clipped. trl itself is not in the product's lock (it brings a trainer, a data
format and a generation loop of its own); a test holds loss and advantage against its code.

Departures: an answer is rendered again for training, so where decoding and encoding aren't
inverse the ratio starts at 1 for the rendered tokens; answers that were cut off count in their
group's mean and are not trained on (trl's mask_truncated_completions).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.adapters.certificate import certify
from stages.adapters.lora import LoraSettings, adapter_state, attached, base_sha256
from stages.agent.chat import render_prompt
from stages.checkpoints.quantised import prepare_quantised, prepared_for_training
from stages.records import Example
from stages.self_improve.choose import example_of, is_loophole
from stages.self_improve.parts import Attempt
from stages.training.batches import MicroBatch, Row, encode, epoch_batches, micro_batches
from stages.training.engine import Engine
from stages.training.settings import TrainingError, TrainSettings
from stages.training.sft import learning_rate, make_optimizer, reproducible
from stages.training.train import N_PROBES, TrainedAdapter, engine_for

NO_SPREAD = 1e-4
"""Added to a group's standard deviation, as in trl."""


@dataclasses.dataclass(frozen=True)
class Rated:
    """One answer to train on."""

    example: Example
    advantage: float
    """how much better than its group's mean, in the group's standard deviations"""


def advantages(rewards: Sequence[float]) -> list[float]:
    """(r - mean) / (sd + 1e-4) within one group, sd with n - 1; zeros for a group of one.

    >>> [round(a, 3) for a in advantages([1.0, 0.0, 0.0, 0.0])]
    [1.5, -0.5, -0.5, -0.5]
    """
    if len(rewards) < 2:
        return [0.0] * len(rewards)
    values = torch.tensor(rewards, dtype=torch.float64)
    return ((values - values.mean()) / (values.std() + NO_SPREAD)).tolist()


def rated_groups(attempts: Sequence[Attempt], size: int) -> list[list[Rated]]:
    """Groups of ``size`` answers to one item of one step, with something to learn from.

    The reward is 1 for a right answer, else 0; a loophole's is 0. Groups whose answers are all
    right or all wrong are left out: every advantage is zero.
    """
    answers: dict[tuple[str, int], list[Attempt]] = {}
    for attempt in attempts:
        answers.setdefault((attempt.item.item_id, attempt.step), []).append(attempt)
    groups = []
    for found in answers.values():
        for at in range(0, len(found) - size + 1, size):
            group = found[at : at + size]
            rewards = [float(a.judged.correct and not is_loophole(a)) for a in group]
            rated = [
                Rated(example_of(attempt), advantage)
                for attempt, advantage in zip(group, advantages(rewards), strict=True)
                if attempt.finish != "length" and attempt.text.strip()
            ]
            if len(set(rewards)) > 1 and rated:
                groups.append(rated)
    return groups


def grpo_loss(
    now: Tensor,
    old: Tensor,
    reference: Tensor | None,
    advantage: Tensor,
    row: Tensor,
    epsilon: float,
    beta: float,
) -> Tensor:
    """Loss of each answer (R,): its tokens' mean of -min(ρA, clip(ρ, 1 ± ε)A) + β·KL.

    now, old, reference: log-probabilities (N,) of the answers' tokens under the policy, the one
    that wrote them and the base; advantage (R,); row (N,) the answer of each token. KL is the
    estimator exp(q) - q - 1 with q = reference - now (Schulman's k3).
    """
    ratio = torch.exp(now - old)
    each = advantage[row]
    loss = -torch.min(ratio * each, ratio.clamp(1 - epsilon, 1 + epsilon) * each)  # N
    if reference is not None:
        apart = reference - now
        loss = loss + beta * (torch.exp(apart) - apart - 1)
    sums = torch.zeros_like(advantage).index_add(0, row, loss)
    return sums / torch.bincount(row, minlength=len(advantage)).clamp(min=1)


@dataclasses.dataclass(frozen=True)
class GrpoSettings:
    """What GRPO has beside an adapter's usual training."""

    beta: float = 0.04
    """strength of the KL constraint to the base; 0 computes none"""
    epsilon: float = 0.2
    """how far a probability ratio counts, either way"""
    temperature: float = 1.0
    """of the sampling that wrote the answers: ratios are of that distribution"""


def train_grpo(
    base: tuple[Any, Any],
    groups: Sequence[Sequence[Rated]],
    settings: TrainSettings,
    lora: LoraSettings,
    own: GrpoSettings,
    start: Mapping[str, Tensor] | None = None,
) -> TrainedAdapter:
    """Train an adapter on rated answers; like ``training.train.train`` in every other way.

    The answers must have been written by the policy that training starts from. Raises
    TrainingError without a group, and NotLive (check 5).
    """
    model, tokenizer = base
    rated = [answer for group in groups for answer in group]
    if not rated:
        raise TrainingError(
            "GRPO: no group has both right and wrong answers, so every advantage is zero and there "
            "is nothing to learn from. Sample more answers per problem, or easier problems."
        )
    prepare_quantised(model)
    rows = encode(tokenizer, [answer.example for answer in rated], settings.max_length)
    probes = [render_prompt(tokenizer, answer.example.prompt) for answer in rated[:N_PROBES]]
    base_hash = base_sha256(model)
    with (
        reproducible(settings.threads, settings.seed),
        prepared_for_training(model),
        attached(model, lora, start) as wrapped,
    ):
        engine = engine_for(wrapped, settings)
        losses = run_grpo(engine, rows, [a.advantage for a in rated], settings, own)
        state = adapter_state(wrapped)
    with reproducible(settings.threads, settings.seed):
        certificate = certify(model, state, lora, probes, base_hash)
    tokens = settings.epochs * sum(len(row.ids) for row in rows)
    return TrainedAdapter(
        state=state,
        lora=lora,
        settings=settings,
        losses=tuple(losses),
        tokens=tokens,
        target_tokens=settings.epochs * sum(row.n_targets for row in rows),
        computed_tokens=tokens,
        n_examples=len({answer.example.example_id for answer in rated}),
        engine=engine.name,
        certificate=certificate,
    )


def run_grpo(
    engine: Engine,
    rows: Sequence[Row],
    advantage: Sequence[float],
    settings: TrainSettings,
    own: GrpoSettings,
) -> list[float]:
    """Train in place over seeded random batches of answers; the loss of every step.

    On-policy the first loss is minus the batch's mean advantage, so a loss of zero is no sign of
    trouble here (as check 10 has it for cross-entropy); a gradient of zero is.
    """
    engine.refresh()
    old = _log_probs(engine, rows, settings, own)
    reference = None
    if own.beta:
        with engine.adapter_off():
            reference = _log_probs(engine, rows, settings, own)
    parameters = engine.parameters()
    optimizer = make_optimizer(parameters, settings)
    plan = [
        batch
        for epoch in range(settings.epochs)
        for batch in epoch_batches([1] * len(rows), settings.batch_size, settings.seed, epoch)
    ]
    losses = []
    for step, batch in enumerate(plan):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, len(plan), settings)
        optimizer.zero_grad(set_to_none=True)
        losses.append(_accumulate(engine, rows, batch, advantage, old, reference, settings, own))
        norm = float(nn.utils.clip_grad_norm_(parameters, settings.grad_clip))
        if not math.isfinite(losses[-1]) or not math.isfinite(norm) or norm == 0.0:
            raise TrainingError(
                f"step {step + 1} of GRPO: the loss is {losses[-1]} and the gradient's norm is "
                f"{norm}: nothing is learned. Lower learning_rate, or look at the "
                "answers' advantages."
            )
        optimizer.step()
        engine.refresh()
    return losses


def _accumulate(
    engine: Engine,
    rows: Sequence[Row],
    batch: Sequence[int],
    advantage: Sequence[float],
    old: Sequence[Tensor],
    reference: Sequence[Tensor] | None,
    settings: TrainSettings,
    own: GrpoSettings,
) -> float:
    """Add one batch's gradients; its loss."""
    total = 0.0
    for inside, micro in micro_batches([[rows[i]] for i in batch], settings.micro_tokens):
        members = [batch[i] for i in inside]
        now = _token_log_probs(engine, micro, own.temperature)  # N
        device = now.device
        loss = grpo_loss(
            now,
            torch.cat([old[i] for i in members]).to(device),
            None if reference is None else torch.cat([reference[i] for i in members]).to(device),
            torch.tensor([advantage[i] for i in members], device=device),
            micro.row.to(device),
            own.epsilon,
            own.beta,
        ).sum() / len(batch)
        loss.backward()
        total += loss.item()
    return total


@torch.no_grad()
def _log_probs(
    engine: Engine, rows: Sequence[Row], settings: TrainSettings, own: GrpoSettings
) -> list[Tensor]:
    """Each answer's tokens' log-probabilities (n,) as the policy stands, on the CPU."""
    found: dict[int, Tensor] = {}
    for inside, micro in micro_batches([[row] for row in rows], settings.micro_tokens):
        each = _token_log_probs(engine, micro, own.temperature).cpu()
        for place, index in enumerate(inside):
            found[index] = each[micro.row == place]
    return [found[index] for index in range(len(rows))]


def _token_log_probs(engine: Engine, micro: MicroBatch, temperature: float) -> Tensor:
    logits = engine.target_logits(micro) / temperature  # N, V
    return -F.cross_entropy(logits, micro.targets.to(logits.device), reduction="none")
