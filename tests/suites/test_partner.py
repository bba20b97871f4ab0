"""The world whose sessions serve as a placebo agrees no oftener than chance."""

from __future__ import annotations

import pytest

from stages.suites.microrepo.conventions import VALUES
from stages.suites.microrepo.suite import Microrepo
from stages.suites.microrepo.world import HELD_OUT

SUITE = Microrepo(tasks_per_world=4, seed=7)


def shared(one: str, other: str) -> int:
    first, second = (SUITE.world(name).conventions.values for name in (one, other))
    return sum(first[kind] == second[kind] for kind in VALUES)


@pytest.mark.parametrize("world", HELD_OUT)
def test_no_other_world_is_nearer_to_chance(world: str) -> None:
    by_chance = sum(1 / len(options) for options in VALUES.values())
    chosen = SUITE.partner(world, HELD_OUT)
    assert chosen != world
    best = min(abs(shared(world, other) - by_chance) for other in HELD_OUT if other != world)
    assert abs(shared(world, chosen) - by_chance) == best


def test_the_first_of_equals_is_taken() -> None:
    assert shared("oak_harbor", "wild_meadow") == shared("oak_harbor", "iron_summit") == 1
    assert SUITE.partner("oak_harbor", HELD_OUT) == "wild_meadow"
    assert SUITE.partner("oak_harbor", HELD_OUT[::-1]) == "iron_summit"
