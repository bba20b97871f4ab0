"""Online meta-learning: which items, what is trained on, and which chance decides what."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from stages.lab.loops import Attempted, Probed, RunSeeds, run_seeds
from stages.params import CrossedParams, LoopArm
from stages.self_improve import online as design
from stages.self_improve.corrections import Correction, dealt, rehearsed, report
from stages.self_improve.machine import run_loop
from stages.self_improve.online import Course, wrong_confidence
from stages.self_improve.parts import Attempt, Judged
from stages.training.settings import NothingToLearn
from tests.self_improve.tiny_loop import Questions, cells_of, machine, opened_in, tiny_run

ITEMS = {item.item_id: item for item in Questions().items("train")}


def attempts(folder: Path, **arm: Any) -> list[Attempted]:
    """Everything that a whole run of the arm tried."""
    opened = opened_in(folder, arms={"main": LoopArm(**arm)})
    run_loop(machine(opened), tiny_run(opened), cells_of(opened))
    places = opened.run("main", 0, 0).checkpoints()
    return [row for place in places for row in place.attempts()]


def probed(item_id: str, correct: int, confidence: float = 0.5, text: str = "t") -> Probed:
    item = ITEMS[item_id]
    return Probed(
        item_id, "train", item.group, 1, 0, correct, correct, confidence, None, 3, "stop", text
    )


def test_ground_truth_is_trained_on_after_the_model_s_own_answer(tmp_path: Path) -> None:
    rows = attempts(tmp_path)
    assert [row.kind for row in rows] == ["own", "ground_truth"] * 6
    assert [row.step for row in rows[::2]] == [1, 2, 3, 4, 5, 6]
    for own, correction in zip(rows[::2], rows[1::2], strict=True):
        assert own.item_id == correction.item_id and own.selected == 0
        assert correction.target == ITEMS[own.item_id].answer and correction.selected == 1
        assert (correction.before, correction.valid, correction.correct) == (own.correct, 1, 1)


def test_a_placebo_trains_on_other_items_answers(tmp_path: Path) -> None:
    rows = attempts(tmp_path, placebo=True)[1::2]
    assert all(row.target != ITEMS[row.item_id].answer and row.correct == 0 for row in rows)
    assert sorted(str(row.target) for row in rows) == sorted(i.answer for i in ITEMS.values())


def test_a_placebo_never_deals_the_same_answer() -> None:
    twins = [dataclasses.replace(item, answer="yes") for item in list(ITEMS.values())[:3]]
    others = [*twins, *list(ITEMS.values())[3:]]
    for seed in range(20):
        partners = dealt(others, seed)
        assert all(partners[i.item_id].answer != i.answer for i in others)


def test_the_loss_covers_the_answer_or_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, share in (("answer", False), ("everything", True)):
        opened = opened_in(tmp_path / name, arms={"main": LoopArm(loss_on=name)})  # type: ignore[arg-type]
        run_loop(machine(opened), tiny_run(opened), cells_of(opened))
        facts = opened.run("main", 0, 0).checkpoint(1).facts()
        # but for the first token, which nothing predicts, in each of 2 items x 6 epochs
        assert (facts.target_tokens == facts.tokens - 12) == share


def test_rehearsal_repeats_the_model_s_own_right_answers() -> None:
    rows = [probed(f"q{n}", int(n < 4), text=f"own {n}") for n in range(6)]
    for seed in range(10):
        drawn = rehearsed(rows, ITEMS, "q0", 2, seed)
        assert len({item.item_id for item, _ in drawn}) == 2
        assert all(item.item_id in ("q1", "q2", "q3") for item, _ in drawn)
        assert all(text == f"own {item.item_id[1]}" for item, text in drawn)
    assert len(rehearsed(rows, ITEMS, "q0", 9, 0)) == 3
    assert rehearsed(rows, ITEMS, "q0", 0, 0) == []


def test_rehearsed_answers_are_trained_on_with_the_correction(tmp_path: Path) -> None:
    rows = attempts(tmp_path, rehearsal=2, steps=18, learning_rate_factor=0.5)
    rehearsals = [row for row in rows if row.kind == "rehearsal"]
    assert rehearsals, "the model learns some of its items, and then has something to rehearse"
    assert all(row.text == ITEMS[row.item_id].answer for row in rehearsals)


class Scripted:
    """Says first the attempt, then the revision."""

    def __init__(self, revision: str) -> None:
        self.texts = iter(["wrong", revision] * 6)

    def __call__(self, session: Any, chat: Any, *what: object) -> Any:
        from stages.agent.model import Completion

        return Completion(next(self.texts), 5, 0, 3, 0.0, "stop")


@pytest.mark.parametrize(("verified", "selected"), [(True, 0), (False, 1)])
def test_a_wrong_revision_is_trained_on_only_where_the_arm_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verified: bool, selected: int
) -> None:
    monkeypatch.setattr(design._Session, "ask", Scripted("open name1"))
    rows = attempts(tmp_path, corrections="own", verified=verified)
    revisions = [row for row in rows if row.kind == "revision"]
    assert {row.selected for row in revisions} == {selected}
    assert all((row.target is None) == (selected == 0) for row in revisions)


def test_the_quality_of_a_revision() -> None:
    def attempt(right: bool) -> Attempt:
        return Attempt(ITEMS["q0"], 0, "Open part1.py", Judged(right, right), 3, "stop")

    def correction(right: bool, text: str = "x", valid: bool = True) -> Correction:
        return Correction(text, "revision", Judged(right, right), valid, 3)

    assert report(attempt(False), correction(True))["fixed"]
    assert report(attempt(True), correction(False))["broke"]
    assert report(attempt(True), correction(True, "open  part1.py"))["restated"]
    both = report(attempt(True), correction(True))
    assert not both["fixed"] and not both["broke"] and not both["restated"] and both["correct"]
    assert not report(attempt(True), correction(True, valid=False))["valid"]


def test_all_items_are_met_once_and_then_in_another_order(tmp_path: Path) -> None:
    opened = opened_in(tmp_path)
    run_loop(machine(opened), tiny_run(opened), cells_of(opened))
    course = Course(tiny_run(opened), opened.run("main", 0, 0).checkpoint(0))
    first, second = ([course.at(n).item_id for n in range(a, a + 6)] for a in (1, 7))
    assert sorted(first) == sorted(second) == sorted(ITEMS) and first != second


def test_confident_wrong_answers_count_as_obvious() -> None:
    rows = [probed("q0", 0, 0.9), probed("q0", 1, 0.8), probed("q1", 1, 1.0), probed("q2", 0, 0.2)]
    assert wrong_confidence(rows) == pytest.approx({"q0": 0.45, "q1": 0.0, "q2": 0.2})


def test_order_decoding_and_training_have_seeds_of_their_own(tmp_path: Path) -> None:
    arms = {"main": LoopArm(), "crossed": LoopArm(crossed=CrossedParams(decodings=2, trainings=3))}
    opened = opened_in(tmp_path, arms=arms, repeats=3)
    crossed = [run_seeds(opened.loop, run) for run in opened.runs("crossed")]
    cells = {(s.order, s.decoding, s.training) for s in crossed}
    assert cells == {(o, d, t) for o in (0, 1) for d in (0, 1) for t in (0, 1, 2)}
    repeats = [run_seeds(opened.loop, run) for run in opened.runs("main")]
    assert [s.order for s in repeats] == [0, 0, 0, 1, 1, 1]
    assert len({s.decoding for s in repeats}) == len({s.training for s in repeats}) == 6


def test_each_seed_changes_its_own_thing(tmp_path: Path) -> None:
    def run(name: str, seeds: RunSeeds) -> list[Attempted]:
        opened = opened_in(tmp_path / name)
        made = tiny_run(opened)
        run_loop(machine(opened), dataclasses.replace(made, seeds=seeds), cells_of(opened))
        places = opened.run("main", 0, 0).checkpoints()
        return [row for place in places for row in place.attempts()]

    plain = run("plain", RunSeeds(0, 0, 0))
    decoded = run("decoded", RunSeeds(0, 1, 0))
    ordered = run("ordered", RunSeeds(1, 0, 0))
    assert [r.item_id for r in plain] == [r.item_id for r in decoded]
    assert [r.item_id for r in plain] != [r.item_id for r in ordered]
    assert [r.text for r in plain] != [r.text for r in decoded]


def test_an_answer_in_training_is_the_model_s_as_it_is_then(tmp_path: Path) -> None:
    """The compact copy says what transformers says with the same adapter attached."""
    from stages.adapters.lora import attached
    from stages.agent.model import Request
    from stages.self_improve.learner import answer_once

    opened = opened_in(tmp_path)
    made = tiny_run(opened)
    run_loop(machine(opened), made, cells_of(opened))
    base, state = made.learner.base, made.learner.state
    assert base.backend is not None and state is not None
    requests = [
        Request(({"role": "user", "content": item.prompt},), temperature=heat, seed=seed)
        for item in ITEMS.values()
        for heat, seed in ((0.0, 0), (0.7, 1))
    ]
    with attached(base.weights, made.learner.lora, state) as wrapped:
        wrapped.eval()
        plain = base.plain.complete(requests)
        quick = [answer_once(base, wrapped, request) for request in requests]
        slow = dataclasses.replace(base, backend=None)
        assert answer_once(slow, wrapped, requests[0]).text == plain[0].text
    assert [done.text for done in quick] == [done.text for done in plain]
    assert [done.finish for done in quick] == [done.finish for done in plain]
    assert [done.text for done in made.learner.complete(requests)] == [d.text for d in plain]


def test_what_the_model_is_certain_of_is_counted_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    real = design.run_sft

    def second_is_known(*arguments: Any) -> list[float]:
        calls.append(1)
        if len(calls) == 2:
            raise NothingToLearn("the loss is exactly 0.0")
        return real(*arguments)

    monkeypatch.setattr(design, "run_sft", second_is_known)
    opened = opened_in(tmp_path, arms={"main": LoopArm()})
    end = run_loop(machine(opened), tiny_run(opened), cells_of(opened))
    facts = [place.facts() for place in opened.run("main", 0, 0).checkpoints()]
    assert end.reason == "done" and len(calls) == 6
    assert sum(f.own.get("certain", 0) for f in facts) == 1
    assert sum(len(f.trained_items) for f in facts) == 5
