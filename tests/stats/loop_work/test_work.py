"""A loop's records to metrics, verdicts and plots, registered or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stages.params import LoopArm, ParamsError, register
from stages.stats.loop_work.work import analyse_loop
from tests.small_loop import CRITERIA, opened, small_loop, written


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_everything_is_written_and_nothing_is_judged_while_a_check_stops(tmp_path: Path) -> None:
    loop = written(tmp_path)
    register(loop.params, "l01", "2026-11-21", tmp_path)
    metrics, plots = tmp_path / "metrics", tmp_path / "plots"
    lines = analyse_loop(loop, metrics, plots)
    assert lines[0] == "l01: REGISTERED; 12 of 12 runs, 0 of them ended early"
    rows = read(metrics / "verdicts" / "l01.json")
    assert rows.keys() == CRITERIA.keys()
    # the adapters were never written, so check 5 stops every verdict
    assert {row["verdict"] for row in rows.values()} == {"inconclusive: audit (5)"}
    assert rows["learns"]["estimate"] == pytest.approx((12 - 0.5 - 2) / 12, abs=1e-4)
    assert rows["learns"]["unit"] == "item" and rows["learns"]["n"] == 12
    table = read(metrics / "l01.json")
    assert table["plain"]["train_final"] == pytest.approx(11.5 / 12, abs=1e-4)
    assert table["other"]["train_gain"] == 0.0
    assert {"ece_lo", "brier_hi", "forgetting", "examples"} <= table["plain"].keys()
    details = read(metrics / "details" / "l01.json")
    assert details["corrections"]["plain"]["fixed"] == 6
    assert details["item_sets"]["other"]["counts"]["universally_stuck"] == 10
    assert len(details["runs"]) == 12 and len(details["steps"]) == 48
    assert {path.stem for path in (plots / "l01").iterdir()} == {
        "arms",
        "learning",
        "strip",
        "transitions",
        "reliability",
        "variance",
        "groups",
    }
    strip = read(plots / "l01" / "strip.json")
    assert {row["state"] for row in strip} == {"stuck", "improved", "retained"}
    assert all(
        row["lo"] <= row["accuracy"] <= row["hi"] for row in read(plots / "l01/learning.json")
    )
    shares = [row["share"] for row in read(plots / "l01/transitions.json")]
    assert all(0 < share <= 1 for share in shares)


def test_other_values_are_exploratory_and_get_no_verdict(tmp_path: Path) -> None:
    loop = written(tmp_path)
    register(loop.params, "l01", "2026-11-21", tmp_path)
    changed = written(tmp_path, temperature=0.5)
    lines = analyse_loop(changed, tmp_path / "metrics", tmp_path / "plots")
    assert lines[0].startswith("l01: EXPLORATORY")
    rows = read(tmp_path / "metrics" / "verdicts" / "l01.json")
    assert {row["verdict"] for row in rows.values()} == {"EXPLORATORY"}


def test_weights_arms_and_guard_are_part_of_the_registration(tmp_path: Path) -> None:
    loop = written(tmp_path)
    first = register(loop.params, "l01", "2026-11-21", tmp_path)
    (tmp_path / loop.model.path / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(ParamsError, match="was registered on 2026-11-21 with other values"):
        register(loop.params, "l01", "2026-11-22", tmp_path)
    (tmp_path / loop.model.path / "model.safetensors").write_bytes(b"weights")
    assert register(loop.params, "l01", "2026-11-22", tmp_path) == first
    more = opened(tmp_path, arms={**small_loop().arms, "third": LoopArm(rehearsal=4)})
    assert register(more.params, "l01", "2026-11-22", tmp_path, "a third arm") != first


def test_no_run_at_all_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="dvc repro self_improve@l01"):
        analyse_loop(opened(tmp_path), tmp_path / "metrics", tmp_path / "plots")
