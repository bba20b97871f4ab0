"""Arms that are named after their number of examples."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from stages.lab.places import AdapterPlace
from stages.records import Example
from stages.train_adapter.conditions import few, settings_of
from tests.small_lab import small_lab

EXAMPLE = Example("0", "T", ({"role": "user", "content": "q"},), "submit")
EXAMPLES = [dataclasses.replace(EXAMPLE, example_id=str(index)) for index in range(60)]


def place(arm: str, seed: int = 0) -> AdapterPlace:
    return AdapterPlace(Path("models/adapters/p1"), "oak_harbor", "A", arm, seed)


def test_as_many_as_the_name_says_in_their_own_order_by_seed() -> None:
    drawn = few(EXAMPLES, place("skill_25"))
    assert len(drawn) == 25 == len({example.example_id for example in drawn})
    assert [int(example.example_id) for example in drawn] == sorted(
        int(example.example_id) for example in drawn
    )
    assert drawn == few(EXAMPLES, place("skill_25")) != few(EXAMPLES, place("skill_25", 1))


def test_other_arms_take_all() -> None:
    assert few(EXAMPLES, place("skill")) == EXAMPLES
    assert few(EXAMPLES[:9], place("skill_25")) == EXAMPLES[:9]


def test_repeated_examples_count_once() -> None:
    drawn = few([*EXAMPLES[:25], *EXAMPLES[:25]], place("skill_25"))
    assert drawn == EXAMPLES[:25]


def test_the_name_is_the_registered_minimum() -> None:
    lab = small_lab()
    assert settings_of(lab, place("skill_25"))[0].min_examples == 25
    assert settings_of(lab, place("skill"))[0].min_examples == lab.experiment.train.min_examples
