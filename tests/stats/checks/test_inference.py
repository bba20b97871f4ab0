"""Checks 12, 13 and 14, each with its mistake planted."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from stages.stats.checks import inference
from stages.stats.checks.record import Record
from stages.stats.intervals import Estimate, Undefined
from tests.stats.checks.run_files import make_lab, read_record


def test_12_a_missing_interval_is_caught(run: Path) -> None:
    record = read_record()
    assert inference.with_interval(record).status == "pass"
    for lo, hi in ((0.1, 0.1), (-math.inf, math.inf)):
        vars(record)["estimates"] = {"ft": Estimate(0.1, lo, hi, 12, "task")}
        assert "interval" in inference.with_interval(record).evidence["first_problem"]


def test_12_too_few_tasks_are_caught(run: Path) -> None:
    found = inference.with_interval(read_record(make_lab(minimum_tasks=50)))
    assert found.status == "fail" and "12 test tasks" in found.evidence["first_problem"]


def test_12_what_is_undefined_makes_no_claim(run: Path) -> None:
    record = read_record()
    vars(record)["estimates"] = {"ft": Undefined("not run")}
    found = inference.with_interval(record)
    assert found.status == "pass" and found.evidence["undefined"] == 1


def test_13_a_guard_without_power_is_caught(run: Path) -> None:
    record = read_record()
    assert inference.guard_has_power(record).status == "pass"
    for arm, rows in record.results.guard.items():
        record.results.guard[arm] = [r for r in rows if int(r["problem_id"][1:]) < 24]
    found = inference.guard_has_power(record)
    assert found.status == "fail" and found.evidence["detectable_drop"] > 0.02


def test_13_without_a_guard_it_says_so(run: Path) -> None:
    found = inference.guard_has_power(read_record(make_lab(guard=None)))
    assert found.status == "not applicable" and found.reason


def test_14_rows_pooled_as_tasks_are_caught(run: Path) -> None:
    record = read_record()
    assert inference.units_counted_once(record).evidence["rows"] == 24
    vars(record)["estimates"] = {"ft": Estimate(0.1, 0.0, 0.2, 24, "task")}
    found = inference.units_counted_once(record)
    assert found.status == "fail" and "24 of 12" in found.evidence["first_problem"]


def test_12_a_matrix_s_criteria_are_not_asked_of_its_cells(run: Path) -> None:
    record = read_record()
    assert record.estimates
    cell = dataclasses.replace(record.lab, name="p3--tiny")
    assert Record(cell, record.results).estimates == {}
