"""Rates of tasks and actions: resolve rate, pass@k, tool-use efficiency, capability drop."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stages.records import Outcome, Step
from stages.stats.clusters import clustered_difference, clustered_proportion
from stages.stats.intervals import Estimate, Undefined, wilson


def resolved_value(outcome: Outcome) -> float:
    """1 resolved, 0 any failure of the agent, NaN a harness error: a cell of tasks × runs."""
    if outcome == Outcome.HARNESS_ERROR:
        return math.nan
    return float(outcome == Outcome.RESOLVED)


@dataclass(frozen=True)
class ResolveRate:
    """The resolve rate in both forms, with the counts they come from."""

    resolved: int
    """tasks resolved"""
    completed: int
    """tasks whose harness worked: attempted - harness errors"""
    attempted: int
    """all tasks"""
    of_completed: Estimate | Undefined
    """resolved / completed, Wilson interval"""
    of_attempted: Estimate | Undefined
    """resolved / attempted, Wilson interval"""


def resolve_rate(outcomes: Iterable[Outcome], alpha: float = 0.05) -> ResolveRate:
    """Resolve rate of one run, one outcome per task, over completed and over attempted tasks.

    Timeouts, empty patches and agent errors are the agent's failures and count as completed; a
    harness error is not. Assumes independent tasks; for several runs use ``clustered_proportion``
    on ``resolved_value``. Source: SWE-bench grading (Jimenez et al. 2024, ICLR).

    >>> r = resolve_rate([Outcome.RESOLVED, Outcome.TIMEOUT, Outcome.HARNESS_ERROR])
    >>> r.of_completed.value, round(r.of_attempted.value, 3)
    (0.5, 0.333)
    """
    values = [resolved_value(outcome) for outcome in outcomes]
    resolved = sum(value == 1 for value in values)
    completed = sum(not math.isnan(value) for value in values)

    def rate(total: int, what: str) -> Estimate | Undefined:
        return wilson(resolved, total, alpha) if total else Undefined(f"no task was {what}")

    return ResolveRate(
        resolved,
        completed,
        len(values),
        rate(completed, "completed"),
        rate(len(values), "attempted"),
    )


def pass_at_k(
    samples: Sequence[int], correct: Sequence[int], k: int, alpha: float = 0.05
) -> Estimate | Undefined:
    """pass@k = mean over problems of 1 - C(n-c, k)/C(n, k), the unbiased estimator.

    ``samples`` n and ``correct`` c per problem. Undefined where a problem has fewer than k samples.
    The interval takes problems as the unit (samples of one problem are nested in it).
    Source: Chen et al. (2021), arXiv:2107.03374, eq. 1.

    >>> pass_at_k([4, 4], [1, 0], k=2).value
    0.25
    """
    if k < 1 or len(samples) != len(correct) or not samples:
        raise ValueError(
            f"pass@{k} of {len(samples)} problems with {len(correct)} counts: give k ≥ 1 and one "
            "number of samples and of correct ones per problem."
        )
    values = []
    for i, (n, c) in enumerate(zip(samples, correct, strict=True)):
        if not 0 <= c <= n:
            raise ValueError(f"Problem {i}: {c} correct of {n} samples is not possible.")
        if n < k:
            return Undefined(f"problem {i} has {n} samples, pass@{k} needs at least {k}")
        values.append(1 - math.comb(n - c, k) / math.comb(n, k))
    return clustered_proportion(values, alpha, "problem")


@dataclass(frozen=True)
class ToolUseEfficiency:
    """Tool-use efficiency in its three forms, each without unit."""

    by_time: float | Undefined
    """registered: time in successful actions / time in all actions"""
    by_count: float | Undefined
    """successful actions / all actions"""
    median_ratio: float | Undefined
    """SWE-Bench-CL: median(time | success) / median(time | all); may exceed 1"""


def tool_use_efficiency(steps: Iterable[Step]) -> ToolUseEfficiency:
    """Efficiency over all actions given, of one task or of many; a step succeeds when it is ok.

    >>> fast, slow = Step("open", "", True, seconds=1.0), Step("edit", "", False, seconds=3.0)
    >>> e = tool_use_efficiency([fast, slow])
    >>> e.by_time, e.by_count, e.median_ratio
    (0.25, 0.5, 0.5)
    """
    taken = list(steps)
    seconds = np.array([step.seconds for step in taken])
    ok = np.array([step.ok for step in taken], dtype=bool)
    if not taken:
        none = Undefined("there were no actions")
        return ToolUseEfficiency(none, none, none)
    by_count = float(np.mean(ok))
    median = float(np.median(seconds))
    no_time = Undefined("the actions took no measured time")
    by_time = float(seconds[ok].sum() / seconds.sum()) if seconds.sum() > 0 else no_time
    if not ok.any():
        return ToolUseEfficiency(by_time, by_count, Undefined("no action succeeded"))
    ratio = float(np.median(seconds[ok])) / median if median > 0 else no_time
    return ToolUseEfficiency(by_time, by_count, ratio)


def capability_drop(base: ArrayLike, adapted: ArrayLike, alpha: float = 0.05) -> Estimate:
    """Capability drop = mean over problems of base - adapted, paired, with interval.

    ``base`` and ``adapted`` are problems × runs (or problems) of scores in [0, 1]; NaN leaves a
    pair out. As a criterion it is ``drop < margin`` (non-inferiority): 0.02, for EWC 0.03.

    >>> capability_drop([1, 1, 0, 1], [1, 0, 0, 1]).value
    0.25
    """
    before, after = np.asarray(base, dtype=float), np.asarray(adapted, dtype=float)
    if before.shape != after.shape:
        raise ValueError(
            f"Base scores have shape {before.shape}, adapted {after.shape}. Pairing needs the same "
            "problems and runs in both."
        )
    return clustered_difference(before - after, alpha, "problem")


def non_inferiority(drop: Estimate, margin: float) -> str:
    """'non-inferior' if the whole interval is below ``margin``, 'inferior' if above, else
    'inconclusive'. ``margin`` in the unit of the drop, a share (0.02 is two points).

    Reference: Piaggio et al. (2012), JAMA 308 (CONSORT extension for non-inferiority).
    """
    if drop.hi < margin:
        return "non-inferior"
    return "inferior" if drop.lo > margin else "inconclusive"
