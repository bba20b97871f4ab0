"""What seeds/000 concluded from three seeds, tested."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from stages.stats.intervals import Estimate, Undefined
from stages.stats.loops.seeds import (
    DIFFER,
    INCONCLUSIVE,
    cochran_q,
    compare_seeds,
    fisher_p,
    score_spread,
)


def test_the_published_variance() -> None:
    found = score_spread([0.043, 0.017, -0.052])
    assert round(found.population_variance, 4) == 0.0016
    assert isinstance(found.variance, Estimate)
    assert found.variance.value == pytest.approx(found.population_variance * 3 / 2)
    assert found.variance.hi > 100 * found.variance.lo  # what three seeds tell of a variance


def test_seeds_diverge_is_inconclusive() -> None:
    found = compare_seeds([47, 46, 43], n=80)
    assert found.fisher_p == pytest.approx(0.6, abs=0.05)
    assert found.fisher_p == pytest.approx(hypergeometric_p(47, 43, 80))
    assert found.adjusted_p == 1.0
    assert found.reading == INCONCLUSIVE


def hypergeometric_p(first: int, second: int, n: int) -> float:
    """Fisher's p by summing the table's probabilities."""
    law = stats.hypergeom(2 * n, first + second, n)
    support = np.arange(max(0, first + second - n), min(n, first + second) + 1)
    probability = law.pmf(support)
    return float(probability[probability <= law.pmf(first) * (1 + 1e-9)].sum())


def test_seeds_that_do_differ_are_seen() -> None:
    found = compare_seeds([60, 45, 20], n=80)
    assert found.reading == DIFFER
    same = compare_seeds([80, 80], n=80)
    assert isinstance(same.homogeneity_p, Undefined)
    assert same.reading == INCONCLUSIVE


def test_choosing_best_and_worst_of_ten_seeds_is_corrected() -> None:
    """Ten equal seeds: best against worst alone 'differs' far too often, the reading rarely."""
    rng = np.random.default_rng(0)
    drawn = [compare_seeds(row.tolist(), 80) for row in rng.binomial(80, 0.57, size=(200, 10))]
    assert np.mean([d.fisher_p < 0.05 for d in drawn]) > 0.2
    assert np.mean([d.reading == DIFFER for d in drawn]) < 0.05


def test_002s_fisher() -> None:
    assert fisher_p(4, 20, 9, 20) == pytest.approx(0.18, abs=0.005)
    with pytest.raises(ValueError, match="no counts"):
        fisher_p(21, 20, 9, 20)


@settings(max_examples=25, deadline=None)
@given(st.tuples(st.integers(2, 5), st.integers(2, 20)).flatmap(lambda s: hnp.arrays(bool, s)))
def test_cochran_against_pingouin(correct: np.ndarray) -> None:
    import pandas
    import pingouin

    found = cochran_q(correct)
    if isinstance(found, Undefined):
        assert (correct == correct[0]).all()
        return
    long = pandas.DataFrame(
        [(i, s, int(v)) for (s, i), v in np.ndenumerate(correct)], columns=["item", "seed", "right"]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        row = pingouin.cochran(data=long, dv="right", within="seed", subject="item").iloc[0]
    assert found[0] == pytest.approx(row["Q"])
    assert found[1] == pytest.approx(row["p_unc"])


def test_pairing_by_item_sees_what_counts_lose() -> None:
    """A seed that gets the same items right and eight more: paired it differs, unpaired not."""
    less = np.arange(80) < 40
    more = np.arange(80) < 48
    assert compare_seeds([40, 48], 80).fisher_p > 0.2
    paired = cochran_q([less, more])
    assert not isinstance(paired, Undefined)
    assert paired[1] < 0.01


def test_what_is_no_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="undefined"):
        score_spread([0.1, float("nan")])
    assert isinstance(score_spread([0.1]).variance, Undefined)
    with pytest.raises(ValueError, match="two seeds"):
        compare_seeds([4], 5)
    with pytest.raises(ValueError, match="0 or 1"):
        cochran_q([[0.5, 1], [1, 1]])
