"""Checks 3, 4 and 24, each with its mistake planted."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from stages.params import AgentChanges, ArmParams
from stages.records import write_json
from stages.stats.checks import runs
from tests.stats.checks.run_files import (
    SEEDS,
    SKILL,
    TESTED,
    change_rows,
    copy_arm,
    make_lab,
    read_record,
)

BASELINE = Path("data/baseline/p1/oak_harbor-s0.jsonl")


def test_3_harness_errors_are_caught_in_one_condition_alone(run: Path) -> None:
    found = runs.few_harness_errors(read_record())
    assert found.status == "pass" and found.evidence["harness_errors"] == 0
    path = TESTED / "knowledge-s0.jsonl"
    change_rows(path, lambda row: row["info"].update(outcome="harness_error", tests={}))
    found = runs.few_harness_errors(read_record())
    assert found.status == "fail" and found.evidence["worst_condition"] == "knowledge"
    assert found.evidence["first_problem"].startswith("knowledge: 12 of 24 episodes")
    assert found.evidence["share_lo"] < found.evidence["share"] == 12 / 144


@pytest.mark.parametrize(("lost", "status"), [(2, "pass"), (3, "fail")])
def test_3_the_limit_is_two_percent(run: Path, lost: int, status: str) -> None:
    record = read_record()
    base = [episode for episode in record.episodes if episode.condition == "base"]
    many = [dataclasses.replace(base[0], instance_id=str(n)) for n in range(100)]
    many[:lost] = [dataclasses.replace(e, outcome="harness_error") for e in many[:lost]]
    vars(record)["episodes"] = tuple(many)
    assert runs.few_harness_errors(record).status == status


def test_4_one_run_under_two_names_is_caught(run: Path) -> None:
    assert runs.own_runs(read_record()).status == "pass"
    shutil.copy(TESTED / "aa-s0.jsonl", TESTED / "skill-s0.jsonl")
    change_rows(TESTED / "skill-s0.jsonl", lambda row: row["info"].update(condition="skill"))
    found = runs.own_runs(read_record())
    assert found.evidence["problems"] == 1 and "aa-s0" in found.evidence["first_problem"]


def test_4_one_run_under_two_seeds_is_caught(run: Path) -> None:
    shutil.copy(TESTED / "skill-s0.jsonl", TESTED / "skill-s1.jsonl")
    assert runs.own_runs(read_record()).status == "fail"


def test_4_the_same_words_of_two_adapters_are_two_runs(run: Path) -> None:
    shutil.copy(TESTED / "knowledge-s0.jsonl", TESTED / "skill-s0.jsonl")
    change_rows(
        TESTED / "skill-s0.jsonl",
        lambda row: row["info"].update(condition="skill", adapter_hash="another"),
    )
    assert "skill-s0" not in str(runs.own_runs(read_record()).evidence)


def test_4_a_switch_without_effect_is_a_run_of_its_own_and_a_copied_arm_is_not(run: Path) -> None:
    arms = {"fences": ArmParams(agent=AgentChanges(strip_fences=False)), "plain": ArmParams()}
    lab = make_lab(arms=arms)
    for name in arms:
        copy_arm(lab, name, "aa")
    found = runs.own_runs(read_record(lab))
    assert found.evidence["problems"] == len(SEEDS) and "plain-s0" in str(found.evidence)


def test_4_rows_counted_twice_are_caught(run: Path) -> None:
    record = read_record()
    twice = [dataclasses.replace(r, condition="aa") for r in record.results.select("skill")]
    record.results = dataclasses.replace(record.results, rows=(*record.results.rows, *twice))
    assert "two names" in runs.own_runs(record).evidence["first_problem"]


def test_4_an_outcome_that_its_tests_deny_is_caught(run: Path) -> None:
    change_rows(TESTED / "skill-s0.jsonl", lambda row: row["info"].update(outcome="resolved"))
    assert runs.own_runs(read_record()).evidence["problems"] == 6


def test_24_a_condition_left_out_is_caught(run: Path) -> None:
    assert runs.all_reported(read_record()).status == "pass"
    record = read_record()
    kept = tuple(row for row in record.results.rows if row.condition != "knowledge")
    record.results = dataclasses.replace(record.results, rows=kept)
    assert "not reported: knowledge" in runs.all_reported(record).evidence["first_problem"]


def test_24_a_cut_cell_is_caught(run: Path) -> None:
    path = TESTED / "aa-s1.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert "11 episodes" in runs.all_reported(read_record()).evidence["first_problem"]


def test_24_what_was_limited_by_registration_is_complete(run: Path) -> None:
    evaluate = dataclasses.replace(make_lab().experiment.evaluate, tasks=11)
    for path in TESTED.glob("*-s?.jsonl"):
        if path.stem.startswith(("guard", "retention")):
            continue
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:11]))
    assert runs.all_reported(read_record(make_lab(evaluate=evaluate))).status == "pass"
    assert runs.all_reported(read_record()).status == "fail"


def test_24_runs_and_adapters_that_nobody_declared_are_caught(run: Path) -> None:
    shutil.copy(TESTED / "aa-s0.jsonl", TESTED / "both-s0.jsonl")
    shutil.copytree(SKILL, SKILL.with_name("format_A-s0"))
    found = runs.all_reported(read_record())
    assert found.evidence["problems"] == 2 and "not declared" in found.evidence["first_problem"]


def test_24_an_arm_that_was_not_trained_is_caught(run: Path) -> None:
    record = read_record()
    shutil.rmtree(SKILL)
    assert "not trained" in runs.all_reported(record).evidence["first_problem"]


def test_24_a_condition_declared_twice_is_caught(run: Path) -> None:
    evaluate = make_lab().experiment.evaluate
    doubled = dataclasses.replace(evaluate, conditions=(*evaluate.conditions, "aa"))
    record = read_record()
    record.lab = make_lab(evaluate=doubled)
    record.results = dataclasses.replace(record.results, lab=record.lab)
    assert runs.all_reported(record).status == "fail"


def test_4_arms_trained_to_equal_weights_may_play_alike_and_a_copied_file_may_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    naive, copied = (
        Path(f"data/evaluations/e04/streams/oak/A/{arm}-s0/tasks-c0005.jsonl")
        for arm in ("naive", "lambda_0")
    )

    def certify(path: Path, digest: str) -> None:
        folder = Path("models/adapters", *path.parent.parts[2:], "c0005")
        write_json(folder / "certificate.json", [{"adapter_sha256": digest}])

    certify(naive, "a")
    assert not runs._trained_alike(copied, naive)  # nothing says that it was trained at all
    certify(copied, "b")
    assert not runs._trained_alike(copied, naive)
    certify(copied, "a")
    assert runs._trained_alike(copied, naive)
    assert not runs._trained_alike(naive, naive)
