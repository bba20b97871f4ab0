"""Estimands of loops on runs whose numbers can be counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.params import CrossedParams, LoopArm, ParamsError, SelectionParams
from stages.stats.intervals import Estimate, Undefined
from stages.stats.loop_work.estimands import loop_estimand
from stages.stats.loop_work.results import LoopResults, Run, read_loop
from stages.stats.loop_work.runs import by_seed
from tests.small_loop import all_params, learning, names, opened, write_run

TEST, TRAIN = names("test", 10, ("geo", "sci")), names("train", 10)


def value(results: LoopResults, name: str) -> float:
    found = loop_estimand(results, name)(0.05)
    assert isinstance(found, Estimate), found
    assert found.lo <= found.value <= found.hi
    return round(found.value, 6)


@pytest.fixture
def results(tmp_path: Path) -> LoopResults:
    """plain learns 3 of 10 test items and 5 train items in seed 0, 4 in seed 1; other learns 1."""
    loop = opened(tmp_path)
    gained = {"plain": {0: 3, 1: 4}, "other": {0: 1, 1: 1}}
    for place in loop.runs():
        more = gained[place.arm][place.seed]
        table = [
            {**before, **after}
            for before, after in zip(
                learning(TEST, [2, 2 + more]), learning(TRAIN, [1, 6]), strict=True
            )
        ]
        write_run(place, table)
    return read_loop(loop)


def test_accuracies_gains_and_differences(results: LoopResults) -> None:
    assert value(results, "base_accuracy.plain") == 0.2
    assert value(results, "final_accuracy.plain.test") == 0.55
    assert value(results, "gain.plain.test") == 0.35
    assert value(results, "difference.plain.other.test") == 0.25
    assert value(results, "gain.plain.train") == 0.5
    found = loop_estimand(results, "gain.plain")(0.05)
    assert isinstance(found, Estimate) and (found.n, found.unit) == (10, "item")


def test_forgetting_and_improvement_are_shares_of_what_base_had(tmp_path: Path) -> None:
    loop = opened(tmp_path, arms={"plain": LoopArm(), "other": LoopArm()}, seeds=(0,))
    before = {item: int(at < 4) for at, item in enumerate(TRAIN)}
    after = before | {TRAIN[0]: 0, TRAIN[5]: 1, TRAIN[6]: 1, TRAIN[7]: 1}
    for place, last in zip(loop.runs(), (after, before), strict=True):
        write_run(place, [before, last])
    results = read_loop(loop)
    assert value(results, "forgetting.plain") == 0.25
    assert value(results, "improvement.plain") == 0.5
    assert value(results, "forgetting.other") == 0.0
    assert value(results, "forgetting_difference.plain.other") == 0.25


def test_the_checkpoint_kept_is_the_one_that_counts(tmp_path: Path) -> None:
    loop = opened(tmp_path, arms={"plain": LoopArm()}, seeds=(0,))
    ends = {"reason": "guard", "kept": 1, "checkpoints": 3}
    write_run(loop.runs()[0], learning(TEST, [2, 6, 0]), end=ends)
    assert value(read_loop(loop), "final_accuracy.plain") == 0.6


def test_the_worst_group_is_held_against_its_own_baseline(tmp_path: Path) -> None:
    loop = opened(tmp_path, arms={"plain": LoopArm()}, seeds=(0,))
    items = names("test", 80, ("geo", "sci"))
    before = dict.fromkeys(items, 1)
    worse = before | dict.fromkeys([i for i in items if "/sci/" in i][:20], 0)
    write_run(loop.runs()[0], [before, worse])
    results = read_loop(loop)
    assert value(results, "type_drop.plain") == 0.5
    below = loop_estimand(results, "type_below_baseline.plain")(0.05)
    assert isinstance(below, Estimate) and 0.3 < below.value < 0.5 and below.lo > 0
    write_run(loop.runs()[0], [before, before])
    kept = loop_estimand(read_loop(loop), "type_below_baseline.plain")(0.05)
    assert isinstance(kept, Estimate) and kept.value < 0


def test_pass_at_k_of_samples(tmp_path: Path) -> None:
    loop = opened(tmp_path, arms={"plain": LoopArm()}, seeds=(0,))
    answers = {TEST[0]: [1, 0, 0, 0], TEST[1]: [0, 0, 0, 0]}
    write_run(loop.runs()[0], [answers, answers])
    results = read_loop(loop)
    assert value(results, "pass_at.2.plain") == 0.25
    assert value(results, "final_accuracy.plain") == 0.125
    assert isinstance(loop_estimand(results, "pass_at.8.plain")(0.05), Undefined)


def test_calibration_is_of_the_final_checkpoint(results: LoopResults) -> None:
    # 11 of 20 answers right at 0.8, the others wrong at 0.4
    assert value(results, "brier.plain") == pytest.approx((11 * 0.04 + 9 * 0.16) / 20)
    assert value(results, "ece.plain") == pytest.approx((11 * 0.2 + 9 * 0.4) / 20)
    assert "states a confidence" in str(loop_estimand(results, "ece.plain.test.stated")(0.05))


def test_meta_learning_scores_are_by_seed(tmp_path: Path) -> None:
    loop = opened(tmp_path, arms={"plain": LoopArm()}, seeds=(0, 1, 2))
    items = names("train", 30)
    windows = {k: {"trained_items": items[k - 1 :: 3]} for k in (1, 2, 3)}
    for place in loop.runs():  # each window has 10 items; 3 of them are right at base
        right = set(items[21:])
        table = [{item: int(item in right) for item in items}]
        for k, gained in ((1, 1), (2, 2), (3, 4 + place.seed)):
            new = windows[k]["trained_items"][:gained]
            table.append(table[-1] | dict.fromkeys(new, 1))
        write_run(place, table, at=windows)
    results = read_loop(loop)
    found = loop_estimand(results, "meta_learning_score.plain")(0.05)
    assert isinstance(found, Estimate) and (found.unit, found.n) == ("seed", 3)
    # improvement 4/7, 5/7, 6/7 at the end against 1/7 at the beginning, no forgetting
    assert found.value == pytest.approx((3 + 4 + 5) / 7 / 3)
    assert value(results, "meta_learning_score_cumulative.plain") < found.value


def test_a_score_without_enough_checkpoints_is_undefined(results: LoopResults) -> None:
    assert "1 checkpoints" in str(loop_estimand(results, "meta_learning_score.plain")(0.05))


def test_few_runs_without_a_score_are_left_out(tmp_path: Path) -> None:
    def measure(run: Run) -> float | Undefined:
        return Undefined("it stopped early") if run.seed < stopped else 1.0

    loop = opened(tmp_path, arms={"plain": LoopArm()}, seeds=tuple(range(10)))
    for place in loop.runs():
        write_run(place, learning(TEST, [2, 3]))
    stopped = 1
    assert by_seed(read_loop(loop), "plain", measure) == {seed: [1.0] for seed in range(1, 10)}
    stopped = 2
    assert "2 of 10 runs have none" in str(by_seed(read_loop(loop), "plain", measure))


def test_a_crossed_arm_tells_order_from_decoding_and_training(tmp_path: Path) -> None:
    crossed = LoopArm(crossed=CrossedParams(decodings=2, trainings=2))
    loop = opened(tmp_path, arms={"plain": crossed}, seeds=(0, 1, 2))
    items = names("test", 40)
    for place in loop.runs():
        decoding, training = divmod(place.repeat, 2)
        noise = (place.seed * 5 + decoding * 3 + training) % 2
        write_run(place, learning(items, [2, 2 + 10 * place.seed + noise]))
    results = read_loop(loop)
    order = loop_estimand(results, "variance.plain.order.test")(0.05)
    training = loop_estimand(results, "variance.plain.training.test")(0.05)
    assert isinstance(order, Estimate) and order.lo > 0 and (order.n, order.unit) == (3, "order")
    assert order.value == pytest.approx((10 / 40) ** 2, rel=0.1)
    assert isinstance(training, Estimate) and training.lo <= 0
    with pytest.raises(ParamsError):
        loop_estimand(results, "variance.plain.seed")


def test_no_seed_effect_is_claimed_below_the_repeats_noise(tmp_path: Path) -> None:
    loop = opened(tmp_path, arms={"plain": LoopArm()}, seeds=(0, 1, 2, 3), repeats=3)
    for place in loop.runs():
        write_run(place, learning(TEST, [2, 4 + (place.repeat + place.seed) % 4]))
    none = loop_estimand(read_loop(loop), "seed_effect.plain")(0.05)
    assert isinstance(none, Estimate) and none.lo < 0
    for place in loop.runs():
        write_run(place, learning(TEST, [2, 2 * place.seed + place.repeat // 2]))
    some = loop_estimand(read_loop(loop), "seed_effect.plain.test")(0.05)
    assert isinstance(some, Estimate) and some.lo > 0.5 and some.n == 4
    for place in loop.runs():
        write_run(place, learning(TEST, [2, place.seed]))
    assert "never differ" in str(loop_estimand(read_loop(loop), "seed_effect.plain")(0.05))
    for place in loop.runs():
        write_run(place, learning(TEST, [2, place.repeat]))
    assert "last digit" in str(loop_estimand(read_loop(loop), "seed_effect.plain")(0.05))


def test_generations_are_judged_by_their_last(tmp_path: Path) -> None:
    chosen = SelectionParams(by="accuracy", first="plain", population=2, generations=3)
    arms = {"plain": LoopArm(), "best": LoopArm(selection=chosen)}
    loop = opened(tmp_path, arms=arms, seeds=(0,))
    for place in loop.runs():
        write_run(place, learning(TEST, [2, 2 + place.repeat]))
    # repeats 0 and 1 are generation 2, repeats 2 and 3 the last
    assert value(read_loop(loop), "final_accuracy.best") == 0.45


def test_grokking_needs_a_late_and_sudden_rise(tmp_path: Path) -> None:
    loop = opened(tmp_path, arms={"plain": LoopArm()}, seeds=(0, 1))
    late, flat = [0] * 7 + [9] * 4, [0] * 11
    for place, curve in zip(loop.runs(), (late, flat), strict=True):
        train = learning(TRAIN, [2, *[10] * 10])
        table = [a | b for a, b in zip(train, learning(TEST, curve), strict=True)]
        write_run(place, table)
    assert value(read_loop(loop), "grokked.plain") == 0.5


@pytest.mark.parametrize(
    "name", ["gain", "gain.nobody", "gain.plain.moon", "pass_at.plain", "luck.plain", "ece.plain.a"]
)
def test_unknown_names_are_told(results: LoopResults, name: str) -> None:
    with pytest.raises(ParamsError, match=r"l01\.criteria.*plain"):
        loop_estimand(results, name)


def test_what_was_not_run_is_undefined(tmp_path: Path) -> None:
    results = read_loop(opened(tmp_path))
    assert isinstance(loop_estimand(results, "gain.plain.test")(0.05), Undefined)
    assert isinstance(loop_estimand(results, "meta_learning_score.plain")(0.05), Undefined)
    assert isinstance(loop_estimand(results, "difference.plain.other")(0.05), Undefined)


@pytest.mark.parametrize("name", sorted(all_params().loops))
def test_registered_criteria_name_estimands(name: str) -> None:
    loop = all_params().loops[name]
    results = LoopResults(name, loop, (), ())
    for criterion in loop.criteria.values():
        assert isinstance(loop_estimand(results, criterion.estimand)(0.05), Undefined)
