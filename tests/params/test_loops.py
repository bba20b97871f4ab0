"""Loops in params.yaml: every name in them must exist, and switches must fit together."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from stages.params import (
    GrpoParams,
    LoopArm,
    LoopGuard,
    LoopParams,
    ParamsError,
    SelectionParams,
    loop_guard,
    loop_model,
    loop_of,
)
from stages.params.load import _check_loop
from stages.params.strict import build
from tests.small_lab import all_params

L01 = all_params().loops["l01"]


def check(**changes: Any) -> None:
    _check_loop(all_params(), "l01", dataclasses.replace(L01, **changes), "params.yaml: loops.l01")


def test_the_online_loop_has_what_the_report_lacked() -> None:
    """Ten seeds or more, each repeated three times or more, a crossed design and a placebo."""
    assert len(L01.seeds) >= 10 and L01.repeats >= 3
    arms = L01.arms
    assert {arm.order for arm in arms.values()} == {
        "shuffled",
        "hard_first",
        "interleaved",
        "adversarial",
    }
    assert {arm.rehearsal for arm in arms.values()} == {0, 1, 4}
    assert {arm.loss_on for arm in arms.values()} == {"answer", "everything"}
    assert {arm.corrections for arm in arms.values()} == {"ground_truth", "own", "own_shown"}
    assert any(arm.placebo for arm in arms.values())
    assert any(arm.crossed for arm in arms.values())
    picked = [arm.selection.by for arm in arms.values() if arm.selection]
    assert sorted(picked) == ["accuracy", "meta_learning", "random", "stability"]
    check()


def test_a_file_without_loops_has_none() -> None:
    assert dataclasses.replace(all_params(), loops={}).loops == {}
    with pytest.raises(ParamsError, match="there is no 'l99'"):
        loop_of(all_params(), "l99")


def test_names_are_looked_up() -> None:
    assert loop_model(all_params(), L01).path == "models/organisms/scholar"
    assert loop_model(all_params(), dataclasses.replace(L01, model=None)).path == "models/base"
    assert loop_guard(all_params(), dataclasses.replace(L01, guard=None)) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "tinny"}, r"loops.l01.model: there is no 'tinny'. Did you mean 'tiny'"),
        (
            {"guard": LoopGuard(suite="procedura", every=1, lower_bound=0.0)},
            r"loops.l01.guard.suite: there is no 'procedura'",
        ),
        ({"arms": {"a": LoopArm(teacher="nobody")}}, r"arms.a.teacher: there is no 'nobody'"),
        ({"arms": {"A-b": LoopArm()}}, r"arms.A-b: the name becomes part of a folder's"),
        ({"arms": {"a": LoopArm(method="grpo")}}, r"arms.a.grpo is null"),
        ({"arms": {"a": LoopArm(mixing=1.0)}}, r"arms.a.mixing is 1.0"),
        (
            {
                "arms": {
                    "a": LoopArm(
                        selection=SelectionParams(
                            by="accuracy", first="b", population=1, generations=2
                        )
                    )
                }
            },
            r"arms.a.selection.first: there is no arm 'b'",
        ),
        ({"arms": {}}, r"seeds or arms are empty"),
        ({"checkpoint_every": 0}, r"loops.l01.checkpoint_every is 0"),
    ],
)
def test_what_does_not_fit_is_told(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        check(**changes)


def test_a_loop_is_never_named_like_an_experiment() -> None:
    with pytest.raises(ParamsError, match="an experiment has this name too"):
        _check_loop(all_params(), "p1", L01, "params.yaml: loops.p1")


def test_teachers_and_grpo_that_are_there_are_accepted() -> None:
    grpo = GrpoParams(group=4, beta=0.04, learning_rate=1e-4)
    check(arms={"a": LoopArm(teacher="source"), "b": LoopArm(teacher="tiny")})
    check(arms={"a": LoopArm(method="grpo", grpo=grpo)})


def test_an_unknown_switch_names_the_nearest() -> None:
    with pytest.raises(ParamsError, match="Did you mean 'rehearsal'"):
        build(LoopArm, {"rehersal": 1})
    assert build(LoopParams, dataclasses.asdict(L01)) == L01
