"""Keys and values of many episodes in one block of memory, a slot an episode, kept between turns.

Shapes: S slots, P positions, K key/value heads, D head size.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from stages.agent.compact import CompactQwen2

HIDDEN = -1e30
"""Added to the score of a position that isn't there. Finite: minus infinity makes NaN of a row
that sees nothing, and a NaN left in the block would spread."""
CHUNK_ROWS = 16
"""Rows attended to together: as many as share one padded length without much waste."""


@functools.lru_cache(maxsize=4)
def _causal(positions: int, device: torch.device) -> Tensor:
    """What is added to scores so that a position sees itself and those before, [P, P]."""
    return torch.full((positions, positions), HIDDEN, device=device).triu_(1)


class SlotCache:
    """Ids and keys/values by slot. ``lengths`` counts the tokens whose keys are stored."""

    def __init__(self, model: CompactQwen2, slots: int, positions: int) -> None:
        width = 2 * model.kv_heads * model.head_dim
        device = model.embed.device
        self.model, self.slots, self.positions = model, slots, positions
        self.ids = np.zeros((slots, positions), np.int64)
        self.lengths = np.zeros(slots, np.int64)
        self._kv = [torch.zeros(slots * positions, width, device=device) for _ in model.layers]
        self._mask = torch.full((slots, positions), HIDDEN, device=device)
        self._causal = _causal(positions, device)
        self._grouped = model.heads != model.kv_heads

    def keep_prefix(self, slot: int, ids: np.ndarray) -> int:
        """Forget what differs from ``ids``; how many of its tokens stay stored.

        The last token is always computed again: its logits are needed.
        """
        most = min(int(self.lengths[slot]), len(ids) - 1)
        differs = np.flatnonzero(self.ids[slot, :most] != ids[:most])
        kept = int(differs[0]) if len(differs) else most
        self._mask[slot, kept : self.lengths[slot]] = HIDDEN
        self.lengths[slot] = kept
        self.ids[slot, kept : len(ids)] = ids[kept:]
        return kept

    def move(self, source: int, target: int) -> None:
        """Copy one slot onto another."""
        stored = int(self.lengths[source])
        here, there = source * self.positions, target * self.positions
        for kv in self._kv:
            kv[there : there + stored] = kv[here : here + stored]
        self._mask[target] = self._mask[source]
        self.ids[target] = self.ids[source]
        self.lengths[target] = stored

    def prefill(self, slots: list[int], ends: list[int]) -> Tensor:
        """Store each slot's tokens up to ``ends``; logits [len(slots), V] of the last ones."""
        starts = [int(self.lengths[slot]) for slot in slots]
        spans = list(zip(slots, starts, ends, strict=True))
        ids_T = np.concatenate([self.ids[slot, start:end] for slot, start, end in spans])
        positions_T = np.concatenate([np.arange(start, end) for _, start, end in spans])
        rows_T = np.repeat(slots, [end - start for _, start, end in spans]) * self.positions
        where_T = self._tensor(rows_T + positions_T)

        def attend(layer: int, qkv: Tensor) -> Tensor:
            kv = self._store(layer, qkv, where_T)
            queries = qkv[:, : self.model.heads * self.model.head_dim]
            outputs, at = [], 0
            for slot, start, end in spans:
                query = queries[at : at + end - start].unsqueeze(0)
                base = slot * self.positions
                mask = self._causal[start:end, :end]
                outputs.append(self._attention(query, kv[base : base + end].unsqueeze(0), mask)[0])
                at += end - start
            return torch.cat(outputs)

        hidden_TC = self.model.forward(self._tensor(ids_T), self._tensor(positions_T), attend)
        for slot, start, end in spans:
            self._mask[slot, start:end] = 0.0
        self.lengths[slots] = ends
        last = np.cumsum([end - start for _, start, end in spans]) - 1
        return self.model.logits(hidden_TC[self._tensor(last)])

    def decode(self, rows: int, active_B: np.ndarray) -> Tensor:
        """One token for each of the first ``rows`` slots; logits [len(active), V] of the active.

        A slot that isn't active computes along unseen: its key lands beyond its length.
        """
        positions_R = np.minimum(self.lengths[:rows], self.positions - 1)
        index_R = np.arange(rows)
        ids_R = self.ids[index_R, positions_R]
        where_R = self._tensor(index_R * self.positions + positions_R)
        self._mask[self._tensor(active_B), self._tensor(positions_R[active_B])] = 0.0
        chunks = self._chunks(rows, active_B)

        def attend(layer: int, qkv: Tensor) -> Tensor:
            kv = self._store(layer, qkv, where_R).view(self.slots, self.positions, -1)
            queries = qkv[:, : self.model.heads * self.model.head_dim].unsqueeze(1)
            outputs = [
                self._attention(
                    queries[low:high],
                    kv[low:high, :length],
                    self._mask[low:high, None, None, :length],
                )
                for low, high, length in chunks
            ]
            return torch.cat(outputs).squeeze(1)

        hidden_RC = self.model.forward(self._tensor(ids_R), self._tensor(positions_R), attend)
        self.lengths[active_B] += 1
        if len(active_B) < rows:
            hidden_RC = hidden_RC[self._tensor(active_B)]
        return self.model.logits(hidden_RC)

    def _chunks(self, rows: int, active_B: np.ndarray) -> list[tuple[int, int, int]]:
        """(first, last, padded length) of each group of neighbouring rows."""
        lengths_R = np.ones(rows, np.int64)
        lengths_R[active_B] = self.lengths[active_B] + 1
        lows = range(0, rows, CHUNK_ROWS)
        longest = np.maximum.reduceat(lengths_R, list(lows))
        return [
            (low, min(low + CHUNK_ROWS, rows), int(length))
            for low, length in zip(lows, longest, strict=True)
        ]

    def _store(self, layer: int, qkv: Tensor, where: Tensor) -> Tensor:
        kv = self._kv[layer]
        return kv.index_copy_(0, where, qkv[:, self.model.heads * self.model.head_dim :])

    def _attention(self, query: Tensor, kv: Tensor, mask: Tensor) -> Tensor:
        """[N, Q, H D] queries over [N, L, 2 K D] keys and values -> [N, Q, H D]."""
        rows, queries, _ = query.shape
        size = self.model.head_dim
        keys, values = kv.chunk(2, -1)
        out = F.scaled_dot_product_attention(
            query.view(rows, queries, -1, size).transpose(1, 2),
            keys.view(rows, kv.shape[1], -1, size).transpose(1, 2),
            values.view(rows, kv.shape[1], -1, size).transpose(1, 2),
            attn_mask=mask,
            enable_gqa=self._grouped,
        )
        return out.transpose(1, 2).reshape(rows, queries, -1)

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self._mask.device)
