"""Checks 26, 27, 28 and 30, each with its mistake planted."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from stages.agent.actions import Action
from stages.agent.tools import Observation, ToolOptions
from stages.params import AgentChanges, ArmParams
from stages.stats.checks import behaviour
from tests.stats.checks.run_files import SEEDS, TESTED, change_rows, read_record

STRIPS = ArmParams(agent=AgentChanges(strip_fences=True))
SKILL_RUNS = [TESTED / f"skill-s{seed}.jsonl" for seed in SEEDS]


def change_skill(change: Any) -> None:
    for path in SKILL_RUNS:
        change_rows(path, change)


def test_26_a_tool_that_writes_fences_or_loses_indentation_is_caught(run: Path) -> None:
    def careless(action: Action, folder: Path, options: ToolOptions) -> Observation:
        path = folder / action.argument
        lines = [line.strip() for line in action.replace.split("\n")]
        path.write_text(path.read_text().replace(action.find, "\n".join(lines)))
        return Observation("edited", ok=True)

    record = read_record()
    assert behaviour.tools_keep_text(record).status == "pass"
    found = behaviour.tools_keep_text(record, careless)
    assert found.evidence["problems"] == 3 and "corrupts" in found.evidence["first_problem"]


def test_26_fences_in_patches_are_caught(run: Path) -> None:
    change_skill(lambda row: row["info"].update(submission="+++ b/a.py\n+```python\n+a = 1\n"))
    assert behaviour.tools_keep_text(read_record()).evidence["fences"] == 24


def test_26_a_fence_left_standing_is_no_fault_where_an_arm_registers_stripping(run: Path) -> None:
    record = read_record()
    bare = dataclasses.replace(record.lab.agent_params, strip_fences=False)
    for arms, status in ((None, "fail"), ({"fences": STRIPS}, "pass")):
        experiment = dataclasses.replace(record.lab.experiment, agent=bare, arms=arms)
        record.lab = dataclasses.replace(record.lab, experiment=experiment)
        assert behaviour.tools_keep_text(record).status == status


def test_26_broken_files_that_are_not_counted_are_caught(run: Path) -> None:
    told = "edited but the file no longer parses: line 1"
    change_skill(lambda row: row["info"]["steps"][1].update(observation=told))
    found = behaviour.tools_keep_text(read_record())
    assert (
        found.evidence["unparsed_writes"] == 24 and "miscounts" in found.evidence["first_problem"]
    )


def loop(row: dict[str, Any]) -> None:
    row["info"]["steps"] = [row["info"]["steps"][0]] * 4


def never_wrote(row: dict[str, Any]) -> None:
    row["info"]["steps"][1]["observation"] = "not found"
    row["info"]["submission"] = ""


def patch_at_limit(row: dict[str, Any]) -> None:
    row["info"]["steps"] = row["info"]["steps"][:2]
    row["info"]["exit_status"] = "max_steps"


def never_submitted(row: dict[str, Any]) -> None:
    row["info"]["steps"].pop()
    row["info"]["exit_status"] = "max_steps"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (loop, "repeated_action"),
        (never_wrote, "never_wrote"),
        (patch_at_limit, "patch_at_limit"),
        (never_submitted, "never_submitted"),
    ],
)
def test_27_a_pathology_counted_as_inability_is_caught(run: Path, change: Any, name: str) -> None:
    assert behaviour.pathologies_named(read_record()).status == "pass"
    change_skill(change)
    found = behaviour.pathologies_named(read_record())
    assert found.status == "fail" and found.evidence[f"skill_{name}"] == 24
    change_skill(lambda row: row["info"].update(pathology=name))
    assert behaviour.pathologies_named(read_record()).status == "pass"


def gives_up(row: dict[str, Any]) -> None:
    row["info"].update(submission="", outcome="empty_patch", tests={})
    row["info"]["steps"] = row["info"]["steps"][:1] + row["info"]["steps"][-1:]


def test_28_learning_to_finish_quickly_is_caught(run: Path) -> None:
    assert behaviour.no_surface_learned(read_record()).status == "pass"
    change_skill(gives_up)
    found = behaviour.no_surface_learned(read_record())
    assert found.status == "fail"
    assert found.evidence["skill_no_patch"] == 1.0 and found.evidence["skill_steps"] == -2.0
    assert "without a patch" in found.evidence["first_problem"]


def test_28_other_actions_are_welcome_when_more_is_resolved(run: Path) -> None:
    def better(row: dict[str, Any]) -> None:
        row["info"].update(outcome="resolved")
        row["info"]["steps"] = row["info"]["steps"][1:]

    change_skill(better)
    assert behaviour.no_surface_learned(read_record()).status == "pass"


def grow(row: dict[str, Any]) -> None:
    for step in row["info"]["steps"]:
        step["output_tokens"] = 96


def shrink(row: dict[str, Any]) -> None:
    for step in row["info"]["steps"]:
        step["output_tokens"] = 1


def silence(row: dict[str, Any]) -> None:
    for message in row["messages"]:
        if message["role"] == "assistant":
            message["content"] = ""


@pytest.mark.parametrize(("change", "word"), [(grow, "19.20 times"), (silence, "empty")])
@pytest.mark.parametrize("file", ["skill", "trained-skill"])
def test_30_a_collapse_of_style_is_caught(run: Path, change: Any, word: str, file: str) -> None:
    for seed in SEEDS:
        change_rows(TESTED / f"{file}-s{seed}.jsonl", change)
    found = behaviour.style_kept(read_record())
    assert found.status == "fail" and word in found.evidence["first_problem"]


def test_30_answers_that_collapse_to_a_word_are_caught(run: Path) -> None:
    for seed in SEEDS:
        change_rows(Path(f"data/baseline/p1/oak_harbor-s{seed}.jsonl"), grow)
    change_skill(shrink)
    assert "0.01 times" in behaviour.style_kept(read_record()).evidence["first_problem"]


def test_30_dropped_reasoning_is_caught(run: Path) -> None:
    def reason(row: dict[str, Any]) -> None:
        for message in row["messages"]:
            if message["role"] == "assistant":
                message["content"] = f"First I look.\n{message['content']}"

    for seed in SEEDS:
        change_rows(Path(f"data/baseline/p1/oak_harbor-s{seed}.jsonl"), reason)
    assert "reasoned" in behaviour.style_kept(read_record()).evidence["first_problem"]


def test_30_a_collapse_on_the_guard_is_caught(run: Path) -> None:
    assert behaviour.style_kept(read_record()).status == "pass"
    for seed in SEEDS:
        change_rows(
            TESTED / f"guard-skill-s{seed}.jsonl", lambda row: row.update(tokens=1, finish="length")
        )
    found = behaviour.style_kept(read_record())
    assert found.evidence["problems"] == 3 and found.evidence["guard_truncated"] == 1.0
