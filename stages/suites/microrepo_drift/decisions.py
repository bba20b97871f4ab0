"""Whether an episode's actions follow the world as it is or as it was, where these differ.

Three kinds of decision: which file is opened or edited, which command runs the tests, and which
value of a convention an edit writes. ``told``: the current fact stood in the chat before the
decision (in a note, an observation), so that following the old one contradicts the context.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from stages.agent.actions import Action, ActionError, parse_action
from stages.records import Trajectory
from stages.suites.microrepo.conventions import Conventions, read_convention, rule_text
from stages.suites.microrepo.world import World


@dataclasses.dataclass(frozen=True)
class Decision:
    """One action where what was and what is call for different things."""

    kind: Literal["file", "command", "convention"]
    step: int
    """place of the action among the assistant's turns, from 0"""
    stale: bool
    """whether it follows the world as it was"""
    told: bool
    """whether the current fact stood in the chat before"""


def read_decisions(old: World, new: World, trajectory: Trajectory) -> list[Decision]:
    """Every decision of an episode, in order; none where old and new are one world."""
    renamed = {
        f"{before.stem}.py": f"{after.stem}.py"
        for before, after in zip(old.modules, new.modules, strict=True)
        if before.stem != after.stem
    }
    seen: list[str] = []
    decisions: list[Decision] = []
    step = 0
    for message in trajectory.messages:
        if message["role"] != "assistant":
            seen += message["content"].split("\n")
            continue
        try:
            action = parse_action(message["content"])
        except ActionError:
            action = Action("")
        decisions += _file(action, renamed, seen, step)
        decisions += _command(action, old.conventions, new.conventions, seen, step)
        decisions += _convention(action, old.conventions, new.conventions, seen, step)
        step += 1
    return decisions


def _file(action: Action, renamed: dict[str, str], seen: list[str], step: int) -> list[Decision]:
    if action.tool not in ("open", "edit") or not action.argument:
        return []
    name = action.argument.split()[0]
    if name in renamed:
        return [Decision("file", step, True, _stands(renamed[name], seen))]
    if name in renamed.values():
        return [Decision("file", step, False, _stands(name, seen))]
    return []


def _command(
    action: Action, old: Conventions, new: Conventions, seen: list[str], step: int
) -> list[Decision]:
    commands = (old.test_command, new.test_command)
    if action.tool != "test" or old.script == new.script or action.argument not in commands:
        return []
    told = f"test {new.test_command}" in seen
    return [Decision("command", step, action.argument == old.test_command, told)]


def _convention(
    action: Action, old: Conventions, new: Conventions, seen: list[str], step: int
) -> list[Decision]:
    if action.tool != "edit":
        return []
    find, replace = action.find, action.replace
    found = read_convention(find, replace)
    if found is None:
        return []
    kind, value = found
    was, now = old.values[kind], new.values[kind]
    if was == now or value not in (was, now):
        return []
    return [Decision("convention", step, value == was, rule_text(kind, now) in seen)]


def _stands(name: str, seen: list[str]) -> bool:
    """Whether some line names the file as a word."""
    return any(name in line.replace(":", " ").split() for line in seen)
