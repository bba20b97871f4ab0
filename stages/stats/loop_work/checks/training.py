"""Adapters that are live, iterations that change weights, losses that make sense."""

from __future__ import annotations

import math
from itertools import pairwise

from stages.adapters.arrays import arrays_sha256, delta_norm, load_arrays
from stages.adapters.folder import AdapterError
from stages.records import RecordError, read_json
from stages.stats.checks.check import Finding, absent, judged
from stages.stats.loop_work.checks.record import LoopRecord, where
from stages.stats.loop_work.results import Checkpoint, Run

SAVED = "saved"
"""Fact of a checkpoint: false where its weights are those of the one before, which has them."""
SWAPPED = "swap_adapter_sha256"
SHIFT = "swap_shift_from_base"
LEFT = "swap_shift_after_detaching"
"""Facts of a hot swap: hash that the served model holds; largest change of a logit with the
adapter, and once it is detached."""


def live(record: LoopRecord) -> Finding:
    """Check 5: each trained checkpoint's adapter is there, is the one named, and moves the model.

    Its certificate says by how much the logits moved. That the probe was played with it shows in
    the confidence: other weights give the same words another probability. A run whose answers have
    the base's confidence wherever they have its words was played without its adapter, unless a hot
    swap's logits prove that they moved.
    """
    problems: list[str] = []
    norms: list[float] = []
    bases: set[str] = set()
    for run, point in record.points():
        if point.facts.adapter_sha256 and point.facts.own.get(SAVED, True):
            found, norm, base = _adapter(point)
            problems += [f"{where(run, point)}: {text}" for text in (*found, *_swap(point))]
            norms += [] if norm is None else [norm]
            bases |= {base} if base else set()
    trained = [run for run in record.results.runs if _was_trained(run)]
    if not trained:
        return absent("nothing is trained in this loop")
    problems += [
        f"{run.name}: answers in the base's words have the base's confidence to the last digit at "
        f"all of {len(run.checkpoints) - 1} checkpoints: the adapter was not loaded"
        for run in trained
        if _as_base(run) and not any(_shifted(point) for point in run.checkpoints)
    ]
    if len(bases) > 1:
        problems.append(f"the adapters were trained on {len(bases)} different base models")
    return judged(
        {"runs": len(trained), "adapters": len(norms), "delta_norm_min": min(norms, default=None)},
        problems,
        "Attach the adapter before probing and prove it by logits; then run the loop again.",
    )


def _adapter(point: Checkpoint) -> tuple[list[str], float | None, str]:
    """Problems of a checkpoint's adapter on disk, the norm of its ΔW, the base it is of."""
    try:
        certificate = read_json(point.adapter / "certificate.json")
        base = certificate["base_sha256"]
        arrays, lora = load_arrays(point.adapter, base)
    except (AdapterError, RecordError, OSError, ValueError, KeyError) as error:
        return [f"its adapter can't be read: {error}"], None, ""
    norm, digest = delta_norm(arrays, lora), arrays_sha256(arrays)
    problems = []
    if digest != point.facts.adapter_sha256:
        problems.append("facts.json names another adapter than the one there")
    if certificate["adapter_sha256"] != digest:
        problems.append("the certificate is of another adapter")
    if not math.isfinite(norm) or norm == 0.0:
        problems.append(f"the norm of ΔW is {norm}")
    elif not 0.0 < certificate["logit_shift_max"] < math.inf:
        problems.append(f"the logits moved by {certificate['logit_shift_max']}")
    return problems, norm, base


def _swap(point: Checkpoint) -> list[str]:
    own = point.facts.own
    if SWAPPED not in own:
        return []
    problems = []
    if own[SWAPPED] != point.facts.adapter_sha256:
        problems.append("the served adapter is another than the one trained")
    if not own[SHIFT] > 0.0 or own[LEFT] != 0.0:
        problems.append(
            f"the swap moved logits by {own[SHIFT]}, and by {own[LEFT]} after detaching"
        )
    return problems


def _shifted(point: Checkpoint) -> bool:
    return point.facts.own.get(SHIFT, 0.0) > 0.0


def _as_base(run: Run) -> bool:
    """Whether each answer in the base's own words has the base's own confidence too."""
    before = {(row.item_id, row.text): row.confidence for row in run.base.probe}
    alike = [
        row.confidence == before[row.item_id, row.text]
        for point in run.checkpoints[1:]
        for row in point.probe
        if point.facts.adapter_sha256 and (row.item_id, row.text) in before
    ]
    return bool(alike) and all(alike)


def _was_trained(run: Run) -> bool:
    return any(point.facts.adapter_sha256 for point in run.checkpoints[1:])


def weights_changed(record: LoopRecord) -> Finding:
    """Check 22: every iteration that is counted trained something and changed the weights.

    An arm that trains nothing by registration is evaluation only, and counted as such. A run that
    ended because its weights stayed is allowed that one checkpoint, as long as it says so.
    """
    problems: list[str] = []
    iterations = 0
    for run in record.results.runs:
        if record.trains(run):
            iterations += len(run.checkpoints) - 1
            problems += [f"{run.name}/{text}" for text in _unchanged(run)]
        elif _was_trained(run):
            problems.append(f"{run.name}: it is labelled evaluation only, and was trained")
    only = [arm for arm, values in record.results.loop.arms.items() if not values.train]
    if not record.results.runs:
        return absent("no run of this loop has ended")
    return judged(
        {"iterations": iterations, "evaluation_only": ", ".join(only)},
        problems,
        "Look at what the step selected, at the learning rate and at which parameters train; or "
        "register the arm with `train: false`, which is evaluation only.",
    )


def _unchanged(run: Run) -> list[str]:
    problems, seen = [], {run.base.facts.adapter_sha256: run.base.number}
    for before, point in pairwise(run.checkpoints):
        facts, name = point.facts, f"c{point.number:04}"
        if facts.previous_sha256 != before.facts.adapter_sha256:
            problems.append(f"{name} does not follow the checkpoint before it")
        stopped_there = run.end.reason == "unchanged" and point is run.checkpoints[-1]
        if stopped_there:
            continue
        if not facts.examples:
            problems.append(f"{name} trained nothing: an iteration without training")
        elif facts.adapter_sha256 in seen:
            old = seen[facts.adapter_sha256]
            problems.append(f"{name} has the weights of c{old:04}: an iteration without training")
        seen.setdefault(facts.adapter_sha256, point.number)
    return problems


def several_steps(record: LoopRecord, examples: int) -> bool:
    """Whether so many examples took more than one optimizer step: one has a single loss."""
    train = record.results.loop.train
    return examples * train.epochs > train.batch_size


def sound_losses(record: LoopRecord) -> Finding:
    """Check 10: no loss is 0 or not finite, none stands still, and each training had a target."""
    problems, last = [], []
    for run, point in record.points():
        facts, name = point.facts, where(run, point)
        # A policy's loss is 0 where the answers of every group are rewarded alike.
        grpo = record.results.loop.arms[run.place.arm].method == "grpo"
        if not facts.examples:
            continue
        if not facts.target_tokens:
            problems.append(f"{name}: no target token was trained on")
        if not facts.losses:
            problems.append(f"{name}: no loss was recorded")
        elif not all(map(math.isfinite, facts.losses)) or (0.0 in facts.losses and not grpo):
            problems.append(f"{name}: the losses are {facts.losses}")
        elif several_steps(record, facts.examples) and not grpo and len({*facts.losses}) == 1:
            problems.append(f"{name}: the loss did not move")
        last += facts.losses[-1:]
    if not last and not problems:
        return absent("nothing is trained in this loop")
    return judged(
        {
            "trainings": len(last),
            "last_loss_min": min(last, default=None),
            "last_loss_max": max(last, default=None),
        },
        problems,
        "Look at the masks and the learning rate; run the loop again.",
    )
