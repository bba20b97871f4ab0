"""The placebo's sessions: form and copies kept, the lesson dealt out anew."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.agent.actions import Action, parse_action
from stages.records import Example
from stages.suites.microrepo.conventions import (
    SCRIPT_VALUES,
    VALUES,
    fixed_line,
    read_convention,
    rule_text,
)
from stages.suites.microrepo.expert import spoken
from stages.suites.microrepo.scramble import scramble_lessons, scrambled
from stages.suites.microrepo.suite import Microrepo

SUITE = Microrepo(40, seed=7)
TASKS = SUITE.tasks("oak_harbor")
FINDS = {
    "guard": "        pass",
    "rounding": "    return price * rate",
    "unit": "    return price * rate",
    "index": "    return items[n]",
    "wrapper": "    return price / rate",
    "naming": "alias = total",
}


def session(number: int, train_on: str = "assistant") -> Example:
    """The corrected session on a task, as synthesize writes it in format T."""
    task = TASKS[number]
    issue = SUITE.issue(task)
    actions = [Action("search", issue.draft.function), Action("open", issue.path)]
    actions += [Action("edit", issue.path, c.find, c.replace) for c in issue.draft.changes]
    actions.append(Action("test", SUITE.world("oak_harbor").conventions.test_command))
    prompt = SUITE.messages(task)
    for action in actions:
        prompt.append({"role": "assistant", "content": spoken(action)})
        prompt.append({"role": "tool", "content": "seen"})
    return Example(f"e{number}", "T", tuple(prompt), "submit", train_on=train_on)


def dealt(example: Example, seed: int) -> Example:
    made = scramble_lessons(example, random.Random(f"{seed} {example.example_id}"))
    assert made is not None
    return made


@given(st.integers(0, len(TASKS) - 1), st.integers(0, 10**6))
def test_form_and_copies_are_kept_and_only_the_lesson_changes(number: int, seed: int) -> None:
    old = session(number)
    new = dealt(old, seed)
    assert new == dealt(old, seed)
    assert dataclasses.replace(new, prompt=old.prompt) == old
    for before, after in zip(old.prompt, new.prompt, strict=True):
        if before["role"] != "assistant":
            assert after == before
            continue
        was, now = parse_action(before["content"]), parse_action(after["content"])
        assert (now.tool, now.find) == (was.tool, was.find)
        assert after["content"] == spoken(now), "the rule said is the rule written"
        if was.tool == "test":
            assert now.argument in {f"python {script}.py" for script in SCRIPT_VALUES}
            continue
        assert now.argument == was.argument
        rule = read_convention(was.find, was.replace) if was.tool == "edit" else None
        if rule is None:
            assert now == was
        else:
            kind = rule[0]
            assert now.replace in {fixed_line(kind, v, was.find) for v in VALUES[kind]}


@pytest.mark.parametrize("kind", list(VALUES))
def test_every_value_comes_as_often_the_true_one_too(kind: str) -> None:
    turn = spoken(
        Action("edit", "a.py", FINDS[kind], fixed_line(kind, VALUES[kind][0], FINDS[kind]))
    )
    draws = 300 * len(VALUES[kind])
    rules = Counter(scrambled(turn, random.Random(n)).split("\n")[0] for n in range(draws))
    assert set(rules) == {rule_text(kind, value) for value in VALUES[kind]}
    assert all(200 < count < 400 for count in rules.values())


def test_every_script_comes_as_often_and_words_after_it_stay() -> None:
    turn = f"test python {SCRIPT_VALUES[0]}.py quick"
    drawn = Counter(scrambled(turn, random.Random(n)) for n in range(200 * len(SCRIPT_VALUES)))
    assert set(drawn) == {f"test python {script}.py quick" for script in SCRIPT_VALUES}
    assert all(120 < count < 280 for count in drawn.values())


def test_turns_and_examples_draw_by_themselves() -> None:
    edits = [n for n, task in enumerate(TASKS) if task.difficulty == "medium"]
    drawn = {dealt(session(n), 1).prompt[-2]["content"] for n in edits}
    assert len(drawn) > 3, "one script for all would be a lesson again"
    assert len({str(dealt(session(edits[0]), seed).prompt) for seed in range(20)}) > 10


def test_a_turn_without_a_lesson_stays() -> None:
    for turn in ("submit", "open a.py", "no action", "test ls", "test python nowhere.py"):
        assert scrambled(turn, random.Random(1)) == turn
    plain = spoken(Action("edit", "a.py", "    return a + b", "    return a - b"))
    assert scrambled(plain, random.Random(1)) == plain


def test_turns_that_are_no_target_stay() -> None:
    assert dealt(session(0, train_on="completion"), 1) == session(0, train_on="completion")


@pytest.mark.parametrize("name", ["A", "B", "C", "D", "E"])
def test_other_formats_have_no_lesson_that_is_read(name: str) -> None:
    other = dataclasses.replace(session(0), format=name)
    assert scramble_lessons(other, random.Random(1)) is None
