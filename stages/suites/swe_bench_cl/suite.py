"""The suite as the stages see it: tasks, files, opening chat, grading and notes.

A repository is given as texts, as ``stages.suites.suite.Suite`` asks; what texts can't hold (Git,
modes, links, the installed project) is added by ``runner`` before an agent's first command, and
``grade`` hands the agent's changes to the executor as a patch.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from stages.agent.actions import ActionError, parse_action
from stages.agent.chat import Message
from stages.agent.workspace import tree_hash_of_files
from stages.records import Task, Trajectory
from stages.suites.suite import Grade
from stages.suites.swe_bench_cl import trees
from stages.suites.swe_bench_cl.gold import gold_check
from stages.suites.swe_bench_cl.grading import Report, grade
from stages.suites.swe_bench_cl.load import load_tasks
from stages.suites.swe_bench_cl.local import LocalExecutor
from stages.suites.swe_bench_cl.params import SweBenchError
from stages.suites.swe_bench_cl.repository import mirror_of
from stages.suites.swe_bench_cl.runner import TaskRunner, open_runner
from stages.suites.swe_bench_cl.specs import TARGET

SYSTEM = """You mend a Python repository, {repo}, from its root folder. Each of your messages ends \
with one action, at the beginning of a line:
open FILE [FIRST LAST]   show a file or its lines
search WORD              where a word is defined or used
test COMMAND             run tests
bash COMMAND             run a command; there is no network
submit                   hand your changes in, which ends the session
edit FILE
<<<
the lines to find, as they stand
===
the lines to put there
>>>
"""
STATES = 4
"""Repositories kept in memory, some 30 MiB each."""


class SweBenchCl:
    """The sequences that the executor's parameters name, run by that executor."""

    name = "swe_bench_cl"

    def __init__(self, executor: LocalExecutor) -> None:
        """The agent's tools work on a folder of this machine, so containers can grade only."""
        self.executor = executor
        self._state = functools.lru_cache(maxsize=STATES)(trees.files_of)

    @functools.cached_property
    def sequences(self) -> Mapping[str, Sequence[Task]]:
        """Repository -> tasks in the order that the parameters name."""
        return load_tasks(self.executor.params)

    def tasks(self, repo: str) -> list[Task]:
        """Each with the tree hash of its files; reads the repository once per task."""
        if repo not in self.sequences:
            raise SweBenchError(
                f"{repo!r} isn't a repository of these tasks; there are "
                f"{', '.join(self.sequences)}. Correct the experiment's `worlds`."
            )
        return [
            dataclasses.replace(task, tree_hash=tree_hash_of_files(self.files(task)))
            for task in self.sequences[repo]
        ]

    def partner(self, repo: str, others: Sequence[str]) -> str:
        """The other repository with the nearest number of tasks, the first of several: as many
        sessions to learn from, of another code base."""
        own = len(self.sequences[repo])
        elsewhere = [other for other in others if other != repo]
        return min(elsewhere, key=lambda other: abs(len(self.sequences[other]) - own))

    def files(self, task: Task) -> dict[str, str]:
        """The base commit's regular files, as Git has them; bytes as surrogate escapes."""
        return dict(self._state(self._mirror(task), task.meta["base_commit"]))

    def gold_files(self, task: Task) -> dict[str, str]:
        return _with(self.files(task), self.gold_changes(task))

    def gold_changes(self, task: Task) -> dict[str, str | None]:
        """New text of every file of the gold patch, None for a deleted one."""
        commit = task.meta["base_commit"]
        return trees.patched(
            self._mirror(task), commit, task.patch, f"{task.instance_id}: its patch"
        )

    def messages(self, task: Task, notes: Sequence[str] = ()) -> list[Message]:
        system = SYSTEM.format(repo=task.repo) + "".join(f"\n{note}\n" for note in notes)
        return [
            {"role": "system", "content": system},
            {"role": "user", "content": task.problem_statement},
        ]

    def tests(self, task: Task) -> dict[str, str]:
        """The test patch's files as it leaves them, for the record; the executor brings them in."""
        mirror, commit = self._mirror(task), task.meta["base_commit"]
        where = f"{task.instance_id}: its test patch"
        found = trees.patched(mirror, commit, task.test_patch, where)
        names = set(TARGET.findall(task.test_patch))
        return {name: text for name, text in found.items() if text is not None and name in names}

    def upstream(self, task: Task) -> dict[str, str]:
        """The merged fix; the rows hold no commit message."""
        return {"upstream_fix": task.patch}

    def note(self, task: Task, trajectory: Trajectory) -> str:
        """The issue's title, the files that upstream's fix changed, the last test command that
        ran through: read from the record alone."""
        title = task.problem_statement.strip().split("\n")[0]
        files = ", ".join(TARGET.findall(str(trajectory.info.get("upstream_fix", ""))))
        lines = [f"note {title}", *([f"fixed in {files}"] if files else [])]
        commands = [step["action"] for step in trajectory.info["steps"] if step["ok"]]
        tests = [argument for text in commands if (argument := _test_command(text))]
        return "\n".join([*lines, *(f"test {command}" for command in tests[-1:])])

    def runner(self, task: Task) -> AbstractContextManager[TaskRunner]:
        """What runs the commands of an episode of ``task``, in its environment."""
        return open_runner(self.executor, task)

    def submission(self, task: Task, changes: Mapping[str, str | None]) -> str:
        """An episode's changes as Git sees them, without files that the repository ignores."""
        return trees.patch_of(self._mirror(task), task, changes)

    def grade(self, task: Task, changes: Mapping[str, str | None]) -> Grade:
        """Run the task's tests on an episode's changes."""
        report = self.report(task, changes)
        return Grade(report.outcome, report.tests)

    def report(self, task: Task, changes: Mapping[str, str | None]) -> Report:
        """The same with its reasons; the task's gold check is made, or read where it was kept.

        Raises SweBenchError for a task that isn't sound, HarnessError where its check fails.
        """
        params = self.executor.params
        found = gold_check(self.executor, task, params.gold_runs, Path(params.environments))
        if not found.sound:
            raise SweBenchError(
                f"{task.instance_id} can't tell a solution from a failure: {found.reason}. Leave "
                "it out of the experiment's tasks."
            )
        return grade(self.executor, task, self.submission(task, changes), found.never)

    def _mirror(self, task: Task) -> Path:
        return mirror_of(self.executor.params.repositories, task.repo)


def _with(files: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    return {name: text for name, text in {**files, **changes}.items() if text is not None}


def _test_command(text: str) -> str:
    """The argument of a ``test`` action; empty for any other text."""
    try:
        action = parse_action(text)
    except ActionError:
        return ""
    return action.argument if action.tool == "test" else ""
