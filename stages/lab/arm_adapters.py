"""Where an experiment's arms lie, and which adapter each of them is played with."""

from __future__ import annotations

from pathlib import Path

from stages.lab.arms import arm_of, arms_of
from stages.lab.context import Lab
from stages.lab.places import AdapterPlace, adapter_place
from stages.params import ArmParams, ParamsError
from stages.suites.releases import base_world

ARMS = "arms"
"""Folder of the arms beside the conditions' own files."""
INDICATORS = "indicators"
"""Folder of what would tell that an arm's adapter has gone stale."""
BEFORE = "before"
"""As an arm's ``adapter_world``: the world that it was before its change."""


def arms_in(lab: Lab, world: str) -> dict[str, ArmParams]:
    """The arms that are played in ``world``, in the registration's order.

    ParamsError for an arm that is named like a condition, names an unknown world or two adapters.
    """
    arms = lab.experiment.arms or {}
    for name, arm in arms.items():
        _require_sound(lab, name, arm)
    return {name: arm for name, arm in arms.items() if world in (arm.worlds or lab.worlds)}


def arm_place(lab: Lab, world: str, split: str, arm: str, seed: int) -> AdapterPlace:
    """The place of the adapter that is trained for an arm."""
    return AdapterPlace(lab.folder("models/adapters") / ARMS, world, split, arm, seed)


def arm_episodes(lab: Lab, world: str, split: str, arm: str, seed: int) -> Path:
    """The file of an arm's episodes."""
    return lab.folder("data/evaluations") / ARMS / world / split / f"{arm}-s{seed}.jsonl"


def adapter_of(lab: Lab, world: str, split: str, arm: str, seed: int) -> AdapterPlace | None:
    """The adapter that an arm is played with in ``world``: its own or another's; None: base."""
    if (lab.experiment.arms or {})[arm].examples is not None:
        return arm_place(lab, world, split, arm, seed)
    return adapter_taken(lab, world, split, arm, seed)


def adapter_taken(lab: Lab, world: str, split: str, arm: str, seed: int) -> AdapterPlace | None:
    """The adapter of another condition or arm that an arm names: to play, or to recover from."""
    arms = lab.experiment.arms or {}
    params = arms[arm]
    if params.adapter is None:
        return None
    owner = base_world(world) if params.adapter_world == BEFORE else params.adapter_world or world
    if params.adapter in arms:
        return adapter_of(lab, owner, split, params.adapter, seed)
    name = arm_of(params.adapter)
    return None if name is None else adapter_place(lab, owner, split, name, seed)


def _require_sound(lab: Lab, name: str, arm: ArmParams) -> None:
    where, experiment = f"experiments.{lab.name}.arms.{name}", lab.experiment
    arms = experiment.arms or {}
    if name in experiment.evaluate.conditions:
        raise ParamsError(f"{where}: a condition has this name too. Give the arm another.")
    played = arm.worlds or lab.worlds
    taken = map(base_world, played) if arm.adapter_world == BEFORE else [arm.adapter_world]
    for world in (*played, *taken):
        if world is not None and world not in lab.worlds:
            raise ParamsError(
                f"{where}: {world!r} is none of the experiment's worlds "
                f"({', '.join(lab.worlds)}). Add it there, or correct it here."
            )
    if arm.adapter is None:
        if arm.adapter_world is not None:
            raise ParamsError(f"{where}.adapter_world: there is no adapter to take from it.")
        return
    if arm.examples is not None and not arm.examples.recovery:
        raise ParamsError(
            f"{where}: it has examples of its own and another's adapter. Drop one, or say by "
            "examples.recovery after how many sessions of its own world that adapter is to recover."
        )
    if arm.adapter in arms:
        if arms[arm.adapter].examples is None or arms[arm.adapter].adapter is not None:
            raise ParamsError(
                f"{where}.adapter: {arm.adapter!r} has no adapter that is trained from the base "
                "for itself. Name the arm or condition that has."
            )
    elif arm_of(arm.adapter) not in arms_of(experiment):
        raise ParamsError(
            f"{where}.adapter: no condition or arm of the experiment trains {arm.adapter!r}. Add "
            "it to evaluate.conditions, or name another."
        )
