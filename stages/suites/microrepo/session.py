"""What a finished session's record shows, read by rule: the fix, the command, the failed tries."""

from __future__ import annotations

import dataclasses
import re

from stages.agent.actions import Action, ActionError, parse_action
from stages.records import Task, Trajectory
from stages.suites.microrepo.conventions import read_convention
from stages.suites.microrepo.issues import Change

_MESSAGE = re.compile(r"\(file (\S+), tested by (.+)\)$")


@dataclasses.dataclass(frozen=True)
class Session:
    """A session as its record tells it once upstream's fix is merged."""

    task: Task
    trajectory: Trajectory
    path: str
    command: str
    changes: tuple[Change, ...]
    failed_edits: tuple[Change, ...]
    """Edits of the agent's own at the lines that upstream changed, but to something else."""
    failed_commands: tuple[str, ...]
    """Test commands of the agent's own that weren't there."""
    navigation: tuple[Action, ...]
    """The agent's own way to the file that upstream changed; to open it, where it never came."""


def read_session(task: Task, trajectory: Trajectory) -> Session:
    """Read one record; ValueError when it has no upstream fix in it."""
    found = _MESSAGE.search(str(trajectory.info.get("upstream_message", "")))
    if found is None:
        raise ValueError(
            f"{task.instance_id}: the session's record has no upstream fix "
            "(`info.upstream_message`). Collect it with `dvc repro collect_trajectories`."
        )
    changes = changed_lines(str(trajectory.info["upstream_fix"]))
    edits, commands = _tries(trajectory)
    wanted = {change.find.strip(): change.replace.strip() for change in changes}
    failed = tuple(
        edit
        for edit in edits
        if edit.find.strip() in wanted and wanted[edit.find.strip()] != edit.replace.strip()
    )
    path = found.group(1)
    way = navigation(trajectory, path)
    return Session(task, trajectory, path, found.group(2), changes, failed, tuple(commands), way)


def navigation(trajectory: Trajectory, path: str) -> tuple[Action, ...]:
    """The searches that found ``path``, up to its first opening; wrong turns are left out."""
    way: list[Action] = []
    for step in trajectory.info["steps"]:
        try:
            action = parse_action(step["action"])
        except ActionError:
            continue
        if action.tool == "search" and path in step["observation"] and action not in way:
            way.append(action)
        if action == Action("open", path):
            return (*way, action)
    return (Action("open", path),)


def changed_lines(patch: str) -> tuple[Change, ...]:
    """Pairs of removed and added lines of a unified diff, with the convention behind each."""
    removed: list[str] = []
    changes: list[Change] = []
    for line in patch.splitlines():
        if line.startswith("-") and not line.startswith("---"):
            removed.append(line[1:])
        elif line.startswith("+") and not line.startswith("+++") and removed:
            changes.append(_change(removed.pop(0), line[1:]))
        elif not line.startswith("+"):
            removed = []
    return tuple(changes)


def _change(find: str, replace: str) -> Change:
    convention = read_convention(find, replace)
    return Change(find, replace, convention[0] if convention else "")


def _tries(trajectory: Trajectory) -> tuple[list[Change], list[str]]:
    edits, commands = [], []
    for step in trajectory.info["steps"]:
        try:
            action = parse_action(step["action"])
        except ActionError:
            continue
        if action.tool == "edit" and step["ok"]:
            edits.append(Change(action.find, action.replace))
        elif action.tool == "test" and step["observation"].startswith("no file"):
            commands.append(action.argument)
    return edits, commands
