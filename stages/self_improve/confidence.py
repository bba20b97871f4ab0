"""How sure an answer is: by the probabilities of its tokens, and by what it says of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from stages.adapters.lora import LoraSettings, attached
from stages.agent.rendered import render_example
from stages.suites.items import Item
from stages.training.batches import Row, collate

_STATED = re.compile(
    r"\b(?:confidence|sure|certain|probability)\b[^\w.\n]{0,3}(?:(?:is|of)\s)?[^\w.\n]{0,2}"
    r"(?P<number>\d{1,3}(?:\.\d+)?|\.\d+)\s*(?P<percent>%|percent)?",
    re.IGNORECASE,
)


def stated(text: str) -> float | None:
    """The confidence, 0 to 1, that an answer states last; None where it states none.

    A whole number, one above 1, or one with a per cent sign counts as per cent, so 1 is one per
    cent and 1.0 is certain; above 100 it is no confidence.

    >>> stated("the answer is 7. confidence 80%"), stated("sure: .25"), stated("7")
    (0.8, 0.25, None)
    """
    found = [*_STATED.finditer(text)]
    if not found:
        return None
    value = float(found[-1]["number"])
    if found[-1]["percent"] or value > 1 or found[-1]["number"].isdigit():
        value /= 100
    return value if value <= 1 else None


def token_confidences(
    base: tuple[Any, Any],
    answers: Sequence[tuple[Item, str]],
    adapter: tuple[Mapping[str, Tensor], LoraSettings] | None,
    max_tokens: int = 4096,
) -> list[float]:
    """Mean probability, 0 to 1, of each answer's tokens with the closing one, given its prompt.

    Under the adapter that wrote it (None: the base), at temperature 1; an empty answer has that of
    its closing token. ``max_tokens`` is the most padded tokens of one forward pass.
    """
    model, tokenizer = base
    rows = []
    for number, (item, text) in enumerate(answers):
        prompt = ({"role": "user", "content": item.prompt},)
        ids, mask = render_example(tokenizer, prompt, text)
        rows.append(Row(str(number), tuple(ids), tuple(mask)))
    if adapter is None:
        return _confidences(model, rows, max_tokens)
    with attached(model, adapter[1], adapter[0]) as wrapped:
        return _confidences(wrapped, rows, max_tokens)


@torch.no_grad()
def _confidences(model: Any, rows: Sequence[Row], max_tokens: int) -> list[float]:
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    found: dict[int, float] = {}
    order = sorted(range(len(rows)), key=lambda i: (-len(rows[i].ids), i))
    while order:
        fits = max(1, max_tokens // len(rows[order[0]].ids))
        piece, order = order[:fits], order[fits:]
        batch = collate([rows[i] for i in piece]).to(device)
        width = batch.ids.shape[1]
        there = torch.arange(width, device=device)[None] < batch.lengths[:, None]  # B, S
        logits = model(
            input_ids=batch.ids, attention_mask=there.long(), use_cache=False
        ).logits  # B, S, V
        own = logits.flatten(0, 1)[batch.index].float().softmax(-1)  # N, V
        each = own.gather(1, batch.targets[:, None]).squeeze(1)  # N
        sums = torch.zeros(len(piece), device=device).index_add(0, batch.row, each)
        counts = torch.bincount(batch.row, minlength=len(piece))
        found.update(zip(piece, (sums / counts).tolist(), strict=True))
    model.train(training)
    return [found[i] for i in range(len(rows))]
