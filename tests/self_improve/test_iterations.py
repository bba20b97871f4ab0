"""Loops of many items a step: every switch of an arm, and the mistakes that must be seen."""

from __future__ import annotations

import dataclasses
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.adapters.certificate import NotLive
from stages.agent.local import LocalModel
from stages.agent.model import Completion, Request
from stages.lab.loops import CheckpointPlace, End, OpenLoop
from stages.params import GrpoParams, LoopArm
from stages.self_improve.asking import chat_of
from stages.self_improve.hot_swap import prove_live, require_agreement
from stages.self_improve.iterations import iterations
from stages.self_improve.learner import Learner
from stages.self_improve.machine import run_loop
from stages.self_improve.parts import Item, Judged, Part
from stages.self_improve.run import Run, example
from tests.self_improve.tiny_loop import (
    LOOP,
    TRAIN,
    Questions,
    cells_of,
    contents,
    machine,
    opened_in,
    tiny_run,
)

RATE = dataclasses.replace(TRAIN, epochs=2, dpo_learning_rate=0.01)


class Lenient:
    """Calls about half of all answers right, and some of the others right by what is visible."""

    def judge(self, pairs: Sequence[tuple[Item, str]]) -> list[Judged]:
        numbers = [zlib.crc32(f"{item.item_id} {text}".encode()) % 8 for item, text in pairs]
        return [Judged(n < 4, n < 5) for n in numbers]


class Strict:
    """Calls everything wrong."""

    def judge(self, pairs: Sequence[tuple[Item, str]]) -> list[Judged]:
        return [Judged(False, False) for _ in pairs]


class ByGroup:
    """Calls every answer right but those to group a."""

    def judge(self, pairs: Sequence[tuple[Item, str]]) -> list[Judged]:
        return [Judged(item.group != "a", item.group != "a") for item, _ in pairs]


class Many:
    """Sixty problems to train on in two groups, and two to test."""

    def items(self, part: Part) -> Sequence[Item]:
        count = {"train": 60, "test": 2}.get(part, 0)
        return [
            Item(f"{part}{n}", part, "ab"[n % 2], 1, f"fix name{n % 8} in part{n % 5}.py", "open")
            for n in range(count)
        ]


class Talker(Learner):
    """Learns as any learner does, and says one of eight things as the request's seed decides: a
    random model never ends an answer."""

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        return [Completion(f"open part{r.seed % 8}.py", 9, 0, 4, 0.0, "stop") for r in requests]


def talking_run(opened: OpenLoop) -> Run:
    run = tiny_run(opened)
    return dataclasses.replace(run, learner=Talker(run.learner.base, run.learner.lora))


def played(folder: Path, arm: LoopArm, judge: Any, source: Any = None, **changes: Any) -> End:
    values = {"steps": 2, "checkpoint_every": 1, "attempts": 4, "temperature": 1.0, "train": RATE}
    opened = opened_in(folder, arms={"main": arm}, **{**values, **changes})
    run = dataclasses.replace(talking_run(opened), judge=judge, source=source or Questions())
    return run_loop(machine(opened, iterations), run, cells_of(opened))


def places(folder: Path) -> list[CheckpointPlace]:
    return OpenLoop("tiny", None, LOOP, None, folder).run("main", 0, 0).checkpoints()  # type: ignore[arg-type]


ARMS = {
    "plain": LoopArm(),
    "fresh": LoopArm(start="base"),
    "mixed": LoopArm(groups=("a",), mixing=0.5),
    "dpo": LoopArm(method="dpo"),
    "ewc": LoopArm(groups=("a",), ewc=10.0),
    "diverse": LoopArm(diverse=True, keep=2, solutions="new"),
    "grpo": LoopArm(method="grpo", grpo=GrpoParams(group=4, beta=0.04, learning_rate=0.02)),
    "unverified": LoopArm(verified=False),
    "placebo": LoopArm(placebo=True),
}


@pytest.mark.parametrize("arm", ARMS)
def test_every_remedy_trains_and_proves_its_adapter(tmp_path: Path, arm: str) -> None:
    assert played(tmp_path, ARMS[arm], Lenient()) == End("done", 2, 3)
    facts = [place.facts() for place in places(tmp_path)]
    assert len({f.adapter_sha256 for f in facts}) == 3
    assert [f.start for f in facts] == ["none", "base", "base" if arm == "fresh" else "previous"]
    for place, fact in zip(places(tmp_path)[1:], facts[1:], strict=True):
        assert fact.own["swap_adapter_sha256"] == fact.adapter_sha256
        assert fact.own["swap_shift_from_base"] > 0 == fact.own["swap_shift_after_detaching"]
        rows = place.attempts()
        assert any(row.selected for row in rows) and fact.examples and fact.target_tokens
        # Planted by the judge: answers that pass what is visible only (check 29).
        lucky = [row for row in rows if row.visible and not row.correct]
        assert not any(row.selected for row in lucky)
        assert sum(fact.own["loopholes"].values()) == len(lucky)
        if arm != "unverified":
            assert all(row.correct for row in rows if row.selected)


def test_other_groups_are_answered_once_by_the_base_and_replayed(tmp_path: Path) -> None:
    played(tmp_path, ARMS["mixed"], Lenient())
    first, second = (place.attempts() for place in places(tmp_path)[1:])
    assert {(row.kind, row.group) for row in first} == {("own", "a"), ("replay", "b")}
    assert {(row.kind, row.group) for row in second} == {("own", "a")}
    groups = {item.item_id: item.group for item in Questions().items("train")}
    for place in places(tmp_path)[1:]:
        assert {groups[name] for name in place.facts().trained_items} == {"a", "b"}


def test_ewc_says_what_it_protects(tmp_path: Path) -> None:
    played(tmp_path, ARMS["ewc"], Lenient())
    fisher = places(tmp_path)[1].facts().own["by_step"][0]["fisher"]
    assert fisher["trace"] > fisher["of_mean"] > 0 and fisher["tokens"] > 0


def test_a_teacher_writes_instead_and_is_judged(tmp_path: Path) -> None:
    played(tmp_path, LoopArm(teacher="source", solutions="new"), ByGroup())
    rows = places(tmp_path)[1].attempts()
    assert {row.kind for row in rows} == {"teacher"}
    assert {row.text for row in rows} == {f"open part{n}.py" for n in range(6)}
    assert [row.selected for row in rows] == [row.correct for row in rows]


def test_an_iteration_without_training_is_none(tmp_path: Path) -> None:
    """Planted: nothing was verified, so nothing was trained, and no iteration is counted."""
    assert played(tmp_path, LoopArm(), Strict()) == End("unchanged", 0, 2)
    last = places(tmp_path)[-1].facts()
    assert last.stopped == "unchanged" and last.start == "none" and not last.trained_items


def test_evaluation_only_attempts_and_is_labelled(tmp_path: Path) -> None:
    assert played(tmp_path, LoopArm(train=False), Lenient()) == End("done", 2, 3)
    for place in places(tmp_path)[1:]:
        facts = place.facts()
        assert facts.own["evaluation_only"] and facts.start == "none" and not facts.adapter_sha256
        assert len(place.attempts()) == 24 and not any(row.selected for row in place.attempts())


def test_a_self_test_shows_what_is_weak_and_training_aims_there(tmp_path: Path) -> None:
    arm = LoopArm(self_test=12, items=6, targeted=True, verified=False, solutions="new")
    assert played(tmp_path, arm, ByGroup(), Many(), attempts=2).reason == "done"
    met: set[str] = set()
    for place in places(tmp_path)[1:]:
        rows, facts = place.attempts(), place.facts()
        tested = {row.item_id for row in rows if row.kind == "self_test"}
        trained = {row.item_id for row in rows if row.kind == "own"}
        assert len(tested) == 12 and len(trained) == 6
        assert not (tested | trained) & met and not tested & trained
        assert not any(row.selected for row in rows if row.kind == "self_test")
        assert facts.own["weak"] == ["a"] and facts.own["targeted"]
        assert facts.own["self_test"] == {"a": [0, 6], "b": [6, 6]}
        assert {row.group for row in rows if row.kind == "own"} == {"a"}
        met |= tested | trained


def test_without_a_weak_area_training_is_not_called_targeted(tmp_path: Path) -> None:
    arm = LoopArm(self_test=12, items=6, targeted=True, verified=False)
    played(tmp_path, arm, Strict(), Many(), steps=1)
    facts = places(tmp_path)[1].facts()
    assert facts.own["weak"] == [] and not facts.own["targeted"]
    assert {row.group for row in places(tmp_path)[1].attempts()} == {"a", "b"}


def test_later_steps_know_earlier_ones_from_the_checkpoints_alone(tmp_path: Path) -> None:
    """Solutions of all steps, replays and met items are read again after a stop."""
    arm = LoopArm(groups=("a",), mixing=0.5, items=2)
    played(tmp_path, arm, Lenient(), Many(), attempts=8)
    before = contents(tmp_path)
    last = places(tmp_path)[-1]
    shutil.rmtree(last.path)
    shutil.rmtree(last.adapter)
    played(tmp_path, arm, Lenient(), Many(), attempts=8)
    assert contents(tmp_path) == before


@pytest.fixture
def trained(tmp_path: Path) -> Any:
    opened = opened_in(tmp_path)
    run = talking_run(opened)
    examples = [chat_of(item) for item in run.items("train")]
    run.learner.train([example(chat, "open part1.py") for chat in examples], run.settings(1))
    return run.learner, examples


@pytest.mark.parametrize("compact", [True, False])
def test_a_swap_is_proven_by_logits(trained: Any, compact: bool) -> None:
    learner, prompts = trained
    if not compact:
        learner.base = dataclasses.replace(learner.base, backend=None)
    proof = prove_live(learner, prompts, "")
    assert proof.adapter_sha256 == learner.sha256
    assert proof.shift_from_base > 0 == proof.shift_after_detaching
    with pytest.raises(NotLive, match="check 22"):
        prove_live(learner, prompts, learner.sha256)


def test_an_adapter_that_is_not_loaded_is_caught(
    trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: a generation is counted, and the base answers."""
    learner, prompts = trained
    learner._attach_compact(learner.base.backend)
    use = LocalModel.use
    monkeypatch.setattr(LocalModel, "use", lambda self, adapter: use(self, None))
    monkeypatch.setattr(LocalModel, "difference", lambda self, adapter: 0.0)
    with pytest.raises(NotLive, match="check 5"):
        prove_live(learner, prompts, "")


def test_base_trained_and_answering_logits_must_agree() -> None:
    base, adapted = torch.zeros(2, 5), torch.ones(2, 5)
    require_agreement(base, adapted, adapted, base)
    for during, after in ((base, base), (adapted, adapted), (2 * adapted, base)):
        with pytest.raises(NotLive, match="isn't live"):
            require_agreement(base, adapted, during, after)
