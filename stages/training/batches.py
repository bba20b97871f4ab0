"""From examples to token rows, batches and equal token budgets (checks 9 and 10)."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from stages.agent.actions import ActionError, parse_action
from stages.agent.rendered import render_example
from stages.records import Example
from stages.training.settings import TrainingError, TrainSettings


@dataclasses.dataclass(frozen=True)
class Row:
    """One example as tokens (or several that share a prefix: see sharing.py).

    ``mask`` is True where a token is a target of the loss.
    """

    example_id: str
    ids: tuple[int, ...]
    mask: tuple[bool, ...]
    n_examples: int = 1

    @property
    def n_targets(self) -> int:
        return sum(self.mask[1:])


@dataclasses.dataclass(frozen=True)
class MicroBatch:
    """Right-padded rows of one forward pass, and where their targets are.

    ids (B, S) input tokens; lengths (B,); index (N,) flat positions b·S + s whose logits predict
    ``targets`` (N,); row (N,) the row b of each target.
    """

    ids: Tensor
    lengths: Tensor
    index: Tensor
    targets: Tensor
    row: Tensor

    def to(self, device: torch.device) -> MicroBatch:
        return MicroBatch(*(getattr(self, f.name).to(device) for f in dataclasses.fields(self)))


def encode(
    tokenizer: Any, examples: Sequence[Example], max_length: int, rejected: bool = False
) -> list[Row]:
    """Token rows of the examples' completions (or of their rejected ones, for DPO).

    Raises TrainingError, naming the examples, when a target of format T doesn't parse as an
    action (check 9), or when an example has no target, is longer than ``max_length`` tokens, or
    has a target that the tokenizer can't write (check 10).
    """
    rows: list[Row] = []
    problems: dict[str, list[str]] = {}
    for example in examples:
        completion = example.rejected if rejected else example.completion
        ids, mask = render_example(tokenizer, example.prompt, completion, example.train_on)
        row = Row(example.example_id, tuple(ids), tuple(mask))
        problem = _unparsable(example, completion) or _untrainable(
            row, completion, max_length, tokenizer.unk_token_id
        )
        if problem:
            problems.setdefault(problem, []).append(example.example_id)
        rows.append(row)
    if problems:
        raise TrainingError(_describe(problems, len(examples)))
    return rows


def target_texts(example: Example) -> list[str]:
    """The assistant messages that the loss covers, in order."""
    earlier = [m["content"] for m in example.prompt if m["role"] == "assistant"]
    return [*(earlier if example.train_on == "assistant" else []), example.completion]


def _unparsable(example: Example, completion: str) -> str:
    if example.format != "T":
        return ""
    for text in [*target_texts(example)[:-1], completion]:
        try:
            parse_action(text)
        except ActionError as error:
            return (
                "a target of format T that the agent's own parser can't parse "
                f"({error}) - check 9: write targets with format_action"
            )
    return ""


def _untrainable(row: Row, completion: str, max_length: int, unknown: int | None) -> str:
    if not completion.strip() or not any(row.mask):
        return "no unmasked token - check 10: give every example a completion"
    if len(row.ids) > max_length:
        return (
            f"cut off by truncation at max_length {max_length} tokens - check 10: raise "
            "max_length or leave these examples out"
        )
    if unknown is not None and any(
        token == unknown for token, learn in zip(row.ids, row.mask, strict=True) if learn
    ):
        return "a target with tokens unknown to the tokenizer - use this model's own tokenizer"
    return ""


def _describe(problems: dict[str, list[str]], total: int) -> str:
    parts = []
    for problem, ids in problems.items():
        named = ", ".join(ids[:5]) + (", ..." if len(ids) > 5 else "")
        parts.append(f"{len(ids)} of {total} examples ({named}): {problem}.")
    return "the examples can't be trained on. " + " ".join(parts)


def epoch_batches(sizes: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Indices of items of ``sizes`` examples in a seeded random order, cut into batches.

    A batch ends as soon as it holds ``batch_size`` examples (the last may hold fewer).
    """
    order = list(range(len(sizes)))
    random.Random(f"batches {seed} {epoch}").shuffle(order)
    batches: list[list[int]] = []
    held = batch_size
    for index in order:
        if held >= batch_size:
            batches.append([])
            held = 0
        batches[-1].append(index)
        held += sizes[index]
    return batches


def planned_batches(sizes: Sequence[int], settings: TrainSettings) -> list[list[int]]:
    """The batches of all epochs, one per step of the optimizer."""
    return [
        batch
        for epoch in range(settings.epochs)
        for batch in epoch_batches(sizes, settings.batch_size, settings.seed, epoch)
    ]


def micro_batches(
    groups: Sequence[Sequence[Row]], micro_tokens: int
) -> Iterator[tuple[list[int], MicroBatch]]:
    """Cut one batch into padded pieces of at most ``micro_tokens`` tokens (or one group).

    A group's rows stay together (one row for SFT, chosen and rejected for DPO). Sorting by length
    happens inside the batch only, so what is in a batch stays random and little is padding.
    Yields (indices of the groups, their rows collated in that order).
    """
    lengths = [max(len(row.ids) - 1 for row in group) for group in groups]
    width = len(groups[0]) if groups else 1
    piece: list[int] = []
    for index in sorted(range(len(groups)), key=lambda i: (-lengths[i], i)):
        longest = lengths[piece[0]] if piece else lengths[index]
        if piece and (len(piece) + 1) * width * longest > micro_tokens:
            yield piece, collate([row for i in piece for row in groups[i]])
            piece = []
        piece.append(index)
    if piece:
        yield piece, collate([row for i in piece for row in groups[i]])


def collate(rows: Sequence[Row]) -> MicroBatch:
    """Right-pad rows to the longest; a row's last token is only a target, never an input."""
    width = max(len(row.ids) for row in rows) - 1
    ids, index, targets, owner = [], [], [], []
    for b, row in enumerate(rows):
        ids.append([*row.ids[:-1], *([0] * (width - len(row.ids) + 1))])
        for t in range(1, len(row.ids)):
            if row.mask[t]:
                index.append(b * width + t - 1)
                targets.append(row.ids[t])
                owner.append(b)
    lengths = [len(row.ids) - 1 for row in rows]
    return MicroBatch(*(torch.tensor(v) for v in (ids, lengths, index, targets, owner)))
