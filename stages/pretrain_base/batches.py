"""Documents to padded batches of token ids, bucketed by length so that little is padding."""

from __future__ import annotations

import random
from collections.abc import Iterator

import torch
from transformers import PreTrainedTokenizerFast

from stages.pretrain_base.corpus import document
from stages.pretrain_base.tokenizer import render
from stages.suites.microrepo.world import World

POOL = 512
"""Documents drawn at a time and sorted by length."""


def batches(
    tokenizer: PreTrainedTokenizerFast,
    worlds: list[World],
    seed: str,
    batch_tokens: int,
    total_tokens: int,
    curriculum: float,
) -> Iterator[tuple[torch.Tensor, int]]:
    """Yield (ids of shape B × T padded with 0, real tokens so far) until ``total_tokens``.

    The diet grows from short documents to the full one over the first ``curriculum`` share.
    """
    seen = 0
    pool_index = 0
    while seen < total_tokens:
        full = min(1.0, seen / (curriculum * total_tokens)) if curriculum else 1.0
        rng = random.Random(f"{seed} {pool_index}")
        pool_index += 1
        texts = [render(document(rng, worlds, full)) for _ in range(POOL)]
        rows = sorted(tokenizer(texts)["input_ids"], key=len)
        cut = _cut(rows, batch_tokens)
        rng.shuffle(cut)
        for rows_of_batch in cut:
            seen += sum(len(row) for row in rows_of_batch)
            yield pad(rows_of_batch), seen
            if seen >= total_tokens:
                return


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
