"""The suite as the stages see it: tasks, files, opening chat, grading files and notes."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Any

from stages.agent.chat import Message
from stages.agent.diff import unified_diff
from stages.agent.sandbox import SandboxConfig, open_sandbox
from stages.agent.workspace import tree_hash_of_files
from stages.params import RepositoryParams
from stages.records import Task, Trajectory
from stages.suites.names import world_name
from stages.suites.repository import prompts
from stages.suites.repository.errors import RepositoryError
from stages.suites.repository.history import History
from stages.suites.repository.plain import gradable, with_path
from stages.suites.repository.pytest_runner import (
    contents_of,
    is_graded_path,
    open_pytest,
    options_of,
)
from stages.suites.repository.rows import Row, read_rows
from stages.suites.texts import TextHarness, text_harness


class Repository:
    """Tasks of your own. A workspace holds the files of the base commit and no history at all."""

    name = "repository"

    def __init__(self, params: RepositoryParams) -> None:
        self.params = params
        self.options = options_of(params.test_command)
        self.histories = functools.cache(self._history)
        self._rows = functools.cache(lambda: read_rows(Path(params.tasks)))
        self.tasks_of = functools.cache(self._tasks)

    def tasks(self, repo: str) -> list[Task]:
        """The tasks of one repository by date; RepositoryError for a row that can't be used."""
        return list(self.tasks_of(repo))

    def settings(self) -> Mapping[str, Any]:
        """The test command, and what the environment holds."""
        if self.options is None:
            return {}
        return {"test": self.options, "environment": contents_of(self.params.environment)}

    def open_harness(self, config: SandboxConfig) -> AbstractContextManager[TextHarness]:
        """A sandbox in which these tasks are played and graded, plainly or by pytest."""
        if self.options is None:
            return text_harness(self, open_sandbox(config))
        return text_harness(self, open_pytest(config, self.params.environment, self.options))

    def partner(self, repo: str, others: Sequence[str]) -> str:
        """The repository whose tasks' statements share the fewest words with this one's."""
        others = [other for other in others if other != repo]
        if not others:
            raise RepositoryError(
                f"suites: {repo} is the suite's only repository, so there are no foreign sessions "
                "for the placebo 'another repository'. Add one under `repositories`, or leave "
                "placebo_world out of the experiment's conditions."
            )
        own = self._words(repo)

        def shared(other: str) -> float:
            theirs = self._words(other)
            return len(own & theirs) / max(1, len(own | theirs))

        return min(others, key=shared)

    def files(self, task: Task) -> dict[str, str]:
        """The tree of the base commit: regular files only, no `.git`, nothing newer (check 1)."""
        history, tree = self._base(task)
        return dict(history.files(tree))

    def gold_files(self, task: Task) -> dict[str, str]:
        """The repository with the task's gold patch applied: path -> text."""
        history, tree = self._base(task)
        return dict(history.files(history.patched(tree, task.meta["upstream_patch"])))

    def messages(self, task: Task, notes: Sequence[str] = ()) -> list[Message]:
        system = prompts.system_text(task.repo, self.params.test_command, notes)
        return [
            {"role": "system", "content": system},
            {"role": "user", "content": task.problem_statement},
        ]

    def tests(self, task: Task) -> dict[str, str]:
        """What grading brings in, as the test patch leaves it: the named tests' files; for pytest
        all test files, their data and configuration, so that none of them is the agent's."""
        files = self._graded(task)
        if self.options is not None:
            return {path: text for path, text in files.items() if is_graded_path(path)}
        paths = sorted({name.partition("::")[0] for name in _names(task)})
        return {path: with_path(files[path], files) for path in paths}

    def upstream(self, task: Task) -> dict[str, str]:
        """The gold patch, and the row's own words for it where there are any."""
        return {"upstream_fix": task.patch, "upstream_message": ""}

    def note(self, task: Task, trajectory: Trajectory) -> str:
        """The issue and what upstream changed for it, so a failed session leaves as good a note."""
        return prompts.note_text(task, str(trajectory.info.get("upstream_fix", "")))

    def _tasks(self, repo: str) -> tuple[Task, ...]:
        if repo not in self.params.repositories:
            raise RepositoryError(
                f"repository {repo!r} isn't one of the suite's: "
                f"{', '.join(self.params.repositories)}. Add it under `repositories` in "
                "params.yaml, or correct the experiment's `worlds`."
            )
        rows = [row for row in self._rows() if world_name(row.repo) == repo]
        if not rows:
            raise RepositoryError(
                f"{self.params.tasks}: no row has {repo!r} in its field 'repo'. Correct the "
                "rows, or the name under `repositories`."
            )
        tasks = [task for row in rows for task in self._usable(row)]
        return tuple(sorted(tasks, key=lambda task: (task.created_at, task.instance_id)))

    def _usable(self, row: Row) -> Iterator[Task]:
        task = self._task(row)
        problem = self._problem(task)
        if not problem:
            yield task
        elif self.params.unsupported == "refuse":
            raise RepositoryError(
                f"{row.where}: {problem}. Graded plainly are functions of files that import "
                "nothing but the repository's own modules and Python's. Set `test_command: python "
                "-m pytest`, leave the test out of the row, or set `unsupported: leave_out`."
            )

    def _task(self, row: Row) -> Task:
        history = self.histories(world_name(row.repo))
        try:
            tree = history.tree(history.commit(row.base_commit))
            files = history.files(tree)
            gold = history.files(history.patched(tree, row.patch))
            history.patched(tree, row.test_patch)
        except RepositoryError as error:
            raise RepositoryError(
                f"{row.where}: base_commit, patch and test_patch don't fit this clone. {error}"
            ) from None
        return Task(
            instance_id=row.instance_id,
            suite=self.name,
            repo=world_name(row.repo),
            problem_statement=row.problem_statement,
            created_at=row.created_at,
            difficulty=row.difficulty,
            patch=unified_diff(files, gold),
            test_patch=row.test_patch,
            FAIL_TO_PASS=row.FAIL_TO_PASS,
            PASS_TO_PASS=row.PASS_TO_PASS,
            tree_hash=tree_hash_of_files(files),
            meta={
                "base_commit": row.base_commit,
                "upstream_patch": row.patch,
            },
        )

    def _problem(self, task: Task) -> str:
        """Why the task's tests can't be graded; empty when they can."""
        files = self._graded(task)
        found: dict[str, dict[str, str]] = {}
        for name in _names(task):
            path, _, function = name.partition("::")
            if path not in files or PurePosixPath(path).suffix != ".py":
                return f"{name}: the repository with the test patch has no such file"
            if self.options is not None:
                continue
            if path not in found:
                found[path] = gradable(path, files)
            none = "its file has no such test function"
            reason = found[path].get("") or found[path].get(function, none)
            if reason:
                return f"{name} can't be graded: {reason}"
        return ""

    def _history(self, repo: str) -> History:
        return History(self.params.repositories[repo])

    def _base(self, task: Task) -> tuple[History, str]:
        """The clone and the tree of the base commit."""
        history = self.histories(task.repo)
        return history, history.tree(task.meta["base_commit"])

    def _graded(self, task: Task) -> dict[str, str]:
        """The base with the test patch applied."""
        history, tree = self._base(task)
        return history.files(history.patched(tree, task.test_patch))

    def _words(self, repo: str) -> set[str]:
        return {word for task in self.tasks(repo) for word in task.problem_statement.split()}


def _names(task: Task) -> tuple[str, ...]:
    return (*task.FAIL_TO_PASS, *task.PASS_TO_PASS)
