"""The true shape of a decay wins, by AICc and on replicates left out; parameters by curve_fit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from stages.stats.curves import checked_curve
from stages.stats.decay import compare_decay, fit_family, power_over_cliff
from stages.stats.intervals import Estimate, Undefined

AGES = np.arange(1.0, 11.0)
SHAPES = {
    "linear": 1 - 0.07 * AGES,
    "power": 0.9 * AGES**-0.4,
    "step": np.where(AGES < 5.5, 0.9, 0.3),
    "logistic": 0.3 + 0.6 / (1 + np.exp((AGES - 5.5) / 0.45)),
}


def measured(shape: str, replicates: int, noise: float, seed: int) -> np.ndarray:
    return SHAPES[shape] + np.random.default_rng(seed).normal(0, noise, (replicates, 10))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_true_shape_has_the_smallest_aicc(shape: str) -> None:
    chosen = [compare_decay(AGES, measured(shape, 3, 0.04, s), resamples=5).best for s in range(5)]
    assert chosen.count(shape) >= 4


def test_weights_are_a_distribution_and_cliffs_are_summed() -> None:
    c = compare_decay(AGES, measured("step", 3, 0.04, 0), resamples=5)
    weights = {name: fit.weight for name, fit in c.fits.items()}
    assert sum(weights.values()) == pytest.approx(1)
    assert c.cliff_weight == pytest.approx(weights["step"] + weights["logistic"])
    assert isinstance(c.cliff_weight, float)
    assert c.cliff_weight > 0.999


def test_the_power_law_is_curve_fits() -> None:
    cells = measured("power", 3, 0.05, 1)
    found = compare_decay(AGES, cells, resamples=5).fits["power"]
    x, y = np.tile(AGES, 3), cells.ravel()
    theirs, _ = optimize.curve_fit(lambda t, a, b: a * t**-b, x, y, p0=(1, 0.5))
    assert found.parameters["scale"].value == pytest.approx(theirs[0], abs=0.01)
    # The grid of exponents is 0.02 apart.
    assert found.parameters["exponent"].value == pytest.approx(theirs[1], abs=0.0101)
    assert found.rss == pytest.approx(np.sum((y - theirs[0] * x ** -theirs[1]) ** 2), rel=1e-2)


def test_the_line_is_polyfits() -> None:
    cells = measured("linear", 2, 0.05, 2)
    found = compare_decay(AGES, cells, resamples=5).fits["linear"].parameters
    slope, intercept = np.polyfit(np.tile(AGES, 2), cells.ravel(), 1)
    assert found["intercept"].value == pytest.approx(intercept)
    assert found["decay per unit of x"].value == pytest.approx(-slope)


def test_a_step_is_known_to_the_gap_only() -> None:
    step = compare_decay(AGES, SHAPES["step"], resamples=20).fits["step"].parameters
    assert step["drop"].value == pytest.approx(0.6)
    assert step["floor"].value == pytest.approx(0.3)
    assert (step["midpoint"].lo, step["midpoint"].hi) == (5.0, 6.0)


def test_the_exponents_interval_covers() -> None:
    fits = [compare_decay(AGES, measured("power", 3, 0.05, s), resamples=200) for s in range(40)]
    ends = [fit.fits["power"].parameters["exponent"] for fit in fits]
    assert sum(e.lo <= 0.4 <= e.hi for e in ends) >= 33


def test_predictions_elsewhere_follow_the_fit() -> None:
    curve = checked_curve(AGES, SHAPES["power"])
    prediction = fit_family("power", curve, curve.y[None], np.array([16.0]))[1]
    assert prediction[0, 0] == pytest.approx(0.9 * 16**-0.4, rel=1e-6)


def test_a_replicate_left_out_is_better_predicted_by_the_true_shape() -> None:
    for shape, sign in (("power", 1), ("step", -1)):
        e = power_over_cliff(AGES, measured(shape, 6, 0.04, 3))(0.05)
        assert isinstance(e, Estimate)
        assert min(sign * e.lo, sign * e.hi) > 0
        assert e.n == 6
    assert "needs 3" in str(power_over_cliff(AGES, measured("power", 2, 0.04, 3))(0.05))
    same = np.tile(SHAPES["power"], (4, 1))
    assert "do not vary" in str(power_over_cliff(AGES, same)(0.05))


def test_too_few_points_give_no_winner() -> None:
    c = compare_decay([1, 2, 4], [0.9, 0.6, 0.4], resamples=5)
    assert isinstance(c.best, Undefined)
    assert isinstance(c.power_weight, Undefined)
    # Five points: AICc exists for the power law and the line, not for step or logistic.
    five = compare_decay([1, 2, 3, 4, 5], [0.9, 0.6, 0.4, 0.4, 0.3], resamples=5)
    assert isinstance(five.fits["logistic"].aicc, Undefined)
    assert isinstance(five.best, Undefined)


def test_levels_at_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        compare_decay([0, 1, 2], [1, 0.5, 0.3])
