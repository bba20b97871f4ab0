"""A placebo of another world is that world's own adapter where the experiment has it."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest

from stages.lab.context import Lab
from stages.lab.places import AdapterPlace, adapter_place
from stages.records import read_json, write_json, write_jsonl
from stages.train_adapter import conditions
from stages.train_adapter.conditions import train_conditions
from stages.training.settings import TrainingError
from tests.small_lab import small_lab
from tests.train_adapter.conftest import make_examples

WORLD = "oak_harbor"


def lab_of(*worlds: str) -> Lab:
    lab = small_lab(worlds=worlds, seeds=(0,))
    experiment = dataclasses.replace(
        lab.experiment,
        evaluate=dataclasses.replace(
            lab.experiment.evaluate, conditions=("base", "skill", "placebo_world")
        ),
        train=dataclasses.replace(lab.experiment.train, epochs=1),
    )
    return dataclasses.replace(lab, experiment=experiment)


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The world whose sessions WORLD's placebo has; each world's examples are its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Lab, "base_sha256", lambda lab: "base")
    monkeypatch.setattr(Lab, "workers", 1)
    found = small_lab().placebo_worlds[WORLD]
    monkeypatch.setattr(Lab, "placebo_worlds", {WORLD: found, found: WORLD})
    for number, world in enumerate((WORLD, found)):
        folder = small_lab().folder("data/synthetic") / world / "A"
        write_jsonl(folder / "T.jsonl", make_examples(24)[12 * number : 12 * number + 12])
        write_json(folder / "manifest.json", {"source_sha256": world})
    return found


def test_it_is_what_training_would_have_made(model, tokenizer, other: str) -> None:
    lab = lab_of(WORLD, other)
    place = adapter_place(lab, WORLD, "A", "placebo_world", 0)
    train_conditions(lab, (model, tokenizer))
    clock = Path("timings/p1") / f"train-{WORLD}-A-placebo_world-s0.json"
    lender = adapter_place(lab, other, "A", "skill", 0)
    assert read_json(clock) == read_json(clock.parent / f"train-{other}-A-skill-s0.json")
    assert lender.read("facts.json") | {"arm": "placebo_world", "world": WORLD} == place.read(
        "facts.json"
    )
    conditions._train(lab, (model, tokenizer), place, Path("trained"))
    made = {path.name: path.read_bytes() for path in Path("trained").iterdir()}
    assert made == {path.name: path.read_bytes() for path in place.path.iterdir()}
    own = adapter_place(lab, WORLD, "A", "skill", 0).path / "adapter_model.safetensors"
    assert own.read_bytes() != made["adapter_model.safetensors"]


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the adapters that are trained."""
    names: list[str] = []
    real = conditions._train

    def noted(lab: Lab, base: Any, place: AdapterPlace, folder: Path) -> None:
        names.append(place.name)
        real(lab, base, place, folder)

    monkeypatch.setattr(conditions, "_train", noted)
    return names


def test_where_the_experiment_has_not_that_world_it_is_trained(
    model, tokenizer, other: str, trained: list[str]
) -> None:
    train_conditions(lab_of(WORLD), (model, tokenizer))
    assert sorted(trained) == [f"{WORLD}/A/placebo_world-s0", f"{WORLD}/A/skill-s0"]


def test_where_it_has_it_only_the_worlds_own_are_trained(
    model, tokenizer, other: str, trained: list[str]
) -> None:
    train_conditions(lab_of(WORLD, other), (model, tokenizer))
    assert sorted(trained) == sorted((f"{WORLD}/A/skill-s0", f"{other}/A/skill-s0"))


def test_another_world_s_new_adapter_is_lent_anew(model, tokenizer, other: str) -> None:
    lab = lab_of(WORLD, other)
    place = adapter_place(lab, WORLD, "A", "placebo_world", 0)
    weights = place.path / "adapter_model.safetensors"
    train_conditions(lab, (model, tokenizer))
    before = weights.read_bytes()
    write_jsonl(lab.folder("data/synthetic") / other / "A" / "T.jsonl", make_examples(24)[6:18])
    train_conditions(lab, (model, tokenizer))
    assert weights.read_bytes() != before


@pytest.mark.parametrize("least", [12, 13])
def test_a_pilots_adapter_serves_a_registered_experiment_that_asks_for_no_more_examples(
    least: int, model, tokenizer, other: str, trained: list[str]
) -> None:
    pilot = lab_of(WORLD)
    train = dataclasses.replace(pilot.experiment.train, min_examples=least)
    values = dataclasses.replace(pilot.experiment, kind="registered", train=train)
    registered = dataclasses.replace(pilot, name="e09", experiment=values)
    shutil.copytree("data/synthetic/p1", "data/synthetic/e09")
    train_conditions(pilot, (model, tokenizer))
    trained.clear()
    if least > 12:
        with pytest.raises(TrainingError, match=r"12 different examples are fewer .* of 13"):
            train_conditions(registered, (model, tokenizer))
        assert not list(Path("models/adapters/e09").rglob("*.safetensors"))
        return
    train_conditions(registered, (model, tokenizer))
    assert trained == []
    places = [adapter_place(lab, WORLD, "A", "skill", 0) for lab in (pilot, registered)]
    made = [{file.name: file.read_bytes() for file in place.path.iterdir()} for place in places]
    assert made[0] == made[1] and len(made[0]) >= 6
