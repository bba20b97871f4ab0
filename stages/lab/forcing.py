"""Teacher forcing without gradients: each example's loss, and embeddings of prompts.

Both are the same numbers for the stage that trains and the one that evaluates.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.adapters.lean_peft import peft
from stages.agent.chat import render_example, render_prompt
from stages.records import Example

PASS_TOKENS = 4096
"""Most padded tokens in one forward pass."""


@dataclasses.dataclass(frozen=True)
class Forced:
    """One example under teacher forcing."""

    loss: float
    """nats per target token"""
    kept: bool
    """whether every target token is the most likely one"""
    tokens: int
    """length of prompt and targets"""


def force(model: Any, tokenizer: Any, examples: Sequence[Example]) -> list[Forced]:
    """Each example's loss and whether all its targets are right, under the model as it stands.

    The model's mode is restored; examples of similar length share a pass.
    """
    model = _inner(model)
    rows = [render_example(tokenizer, e.prompt, e.completion, e.train_on) for e in examples]
    done: dict[int, Forced] = {}
    training = model.training
    model.eval()
    with torch.no_grad():
        for piece in _pieces([len(ids) for ids, _ in rows]):
            done.update(zip(piece, _pass(model, [rows[i] for i in piece]), strict=True))
    model.train(training)
    return [done[i] for i in range(len(rows))]


def embed(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[dict[str, str]]]
) -> tuple[Tensor, int]:
    """Embeddings (n, d), float32 on the CPU, of prompts, and the tokens that were read for them.

    An embedding is the mean of the last layer's hidden states over the prompt's tokens (Reimers &
    Gurevych 2019, arXiv:1908.10084, section 3, mean pooling; here of a decoder that was not tuned
    for it). One prompt a pass, so that no other one moves its last bits.
    """
    model = _inner(model)
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    rows, tokens = [], 0
    with torch.no_grad():
        for prompt in prompts:
            ids = render_prompt(tokenizer, list(prompt))
            tokens += len(ids)
            inputs = torch.tensor([ids], device=device)
            out = model(
                input_ids=inputs, use_cache=False, output_hidden_states=True, **_keep(model, [0])
            )
            rows.append(out.hidden_states[-1][0].float().mean(0).cpu())  # d
    model.train(training)
    return torch.stack(rows), tokens


def _pieces(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices cut into passes of at most PASS_TOKENS padded tokens, longest first."""
    piece: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if piece and (len(piece) + 1) * lengths[piece[0]] > PASS_TOKENS:
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


def _inner(model: Any) -> Any:
    """The model whose layers hold the adapters: peft's own shell has no forward without one."""
    return model.base_model.model if isinstance(model, peft.PeftModel) else model


def _keep(model: Any, columns: Sequence[int]) -> dict[str, Any]:
    """Only these columns pass through the output head, where the model can leave others out."""
    if "logits_to_keep" not in inspect.signature(model.forward).parameters:
        return {}
    return {"logits_to_keep": torch.tensor(list(columns), device=next(model.parameters()).device)}
