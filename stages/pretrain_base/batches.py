"""Documents to padded batches of token ids, bucketed by length so that little is padding."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import torch
from transformers import PreTrainedTokenizerFast

from stages.pretrain_base.corpus import FULL
from stages.pretrain_base.diet import Diet
from stages.pretrain_base.tokenizer import render

POOL = 512
"""Documents drawn at a time and sorted by length."""
FULL_FROM = 0.4
"""Share of the training after which code joins in earnest."""


def batches(
    tokenizer: PreTrainedTokenizerFast,
    diet: Diet,
    seed: str,
    batch_tokens: int,
    total_tokens: int,
    curriculum: float,
) -> Iterator[tuple[torch.Tensor, int]]:
    """Yield (ids of shape B × T padded with 0, real tokens so far), without end.

    ``total_tokens`` are what the training will take: the diet's stages are shares of them.
    """
    seen = 0
    for pool_index in itertools.count():
        stage = stage_at(seen / total_tokens, curriculum)
        rng = random.Random(f"{seed} {pool_index}")
        texts = [render(diet.document(rng, stage)) for _ in range(POOL)]
        rows = sorted(tokenizer(texts)["input_ids"], key=len)
        cut = _cut(rows, batch_tokens)
        rng.shuffle(cut)
        for rows_of_batch in cut:
            seen += sum(len(row) for row in rows_of_batch)
            yield pad(rows_of_batch), seen


def stage_at(done: float, curriculum: float) -> float:
    """The diet's stage after the share ``done`` of the training.

    It goes from warm-up to early over the first ``curriculum``, and from early to full over as
    much again from ``FULL_FROM`` on. With a curriculum of 0 it is full from the start: for a model
    that has been through the earlier stages.
    """
    if curriculum == 0:
        return FULL
    if done < FULL_FROM:
        return min(1.0, done / curriculum)
    return min(FULL, 1.0 + (done - FULL_FROM) / curriculum)


def _cut(rows: list[list[int]], batch_tokens: int) -> list[list[list[int]]]:
    """Cut sorted rows so that rows × longest row stays within ``batch_tokens``."""
    result: list[list[list[int]]] = [[]]
    for row in rows:
        if result[-1] and (len(result[-1]) + 1) * len(row) > batch_tokens:
            result.append([])
        result[-1].append(row)
    return result


def pad(rows: list[list[int]]) -> torch.Tensor:
    """Right-pad with 0 (the pad token) to shape B × T."""
    width = max(map(len, rows))
    return torch.tensor([row + [0] * (width - len(row)) for row in rows])
