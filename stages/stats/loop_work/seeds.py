"""Whether seeds differ by more than repeats of one seed do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from stages.stats.intervals import Estimate, Undefined


def intraclass(values: Mapping[int, Sequence[float]], alpha: float = 0.05) -> Estimate | Undefined:
    """Share of the variance between runs that the seed explains: ρ = σ²_seed / (σ²_seed + σ²).

    ``values`` gives each seed's runs. From F of the one-way analysis of variance: ρ = (F - 1) /
    (F + n - 1), n runs a seed; the interval has F's over its quantiles in F's place, exact for
    normal values and equal n (with unequal n the usual n₀ stands in). Its lower end is above 0 just
    where F is significant at α/2, so no seed effect is claimed below the repeats' noise. A negative
    ρ says that repeats differ more than seeds do. Undefined with fewer than two seeds, without
    repeats, where repeats never differ (nothing then says how large noise is), or where
    the means of seeds never do.

    References: Searle (1971), Linear Models, ch. 9; Shrout & Fleiss (1979), Psychological Bulletin
    86, ICC(1, 1).

    >>> e = intraclass({0: [1, 2], 1: [3, 4], 2: [5, 6]})
    >>> round(e.value, 3), round(e.lo, 3), e.n
    (0.882, -0.025, 3)
    """
    groups = [np.asarray(runs, dtype=float) for runs in values.values()]
    sizes = np.array([len(group) for group in groups])
    total, within_df = int(sizes.sum()), int((sizes - 1).sum())
    if len(groups) < 2 or within_df < 1:
        return Undefined(
            f"{len(groups)} seeds with {total} runs: two seeds with repeats are needed"
        )
    mean = float(np.concatenate(groups).mean())
    between = sum(len(g) * (g.mean() - mean) ** 2 for g in groups) / (len(groups) - 1)
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / within_df
    if within < 1e-15:
        return Undefined("repeats of one seed never differ, so nothing says how large noise is")
    if between < 1e-15:
        return Undefined("the seeds' means are equal to the last digit, so F has no interval")
    size = (total - (sizes**2).sum() / total) / (len(groups) - 1)
    f, df = between / within, (len(groups) - 1, within_df)
    lower, upper = (f / stats.f.ppf(q, *df) for q in (1 - alpha / 2, alpha / 2))
    value, lo, hi = (float((x - 1) / (x + size - 1)) for x in (f, lower, upper))
    return Estimate(value, min(lo, value), max(hi, value), len(groups), "seed", alpha)
