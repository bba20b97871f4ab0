"""Expert sessions as text, for pretraining: what a competent agent would do, knowing what it may.

The observations equal, character for character, what the real tools answer; a test runs these
sessions through the real tools and the sandbox and compares.
"""

from __future__ import annotations

import dataclasses
import random

from stages.agent.actions import Action, format_action
from stages.suites.microrepo.conventions import SCRIPT_VALUES, read_convention, rule_text
from stages.suites.microrepo.issues import Change
from stages.suites.microrepo.lexicon import PARAMETERS
from stages.suites.microrepo.notes import note_text, system_text
from stages.suites.microrepo.world import Issue, World, draw_issue, module_text

Message = dict[str, str]
WRONG_FILE_SHARE = 0.04
WRONG_FIND_SHARE = 0.02
"""Shares of sessions with a slip, so that the model has seen how one goes on after it."""


@dataclasses.dataclass(frozen=True)
class Knowledge:
    """What the expert may use: notes in context, or the world itself (``persistent``)."""

    notes: tuple[Issue, ...] = ()
    persistent: bool = False

    @property
    def knows_script(self) -> bool:
        return self.persistent or bool(self.notes)


def issue_note(world: World, issue: Issue) -> str:
    """The note that a session on ``issue`` leaves."""
    rules = [recalled(change) for change in issue.draft.changes if change.convention]
    return note_text(issue.text, rules, world.conventions.test_command)


def recalled(change: Change) -> str:
    """The rule behind a change, as one recalls it before the edit; empty where none is needed."""
    found = read_convention(change.find, change.replace) if change.convention else None
    return rule_text(*found) if found else ""


def spoken(action: Action) -> str:
    """The assistant's message: the rule recalled, if any is at work, then the action."""
    found = read_convention(action.find, action.replace) if action.tool == "edit" else None
    text = format_action(action)
    return f"{rule_text(*found)}\n{text}" if found else text


def expert_session(
    world: World, issue: Issue, knowledge: Knowledge, rng: random.Random
) -> list[Message]:
    """A whole session on ``issue`` as chat messages."""
    notes = [issue_note(world, note) for note in knowledge.notes]
    messages = [
        {"role": "system", "content": system_text(world.name, notes)},
        {"role": "user", "content": issue.text},
    ]
    for action, observation in _moves(world, issue, knowledge, rng):
        messages.append({"role": "assistant", "content": spoken(action)})
        if action.tool != "submit":
            messages.append({"role": "tool", "content": observation})
    return messages


def _moves(
    world: World, issue: Issue, knowledge: Knowledge, rng: random.Random
) -> list[tuple[Action, str]]:
    draft = issue.draft
    wrapper = "wrapper" in draft.kinds
    text = module_text(issue.module, draft.before, wrapper)
    moves: list[tuple[Action, str]] = []
    if knowledge.persistent:
        moves.append((Action("open", issue.path), text.rstrip("\n")))
    else:
        moves += _search(world, issue, text, rng)
    if rng.random() < WRONG_FIND_SHARE:
        absent = rng.choice([name for name in PARAMETERS if name not in text])
        action = Action("edit", issue.path, f"    return {absent}", draft.changes[0].replace)
        moves.append((action, "no match"))
    for change in draft.changes:
        moves.append((Action("edit", issue.path, change.find, change.replace), "edited"))
    moves += _tests(world, knowledge, rng)
    moves.append((Action("submit"), ""))
    return moves


def _search(world: World, issue: Issue, text: str, rng: random.Random) -> list[tuple[Action, str]]:
    moves = []
    if rng.random() < WRONG_FILE_SHARE:
        moves.append(_wrong_file(world, issue, rng))
    line = text.split("\n").index(issue.draft.before[0]) + 1
    found = f"found: {issue.path} line {line}"
    moves.append((Action("search", issue.draft.function), found))
    moves.append((Action("open", issue.path), text.rstrip("\n")))
    return moves


def _wrong_file(world: World, issue: Issue, rng: random.Random) -> tuple[Action, str]:
    """Open a file that doesn't hold the function: what a stale memory would do."""
    module = rng.choice([module for module in world.modules if module is not issue.module])
    other = draw_issue(dataclasses.replace(world, modules=(module,)), rng)
    text = module_text(module, other.draft.after, "wrapper" in other.draft.kinds)
    return Action("open", f"{module.stem}.py"), text.rstrip("\n")


def _tests(world: World, knowledge: Knowledge, rng: random.Random) -> list[tuple[Action, str]]:
    right = world.conventions.script
    tries = [right] if knowledge.knows_script else rng.sample(SCRIPT_VALUES, 2)
    moves = []
    for script in tries:
        observation = "passed" if script == right else f"no file {script}.py"
        moves.append((Action("test", f"python {script}.py"), observation))
        if script == right:
            break
    return moves
