"""Outcomes that outlive their process: what counts as the same question, and a file gone wrong."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import sys
from pathlib import Path

import pytest

from stages.agent.sandbox import memory as room
from stages.agent.sandbox.config import RunResult, SandboxConfig
from stages.agent.sandbox.memory import Memory
from tests.agent.test_remembered import Counted, remembered

RESULT = {"passed": True, "name": "f"}


@pytest.fixture
def config(tmp_path: Path) -> SandboxConfig:
    return SandboxConfig(memory=str(tmp_path / "cells" / "outcomes.sqlite"))


def told(config: SandboxConfig, kind: str = "check", asked: object = ("a", "b")) -> object:
    """What a new memory, as of another process, knows."""
    fresh = Memory(config)
    return fresh.get(fresh.key(kind, asked))


def tell(config: SandboxConfig, asked: object = ("a", "b")) -> None:
    first = Memory(config)
    first.put({first.key("check", asked): RESULT})


def test_another_process_knows_it_and_only_for_the_same_question(config: SandboxConfig) -> None:
    assert told(config) is None
    tell(config)
    assert told(config) == RESULT
    assert told(config, "command") is None and told(config, asked=("a", "c")) is None
    assert told(dataclasses.replace(config, memory=None)) is None


@pytest.mark.parametrize("changed", ["limit", "code", "interpreter"])
def test_what_it_may_hang_on_asks_anew(
    config: SandboxConfig, changed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(config)
    if changed == "limit":
        config = dataclasses.replace(config, cpu_seconds=config.cpu_seconds + 1)
    elif changed == "code":
        monkeypatch.setattr(room, "_code", lambda: "other")
    else:
        monkeypatch.setattr(sys, "version", "4.0")
    assert told(config) is None


def test_where_it_ran_makes_no_difference(config: SandboxConfig) -> None:
    tell(config)
    assert told(dataclasses.replace(config, workers=3, backend="unshare")) == RESULT


def test_the_code_is_that_of_the_whole_room() -> None:
    room._code.cache_clear()
    before = room._code()
    extra = Path(room.__file__).parent / "guest" / "planted_by_a_test.py"
    extra.write_text("A = 1\n")
    try:
        room._code.cache_clear()
        assert room._code() != before
    finally:
        extra.unlink()
        room._code.cache_clear()
    assert room._code() == before


def test_processes_that_were_forked_write_side_by_side(config: SandboxConfig) -> None:
    shared = Memory(config)
    shared.put({shared.key("check", "first"): RESULT})  # opened before the fork

    def work(name: str) -> None:
        for n in range(200):
            shared.put({shared.key("check", [name, n]): {"by": name, "n": n}})
        os._exit(0)

    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=work, args=(name,)) for name in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    for name in "ab":
        for n in range(200):
            assert told(config, asked=[name, n]) == {"by": name, "n": n}


@pytest.mark.parametrize("content", [b"no data base at all, but long enough for one" * 40, None])
def test_a_file_that_cant_be_used_is_named_and_done_without(
    config: SandboxConfig, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path(str(config.memory))
    if content is None:
        path.mkdir(parents=True)
    else:
        path.parent.mkdir()
        path.write_bytes(content)
    below = Counted()
    below.config = config
    sandbox = remembered(below)
    for _ in range(2):
        assert sandbox.check_program("good", "t", "f").passed
    assert len(below.checks) == 1  # remembered all the same, as long as the process lives
    said = capsys.readouterr().err
    assert said.count(str(path)) == 1 and "Delete the file" in said


def test_text_that_is_no_unicode_is_a_question_too(config: SandboxConfig) -> None:
    tell(config, asked=["\udcff"])
    assert told(config, asked=["\udcff"]) == RESULT
    assert told(config, asked=["\udcfe"]) is None


def test_a_command_is_known_to_the_next_process_with_its_time(
    config: SandboxConfig, tmp_path: Path
) -> None:
    result = RunResult(1, "line \udcff\n", False, None, 0.25)
    seen = []
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    for _ in range(2):
        below = Counted(result)
        below.config = config
        seen.append((remembered(below).run_command("python a.py", workspace), below.runs))
    assert seen[0] == (result, ["python a.py"])
    assert seen[1] == (dataclasses.replace(result, saved_seconds=0.25), [])
