"""Workspaces that lie in memory: how much of it a run may take, and when they lie on a disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.agent.sandbox import SandboxConfig, SandboxUnavailable, layout, open_sandbox
from stages.agent.sandbox.layout import memory_folder

FILLER = """
import time
kept = []
while True:
    handle = open("big", "wb")
    handle.write(bytes(1 << 24))
    handle.flush()
    kept.append(handle)
    __import__("os").unlink("big")
    time.sleep(0.01)
"""


def test_a_run_that_fills_the_memory_of_workspaces_is_stopped() -> None:
    """Also with files that have no name any more; the next run has its room again."""
    if memory_folder() is None:
        pytest.skip("sandboxes of this machine lie on a disk")
    limits = SandboxConfig(memory_mb=256, wall_seconds=60.0, cpu_seconds=60, workers=1)
    try:
        with open_sandbox(limits) as sandbox, sandbox.workspace() as folder:
            result = sandbox.run_program(FILLER, folder)
            assert (result.killed_by, result.timed_out) == ("files", False)
            assert sandbox.run_program("print(open('x', 'w').write('y'))", folder).output == "1\n"
    except SandboxUnavailable as reason:
        pytest.skip(str(reason))


def test_memory_is_no_place_for_workspaces_without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(layout, "ROOM", 1 << 62)
    assert memory_folder() is None
    monkeypatch.setattr(layout, "ROOM", 0)
    monkeypatch.setenv("TMPDIR", "/somewhere")
    assert memory_folder() is None
    monkeypatch.delenv("TMPDIR")
    monkeypatch.setattr(layout, "MEMORY", Path("/nowhere"))
    assert memory_folder() is None
