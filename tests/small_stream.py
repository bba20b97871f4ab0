"""A stream of a few made-up sessions and a tiny random model: consolidations take milliseconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stages.lab.context import Lab
from stages.params import StrategyParams, StreamParams
from stages.records import Example, write_atomic, write_json, write_jsonl
from tests.agent.tiny import tiny_qwen2, tiny_tokenizer
from tests.small_lab import small_lab

WORLD, SPLIT = "oak_harbor", "A"
RANK = 4
FILES = ("axle", "bolt", "cog", "disk")
Arms = Mapping[str, tuple[str, dict[str, Any]]]


def stream_lab(arms: Arms, sessions: int = 6, every: int = 2, **changes: Any) -> Lab:
    """p1 as a stream of ``arms`` (name -> strategy and settings), with small adapters."""
    lab = small_lab(24)
    chosen = {
        name: StrategyParams(strategy=strategy, settings=settings)
        for name, (strategy, settings) in arms.items()
    }
    played = (sessions,)
    stream = StreamParams(sessions=sessions, every=every, played=played, arms=chosen)
    train = dataclasses.replace(
        lab.experiment.train, rank=RANK, alpha=2.0 * RANK, epochs=2, batch_size=4, min_examples=6
    )
    evaluate = dataclasses.replace(lab.experiment.evaluate, conditions=("base",), tasks=3)
    values = {
        "stream": stream,
        "train": train,
        "evaluate": evaluate,
        "guard": None,
        "seeds": (0,),
        "kind": "registered",
    }
    return dataclasses.replace(
        lab, experiment=dataclasses.replace(lab.experiment, **(values | changes))
    )


def write_inputs(lab: Lab, folder: Path) -> list[Example]:
    """Splits and examples of the lab below ``folder`` (the working directory); the examples."""
    assert not (folder / ".git").exists(), "a test writes into a folder of its own"
    tasks = lab.suite.tasks(WORLD)
    half = {
        "train": [task.instance_id for task in tasks[:12]],
        "test": [task.instance_id for task in tasks[12:]],
    }
    splits = folder / "data/splits" / lab.name
    write_jsonl(splits / f"tasks-{WORLD}.jsonl", tasks)
    write_json(splits / "splits.json", {WORLD: {SPLIT: half}})
    examples = [
        make_example(name, place, n)
        for place, name in enumerate(half["train"])
        for n in range(1 + place % 2)
    ]
    shuffled = [*examples[1::2], *examples[::2], examples[0]]  # synthesis writes in any order
    write_jsonl(folder / "data/synthetic" / lab.name / WORLD / SPLIT / "T.jsonl", shuffled)
    write_atomic(folder / "models/base/model.safetensors", b"the tiny model")
    return examples


def make_example(instance_id: str, place: int, n: int) -> Example:
    """One made-up pair of a session; even sessions teach ``naming``, odd ones ``unit``."""
    name, other = FILES[place % 4], FILES[(place + n + 1) % 4]
    return Example(
        example_id=f"{instance_id}-{n}",
        format="A",
        prompt=(
            {"role": "system", "content": f"repo {place}"},
            {"role": "user", "content": f"fix {name} {n}"},
        ),
        completion=f"open {other}",
        skill="unit" if place % 2 else "naming+unit",
        instance_id=instance_id,
        trajectory_id=f"t{place}",
    )


def small_base() -> tuple[Any, Any]:
    """The tiny model and its tokenizer."""
    return tiny_qwen2(), tiny_tokenizer()
