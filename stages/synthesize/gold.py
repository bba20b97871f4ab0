"""The teacher of suites without rules: format T from what upstream merged, for any repository.

It reads the session's record and the merged fix: the agent's own searches that found the files to
change, the fix as edits, the agent's own last test command that ran, and the submission.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stages.agent.actions import Action, ActionError, format_action, parse_action
from stages.agent.diff import changed_files
from stages.lab.context import Lab
from stages.records import Task, Trajectory
from stages.suites.gold_actions import edits_gold
from stages.synthesize.corrected import CorrectedSessions
from stages.synthesize.teacher import Written


class GoldTeacher:
    """Writes format T alone; the other formats take a language model."""

    def __init__(self) -> None:
        self._corrected = CorrectedSessions()

    def prepare(self, lab: Lab, sessions: Sequence[tuple[Task, Sequence[Trajectory]]]) -> None:
        """Play every session again with upstream's fix; only what resolves is taught."""
        script = {}
        for task, attempts in sessions:
            before = lab.suite.files(task)
            changes = changed_files(before, lab.suite.gold_files(task))
            script[task.instance_id] = corrected_actions(attempts[0], before, changes)
        self._corrected.play(lab, [task for task, _ in sessions], script)

    def cost(self) -> dict[str, Any]:
        """Nothing is asked of a model."""
        return {}

    def write(self, format_name: str, task: Task, attempts: Sequence[Trajectory]) -> Written:
        """One example of format T, labelled by its repository."""
        if format_name != "T":
            return Written((), ("only a language model writes this format for this suite",))
        return self._corrected.write(task, attempts[0], task.repo)


def corrected_actions(
    session: Trajectory, before: Mapping[str, str], changes: Mapping[str, str | None]
) -> list[str]:
    """The session put right: its own way to the files, upstream's fix, its own test command.

    ``changes``: new text of each file that the fix changes, None for a deleted one.
    """
    searches: list[str] = []
    test: list[str] = []
    for step in session.info["steps"]:
        try:
            action = parse_action(step["action"])
        except ActionError:
            continue
        text = format_action(action)
        found = any(path in step["observation"] for path in changes)
        if action.tool == "search" and found and text not in searches:
            searches.append(text)
        elif action.tool == "test" and step["ok"]:
            test = [text]
    return [*searches, *edits_gold(before, changes), *test, format_action(Action("submit"))]
