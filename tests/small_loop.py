"""Small loops for tests: a registration, and records of runs written from tables of answers."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.lab.loops import OpenLoop, RunPlace
from stages.params import (
    CriterionParams,
    LoopArm,
    LoopGuard,
    LoopParams,
    Params,
    PartParams,
    ProbeParams,
    Train,
    load_params,
)
from stages.records import sha256_text

ROOT = Path(__file__).resolve().parent.parent
TRAIN = Train(
    rank=2,
    alpha=4.0,
    learning_rate=0.01,
    epochs=1,
    dpo_learning_rate=0.001,
    batch_size=1,
    warmup=0.0,
    min_examples=1,
    beta=0.1,
)
Table = Sequence[Mapping[str, float | Sequence[int]]]
"""For each checkpoint: item -> right or not, or one such number per sample."""


@functools.cache
def all_params() -> Params:
    """params.yaml, read once."""
    return load_params(ROOT / "params.yaml")


def small_loop(**changes: Any) -> LoopParams:
    """A loop of two arms, two seeds and one repeat; fields by keyword replace it."""
    values: dict[str, Any] = {
        "title": "A small loop",
        "hypothesis": "It learns.",
        "kind": "registered",
        "design": "online",
        "model": None,
        "source": PartParams(name="trivia", settings={}),
        "judge": PartParams(name="trivia", settings={}),
        "seeds": (0, 1),
        "repeats": 1,
        "steps": 0,
        "checkpoint_every": 10,
        "attempts": 1,
        "temperature": 0.0,
        "max_new_tokens": 16,
        "probe": ProbeParams(parts=("train", "test"), samples=1, temperature=0.0),
        "train": TRAIN,
        "arms": {"plain": LoopArm(), "other": LoopArm()},
        "guard": None,
        "criteria": {},
        "alpha": 0.05,
        "power": 0.8,
        "minimum_items": 2,
    }
    return LoopParams(**{**values, **changes})


def opened(root: Path, **changes: Any) -> OpenLoop:
    """That loop, opened in a folder."""
    loop = small_loop(**changes)
    params = dataclasses.replace(all_params(), loops={"l01": loop})
    return OpenLoop("l01", params, loop, params.models["tiny"], root)


def asked(estimand: str, comparator: Any = ">", threshold: float = 0.0) -> CriterionParams:
    """A criterion."""
    return CriterionParams(
        estimand=estimand, comparator=comparator, threshold=threshold, test="none"
    )


def guard_of(lower_bound: float = -0.05) -> LoopGuard:
    """A guard on the generated code problems."""
    return LoopGuard(suite="procedural", every=1, lower_bound=lower_bound)


def write_run(place: RunPlace, table: Table, **changes: Any) -> None:
    """Write the records of a run that answered as ``table`` says.

    An item's name begins with its part and, after a stroke, its group: ``test/geo/3``. Changes:
    ``probe``, ``facts``, ``end`` (merged into every row), ``attempts`` and ``guard`` (rows of each
    checkpoint), ``at`` (checkpoint -> further facts).
    """
    trained = [item for item in table[0] if item.startswith("train/")]
    share = -(-len(trained) // max(1, len(table) - 1))
    hashes = [""] + [sha256_text(f"{place.name} {number}") for number in range(1, len(table))]
    for number, answers in enumerate(table):
        folder = place.checkpoint(number).path
        rows = [
            _probed(item, sample, right, number, changes.get("probe", {}))
            for item, rights in answers.items()
            for sample, right in enumerate(rights if isinstance(rights, Sequence) else [rights])
        ]
        write_rows(folder / "probe.jsonl", rows)
        facts = {
            "checkpoint": number,
            "step": number * share,
            "trained_items": trained[(number - 1) * share : number * share] if number else [],
            "examples": share * bool(number),
            "tokens": 10 * number,
            "target_tokens": 5 * number,
            "losses": [2.0, 1.0] if number else [],
            "adapter_sha256": hashes[number],
            "previous_sha256": hashes[max(0, number - 1)],
            "start": "previous" if number else "none",
            "stopped": None,
            "validation": None,
            **changes.get("facts", {}),
            **changes.get("at", {}).get(number, {}),
        }
        write_json(folder / "facts.json", facts)
        for name in ("attempts", "guard"):
            if number in changes.get(name, {}):
                write_rows(folder / f"{name}.jsonl", changes[name][number])
    last = len(table) - 1
    end = {"reason": "done", "kept": last, "checkpoints": last + 1, **changes.get("end", {})}
    write_json(place.path / "end.json", end)


def _probed(
    item: str, sample: int, right: float, number: int, changes: Mapping[str, Any]
) -> dict[str, Any]:
    part, group, _ = item.split("/")
    row = {
        "item_id": item,
        "part": part,
        "group": group,
        "difficulty": 1,
        "sample": sample,
        "correct": int(right),
        "visible": int(right),
        # other weights give the same words another probability
        "confidence": (0.8 if right else 0.4) + 1e-9 * number,
        "stated": None,
        "tokens": 4,
        "finish": "stop",
        "text": f"{'right' if right else 'wrong'} {item}",
    }
    return {**row, **{key: v(row) if callable(v) else v for key, v in changes.items()}}


def attempt(item: str, **changes: Any) -> dict[str, Any]:
    """A row of attempts.jsonl."""
    row = {
        "step": 1,
        "item_id": item,
        "group": item.split("/")[1],
        "difficulty": 1,
        "sample": 0,
        "correct": 1,
        "visible": 1,
        "selected": 1,
        "kind": "own",
        "text": f"right {item}",
        "tokens": 4,
    }
    return {**row, **changes}


def names(part: str, count: int, groups: Sequence[str] = ("geo",)) -> list[str]:
    """``count`` items of a part, dealt to the groups in turn."""
    return [f"{part}/{groups[at % len(groups)]}/{at}" for at in range(count)]


def learning(items: Sequence[str], right: Sequence[int]) -> list[dict[str, int]]:
    """A table in which the first ``right[k]`` items of the list are right at checkpoint k."""
    return [{item: int(at < count) for at, item in enumerate(items)} for count in right]


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


ITEMS = [*names("train", 12, ("geo", "sci")), *names("test", 12, ("geo", "sci"))]
CRITERIA = {
    "learns": asked("gain.plain.train"),
    "better": asked("difference.plain.other.test"),
    "seeds": asked("seed_effect.plain.train"),
}


def written(root: Path, **changes: Any) -> OpenLoop:
    """Three seeds × two repeats of two arms; plain learns all it is trained on."""
    values = {"criteria": CRITERIA, "seeds": (0, 1, 2), "repeats": 2, **changes}
    loop = opened(root, **values)
    weights = root / loop.model.path / "model.safetensors"
    weights.parent.mkdir(parents=True, exist_ok=True)
    weights.write_bytes(b"weights")
    for place in loop.runs():
        ends = [2, 5 + place.seed, 12 - place.repeat] if place.arm == "plain" else [2, 2, 2]
        correction = attempt(ITEMS[0], before=0, valid=1, target="x")
        write_run(place, learning(ITEMS, ends), attempts={1: [correction]})
    return loop
