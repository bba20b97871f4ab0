"""Checks 15 and 17, each with its mistake planted."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from stages.params import CriterionParams
from stages.records import write_json
from stages.stats.checks import memory, selection
from tests.stats.checks.run_files import TESTED, change_rows, make_lab, read_record
from tests.stats.checks.stream_files import stream_lab, write_streams

REGISTERED = Path("registrations.json")
BASELINE = Path("data/baseline/p1/oak_harbor-s0.jsonl")


def register(**entries: Any) -> None:
    write_json(REGISTERED, entries)


def entry(date: str, *reasons: str) -> dict[str, Any]:
    old = [{"hash": "h", "date": "2026-01-01", "reason": reason} for reason in reasons]
    return {"hash": "h2", "date": date, **({"supersedes": old} if old else {})}


def test_15_a_sound_registration_passes(run: Path) -> None:
    register(p1=entry("2026-02-01", "no data of these values existed"))
    found = selection.nothing_selected(read_record())
    assert found.status == "pass" and found.evidence["superseded"] == 1


def test_15_a_registration_replaced_without_a_reason_is_caught(run: Path) -> None:
    register(p1=entry("2026-02-01", ""))
    found = selection.nothing_selected(read_record())
    assert "superseded on 2026-01-01 without" in found.evidence["first_problem"]


def test_15_an_arm_that_is_reported_and_not_registered_is_caught(run: Path) -> None:
    record = read_record()
    extra = [dataclasses.replace(row, condition="lucky") for row in record.results.select("skill")]
    record.results = dataclasses.replace(record.results, rows=(*record.results.rows, *extra))
    found = selection.nothing_selected(record)
    assert found.evidence["first_problem"] == "lucky is reported, and isn't registered"


def test_15_the_best_of_several_attempts_is_caught(run: Path) -> None:
    change_rows(TESTED / "skill-s0.jsonl", lambda row: row["info"].update(attempt=3))
    found = selection.nothing_selected(read_record())
    assert "attempts [3], the others are missing" in found.evidence["first_problem"]


def test_15_a_criterion_on_one_arm_of_several_after_a_new_registration_is_caught(
    run: Path,
) -> None:
    write_streams()
    lab = stream_lab()
    plan = lab.experiment.stream
    assert plan is not None
    arms = {**plan.arms, "ewc_100": plan.arms["ewc_10"]}
    one = CriterionParams(
        estimand="stream.forgetting_ratio.ewc_10.naive", comparator="<", threshold=0.75, test="none"
    )
    lab = stream_lab(stream=dataclasses.replace(plan, arms=arms), criteria={"ewc": one})
    register(p1=entry("2026-02-01"))
    assert "ewc_100" not in str(selection.nothing_selected(read_record(lab)).evidence)
    register(p1=entry("2026-02-01", "the other rates were worse"))
    found = selection.nothing_selected(read_record(lab))
    assert "is asked of ewc_10, naive, not ewc_100" in found.evidence["first_problem"]


def test_15_splits_picked_from_an_earlier_experiment_are_caught(run: Path) -> None:
    lab = make_lab(splits=("C", "D"))
    many = dataclasses.replace(lab.experiment, splits=("A", "B", "C", "D", "E"))
    params = dataclasses.replace(lab.params, experiments={**lab.params.experiments, "p2": many})
    record = read_record()
    record.lab = dataclasses.replace(lab, params=params)
    register(p1=entry("2026-02-01"), p2=entry("2026-02-01"))
    assert selection.nothing_selected(record).status == "pass"
    register(p1=entry("2026-02-01"), p2=entry("2026-01-01"))
    found = selection.nothing_selected(record)
    assert "some of those of p2" in found.evidence["first_problem"]


def blind(row: dict[str, Any]) -> None:
    """The edit comes first, before the file was opened."""
    steps = row["info"]["steps"]
    steps[0], steps[1] = steps[1], steps[0]


def test_17_tasks_that_base_solves_without_a_look_are_caught(run: Path) -> None:
    record = read_record()
    found = memory.nothing_memorised(record)
    assert found.status == "pass" and found.evidence["memorised"] == 0
    change_rows(BASELINE, blind)
    found = memory.nothing_memorised(read_record())
    solved = {
        e.task for e in read_record().select("base") if e.seed == 0 and e.outcome == "resolved"
    }
    assert found.status == "fail" and found.evidence["memorised"] == len(solved) > 0
    assert found.evidence["memorised_share_lo"] > 0
    assert "skill_transfer_without" in found.evidence and "base_without" in found.evidence


def test_17_an_adapters_own_blind_solutions_are_counted_not_failed(run: Path) -> None:
    change_rows(TESTED / "skill-s0.jsonl", blind)
    found = memory.nothing_memorised(read_record())
    assert found.status == "pass" and found.evidence["blind_of_trained"] > 0
