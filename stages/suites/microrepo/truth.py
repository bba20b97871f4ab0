"""What is wrong with a training example, known exactly: the generator knows every answer.

A pair is noise when one of its targets isn't what an expert of this world would say. Nothing here
is open to the agent or to a teacher; it measures what they wrote.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Mapping, Sequence

from stages.agent.actions import Action, ActionError, format_action, parse_action
from stages.records import Example, Task
from stages.suites.microrepo import forms
from stages.suites.microrepo.conventions import (
    VALUES,
    fixed_line,
    read_convention,
    rule_text,
)
from stages.suites.microrepo.expert import spoken
from stages.suites.microrepo.issues import Change
from stages.suites.microrepo.notes import note_text
from stages.suites.microrepo.suite import Microrepo


def faults(suite: Microrepo, task: Task, example: Example) -> tuple[str, ...]:
    """The example's wrong targets by kind, in order; empty for a sound one.

    Format T: ``unparseable``, ``search``, ``file``, ``edit``, ``rule`` (the right edit under
    another rule), ``script``, ``bash``, ``unfinished`` (submitted before every change was made).
    Format G: ``patch``. Formats A to E: the skill whose answer isn't this world's.
    """
    if example.format == "T":
        return tuple(_turn_faults(suite, task, example))
    if example.format == "G":
        return () if example.completion == task.patch else ("patch",)
    return () if example.completion in _answers(suite, task, example) else (example.skill,)


def _answers(suite: Microrepo, task: Task, example: Example) -> list[str]:
    """What the forms say of this skill, from the issue itself; nothing if it isn't at work here."""
    issue, command = suite.issue(task), suite.world(task.repo).conventions.test_command
    known = forms.facts_of(issue.draft.changes, command, issue.module.component, issue.path)
    answers = []
    for fact in known:
        if fact.skill == example.skill:
            by_format = {
                "A": forms.direct(fact)[1],
                "B": forms.reasoned(fact, task.problem_statement)[1],
                "C": forms.direct(fact)[1],
                "D": forms.reflected(fact, "")[1],
                "E": forms.contextual(fact, task.repo, command)[1],
            }
            answers.append(by_format[example.format])
    return answers


def _turn_faults(suite: Microrepo, task: Task, example: Example) -> Iterator[str]:
    issue, command = suite.issue(task), suite.world(task.repo).conventions.test_command
    missing = list(issue.draft.changes)
    chat = [*example.prompt, {"role": "assistant", "content": example.completion}]
    for place, message in enumerate(chat):
        if message["role"] != "assistant":
            continue
        seen = chat[place + 1]["content"] if place + 1 < len(chat) else None
        fault = _fault(message["content"], seen, issue.path, command, issue.draft.function, missing)
        if fault and (example.train_on == "assistant" or place == len(chat) - 1):
            yield fault


def _fault(
    text: str, seen: str | None, path: str, command: str, function: str, missing: list[Change]
) -> str:
    """What is wrong with one turn; a right edit is taken off ``missing``."""
    try:
        action = parse_action(text)
    except ActionError:
        return "unparseable"
    if action.tool == "search":
        found = action.argument == function if seen is None else path in seen
        return "" if found else "search"
    if action.tool == "edit":
        return _edit_fault(text, action, path, missing)
    if action.tool == "submit":
        return "unfinished" if missing else ""
    if action.tool == "bash":
        return "bash"
    wanted = {"open": path, "test": command}[action.tool]
    return "" if action.argument == wanted else {"open": "file", "test": "script"}[action.tool]


def _edit_fault(text: str, action: Action, path: str, missing: list[Change]) -> str:
    for change in missing:
        if (action.argument, action.find, action.replace) == (path, change.find, change.replace):
            missing.remove(change)
            return "" if text == spoken(action) else "rule"
    return "edit"


def pair_note(task: Task, example: Example) -> str:
    """What a session of format T teaches, as a note: the rules that it acts by, and its test.

    From the example's own actions alone, so a wrong pair makes a wrong note.
    """
    rules, command = [], ""
    for action in _actions(example):
        if action.tool == "edit" and (found := read_convention(action.find, action.replace)):
            rules.append(rule_text(*found))
        elif action.tool == "test":
            command = action.argument
    note = note_text(task.problem_statement, rules, command)
    return note if command else note.rpartition("\n")[0]


def planted(example: Example, rng: random.Random) -> tuple[Example, str] | None:
    """The example with one convention wrong, and the wrong edit; None where it holds none.

    The rule before the edit and the line it writes change together, as a mistaken teacher's would.
    """
    chat = [*example.prompt, {"role": "assistant", "content": example.completion}]
    places = [
        (place, action, found)
        for place, message in enumerate(chat)
        if message["role"] == "assistant"
        and (action := _parsed(message["content"])) is not None
        and action.tool == "edit"
        and (found := read_convention(action.find, action.replace))
    ]
    if not places:
        return None
    place, action, (kind, value) = rng.choice(places)
    other = rng.choice([option for option in VALUES[kind] if option != value])
    wrong = dataclasses.replace(action, replace=fixed_line(kind, other, action.find))
    chat[place] = {"role": "assistant", "content": spoken(wrong)}
    *prompt, last = chat
    changed = dataclasses.replace(example, prompt=tuple(prompt), completion=last["content"])
    return changed, format_action(wrong)


def repeats(actions: Sequence[Mapping[str, object]], wrong: str) -> bool:
    """Whether a recorded episode's steps hold the planted edit."""
    return any(
        (action := _parsed(str(step["action"]))) is not None
        and action.tool == "edit"
        and format_action(action) == wrong
        for step in actions
    )


def _actions(example: Example) -> Iterator[Action]:
    texts = [m["content"] for m in example.prompt if m["role"] == "assistant"]
    for text in (*texts, example.completion):
        if (action := _parsed(text)) is not None:
            yield action


def _parsed(text: str) -> Action | None:
    try:
        return parse_action(text)
    except ActionError:
        return None
