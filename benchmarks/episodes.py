"""Episodes per second: the pipeline's own against one at a time, and against bare ``generate``.

All sides use the same weights, tasks, tools and limits. *Ours* is what a stage runs: ``play`` in a
process a core, grading included. *One at a time* is the agent as one would first write it: one
episode after the other, each turn through transformers' ``generate`` at batch 1 with torch's own
number of threads, graded the same way. *Raw batched generate* has no agent at all: the very prompts
of our episodes, turn by turn in batches of 64 left-padded rows, each as long as our longest answer
of that batch, and no tools, no parsing, no workspace, no grading. Time is wall-clock; runs
alternate within one process, and a ratio is the median over pairs with a bootstrap interval.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from benchmarks.compare import median_interval, paired_ratios
from stages.agent.chat import render_prompt
from stages.agent.model import Completion, Request
from stages.lab.context import Lab, open_lab
from stages.lab.episodes import Condition, Plan, play
from stages.lab.models import local_model
from stages.lab.pool import run_jobs, usable_cores
from stages.records import Task, Trajectory

EXPERIMENT = "organism"
"""Its suite, model and limits are used; none of its results."""
PER_WORLD = 60
PEER_EPISODES = 40
"""One at a time is so much slower that a sample of the episodes must do."""
REPETITIONS = 5
RAW_BATCH = 64


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
    """What all sides share."""

    lab: Lab
    local: Any
    """our backend, which holds the weights and the tokenizer"""
    tasks: list[Task]
    """tasks of all worlds in turn, so that every share of them is alike"""


def measure() -> list[dict[str, Any]]:
    """Rows for the table of benchmarks; a ratio above 1 means that ours is faster."""
    setting = prepared()
    own = partial(ours, setting)
    batches = list(_turns(setting, _played(setting, setting.tasks)))
    peers: list[tuple[str, Callable[[], float]]] = [
        (
            "the same agent, one episode at a time, generate at batch 1",
            partial(one_at_a_time, setting),
        ),
        ("raw batched generate, batch 64, no agent", partial(raw_generate, setting, batches)),
    ]
    return [row(name, paired_ratios(peer, own, REPETITIONS)) for name, peer in peers]


def prepared() -> Setting:
    """The embedded base and the first tasks of every world."""
    lab = open_lab(EXPERIMENT)
    by_world = [lab.suite.tasks(world)[:PER_WORLD] for world in lab.worlds]
    tasks = [task for same_place in zip(*by_world, strict=True) for task in same_place]
    return Setting(lab, local_model(lab.model), tasks)


def ours(setting: Setting) -> float:
    """Seconds per episode, a share of the tasks in each process."""
    cores = usable_cores()
    shares = [setting.tasks[core::cores] for core in range(cores)]
    start = time.perf_counter()
    run_jobs([partial(_count, setting, share) for share in shares], "episodes")
    return (time.perf_counter() - start) / len(setting.tasks)


def _count(setting: Setting, tasks: list[Task]) -> int:
    return len(_played(setting, tasks))


def _played(setting: Setting, tasks: list[Task]) -> list[Trajectory]:
    with setting.lab.open_harness() as harness:
        plan = Plan(tasks, seed=0, attempts=1, temperature=0.0)
        return play(setting.lab, setting.local, harness, Condition("base"), plan)[0]


def one_at_a_time(setting: Setting) -> float:
    """Seconds per episode."""
    peer = OneAtATime(setting.local.transformers_model, setting.local.tokenizer)
    model = dataclasses.replace(setting.lab.model, max_live=1)
    lab = dataclasses.replace(setting.lab, model=model)
    tasks = setting.tasks[:PEER_EPISODES]
    with lab.open_harness() as harness, torch_threads(usable_cores()):
        start = time.perf_counter()
        play(lab, peer, harness, Condition("base"), Plan(tasks, 0, 1, 0.0))
        return (time.perf_counter() - start) / len(tasks)


def raw_generate(setting: Setting, batches: list[tuple[list[list[int]], int]]) -> float:
    """Seconds per episode for the prompts that our episodes met."""
    pad = setting.local.tokenizer.pad_token_id
    model = setting.local.transformers_model
    with torch_threads(usable_cores()):
        start = time.perf_counter()
        for prompts, longest in batches:
            width = max(map(len, prompts))
            ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts])
            mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
            model.generate(ids, attention_mask=mask, max_new_tokens=longest, do_sample=False)
        return (time.perf_counter() - start) / len(setting.tasks)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """``count`` threads inside, as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _turns(setting: Setting, played: Sequence[Trajectory]) -> Iterator[tuple[list[list[int]], int]]:
    """Prompts of each turn of each batch of episodes, and the longest answer among them."""
    for at in range(0, len(played), RAW_BATCH):
        part = played[at : at + RAW_BATCH]
        for turn in range(max(len(each.info["steps"]) for each in part)):
            live = [each for each in part if turn < len(each.info["steps"])]
            prompts = [
                render_prompt(setting.local.tokenizer, each.messages[: 2 + 2 * turn])
                for each in live
            ]
            yield prompts, max(each.info["steps"][turn]["output_tokens"] for each in live)


def row(peer: str, ratios: list[float]) -> dict[str, Any]:
    """One row, with a 95 % interval of the median."""
    ratio, lo, hi = median_interval(ratios)
    return {
        "name": "episodes/s",
        "ratio": ratio,
        "lo": lo,
        "hi": hi,
        "peer": peer,
        "command": "python -m benchmarks --only episodes",
    }
