"""Seconds by stage and experiment: read off DVC's own words, kept apart, summed both ways."""

from __future__ import annotations

import subprocess
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
Running stage 'report':
> python -m stages.report --all

Running stage 'stats@p1':
> python -m stages.stats p1
"""
"""A first stage with news for the lock file, one without, and one that fails: that is said on the
error output."""
DONE = """
To track the changes with git, run:

	git add dvc.lock

To enable auto staging, run:

	dvc config core.autostage true
Use `dvc push` to send your updates to remote storage.
"""
"""After a last stage with news for the lock file; without any, the last line alone."""


def seconds_of(said: str) -> dict[str, float]:
    """Where every line takes one second."""
    return dict(stage_seconds(said.splitlines(keepends=True), map(float, count()).__next__))


def test_a_stage_lasts_from_its_start_until_dvc_goes_on() -> None:
    assert seconds_of(SAID) == {"choose@p1": 4.0, "report": 2.0}


@pytest.mark.parametrize("done", [DONE, DONE.splitlines(keepends=True)[-1]])
def test_the_last_stage_ends_when_dvc_is_done(done: str) -> None:
    assert seconds_of(SAID + done) == {"choose@p1": 4.0, "report": 2.0, "stats@p1": 2.0}


def test_an_empty_line_of_the_stage_is_not_its_end() -> None:
    said = "Running stage 'card':\n> python -m stages.report\n\nwritten\n\n"
    assert seconds_of(said) == {}
    assert seconds_of(said + "Stage 'page@p1' is cached - skipping run, checking out") == {
        "card": 4.0
    }


PIPELINE = """
stages:
  first: {cmd: echo 1 > one, deps: [start], outs: [one: {persist: true}]}
  kept: {cmd: echo 2 > two, deps: [start], outs: [two: {persist: true}]}
  second: {cmd: echo 3 > three, deps: [one], outs: [three: {persist: true}]}
  third: {cmd: test ! -e broken && echo 4 > four, deps: [three], outs: [four: {persist: true}]}
"""


def test_dvc_itself_with_a_lock_file_that_is_current_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a fresh clone: stages run, and what they write is what the lock file has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], check=True)
    Path("dvc.yaml").write_text(PIPELINE)
    Path("start").write_text("0")
    assert timed_repro([]) == 0
    assert list(read_json(FILE)) == ["first", "kept", "second", "third"]
    for path in (FILE, Path("one"), Path("three"), Path("four")):
        path.unlink()
    Path("broken").touch()
    assert timed_repro([]) == 255
    assert list(read_json(FILE)) == ["first", "second"]  # kept did not run, third failed


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
