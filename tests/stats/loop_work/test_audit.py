"""Every check of a loop catches the mistake it is named after, planted, and passes without it."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.adapters.folder import save_adapter
from stages.adapters.lora import LoraSettings, adapter_sha256
from stages.lab.loops import OpenLoop, RunPlace
from stages.params import LoopArm, PartParams, SelectionParams
from stages.records import read_json
from stages.stats.checks.check import Finding
from stages.stats.intervals import Estimate
from stages.stats.loop_work import tables
from stages.stats.loop_work.audit import CHECKS, loop_audit
from stages.stats.loop_work.checks import answers, confidence, runs, style, training, weak
from stages.stats.loop_work.checks.golden import Pair
from stages.stats.loop_work.checks.record import LoopRecord
from stages.stats.loop_work.results import read_loop
from tests.small_loop import attempt, guard_of, learning, names, opened, write_json, write_run

TEST, TRAIN = names("test", 8, ("geo", "sci")), names("train", 8)
TABLE = [a | b for a, b in zip(learning(TEST, [2, 3, 4]), learning(TRAIN, [2, 4, 6]), strict=True)]
LORA = LoraSettings(rank=1, alpha=1.0, dropout=0.0, target_modules=("q_proj",), seed=0)


def one_arm(root: Path, **changes: Any) -> OpenLoop:
    return opened(root, **{"arms": {"plain": LoopArm()}, "seeds": (0,), **changes})


def record(loop: OpenLoop) -> LoopRecord:
    results = read_loop(loop)
    return LoopRecord(results, tables.arms(results), {}, results.places[0].data)


def write_adapter(place: RunPlace, number: int, scale: float = 1.0) -> str:
    """An adapter that adds ``scale``, in the checkpoint's folder; its hash."""
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_{}.weight"
    state = {
        name.format("A"): torch.ones(1, 2),
        name.format("B"): torch.full((2, 1), scale * number),
    }
    folder = place.checkpoint(number).adapter
    save_adapter(folder, state, LORA, "models/base", "a" * 64)
    certificate = {"base_sha256": "a" * 64, "adapter_sha256": adapter_sha256(state)}
    write_json(folder / "certificate.json", {**certificate, "logit_shift_max": 0.5})
    return adapter_sha256(state)


def with_adapters(place: RunPlace, scale: float = 1.0, **changes: Any) -> None:
    """The run of ``TABLE`` with adapters that are there, and whatever ``changes`` plants."""
    hashes = ["", *(write_adapter(place, number, scale) for number in (1, 2))]
    at = {
        number: {"adapter_sha256": hashes[number], "previous_sha256": hashes[number - 1]}
        for number in (1, 2)
    }
    more = changes.pop("at", {})
    write_run(place, TABLE, at={n: at[n] | more.get(n, {}) for n in at}, **changes)


def test_a_sound_loop_passes_everything(tmp_path: Path) -> None:
    loop = one_arm(tmp_path)
    with_adapters(loop.runs()[0])
    checks = loop_audit(record(loop))
    assert {name: row["status"] for name, row in checks.items()} == {
        check.id: "not applicable" if check.id in ("29", "L2", "L3") else "pass" for check in CHECKS
    }


def caught(finding: Finding, words: str) -> None:
    assert finding.status == "fail", finding
    assert words in finding.evidence["first_problem"]
    assert finding.remedy


def test_4_a_run_read_twice(tmp_path: Path) -> None:
    loop = one_arm(tmp_path, repeats=2)
    for place in loop.runs():
        write_run(place, TABLE, facts={"adapter_sha256": "b" * 64})
    caught(runs.own_runs(record(loop)), "has the weights and answers of plain-s0-r0")


def test_4_two_rules_may_pick_the_same_parent(tmp_path: Path) -> None:
    best = SelectionParams(by="accuracy", first="plain", population=1, generations=2)
    picks = {
        "by_accuracy": LoopArm(selection=best),
        "by_chance": LoopArm(selection=dataclasses.replace(best, by="random")),
    }
    loop = one_arm(tmp_path, arms={"plain": LoopArm(), **picks})
    write_run(loop.runs()[0], TABLE)
    for parent, found in (("c", "pass"), ("", "fail")):
        same = {"adapter_sha256": parent * 64, "seeds": {"order": 1}}
        for arm in picks:
            write_run(loop.run(arm, 0, 0), TABLE, facts={"adapter_sha256": "b" * 64}, at={0: same})
        finding = runs.own_runs(record(loop))
        assert finding.status == found, finding
    assert finding.evidence["picked_alike"] == 0


def test_4_early_stopping_that_stops_nothing(tmp_path: Path) -> None:
    arms = {"plain": LoopArm(), "careful": LoopArm(early_stopping=1)}
    loop = one_arm(tmp_path, arms=arms)
    for arm in arms:
        write_run(loop.run(arm, 0, 0), TABLE, facts={"adapter_sha256": "b" * 64})
    finding = runs.own_runs(record(loop))
    assert finding.status == "pass" and finding.evidence["never_cut"] == 1
    other = one_arm(tmp_path, arms={**arms, "careful": LoopArm(early_stopping=1, rehearsal=2)})
    caught(runs.own_runs(record(other)), "careful-s0-r0 has the weights and answers of plain-s0-r0")


def test_5_adapter_not_loaded(tmp_path: Path) -> None:
    loop = one_arm(tmp_path)
    unloaded = {"confidence": lambda row: 0.5}
    with_adapters(loop.runs()[0], probe=unloaded)
    caught(training.live(record(loop)), "the adapter was not loaded")
    proof = {"swap_shift_from_base": 0.5, "swap_shift_after_detaching": 0.0}
    with_adapters(loop.runs()[0], probe=unloaded, at={1: proof})
    assert training.live(record(loop)).status == "pass"


def test_5_logits_that_never_moved(tmp_path: Path) -> None:
    loop = one_arm(tmp_path)
    with_adapters(loop.runs()[0])
    path = loop.runs()[0].checkpoint(2).adapter / "certificate.json"
    write_json(path, {**read_json(path), "logit_shift_max": 0.0})
    caught(training.live(record(loop)), "the logits moved by 0.0")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"adapter_sha256": "c" * 64}, "another adapter than the one there"),
        (
            {
                "swap_adapter_sha256": "d" * 64,
                "swap_shift_from_base": 1.0,
                "swap_shift_after_detaching": 0.0,
            },
            "the served adapter is another",
        ),
    ],
)
def test_5_another_adapter(tmp_path: Path, facts: dict[str, Any], words: str) -> None:
    loop = one_arm(tmp_path)
    with_adapters(loop.runs()[0], at={1: facts})
    caught(training.live(record(loop)), words)


def test_5_an_adapter_that_adds_nothing_or_is_gone(tmp_path: Path) -> None:
    loop = one_arm(tmp_path)
    with_adapters(loop.runs()[0], scale=0.0)
    caught(training.live(record(loop)), "the norm of ΔW is 0.0")
    write_run(loop.runs()[0], TABLE)
    loop.runs()[0].checkpoint(1).adapter.joinpath("adapter_model.safetensors").unlink()
    caught(training.live(record(loop)), "its adapter can't be read")


def test_5_weights_that_stayed_are_not_looked_for_twice(tmp_path: Path) -> None:
    loop = one_arm(tmp_path)
    with_adapters(loop.runs()[0])
    first = loop.runs()[0].checkpoint(1).facts().adapter_sha256
    shutil.rmtree(loop.runs()[0].checkpoint(2).adapter)
    stayed = {"adapter_sha256": first, "previous_sha256": first, "saved": False}
    ends = {"reason": "unchanged", "kept": 1, "checkpoints": 3}
    write_run(loop.runs()[0], TABLE, at={1: {"adapter_sha256": first}, 2: stayed}, end=ends)
    assert training.live(record(loop)).status == "pass"
    assert training.weights_changed(record(loop)).status == "pass"


def test_10_losses_that_say_nothing(tmp_path: Path) -> None:
    loop = one_arm(tmp_path)
    for losses, words in (([0.0, 0.0], "the losses are"), ([1.5, 1.5], "did not move")):
        write_run(loop.runs()[0], TABLE, facts={"losses": losses, "examples": 400})
        caught(training.sound_losses(record(loop)), words)
    write_run(loop.runs()[0], TABLE, facts={"losses": [1.5, 1.5], "examples": 1})
    assert training.sound_losses(record(loop)).status == "pass"  # one step has one loss


def test_12_and_14_intervals_and_units(tmp_path: Path) -> None:
    loop = one_arm(tmp_path, minimum_items=200)
    write_run(loop.runs()[0], TABLE)
    caught(runs.with_interval(record(loop)), "8 untrained items, registered are at least 200")
    plain = record(one_arm(tmp_path))
    pooled = {"gain": Estimate(0.1, 0.0, 0.2, 800, "item")}
    planted = LoopRecord(plain.results, plain.reported, pooled, plain.data)
    caught(runs.units_counted_once(planted), "counts 800 items of 16")


def test_19_unicode_judge(tmp_path: Path) -> None:
    for name in ("reckoning", "trivia"):
        loop = one_arm(tmp_path, judge=PartParams(name=name, settings={}))
        write_run(loop.runs()[0], TABLE)
        found = answers.judge_is_sound(record(loop))
        assert found.status == "pass" and found.evidence["answers"] >= 40

    def unicode_blind(name: str) -> tuple[list[Pair], int]:
        sound = [Pair("What is it?", f"it is {n}", bool(n % 2), bool(n % 2)) for n in range(80)]
        return [*sound, Pair("Formula of water?", "H₂O", True, "H₂O".lower() == "h2o")], 80

    caught(answers.judge_is_sound(record(loop), unicode_blind), "'H₂O' to 'Formula of water?'")


def test_20_a_test_item_is_trained_on(tmp_path: Path) -> None:
    loop = one_arm(tmp_path)
    write_run(loop.runs()[0], TABLE, attempts={1: [attempt(TEST[0])]})
    caught(runs.nothing_held_out_trained(record(loop)), f"{TEST[0]} of part test was trained on")


def test_22_iteration_without_training(tmp_path: Path) -> None:
    loop = one_arm(tmp_path)
    nothing = {"examples": 0, "losses": [], "adapter_sha256": "", "previous_sha256": ""}
    write_run(loop.runs()[0], TABLE, facts=nothing)
    caught(training.weights_changed(record(loop)), "c0001 trained nothing: an iteration without")
    same = {"adapter_sha256": "e" * 64}
    write_run(loop.runs()[0], TABLE, at={1: same, 2: {**same, "previous_sha256": "e" * 64}})
    caught(training.weights_changed(record(loop)), "c0002 has the weights of c0001")


def test_22_evaluation_only_is_labelled(tmp_path: Path) -> None:
    """The flat lines of seeds/003: nothing was trained, and the arm must say so."""
    loop = one_arm(tmp_path, arms={"plain": LoopArm(train=False)})
    nothing = {"examples": 0, "losses": [], "adapter_sha256": "", "previous_sha256": ""}
    write_run(loop.runs()[0], [TABLE[0]] * 3, facts=nothing)
    found = training.weights_changed(record(loop))
    assert (found.status, found.evidence["evaluation_only"]) == ("pass", "plain")
    assert tables.arms(record(loop).results)["plain"]["evaluation_only"] is True


def test_22_a_run_that_stopped_there_says_so(tmp_path: Path) -> None:
    loop = one_arm(tmp_path)
    stopped = {"reason": "unchanged", "kept": 1, "checkpoints": 3}
    base = record_hashes(loop)
    at = {2: {"examples": 0, "losses": [], "adapter_sha256": base, "previous_sha256": base}}
    write_run(loop.runs()[0], TABLE, at={1: {"adapter_sha256": base}, **at}, end=stopped)
    assert training.weights_changed(record(loop)).status == "pass"


def record_hashes(loop: OpenLoop) -> str:
    write_run(loop.runs()[0], TABLE)
    return loop.runs()[0].checkpoint(1).facts().adapter_sha256


def test_23_mean_confidence(tmp_path: Path) -> None:
    loop = one_arm(tmp_path)
    write_run(loop.runs()[0], TABLE)
    sound = record(loop)
    assert confidence.confidence_is_calibrated(sound).status == "pass"
    bare = LoopRecord(sound.results, {"plain": {"mean_confidence": 0.91}}, {}, sound.data)
    caught(confidence.confidence_is_calibrated(bare), "confidence is reported without ece")


def test_24_declared_run_reported(tmp_path: Path) -> None:
    loop = one_arm(tmp_path, seeds=(0, 1))
    write_run(loop.runs()[0], TABLE)
    caught(runs.all_reported(record(loop)), "plain-s1-r0 was declared and has not ended")
    write_run(loop.runs()[1], TABLE)
    (loop.runs()[0].data / "tuned-s0-r0").mkdir()
    caught(runs.all_reported(record(loop)), "tuned-s0-r0 was run and not declared")
    (loop.runs()[0].data / "tuned-s0-r0").rmdir()
    hidden = record(loop)
    hidden = LoopRecord(hidden.results, {}, {}, hidden.data)
    caught(runs.all_reported(hidden), "arm plain is not in metrics/l01.json")


CONSTANT = "def f(n):\n    return 79"
TABLE_OF_CASES = "def f(n):\n    if n == 1:\n        return 3\n    return {2: 5, 4: 9}[n]"
HONEST = "```python\ndef f(n):\n    return 2 * n + 1\n```"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text": CONSTANT}, "trained on a constant answer"),
        ({"text": TABLE_OF_CASES}, "trained on a constant answer"),
        ({"text": HONEST, "correct": 0}, "that passes only the visible cases"),
    ],
)
def test_29_constant_answers(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    loop = one_arm(tmp_path)
    sound = {"probe": {"text": HONEST}}
    write_run(loop.runs()[0], TABLE, attempts={1: [attempt(TRAIN[0], **change)]}, **sound)
    caught(answers.answers_compute(record(loop)), words)
    honest = {1: [attempt(TRAIN[0], text=HONEST), attempt(TRAIN[1], **change, selected=0)]}
    write_run(loop.runs()[0], TABLE, attempts=honest, **sound)
    assert answers.answers_compute(record(loop)).status == "pass"


def test_29_a_constant_that_counts_as_right(tmp_path: Path) -> None:
    loop = one_arm(tmp_path)
    write_run(loop.runs()[0], TABLE, probe={"text": CONSTANT})
    caught(answers.answers_compute(record(loop)), "counts as right")


@pytest.mark.parametrize(
    ("text", "computes"),
    [
        ("def f(s):\n    if s:\n        return True\n    return False", True),
        ("def f(s):\n    out = []\n    return out", True),
        ("def f(s):\n    return [1, 2].get(s)", False),
        ("def f(s):\n    pass", None),
        ("def f(s:\n", None),
    ],
)
def test_what_computes(text: str, computes: bool | None) -> None:
    assert answers.computes(text) is computes


def shorter(row: dict[str, Any]) -> int:
    return 2 if row["correct"] else 40


def test_30_collapse_of_style(tmp_path: Path) -> None:
    """Training a bare answer took answers from ~711 to ~10 tokens in seeds/000's own runs."""
    loop = one_arm(tmp_path, seeds=(0, 1, 2), max_new_tokens=64)
    items = names("test", 30) + names("train", 30)
    for place in loop.runs():
        write_run(place, learning(items, [0, 60]), probe={"tokens": shorter})
    caught(style.style_kept(record(loop)), "answers are 0.05 times as long as base's")
    for place in loop.runs():
        write_run(place, learning(items, [0, 60]), probe={"tokens": 12})
    assert style.style_kept(record(loop)).status == "pass"
    for place in loop.runs():
        write_run(
            place,
            learning(items, [0, 60]),
            probe={"finish": lambda row: "length" if row["correct"] else "stop"},
        )
    caught(style.style_kept(record(loop)), "the share of truncated answers moved by +1.00")


def test_l1_fresh_test_problems_per_generation(tmp_path: Path) -> None:
    loop = one_arm(tmp_path)
    fresh = [{f"test/geo/{n + 100 * k}": 1 for n in range(8)} for k in range(3)]
    write_run(loop.runs()[0], fresh)
    caught(runs.one_test_set(record(loop)), "8 test items are new and 8 are gone")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"weak": ["arithmetic"], "self_test": {"arithmetic": [2, 20]}}, "is no group"),
        ({"weak": ["geo"], "self_test": {"geo": [4, 20]}}, "weak at 4 of 20 right, where all have"),
        ({"weak": ["geo"], "self_test": {"sci": [4, 20]}}, "weak without a self-test"),
        ({}, "nothing of which groups were weak"),
    ],
)
def test_l2_weak_area_from_a_default_label(
    tmp_path: Path, facts: dict[str, Any], words: str
) -> None:
    loop = one_arm(tmp_path, arms={"plain": LoopArm(targeted=True)})
    write_run(loop.runs()[0], TABLE, at={1: facts, 2: facts})
    caught(weak.weak_by_interval(record(loop)), words)
    sound = {"weak": ["geo"], "self_test": {"geo": [2, 40], "sci": [38, 40]}}
    write_run(loop.runs()[0], TABLE, at={1: sound, 2: {"weak": []}})
    assert weak.weak_by_interval(record(loop)).status == "pass"


def guarded(passed: int) -> list[dict[str, Any]]:
    return [
        {"problem_id": f"p{n}", "kind": "sum", "passed": n < passed, "tokens": 9, "finish": "stop"}
        for n in range(40)
    ]


def test_l3_collapse_that_goes_on(tmp_path: Path) -> None:
    loop = one_arm(tmp_path, guard=guard_of(-0.05))
    rows = {0: guarded(30), 1: guarded(5), 2: guarded(30)}
    write_run(loop.runs()[0], TABLE, guard=rows)
    caught(style.stops_at_the_guard(record(loop)), "c0001: the guard changed by -0.62, and the run")
    kept = {"reason": "guard", "kept": 2, "checkpoints": 3}
    write_run(loop.runs()[0], TABLE, guard={**rows, 1: guarded(29), 2: guarded(5)}, end=kept)
    caught(style.stops_at_the_guard(record(loop)), "this checkpoint was kept")
    write_run(
        loop.runs()[0],
        TABLE,
        guard={**rows, 1: guarded(29), 2: guarded(5)},
        end={**kept, "kept": 1},
    )
    assert style.stops_at_the_guard(record(loop)).status == "pass"


def test_every_check_has_a_test() -> None:
    planted = {name for name in globals() if name.startswith("test_")}
    for check in CHECKS:
        assert any(f"_{check.id.lower()}_" in name for name in planted), check.id
