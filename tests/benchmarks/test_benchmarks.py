"""The benchmarks' frame: what is kept when one fails, and how stages are timed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import benchmarks.__main__ as frame
from benchmarks import noop, pilot
from benchmarks.compare import cpu_model, median_interval, paired_ratios
from benchmarks.guard_selfcheck import wrong
from stages.records import read_json, write_json

ROW = {"name": "x", "ratio": 2.12345, "lo": 2.0, "hi": 2.2, "peer": "y", "command": "c"}


def plant(monkeypatch: pytest.MonkeyPatch, name: str, measure: Any) -> None:
    monkeypatch.setitem(sys.modules, f"benchmarks.{name}", SimpleNamespace(measure=measure))


def broken() -> list[dict[str, Any]]:
    raise RuntimeError("no such peer")


def test_a_failure_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results.json"
    write_json(path, {"older vs z": {"ratio": 1.0}})
    plant(monkeypatch, "bad", broken)
    plant(monkeypatch, "good", lambda: [{**ROW, "seconds": 3.0}])
    assert frame.run(("bad", "good"), path) == 1
    kept = read_json(path)
    assert kept["older vs z"] == {"ratio": 1.0}
    assert kept["x vs y"]["ratio"] == 2.123
    assert set(kept["x vs y"]) == {*frame.FIELDS, "seconds"}
    assert "Python" in kept["x vs y"]["machine"]
    assert "bad failed: no such peer" in capsys.readouterr().err


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        frame.main(["--only", "episode"])
    assert "episodes" in capsys.readouterr().err


def test_every_benchmark_has_its_section() -> None:
    text = (Path(frame.__file__).parent / "README.md").read_text(encoding="utf-8")
    assert all(f"## {name}\n" in text for name in frame.NAMES)


def test_ratios_are_paired_and_alternate() -> None:
    calls: list[str] = []

    def side(name: str, value: float) -> Any:
        return lambda: (calls.append(name), value)[1]

    assert paired_ratios(side("ours", 3.0), side("peer", 2.0), 2) == [1.5, 1.5]
    assert calls == ["ours", "peer", "ours", "peer", "peer", "ours"]


def test_the_interval_lies_around_the_median() -> None:
    middle, lo, hi = median_interval([1.0, 1.1, 1.2, 1.3, 5.0])
    assert middle == 1.2 and lo <= middle <= hi


def test_stages_are_timed_from_line_to_line() -> None:
    lines = [
        (1.0, "Stage 'pretrain_base' didn't change, skipping\n"),
        (1.5, "Running stage 'evaluate@p1':\n"),
        (1.6, "> python -m stages.evaluate p1\n"),
        (9.5, "Running stage 'stats@p1':\n"),
        (10.0, ""),
    ]
    seconds = pilot.time_stages(lines)
    assert seconds == {"start": 1.0, "pretrain_base": 0.5, "evaluate@p1": 8.0, "stats@p1": 0.5}


def test_a_pipeline_with_work_to_do_is_no_no_op() -> None:
    skipped = "Stage 'a' didn't change, skipping\nStage 'b' didn't change, skipping\n"
    assert noop.up_to_date_stages(skipped) == 2
    with pytest.raises(RuntimeError, match="dvc repro stats@p1"):
        noop.up_to_date_stages(skipped + "Running stage 'c':\n")


def test_the_dummy_pipeline_is_up_to_date_once_made(tmp_path: Path) -> None:
    dummy = noop.make_dummy(tmp_path, 2)
    assert noop.up_to_date_stages(noop.dvc(dummy, "repro", "--dry", "s1")) == 2
    assert noop.seconds(dummy, "s1") > 0


def test_the_pilot_ends_the_training_it_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dummy = noop.make_dummy(tmp_path, 2)
    marks = tmp_path / "pid"
    text = (dummy / "dvc.yaml").read_text(encoding="utf-8")
    slow = f"echo $$ > {marks}; sleep 600; cp f0 f1"
    (dummy / "dvc.yaml").write_text(text.replace("cp f0 f1", slow), encoding="utf-8")
    monkeypatch.setattr(pilot, "TARGET", "s1")
    monkeypatch.setattr(pilot, "EXPENSIVE", "s0")
    with pytest.raises(RuntimeError, match="s0 isn't up to date in the last commit"):
        list(pilot.repro(dummy))
    if marks.exists():
        shell = Path("/proc", marks.read_text(encoding="utf-8").strip(), "stat")
        assert not shell.exists() or shell.read_text().split()[2] == "Z"


def test_a_processor_without_a_name_is_its_architecture(tmp_path: Path) -> None:
    assert cpu_model(tmp_path / "absent")
    (tmp_path / "cpuinfo").write_text("model name\t: Fast 1\n", encoding="utf-8")
    assert cpu_model(tmp_path / "cpuinfo") == "Fast 1"


def test_a_selfcheck_that_does_not_hold_is_named() -> None:
    sound = {"failed": [], "empty_answers_passed": 0, "mismatched_pairs_matched": 0}
    assert wrong({"humaneval all": sound}) == []
    results = {
        "mbpp full": {"absent": "data/mbpp.jsonl"},
        "humaneval all": sound | {"failed": ["HumanEval/3"]},
        "mbpp sanitized": sound | {"empty_answers_passed": 2},
        "maths level2": sound | {"mismatched_pairs_matched": 1},
    }
    assert wrong(results) == [
        "mbpp full: no rows, data/mbpp.jsonl isn't there",
        "humaneval all: the reference of HumanEval/3 fails",
        "mbpp sanitized: 2 empty answers pass",
        "maths level2: 1 unlike answers match",
    ]
