"""The suite as the stages see it: tasks, files, opening chat, grading and notes.

A repository is given as texts, as ``stages.suites.suite.Suite`` asks; what texts can't hold (Git,
modes, links, the installed project) is added by the harness's ``runner`` before an agent's first
command, and its ``grade`` hands the agent's changes to the executor as a patch.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from stages.agent.actions import ActionError, parse_action
from stages.agent.chat import Message
from stages.agent.sandbox import SandboxConfig
from stages.agent.workspace import tree_hash_of_files
from stages.params import SweBenchClParams
from stages.records import Task, Trajectory
from stages.suites.names import world_name
from stages.suites.swe_bench_cl import trees
from stages.suites.swe_bench_cl.errors import SweBenchError
from stages.suites.swe_bench_cl.grading import require_swebench
from stages.suites.swe_bench_cl.harness import LocalHarness, open_harness
from stages.suites.swe_bench_cl.load import load_tasks
from stages.suites.swe_bench_cl.local import LocalExecutor
from stages.suites.swe_bench_cl.repository import mirror_of
from stages.suites.swe_bench_cl.sequences import ordered
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
        """World -> tasks in the published order."""
        return {world_name(repo): tasks for repo, tasks in load_tasks(self.executor.params).items()}

    def tasks(self, repo: str) -> list[Task]:
        """By date, each with the tree hash of its files; reads the repository once per task."""
        if repo not in self.sequences:
            raise SweBenchError(
                f"{repo!r} isn't a repository of these tasks; there are "
                f"{', '.join(self.sequences)}. Correct the experiment's `worlds`."
            )
        return [
            dataclasses.replace(task, tree_hash=tree_hash_of_files(self.files(task)))
            for task in ordered(self.sequences[repo], "date")
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

    def settings(self) -> Mapping[str, Any]:
        """The limits of a run, and whose parsers and report grade it."""
        params = self.executor.params
        limits = [params.wall_seconds, params.memory_mb, params.processes]
        return {"limits": limits, "swebench": importlib.metadata.version("swebench")}

    def open_harness(self, config: SandboxConfig) -> AbstractContextManager[LocalHarness]:
        """Each task in its environment. The limits are the suite's own: real tests take minutes."""
        del config
        return open_harness(self.executor)

    def _mirror(self, task: Task) -> Path:
        return mirror_of(self.executor.params.repositories, task.repo)


def open_swe_bench_cl(params: SweBenchClParams) -> SweBenchCl:
    """The suite that the parameters name; SweBenchError where agents can't work in it."""
    if params.path is None and not params.revision:
        raise SweBenchError(
            "the suite's path and revision are both null: its rows could change between runs. "
            "Name the file of rows as its `path`, or the data set's commit on the hub as its "
            "`revision`."
        )
    if params.executor != "local":
        raise SweBenchError(
            "the suite's executor is `container`: agents work in folders of this machine, so "
            "containers can check and grade only. Set its `executor: local`."
        )
    require_swebench()
    return SweBenchCl(LocalExecutor(params))


def _with(files: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    return {name: text for name, text in {**files, **changes}.items() if text is not None}


def _test_command(text: str) -> str:
    """The argument of a ``test`` action; empty for any other text."""
    try:
        action = parse_action(text)
    except ActionError:
        return ""
    return action.argument if action.tool == "test" else ""
