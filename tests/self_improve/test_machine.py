"""The loop's machine: what stops it, what it keeps, and that a kill changes nothing."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stages.lab.loops import CheckpointPlace, End
from stages.params import LoopArm, LoopGuard
from stages.self_improve import machine as machinery
from stages.self_improve.guarding import change
from stages.self_improve.machine import kept_adapter, run_loop
from stages.self_improve.online import online
from stages.self_improve.run import Advance, Run
from tests.self_improve.tiny_loop import LOOP, cells_of, contents, machine, opened_in, tiny_run
from tests.small_lab import all_params

PLAIN = LoopArm()


def finish(folder: Path, stepper: Any = online, arm: LoopArm = PLAIN, **changes: Any) -> End:
    guards = {key: changes.pop(key) for key in ("first_guard",) if key in changes}
    opened = opened_in(folder, arms={"main": arm}, **changes)
    if opened.loop.guard is not None:
        guards["guard"] = all_params().suites["procedural_small"]
    return run_loop(machine(opened, stepper, **guards), tiny_run(opened), cells_of(opened))


def test_a_run_learns_its_items_and_says_what_it_did(tmp_path: Path) -> None:
    end = finish(tmp_path)
    assert end == End("done", 3, 4)
    places = opened_in(tmp_path).run("main", 0, 0).checkpoints()
    facts = [place.facts() for place in places]
    assert [f.step for f in facts] == [0, 2, 4, 6]
    assert sorted(name for f in facts for name in f.trained_items) == [f"q{n}" for n in range(6)]
    assert facts[0].adapter_sha256 == "" and not places[0].adapter.exists()
    for before, after, place in zip(facts, facts[1:], places[1:], strict=False):
        assert after.previous_sha256 == before.adapter_sha256 != after.adapter_sha256
        assert (place.adapter / "adapter_model.safetensors").exists()
        assert after.losses[0] > after.losses[1] > 0
        assert after.start == "previous" and after.stopped is None
    last = places[-1].probe()
    assert sum(row.correct for row in last if row.item_id in facts[-1].trained_items) >= 1
    assert sum(row.correct for row in places[0].probe()) == 0
    assert {row.part for row in last} == {"train", "val", "holdout"}
    assert all(0 <= row.confidence <= 1 and row.stated is None for row in last)


def test_weights_that_do_not_change_stop_the_loop(tmp_path: Path) -> None:
    """Check 22: nothing was trained, so there is no next iteration to count."""

    def idle(run: Run, steps: Sequence[int], history: Sequence[CheckpointPlace]) -> Advance:
        return online(run, steps, history) if len(history) < 2 else Advance()

    assert finish(tmp_path, idle) == End("unchanged", 1, 3)
    facts = opened_in(tmp_path).run("main", 0, 0).checkpoint(2).facts()
    assert facts.stopped == "unchanged" and facts.adapter_sha256 == facts.previous_sha256


def test_a_rate_that_moves_no_logit_counts_as_unchanged(tmp_path: Path) -> None:
    assert finish(tmp_path, arm=LoopArm(learning_rate_factor=1e-30)) == End("unchanged", 0, 2)
    assert opened_in(tmp_path).run("main", 0, 0).checkpoint(1).facts().adapter_sha256 == ""
    assert kept_adapter(opened_in(tmp_path).run("main", 0, 0)) is None


def test_evaluation_only_goes_on_and_is_labelled(tmp_path: Path) -> None:
    assert finish(tmp_path, arm=LoopArm(train=False)) == End("done", 3, 4)
    facts = [place.facts() for place in opened_in(tmp_path).run("main", 0, 0).checkpoints()]
    assert all(f.own["evaluation_only"] and f.adapter_sha256 == "" for f in facts)
    assert all(f.start == "none" and not f.trained_items for f in facts)


def killed(folder: Path, at: int, where: str) -> None:
    """Runs until checkpoint ``at``, and is killed there: kill -9, no clean-up."""
    original = getattr(machinery, where)

    def fatal(*arguments: Any) -> Any:
        found = [a for a in arguments if isinstance(a, CheckpointPlace)]
        number = found[0].number if found else arguments[1]
        if number == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments)

    setattr(machinery, where, fatal)
    finish(folder)


@pytest.mark.parametrize(
    ("at", "where"), [(0, "_probe"), (2, "_save"), (2, "_probe"), (3, "_guard")]
)
def test_a_killed_run_continues_to_the_same_bytes(tmp_path: Path, at: int, where: str) -> None:
    finish(tmp_path / "whole")
    child = multiprocessing.get_context("fork").Process(
        target=killed, args=(tmp_path / "cut", at, where)
    )
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert not (tmp_path / "cut/data/loops/tiny/main-s0-r0/end.json").exists()
    finish(tmp_path / "cut")
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")


def test_what_is_there_is_found_and_what_is_lost_is_made_again(tmp_path: Path) -> None:
    finish(tmp_path)
    before = contents(tmp_path)
    adapter = opened_in(tmp_path).run("main", 0, 0).checkpoint(2).adapter
    untouched = adapter.parent / "c0001/adapter_model.safetensors"
    age = untouched.stat().st_mtime_ns
    finish(tmp_path)
    shutil.rmtree(adapter)
    finish(tmp_path)
    assert contents(tmp_path) == before
    assert untouched.stat().st_mtime_ns == age


def guard_rows(passed: int) -> list[dict[str, Any]]:
    return [{"problem_id": f"p{n}", "sample": 0, "passed": n < passed} for n in range(20)]


def test_the_guard_stops_the_loop_and_the_best_before_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard falls at checkpoint 3 of the possible 6; 1 is better on validation than 2."""
    plays = iter([20, 18, 2])
    monkeypatch.setattr(machinery, "play_guard", lambda *_: guard_rows(next(plays)))
    worth = {0: 0.0, 1: 1.0, 2: 0.5, 3: 1.0}
    monkeypatch.setattr(machinery, "_merit", lambda place: worth[place.number])
    end = finish(
        tmp_path,
        checkpoint_every=1,
        guard=LoopGuard(suite="procedural_small", every=1, lower_bound=-0.3),
        first_guard=guard_rows(20),
    )
    assert end == End("guard", 1, 4)
    run = opened_in(tmp_path).run("main", 0, 0)
    facts = run.checkpoint(3).facts()
    assert facts.stopped == "guard" and facts.own["guard_change"] == -0.9
    assert facts.own["guard_interval"][1] < -0.3
    assert run.checkpoint(0).guard() == guard_rows(20)
    assert kept_adapter(run) == run.checkpoint(1).adapter


def test_the_loop_goes_on_while_the_guard_s_interval_crosses_its_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machinery, "play_guard", lambda *_: guard_rows(14))
    guard = LoopGuard(suite="procedural_small", every=1, lower_bound=-0.2)
    assert finish(tmp_path, guard=guard, first_guard=guard_rows(20)).reason == "done"


def test_the_guard_s_interval_is_the_paired_t_interval() -> None:
    """Differences -1 six times of 20: mean -0.3, sd 0.4702, t(19) = 2.0930."""
    mean, low, high = change(guard_rows(20), guard_rows(14), 0.05)
    assert mean == pytest.approx(-0.3)
    assert (low, high) == pytest.approx((-0.52005, -0.07995), abs=1e-4)
    assert change(guard_rows(20), guard_rows(20), 0.05) == (0.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="can't be paired"):
        change(guard_rows(20), guard_rows(20)[1:], 0.05)


def test_early_stopping_keeps_the_best_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([0.2, 0.6, 0.5, 0.5, 0.9])
    monkeypatch.setattr(machinery, "share_right", lambda rows, part: next(values))
    monkeypatch.setattr(machinery, "_merit", lambda place: place.facts().validation)
    end = finish(tmp_path, arm=LoopArm(early_stopping=2), checkpoint_every=1)
    assert end == End("validation", 1, 4)


def test_a_run_s_length_is_the_loop_s_or_the_arm_s(tmp_path: Path) -> None:
    assert LOOP.steps == 0
    opened = opened_in(tmp_path, arms={"main": LoopArm(steps=3)})
    assert machinery.windows_of(tiny_run(opened)) == [[], [1, 2], [3]]


def test_runs_that_start_alike_share_the_first_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where answers are sampled, seeds tell runs apart; greedy ones are every run's."""
    probed: list[tuple[Any, ...]] = []
    real = machinery.probe

    def noted(*values: Any) -> Any:
        probed.append(values[-1])
        return real(*values)

    monkeypatch.setattr(machinery, "probe", noted)
    for temperature, first_probes in ((0.5, 2), (0.0, 1)):
        folder = tmp_path / str(temperature)
        asked = dataclasses.replace(LOOP.probe, temperature=temperature)
        arms = {"main": PLAIN, "again": PLAIN}
        opened = opened_in(folder, arms=arms, probe=asked)
        shared, alone = machine(opened), {}
        for arm in arms:
            for seed in (0, 1):
                place = opened.run(arm, seed, 0)
                run_loop(shared, tiny_run(opened, place), cells_of(opened))
                alone[arm, seed] = (place.checkpoint(0).path / "probe.jsonl").read_bytes()
        assert sum(number == 0 for _, _, number in probed) == first_probes
        for (arm, seed), rows in alone.items():
            apart = opened_in(folder / f"{arm}{seed}", arms=arms, probe=asked)
            place = apart.run(arm, seed, 0)
            run_loop(machine(apart), tiny_run(apart, place), cells_of(apart))
            assert (place.checkpoint(0).path / "probe.jsonl").read_bytes() == rows
        probed.clear()
