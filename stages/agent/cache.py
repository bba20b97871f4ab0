"""Keys and values of many episodes in one block of memory, a slot an episode, kept between turns.

Shapes: S slots, P positions, H query heads, K key/value heads, G = H / K, D head size. A head's
keys lie together, [S, K, P, D], so that one matrix-vector product reads them in one run.
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
CHUNK_ROWS = 32
"""Rows attended to together: as many as share one padded length without much waste."""


def _zeros(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Zeros that take no memory, on a CPU, until they are written to."""
    if device.type != "cpu":
        return torch.zeros(shape, device=device)
    return torch.from_numpy(np.zeros(shape, np.float32))


@functools.lru_cache(maxsize=4)
def _causal(positions: int, device: torch.device) -> Tensor:
    """What is added to scores so that a position sees itself and those before, [P, P]."""
    return torch.full((positions, positions), HIDDEN, device=device).triu_(1)


class Blocks:
    """The memory of one cache, [S, K, P, D] for keys and values of each layer; zeros at first.

    A later cache of the same shape takes it over: new pages cost a run of the model's episodes
    a tenth of its time.
    """

    def __init__(self, model: CompactQwen2, slots: int, positions: int) -> None:
        shape = (slots, model.kv_heads, positions, model.head_dim)
        self.keys = [_zeros(shape, model.embed.device) for _ in model.layers]
        self.values = [_zeros(shape, model.embed.device) for _ in model.layers]
        self._rows = self._length = 0

    def touch(self, rows: int, length: int) -> None:
        """Say that the first ``rows`` slots may be written to up to position ``length``."""
        self._rows, self._length = max(self._rows, rows), max(self._length, length)

    def clear(self) -> None:
        """Zeros again where they aren't: what a model of NaN left would spread."""
        for block in (*self.keys, *self.values):
            block[: self._rows, :, : self._length] = 0.0
        self._rows = self._length = 0


class SlotCache:
    """Ids and keys/values by slot. ``lengths`` counts the tokens whose keys are stored."""

    def __init__(
        self, model: CompactQwen2, slots: int, positions: int, blocks: Blocks | None = None
    ) -> None:
        """``blocks`` of this shape are cleared and used; without, new ones are made."""
        device = model.embed.device
        self.model, self.slots, self.positions = model, slots, positions
        self.ids = np.zeros((slots, positions), np.int64)
        self.lengths = np.zeros(slots, np.int64)
        self.blocks = blocks or Blocks(model, slots, positions)
        self.blocks.clear()
        self._keys, self._values = self.blocks.keys, self.blocks.values
        self._mask = torch.full((slots, positions), HIDDEN, device=device)
        self._causal = _causal(positions, device)
        self._heads = np.arange(model.kv_heads) * positions

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

    def nearest(self, ids: np.ndarray, ends_S: np.ndarray) -> tuple[int, int]:
        """(slot, tokens) of the slot that begins most like ``ids``, up to its ``ends_S``.

        The last of ``ids`` doesn't count: it is always computed.
        """
        most = min(len(ids) - 1, self.positions)  # a prompt may be longer than there is room
        differs = self.ids[:, :most] != ids[:most]
        same_S = np.full_like(ends_S, most)
        if most:
            first_S = differs.argmax(1)
            same_S = np.where(differs[np.arange(len(first_S)), first_S], first_S, most)
        same_S = np.minimum(same_S, ends_S)
        slot = int(same_S.argmax())
        return slot, int(same_S[slot])

    def copy_prefix(self, source: int, target: int, end: int) -> None:
        """Store what ``source`` has up to ``end``; it begins with the same tokens."""
        start = int(self.lengths[target])
        for block in (*self._keys, *self._values):
            block[target, :, start:end] = block[source, :, start:end]
        self._mask[target, start:end] = 0.0
        self.lengths[target] = end

    def move(self, source: int, target: int) -> None:
        """Copy one slot onto another."""
        stored = int(self.lengths[source])
        for block in (*self._keys, *self._values):
            block[target, :, :stored] = block[source, :, :stored]
        self._mask[target] = self._mask[source]
        self.ids[target] = self.ids[source]
        self.lengths[target] = stored

    def prefill(self, slots: list[int], ends: list[int]) -> Tensor:
        """Store each slot's tokens up to ``ends``; logits [len(slots), V] of the last ones."""
        starts = [int(self.lengths[slot]) for slot in slots]
        spans = list(zip(slots, starts, ends, strict=True))
        ids_T = np.concatenate([self.ids[slot, start:end] for slot, start, end in spans])
        positions_T = np.concatenate([np.arange(start, end) for _, start, end in spans])
        slots_T = np.repeat(slots, [end - start for _, start, end in spans])
        where = self._places(slots_T, positions_T)
        self.blocks.touch(max(slots) + 1, max(ends))
        last = np.cumsum([end - start for _, start, end in spans]) - 1

        def attend(layer: int, qkv: Tensor) -> Tensor:
            queries = self._store(layer, qkv, where).transpose(0, 1)
            outputs, at = [], 0
            for slot, start, end in spans:
                # of the last layer only the last token's output is wanted, which sees everything
                first = end - 1 if layer == len(self.model.layers) - 1 else start
                out = F.scaled_dot_product_attention(
                    queries[None, :, at + first - start : at + end - start],
                    self._keys[layer][slot, None, :, :end],
                    self._values[layer][slot, None, :, :end],
                    attn_mask=self._causal[start:end, :end] if 0 < first < end - 1 else None,
                    is_causal=not first and end > 1,
                    scale=1.0,
                    enable_gqa=self.model.heads != self.model.kv_heads,
                )
                outputs.append(out[0].transpose(0, 1).flatten(1))
                at += end - start
            return torch.cat(outputs)

        hidden_NC = self.model.forward(
            self._tensor(ids_T), self._tensor(positions_T), attend, self._tensor(last)
        )
        for slot, start, end in spans:
            self._mask[slot, start:end] = 0.0
        self.lengths[slots] = ends
        return self.model.logits(hidden_NC)

    def decode(self, rows: int, active_B: np.ndarray) -> Tensor:
        """One token for each of the first ``rows`` slots; logits [len(active), V] of the active.

        A slot that isn't active computes along unseen: its key lands beyond its length.
        """
        positions_R = np.minimum(self.lengths[:rows], self.positions - 1)
        index_R = np.arange(rows)
        ids_R = self.ids[index_R, positions_R]
        where = self._places(index_R, positions_R)
        self.blocks.touch(rows, int(positions_R.max()) + 1)
        self._mask[self._tensor(active_B), self._tensor(positions_R[active_B])] = 0.0
        chunks = self._chunks(rows, active_B)
        groups = (self.model.kv_heads, self.model.heads // self.model.kv_heads)

        def attend(layer: int, qkv: Tensor) -> Tensor:
            queries = self._store(layer, qkv, where).unflatten(1, groups)
            outputs = [
                _attend_each(
                    queries[low:high],
                    self._keys[layer][low:high, :, :length],
                    self._values[layer][low:high, :, :length],
                    self._mask[low:high, None, None, :length],
                )
                for low, high, length in chunks
            ]
            return torch.cat(outputs).flatten(1)

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

    def _places(self, slots_T: np.ndarray, positions_T: np.ndarray) -> Tensor:
        """Rows of the flattened [S K P, D] blocks that take each token's heads, [T K]."""
        first_T = slots_T * (self.model.kv_heads * self.positions) + positions_T
        return self._tensor((first_T[:, None] + self._heads).ravel())

    def _store(self, layer: int, qkv: Tensor, where: Tensor) -> Tensor:
        """Put keys and values in their places; the queries [T, H, D]."""
        model = self.model
        parts = qkv.unflatten(1, (-1, model.head_dim)).split(
            (model.heads, model.kv_heads, model.kv_heads), 1
        )
        for block, part in zip((self._keys, self._values), parts[1:], strict=True):
            block[layer].view(-1, model.head_dim).index_copy_(0, where, part.flatten(0, 1))
        return parts[0]

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self._mask.device)


def _attend_each(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """One query a row: [N, K, G, D] over [N, K, L, D] -> the same shape.

    On a CPU through numpy, whose BLAS multiplies each row's matrix by its vector where it lies;
    torch's kernels took twice as long for keys that aren't in the processor's cache.
    """
    if queries.device.type != "cpu":
        weights = torch.matmul(queries, keys.transpose(2, 3)).add_(mask).softmax(-1)
        return torch.matmul(weights, values)
    scores = np.matmul(queries.numpy(), keys.numpy().swapaxes(2, 3))
    weights = torch.from_numpy(scores).add_(mask).softmax(-1)
    return torch.from_numpy(np.matmul(weights.numpy(), values.numpy()))
