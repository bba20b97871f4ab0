"""A small stream beside the sound run: two arms, two consolidations, as the stages write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from stages.adapters.lora import LoraSettings, adapter_sha256
from stages.lab.context import Lab
from stages.params import CriterionParams, StrategyParams, StreamParams
from stages.records import Task, write_json, write_jsonl
from stages.strategies.fisher import diagonal_fisher
from stages.strategies.protocol import ADAPTER, State
from stages.strategies.store import save_state
from tests.stats.checks.run_files import (
    SEEDS,
    SPLIT,
    WORLD,
    chosen_tasks,
    episodes,
    guard_rows,
    make_lab,
)

EWC = {"strength": 10.0, "samples": 4, "accumulation": "replace"}
ARMS = {
    "naive": StrategyParams(strategy="naive", settings={}),
    "ewc_10": StrategyParams(strategy="ewc", settings=EWC),
}
SESSIONS, EVERY = 8, 4
STREAM = StreamParams(sessions=SESSIONS, every=EVERY, played=(4, 8), arms=ARMS)
ADAPTERS = Path("models/adapters/p1/streams") / WORLD / SPLIT
TESTED = Path("data/evaluations/p1/streams") / WORLD / SPLIT
LORA = LoraSettings(rank=2, alpha=4.0)
NAMES = ("base_model.model.up.lora_A.weight", "base_model.model.up.lora_B.weight")


def stream_lab(**changes: Any) -> Lab:
    """The sound run's experiment with a stream and a criterion on it."""
    criteria = {
        "kept": CriterionParams(
            estimand="stream.retention.naive", comparator=">", threshold=0.5, test="none"
        )
    }
    return make_lab(**({"stream": STREAM, "criteria": criteria} | changes))


def write_streams() -> None:
    """Every arm and seed, below the current folder."""
    tasks = chosen_tasks()
    train, test = tasks[0::2], tasks[1::2]
    for arm in ARMS:
        for seed in SEEDS:
            write_stream(f"{arm}-s{seed}", arm, seed, train, test)


def write_stream(name: str, arm: str, seed: int, train: list[Task], test: list[Task]) -> None:
    retention = []
    history: list[dict[str, Any]] = []
    for number in (1, 2):
        state = made_state(arm, seed, number, history)
        save_state(ADAPTERS / name / f"c{number:04}", state)
        digest = adapter_sha256(state.adapters[ADAPTER][0])
        write_json(ADAPTERS / name / f"c{number:04}" / "losses.json", {ADAPTER: [1.0, 0.7, 0.4]})
        proof = {"adapter_sha256": digest, "delta_norm": 2.0, "logit_shift_max": 0.3}
        write_json(ADAPTERS / name / f"c{number:04}" / "certificate.json", [proof])
        sessions = number * EVERY
        facts = made_facts(number, [t.instance_id for t in train[:sessions]], digest)
        write_json(ADAPTERS / name / f"c{number:04}" / "facts.json", facts)
        played = train[: min(SESSIONS, sessions + EVERY)] + test
        rows = episodes(played, arm, seed, digest)
        write_jsonl(TESTED / name / f"tasks-c{number:04}.jsonl", rows)
        retention += retention_rows(number, train[:sessions])
    write_jsonl(TESTED / name / "retention.jsonl", retention)
    write_jsonl(TESTED / name / "guard-c0002.jsonl", guard_rows())


def made_state(arm: str, seed: int, number: int, history: list[dict[str, Any]]) -> State:
    generator = torch.Generator().manual_seed(100 * seed + number)
    shapes = dict(zip(NAMES, ((2, 6), (5, 2)), strict=True))
    tensors = {n: torch.randn(s, generator=generator) for n, s in shapes.items()}
    adapters = {ADAPTER: (tensors, LORA)}
    if ARMS[arm].strategy != "ewc":
        return State(seed=seed, consolidation=number, adapters=adapters)
    drawn = [{n: torch.randn(s, generator=generator) for n, s in shapes.items()} for _ in range(4)]
    latest = diagonal_fisher(drawn, 4)
    history.append({**latest.fact(), "tokens": 40})
    return State(
        seed=seed,
        consolidation=number,
        adapters=adapters,
        tensors=latest.diagonal,
        facts={"fisher": list(history)},
    )


def made_facts(number: int, origins: list[str], digest: str) -> dict[str, Any]:
    training = {
        "name": ADAPTER,
        "rank": 2,
        "examples": 4,
        "tokens": 400,
        "computed_tokens": 440,
        "steps": 5,
        "first_loss": 1.0,
        "last_loss": 0.4,
        "weights_sha256": digest,
    }
    return {
        "consolidation": number,
        "sessions": len(origins),
        "origins": origins,
        "new_examples": 4,
        "trainings": [training],
        "fisher_tokens": 40,
        "probe_tokens": 0,
        "trained_tokens": 400 * number,
        "flops": 1e6 * number,
        "total_rank": 2,
    }


def retention_rows(number: int, sessions: list[Task]) -> list[dict[str, Any]]:
    return [
        {
            "consolidation": number,
            "sessions": len(sessions),
            "origin": place,
            "instance_id": task.instance_id,
            "example_id": f"example-{task.instance_id}",
            "skill": "unit",
            "kept": int(place > 1),
            "loss": 0.3,
        }
        for place, task in enumerate(sessions, start=1)
    ]
