"""Episodes per second: our batches against one episode at a time, and against bare ``generate``.

The peers use the same weights, tasks, tools and limits. *One at a time* is the agent as one would
first write it: one episode after the other, each turn through transformers' ``generate`` at batch
1, with its cache for the turn. *Raw batched generate* has no agent at all: the very prompts of our
episodes, turn by turn in batches of 64 left-padded rows, each as long as our longest answer of
that batch, and no tools, no parsing, no workspace. Time is wall-clock; runs alternate within one
process, and a ratio is the median over pairs with a bootstrap interval.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM
from transformers import logging as transformers_logging

from stages.agent.chat import render_prompt
from stages.agent.local import LocalConfig, LocalModel
from stages.agent.loop import run_episodes
from stages.agent.model import Completion, Request
from stages.agent.parallel import run_in_processes
from stages.agent.sandbox import Sandbox, SandboxConfig, open_sandbox
from stages.agent.spec import AgentConfig, EpisodeResult, EpisodeSpec
from stages.suites.microrepo.suite import Microrepo
from stages.suites.microrepo.world import HELD_OUT

BASE = Path("models/base")
CONFIG = AgentConfig(max_steps=12, max_tokens=768, max_new_tokens=96)
EPISODES = 400
PEER_EPISODES = 24
"""One at a time is so much slower that a sample of the episodes must do."""
REPETITIONS = 5
RAW_BATCH = 64
LIVE = 128
"""Episodes that live at once in each of our processes."""


class OneAtATime:
    """Batch 1 through ``generate``, as one would first write it."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model, self._tokenizer = model, tokenizer

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Request) -> Completion:
        ids = torch.tensor([render_prompt(self._tokenizer, request.messages)])
        out = self._model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=request.max_new_tokens,
            do_sample=False,
        )
        new = out[0, ids.shape[1] :].tolist()
        stopped = new[-1] == self._tokenizer.eos_token_id
        text = self._tokenizer.decode(new, skip_special_tokens=True)
        return Completion(text, ids.shape[1], 0, len(new), 0.0, "stop" if stopped else "length")


@dataclasses.dataclass(frozen=True)
class Setting:
    """What both sides share."""

    model: Any
    tokenizer: Any
    local: LocalModel
    specs: list[EpisodeSpec]
    sandbox: Sandbox


def measure(episodes: Callable[[int], list[EpisodeSpec]] | None = None) -> list[dict[str, Any]]:
    """Rows for the table of benchmarks; a ratio above 1 means that ours is faster.

    ``episodes(n)`` gives n episodes to run; by default tasks of the suite microrepo.
    """
    with prepared((episodes or microrepo_episodes)(EPISODES)) as setting:
        peers = [
            ("the same agent, one episode at a time, generate at batch 1", one_at_a_time),
            ("raw batched generate, batch 64, no agent", raw_generate(setting)),
        ]
        return [
            row(peer, paired_ratios(lambda peer=run: peer(setting), lambda: ours(setting)))
            for peer, run in peers
        ]


@contextmanager
def prepared(specs: list[EpisodeSpec]) -> Iterator[Setting]:
    """The embedded base, and a sandbox for the peer."""
    transformers_logging.disable_progress_bar()
    if not (BASE / "config.json").exists():
        raise SystemExit(f"{BASE}: no model to run. Make it first with `make organism`.")
    model = Qwen2ForCausalLM.from_pretrained(BASE).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(BASE)
    local = LocalModel(model, tokenizer, LocalConfig(max_batch=LIVE))
    with open_sandbox(SandboxConfig(workers=1)) as sandbox:
        yield Setting(model, tokenizer, local, specs, sandbox)


def microrepo_episodes(count: int) -> list[EpisodeSpec]:
    """The first tasks of every held-out world, without notes."""
    worlds = list(HELD_OUT)
    suite = Microrepo(-(-count // len(worlds)), 0)
    tasks = [task for world in worlds for task in suite.tasks(world)]
    random.Random(0).shuffle(tasks)
    return [
        EpisodeSpec(task.instance_id, suite.files(task), tuple(suite.messages(task)))
        for task in tasks[:count]
    ]


def ours(setting: Setting) -> float:
    """Seconds per episode."""
    return _parallel(setting)[0]


def one_at_a_time(setting: Setting) -> float:
    """Seconds per episode."""
    peer = OneAtATime(setting.model, setting.tokenizer)
    specs = setting.specs[:PEER_EPISODES]
    start = time.perf_counter()
    run_episodes(peer, specs, CONFIG, setting.sandbox, max_live=1)
    return (time.perf_counter() - start) / len(specs)


def raw_generate(setting: Setting) -> Callable[[Setting], float]:
    """A function of seconds per episode, for the prompts that our episodes met."""
    results = _parallel(setting)[1]
    batches = list(_turns(setting, results))
    pad = setting.tokenizer.pad_token_id

    def run(setting: Setting) -> float:
        torch.set_num_threads(os.cpu_count() or 1)
        start = time.perf_counter()
        for prompts, longest in batches:
            width = max(map(len, prompts))
            ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts])
            mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
            setting.model.generate(
                ids, attention_mask=mask, max_new_tokens=longest, do_sample=False
            )
        torch.set_num_threads(1)
        return (time.perf_counter() - start) / len(setting.specs)

    return run


def _turns(
    setting: Setting, results: Sequence[EpisodeResult]
) -> Iterator[tuple[list[list[int]], int]]:
    """Prompts of each turn of each batch of episodes, and the longest answer among them."""
    for at in range(0, len(results), RAW_BATCH):
        part = results[at : at + RAW_BATCH]
        for turn in range(max(len(result.steps) for result in part)):
            live = [result for result in part if turn < len(result.steps)]
            prompts = [
                render_prompt(setting.tokenizer, result.messages[: 2 + 2 * turn]) for result in live
            ]
            yield prompts, max(result.steps[turn].output_tokens for result in live)


def _parallel(setting: Setting) -> tuple[float, list[EpisodeResult]]:
    """Seconds per episode, and what came out."""
    start = time.perf_counter()
    results = run_in_processes(
        setting.local,
        setting.specs,
        CONFIG,
        lambda: open_sandbox(SandboxConfig(workers=1)),
        os.cpu_count() or 1,
        max_live=LIVE,
    )
    return (time.perf_counter() - start) / len(setting.specs), results


def paired_ratios(peer: Callable[[], float], own: Callable[[], float]) -> list[float]:
    """peer seconds / our seconds of each repetition; who goes first alternates, one warm-up."""
    own()
    ratios = []
    for repetition in range(REPETITIONS):
        first, second = (peer, own) if repetition % 2 else (own, peer)
        seconds = {first: first(), second: second()}
        ratios.append(seconds[peer] / seconds[own])
    return ratios


def row(peer: str, ratios: list[float]) -> dict[str, Any]:
    """One row, with a 95 % percentile interval of the median over resampled pairs."""
    rng = random.Random(0)
    medians = sorted(statistics.median(rng.choices(ratios, k=len(ratios))) for _ in range(2000))
    return {
        "name": "episodes/s",
        "ratio": statistics.median(ratios),
        "lo": medians[50],
        "hi": medians[1949],
        "peer": peer,
        "command": "python -m benchmarks.episodes",
        "machine": (f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"),
    }


if __name__ == "__main__":
    for result in measure():
        interval = f"{result['ratio']:.2f} [{result['lo']:.2f}, {result['hi']:.2f}]"
        print(f"{result['name']} vs {result['peer']}: {interval}")
