"""A loop on a tiny random model: eight questions, a judge of whole answers, folders in a test's."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.agent.sandbox import SandboxConfig
from stages.lab.cells import Cells
from stages.lab.loops import OpenLoop, RunPlace, run_seeds
from stages.params import LoopArm, LoopParams, ModelParams, PartParams, ProbeParams, Train
from stages.self_improve.learner import Base, Learner, of_weights
from stages.self_improve.machine import Machine
from stages.self_improve.online import online
from stages.self_improve.parts import Item, Judged, Part
from stages.self_improve.run import Run, Stepper, lora_of
from tests.small_lab import all_params
from tests.train_adapter.conftest import make_model, make_tokenizer

LIMITS = SandboxConfig(workers=1)
TRAIN = Train(
    rank=4,
    alpha=8,
    learning_rate=0.02,
    epochs=6,
    dpo_learning_rate=0.001,
    batch_size=8,
    warmup=0.0,
    min_examples=1,
    beta=0.1,
)
LOOP = LoopParams(
    title="a tiny loop",
    hypothesis="it runs",
    kind="pilot",
    design="online",
    model="tiny",
    source=PartParams(name="questions", settings={}),
    judge=PartParams(name="whole", settings={}),
    seeds=(0, 1),
    repeats=1,
    steps=0,
    checkpoint_every=2,
    attempts=1,
    temperature=0.5,
    max_new_tokens=6,
    probe=ProbeParams(parts=("train", "val", "holdout"), samples=1, temperature=0.5),
    train=TRAIN,
    arms={"main": LoopArm()},
    guard=None,
    criteria={},
    alpha=0.05,
    power=0.8,
    minimum_items=2,
)


class Questions:
    """Six questions to train on, one to validate and one held out."""

    def __init__(self) -> None:
        train: list[Part] = ["train"]
        parts: list[Part] = [*train * 6, "val", "holdout"]
        self._items = [
            Item(f"q{n}", part, "ab"[n % 2], 1 + n % 3, f"fix name{n} in repo", f"open part{n}.py")
            for n, part in enumerate(parts)
        ]

    def items(self, part: Part) -> Sequence[Item]:
        return [item for item in self._items if item.part == part]


class Whole:
    """An answer is right when it is the item's."""

    def judge(self, pairs: Sequence[tuple[Item, str]]) -> list[Judged]:
        return [Judged(text == item.answer, text == item.answer) for item, text in pairs]


@functools.cache
def tiny_base() -> Base:
    """A random model of 30 thousand parameters, as loops use one."""
    params = ModelParams(
        kind="local",
        path="models/none",
        dtype="float32",
        quantisation="none",
        device="cpu",
        threads=1,
        max_live=8,
        context_tokens=128,
    )
    tokenizer = make_tokenizer()
    return of_weights(params, make_model(len(tokenizer)), tokenizer)


def opened_in(folder: Path, **changes: Any) -> OpenLoop:
    """The loop with some values changed, its files below ``folder``."""
    loop = dataclasses.replace(LOOP, **changes)
    return OpenLoop("tiny", all_params(), loop, tiny_base().params, folder)


def cells_of(opened: OpenLoop) -> Cells:
    return Cells(opened.root / "data/loops/tiny")  # of no code, whose hash takes a second


def tiny_run(opened: OpenLoop, place: RunPlace | None = None) -> Run:
    place = place or opened.run("main", 0, 0)
    seeds, base = run_seeds(opened.loop, place), tiny_base()
    learner = Learner(base, lora_of(opened.loop, base.params, seeds.training))
    arm = opened.loop.arms[place.arm]
    return Run(opened.loop, arm, place, seeds, learner, Questions(), Whole())


def machine(opened: OpenLoop, stepper: Stepper = online, **changes: Any) -> Machine:
    values = {"guard": None, "first_guard": (), **changes}
    timings = opened.root / "timings"
    return Machine(stepper=stepper, limits=LIMITS, alpha=0.05, keys="k", timings=timings, **values)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a loop's outputs, by its path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for part in ("data", "models")
        for path in sorted((folder / part).rglob("*"))
        if path.is_file()
    }
