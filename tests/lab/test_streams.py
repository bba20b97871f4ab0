"""Where a stream's sessions, consolidations and settings come from."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from stages.lab.streams import (
    arrived,
    opening,
    require_strategies,
    steps_of,
    strategy_of,
    stream_examples,
    stream_of,
    stream_places,
    stream_sessions,
)
from stages.params import ParamsError
from stages.records import Example
from stages.strategies.experts import Experts
from tests.small_lab import small_lab
from tests.small_stream import SPLIT, WORLD, stream_lab, write_inputs

NAIVE = {"naive": ("naive", {})}


def test_examples_arrive_with_their_sessions_each_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lab = stream_lab(NAIVE, sessions=5, every=2)
    written = write_inputs(lab, tmp_path)
    sessions = stream_sessions(lab, WORLD, SPLIT)
    steps = steps_of(lab, sessions)
    assert [(step.name, step.sessions) for step in steps] == [
        ("c0001", 2),
        ("c0002", 4),
        ("c0003", 5),
    ]
    found = stream_examples(lab, WORLD, SPLIT)
    in_order = [example.example_id for step in steps for example in arrived(step, found)]
    ids = [task.instance_id for task in sessions]
    assert sorted(in_order) == sorted(e.example_id for e in written if e.instance_id in ids)
    assert [name.rsplit("-", 1)[0] for name in in_order] == sorted(
        (name.rsplit("-", 1)[0] for name in in_order), key=ids.index
    )


def test_more_sessions_than_the_split_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lab = stream_lab(NAIVE, sessions=13)
    write_inputs(lab, tmp_path)
    with pytest.raises(
        ParamsError, match=r"stream\.sessions is 13, but oak_harbor's split A has 12"
    ):
        stream_sessions(lab, WORLD, SPLIT)


def test_places_are_one_folder_each():
    lab = stream_lab({**NAIVE, "all": ("full_replay", {})}, seeds=(0, 1))
    places = stream_places(lab)
    assert len({place.path for place in places}) == 4
    assert places[0].path == Path("models/adapters/p1/streams/oak_harbor/A/naive-s0")


def test_numbers_that_do_not_fit_are_told():
    def told(**changes: object) -> str:
        lab = stream_lab(NAIVE)
        assert lab.experiment.stream is not None
        stream = dataclasses.replace(lab.experiment.stream, **changes)
        lab = dataclasses.replace(
            lab, experiment=dataclasses.replace(lab.experiment, stream=stream)
        )
        with pytest.raises(ParamsError) as caught:
            stream_of(lab)
        return str(caught.value)

    assert "played: 5 is no consolidation. With every 2 they come after 2, 4, 6" in told(
        played=(5,)
    )
    assert "1 <= every <= sessions" in told(every=7)
    with pytest.raises(ParamsError, match="is null"):
        stream_of(small_lab())


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        (("partial_reply", {}), r"arms\.x\.strategy: 'partial_reply'.*Did you mean partial_replay"),
        (("partial_replay", {"bufer": 5}), r"arms\.x\.settings.*bufer.*Did you mean 'buffer'"),
        (("partial_replay", {"buffer": "5"}), r"buffer must be a whole number, but is '5'"),
        (("partial_replay", {"priority": "recent"}), r"priority is 'recent'"),
        (("ewc", {"samples": 0}), r"arms\.x\.settings: ewc: .*samples 0"),
        (("experts", {}), r"the key 'taxonomy' is missing"),
    ],
)
def test_settings_are_strict(arm, message):
    with pytest.raises(ParamsError, match=message):
        require_strategies(stream_lab({"x": arm}))


def test_nested_settings_are_read():
    taxonomy = {"a": ["unit"], "b": ["naming", "guard"]}
    settings = {"taxonomy": taxonomy, "router": {"steps": 7}, "rank_sum": 4}
    found = strategy_of(stream_lab({"x": ("experts", settings)}), "x")
    assert isinstance(found, Experts)
    assert found.taxonomy == {"a": ("unit",), "b": ("naming", "guard")}
    assert found.router.steps == 7


@pytest.mark.parametrize("name", [f"e0{n}{kind}" for n in range(1, 6) for kind in ("", "_full")])
def test_the_registered_streams_can_be_read(name):
    lab = small_lab(name=name)
    require_strategies(lab)
    assert lab.experiment.evaluate.conditions == ("base",)


def test_the_opening_is_what_stands_before_the_first_answer():
    user = {"role": "user", "content": "fix"}
    turns = (user, {"role": "assistant", "content": "open"}, {"role": "tool", "content": "text"})
    assert opening(Example("e", "T", turns, "submit")) == [user]
    assert opening(Example("e", "A", (user,), "answer")) == [user]
