"""AICc and weights by hand and against statsmodels; the checked points of a curve."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.tools import eval_measures

from stages.stats.curves import (
    aicc,
    akaike_weights,
    checked_curve,
    projector,
    residual_draws,
    residual_squares,
)
from stages.stats.intervals import Undefined


def test_aicc_differs_from_statsmodels_by_the_same_constant_everywhere() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 20))
    gaps = []
    for degree in (0, 1, 2, 3):
        fit = sm.OLS(y, np.vander(x, degree + 1)).fit()
        theirs = eval_measures.aicc(fit.llf, 20, degree + 2)
        ours = aicc(fit.ssr, 20, degree + 2)
        assert isinstance(ours, float)
        gaps.append(theirs - ours)
    assert gaps == pytest.approx([20 * (math.log(2 * math.pi) + 1)] * 4)


def test_aicc_needs_points() -> None:
    assert isinstance(aicc(1.0, 5, 4), Undefined)
    assert isinstance(aicc(1.0, 6, 4), float)
    perfect = aicc(0.0, 9, 2)
    assert isinstance(perfect, float) and math.isfinite(perfect)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6))
def test_weights_sum_to_one_and_follow_the_order(values: list[float]) -> None:
    weights = akaike_weights({str(i): v for i, v in enumerate(values)})
    assert sum(weights.values()) == pytest.approx(1)
    assert weights[str(int(np.argmin(values)))] == max(weights.values())


def test_an_undefined_model_has_no_weight() -> None:
    assert akaike_weights({"a": 1.0, "b": Undefined("few points")}) == {"a": 1.0}
    assert akaike_weights({"b": Undefined("few points")}) == {}


def test_points_are_sorted_and_missing_ones_left_out() -> None:
    curve = checked_curve([20, 5, 10], [[3, 1, np.nan], [np.nan] * 3, [4, 2, 3]])
    assert curve.x.tolist() == [5, 5, 10, 20, 20]
    assert curve.y.tolist() == [1, 2, 3, 3, 4]
    assert curve.replicate.tolist() == [0, 1, 1, 0, 1]
    assert curve.means.tolist() == [1.5, 3, 3.5]


@pytest.mark.parametrize(
    ("x", "cells", "says"),
    [
        ([1, 2], [[1, 2, 3]], "K levels"),
        ([1, 1], [1, 2], "differ"),
        ([1, math.nan], [1, 2], "finite"),
        ([1, 2], [1, math.inf], "infinite"),
    ],
)
def test_a_malformed_curve_is_refused(x: list[float], cells: list[float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        checked_curve(x, cells)


def test_residual_squares_are_statsmodels() -> None:
    rng = np.random.default_rng(1)
    design, y = rng.normal(size=(12, 3)), rng.normal(size=(2, 12))
    # A repeated column changes the basis, not the fit.
    basis = projector(np.column_stack([design, design[:, 0]]))
    theirs = [sm.OLS(row, design).fit().ssr for row in y]
    assert residual_squares(basis, y) == pytest.approx(theirs)


def test_residual_draws_have_the_errors_own_variance() -> None:
    rng = np.random.default_rng(2)
    y = rng.normal(size=40)
    draws = residual_draws(np.full(40, y.mean()), y, 1, 2000, rng)
    assert draws.shape == (2000, 40)
    assert draws.var() == pytest.approx(y.var(ddof=1), rel=0.02)
