"""A whole loop from its block in params.yaml: the fifth, which a reader could write."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stages.lab.loops import OpenLoop
from stages.params import LoopParams, ParamsError
from stages.params.strict import build
from stages.records import read_json
from stages.self_improve import learner, table
from stages.self_improve.work import work
from stages.training.settings import TrainingError
from tests.self_improve.fifth_loop import JUDGE, SOURCE, SPELLING
from tests.self_improve.tiny_loop import contents, tiny_base
from tests.small_lab import all_params


@pytest.fixture
def fifth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenLoop:
    monkeypatch.setitem(table.SOURCES, "spelling", SOURCE)
    monkeypatch.setitem(table.JUDGES, "spelling", JUDGE)
    monkeypatch.setattr(learner, "load", lambda params: tiny_base())
    block = build(LoopParams, YAML(typ="safe").load(SPELLING))
    return OpenLoop("l05", all_params(), block, tiny_base().params, tmp_path)


def test_a_fifth_loop_takes_under_sixty_lines() -> None:
    path = Path(__file__).with_name("fifth_loop.py")
    assert len(path.read_text(encoding="utf-8").splitlines()) < 60


def test_a_fifth_loop_runs_whole_and_again(fifth: OpenLoop, tmp_path: Path) -> None:
    work(fifth)
    names = [run.name for run in fifth.runs()]
    assert names == ["main-s0-r0", "main-s1-r0", "best-s0-r0", "best-s0-r1"]
    assert all(run.end().reason == "done" for run in fifth.runs())
    chosen = read_json(fifth.selection("best", 0))[0]["chosen"]
    start = fifth.run("best", 0, 0).checkpoint(0).facts()
    assert start.own["origin"].startswith(f"{chosen}/c")
    first = contents(tmp_path)
    left_behind = tmp_path / "models/loops/l05/gone-s0-r0/c0001/adapter_model.safetensors"
    left_behind.parent.mkdir(parents=True)
    left_behind.touch()
    work(fifth)
    assert contents(tmp_path) == first


def test_unknown_parts_and_settings_are_told(fifth: OpenLoop) -> None:
    other = dataclasses.replace(fifth.loop.judge, name="speling")
    loop = dataclasses.replace(fifth.loop, judge=other)
    with pytest.raises(ParamsError, match=r"judge.name: there is no 'speling'. Did you mean"):
        work(dataclasses.replace(fifth, loop=loop))
    other = dataclasses.replace(fifth.loop.source, settings={"sed": 1})
    loop = dataclasses.replace(fifth.loop, source=other)
    with pytest.raises(ParamsError, match=r"source.settings: Spelling.* takes no arguments"):
        work(dataclasses.replace(fifth, loop=loop))


def test_a_run_of_few_items_is_refused_unless_it_is_a_pilot(fifth: OpenLoop) -> None:
    """Check 11."""
    train = dataclasses.replace(fifth.loop.train, min_examples=7)
    loop = dataclasses.replace(fifth.loop, train=train, kind="registered")
    with pytest.raises(TrainingError, match=r"main-s[01]-r0: its 6 items are fewer .*check 11"):
        work(dataclasses.replace(fifth, loop=loop))
