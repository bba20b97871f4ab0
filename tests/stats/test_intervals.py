"""Score intervals against statsmodels and against a slow numerical likelihood."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import optimize
from statsmodels.stats.proportion import proportion_confint

from stages.stats.intervals import (
    Estimate,
    Undefined,
    paired_risk_difference,
    tango_statistic,
    wilson,
    z_quantile,
)

ALPHAS = st.floats(0.001, 0.5)


def slow_tango(gains: int, losses: int, n: int, delta: float) -> float:
    """Tango's statistic with the restricted likelihood maximised numerically."""

    def term(count: int, rate: float) -> float:
        return count * math.log(max(rate, 1e-300)) if count else 0.0

    def minus_log_likelihood(q: float) -> float:
        same = term(n - gains - losses, 1 - 2 * q - delta)
        return -(term(gains, q + delta) + term(losses, q) + same)

    bounds = (max(0.0, -delta), (1 - delta) / 2)
    found = optimize.minimize_scalar(
        minus_log_likelihood, bounds=bounds, method="bounded", options={"xatol": 1e-13}
    )
    q = float(found.x)
    return (gains - losses - n * delta) / math.sqrt(n * (2 * q + delta * (1 - delta)))


@given(st.integers(1, 300), st.data(), ALPHAS)
def test_wilson_is_statsmodels(n: int, data: st.DataObject, alpha: float) -> None:
    successes = data.draw(st.integers(0, n))
    ours = wilson(successes, n, alpha)
    lo, hi = proportion_confint(successes, n, alpha, method="wilson")
    assert ours.lo == pytest.approx(max(0, lo), abs=1e-12)
    assert ours.hi == pytest.approx(min(1, hi), abs=1e-12)


@given(st.integers(2, 60), st.data(), st.floats(-0.9, 0.9))
def test_tango_statistic_is_the_numerical_one(n: int, data: st.DataObject, delta: float) -> None:
    gains = data.draw(st.integers(0, n))
    losses = data.draw(st.integers(0, n - gains))
    assume(abs(delta) > 1e-3)
    ours = float(tango_statistic(gains, losses, n, delta))
    assert ours == pytest.approx(slow_tango(gains, losses, n, delta), rel=1e-3, abs=1e-4)


@given(st.integers(1, 100), st.data(), ALPHAS)
def test_tango_ends_solve_the_statistic(n: int, data: st.DataObject, alpha: float) -> None:
    gains = data.draw(st.integers(0, n))
    losses = data.draw(st.integers(0, n - gains))
    e = paired_risk_difference(gains, losses, n, alpha)
    assert -1 <= e.lo < e.hi <= 1
    z = z_quantile(alpha)
    if gains < n:
        assert float(tango_statistic(gains, losses, n, e.hi)) == pytest.approx(-z, abs=1e-4)
    if losses < n:
        assert float(tango_statistic(gains, losses, n, e.lo)) == pytest.approx(z, abs=1e-4)
    mirrored = paired_risk_difference(losses, gains, n, alpha)
    assert (mirrored.lo, mirrored.hi) == pytest.approx((-e.hi, -e.lo), abs=1e-8)


def test_tango_published_example() -> None:
    # Tango (1998), two disinfection systems for contact lenses: 1 discordant pair of 44.
    e = paired_risk_difference(0, 1, 44)
    assert (e.value, e.lo, e.hi) == pytest.approx((-1 / 44, -0.1181, 0.0594), abs=5e-5)


@given(st.integers(1, 100), st.data())
def test_tango_at_zero_is_mcnemar(n: int, data: st.DataObject) -> None:
    gains = data.draw(st.integers(0, n))
    losses = data.draw(st.integers(0, n - gains))
    assume(gains + losses > 0)
    expected = (gains - losses) / math.sqrt(gains + losses)
    assert float(tango_statistic(gains, losses, n, 0.0)) == pytest.approx(expected)


@pytest.mark.parametrize("n", [1, 2, 25])
def test_all_or_nothing_stays_wide(n: int) -> None:
    square = z_quantile(0.05) ** 2
    none, every = paired_risk_difference(0, 0, n), paired_risk_difference(n, 0, n)
    assert (none.lo, none.hi) == pytest.approx((-square / (n + square), square / (n + square)))
    assert (every.lo, every.hi) == pytest.approx(((n - square) / (n + square), 1.0), abs=1e-7)
    assert wilson(0, n).hi == pytest.approx(square / (n + square))
    assert wilson(n, n).lo == pytest.approx(n / (n + square))


def test_estimate_refuses_a_value_outside_and_goes_to_json() -> None:
    with pytest.raises(ValueError, match="outside its interval"):
        Estimate(0.5, 0.6, 0.7, 3, "task")
    text = json.dumps(Estimate(0.5, -math.inf, 0.7, 3, "task").as_dict(), allow_nan=False)
    assert json.loads(text)["lo"] is None
    assert str(Undefined("no task")) == "undefined: no task"


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, math.nan])
def test_a_bad_alpha_is_named(alpha: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        wilson(1, 2, alpha)


@pytest.mark.parametrize(("gains", "losses", "n"), [(3, 3, 5), (-1, 0, 5), (0, 0, 0)])
def test_counts_that_do_not_fit_are_refused(gains: int, losses: int, n: int) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        paired_risk_difference(gains, losses, n)
    with pytest.raises(ValueError, match="no rate"):
        wilson(n + 1, n)


def test_statistic_works_element_by_element() -> None:
    table = tango_statistic(np.array([[1], [2]]), 0, 10, np.array([-0.1, 0.0, 0.1]))
    assert table.shape == (2, 3)
