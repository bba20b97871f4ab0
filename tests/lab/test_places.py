"""Where adapters and their examples lie."""

from __future__ import annotations

from pathlib import Path

from stages.lab.places import adapter_place, adapter_places, examples_file
from tests.small_lab import small_lab


def test_every_arm_has_one_place_and_the_skill_adapters_come_first():
    lab = small_lab(worlds=("oak_harbor", "iron_summit"), seeds=(0, 1))
    places = adapter_places(lab)
    assert len({place.path for place in places}) == len(places) == 2 * 4 * 2
    assert places[0] == adapter_place(lab, "oak_harbor", "A", "skill", 0)
    assert places[0].path == Path("models/adapters/p1/oak_harbor/A/skill-s0")


def test_a_file_that_is_not_there_reads_as_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = adapter_place(small_lab(), "oak_harbor", "A", "skill", 0)
    assert place.read("facts.json") is None
    place.path.mkdir(parents=True)
    (place.path / "facts.json").write_text('{"seed": 0}')
    assert place.read("facts.json") == {"seed": 0}


def test_the_placebo_of_another_world_has_that_worlds_examples():
    lab = small_lab()
    own = examples_file(lab, "oak_harbor", "A", "placebo_shuffled")
    assert own == Path("data/synthetic/p1/oak_harbor/A/T.jsonl")
    other = lab.placebo_worlds["oak_harbor"]
    assert other in examples_file(lab, "oak_harbor", "A", "placebo_world").parts
    assert examples_file(lab, "oak_harbor", "A", "format_C").name == "C.jsonl"
