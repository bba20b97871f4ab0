"""Results read from files, and the named estimands on hand-made rows."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from stages.params import ArmParams, ParamsError
from stages.records import Outcome, RecordError, Trajectory, write_json, write_jsonl
from stages.stats.estimands import estimand, origins
from stages.stats.families.guard import share_passed
from stages.stats.intervals import Estimate, Undefined
from stages.stats.results import TEST, TRAIN, Results, Row, mean, read_results
from stages.stats.summary import comparisons, conditions, power
from tests.small_lab import small_lab

OUTCOMES = {"1": Outcome.RESOLVED, "0": Outcome.UNRESOLVED, "x": Outcome.HARNESS_ERROR}


def rows(
    condition: str,
    outcomes: str,
    *,
    seed: int = 0,
    half: str = TEST,
    steps: int = 4,
    run_id: str = "",
    split: str = "A",
) -> list[Row]:
    """One row per character: 1 resolved, 0 not, x a harness error."""
    return [
        Row(
            world="oak",
            split=split,
            half=half,
            condition=condition,
            seed=seed,
            attempt=0,
            instance_id=f"{half}{n}",
            outcome=OUTCOMES[char],
            pathology="none",
            difficulty="easy",
            kinds=("unit",),
            steps=steps,
            ok_steps=steps,
            input_tokens=10,
            output_tokens=5,
            cached_tokens=0,
            submitted_empty=False,
            run_id=run_id or f"{condition}-{half}-{split}-s{seed}",
        )
        for n, char in enumerate(outcomes)
    ]


def results(*groups: list[Row], guard=None, retention=None) -> Results:
    made = tuple(row for group in groups for row in group)
    return Results(small_lab(), made, guard or {}, retention or [], {}, {}, {})


def value(made: Results, name: str) -> float:
    found = estimand(made, name)(0.05)
    assert isinstance(found, Estimate), found
    assert found.lo <= found.value <= found.hi
    return round(found.value, 10)


def test_rates_and_paired_differences_by_hand():
    made = results(
        rows("base", "1000", seed=0),
        rows("base", "1100", seed=1),
        rows("skill", "1110", seed=0, steps=3),
        rows("skill", "1111", seed=1, steps=2),
    )
    assert value(made, "resolve_rate.base") == 0.375
    assert value(made, "resolve_rate.skill") == 0.875
    assert value(made, "forward_transfer.skill") == 0.5
    assert value(made, "difference.base.skill") == -0.5
    assert value(made, "steps.skill") == -1.5
    assert made.cells("skill").shape == (4, 2)
    assert made.conditions == ["base", "skill"]


def test_a_harness_error_is_no_failure_of_the_agent():
    made = results(rows("base", "10x"), rows("skill", "x11"))
    assert value(made, "resolve_rate.base") == 0.5
    assert value(made, "forward_transfer.skill") == 1.0
    assert conditions(made)["base"]["harness_errors"] == 1


def test_only_pairs_of_the_same_task_and_run_are_compared():
    made = results(
        rows("base", "0011"),
        rows("base", "1111", seed=1),
        rows("skill", "11"),
    )
    assert made.differences("base", "skill").tolist() == [[1.0], [1.0]]


def test_comparisons_take_the_tasks_and_runs_that_both_conditions_measured():
    """Base played every task; the skill adapter the first four, and one episode was lost."""
    made = results(
        rows("base", "000011", seed=0),
        rows("base", "0x0111", seed=1),
        rows("skill", "0111", seed=0, steps=3),
        rows("skill", "x111", seed=1, steps=3),
    )
    found = comparisons(made)["skill"]
    small = results(
        rows("base", "0000", seed=0),
        rows("base", "xx01", seed=1),
        rows("skill", "0111", seed=0, steps=3),
        rows("skill", "xx11", seed=1, steps=3),
    )
    alike = comparisons(small)["skill"]
    names = ("mcnemar_first_seed", "paired_t", "wilcoxon", "cohens_dz", "cohens_h", "odds_ratio")
    assert {name: found[name] for name in names} == {name: alike[name] for name in names}
    assert found["forward_transfer"]["n"] == alike["forward_transfer"]["n"]


def test_two_conditions_from_one_run_are_refused():
    made = results(rows("base", "10", run_id="one.jsonl"), rows("aa", "10", run_id="one.jsonl"))
    with pytest.raises(ValueError, match=r"base and aa are computed from one run, one\.jsonl"):
        estimand(made, "forward_transfer.aa")(0.05)


def test_forgetting_is_base_minus_skill_on_the_training_tasks():
    made = results(
        rows("base", "1111"),
        rows("base", "1100", half=TRAIN),
        rows("skill", "0000"),
        rows("skill", "1111", half=TRAIN),
    )
    assert value(made, "forgetting.skill") == -0.5
    assert value(made, "forward_transfer.skill") == -1.0


def test_splits_reuse_tasks_as_further_runs():
    made = results(
        *(rows("base", "00", split=split) for split in "AB"),
        *(rows("skill", "01", split=split) for split in "AB"),
    )
    assert made.differences("base", "skill").tolist() == [[0.0, 0.0], [1.0, 1.0]]


def guard(passed: str, seed: int = 0) -> list[dict[str, object]]:
    """Two samples a problem."""
    place = {"world": "oak", "split": "A", "seed": seed}
    return [
        {**place, "problem_id": f"p{n // 2}", "sample": n % 2, "passed": char == "1"}
        for n, char in enumerate(passed)
    ]


def test_capability_drop_is_paired_by_problem():
    made = results(guard={"base": guard("111001"), "skill": guard("110000")})
    assert share_passed(made.guard["base"]) == {
        (f"p{n}", ("oak", "A", 0)): share for n, share in enumerate((1.0, 0.5, 0.5))
    }
    assert value(made, "capability_drop.skill") == round(1 / 3, 10)


def kept(origin: int, right: str, seed: int = 0) -> list[dict[str, object]]:
    place = {"world": "oak", "split": "A", "seed": seed, "instance_id": f"t{origin}"}
    return [{**place, "origin": origin, "right": char == "1"} for char in right]


def test_retention_is_the_smallest_share_over_the_registered_origins():
    turns = [row for n in range(1, 9) for row in kept(n, "11" if n < 7 else "10")]
    made = results(retention=turns)
    assert origins(made) == (1, 2, 4, 6, 8)
    assert value(made, "retention.skill.min") == 0.5


@pytest.mark.parametrize(
    "name",
    [
        "forward_transfer.skill",
        "difference.skill.base",
        "resolve_rate.skill",
        "steps.skill",
        "forgetting.skill",
        "capability_drop.skill",
        "retention.skill.min",
    ],
)
def test_what_was_not_run_is_undefined_with_its_reason(name):
    found = estimand(results(rows("base", "10")), name)(0.05)
    assert isinstance(found, Undefined) and str(found)


@pytest.mark.parametrize(
    "name",
    ["", "forward_transfer", "difference.skill", "forgetting.base", "speed.skill", "steps.a.b"],
)
def test_an_unknown_estimand_is_refused_with_the_known_ones(name):
    with pytest.raises(ParamsError, match=r"is unknown\. There are forward_transfer\.C"):
        estimand(results(), name)


def test_mean_leaves_out_what_is_unknown():
    assert mean([1.0, math.nan, 3.0]) == 2.0
    assert math.isnan(mean([]))


# Reading.


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
