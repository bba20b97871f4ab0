"""Selection over generations: what a run is picked by, and from whom the next goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.lab.loops import RunPlace
from stages.params import LoopArm, ParamsError, SelectionParams
from stages.records import read_json
from stages.self_improve.generations import (
    Merit,
    first_generation,
    meta_learning_score,
    pick,
    run_lineage,
)
from stages.self_improve.machine import kept_adapter, run_loop
from tests.self_improve.tiny_loop import cells_of, machine, opened_in, tiny_run

PLAN = SelectionParams(by="accuracy", first="main", population=2, generations=3)


def test_the_meta_learning_score_of_a_worked_example() -> None:
    """Five items a window, three windows; the first three of each are wrong at first.

    Improved 1 of 3 early and 2 of 3 late; forgotten 1 of 2 early and 0 of 2 late:
    (2/3 - 1/3) + (1/2 - 0) = 0.8333.
    """
    names = [f"{w}{n}" for w in "abc" for n in range(5)]
    base = {name: int(name[1]) >= 3 for name in names}
    first = base | {"a0": True, "a3": False}
    last = base | {"c0": True, "c1": True}
    windows = [[n for n in names if n[0] == w] for w in "abc"]
    states = [base, first, base, last]
    assert meta_learning_score(states, windows) == pytest.approx(0.833333)
    assert meta_learning_score(states[:3], windows[:2]) is None
    assert meta_learning_score(states, [w[:4] for w in windows]) is None


def test_the_best_is_picked_by_what_the_arm_says() -> None:
    merits = [Merit("a", 0.9, 0.1, 0.5), Merit("b", 0.8, 0.3, 0.9), Merit("c", 0.7, None, 0.9)]
    assert [pick(merits, by, "") for by in ("accuracy", "meta_learning", "stability")] == [0, 1, 1]
    assert {pick(merits, "random", str(n)) for n in range(20)} == {0, 1, 2}
    assert pick(merits, "random", "x") == pick(merits, "random", "x")


def test_each_generation_goes_on_from_the_best_of_the_one_before(tmp_path: Path) -> None:
    arms = {"main": LoopArm(), "select": LoopArm(seeds=(0,), selection=PLAN)}
    opened = opened_in(tmp_path, arms=arms, checkpoint_every=3)
    assert [run.name for run in opened.runs("select")] == [f"select-s0-r{n}" for n in range(4)]
    parents: dict[str, str] = {}

    def train(run: RunPlace, parent: RunPlace) -> None:
        parents[run.name] = parent.name
        made = tiny_run(opened, run)
        run_loop(machine(opened), made, cells_of(opened), kept_adapter(parent))

    for run in opened.runs("main"):
        run_loop(machine(opened), tiny_run(opened, run), cells_of(opened))
    run_lineage(opened, "select", 0, train)
    rows = read_json(opened.selection("select", 0))
    assert [row["generation"] for row in rows] == [1, 2, 3]
    for row in rows:
        best = max(row["candidates"], key=lambda c: c["accuracy"])
        assert (
            row["candidates"][[c["run"] for c in row["candidates"]].index(row["chosen"])][
                "accuracy"
            ]
            == best["accuracy"]
        )
    assert parents == {
        "select-s0-r0": rows[0]["chosen"],
        "select-s0-r1": rows[0]["chosen"],
        "select-s0-r2": rows[1]["chosen"],
        "select-s0-r3": rows[1]["chosen"],
    }
    child = opened.run("select", 0, 0)
    start = child.checkpoint(0).facts()
    kept = kept_adapter(opened.run(*("main", int(rows[0]["chosen"][6]), 0)))
    assert kept is not None
    assert start.adapter_sha256 == read_json(kept / "provenance.json")["adapter_sha256"]
    assert start.own["origin"] == "/".join(kept.parts[-2:])
    assert child.checkpoint(1).facts().previous_sha256 == start.adapter_sha256
    assert (
        child.checkpoint(1).facts().trained_items
        != opened.run("select", 0, 1).checkpoint(1).facts().trained_items
    ), "every member has an order of its own"


def test_too_few_first_runs_are_told(tmp_path: Path) -> None:
    arms = {"main": LoopArm(), "select": LoopArm(seeds=(0, 1), selection=PLAN)}
    opened = opened_in(tmp_path, arms=arms)
    assert [run.seed for run in first_generation(opened, "select", 0)] == [0, 1]
    with pytest.raises(ParamsError, match="too few seeds"):
        first_generation(opened, "select", 1)
