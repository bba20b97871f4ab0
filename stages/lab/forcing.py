"""Teacher forcing without gradients: each example's loss, and embeddings of prompts.

Both are the same numbers for the stage that trains and the one that evaluates. A small Qwen2 in
fp32 on a CPU goes through the agent's compact form (agent/whole.py); every other model through
transformers.
"""

from __future__ import annotations

import dataclasses
import inspect
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.adapters.lora import attached
from stages.adapters.merge import Adapter
from stages.agent.chat import render_prompt
from stages.agent.compact import CompactQwen2
from stages.agent.rendered import render_example
from stages.agent.whole import compact_of, hidden_states, inner_of
from stages.records import Example

PASS_TOKENS = 4096
"""Most padded tokens in one forward pass."""
CUT = 1024
"""The same of the compact form: more would fall out of the processor's cache."""


@dataclasses.dataclass(frozen=True)
class Forced:
    """One example under teacher forcing."""

    loss: float
    """nats per target token"""
    kept: bool
    """whether every target token is the most likely one"""
    tokens: int
    """length of prompt and targets"""


def force(
    model: Any, tokenizer: Any, examples: Sequence[Example], adapter: Adapter | None = None
) -> list[Forced]:
    """Each example's loss and whether all its targets are right, under the model as it stands.

    ``adapter`` is added to the model meanwhile, which must have none of its own then. The model's
    mode is restored; examples of similar length share a pass. Raises ValueError when the adapter
    doesn't fit the model.
    """
    rows = [render_example(tokenizer, e.prompt, e.completion, e.train_on) for e in examples]
    if not rows:
        return []
    small = compact_of(model, max(len(ids) for ids, _ in rows), adapter)
    if small is None and adapter is not None:
        with attached(model, adapter[1], adapter[0]) as wrapped:
            return force(wrapped, tokenizer, examples)
    inner = inner_of(model)
    done: dict[int, Forced] = {}
    training = inner.training
    inner.eval()
    with torch.no_grad():
        for piece in _pieces([len(ids) for ids, _ in rows], PASS_TOKENS if small is None else CUT):
            some = [rows[i] for i in piece]
            found = _pass(inner, some) if small is None else _compact_pass(small, some)
            done.update(zip(piece, found, strict=True))
    inner.train(training)
    return [done[i] for i in range(len(rows))]


def embed(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[dict[str, str]]]
) -> tuple[Tensor, int]:
    """Embeddings (n, d), float32 on the CPU, of prompts, and the tokens that were read for them.

    An embedding is the mean of the last layer's hidden states over the prompt's tokens (Reimers &
    Gurevych 2019, arXiv:1908.10084, section 3, mean pooling; here of a decoder that was not tuned
    for it). One prompt a pass, so that no other one moves its last bits.
    """
    rows = [render_prompt(tokenizer, list(prompt)) for prompt in prompts]
    small = compact_of(model, max(map(len, rows)))
    inner = inner_of(model)
    training = inner.training
    inner.eval()
    with torch.no_grad():
        hidden = [
            _hidden(inner, ids) if small is None else hidden_states(small, [ids]) for ids in rows
        ]
    inner.train(training)
    gain = 1.0 if small is None else inner.model.norm.weight.detach()
    return gain * torch.stack([each.mean(0) for each in hidden]), sum(map(len, rows))


def _hidden(model: Any, ids: Sequence[int]) -> Tensor:
    """Last hidden states (S, d) of one prompt, by transformers."""
    inputs = torch.tensor([list(ids)], device=next(model.parameters()).device)
    keep = _keep(model, [0])
    out = model(input_ids=inputs, use_cache=False, output_hidden_states=True, **keep)
    return out.hidden_states[-1][0].float().cpu()


def _compact_pass(
    small: CompactQwen2, rows: Sequence[tuple[list[int], list[bool]]]
) -> list[Forced]:
    """Rows one after the other, without padding; only targets pass through the output head."""
    lengths = [len(ids) - 1 for ids, _ in rows]  # a row's last token is only a target
    places = [[t - 1 for t in range(1, len(mask)) if mask[t]] for _, mask in rows]
    starts = [0, *itertools.accumulate(lengths)]
    index = [start + t for start, own in zip(starts, places, strict=False) for t in own]
    hidden = hidden_states(small, [row[:-1] for row, _ in rows], index)  # of all targets: N, d
    logits = small.logits(hidden).split([len(own) for own in places])  # of each row: N, V
    wanted = [
        torch.tensor([row[t + 1] for t in own]) for (row, _), own in zip(rows, places, strict=True)
    ]
    return [
        Forced(float(F.cross_entropy(own, t)), bool((own.argmax(-1) == t).all()), len(row))
        for own, t, (row, _) in zip(logits, wanted, rows, strict=True)
    ]


def _pieces(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Indices cut into passes of at most ``most`` padded tokens, longest first."""
    piece: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if piece and (len(piece) + 1) * lengths[piece[0]] > most:
            yield piece
            piece = []
        piece.append(index)
    if piece:
        yield piece


def _pass(model: Any, rows: Sequence[tuple[list[int], list[bool]]]) -> list[Forced]:
    width = max(len(ids) for ids, _ in rows)
    device = next(model.parameters()).device
    ids = torch.tensor([row + [0] * (width - len(row)) for row, _ in rows], device=device)
    there = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row, _ in rows])
    columns = sorted({t - 1 for _, mask in rows for t in range(1, len(mask)) if mask[t]})
    keep = _keep(model, columns)
    logits = model(
        input_ids=ids, attention_mask=there.to(device), use_cache=False, **keep
    ).logits  # B, K or S, V
    place = {column: n if keep else column for n, column in enumerate(columns)}
    found = []
    for b, (row, mask) in enumerate(rows):
        at = [t for t in range(1, len(row)) if mask[t]]
        wanted = torch.tensor([row[t] for t in at], device=device)
        own = logits[b, [place[t - 1] for t in at]].float()  # N, V
        kept = bool((own.argmax(-1) == wanted).all())
        found.append(Forced(float(F.cross_entropy(own, wanted)), kept, len(row)))
    return found


def _keep(model: Any, columns: Sequence[int]) -> dict[str, Any]:
    """Only these columns pass through the output head, where the model can leave others out."""
    if "logits_to_keep" not in inspect.signature(model.forward).parameters:
        return {}
    return {"logits_to_keep": torch.tensor(list(columns), device=next(model.parameters()).device)}
