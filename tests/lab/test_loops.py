"""A loop's files: which runs there are, and what their records hold."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from stages.lab.loops import (
    Attempted,
    Facts,
    OpenLoop,
    Probed,
    checkpoint_steps,
    open_loop,
    repeats_of,
    steps_of,
)
from stages.params import LoopArm
from stages.records import RecordError, write_json, write_jsonl
from tests.small_lab import ROOT, all_params

L01 = all_params().loops["l01"]
PROBED = Probed("q1", "holdout", "maths", 2, 0, 1, 1, 0.75, None, 4, "stop", "seven")
FACTS = Facts(1, 10, ["q1"], 1, 20, 3, [2.0, 0.5], "ab", "", "previous", None, 0.5, {"origin": "x"})


def opened(folder: Path) -> OpenLoop:
    return OpenLoop("l01", all_params(), L01, all_params().models["tiny"], folder)


def write(folder: Path) -> OpenLoop:
    loop = opened(folder)
    run = loop.run("main", 3, 1)
    for number in range(2):
        place = run.checkpoint(number)
        write_jsonl(place.path / "probe.jsonl", [PROBED])
        write_jsonl(place.path / "attempts.jsonl", [])
        flat = {**dataclasses.asdict(FACTS), "checkpoint": number}
        write_json(place.path / "facts.json", {**flat.pop("own"), **flat})
    write_json(run.path / "end.json", {"reason": "done", "kept": 1, "checkpoints": 2})
    return loop


def test_what_is_written_is_read(tmp_path: Path) -> None:
    run = write(tmp_path).run("main", 3, 1)
    assert run.path == tmp_path / "data/loops/l01/main-s3-r1"
    first, second = run.checkpoints()
    assert second.path.name == "c0001" and second.probe() == [PROBED] and first.attempts() == []
    assert second.adapter == tmp_path / "models/loops/l01/main-s3-r1/c0001"
    assert second.facts() == FACTS and second.guard() is None


def test_runs_are_arms_by_seeds_by_repeats(tmp_path: Path) -> None:
    runs = opened(tmp_path).runs("main")
    assert len(runs) == len(L01.seeds) * L01.repeats
    assert runs[0].name == "main-s0-r0" and runs[-1].name == "main-s9-r2"
    assert len(opened(tmp_path).runs()) == len({run.name for run in opened(tmp_path).runs()})
    assert repeats_of(L01, "crossed") == 4
    plan = L01.arms["select_accuracy"].selection
    assert plan is not None
    assert repeats_of(L01, "select_accuracy") == (plan.generations - 1) * plan.population


def test_a_cut_or_foreign_record_is_told(tmp_path: Path) -> None:
    place = write(tmp_path).run("main", 3, 1).checkpoint(1)
    row = dataclasses.asdict(PROBED)
    write_jsonl(place.path / "probe.jsonl", [row, {k: v for k, v in row.items() if k != "text"}])
    with pytest.raises(RecordError, match=r"probe.jsonl, line 2: field 'text'"):
        place.probe()
    write_jsonl(place.path / "attempts.jsonl", [{"odd": 1}])
    with pytest.raises(RecordError, match=r"attempts.jsonl, line 1: field .* in a Attempted"):
        place.attempts()
    with pytest.raises(RecordError, match="no such file"):
        opened(tmp_path).run("main", 0, 0).checkpoints()


def test_a_correction_says_more_than_an_attempt() -> None:
    fields = {field.name for field in dataclasses.fields(Attempted)}
    assert {"before", "valid", "target"} <= fields


def test_steps_between_checkpoints() -> None:
    assert checkpoint_steps(80, 10) == [10, 20, 30, 40, 50, 60, 70, 80]
    assert checkpoint_steps(25, 10) == [10, 20, 25]
    assert checkpoint_steps(3, 10) == [3]
    assert checkpoint_steps(0, 10) == []
    assert steps_of(L01, LoopArm(), 80) == 80
    assert steps_of(L01, LoopArm(steps=160), 80) == 160


def test_a_loop_is_opened_by_name() -> None:
    loop = open_loop("l01", ROOT)
    assert loop.loop == L01 and loop.model == all_params().models["scholar"]
