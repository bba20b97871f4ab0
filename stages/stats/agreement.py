"""Whether several raters rank the same objects alike: Kendall's W and pairwise Spearman.

Here the raters are base models and the objects repositories: do models gain on the same ones?
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from stages.stats.intervals import Undefined

PERMUTATIONS = 10_000
FEWEST = 3
"""Objects: two are ranked alike by half of all pairs of raters."""


@dataclass(frozen=True)
class Agreement:
    """Agreement of M raters over N objects."""

    kendall_w: float
    """0 no agreement, 1 the same ranking by all; corrected for ties"""
    p: float
    """share of permutations within raters with a W as large, the observed one counted"""
    mean_spearman: float
    """mean over pairs of raters, -1 to 1"""
    pairs: dict[str, float | Undefined]
    """'a, b' -> Spearman's correlation of the two"""
    raters: int
    objects: int


def rank_agreement(
    values: ArrayLike, raters: list[str], permutations: int = PERMUTATIONS, seed: int = 0
) -> Agreement | Undefined:
    """Agreement of values (M raters × N objects); objects that a rater lacks (NaN) are left out.

    W = 12 S / (M² (N³ - N) - M T), S the squared deviations of the objects' rank sums, T the tie
    correction Σ (t³ - t). Its p-value is by permutation, since χ² is poor for N ≤ 7. Undefined with
    the reason for fewer than two raters or three objects, or where a rater ranks nothing apart.

    Reference: Kendall & Babington Smith (1939), Annals of Mathematical Statistics 10.

    >>> found = rank_agreement([[1, 2, 3, 4], [1, 2, 3, 4]], ["a", "b"])
    >>> found.kendall_w, found.mean_spearman
    (1.0, 1.0)
    """
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or len(table) != len(raters):
        raise ValueError(f"values have shape {table.shape} for {len(raters)} raters: give M × N.")
    table = table[:, ~np.isnan(table).any(axis=0)]
    count, objects = table.shape
    if count < 2 or objects < FEWEST:
        return Undefined(f"{count} raters of {objects} objects; it needs 2 and {FEWEST}")
    if (np.ptp(table, axis=1) == 0).any():
        return Undefined("a rater gives every object the same value")
    ranks = np.asarray(stats.rankdata(table, axis=1), dtype=float)
    observed = concordance(ranks)
    rng = np.random.default_rng(seed)
    drawn = (concordance(rng.permuted(ranks, axis=1)) for _ in range(permutations))
    as_large = sum(w >= observed - 1e-12 for w in drawn)
    pairs = {
        f"{raters[i]}, {raters[j]}": float(np.corrcoef(ranks[i], ranks[j])[0, 1])
        for i, j in itertools.combinations(range(count), 2)
    }
    mean = float(np.mean(list(pairs.values())))
    p = (as_large + 1) / (permutations + 1)
    return Agreement(observed, p, mean, dict(pairs), count, objects)


def concordance(ranks: NDArray[np.float64]) -> float:
    """Kendall's W of ranks (M × N), corrected for ties."""
    raters, objects = ranks.shape
    sums = ranks.sum(axis=0)
    spread = float(np.sum((sums - sums.mean()) ** 2))
    ties = sum(float(np.sum(c**3 - c)) for c in (_counts(row) for row in ranks))
    return 12 * spread / (raters**2 * (objects**3 - objects) - raters * ties)


def _counts(row: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.unique(row, return_counts=True)[1].astype(float)
