"""Episodes made up by hand: one row per task and seed."""

from __future__ import annotations

from typing import Any

from stages.records import Outcome
from stages.stats.results import TEST, Results, Row
from tests.small_lab import small_lab

OUTCOMES = {"1": Outcome.RESOLVED, "0": Outcome.UNRESOLVED, "x": Outcome.HARNESS_ERROR}


def rows(
    condition: str, outcomes: str, world: str = "oak", seed: int = 0, **values: Any
) -> list[Row]:
    """One row per character: 1 resolved, 0 not, x a harness error.

    ``values`` override fields: one for all rows, or a list with one for each.
    """
    base: dict[str, Any] = {
        "world": world,
        "split": "A",
        "half": TEST,
        "condition": condition,
        "seed": seed,
        "attempt": 0,
        "pathology": "none",
        "difficulty": "easy",
        "kinds": ("unit",),
        "steps": 4,
        "ok_steps": 4,
        "input_tokens": 10,
        "output_tokens": 5,
        "cached_tokens": 0,
        "submitted_empty": False,
        "run_id": f"{condition}-{world}-s{seed}",
    }
    return [
        Row(
            **{
                **base,
                **_of(values, n),
                "instance_id": f"{world}__{n:03d}",
                "outcome": OUTCOMES[char],
            }
        )
        for n, char in enumerate(outcomes)
    ]


def _of(values: dict[str, Any], number: int) -> dict[str, Any]:
    return {k: v[number % len(v)] if isinstance(v, list) else v for k, v in values.items()}


def results(*groups: list[Row], **experiment: Any) -> Results:
    """Of p1 with some of the experiment's values changed."""
    made = tuple(row for group in groups for row in group)
    return Results(small_lab(12, **experiment), made, {}, [], {}, {}, {})
