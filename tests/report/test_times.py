"""Seconds by stage and experiment: read off DVC's own words, kept apart, summed both ways."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

import pytest

from stages.records import read_json, write_json
from stages.report import timed
from stages.report.__main__ import main
from stages.report.timed import stage_seconds, timed_repro
from stages.report.times import FILE, short_names, times_table

SAID = """'data/x.dvc' didn't change, skipping
Running stage 'choose@p1':
> python -m stages.choose p1
p1: chosen
Updating lock file 'dvc.lock'

Stage 'evaluate@p1' didn't change, skipping
Updating lock file 'dvc.lock'
Running stage 'stats@p1':
> python -m stages.stats p1
ERROR: failed to reproduce 'stats@p1': it stopped
Updating lock file 'dvc.lock'
Running stage 'report':
Generating lock file 'dvc.lock'
Running stage 'card':
"""


def test_a_stage_lasts_from_its_start_to_its_lock_file() -> None:
    ticks = count(step=2)
    lines = SAID.splitlines(keepends=True)
    found = list(stage_seconds(lines, lambda: float(next(ticks))))
    assert found == [("choose@p1", 2.0), ("report", 2.0)]  # stats failed, card never ended


def test_the_table_sums_by_experiment_and_by_stage(tmp_path: Path) -> None:
    path = tmp_path / "stages.json"
    seconds = {"pretrain_base": 600.0, "evaluate@p1": 30.0, "stats@p1": 10.0}
    seconds |= {"stats@p3--tiny": 5.0, "stats@p3--tiny_narrow": 0.4}  # two cells of one matrix
    ended = "2026-11-21 16:00 UTC"
    write_json(path, {name: {"seconds": s, "ended": ended} for name, s in seconds.items()})
    lines = {line.split()[0]: line.split() for line in times_table(path).splitlines() if line}
    assert lines["p1"] == ["p1", "30", "–", "10", "40"]
    assert lines["p3"] == ["p3", "–", "–", "5", "5"]
    assert lines["(shared)"][-1] == "600"
    assert lines["total"] == ["total", "30", "600", "15", "645"]
    assert "10.8 minutes" in times_table(path)


def test_without_any_it_says_how_to_measure(tmp_path: Path) -> None:
    assert "--timed" in times_table(tmp_path / "none.json")


def test_names_are_shortened_where_that_is_clear() -> None:
    assert short_names(["train_adapter", "stats", "stats_all"]) == [
        "train",
        "stats",
        "stats_all",
    ]


FAKE = f"""
import sys
print({SAID!r} if sys.argv[1:] == ["repro", "stats@p1"] else "", flush=True)
sys.exit(3)
"""


def test_the_run_is_passed_on_and_written_down_beside_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dvc.py").write_text(FAKE)  # `python -m dvc` in this folder is this file
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timed.sys, "executable", sys.executable)
    write_json(FILE, {"evaluate@p1": {"seconds": 7.0, "ended": "2026-11-20 10:00 UTC"}})
    assert timed_repro(["stats@p1"]) == 3
    assert list(read_json(FILE)) == ["choose@p1", "evaluate@p1", "report"]
    assert read_json(FILE)["evaluate@p1"]["seconds"] == 7.0
    assert "p1: chosen" in capsys.readouterr().out


def test_without_a_name_every_verdict_stands_in_one_table(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([])
    text = capsys.readouterr().out
    [row] = [line for line in text.splitlines() if line.startswith("p1")]
    for part in ("REGISTERED ab12ab12", "+0.310 [+0.200, +0.420]", "100", "task", "0.001"):
        assert part in row
    assert "1 criteria: 1 supported." in text and "--timed" in text


def test_an_exploratory_run_is_said_to_be_one(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.report.conftest import verdict, write_result

    rows = {"gain": verdict("EXPLORATORY", registration="EXPLORATORY", p=None)}
    write_result(root, "p2", verdicts=rows)
    main([])
    [row] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("p2")]
    assert "REGISTERED" not in row and row.count("EXPLORATORY") == 2


@pytest.mark.parametrize("flag", ["--all", "--timed"])
def test_a_name_beside_what_is_of_all_is_an_error_of_use(root: Path, flag: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["p1", flag])
    assert caught.value.code == 2
