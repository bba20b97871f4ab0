"""Paired tests of two arms on the same tasks: McNemar, Wilcoxon, t, sign, permutation.

pingouin computes what it has; it takes a second to import, so the functions that use it import it.
The unit is the task: average a task's runs first (``clusters.task_means``), or use the permutation
test, which flips whole tasks.
"""

from __future__ import annotations

import importlib
import math
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from stages.stats.clusters import checked_cells
from stages.stats.intervals import Estimate, Undefined, z_quantile

EXACT_TASKS = 14


@dataclass(frozen=True)
class PairedTest:
    """Result of a two-sided paired test."""

    name: str
    """the test's name"""
    statistic: float
    """its statistic, as the function says"""
    p: float
    """two-sided p-value"""
    n: int
    """pairs that carried information (discordant, non-zero, or all)"""


def paired_vectors(base: ArrayLike, adapted: ArrayLike) -> tuple[NDArray, NDArray]:
    before, after = np.asarray(base, dtype=float), np.asarray(adapted, dtype=float)
    if before.ndim != 1 or before.shape != after.shape or before.size == 0:
        raise ValueError(
            f"Paired arms of shapes {before.shape} and {after.shape}: give one value per task in "
            "both, in the same order."
        )
    if np.isnan(before).any() or np.isnan(after).any():
        raise ValueError("A paired value is NaN. Leave a task that lacks one arm out of both.")
    return before, after


def discordant(base: ArrayLike, adapted: ArrayLike) -> tuple[int, int, int]:
    """(gains, losses, n): tasks wrong→right, right→wrong, and all; ValueError unless binary."""
    before, after = paired_vectors(base, adapted)
    if not np.isin(np.concatenate([before, after]), (0, 1)).all():
        raise ValueError("McNemar's test needs outcomes of 0 or 1, one run per task.")
    return int(np.sum(after > before)), int(np.sum(after < before)), before.size


def mcnemar_exact(base: ArrayLike, adapted: ArrayLike) -> PairedTest:
    """Exact McNemar: gains of the discordant pairs are binomial(b + c, 1/2) under H0.

    Assumes independent tasks, one run each. Statistic: the smaller of gains and losses; p is 1
    without discordant pairs. References: McNemar (1947), Psychometrika 12; Fagerland et al. (2013).

    >>> mcnemar_exact([0] * 6 + [1] * 2, [1] * 6 + [1] * 2).p
    0.03125
    """
    gains, losses, _ = discordant(base, adapted)
    n = gains + losses
    p = float(stats.binomtest(gains, n).pvalue) if n else 1.0
    return PairedTest("exact McNemar", min(gains, losses), p, n)


def sign_test(differences: ArrayLike) -> PairedTest:
    """Exact sign test: positive differences among the non-zero ones are binomial(n, 1/2).

    Statistic: the number of positive ones. Reference: Conover (1999), Practical Nonparametric
    Statistics, §3.4.

    >>> sign_test([0.1, 0.2, 0.1, 0.3, -0.1]).p
    0.375
    """
    values = np.asarray(differences, dtype=float)
    positive, n = int(np.sum(values > 0)), int(np.sum(values != 0))
    p = float(stats.binomtest(positive, n).pvalue) if n else 1.0
    return PairedTest("sign", positive, p, n)


def wilcoxon(base: ArrayLike, adapted: ArrayLike) -> PairedTest:
    """Wilcoxon signed-rank test of adapted against base (pingouin; zero differences dropped).

    Statistic: the smaller rank sum. Assumes differences symmetric around their median. Exact
    without ties up to 50 pairs. Reference: Wilcoxon (1945), Biometrics Bulletin 1.

    >>> wilcoxon([5, 6, 7, 8, 9, 10], [4, 4, 4, 4, 4, 4]).p
    0.03125
    """
    before, after = paired_vectors(base, adapted)
    n = int(np.sum(before != after))
    if n == 0:
        return PairedTest("Wilcoxon signed-rank", 0.0, 1.0, 0)
    row = _pingouin().wilcoxon(after, before).iloc[0]
    return PairedTest("Wilcoxon signed-rank", float(row["W_val"]), float(row["p_val"]), n)


def paired_t(base: ArrayLike, adapted: ArrayLike) -> PairedTest | Undefined:
    """Paired t-test of adapted - base (pingouin); undefined without spread or with one pair.

    Assumes differences near normal or many. Reference: Student (1908), Biometrika 6.

    >>> round(paired_t([1, 2, 3, 4], [2, 2, 5, 5]).p, 4)
    0.0917
    """
    before, after = paired_vectors(base, adapted)
    if constant(after - before):
        return Undefined("the differences do not vary, so t has no standard error")
    row = _pingouin().ttest(after, before, paired=True).iloc[0]
    return PairedTest("paired t", float(row["T"]), float(row["p_val"]), before.size)


def _pingouin() -> Any:
    """pingouin; imported here first, without its plots, which would import matplotlib."""
    plots = "pingouin.plotting"
    if plots in sys.modules:
        return importlib.import_module("pingouin")
    sys.modules[plots] = ModuleType(plots)
    try:
        return importlib.import_module("pingouin")
    finally:
        del sys.modules[plots]


def constant(differences: NDArray) -> bool:
    """Whether the differences are all equal but for rounding, or there is only one."""
    spread = np.ptp(differences) if differences.size > 1 else 0.0
    return bool(spread <= 1e-12 * max(1.0, float(np.max(np.abs(differences)))))


def hodges_lehmann(
    base: ArrayLike, adapted: ArrayLike, alpha: float = 0.05, unit: str = "task"
) -> Estimate:
    """Hodges–Lehmann shift adapted - base: the median of the Walsh averages (dᵢ + dⱼ)/2, i ≤ j.

    The interval inverts the signed-rank test: the (k+1)-th smallest to the (k+1)-th largest
    average, k the largest rank sum with P(W ≤ k) ≤ α/2, from the exact distribution up to 100
    pairs, normal beyond. Ties widen its coverage. Below 6 pairs (at α = 0.05) no finite interval
    exists, and the ends are infinite. Assumes differences symmetric around the shift.

    References: Hodges & Lehmann (1963), Ann. Math. Stat. 34; Hollander, Wolfe & Chicken (2014),
    Nonparametric Statistical Methods, §3.2–3.3.

    >>> e = hodges_lehmann([7, 7, 7, 7, 7, 7], [5, 4, 6, 4.5, 5.5, 3])
    >>> e.value, e.lo, e.hi
    (-2.25, -4.0, -1.0)
    """
    before, after = paired_vectors(base, adapted)
    differences = after - before
    n = differences.size
    rows, columns = np.triu_indices(n)
    walsh = np.sort((differences[rows] + differences[columns]) / 2)
    value = float(np.median(walsh))
    k = signed_rank_critical(n, alpha)
    if k < 0:
        return Estimate(value, -math.inf, math.inf, n, unit, alpha)
    return Estimate(value, float(walsh[k]), float(walsh[-1 - k]), n, unit, alpha)


def signed_rank_critical(n: int, alpha: float) -> int:
    """Largest k with P(W⁺ ≤ k) ≤ α/2 for n untied pairs; -1 if there is none."""
    z = z_quantile(alpha)
    if n > 100:
        mean, variance = n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24
        return math.floor(mean - 0.5 - z * math.sqrt(variance))
    probability = np.array([1.0])
    for rank in range(1, n + 1):
        # Each rank is positive or negative with probability 1/2: W⁺ gains it or not.
        grown = np.zeros(probability.size + rank)
        grown[: probability.size] += probability / 2
        grown[rank:] += probability / 2
        probability = grown
    return int(np.sum(np.cumsum(probability) <= alpha / 2 * (1 + 1e-12))) - 1


def permutation_test(cells: ArrayLike, resamples: int = 9999, seed: int = 0) -> PairedTest:
    """Sign-flip permutation test of mean difference 0, all runs of a task flipped together.

    ``cells`` are differences, tasks × runs (NaN allowed). Statistic: the mean over cells. All 2^T
    sign patterns up to 14 tasks with a non-zero sum, else ``resamples`` random ones with
    p = (1 + as extreme)/(1 + resamples). Assumes tasks exchangeable in sign under H0; runs of a
    task may depend on each other, but effects of a run on all tasks are not allowed for.

    References: Fisher (1935), The Design of Experiments, §21; Phipson & Smyth (2010), SAGMB 9.

    >>> permutation_test([[1], [1], [1], [1], [1], [1]]).p
    0.03125
    """
    matrix = checked_cells(cells, math.inf)
    sums = np.nansum(matrix, axis=1)
    sums = sums[sums != 0]
    observed = abs(float(sums.sum()))
    mean = float(np.nanmean(matrix))
    # A flipped sum equal to the observed one may differ in the last digit.
    threshold = observed - 1e-9 * max(1.0, observed)
    if len(sums) <= EXACT_TASKS:
        patterns = (np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1
        p = float(np.mean(np.abs((1 - 2 * patterns) @ sums) >= threshold))
    else:
        rng = np.random.default_rng(seed)
        signs = 1 - 2 * rng.integers(0, 2, size=(resamples, len(sums)), dtype=np.int8)
        extreme = int(np.sum(np.abs(signs.astype(float) @ sums) >= threshold))
        p = (1 + extreme) / (1 + resamples)
    return PairedTest("sign-flip permutation by task", mean, p, len(matrix))
