"""Results read from an experiment's files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from stages.params import ArmParams
from stages.records import RecordError, Trajectory, write_json, write_jsonl
from stages.stats.results import TEST, TRAIN, read_results
from stages.stats.summary import conditions, power
from tests.small_lab import small_lab
from tests.stats.test_results import value


def episode(name: str, outcome: str = "resolved", attempt: int = 0) -> Trajectory:
    step = {"action": "edit a.py\n<<<", "ok": True}
    info = {
        "instance_id": name,
        "attempt": attempt,
        "outcome": outcome,
        "pathology": "none",
        "n_steps": 2,
        "steps": [step, {"action": "submit", "ok": False}],
        "input_tokens": 3,
        "output_tokens": 2,
        "cached_tokens": 1,
        "exit_status": "submitted",
        "submission": "",
    }
    return Trajectory((), info)


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A finished experiment of six tasks, one seed, split A, conditions base and skill."""
    monkeypatch.chdir(tmp_path)
    lab = small_lab(6, name="p2", splits=("A",), seeds=(0,))
    tasks = lab.suite.tasks("oak_harbor")
    ids = [task.instance_id for task in tasks]
    splits, folder = Path("data/splits/p2"), Path("data/evaluations/p2/oak_harbor/A")
    write_jsonl(splits / "tasks-oak_harbor.jsonl", tasks)
    write_json(splits / "splits.json", {"oak_harbor": {"A": {"train": ids[:3], "test": ids[3:5]}}})
    write_jsonl(Path("data/baseline/p2/oak_harbor-s0.jsonl"), map(episode, ids))
    write_jsonl(folder / "skill-s0.jsonl", [episode(i, "unresolved") for i in ids[3:5]])
    write_jsonl(folder / "trained-skill-s0.jsonl", map(episode, ids[:3]))
    write_jsonl(folder / "guard-base-s0.jsonl", [{"problem_id": "p", "passed": True}])
    write_jsonl(folder / "retention-skill-s0.jsonl", [{"origin": 1, "right": True}])
    write_json(Path("models/adapters/p2/oak_harbor/A/skill-s0/losses.json"), [2.0, 1.0])
    return lab


def test_files_become_rows(written):
    read = read_results(written)
    assert [len(read.select(c, h)) for c in ("base", "skill") for h in (TRAIN, TEST)] == [3, 2] * 2
    row = read.select("base")[0]
    assert (row.actions, row.ok_steps, row.submitted_empty) == (("edit", "submit"), 1, True)
    assert row.run_id.startswith("data/baseline/p2/oak_harbor-s0.jsonl@")
    assert np.allclose(read.differences("base", "skill"), -1.0)
    assert read.losses == {"oak_harbor/A/skill-s0": [2.0, 1.0]}
    place = {"world": "oak_harbor", "split": "A", "seed": 0}
    assert read.guard == {"base": [{**place, "problem_id": "p", "passed": True}]}
    assert read.retention == [{**place, "origin": 1, "right": True}]


def test_every_condition_covers_the_tasks_that_all_were_evaluated_on(written):
    """Base played every task; the others the first of each half, as ``evaluate.tasks`` says."""
    evaluate = dataclasses.replace(written.experiment.evaluate, tasks=1)
    experiment = dataclasses.replace(written.experiment, evaluate=evaluate)
    lab = dataclasses.replace(written, experiment=experiment)
    folder = Path("data/evaluations/p2/oak_harbor/A")
    ids = [task.instance_id for task in lab.suite.tasks("oak_harbor")]
    write_jsonl(folder / "skill-s0.jsonl", [episode(ids[3], "unresolved")])
    write_jsonl(folder / "trained-skill-s0.jsonl", [episode(ids[0])])
    read = read_results(lab)
    for half, name in ((TEST, ids[3]), (TRAIN, ids[0])):
        for condition in ("base", "skill"):
            assert [row.instance_id for row in read.select(condition, half)] == [name]
    assert {name: row["n"] for name, row in conditions(read).items()} == {"base": 1, "skill": 1}
    assert power(read)["tasks"] == 1


def test_arms_are_read_as_conditions_of_their_name_and_streams_are_not(written):
    arms = {"noted": ArmParams(notes=True)}
    lab = dataclasses.replace(
        written, experiment=dataclasses.replace(written.experiment, arms=arms)
    )
    with pytest.raises(RecordError, match=r"arms/oak_harbor/A/noted-s0\.jsonl: no such file"):
        read_results(lab)
    ids = [task.instance_id for task in lab.suite.tasks("oak_harbor")]
    folder = Path("data/evaluations/p2/arms/oak_harbor/A")
    write_jsonl(folder / "noted-s0.jsonl", [episode(ids[3]), episode(ids[4], "unresolved")])
    adapters = Path("models/adapters/p2")
    write_json(adapters / "arms/oak_harbor/A/noted-s0/losses.json", [3.0])
    write_json(adapters / "streams/oak_harbor/A/replay-s0/c0001/losses.json", [4.0])
    read = read_results(lab)
    assert read.conditions == ["base", "skill", "noted"]
    assert value(read, "resolve_rate.noted") == 0.5
    assert value(read, "difference.noted.skill") == 0.5
    assert value(read, "forward_transfer.noted") == -0.5
    assert read.losses == {"oak_harbor/A/skill-s0": [2.0, 1.0], "oak_harbor/A/noted-s0": [3.0]}


def test_a_missing_file_is_named(written):
    Path("data/evaluations/p2/oak_harbor/A/skill-s0.jsonl").unlink()
    with pytest.raises(RecordError, match=r"oak_harbor/A/skill-s0\.jsonl: no such file"):
        read_results(written)


def test_a_copied_file_is_seen_as_a_run_of_its_own_only_by_its_path(written):
    """The run is named by path and contents, so a condition that reads another's file is caught."""
    ids = {row.run_id for row in read_results(written).rows}
    assert len(ids) == 3 and all("@" in name for name in ids)
