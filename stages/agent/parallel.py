"""Episodes on several cores: a process a core, each with its share and its own batch.

Two threads of one process share torch's operators badly at these sizes; two processes don't meet.
They are forked, so the weights are neither loaded nor copied again.
"""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from typing import Any

import torch

from stages.agent.loop import run_episodes
from stages.agent.model import Model
from stages.agent.spec import AgentConfig, EpisodeResult, EpisodeSpec
from stages.agent.tools import CommandRunner


class WorkerError(RuntimeError):
    """A process of episodes ended with an error; the message holds its traceback."""


def run_in_processes(
    model: Model,
    specs: Sequence[EpisodeSpec],
    config: AgentConfig,
    open_runner: Callable[[], AbstractContextManager[CommandRunner]],
    processes: int,
    **options: Any,
) -> list[EpisodeResult]:
    """``run_episodes`` with every ``processes``-th episode in one process; results in order.

    ``open_runner`` opens a process's own sandbox. ``options`` go to ``run_episodes``. The share
    of each process follows from the order of ``specs``, so equal calls give equal results.
    Models on the CPU only: a forked process can't use its parent's GPU.
    """
    if processes <= 1 or len(specs) < 2 * processes:
        with open_runner() as runner:
            return run_episodes(model, specs, config, runner, **options)
    fork = multiprocessing.get_context("fork")
    children = []
    for share in range(processes):
        receiver, sender = fork.Pipe(duplex=False)
        arguments = (sender, model, specs[share::processes], config, open_runner, options)
        child = fork.Process(target=_work, args=arguments, daemon=True)
        child.start()
        sender.close()
        children.append((child, receiver))
    try:
        shares = [_receive(receiver) for _, receiver in children]
    finally:
        for child, receiver in children:
            receiver.close()
            child.terminate()
            child.join()
    results: list[Any] = [None] * len(specs)
    for share, part in enumerate(shares):
        results[share::processes] = part
    return results


def _work(
    sender: Connection,
    model: Model,
    specs: Sequence[EpisodeSpec],
    config: AgentConfig,
    open_runner: Callable[[], AbstractContextManager[CommandRunner]],
    options: dict[str, Any],
) -> None:
    torch.set_num_threads(1)  # more would wait for threads that the fork left behind
    try:
        with open_runner() as runner:
            sender.send((run_episodes(model, specs, config, runner, **options), ""))
    except BaseException:
        sender.send(([], traceback.format_exc()))


def _receive(receiver: Connection) -> list[EpisodeResult]:
    try:
        results, error = receiver.recv()
    except EOFError:
        results, error = [], "it was killed, perhaps for lack of memory: use fewer processes."
    if error:
        raise WorkerError(f"a process of episodes ended early: {error}")
    return results
