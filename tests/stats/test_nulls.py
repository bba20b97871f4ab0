"""The simulated nulls go through the real rule, and an effect that exists is no null."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from stages.stats.clusters import clustered_difference
from stages.stats.intervals import Estimate
from stages.stats.nulls import NullRate, clopper_pearson, null_rate, permuted_arms
from stages.stats.verdict import Criterion


@pytest.mark.parametrize(("k", "n"), [(0, 40), (3, 40), (40, 40), (10, 200)])
def test_clopper_pearson_is_statsmodels(k: int, n: int) -> None:
    e = clopper_pearson(k, n)
    assert (e.lo, e.hi) == pytest.approx(proportion_confint(k, n, method="beta"))


def test_permuted_labels_are_seldom_supported() -> None:
    rng = np.random.default_rng(0)
    # A strong effect, until the labels are permuted.
    outcomes = (rng.random((2, 20, 2)) < np.array([0.2, 0.8])[:, None, None]).astype(float)
    found = null_rate(permuted_arms(outcomes, ["ft.skill"]), experiments=30)
    assert found.supported.value <= 0.1
    assert found.supported.n == 30
    assert sum(found.verdicts.values()) == 30
    assert list(found.by_criterion) == ["ft.skill"]
    assert found.reading == "consistent"


def test_a_permutation_keeps_each_tasks_outcomes() -> None:
    outcomes = np.arange(24).reshape(3, 4, 2) / 24
    for criterion in permuted_arms(outcomes)(np.random.default_rng(1)):
        e = criterion.estimand(0.05)
        assert isinstance(e, Estimate)
        # Arms differ by 1/3 or 2/3 in each task, so the mean is a multiple of 1/12.
        assert e.value * 12 == pytest.approx(round(e.value * 12))


def test_a_real_effect_violates_the_null() -> None:
    rng = np.random.default_rng(2)

    def biased(_: np.random.Generator) -> list[Criterion]:
        gains = (rng.random(25) < 0.8).astype(float)
        return [Criterion("ft", partial(clustered_difference, gains), ">", 0.0)]

    assert null_rate(biased, experiments=10).reading == "violated"


def test_readings() -> None:
    for k, n, reading in ((0, 200, "holds"), (5, 200, "consistent"), (30, 200, "violated")):
        assert NullRate(clopper_pearson(k, n), {}, {}, 0.05).reading == reading


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="two arms"):
        permuted_arms(np.zeros((1, 3, 2)))
    with pytest.raises(ValueError, match="outside"):
        permuted_arms(np.full((2, 3, 2), 2.0))
    with pytest.raises(ValueError, match="names"):
        permuted_arms(np.zeros((2, 3, 2)), ["a", "b"])
    with pytest.raises(ValueError, match="show nothing"):
        null_rate(permuted_arms(np.zeros((2, 3, 2))), experiments=0)
    with pytest.raises(ValueError, match="clopper_pearson"):
        clopper_pearson(3, 2)
