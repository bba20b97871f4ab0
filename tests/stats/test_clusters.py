"""Crossed estimates against statsmodels' clustered covariance and against slow loops."""

from __future__ import annotations

import time
from random import Random

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from stages.stats.clusters import (
    bootstrap_estimand,
    bootstrap_means,
    cluster_bootstrap,
    clustered_difference,
    clustered_proportion,
    tabulate_cells,
    task_means,
    two_way_variance,
)
from stages.stats.intervals import tango_ends

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 5))
FLIPS = SHAPES.flatmap(lambda s: hnp.arrays(float, s, elements=st.sampled_from([-1.0, 0.0, 1.0])))
RATES = SHAPES.flatmap(lambda s: hnp.arrays(float, s, elements=st.floats(0, 1, width=16)))


def clustered_variance(values: np.ndarray, groups: np.ndarray) -> float:
    """Variance of a mean from statsmodels' one-way clustered covariance."""
    model = sm.OLS(values, np.ones_like(values))
    fitted = model.fit(cov_type="cluster", cov_kwds={"groups": groups})
    return float(np.asarray(fitted.cov_params()).item())


@given(hnp.arrays(float, (8, 4), elements=st.floats(-1, 1, width=16)), st.integers(0, 10))
def test_variance_is_the_sum_of_both_clusterings(cells: np.ndarray, missing: int) -> None:
    cells = cells.copy()
    cells.flat[:missing] = np.nan
    cells[missing // 4, 0] = 0.5
    assume(np.nanstd(cells) > 1e-3)
    tasks, runs = np.indices(cells.shape)
    seen = ~np.isnan(cells)
    seen_rows = seen.any(axis=1)
    parts = [clustered_variance(cells[seen], np.asarray(labels)[seen]) for labels in (tasks, runs)]
    ours = two_way_variance(cells[seen_rows])
    assert ours.variance == pytest.approx(sum(parts), rel=1e-9, abs=1e-15)
    dfs = (int(seen_rows.sum()) - 1, 3)
    satterthwaite = sum(parts) ** 2 / sum(p**2 / df for p, df in zip(parts, dfs, strict=True))
    assert ours.df == pytest.approx(max(1.0, satterthwaite), rel=1e-9)


@given(st.integers(2, 40), st.data())
def test_one_run_is_tango_with_a_t_quantile(n: int, data: st.DataObject) -> None:
    gains = data.draw(st.integers(0, n))
    losses = data.draw(st.integers(0, n - gains))
    e = clustered_difference([1] * gains + [-1] * losses + [0] * (n - gains - losses))
    t = float(stats.t.ppf(0.975, n - 1))
    assert (e.lo, e.hi) == pytest.approx(tango_ends(gains, losses, n, t), abs=1e-6)
    assert e.n == n


@given(FLIPS, st.randoms())
def test_order_and_sign_do_not_matter(cells: np.ndarray, random: Random) -> None:
    e = clustered_difference(cells)
    rows, columns = list(range(cells.shape[0])), list(range(cells.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    shuffled = clustered_difference(cells[rows][:, columns])
    assert (shuffled.lo, shuffled.hi) == pytest.approx((e.lo, e.hi), abs=1e-6)
    mirrored = clustered_difference(-cells)
    assert (mirrored.lo, mirrored.hi) == pytest.approx((-e.hi, -e.lo), abs=1e-6)


@given(FLIPS)
def test_interval_holds_the_mean_and_is_never_a_point(cells: np.ndarray) -> None:
    for e in (clustered_difference(cells), cluster_bootstrap(cells, resamples=200)):
        assert e.value == pytest.approx(float(cells.mean()), abs=1e-12)
        assert -1 <= e.lo <= e.value <= e.hi <= 1
        assert e.hi > e.lo  # two tasks say nothing for certain, however alike
    wider = clustered_difference(cells, alpha=0.01)
    narrow = clustered_difference(cells, alpha=0.2)
    assert wider.lo <= narrow.lo + 1e-9
    assert wider.hi >= narrow.hi - 1e-9


@given(RATES)
def test_proportion_stays_in_range(cells: np.ndarray) -> None:
    e = clustered_proportion(cells)
    assert 0 <= e.lo <= e.value <= e.hi <= 1
    assert e.hi > e.lo  # two tasks say nothing for certain, however alike


@pytest.mark.parametrize("fill", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 1), (25, 1), (25, 5)])
def test_cells_without_spread_count_tasks_not_cells(fill: float, shape: tuple[int, int]) -> None:
    e = clustered_difference(np.full(shape, fill))
    tasks = shape[0]
    critical = float(stats.t.ppf(0.975, tasks - 1)) if tasks > 1 else 1.959964
    expected = tango_ends(tasks * max(fill, 0), tasks * max(-fill, 0), tasks, critical)
    assert (e.lo, e.hi) == pytest.approx(expected, abs=1e-6)
    assert cluster_bootstrap(np.full(shape, fill)) == e


def test_copied_runs_add_nothing() -> None:
    one = np.array([1, 1, 0, 0, -1, 0, 1, 0, 0, 0], dtype=float)[:, None]
    once, copied = clustered_difference(one), clustered_difference(np.repeat(one, 5, axis=1))
    assert copied.hi - copied.lo >= once.hi - once.lo


def test_a_reused_task_is_one_row() -> None:
    rows = [("t1", ("A", 0), 1.0), ("t2", ("A", 0), 0.0), ("t1", ("B", 0), 0.0)]
    cells = tabulate_cells(rows)
    assert cells.shape == (2, 2)
    assert clustered_difference(cells).n == 2
    assert np.isnan(cells[1, 1])
    assert task_means(cells).tolist() == [0.5, 0.0]
    with pytest.raises(ValueError, match="two values"):
        tabulate_cells([*rows, rows[0]])


def test_harness_errors_leave_no_task_behind() -> None:
    assert clustered_proportion([[1, np.nan], [np.nan, np.nan], [0, 1]]).n == 2
    with pytest.raises(ValueError, match="no measured cell"):
        clustered_proportion([[np.nan]])


def test_bound_scales_the_interval() -> None:
    flips = np.array([[1.0], [0.0], [-1.0], [1.0], [0.0]])
    e, steps = clustered_difference(flips), clustered_difference(flips * 30, bound=30)
    assert (steps.lo, steps.hi) == pytest.approx((30 * e.lo, 30 * e.hi))
    with pytest.raises(ValueError, match="exceeds the bound"):
        clustered_difference(flips * 30)


def slow_bootstrap(cells: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    means = []
    for _ in range(resamples):
        rows = rng.integers(0, cells.shape[0], cells.shape[0])
        columns = rng.integers(0, cells.shape[1], cells.shape[1])
        means.append(np.nanmean(cells[rows][:, columns]))
    return np.array(means)


def test_bootstrap_has_the_distribution_of_a_slow_loop() -> None:
    rng = np.random.default_rng(3)
    cells = rng.choice([-1.0, 0.0, 1.0], size=(30, 5), p=[0.1, 0.6, 0.3])
    cells[rng.random(cells.shape) < 0.2] = np.nan
    ours, slow = bootstrap_means(cells, 8000, 1), slow_bootstrap(cells, 8000, 2)
    assert ours.mean() == pytest.approx(slow.mean(), abs=0.005)
    assert ours.std() == pytest.approx(slow.std(), rel=0.05)
    assert np.quantile(ours, [0.025, 0.975]) == pytest.approx(
        np.quantile(slow, [0.025, 0.975]), abs=0.015
    )


def test_bootstrap_of_one_run_is_scipys() -> None:
    values = np.random.default_rng(0).normal(0, 0.2, 50).clip(-1, 1)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=5000, method="percentile", rng=1)
    ours = cluster_bootstrap(values, resamples=5000)
    interval = theirs.confidence_interval
    assert (ours.lo, ours.hi) == pytest.approx((interval.low, interval.high), abs=0.01)


def test_bootstrap_repeats_itself_and_nests() -> None:
    cells = np.random.default_rng(5).choice([-1.0, 0.0, 1.0], size=(20, 3))
    assert cluster_bootstrap(cells, seed=4) == cluster_bootstrap(cells, seed=4)
    estimand = bootstrap_estimand(cells)
    assert estimand(0.01).lo <= estimand(0.05).lo <= estimand(0.2).lo


def test_bootstrap_is_fast() -> None:
    cells = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], size=(50, 5))
    times = []
    for _ in range(7):
        start = time.process_time()
        cluster_bootstrap(cells, resamples=2000)
        times.append(time.process_time() - start)
    assert min(times) < 0.05


def test_an_interval_at_a_tiny_alpha_and_one_degree_of_freedom_spans_everything():
    cells = np.tile([1.0, -0.5], (30, 1))
    estimate = clustered_difference(cells, alpha=1e-12)
    assert (estimate.lo, estimate.hi) == (-1.0, 1.0)
