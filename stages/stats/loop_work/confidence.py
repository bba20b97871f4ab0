"""Confidence of a loop's answers against their being right, at the final checkpoint or base.

Answers of one item share its difficulty and answers of one seed its training: both are resampled,
crossed (Owen 2007), where ``calibration.py`` resamples items alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.lab.loops import Probed
from stages.stats.calibration import BINS, bootstrap_interval, weighted_brier, weighted_ece
from stages.stats.intervals import Undefined, wilson
from stages.stats.loop_work.results import LoopResults
from stages.stats.verdict import Estimand

RESAMPLES = 1000
STATISTICS = {"ece": weighted_ece, "brier": weighted_brier}
Floats = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Answers whose confidence is known."""

    confidence: Floats
    """per answer, 0 to 1"""
    correct: Floats
    """per answer, 0 or 1"""
    items: tuple[str, ...]
    """which item each answer is of"""
    seeds: tuple[int, ...]
    """which seed's run gave it"""


def pairs(results: LoopResults, arm: str, part: str, stated: bool, at_base: bool = False) -> Pairs:
    """The answers to a part at an arm's final checkpoints, or ``at_base``, with a confidence."""
    found: list[tuple[float, Probed, int]] = []
    for run in results.outcomes(arm):
        point = run.base if at_base else run.final
        for answer in point.probe:
            value = answer.stated if stated else answer.confidence
            if answer.part == part and value is not None:
                found.append((value, answer, run.seed))
    return Pairs(
        np.array([value for value, _, _ in found]),
        np.array([answer.correct for _, answer, _ in found]),
        tuple(answer.item_id for _, answer, _ in found),
        tuple(seed for _, _, seed in found),
    )


def calibrated(
    results: LoopResults, arm: str, part: str, kind: str, stated: bool = False, base: bool = False
) -> Estimand:
    """α → ECE or Brier score (``kind``) with a bootstrap interval, resampled once.

    The unit is the item. Undefined where no answer has a confidence.
    """
    known = pairs(results, arm, part, stated, base)
    if not known.items:
        word = "states a confidence" if stated else "has the probabilities of its tokens"
        return lambda alpha: Undefined(f"no {part} answer of {arm} {word}")
    statistic = STATISTICS[kind]
    value = float(statistic(known.confidence, known.correct, np.ones((1, len(known.items))))[0])
    draws = statistic(known.confidence, known.correct, _weights(known))
    n = len(set(known.items))
    return lambda alpha: dataclasses.replace(
        bootstrap_interval(value, draws, n, alpha), unit="item"
    )


def _weights(known: Pairs) -> Floats:
    """Resamples × answers: how often each answer is in a draw of items and a draw of seeds."""
    rng = np.random.default_rng(0)
    weights_BN = np.ones((RESAMPLES, len(known.items)))
    for labels in (known.items, known.seeds):
        weights_BN *= _drawn(labels, rng)
    empty = weights_BN.sum(axis=1) == 0  # a draw without any answer takes the sample itself
    weights_BN[empty] = 1.0
    return weights_BN


def _drawn(labels: Sequence[Any], rng: np.random.Generator) -> Floats:
    index = {label: at for at, label in enumerate(dict.fromkeys(labels))}
    member = np.array([index[label] for label in labels])
    draws_BG = rng.multinomial(len(index), np.full(len(index), 1 / len(index)), size=RESAMPLES)
    return draws_BG[:, member].astype(float)


def reliability(known: Pairs, alpha: float) -> list[dict[str, float | int]]:
    """One row per bin of the reliability diagram that holds an answer.

    mean confidence, share right with a Wilson interval over the bin's items, answers and items.
    """
    bins = np.clip(np.ceil(known.confidence * BINS).astype(int) - 1, 0, BINS - 1)
    rows = []
    for at in sorted(set(bins.tolist())):
        inside = bins == at
        items = {item for item, held in zip(known.items, inside, strict=True) if held}
        share = float(known.correct[inside].mean())
        ends = wilson(share * len(items), len(items), alpha, "item")
        rows.append(
            {
                "bin": (at + 0.5) / BINS,
                "confidence": float(known.confidence[inside].mean()),
                "accuracy": share,
                "lo": ends.lo,
                "hi": ends.hi,
                "answers": int(inside.sum()),
                "items": len(items),
            }
        )
    return rows
