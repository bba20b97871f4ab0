"""Checks 5 and 7, each with its mistake planted."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from stages.params import ArmParams
from stages.stats.checks import adapters
from tests.adapters.peft_merge import merged_by_peft
from tests.stats.checks.run_files import (
    SEEDS,
    SKILL,
    TESTED,
    change_json,
    change_rows,
    copy_arm,
    make_lab,
    read_record,
)


def test_5_a_dead_certificate_is_caught(run: Path) -> None:
    assert adapters.live(read_record()).status == "pass"
    change_json(SKILL / "certificate.json", lambda c: c.update(logit_shift_max=0.0))
    assert "moved by 0" in adapters.live(read_record()).evidence["first_problem"]


def test_5_tensors_other_than_certified_are_caught(run: Path) -> None:
    other = SKILL.with_name("skill-s1") / "adapter_model.safetensors"
    shutil.copy(other, SKILL / "adapter_model.safetensors")
    assert adapters.live(read_record()).status == "fail"


def test_5_a_certificate_of_another_norm_is_caught(run: Path) -> None:
    change_json(SKILL / "certificate.json", lambda c: c.update(delta_norm=1.0))
    assert "another norm" in adapters.live(read_record()).evidence["first_problem"]


def test_5_another_served_adapter_is_caught(run: Path) -> None:
    change_rows(TESTED / "skill-s0.jsonl", lambda row: row["info"].update(adapter_hash=""))
    found = adapters.live(read_record())
    assert found.evidence["problems"] == 1 and "another adapter" in found.evidence["first_problem"]


def test_5_an_arm_must_be_played_with_the_adapter_that_it_names(run: Path) -> None:
    lab = make_lab(arms={"again": ArmParams(adapter="skill"), "none": ArmParams()})
    copy_arm(lab, "again", "skill")
    copy_arm(lab, "none", "aa")
    assert adapters.live(read_record(lab)).status == "pass"
    copy_arm(lab, "none", "skill")
    assert adapters.live(read_record(lab)).evidence["problems"] == len(SEEDS)


def test_5_a_base_run_with_an_adapter_is_caught(run: Path) -> None:
    change_rows(TESTED / "aa-s0.jsonl", lambda row: row["info"].update(adapter_hash="a"))
    assert adapters.live(read_record()).status == "fail"


def test_7_merging_by_cat_is_exact_and_by_linear_is_caught(run: Path) -> None:
    sound = adapters.merges_exactly(read_record())
    assert sound.status == "pass" and sound.evidence["merged_error_ppm"] < 1
    found = adapters.merges_exactly(read_record(), partial(merged_by_peft, how="linear"))
    assert found.status == "fail" and found.evidence["merged_error_ppm"] > 100_000


def test_7_one_adapter_alone_cannot_be_merged(run: Path) -> None:
    shutil.rmtree(SKILL)
    assert adapters.merges_exactly(read_record()).status == "not applicable"
