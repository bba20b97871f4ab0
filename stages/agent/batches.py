"""Any causal language model of transformers: batches, left-padded, token by token.

Slower than the compact engine, but with no assumption about the architecture, the device or the
quantisation. The choice of tokens is the same function, so answers don't depend on the batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from stages.agent.model import Completion, Request
from stages.agent.sampling import choose, uniforms

SEED_MASK = (1 << 64) - 1


def complete_batch(
    model: Any,
    requests: Sequence[Request],
    prompts: Sequence[Sequence[int]],
    decode_text: Callable[[Sequence[int]], str],
    stop_ids: Sequence[int],
    max_batch: int,
    max_positions: int,
) -> list[Completion]:
    """Answer ``requests`` (rendered as ``prompts``), in their order, longest prompts together."""
    order = sorted(range(len(requests)), key=lambda n: len(prompts[n]), reverse=True)
    done: dict[int, Completion] = {}
    for n in [n for n in order if len(prompts[n]) >= max_positions]:
        done[n] = Completion("", len(prompts[n]), 0, 0, 0.0, "length")
    order = [n for n in order if n not in done]
    for at in range(0, len(order), max_batch):
        part = order[at : at + max_batch]
        start = time.perf_counter()
        written = _generate(
            model, [requests[n] for n in part], [prompts[n] for n in part], stop_ids, max_positions
        )
        share = (time.perf_counter() - start) / len(part)
        for n, ids in zip(part, written, strict=True):
            stopped = bool(ids) and ids[-1] in stop_ids
            text = decode_text(ids[: len(ids) - stopped])
            finish = "stop" if stopped else "length"
            done[n] = Completion(text, len(prompts[n]), 0, len(ids), share, finish)
    return [done[n] for n in range(len(requests))]


@torch.inference_mode()
def _generate(
    model: Any,
    requests: Sequence[Request],
    prompts: Sequence[Sequence[int]],
    stop_ids: Sequence[int],
    max_positions: int,
) -> list[list[int]]:
    """Token ids written for each row; rows that end leave the batch when half have."""
    device = model.device
    longest = max(map(len, prompts))
    ids_BP = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask_BP = torch.zeros_like(ids_BP)
    for row, prompt in enumerate(prompts):
        ids_BP[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask_BP[row, longest - len(prompt) :] = 1
    ids_BP, mask_BP = ids_BP.to(device), mask_BP.to(device)
    limits = [
        min(request.max_new_tokens, max_positions - len(prompt))
        for request, prompt in zip(requests, prompts, strict=True)
    ]
    seeds = np.array([request.seed & SEED_MASK for request in requests], np.uint64)
    heat = np.array([request.temperature for request in requests], np.float64)
    written: list[list[int]] = [[] for _ in requests]
    rows = np.arange(len(requests))
    live = np.ones(len(rows), bool)
    cache = None
    positions_BP = (mask_BP.cumsum(-1) - 1).clamp_min(0)
    while True:
        out = model(
            input_ids=ids_BP,
            attention_mask=mask_BP,
            position_ids=positions_BP,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = out.past_key_values
        counts = np.array([len(written[row]) for row in rows], np.uint64)
        tokens = choose(out.logits[:, -1], heat[rows], uniforms(seeds[rows], counts))
        for place in np.flatnonzero(live):
            row, token = rows[place], int(tokens[place])
            written[row].append(token)
            live[place] = token not in stop_ids and len(written[row]) < limits[row]
        if not live.any():
            return written
        ids_BP, positions_BP = (
            torch.from_numpy(tokens)[:, None].to(device),
            positions_BP[:, -1:] + 1,
        )
        mask_BP = torch.cat([mask_BP, mask_BP.new_ones(len(rows), 1)], 1)
        if 2 * live.sum() <= len(rows):
            keep = torch.from_numpy(np.flatnonzero(live)).to(device)
            cache.batch_select_indices(keep)
            ids_BP, mask_BP, positions_BP = ids_BP[keep], mask_BP[keep], positions_BP[keep]
            rows, live = rows[live], live[live]
