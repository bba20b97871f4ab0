"""A world with chosen conventions, and the pairs of kinds that hard issues ask for."""

from __future__ import annotations

import dataclasses
from typing import Any

from stages.suites.microrepo.conventions import Conventions
from stages.suites.microrepo.issues import RETURN_KINDS
from stages.suites.microrepo.world import World, make_world

HARD = (
    *(("guard", kind) for kind in RETURN_KINDS),
    *((kind, "naming") for kind in RETURN_KINDS),
    ("guard", "naming"),
)


def world_with(seed: Any = 1, **values: str) -> World:
    world = make_world("red_dune", seed)
    conventions = Conventions({**world.conventions.values, **values}, world.conventions.script)
    return dataclasses.replace(world, conventions=conventions)
