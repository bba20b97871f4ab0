"""After the environment has changed: how often the adapter contradicts it, how soon it recovers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.stats.clusters import clustered_difference, clustered_proportion, critical_value
from stages.stats.intervals import Estimate, Undefined, wilson_ends, z_quantile

Floats = NDArray[np.float64]


def conflict_rate(
    conflicts: ArrayLike, decisions: ArrayLike, alpha: float = 0.05
) -> Estimate | Undefined:
    """Conflicts / decisions with a Wilson interval at the effective number of decisions.

    Both per task (T): how often the adapter's behaviour contradicted the current context, and how
    often it could have. Decisions of one task depend on each other: the number of decisions is
    divided by the design effect of tasks, and the critical value is t with T - 1 degrees of
    freedom. Where no task varies (no conflict at all) each task counts as one decision. Undefined
    without any decision; ValueError for counts that do not fit.

    References: Wilson (1927), JASA 22; Korn & Graubard (1998), Survey Methodology 24; Cochran
    (1977), Sampling Techniques, §3.12, on the ratio's variance.

    >>> e = conflict_rate([1, 0, 2, 0], [5, 5, 5, 5])
    >>> round(e.value, 2), e.n, round(e.lo, 2), round(e.hi, 2)
    (0.15, 4, 0.02, 0.57)
    """
    hits, tries = np.asarray(conflicts, dtype=float), np.asarray(decisions, dtype=float)
    if hits.ndim != 1 or hits.shape != tries.shape or np.any((hits < 0) | (hits > tries)):
        raise ValueError(
            f"{hits.shape} conflicts of {tries.shape} decisions: give both per task, with "
            "0 ≤ conflicts ≤ decisions."
        )
    hits, tries = hits[tries > 0], tries[tries > 0]
    if hits.size == 0:
        return Undefined("the adapter made no decision that could contradict the context")
    tasks, total = hits.size, float(tries.sum())
    rate = float(hits.sum() / total)
    size, critical = 1.0, z_quantile(alpha)
    if tasks > 1:
        variance = tasks / (tasks - 1) * float(np.sum((hits - rate * tries) ** 2)) / total**2
        size = min(total, rate * (1 - rate) / variance) if variance > 1e-18 else float(tasks)
        critical = critical_value(alpha, tasks - 1)
    lo, hi = wilson_ends(rate, max(size, 1.0), critical)
    return Estimate(rate, lo, hi, tasks, "task", alpha)


@dataclass(frozen=True)
class Recovery:
    """How performance comes back with sessions in the changed environment."""

    success: dict[float, Estimate]
    """success rate by number of recovery sessions"""
    lost: Estimate
    """before the change - right after it, paired by task"""
    regained: dict[float, float] | Undefined
    """share of the loss regained, by number of sessions; monotone, may exceed 1"""
    sessions_needed: Estimate | Undefined
    """sessions to regain the share; an end of inf is 'not within the sessions measured'"""
    not_reached: float | Undefined
    """share of bootstrap draws in which the share is not reached"""


def recovery(
    sessions: ArrayLike,
    success: ArrayLike,
    before: ArrayLike,
    share: float = 0.9,
    alpha: float = 0.05,
    resamples: int = 2000,
    seed: int = 0,
) -> Recovery:
    """Sessions needed to regain ``share`` of the performance lost to the change.

    ``sessions`` K numbers from 0 up, ``success`` tasks × K (rates in [0, 1], each task's mean over
    its runs) after that many sessions, ``before`` the same tasks (T) before the change. The mean
    curve is made monotone by isotonic regression (recovery is taken not to reverse; else noise
    alone would cross first) and read by straight lines between the measured sessions. The interval
    is the percentile bootstrap over tasks, all of a task's values drawn together; draws that never
    reach the share count as inf. Where every task does the same, the success rates' own intervals
    bound it instead. It speaks of these trainings: runs are not resampled.
    Undefined where the loss's own interval includes 0, as there is then nothing known to regain.
    ValueError for shapes that do not fit, NaN, or sessions that do not start at 0 and rise.

    References: Barlow, Bartholomew, Bremner & Brunk (1972), Statistical Inference under Order
    Restrictions, eq. 1.9; Efron & Tibshirani (1993), §13.3.

    >>> stale, half, full = [0] * 20, [1] * 8 + [0] * 12, [1] * 16 + [0] * 4
    >>> r = recovery([0, 5, 10], np.array([stale, half, full]).T, full, share=0.75)
    >>> round(r.lost.value, 2), r.regained[5.0], round(r.sessions_needed.value, 2)
    (0.8, 0.5, 7.5)
    """
    number, after, prior = checked_recovery(sessions, success, before, share)
    lost = clustered_difference(prior - after[:, 0], alpha)
    measured = {
        float(k): clustered_proportion(column, alpha)
        for k, column in zip(number, after.T, strict=True)
    }
    if lost.lo <= 0:
        none = Undefined(f"no loss is established: its interval is {lost.lo:.2f} to {lost.hi:.2f}")
        return Recovery(measured, lost, none, none, none)
    shares_K = regained_shares(after.mean(axis=0)[None], prior.mean()[None])[0]
    value = float(first_reached(number, shares_K[None], share)[0])
    rng = np.random.default_rng(seed)
    tasks = len(after)
    weights_BT = rng.multinomial(tasks, np.full(tasks, 1 / tasks), size=resamples) / tasks
    drawn = first_reached(number, regained_shares(weights_BT @ after, weights_BT @ prior), share)
    # 'lower' and 'higher' keep inf apart from finite draws, between which nothing lies.
    lo = min(float(np.quantile(drawn, alpha / 2, method="lower")), value)
    hi = max(float(np.quantile(drawn, 1 - alpha / 2, method="higher")), value)
    if np.all(drawn == drawn[0]):
        target = float(after[:, 0].mean()) + share * lost.value
        lo, hi = band_ends(measured, target, value)
    regained = dict(zip(measured, shares_K.tolist(), strict=True))
    needed = Estimate(value, lo, hi, tasks, "task", alpha)
    return Recovery(measured, lost, regained, needed, float(np.mean(np.isinf(drawn))))


def band_ends(measured: dict[float, Estimate], target: float, value: float) -> tuple[float, float]:
    """First sessions at which success may, and must, have reached ``target`` by its intervals.

    Stands in where all tasks are alike: the bootstrap then never varies, which says nothing.
    """
    may = [k for k, success in measured.items() if success.hi >= target]
    must = [k for k, success in measured.items() if success.lo >= target]
    return min([*may, value]), max(must[0] if must else math.inf, value)


def checked_recovery(
    sessions: ArrayLike, success: ArrayLike, before: ArrayLike, share: float
) -> tuple[Floats, Floats, Floats]:
    number, after, prior = (np.asarray(v, dtype=float) for v in (sessions, success, before))
    if after.ndim != 2 or number.shape != after.shape[1:] or prior.shape != after.shape[:1]:
        raise ValueError(
            f"Recovery of {after.shape} values over {number.shape} sessions and {prior.shape} "
            "tasks: give tasks × sessions, one number per session, one value before per task."
        )
    if number.size < 2 or number[0] != 0 or np.any(np.diff(number) <= 0):
        raise ValueError(f"Sessions {number.tolist()} must start at 0 and rise.")
    if not 0 < share <= 1 or np.isnan(after).any() or np.isnan(prior).any():
        raise ValueError(
            f"share is {share} (above 0, at most 1), or a value is NaN: leave a task that lacks "
            "one checkpoint out of all."
        )
    return number, after, prior


def regained_shares(after_BK: Floats, before_B: Floats) -> Floats:
    """Monotone share of the loss regained (B × K); NaN where nothing was lost."""
    rise_BK = isotonic(after_BK)
    lost_B = before_B - after_BK[:, 0]
    safe = np.where(lost_B > 0, lost_B, np.nan)
    return (rise_BK - after_BK[:, :1]) / safe[:, None]


def isotonic(values_BK: Floats) -> Floats:
    """Nondecreasing least-squares fit of each row: max over i ≤ k of min over j ≥ k of mean(i..j).

    >>> isotonic(np.array([[1.0, 3.0, 2.0]])).tolist()
    [[1.0, 2.5, 2.5]]
    """
    width = values_BK.shape[1]
    total = np.concatenate([np.zeros((len(values_BK), 1)), np.cumsum(values_BK, axis=1)], axis=1)
    fit = np.full(values_BK.shape, -np.inf)
    for k in range(width):
        for i in range(k + 1):
            ends = np.arange(k + 1, width + 1)
            means = (total[:, ends] - total[:, i : i + 1]) / (ends - i)
            fit[:, k] = np.maximum(fit[:, k], means.min(axis=1))
    return fit


def first_reached(number: Floats, shares_BK: Floats, share: float) -> Floats:
    """Sessions (B) at which each row first reaches ``share``, between levels by straight lines.

    inf where it is not reached, 0 where nothing was lost (NaN).
    """
    reached = shares_BK >= share - 1e-12
    index = np.argmax(reached, axis=1)
    rows = np.arange(len(shares_BK))
    previous = np.maximum(index - 1, 0)
    low, high = shares_BK[rows, previous], shares_BK[rows, index]
    rise = np.where(high > low, high - low, 1.0)
    part = np.clip(np.where(high > low, (share - low) / rise, 1.0), 0, 1)
    found = number[previous] + part * (number[index] - number[previous])
    lost = ~np.isnan(shares_BK).any(axis=1)
    return np.where(~lost, 0.0, np.where(reached.any(axis=1), found, math.inf))
