"""Seconds of episodes by condition: a file of its own, read from what isn't tracked."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.lab.episodes import write_timings
from stages.params import ArmParams
from stages.records import read_json
from stages.stats.latency import write_latency
from tests.stats.families.small_rows import results, rows

WORLD, TASKS = "oak_harbor", 8


def timings(path: str, each: float) -> None:
    lines = [
        {"instance_id": f"{WORLD}__{n:03d}", "attempt": 0, "seconds": [each, each + n / 100]}
        for n in range(TASKS)
    ]
    write_timings(Path("timings/p1") / path, lines)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    outcomes = "1" * TASKS
    return results(
        *(rows(name, outcomes, WORLD, steps=2) for name in ("base", "skill", "noted", "untimed")),
        worlds=(WORLD,),
        seeds=(0,),
        arms={"noted": ArmParams(notes=True), "untimed": ArmParams()},
    )


def test_seconds_stand_beside_the_machine_and_are_paired_with_base(made):
    timings("baseline-oak_harbor-s0.jsonl", 1.0)
    timings("evaluations-oak_harbor/A/skill-s0.jsonl", 0.5)
    timings("p1-oak_harbor/A/noted-s0.jsonl", 2.0)
    path = write_latency(made)
    assert path == Path("timings/p1/latency.json")
    found = read_json(path)
    assert found["measured_on"]["cores"] >= 1
    table = found["conditions"]
    assert set(table) == {"base", "skill", "noted"}
    assert table["base"]["episodes"] == TASKS and "against_base" not in table["base"]
    assert table["skill"]["seconds_mean"] == pytest.approx(1.035)
    assert table["skill"]["seconds_per_step"] == pytest.approx(0.5175)
    assert table["skill"]["against_base"] == {"seconds": -1.0, "lo": -1.0, "hi": -1.0}
    assert table["noted"]["against_base"]["seconds"] == 2.0


def test_where_nothing_was_timed_nothing_is_written(made):
    assert write_latency(made) is None
    assert not Path("timings").exists()
