"""Iterations: a consolidation that is counted must have changed the weights."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from stages.stats.checks.check import Finding, absent, judged
from stages.stats.checks.record import Record
from stages.stats.streams import Stream


def weights_changed(record: Record) -> Finding:
    """Check 22: every consolidation trained something, and left other weights than it found.

    Weights are compared by the hash of each training, and by those that served the episodes before
    and after.
    """
    streams = record.results.streams.streams
    if not streams:
        return absent("nothing is consolidated more than once in this experiment")
    problems = [f"{s.name}: {text}" for s in streams for text in _unchanged(s)]
    for stream in streams:
        served = record.served(stream)
        problems += [
            f"{stream.name}: episodes of c{before:04} and c{after:04} were played with one adapter"
            for before, after in pairwise(sorted(served))
            if served[before] == served[after]
        ]
    return judged(
        {
            "streams": len(streams),
            "consolidations": sum(len(stream.facts) for stream in streams),
            "trainings": sum(len(f.get("trainings", [])) for s in streams for f in s.facts),
        },
        problems,
        "Look at the learning rate and at which parameters train; delete the stream's folder and "
        "run `dvc repro`.",
    )


def _unchanged(stream: Stream) -> list[str]:
    problems, seen = [], {}
    for fact in stream.facts:
        place, trainings = f"c{fact['consolidation']:04}", fact.get("trainings", [])
        if not trainings:
            problems.append(f"{place} trained nothing")
        for training in trainings:
            digest = training["weights_sha256"]
            if digest in seen:
                problems.append(f"{place}: {training['name']} has the weights of {seen[digest]}")
            seen.setdefault(digest, f"{place}: {training['name']}")
            problems += [f"{place}: {text}" for text in _stuck(training)]
    return problems


def _stuck(training: dict[str, Any]) -> list[str]:
    if training["first_loss"] == training["last_loss"] and training.get("steps", 2) > 1:
        return [f"the loss of {training['name']} did not move"]
    return []
