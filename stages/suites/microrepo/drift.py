"""Drift (e10): what a world looks like some releases later, at three severities.

Each severity contains the milder ones of the same seed, so that they are steps on one scale.
"""

from __future__ import annotations

import dataclasses
import random

from stages.suites.microrepo.conventions import SCRIPT_VALUES, flip_conventions
from stages.suites.microrepo.lexicon import STEMS
from stages.suites.microrepo.world import Module, World

SEVERITIES = {
    "minor": "every module's file is renamed",
    "moderate": "files renamed, and another test command",
    "major": "files renamed, another test command, and every convention flipped",
}


def drifted(world: World, severity: str, seed: int) -> World:
    """The world after drift: same name, components and issues, changed as ``severity`` says.

    No file keeps or takes over an old name, so a stale memory misses instead of hitting another
    file. ValueError for an unknown severity.
    """
    if severity not in SEVERITIES:
        raise ValueError(f"severity {severity!r} is none of {', '.join(SEVERITIES)}; correct it.")
    rng = random.Random(f"drift {world.name} {world.seed} {seed}")
    modules, conventions = _renamed(world.modules, rng), world.conventions
    others = [script for script in SCRIPT_VALUES if script != conventions.script]
    script = rng.choice(others)
    if severity != "minor":
        conventions = dataclasses.replace(conventions, script=script)
    if severity == "major":
        conventions = flip_conventions(conventions, rng)
    return dataclasses.replace(world, modules=modules, conventions=conventions)


def _renamed(modules: tuple[Module, ...], rng: random.Random) -> tuple[Module, ...]:
    taken = {module.stem for module in modules}
    stems = rng.sample([stem for stem in STEMS if stem not in taken], len(modules))
    return tuple(
        dataclasses.replace(module, stem=stem) for module, stem in zip(modules, stems, strict=True)
    )
