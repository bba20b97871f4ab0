"""Supervised fine-tuning: mean cross-entropy over the unmasked tokens of each batch."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from stages.training.batches import Row, micro_batches, planned_batches
from stages.training.engine import Engine
from stages.training.settings import NothingToLearn, TrainingError, TrainSettings
from stages.training.sharing import counted

CONSTANT_STEPS = 8
"""So many equal losses in a row count as constant (check 10)."""

Penalty = Callable[[], Tensor]
"""A differentiable term of the adapter's parameters, added once per step (EWC)."""


def run_sft(
    engine: Engine,
    rows: Sequence[Row],
    settings: TrainSettings,
    penalty: Penalty | None = None,
    progress: bool = True,
) -> list[float]:
    """Train in place; returns the loss of every step, without the penalty."""

    def batch_loss(batch: list[int]) -> float:
        members = [[rows[i]] for i in batch]
        n_targets = sum(row.n_targets for [row] in members)
        different = counted(members, settings)
        total = 0.0
        for inside, micro in micro_batches(
            [members[i] for i, _ in different], settings.micro_tokens
        ):
            logits = engine.target_logits(micro)  # N, V
            each = F.cross_entropy(logits, micro.targets.to(logits.device), reduction="none")  # N
            times = torch.tensor([different[i][1] for i in inside])[micro.row].to(each.device)
            loss = (each * times).sum() / n_targets
            loss.backward()
            total += loss.item()
        return total

    sizes = [row.n_examples for row in rows]
    return optimize(engine, sizes, settings, batch_loss, penalty, progress)


def optimize(
    engine: Engine,
    sizes: Sequence[int],
    settings: TrainSettings,
    batch_loss: Callable[[list[int]], float],
    penalty: Penalty | None = None,
    progress: bool = True,
) -> list[float]:
    """AdamW over seeded random batches of items of ``sizes`` examples; the loss of every step.

    ``batch_loss`` gets item indices, adds gradients and returns the loss. Raises TrainingError at
    the first loss that is zero, not finite or constant, and when no gradient arrives (check 10).
    """
    parameters = engine.parameters()
    optimizer = make_optimizer(parameters, settings)
    plan = planned_batches(sizes, settings)
    losses: list[float] = []
    engine.refresh()
    for step, batch in enumerate(tqdm(plan, desc="training", disable=not progress, leave=False)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, len(plan), settings)
        optimizer.zero_grad(set_to_none=True)
        losses.append(batch_loss(batch))
        if penalty is not None:
            penalty().backward()
        norm = nn.utils.clip_grad_norm_(parameters, settings.grad_clip)
        watch(losses, float(norm))
        optimizer.step()
        engine.refresh()
    return losses


def make_optimizer(parameters: list[nn.Parameter], settings: TrainSettings) -> Any:
    """AdamW; its moments in 8 bits where asked for, except of tensors below 4,096 numbers."""
    values: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(parameters, **values, fused=True)
    try:
        from bitsandbytes.optim.adamw import AdamW8bit  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise TrainingError(
            "optimizer adamw_8bit needs bitsandbytes, which isn't installed. Run `pip install -r "
            "requirements-real.lock`, or set optimizer to adamw."
        ) from None
    return AdamW8bit(parameters, **values)


def learning_rate(step: int, n_steps: int, settings: TrainSettings) -> float:
    """Rate at 0-based ``step``: linear warm-up, then the schedule down to zero at the end."""
    warm = max(1, round(settings.warmup * n_steps))
    if step < warm:
        return settings.learning_rate * (step + 1) / warm
    done = (step - warm) / max(1, n_steps - warm)
    if settings.schedule == "cosine":
        return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
    if settings.schedule == "linear":
        return settings.learning_rate * (1 - done)
    return settings.learning_rate


def watch(losses: Sequence[float], grad_norm: float) -> None:
    """Raise TrainingError when the last loss or gradient shows that nothing is learned."""
    step, loss = len(losses), losses[-1]
    trouble = ""
    if not math.isfinite(loss) or not math.isfinite(grad_norm):
        trouble = (
            f"the loss is {loss} and the gradient's norm {grad_norm}: training has diverged. "
            "Lower learning_rate, or look for infinite weights in the base model."
        )
    elif loss == 0.0:
        trouble = (
            "the loss is exactly 0.0: either no target reaches it or the targets are in the "
            "base already. Look at the masks of the examples."
        )
    elif grad_norm == 0.0:
        trouble = (
            "no gradient reaches the adapter: its modules aren't part of the forward pass, or "
            "it is frozen. Check target_modules and that the adapter is active."
        )
    elif len(set(losses[-CONSTANT_STEPS:])) == 1 and step >= CONSTANT_STEPS:
        trouble = (
            f"the loss has been {loss} for {CONSTANT_STEPS} steps: the parameters don't change. "
            "Check learning_rate and that the optimizer holds the adapter's parameters."
        )
    if trouble:
        kind = NothingToLearn if loss == 0.0 else TrainingError
        raise kind(f"step {step} of training: {trouble} (check 10)")


@contextlib.contextmanager
def reproducible(threads: int, seed: int) -> Iterator[None]:
    """Fix the number of threads and torch's random state inside, and restore both after."""
    before = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
