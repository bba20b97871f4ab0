"""Which of the examples there are an arm is trained on: exact, by seed, and recorded."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from stages.lab.budget import match_tokens
from stages.params import ExamplesParams
from stages.records import Example, canonical_json, sha256_text


def choose(
    examples: Sequence[Example],
    params: ExamplesParams,
    seed: int,
    budget: int,
    tokens_of: Callable[[Example], int],
) -> list[Example]:
    """The rows that training gets, an example more than once where a budget asks for that.

    First ``pairs_per_session`` of each session, then ``count`` of all, then whole examples up to
    ``tokens`` (0: each once; None: ``budget``). The limits are nested: with one seed, the pairs of
    a smaller ``pairs_per_session`` or ``count`` are among those of a larger one, so that two levels
    differ by what was added. BudgetError where whole examples can't come near the tokens.
    """
    chosen = per_session(examples, params.pairs_per_session, seed)
    chosen = drawn(chosen, params.count, seed)
    tokens = budget if params.tokens is None else params.tokens
    if tokens == 0 or not chosen:
        return chosen
    return match_tokens({params.format: chosen}, tokens, tokens_of, seed=seed)[params.format]


def per_session(examples: Sequence[Example], most: int | None, seed: int) -> list[Example]:
    """At most so many examples of each session, the first of its own seeded order."""
    if most is None:
        return list(examples)
    sessions: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        sessions[example.instance_id].append(example)
    kept: set[str] = set()
    for name, own in sessions.items():
        kept |= {e.example_id for e in _shuffled(own, f"pairs {seed} {name}")[:most]}
    return [example for example in examples if example.example_id in kept]


def drawn(examples: Sequence[Example], count: int | None, seed: int) -> list[Example]:
    """At most so many examples, the first of one seeded order, given back in their own order."""
    if count is None:
        return list(examples)
    kept = {e.example_id for e in _shuffled(examples, f"count {seed}")[:count]}
    return [example for example in examples if example.example_id in kept]


def _shuffled(examples: Sequence[Example], seed: str) -> list[Example]:
    order = list(examples)
    random.Random(seed).shuffle(order)
    return order


def record(there: Sequence[Example], rows: Sequence[Example]) -> dict[str, Any]:
    """What was taken of what there was, for facts.json: counts, and the hash of the rows."""
    different = {example.example_id: example for example in rows}
    pairs = Counter(example.instance_id for example in different.values())
    return {
        "available": len({example.example_id for example in there}),
        "taken": len(different),
        "rows": len(rows),
        "sessions": len(pairs),
        "formats": dict(sorted(Counter(e.format for e in different.values()).items())),
        "pairs_per_session": {
            "fewest": min(pairs.values(), default=0),
            "mean": sum(pairs.values()) / len(pairs) if pairs else 0.0,
            "most": max(pairs.values(), default=0),
        },
        "rows_sha256": sha256_text(canonical_json([example.example_id for example in rows])),
    }
