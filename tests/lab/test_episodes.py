"""Playing and grading on real repositories with a scripted model."""

from __future__ import annotations

import dataclasses
import json

import pytest

from stages.agent.episode import EpisodeResult
from stages.agent.scripted import ScriptedModel
from stages.lab.cells import Cells
from stages.lab.episodes import (
    Condition,
    Plan,
    episode_cell,
    grade,
    play,
    read_sessions,
    timeless,
    timing,
)
from stages.lab.splits import compared_tasks, read_split, read_tasks, training_tasks
from stages.records import (
    Outcome,
    Pathology,
    RecordError,
    Step,
    Trajectory,
    read_jsonl,
    write_json,
    write_jsonl,
)
from stages.suites.texts import TextHarness
from tests.small_lab import sandbox_or_skip, small_lab

WORLD = "oak_harbor"


@pytest.fixture(scope="module")
def lab():
    return small_lab(6)


@pytest.fixture(scope="module")
def harness(lab):
    with sandbox_or_skip() as opened:
        yield TextHarness(lab.suite, opened)


def gold(lab, task) -> list[str]:
    path, changes = task.meta["path"], lab.suite.issue(task).draft.changes
    edits = [f"edit {path}\n<<<\n{c.find}\n===\n{c.replace}\n>>>" for c in changes]
    return [f"open {path}", *edits, "submit"]


def test_gold_resolves_and_what_breaks_or_does_nothing_does_not(lab, harness):
    tasks = lab.suite.tasks(WORLD)[:4]
    path = tasks[1].meta["path"]
    find = lab.suite.issue(tasks[1]).draft.changes[0].find
    script = {
        tasks[0].instance_id: gold(lab, tasks[0]),
        tasks[1].instance_id: [f"edit {path}\n<<<\n{find}\n===\n    return None\n>>>", "submit"],
        tasks[2].instance_id: [f"open {tasks[2].meta['path']}", "submit"],
        tasks[3].instance_id: ["I don't know"] * 20,
    }
    plan = Plan(tasks, seed=3, attempts=2, temperature=0.0)
    records, timings = play(lab, ScriptedModel(script), harness, Condition("base"), plan)
    assert [(t.info["instance_id"], t.info["attempt"]) for t in records] == [
        (task.instance_id, attempt) for task in tasks for attempt in (0, 1)
    ]
    assert [t.info["outcome"] for t in records[::2]] == [
        Outcome.RESOLVED,
        Outcome.UNRESOLVED,
        Outcome.EMPTY_PATCH,
        Outcome.AGENT_ERROR,
    ]
    assert len({t.info["seed"] for t in records}) == 8
    first = records[0].info
    assert set(first["tests"]) == {*tasks[0].FAIL_TO_PASS, *tasks[0].PASS_TO_PASS}
    assert all(first["tests"].values()) and not all(records[2].info["tests"].values())
    assert records[4].info["tests"] == {}
    assert first["submission"] == tasks[0].patch
    assert all(step["seconds"] == 0.0 for t in records for step in t.info["steps"])
    assert len(timings) == 8 and len(timings[0]["seconds"]) == first["n_steps"]


def test_a_run_repeats_byte_for_byte(lab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with sandbox_or_skip():
        pass
    tasks = lab.suite.tasks(WORLD)[:2]
    model = ScriptedModel({task.instance_id: gold(lab, task) for task in tasks})
    plan = Plan(tasks, seed=3, attempts=1, temperature=0.0)
    monkeypatch.setattr(type(lab), "base_sha256", lambda self: "base")
    made = []
    for name in ("one", "two"):
        cells = Cells(tmp_path / name / "baseline" / "p1", "baseline_eval")
        job = episode_cell(lab, cells, lambda: model, "w-s0", Condition("base"), plan)
        made.append(job().read_bytes())
        asked = len(model.rounds)
        assert job().exists() and len(model.rounds) == asked
    assert made[0] == made[1]
    assert '"seconds":0.0' in made[0].decode()
    timings = tmp_path / "timings" / "p1" / "baseline-w-s0.jsonl"
    rows = [json.loads(line) for line in timings.read_text().splitlines()]
    assert [row["instance_id"] for row in rows] == [task.instance_id for task in tasks]


def result(instance_id: str) -> EpisodeResult:
    from stages.agent.episode import EpisodeSpec

    return EpisodeResult(
        EpisodeSpec(instance_id, {}, ()),
        (),
        (),
        "submitted",
        None,
        Pathology.NONE,
        "",
        {},
        "",
        0,
        0,
    )


def test_a_task_without_tests_is_refused_by_name(lab, harness):
    task = dataclasses.replace(lab.suite.tasks(WORLD)[0], FAIL_TO_PASS=())
    with pytest.raises(ValueError, match="oak_harbor__001 has no FAIL_TO_PASS tests"):
        grade(harness, task, result(task.instance_id))


def test_an_agent_that_overwrites_the_visible_tests_gains_nothing(lab, harness):
    task = lab.suite.tasks(WORLD)[0]
    stem = lab.suite.issue(task).module.stem
    changes = {f"tests/test_{stem}.py": "", f"tests/hidden_{stem}.py": "def test_x(): pass\n"}
    cheat = dataclasses.replace(result(task.instance_id), changes=changes)
    assert grade(harness, task, cheat).info["outcome"] == Outcome.UNRESOLVED


def record(name: str, seconds: float, attempt: int = 0) -> Trajectory:
    step = dataclasses.asdict(Step("submit", "", True, 1, 2, 3, seconds))
    info = {"instance_id": name, "condition": "base", "seed": 1, "attempt": attempt}
    return Trajectory((), {**info, "steps": [step]})


def test_timeless_records_differ_in_nothing_and_timings_keep_the_seconds():
    fast, slow = record("t1", 0.1234567), record("t1", 9.0)
    assert timeless(fast) == timeless(slow)
    assert fast.info["steps"][0]["seconds"] == 0.1234567
    assert timing(fast)["seconds"] == [0.123457]


def of_splits(lab, *splits: str, **evaluate):
    changed = dataclasses.replace(lab.experiment.evaluate, **evaluate)
    experiment = dataclasses.replace(lab.experiment, splits=splits, evaluate=changed)
    return dataclasses.replace(lab, experiment=experiment)


def test_splits_and_sessions_are_read_in_order(lab, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tasks = lab.suite.tasks(WORLD)
    ids = [task.instance_id for task in tasks]
    folder = tmp_path / "data" / "splits" / "p1"
    write_jsonl(folder / f"tasks-{WORLD}.jsonl", tasks)
    halves = {"A": {"train": ids[:2], "test": ids[2:]}, "C": {"train": ids[1:3], "test": ids[:1]}}
    write_json(folder / "splits.json", {WORLD: halves})
    assert read_tasks(lab, WORLD) == tasks
    half = read_split(lab, WORLD, "C")
    assert (half.train, half.test) == (tasks[1:3], tasks[:1])
    assert training_tasks(lab, WORLD) == tasks[:3]
    assert compared_tasks(of_splits(lab, "C"), WORLD) == tasks[:3]
    assert compared_tasks(of_splits(lab, "C", tasks=1), WORLD) == tasks[:2]
    path = tmp_path / "data" / "trajectories" / "p1" / f"{WORLD}.jsonl"
    write_jsonl(path, [record(ids[1], 0.0), record(ids[0], 0.0), record(ids[0], 0.0, 1)])
    sessions = read_sessions(lab, WORLD, tasks[:2])
    assert [task.instance_id for task, _ in sessions] == ids[:2]
    assert [len(attempts) for _, attempts in sessions] == [2, 1]
    assert len(read_jsonl(path, Trajectory)) == 3
    with pytest.raises(RecordError, match=f"no session of {ids[2]}"):
        read_sessions(lab, WORLD, tasks[:3])
