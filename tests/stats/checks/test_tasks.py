"""Checks 1, 2, 16, 20, 21 and 25, each with its mistake planted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from stages.records import Task, read_jsonl, write_jsonl
from stages.stats.checks import tasks
from stages.suites.microrepo.suite import Microrepo
from tests.stats.checks.run_files import (
    EXAMPLES,
    SPLIT,
    SPLITS,
    SUITE,
    TESTED,
    WORLD,
    change_json,
    change_rows,
    chosen_tasks,
    make_lab,
    read_record,
)

TASKS = SPLITS / f"tasks-{WORLD}.jsonl"


def history(**changed: object) -> dict[str, object]:
    return {t.instance_id: {"commits": 1, "newer": [], **changed} for t in chosen_tasks()}


def test_1_workspaces_without_git_have_no_future(run: Path) -> None:
    found = tasks.no_future(read_record())
    assert (found.status, found.evidence["with_git"]) == ("pass", 0)
    assert found.evidence["tasks"] == len(chosen_tasks())


def test_1_a_git_folder_that_nobody_looked_into_is_caught(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Microrepo, "files", lambda *_: {"a.py": "", ".git/HEAD": "ref"})
    found = tasks.no_future(read_record())
    assert found.status == "fail" and ".git/HEAD" in found.evidence["first_problem"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"newer": ["the commit 0123456789ab, which is newer"]}, "which is newer"),
        ({"commits": 2}, "2 commits"),
    ],
)
def test_1_what_is_newer_than_the_base_is_caught(
    run: Path, changed: dict[str, object], said: str
) -> None:
    change_json(SPLITS / "gold.json", lambda gold: gold[WORLD].update(history=history()))
    assert tasks.no_future(read_record()).status == "pass"
    change_json(SPLITS / "gold.json", lambda gold: gold[WORLD].update(history=history(**changed)))
    found = tasks.no_future(read_record())
    assert found.status == "fail" and said in found.evidence["first_problem"]


def test_1_a_task_that_was_left_out_is_caught(run: Path) -> None:
    found = dict(list(history().items())[1:])
    change_json(SPLITS / "gold.json", lambda gold: gold[WORLD].update(history=found))
    assert "not looked into" in tasks.no_future(read_record()).evidence["first_problem"]


def test_2_a_gold_patch_that_fails_is_caught(run: Path) -> None:
    name = chosen_tasks()[0].instance_id

    def fail(gold: dict) -> None:
        gold[WORLD]["tasks"].remove(name)
        gold[WORLD]["failed"][name] = "test_x fails with the gold patch, run 2"

    assert tasks.gold_passes(read_record()).status == "pass"
    change_json(SPLITS / "gold.json", fail)
    found = tasks.gold_passes(read_record())
    assert found.status == "fail" and found.evidence["dropped"] == 1
    assert "run 2" in found.evidence["first_problem"]


def test_2_a_missing_gold_run_is_caught(run: Path) -> None:
    (SPLITS / "gold.json").unlink()
    assert tasks.gold_passes(read_record()).status == "fail"


def test_16_difficulty_confounded_with_the_split_is_caught(run: Path) -> None:
    assert tasks.unconfounded(read_record()).status == "pass"
    names = {
        name: "easy" if place % 2 else "hard"
        for place, name in enumerate(task.instance_id for task in chosen_tasks())
    }
    change_rows(TASKS, lambda row: row.update(difficulty=names[row["instance_id"]]))
    found = tasks.unconfounded(read_record())
    assert found.status == "fail" and "difficulty" in found.evidence["first_problem"]


def test_16_a_chronological_split_alone_is_told(run: Path) -> None:
    by_date = [t.instance_id for t in sorted(chosen_tasks(), key=lambda task: task.created_at)]
    halves = {"train": by_date[:12], "test": by_date[12:]}
    change_json(SPLITS / "splits.json", lambda splits: splits[WORLD].update(A=halves))
    record = read_record()
    vars(record)["halves"] = {
        (WORLD, "A"): tasks_half(halves),
    }
    assert tasks.unconfounded(record).status == "fail"
    change_json(SPLITS / "splits.json", lambda splits: splits[WORLD].update({SPLIT: halves}))
    assert "dates differ" in tasks.unconfounded(read_record()).evidence["first_problem"]


def tasks_half(names: dict[str, list[str]]):
    from stages.lab.splits import Half

    by_name = {task.instance_id: task for task in chosen_tasks()}
    return Half(*([by_name[name] for name in names[half]] for half in ("train", "test")))


def test_20_overlaps_are_caught(run: Path) -> None:
    train, test = (task.instance_id for task in chosen_tasks()[:2])
    assert tasks.no_overlap(read_record()).status == "pass"
    change_json(SPLITS / "splits.json", lambda s: s[WORLD][SPLIT]["test"].append(train))
    assert "both halves" in tasks.no_overlap(read_record()).evidence["first_problem"]
    change_json(SPLITS / "splits.json", lambda s: s[WORLD][SPLIT]["test"].remove(train))
    change_rows(EXAMPLES, lambda row: row.update(instance_id=test))
    assert "trained on" in tasks.no_overlap(read_record()).evidence["first_problem"]


def test_20_near_duplicates_are_caught(run: Path) -> None:
    first, second = chosen_tasks()[:2]
    copy = dataclasses.replace(
        second, problem_statement=first.problem_statement, patch=first.patch + "\n"
    )
    rows = [copy if t.instance_id == copy.instance_id else t for t in read_jsonl(TASKS, Task)]
    write_jsonl(TASKS, rows)
    found = tasks.no_overlap(read_record())
    assert found.status == "fail" and "nearly repeats" in found.evidence["first_problem"]


def test_20_a_note_on_a_test_issue_is_caught(run: Path) -> None:
    issue = chosen_tasks()[1].problem_statement

    def leak(row: dict) -> None:
        row["messages"][0]["content"] += f"\nnote {issue}"

    change_rows(TESTED / "knowledge-s0.jsonl", leak)
    assert tasks.no_overlap(read_record()).evidence["leaking_notes"] == 12


def test_21_another_tree_is_caught(run: Path) -> None:
    assert tasks.same_tree(read_record()).status == "pass"
    change_rows(TESTED / "skill-s0.jsonl", lambda row: row["info"].update(tree_hash="0" * 64))
    assert tasks.same_tree(read_record()).evidence["problems"] == 12


def test_21_a_suite_that_has_changed_is_caught(run: Path, monkeypatch) -> None:
    record = read_record()
    monkeypatch.setattr(SUITE, "files", lambda task: {"a.py": "changed"})
    assert tasks.same_tree(record).evidence["problems"] == 24


def test_25_an_answer_in_the_issue_is_caught(run: Path) -> None:
    name = chosen_tasks()[1].instance_id
    assert tasks.no_given_answers(read_record()).evidence["flagged"] == 0

    def give_away(row: dict) -> None:
        if row["instance_id"] == name:
            row["problem_statement"] += "\n--- a/x.py\n+++ b/x.py\n"

    change_rows(TASKS, give_away)
    found = tasks.no_given_answers(read_record(make_lab()))
    assert found.status == "fail" and found.evidence["flagged_test_tasks"] == 1
    assert found.evidence["skill_without"] != found.evidence["skill_all"]
    assert "skill_transfer_without_lo" in found.evidence


def test_25_a_line_of_the_patch_in_the_issue_is_caught(run: Path) -> None:
    def give_away(row: dict) -> None:
        lines = [x[1:] for x in row["patch"].splitlines() if x.startswith("+    ")]
        row["problem_statement"] += "".join(lines)

    change_rows(TASKS, give_away)
    assert tasks.no_given_answers(read_record()).evidence["flagged"] > 12
