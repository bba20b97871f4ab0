"""Equal training tokens for arms that are compared (e06: formats A–E at equal tokens)."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stages.agent.rendered import render_example
from stages.records import Example


class BudgetError(ValueError):
    """Whole examples can not fill the token budget; the message says the remedy."""


def training_tokens(tokenizer: Any, example: Example) -> int:
    """Tokens the model processes when it trains on the example once: prompt and target together.

    A preference pair counts both of its sequences; the frozen reference's pass isn't training
    and isn't counted.
    """
    texts = [example.completion, *([example.rejected] if example.rejected else [])]
    rendered = (render_example(tokenizer, example.prompt, t, example.train_on) for t in texts)
    return sum(len(ids) for ids, _ in rendered)


def target_tokens(tokenizer: Any, example: Example) -> int:
    """Tokens of the example that the loss covers (of a pair: of both sequences)."""
    texts = [example.completion, *([example.rejected] if example.rejected else [])]
    rendered = (render_example(tokenizer, example.prompt, t, example.train_on) for t in texts)
    return sum(sum(mask) for _, mask in rendered)


def match_tokens(
    examples_by_format: Mapping[str, Sequence[Example]],
    budget: int,
    count: Callable[[Example], int],
    seed: int = 0,
    tolerance: float = 0.02,
) -> dict[str, list[Example]]:
    """For each format, whole examples whose tokens by ``count`` add up to ``budget``.

    Examples are taken in a seeded random order; when a format has too few, it is gone through
    again, so every example is repeated equally often up to one. Near the end the example that
    lands closest to the budget is taken. Any two formats then differ by at most ``tolerance``.
    Raises BudgetError naming the format when its examples are too coarse for the tolerance.
    """
    chosen = {}
    for name in sorted(examples_by_format):
        examples = examples_by_format[name]
        if not examples:
            raise BudgetError(
                f"format {name}: there are no examples to fill {budget} tokens with. Synthesize "
                "some, or leave the format out of the registration."
            )
        picked, total = _fill(examples, [count(e) for e in examples], budget, f"{seed} {name}")
        if abs(total - budget) > tolerance / 2 * budget:
            raise BudgetError(
                f"format {name}: whole examples come to {total} tokens, not within "
                f"{tolerance / 2:.1%} of the budget of {budget}; its examples are too long for so "
                "small a budget. Raise the budget (more epochs' worth of tokens at once)."
            )
        chosen[name] = picked
    return chosen


def _fill(
    examples: Sequence[Example], sizes: Sequence[int], budget: int, seed: str
) -> tuple[list[Example], int]:
    rng = random.Random(f"budget {seed}")
    picked: list[Example] = []
    total = 0
    while True:
        order = list(range(len(examples)))
        rng.shuffle(order)
        for at, i in enumerate(order):
            if total + sizes[i] <= budget:
                picked.append(examples[i])
                total += sizes[i]
                continue
            rest = order[at:]
            best = min(rest, key=lambda j: (abs(total + sizes[j] - budget), j))
            if abs(total + sizes[best] - budget) < budget - total:
                picked.append(examples[best])
                total += sizes[best]
            return picked, total
