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
from typing import Any

from stages.agent.sandbox.config import RunResult, SandboxConfig, TestResult
from stages.agent.sandbox.memory import Memory
from stages.agent.sandbox.pool import Item
from stages.agent.sandbox.sandbox import Sandbox, open_sandbox
from stages.agent.workspace import folders, tree_hash


class RememberedSandbox:
    """Commands and programs of a sandbox, each different one run once; for several threads."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.memory = Memory(sandbox.config)

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
        key = self.memory.key("command", [before, command])
        known = self.memory.get(key)
        if known is not None:
            result = RunResult(**known)
            return dataclasses.replace(result, saved_seconds=result.seconds)
        result = self._sandbox.run_command(command, workspace)
        if result.killed_by is None and _state(workspace) == before:
            self.memory.put({key: dataclasses.asdict(result)})
        return result

    def check_program(self, program: str, test: str, entry_point: str) -> TestResult:
        """As ``Sandbox.check_program``."""
        return self.map_check([(program, test, entry_point)])[0]

    def map_check(self, items: Iterable[Item]) -> list[TestResult]:
        """As ``Sandbox.map_check``."""
        asked = list(items)
        keys = {item: self.memory.key("check", item) for item in dict.fromkeys(asked)}
        known = {item: self.memory.get(key) for item, key in keys.items()}
        new = [item for item, outcome in known.items() if outcome is None]
        found = dict(zip(new, self._sandbox.map_check(new), strict=True))
        self.memory.put(
            {keys[i]: dataclasses.asdict(result) for i, result in found.items() if result.complete}
        )
        found |= {i: TestResult(**outcome) for i, outcome in known.items() if outcome is not None}
        return [found[item] for item in asked]


def _state(workspace: Path) -> list[Any]:
    """A workspace: the hash of its files, and its folders, which no hash of files has."""
    return [tree_hash(workspace), list(folders(workspace))]


@contextmanager
def remembered_sandbox(config: SandboxConfig) -> Iterator[RememberedSandbox]:
    """A new sandbox that remembers; SandboxUnavailable where none works."""
    with open_sandbox(config) as sandbox:
        yield RememberedSandbox(sandbox)
