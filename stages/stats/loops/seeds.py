"""Whether seeds differ at all: what seeds/000 concluded from a variance and did not test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from stages.stats.intervals import Estimate, Undefined

DIFFER = "the seeds differ"
INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class ScoreSpread:
    """Spread of one score per seed."""

    mean: float
    """mean over seeds"""
    population_variance: float
    """Σ(x - mean)²/n, as seeds/000 reports it; too small by (n - 1)/n for the seeds not run"""
    variance: Estimate | Undefined
    """Σ(x - mean)²/(n - 1) with its χ² interval, which assumes normal scores"""


def score_spread(scores: Sequence[float], alpha: float = 0.05) -> ScoreSpread:
    """Mean and both variances of one score per seed; no variance of a single seed.

    Its interval says how far three seeds let one speak of a variance, not that it comes from the
    seed: repeats of one seed spread too (``components``). Reference: Cochran (1934), Mathematical
    Proceedings of the Cambridge Philosophical Society 30 (Σ(x - mean)²/σ² is χ² with n - 1 df).

    >>> s = score_spread([0.043, 0.017, -0.052])
    >>> round(s.population_variance, 4), round(s.variance.lo, 4), round(s.variance.hi, 3)
    (0.0016, 0.0007, 0.095)
    """
    values = np.asarray(scores, dtype=float)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise ValueError(
            f"Scores {list(scores)}: give one finite number per seed; leave out a seed whose score "
            "is undefined, and say so."
        )
    mean, population = float(values.mean()), float(values.var())
    if values.size < 2:
        return ScoreSpread(mean, population, Undefined("one seed has no variance"))
    freedom = values.size - 1
    squares = float(values.var(ddof=1)) * freedom
    lo, hi = (squares / float(special.chdtri(freedom, p)) for p in (alpha / 2, 1 - alpha / 2))
    variance = Estimate(squares / freedom, lo, hi, values.size, "seed", alpha)
    return ScoreSpread(mean, population, variance)


@dataclass(frozen=True)
class SeedComparison:
    """Several seeds' final counts, tested as independent samples."""

    fisher_p: float
    """Fisher's exact p of the best seed against the worst, not corrected for choosing them"""
    adjusted_p: float
    """the same times the number of pairs of seeds (Bonferroni), at most 1"""
    homogeneity_p: float | Undefined
    """Pearson's χ² test that all seeds have one rate"""
    reading: str
    """``DIFFER`` if both corrected tests say so, else ``INCONCLUSIVE``: never 'the same'"""


def compare_seeds(right: Sequence[int], n: int, alpha: float = 0.05) -> SeedComparison:
    """Whether ``right`` answers of ``n`` differ between seeds, from the counts alone.

    Fisher's test treats the seeds' items as unrelated. With the answers themselves use
    ``cochran_q``, which pairs them by item. Needs two seeds; ValueError for impossible counts.
    References: Fisher (1935), J. Royal Statistical Society 98; Pearson (1900), Phil. Mag. 50.

    >>> c = compare_seeds([47, 46, 43], n=80)
    >>> round(c.fisher_p, 2), round(c.homogeneity_p, 2), c.reading
    (0.63, 0.8, 'inconclusive')
    """
    counts = np.asarray(right)
    if counts.size < 2 or n < 1 or (counts < 0).any() or (counts > n).any():
        raise ValueError(
            f"Seeds with {list(right)} right of {n}: give two seeds or more, each with 0 to {n} "
            "right answers."
        )
    best, worst = int(counts.max()), int(counts.min())
    pairs = math.comb(counts.size, 2)
    fisher = fisher_p(best, n, worst, n)
    table = np.stack([counts, n - counts])
    spread: float | Undefined = Undefined("all answers of all seeds are alike")
    if table.sum(axis=1).all():
        spread = float(stats.chi2_contingency(table, correction=False).pvalue)
    told = min(1.0, fisher * pairs)
    homogeneity = 1.0 if isinstance(spread, Undefined) else spread
    differ = told < alpha and homogeneity < alpha
    return SeedComparison(fisher, told, spread, DIFFER if differ else INCONCLUSIVE)


def fisher_p(first_right: int, first_n: int, second_right: int, second_n: int) -> float:
    """Two-sided p of Fisher's exact test that two independent counts have one rate.

    >>> round(fisher_p(4, 20, 9, 20), 3)
    0.176
    """
    table = [[first_right, first_n - first_right], [second_right, second_n - second_right]]
    if min(min(row) for row in table) < 0:
        raise ValueError(
            f"{first_right} of {first_n} and {second_right} of {second_n} are no counts. Give 0 to "
            "n right answers of n."
        )
    return float(stats.fisher_exact(table)[1])


def cochran_q(correct: ArrayLike) -> tuple[float, float] | Undefined:
    """Cochran's Q and its p: do S seeds answer the same I items equally well? (S × I, 0 or 1).

    Q = (S - 1)(S·ΣG² - (ΣG)²) / (S·ΣL - ΣL²), G right answers per seed, L per item; χ² with S - 1
    df. Pairs by item, so it sees what ``compare_seeds`` loses. Undefined if the seeds answer every
    item alike. Reference: Cochran (1950), Biometrika 37.

    >>> cochran_q([[1, 1, 1, 1], [0, 0, 0, 0]])[0]
    4.0
    """
    table = np.asarray(correct, dtype=float)
    if table.ndim != 2 or len(table) < 2 or not np.isin(table, (0, 1)).all():
        raise ValueError(
            f"Answers of shape {table.shape}: give seeds × items of 0 or 1, at least two seeds."
        )
    seeds, by_seed, by_item = len(table), table.sum(axis=1), table.sum(axis=0)
    below = seeds * by_item.sum() - np.sum(by_item**2)
    if below == 0:
        return Undefined("the seeds answer every item alike")
    q = float((seeds - 1) * (seeds * np.sum(by_seed**2) - by_seed.sum() ** 2) / below)
    return q, float(special.chdtrc(seeds - 1, q))
