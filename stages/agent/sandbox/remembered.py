"""A sandbox that runs equal things once: for code whose outcome follows from its text alone.

An experiment grades the same patch of the same task under many conditions, and an agent runs the
same command in the same files again and again: of the pilot's 2817 gradings 647 differ. What ended
from outside (a limit, a lost worker) is run again each time, since another run may end otherwise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.agent.sandbox.config import RunResult, SandboxConfig, TestResult
from stages.agent.sandbox.pool import Item
from stages.agent.sandbox.sandbox import Sandbox, open_sandbox
from stages.agent.workspace import folders, tree_hash

State = tuple[str, tuple[str, ...]]
"""A workspace: the hash of its files, and its folders, which no hash of files has."""


class RememberedSandbox:
    """Commands and programs of a sandbox, each different one run once; for several threads."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._runs: dict[tuple[State, str], RunResult] = {}
        self._checks: dict[Item, TestResult] = {}

    @property
    def config(self) -> SandboxConfig:
        return self._sandbox.config

    @property
    def work(self) -> Path:
        """Where workspaces lie."""
        return self._sandbox.work

    def run_command(self, command: str, workspace: Path) -> RunResult:
        """As ``Sandbox.run_command``. What changed a file or folder is run again each time."""
        before = _state(workspace)
        known = self._runs.get((before, command))
        if known is not None:
            return dataclasses.replace(known, saved_seconds=known.seconds)
        result = self._sandbox.run_command(command, workspace)
        if result.killed_by is None and _state(workspace) == before:
            self._runs[before, command] = result
        return result

    def check_program(self, program: str, test: str, entry_point: str) -> TestResult:
        """As ``Sandbox.check_program``."""
        return self.map_check([(program, test, entry_point)])[0]

    def map_check(self, items: Iterable[Item]) -> list[TestResult]:
        """As ``Sandbox.map_check``."""
        asked = list(items)
        new = [item for item in dict.fromkeys(asked) if item not in self._checks]
        found = dict(zip(new, self._sandbox.map_check(new), strict=True))
        self._checks |= {item: result for item, result in found.items() if result.complete}
        return [found[item] if item in found else self._checks[item] for item in asked]


def _state(workspace: Path) -> State:
    return tree_hash(workspace), tuple(folders(workspace))


@contextmanager
def remembered_sandbox(config: SandboxConfig) -> Iterator[RememberedSandbox]:
    """A new sandbox that remembers; SandboxUnavailable where none works."""
    with open_sandbox(config) as sandbox:
        yield RememberedSandbox(sandbox)
