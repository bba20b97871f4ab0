"""Graceful decay or a cliff: straight line, power law, step and logistic fall compared by AICc.

x runs in the direction in which y decays: sessions since learning, or how strongly an adapter was
compressed (full rank / rank kept). Every model is linear but for one or two parameters, which are
searched on a grid fixed beforehand (separable least squares): the fit is the best of the grid,
without starting values, and repeats to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from stages.stats.clusters import critical_value
from stages.stats.curves import (
    Curve,
    Floats,
    aicc,
    akaike_weights,
    checked_curve,
    residual_draws,
    rounding_floor,
)
from stages.stats.intervals import Estimate, Undefined, z_quantile

EXPONENTS = np.linspace(-4.0, 8.0, 601)
MIDPOINTS = 60
WIDTHS = (0.01, 0.02, 0.03, 0.04, 0.055)
"""Logistic scale w as shares of x's range. A fall from 90 % to 10 % takes 4.4·w: at most a quarter
of the range, or it would be no cliff but another graceful curve."""
CLIFFS = ("step", "logistic")


@dataclass(frozen=True)
class Family:
    """One model: its shapes over a grid, and what its numbers are called."""

    shapes: Callable[[Floats, Floats], tuple[Floats, Floats]]
    """(x (N), levels (K)) -> grid (M × P) and the shape at each grid point (M × N)"""
    names: tuple[str, ...]
    """names of the P searched parameters"""
    linear: tuple[str, ...]
    """names of the linear ones: ('scale',) or ('floor', 'drop')"""


def power_shapes(x: Floats, levels: Floats) -> tuple[Floats, Floats]:
    return EXPONENTS[:, None], x[None, :] ** -EXPONENTS[:, None]


def step_shapes(x: Floats, levels: Floats) -> tuple[Floats, Floats]:
    cuts = (levels[1:] + levels[:-1]) / 2
    return cuts[:, None], (x[None, :] < cuts[:, None]).astype(float)


def logistic_shapes(x: Floats, levels: Floats) -> tuple[Floats, Floats]:
    span = float(np.ptp(levels))
    middle = np.linspace(levels[0], levels[-1], MIDPOINTS + 2)[1:-1]
    grid = np.array([(c, w * span) for c in middle for w in WIDTHS])
    exponent = np.clip((x[None, :] - grid[:, :1]) / grid[:, 1:], -50, 50)
    return grid, 1 / (1 + np.exp(exponent))


def line_shapes(x: Floats, levels: Floats) -> tuple[Floats, Floats]:
    return np.zeros((1, 0)), -x[None, :]


FAMILIES = {
    "linear": Family(line_shapes, (), ("intercept", "decay per unit of x")),
    "power": Family(power_shapes, ("exponent",), ("scale",)),
    "step": Family(step_shapes, ("midpoint",), ("floor", "drop")),
    "logistic": Family(logistic_shapes, ("midpoint", "width"), ("floor", "drop")),
}


@dataclass(frozen=True)
class DecayFit:
    """One fitted model."""

    aicc: float | Undefined
    """without unit; smaller is better"""
    weight: float
    """Akaike weight among the models that have an AICc; 0 without one"""
    rss: float
    """residual sum of squares, in y's unit squared"""
    parameters: dict[str, Estimate] = field(default_factory=dict)
    """by name, with residual-bootstrap percentile intervals"""


@dataclass(frozen=True)
class DecayComparison:
    """The models side by side."""

    fits: dict[str, DecayFit]
    """'linear', 'power', 'step', 'logistic'"""
    best: str | Undefined
    """name of the smallest AICc"""
    power_weight: float | Undefined
    """Akaike weight of the power law"""
    cliff_weight: float | Undefined
    """of step and logistic together"""


def compare_decay(
    x: ArrayLike, cells: ArrayLike, alpha: float = 0.05, resamples: int = 500, seed: int = 0
) -> DecayComparison:
    """Fit all four models to ``cells`` (replicates × levels, or levels) over ``x`` (levels > 0).

    linear y = a - b·x; power y = a·x^-b; step y = floor + drop·[x < c], c known only to the gap
    between two levels; logistic y = floor + drop/(1 + exp((x - c)/w)), 4.4·w ≤ a quarter of the
    range. Least squares over all points, so errors are taken as alike and independent; give ages
    from 1 on (age + 1 for ages from 0, as forgetting curves do). AICc counts c, w, b and the
    error variance. A model with too few points for AICc is fitted, has no weight, and says so.
    ValueError for a level ≤ 0 or fewer than three levels.

    References: Wixted & Ebbesen (1991), Psychological Science 2, on power and other forgetting
    functions; Burnham & Anderson (2002), §2; Golub & Pereyra (1973), SIAM J. Numer. Anal. 10.

    >>> y = [0.9 * age ** -0.5 for age in range(1, 13)]
    >>> c = compare_decay(range(1, 13), y, resamples=20)
    >>> c.best, round(c.fits["power"].parameters["exponent"].value, 2), round(c.power_weight, 2)
    ('power', 0.5, 1.0)
    """
    z_quantile(alpha)
    curve = decay_curve(x, cells)
    rng = np.random.default_rng(seed)
    scores: dict[str, float | Undefined] = {}
    fitted: dict[str, tuple[float, dict[str, Estimate]]] = {}
    for name, family in FAMILIES.items():
        free = len(family.names) + len(family.linear)
        solution_P, prediction, rss = (part[0] for part in fit_family(name, curve, curve.y[None]))
        draws = residual_draws(prediction, curve.y, free, resamples, rng)
        drawn_BP = fit_family(name, curve, draws)[0]
        fitted[name] = float(rss), _intervals(family, curve, solution_P, drawn_BP, alpha)
        scores[name] = aicc(float(rss), curve.y.size, free + 1, rounding_floor(curve.y))
    weights = akaike_weights(scores)
    fits = {
        name: DecayFit(scores[name], weights.get(name, 0.0), *fitted[name]) for name in FAMILIES
    }
    if "power" not in weights or not set(CLIFFS) & set(weights):
        none = Undefined(f"{curve.y.size} points are too few to compare a power law with a cliff")
        return DecayComparison(fits, none, none, none)
    cliff = sum(weights.get(name, 0.0) for name in CLIFFS)
    return DecayComparison(fits, max(weights, key=weights.__getitem__), weights["power"], cliff)


def decay_curve(x: ArrayLike, cells: ArrayLike) -> Curve:
    curve = checked_curve(x, cells)
    if curve.levels.size < 3 or curve.levels[0] <= 0:
        raise ValueError(
            f"Decay over the levels {curve.levels.tolist()}: give at least three, all above 0 "
            "(age + 1 for ages from 0), since a power law has no value at 0."
        )
    return curve


def fit_family(
    name: str, curve: Curve, y_BN: Floats, at: Floats | None = None
) -> tuple[Floats, Floats, Floats]:
    """Least-squares fits of one model to each row of ``y_BN`` (B × N).

    Returns parameters (B × P, linear ones first), predictions (B × N, or over ``at``) and residual
    sums of squares (B).
    """
    family = FAMILIES[name]
    grid_MP, shapes_MN = family.shapes(curve.x, curve.levels)
    with_floor = len(family.linear) == 2
    # One shape, with or without a constant: its projection is a product with a unit vector.
    centre = shapes_MN.mean(axis=1) if with_floor else np.zeros(len(shapes_MN))
    middle = y_BN.mean(axis=1) if with_floor else np.zeros(len(y_BN))
    bent_MN, bent_BN = shapes_MN - centre[:, None], y_BN - middle[:, None]
    squares = np.maximum(np.sum(bent_MN**2, axis=1), 1e-300)
    products_BM = bent_BN @ bent_MN.T
    chosen = np.argmax(products_BM**2 / squares, axis=1)
    scale = products_BM[np.arange(len(y_BN)), chosen] / squares[chosen]
    base = middle - scale * centre[chosen]
    linear = np.column_stack([base, scale]) if with_floor else scale[:, None]
    fitted = base[:, None] + scale[:, None] * shapes_MN[chosen]
    rss = np.sum((y_BN - fitted) ** 2, axis=1)
    if at is not None:
        fitted = base[:, None] + scale[:, None] * family.shapes(at, curve.levels)[1][chosen]
    return np.column_stack([linear, grid_MP[chosen]]), fitted, rss


def _intervals(
    family: Family, curve: Curve, solution_P: Floats, drawn_BP: Floats, alpha: float
) -> dict[str, Estimate]:
    n = int(curve.replicate.max()) + 1
    lo_P, hi_P = np.quantile(drawn_BP, [alpha / 2, 1 - alpha / 2], axis=0)
    estimates = {}
    names = (*family.linear, *family.names)
    for name, value, lo, hi in zip(names, solution_P, lo_P, hi_P, strict=True):
        ends = min(float(lo), float(value)), max(float(hi), float(value))
        if family.shapes is step_shapes and name == "midpoint":
            # Any place in the gap fits as well: the interval reaches to the levels around it.
            below, above = (
                curve.levels[curve.levels < ends[0]],
                curve.levels[curve.levels > ends[1]],
            )
            ends = float(below[-1]), float(above[0])
        estimates[name] = Estimate(float(value), *ends, n, "replicate", alpha)
    return estimates


def power_over_cliff(x: ArrayLike, cells: ArrayLike) -> Callable[[float], Estimate | Undefined]:
    """α → how much better the power law predicts an unseen replicate than the better cliff.

    Each replicate (seed, world) is predicted from the others' points by the power law, and by
    the one of step and logistic with the smaller AICc there; the value is the mean over replicates
    of cliff's - power's mean squared error (y's unit squared; above 0: the power law), its interval
    Student's t over replicates. Training sets overlap, so errors of replicates are not quite
    independent and the interval leans narrow. Undefined with fewer than 3 replicates.
    Reference: Stone (1974), J. Royal Statistical Society B 36; Bengio & Grandvalet (2004), JMLR 5.

    >>> x, shift = np.arange(1, 9), np.array([[0.0], [0.02], [-0.02], [0.01]])
    >>> power_over_cliff(x, 0.9 * x ** -0.5 + shift)(0.05).lo > 0
    True
    """
    curve = decay_curve(x, cells)
    replicates = int(curve.replicate.max()) + 1
    if replicates < 3:
        few = Undefined(f"{replicates} replicates; predicting one from the others needs 3")
        return lambda alpha: few
    gains = np.array([_gain(curve, r) for r in range(replicates)])
    value = float(gains.mean())
    error = float(gains.std(ddof=1) / np.sqrt(replicates))
    if error <= 1e-12 * abs(value) or np.isnan(value):
        same = Undefined("the replicates do not vary, so their mean has no standard error")
        return lambda alpha: same

    def estimate(alpha: float) -> Estimate:
        half = critical_value(alpha, replicates - 1) * error
        return Estimate(value, value - half, value + half, replicates, "replicate", alpha)

    return estimate


def _gain(curve: Curve, left_out: int) -> float:
    inside = curve.replicate != left_out
    seen = Curve(curve.x[inside], curve.y[inside], curve.replicate[inside])
    at, truth = curve.x[~inside], curve.y[~inside]
    errors, scores = {}, {}
    for name in ("power", *CLIFFS):
        _, prediction, rss = fit_family(name, seen, seen.y[None], at)
        family = FAMILIES[name]
        free = len(family.names) + len(family.linear) + 1
        score = aicc(float(rss[0]), seen.y.size, free, rounding_floor(seen.y))
        scores[name] = np.inf if isinstance(score, Undefined) else score
        errors[name] = float(np.mean((prediction[0] - truth) ** 2))
    return errors[min(CLIFFS, key=scores.__getitem__)] - errors["power"]
