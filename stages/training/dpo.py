"""Direct preference optimization for format C (Rafailov et al. 2023, arXiv:2305.18290, eq. 7).

loss = -log σ(β·[(π_chosen - ref_chosen) - (π_rejected - ref_rejected)]) with sequence
log-probabilities summed over the unmasked tokens. The reference is the model as training starts
(for a fresh adapter: the base with the adapter off), computed once before the first step, so
the first loss is ln 2.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.training.batches import MicroBatch, Row, micro_batches
from stages.training.engine import Engine
from stages.training.settings import TrainingError, TrainSettings
from stages.training.sft import Penalty, optimize
from stages.training.sharing import counted, tokens_of

Pair = tuple[Row, Row]
"""Chosen and rejected row of one example."""


def run_dpo(
    engine: Engine,
    pairs: Sequence[Pair],
    settings: TrainSettings,
    penalty: Penalty | None = None,
    progress: bool = True,
    fresh: bool = True,
) -> list[float]:
    """Train in place; returns the loss of every step (with the SFT term where it is asked for).

    Raises TrainingError when the first step's preference loss isn't ln 2 ± 0.01.
    """
    reference = reference_log_probs(engine, pairs, settings, fresh)  # P, 2
    first: list[float] = []

    def batch_loss(batch: list[int]) -> float:
        different = counted([pairs[i] for i in batch], settings)
        members = [pairs[batch[i]] for i, _ in different]
        total, preference_total = 0.0, 0.0
        for inside, micro in micro_batches(members, settings.micro_tokens):
            policy = sequence_log_probs(engine, micro)  # P, 2
            times = torch.tensor([different[i][1] for i in inside], device=policy.device)
            chosen_at = [batch[different[i][0]] for i in inside]
            margin = policy - reference[chosen_at].to(policy.device)
            each = -F.logsigmoid(settings.beta * (margin[:, 0] - margin[:, 1]))
            preference = (each * times).sum()
            loss = preference
            if settings.sft_weight:
                lengths = torch.tensor([members[i][0].n_targets for i in inside])
                nll = -(policy[:, 0] / lengths.to(policy.device) * times).sum()
                loss = loss + settings.sft_weight * nll
            (loss / len(batch)).backward()
            total += loss.item() / len(batch)
            preference_total += preference.item() / len(batch)
        if not first:
            first.append(preference_total)
            _check_start(preference_total)
        return total

    return optimize(engine, [1] * len(pairs), settings, batch_loss, penalty, progress)


def reference_log_probs(
    engine: Engine, pairs: Sequence[Pair], settings: TrainSettings, fresh: bool
) -> Tensor:
    """Sequence log-probabilities (P, 2) of chosen and rejected under the frozen reference."""
    different = [place for place, _ in counted(pairs, settings)]
    found = torch.zeros(len(different), 2)
    engine.refresh()
    context = engine.adapter_off() if fresh else contextlib.nullcontext()
    with context, torch.no_grad():
        for inside, micro in micro_batches([pairs[i] for i in different], settings.micro_tokens):
            found[inside] = sequence_log_probs(engine, micro).cpu()
    known = {tokens_of(pairs[place]): found[n] for n, place in enumerate(different)}
    return torch.stack([known[tokens_of(pair)] for pair in pairs])


def sequence_log_probs(engine: Engine, micro: MicroBatch) -> Tensor:
    """Summed log-probability of the targets of each row, as (pairs, 2)."""
    logits = engine.target_logits(micro)  # N, V
    targets, row = micro.targets.to(logits.device), micro.row.to(logits.device)
    each = -F.cross_entropy(logits, targets, reduction="none")  # N
    sums = torch.zeros(len(micro.lengths), device=each.device).index_add(0, row, each)
    return sums.view(-1, 2)


def _check_start(loss: float) -> None:
    if abs(loss - math.log(2)) > 0.01:
        raise TrainingError(
            f"DPO's first loss is {loss:.4f}, not ln 2 = 0.6931: the policy isn't the reference "
            "when training starts, so the preferences would be measured against another model. "
            "Check that the adapter starts at zero and that the masks of both passes are equal."
        )
