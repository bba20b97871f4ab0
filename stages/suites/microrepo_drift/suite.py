"""Worlds before and after drift: `oak_harbor~major` is `oak_harbor` some releases later.

Issues, components and the repository's name stay, so a model is told nothing of the change; a
task's own id and world say which of the two it belongs to.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from stages.agent.chat import Message
from stages.agent.sandbox import SandboxConfig, open_sandbox
from stages.records import Task, Trajectory
from stages.suites.microrepo.drift import SEVERITIES, drifted
from stages.suites.microrepo.suite import Microrepo, UnknownWorld
from stages.suites.microrepo.world import World
from stages.suites.microrepo_drift.decisions import Decision, read_decisions
from stages.suites.microrepo_drift.reference import reference_session
from stages.suites.releases import MARK
from stages.suites.texts import TextHarness, text_harness


class Release(Microrepo):
    """The worlds as they are after a change of one severity."""

    def __init__(self, tasks_per_world: int, seed: int, severity: str, drift_seed: int) -> None:
        super().__init__(tasks_per_world, seed)
        self.severity, self.drift_seed = severity, drift_seed

    def _world(self, repo: str) -> World:
        world = super()._world(repo)
        return drifted(world, self.severity, self.drift_seed) if self.severity else world


class MicrorepoDrift:
    """Generated repositories in four releases: as they were, and changed by each severity.

    ``task.repo`` is the repository's own name, which stays; ``task.meta["severity"]`` the release.
    """

    name = "microrepo"
    """its lessons are read, and shuffled for a placebo, as that suite's are"""

    def __init__(self, tasks_per_world: int, seed: int, drift_seed: int) -> None:
        self.drift_seed = drift_seed
        self.releases = {
            severity: Release(tasks_per_world, seed, severity, drift_seed)
            for severity in ("", *SEVERITIES)
        }

    def world(self, repo: str) -> World:
        """The world of a name with or without a severity; UnknownWorld for another."""
        name, severity = self._parts(repo)
        return self.releases[severity].world(name)

    def _parts(self, repo: str) -> tuple[str, str]:
        name, mark, severity = repo.partition(MARK)
        if mark and severity not in SEVERITIES:
            raise UnknownWorld(
                f"world {repo!r}: {severity!r} is no severity. There are "
                f"{', '.join(SEVERITIES)}; correct the experiment's `worlds` in params.yaml."
            )
        return name, severity

    def _release(self, task: Task) -> Release:
        return self.releases[str(task.meta["severity"])]

    def partner(self, repo: str, others: Sequence[str]) -> str:
        """As microrepo's, among the worlds of the same release."""
        name, severity = self._parts(repo)
        parts = [self._parts(other) for other in others]
        known = [other for other, release in parts if release == severity and other != name]
        if not known:
            raise UnknownWorld(
                f"world {repo!r}: the suite lists no other world of its release to be a placebo. "
                "Add one to the suite's `worlds` in params.yaml, or leave placebo_world out."
            )
        found = self.releases[severity].partner(name, known)
        return f"{found}{MARK}{severity}" if severity else found

    def settings(self) -> Mapping[str, Any]:
        """The seed of the change; a task says the rest."""
        return {"drift_seed": self.drift_seed}

    def open_harness(self, config: SandboxConfig) -> AbstractContextManager[TextHarness]:
        return text_harness(self, open_sandbox(config), pure=True)

    def tasks(self, repo: str) -> list[Task]:
        name, severity = self._parts(repo)
        return [
            dataclasses.replace(
                task,
                instance_id=task.instance_id.replace(name, repo, 1),
                meta={**task.meta, "severity": severity},
            )
            for task in self.releases[severity].tasks(name)
        ]

    def files(self, task: Task) -> dict[str, str]:
        return self._release(task).files(task)

    def gold_files(self, task: Task) -> dict[str, str]:
        return self._release(task).gold_files(task)

    def messages(self, task: Task, notes: Sequence[str] = ()) -> list[Message]:
        return self._release(task).messages(task, notes)

    def tests(self, task: Task) -> dict[str, str]:
        return self._release(task).tests(task)

    def upstream(self, task: Task) -> dict[str, str]:
        return self._release(task).upstream(task)

    def note(self, task: Task, trajectory: Trajectory) -> str:
        return self._release(task).note(task, trajectory)

    def decisions(self, task: Task, trajectory: Trajectory, before: str = "") -> list[Decision]:
        """Where an episode followed the world as it is, or as it was in release ``before``."""
        old, new = (self.releases[r].world(task.repo) for r in (before, task.meta["severity"]))
        return read_decisions(old, new, trajectory)

    def reference(self, task: Task) -> list[Message]:
        """A finished session on the task as it should go in its release: a whole chat."""
        world = self.releases[str(task.meta["severity"])].world(task.repo)
        return reference_session(world, int(task.meta["index"]))
