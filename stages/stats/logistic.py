"""Logistic models of resolved tasks over model, repository and arm: the adapter's effect in odds.

The locked libraries fit no logistic mixed model by maximum likelihood: statsmodels' own is
variational Bayes, whose 95 % intervals held the truth in 10 of 15 simulations here, and which took
six seconds a fit. So the mixed model is fitted by quadrature below, with one random level per task,
and statsmodels' generalized estimating equations (GEE) with cluster-robust errors stand beside it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from stages.stats.clusters import critical_value
from stages.stats.intervals import Estimate, Undefined, z_quantile

Floats = NDArray[np.float64]
NODES = 61
"""Nodes of the quadrature: enough for tasks of up to about fifty episodes"""
FEWEST_CLUSTERS = 10


@dataclass(frozen=True)
class LogisticEffect:
    """The adapter's effect on the log odds of resolving a task."""

    gee: Estimate | Undefined
    """averaged over tasks: GEE, tasks as clusters, bias-corrected sandwich, t interval"""
    mixed: Estimate | Undefined
    """within a task: mixed model with a random level per task, maximum likelihood, Wald interval"""
    task_sd: float | Undefined
    """standard deviation of tasks' levels, in log odds"""
    notes: list[str]
    """what the data do not allow, and which of the two to read"""


def adapter_effect(
    resolved: ArrayLike,
    adapted: ArrayLike,
    task: Sequence[Hashable],
    model: Sequence[Hashable],
    repository: Sequence[Hashable],
    alpha: float = 0.05,
) -> LogisticEffect:
    """log odds ratio adapted : base over N episodes, given model and repository as fixed effects.

    ``resolved`` and ``adapted`` are 0 or 1 per episode, ``task`` its cluster: a task met by several
    models, arms or seeds is one label. GEE: exchangeable correlation within a task, Mancl &
    DeRouen's covariance, t with tasks - coefficients degrees of freedom. Mixed: a normal level per
    task, by Gauss–Hermite quadrature. The two estimate different things: the average
    over tasks is nearer 0 than the effect within a task. Undefined, with the reason, where an arm
    always or never resolves (separation: the odds ratio has no finite estimate), with fewer than 10
    tasks, or where the fit does not converge. ValueError for lengths that differ or other values.

    References: Liang & Zeger (1986), Biometrika 73; Mancl & DeRouen (2001), Biometrics 57; Breslow
    & Clayton (1993), JASA 88, on mixed models; Pinheiro & Bates (1995), JCGS 4, on quadrature;
    Albert & Anderson (1984), Biometrika 71, on separation.
    """
    z_quantile(alpha)
    y, treated = _checked(resolved, adapted, task, model, repository)
    numbers = np.unique(np.array([str(label) for label in task]), return_inverse=True)[1]
    design, dropped = _design(y, treated, model, repository)
    left_out = f"{int(dropped.sum())} episodes of levels that never vary were left out"
    notes = [left_out] if dropped.any() else []
    kept = ~dropped
    y, treated, design, numbers = y[kept], treated[kept], design[kept], numbers[kept]
    problem = _problem(y, treated, np.unique(numbers).size)
    if problem:
        none = Undefined(problem)
        return LogisticEffect(none, none, none, notes)
    design = design[:, np.ptp(design, axis=0) > 0]
    design = np.column_stack([np.ones(y.size), treated, _independent(treated, design)])
    mixed, task_sd = mixed_fit(y, design, numbers, alpha)
    return LogisticEffect(gee_fit(y, design, numbers, alpha), mixed, task_sd, notes)


def _checked(
    resolved: ArrayLike,
    adapted: ArrayLike,
    task: Sequence[Hashable],
    model: Sequence[Hashable],
    repository: Sequence[Hashable],
) -> tuple[Floats, Floats]:
    y, treated = np.asarray(resolved, dtype=float), np.asarray(adapted, dtype=float)
    sizes = {y.size, treated.size, len(task), len(model), len(repository)}
    if y.ndim != 1 or len(sizes) > 1 or y.size == 0:
        raise ValueError(f"Columns of lengths {sorted(sizes)}: give one value per episode in each.")
    if not np.isin(y, (0, 1)).all() or not np.isin(treated, (0, 1)).all():
        raise ValueError("resolved and adapted must be 0 or 1. Leave harness errors out.")
    return y, treated


def _design(
    y: Floats, treated: Floats, model: Sequence[Hashable], repository: Sequence[Hashable]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Indicators of models and repositories, and the rows of levels that never vary.

    A model that resolves nothing in either arm has a level at -inf and no word on the effect.
    """
    columns, dropped = [], np.zeros(y.size, dtype=bool)
    for factor in (model, repository):
        labels = list(dict.fromkeys(factor))
        for i, label in enumerate(labels):
            member = np.array([one == label for one in factor])
            dropped |= member & (np.ptp(y[member]) == 0)
            if i:
                columns.append(member.astype(float))
    return np.column_stack([np.zeros(y.size), *columns]), dropped


def _problem(y: Floats, treated: Floats, tasks: int) -> str:
    if tasks < FEWEST_CLUSTERS:
        return f"{tasks} tasks that vary; cluster-robust errors need at least {FEWEST_CLUSTERS}"
    for name, arm in (("base", y[treated == 0]), ("adapted", y[treated == 1])):
        if arm.size == 0:
            return f"there is no episode of the {name} arm"
        if np.ptp(arm) == 0:
            rate = "every" if arm[0] else "no"
            return f"{name} resolves {rate} task: the odds ratio has no finite estimate"
    return ""


def _independent(treated: Floats, design: Floats) -> Floats:
    """The columns that add to the rank, in order."""
    chosen = [np.ones(treated.size), treated]
    kept = []
    for column in design.T:
        if np.linalg.matrix_rank(np.column_stack([*chosen, column])) > len(chosen):
            chosen.append(column)
            kept.append(column)
    return np.column_stack(kept) if kept else np.zeros((treated.size, 0))


def gee_fit(y: Floats, design: Floats, task: NDArray, alpha: float) -> Estimate | Undefined:
    """The second column's coefficient by GEE, with Mancl & DeRouen's covariance and t interval."""
    from statsmodels.genmod.cov_struct import Exchangeable
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_estimating_equations import GEE

    order = np.argsort(task, kind="stable")
    tasks = np.unique(task).size
    with warnings.catch_warnings():
        # Non-convergence is told by the result below, not by a warning.
        warnings.simplefilter("ignore")
        try:
            fit: Any = GEE(
                y[order], design[order], task[order], None, Binomial(), Exchangeable()
            ).fit(maxiter=100, cov_type="bias_reduced")
            value, error = float(fit.params[1]), float(fit.bse[1])
        except (np.linalg.LinAlgError, ValueError) as broken:
            return Undefined(f"GEE could not be fitted: {broken}")
    if not (fit.converged and math.isfinite(value) and math.isfinite(error)) or abs(value) > 15:
        return Undefined("GEE did not converge: a cell is all or nothing solved")
    half = critical_value(alpha, max(tasks - design.shape[1], 1)) * error
    return Estimate(value, value - half, value + half, tasks, "task", alpha)


def mixed_fit(
    y: Floats, design: Floats, task: NDArray, alpha: float
) -> tuple[Estimate | Undefined, float | Undefined]:
    """(effect, sd of tasks) of a random-intercept logistic model by maximum likelihood.

    The Wald interval is taken from the numerical Hessian; a task's sd at 0 is the boundary, where
    the model is the ordinary logistic one.
    """
    order = np.argsort(task, kind="stable")
    rows, targets = design[order], y[order]
    starts = np.flatnonzero(np.diff(task[order], prepend=task[order][0] - 1))

    def objective(theta: Floats) -> tuple[float, Floats]:
        return negative_log_likelihood(theta, targets, rows, starts)

    start = np.append(np.zeros(design.shape[1]), 0.0)
    limits = [(-20.0, 20.0)] * design.shape[1] + [(-7.0, 3.0)]
    fit = optimize.minimize(objective, start, jac=True, method="L-BFGS-B", bounds=limits)
    none = Undefined("the mixed model did not converge: a cell is all or nothing solved")
    if not fit.success or np.any(np.abs(fit.x[:-1]) > 15):
        return none, none
    step = 1e-4 * np.eye(fit.x.size)
    hessian = np.array([(objective(fit.x + h)[1] - objective(fit.x - h)[1]) / 2e-4 for h in step])
    # At the boundary the likelihood is flat in the log sd, and the rest stands alone.
    free = fit.x.size if hessian[-1, -1] > 1e-3 else fit.x.size - 1
    variance = float(np.linalg.pinv((hessian + hessian.T)[:free, :free] / 2)[1, 1])
    if not variance > 0:
        return none, none
    value, half = float(fit.x[1]), z_quantile(alpha) * math.sqrt(variance)
    return Estimate(value, value - half, value + half, starts.size, "task", alpha), float(
        np.exp(fit.x[-1])
    )


def negative_log_likelihood(
    theta: Floats, y: Floats, design: Floats, starts: NDArray[np.intp]
) -> tuple[float, Floats]:
    """-Σ_tasks ln ∫ Π_episodes P(y ∣ xβ + σz) φ(z) dz and its gradient, theta = (β, ln σ).

    Gauss–Hermite quadrature at 61 nodes (Q). Rows are sorted by task; ``starts`` (T) are the
    first row of each.
    """
    nodes_Q, weights_Q = np.polynomial.hermite_e.hermegauss(NODES)
    scale = math.exp(theta[-1])
    eta_NQ = (design @ theta[:-1])[:, None] + scale * nodes_Q
    terms_NQ = y[:, None] * eta_NQ - np.logaddexp(0, eta_NQ)
    joint_TQ = np.add.reduceat(terms_NQ, starts) + np.log(weights_Q / weights_Q.sum())
    task_T = np.asarray(special.logsumexp(joint_TQ, axis=1))
    posterior_TQ = np.exp(joint_TQ - task_T[:, None])
    counts = np.diff(np.append(starts, y.size))
    left_NQ = np.repeat(posterior_TQ, counts, axis=0) * (y[:, None] - special.expit(eta_NQ))
    slope = design.T @ left_NQ.sum(axis=1)
    return -float(task_T.sum()), -np.append(slope, scale * float(np.sum(left_NQ * nodes_Q)))
