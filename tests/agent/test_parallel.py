from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.agent.local import LocalConfig, LocalModel
from stages.agent.loop import run_episodes
from stages.agent.parallel import WorkerError, run_in_processes
from stages.agent.spec import AgentConfig, EpisodeSpec
from tests.agent.tiny import tiny_qwen2, tiny_tokenizer

CONFIG = AgentConfig(max_steps=3, max_new_tokens=12, temperature=1.0, max_tokens=256)


class Runner:
    def run_command(self, command: str, workspace: Path) -> None:
        raise AssertionError("a random model asks for no command")


@contextlib.contextmanager
def runner() -> Iterator[Runner]:
    yield Runner()


@contextlib.contextmanager
def broken() -> Iterator[Runner]:
    raise ValueError("no sandbox here")
    yield Runner()


@contextlib.contextmanager
def killed() -> Iterator[Runner]:
    os._exit(1)
    yield Runner()


def specs(count: int) -> list[EpisodeSpec]:
    message = {"role": "user", "content": "fix it"}
    return [EpisodeSpec(f"t{n}", {"a.py": f"{n}\n"}, (message,), seed=n) for n in range(count)]


def local(**fields: object) -> LocalModel:
    config = LocalConfig(max_batch=8, max_context_tokens=256, **fields)  # type: ignore[arg-type]
    return LocalModel(tiny_qwen2(), tiny_tokenizer(), config)


def test_processes_streams_and_lockstep_give_the_same_episodes() -> None:
    plain = run_episodes(local(use_compact=False), specs(11), CONFIG, Runner())  # type: ignore[arg-type]
    streamed = run_episodes(local(), specs(11), CONFIG, Runner(), max_live=8)  # type: ignore[arg-type]
    forked = run_in_processes(local(), specs(11), CONFIG, runner, 2, max_live=3)  # type: ignore[arg-type]
    texts = [result.messages for result in plain]
    assert [result.messages for result in streamed] == texts
    assert [result.messages for result in forked] == texts
    assert len({str(text) for text in texts}) == 11


@pytest.mark.parametrize(
    ("fault", "message"), [(broken, "no sandbox here"), (killed, "use fewer processes")]
)
def test_a_failed_process_is_an_error(fault: object, message: str) -> None:
    with pytest.raises(WorkerError, match=message):
        run_in_processes(local(), specs(4), CONFIG, fault, 2)  # type: ignore[arg-type]
