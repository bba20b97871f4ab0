"""The suite as the stages see it: tasks, files, opening chat, grading files and notes."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from stages.agent.chat import Message
from stages.agent.diff import unified_diff
from stages.agent.sandbox import SandboxConfig, open_sandbox
from stages.agent.workspace import tree_hash_of_files
from stages.records import Task, Trajectory
from stages.suites.microrepo.conventions import VALUES
from stages.suites.microrepo.expert import recalled
from stages.suites.microrepo.notes import note_text, system_text
from stages.suites.microrepo.session import read_session
from stages.suites.microrepo.world import (
    HELD_OUT,
    Issue,
    World,
    hidden_test,
    make_issue,
    make_world,
    merge_message,
    module_text,
    repository,
    visible_test,
)
from stages.suites.texts import TextHarness, text_harness

_TEST_NAME = re.compile(r"^def (test_\w+)\(", re.MULTILINE)
STATE_CACHE = 2048


class UnknownWorld(ValueError):
    """A world that the suite doesn't hold."""


class Microrepo:
    """Generated repositories; ``tasks_per_world`` issues of each, from ``seed``."""

    name = "microrepo"

    def __init__(self, tasks_per_world: int, seed: int) -> None:
        self.tasks_per_world, self.seed = tasks_per_world, seed
        self.world = functools.lru_cache(maxsize=64)(self._world)
        # A state draws every earlier issue; grading asks for the same one many times.
        self._state = functools.lru_cache(maxsize=STATE_CACHE)(repository)

    def _world(self, repo: str) -> World:
        if repo not in HELD_OUT:
            raise UnknownWorld(
                f"world {repo!r} is not one of the suite's: {', '.join(HELD_OUT)}. "
                "Correct the experiment's `worlds` in params.yaml."
            )
        return make_world(repo, self.seed)

    def issue(self, task: Task) -> Issue:
        """The issue behind a task."""
        return make_issue(self.world(task.repo), int(task.meta["index"]))

    def partner(self, repo: str, others: Sequence[str]) -> str:
        """The world among ``others`` that agrees with ``repo`` in as many conventions as chance.

        Whoever trains on the partner's sessions learns habits that fit ``repo`` no oftener than a
        guess would. Ties go to the first in order.
        """
        own = self.world(repo).conventions.values
        by_chance = sum(1 / len(options) for options in VALUES.values())

        def distance(other: str) -> float:
            theirs = self.world(other).conventions.values
            return abs(sum(own[kind] == theirs[kind] for kind in VALUES) - by_chance)

        return min((other for other in others if other != repo), key=distance)

    def settings(self) -> Mapping[str, Any]:
        """Nothing: a task says it all."""
        return {}

    def open_harness(self, config: SandboxConfig) -> AbstractContextManager[TextHarness]:
        return text_harness(self, open_sandbox(config), pure=True)

    def tasks(self, repo: str) -> list[Task]:
        world = self.world(repo)
        return [self._task(world, index) for index in range(self.tasks_per_world)]

    def _task(self, world: World, index: int) -> Task:
        issue = make_issue(world, index)
        before = self._state(world, index)
        path = issue.path
        after = {**before, path: _module(issue, fixed=True)}
        hidden_path, hidden = hidden_test(issue)
        visible_path, visible = f"tests/test_{issue.module.stem}.py", _visible(issue)
        return Task(
            instance_id=f"{world.name}__{index + 1:03d}",
            suite=self.name,
            repo=world.name,
            problem_statement=issue.text,
            created_at=issue.date,
            difficulty=issue.draft.difficulty,
            patch=unified_diff(before, after),
            test_patch=unified_diff(before, {**before, hidden_path: hidden}),
            FAIL_TO_PASS=tuple(f"{hidden_path}::{name}" for name in _TEST_NAME.findall(hidden)),
            PASS_TO_PASS=tuple(f"{visible_path}::{name}" for name in _TEST_NAME.findall(visible)),
            tree_hash=tree_hash_of_files(before),
            meta={
                "index": index,
                "kinds": list(issue.draft.kinds),
                "component": issue.module.component,
                "path": path,
            },
        )

    def files(self, task: Task) -> dict[str, str]:
        return dict(self._state(self.world(task.repo), int(task.meta["index"])))

    def gold_files(self, task: Task) -> dict[str, str]:
        """The repository with the task's gold patch applied: path -> text."""
        issue = self.issue(task)
        return {**self.files(task), issue.path: _module(issue, fixed=True)}

    def messages(self, task: Task, notes: Sequence[str] = ()) -> list[Message]:
        return [
            {"role": "system", "content": system_text(task.repo, notes)},
            {"role": "user", "content": task.problem_statement},
        ]

    def tests(self, task: Task) -> dict[str, str]:
        issue = self.issue(task)
        hidden_path, hidden = hidden_test(issue)
        return {hidden_path: hidden, f"tests/test_{issue.module.stem}.py": _visible(issue)}

    def upstream(self, task: Task) -> dict[str, str]:
        """What the merged upstream fix shows once a session is over: its diff and its message."""
        world = self.world(task.repo)
        return {
            "upstream_fix": task.patch,
            "upstream_message": merge_message(world, self.issue(task)),
        }

    def note(self, task: Task, trajectory: Trajectory) -> str:
        """Written from the session's record alone, so a failed one leaves as good a note."""
        session = read_session(task, trajectory)
        rules = [recalled(change) for change in session.changes if change.convention]
        return note_text(task.problem_statement, rules, session.command)


def _module(issue: Issue, fixed: bool) -> str:
    draft = issue.draft
    body = draft.after if fixed else draft.before
    return module_text(issue.module, body, "wrapper" in draft.kinds)


def _visible(issue: Issue) -> str:
    return visible_test(issue.module, issue.draft)
