"""Format T: each session put right and played again for real; only what resolves is taught."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stages.agent.scripted import ScriptedModel
from stages.lab.context import Lab
from stages.lab.episodes import Condition, Plan, play
from stages.lab.pool import usable_cores
from stages.records import Outcome, Task, Trajectory
from stages.synthesize.teacher import Written, make_example


class CorrectedSessions:
    """Sessions as they would have gone with what is known afterwards, by instance id."""

    def __init__(self) -> None:
        self._played: dict[tuple[str, str, tuple[str, ...]], Trajectory] = {}
        self._resolved: dict[str, Trajectory] = {}

    def play(self, lab: Lab, tasks: Sequence[Task], script: Mapping[str, Sequence[str]]) -> None:
        """Play the ``script`` of each task in the suite's own harness and keep what resolves.

        What was played before is not played again: the splits of a world have tasks in common.
        """
        keys = {
            task.instance_id: (task.instance_id, task.tree_hash, tuple(script[task.instance_id]))
            for task in tasks
        }
        new = [task for task in tasks if keys[task.instance_id] not in self._played]
        if new:
            plan = Plan(new, seed=0, attempts=1, temperature=0.0)
            model = ScriptedModel({name: list(actions) for name, actions in script.items()})
            # Worlds are written side by side, each with its own harness: they share the cores.
            with lab.open_harness(max(1, usable_cores() // len(lab.worlds))) as harness:
                played, _ = play(lab, model, harness, Condition("teacher"), plan)
            self._played |= {keys[str(t.info["instance_id"])]: t for t in played}
        self._resolved = {
            name: self._played[key]
            for name, key in keys.items()
            if self._played[key].info["outcome"] == Outcome.RESOLVED
        }

    def write(self, task: Task, source: Trajectory, skill: str) -> Written:
        """The example that rests on session ``source``; none where its correction didn't resolve
        the task."""
        corrected = self._resolved.get(task.instance_id)
        if corrected is None:
            return Written((), ("the corrected session doesn't resolve the task",))
        *prompt, last = corrected.messages
        example = make_example(
            "T",
            prompt,
            last["content"],
            source=source,
            step=len(source.info["steps"]) - 1,
            skill=skill,
            train_on="assistant",
        )
        return Written((example,))
