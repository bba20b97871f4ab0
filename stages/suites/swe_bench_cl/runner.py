"""Commands of an agent in its workspace, with the task's environment: what the loop asks for."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path

from stages.agent.sandbox import Sandbox
from stages.agent.workspace import IGNORED_DIRS, IGNORED_SUFFIXES
from stages.records import Task
from stages.suites.swe_bench_cl.errors import HarnessError
from stages.suites.swe_bench_cl.executor import Command
from stages.suites.swe_bench_cl.local import LocalExecutor, LocalSession
from stages.suites.swe_bench_cl.repository import check_out, git, mirror_of


@dataclasses.dataclass(frozen=True)
class TaskRunner:
    """A ``CommandRunner`` for episodes of one task."""

    executor: LocalExecutor
    task: Task
    sandbox: Sandbox

    @property
    def work(self) -> Path:
        """Where episodes' workspaces must lie."""
        return self.sandbox.work

    def run_command(self, command: str, workspace: Path) -> Command:
        """Run one; OSError where it fails on our side, which the loop takes for a harness error."""
        session = self._session(workspace)
        try:
            if not (workspace / ".git").exists():
                complete(mirror_of(self.executor.params.repositories, self.task.repo), session)
                session.begin()
            return session.run(command)
        except HarnessError as error:
            raise OSError(str(error)) from None

    def _session(self, workspace: Path) -> LocalSession:
        spec = self.executor.specs(self.task)
        return LocalSession(self.sandbox, workspace, self.task, spec, tree="")


def complete(mirror: Path, session: LocalSession) -> None:
    """Add what a workspace of texts lacks: the one commit, modes, links; edits stay as they are.

    An episode starts from texts alone, and may have edited some before its first command.
    """
    folder = session.workspace
    with contextlib.ExitStack() as stack:
        base = Path(stack.enter_context(session.sandbox.workspace()))
        check_out(mirror, session.task, base)
        for line in git(base, "ls-files", "-z", "--stage").split("\0"):
            head, _, name = line.partition("\t")
            if name and not os.path.lexists(folder / name) and _unseen(head, name):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (base / name).rename(folder / name)
            elif head.startswith("100755") and (folder / name).is_file():
                (folder / name).chmod(0o755)
        (base / ".git").rename(folder / ".git")


def _unseen(head: str, name: str) -> bool:
    """Whether the agent's tools don't see such an entry, so that they can't have deleted it."""
    hidden = not IGNORED_DIRS.isdisjoint(name.split("/")[:-1]) or name.endswith(IGNORED_SUFFIXES)
    return head.startswith("120000") or hidden
