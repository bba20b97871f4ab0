"""The online loop's metrics: what became of each item, checkpoint by checkpoint.

``correct`` is a matrix of checkpoints × items (K + 1) × I of right (True) and wrong answers; row 0
is the base model. ``windows[k - 1]`` holds the indices of the items trained between checkpoints
k - 1 and k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.stats.intervals import Estimate, Undefined, z_quantile

MIN_CHECKPOINTS = 3
MIN_WINDOW_ITEMS = 5


class ItemState(StrEnum):
    """State of an item against its base answer."""

    IMPROVED = "improved"
    STUCK = "stuck"
    RETAINED = "retained"
    REGRESSED = "regressed"


def item_states(base: ArrayLike, now: ArrayLike) -> list[ItemState]:
    """wrong→right improved, wrong→wrong stuck, right→right retained, right→wrong regressed."""
    names = {
        (False, True): ItemState.IMPROVED,
        (False, False): ItemState.STUCK,
        (True, True): ItemState.RETAINED,
        (True, False): ItemState.REGRESSED,
    }
    before, after = np.asarray(base, dtype=bool), np.asarray(now, dtype=bool)
    return [names[bool(b), bool(a)] for b, a in zip(before, after, strict=True)]


@dataclass(frozen=True)
class LoopRates:
    """Rates at one checkpoint over one set of items, against the base answers."""

    improvement: float | Undefined
    """wrong→right / initially wrong"""
    forgetting: float | Undefined
    """right→wrong / initially right"""
    n_items: int
    """items in the set"""


def loop_rates(base: ArrayLike, now: ArrayLike, items: Sequence[int]) -> LoopRates:
    """Improvement and forgetting rate over ``items``, each named once.

    >>> r = loop_rates([0, 0, 1, 1], [1, 0, 1, 0], items=[0, 1, 2, 3])
    >>> r.improvement, r.forgetting
    (0.5, 0.5)
    """
    if len(set(items)) != len(items):
        raise ValueError("An item stands twice in one set. Windows are disjoint: list items once.")
    chosen = np.asarray(items, dtype=int)
    before, after = np.asarray(base, dtype=bool)[chosen], np.asarray(now, dtype=bool)[chosen]
    wrong, right = int(np.sum(~before)), int(np.sum(before))
    improved = float(np.sum(~before & after) / wrong) if wrong else Undefined("no item was wrong")
    lost = float(np.sum(before & ~after) / right) if right else Undefined("no item was right")
    return LoopRates(improved, lost, len(items))


def window_rates(correct: ArrayLike, windows: Sequence[Sequence[int]]) -> list[LoopRates]:
    """Rates at checkpoints 1 … K over the items trained since the previous one (disjoint)."""
    answers = checked_answers(correct, windows)
    trained = [item for window in windows for item in window]
    if len(set(trained)) != len(trained):
        raise ValueError(
            "An item stands in two windows, so their rates are not independent. Give each item to "
            "the window that trained it first, or report the cumulative rates."
        )
    return [loop_rates(answers[0], answers[k + 1], w) for k, w in enumerate(windows)]


def cumulative_rates(correct: ArrayLike, windows: Sequence[Sequence[int]]) -> list[LoopRates]:
    """Rates at checkpoints 1 … K over all items trained so far: late contains early."""
    answers = checked_answers(correct, windows)
    seen: dict[int, None] = {}
    rates = []
    for k, window in enumerate(windows):
        seen.update(dict.fromkeys(window))
        rates.append(loop_rates(answers[0], answers[k + 1], list(seen)))
    return rates


def checked_answers(correct: ArrayLike, windows: Sequence[Sequence[int]]) -> NDArray[np.bool_]:
    answers = np.asarray(correct, dtype=bool)
    if answers.ndim != 2 or len(answers) != len(windows) + 1:
        raise ValueError(
            f"correct has shape {answers.shape} for {len(windows)} windows; give the base answers' "
            "row and one row per checkpoint, with the items trained before each."
        )
    return answers


def meta_learning_score(rates: Sequence[LoopRates]) -> float | Undefined:
    """(late - early improvement rate) + (early - late forgetting rate).

    Early and late are the first and the last ⌊K/3⌋ checkpoints, each a mean of the rates that are
    defined there. Registered on ``window_rates``; on ``cumulative_rates`` it is the published
    version, to be labelled so. Undefined, with the reason, for fewer than 3 checkpoints, for a
    window under 5 items, and where a third has no rate at all (the published code took 0 there).
    Source: adaptible 1.0.0a3, eval/meta.py, SeedTrajectory.meta_learning_score.

    >>> better = [LoopRates(0.2, 0.3, 5), LoopRates(0.4, 0.2, 5), LoopRates(0.5, 0.1, 5)]
    >>> round(meta_learning_score(better), 3)
    0.5
    >>> print(meta_learning_score(better[:2]))
    undefined: 2 checkpoints, at least 3 are needed
    """
    if len(rates) < MIN_CHECKPOINTS:
        return Undefined(f"{len(rates)} checkpoints, at least {MIN_CHECKPOINTS} are needed")
    smallest = min(rate.n_items for rate in rates)
    if smallest < MIN_WINDOW_ITEMS:
        return Undefined(f"a window of {smallest} items, at least {MIN_WINDOW_ITEMS} are needed")
    third = len(rates) // 3
    parts: dict[str, float] = {}
    for when, part in (("early", rates[:third]), ("late", rates[-third:])):
        for name in ("improvement", "forgetting"):
            known = [v for r in part if not isinstance(v := getattr(r, name), Undefined)]
            if not known:
                return Undefined(f"no {name} rate is defined in the {when} third")
            parts[f"{when} {name}"] = float(np.mean(known))
    improvement = parts["late improvement"] - parts["early improvement"]
    return improvement + parts["early forgetting"] - parts["late forgetting"]


def oscillation(correct: ArrayLike) -> NDArray[np.int_]:
    """Transitions per item (I): how often an answer changed between successive checkpoints.

    >>> oscillation([[0, 1], [1, 1], [0, 1]]).tolist()
    [2, 0]
    """
    return np.sum(np.diff(np.asarray(correct, dtype=int), axis=0) != 0, axis=0)


def half_life(
    correct: ArrayLike, steps: Sequence[float], alpha: float = 0.05
) -> Estimate | Undefined:
    """Kaplan–Meier median number of steps from learned to lost, over items wrong at base.

    An item is learned at its first right checkpoint and lost at the first wrong one after it; items
    never lost are censored at the last checkpoint. ``steps`` are the checkpoints' step numbers
    (K + 1), so times are known to the spacing of checkpoints. Where less than half are lost the
    value is inf. Interval: Brookmeyer & Crowley with the log-log transform. Undefined if no item
    was learned before the last checkpoint.

    References: Kaplan & Meier (1958), JASA 53; Brookmeyer & Crowley (1982), Biometrics 38.

    >>> right = [[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]]
    >>> half_life(right, steps=[0, 10, 20, 30, 40]).value
    20.0
    """
    from statsmodels.duration.survfunc import SurvfuncRight

    z_quantile(alpha)
    answers = np.asarray(correct, dtype=bool)
    if len(steps) != len(answers) or np.any(np.diff(steps) <= 0):
        raise ValueError("half_life: give one step number per checkpoint, in ascending order.")
    spans = [retained_span(item, steps) for item in answers.T if not item[0] and item[:-1].any()]
    if not spans:
        return Undefined("no item was learned before the last checkpoint")
    times, lost = zip(*spans, strict=True)
    if not any(lost):
        return Estimate(np.inf, max(times), np.inf, len(spans), "item", alpha)
    curve = SurvfuncRight(np.array(times), np.array(lost, dtype=int))
    # The least time with S(t) <= 1/2; statsmodels' own quantile asks for S(t) < 1/2.
    reached = np.asarray(curve.surv_times)[np.asarray(curve.surv_prob) <= 0.5 + 1e-12]
    median = float(reached[0]) if reached.size else np.inf
    with np.errstate(divide="ignore", invalid="ignore"):
        lo, hi = (float(end) for end in curve.quantile_ci(0.5, alpha=alpha, method="cloglog"))
    lo, hi = (0.0 if np.isnan(lo) else lo), (np.inf if np.isnan(hi) else hi)
    return Estimate(median, min(lo, median), max(hi, median), len(spans), "item", alpha)


def retained_span(item: NDArray[np.bool_], steps: Sequence[float]) -> tuple[float, bool]:
    """Steps from first right to first wrong after it, and whether it was lost (else censored)."""
    learned = int(np.argmax(item))
    wrong = np.flatnonzero(~item[learned:])
    end = learned + int(wrong[0]) if wrong.size else len(item) - 1
    return float(steps[end] - steps[learned]), bool(wrong.size)


@dataclass(frozen=True)
class Grokking:
    """A late, sudden rise of held-out accuracy."""

    passed_step: float
    """step at which train accuracy first exceeded 90 %"""
    from_step: float
    """step at which the rise begins"""
    to_step: float
    """step by which it has risen enough"""
    rise: float
    """held-out accuracy gained between the two, a share"""


def grokking(
    steps: Sequence[float], train: Sequence[float], held_out: Sequence[float]
) -> Grokking | None:
    """The first rise of held-out accuracy that counts as grokking, or None.

    It is ≥ 30 points within 10 % of the steps, and begins at least 20 % of the steps after train
    accuracy passed 90 %. Accuracies are shares; the steps are those of the evaluations, so a rise
    can't be told apart below their spacing. The definition is this project's own.

    >>> train, held = [0.5] + [1.0] * 10, [0.1] * 6 + [0.9] * 5
    >>> grokking(range(0, 110, 10), train, held).from_step
    50.0
    """
    if not len(steps) == len(train) == len(held_out):
        raise ValueError("grokking: give one train and one held-out accuracy per step evaluated.")
    at, fitted = np.asarray(steps, dtype=float), np.asarray(train, dtype=float) > 0.9
    if not fitted.any():
        return None
    total, passed = at[-1] - at[0], float(at[np.argmax(fitted)])
    # The slack of 1e-9 keeps 0.3 = 0.9 - 0.6 a rise of 30 points in binary fractions.
    for i in map(int, np.flatnonzero(at >= passed + 0.2 * total - 1e-9 * total)):
        for j in range(i + 1, len(at)):
            rise = float(held_out[j] - held_out[i])
            if at[j] - at[i] <= 0.1 * total * (1 + 1e-9) and rise >= 0.3 - 1e-9:
                return Grokking(passed, float(at[i]), float(at[j]), rise)
    return None
