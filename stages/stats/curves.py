"""What the curve fits share: checked points of a curve, AICc and Akaike weights.

A curve is ``x`` (K levels set by the experimenter: pairs, ranks, sessions) and ``cells``, its
replicates × levels (R × K, NaN where one was not run; a vector is one replicate).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stages.stats.intervals import Undefined

Floats = NDArray[np.float64]
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Curve:
    """The measured points of a curve, one row each, sorted by level."""

    x: Floats
    """level of each point (N)"""
    y: Floats
    """measured value of each point (N)"""
    replicate: NDArray[np.int_]
    """number of each point's replicate (N), 0 … R - 1"""

    @property
    def levels(self) -> Floats:
        """The distinct levels, ascending (K)."""
        return np.unique(self.x)

    @property
    def means(self) -> Floats:
        """Mean over replicates at each level (K)."""
        return np.array([self.y[self.x == level].mean() for level in self.levels])


def checked_curve(x: ArrayLike, cells: ArrayLike) -> Curve:
    """Points of ``cells`` (R × K or K) over ``x`` (K); ValueError names what does not fit."""
    levels, matrix = np.asarray(x, dtype=float), np.asarray(cells, dtype=float)
    matrix = matrix[None, :] if matrix.ndim == 1 else matrix
    if levels.ndim != 1 or matrix.ndim != 2 or matrix.shape[1] != levels.size:
        raise ValueError(
            f"A curve of {levels.shape} levels and {matrix.shape} values: give x of K levels and "
            "replicates × K values."
        )
    if not np.isfinite(levels).all() or np.unique(levels).size != levels.size:
        raise ValueError(f"The levels {levels.tolist()} must be finite and differ. Merge repeats.")
    if np.isinf(matrix).any():
        raise ValueError("A curve's value is infinite. Use NaN for a point that was not measured.")
    order = np.argsort(levels)
    matrix = matrix[:, order]
    replicate, level = np.nonzero(~np.isnan(matrix))
    _, replicate_number = np.unique(replicate, return_inverse=True)
    sort = np.lexsort((replicate, level))
    points = matrix[replicate, level][sort]
    return Curve(levels[order][level[sort]], points, replicate_number[sort])


def aicc(rss: float, n: int, parameters: int, floor: float = 0.0) -> float | Undefined:
    """AICc = n·ln(RSS/n) + 2k + 2k(k+1)/(n-k-1) of a least-squares fit, without unit.

    ``parameters`` k counts the error variance. ``floor`` is the mean square taken for rounding
    error: two exact fits then tie on it instead of at -inf. Undefined for n ≤ k + 1 points.
    Reference: Hurvich & Tsai (1989), Biometrika 76; Burnham & Anderson (2002), §2.4.

    >>> round(aicc(2.0, n=10, parameters=3), 3)
    -6.094
    """
    if n <= parameters + 1:
        return Undefined(f"{n} points are too few for AICc with {parameters} parameters")
    k = parameters
    mean_square = max(rss / n, floor, np.finfo(float).tiny)
    return n * math.log(mean_square) + 2 * k + 2 * k * (k + 1) / (n - k - 1)


def rounding_floor(y: Floats) -> float:
    """Mean square below which residuals of ``y`` are rounding error."""
    return float((ROUNDING * max(np.ptp(y), ROUNDING * float(np.max(np.abs(y))), 1e-150)) ** 2)


def akaike_weights(values: Mapping[str, float | Undefined]) -> dict[str, float]:
    """Weights exp(-Δ/2)/Σ of the defined AICc values, which sum to 1; empty if none is defined.

    Reference: Burnham & Anderson (2002), Model Selection and Multimodel Inference, §2.9.

    >>> {k: round(w, 3) for k, w in akaike_weights({"a": 10.0, "b": 12.0}).items()}
    {'a': 0.731, 'b': 0.269}
    """
    known = {name: value for name, value in values.items() if not isinstance(value, Undefined)}
    least = min(known.values(), default=0.0)
    raw = {name: math.exp(-(value - least) / 2) for name, value in known.items()}
    return {name: value / sum(raw.values()) for name, value in raw.items()}


def projector(design: Floats) -> Floats:
    """Orthonormal basis (N × rank) of the design's columns (N × P): rss = ∣y∣² - ∣basisᵀy∣²."""
    basis, singular, _ = np.linalg.svd(design, full_matrices=False)
    return basis[:, singular > 1e-10 * singular[0]]


def residual_squares(basis: Floats, y_BN: Floats) -> Floats:
    """Residual sum of squares (B) of each row of ``y_BN`` (B × N) after a fit on ``basis``."""
    left = y_BN - (y_BN @ basis) @ basis.T
    return np.sum(left**2, axis=1)


def residual_draws(
    fitted: Floats, y: Floats, parameters: int, resamples: int, rng: np.random.Generator
) -> Floats:
    """Residual bootstrap (resamples × N): the fit plus residuals drawn with replacement.

    Residuals are scaled by sqrt(n/(n - parameters)) to the error's own variance. Levels are fixed
    by design, so residuals are drawn and not points.
    Reference: Efron & Tibshirani (1993), An Introduction to the Bootstrap, §9.4–9.5.
    """
    n = y.size
    residuals = (y - fitted) * math.sqrt(n / max(n - parameters, 1))
    return fitted + rng.choice(residuals - residuals.mean(), size=(resamples, n))
