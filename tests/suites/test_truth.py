"""What is wrong with a pair is known exactly: sound ones pass, each planted error has its name."""

from __future__ import annotations

import dataclasses
import random

import pytest

from stages.agent.actions import Action, parse_action
from stages.records import Example, Task
from stages.suites.microrepo import forms
from stages.suites.microrepo.expert import Knowledge, expert_session, spoken
from stages.suites.microrepo.suite import Microrepo
from stages.suites.microrepo.truth import faults, pair_note, planted, repeats

SUITE = Microrepo(40, 7)
TASKS = SUITE.tasks("oak_harbor")


def session(task: Task, seed: int = 0) -> Example:
    """What an expert would do, as an example of format T; sessions with a slip are drawn again."""
    world = SUITE.world(task.repo)
    knowledge = Knowledge(persistent=True)
    chat = expert_session(world, SUITE.issue(task), knowledge, random.Random(seed))
    if any(message["content"] == "no match" for message in chat):
        return session(task, seed + 1)
    *prompt, last = chat
    return Example(
        task.instance_id,
        "T",
        tuple(prompt),
        last["content"],
        train_on="assistant",
        instance_id=task.instance_id,
    )


def with_turn(example: Example, tool: str, text: str) -> Example:
    """The example with its first turn of ``tool`` said otherwise."""
    prompt = [dict(message) for message in example.prompt]
    for message in prompt:
        if message["role"] == "assistant" and parse_action(message["content"]).tool == tool:
            message["content"] = text
            break
    return dataclasses.replace(example, prompt=tuple(prompt))


def test_an_experts_sessions_have_no_fault() -> None:
    assert [faults(SUITE, task, session(task)) for task in TASKS] == [()] * len(TASKS)


@pytest.mark.parametrize(
    ("tool", "text", "found"),
    [
        ("open", "open nowhere.py", ("file",)),
        ("test", "python other.py", ("unparseable",)),
        ("test", "test python other.py", ("script",)),
        ("test", "bash ls", ("bash",)),
        ("edit", "edit a.py\n<<<\nx\n===\ny\n>>>", ("edit", "unfinished")),
        ("open", "search nothing", ("search",)),
    ],
)
def test_each_wrong_turn_has_its_name(tool: str, text: str, found: tuple[str, ...]) -> None:
    task = next(task for task in TASKS if len(SUITE.issue(task).draft.changes) == 1)
    wrong = with_turn(session(task), tool, text)
    assert faults(SUITE, task, wrong) == found


def test_the_right_edit_under_another_rule_is_a_fault_of_its_own() -> None:
    task = next(task for task in TASKS if SUITE.issue(task).draft.kinds == ("rounding",))
    change = SUITE.issue(task).draft.changes[0]
    edit = Action("edit", SUITE.issue(task).path, change.find, change.replace)
    lied = spoken(edit).replace("rounded: ", "rounded: not ", 1)
    assert faults(SUITE, task, with_turn(session(task), "edit", lied)) == ("rule",)


def test_a_turn_that_is_no_target_is_not_held_against_the_pair() -> None:
    wrong = with_turn(session(TASKS[0]), "open", "open nowhere.py")
    assert faults(SUITE, TASKS[0], dataclasses.replace(wrong, train_on="completion")) == ()


@pytest.mark.parametrize("name", ["A", "B", "C", "E"])
def test_answers_are_held_against_the_world(name: str) -> None:
    task = next(task for task in TASKS if SUITE.issue(task).draft.kinds == ("guard",))
    issue, command = SUITE.issue(task), SUITE.world(task.repo).conventions.test_command
    known = forms.facts_of(issue.draft.changes, command, issue.module.component, issue.path)
    write = {
        "A": forms.direct,
        "B": lambda fact: forms.reasoned(fact, task.problem_statement),
        "C": forms.direct,
        "E": lambda fact: forms.contextual(fact, task.repo, command),
    }[name]
    for fact in known:
        example = Example("a", name, (), write(fact)[1], skill=fact.skill)
        assert faults(SUITE, task, example) == ()
        other = dataclasses.replace(example, completion=f"{example.completion}x")
        assert faults(SUITE, task, other) == (fact.skill,)


def test_a_gold_diff_is_right_as_it_stands_only() -> None:
    example = Example("g", "G", (), TASKS[0].patch)
    assert faults(SUITE, TASKS[0], example) == ()
    assert faults(SUITE, TASKS[1], example) == ("patch",)


def test_a_planted_error_is_one_wrong_edit_and_found() -> None:
    made = [planted(session(task), random.Random(task.instance_id)) for task in TASKS]
    with_rules = [
        task
        for task in TASKS
        if any(change.convention for change in SUITE.issue(task).draft.changes)
    ]
    assert sum(one is not None for one in made) == len(with_rules) > 10
    for task, one in zip(TASKS, made, strict=True):
        if one is not None:
            example, wrong = one
            assert faults(SUITE, task, example) == ("edit", "unfinished")
            steps = [{"action": m["content"]} for m in example.prompt if m["role"] == "assistant"]
            assert repeats(steps, wrong)
            own = [m for m in session(task).prompt if m["role"] == "assistant"]
            assert not repeats([{"action": m["content"]} for m in own], wrong)


def test_a_pairs_note_says_what_the_pair_does_right_or_wrong() -> None:
    task = next(task for task in TASKS if SUITE.issue(task).draft.kinds == ("naming",))
    note = pair_note(task, session(task))
    command = SUITE.world(task.repo).conventions.test_command
    prefix = SUITE.world(task.repo).conventions.values["naming"]
    rule = f"alias: {prefix}_name"
    assert note == f"note {task.problem_statement}\n{rule}\ntest {command}"
    changed = planted(session(task), random.Random(1))
    assert changed is not None and rule not in pair_note(task, changed[0])
