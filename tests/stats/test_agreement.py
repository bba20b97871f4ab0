"""Kendall's W against a second computation, and its p-value where there is nothing to find."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from stages.stats.agreement import Agreement, concordance, rank_agreement
from stages.stats.intervals import Undefined


def found(values: object, **more: int) -> Agreement:
    table = np.asarray(values, dtype=float)
    result = rank_agreement(table, [f"r{n}" for n in range(len(table))], **more)
    assert isinstance(result, Agreement)
    return result


def test_w_follows_from_friedman_s_chi_squared() -> None:
    """W = χ²_F / (M (N - 1)), which scipy computes with its own tie correction."""
    rng = np.random.default_rng(0)
    for table in (rng.normal(size=(4, 8)), rng.integers(0, 4, size=(5, 6)).astype(float)):
        chi = float(stats.friedmanchisquare(*table.T).statistic)
        raters, objects = table.shape
        assert found(table, permutations=20).kendall_w == pytest.approx(
            chi / (raters * (objects - 1))
        )


def test_mean_spearman_is_w_rescaled() -> None:
    table = np.random.default_rng(1).normal(size=(4, 8))
    agreed = found(table, permutations=20)
    assert agreed.mean_spearman == pytest.approx((4 * agreed.kendall_w - 1) / 3)
    rho = stats.spearmanr(table[0], table[1]).statistic
    assert agreed.pairs["r0, r1"] == pytest.approx(rho)
    assert len(agreed.pairs) == 6


def test_the_same_order_is_full_agreement_and_noise_is_none() -> None:
    rows = [[1, 2, 3, 4, 5, 6], [10, 20, 30, 40, 50, 60], [1, 4, 9, 16, 25, 36]]
    same = found(rows, permutations=500)
    assert same.kendall_w == 1.0 and same.p == pytest.approx(1 / 501)
    ps = [found(np.random.default_rng(n).normal(size=(4, 8)), permutations=99).p for n in range(60)]
    assert np.mean(np.array(ps) <= 0.05) <= 0.12


def test_what_cannot_be_ranked_is_undefined() -> None:
    nan = float("nan")
    assert isinstance(rank_agreement([[1, 2, 3]], ["a"]), Undefined)
    assert isinstance(rank_agreement([[1, 2, nan], [1, nan, 3]], ["a", "b"]), Undefined)
    assert isinstance(rank_agreement([[1, 1, 1], [1, 2, 3]], ["a", "b"]), Undefined)
    with pytest.raises(ValueError, match="M × N"):
        rank_agreement([[1, 2, 3]], ["a", "b"])


def test_ties_are_corrected() -> None:
    ranks = np.array([[1.5, 1.5, 3], [1.5, 1.5, 3]])
    assert concordance(ranks) == pytest.approx(1.0)
