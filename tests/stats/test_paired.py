"""Paired tests and effect sizes against scipy, statsmodels, pingouin and slow loops."""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pingouin
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint, proportion_effectsize

from stages.stats import effects, paired
from stages.stats.intervals import Estimate, Undefined

BINARY = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=50)
NUMBERS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=6, max_size=25, unique=True
)


def arms(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    array = np.array(pairs, dtype=float)
    return array[:, 0], array[:, 1]


@given(BINARY)
def test_mcnemar_is_statsmodels(pairs: list[tuple[int, int]]) -> None:
    base, adapted = arms(pairs)
    gains, losses, n = paired.discordant(base, adapted)
    ours = paired.mcnemar_exact(base, adapted)
    assert (ours.n, n) == (gains + losses, len(pairs))
    theirs: Any = mcnemar([[0, losses], [gains, 0]], exact=True)
    if gains + losses:
        assert ours.p == pytest.approx(theirs.pvalue)
        assert ours.statistic == theirs.statistic
    else:
        assert ours.p == 1


def test_mcnemar_is_pingouins() -> None:
    import pandas as pd

    base = np.array([0] * 9 + [1] * 3 + [0] * 5 + [1] * 8)
    adapted = np.array([1] * 9 + [0] * 3 + [0] * 5 + [1] * 8)
    _, table = pingouin.chi2_mcnemar(pd.DataFrame({"b": base, "a": adapted}), "b", "a")
    assert paired.mcnemar_exact(base, adapted).p == pytest.approx(table["p_exact"].iloc[0])


def test_twenty_five_tasks_two_solved_need_six_one_way_flips() -> None:
    base = np.array([1] * 2 + [0] * 23)
    for flips, significant in ((5, False), (6, True)):
        adapted = base.copy()
        adapted[2 : 2 + flips] = 1
        assert (paired.mcnemar_exact(base, adapted).p < 0.05) is significant


def test_mcnemar_takes_only_binary_outcomes() -> None:
    with pytest.raises(ValueError, match="0 or 1"):
        paired.mcnemar_exact([0.5], [1])


def test_four_of_five_splits_is_no_evidence() -> None:
    assert paired.sign_test([0.1, 0.2, 0.1, 0.3, -0.1]).p == 0.375
    assert paired.sign_test([0.0, 0.0]).p == 1.0


@given(NUMBERS)
@settings(max_examples=20)  # pingouin builds a table for every test
def test_wilcoxon_is_scipys(pairs: list[tuple[int, int]]) -> None:
    base, adapted = arms(pairs)
    ours = paired.wilcoxon(base, adapted)
    assume(ours.n > 0)
    theirs: Any = stats.wilcoxon(adapted - base)
    assert ours.statistic == theirs.statistic
    # pingouin asks scipy for the continuity correction, which changes only the normal p.
    assert ours.p == pytest.approx(theirs.pvalue, abs=0.05)
    assert ours.n == np.sum(base != adapted)


def test_wilcoxon_exact_is_the_same_to_the_digit() -> None:
    adapted = np.array([1.1, -0.2, 2.3, 0.4, 3.5, -1.6, 2.7, 1.8])
    ours = paired.wilcoxon(np.zeros(8), adapted)
    theirs: Any = stats.wilcoxon(adapted)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-12)
    assert paired.wilcoxon([1, 2], [1, 2]).p == 1.0


@given(NUMBERS)
@settings(max_examples=20)
def test_paired_t_is_scipys(pairs: list[tuple[int, int]]) -> None:
    base, adapted = arms(pairs)
    ours = paired.paired_t(base, adapted)
    if np.ptp(adapted - base) == 0:
        assert isinstance(ours, Undefined)
        return
    theirs = stats.ttest_rel(adapted, base)
    assert isinstance(ours, paired.PairedTest)
    assert (ours.statistic, ours.p) == pytest.approx((theirs.statistic, theirs.pvalue), rel=1e-9)


@pytest.mark.parametrize("arm", [[1.0], [1.0, 1.0, 1.0]])
def test_no_spread_is_undefined_not_significant(arm: list[float]) -> None:
    assert isinstance(paired.paired_t(np.zeros(len(arm)), arm), Undefined)
    assert isinstance(effects.cohens_dz(np.zeros(len(arm)), arm), Undefined)


@given(hnp.arrays(float, st.integers(6, 14), elements=st.floats(-50, 50)))
@settings(max_examples=50)
def test_hodges_lehmann_inverts_the_signed_rank_test(differences: np.ndarray) -> None:
    # Untied differences: then the exact test just inside the interval accepts, just outside not.
    differences = differences + np.sqrt(np.arange(differences.size)) * 1e-3
    walsh = [(a + b) / 2 for i, a in enumerate(differences) for b in differences[i:]]
    ordered = sorted(walsh)
    assume(min(b - a for a, b in pairwise(ordered)) > 1e-7)
    e = paired.hodges_lehmann(np.zeros(differences.size), differences)
    assert e.value == pytest.approx(np.median(walsh))
    for end, outwards in ((e.lo, -1), (e.hi, 1)):
        inside: Any = stats.wilcoxon(differences - (end - outwards * 3e-8), method="exact")
        outside: Any = stats.wilcoxon(differences - (end + outwards * 3e-8), method="exact")
        assert outside.pvalue <= 0.05 < inside.pvalue


@pytest.mark.parametrize(("n", "k"), [(5, -1), (6, 0), (8, 3), (10, 8), (20, 52), (25, 89)])
def test_signed_rank_critical_values_of_the_tables(n: int, k: int) -> None:
    assert paired.signed_rank_critical(n, 0.05) == k


def test_signed_rank_critical_value_is_smooth_where_the_formula_changes() -> None:
    exact, normal = paired.signed_rank_critical(100, 0.05), paired.signed_rank_critical(101, 0.05)
    assert exact == 1955  # Wilcoxon's table for n = 100
    assert 0 < normal - exact < 60


def test_five_pairs_bound_nothing() -> None:
    e = paired.hodges_lehmann([0] * 5, [1, 2, 3, 4, 5])
    assert (e.lo, e.hi) == (-math.inf, math.inf)


@given(hnp.arrays(float, st.tuples(st.integers(1, 7), st.integers(1, 3)),
                  elements=st.sampled_from([-1.0, 0.0, 1.0])))  # fmt: skip
@settings(max_examples=40)
def test_permutation_by_task_is_scipys(cells: np.ndarray) -> None:
    ours = paired.permutation_test(cells)
    sums = cells.sum(axis=1)
    if len(sums) > 1:
        theirs = stats.permutation_test((sums,), np.sum, permutation_type="samples")
        assert ours.p == pytest.approx(float(theirs.pvalue))
    assert ours.statistic == pytest.approx(cells.mean())


def test_permutation_sampled_agrees_with_exact_and_repeats() -> None:
    cells = np.array([[1, 1], [1, 0], [-1, 0], [1, 1], [0, 1], [1, 0], [1, -1], [1, 1]] * 2)
    sampled = paired.permutation_test(cells[:15], resamples=50_000, seed=1)
    sums = cells[:15].sum(axis=1)
    full = stats.permutation_test((sums,), np.sum, permutation_type="samples", n_resamples=2**15)
    assert sampled.p == pytest.approx(float(full.pvalue), abs=0.003)
    wide = np.tile(cells, (2, 1))
    assert paired.permutation_test(wide, seed=3) == paired.permutation_test(wide, seed=3)


def test_runs_of_a_task_do_not_multiply_evidence() -> None:
    one = np.array([[1.0], [1.0], [0.0], [1.0]])
    assert paired.permutation_test(np.repeat(one, 10, axis=1)).p == paired.permutation_test(one).p


@given(NUMBERS)
@settings(max_examples=20)
def test_effect_sizes(pairs: list[tuple[int, int]]) -> None:
    base, adapted = arms(pairs)
    differences = adapted - base
    if np.ptp(differences) > 0:
        expected = stats.ttest_rel(adapted, base).statistic / math.sqrt(len(pairs))
        assert effects.cohens_dz(base, adapted) == pytest.approx(expected)
    if np.any(differences):
        rbc = pingouin.wilcoxon(adapted, base)["RBC"].iloc[0]
        assert effects.rank_biserial(base, adapted) == pytest.approx(rbc)
    else:
        assert effects.rank_biserial(base, adapted) == 0


@given(st.floats(0, 1), st.floats(0, 1))
def test_cohens_h_is_statsmodels(first: float, second: float) -> None:
    expected = proportion_effectsize(second, first)
    assert effects.cohens_h(first, second) == pytest.approx(expected, abs=1e-12)


@given(BINARY, st.floats(0.01, 0.3))
def test_odds_ratio_is_clopper_pearsons(pairs: list[tuple[int, int]], alpha: float) -> None:
    base, adapted = arms(pairs)
    gains, losses, _ = paired.discordant(base, adapted)
    ours = effects.odds_ratio(base, adapted, alpha)
    if gains + losses == 0:
        assert isinstance(ours, Undefined)
        return
    lo, hi = proportion_confint(gains, gains + losses, alpha, method="beta")
    assert isinstance(ours, Estimate)
    assert ours.lo == pytest.approx(lo / (1 - lo), rel=1e-6, abs=1e-12)
    assert ours.hi == pytest.approx(hi / (1 - hi) if losses else math.inf, rel=1e-6)
    assert ours.value == (gains / losses if losses else math.inf)


def test_arms_must_pair() -> None:
    with pytest.raises(ValueError, match="same order"):
        paired.wilcoxon([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="NaN"):
        paired.paired_t([1, np.nan], [1, 2])


def test_pingouin_is_imported_only_when_used() -> None:
    code = (
        "import sys, stages.stats.effects, stages.stats.verdict, stages.stats.items;"
        "sys.exit(any(m in sys.modules for m in ('pingouin', 'statsmodels', 'pandas', 'torch')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_pingouin_is_imported_without_its_plots() -> None:
    code = (
        "import sys; from stages.stats.paired import paired_t; paired_t([1, 2, 4], [2, 4, 3]);"
        "assert not {'matplotlib', 'seaborn', 'pingouin.plotting'} & set(sys.modules);"
        "import pingouin.plotting; assert pingouin.plotting.plot_paired"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
