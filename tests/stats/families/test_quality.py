"""Noise, its growth, corrections and the cost-optimal budget, on pairs whose faults are planted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stages.params import ArmParams, ExamplesParams
from stages.records import write_json, write_jsonl
from stages.stats.estimands import estimand
from stages.stats.families.quality import slope_cells
from stages.stats.intervals import Estimate, Undefined
from stages.stats.quality import quality
from stages.stats.results import Results
from tests.small_lab import small_lab
from tests.stats.test_results import rows

ARMS = ("external", "self", "planted", "pairs_1", "pairs_4", "pairs_16")


def pair(n: int, wrong: bool | None, generation: int = 0, kept: bool = True) -> dict[str, Any]:
    faults = None if wrong is None else ["edit"] * wrong
    return {
        "example_id": f"e{n}",
        "instance_id": f"task{n}",
        "session": n,
        "generation": generation,
        "kept": kept,
        "faults": faults,
    }


def write_arm(arm: str, seed: int, pairs: Sequence[dict[str, Any]]) -> Path:
    folder = Path(f"models/adapters/p1/arms/oak_harbor/A/{arm}-s{seed}")
    write_jsonl(folder / "pairs.jsonl", pairs)
    write_json(folder / "facts.json", {"arm": arm, "noise_ratio": 0.0})
    return folder


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    monkeypatch.chdir(tmp_path)
    arms = {name: ArmParams(examples=ExamplesParams()) for name in ARMS}
    lab = small_lab(name="p1", seeds=(0, 1), arms=arms)
    for seed in (0, 1):
        write_arm("external", seed, [pair(n, n == 1) for n in range(1, 21)])
        own = write_arm("self", seed, [pair(n, n % 4 == seed, 1) for n in range(1, 21)])
        generations = own.with_name(f"{own.name}.generations")
        for number in (1, 2):
            folder = generations / f"g{number:02d}"
            first = 10 * (number - 1) + 1
            written = [pair(n, n % 2 == 0, number, n % 2 == 1) for n in range(first, first + 10)]
            write_jsonl(folder / "pairs.jsonl", [*written, pair(99, True)])
            write_json(folder / "generation.json", {"generation": number})
        planted = write_arm("planted", seed, [pair(n, n < 5) for n in range(1, 21)])
        answers = [
            {"instance_id": f"task{n}", "corrected": n > 1, "repeated": n == 1} for n in range(1, 5)
        ]
        write_jsonl(planted / "planted.jsonl", answers)
    outcomes = {"base": "000000", "pairs_1": "110000", "pairs_4": "111110", "pairs_16": "111110"}
    made = [rows(name, text) for name, text in outcomes.items()]
    return Results(lab, tuple(row for group in made for row in group), {}, [], {}, {}, {})


def value(found: Results, name: str) -> Estimate:
    estimate = estimand(found, name)(0.05)
    assert isinstance(estimate, Estimate)
    assert estimate.lo <= estimate.value <= estimate.hi
    return estimate


def test_noise_is_the_share_of_pairs_with_a_fault_by_session(found: Results) -> None:
    noise = value(found, "noise.external")
    assert (noise.value, noise.n, noise.unit) == (pytest.approx(1 / 20), 20, "session")
    assert value(found, "noise.self").value == pytest.approx(0.25)
    assert value(found, "noise_difference.self.external").value == pytest.approx(0.2)


def test_what_nobody_scored_has_no_noise(found: Results) -> None:
    write_arm("external", 0, [pair(1, None)])
    write_arm("external", 1, [pair(1, None)])
    assert isinstance(estimand(found, "noise.external")(0.05), Undefined)
    assert "sheet" in str(estimand(found, "noise.external")(0.05))


def test_the_slope_is_of_the_agents_own_pairs_that_were_kept(found: Results) -> None:
    assert value(found, "noise_slope.self").value == pytest.approx(0.0)  # odd ones, all sound
    assert isinstance(estimand(found, "noise_slope.external")(0.05), Undefined)


@pytest.mark.parametrize("planted", [0.0, 0.01, -0.02])
def test_a_planted_slope_is_given_back_whatever_the_runs_levels(planted: float) -> None:
    values = {
        (("w", f"t{n}"), ("A", seed)): (n, 0.3 + 0.1 * seed + planted * n)
        for n in range(10, 30)
        for seed in (0, 1, 2)
        if (n, seed) != (12, 1)
    }
    cells, bound = slope_cells(values)
    assert cells.shape == (20, 3)
    assert [float(cell) for cell in cells[0]] == pytest.approx([planted] * 3)
    assert abs(planted) < bound


def test_corrections_are_counted_by_session(found: Results) -> None:
    assert value(found, "correction.planted").value == pytest.approx(0.75)
    assert isinstance(estimand(found, "correction.external")(0.05), Undefined)


def test_the_cost_optimal_budget_is_the_smallest_that_is_as_good(found: Results) -> None:
    assert value(found, "cost_optimal.pairs").value == 4.0
    wide, narrow = estimand(found, "cost_optimal.pairs")(0.01), value(found, "cost_optimal.pairs")
    assert isinstance(wide, Estimate) and wide.lo <= narrow.lo <= narrow.hi <= wide.hi


def test_details_say_what_each_arm_was_trained_on(found: Results) -> None:
    told = quality(found)
    assert set(told) == {"external", "self", "planted"}
    one = told["planted"]["oak_harbor/A-s0"]
    assert (one["planted"], one["corrected"], one["repeated"]) == (4, 3, 1)
    assert [g["generation"] for g in told["self"]["oak_harbor/A-s1"]["generations"]] == [1, 2]


def test_an_interval_never_narrows_as_alpha_falls(found: Results) -> None:
    for name in ("noise.self", "noise_difference.self.external", "correction.planted"):
        wide, narrow = estimand(found, name)(0.01), estimand(found, name)(0.05)
        assert isinstance(wide, Estimate) and isinstance(narrow, Estimate)
        assert wide.lo <= narrow.lo and narrow.hi <= wide.hi
