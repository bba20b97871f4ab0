"""How many training examples it takes: effect by number of examples, and the threshold.

``differences`` are adapted - base of one task in one run, in [-1, 1], tasks × runs × sizes
(T × R × K, NaN where missing; tasks × sizes for one run), the same tasks at every size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.stats.clusters import clustered_difference
from stages.stats.intervals import OF_LEVELS, Estimate, Undefined, z_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SampleSizeCurve:
    """Effect by number of training examples."""

    effects: dict[int, Estimate]
    """paired difference adapted - base, by number of examples"""
    first: Estimate | Undefined
    """smallest size whose interval lies above 0, in examples; inf as an end is 'at no size run'"""
    sustained: Estimate | Undefined
    """smallest size from which on every interval lies above 0: the controlled statement"""
    none_found: float
    """share of bootstrap draws without any size above 0"""
    frequency: dict[int, float]
    """share of draws in which each size is ``first``"""
    harmful: list[int]
    """sizes whose interval lies below 0"""


def sample_size_curve(
    sizes: Sequence[int],
    differences: ArrayLike,
    alpha: float = 0.05,
    resamples: int = 200,
    seed: int = 0,
) -> SampleSizeCurve:
    """Effect at each of K ``sizes`` (examples, rising), and where it first excludes zero.

    ``first`` looks at K intervals uncorrected, so it finds a threshold too early more often than
    α/2; ``sustained`` steps down from the largest size and stops at the first interval that holds
    0, which needs no correction (minimum effective dose) and is the one to claim. Both are read on
    the grid of sizes run: the true threshold lies between the size before and this one. Their
    intervals are percentiles of the bootstrap of tasks and runs, every size's interval computed
    anew; it adds the sample's noise a second time, so it is wide rather than narrow.
    Undefined (with the reason) where no size run lies above 0; the frequencies still say how close.
    A threshold moves with the number of tasks: it is where this evaluation sees the effect.
    ValueError for shapes that do not fit or sizes that do not rise.

    References: Tamhane, Hochberg & Dunnett (1996), Biometrics 52, on the minimum effective dose;
    Hsu & Berger (1999), JASA 94; Owen (2007), Annals of Applied Statistics 1.

    >>> small, large = [0] * 20, [1] * 12 + [0] * 8
    >>> c = sample_size_curve([18, 100], np.array([small, large]).T, resamples=20)
    >>> c.first.value, round(c.effects[100].value, 2), c.harmful
    (100.0, 0.6, [])
    """
    z_quantile(alpha)
    cells = checked_differences(sizes, differences)
    effects = {size: clustered_difference(cells[:, :, k], alpha) for k, size in enumerate(sizes)}
    above = np.array([effect.lo > 0 for effect in effects.values()])
    rng = np.random.default_rng(seed)
    drawn_BK = np.array([_drawn_above(cells, alpha, rng) for _ in range(resamples)])
    firsts = np.array([first_above(sizes, row) for row in drawn_BK])
    lasting = np.array([sustained_above(sizes, row) for row in drawn_BK])
    tasks = len(cells)
    return SampleSizeCurve(
        effects,
        _threshold(first_above(sizes, above), firsts, tasks, alpha),
        _threshold(sustained_above(sizes, above), lasting, tasks, alpha),
        float(np.mean(np.isinf(firsts))),
        {size: float(np.mean(firsts == size)) for size in sizes},
        [size for size, effect in effects.items() if effect.hi < 0],
    )


def threshold_estimand(
    sizes: Sequence[int],
    differences: ArrayLike,
    level: float = 0.05,
    resamples: int = 200,
    seed: int = 0,
) -> Callable[[float], Estimate | Undefined]:
    """α → the ``sustained`` size, which is found once, with every size's interval at ``level``.

    Only the bootstrap's quantiles are read at α, so a smaller α never gives a narrower interval.
    Undefined where no size is found, or where that may be so: more than α/2 of the draws find none.
    Arguments and ValueError as ``sample_size_curve``.

    >>> gains = np.array([[0] * 20, [1] * 12 + [0] * 8]).T
    >>> threshold_estimand([18, 100], gains, resamples=20)(0.05).value
    100.0
    """
    cells = checked_differences(sizes, differences)
    each = [clustered_difference(cells[:, :, k], level).lo > 0 for k in range(len(sizes))]
    rng = np.random.default_rng(seed)
    drawn = np.array(
        [sustained_above(sizes, _drawn_above(cells, level, rng)) for _ in range(resamples)]
    )

    def estimate(alpha: float) -> Estimate | Undefined:
        found = _threshold(sustained_above(sizes, each), drawn, len(cells), alpha)
        if isinstance(found, Estimate) and math.isinf(found.hi):
            none = float(np.mean(np.isinf(drawn)))
            return Undefined(f"{none:.0%} of draws find no size, so the threshold has no upper end")
        return found

    return estimate


def checked_differences(sizes: Sequence[int], differences: ArrayLike) -> Floats:
    cells = np.asarray(differences, dtype=float)
    cells = cells[:, None, :] if cells.ndim == 2 else cells
    if cells.ndim != 3 or cells.shape[2] != len(sizes):
        raise ValueError(
            f"Differences of shape {np.shape(differences)} for {len(sizes)} sizes: give "
            "tasks × runs × sizes."
        )
    if any(b <= a for a, b in pairwise(sizes)) or not sizes:
        raise ValueError(f"Sizes {list(sizes)} must rise: sort them and merge repeats.")
    if np.isnan(cells).all(axis=(0, 1)).any():
        raise ValueError(
            "A size has no measured difference. Leave it out of sizes and differences."
        )
    return cells


def _drawn_above(cells: Floats, alpha: float, rng: np.random.Generator) -> list[bool]:
    """Whether each size's interval lies above 0 in one draw of tasks and of runs."""
    tasks, runs = cells.shape[:2]
    drawn = cells[rng.integers(0, tasks, tasks)][:, rng.integers(0, runs, runs)]
    sizes = [drawn[:, :, k] for k in range(cells.shape[2])]
    # A draw may hold no measured cell of a size: then that size shows nothing.
    return [
        not bool(np.isnan(size).all()) and clustered_difference(size, alpha).lo > 0
        for size in sizes
    ]


def first_above(sizes: Sequence[int], above: Sequence[bool] | NDArray[np.bool_]) -> float:
    """Smallest size marked; inf without one.

    >>> first_above([18, 65, 100], [False, True, False])
    65.0
    """
    return min((float(s) for s, mark in zip(sizes, above, strict=True) if mark), default=math.inf)


def sustained_above(sizes: Sequence[int], above: Sequence[bool] | NDArray[np.bool_]) -> float:
    """Smallest size from which on all are marked; inf without one.

    >>> sustained_above([18, 65, 100], [True, False, True]), sustained_above([18], [False])
    (100.0, inf)
    """
    found = math.inf
    for size, mark in zip(reversed(sizes), reversed(list(above)), strict=True):
        if not mark:
            break
        found = float(size)
    return found


def _threshold(value: float, drawn: Floats, tasks: int, alpha: float) -> Estimate | Undefined:
    if math.isinf(value):
        return Undefined("no size that was run has an interval above 0 (there to the largest)")
    lo = float(np.quantile(drawn, alpha / 2, method="lower"))
    hi = float(np.quantile(drawn, 1 - alpha / 2, method="higher"))
    return Estimate(value, min(lo, value), max(hi, value), tasks, OF_LEVELS, alpha)
