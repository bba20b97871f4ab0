"""Opening an experiment, and which adapter each condition takes."""

from __future__ import annotations

import dataclasses
import re
import shutil

import pytest

from stages.lab.arms import arm_of, arms_of, examples_of, format_of
from stages.lab.context import open_lab
from stages.lab.models import load_tokenizer
from stages.params import ParamsError
from tests.small_lab import ROOT, small_lab


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """A params.yaml of its own in the current folder; call it with (pattern, replacement)."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)

    def edit(pattern: str, replacement: str) -> None:
        path = tmp_path / "params.yaml"
        text, count = re.subn(pattern, replacement, path.read_text(), count=1)
        assert count == 1
        path.write_text(text)

    return edit


def test_every_experiment_opens(edited):
    for name in ("p1", "p2", "e06", "organism"):
        lab = open_lab(name)
        assert (lab.name, lab.suite.name) == (name, "microrepo")
        assert lab.agent(0.3).temperature == 0.3
        assert lab.agent(0.3).max_steps == lab.params.agent.max_steps
        assert lab.sandbox(3).workers == 3
        assert lab.folder("data/splits").as_posix() == f"data/splits/{name}"


def test_an_unknown_experiment_names_the_nearest(edited):
    with pytest.raises(ParamsError, match="organism"):
        open_lab("organsim")


def test_an_unknown_world_is_refused_with_the_known_ones(edited):
    edited(r"worlds: \[oak_harbor\]", "worlds: [oak_harbour]")
    with pytest.raises(
        ParamsError, match=r"experiments\.p1\.worlds: 'oak_harbour'.*it has oak_harbor, blue_mill"
    ):
        open_lab("p1")


def test_a_suite_of_the_wrong_kind_is_refused(edited):
    edited(r"suite: microrepo_large", "suite: procedural")
    with pytest.raises(ParamsError, match=r"experiments\.organism: suite 'procedural' is of kind"):
        open_lab("organism")


def test_placebo_worlds_are_the_suites_choice_and_come_along():
    lab = small_lab(worlds=("oak_harbor", "iron_summit"))
    assert lab.placebo_worlds == {"oak_harbor": "wild_meadow", "iron_summit": "oak_harbor"}
    assert lab.all_worlds == ("oak_harbor", "iron_summit", "wild_meadow")
    evaluate = dataclasses.replace(lab.experiment.evaluate, conditions=("base", "skill"))
    assert small_lab(evaluate=evaluate).all_worlds == ("oak_harbor",)


def test_arms_of_conditions():
    assert [arm_of(c) for c in ("base", "aa", "knowledge")] == [None] * 3
    assert arm_of("skill") == arm_of("both") == "skill"
    assert arm_of("placebo_world") == "placebo_world"
    assert arm_of("format_C") == "format_C"
    assert (arm_of("skill_25"), examples_of("skill_25"), examples_of("skill")) == (
        "skill_25",
        25,
        None,
    )
    for wrong in ("skil", "placebo", "format_Z", "format_", "skill_", "skill_0", "skill_2x"):
        with pytest.raises(ParamsError, match=f"{wrong!r} is not a condition"):
            arm_of(wrong)


def test_arms_of_an_experiment_begin_with_skill():
    experiment = small_lab().experiment
    assert arms_of(experiment) == [
        "skill",
        "placebo_random",
        "placebo_shuffled",
        "placebo_world",
    ]
    only = dataclasses.replace(experiment.evaluate, conditions=("base", "placebo_random"))
    assert arms_of(dataclasses.replace(experiment, evaluate=only)) == ["skill", "placebo_random"]
    assert arms_of(small_lab(name="e06").experiment)[1:] == [f"format_{x}" for x in "ABCDE"]


def test_formats_of_arms():
    experiment = small_lab().experiment
    assert format_of(experiment, "skill") == experiment.synthesis.skill_format
    assert format_of(experiment, "placebo_world") == experiment.synthesis.skill_format
    assert format_of(experiment, "format_B") == "B"


def test_a_missing_checkpoint_is_a_paragraph(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ParamsError, match=r"models/base: no checkpoint there.*dvc repro pretrain"):
        load_tokenizer(small_lab().model)


def test_a_gpu_s_model_stays_in_one_process():
    lab = small_lab()
    assert lab.workers == 0
    on_gpu = dataclasses.replace(lab.model, device="cuda:0")
    assert dataclasses.replace(lab, model=on_gpu).workers == 1
