"""Indicators of staleness and conflicts, read from rows with known answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.params import ParamsError
from stages.records import write_jsonl
from stages.stats.estimands import estimand
from stages.stats.intervals import Estimate, Undefined
from tests.stats.families.small_stream import made_results, made_stream


def row(task: int, stale: int, good: float, poor: float, conflicts: int = 0) -> dict[str, Any]:
    return {
        "world": "oak",
        "split": "A",
        "seed": 0,
        "condition": "stale" if stale else "fresh",
        "instance_id": f"t{task}",
        "stale": stale,
        "scores": {"good": good, "poor": poor},
        "conflicts": conflicts,
        "decisions": 2,
    }


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    return made_results([made_stream("full", {1: [[1]]})])


def write(rows: list[dict[str, Any]]) -> None:
    write_jsonl(Path("data/evaluations/p1/arms/indicators-major.jsonl"), rows)


def test_auc_and_its_comparison(results: Any):
    write(
        [row(n, 1, 0.9 - 0.01 * n, n % 2, conflicts=1) for n in range(10)]
        + [row(n, 0, 0.5 - 0.01 * n, n % 2) for n in range(10)]
    )
    perfect = estimand(results, "auc.good")(0.05)
    assert isinstance(perfect, Estimate) and perfect.value == 1.0 and perfect.lo < 1
    chance = estimand(results, "auc.poor")(0.05)
    assert isinstance(chance, Estimate) and chance.value == 0.5
    better = estimand(results, "compare_auc.good.poor")(0.05)
    assert isinstance(better, Estimate) and better.value == 0.5 and better.lo > 0
    rate = estimand(results, "conflict_rate.stale")(0.05)
    assert isinstance(rate, Estimate) and rate.value == 0.5 and rate.n == 10
    fresh = estimand(results, "conflict_rate.fresh")(0.05)
    assert isinstance(fresh, Estimate) and fresh.value == 0.0


def test_what_is_missing(results: Any):
    assert isinstance(estimand(results, "auc.good")(0.05), Undefined)
    assert isinstance(estimand(results, "conflict_rate.stale")(0.05), Undefined)
    write([row(1, 1, 0.5, 0.5)])
    with pytest.raises(ParamsError, match="'colour' is no indicator; the rows have good, poor"):
        estimand(results, "auc.colour")
