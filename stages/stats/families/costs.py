"""What streams cost: FLOPs and tokens as the training side counted them.

A cost is counted, not sampled: where every run of an arm has the same, its interval is that point,
with the unit 'count'. Where runs differ, Student's t over the runs' log ratios.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from stages.stats.clusters import critical_value
from stages.stats.intervals import Estimate, Undefined
from stages.stats.results import Results
from stages.stats.streams import Stream
from stages.stats.verdict import Estimand

COUNT = "count"
Counted = Callable[[Stream], float | None]


def cost_ratio(results: Results, arm: str, reference: str) -> Estimand:
    return partial(_ratio, _by_run(results, arm, flops), _by_run(results, reference, flops))


def token_ratio(results: Results, arm: str, reference: str) -> Estimand:
    return partial(_ratio, _by_run(results, arm, tokens), _by_run(results, reference, tokens))


def fisher_share(results: Results, arm: str) -> Estimand:
    """Tokens of per-sample passes over tokens of training passes, each forward and backward.

    A pass of one sample takes longer than its share of a batch: in seconds (timings/) it is more.
    """
    fisher, training = _by_run(results, arm, fisher_tokens), _by_run(results, arm, computed_tokens)
    return partial(_ratio, fisher, training)


def flops(stream: Stream) -> float | None:
    """FLOPs so far: of training, probing and the Fisher, as facts.json counts them."""
    return stream.facts[-1].get("flops") if stream.facts else None


def tokens(stream: Stream) -> float | None:
    """Tokens trained on so far, over all epochs."""
    return stream.facts[-1].get("trained_tokens") if stream.facts else None


def fisher_tokens(stream: Stream) -> float:
    """Tokens that all consolidations passed for the Fisher; facts.json counts each one's own."""
    return float(sum(fact.get("fisher_tokens") or 0 for fact in stream.facts))


def computed_tokens(stream: Stream) -> float:
    """Tokens that all trainings passed forward and backward, padding and epochs counted."""
    trainings = [training for fact in stream.facts for training in fact.get("trainings", [])]
    return float(sum(training["computed_tokens"] for training in trainings))


def _by_run(results: Results, arm: str, count: Counted) -> dict[tuple[str, str, int], float]:
    counted = {(s.world, s.split, s.seed): count(s) for s in results.streams.of(arm)}
    return {run: float(value) for run, value in counted.items() if value is not None}


def _ratio(
    top: dict[tuple[str, str, int], float], below: dict[tuple[str, str, int], float], alpha: float
) -> Estimate | Undefined:
    """Geometric mean of the runs' ratios; of zeros, zero."""
    shared = sorted(run for run in top.keys() & below.keys() if below[run] > 0)
    if not shared:
        return Undefined("no run has both costs")
    ratios = np.array([top[run] / below[run] for run in shared])
    value, n = float(ratios.mean()), len(ratios)
    if ratios.min() <= 0 or np.ptp(ratios) <= 1e-12 * value:
        exact = float(ratios.min()), float(ratios.max())
        return Estimate(value, *exact, n, COUNT, alpha)
    logs = np.log(ratios)
    centre = float(logs.mean())
    half = critical_value(alpha, n - 1) * float(logs.std(ddof=1)) / math.sqrt(n)
    value = math.exp(centre)
    lo, hi = math.exp(max(centre - half, -700.0)), math.exp(min(centre + half, 700.0))
    return Estimate(value, min(lo, value), max(hi, value), n, "run", alpha)
