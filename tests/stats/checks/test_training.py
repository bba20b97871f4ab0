"""Checks 9, 10, 11 and 18, each with its mistake planted."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from stages.params import ArmParams, ExamplesParams
from stages.records import Example, write_jsonl
from stages.stats.checks import training
from stages.stats.checks.record import Record
from stages.stats.results import read_results
from tests.stats.checks.run_files import (
    EXAMPLES,
    SKILL,
    SUITE,
    TESTED,
    change_json,
    change_rows,
    chosen_tasks,
    make_lab,
    read_record,
)

NAME = "oak_harbor/C/skill-s0"
ARM = "oak_harbor/C/gold-s0"


def record_of_arm(form: str, completion: str, count: int | None = None) -> Record:
    """The run with an arm that was trained on one example of its own."""
    task = chosen_tasks()[0]
    prompt = tuple(SUITE.messages(task))
    example = Example("g0", form, prompt, completion, instance_id=task.instance_id)
    write_jsonl(Path("models/adapters/p1/arms") / ARM / "examples.jsonl", [example, example])
    arm = ArmParams(examples=ExamplesParams(format=form, count=count))
    lab = make_lab(arms={"gold": arm}, seeds=(0,))
    record = Record(lab, read_results(make_lab()))
    record.results.facts[ARM] = {"examples": 1}
    return record


def test_11_an_arm_that_was_not_trained_is_named(run: Path) -> None:
    record = record_of_arm("T", "submit", count=1)
    del record.results.facts[ARM]
    assert "declared, not trained" in training.enough_examples(record).evidence["first_problem"]


def test_9_gold_patches_as_diffs_are_caught(run: Path) -> None:
    found = training.same_format(record_of_arm("G", chosen_tasks()[0].patch))
    assert found.status == "fail" and found.evidence["problems"] == 1
    assert "gold-s0/examples.jsonl: g0: no action" in found.evidence["first_problem"]
    assert training.same_format(record_of_arm("T", "submit")).status == "pass"


def test_11_an_arm_is_held_to_the_minimum_or_to_its_registered_count(run: Path) -> None:
    assert training.enough_examples(record_of_arm("T", "submit")).status == "fail"
    assert training.enough_examples(record_of_arm("T", "submit", count=1)).status == "pass"
    found = training.enough_examples(record_of_arm("T", "submit", count=2))
    assert "trained on 1 of 2 examples" in found.evidence["first_problem"]


def test_9_a_target_that_does_not_parse_is_caught(run: Path) -> None:
    assert training.same_format(read_record()).evidence["targets"] == 24
    change_rows(EXAMPLES, lambda row: row.update(completion="I would open the file."))
    assert training.same_format(read_record()).evidence["problems"] == 12


def test_9_an_earlier_turn_that_does_not_parse_is_caught(run: Path) -> None:
    change_rows(EXAMPLES, lambda row: row["prompt"][2].update(content="edit a.py"))
    assert training.same_format(read_record()).status == "fail"


def test_9_another_prompt_template_is_caught(run: Path) -> None:
    change_rows(EXAMPLES, lambda row: row["prompt"][0].update(content="You are an engineer."))
    assert "unlike" in training.same_format(read_record()).evidence["first_problem"]


def test_9_an_evaluation_with_another_template_is_caught(run: Path) -> None:
    def change(row: dict) -> None:
        row["messages"][1]["content"] = f"Issue: {row['messages'][1]['content']}"

    change_rows(TESTED / "skill-s1.jsonl", change)
    assert training.same_format(read_record()).evidence["problems"] == 12


@pytest.mark.parametrize("losses", [[1.0, 0.0], [1.0, math.nan], [0.7] * 8, []])
def test_10_a_loss_that_teaches_nothing_is_caught(run: Path, losses: list[float]) -> None:
    record = read_record()
    assert training.sound_losses(record).status == "pass"
    record.results.losses[NAME] = losses
    assert training.sound_losses(record).status == "fail"


def test_10_a_loss_read_under_a_wrong_key_is_caught(run: Path) -> None:
    change_json(SKILL / "facts.json", lambda facts: facts.update(last_loss=0.0))
    assert "another last loss" in training.sound_losses(read_record()).evidence["first_problem"]


def test_10_examples_without_target_or_too_long_are_caught(run: Path) -> None:
    record = read_record()
    vars(record)["measure"] = lambda example: (5000, 0)
    assert training.sound_losses(record).evidence["problems"] == 24


def test_11_too_few_examples_are_caught_and_a_pilots_are_a_warning(run: Path) -> None:
    assert training.enough_examples(read_record()).evidence["fewest"] == 12
    train = dataclasses.replace(make_lab().experiment.train, min_examples=100)
    assert training.enough_examples(read_record(make_lab(train=train))).status == "fail"
    pilot = training.enough_examples(read_record(make_lab(train=train, kind="pilot")))
    assert pilot.status == "warn" and pilot.evidence["kind"] == "pilot"
    assert "12 examples, registered are 100; allowed to a pilot" in pilot.evidence["first_problem"]
    assert training.enough_examples(read_record(make_lab(kind="pilot"))).status == "pass"


def test_11_a_pilot_is_not_allowed_a_false_count(run: Path) -> None:
    change_json(SKILL / "facts.json", lambda facts: facts.update(examples=300))
    train = dataclasses.replace(make_lab().experiment.train, min_examples=100)
    found = training.enough_examples(read_record(make_lab(train=train, kind="pilot")))
    assert found.status == "fail" and "trained on 300" in found.evidence["first_problem"]


def test_11_an_arm_named_after_its_examples_has_just_as_many(run: Path) -> None:
    record = read_record()
    whole, few = record.adapters
    few = dataclasses.replace(few, arm="skill_25")
    vars(record)["adapters"] = [whole, few]
    record.results.facts[few.name] = {"examples": 25}
    assert training.enough_examples(record).status == "pass"
    record.results.facts[few.name] = {"examples": 12}
    found = training.enough_examples(record)
    assert found.status == "fail" and "trained on 12 of 25" in found.evidence["first_problem"]


def test_11_copies_of_one_example_are_no_examples(run: Path) -> None:
    change_rows(EXAMPLES, lambda row: row.update(example_id="one"))
    assert training.enough_examples(read_record()).evidence["fewest"] == 1
    assert training.enough_examples(read_record()).status == "fail"


def test_18_a_test_task_in_training_is_caught(run: Path) -> None:
    assert training.no_shared_text(read_record()).status == "pass"
    task = chosen_tasks()[1]
    added = [x[1:] for x in task.patch.splitlines() if x.startswith("+") and x[1] != "+"]
    leak = "\n".join((task.problem_statement, *added))
    change_rows(EXAMPLES, lambda row: row["prompt"][3].update(content=leak))
    found = training.no_shared_text(read_record())
    assert found.status == "fail" and found.evidence["test_share"] > 0
    assert found.evidence["test_share_lo"] < found.evidence["test_share"]


def test_18_a_guard_problem_in_training_is_caught(run: Path) -> None:
    problem = read_record().guard_problems[0]
    leak = f"{problem.prompt}\n{problem.solution}"
    change_rows(EXAMPLES, lambda row: row["prompt"][3].update(content=leak))
    assert training.no_shared_text(read_record()).evidence["guard_hits"] >= 1


def test_18_a_public_guard_s_problem_in_training_is_caught(run: Path) -> None:
    rows = [
        {"task_id": f"HumanEval/{n}", "prompt": f"def f{n}(x):\n    {n * 'x + '} x\n"}
        for n in range(164)
    ]
    same = {"canonical_solution": "    return x\n", "test": "", "entry_point": "f"}
    write_jsonl(Path("rows.jsonl"), [row | same for row in rows])
    lab = make_lab(guard="humaneval")
    humaneval = dataclasses.replace(lab.params.suites["humaneval"], path="rows.jsonl")
    suites = lab.params.suites | {"humaneval": humaneval}
    lab = dataclasses.replace(lab, params=dataclasses.replace(lab.params, suites=suites))
    clean = training.no_shared_text(read_record(lab))
    assert clean.evidence["guard_items"] == 164 and clean.evidence["guard_hits"] == 0
    leak = f"{rows[30]['prompt']}\n    return x\n"
    change_rows(EXAMPLES, lambda row: row["prompt"][3].update(content=leak))
    assert training.no_shared_text(read_record(lab)).evidence["guard_hits"] >= 1
