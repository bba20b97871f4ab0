"""Two-way ANOVA against pingouin, its intervals, and tables that show too little."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy import special, stats

from stages.stats.anova import Anova, noncentralities, two_way_anova
from stages.stats.intervals import Estimate, Undefined


def table(rng: np.random.Generator, models: int, repositories: int, runs: int) -> pd.DataFrame:
    rows = [
        (m, r, 0.1 * m + 0.05 * r + rng.normal(0, 0.1))
        for m in range(models)
        for r in range(repositories)
        for _ in range(runs)
    ]
    return pd.DataFrame(rows, columns=["model", "repository", "value"])


def ours(frame: pd.DataFrame) -> Anova:
    return two_way_anova(list(frame["model"]), list(frame["repository"]), frame["value"])


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pingouin 0.7 with pandas 3.1
@pytest.mark.parametrize("dropped", [0, 9])
def test_the_table_is_pingouins(dropped: int) -> None:
    frame = table(np.random.default_rng(0), 4, 8, 3).iloc[dropped and 1 :]
    frame = frame.drop(frame.index[[5, 11, 17, 30, 44, 70, 90, 92][:dropped]])
    theirs = pingouin.anova(frame, dv="value", between=["model", "repository"], ss_type=2)
    found = ours(frame)
    names = ["model", "repository", "model × repository"]
    for name, (_, row) in zip(names, theirs.iterrows(), strict=False):
        effect = found.effects[name]
        assert effect.sum_of_squares == pytest.approx(row["SS"], rel=1e-6)
        assert (effect.df, effect.f, effect.p) == pytest.approx((row["DF"], row["F"], row["p_unc"]))
        assert isinstance(effect.partial_eta_squared, Estimate)
        assert effect.partial_eta_squared.value == pytest.approx(row["np2"])
    assert bool(found.notes) == bool(dropped)


def test_noncentralities_put_f_on_its_quantiles() -> None:
    for f, df, rest in ((3.0, 3, 32), (40.0, 7, 32), (9.0, 1, 10)):
        lo, hi = noncentralities(f, df, rest, 0.05)
        assert special.ncfdtr(df, rest, hi, f) == pytest.approx(0.025, abs=1e-6)
        assert lo == 0 or special.ncfdtr(df, rest, lo, f) == pytest.approx(0.975, abs=1e-6)
    assert noncentralities(0.2, 3, 32, 0.05)[0] == 0
    assert stats.ncf.cdf(9.0, 1, 10, noncentralities(9.0, 1, 10, 0.05)[1]) == pytest.approx(0.025)


def test_omega_is_below_eta_and_by_hand() -> None:
    effect = two_way_anova("aaaabbbb", "xxyyxxyy", range(8)).effects["model"]
    assert isinstance(effect.partial_omega_squared, Estimate)
    assert effect.partial_omega_squared.value == pytest.approx(63 / (63 + 8))
    null = ours(table(np.random.default_rng(5), 4, 8, 2)).effects["model × repository"]
    assert isinstance(null.partial_omega_squared, Estimate)
    assert isinstance(null.partial_eta_squared, Estimate)
    assert 0 <= null.partial_omega_squared.value < null.partial_eta_squared.value


def test_one_value_per_cell_tests_no_interaction() -> None:
    found = ours(table(np.random.default_rng(1), 4, 8, 1))
    assert found.residual == "interaction"
    assert found.residual_df == 21
    assert "the interaction is the residual" in str(found.effects["model × repository"].f)
    assert isinstance(found.effects["model"].f, float)


def test_degenerate_tables_say_why() -> None:
    flat = two_way_anova("aabb", "xyxy", [0.0] * 4)
    assert all(isinstance(e.f, Undefined) for e in flat.effects.values())
    one = two_way_anova("aaaa", "xxyy", [1, 2, 3, 5])
    assert "cannot tell model" in str(one.effects["model"].f)
    assert isinstance(one.effects["repository"].f, float)
    confounded = two_way_anova("aabb", "xxyy", [1, 2, 3, 5])
    assert "cannot tell repository" in str(confounded.effects["repository"].f)
    assert any("2 of 4 cells are empty" in note for note in confounded.notes)
    alone = two_way_anova("a", "x", [1])
    assert isinstance(alone.residual_mean_square, Undefined)
    exact = two_way_anova("aabb", "xxyy", [1, 1, 3, 3])
    assert "do not vary" in str(exact.effects["model"].f) or exact.effects["model"].df == 0


def test_levene_sees_a_model_that_varies_more_and_is_scipys_over_cells() -> None:
    rng = np.random.default_rng(2)
    frame = table(rng, 4, 8, 3)
    frame["value"] = rng.normal(0, np.where(frame["model"] == 0, 1.0, 0.1))
    checks = {check.name: check for check in ours(frame).checks}
    assert checks["Levene by model"].doubtful
    assert not checks["Levene by repository"].doubtful
    groups = [g["value"] for _, g in frame.groupby(["model", "repository"])]
    assert checks["Levene over cells"].p == pytest.approx(stats.levene(*groups).pvalue)


def test_two_values_per_cell_are_not_counted_twice() -> None:
    rng = np.random.default_rng(3)
    doubtful = 0
    for _ in range(60):
        frame = table(rng, 4, 8, 2)
        checks = {check.name: check for check in ours(frame).checks}
        assert isinstance(checks["Levene over cells"].p, Undefined)
        doubtful += checks["Levene by model"].doubtful
    assert doubtful <= 9


def test_shapiro_sees_an_outlier() -> None:
    frame = table(np.random.default_rng(4), 4, 8, 3)
    frame.loc[10, "value"] = 9.0
    assert {check.name: check for check in ours(frame).checks}["Shapiro–Wilk of residuals"].doubtful


def test_bad_tables_are_refused() -> None:
    with pytest.raises(ValueError, match="one of each"):
        two_way_anova("ab", "x", [1, 2])
    with pytest.raises(ValueError, match="all are NaN"):
        two_way_anova("a", "x", [np.nan])
