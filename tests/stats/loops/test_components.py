"""Variance components: planted ones are found, intervals cover, tests against other libraries."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pandas
import pingouin
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.formula.api import ols

from stages.stats.intervals import Undefined
from stages.stats.loops.components import (
    CLAIMED,
    NOISE,
    NOT_CLAIMED,
    Components,
    mean_squares,
    seed_power,
    variance_components,
)
from stages.stats.loops.mean_squares import MeanSquare, mls_interval

FACTORS = ("order", "decoding", "training")


def planted(
    rng: np.random.Generator, shape: tuple[int, ...], spreads: Mapping[tuple[int, ...], float]
) -> np.ndarray:
    """A table with a normal effect of each subset of axes, and noise of spread 1."""
    values = rng.normal(size=shape)
    for subset, spread in spreads.items():
        effect = [size if axis in subset else 1 for axis, size in enumerate(shape)]
        values = values + spread * rng.normal(size=effect)
    return values


def decomposed(values: np.ndarray) -> Components:
    found = variance_components(values, FACTORS[: values.ndim - 1])
    assert isinstance(found, Components)
    return found


@pytest.mark.parametrize("shape", [(10, 3), (5, 4, 3), (4, 4, 4, 2), (5, 5, 5, 1)])
def test_planted_components_are_recovered(shape: tuple[int, ...]) -> None:
    """Order σ² = 1, decoding 1/4, their interaction 1/4, training 0, noise 1; 300 tables."""
    spreads = {(0,): 1.0} if len(shape) == 2 else {(0,): 1.0, (1,): 0.5, (0, 1): 0.5}
    truth = {"order": 1.0, "decoding": 0.25, "order × decoding": 0.25, NOISE: 1.0}
    rng = np.random.default_rng(5)
    runs = [decomposed(planted(rng, shape, spreads)) for _ in range(300)]
    for name in runs[0].sources:
        sources = [run.sources[name] for run in runs]
        variance = truth.get(name, 0.0)
        mean = np.mean([source.variance for source in sources])
        error = np.std([source.variance for source in sources]) / np.sqrt(len(runs))
        assert abs(mean - variance) < 4 * error, name
        covered = np.mean([source.lo <= variance <= source.hi for source in sources])
        assert covered > 0.91, name
        if name not in truth:
            claimed = np.mean([source.reading == CLAIMED for source in sources])
            assert claimed < 0.09, name


def test_no_seed_effect_is_claimed_below_the_repeats_noise() -> None:
    """Ten seeds that differ by repeats alone look apart, as in seeds/000, and are not claimed."""
    rng = np.random.default_rng(1)
    claims = 0
    for _ in range(200):
        values = 0.1 * rng.normal(size=(10, 3))
        found = variance_components(values, ["seed"])
        assert isinstance(found, Components)
        assert np.ptp(values.mean(axis=1)) > 0.05
        claims += found.sources["seed"].reading == CLAIMED
    assert claims / 200 < 0.09


def test_one_way_against_scipy_and_pingouin() -> None:
    rng = np.random.default_rng(3)
    values = planted(rng, (8, 4), {(0,): 1.0})
    seed = decomposed(values).sources["order"]
    other = stats.f_oneway(*values)
    assert (seed.f, seed.p) == pytest.approx((other.statistic, other.pvalue))
    long = pandas.DataFrame(
        [(s, r, v) for (s, r), v in np.ndenumerate(values)], columns=["seed", "repeat", "value"]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas' deprecations inside pingouin
        icc = pingouin.intraclass_corr(long, targets="seed", raters="repeat", ratings="value")
    icc1 = icc.set_index("Type").iloc[0]["ICC"]
    noise = decomposed(values).sources[NOISE].variance
    assert seed.variance / (seed.variance + noise) == pytest.approx(icc1)


def test_three_way_mean_squares_against_statsmodels() -> None:
    values = planted(np.random.default_rng(4), (3, 4, 2, 2), {(0,): 1.0, (1, 2): 0.7})
    rows = [(a, b, c, v) for (a, b, c, _), v in np.ndenumerate(values)]
    long = pandas.DataFrame(rows, columns=["a", "b", "c", "value"])
    table = sm.stats.anova_lm(ols("value ~ C(a) * C(b) * C(c)", long).fit(), typ=1)
    ours = mean_squares(values)
    names = {(0,): "C(a)", (1,): "C(b)", (1, 2): "C(b):C(c)", (0, 1, 2): "C(a):C(b):C(c)"}
    for subset, name in names.items():
        assert ours[subset].value == pytest.approx(table.loc[name, "mean_sq"])
        assert ours[subset].df == table.loc[name, "df"]
    assert ours[None].value == pytest.approx(table.loc["Residual", "mean_sq"])
    interaction = decomposed(values).sources["order × decoding × training"]
    assert interaction.exact
    assert interaction.f == pytest.approx(table.loc["C(a):C(b):C(c)", "F"])
    assert not decomposed(values).sources["order"].exact


def test_the_interval_is_exact_where_one_mean_square_is_alone() -> None:
    alone = MeanSquare(2.0, 7)
    ends = 7 * 2.0 / stats.chi2.ppf([0.975, 0.025], 7)
    assert mls_interval([alone], [MeanSquare(0.0, 5)]) == pytest.approx(tuple(ends))
    # At the F test's own critical value the lower end of the difference is 0.
    critical = MeanSquare(float(stats.f.ppf(0.975, 9, 20)), 9)
    assert mls_interval([critical], [MeanSquare(1.0, 20)])[0] == pytest.approx(0, abs=1e-9)


def test_power_against_simulation() -> None:
    rng = np.random.default_rng(2)
    found = [decomposed(planted(rng, (6, 3), {(0,): 0.8})).sources["order"] for _ in range(400)]
    claimed = np.mean([source.reading == CLAIMED for source in found])
    assert claimed == pytest.approx(seed_power(6, 3, 0.64), abs=0.06)
    with pytest.raises(ValueError, match="repeats"):
        seed_power(6, 1, 1.0)


def test_shares_and_what_the_noise_is() -> None:
    rng = np.random.default_rng(0)
    repeated, single = (decomposed(rng.normal(size=(3, 3, 3, r))) for r in (2, 1))
    assert sum(repeated.shares.values()) == pytest.approx(1)
    assert (repeated.noise, single.noise) == ("repeats", "order × decoding × training")
    assert "order × decoding × training" not in single.sources


def test_copies_are_not_repeats() -> None:
    """Repeats with the same bytes would make any seed effect 'significant'."""
    found = decomposed(np.repeat(np.arange(5.0)[:, None], 3, axis=1))
    assert isinstance(found.sources["order"].p, Undefined)
    assert found.sources["order"].reading == NOT_CLAIMED
    assert isinstance(variance_components(np.ones((4, 3)), ["seed"]), Undefined)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones((3, 3, 3)), "one axis per factor"),
        (np.ones((1, 3)), "one level"),
        (np.array([[1.0, np.nan], [1.0, 2.0]]), "balanced design"),
        (np.ones((3, 1)), "one run"),
    ],
)
def test_designs_that_cannot_tell_are_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        variance_components(values, ["seed"])
