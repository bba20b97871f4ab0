"""A changed environment on hand-made rows: loss, recovery, conflicts, indicators by severity."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from stages.lab.arm_adapters import arm_episodes
from stages.params import ArmParams, ExamplesParams
from stages.records import Trajectory, write_json, write_jsonl
from stages.stats.designs import details, plots
from stages.stats.estimands import estimand
from stages.stats.families.staleness import checkpoints, conflicts, severity_auc
from stages.stats.intervals import Estimate, Undefined
from stages.stats.results import Results
from stages.suites.microrepo_drift.suite import MicrorepoDrift
from tests.stats.families.small_rows import results, rows

OLD, NEW, MILD = "oak_harbor", "oak_harbor~major", "oak_harbor~minor"
WORLDS = (OLD, MILD, NEW)


def recovers(sessions: int) -> ArmParams:
    return ArmParams(
        adapter="v1", adapter_world="before", examples=ExamplesParams(recovery=sessions)
    )


ARMS = {
    "v1": ArmParams(examples=ExamplesParams(), worlds=(OLD,)),
    "stale": ArmParams(adapter="v1", adapter_world="before", worlds=(MILD, NEW)),
    "recovery_10": dataclasses.replace(recovers(10), worlds=(NEW,)),
    "recovery_5": dataclasses.replace(recovers(5), worlds=(NEW,)),
    "other": ArmParams(adapter="v1", examples=ExamplesParams(recovery=7), worlds=(OLD,)),
}
TASKS = 20


def drifting() -> Results:
    def of(arm: str, good: int, world: str):
        return rows(arm, "1" * good + "0" * (TASKS - good), world)

    return results(
        of("v1", 18, OLD),
        of("stale", 18, MILD),
        of("stale", 2, NEW),
        of("base", 8, NEW),
        of("base", 8, OLD),
        of("base", 8, MILD),
        of("recovery_5", 10, NEW),
        of("recovery_10", 18, NEW),
        worlds=WORLDS,
        seeds=(0,),
        arms=ARMS,
    )


def value(made: Results, name: str) -> float:
    estimate = estimand(made, name)(0.05)
    assert isinstance(estimate, Estimate), estimate
    assert estimate.lo <= estimate.value <= estimate.hi
    return round(estimate.value, 10)


def test_loss_is_paired_by_issue_across_the_change():
    made = drifting()
    assert value(made, "degradation.v1.stale.major") == 0.8
    assert value(made, "degradation.v1.stale.minor") == 0.0
    assert value(made, "drifted.stale.base.major") == -0.3
    assert value(made, "kept.v1.recovery_10.major") == 1.0
    assert value(made, "kept.v1.recovery_5.major") == round(10 / 18, 10)
    assert isinstance(estimand(made, "degradation.v1.stale.moderate")(0.05), Undefined)
    assert isinstance(estimand(made, "kept.v1.recovery_5.minor")(0.05), Undefined)


def test_the_recovery_curve_is_read_in_the_order_of_sessions():
    made = drifting()
    assert checkpoints(made, "stale", "major") == {
        0.0: "stale",
        5.0: "recovery_5",
        10.0: "recovery_10",
    }
    # Half of what was lost is back after 5; 90 % of it is 4/5 of the way from there to 10.
    assert value(made, "recovery_sessions.v1.stale.major") == 9.0
    assert "fewer than two" in str(estimand(made, "recovery_sessions.v1.stale.minor")(0.05))


def test_a_recovery_that_is_not_reached_has_no_end_above():
    made = drifting()
    kept = tuple(row for row in made.rows if row.condition != "recovery_10")
    found = estimand(dataclasses.replace(made, rows=kept), "recovery_sessions.v1.stale.major")(0.05)
    assert isinstance(found, Estimate) and math.isinf(found.value)


def indicator_row(world: str, task: int, score: float, failed: int) -> dict:
    return {
        "world": world,
        "split": "A",
        "seed": 0,
        "condition": "v1" if world == OLD else "stale",
        "instance_id": f"{world}__{task:03d}",
        "stale": int(world != OLD),
        "failed": failed,
        "decisions": 0,
        "conflicts": 0,
        "scores": {"surprise": score, "disagreement": -score},
    }


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Results:
    """Surprise tells the major change from before it, and the minor one not at all."""
    monkeypatch.chdir(tmp_path)
    made = drifting()
    suite = MicrorepoDrift(TASKS, 7, 1)
    made = dataclasses.replace(made, lab=dataclasses.replace(made.lab, suite=suite))
    lines = [indicator_row(OLD, n, n / 10, n % 2) for n in range(10)]
    lines += [indicator_row(MILD, n, n / 10, n % 2) for n in range(10)]
    lines += [indicator_row(NEW, n, 5 + n / 10, 1) for n in range(10)]
    folder = made.lab.folder("data/evaluations") / "indicators"
    write_jsonl(folder / "indicators-stale-s0.jsonl", lines)
    halves = {}
    for world in WORLDS:
        tasks = suite.tasks(world)
        write_jsonl(made.lab.folder("data/splits") / f"tasks-{world}.jsonl", tasks)
        halves[world] = {"A": {"train": [], "test": [t.instance_id for t in tasks]}}
    write_json(made.lab.folder("data/splits") / "splits.json", halves)
    for arm, worlds in {name: arm.worlds or () for name, arm in ARMS.items()}.items():
        for world in worlds:
            write_jsonl(arm_episodes(made.lab, world, "A", arm, 0), episodes(suite, world))
    return made


def episodes(suite: MicrorepoDrift, world: str) -> list[Trajectory]:
    """Two tasks; on the first the agent is told of its file and opens the old one, then the new."""
    played = []
    for number in (0, 1):
        task, old = suite.tasks(world)[number], suite.tasks(OLD)[number].meta["path"]
        turns = [("tool", f"found: {task.meta['path']} line 1")]
        turns += [("assistant", f"open {old}")] if number == 0 else []
        turns += [("assistant", f"open {task.meta['path']}")]
        messages = tuple({"role": role, "content": text} for role, text in turns)
        played.append(Trajectory(messages, {"instance_id": task.instance_id}))
    return played


def test_conflicts_are_counted_by_issue_and_kind(measured):
    counted = conflicts(measured, "stale", "major")
    assert [(c.stale, c.told) for c in counted.values()] == [(1, 2), (0, 1)]
    assert value(measured, "conflicts.stale.major") == round(1 / 3, 10)
    assert value(measured, "conflicts.stale.major.file") == round(1 / 3, 10)
    assert isinstance(estimand(measured, "conflicts.stale.major.command")(0.05), Undefined)
    assert isinstance(estimand(drifting(), "conflicts.stale.major")(0.05), Undefined)


def test_indicators_are_judged_by_severity_and_by_what_failed(measured):
    def auc(severity: str, label: str = "stale") -> float:
        found = severity_auc(measured, "surprise", severity, label)(0.05)
        assert isinstance(found, Estimate)
        return found.value

    assert (auc("major"), auc("minor"), auc("")) == (1.0, 0.5, 0.75)
    assert auc("", "failed") > 0.5
    assert value(measured, "auc.surprise") == 0.75
    assert value(measured, "compare_auc.surprise.disagreement") == 0.5


def test_the_tables_hold_every_measure_by_severity(measured):
    table = details(measured)["drift"]
    assert table["major"]["degradation"]["value"] == 0.8
    assert table["major"]["against_base"]["value"] == -0.3
    assert table["major"]["conflict_rate"]["stale"]["file"]["n"] == 2
    assert table["major"]["recovery"]["sessions_needed"]["value"] == 9.0
    assert table["minor"]["recovery"].startswith("undefined")
    assert table["indicators"]["surprise"]["auc"]["major"]["value"] == 1.0
    assert table["indicators"]["surprise"]["detections"] == 0.5
    assert table["compared"]["disagreement - surprise"]["value"] == -0.5
    drawn = plots(measured)
    assert [row["sessions"] for row in drawn["recovery"]] == [0.0, 5.0, 10.0]
    assert {row["indicator"] for row in drawn["indicators"]} == {"surprise", "disagreement"}
    assert "attribution" not in drawn
