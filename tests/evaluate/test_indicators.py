"""Surprise and disagreement on a tiny model, and the rows that are written of them."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from stages.adapters.folder import save_adapter
from stages.adapters.lora import LoraSettings, attached, base_sha256
from stages.agent.chat import render_example
from stages.evaluate.indicators import (
    Session,
    evaluate_indicators,
    indicators_of,
    measures,
    turn_logits,
)
from stages.lab.arm_adapters import arm_episodes
from stages.lab.context import Lab
from stages.params import ArmParams, ParamsError
from stages.records import Task, Trajectory, read_jsonl, write_json, write_jsonl
from stages.suites.microrepo_drift.suite import MicrorepoDrift
from stages.training.settings import TrainSettings
from stages.training.train import train
from tests.small_lab import small_lab
from tests.train_adapter.conftest import make_examples, make_model, make_tokenizer

WORLD = "oak_harbor"
ARMS = {
    "before": ArmParams(adapter="skill", worlds=(WORLD,), indicators=True),
    "stale": ArmParams(
        adapter="skill", adapter_world=WORLD, worlds=(f"{WORLD}~major",), indicators=True
    ),
}
LORA = LoraSettings(rank=4, alpha=8.0, seed=1)


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="module")
def model():
    return make_model()


def session(example, notes: str = "") -> Session:
    chat = [*example.prompt, {"role": "assistant", "content": example.completion}]
    noted = [{**chat[0], "content": f"{chat[0]['content']}{notes}"}, *chat[1:]]
    return Session(Task("t1", "made", "oak", "", "", ""), chat, noted)


def trained(model, tokenizer):
    settings = TrainSettings(
        epochs=20, batch_size=8, learning_rate=1e-2, min_examples=4, micro_tokens=256
    )
    examples = [dataclasses.replace(e, train_on="assistant") for e in make_examples(8)]
    return train(model, tokenizer, examples, settings, LORA, progress=False).state


def test_the_logits_are_of_the_agents_turns(model, tokenizer):
    example = make_examples(1)[0]
    logits, targets = turn_logits(model, tokenizer, session(example).plain)
    ids, mask = render_example(tokenizer, example.prompt, example.completion, "assistant")
    assert targets.tolist() == [i for i, kept in zip(ids, mask, strict=True) if kept]
    with torch.no_grad():
        every = model(input_ids=torch.tensor([ids])).logits[0]
    assert torch.equal(logits[-1], every[len(ids) - 2])


def test_what_was_learned_surprises_less_than_what_was_not(model, tokenizer):
    state = trained(model, tokenizer)
    known = make_examples(8)[3]
    unknown = dataclasses.replace(known, completion="bash python return")
    with attached(model, LORA, state) as wrapped:
        wrapped.eval()
        learned = indicators_of(wrapped, tokenizer, session(known))
        strange = indicators_of(wrapped, tokenizer, session(unknown))
        noted = indicators_of(wrapped, tokenizer, session(known, " name1 name2 name3 part1"))
    assert learned["surprise"] < min(0.0, strange["surprise"])
    assert learned["disagreement"] == strange["disagreement"] == 0.0
    assert 0.0 <= noted["disagreement"] <= 1.0
    assert noted["surprise"] == learned["surprise"]


def test_an_adapter_without_effect_does_not_surprise(model, tokenizer):
    with attached(model, LORA) as wrapped:  # a fresh adapter's B is zero
        wrapped.eval()
        found = indicators_of(wrapped, tokenizer, session(make_examples(1)[0]))
    assert found == {"surprise": 0.0, "disagreement": 0.0}


@pytest.fixture
def lab(tmp_path, monkeypatch, model, tokenizer) -> Lab:
    """Four tasks a world, two trained on; of the played ones the second hit a harness error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Lab, "base_sha256", lambda self: "base")
    monkeypatch.setattr(Lab, "workers", 1)
    lab = small_lab(4, worlds=(WORLD, f"{WORLD}~major"), seeds=(0,), arms=ARMS)
    suite = MicrorepoDrift(4, 7, 1)
    lab = dataclasses.replace(lab, suite=suite)
    halves = {}
    for world, arm in zip(lab.worlds, ARMS, strict=True):
        tasks = suite.tasks(world)
        ids = [task.instance_id for task in tasks]
        halves[world] = {"A": {"train": ids[:2], "test": ids[2:]}}
        write_jsonl(lab.folder("data/splits") / f"tasks-{world}.jsonl", tasks)
        sessions = [
            Trajectory((), {"instance_id": t.instance_id, "steps": [], **suite.upstream(t)})
            for t in tasks
        ]
        write_jsonl(lab.folder("data/trajectories") / f"{world}.jsonl", sessions)
        stale = {"role": "assistant", "content": f"open {suite.tasks(WORLD)[2].meta['path']}"}
        hint = {"role": "tool", "content": f"found: {tasks[2].meta['path']} line 1"}
        steps = [{"ok": False}, {"ok": True}, {"ok": True}, {"ok": False}]
        info = {"attempt": 0, "steps": steps}
        episodes = [
            Trajectory((hint, stale), {**info, "instance_id": ids[2], "outcome": "unresolved"}),
            Trajectory((), {**info, "instance_id": ids[3], "outcome": "harness_error"}),
        ]
        write_jsonl(arm_episodes(lab, world, "A", arm, 0), episodes)
    write_json(lab.folder("data/splits") / "splits.json", halves)
    folder = lab.folder("models/adapters") / WORLD / "A" / "skill-s0"
    save_adapter(folder, trained(model, tokenizer), LORA, "base", base_sha256(model), {})
    return lab


def test_a_row_says_where_it_belongs_and_what_the_episode_shows(lab, model, tokenizer):
    assert measures(lab)
    cells = evaluate_indicators(lab, (model, tokenizer))
    rows = {}
    for world, arm in zip(lab.worlds, ARMS, strict=True):
        (rows[arm],) = read_jsonl(cells.folder / world / "A" / f"indicators-{arm}-s0.jsonl", dict)
    before, stale = rows["before"], rows["stale"]
    assert (before["stale"], stale["stale"]) == (0, 1)
    assert (before["world"], stale["world"]) == lab.worlds
    assert (before["decisions"], before["conflicts"]) == (0, 0)
    assert (stale["decisions"], stale["conflicts"]) == (1, 1)
    for arm, row in rows.items():
        assert (row["condition"], row["split"], row["seed"], row["failed"]) == (arm, "A", 0, 1)
        assert row["scores"].keys() == {"surprise", "disagreement", "failed_actions"}
        assert row["scores"]["failed_actions"] == 0.5
        assert all(math.isfinite(score) for score in row["scores"].values())


def test_what_cannot_be_measured_is_refused(lab, model, tokenizer):
    def changed(suite=lab.suite, **arms: ArmParams) -> Lab:
        experiment = dataclasses.replace(lab.experiment, arms=arms)
        return dataclasses.replace(lab, experiment=experiment, suite=suite)

    assert not measures(changed(plain=ArmParams()))
    with pytest.raises(ParamsError, match="it has no adapter that could go stale"):
        evaluate_indicators(changed(plain=ArmParams(indicators=True)), (model, tokenizer))
    with pytest.raises(ParamsError, match="how a session should go"):
        evaluate_indicators(changed(suite=small_lab(4).suite, **ARMS), (model, tokenizer))
