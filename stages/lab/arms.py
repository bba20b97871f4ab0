"""Which adapter each condition is evaluated with.

Conditions: ``base``, ``aa`` (base again, with other seeds) and ``knowledge`` use none; ``skill``
and ``both`` the adapter of the registered skill format, ``skill_25`` one like it from 25 of its
examples (any number); ``placebo_*`` their own; ``format_A`` … ``format_E`` the adapter of that
format.
"""

from __future__ import annotations

import re

from stages.params import Experiment, ParamsError

FORMAT_ARMS = tuple(f"format_{letter}" for letter in "ABCDE")
PLACEBOS = ("placebo_shuffled", "placebo_world", "placebo_random")
FEW = re.compile(r"skill_([1-9]\d*)")
WITHOUT_ADAPTER = ("base", "aa", "knowledge")
WITH_NOTES = ("knowledge", "both")


def arm_of(condition: str) -> str | None:
    """The arm whose adapter a condition uses; None for the base model."""
    if condition in WITHOUT_ADAPTER:
        return None
    if condition in ("skill", "both"):
        return "skill"
    if condition in PLACEBOS or condition in FORMAT_ARMS or examples_of(condition):
        return condition
    raise ParamsError(
        f"evaluate.conditions: {condition!r} is not a condition. There are base, aa, knowledge, "
        f"skill, both, skill_25 (or another number of examples), {', '.join(PLACEBOS)} and "
        "format_A … format_E."
    )


def examples_of(arm: str) -> int | None:
    """How many examples an arm's name limits it to; None where it takes all."""
    found = FEW.fullmatch(arm)
    return int(found[1]) if found else None


def arms_of(experiment: Experiment) -> list[str]:
    """Every arm that needs an adapter, the skill adapter first."""
    arms = {arm_of(condition) for condition in experiment.evaluate.conditions} - {None}
    if "placebo_random" in arms:
        arms.add("skill")
    return sorted((arm for arm in arms if arm), key=lambda arm: (arm != "skill", arm))


def format_of(experiment: Experiment, arm: str) -> str:
    """The synthesis format that an arm is trained on."""
    if arm.startswith("format_"):
        return arm.removeprefix("format_")
    return experiment.synthesis.skill_format
