"""Rows one after the other, without padding, and their attention each to itself.

Everything but attention looks at one token at a time, so the tokens of a batch are one long list:
padding rows of examples to equal length was a ninth of the arithmetic for whole sessions and over
a quarter for questions and answers.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import torch
from torch import Tensor

from stages.training.batches import MicroBatch

STEP = 32
"""Tokens of a pass are filled up to a multiple of it, and so are its targets: oneDNN makes its code
once per size, which was a seventh of a training's time when every size occurred."""

_attend = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_attend_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


@dataclasses.dataclass(frozen=True)
class Packed:
    """A MicroBatch's tokens without padding.

    ids (T,) tokens, T filled up to a multiple of STEP by a last row of its own; position (T,) each
    token's place in its row; index (N,) places in ids whose logits predict the targets.
    """

    ids: Tensor
    position: Tensor
    index: Tensor
    rows: tuple[tuple[int, int], ...]
    """first place of each row, and the first after it"""

    @classmethod
    def of(cls, batch: MicroBatch) -> Packed:
        width = batch.ids.shape[1]
        lengths = batch.lengths.tolist()
        starts = [0, *itertools.accumulate(lengths)]
        over = -starts[-1] % STEP
        rows = list(itertools.pairwise(starts)) + ([(starts[-1], starts[-1] + over)] * (over > 0))
        there = torch.arange(width) < batch.lengths[:, None]  # B, S
        shift = torch.tensor(starts[:-1]) - width * torch.arange(len(lengths))
        return cls(
            torch.cat([batch.ids[there], torch.zeros(over, dtype=batch.ids.dtype)]),
            torch.cat([torch.arange(stop - start) for start, stop in rows]),
            batch.index + shift[batch.row],
            tuple(rows),
        )


class RowAttention(torch.autograd.Function):
    """Causal attention of every row to itself, with rotary positions (Su et al. 2021).

    From queries, keys and values (T, (H + 2·KV)·head) to their mixtures (T, H·head). The rotation
    is an orthogonal map, so the gradient goes through the rotation back.
    """

    @staticmethod
    def forward(
        ctx: Any,
        joined: Tensor,
        cos: Tensor,
        sin: Tensor,
        rows: tuple[tuple[int, int], ...],
        heads: tuple[int, int, int],
    ) -> Tensor:
        n, kv, size = heads
        parts = joined.view(len(joined), n + 2 * kv, size)
        rotated, value = rotate(parts[:, : n + kv], cos, sin), parts[:, n + kv :]
        mixed = torch.empty(len(joined), n, size)
        kept: list[Tensor] = []
        for start, stop in rows:
            q, k, v = _row(rotated, value, start, stop, n, kv)
            out, sums = _attend(q, k, v, 0.0, True)
            mixed[start:stop] = out[0].transpose(0, 1)
            kept += [out, sums]
        ctx.save_for_backward(rotated, value, cos, sin, *kept)
        ctx.rows, ctx.heads = rows, heads
        return mixed.view(len(joined), n * size)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        n, kv, size = ctx.heads
        rotated, value, cos, sin, *kept = ctx.saved_tensors
        d_mixed = grads[0].view(-1, n, size)
        joined = torch.empty(len(d_mixed), n + 2 * kv, size)
        d_rotated = torch.empty_like(rotated)
        for (start, stop), out, sums in zip(ctx.rows, kept[::2], kept[1::2], strict=True):
            q, k, v = _row(rotated, value, start, stop, n, kv)
            d_out = d_mixed[start:stop].transpose(0, 1)[None]
            d_q, d_k, d_v = _attend_backward(d_out, q, k, v, out, sums, 0.0, True)
            own = slice(start, stop)
            d_rotated[own, :n] = d_q[0].transpose(0, 1)
            d_rotated[own, n:] = _shared(d_k, kv)
            joined[own, n + kv :] = _shared(d_v, kv)
        rotate(d_rotated, cos, -sin, joined[:, : n + kv])
        return joined.view(len(joined), -1), None, None, None, None


def _row(
    rotated: Tensor, value: Tensor, start: int, stop: int, n: int, kv: int
) -> tuple[Tensor, ...]:
    """Queries, keys and values (1, H, S, head) of one row, keys and values once per query head."""
    own = slice(start, stop)
    parts = (rotated[own, :n], rotated[own, n:], value[own])
    q, k, v = (part.transpose(0, 1)[None] for part in parts)
    if n == kv:
        return q, k, v
    return q, k.repeat_interleave(n // kv, 1), v.repeat_interleave(n // kv, 1)


def _shared(gradient: Tensor, kv: int) -> Tensor:
    """(S, KV, head) from (1, H, S, head): the sum over the query heads that share a key head."""
    heads = gradient[0].unflatten(0, (kv, -1))
    return (heads[:, 0] if heads.shape[1] == 1 else heads.sum(1)).transpose(0, 1)


def rotate(x: Tensor, cos: Tensor, sin: Tensor, out: Tensor | None = None) -> Tensor:
    """Rotary position embedding of x (T, H, head); with minus the sine, its inverse."""
    first, second = x.chunk(2, dim=-1)  # T, H, head/2
    out = torch.empty(x.shape) if out is None else out
    low, high = out.chunk(2, dim=-1)
    torch.mul(first, cos, out=low).addcmul_(second, sin, value=-1)
    torch.mul(second, cos, out=high).addcmul_(first, sin)
    return out
