"""Continual-learning metrics over a(i, j), the success on task j after training through task i.

Every value comes from a run of its own. A matrix, or a pair of arms, in which one run id stands
twice raises ``SameRunError``: read from one run, transfer and forgetting are zero by construction,
and a zero like that looks like a finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.stats.clusters import clustered_difference
from stages.stats.intervals import Estimate, wilson


class SameRunError(ValueError):
    """One run was given for two checkpoints, so their difference measures nothing."""


def check_own_runs(run_ids: Iterable[str]) -> None:
    """Raise ``SameRunError`` if a run id stands twice, ValueError if one is empty."""
    counts = Counter(run_ids)
    if "" in counts:
        raise ValueError("A run id is empty. Every row of results carries the id of its own run.")
    if twice := sorted(run for run, count in counts.items() if count > 1):
        raise SameRunError(
            f"Run {twice[0]!r} was given {counts[twice[0]]} times, as if it were different "
            "checkpoints. Evaluate each checkpoint in a run of its own and pass that run's id."
        )


@dataclass(frozen=True, eq=False)
class AccuracyMatrix:
    """a(i, j) for i = 0 … N (row 0 is the base model) and j = 1 … N, with one run id per row."""

    values: NDArray[np.float64]
    """(N + 1) × N success rates in [0, 1]; NaN where not measured"""
    run_ids: tuple[str, ...]
    """N + 1 run ids, base first"""

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=float)
        if values.ndim != 2 or values.shape[0] != values.shape[1] + 1 or values.shape[1] < 1:
            raise ValueError(
                f"An accuracy matrix of shape {values.shape} is not (N + 1) × N. Give the base "
                "model's row first, then one row per consolidation."
            )
        if len(self.run_ids) != len(values):
            raise ValueError(
                f"{len(self.run_ids)} run ids for {len(values)} rows. Give one per row, base first."
            )
        if np.any(values < 0) or np.any(values > 1):
            raise ValueError("A success rate lies outside [0, 1]. Divide counts by their totals.")
        check_own_runs(self.run_ids)
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    @property
    def n_tasks(self) -> int:
        """N."""
        return self.values.shape[1]

    def at(self, i: int, j: int) -> float:
        """a(i, j) with the paper's indices: i from 0, j from 1. ValueError if not measured."""
        value = float(self.values[i, j - 1])
        if np.isnan(value):
            raise ValueError(
                f"a({i}, {j}) was not measured. Evaluate checkpoint {i} on task {j}, or report a "
                "metric that does not need it."
            )
        return value


@dataclass(frozen=True)
class ArmScores:
    """Success of one arm per test task, from one run."""

    run_id: str
    """id of the evaluation run"""
    scores: Mapping[str, float]
    """instance id → success in [0, 1]"""


def paired_differences(base: ArmScores, adapted: ArmScores) -> NDArray[np.float64]:
    """adapted - base per task (T), tasks sorted by id. Raises if run or tasks do not fit."""
    check_own_runs((base.run_id, adapted.run_id))
    if unpaired := sorted(base.scores.keys() ^ adapted.scores.keys()):
        raise ValueError(
            f"{len(unpaired)} tasks were run in one arm only, first {unpaired[0]!r}. Pairing needs "
            "both arms on the same tasks: run what is missing, or drop it from both and say so."
        )
    return np.array([adapted.scores[task] - base.scores[task] for task in sorted(base.scores)])


def forward_transfer(base: ArmScores, adapted: ArmScores, alpha: float = 0.05) -> Estimate:
    """Registered forward transfer: mean over test tasks of adapted - base, paired per task.

    For several seeds or splits give the differences to ``clusters.clustered_difference`` directly.

    >>> base = ArmScores("run-1", {"t1": 0, "t2": 0, "t3": 1})
    >>> forward_transfer(base, ArmScores("run-2", {"t1": 1, "t2": 0, "t3": 1})).value
    0.3333333333333333
    """
    return clustered_difference(paired_differences(base, adapted), alpha)


def need_two_tasks(matrix: AccuracyMatrix, name: str) -> int:
    if matrix.n_tasks < 2:
        raise ValueError(f"{name} compares tasks of a sequence; with one task it is undefined.")
    return matrix.n_tasks


def ft_stream(matrix: AccuracyMatrix) -> float:
    """FT = 1/(N-1) Σ_{i=1}^{N-1} [a(i, i+1) - a(0, i+1)]. Source: SWE-Bench-CL (2025)."""
    n = need_two_tasks(matrix, "FT")
    return float(np.mean([matrix.at(i, i + 1) - matrix.at(0, i + 1) for i in range(1, n)]))


def fwt_gem(matrix: AccuracyMatrix, random_init: Sequence[float], random_run_id: str) -> float:
    """FWT = 1/(N-1) Σ_{i=2}^{N} [a(i-1, i) - b(i)], b the randomly initialised model (N values).

    Source: Lopez-Paz & Ranzato (2017), NeurIPS, eq. 4.
    """
    n = need_two_tasks(matrix, "FWT")
    check_own_runs((*matrix.run_ids, random_run_id))
    if len(random_init) != n:
        raise ValueError(f"random_init has {len(random_init)} values for {n} tasks; give one each.")
    return float(np.mean([matrix.at(i - 1, i) - random_init[i - 1] for i in range(2, n + 1)]))


def bwt(matrix: AccuracyMatrix) -> float:
    """BWT = 1/(N-1) Σ_{i=1}^{N-1} [a(N, i) - a(i, i)]. Lopez-Paz & Ranzato (2017), eq. 3."""
    n = need_two_tasks(matrix, "BWT")
    return float(np.mean([matrix.at(n, i) - matrix.at(i, i) for i in range(1, n)]))


def forgetting(matrix: AccuracyMatrix) -> float:
    """Registered forgetting: mean over j < N of max_{1≤l<N} a(l, j) - a(N, j).

    The base model's row is left out of the maximum, as in the source; l < j counts, so a task
    solved before it was trained on and lost since is forgotten too. Negative if the last
    checkpoint is the best. Source: Chaudhry et al. (2018), ECCV, eq. 3.

    >>> a = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1]]
    >>> forgetting(AccuracyMatrix(a, ("r0", "r1", "r2", "r3")))
    0.5
    """
    n = need_two_tasks(matrix, "Forgetting")
    best = {j: max(matrix.at(i, j) for i in range(1, n)) for j in range(1, n)}
    return float(np.mean([best[j] - matrix.at(n, j) for j in best]))


def forgetting_learned(matrix: AccuracyMatrix) -> float:
    """The registered forgetting with the maximum over j ≤ l < N: since a task was trained on.

    For streams, whose tasks are not played before they are near: a(l, j) with l < j - 1 is not
    measured there.

    >>> a = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1]]
    >>> forgetting_learned(AccuracyMatrix(a, ("r0", "r1", "r2", "r3")))
    0.5
    """
    n = need_two_tasks(matrix, "Forgetting")
    best = {j: max(matrix.at(i, j) for i in range(j, n)) for j in range(1, n)}
    return float(np.mean([best[j] - matrix.at(n, j) for j in best]))


def forgetting_cl(matrix: AccuracyMatrix) -> float:
    """The same with the maximum over 1 ≤ k ≤ j. Source: SWE-Bench-CL (2025)."""
    n = need_two_tasks(matrix, "Forgetting")
    best = {j: max(matrix.at(k, j) for k in range(1, j + 1)) for j in range(1, n)}
    return float(np.mean([best[j] - matrix.at(n, j) for j in best]))


def acc(matrix: AccuracyMatrix) -> float:
    """ACC = (1/N) Σ_j a(N, j): success over all tasks after the last one. Source: SWE-Bench-CL."""
    n = matrix.n_tasks
    return float(np.mean([matrix.at(n, j) for j in range(1, n + 1)]))


def plasticity(matrix: AccuracyMatrix) -> float:
    """P = mean a(i, i): success on each task just after training on it."""
    return float(np.mean([matrix.at(i, i) for i in range(1, matrix.n_tasks + 1)]))


def aulc(matrix: AccuracyMatrix) -> float:
    """AULC = (1/N) Σ_i (1/i) Σ_{k≤i} a(k, k). Source: SWE-Bench-CL."""
    diagonal = np.array([matrix.at(i, i) for i in range(1, matrix.n_tasks + 1)])
    return float(np.mean(np.cumsum(diagonal) / np.arange(1, len(diagonal) + 1)))


def cl_f_beta(
    matrix: AccuracyMatrix,
    beta: float = 1.0,
    forgetting_metric: Callable[[AccuracyMatrix], float] = forgetting,
) -> float:
    """CL-Fβ = (1+β²)·P·S / (β²·P + S), P plasticity, S = 1 - forgetting; 0 where both are 0.

    S exceeds 1 where forgetting is negative. ``forgetting_metric`` is part of the registration;
    SWE-Bench-CL's own is ``forgetting_cl``. Source: SWE-Bench-CL.
    """
    if beta <= 0:
        raise ValueError(f"beta is {beta}; the weight of stability must be above 0.")
    p, s = plasticity(matrix), 1 - forgetting_metric(matrix)
    below = beta**2 * p + s
    return (1 + beta**2) * p * s / below if below > 0 else 0.0


@dataclass(frozen=True)
class ScoreWeights:
    """The λ of CL-Score, without unit. They have no defaults: they are part of a registration."""

    forgetting: float
    """weight of forgetting, subtracted"""
    forward: float
    """weight of FT over the stream"""
    backward: float
    """weight of BWT"""
    aulc: float
    """weight of the area under the learning curve"""
    beta: float
    """β of CL-Fβ"""


def cl_score(
    matrix: AccuracyMatrix,
    weights: ScoreWeights,
    forgetting_metric: Callable[[AccuracyMatrix], float] = forgetting,
    forward: float | None = None,
) -> float:
    """CL-Score = ACC - λF·F + λFT·FT + λBWT·BWT + λAULC·AULC + CL-Fβ. Source: SWE-Bench-CL.

    ``forward`` is FT where it was measured on other tasks than the matrix's; by default
    ``ft_stream`` of it.
    """
    ft = ft_stream(matrix) if forward is None else forward
    return (
        acc(matrix)
        - weights.forgetting * forgetting_metric(matrix)
        + weights.forward * ft
        + weights.backward * bwt(matrix)
        + weights.aulc * aulc(matrix)
        + cl_f_beta(matrix, weights.beta, forgetting_metric)
    )


def registered_origins(n_sessions: int) -> tuple[int, ...]:
    """Session origins reported: 1, N/4, N/2, 3N/4, N, rounded half up, each once.

    >>> registered_origins(10)
    (1, 3, 5, 8, 10)
    """
    if n_sessions < 1:
        raise ValueError(f"{n_sessions} sessions have no origins; collect at least one.")
    quarters = [max(1, (q * n_sessions + 2) // 4) for q in (1, 2, 3)]
    return tuple(dict.fromkeys((1, *quarters, n_sessions)))


def retention(
    correct_by_origin: Mapping[int, Sequence[bool]], n_sessions: int, alpha: float = 0.05
) -> dict[int, Estimate]:
    """Accuracy on the pairs synthesized from each registered session, after the last consolidation.

    Wilson interval per origin over its pairs, which it takes as independent; pairs drawn from one
    trajectory are less so. Raises ValueError where a registered origin has no pairs.

    >>> {o: e.value for o, e in retention({1: [True, False], 2: [True]}, 2).items()}
    {1: 0.5, 2: 1.0}
    """
    origins = registered_origins(n_sessions)
    if missing := [origin for origin in origins if not correct_by_origin.get(origin)]:
        raise ValueError(
            f"Session {missing[0]} of {n_sessions} has no pairs to test retention on. Synthesize "
            "some from it, or register another number of sessions."
        )
    return {
        origin: wilson(
            sum(map(bool, correct_by_origin[origin])), len(correct_by_origin[origin]), alpha, "pair"
        )
        for origin in origins
    }
