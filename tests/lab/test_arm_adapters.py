"""Which adapter an arm is played with, and arms that can't be played."""

from __future__ import annotations

import dataclasses

import pytest

from stages.lab.arm_adapters import adapter_of, arm_episodes, arm_place, arms_in
from stages.params import ArmParams, ExamplesParams, ParamsError
from tests.small_lab import small_lab

OWN = ExamplesParams(format="T")
FAR = "grey_tower"


def lab_with(**arms: ArmParams):
    return small_lab(6, worlds=("oak_harbor", FAR), arms=arms)


def test_an_arm_takes_its_own_adapter_another_arms_a_conditions_or_none():
    lab = lab_with(
        trained=ArmParams(examples=OWN),
        again=ArmParams(adapter="trained", notes=True),
        skilled=ArmParams(adapter="both"),
        stale=ArmParams(adapter="skill", adapter_world="oak_harbor"),
        plain=ArmParams(),
        unadapted=ArmParams(adapter="knowledge"),
    )
    with pytest.raises(ParamsError, match=r"arms\.unadapted\.adapter: no condition or arm"):
        arms_in(lab, FAR)

    def path(arm: str) -> str:
        place = adapter_of(lab, FAR, "A", arm, 2)
        return "" if place is None else place.path.as_posix()

    root = "models/adapters/p1"
    assert path("trained") == path("again") == f"{root}/arms/{FAR}/A/trained-s2"
    assert path("skilled") == f"{root}/{FAR}/A/skill-s2"
    assert path("stale") == f"{root}/oak_harbor/A/skill-s2"
    assert path("plain") == path("unadapted") == ""
    assert arm_place(lab, FAR, "A", "trained", 2).path.as_posix() == path("trained")
    episodes = arm_episodes(lab, FAR, "A", "plain", 1).as_posix()
    assert episodes == f"data/evaluations/p1/arms/{FAR}/A/plain-s1.jsonl"


def test_an_arm_is_played_in_its_worlds_only():
    lab = lab_with(all=ArmParams(), far=ArmParams(worlds=(FAR,)))
    assert list(arms_in(lab, "oak_harbor")) == ["all"]
    assert list(arms_in(lab, FAR)) == ["all", "far"]
    assert arms_in(dataclasses.replace(lab, experiment=small_lab().experiment), FAR) == {}


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        ({"skill": ArmParams()}, r"arms\.skill: a condition has this name"),
        ({"a": ArmParams(worlds=("oak",))}, "'oak' is none of the experiment's worlds"),
        ({"a": ArmParams(adapter="skill", adapter_world="oak")}, "'oak' is none of"),
        ({"a": ArmParams(adapter_world=FAR)}, "there is no adapter to take from it"),
        ({"a": ArmParams(adapter="skill", examples=OWN)}, "Drop one"),
        ({"a": ArmParams(adapter="format_A")}, "trains 'format_A'"),
        (
            {"a": ArmParams(adapter="b"), "b": ArmParams(adapter="skill")},
            "'b' has no adapter that is trained from the base",
        ),
    ],
)
def test_an_arm_that_cannot_be_played_is_refused(arms, said):
    with pytest.raises(ParamsError, match=said):
        arms_in(lab_with(**arms), "oak_harbor")
