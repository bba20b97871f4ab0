"""pass@k by type and iteration, diversity of solutions, half-life and curves of small loops."""

from __future__ import annotations

from pathlib import Path

from stages.params import LoopArm, ProbeParams
from stages.stats.loop_work import dynamics, iterations
from stages.stats.loop_work.results import LoopResults, read_loop
from tests.small_loop import attempt, learning, names, opened, write_run

TRAIN = names("train", 10)


def one(root: Path, table: list, **changes: object) -> LoopResults:
    probe = ProbeParams(parts=("train", "test"), samples=2, temperature=1.0)
    loop = opened(root, arms={"plain": LoopArm()}, seeds=(0,), probe=probe)
    write_run(loop.runs()[0], table, **changes)
    return read_loop(loop)


def test_passes_by_type_and_checkpoint(tmp_path: Path) -> None:
    before = {"test/geo/0": [1, 0], "test/sci/0": [0, 0]}
    rows = iterations.passes(one(tmp_path, [before, before | {"test/sci/0": [1, 1]}]))
    rates = {(r["checkpoint"], r["group"], r["k"]): r["rate"] for r in rows}
    assert rates[0, "geo", 1] == 0.5 and rates[0, "geo", 2] == 1.0
    assert rates[0, "all", 1] == 0.25 and rates[1, "all", 2] == 1.0
    assert rates[1, "sci", 1] == 1.0


def test_solutions_that_differ_in_names_only_are_one(tmp_path: Path) -> None:
    texts = [
        "def f(a):\n    return a + 1",
        "def f(b):\n    return b + 1",
        "def f(a):\n    return 1 + a",
    ]
    rows = [attempt(TRAIN[0], sample=n, text=text) for n, text in enumerate(texts)]
    rows.append(attempt(TRAIN[1], text=texts[0]))  # one solution has nothing to differ from
    [row] = iterations.diversity(one(tmp_path, learning(TRAIN, [1, 2]), attempts={1: rows}))
    assert row["distinct"] == round(2 / 3, 4) and row["n"] == 1


def test_half_life_counts_from_learned_to_lost(tmp_path: Path) -> None:
    base = dict.fromkeys(TRAIN, 0)
    table = [base, base | dict.fromkeys(TRAIN[:4], 1), base | dict.fromkeys(TRAIN[:1], 1), base]
    found = dynamics.half_lives(one(tmp_path, table))["plain"]
    assert isinstance(found, dict)
    assert (found["learned"], found["lost"], found["value"]) == (4, 4, 4.0)


def test_flat_lines_without_training_are_evaluation_only(tmp_path: Path) -> None:
    """seeds/003: train 56.7 %, held out 44.4 %, four times; the weights never changed."""
    items = names("train", 30) + names("test", 9)
    flat = {item: int(at < 17 or 30 <= at < 34) for at, item in enumerate(items)}
    weights = {"adapter_sha256": "", "previous_sha256": "", "examples": 0, "losses": []}
    [row] = dynamics.readings(one(tmp_path, [flat] * 4, facts=weights))
    assert row["reading"] == "evaluation only"


def test_spaced_checkpoints_keep_both_ends() -> None:
    assert iterations.spaced(0) == [0]
    assert iterations.spaced(100)[-1] == 100 and len(iterations.spaced(100)) == 11
