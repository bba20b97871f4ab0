"""Adapters: live, the ones that were served, and merged as they should be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from stages.adapters.arrays import Arrays, arrays_sha256, delta_norm, load_arrays
from stages.adapters.folder import AdapterError
from stages.adapters.lora import LoraSettings, factors
from stages.adapters.merge import merge_adapters
from stages.lab.arm_adapters import adapter_of, arm_places
from stages.lab.arms import arm_of
from stages.lab.places import AdapterPlace
from stages.records import read_json
from stages.stats.checks.check import Finding, absent, judged
from stages.stats.checks.episodes import Episode
from stages.stats.checks.record import Record
from stages.stats.stream_states import state_folder
from stages.stats.streams import Stream

OTHER = "played with another adapter than the one there"
TOLERANCE = 1e-5
"""Largest relative difference of a merged ΔW, in fp32's own rounding."""
WEIGHTS = (0.3, 0.7)
Merge = Callable[[Sequence[tuple[Arrays, LoraSettings]], Sequence[float]], tuple]


def live(record: Record) -> Finding:
    """Check 5: ΔW and the logits moved, and each episode was played with the adapter on disk."""
    streams = record.results.streams.streams
    adapters = (*record.adapters, *arm_places(record.lab))
    if not adapters and not streams:
        return absent("no condition uses an adapter")
    problems, norms, shifts, served = [], [], [], {}
    for stream in streams:
        for proof in _proofs(stream):
            norms.append(proof["delta_norm"])
            shifts.append(proof["logit_shift_max"])
        problems += _dead_stream(stream)
    for adapter in adapters:
        certificate = adapter.read("certificate.json")
        if certificate is None:
            problems.append(f"{adapter.name}: no certificate.json")
            continue
        try:
            arrays, lora = load_arrays(adapter.path, certificate["base_sha256"])
        except (AdapterError, OSError, ValueError) as error:
            problems.append(f"{adapter.name}: {error}")
            continue
        norm, digest = delta_norm(arrays, lora), arrays_sha256(arrays)
        norms.append(norm)
        shifts.append(certificate["logit_shift_max"])
        served[adapter.world, adapter.split, adapter.arm, adapter.seed] = digest
        problems += _dead(adapter.name, norm, certificate, digest)
    problems += _wrongly_served(record, served)
    return judged(
        {
            "adapters": len(norms),
            "delta_norm_min": min(norms, default=0.0),
            "logit_shift_min": min(shifts, default=0.0),
        },
        problems,
        "Train the adapter again and play its conditions again: these episodes show another model.",
    )


def _dead(name: str, norm: float, certificate: Mapping, digest: str) -> list[str]:
    shift = certificate["logit_shift_max"]
    problems = []
    if not math.isfinite(norm) or norm == 0.0:
        problems.append(f"{name}: the norm of ΔW is {norm}")
    if not math.isfinite(shift) or shift <= 0.0:
        problems.append(f"{name}: the logits moved by {shift}")
    if certificate["adapter_sha256"] != digest:
        problems.append(f"{name}: the certificate is of another adapter")
    if not math.isclose(norm, certificate["delta_norm"], rel_tol=1e-3):
        problems.append(f"{name}: the certificate names another norm of ΔW")
    return problems


def _proofs(stream: Stream) -> list[dict[str, Any]]:
    """Certificates of the mixtures that each of a stream's consolidations serves."""
    folders = [state_folder(stream, fact["consolidation"]) for fact in stream.facts]
    paths = [folder / "certificate.json" for folder in folders]
    return [proof for path in paths if path.exists() for proof in read_json(path)]


def _dead_stream(stream: Stream) -> list[str]:
    proofs = _proofs(stream)
    if len(proofs) < len(stream.facts):
        return [f"{stream.name}: {len(proofs)} certificates of {len(stream.facts)} consolidations"]
    sound = (p["delta_norm"] > 0 and 0 < p["logit_shift_max"] < math.inf for p in proofs)
    return [] if all(sound) else [f"{stream.name}: a served mixture changes nothing"]


def _wrongly_served(record: Record, served: Mapping[tuple, str]) -> list[str]:
    wrong = {}
    conditions = record.lab.experiment.evaluate.conditions
    for episode in record.episodes:
        if episode.condition in (record.lab.experiment.arms or {}):
            if episode.adapter_hash != _of_arm(record, episode, served):
                wrong[episode.path] = f"{episode.path}: {OTHER}"
            continue
        if episode.condition not in conditions:
            if episode.condition in record.trained_conditions and not episode.adapter_hash:
                wrong[episode.path] = f"{episode.path}: played without its adapter"
            continue
        arm = arm_of(episode.condition)
        place = (episode.world, episode.split, arm, episode.seed)
        expected = "" if arm is None else served.get(place)
        if episode.adapter_hash != expected:
            wrong[episode.path] = f"{episode.path}: {OTHER}"
    return list(wrong.values())


def _of_arm(record: Record, episode: Episode, served: Mapping[tuple, str]) -> str | None:
    """Hash of the adapter that an arm names: its own, another's, another world's; "" for none."""
    where = (episode.world, episode.split, episode.condition, episode.seed)
    place = adapter_of(record.lab, *where)
    return served.get((place.world, place.split, place.arm, place.seed)) if place else ""


def merges_exactly(record: Record, merge: Merge = merge_adapters) -> Finding:
    """Check 7: one-hot weights give an adapter back; merged ΔW = Σ wᵢ·scaleᵢ·BᵢAᵢ, in numpy.

    Tried on the tensors of two of the experiment's own adapters.
    """
    pair = _two_different(record.adapters)
    if pair is None:
        return absent("the experiment has fewer than two different adapters")
    one_hot = max(_error(pair, weights, merge) for weights in ((1.0, 0.0), (0.0, 1.0)))
    mixed = _error(pair, WEIGHTS, merge)
    problems = []
    if not one_hot <= TOLERANCE:
        problems.append(f"one-hot weights change the adapter by {one_hot:.2g}")
    if not mixed <= TOLERANCE:
        problems.append(f"the merged ΔW is off by {mixed:.2g} of its norm")
    return judged(
        {
            "one_hot_error_ppm": one_hot * 1e6,
            "merged_error_ppm": mixed * 1e6,
            "tolerance_ppm": TOLERANCE * 1e6,
        },
        problems,
        "Merge by concatenation (peft's `cat`): `linear` adds A and B apart, no sum of B·A.",
    )


def _two_different(
    adapters: Sequence[AdapterPlace],
) -> list[tuple[Arrays, LoraSettings]] | None:
    found: dict[str, tuple[Arrays, LoraSettings]] = {}
    for adapter in adapters:
        provenance = adapter.read("provenance.json")
        if provenance is not None and provenance["adapter_sha256"] not in found:
            digest, base = provenance["adapter_sha256"], provenance["base_sha256"]
            try:
                found[digest] = load_arrays(adapter.path, base)
            except (AdapterError, OSError):
                continue  # check 5 names it
        if len(found) == 2:
            return list(found.values())
    return None


def _error(
    pair: Sequence[tuple[Arrays, LoraSettings]], weights: Sequence[float], merge: Merge
) -> float:
    """Largest relative Frobenius distance over modules between merged and summed ΔW."""
    merged = _deltas(*merge(pair, weights))
    parts = [_deltas(arrays, lora) for arrays, lora in pair]
    worst = 0.0
    for name in sorted({name for part in parts for name in part}):
        wanted = sum(w * part[name] for w, part in zip(weights, parts, strict=True) if name in part)
        size = float(np.linalg.norm(wanted)) or 1.0
        worst = max(worst, float(np.linalg.norm(merged[name] - wanted)) / size)
    return worst


def _deltas(arrays: Arrays, lora: LoraSettings) -> dict[str, np.ndarray]:
    return {
        name: lora.scale * (b.astype(np.float64) @ a.astype(np.float64))
        for name, (a, b) in factors(arrays).items()
    }
