"""Train and held-out curves: grokking, its look-alikes, and the loop that never trained.

The definition of grokking is this project's (science.md, section 1; ``items.grokking``): held-out
accuracy rises by 30 points or more within 10 % of the steps, at least 20 % of the steps after train
accuracy passed 90 %. seeds/003 looked for it in four evaluations of a model that was not trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stages.stats.intervals import Estimate, Undefined, wilson
from stages.stats.items import Grokking, grokking
from stages.stats.loops.changes import mover

EVALUATION_ONLY = "evaluation only"
GROKKING = "grokking"
WITHIN_NOISE = "a rise within the noise"
BRIEF = "a rise that did not last"
PLATEAU = "plateau"
GENERALISED = "generalised without grokking"
NOT_FITTED = "train accuracy never passed 90 %"
TOO_FEW = "too few evaluations"
FITTED = 0.9
RISE = 0.3
MIN_EVALUATIONS = 11
"""A rise within 10 % of the steps can be seen only where evaluations are that close: ten spans."""


@dataclass(frozen=True)
class CurveReading:
    """What the two curves of a loop show."""

    reading: str
    """one of the module's names"""
    reason: str
    """in one sentence"""
    grokking: Grokking | None
    """the rise that the reading is of: the first of the best kind that meets the definition"""
    rise: Estimate | None
    """that rise with its interval, corrected for the pairs of evaluations looked through"""
    gain: Estimate | Undefined
    """last - first held-out accuracy, interval for independent problems"""


def read_curves(
    steps: Sequence[float],
    train: Sequence[float],
    held_out: Sequence[float],
    problems: int,
    weights: Sequence[str] | None = None,
    alpha: float = 0.05,
) -> CurveReading:
    """Reading of train and held-out accuracy (shares) at ``steps``, ``problems`` held-out problems.

    ``weights`` are the adapters' hashes, one per evaluation: all equal is 'evaluation only',
    whatever the curves do. Without hashes, curves without any change are taken for it too. A rise
    counts as grokking if it meets the definition, if its interval at 1 - α/M for the M pairs of
    evaluations searched lies above 0, and if held-out accuracy stays above the middle of the rise
    on average, both over the next 10 % of the steps and until the end. ValueError for lengths that
    differ or shares outside [0, 1].

    Source: seeds/003; Power et al. (2022), arXiv:2201.02177, for the phenomenon.

    >>> read_curves([0, 5, 10, 15], [17 / 30] * 4, [4 / 9] * 4, problems=9).reading
    'evaluation only'
    """
    _check(steps, train, held_out, problems, weights)
    rates = [wilson(share * problems, problems, alpha, "problem") for share in held_out]
    gain = mover(rates[0], rates[-1]) if len(rates) > 1 else Undefined("one evaluation has no gain")
    untrained = _untrained(train, held_out, weights)
    if untrained:
        return CurveReading(EVALUATION_ONLY, untrained, None, None, gain)
    if len(steps) < MIN_EVALUATIONS:
        reason = f"{len(steps)} evaluations, at least {MIN_EVALUATIONS} are needed"
        return CurveReading(TOO_FEW, reason, None, None, gain)
    found = rises(steps, train, held_out)
    if not found:
        return CurveReading(*_without(train, held_out), None, None, gain)
    level = alpha / max(1, searched_pairs(steps, found[0].passed_step))
    judged = [_judged(rise, steps, held_out, problems, level) for rise in found]
    order = [GROKKING, BRIEF, WITHIN_NOISE]
    best = min(judged, key=lambda each: order.index(each[0]))
    return CurveReading(*best, gain)


def _check(
    steps: Sequence[float],
    train: Sequence[float],
    held_out: Sequence[float],
    problems: int,
    weights: Sequence[str] | None,
) -> None:
    lengths = {len(steps), len(train), len(held_out), len(weights or steps)}
    if len(lengths) != 1 or not len(steps) or problems < 1:
        raise ValueError(
            f"{len(steps)} steps, {len(train)} train and {len(held_out)} held-out accuracies of "
            f"{problems} problems: give one of each per evaluation, and a problem at least."
        )
    if np.any(np.diff(steps) <= 0):
        raise ValueError("The steps of the evaluations must ascend. Sort them, without repeats.")
    shares = np.asarray([*train, *held_out], dtype=float)
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError("An accuracy lies outside [0, 1]. Divide percentages by 100.")


def _untrained(
    train: Sequence[float], held_out: Sequence[float], weights: Sequence[str] | None
) -> str:
    if weights is not None:
        same = len(set(weights)) == 1
        return "the weights are the same at every evaluation" if same else ""
    flat = len(set(train)) == len(set(held_out)) == 1
    return "no accuracy ever changed, as without training" if flat else ""


def _without(train: Sequence[float], held_out: Sequence[float]) -> tuple[str, str]:
    """Reading and reason where no rise meets the definition."""
    if max(train) <= FITTED:
        return NOT_FITTED, f"it reached {max(train):.2f}, so no rise can come after that"
    rise = max(held_out) - held_out[0]
    if rise >= RISE - 1e-9:
        return GENERALISED, f"held-out accuracy rose by {rise:.2f}, but early or gradually"
    return PLATEAU, f"train accuracy passed 90 %, held-out accuracy rose by {rise:.2f} at most"


def rises(
    steps: Sequence[float], train: Sequence[float], held_out: Sequence[float]
) -> list[Grokking]:
    """Every rise that meets the definition, in order; the first is that of ``items.grokking``."""
    first = grokking(steps, train, held_out)
    if first is None:
        return []
    at, total = np.asarray(steps, dtype=float), float(steps[-1] - steps[0])
    found: list[Grokking] = []
    for i in map(int, np.flatnonzero(at >= first.from_step)):
        for j in range(i + 1, len(at)):
            rise = float(held_out[j] - held_out[i])
            if at[j] - at[i] <= 0.1 * total * (1 + 1e-9) and rise >= RISE - 1e-9:
                found.append(Grokking(first.passed_step, float(at[i]), float(at[j]), rise))
    return found


def _judged(
    found: Grokking,
    steps: Sequence[float],
    held_out: Sequence[float],
    problems: int,
    level: float,
) -> tuple[str, str, Grokking, Estimate]:
    """(reading, reason, rise, its interval at 1 - ``level``)."""
    at = np.asarray(steps, dtype=float)
    first, last = (int(np.flatnonzero(at == s)[0]) for s in (found.from_step, found.to_step))
    rates = [wilson(held_out[i] * problems, problems, level, "problem") for i in (first, last)]
    rise = mover(*rates)
    middle = (held_out[first] + held_out[last]) / 2
    soon = at[last] + 0.1 * (at[-1] - at[0]) * (1 + 1e-9)
    after = min(
        float(np.mean(np.asarray(held_out)[last:][at[last:] <= end])) for end in (soon, at[-1])
    )
    where = (
        f"held-out accuracy rose by {found.rise:.2f} from step {found.from_step:g} to "
        f"{found.to_step:g}"
    )
    if rise.lo <= 0:
        few = f"{where}, which {problems} problems do not tell from noise"
        return WITHIN_NOISE, few, found, rise
    if after <= middle:
        return BRIEF, f"{where}, and averaged {after:.2f} after that", found, rise
    return GROKKING, where, found, rise


def searched_pairs(steps: Sequence[float], passed_step: float) -> int:
    """Pairs of evaluations that the definition looks through after ``passed_step``.

    >>> searched_pairs(range(0, 101, 5), passed_step=20)
    23
    """
    at = np.asarray(steps, dtype=float)
    total = float(at[-1] - at[0])
    starts = at[at >= passed_step + 0.2 * total - 1e-9 * total]
    spans = at[None, :] - starts[:, None]
    return int(np.sum((spans > 0) & (spans <= 0.1 * total * (1 + 1e-9))))
