"""Variance components of crossed random factors: order × decoding × training noise, with repeats.

The answer to 'is it the seed?'. One value per run, such as final accuracy or the meta-learning
score, in a balanced table with one axis per factor and the repeats last. All factors are random:
their levels are a sample of the orders, decodings and trainings that could have been drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from stages.stats.intervals import Undefined, z_quantile
from stages.stats.loops.mean_squares import MeanSquare, mls_interval, satterthwaite

CLAIMED = "above the noise"
NOT_CLAIMED = "not above the noise"
JOIN = " × "
NOISE = "noise"


@dataclass(frozen=True)
class Component:
    """One source of variance."""

    df: int
    """degrees of freedom of its mean square"""
    mean_square: float
    """in the value's unit squared"""
    variance: float
    """estimate of σ², in the value's unit squared; below 0 where chance made the noise larger"""
    lo: float
    """lower end of its 1 - α interval, at least 0"""
    hi: float
    """upper end, at least 0"""
    f: float | Undefined
    """F of 'this variance is 0'; undefined for the noise itself"""
    p: float | Undefined
    """its p-value"""
    exact: bool
    """whether F has exactly its distribution under normality, or by Satterthwaite"""
    reading: str
    """``CLAIMED`` if p < α, else ``NOT_CLAIMED``; '' for the noise"""


@dataclass(frozen=True)
class Components:
    """The whole decomposition."""

    mean: float
    """mean of all runs"""
    sources: dict[str, Component]
    """'order', 'decoding', 'order × decoding', …, and last ``NOISE``"""
    shares: dict[str, float]
    """each source's share of the total variance, negative estimates taken as 0; in [0, 1]"""
    noise: str
    """what the noise is: 'repeats', or the highest interaction where nothing was repeated"""
    alpha: float
    """two-sided error rate of the intervals and tests"""


def variance_components(
    values: ArrayLike, factors: Sequence[str], alpha: float = 0.05
) -> Components | Undefined:
    """Components of ``values``, of shape levels of each factor × repeats (the last axis).

    Estimates are the ANOVA ones: Σ over sources U ⊇ S of (-1)^(∣U∣-∣S∣)·MS_U, divided by the number
    of runs per level of S. F puts the mean squares with plus over those with minus: one over one is
    exact, sums take Satterthwaite's df. Intervals: modified large sample (``mean_squares``), exact
    χ² for the noise. Without repeats (last axis 1) the highest interaction is the noise. Assumes
    normal effects and one variance; runs are means of many answers, so nearly so.

    A factor of one level, or a table with a NaN, raises ValueError: the design is to be completed,
    not imputed. Undefined if no value differs from another beyond rounding.

    References: Searle, Casella & McCulloch (1992), Variance Components, ch. 4; Satterthwaite
    (1946), Biometrics Bulletin 2; Burdick & Graybill (1992), Confidence Intervals on Variance
    Components, §3.3 and ch. 5.

    >>> c = variance_components([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], ["seed"])
    >>> round(c.sources["seed"].variance, 3), c.sources["seed"].f, c.sources["noise"].variance
    (4.167, 13.5, 1.0)
    """
    z_quantile(alpha)
    table = _checked(values, factors)
    if np.ptp(table) <= 1e-12 * float(np.max(np.abs(table))):
        return Undefined("all runs gave the same value, so there is no variance to divide")
    squares = mean_squares(table)
    axes = tuple(range(len(factors)))
    repeats = table.shape[-1] > 1
    noise = squares.pop(None) if repeats else squares.pop(axes)
    sources: dict[str, Component] = {}
    for subset in squares:
        name = JOIN.join(factors[axis] for axis in subset)
        sources[name] = _component(subset, squares, noise, axes, table.shape, alpha)
    sources[NOISE] = _noise(noise, alpha)
    positive = {name: max(source.variance, 0.0) for name, source in sources.items()}
    total = sum(positive.values())
    what = "repeats" if repeats else JOIN.join(factors)
    shares = {name: value / total for name, value in positive.items()}
    return Components(float(table.mean()), sources, shares, what, alpha)


def mean_squares(table: NDArray[np.float64]) -> dict[tuple[int, ...] | None, MeanSquare]:
    """Mean square of every set of factor axes of a balanced table; None: of the repeats.

    SS_S = Σ over all runs of (Σ_{U ⊆ S} (-1)^(∣S∣-∣U∣) · mean over the axes not in U)².
    """
    axes = range(table.ndim - 1)
    subsets = [s for size in range(len(axes) + 1) for s in combinations(axes, size)]
    means = {}
    for subset in subsets:
        others = tuple(axis for axis in range(table.ndim) if axis not in subset)
        means[subset] = table.mean(axis=others, keepdims=True)
    found: dict[tuple[int, ...] | None, MeanSquare] = {}
    for subset in subsets[1:]:
        inside = [u for u in subsets if set(u) <= set(subset)]
        effect = sum((-1.0) ** (len(subset) - len(u)) * means[u] for u in inside)
        df = int(np.prod([table.shape[axis] - 1 for axis in subset]))
        squares = float(np.sum(np.broadcast_to(effect, table.shape) ** 2))
        found[subset] = MeanSquare(squares / df, df)
    repeats = table.shape[-1]
    if repeats > 1:
        df = table.size // repeats * (repeats - 1)
        found[None] = MeanSquare(float(np.sum((table - means[subsets[-1]]) ** 2)) / df, df)
    return found


def _checked(values: ArrayLike, factors: Sequence[str]) -> NDArray[np.float64]:
    table = np.asarray(values, dtype=float)
    if table.ndim != len(factors) + 1 or not factors:
        raise ValueError(
            f"Values of shape {table.shape} for the factors {list(factors)}: give one axis per "
            "factor, in that order, and the repeats as the last axis (of length 1 if there are "
            "none)."
        )
    short = [name for name, size in zip(factors, table.shape, strict=False) if size < 2]
    if short:
        raise ValueError(f"Factor {short[0]!r} has one level, so it has no variance. Leave it out.")
    if not np.isfinite(table).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(table))[0])
        raise ValueError(
            f"The run at {where} (levels of {list(factors)}, repeat) has no value. Run it, or drop "
            "the level from all of the table: the estimators need a balanced design."
        )
    if len(factors) == 1 and table.shape[-1] < 2:
        raise ValueError(
            f"Each level of {factors[0]!r} has one run: its effect cannot be told apart from "
            "noise. Repeat each level, at least 3 times."
        )
    return table


def _component(
    subset: tuple[int, ...],
    squares: dict[tuple[int, ...] | None, MeanSquare],
    noise: MeanSquare,
    axes: tuple[int, ...],
    shape: tuple[int, ...],
    alpha: float,
) -> Component:
    plus, minus = contrast(subset, squares, noise, axes)
    runs = int(np.prod([size for axis, size in enumerate(shape) if axis not in subset]))
    variance = (sum(m.value for m in plus) - sum(m.value for m in minus)) / runs
    lo, hi = (max(0.0, end / runs) for end in mls_interval(plus, minus, alpha))
    top, below = satterthwaite(plus), satterthwaite(minus)
    own = squares[subset]
    exact = len(plus) == len(minus) == 1
    # Repeats that always give the same value may be copies of one run, so nothing is claimed.
    f: float | Undefined = Undefined("what F divides by never varies: were the repeats run anew?")
    p: float | Undefined = f
    if below.value > 1e-20 * max(own.value, 1e-300):
        f = top.value / below.value
        p = float(special.fdtrc(top.df, below.df, f))
    reading = CLAIMED if isinstance(p, float) and p < alpha else NOT_CLAIMED
    return Component(int(own.df), own.value, variance, lo, hi, f, p, exact, reading)


def contrast(
    subset: tuple[int, ...],
    squares: dict[tuple[int, ...] | None, MeanSquare],
    noise: MeanSquare,
    axes: tuple[int, ...],
) -> tuple[list[MeanSquare], list[MeanSquare]]:
    """Mean squares whose sums differ in expectation by the source's variance alone: (+, -)."""
    if subset == axes:
        return [squares[subset]], [noise]
    plus: list[MeanSquare] = []
    minus: list[MeanSquare] = []
    others = [axis for axis in axes if axis not in subset]
    for size in range(len(others) + 1):
        for extra in combinations(others, size):
            union = tuple(sorted((*subset, *extra)))
            # Without repeats the highest interaction is the noise, and not among ``squares``.
            (minus if size % 2 else plus).append(squares.get(union, noise))
    return plus, minus


def _noise(noise: MeanSquare, alpha: float) -> Component:
    none = Undefined("it is the noise that the others are tested against")
    squares = noise.value * noise.df
    lo, hi = (squares / float(special.chdtri(noise.df, p)) for p in (alpha / 2, 1 - alpha / 2))
    return Component(int(noise.df), noise.value, noise.value, lo, hi, none, none, True, "")


def seed_power(seeds: int, repeats: int, ratio: float, alpha: float = 0.05) -> float:
    """Power of the exact F test of a seed effect, ``ratio`` = σ²_seed / σ²_noise, in [0, 1].

    Under a random effect F is (1 + repeats·ratio) times a central F.
    Reference: Scheffé (1959), The Analysis of Variance, §7.2.

    >>> round(seed_power(10, 3, 0.0), 3), round(seed_power(10, 3, 1.0), 2)
    (0.05, 0.78)
    """
    if seeds < 2 or repeats < 2 or ratio < 0:
        raise ValueError(
            f"{seeds} seeds, {repeats} repeats, ratio {ratio}: give two of each and a ratio of 0 "
            "or more."
        )
    above, below = seeds - 1, seeds * (repeats - 1)
    critical = float(special.fdtri(above, below, 1 - alpha))
    return float(special.fdtrc(above, below, critical / (1 + repeats * ratio)))
