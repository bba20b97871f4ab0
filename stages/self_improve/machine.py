"""The loop itself: attempt -> judge -> select -> train -> checkpoint -> probe, again and again.

A checkpoint is a cell: it is whole or it isn't, and its key holds the one before it. A run that is
killed anywhere goes on from its last whole checkpoint and ends with the same bytes.
"""

from __future__ import annotations

import dataclasses
import itertools
import shutil
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from stages.agent.sandbox import SandboxConfig
from stages.lab.cells import Cells
from stages.lab.loops import (
    CheckpointPlace,
    End,
    Probed,
    Reason,
    RunPlace,
    checkpoint_steps,
    steps_of,
)
from stages.params import SuiteParams
from stages.records import read_json, write_json, write_jsonl
from stages.self_improve.asking import chat_of, probe
from stages.self_improve.guarding import change, play_guard
from stages.self_improve.run import Advance, Run, Stepper


@dataclasses.dataclass(frozen=True)
class Machine:
    """What all runs of a loop share."""

    stepper: Stepper
    guard: SuiteParams | None
    """what the loop must not lose"""
    first_guard: Sequence[dict[str, Any]]
    """what the base answers to it, which every run is held against; empty without a guard"""
    limits: SandboxConfig
    """of model-written code, for the guard"""
    alpha: float
    """level of the guard's interval"""
    keys: Any
    """everything the runs' values, items and base are decided by, for the cells' keys"""
    timings: Path
    """folder for wall-clock times, which are no part of the output"""
    started: dict[Any, list[Probed]] = dataclasses.field(default_factory=dict)
    """checkpoint 0's probes by what they hang on: arms of one seed start alike"""


def run_loop(machine: Machine, run: Run, cells: Cells, origin: Path | None = None) -> End:
    """Every checkpoint of a run in turn, made or found made; then how it ended.

    ``origin`` is the adapter that the run starts from; None: the base.
    """
    windows = windows_of(run)
    history: list[CheckpointPlace] = []
    before: Any = None if origin is None else read_json(origin / "provenance.json")
    for number, window in enumerate(windows):
        place = run.place.checkpoint(number)
        key = [machine.keys, run.place.name, dataclasses.asdict(run.seeds), window, before]
        make = partial(_checkpoint, machine, run, place, window, list(history), origin)
        name = f"{run.place.name}/{place.name}"
        _forget_without_adapter(place)
        cells.job(name, key, "", make)()
        before = read_json(cells.folder / f"{name}.key.json")["key"]
        history.append(place)
        if place.facts().stopped:
            break
    end = _end(history)
    write_json(run.place.path / "end.json", dataclasses.asdict(end))
    return end


def windows_of(run: Run) -> list[list[int]]:
    """Numbers of the steps before each checkpoint; none before checkpoint 0."""
    steps = steps_of(run.loop, run.arm, len(run.items("train")))
    ends = [0, *checkpoint_steps(steps, run.loop.checkpoint_every)]
    return [[], *(list(range(a + 1, b + 1)) for a, b in itertools.pairwise(ends))]


def _forget_without_adapter(place: CheckpointPlace) -> None:
    """Have a checkpoint made anew whose adapter was deleted: nothing could go on from it."""
    facts = place.path / "facts.json"
    if facts.exists() and read_json(facts).get("saved") and not place.adapter.exists():
        shutil.rmtree(place.path)


def _checkpoint(
    machine: Machine,
    run: Run,
    place: CheckpointPlace,
    window: Sequence[int],
    history: Sequence[CheckpointPlace],
    origin: Path | None,
    folder: Path,
) -> None:
    """Do the window's steps and write everything there is to know of the model after them."""
    began = time.perf_counter()
    shutil.rmtree(place.adapter, ignore_errors=True)
    previous = adapter_of(history, origin)
    run.learner.restore(previous)
    before = run.learner.sha256
    advance = machine.stepper(run, window, history) if window else Advance()
    saved = run.learner.sha256 != before and _save(run, place)
    if not saved:  # what changes no logit isn't a change (check 5)
        run.learner.restore(previous)
    unchanged = bool(window) and run.arm.train and not saved
    rows = _probe(run, place.number) if window else _first_probe(machine, run)
    write_jsonl(folder / "probe.jsonl", rows)
    write_jsonl(folder / "attempts.jsonl", advance.attempts)
    guarded = _guard(machine, run, place, unchanged or _is_last(run, place), folder)
    validation = share_right(rows, "val")
    stopped: Reason | None = "unchanged" if unchanged else None
    if guarded.get("guard_fell"):
        stopped = "guard"
    if stopped is None and _no_longer_better(run, history, validation):
        stopped = "validation"
    facts = {
        "checkpoint": place.number,
        "step": window[-1] if window else 0,
        **_facts_of(advance),
        "adapter_sha256": run.learner.sha256,
        "previous_sha256": before,
        "stopped": stopped,
        "validation": validation,
        "seeds": dataclasses.asdict(run.seeds),
        "saved": saved,
        "origin": None if origin is None else "/".join(origin.parts[-2:]),
        "evaluation_only": not run.arm.train,
        **guarded,
        **advance.own,
    }
    write_json(folder / "facts.json", facts)
    seconds = {"seconds": time.perf_counter() - began}
    write_json(machine.timings / f"{run.place.name}-{place.name}.json", seconds)


def _facts_of(advance: Advance) -> dict[str, Any]:
    losses = [advance.losses[0], advance.losses[-1]] if advance.losses else []
    return {
        "trained_items": list(advance.trained_items),
        "examples": advance.examples,
        "tokens": advance.tokens,
        "target_tokens": advance.target_tokens,
        "losses": losses,
        "start": advance.start,
    }


def adapter_of(history: Sequence[CheckpointPlace], origin: Path | None = None) -> Path | None:
    """The adapter that the last checkpoint stands for; None: the base."""
    saved = [place.adapter for place in history if place.adapter.exists()]
    return saved[-1] if saved else origin


def kept_adapter(run: RunPlace) -> Path | None:
    """The adapter of the checkpoint that a finished run keeps; None: the base."""
    return adapter_of([run.checkpoint(number) for number in range(run.end().kept + 1)])


def _save(run: Run, place: CheckpointPlace) -> bool:
    """Write the adapter, if it does anything at all."""
    prompts = [chat_of(item) for item in run.items("train")]
    certificate = run.learner.certify(prompts)
    if certificate is None:
        return False
    facts = {"run": run.place.name, "checkpoint": place.number}
    run.learner.save(place.adapter, certificate, facts)
    return True


def _probe(run: Run, number: int) -> list[Probed]:
    asked = run.loop.probe
    items = [item for part in asked.parts for item in run.items(part)]
    seed = ("probe", run.seeds.decoding, number)
    return probe(
        run.learner,
        run.judge,
        items,
        asked.samples,
        asked.temperature,
        run.loop.max_new_tokens,
        seed,
    )


def _first_probe(machine: Machine, run: Run) -> list[Probed]:
    """The probe of checkpoint 0, made once for all runs that begin with the same weights.

    Seeds count where answers are sampled; everything else that a probe hangs on is the loop's.
    """
    sampled = run.loop.probe.temperature > 0
    key = (
        run.learner.sha256,
        run.learner.base.params.quantisation,
        run.seeds.decoding if sampled else None,
    )
    if key not in machine.started:
        machine.started[key] = _probe(run, 0)
    return machine.started[key]


def share_right(rows: Sequence[Probed], part: str) -> float | None:
    """Share of a part's answers that are right by what may steer a loop; None without any."""
    found = [row.visible for row in rows if row.part == part]
    return sum(found) / len(found) if found else None


def _is_last(run: Run, place: CheckpointPlace) -> bool:
    return place.number == len(windows_of(run)) - 1


def _guard(
    machine: Machine,
    run: Run,
    place: CheckpointPlace,
    last: bool,
    folder: Path,
) -> dict[str, Any]:
    """Play the guard where it is due; what it showed, for the facts."""
    registered = run.loop.guard
    if machine.guard is None or registered is None:
        return {}
    if not (last or place.number % registered.every == 0):
        return {}
    at_base = not run.learner.sha256
    rows = (
        machine.first_guard if at_base else play_guard(run.learner, machine.guard, machine.limits)
    )
    write_jsonl(folder / "guard.jsonl", rows)
    if at_base:
        return {}
    mean, low, high = change(machine.first_guard, rows, machine.alpha)
    return {
        "guard_change": round(mean, 6),
        "guard_interval": [round(low, 6), round(high, 6)],
        "guard_fell": high < registered.lower_bound,
    }


def _no_longer_better(
    run: Run, history: Sequence[CheckpointPlace], validation: float | None
) -> bool:
    patience = run.arm.early_stopping
    if patience is None or validation is None or not history:
        return False
    values = [place.facts().validation or 0.0 for place in history] + [validation]
    return len(values) - 1 - values.index(max(values)) >= patience


def _end(history: Sequence[CheckpointPlace]) -> End:
    """Why it ended, and which checkpoint is kept: never one that the guard condemned."""
    facts = [place.facts() for place in history]
    reason: Reason = facts[-1].stopped or "done"  # type: ignore[assignment]
    kept = history[-1].number
    if reason == "unchanged":
        kept = max(0, kept - 1)
    if reason in ("guard", "validation"):
        sound = [f.checkpoint for f in facts if not f.own.get("guard_fell")]
        kept = max(sound, key=lambda number: (_merit(history[number]), -number))
    return End(reason, kept, len(history))


def _merit(place: CheckpointPlace) -> float:
    """What a checkpoint is kept for: part val, else part train; never a part that is held out."""
    rows = place.probe()
    found = share_right(rows, "val")
    return (share_right(rows, "train") or 0.0) if found is None else found
