"""What a loop's registered numbers of items, seeds and repeats can find."""

from __future__ import annotations

from typing import Any

from stages.stats.loop_work.results import LoopResults
from stages.stats.loops.components import seed_power
from stages.stats.power import mcnemar_power, minimum_detectable_effect
from stages.stats.summary import rounded

NOISE = 0.05
"""Share of items that are taken to flip without an effect."""
RATIOS = (0.5, 1.0, 2.0)
"""Variance between seeds over variance between repeats."""


def power(results: LoopResults) -> dict[str, Any]:
    """Power of the registered design: by items, and of a seed effect by seeds and repeats."""
    loop = results.loop
    items = max((len(run.members(results.untrained)) for run in results.runs), default=0)
    found: dict[str, Any] = {"items": items, "minimum_items": loop.minimum_items}
    if items:
        found["power_for_15_points"] = mcnemar_power(items, 0.15 + NOISE, NOISE, loop.alpha)
        found["minimum_detectable_effect"] = minimum_detectable_effect(
            items, NOISE, loop.power, loop.alpha
        )
    seeds = len(loop.seeds)
    if seeds > 1 and loop.repeats > 1:
        found["seed_effect"] = {
            f"ratio_{ratio:g}": seed_power(seeds, loop.repeats, ratio, loop.alpha)
            for ratio in RATIOS
        }
    return rounded(found)
